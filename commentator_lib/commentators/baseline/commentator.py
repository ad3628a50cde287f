"""The baseline commentator: a small detector, motion, cuts and, where installed, OCR, put into short sentences.

It is what comments when no model is there, and it understands nothing: it must never pass for one. The
obvious way, to fill a sentence with whatever the detector's best boxes are, claims phantoms, says the same
every cycle and invents arrivals whenever a box flickers. So every sentence here rests on evidence that a
viewer could check: a thing seen in two looks, a place where the picture really changed, a camera whose
motion all parts of the picture agree on, a text read twice alike. What has been said in a shot is
remembered, and when nothing is new the comment is "...".

Sentences are about the newest frame, since that one is on screen when they are heard. They claim only what
stays true if the detector missed something: "no longer in view" rather than "has left", "at least two"
where there may be more.

Seeded and single-threaded: the same frames in the same calls give the same words.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentChunk, CommentRequest
from commentator_lib.commentators.baseline.detector import Detection, Detector, iou, suppress, tiles
from commentator_lib.commentators.baseline.motion import (
    STILL,
    Camera,
    camera_motion,
    changed_places,
    is_cut,
)
from commentator_lib.commentators.baseline.text import (
    ReadText,
    believable,
    ocr_installed,
    rapidocr_reader,
    readable_form,
)
from commentator_lib.commentators.baseline.words import (
    NUMBERS,
    TEMPLATES,
    article,
    join,
    plural,
    quantity,
    side,
)
from commentator_lib.media import Frame

_STRONG = 0.5  # a box that counts
_WEAK = 0.25  # a box that only keeps alive what was seen before, or hints at more of its kind
_ONCE = 0.65  # a box that may be named after one look, right after a cut
_ONCE_TILED = 0.75
_ONCE_WITHIN_S = 1.2
_TILE_STRONG = 0.65  # enlarged detail looks like many things
_LARGE = 0.55  # boxes over this share of the picture are phantoms unless they score _LARGE_SCORE
_LARGE_SCORE = 0.75  # a face filling the picture scored 0.76–0.87 as a person, a bus roof 0.38 as a toilet
_SMALL = 0.04  # nothing found larger than this share of the picture: a wide shot, worth its tiles
_TILES_FROM_PX = 480
_MIN_PICTURE_PX = 32
_LOOKS_PER_CALL = 4
_TILED_LOOKS = 2
_TILES_PER_LOOK = 2

_THUMB = (192, 108)  # width, height in px of what is kept of a picture until the next one
_SAME_PICTURE = 1.0  # grey levels of mean difference below which a picture adds no evidence
_PAIR_S = 1.6  # looks farther apart than this show no motion
_CLEAR = 0.06  # of the picture's width, between two looks
_GROWN = 1.2  # over three looks, and
_GROWN_ONCE = 1.08  # over the last two
_AT_EDGE = 0.06

_SAY_AGAIN_S = 20.0
_TEXT_AGAIN_S = 120.0
_NEW_SHOT_S = 4.0  # how long a shot counts as new
_BARE_SHOT_S = 2.5
_READ_EVERY_S = 3.0  # a reading costs as much as ten looks
_READ_TWICE_WITHIN_S = 12.0

_ANIMALS = "bird cat dog horse sheep cow elephant bear zebra giraffe".split()
# COCO's animals are mixed up too often to be named; a rabbit came as a bird at 0.95.
_RENAMED = dict.fromkeys(_ANIMALS, "animal") | {
    "sports ball": "ball",
    "tv": "screen",
    "dining table": "table",
}
# What may be named, and from which score. Clothing and small household things are left out: they are
# rarely worth a sentence and often wrong.
_NAMED = dict.fromkeys("person bicycle car motorcycle animal".split(), _STRONG) | dict.fromkeys(
    [
        "airplane",
        "bus",
        "train",
        "truck",
        "boat",
        "traffic light",
        "stop sign",
        "umbrella",
        "ball",
        "chair",
        "couch",
        "bed",
        "table",
        "screen",
        "laptop",
        "potted plant",
        "clock",
        "skateboard",
        "surfboard",
    ],
    0.6,
)
_VEHICLES = {"car", "bus", "train", "truck"}


@dataclass(slots=True)
class _View:
    """What is kept of a picture: features, never the picture."""

    index: int
    at_s: float
    aspect: float
    grey: np.ndarray  # thumbnail, uint8
    colours: np.ndarray  # share of the picture in each of 512 colours
    boxes: list[Detection] = field(default_factory=list)
    covered: list[tuple[float, float, float, float]] = field(default_factory=list)  # tiles looked at
    changed: np.ndarray | None = None  # where the thumbnail differs from the one before; None: unknown
    camera: Camera = Camera()
    soon: bool = False  # so soon after the one before that motion can be judged


@dataclass(slots=True)
class _Thing:
    """Something followed from look to look within one shot."""

    label: str
    box: Detection
    patch: np.ndarray  # the thumbnail inside the box, when last seen
    tiled: bool
    entered: bool  # was not there before: it stood at the edge, and the picture changed there
    once: bool  # may be named after one look
    hits: int = 1
    misses: int = 0
    shift: float = 0.0  # of the picture's width, camera subtracted, between the last two looks
    growth: float = 1.0  # between the last two looks, camera taken out
    grew_before: float = 1.0  # between the two before
    moved_with_camera: float = 0.0  # how far the camera went since it was last seen
    said: bool = False

    def stand(self) -> None:
        """No motion known between the last two looks."""
        self.grew_before, self.shift, self.growth = self.growth, 0.0, 1.0

    @property
    def present(self) -> bool:
        return self.misses == 0 and (self.hits >= 2 or self.once)


@dataclass(slots=True)
class _Text:
    shown: str
    frame_index: int
    at_s: float
    twice: bool = False
    said_at_s: float | None = None


@dataclass(slots=True)
class _Fact:
    """Something that could be said now. `key` names it in the memory of what was said."""

    kind: str
    key: tuple
    slots: dict[str, str]
    things: list[_Thing] = field(default_factory=list)
    text: _Text | None = None


def where(box: Detection) -> str:
    """
    >>> where(Detection("car", 0.9, 0.0, 0.2, 0.3, 0.6))
    'on the left'
    """
    return side(box.cx)


def crop(picture: np.ndarray, box: Detection) -> np.ndarray:
    """The part of a thumbnail (H, W) inside a box, at least one pixel."""
    height, width = picture.shape[:2]
    x0, y0 = min(width - 1, int(box.x0 * width)), min(height - 1, int(box.y0 * height))
    return picture[y0 : max(y0 + 1, round(box.y1 * height)), x0 : max(x0 + 1, round(box.x1 * width))]


def nameable(found: Sequence[Detection]) -> list[Detection]:
    """Detections with the names that the eye uses, without what it does not name, without phantoms, and
    with one name a vehicle."""
    named = []
    for d in found:
        label = _RENAMED.get(d.label, d.label)
        if label in _NAMED and (d.area <= _LARGE or d.score >= _LARGE_SCORE):
            named.append(Detection(label, d.score, d.x0, d.y0, d.x1, d.y1))
    kept: list[Detection] = []
    for d in suppress(named):
        rivals = [k for k in kept if {k.label, d.label} <= _VEHICLES]
        if all(iou(d, k) <= 0.5 for k in rivals):
            kept.append(d)
    return kept


def strong(box: Detection) -> bool:
    return box.score >= _NAMED[box.label]


def moved_to(box: Detection, camera: Camera) -> Detection:
    """Where the camera's motion alone would have carried a box."""
    return Detection(box.label, box.score, box.x0 + camera.dx, box.y0, box.x1 + camera.dx, box.y1)


def growth(old: Detection, new: Detection, camera: Camera) -> float:
    """How much larger a box became, zoom taken out; 1 when its sides disagree: then it was rather
    uncovered or cut off than seen from nearer."""
    wider, taller = new.width / old.width, new.height / old.height
    if not 0.8 < wider / taller < 1.25:
        return 1.0
    return min(wider, taller) / camera.scale


def same_thing(old: Detection, new: Detection) -> float:
    """How well a box continues another of its class, 0 = not at all. Overlap counts most; a fast thing
    may have jumped by a quarter of the picture, but not changed its size beyond about two."""
    if old.label != new.label:
        return 0.0
    overlap = iou(old, new)
    if overlap > 0.1:
        return 1.0 + overlap
    ratio = old.area / new.area if new.area > 0 else 0.0
    distance = float(np.hypot(old.cx - new.cx, old.cy - new.cy))
    return 0.9 - 2 * distance if distance < 0.25 and 0.4 < ratio < 2.5 else 0.0


class BaselineCommentator(Commentator):
    """Comments without a model; see the module's head for what it claims and what not.

    `ocr`: read text on screen; None = if the package rapidocr is installed, True = ImportError on first
    use where it is not. `seed` decides only which way of saying a thing comes first. `read_text` replaces
    the OCR engine. A missing model file is a FileNotFoundError from `warm_up` or the first comment.
    """

    name = "baseline"

    def __init__(self, ocr: bool | None = None, seed: int = 0, read_text: ReadText | None = None) -> None:
        self._ocr = (read_text is not None or ocr_installed()) if ocr is None else ocr
        self._read_text = read_text
        self._seed = seed
        self._detector: Detector | None = None
        self._lock = threading.Lock()
        self._forget()

    def warm_up(self) -> None:
        """Loads the models and runs them once on a blank picture, the OCR on a word, or it would only look
        for text and leave the slow first reading to the first comment."""
        import cv2

        self._load()
        blank = np.zeros((360, 640, 3), np.uint8)
        self._detector.detect(blank)
        if self._ocr:
            self._read_text(cv2.putText(blank, "READY", (200, 200), 0, 2.0, (255, 255, 255), 3))

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """One or two short sentences on what is new in `request.frames`, or "...".

        Frames that an earlier call has seen are not looked at again. A newest frame older than the last
        one means a new source: everything is forgotten. What was said counts as said only if the iterator
        came to it.
        """
        self._load()
        frames = self._new_source_only(request.frames)
        for frame in [f for f in frames if f.index > self._last_index][-_LOOKS_PER_CALL:]:
            rank = sum(f.index > frame.index for f in frames)
            self._look(frame, tiled=rank < _TILED_LOOKS)
        if self._view is not None and self._spoken_index != self._view.index:
            if self._ocr:
                self._read(frames)
            self._spoken_index = self._view.index
            sentences = self._sentences(request.max_new_tokens)
        else:
            sentences = []
        for k, (fact, sentence) in enumerate(sentences):
            self._remember(fact, sentence)
            yield CommentChunk((" " if k else "") + sentence, output_tokens=len(sentence.split()))
        if not sentences:
            yield CommentChunk(NOTHING_TO_SAY, output_tokens=1)

    # --- memory

    def _forget(self) -> None:
        self._last_index = -1
        self._spoken_index = -1
        self._view: _View | None = None
        self._texts: dict[str, _Text] = {}
        self._read_at_s: float | None = None
        self._read_grey: np.ndarray | None = None
        self._read_now: list[str] = []
        self._looks = 0
        self._recent: deque[str] = deque(maxlen=5)
        self._turn = dict.fromkeys(TEMPLATES, 0)
        rng = random.Random(self._seed)
        self._templates = {kind: rng.sample(ways, len(ways)) for kind, ways in TEMPLATES.items()}
        self._bare_shot_at_s: float | None = None
        self._start_shot(0, 0.0, cut=False)

    def _start_shot(self, index: int, at_s: float, cut: bool) -> None:
        self._things: list[_Thing] = []
        self._said: dict[tuple, float] = {}
        self._said_count: dict[str, int] = {}
        self._shot_index = index
        self._shot_at_s = at_s
        self._shot_looks = 0
        self._announce = cut
        self._panning = 0  # the sign of the pan that was told, until the camera stands
        self._dx_before = 0.0

    def _load(self) -> None:
        with self._lock:
            if self._detector is None:
                self._detector = Detector()
            if self._ocr and self._read_text is None:
                self._read_text = rapidocr_reader()

    def _new_source_only(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames since the index last went backwards, each once; forgets all if it did."""
        current: list[Frame] = []
        restarted = False
        for frame in frames:
            if current and frame.index < current[-1].index:
                current, restarted = [], True
            if not current or frame.index > current[-1].index:
                current.append(frame)
        if current and (restarted or current[-1].index < self._last_index):
            self._forget()
        return current

    def _recently(self, key: tuple, now_s: float) -> bool:
        return key in self._said and now_s - self._said[key] < _SAY_AGAIN_S

    # --- looking

    def _look(self, frame: Frame, tiled: bool) -> None:
        import cv2

        self._last_index = frame.index
        image = np.ascontiguousarray(frame.image)
        height, width = image.shape[:2]
        small = cv2.resize(image, _THUMB, interpolation=cv2.INTER_AREA)
        coarse = (cv2.resize(small, (64, 36), interpolation=cv2.INTER_AREA) >> 5).astype(np.int64)
        bins = (coarse[..., 0] * 64 + coarse[..., 1] * 8 + coarse[..., 2]).ravel()
        colours = np.bincount(bins, minlength=512).astype(np.float32) / len(bins)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        view = _View(frame.index, frame.captured_at_s, width / height, grey, colours)
        before = self._view
        self._view = view
        if before is None:
            self._start_shot(view.index, view.at_s, cut=False)
        else:
            same_shape = abs(before.aspect / view.aspect - 1) < 0.02
            if same_shape and float(cv2.absdiff(before.grey, grey).mean()) < _SAME_PICTURE:
                # The same picture again is no second look at what is there, nor a chance to move; but what
                # was missing is still missing.
                view.boxes, view.covered, view.camera = before.boxes, before.covered, Camera(sure=True)
                view.changed = np.zeros_like(grey, bool)
                for thing in self._things:
                    thing.stand()
                    thing.misses += thing.misses > 0
                return
            view.camera = camera_motion(before.grey, grey)
            view.soon = view.at_s - before.at_s <= _PAIR_S
            self._dx_before = before.camera.dx if before.camera.clear and before.soon else 0.0
            if view.camera.sure and abs(view.camera.dx) < STILL:
                self._panning = 0
            shared = float(np.minimum(before.colours, colours).sum())
            if not same_shape or is_cut(before.grey, grey, shared, view.camera):
                self._start_shot(view.index, view.at_s, cut=True)
                before = None
            elif view.soon:
                view.changed = changed_places(before.grey, grey, view.camera)
        self._shot_looks += 1
        if min(height, width) >= _MIN_PICTURE_PX:
            self._detect(view, image, tiled)
        self._follow(before, view)

    def _detect(self, view: _View, image: np.ndarray, tiled: bool) -> None:
        height, width = image.shape[:2]
        found = nameable(self._detector.detect(image, _WEAK))
        wide = not any(strong(d) and d.area > _SMALL for d in found)
        if tiled and wide and width >= _TILES_FROM_PX:
            squares = tiles(width, height)
            parts: list[Detection] = []
            # The same tiles in two looks running, then the next ones: a thing needs two looks.
            start = self._looks // 2 * _TILES_PER_LOOK
            for k in range(min(_TILES_PER_LOOK, len(squares))):
                x0, y0, x1, y1 = square = squares[(start + k) % len(squares)]
                parts += self._detector.detect_tile(image, square, _TILE_STRONG)
                view.covered.append((x0 / width, y0 / height, x1 / width, y1 / height))
            self._looks += 1
            sure = [d for d in found if strong(d)]
            found = suppress(nameable(parts) + [d for d in found if not strong(d)], kept=sure)
        view.boxes = found

    def _follow(self, before: _View | None, view: _View) -> None:
        """Carry the shot's things on to this look, and start new ones."""
        camera = view.camera
        pair = before is not None and view.soon
        scores = [
            (same_thing(moved_to(t.box, camera) if t.misses == 0 else t.box, d), i, k)
            for i, t in enumerate(self._things)
            for k, d in enumerate(view.boxes)
        ]
        taken_things: set[int] = set()
        taken_boxes: set[int] = set()
        for score, i, k in sorted(scores, key=lambda s: (-s[0], s[1], s[2])):
            if score <= 0 or i in taken_things or k in taken_boxes:
                continue
            taken_things.add(i)
            taken_boxes.add(k)
            thing, box = self._things[i], view.boxes[k]
            # A thing with a rival close by may be the rival: its motion says nothing.
            rivals = [s for s, a, b in scores if (a == i) != (b == k) and s > score - 0.3]
            clear = pair and camera.clear and thing.misses == 0 and strong(box) and strong(thing.box)
            thing.stand()
            if clear and not rivals:
                edges = (box.x0 - thing.box.x0 - camera.dx, box.x1 - thing.box.x1 - camera.dx)
                if edges[0] * edges[1] > 0 and min(abs(e) for e in edges) >= _CLEAR / 2:
                    thing.shift = sum(edges) / 2
                thing.growth = growth(thing.box, box, camera)
            thing.box, thing.misses, thing.moved_with_camera = box, 0, 0.0
            thing.patch = crop(view.grey, box).copy()
            thing.hits += strong(box)
        for i, thing in enumerate(self._things):
            if i not in taken_things:
                thing.stand()
                thing.moved_with_camera += abs(camera.dx) + abs(camera.dy) if camera.sure else 1.0
                if not thing.tiled or self._covered(view, thing.box):
                    thing.misses += 1
        for k, box in enumerate(view.boxes):
            if k in taken_boxes or not strong(box):
                continue
            tiled = box.area <= _SMALL and self._covered(view, box)
            near = before is not None and any(iou(box, b) > 0.1 for b in before.boxes if b.label == box.label)
            # In mid-picture it is rather the detector that was late than the thing that came.
            at_edge = box.x0 < _AT_EDGE or box.x1 > 1 - _AT_EDGE
            entered = (
                pair
                and at_edge
                and not tiled
                and not near
                and view.changed is not None
                and float(crop(view.changed, box).mean()) > 0.3
            )
            early = view.at_s - self._shot_at_s <= _ONCE_WITHIN_S
            once = early and box.score >= (_ONCE_TILED if tiled else _ONCE)
            self._things.append(_Thing(box.label, box, crop(view.grey, box).copy(), tiled, entered, once))
        self._things = [t for t in self._things if t.misses <= 4][-40:]

    @staticmethod
    def _covered(view: _View, box: Detection) -> bool:
        return any(x0 <= box.cx <= x1 and y0 <= box.cy <= y1 for x0, y0, x1, y1 in view.covered)

    def _read(self, frames: Sequence[Frame]) -> None:
        """Read the newest frame if it is time to, and one before it if there is something to confirm."""
        import cv2

        view = self._view
        self._texts = {k: t for k, t in self._texts.items() if view.at_s - t.at_s < _TEXT_AGAIN_S}
        if self._read_at_s is not None and 0 <= view.at_s - self._read_at_s < _READ_EVERY_S:
            self._read_now = []
            return
        waiting = any(not t.twice and view.at_s - t.at_s < _READ_TWICE_WITHIN_S for t in self._texts.values())
        if self._read_grey is not None and not waiting:
            if float(cv2.absdiff(self._read_grey, view.grey).mean()) < 2 * _SAME_PICTURE:
                return
        self._read_at_s, self._read_grey = view.at_s, view.grey
        shot = [f for f in frames if f.index >= self._shot_index]
        self._read_now = self._read_one(shot[-1])
        if len(shot) > 1 and any(not self._texts[form].twice for form in self._read_now):
            self._read_one(shot[-2])

    def _read_one(self, frame: Frame) -> list[str]:
        forms = []
        if min(frame.image.shape[:2]) < _MIN_PICTURE_PX:
            return forms
        for shown, score in self._read_text(frame.image):
            shown = " ".join(shown.replace('"', " ").split())
            if not believable(shown, score):
                continue
            form = readable_form(shown)
            forms.append(form)
            known = self._texts.get(form)
            if known is None:
                self._texts[form] = _Text(shown, frame.index, frame.captured_at_s)
            elif known.frame_index != frame.index:
                known.twice |= abs(frame.captured_at_s - known.at_s) < _READ_TWICE_WITHIN_S
                known.frame_index = frame.index
                known.at_s = max(known.at_s, frame.captured_at_s)
        return forms

    # --- saying

    def _facts(self) -> list[_Fact]:
        """All that could be said of the newest look and has not been, the most important first."""
        now_s = self._view.at_s
        present = [t for t in self._things if t.present]
        facts = []
        text = self._new_text(now_s)
        new = [t for t in present if not t.said]
        fresh = self._announce and now_s - self._shot_at_s <= _NEW_SHOT_S
        if fresh and present:
            facts.append(_Fact("shot", ("scene",), {"things": self._phrase(present)}, present))
        if text is not None:
            facts.append(_Fact("text", ("text", text.shown), {"text": text.shown}, text=text))
        if fresh and not present and self._bare_shot_due(now_s):
            facts.append(_Fact("bare shot", ("bare shot",), {}))
        if not (fresh and present):
            facts += self._news(present, new)
        facts += self._motions(present)
        facts += self._departures()
        facts += self._camera_fact()
        facts += self._stir(present)
        return [f for f in facts if not self._recently(f.key, now_s)]

    def _news(self, present: list[_Thing], new: list[_Thing]) -> list[_Fact]:
        """Things not spoken of yet: those that came, those of a kind not named yet, and more of a kind."""
        facts = []
        for thing in new:
            if thing.entered and self._shot_looks > 1:
                slots = {"thing": self._subject(thing, first=True), "where": where(thing.box)}
                facts.append(_Fact("arrive", ("arrive", thing.label, where(thing.box)), slots, [thing]))
        counts = {label: sum(t.label == label for t in present) for label in {t.label for t in new}}
        unnamed = [t for t in present if t.label in counts and not self._said_count.get(t.label)]
        if unnamed:
            kind = "more" if self._said_count else "scene"
            labels = tuple(sorted({t.label for t in unnamed}))
            facts.append(_Fact(kind, ("scene", labels), {"things": self._phrase(unnamed)}, unnamed))
        for label in sorted(counts):
            if counts[label] > self._said_count.get(label, 0) > 0:
                some = [t for t in present if t.label == label]
                things = self._phrase(some, place=False)
                facts.append(_Fact("count", ("count", label), {"things": things}, some))
        return facts

    def _motions(self, present: list[_Thing]) -> list[_Fact]:
        facts = []
        for thing in sorted(present, key=lambda t: -abs(t.shift)):
            subject = self._subject(thing, first=not thing.said)
            if abs(thing.shift) >= _CLEAR:
                way = "left" if thing.shift < 0 else "right"
                key = ("sideways", thing.label, way)
                facts.append(_Fact("sideways", key, {"thing": subject, "way": way}, [thing]))
            elif thing.growth >= _GROWN_ONCE and thing.growth * thing.grew_before >= _GROWN:
                facts.append(_Fact("closer", ("closer", thing.label), {"thing": subject}, [thing]))
        return facts

    def _departures(self) -> list[_Fact]:
        """Kinds that were named and of which nothing is left: not seen in two looks, no weak box of the
        kind anywhere, and the place looks different. A camera that moved makes places incomparable."""
        facts = []
        for label, count in sorted(self._said_count.items()):
            alike = [t for t in self._things if t.label == label]
            missing = [t for t in alike if t.said]
            if not missing or any(t.misses < 2 for t in alike):
                continue
            if any(b.label == label for b in self._view.boxes) or not all(map(self._place_changed, missing)):
                continue
            kind, name = ("gone", label) if count == 1 else ("gone many", plural(label))
            facts.append(_Fact(kind, ("gone", label), {"name": name}, missing))
        return facts

    def _place_changed(self, thing: _Thing) -> bool:
        if thing.moved_with_camera > 0.05 or thing.tiled:
            return False
        import cv2

        now = crop(self._view.grey, thing.box)
        return now.shape == thing.patch.shape and float(cv2.absdiff(now, thing.patch).mean()) > 15

    def _camera_fact(self) -> list[_Fact]:
        camera = self._view.camera
        if not (camera.clear and self._view.soon) or self._view.index == self._shot_index:
            return []
        if abs(camera.dx) < _CLEAR or self._panning == np.sign(camera.dx):
            return []
        if camera.dx * self._dx_before < 0 or abs(self._dx_before) < _CLEAR / 2:
            return []  # one pair alone may be something large that passes
        # Content that goes left is a camera that goes right.
        way = "right" if camera.dx < 0 else "left"
        return [_Fact("camera", ("camera", way), {"way": way})]

    def _stir(self, present: list[_Thing]) -> list[_Fact]:
        """Motion where nothing is known: only if it is in one place, and no box covers it."""
        changed = self._view.changed
        if changed is None or not self._view.camera.still or present:
            return []
        share = float(changed.mean())
        if not 0.02 < share < 0.35:
            return []
        columns = np.flatnonzero(changed.any(axis=0)) / changed.shape[1]
        weight = changed.sum(axis=0)
        x = np.repeat(np.arange(changed.shape[1]), weight) / changed.shape[1]
        if len(columns) == 0 or np.percentile(x, 90) - np.percentile(x, 10) > 0.4:
            return []
        place = side(float(np.median(x)))
        return [_Fact("stir", ("stir",), {"where": place})]

    def _new_text(self, now_s: float) -> _Text | None:
        for form in self._read_now:
            text = self._texts.get(form)
            if text is not None and text.twice:
                if text.said_at_s is None or now_s - text.said_at_s > _TEXT_AGAIN_S:
                    return text
        return None

    def _bare_shot_due(self, now_s: float) -> bool:
        if float(self._view.grey.std()) < 6 or now_s - self._shot_at_s > _BARE_SHOT_S:
            return False
        return self._bare_shot_at_s is None or now_s - self._bare_shot_at_s > _SAY_AGAIN_S

    def _phrase(self, things: list[_Thing], place: bool = True) -> str:
        """Things by kind, the largest first, three kinds at most: "a person on the left and two cars"."""
        kinds: dict[str, list[_Thing]] = {}
        for thing in sorted(things, key=lambda t: -t.box.area):
            kinds.setdefault(thing.label, []).append(thing)
        phrases = []
        for label, alike in list(kinds.items())[:3]:
            # One that is alive on a weak box is not counted twice.
            weak = [b for b in self._view.boxes if b.label == label and not strong(b)]
            more = any(all(iou(b, t.box) == 0 for t in alike) for b in weak)
            phrase = quantity(label, len(alike), more)
            if place and len(alike) == 1 and len(kinds) <= 2:
                phrase += self._placed(alike[0].box)
            phrases.append(phrase)
        return join(phrases)

    @staticmethod
    def _placed(box: Detection) -> str:
        if box.area > 0.5:
            return " close up" if box.label == "person" else ""
        return " " + where(box)

    def _subject(self, thing: _Thing, first: bool) -> str:
        alike = [t for t in self._things if t.label == thing.label and t.misses == 0]
        if first or len(alike) > 1:
            return article(thing.label)
        return f"the {thing.label}"

    def _sentences(self, max_words: int) -> list[tuple[_Fact, str]]:
        """One sentence, or two short ones about different things, within `max_words`."""
        chosen: list[tuple[_Fact, str]] = []
        words = 0
        about: set[int] = set()
        for fact in self._facts():
            if any(id(t) in about for t in fact.things) or any(f.kind == fact.kind for f, _ in chosen):
                continue
            sentence = self._phrased(fact)
            count = len(sentence.split())
            if words + count > min(max_words, 14 if chosen else max_words):
                continue
            chosen.append((fact, sentence))
            words += count
            about |= {id(t) for t in fact.things}
            if len(chosen) == 2:
                break
        return chosen

    def _phrased(self, fact: _Fact) -> str:
        slots = dict(fact.slots)
        for name in ("thing", "things"):
            if name in slots:
                slots[name.capitalize()] = slots[name][:1].upper() + slots[name][1:]
        many = slots.get("things", "").split(" ")[0] in {*NUMBERS.values(), "at", "several"}
        slots["is"] = "are" if many else "is"
        ways = self._templates[fact.kind]
        turn = self._turn[fact.kind]
        said = [ways[(turn + k) % len(ways)].format(**slots) for k in range(len(ways))]
        return next((s for s in said if s not in self._recent), said[0])

    def _remember(self, fact: _Fact, sentence: str) -> None:
        now_s = self._view.at_s
        self._recent.append(sentence)
        self._turn[fact.kind] += 1
        self._said[fact.key] = now_s
        if fact.kind in ("shot", "bare shot"):
            self._announce = False
        if fact.kind == "bare shot":
            self._bare_shot_at_s = now_s
        if fact.kind == "camera":
            self._panning = -1 if fact.slots["way"] == "right" else 1
        if fact.text is not None:
            fact.text.said_at_s = now_s
        if fact.kind.startswith("gone"):
            label = fact.key[1]
            self._said_count.pop(label, None)
            self._things = [t for t in self._things if t.label != label]
            return
        for thing in fact.things:
            thing.said = True
        for label in {t.label for t in fact.things}:
            count = sum(t.label == label and t.said and t.misses == 0 for t in self._things)
            self._said_count[label] = max(self._said_count.get(label, 0), count)
