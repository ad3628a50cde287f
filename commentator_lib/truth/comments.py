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


def heard_comments(cycles, source_from_s: float = 0.0) -> list[Comment]:
    """Return the comments of a run's table `cycles` that were heard or shown, in order.

    `source_from_s`: when the clip's first frame was captured, on the log's clock.
    """
    heard = cycles[cycles.heard_from_s.notna()].sort_values("heard_from_s")
    # In a log of version 0.1 the picture on screen followed from two other columns.
    followed = heard.frame_newest_captured_s + heard.sync_error_s
    known = heard.on_screen_captured_s if "on_screen_captured_s" in heard else followed
    heard = heard.assign(on_screen_captured_s=known.fillna(followed))
    return [
        Comment(
            row.on_screen_captured_s - source_from_s,
            row.on_screen_captured_s - source_from_s + row.heard_to_s - row.heard_from_s,
            row.heard_from_s - source_from_s,
            row.heard_to_s - source_from_s,
            row.heard_text,
        )
        for row in heard.itertuples()
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
