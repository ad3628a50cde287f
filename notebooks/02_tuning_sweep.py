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
# # Tuning sweep
#
# Stride × change threshold × token cap, over several matches and seeds: how each setting changes what a viewer notices,
# and what it costs. The runs are *what-if* runs: virtual time, a **scripted** spotter with assumed eyesight, and costs
# from a file. They show how the settings act together, not how good a model is.
#
# The small sweep below takes half a minute. For the thousand runs of the full sweep, run `make sweep` (ten minutes) and
# then set `SWEEP = "stride_threshold_cap"`: runs that are finished are not run again.

# %%
import sys
from pathlib import Path

sys.path.insert(0, "..")

from experiments.measuring import analysis, plots
from experiments.measuring.plot_parts import show
from experiments.sweeping.costs import load_cost
from experiments.sweeping.sweep import RESULTS, load_results, load_sweep, results_id, run_sweep

SWEEP = "small"
COST = "minicpmo_h100"
SETTINGS = ["frame_stride", "change_threshold", "speech_max_new_tokens"]
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
# The setting with the smallest mean of four measures, each scaled to its range in this sweep: events missed, dead air,
# false triggers, computing. How certain is it? Whole (match, seed) pairs are resampled a thousand times, and
# `share_of_draws` says how often this setting would have won. If the share is small, the first few settings are equally
# good.

# %%
best = analysis.recommend(results, SETTINGS)
print(f"recommended: {best.setting}, in {best.share_of_draws:.0%} of the draws")
best.table.head(6).round(3)

# %% [markdown]
# ## Heat maps
#
# Means over matches and seeds; above each row stands how wide their 95 % bootstrap intervals are. Darker means more;
# less is better in all five. The recommended setting has a red frame.

# %%
table = analysis.by_setting(results, SETTINGS, MEASURES)
heat = plots.heat_maps(table, *SETTINGS, MEASURES, f"{run_id}: scripted spotter, virtual time", best.setting)
show(heat, figures, run_id, "heat-maps")

# %% [markdown]
# ## Missed events against computing
#
# The recommendation counts four measures, two of which are the axes here. A setting is on their front (filled) if no
# other one is at most as bad in all four and better in one. So the recommended setting lies on the front; a filled
# point that looks beaten is better in dead air or in false triggers.

# %%
front = analysis.pareto_front(table, analysis.OBJECTIVES)
pareto = plots.pareto_figure(
    table,
    front,
    "busy_share",
    "missed_3s",
    analysis.OBJECTIVES,
    f"{run_id}: scripted spotter, virtual time",
    best.setting,
)
show(pareto, figures, run_id, "pareto")

# %% [markdown]
# ## What is gained against what it costs
#
# F1 of speaking against redundancy, events named against silence, and both against computing. The front and the
# recommendation are those of these five measures, so the recommended setting may be another one than above.

# %%
from experiments.measuring import trade_offs

trade = trade_offs.trade_off_figure(
    trade_offs.trade_off_table(results, SETTINGS),
    trade_offs.recommended(results, SETTINGS),
    f"{run_id}: scripted spotter, virtual time",
)
show(trade, figures, run_id, "trade-offs")

# %% [markdown]
# ## One setting at a time
#
# Averaged over the other two settings, with 95 % bootstrap intervals.

# %%
for setting in SETTINGS:
    one = plots.knob_figure(
        analysis.by_setting(results, [setting], MEASURES), setting, MEASURES, run_id=run_id
    )
    display(show(one, figures, run_id, setting))
