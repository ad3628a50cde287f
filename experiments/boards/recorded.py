"""Moving pictures behind the boards of the held-out clips: recorded ones, and the scripted match without graphics."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from commentator_lib.sources.open import demo_clips
from experiments.boards.shots import Shot

if TYPE_CHECKING:
    from experiments.match_clip.script import Script

_SIZE = 640, 360  # px, of the pictures before a camera's part of them is cut out
_GRAPHICS_PX = 44  # rows at the top of a scripted match that may hold its own graphics
_MATCH_S = 40.0


@lru_cache(maxsize=2)
def recorded(number: int) -> tuple[np.ndarray, ...]:
    """Return the pictures of a clip that every installation has, each (360, 640, 3) uint8."""
    import av

    pictures: list[np.ndarray] = []
    paths = demo_clips()
    with av.open(paths[number % len(paths)]) as file:
        for frame in file.decode(video=0):
            pictures.append(frame.reformat(width=_SIZE[0], height=_SIZE[1], format="rgb24").to_ndarray())
    return tuple(pictures)


@lru_cache(maxsize=2)
def plain_match(seed: int) -> Script:
    """Return a scripted match without captions and wipes."""
    from experiments.match_clip.course import write_script

    script = write_script(_MATCH_S, seed)
    nothing = np.zeros_like(script.wipe)
    return replace(script, wipe=nothing, caption_of=np.full_like(script.caption_of, -1))


def match_picture(seed: int, frame: int) -> np.ndarray:
    """Return a picture of the scripted match, (316, 640, 3) uint8: without the rows that hold graphics."""
    from experiments.match_clip.draw import draw

    script = plain_match(seed)
    return draw(script, frame % script.frames, *_SIZE)[_GRAPHICS_PX:]


class RecordedScenes:
    """Parts of recorded pictures, enlarged, with a camera's movement and tones of its own in each shot."""

    def __init__(self, seed: int, width: int, height: int, shots: tuple[Shot, ...]) -> None:
        self.width, self.height, self.shots = width, height, shots
        self._seed = seed % 4  # few matches, so that their scripts are written once

    def draw(self, frame: int) -> np.ndarray:
        """Return the picture of a frame."""
        shot = next(s for s in self.shots if s.from_frame <= frame < s.to_frame)
        picture = self._picture(shot, frame)
        high, wide = picture.shape[:2]
        x, y, zoom = shot.view(frame)
        magnify = max(self.width / wide, self.height / high) * max(1.02, zoom)
        left, top = x * (wide - self.width / magnify), y * (high - self.height / magnify)
        matrix = np.array([[magnify, 0, -magnify * left], [0, magnify, -magnify * top]])
        image = cv2.warpAffine(picture, matrix, (self.width, self.height), borderMode=cv2.BORDER_REFLECT)
        gain = 0.75 + 0.5 * (shot.seed % 11) / 10
        return cv2.convertScaleAbs(image, alpha=gain, beta=12 * (shot.seed % 3 - 1))

    def _picture(self, shot: Shot, frame: int) -> np.ndarray:
        kind = shot.seed % 4
        if kind < 2:
            return match_picture(self._seed, frame + shot.seed % 200)
        pictures = recorded(kind)
        at = (shot.seed // 4 + frame - shot.from_frame) % (2 * len(pictures))
        return pictures[min(at, 2 * len(pictures) - 1 - at)]  # forwards, then backwards: no jump at the end
