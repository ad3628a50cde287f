"""The clips that bench_player plays: the demo's at a size and rate, and one that flashes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from commentator_lib.video_writer import H264Writer
from experiments.benchmarks.player_cells import FlashCaller

SIZES = {"640x360@25": (640, 360, 25), "1280x720@30": (1280, 720, 30)}


def make_clip(path: Path, size: tuple[int, int, int], seconds: float) -> None:
    """Write the demo clips, repeated for `seconds`, scaled to `size` = (width px, height px, frames a second)."""
    import cv2

    from commentator_lib.sources.open import demo_clips
    from commentator_lib.sources.playlist import Playlist

    width, height, fps = size
    source = Playlist(demo_clips(), duration_s=2 * seconds)  # every frame once, at the new rate
    frames = itertools.islice(iter(source.read, None), round(seconds * fps))
    _write_clip(path, size, "18", (cv2.resize(frame.image, (width, height)) for frame in frames))
    source.close()


def make_flashes(path: Path, seconds: float, fps: int = 30) -> None:
    """Write a dark clip of 640×360 pixels with a flash of 0.2 s at each of FlashCaller's times.

    At 30 frames a second each flash begins with a frame; at 25 every second one would come 20 ms late.
    """

    def picture(k: int) -> np.ndarray:
        since_s = (k / fps + 1e-6 - FlashCaller.first_flash_s) % FlashCaller.flash_every_s
        lit = k / fps + 1e-6 >= FlashCaller.first_flash_s and since_s < FlashCaller.flash_s
        image = np.full((360, 640, 3), 240 if lit else 16, np.uint8)
        image[::40, :, 0] = k % 200
        return image

    _write_clip(path, (640, 360, fps), "10", (picture(k) for k in range(round(seconds * fps))))


def _write_clip(path: Path, size: tuple[int, int, int], crf: str, images: Iterator[np.ndarray]) -> None:
    """Write (H, W, 3) uint8 RGB pictures as H.264."""
    width, height, fps = size
    with H264Writer(path, width, height, fps, encoder={"preset": "ultrafast", "crf": crf}) as video:
        for image in images:
            video.write(image)
