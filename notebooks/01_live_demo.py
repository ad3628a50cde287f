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
# # Live commentary
#
# Choose **Run ▸ Run All Cells**: a voice comments on a short film. To watch something else, choose it under *Source*: a
# file, a web address, a camera. A click on `●●●` unfolds the code.

# %% jupyter={"source_hidden": true}
from commentator_lib import load_settings
from commentator_lib.notebook.control_panel import ControlPanel

# The default commentator, "baseline", needs no GPU: it sees motion, cuts, some kinds of object and words on screen, and
# understands nothing. For a real model, use one of these lines (`commentator check` says what this machine can run):
#
#     settings = load_settings(commentator="minicpmo", model_path="/models/MiniCPM-o-4_5-awq")
#     settings = load_settings(commentator="vlm", model_path="HuggingFaceTB/SmolVLM2-500M-Video-Instruct")
#     settings = load_settings(commentator="openai", api_base_url="http://127.0.0.1:8000/v1")
#
# Or load_settings("commentator.toml"), or load_settings(preset="sniper", pause_s=0.5).
settings = load_settings()
panel = ControlPanel("demo", settings, runs_dir="../runs")

# %% jupyter={"source_hidden": true}
# This returns at once, and the kernel stays free while the commentary runs. From another cell:
#
#     panel.ask("Who is on the left?")
#     panel.update(pause_s=0.5, change_threshold=2.0)
#     session.log.cycles   # one row a cycle: why the commentator spoke or did not, all times, delay
#     session.log.samples  # one row a second: memory, delay, frames shown
session = panel.start()
panel
