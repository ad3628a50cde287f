# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Benchmarks
#
# Under both pacing policies: where the time goes, how memory develops, how the picture's delay settles, and how far
# voice and picture are apart. The **baseline commentator** comments on a scripted match in real time; its latencies say
# nothing about those of a model.
#
# The two short runs below take a minute and a half. `python -m experiments.sweep experiments/sweeps/live_match.toml`
# makes six runs of two minutes; after that, set `SWEEP = "live_match"`.

# %%
import sys
from pathlib import Path

sys.path.insert(0, "..")

import pandas as pd

from commentator_lib.runs.figures import delay_figure, memory_figure
from experiments.measuring import analysis, run_plots
from experiments.measuring.plot_parts import show
from experiments.sweeping.sweep import RESULTS, load_results, load_runs, load_sweep, run_sweep

SWEEP = "small_live"

folder = RESULTS / SWEEP
run_sweep(load_sweep(Path("../experiments/sweeps") / f"{SWEEP}.toml"), folder)
results = load_results(folder)
runs = load_runs(folder, results)
first = runs[0]
run_id = f"{SWEEP}-{first.folder.name}"
figures = RESULTS / "figures"
cycles = {
    policy: pd.concat([runs[k].cycles for k in results.index[results.policy == policy]])
    for policy in sorted(results.policy.unique())
}
hardware = first.header["hardware"]
machine = f"{hardware['cores']} cores of {hardware['processor']}, {hardware['gpu'] or 'no GPU'}"
print(f"{len(runs)} runs; {first.header['commentator']}; {machine}; commit {first.header['commit']}")

# %% [markdown]
# ## Latency by stage
#
# From the capture of a comment's newest frame until it is heard. Under *playout* the last stage is the wait for the
# picture: it makes voice and picture agree, and it passes while the previous comment is still heard. Under *serial* a
# comment is heard as soon as it is ready, whatever the picture shows then.

# %%
stages = run_plots.stage_figure({policy: analysis.stage_seconds(c) for policy, c in cycles.items()}, run_id)
show(stages, figures, run_id, "stages")

# %% [markdown]
# ## Picture/sound error by policy

# %%
errors = run_plots.error_figure(
    {policy: c.sync_error_s.dropna().abs() for policy, c in cycles.items()}, run_id
)
show(errors, figures, run_id, "sync-error")

# %% [markdown]
# ## Delay against observed latency, and whether it settles
#
# Settled means: flat (less than 0.02 s a second through any ten seconds) and within a tenth of the delay that is
# wanted, until the end. Short runs may end before that; then the title says so.

# %%
for policy in cycles:
    run = runs[results.index[results.policy == policy][0]]
    delay = delay_figure(run.cycles, run.samples, run_id=f"{run_id}: {policy}")
    display(show(delay, figures, run_id, f"delay-{policy}"))

# %% [markdown]
# ## Memory over time

# %%
memory = memory_figure(first.samples, run_id=run_id)
show(memory, figures, run_id, "memory")

# %% [markdown]
# ## Measures by policy: mean [95 % bootstrap interval] (runs)

# %%
COLUMNS = [
    "goal_recall_3s",
    "response_error_median_s",
    "response_latency_median_s",
    "false_triggers_per_min",
    "dead_air_share",
    "gap_median_s",
    "sync_error_mean_s",
    "comments_per_min",
    "repetition",
    "cpu_core_share",
    "peak_rss_bytes",
]
analysis.readable(results, "policy", COLUMNS)

# %% [markdown]
# ## Against a truth of others
#
# `TRUTH` may be any file of captions or events for the clip that was played, in a format that `python -m
# experiments.convert --formats` lists. Without one, the match's own truth is written as LiveSports-3K-CC has it, and
# read again. `docs/convert.md` explains the measures.

# %%
from commentator_lib.truth.against import measure_run
from commentator_lib.truth.files import read_truth
from experiments.convert.convert import convert

TRUTH = None

if TRUTH is None:
    TRUTH = folder / "livesports.jsonl"
    convert(Path(first.header["source"][0]).with_suffix(".events.json"), TRUTH, "livesports", force=True)
truth, _ = read_truth(Path(TRUTH))
firsts = {policy: runs[results.index[results.policy == policy][0]] for policy in cycles}
pd.DataFrame({policy: measure_run(run, truth) for policy, run in firsts.items()}).round(3)

# %% [markdown]
# ## When to speak: F1 against repetition
#
# The policies of `speak_when` in virtual time, on two scripted matches. **No model runs here:** the commentator is
# scripted, says the same again where nothing is new, and as a judge of its own tells new from old equally well under
# each rule (three standard deviations). So the figure compares rules and thresholds, not models. F1 is of speaking in
# the seconds of action, repetition the share of four-word runs that one of the five comments before had too. It takes
# a quarter of a minute, and once half a minute more to draw the matches.

# %%
from experiments.measuring import speaking

spoken = speaking.compare_policies()
when = run_plots.speaking_figure(
    analysis.by_setting(spoken, ["when"], speaking.COLUMNS),
    "Scripted commentator",
    "scripted matches, virtual time",
)
display(show(when, figures, "scripted", "when-to-speak"))
analysis.readable(spoken, "when", speaking.COLUMNS)

# %% [markdown]
# ## When to speak: what is gained against what it costs
#
# The same runs: F1 against redundancy, events named against silence, and both against computing, in which the judge's
# passes count too. The recommended policy has the least mean of the five measures, each scaled to its range, so it lies
# on their front; how sure that is stands in the title.

# %%
from experiments.measuring import trade_offs

trade = trade_offs.trade_off_figure(
    trade_offs.trade_off_table(spoken, ["when"]),
    trade_offs.recommended(spoken, ["when"]),
    "scripted matches, virtual time",
    named="when",
)
show(trade, figures, "scripted", "when-to-speak-trade-offs")

# %% [markdown]
# ## Compared with the nerdpudding project's published table
#
# Each number stands with the hardware on which it was measured. The commentators differ (theirs is MiniCPM-o 4.5), so
# this compares what a viewer gets from two loops, not two models.

# %%
pd.set_option("display.max_colwidth", None)
analysis.against_published(results[results.policy == "playout"], machine, first.header["commentator"])

# %% [markdown]
# ## MiniCPM-o 4.5 on a GPU: each stage, before and after
#
# These numbers are not measured here. They come from H100s, with **random weights** of the full size (the times are
# real, the words mean nothing), for the model's own code and for ours. `python -m experiments.bench_model --compare
# seed` measures both again in one run. `docs/minicpmo_h100.json` names the runs under `run` and `own_run`.

# %%
import json

measured = json.loads(Path("../docs/minicpmo_h100.json").read_text())
one = measured["bf16"]
before_after = run_plots.before_after_figure(
    measured, f"MiniCPM-o 4.5, {one['weights']} weights, {one['frames']} frames, {one['gpu']}"
)
show(before_after, figures, run_id, "minicpmo-stages")
