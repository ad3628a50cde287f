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
# # Live commentary
#
# Run all cells: a spoken commentary on the demo clips starts. It takes 75 seconds. The default is the *baseline
# commentator*: it sees motion, cuts, a few kinds of object and words on screen, and understands nothing. All controls
# work while it runs. When you stop it, or when the clip ends, the plots below are drawn. For pictures of your own, type
# a path, a URL or `browser camera` into *Source*.
#
# To use a real model, replace `load_settings()` by one of these lines (`commentator check` says what this machine can
# run):
#
#     settings = load_settings(commentator="minicpmo", model_path="/models/MiniCPM-o-4_5-awq")
#     settings = load_settings(commentator="vlm", model_path="HuggingFaceTB/SmolVLM2-500M-Video-Instruct")
#     settings = load_settings(commentator="openai", api_base_url="http://127.0.0.1:8000/v1")

# %%
from commentator_lib import load_settings
from commentator_lib.notebook.control_panel import ControlPanel
from commentator_lib.runs.figures import delay_figure, latency_figure, memory_figure

# or load_settings("commentator.toml"), or load_settings(preset="sniper", pause_s=0.5)
settings = load_settings()
panel = ControlPanel("demo", settings, runs_dir="../runs")

# %% [markdown]
# This cell returns at once, and the kernel stays free while the commentary runs.

# %%
session = panel.start()
panel

# %% [markdown]
# The results of a run are drawn here each time a run ends. `session.log.cycles` has one row for each cycle (why the
# commentator spoke or did not, all times, delay, picture/sound error). `session.log.samples` has one row for each
# second (memory, GPU memory, delay, frames shown). Both are DataFrames, and you can read them while a run is going on.

# %%
COLUMNS = [
    "cycle",
    "outcome",
    "heard_from_s",
    "first_sound_latency_s",
    "gap_before_s",
    "sync_error_s",
    "heard_text",
]

panel.when_over(
    lambda run: run.log.cycles[COLUMNS].tail(8),
    lambda run: latency_figure(run.log.cycles),
    lambda run: delay_figure(run.log.cycles, run.log.samples),
    lambda run: memory_figure(run.log.samples),
)

# %% [markdown]
# You can also ask a question or change a setting from code; both take effect while the commentary runs:
#
#     panel.ask("Who is on the left?")
#     panel.update(pause_s=0.5, change_threshold=2.0)
#     panel.player.draws  # when each frame was due, sent, received and drawn in the page
