"""The baseline commentator: a small detector, motion, cuts and, where installed, OCR, put into short sentences.

It comments where there is no model. It understands nothing, and must never be mistaken for a model. Sentences that
name the detector's best boxes would claim phantoms, repeat themselves in every cycle and invent arrivals whenever a
box flickers. So every sentence here rests on evidence that a viewer could check: a thing seen in two looks, a place
where the picture really changed, a camera motion on which all parts of the picture agree, a text that was read twice
with the same result. What was said in a shot is remembered, and when nothing is new the comment is "...".

Sentences are about the newest frame, since it is on screen when they are heard. They claim only what
stays true if the detector missed something: "no longer in view" rather than "has left", "at least two"
where there may be more.

It is seeded and single-threaded: the same frames in the same calls give the same words.

The path of a frame: `views` (features of the picture) → `boxes` and `detector` (what is in it) → `tracking` (what it
continues) → `facts` (what is new) → `phrasing` and `words` (how it is said).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np

from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentChunk, CommentRequest
from commentator_lib.commentators.baseline.boxes import WEAK, look_into_tiles, nameable, needs_tiles
from commentator_lib.commentators.baseline.detector import Detector
from commentator_lib.commentators.baseline.facts import Fact, choose, find_facts, remember
from commentator_lib.commentators.baseline.match_talk import MatchTalk
from commentator_lib.commentators.baseline.motion import Camera, camera_motion, changed_places, is_cut
from commentator_lib.commentators.baseline.phrasing import Phrasing
from commentator_lib.commentators.baseline.reading import MIN_PICTURE_PX, Text, TextMemory
from commentator_lib.commentators.baseline.text import ReadText, ocr_installed, rapidocr_reader
from commentator_lib.commentators.baseline.tracking import Shot
from commentator_lib.commentators.baseline.views import (
    View,
    colours_shared,
    is_soon,
    make_view,
    same_picture,
    same_shape,
)
from commentator_lib.events import MOST_IMPORTANCE, Facts
from commentator_lib.media import Frame

_LOOKS_PER_CALL = 4
_TILED_LOOKS = 2


class BaselineCommentator(Commentator):
    """Comments without a model; the module's docstring says what it claims and what it does not.

    `ocr`: read text on screen; None reads it if the package rapidocr is installed, True raises ImportError on first use
    where it is not. `seed` decides only which wording comes first. `read_text` replaces the OCR engine. `warm_up`, or
    the first comment, raises FileNotFoundError for a missing model file.
    """

    name = "baseline"
    answers_questions = False  # it reads no prompt

    def __init__(self, ocr: bool | None = None, seed: int = 0, read_text: ReadText | None = None) -> None:
        self._ocr = (read_text is not None or ocr_installed()) if ocr is None else ocr
        self._given_reader = self._read_text = read_text
        self._seed = seed
        self._detector: Detector | None = None
        self._lock = threading.Lock()
        self._forget()

    def warm_up(self) -> None:
        """Load the models and run them once: the detector on a blank picture, the OCR on a word.

        The OCR needs a picture with text: without text its slow first reading would fall into the first comment.
        """
        import cv2

        self.say_loading("opening the detector", 0.0)
        detector, read_text = self._load()
        blank = np.zeros((360, 640, 3), np.uint8)
        detector.detect(blank)
        if read_text is not None:
            self.say_loading("reading a first word", 0.7)
            read_text(cv2.putText(blank, "READY", (200, 200), 0, 2.0, (255, 255, 255), 3))

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """Say one or two short sentences on what is new in `request.frames`, or "...".

        Frames that an earlier call has seen are not looked at again. Frame numbers that go backwards mean a new source:
        then everything is forgotten. A sentence counts as said once the iterator has yielded it.
        """
        # 1) What watchers report comes first and at once; something important leaves room for nothing else.
        frames = self._new_source_only(request.frames)
        now_s = frames[-1].captured_at_s if frames else 0.0
        said, left = 0, request.max_new_tokens
        for importance, sentence in self._match.news(request.facts, now_s, left):
            yield CommentChunk((" " if said else "") + sentence, output_tokens=len(sentence.split()))
            said += 1
            left = 0 if importance >= MOST_IMPORTANCE else left - len(sentence.split())
        if said and not left:
            return
        # 2) Look at the frames that are new.
        detector, read_text = self._load()
        for frame in [f for f in frames if f.index > self._last_index][-_LOOKS_PER_CALL:]:
            rank = sum(f.index > frame.index for f in frames)
            self._look(detector, frame, tiled=rank < _TILED_LOOKS)
            if self._match.knows_match(request.facts):
                self._match.kits.look(frame.image)
        view = self._view
        if view is None or self._spoken_index == view.index:
            if not said:
                yield CommentChunk(NOTHING_TO_SAY, output_tokens=1)
            return
        # 3) Read the newest one, and choose what to say of it. In a match, what hoardings say is no news.
        self._spoken_index = view.index
        in_match = self._match.knows_match(request.facts)
        if read_text is not None and not in_match:
            self._texts.read(read_text, view, [f for f in frames if f.index >= self._shot.index])
        text = None if in_match else _not_reported(self._texts.new_text(view.at_s), request.facts)
        facts = find_facts(self._shot, view, text, self._bare_shot_at_s)
        fillers = [] if said else [line.text for line in self._match.fillers(request.facts, now_s, left)]
        sentences = choose(facts, self._phrasing, left) if not fillers else []
        if in_match:
            sentences = [(fact, words) for fact, words in sentences if not self._match.repeats(words)]
        # 4) Say it, a sentence at a time.
        for sentence in fillers:
            yield CommentChunk((" " if said else "") + sentence, output_tokens=len(sentence.split()))
            said += 1
        for fact, sentence in sentences[: 1 if said else 2]:
            self._remember(fact, sentence, view.at_s)
            self._match.heard(sentence)
            yield CommentChunk((" " if said else "") + sentence, output_tokens=len(sentence.split()))
            said += 1
        if not said:
            yield CommentChunk(NOTHING_TO_SAY, output_tokens=1)

    def close(self) -> None:
        """Give the models' memory back; `warm_up` loads them again."""
        with self._lock:
            self._detector, self._read_text = None, self._given_reader

    def _forget(self) -> None:
        """Start again, as with a source that was never seen."""
        self._last_index = self._spoken_index = -1
        self._view: View | None = None
        self._shot = Shot(0, 0.0)
        self._texts = TextMemory()
        self._phrasing = Phrasing(self._seed)
        self._match = MatchTalk(self._phrasing)
        self._tiled_looks = 0
        self._bare_shot_at_s: float | None = None

    def _load(self) -> tuple[Detector, ReadText | None]:
        """Return the detector and, where text is read, the OCR; the first call loads them."""
        with self._lock:
            if self._detector is None:
                self._detector = Detector()
            if self._ocr and self._read_text is None:
                self._read_text = rapidocr_reader()
            return self._detector, self._read_text if self._ocr else None

    def _new_source_only(self, frames: Sequence[Frame]) -> list[Frame]:
        """Return the frames since the index last went backwards, each once; forget all if it did."""
        current, restarted = _since_restart(frames)
        if current and (restarted or current[-1].index < self._last_index):
            self._forget()
        return current

    def _look(self, detector: Detector, frame: Frame, tiled: bool) -> None:
        """Look at a frame; `tiled`: also run the detector on some tiles of it, if it is a wide shot."""
        # 1) Compare the picture with the one before.
        self._last_index = frame.index
        image = np.ascontiguousarray(frame.image)
        before, view = self._view, make_view(frame.index, frame.captured_at_s, image)
        self._view = view
        if before is None:
            self._shot = Shot(view.index, view.at_s)
        elif same_picture(before, view):
            view.boxes, view.covered, view.camera = before.boxes, before.covered, Camera(sure=True)
            view.changed = np.zeros_like(view.grey, bool)
            self._shot.see_again()
            return
        else:
            view.camera = camera_motion(before.grey, view.grey)
            view.soon = is_soon(before, view)
            self._shot.see_camera(before, view)
            # 2) A cut begins a new shot, which has no view before this one.
            shared = colours_shared(before, view)
            if not same_shape(before, view) or is_cut(before.grey, view.grey, shared, view.camera):
                self._shot = Shot(view.index, view.at_s, announce=True)
                before = None
            elif view.soon:
                view.changed = changed_places(before.grey, view.grey, view.camera)
        # 3) Find the things in it, and which of them were there before.
        self._shot.looks += 1
        if min(image.shape[:2]) >= MIN_PICTURE_PX:
            view.boxes = nameable(detector.detect(image, WEAK))
            if tiled and needs_tiles(view.boxes, image.shape[1]):
                # The same tiles in two successive looks, then the next ones: a thing must be seen twice.
                turn = self._tiled_looks // 2
                view.boxes, view.covered = look_into_tiles(detector, image, view.boxes, turn)
                self._tiled_looks += 1
        self._shot.follow(before, view)

    def _remember(self, fact: Fact, sentence: str, now_s: float) -> None:
        """Note that a sentence was said."""
        self._phrasing.remember(fact.kind, sentence)
        remember(self._shot, fact, now_s)
        if fact.kind == "bare shot":
            self._bare_shot_at_s = now_s


def _since_restart(frames: Sequence[Frame]) -> tuple[list[Frame], bool]:
    """Return the frames since the index last went backwards, each once, and whether it did."""
    current: list[Frame] = []
    restarted = False
    for frame in frames:
        if current and frame.index < current[-1].index:
            current, restarted = [], True
        if not current or frame.index > current[-1].index:
            current.append(frame)
    return current, restarted


def _not_reported(text: Text | None, facts: Facts) -> Text | None:
    """Return a text, None where it is part of the caption on screen: a watcher reports that."""
    caption = str(facts.on_screen.get("caption", ""))
    return None if text is not None and text.shown.casefold() in caption.casefold() else text
