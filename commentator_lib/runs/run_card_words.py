"""What a run's card says in words: the headline numbers as sentences, then the facts behind them."""

from __future__ import annotations

from typing import Any

import numpy as np

from commentator_lib.runs.record import OUTCOMES
from commentator_lib.runs.run_card_data import CardData, clean, known, noticed_events, numbers

_OUTCOME_WORDS = {
    "spoken": "heard to their end",
    "silent": "with nothing to say",
    "unchanged": "without a change to speak of",
    "interrupted": "cut short",
    "stale": "too late and dropped",
    "failed": "failed",
}
_MOST_NOTES = 12


def length_words(seconds: float) -> str:
    """Return a length of time as one reads it.

    >>> " · ".join(length_words(s) for s in (0.4, 75.2, 605.0, 7380.0))
    '0.4 s · 75 s · 10 min 5 s · 2 h 3 min'
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole // 60 % 60} min"


def small_seconds(seconds: float) -> str:
    """Return a short time with the unit in which it is read best: "4 ms", "0.42 s"."""
    if abs(seconds) < 0.0005:
        return "less than 1 ms"
    return f"{1000 * seconds:.0f} ms" if abs(seconds) < 0.1 else f"{seconds:.2f} s"


def times(count: int) -> str:
    """Return "once", "twice", "3 times"."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def headlines(run: Any, data: CardData) -> list[str]:
    """Return at most three sentences: how often it spoke, its silence, how well voice and picture agree."""
    cycles, length = run.cycles, length_words(data.end_s)
    speaks = bool(_settings(run).get("speech", True))
    # 1) How often.
    if not data.comments:
        failed = int((cycles.outcome == "failed").sum())
        return [f"Said nothing in {length}{f': {failed} cycle{_s(failed)} failed' if failed else ''}."]
    cut = int(((cycles.outcome == "interrupted") & cycles.heard_from_s.notna()).sum())
    spoke = (
        f"Spoke {times(data.comments)}" if speaks else f"Showed {data.comments} caption{_s(data.comments)}"
    )
    found = [f"{spoke} in {length}{f', cut short {times(cut)}' if cut else ''}."]
    # 2) The silence beyond the pause that was asked for.
    shortfall = known(numbers(cycles, "shortfall_s"))
    if len(shortfall):
        beyond_s = float(np.median(shortfall))
        words = (
            "were no longer than the pause"
            if beyond_s < 0.005
            else f"lasted {beyond_s:.2f} s beyond the pause"
        )
        found.append(f"Silences between comments {words}{_median_of(len(shortfall))}.")
    # 3) Voice and picture.
    error = known(np.abs(numbers(cycles, "sync_error_s")))
    if len(error):
        apart = small_seconds(float(np.median(error)))
        most = f"; {small_seconds(float(error.max()))} at most" if len(error) > 1 else ""
        counted = f"{_median_of(len(error))[:-1]}{most})"
        found.append(f"{'Voice' if speaks else 'Caption'} and picture {apart} apart{counted}.")
    return found


def facts(run: Any, data: CardData) -> list[str]:
    """Return the other sentences, the most important first; only what was measured."""
    cycles, samples, header = run.cycles, run.samples, run.header
    found = []
    # 1) What went wrong, and what became of the cycles.
    for name, words in (("error", "The run broke"), ("source_problem", "The source")):
        if text := clean(header.get(name)):
            found.append(f"{words}: {text}")
    reasons = cycles[cycles.outcome == "failed"].reason
    if len(reasons):
        last = clean(reasons.iloc[-1]) or "no reason given"
        found.append(f"{len(reasons)} cycle{_s(len(reasons))} failed; the last one: {last}")
    counts = cycles.outcome.value_counts()
    parts = [f"{counts[o]} {_OUTCOME_WORDS[o]}" for o in OUTCOMES if o in counts]
    if parts:
        found.append(f"{len(cycles)} cycle{_s(len(cycles))}: {', '.join(parts)}.")
    # 2) Events, latency and delay.
    if data.events:
        told = int((~np.isnan(numbers(noticed_events(run), "cycle"))).sum())
        found.append(f"Noticed {data.events} event{_s(data.events)}, told {told} of them.")
    latency = known(numbers(cycles, "first_sound_latency_s"))
    if len(latency):
        found.append(
            f"First sound {small_seconds(float(np.median(latency)))} after the frame it speaks of"
            f"{_median_of(len(latency))}."
        )
    if data.delay.count:
        found.append(f"At the end the picture ran {data.delay.values[-1]:.2f} s behind.")
    # 3) The picture, and what it cost.
    shown, dropped = header.get("frames_shown"), header.get("frames_dropped")
    if isinstance(shown, int) and isinstance(dropped, int) and shown + dropped > 0:
        found.append(f"Showed {shown} frames and dropped {dropped} ({dropped / (shown + dropped):.1%}).")
    if len(rss := known(numbers(samples, "rss_bytes"))):
        share = known(numbers(samples, "cpu_core_share"))
        cores = f", {share.mean():.2f} of a core used on average" if len(share) else ""
        found.append(f"Memory {rss.max() / 1e6:.0f} MB at most{cores}.")
    if len(vram := known(numbers(samples, "vram_used_bytes"))):
        found.append(f"GPU memory {vram.max() / 1e9:.1f} GB at most, all processes.")
    notes = header.get("notes") or []
    found += [f"Note: {clean(note)}" for note in notes[:_MOST_NOTES]]
    if len(notes) > _MOST_NOTES:
        found.append(f"And {len(notes) - _MOST_NOTES} more notes in run.json.")
    return found


def small_print(run: Any, name: str) -> str:
    """Return one line that says which run it is: its name, commentator and voice, mode, policy, start."""
    header, settings = run.header, _settings(run)
    voice = clean(header.get("voice")) if settings.get("speech", True) else "text only"
    parts = [
        name,
        clean(header.get("commentator")),
        voice,
        clean(header.get("mode")),
        clean(settings.get("policy")),
    ]
    created = clean(header.get("created")).replace("T", " ").replace("+00:00", " UTC")
    return " · ".join(part for part in [*parts, created] if part)


def _settings(run: Any) -> dict[str, Any]:
    settings = run.header.get("settings")
    return settings if isinstance(settings, dict) else {}


def _median_of(count: int) -> str:
    return f" (median of {count})" if count > 1 else " (n = 1)"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
