"""A clip of the benchmark: plan it, draw its frames, and keep it as H.264 in data/made."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from commentator_lib.video_writer import H264Writer
from experiments.boards.backgrounds import Scenes
from experiments.boards.draw import Canvas
from experiments.boards.layout import Layout
from experiments.boards.script import FPS, Change, Course, Face

RENDER_VERSION = 1  # part of the clips' names; raise it with every change of what they show
CLIPS_FOLDER = Path(__file__).resolve().parents[2] / "data" / "made"
# Draws over a picture (H, W, 3) uint8 what belongs to a frame.
Overlay = Callable[[np.ndarray, int], None]


@dataclass(frozen=True)
class Clip:
    """A clip that can be drawn: `part` is development, heldout or traps, `group` its layout or trap."""

    part: str
    group: str
    number: int
    seed: int
    width_px: int
    height_px: int
    crf: int
    digits_px: float
    course: Course
    make_scenes: Callable[[], Scenes]
    layout: Layout | None
    under: tuple[Overlay, ...] = ()
    over: tuple[Overlay, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.group}-{self.number}"

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.course.changes

    @property
    def duration_s(self) -> float:
        return self.course.frames / FPS

    @cached_property
    def scenes(self) -> Scenes:
        return self.make_scenes()

    @cached_property
    def scale(self) -> float:
        """One unit of the board in pixels."""
        if self.layout is None:
            return 1.0
        return self.layout.scale(self.course.face(0), self.width_px, self.digits_px)

    @cached_property
    def _last_board(self) -> list[tuple[Face, Canvas]]:
        return []

    def _board(self, layout: Layout, frame: int) -> Canvas:
        """Return the board of a frame; the last one is kept, as most frames show the same."""
        face = self.course.face(frame)
        last = self._last_board
        if not last or last[0][0] != face:
            last[:] = [(face, layout.paint(face, self.scale))]
        return last[0][1]

    def draw(self, frame: int) -> np.ndarray:
        """Return the picture of a frame, (H, W, 3) uint8 RGB."""
        image = self.scenes.draw(frame)
        for overlay in self.under:
            overlay(image, frame)
        shown = float(self.course.shown[frame])
        if self.layout is not None and shown > 0:
            self.layout.lay_over(image, self._board(self.layout, frame), shown)
        for overlay in self.over:
            overlay(image, frame)
        return image

    def path(self, folder: Path = CLIPS_FOLDER) -> Path:
        """Return where the clip is stored: the name holds all that its pictures depend on."""
        return folder / f"boards-v{RENDER_VERSION}-{self.part}-{self.name}-seed{self.seed}.mp4"


def clip_rng(seed: int, part: str, group: str, number: int) -> np.random.Generator:
    """Return the source of all draws of one clip."""
    return np.random.default_rng([seed, number, zlib.crc32(f"{part}/{group}".encode())])


def render(clip: Clip, folder: Path = CLIPS_FOLDER) -> Path:
    """Return the path of the clip's file; draw it unless it is there."""
    path = clip.path(folder)
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # two processes may draw the same clip
    options = {"crf": str(clip.crf), "preset": "veryfast", "g": str(2 * FPS)}
    try:
        with H264Writer(
            part, clip.width_px, clip.height_px, FPS, encoder=options, container="mp4", bit_exact=True
        ) as video:
            for frame in range(clip.course.frames):
                video.write(clip.draw(frame))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
