"""The summary of a run from its log, as a short table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.runs.reader import SavedRun, read_shown
from commentator_lib.runs.record import OUTCOMES

if TYPE_CHECKING:
    import pandas as pd


def summary(run: SavedRun) -> list[tuple[str, str]]:
    """Return rows (what, value with its unit), the most important first; no value steers a terminal."""
    return [(name, _printable(value)) for name, value in _rows(run)]


def _printable(text: str) -> str:
    """Return a text without control characters: a run's folder may come from somebody else."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _rows(run: SavedRun) -> list[tuple[str, str]]:
    cycles, samples, header = run.cycles, run.samples, run.header
    heard = cycles[cycles.heard_from_s.notna()]
    counts = cycles.outcome.value_counts()
    rows = [
        (
            "commentator, voice",
            f"{header['commentator']}, {header['voice'] if header['settings']['speech'] else 'text only'}",
        ),
        ("mode, policy", f"{header['mode']}, {header['settings']['policy']}"),
        ("cycles", ", ".join(f"{counts[o]} {o}" for o in OUTCOMES if o in counts) or "none"),
        ("first sound after the frame", _spread(cycles.first_sound_latency_s)),
        ("silence between comments", _spread(heard.gap_before_s)),
        ("picture/sound error", _spread(heard.sync_error_s.abs())),
    ]
    if len(samples) and samples.delay_applied_s.notna().any():
        rows.append(("picture delay at the end", f"{samples.delay_applied_s.dropna().iloc[-1]:.2f} s"))
    shown, dropped = header.get("frames_shown"), header.get("frames_dropped")
    if shown:
        rows.append(
            ("frames shown", f"{shown} ({shown / (shown + dropped):.1%} of the source's), {dropped} dropped")
        )
        late_s = np.diff(read_shown(run.folder)[:, 2:4]).ravel()
        rows.append(("frames drawn after their time", _spread(late_s)))
    if len(samples) and samples.cpu_core_share.notna().any():
        rows.append(("processor, mean", f"{samples.cpu_core_share.astype(float).mean():.0%} of one core"))
        rows.append(("memory, peak", f"{samples.rss_bytes.astype(float).max() / 1e6:.0f} MB"))
    if len(samples) and samples.vram_used_bytes.notna().any():
        rows.append(("GPU memory, peak", f"{samples.vram_used_bytes.astype(float).max() / 1e9:.1f} GB"))
    if "repeated_sentences" in cycles and (repeated := int(cycles.repeated_sentences.fillna(0).sum())):
        rows.append(("sentences not said again", str(repeated)))
    failures = cycles[cycles.outcome == "failed"].reason
    if len(failures):
        rows.append(("last failure", failures.iloc[-1]))
    if header.get("source_problem"):
        rows.append(("source", header["source_problem"]))
    rows += [("note", note) for note in header.get("notes", [])]
    return rows


def _spread(seconds: pd.Series | np.ndarray) -> str:
    """Return median, 95th percentile and count of a column of seconds, without what is missing.

    Of fewer than 20 values the 95th percentile would be made up from the two largest: then the largest is told.
    """
    values = np.asarray(seconds, dtype=float)  # (N,)
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return "none"
    digits = 3 if np.quantile(values, 0.95) < 0.1 else 2
    high, name = (np.quantile(values, 0.95), "p95") if len(values) >= 20 else (values.max(), "at most")
    return f"{np.median(values):.{digits}f} s median, {high:.{digits}f} s {name} ({len(values)})"


def format_table(rows: list[tuple[str, str]]) -> str:
    """Return the rows of `summary` as plain lines in two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
