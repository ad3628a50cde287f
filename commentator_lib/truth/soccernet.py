"""SoccerNet's measures: the average mAP of action spotting, and which comments of a match are in time.

Both compare points of time in a half of a match. Their definitions are those of SoccerNet's evaluation kit; the words
of a comment are not judged here (its kit does that with METEOR, CIDEr and others).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commentator_lib.truth.base import NAN, TimedEvent
from commentator_lib.truth.formats.soccernet_spotting import LABELS

FRAMES_PER_S = 2  # times are rounded down to half seconds
_MOST_FRAMES = 120 * 60 * FRAMES_PER_S  # later ones count as the last
LOOSE_S = tuple(range(5, 65, 5))  # widths of the window around an event, both sides together
TIGHT_S = tuple(range(1, 6))
_THRESHOLDS = np.linspace(0, 1, 200)  # of confidence
_RECALLS = np.arange(11) / 10
CAPTION_WINDOW_S = 30  # of a comment: 15 s before and after

Half = tuple[Sequence[TimedEvent], Sequence[TimedEvent]]  # (truth, detections) of one half of a match


@dataclass(frozen=True)
class SpottingMap:
    """The average mAP over the tolerances: of all events, of those that the picture shows, of those that it does not.

    `per_label` (L,): the average AP of each label.
    """

    average: float
    visible: float
    unshown: float
    per_label: np.ndarray


@dataclass(frozen=True)
class _Column:
    """Events of one label in one half, by frame: truth (−1 where the picture does not show it), scores of detections.

    `nearest`: for each detection, 1 or −1 as the truth nearest to it, by halves of the way between two.
    """

    truth_at: np.ndarray  # (T,)
    shown: np.ndarray  # (T,)
    found_at: np.ndarray  # (D,)
    scores: np.ndarray  # (D,)
    nearest: np.ndarray  # (D,)


def spotting_map(
    halves: Sequence[Half], tolerances_s: Sequence[int] = LOOSE_S, labels: Sequence[str] = LABELS
) -> SpottingMap:
    """Return the average mAP of detections against the truth.

    A label of `labels` without an event counts with 0; labels that are not among them do not count. Events are hidden
    where `extra["visibility"]` is "not shown". Within a tolerance each event, in order, takes the most confident
    detection that no other has taken, at most half the tolerance away. AP is interpolated at eleven recalls; the mAPs
    of the tolerances are averaged by the trapezoidal rule. `unshown` of several tolerances is scaled by 17 ÷ 13, as
    four of SoccerNet's labels are never hidden.
    """
    columns = [[_column(half, label) for half in halves] for label in labels]
    # (tolerances, labels, 3): of all, visible, unshown
    found = np.array(
        [[_average_precision(own, delta * FRAMES_PER_S) for own in columns] for delta in tolerances_s]
    )
    several = len(tolerances_s) > 1
    mean = (found[:-1] + found[1:]).mean(axis=0) / 2 if several else found[0]  # (labels, 3)
    average, visible, unshown = mean.mean(axis=0)
    return SpottingMap(
        float(average), float(visible), float(unshown * (17 / 13 if several else 1)), mean[:, 0]
    )


def _frame(time_s: float) -> int:
    return min(int(FRAMES_PER_S * time_s), _MOST_FRAMES - 1)


def _column(half: Half, label: str) -> _Column:
    truth, detections = half
    # Of two in the same frame the last one counts.
    shown = {
        _frame(e.t_s): -1 if e.extra.get("visibility") == "not shown" else 1 for e in truth if e.kind == label
    }
    scores = {_frame(e.t_s): e.confidence for e in detections if e.kind == label}
    truth_at = np.array(sorted(shown), int)
    found_at = np.array(sorted(frame for frame, score in scores.items() if score >= 0), int)
    signs = np.array([shown[int(frame)] for frame in truth_at], int)
    borders = (truth_at[:-1] + truth_at[1:]) // 2  # a detection on the border belongs to the later event
    nearest = (
        signs[np.searchsorted(borders, found_at, side="right")] if len(signs) else np.full(len(found_at), -1)
    )
    return _Column(truth_at, signs, found_at, np.array([scores[int(f)] for f in found_at], float), nearest)


def _hits(column: _Column, delta: int) -> np.ndarray:
    """Return (D,) whether a detection is that of an event, within `delta` ÷ 2 frames."""
    taken = np.zeros(len(column.found_at), bool)
    for frame in column.truth_at:
        near = np.flatnonzero((np.abs(column.found_at - frame) <= delta / 2) & ~taken)
        if len(near):
            taken[near[np.argmax(column.scores[near])]] = True
    return taken


def _average_precision(columns: Sequence[_Column], delta: int) -> tuple[float, float, float]:
    """Return the AP of one label over all halves: of all events, of the visible, of the unshown."""
    hits = np.concatenate([np.zeros(0, bool), *(_hits(column, delta) for column in columns)])
    scores = np.concatenate([np.zeros(0), *(column.scores for column in columns)])
    nearest = np.concatenate([np.zeros(0, int), *(column.nearest for column in columns)])
    shown = np.concatenate([np.zeros(0, int), *(column.shown for column in columns)])
    return (
        _interpolated(hits, scores, len(shown)),
        _interpolated(hits[nearest > 0], scores[nearest > 0], int((shown > 0).sum())),
        _interpolated(hits[nearest < 0], scores[nearest < 0], int((shown < 0).sum())),
    )


def _interpolated(hits: np.ndarray, scores: np.ndarray, events: int) -> float:
    """Return the mean over eleven recalls of the best precision at that recall or above."""
    kept = scores[None, :] >= _THRESHOLDS[:, None]  # (200, D)
    right, count = (kept & hits).sum(axis=1), kept.sum(axis=1)
    precision = np.divide(right, count, out=np.zeros(len(count)), where=count > 0)
    recall = right / events if events else np.zeros(len(count))
    best = [precision[recall >= level].max(initial=0.0) for level in _RECALLS]
    return float(np.mean(best))


def caption_precision_recall(
    halves: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> tuple[float, float]:
    """Return (precision, recall) of the times of comments, from (comments, truth) in s of each half.

    Both are given a window of CAPTION_WINDOW_S around their whole second. A comment is right, and a comment of the
    truth found, where its window overlaps any of the other side's: where they are less than 30 s apart. Each half
    counts the same, and one in which nobody spoke has precision 0. A half without truth, with which SoccerNet's kit
    stops, does not count; NaN where none has any.
    """
    shares: list[tuple[float, float]] = []
    for comments_s, truth_s in halves:
        said, wanted = np.array([int(t) for t in comments_s]), np.array([int(t) for t in truth_s])
        if not len(wanted):
            continue
        near = np.abs(np.subtract.outer(said, wanted)) < CAPTION_WINDOW_S  # (C, T)
        shares.append((float(near.any(axis=1).mean()) if len(said) else 0.0, float(near.any(axis=0).mean())))
    if not shares:
        return NAN, NAN
    precision, recall = np.mean(shares, axis=0)
    return float(precision), float(recall)
