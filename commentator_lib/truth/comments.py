"""The comments of a run as a viewer heard them, and which of them names which event.

A comment has times on two clocks. The *viewer's* clock is the media time of the picture on the screen when a word is
heard; it judges a comment by the delayed picture. The *camera's* clock counts from when the event really happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commentator_lib.truth.base import NAN

# A comment may name an event from EARLY_S before it is on screen (the voice may be ahead of the picture) until LATE_S
# after it. Outside of that it is taken to name something else.
EARLY_S, LATE_S = 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment that was heard, in seconds from the clip's first frame.

    `from_s`, `to_s`: on the viewer's clock; `heard_from_s`, `heard_to_s`: on the camera's.
    """

    from_s: float
    to_s: float
    heard_from_s: float
    heard_to_s: float
    text: str


def column(cycles, name: str) -> np.ndarray:
    """Return a column of numbers, float64 (N,), of a run's table or of its log's rows; NaN where one is missing."""
    if hasattr(cycles, "columns"):
        return cycles[name].to_numpy(float, na_value=np.nan)
    return np.array([row[name] for row in cycles], float)


def heard_comments(cycles, source_from_s: float = 0.0) -> list[Comment]:
    """Return the comments of a run, its table `cycles` or the rows of its log, that were heard or shown, in order.

    `source_from_s`: when the clip's first frame was captured, on the log's clock.
    """
    table = hasattr(cycles, "columns")
    from_s, to_s = column(cycles, "heard_from_s"), column(cycles, "heard_to_s")
    # In a log of version 0.1 the picture on screen followed from two other columns.
    shown_s = column(cycles, "frame_newest_captured_s") + column(cycles, "sync_error_s")
    if not table or "on_screen_captured_s" in cycles:
        known_s = column(cycles, "on_screen_captured_s")
        shown_s = np.where(np.isnan(known_s), shown_s, known_s)
    texts = cycles["heard_text"].tolist() if table else [row["heard_text"] for row in cycles]
    heard = np.flatnonzero(~np.isnan(from_s))
    heard = heard[np.argsort(from_s[heard], kind="stable")]
    viewer_s = shown_s - source_from_s
    columns = (viewer_s, viewer_s + to_s - from_s, from_s - source_from_s, to_s - source_from_s)
    rows = zip(*(times_s[heard].tolist() for times_s in columns), heard, strict=True)
    return [
        Comment(start, end, heard_from, heard_to, texts[k]) for start, end, heard_from, heard_to, k in rows
    ]


def pair(event_s: Sequence[float], named_s: Sequence[float]) -> list[tuple[int, int]]:
    """Pair events with namings one to one: as many pairs as possible, and of these the least total |error|.

    `event_s`, `named_s`: times on the same clock. Return pairs of indices (event, naming). A naming is paired only with
    an event from which it is at most EARLY_S early or LATE_S late. One to one: one comment cannot count for two events.
    (Hungarian method: scipy.optimize.linear_sum_assignment.)
    """
    from scipy.optimize import linear_sum_assignment

    if not len(event_s) or not len(named_s):
        return []
    error = np.subtract.outer(np.asarray(named_s, float), np.asarray(event_s, float)).T
    allowed = (error >= -EARLY_S) & (error <= LATE_S)
    far = 1e6  # more than all allowed errors together, so that the number of pairs comes first
    rows, columns = linear_sum_assignment(np.where(allowed, np.abs(error), far))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j]]


def recall(errors_s: Sequence[float], events: int, within_s: float) -> float:
    """Return the share of events named within ± `within_s`: |{e : |error_e| ≤ within}| ÷ events; NaN without events.

    Source: recall with a time collar, as in sound event detection (Mesaros et al. 2016).
    """
    return sum(abs(e) <= within_s + 1e-9 for e in errors_s) / events if events else NAN
