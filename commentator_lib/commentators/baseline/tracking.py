"""Follow things from look to look within one shot, and remember what was said of them.

A thing is matched to the box that continues it best (`boxes.same_thing`), best pairs first, after undoing the camera's
motion. A thing without a box is kept for four more looks, since detectors miss things now and then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from commentator_lib.commentators.baseline.boxes import SMALL, crop, growth, moved_to, same_thing, strong
from commentator_lib.commentators.baseline.detector import Detection, iou
from commentator_lib.commentators.baseline.motion import STILL
from commentator_lib.commentators.baseline.views import View

_ONCE = 0.65  # least score of a box that may be named after one look, right after a cut
_ONCE_TILED = 0.75
_ONCE_WITHIN_S = 1.2
CLEAR = 0.06  # least motion between two looks that may be mentioned, in fractions of the picture's width
_AT_EDGE = 0.06
_MOST_MISSES = 4
_MOST_THINGS = 40
SAY_AGAIN_S = 20.0


@dataclass(slots=True)
class Thing:
    """Something followed from look to look within one shot."""

    label: str
    box: Detection
    patch: np.ndarray  # the thumbnail inside the box, when last seen
    tiled: bool  # found in a tile only
    entered: bool  # was not there before: it stood at the edge, and the picture changed there
    once: bool  # may be named after one look
    hits: int = 1
    misses: int = 0
    shift: float = (
        0.0  # in fractions of the picture's width, without the camera's motion, between the last two looks
    )
    growth: float = 1.0  # between the last two looks, without the camera's zoom
    grew_before: float = 1.0  # between the two looks before those
    moved_with_camera: float = 0.0  # how far the camera went since it was last seen
    said: bool = False

    def clear_motion(self) -> None:
        """Clear its motion between the last two looks, where it is not known."""
        self.grew_before, self.shift, self.growth = self.growth, 0.0, 1.0

    @property
    def present(self) -> bool:
        """Whether it is seen now, and certain enough to be named."""
        return self.misses == 0 and (self.hits >= 2 or self.once)


@dataclass(slots=True)
class Shot:
    """One shot from its first frame: what is in it, and what was said of it."""

    index: int  # of its first frame
    at_s: float
    announce: bool = False  # it began with a cut that was not mentioned yet
    looks: int = 0
    things: list[Thing] = field(default_factory=list)
    said_at_s: dict[tuple, float] = field(default_factory=dict)  # by the key of the fact
    said_count: dict[str, int] = field(default_factory=dict)  # by label: how many were named
    panning: int = 0  # the sign of the pan that was mentioned; 0 once the camera stands still
    dx_before: float = 0.0  # the camera's motion one pair of looks ago

    def said_recently(self, key: tuple, now_s: float) -> bool:
        """Return whether the fact of this key was said so recently that it must not be said again."""
        return key in self.said_at_s and now_s - self.said_at_s[key] < SAY_AGAIN_S

    def see_again(self) -> None:
        """Take in the same picture again: nothing moved, nothing is confirmed, and missing things are still missing."""
        for thing in self.things:
            thing.clear_motion()
            thing.misses += thing.misses > 0

    def see_camera(self, before: View, view: View) -> None:
        """Take in the camera's motion of a new view, and of the one before it."""
        self.dx_before = before.camera.dx if before.camera.clear and before.soon else 0.0
        if view.camera.sure and abs(view.camera.dx) < STILL:
            self.panning = 0

    def follow(self, before: View | None, view: View) -> None:
        """Carry the things on to a new view, and start new ones. `before` is the view before it in this shot."""
        pair = before is not None and view.soon
        taken = _carry_on(self.things, view, pair)
        for k, box in enumerate(view.boxes):
            if k not in taken and strong(box):
                self.things.append(_new_thing(box, before, view, self.at_s))
        self.things = [t for t in self.things if t.misses <= _MOST_MISSES][-_MOST_THINGS:]


def _carry_on(things: list[Thing], view: View, pair: bool) -> set[int]:
    """Give each thing its box of the new view, or count that it was missed; return the boxes that were taken."""
    camera = view.camera
    # 1) Score every thing against every box, and take the best pairs first.
    scores = [
        (same_thing(moved_to(t.box, camera) if t.misses == 0 else t.box, d), i, k)
        for i, t in enumerate(things)
        for k, d in enumerate(view.boxes)
    ]
    taken_things: set[int] = set()
    taken_boxes: set[int] = set()
    for score, i, k in sorted(scores, key=lambda s: (-s[0], s[1], s[2])):
        if score <= 0 or i in taken_things or k in taken_boxes:
            continue
        taken_things.add(i)
        taken_boxes.add(k)
        thing, box = things[i], view.boxes[k]
        # 2) Measure its motion, unless a rival of its class is so close that the two may have been confused.
        rivals = [s for s, a, b in scores if (a == i) != (b == k) and s > score - 0.3]
        clear = pair and camera.clear and thing.misses == 0 and strong(box) and strong(thing.box)
        thing.clear_motion()
        if clear and not rivals:
            edges = (box.x0 - thing.box.x0 - camera.dx, box.x1 - thing.box.x1 - camera.dx)
            if edges[0] * edges[1] > 0 and min(abs(e) for e in edges) >= CLEAR / 2:
                thing.shift = sum(edges) / 2
            thing.growth = growth(thing.box, box, camera)
        # 3) Note where it is seen now.
        thing.box, thing.misses, thing.moved_with_camera = box, 0, 0.0
        thing.patch = crop(view.grey, box).copy()
        thing.hits += strong(box)
    # 4) Count the others as missed, if this view could have shown them.
    for i, thing in enumerate(things):
        if i not in taken_things:
            thing.clear_motion()
            thing.moved_with_camera += abs(camera.dx) + abs(camera.dy) if camera.sure else 1.0
            if not thing.tiled or view.covers(thing.box):
                thing.misses += 1
    return taken_boxes


def _new_thing(box: Detection, before: View | None, view: View, shot_at_s: float) -> Thing:
    """Return a thing that no earlier one explains, and whether it came into view just now."""
    tiled = box.area <= SMALL and view.covers(box)
    near = before is not None and any(iou(box, b) > 0.1 for b in before.boxes if b.label == box.label)
    # In the middle of the picture the detector was probably late, and the thing did not just come.
    at_edge = box.x0 < _AT_EDGE or box.x1 > 1 - _AT_EDGE
    entered = (
        before is not None
        and view.soon
        and at_edge
        and not tiled
        and not near
        and view.changed is not None
        and float(crop(view.changed, box).mean()) > 0.3
    )
    early = view.at_s - shot_at_s <= _ONCE_WITHIN_S
    once = early and box.score >= (_ONCE_TILED if tiled else _ONCE)
    return Thing(box.label, box, crop(view.grey, box).copy(), tiled, entered, once)
