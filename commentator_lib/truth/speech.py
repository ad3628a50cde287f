"""Compare speech and silence with the labelled stretches of a clip; and how fast and how repetitive the speech is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from commentator_lib.truth.base import NAN, Stretch

Interval = tuple[float, float]  # (from, to) in seconds


def covered_s(intervals: Iterable[Interval], from_s: float, to_s: float) -> float:
    """Return the seconds of [from, to] that are in at least one interval."""
    edge, total = from_s, 0.0
    for start, end in sorted(intervals):
        start, end = max(start, edge), min(end, to_s)
        if end > start:
            total += end - start
            edge = end
    return total


def speak_silent_f1(
    speech: Sequence[Interval], stretches: Sequence[Stretch], duration_s: float
) -> tuple[float, float]:
    """Return (F1 of speaking, F1 of being silent), with one decision per second.

    A second is spoken if speech covers at least half of it, and should be if its middle is in a stretch of action.
    F1 = 2·TP ÷ (2·TP + FP + FN). Source: the per-second decision of Proact-VL (ICML 2026).
    """
    # 1) What was said, second by second: only the speech that touches a second counts for it.
    touching: list[list[Interval]] = [[] for _ in range(int(duration_s))]
    for start, end in speech:
        for s in range(max(0, int(start)), min(len(touching), int(end) + 1)):
            touching[s].append((start, end))
    said = np.array([covered_s(some, float(s), s + 1.0) >= 0.5 for s, some in enumerate(touching)], bool)
    # 2) What should have been said.
    middles = np.arange(len(touching)) + 0.5
    should = np.zeros(len(touching), bool)
    for x in stretches:
        if x.kind == "action":
            should |= (x.from_s <= middles) & (middles < x.to_s)

    def f1(yes: np.ndarray, wanted: np.ndarray) -> float:
        hits, wrong = int((yes & wanted).sum()), int((yes != wanted).sum())
        return 2 * hits / (2 * hits + wrong) if hits or wrong else NAN

    return f1(said, should), f1(~said, ~should)


def starts_in(starts_s: Sequence[float], stretch: Stretch) -> list[float]:
    """Return the starts that are in a stretch."""
    return [s for s in starts_s if stretch.from_s <= s < stretch.to_s]


def time_diff_s(starts_s: Sequence[float], stretches: Sequence[Stretch]) -> float:
    """Return TimeDiff: the mean over action stretches of (first comment's start − the stretch's start).

    A stretch in which no comment starts counts with its length. Source: LiveStar (arXiv 2511.05299).
    """
    action = [x for x in stretches if x.kind == "action"]
    waits = [min(starts_in(starts_s, x), default=x.to_s) - x.from_s for x in action]
    return float(np.mean(waits)) if waits else NAN


def redundancy(starts_s: Sequence[float], stretches: Sequence[Stretch]) -> float:
    """Return the mean of |1 − n_i| over action stretches; n_i comments start in the i-th.

    Source: LiveStar (arXiv 2511.05299).
    """
    counts = [len(starts_in(starts_s, x)) for x in stretches if x.kind == "action"]
    return float(np.mean([abs(1 - n) for n in counts])) if counts else NAN


def coverage(starts_s: Sequence[float], stretches: Sequence[Stretch]) -> float:
    """Return the share of action stretches in which a comment starts. Source: LiveStar (arXiv 2511.05299)."""
    counts = [len(starts_in(starts_s, x)) for x in stretches if x.kind == "action"]
    return float(np.mean([n > 0 for n in counts])) if counts else NAN


def dead_air_share(speech: Sequence[Interval], stretches: Sequence[Stretch]) -> float:
    """Return the silent share of the action: 1 − seconds of speech in action stretches ÷ seconds of action.

    Source: the silence measure of Kawamatsu et al. (arXiv 2606.13322), taken over labelled activity.
    """
    action = [x for x in stretches if x.kind == "action"]
    total_s = sum(x.to_s - x.from_s for x in action)
    return 1.0 - sum(covered_s(speech, x.from_s, x.to_s) for x in action) / total_s if total_s else NAN


def gaps_s(heard: Sequence[Interval]) -> np.ndarray:
    """Return the silences in seconds between comments: next start − latest end so far, where above 0.

    Source: the silence between utterances of Kawamatsu et al. (arXiv 2606.13322).
    """
    ordered = sorted(heard)
    ends = np.maximum.accumulate([end for _, end in ordered]) if ordered else np.array([])
    gaps = np.array([start for start, _ in ordered[1:]]) - ends[:-1] if len(ordered) > 1 else np.array([])
    return gaps[gaps > 0]


def overlap_s(heard: Sequence[Interval]) -> float:
    """Return the seconds in which comments overlap: Σ lengths − length of their union.

    A commentary with one voice should have none. Source: the overlap of turn-taking studies.
    """
    if not heard:
        return 0.0
    lengths = sum(end - start for start, end in heard)
    union = covered_s(heard, min(s for s, _ in heard), max(e for _, e in heard))
    return max(0.0, lengths - union)


def words_per_s(texts: Sequence[str], speech_s: float) -> float:
    """Return words heard ÷ seconds of speech: the speaking rate of phonetics, in words."""
    return sum(len(t.split()) for t in texts) / speech_s if speech_s > 0 else NAN


def speech_realtime_factor(compute_s: Sequence[float], speech_s: Sequence[float]) -> float:
    """Return Σ computing seconds (generated − infer) ÷ Σ seconds of speech.

    Both are of comments that were generated and heard completely. Above 1 the commentator is slower than its own voice.
    Source: the real-time factor of speech synthesis.
    """
    return float(np.sum(compute_s) / np.sum(speech_s)) if np.sum(speech_s) > 0 else NAN


def repetition(texts: Sequence[str], n: int = 4, last: int = 5) -> float:
    """Return the mean share of a comment's n-grams that are also in one of the `last` comments before it.

    Words are compared in lower case without punctuation. Comments of fewer than n words have no n-gram and do not
    count; the first comment does not count either. Source: n-gram overlap as in text generation, over a moving window.
    """
    grams = []
    for text in texts:
        words = re.findall(r"[\w'–-]+", text.lower())
        grams.append({tuple(words[k : k + n]) for k in range(len(words) - n + 1)})
    shares = [
        len(own & set().union(*grams[max(0, k - last) : k])) / len(own)
        for k, own in enumerate(grams)
        if k and own
    ]
    return float(np.mean(shares)) if shares else NAN
