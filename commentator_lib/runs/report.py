"""What a run came to: a short table for the terminal and one plot, both from its log."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from commentator_lib.runs.reader import SavedRun, read_shown
from commentator_lib.runs.record import OUTCOMES

_COLOURS = {"spoken": "tab:blue", "interrupted": "tab:orange", "failed": "tab:red", "stale": "tab:gray"}


def summary(run: SavedRun) -> list[tuple[str, str]]:
    """(what, value with its unit) in the order in which a reader wants them."""
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
    failures = cycles[cycles.outcome == "failed"].reason
    if len(failures):
        rows.append(("last failure", failures.iloc[-1]))
    if header.get("source_problem"):
        rows.append(("source", header["source_problem"]))
    rows += [("note", note) for note in header.get("notes", [])]
    return rows


def _spread(values) -> str:
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return "none"
    digits = 3 if np.quantile(values, 0.95) < 0.1 else 2
    median, p95 = np.median(values), np.quantile(values, 0.95)
    return f"{median:.{digits}f} s median, {p95:.{digits}f} s p95 ({len(values)})"


def format_table(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


# What a comment spends its time on, from its newest frame's capture to the ear: name, colour, from, to.
STAGES = (
    ("frame waits to be taken", "tab:gray", "frame_newest_captured_s", "infer_s"),
    ("first words", "tab:blue", "infer_s", "first_text_s"),
    ("first sound", "tab:cyan", "first_text_s", "first_sound_s"),
    ("waits for its picture", "lightgray", "first_sound_s", "heard_from_s"),
)


def _whole_way(cycles):
    return cycles[cycles.heard_from_s.notna() & cycles.first_text_s.notna()]


def stage_seconds(cycles):
    """A DataFrame of seconds, one row a comment that was heard, columns named as in STAGES. Where text comes out
    at one stroke with its sound, "first sound" is what the voice took."""
    import pandas as pd

    heard = _whole_way(cycles)
    return pd.DataFrame(
        {name: (heard[end] - heard[start]).clip(lower=0).astype(float) for name, _, start, end in STAGES}
    )


def latency_figure(cycles, title: str = ""):
    """Stacked bars: what each comment that was heard spent its time on, from its newest frame to the ear."""
    figure, axes = _figure(title or "Where the time goes, comment by comment")
    heard = _whole_way(cycles)
    stages = stage_seconds(cycles)
    below = np.zeros(len(heard))
    for name, colour, _, _ in STAGES:
        seconds = stages[name].to_numpy()
        label = f"{name}: {np.median(seconds):.2f} s median" if len(heard) else name
        axes.bar(np.arange(len(heard)), seconds, bottom=below, color=colour, label=label, width=0.8)
        below += seconds
    axes.set_xticks(np.arange(len(heard))[:: max(1, len(heard) // 12)])
    axes.set_xticklabels([str(c) for c in heard.cycle][:: max(1, len(heard) // 12)])
    axes.set_xlabel("cycle")
    axes.set_ylabel("s after the frame's capture")
    _legend(axes)
    return figure


def delay_figure(cycles, samples, title: str = ""):
    """The picture's delay, applied and wanted, against the latencies that drive it."""
    figure, axes = _figure(title or "Picture delay and what drives it")
    _draw_delay(axes, cycles, samples)
    axes.set_xlabel("time since the session's start, s")
    _legend(axes)
    return figure


def memory_figure(samples, title: str = ""):
    """Resident memory, and GPU memory where there is any, over the run."""
    figure, axes = _figure(title or "Memory over the run")
    for column, label in (("rss_bytes", "resident memory"), ("vram_used_bytes", "GPU memory, all processes")):
        if column in samples and samples[column].notna().any():
            axes.plot(samples.at_s, samples[column].astype(float) / 1e6, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time since the session's start, s")
    axes.set_ylabel("MB")
    _legend(axes)
    return figure


def _figure(title: str):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _legend(axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="best")


def _draw_delay(axes, cycles, samples) -> None:
    if len(samples):
        for column, width, style in (("delay_applied_s", 1.5, "-"), ("delay_wanted_s", 0.8, "--")):
            label = f"picture delay, {column.split('_')[1]}"
            axes.plot(
                samples.at_s, samples[column].astype(float), color="black", lw=width, ls=style, label=label
            )
    for outcome, colour in _COLOURS.items():
        some = cycles[(cycles.outcome == outcome) & cycles.first_sound_latency_s.notna()]
        if len(some):
            label = f"first sound, {outcome}"
            axes.plot(some.first_sound_s, some.first_sound_latency_s, "o", ms=5, color=colour, label=label)
    axes.set_ylabel("s after the frame's capture")
    axes.set_ylim(bottom=0)


def plot_run(run: SavedRun, path: Path) -> None:
    """PNG: latency of each comment and the picture delay over the run; below, picture/sound error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    samples, cycles = run.samples, run.cycles
    _draw_delay(top, cycles, samples)
    for from_s, to_s in zip(cycles.heard_from_s, cycles.heard_to_s, strict=True):
        if from_s == from_s and to_s > from_s:
            bottom.axvspan(from_s, to_s, color="tab:blue", alpha=0.15, lw=0)
    heard = cycles[cycles.sync_error_s.notna()]
    bottom.axhline(0, color="black", lw=0.8)
    bottom.plot(
        heard.heard_from_s, heard.sync_error_s, "o", ms=5, color="tab:green", label="sound after picture"
    )
    bottom.set_ylabel("picture/sound error, s")
    bottom.set_xlabel("time since the session's start, s (shaded: comments being heard)")
    reach = max(0.1, 1.2 * float(heard.sync_error_s.abs().max()) if len(heard) else 0.1)
    bottom.set_ylim(-reach, reach)
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
        _legend(axes)
    header = run.header
    figure.suptitle(
        f"{run.folder.name}: {header['commentator']}, {header['settings']['policy']}, {header['mode']}",
        fontsize=10,
    )
    figure.savefig(path, dpi=120)
