"""Text seen on screen: when to read, which readings agree, and what has been said of them.

A reading costs as much as ten looks, so it is rare. A text may be said only when two frames gave the same reading,
since OCR imagines words on textures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commentator_lib.commentators.baseline.text import ReadText, believable, readable_form
from commentator_lib.commentators.baseline.views import SAME_PICTURE, View, difference
from commentator_lib.media import Frame

MIN_PICTURE_PX = 32
_READ_EVERY_S = 3.0
_READ_TWICE_WITHIN_S = 12.0
_TEXT_AGAIN_S = 120.0


@dataclass(slots=True)
class Text:
    """A text that was read, as it is shown; `twice`: on two frames, with the same result."""

    shown: str
    frame_index: int
    at_s: float
    twice: bool = False
    said_at_s: float | None = None


class TextMemory:
    """The texts read in the last two minutes, by `text.readable_form`."""

    def __init__(self) -> None:
        self._texts: dict[str, Text] = {}
        self._read_at_s: float | None = None
        self._read_grey: np.ndarray | None = None
        self._read_now: list[str] = []  # what the newest frame was found to show

    def read(self, read_text: ReadText, view: View, shot_frames: Sequence[Frame]) -> None:
        """Read the newest of the shot's frames if it is time to, and the one before it if that can confirm a text."""
        self._texts = {k: t for k, t in self._texts.items() if view.at_s - t.at_s < _TEXT_AGAIN_S}
        # 1) Skip it soon after the last reading, and on the same picture unless a text waits for a second reading.
        if self._read_at_s is not None and 0 <= view.at_s - self._read_at_s < _READ_EVERY_S:
            self._read_now = []
            return
        waiting = any(not t.twice and view.at_s - t.at_s < _READ_TWICE_WITHIN_S for t in self._texts.values())
        if self._read_grey is not None and not waiting:
            if difference(self._read_grey, view.grey) < 2 * SAME_PICTURE:
                return
        # 2) Read the newest frame, then one more if that may confirm a text.
        self._read_at_s, self._read_grey = view.at_s, view.grey
        self._read_now = self._read_one(read_text, shot_frames[-1])
        if len(shot_frames) > 1 and any(not self._texts[form].twice for form in self._read_now):
            self._read_one(read_text, shot_frames[-2])

    def _read_one(self, read_text: ReadText, frame: Frame) -> list[str]:
        """Read one frame and count its texts; return their forms."""
        forms: list[str] = []
        if min(frame.image.shape[:2]) < MIN_PICTURE_PX:
            return forms
        for shown, score in read_text(frame.image):
            shown = " ".join(shown.replace('"', " ").split())
            if not believable(shown, score):
                continue
            form = readable_form(shown)
            forms.append(form)
            known = self._texts.get(form)
            if known is None:
                self._texts[form] = Text(shown, frame.index, frame.captured_at_s)
            elif known.frame_index != frame.index:
                known.twice |= abs(frame.captured_at_s - known.at_s) < _READ_TWICE_WITHIN_S
                known.frame_index = frame.index
                known.at_s = max(known.at_s, frame.captured_at_s)
        return forms

    def new_text(self, now_s: float) -> Text | None:
        """Return a text of the newest frame that was read twice and not said in the last two minutes."""
        for form in self._read_now:
            text = self._texts.get(form)
            if text is not None and text.twice:
                if text.said_at_s is None or now_s - text.said_at_s > _TEXT_AGAIN_S:
                    return text
        return None
