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
# Run all cells: a commentary of the two demo clips starts, 46 seconds long, spoken by the embedded voice. What
# comments by default is the *baseline commentator*: it sees motion, cuts, a few kinds of object and words on screen, and
# understands nothing. Everything on the desk works while it runs; a stop or the end of the clip draws the plots
# below. Type a path, a URL or `browser camera` into *Source* for pictures of your own.
#
# A real model takes one line in place of `load_settings()` (`commentator check` says what this machine can run):
#
#     settings = load_settings(commentator="minicpmo", model_path="/models/MiniCPM-o-4_5-awq")
#     settings = load_settings(commentator="vlm", model_path="HuggingFaceTB/SmolVLM2-500M-Video-Instruct")
#     settings = load_settings(commentator="openai", api_base_url="http://127.0.0.1:8000/v1")

# %%
from commentator_lib import load_settings
from commentator_lib.notebook.control_panel import ControlPanel
from commentator_lib.runs.report import delay_figure, latency_figure, memory_figure

settings = (
    load_settings()
)  # or load_settings("commentator.toml"), or load_settings(preset="sniper", pause_s=0.5)
desk = ControlPanel("demo", settings, runs_dir="../runs")

# %% [markdown]
# The live cell returns at once; the kernel stays free while the commentary runs.

# %%
session = desk.start()
desk

# %% [markdown]
# What the run came to, drawn when it is over, and again after each further run. `session.log.cycles` has one row
# for each cycle (why it spoke or did not, every time stamp, delay, picture/sound error), `session.log.samples` one
# row a second (memory, GPU memory, delay, frames shown); both are DataFrames, also in mid-run.

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

desk.when_over(
    lambda run: run.log.cycles[COLUMNS].tail(8),
    lambda run: latency_figure(run.log.cycles),
    lambda run: delay_figure(run.log.cycles, run.log.samples),
    lambda run: memory_figure(run.log.samples),
)

# %% [markdown]
# Questions can be asked from code as well, and any knob turned; both take effect in mid-stream:
#
#     desk.ask("Who is on the left?")
#     desk.update(pause_s=0.5, change_threshold=2.0)
#     desk.player.draws  # when each frame was due, sent, received and drawn in the page
