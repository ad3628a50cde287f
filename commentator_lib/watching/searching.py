"""Search regions of a picture for lines of text, within a budget: a search costs as much as ten looks."""

from __future__ import annotations

import re

import numpy as np

from commentator_lib.watching.ocr import Box, Line, TextReader, overlap
from commentator_lib.watching.overlays import Region
from commentator_lib.watching.picture import WORK_WIDTH_PX, Picture

# How much may be searched for text, in pixels at once and a second of the source; a thousand take about 1 ms.
_BUDGET_PX, _BUDGET_PX_PER_S = 400_000.0, 80_000.0
_PX_A_LINE = 10_000.0  # reading a line counts as so many
# For a region that promises so much, the share of the budget that must be left.
_BUDGET_NEEDED = ((60.0, -1.0), (35.0, 0.0), (20.0, 0.25), (0.0, 0.6))
PROMISE_OF_WHOLE = 35.0  # of the whole picture
_MOST_LINES = 14
# A place that is searched again is enlarged less every second time: where it is large, wide digits fall apart for the
# detector, and a crest beside them hides them; where it is small, small ones are overlooked.
_SIZES = (1.0, 0.7)
_AGAIN_S = 30.0  # so long a place counts as searched,
_SAME_PLACE = 0.6  # with so much of both boxes in common
# Between two lines of one row the detector overlooks single digits: the gap is read where it is so wide, in heights.
_GAP = (0.7, 7.0)
_MOST_GAPS = 4
_SCORE = r"\W{0,2}\d{1,3}(\s*[-–—:|/x]?\s*\d{1,3})?\W{0,2}"
_SURE = 0.8  # certainty from which digits in a gap count


class SearchBudget:
    """How much may be searched for text: so many pixels a second of the source, and some at once."""

    def __init__(self) -> None:
        self._left_px = _BUDGET_PX
        self._at_s: float | None = None

    def refill(self, now_s: float) -> None:
        """Add what has come in since the last call."""
        if self._at_s is not None:
            self._left_px = min(_BUDGET_PX, self._left_px + (now_s - self._at_s) * _BUDGET_PX_PER_S)
        self._at_s = now_s

    def allows(self, promise: float) -> bool:
        """Return whether a region may be searched now: one that promises little only while much is left.

        For one that promises much the budget may be overdrawn.
        """
        needed = next(share for least, share in _BUDGET_NEEDED if promise >= least)
        return self._left_px > needed * _BUDGET_PX

    def spend(self, box: Box, lines: int) -> None:
        """Note that a box of the small picture was searched, and so many lines were read."""
        searched_px = box.width * box.height * (4.0 if box.width < WORK_WIDTH_PX / 2 else 1.0)
        self._left_px -= searched_px + _PX_A_LINE * lines


class SearchedPlaces:
    """Which places of the small picture were searched lately, and how often."""

    def __init__(self) -> None:
        self._places: list[tuple[Box, int, float]] = []  # how often, and when last, in seconds

    def note(self, box: Box, now_s: float) -> float:
        """Note that a place is searched now; return the share of the usual enlargement with which to search it."""
        same, rest = 0, []
        for place, count, at_s in self._places:
            if now_s - at_s > _AGAIN_S:
                continue
            if place.shared_with(box) > _SAME_PLACE * max(place.area, box.area):
                same = max(same, count)
            else:
                rest.append((place, count, at_s))
        self._places = [*rest, (box, same + 1, now_s)]
        return _SIZES[same % len(_SIZES)]


def promise_of(region: Region) -> float:
    """Return how likely a region holds text worth reading: dense, and neither small nor a thin line."""
    box = region.box
    thin = 0.4 if min(box.width, box.height) <= 8 else 1.0
    return thin * region.density * (min(box.width, 300) * min(box.height, 80)) ** 0.5


def read_lines(reader: TextReader, picture: Picture, box: Box, size: float = 1.0) -> list[tuple[Box, Line]]:
    """Return the lines in a box of the picture: where each stands in the picture, and what it says.

    `size`: the share of the usual enlargement with which they are searched.
    """
    import cv2

    part = box.crop(picture.image)
    zoom = size * _zoom_of(box, picture.image.shape[1])
    zoomed = cv2.resize(part, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
    found = reader.find_lines(zoomed)[:_MOST_LINES]
    boxes = [
        Box(
            box.x0 + int(f.x0 / zoom),
            box.y0 + int(f.y0 / zoom),
            box.x0 + int(np.ceil(f.x1 / zoom)),
            box.y0 + int(np.ceil(f.y1 / zoom)),
        )
        for f in found
    ]
    boxes += _gaps(boxes)
    lines = list(zip(boxes, reader.read([f.crop(picture.image) for f in boxes]), strict=True))
    return lines[: len(found)] + [(gap, line) for gap, line in lines[len(found) :] if _is_score(line)]


def _gaps(boxes: list[Box]) -> list[Box]:
    """Return the gaps between lines that stand beside each other and are about as high."""
    gaps: list[Box] = []
    for left in boxes:
        size = left.height
        row = [
            b
            for b in boxes
            if b.x0 >= left.x1
            and abs(b.middle_y - left.middle_y) < 0.4 * size
            and 0.6 * size < b.height < 1.7 * size
        ]
        right = min(row, key=lambda b: b.x0, default=None)
        if right is not None and _GAP[0] * size <= right.x0 - left.x1 <= _GAP[1] * size:
            gap = Box(left.x1, min(left.y0, right.y0), right.x0, max(left.y1, right.y1))
            gaps += [] if any(overlap(gap, b) > 0.3 for b in boxes) else [gap]
    return gaps[:_MOST_GAPS]


def _is_score(line: Line) -> bool:
    """Return whether a line that was read in a gap is one or two numbers, surely."""
    return line.certainty >= _SURE and re.fullmatch(_SCORE, line.text.strip()) is not None


def _zoom_of(box: Box, width: int) -> float:
    """Return by how much a region is enlarged before text is searched in it: small text is found only then."""
    work = box.width * min(1.0, WORK_WIDTH_PX / width)  # its width in the small picture
    wanted = work * 2.0 if work < WORK_WIDTH_PX / 2 else min(work * 2.0, float(WORK_WIDTH_PX))
    return max(wanted, 64.0) / max(1, box.width)
