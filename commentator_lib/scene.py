"""How much the scene changed, and how much to say about it.

The mean difference of two pictures is not enough: a camera pan changes every pixel and matters little, a goal on the
scoreboard changes a hundredth of them and matters much. So change is measured in three ways, on the scale 0–255, and
all three are logged:

- mean: over the whole picture, against the newest frame of the last inference (the nerdpudding project's).
- block: the largest mean over any square block, a 27th of the picture wide, against the same frame.
- compensated: the same block measure, against the picture one second ago as today's camera would have seen
  it: the camera's own motion is estimated and undone first. It covers one second only, since after a longer pan
  little of the old picture is left. Its value at a decision is the largest since the last inference, so that a
  change is not lost that happened while the commentator was talking.

The two block measures are halved (see _BLOCK_SCALE), so that one threshold, 5.0 by default, serves all three.
The compensated measure is misled by parallax (under a hand-held camera, things at different depths move differently)
and by light that changes much faster than 3 % a second.

Only small grey pictures are kept. Everything is deterministic: the camera's motion is found by phase
correlation (Kuglin and Hines 1975), not by a method that draws samples.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from commentator_lib.media import Frame

Measure = Literal["mean", "block", "compensated"]
Intensity = Literal["minimal", "brief", "normal"]

# Of the three it alone reacts to every small change and skips pans, on synthetic and real clips (docs/lab_notes.md).
DEFAULT_MEASURE: Measure = "compensated"
NO_REFERENCE = 255.0

_GREY_SIZE = (320, 180)  # where blocks are measured
# A digit of 12×16 px at 640×360 fills a third of such a block; with 20 px (an eighth) one that changed in a pan
# could not be told from misalignment.
_BLOCK_PX = 12
# Chosen once on `bench_scene --set calibrate`, where 10 was the best threshold of the compensated measure: halved,
# that is the default threshold, 5.0. The block measure has the same factor; it has no good threshold with or without.
_BLOCK_SCALE = 0.5
_PART_PX = 30  # side of the parts of the half-size grey picture whose motion is measured one by one
_DIGIT_PX = 11  # holes up to this width in a part of the screen that does not move belong to that part
_NOISE = 1.5  # no camera motion is looked for where the block difference is below this
_LEAST_OVERLAP = 0.25  # share of the picture that must still be in view
_SAME = 6.0  # difference up to which a place looks the same, sensor noise and all
_LEAST_TEXTURE = 4.0  # a part with a smaller standard deviation than this has too little detail to be matched
_LEAST_RESPONSE = 0.3  # of the phase correlation: below this, the shift found is chance
_LOOK_BACK_S = 1.0
# With less movement than this (in pixels of the grey picture) the camera counts as still. Then the picture is not
# warped, since interpolation would blur small changes away.
_STANDS_PX = 0.4
# A motion that explains less than this share of the difference is no camera motion.
_EXPLAINS = 0.7

_SHORT_COMMENT_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class SceneChange:
    """Change on the scale 0–255; 255 for all three where there is nothing to compare with."""

    mean: float
    block: float
    compensated: float


def chosen(change: SceneChange, measure: Measure) -> float:
    """Return the value of one measure by its name."""
    return getattr(change, measure)


def intensity(change_mean: float, last_comment: str) -> Intensity:
    """Return how much to say, from two signals: how much changed, and how much there was to say the last time.

    The nerdpudding project's rule and numbers, which are on the scale of the mean.
    """
    was_short = len(last_comment.strip()) < _SHORT_COMMENT_CHARACTERS
    if change_mean < 15 and was_short:
        return "minimal"
    if change_mean < 15 or (change_mean < 40 and was_short):
        return "brief"
    return "normal"


@dataclass(frozen=True, slots=True)
class Features:
    """What is kept of a frame: `thumb` (64, 64, 3) and `grey` (180, 320), uint8."""

    captured_at_s: float
    shape: tuple[int, ...]
    thumb: np.ndarray
    grey: np.ndarray


def features(frame: Frame) -> Features:
    """Return the features of a frame; its full picture is not kept."""
    import cv2

    image = frame.image
    while min(image.shape[1] / _GREY_SIZE[0], image.shape[0] / _GREY_SIZE[1]) >= 2.25:
        # OpenCV is fast at halving only: a third of the time at 1280×720.
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    small = cv2.resize(image, _GREY_SIZE, interpolation=cv2.INTER_AREA)  # (180, 320, 3)
    thumb = cv2.resize(small, (64, 64), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return Features(frame.captured_at_s, frame.image.shape, thumb, grey)


def mean_change(new: Features, old: Features) -> float:
    """Return the mean absolute difference at 64×64 RGB."""
    import cv2

    return cv2.norm(new.thumb, old.thumb, cv2.NORM_L1) / new.thumb.size


def block_change(new: Features, old: Features) -> float:
    """Return half of the largest mean absolute difference over any block of 12×12 at 320×180, grey."""
    import cv2

    return largest_block(cv2.absdiff(new.grey, old.grey))


def largest_block(difference: np.ndarray, valid: np.ndarray | None = None) -> float:
    """Return half of the largest block mean of `difference` (H, W) uint8, so 0–127.5.

    Pixels that are not `valid` (H, W) bool count as 0: in a mean over the valid pixels alone, a few noisy pixels could
    make a large block value.
    """
    import cv2

    if valid is not None:
        difference = np.where(valid, difference, np.uint8(0))
    size = (min(_BLOCK_PX, difference.shape[1]), min(_BLOCK_PX, difference.shape[0]))
    # Sums, not means: at most 12 · 12 · 255, they are whole numbers of 16 bits, which take two thirds of the time.
    sums = cv2.boxFilter(difference, cv2.CV_16U, size, normalize=False, borderType=cv2.BORDER_REPLICATE)
    mean = np.float32(sums.max()) * np.float32(1 / (size[0] * size[1]))
    return _BLOCK_SCALE * float(mean)


def compensated_change(new: Features, old: Features) -> float:
    """Return the largest block difference that is left when the camera's motion from `old` to `new` is undone.

    Never above the block measure of the same two frames: a place that looks the same without undoing
    anything has not changed either.
    """
    import cv2

    # 1) Find the camera's motion, and undo it.
    plain = cv2.absdiff(new.grey, old.grey)  # (180, 320)
    most = largest_block(plain)
    warp = camera_motion(new.grey, old.grey) if most >= _NOISE else None
    if warp is None:
        return most
    seen, valid = _undo(old.grey, warp)
    # 2) At a cut no motion aligns the pictures: the one found is wrong, and undoing it would hide the cut.
    if cv2.absdiff(new.grey, seen)[valid].mean() > _EXPLAINS * plain[valid].mean():
        return most
    # 3) A part of the screen that does not move with the camera (a scoreboard) leaves a ghost where
    # the undone motion carries it: what is there now was hidden before, so it is not compared. The ghost also
    # covers a part of the board itself. So the board's own place is compared, with small holes filled: a new digit
    # is such a hole.
    still = (cv2.blur(plain, (5, 5)) < _SAME).astype(np.uint8)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    ghost = cv2.dilate(cv2.warpAffine(still, warp, _GREY_SIZE, flags=flags), np.ones((7, 7), np.uint8))
    board = cv2.morphologyEx(still, cv2.MORPH_CLOSE, np.ones((_DIGIT_PX, _DIGIT_PX), np.uint8))
    # 4) What lies between the darkest and the brightest neighbour may be a misalignment of one pixel.
    around = np.ones((3, 3), np.uint8)
    above = cv2.subtract(new.grey, cv2.dilate(seen, around))
    below = cv2.subtract(cv2.erode(seen, around), new.grey)
    left = cv2.min(cv2.max(above, below), plain)
    return largest_block(left, valid & ((ghost == 0) | (board > 0)))


def _undo(old: np.ndarray, warp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (`old` (H, W) as today's camera would have seen it, bool (H, W): where that is known)."""
    import cv2

    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = old.shape[::-1]
    seen = cv2.warpAffine(old, warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return seen, cv2.warpAffine(np.full_like(old, 255), warp, size, flags=flags) == 255


def camera_motion(new: np.ndarray, old: np.ndarray) -> np.ndarray | None:
    """Return the affine map (2, 3) from pixels of `new` to pixels of `old`, both uint8 (180, 320).

    Return None for a camera that stands still, or where no motion explains the difference better than none.

    A phase correlation of the whole picture finds the pan, however far; a second one, on a smaller picture, is not
    misled by noise where there is no fine detail. Then the shifts of the parts of a grid give zoom and roll: parts with
    something moving in them disagree with the others and are left out of the fit. All is done at half the size, in a
    quarter of the time: the misalignment that is left is below one pixel.
    """
    import cv2

    half = (_GREY_SIZE[0] // 2, _GREY_SIZE[1] // 2)
    a, b = (cv2.resize(x, half, interpolation=cv2.INTER_AREA) for x in (new, old))
    fa, fb = a.astype(np.float32), b.astype(np.float32)
    if fa.std() < 1.0 or fb.std() < 1.0:  # too little detail to be matched
        return None

    def miss(warp: np.ndarray) -> float:
        seen, valid = _undo(b, warp)
        return float(cv2.absdiff(a, seen)[valid].mean()) if valid.mean() > _LEAST_OVERLAP else np.inf

    # 1) The pan, by phase correlation of the whole picture at two sizes.
    best = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    least = float(cv2.absdiff(a, b).mean())
    for shrink in (1, 2):
        size = (half[0] // shrink, half[1] // shrink)
        dx, dy, _ = _shift(*(cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (fa, fb)))
        pan = np.array([[1, 0, dx * shrink], [0, 1, dy * shrink]], np.float32)
        if (error := miss(pan)) < least:
            best, least = pan, error
    # 2) Zoom and roll, by the parts of a grid; then once more, starting from this result.
    for _ in range(2):
        seen, valid = _undo(b, best)
        more = _fit(*_part_shifts(fa, seen.astype(np.float32), valid))
        if more is None:
            break
        warp = (np.vstack([best, [0, 0, 1]]) @ np.vstack([more, [0, 0, 1]]))[:2].astype(np.float32)
        if (error := miss(warp)) >= least:
            break
        best, least = warp, error
    # 3) From half size to full, where a pixel's centre x is at (x - 0.5) / 2 in the half.
    best[:, 2] = 2 * best[:, 2] + 0.5 - 0.5 * best[:, :2].sum(axis=1)
    width, height = _GREY_SIZE
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]).T
    moved_px = np.abs(best @ corners - corners[:2]).max()
    return None if moved_px < _STANDS_PX else best


def _part_shifts(a: np.ndarray, b: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres (N, 2) of the parts of a grid in `a`, and where each is in `b` (N, 2).

    Parts without detail, parts that are not all `valid`, and parts that do not match are left out.
    """
    here, there = [], []
    height, width = a.shape
    for top in range(0, height - _PART_PX + 1, (height - _PART_PX) // 2):
        for left in range(0, width - _PART_PX + 1, (width - _PART_PX) // 4):
            part = np.s_[top : top + _PART_PX, left : left + _PART_PX]
            if not valid[part].all() or min(a[part].std(), b[part].std()) < _LEAST_TEXTURE:
                continue
            dx, dy, response = _shift(a[part], b[part])
            if response > _LEAST_RESPONSE and max(abs(dx), abs(dy)) < _PART_PX / 4:
                here.append((left + _PART_PX / 2, top + _PART_PX / 2))
                there.append((left + _PART_PX / 2 + dx, top + _PART_PX / 2 + dy))
    return np.array(here), np.array(there)


def _shift(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Return (dx, dy, response): a pixel (x, y) of `a` is at (x + dx, y + dy) in `b`."""
    import cv2

    window = cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_32F)
    (dx, dy), response = cv2.phaseCorrelate(np.ascontiguousarray(a), np.ascontiguousarray(b), window)
    return dx, dy, response


def _fit(here: np.ndarray, there: np.ndarray) -> np.ndarray | None:
    """Return the map of shift, scale and roll (2, 3) from points to points (N, 2).

    It is the least-squares fit of those points that agree within half a pixel; None where fewer than four do.
    """
    keep, warp = np.ones(len(here), bool), None
    for _ in range(4):
        if keep.sum() < 4:
            return None
        x, y = here[keep].T
        one, zero = np.ones_like(x), np.zeros_like(x)
        rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
        a, b, tx, ty = np.linalg.lstsq(rows, there[keep].T.ravel(), rcond=None)[0]
        warp = np.array([[a, -b, tx], [b, a, ty]])
        miss = np.abs(here @ warp[:, :2].T + warp[:, 2] - there).max(axis=1)
        agrees = miss < max(0.5, float(np.median(miss)))
        if (agrees == keep).all():
            break
        keep = agrees
    return warp


class Looks:
    """What is kept of the frames of a run, and how much changes between two of them.

    For the same array object again nothing is computed: it is the same picture.
    """

    def __init__(self) -> None:
        self._last: Features | None = None
        self._last_image: weakref.ref[np.ndarray] | None = None  # weak: a full picture is never kept

    def look(self, frame: Frame) -> Any:
        """Return what is kept of a frame: anything with `captured_at_s` and `shape`."""
        last = self._last
        if last is not None and self._last_image is not None and frame.image is self._last_image():
            self._last = Features(frame.captured_at_s, last.shape, last.thumb, last.grey)
        else:
            self._last = features(frame)
            self._last_image = weakref.ref(frame.image)
        return self._last

    def mean(self, new: Any, old: Any) -> float:
        """Return the mean change between two frames of the same size."""
        return mean_change(new, old)

    def block(self, new: Any, old: Any) -> float:
        """Return the block change between two frames of the same size."""
        return block_change(new, old)

    def compensated(self, new: Any, old: Any) -> float:
        """Return the compensated change between two frames of the same size."""
        if old.grey is new.grey:
            return 0.0
        if min(new.shape[:2]) < 64:  # too small to hold the camera's motion
            return block_change(new, old)
        return compensated_change(new, old)


class _Numbered(NamedTuple):
    """A frame of a clip whose pictures are numbered."""

    captured_at_s: float
    shape: tuple[int, ...]
    number: int


# Of the pictures of a clip so many features stay in memory, 70 kB each, and so many measured changes, 0.2 kB each. Of
# ten minutes a window of two frames a second takes 1200 pictures: kept for the next run, which asks for the same.
_FEATURES_KEPT, _CHANGES_KEPT = 2048, 1 << 17


class ClipPictures:
    """The numbered pictures of a clip, and how much changes between any two of them.

    Each pair is measured once, however many runs ask for it. `pictures`: (H, W, 3) uint8 each, all of one size. What is
    kept of the measuring is bounded: that asked for least lately is forgotten.
    """

    def __init__(self, pictures: Sequence[np.ndarray]) -> None:
        self.pictures = pictures
        self._features = functools.lru_cache(_FEATURES_KEPT)(self._measure_features)
        self._change = functools.lru_cache(_CHANGES_KEPT)(self._measure_change)

    def change(self, measure: Measure, new: int, old: int) -> float:
        """Return the change between two pictures, given by their numbers."""
        return 0.0 if new == old else self._change(measure, new, old)

    def _measure_features(self, number: int) -> Features:
        return features(Frame(number, 0.0, 0.0, self.pictures[number]))

    def _measure_change(self, measure: Measure, new: int, old: int) -> float:
        looks = Looks()
        return getattr(looks, measure)(self._features(new), self._features(old))


class ClipLooks(Looks):
    """The looks of a run of which each frame is a numbered picture: `numbers[frame.index]` of `clip`."""

    def __init__(self, clip: ClipPictures, numbers: Sequence[int]) -> None:
        super().__init__()
        self._clip, self._numbers = clip, numbers

    def look(self, frame: Frame) -> _Numbered:
        return _Numbered(frame.captured_at_s, frame.image.shape, self._numbers[frame.index])

    def mean(self, new: _Numbered, old: _Numbered) -> float:
        return self._clip.change("mean", new.number, old.number)

    def block(self, new: _Numbered, old: _Numbered) -> float:
        return self._clip.change("block", new.number, old.number)

    def compensated(self, new: _Numbered, old: _Numbered) -> float:
        return self._clip.change("compensated", new.number, old.number)


class SceneTracker:
    """Follows the frames of the window. Call `push` on the capture thread, the other methods on the loop's.

    `looks` measures; the default computes everything from the frames' pictures.
    """

    def __init__(self, looks: Looks | None = None) -> None:
        self._lock = threading.Lock()
        self._looks = looks or Looks()
        self._recent: deque[Any] = deque(
            maxlen=16
        )  # what was kept of frames: 3 s at the highest capture rate
        self._reference: Any = None
        self._largest_compensated = NO_REFERENCE

    def push(self, frame: Frame) -> float:
        """Take a frame of the window; return its compensated change over the last second.

        It is the change since the last inference if that was less than a second ago: older changes were commented.
        Return 255.0 for the first frame and where the picture's size changed.
        """
        # 1) What is kept of the frame, and what to compare it with.
        new = self._looks.look(frame)
        with self._lock:
            old, reference = _a_second_before(self._recent, frame.captured_at_s), self._reference
        if old is not None and reference is not None and old.captured_at_s < reference.captured_at_s:
            old = reference
        # 2) How much it changed.
        same_size = old is not None and old.shape == new.shape
        change = self._looks.compensated(new, old) if same_size else NO_REFERENCE
        with self._lock:
            self._recent.append(new)
            self._largest_compensated = max(self._largest_compensated, change)
        return change

    def mark_inference(self) -> None:
        """Make the newest frame, which the commentator sees now, the reference from now on."""
        with self._lock:
            self._reference = self._recent[-1] if self._recent else None
            self._largest_compensated = 0.0 if self._recent else NO_REFERENCE

    def forget(self) -> None:
        """Drop the reference: the next `measure` returns 255 for all three."""
        with self._lock:
            self._reference = None
            self._largest_compensated = NO_REFERENCE

    def measure(self) -> SceneChange:
        """Return the newest frame's change since the last inference."""
        with self._lock:
            reference = self._reference
            new = self._recent[-1] if self._recent else None
            compensated = self._largest_compensated
        if reference is None or new is None or reference.shape != new.shape:
            return SceneChange(NO_REFERENCE, NO_REFERENCE, NO_REFERENCE)
        looks = self._looks
        return SceneChange(looks.mean(new, reference), looks.block(new, reference), compensated)


def _a_second_before(recent: Sequence[Any], now_s: float) -> Any:
    """Return of frames in the order of their times the one nearest to one second ago; None where there is none.

    Of two that are as near it is the later one, and the last one where frames are further apart.
    """
    found, least_s = None, float("inf")
    for look in reversed(recent):
        if (off_s := abs(now_s - look.captured_at_s - _LOOK_BACK_S)) < least_s:
            found, least_s = look, off_s
        elif off_s > least_s:  # from here on they are further and further away
            break
    return found
