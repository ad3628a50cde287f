"""What a run came to: a short table for the terminal and one plot, both from its log."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from commentator_lib.runlog import OUTCOMES, Run, read_shown

_COLOURS = {"spoken": "tab:blue", "interrupted": "tab:orange", "failed": "tab:red", "stale": "tab:gray"}


def summary(run: Run) -> list[tuple[str, str]]:
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


def plot_run(run: Run, path: Path) -> None:
    """PNG: latency of each comment and the picture delay over the run; below, picture/sound error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    samples, cycles = run.samples, run.cycles
    if len(samples):
        top.plot(samples.at_s, samples.delay_applied_s, color="black", lw=1.5, label="picture delay, applied")
        top.plot(
            samples.at_s,
            samples.delay_wanted_s,
            color="black",
            lw=0.8,
            ls="--",
            label="picture delay, wanted",
        )
    for outcome, colour in _COLOURS.items():
        some = cycles[(cycles.outcome == outcome) & cycles.first_sound_latency_s.notna()]
        if len(some):
            top.plot(
                some.first_sound_s,
                some.first_sound_latency_s,
                "o",
                ms=5,
                color=colour,
                label=f"first sound, {outcome}",
            )
    for from_s, to_s in zip(cycles.heard_from_s, cycles.heard_to_s, strict=True):
        if from_s == from_s and to_s > from_s:
            bottom.axvspan(from_s, to_s, color="tab:blue", alpha=0.15, lw=0)
    heard = cycles[cycles.sync_error_s.notna()]
    bottom.axhline(0, color="black", lw=0.8)
    bottom.plot(
        heard.heard_from_s, heard.sync_error_s, "o", ms=5, color="tab:green", label="sound after picture"
    )
    top.set_ylabel("s after the frame's capture")
    top.set_ylim(bottom=0)
    bottom.set_ylabel("picture/sound error, s")
    bottom.set_xlabel("time since the session's start, s (shaded: comments being heard)")
    reach = max(0.1, 1.2 * float(heard.sync_error_s.abs().max()) if len(heard) else 0.1)
    bottom.set_ylim(-reach, reach)
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8, loc="best")
    header = run.header
    figure.suptitle(
        f"{run.folder.name}: {header['commentator']}, {header['settings']['policy']}, {header['mode']}",
        fontsize=10,
    )
    figure.savefig(path, dpi=120)
