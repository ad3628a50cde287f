"""Speech and silence against the labelled stretches of a clip: when to speak, how much, how often the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from experiments.match_clip.events import Stretch
from experiments.measuring.numbers import NAN

Interval = tuple[float, float]


def covered_s(intervals: Iterable[Interval], from_s: float, to_s: float) -> float:
    """Seconds of [from, to] that lie in at least one interval."""
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
    """(F1 of speaking, F1 of being silent), decided second by second.

    A second is spoken where speech covers half of it or more, and should be where its middle lies in an
    action stretch. F1 = 2·TP ÷ (2·TP + FP + FN). Source: the per-second decision of Proact-VL (ICML 2026).
    """
    seconds = np.arange(int(duration_s))
    said = np.array([covered_s(speech, float(s), s + 1.0) >= 0.5 for s in seconds], bool)
    should = np.array(
        [any(x.kind == "action" and x.from_s <= s + 0.5 < x.to_s for x in stretches) for s in seconds], bool
    )

    def f1(yes: np.ndarray, wanted: np.ndarray) -> float:
        hits, wrong = int((yes & wanted).sum()), int((yes != wanted).sum())
        return 2 * hits / (2 * hits + wrong) if hits or wrong else NAN

    return f1(said, should), f1(~said, ~should)


def starts_in(starts_s: Sequence[float], stretch: Stretch) -> list[float]:
    return [s for s in starts_s if stretch.from_s <= s < stretch.to_s]


def time_diff_s(starts_s: Sequence[float], stretches: Sequence[Stretch]) -> float:
    """TimeDiff: mean over action stretches of (first comment's start − the stretch's start), or of the
    stretch's length where none started in it. Source: LiveStar (arXiv 2511.05299)."""
    action = [x for x in stretches if x.kind == "action"]
    waits = [min(starts_in(starts_s, x), default=x.to_s) - x.from_s for x in action]
    return float(np.mean(waits)) if waits else NAN


def redundancy(starts_s: Sequence[float], stretches: Sequence[Stretch]) -> float:
    """Mean |1 − n_i| over action stretches, n_i the number of comments that start in the i-th. Source:
    LiveStar (arXiv 2511.05299)."""
    counts = [len(starts_in(starts_s, x)) for x in stretches if x.kind == "action"]
    return float(np.mean([abs(1 - n) for n in counts])) if counts else NAN


def coverage(starts_s: Sequence[float], stretches: Sequence[Stretch]) -> float:
    """Share of action stretches in which at least one comment starts (n_i > 0). Source: LiveStar (arXiv
    2511.05299)."""
    counts = [len(starts_in(starts_s, x)) for x in stretches if x.kind == "action"]
    return float(np.mean([n > 0 for n in counts])) if counts else NAN


def dead_air_share(speech: Sequence[Interval], stretches: Sequence[Stretch]) -> float:
    """Silent share of the action: 1 − seconds of speech in action stretches ÷ seconds of action.

    Source: the silence measure of Kawamatsu et al. (arXiv 2606.13322), taken over labelled activity.
    """
    action = [x for x in stretches if x.kind == "action"]
    total_s = sum(x.to_s - x.from_s for x in action)
    return 1.0 - sum(covered_s(speech, x.from_s, x.to_s) for x in action) / total_s if total_s else NAN


def gaps_s(heard: Sequence[Interval]) -> np.ndarray:
    """Silences between comments as the listener hears them: next start − latest end so far, where above 0.

    Source: the silence between utterances of Kawamatsu et al. (arXiv 2606.13322).
    """
    ordered = sorted(heard)
    ends = np.maximum.accumulate([end for _, end in ordered]) if ordered else np.array([])
    gaps = np.array([start for start, _ in ordered[1:]]) - ends[:-1] if len(ordered) > 1 else np.array([])
    return gaps[gaps > 0]


def overlap_s(heard: Sequence[Interval]) -> float:
    """Seconds in which two comments sound at once: Σ lengths − length of their union. Source: the overlap of
    turn-taking studies; a commentary with one voice should have none."""
    if not heard:
        return 0.0
    lengths = sum(end - start for start, end in heard)
    union = covered_s(heard, min(s for s, _ in heard), max(e for _, e in heard))
    return max(0.0, lengths - union)


def words_per_s(texts: Sequence[str], speech_s: float) -> float:
    """Words heard ÷ seconds of speech: the speaking rate of phonetics, in words."""
    return sum(len(t.split()) for t in texts) / speech_s if speech_s > 0 else NAN


def speech_realtime_factor(compute_s: Sequence[float], speech_s: Sequence[float]) -> float:
    """Σ (generated − infer) ÷ Σ seconds of speech, over comments that were generated and heard whole. Above 1
    the commentator cannot keep up with its own voice. Source: the real-time factor of speech synthesis."""
    return float(np.sum(compute_s) / np.sum(speech_s)) if np.sum(speech_s) > 0 else NAN


def repetition(texts: Sequence[str], n: int = 4, last: int = 5) -> float:
    """Mean share of a comment's n-grams that one of the `last` comments before it had as well.

    Words are compared in lower case without punctuation. Comments of fewer than n words have no n-gram and
    do not count; nor does the first. Source: n-gram overlap as in text generation, over a moving window.
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
