# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Tuning sweep
#
# Stride × change threshold × token cap, over matches and seeds: what each setting does to what a viewer notices, and
# to what it costs. The runs are *what-if* runs: virtual time, a **scripted** spotter with assumed eyesight, costs
# from a file. They say how the knobs act on each other, not how good a model is.
#
# The small sweep below takes half a minute. For the thousand runs of the shipped one, `make sweep` (ten minutes) and
# then `SWEEP = "stride_threshold_cap"`: what is finished is not run again.

# %%
import sys
from pathlib import Path

sys.path.insert(0, "..")

from experiments.measuring import analysis, plots  # noqa: E402
from experiments.sweeping.costs import load_cost  # noqa: E402
from experiments.sweeping.sweep import RESULTS, load_results, load_sweep, results_id, run_sweep  # noqa: E402

SWEEP = "small"
COST = "minicpmo_h100"
KNOBS = ["frame_stride", "change_threshold", "speech_max_new_tokens"]
MEASURES = [
    "response_error_median_s",
    "missed_3s",
    "dead_air_share",
    "false_triggers_per_min",
    "busy_share",
]

folder = RESULTS / SWEEP
run_sweep(load_sweep(Path("../experiments/sweeps") / f"{SWEEP}.toml"), folder)

# %%
everything = load_results(folder)
results = analysis.load_run_table(everything[everything.cost == COST])
run_id = f"{results_id(folder)}-{COST}"
figures = RESULTS / "figures"
print(
    f"{len(results)} runs of {results.duration_s.iloc[0]:.0f} s; {run_id}\n\n{COST}: {load_cost(COST).source}"
)

# %% [markdown]
# ## A setting to start from
#
# The least mean of four things, each over its range in this sweep: events missed, dead air, false triggers,
# computing. The doubt is honest: whole (match, seed) pairs are drawn a thousand times, and `share_of_draws` says how
# often a setting would have won. Where it is small, the first few settings are as good as each other.

# %%
best = analysis.recommend(results, KNOBS)
print(f"recommended: {best.setting}, in {best.share_of_draws:.0%} of the draws")
best.table.head(6).round(3)

# %% [markdown]
# ## Heat maps
#
# Mean ± standard deviation over matches and seeds; darker is more, and in all five less is better. Red: the
# recommended setting.

# %%
table = analysis.by_setting(results, KNOBS, MEASURES)
heat = plots.heat_maps(table, *KNOBS, MEASURES, f"{run_id}: scripted spotter, virtual time", best.setting)
plots.show(heat, figures, run_id, "heat-maps")

# %% [markdown]
# ## What can be had at what price
#
# Settings on the front cannot be bettered in one of the two without losing in the other.

# %%
front = analysis.pareto_front(table, ["missed_3s", "busy_share"])
pareto = plots.pareto_figure(
    table, front, "busy_share", "missed_3s", KNOBS, f"{run_id}: scripted spotter, virtual time", best.setting
)
plots.show(pareto, figures, run_id, "pareto")

# %% [markdown]
# ## One knob at a time
#
# Averaged over the other two.

# %%
for knob in KNOBS:
    one = plots.knob_figure(analysis.by_setting(results, [knob], MEASURES), knob, MEASURES, title=run_id)
    display(plots.show(one, figures, run_id, knob))  # noqa: F821
