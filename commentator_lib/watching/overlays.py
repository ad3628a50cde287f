"""Find the overlays of a broadcast: what stands still while the picture moves, and what replaces a part of it at once.

Nothing is known of their design. Two signs give a region away. Edges keep their place while those around them move:
text over a moving picture. Or a compact part of the picture changes at once and then stays as it is, while what
surrounds it does not: a board or a banner that comes, also under a fixed camera. A region is read once, until it
changes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from commentator_lib.watching.ocr import Box, overlap, union

BLOCK_PX = 8
STILL_S = 0.35  # a pixel stands still when it has not changed for so long
_SAME_LEVELS = 14  # grey levels by which a pixel that stands still may differ: noise of the compression
_EDGE_LEVELS = 90  # strength from which a gradient counts as an edge of text: a step of 45 grey levels
_EDGES_IN_BLOCK = 7  # still edge pixels of 64 that make a block look like text
_JUMP_PX = 14  # pixels of 64 that change at once when a block is replaced
_AT_ONCE_S = 0.25
_CAME_IN_BLOCK = 4  # edge pixels of 64 that came at one time and make a block come with a caption
_CUT_SHARE = 0.5  # of the edges elsewhere coming at that time, from which all of the picture was replaced
_FILLED = 0.45  # share of its box that a replaced region fills
_MOVING_SHARE = 0.4  # of the edges around a region standing still, below which these are taken to move
_LARGEST_SHARE = 0.3  # a region larger than this share of the picture is none
_LEAST_EDGES = 40
_STILL_INSIDE = 0.7  # of an overlay's edges that stand still,
_STILL_IN_LINES = 0.85  # and of those of its lines of text
_JUST_NOW_S = 0.1
_MOVES_INSIDE = 0.4  # share of the edges that changed just now where a text runs through
_LEAST_DENSITY = 0.2
_LEAST_WIDTH_PX = 3 * BLOCK_PX


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture to be examined: its box (px), and the source time of the first picture that shows it."""

    box: Box
    from_s: float
    density: float = 1.0  # share of its blocks that show still edges


class StillMap:
    """When each pixel changed last, and which regions are worth reading. Works on grey pictures (H, W) of one size."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        rows, columns = -(-height // BLOCK_PX), -(-width // BLOCK_PX)
        self._reference = np.zeros((height, width), np.uint8)
        self._changed_s = np.full((height, width), -np.inf, np.float32)  # when each pixel changed last
        self.edges = np.zeros((height, width), bool)
        self.still = np.zeros((height, width), bool)
        self._jumped_s = np.full((rows, columns), -np.inf)  # when a block was replaced last
        # Since when a block shows still edges; inf: it does not.
        self._appeared_s = np.full((rows, columns), np.inf)
        self._examined_s = np.full((rows, columns), -np.inf)
        self._now_s = 0.0

    def push(self, grey: np.ndarray, at_s: float) -> None:
        """Take the next picture, (H, W) uint8."""
        import cv2

        # 1) Which pixels have changed.
        self._now_s = at_s
        changed = cv2.absdiff(grey, self._reference) > _SAME_LEVELS  # (H, W) bool
        self._changed_s[changed] = at_s
        np.copyto(self._reference, grey, where=changed)
        self.still = self._changed_s <= at_s - STILL_S
        # 2) The edges.
        gx = cv2.Sobel(grey, cv2.CV_16S, 1, 0, ksize=3)
        gy = cv2.Sobel(grey, cv2.CV_16S, 0, 1, ksize=3)
        strength = cv2.add(cv2.convertScaleAbs(gx, alpha=0.5), cv2.convertScaleAbs(gy, alpha=0.5))
        self.edges = strength >= _EDGE_LEVELS
        # 3) Blocks that were replaced, and blocks that begin or cease to show still edges.
        self._jumped_s[_block_sums(changed) >= _JUMP_PX] = at_s
        count = _block_sums(self.edges & self.still)  # (rows, columns)
        shown = self._appeared_s < np.inf
        self._appeared_s[~shown & (count >= _EDGES_IN_BLOCK)] = at_s
        self._appeared_s[shown & (count < _EDGES_IN_BLOCK // 2)] = np.inf

    def regions(self, ignore: list[Box]) -> list[Region]:
        """Return the regions that are worth reading and were not read since they changed.

        `ignore`: boxes (px) that are known.
        """
        shown = self._appeared_s < np.inf
        unread = np.ones_like(shown)
        for box in ignore:
            unread[_blocks_of(box)] = False
        return [*self._replaced(shown, unread), *self._standing_out(shown, unread)]

    def at(self, box: Box) -> Patch:
        """Return what stands in a box (px), frame and all, in the newest picture."""
        return Patch(self, box)

    def stands_since(self, box: Box, at_s: float) -> bool:
        """Return whether what a box (px) shows has been there since a source time, but for a part of it."""
        ages = self._edge_ages(box)
        return ages.size > 0 and float((ages >= self._now_s - at_s - STILL_S).mean()) >= _STILL_INSIDE

    def moves(self, box: Box) -> bool:
        """Return whether most of what a box (px) shows has moved since the last picture: a text that runs through."""
        ages = self._edge_ages(box)
        return ages.size > 0 and float((ages < _JUST_NOW_S).mean()) > _MOVES_INSIDE

    def mark_examined(self, box: Box) -> None:
        """Note that a part of the picture is read now."""
        self._examined_s[_blocks_of(box)] = self._now_s

    def forget_examined(self, box: Box) -> None:
        """Let a part of the picture be read again."""
        self._examined_s[_blocks_of(box)] = -np.inf

    # --- the two signs

    def _replaced(self, shown: np.ndarray, unread: np.ndarray) -> list[Region]:
        """Return compact groups of blocks that were replaced together, stay since, and show edges."""
        calm = (self._jumped_s <= self._now_s - STILL_S) & (self._jumped_s > self._examined_s) & unread
        found: list[Region] = []
        if not (calm & shown).any():
            return found
        for from_s in np.unique(self._jumped_s[calm])[::-1][:8]:
            together = calm & (np.abs(self._jumped_s - from_s) <= _AT_ONCE_S)
            for box, members in self._groups(together, closing=(3, 3)):
                blocks = (box.width // BLOCK_PX) * (box.height // BLOCK_PX)
                density = float((shown & unread)[_blocks_of(box)].mean())
                if members.sum() >= _FILLED * blocks and density >= _LEAST_DENSITY:
                    found.append(Region(box, float(from_s), density))
        return found

    def _standing_out(self, shown: np.ndarray, unread: np.ndarray) -> list[Region]:
        """Return groups of blocks with still edges around which the picture moves."""
        new = shown & unread & (self._examined_s < self._appeared_s)
        found: list[Region] = []
        if not new.any():
            return found
        for box, members in self._groups(shown & unread, closing=(3, 5)):
            fresh = members & new
            density = float(members[_blocks_of(box)].mean())
            if fresh.sum() >= 2 and density >= _LEAST_DENSITY and self._moves_around(box):
                found.append(Region(box, float(self._appeared_s[fresh].max()) - STILL_S, density))
        return found

    def _groups(self, blocks: np.ndarray, closing: tuple[int, int]) -> list[tuple[Box, np.ndarray]]:
        """Return connected groups of blocks: the box (px) of each, and which blocks it has."""
        import cv2

        height, width = self.shape
        padded = np.pad(blocks.astype(np.uint8), 4)  # text has gaps of a block or two between its words
        joined = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones(closing, np.uint8))[4:-4, 4:-4]
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        found: list[tuple[Box, np.ndarray]] = []
        for k in range(1, count):
            x, y, w, h = (int(v) * BLOCK_PX for v in stats[k][:4])
            if w < _LEAST_WIDTH_PX or w * h > _LARGEST_SHARE * width * height:
                continue
            box = Box(x, y, min(width, x + w), min(height, y + h))
            found.append((box, blocks & (labels == k)))
        return found

    def _edge_ages(self, box: Box) -> np.ndarray:
        """Return for how long each edge pixel in a box has stood still, (N,) seconds."""
        return self._now_s - box.crop(self._changed_s)[box.crop(self.edges)]

    def _around(self, box: Box) -> np.ndarray:
        """Return the same for the edge pixels around a box."""
        reach = max(24.0, 1.5 * box.height)
        outer = box.grown(reach, reach, self.shape[1], self.shape[0])
        edges = outer.crop(self.edges).copy()
        edges[box.y0 - outer.y0 : box.y1 - outer.y0, box.x0 - outer.x0 : box.x1 - outer.x0] = False
        return self._now_s - outer.crop(self._changed_s)[edges]

    def _moves_around(self, box: Box) -> bool:
        ages = self._around(box)
        return ages.size >= _LEAST_EDGES and float((ages >= STILL_S).mean()) < _MOVING_SHARE

    def _outside(self, box: Box) -> np.ndarray:
        """Return for how long each edge pixel outside a box has stood still, (N,) seconds."""
        edges = self.edges.copy()
        box.crop(edges)[:] = False
        return self._now_s - self._changed_s[edges]


class Patch:
    """What stands in a box (px) of a still map's newest picture; `came_s` and `whole` are computed once."""

    def __init__(self, still: StillMap, box: Box) -> None:
        self._still = still
        self.box = box

    @cached_property
    def came_s(self) -> float:
        """The time (s) of the picture in which most of its edges changed last; -inf: never, or no edges."""
        changed_s = self.box.crop(self._still._changed_s)[self.box.crop(self._still.edges)]  # (N,)
        return float(np.median(changed_s)) if changed_s.size else -np.inf

    @cached_property
    def whole(self) -> Box:
        """Its box (px), grown by the blocks that came with it and are connected to it: all of a banner."""
        if self.came_s == -np.inf:
            return self.box
        still = self._still
        at_once = np.abs(still._changed_s - self.came_s) <= _AT_ONCE_S  # (H, W) bool
        came = still.edges & still.still & at_once
        count = _block_sums(came)  # (rows, columns)
        mostly = (count >= _CAME_IN_BLOCK) & (count >= 0.5 * _block_sums(still.edges))
        groups = still._groups(mostly, closing=(3, 5))
        whole = union([self.box, *(group for group, _ in groups if overlap(group, self.box) > 0.0)])
        return whole if whole.area <= _LARGEST_SHARE * came.size else self.box

    def is_overlay(self, lines: Sequence[Box] = ()) -> bool:
        """Return whether it lies over the picture and is no part of it.

        `lines`: the lines of text in it. Where these stand still and all around them moves, the rest of the
        box may move too: the corner beside a short line that stands over a long one.
        """
        inside = self._still._edge_ages(self.box)
        if inside.size < _LEAST_EDGES // 2:
            return False
        if (inside >= STILL_S).mean() >= _STILL_INSIDE:
            return self._still._moves_around(self.box) or self._came_alone(inside)
        text = np.concatenate([self._still._edge_ages(line) for line in lines]) if lines else np.zeros(0)
        still = text.size >= _LEAST_EDGES // 2 and float((text >= STILL_S).mean()) >= _STILL_IN_LINES
        return still and self._still._moves_around(self.box)

    def _came_alone(self, inside: np.ndarray) -> bool:
        """Return whether most of its edges came at one time, at which nothing came around it.

        `inside`: for how long each edge pixel in it has stood still, (N,) seconds.
        """
        came = self._still._now_s - self.came_s  # so long ago
        if self.came_s == -np.inf or _share_at(inside, came) < 0.6:
            return False  # it was there in the first picture, or came bit by bit
        around, elsewhere = self._still._around(self.whole), self._still._outside(self.whole)
        return _share_at(around, came) < 0.4 and _share_at(elsewhere, came) < _CUT_SHARE


def _share_at(ages: np.ndarray, came: float) -> float:
    """Return the share of ages (s) that are near a given one."""
    return float((np.abs(ages - came) <= _AT_ONCE_S).mean()) if ages.size else 0.0


def _block_sums(mask: np.ndarray) -> np.ndarray:
    """Return how many pixels of each block are set; `mask` (H, W) bool → (rows, columns) int."""
    height, width = mask.shape
    rows, columns = -(-height // BLOCK_PX), -(-width // BLOCK_PX)
    if (rows * BLOCK_PX, columns * BLOCK_PX) != mask.shape:
        mask = np.pad(mask, ((0, rows * BLOCK_PX - height), (0, columns * BLOCK_PX - width)))
    # Adding up eight bytes at once: first the rows of a block, then its columns.
    tall = mask.view(np.uint8).reshape(rows, BLOCK_PX, columns * BLOCK_PX).sum(axis=1, dtype=np.uint8)
    return tall.reshape(rows, columns, BLOCK_PX).sum(axis=2, dtype=np.uint8).astype(np.int32)


def _blocks_of(box: Box) -> tuple[slice, slice]:
    """Return the blocks that a box touches, as slices of rows and columns."""
    rows = slice(box.y0 // BLOCK_PX, -(-box.y1 // BLOCK_PX))
    return rows, slice(box.x0 // BLOCK_PX, -(-box.x1 // BLOCK_PX))
