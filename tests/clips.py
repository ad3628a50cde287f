"""Video files of every kind, made with PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def picture(k: int, width: int, height: int) -> np.ndarray:
    """Red, with a bar that moves by the frame."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = 200
    left = k * 5 % width
    image[:, left : left + max(1, width // 8)] = (0, 0, 200)
    return image


def make_clip(
    path: Path, frames=25, width=64, height=36, codec="libx264", pix_fmt="yuv420p", fps=25, container=None,
    options=None, pts=None, noise=False,
) -> Path:  # fmt: skip
    """`pts(k)` gives a frame's time in ticks of 1/fps (default k)."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for k in range(frames):
            image = (
                rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
                if noise
                else picture(k, width, height)
            )
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = (pts(k) if pts else k), Fraction(1, fps)
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def make_sound_file(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48_000, layout="mono")
        for k in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 1024 * k
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def cut_off(path: Path, share=0.5) -> Path:
    """Keep only the first share of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
