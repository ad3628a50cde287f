"""Synchrony: whether a commentator goes on seeing while it speaks.

A loop that waits for the end of its own speech before it looks again is blind meanwhile. LyraV (arXiv 2606.06991)
reports a synchrony with the video of 98 %, without a script; the definition here follows its description: the share
of the frames of the time in which a comment was heard that some cycle looked at. As frames come evenly, it is a share
of time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from commentator_lib.truth.base import NAN
from commentator_lib.truth.speech import Interval, covered_s

if TYPE_CHECKING:
    import pandas as pd


def synchrony(cycles: pd.DataFrame, to_s: float) -> float:
    """Return the seen share of the time in which comments were heard; NaN where none was.

    `cycles`: the log's table; `to_s`: when the last frame was captured, after which there is nothing to see. A cycle
    that asked the commentator has seen from the capture of its oldest frame to that of its newest, on the log's clock.
    """
    asked = cycles[cycles.infer_s.notna() & cycles.frame_oldest_age_s.notna()]
    oldest = (asked.infer_s - asked.frame_oldest_age_s).astype(float)
    newest = asked.frame_newest_captured_s.astype(float)
    heard = cycles[cycles.heard_from_s.notna() & cycles.heard_to_s.notna()]
    ends = heard.heard_to_s.astype(float).clip(upper=to_s)
    spoken = list(zip(heard.heard_from_s.astype(float), ends, strict=True))
    return seen_share(list(zip(oldest, newest, strict=True)), spoken)


def seen_share(seen: list[Interval], spoken: list[Interval]) -> float:
    """Return the share of the spoken time that was seen; times that overlap count once."""
    edge, spoken_s, both_s = float("-inf"), 0.0, 0.0
    for start, end in sorted(spoken):
        start = max(start, edge)
        if end > start:
            spoken_s += end - start
            both_s += covered_s(seen, start, end)
            edge = end
    return both_s / spoken_s if spoken_s else NAN
