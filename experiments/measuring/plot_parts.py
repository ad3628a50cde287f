"""What all figures share: labels with units, a sentence as title, the run's id in small print, saving, alt text."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The label of a measure on an axis. A column that is not listed is labelled with its name.
LABELS = {
    "response_error_median_s": "response error, median, s",
    "response_latency_median_s": "response latency, median, s",
    "missed_3s": "events missed (3 s), share",
    "recall_3s": "events named (3 s), share",
    "goal_recall_3s": "goals named (3 s), share",
    "dead_air_share": "dead air in action, share",
    "false_triggers_per_min": "false triggers a minute",
    "busy_share": "computing, share of time",
    "sync_error_p95_s": "picture/sound error, p95, s",
    "gap_median_s": "silence between comments, median, s",
    "comments_per_min": "comments a minute",
    "redundancy": "redundancy, mean |1 − n|",
    "delay_end_s": "picture delay at the end, s",
    "frame_stride": "frame stride, frames",
    "change_threshold": "change threshold, of 255",
    "speech_max_new_tokens": "token cap, tokens",
    "pause_s": "pause, s",
    "capture_fps": "capture rate, frames/s",
    "frames_per_inference": "frames a comment sees",
    "policy": "pacing policy",
    "when": "when to speak",
    "speak_f1": "F1 of speaking in action, one decision a second",
    "repetition": "four-word runs said before, share",
}
POLICY_COLOURS = {"playout": "tab:blue", "serial": "tab:orange"}

# Fewer values than these have no 95th percentile worth its name: they are drawn one by one.
FEWEST_FOR_P95 = 20
# The docs show a figure at most about this wide, at this many px an inch; texts of 8 points can be read there.
DOC_DPI, WIDTH_IN = 90, 7.6


def label(name: str) -> str:
    """Return the axis label of a column, with its unit."""
    return LABELS.get(name, name.replace("_", " "))


def words(name: str) -> str:
    """Return a column's name in a sentence, without its unit."""
    return re.sub(r",.*| \(.*", "", label(name))


def new_figure(height_in: float, title: str, run_id: str = "", width_in: float = WIDTH_IN) -> Figure:
    """Return a figure with a sentence above it, broken into lines, and the run's id in small print below it."""
    from matplotlib.figure import Figure

    lines = textwrap.wrap(title, int(width_in * 12.5)) or [""]
    figure = Figure(figsize=(width_in, height_in + 0.17 * len(lines)), layout="constrained")
    figure.suptitle("\n".join(lines), fontsize=10, x=0.01, ha="left")
    if run_id:
        figure.supxlabel(run_id, fontsize=6.5, color="dimgray", x=0.995, ha="right")
    return figure


def tidy(axes: Axes, grid: str = "both") -> None:
    """Give axes a light grid and texts that can be read at the docs' width."""
    axes.grid(alpha=0.3, axis=grid)  # pyright: ignore[reportArgumentType] - x, y or both
    axes.tick_params(labelsize=8)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_fontsize(8.5)


def whiskers(table: pd.DataFrame, measure: str) -> np.ndarray:
    """Return the distances from the mean to its interval's ends, (2, rows); 0 where there is no interval."""
    mean = table[measure].to_numpy(float)
    low, high = (table[f"{measure}{end}"].to_numpy(float) for end in ("_low", "_high"))
    return np.nan_to_num(np.clip(np.stack([mean - low, high - mean]), 0, None))


def alt_text(figure: Figure) -> str:
    """Return what a figure shows, for somebody who does not see it: its sentence, its axes, its series, its run."""
    parts = [" ".join((figure.get_suptitle() or "A figure").split())]
    seen: list[str] = []
    for axes in figure.axes:
        over = [text for text in (axes.get_ylabel(), axes.get_xlabel()) if text]
        title = axes.get_title(loc="left") or axes.get_title()
        named = ", ".join(filter(None, [title, " over ".join(over)]))
        named = " ".join(named.split())
        if named and named not in seen:
            seen.append(named)
    if seen:
        parts.append(f"Axes: {'; '.join(seen)}")
    legends = [axes.get_legend() for axes in figure.axes] + list(figure.legends)
    series = [text.get_text() for legend in legends if legend is not None for text in legend.get_texts()]
    if series:
        parts.append(f"Series: {'; '.join(dict.fromkeys(series))}")
    if run_id := figure.get_supxlabel():
        parts.append(run_id)
    return ". ".join(part.rstrip(".") for part in parts) + "."


def save(figure: Figure, folder: Path, run_id: str, name: str) -> Path:
    """Write `folder`/`run_id`-`name`.png and return its path. The name says which results the figure shows."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', run_id)}-{name}.png"
    figure.savefig(path, dpi=120)
    return path


def show(figure: Figure, folder: Path, run_id: str, name: str):
    """Save a figure and return the saved picture with its alt text, which a notebook displays."""
    from IPython.display import Image

    return Image(filename=str(save(figure, folder, run_id, name)), alt=alt_text(figure))
