"""The control panel as a page of its own: one run, watched and steered by all who have the link.

python -m commentator_lib.notebook.page clip.mp4
"""
