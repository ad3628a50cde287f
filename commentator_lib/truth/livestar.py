"""LiveStar's three measures of when somebody speaks (arXiv 2511.05299), as its own script computes them.

They differ from those of `speech`, which have the same names and take labelled stretches: here a truth is captions at
points of time. The first segment begins and ends with the first caption, so that it has no length. Every other one
begins a second after the caption before it, and ends with its own. Both ends belong to it. All times are whole
seconds. A segment counts the comments that start in it. A commentator that never stops has full coverage: read it
beside redundancy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commentator_lib.truth.base import NAN


@dataclass(frozen=True, slots=True)
class LiveStar:
    """The measures of one video, or their means over several; NaN without a caption."""

    time_diff_s: float  # mean of: first comment in a segment − its start, else the segment's length
    redundancy: float  # mean of |1 − comments in a segment|
    coverage: float  # share of the segments with a comment


def livestar(comments_s: Sequence[float], captions_s: Sequence[float]) -> LiveStar:
    """Return the measures of one video from the starts of its comments and the times of its captions, in s."""
    starts = sorted(int(t) for t in comments_s)
    ends = sorted(int(t) for t in captions_s)
    if not ends:
        return LiveStar(NAN, NAN, NAN)
    segments = [(ends[0], ends[0]), *((before + 1, end) for before, end in zip(ends, ends[1:], strict=False))]
    inside = [[t for t in starts if begin <= t <= end] for begin, end in segments]
    waits = [(own[0] if own else end) - begin for own, (begin, end) in zip(inside, segments, strict=True)]
    count = len(segments)
    return LiveStar(
        sum(waits) / count,
        sum(abs(1 - len(own)) for own in inside) / count,
        sum(bool(own) for own in inside) / count,
    )


def mean_of(videos: Sequence[LiveStar]) -> LiveStar:
    """Return the means over videos, each of which counts the same."""
    if not videos:
        return LiveStar(NAN, NAN, NAN)
    rows = [(v.time_diff_s, v.redundancy, v.coverage) for v in videos]
    return LiveStar(*(sum(column) / len(videos) for column in zip(*rows, strict=True)))
