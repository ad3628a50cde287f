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
    options=None, pts=None, noise=False, turned=0, aspect=None, codec_options=None, sound_s=0.0,
) -> Path:  # fmt: skip
    """`pts(k)` gives a frame's time in ticks of 1/fps (default k); `turned` is shown so many degrees
    counter-clockwise; `aspect` is that of one pixel."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=fps, options=codec_options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if turned:
            stream.set_display_rotation(turned)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        sound = out.add_stream("aac", rate=48_000, layout="mono") if sound_s else None
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
        if sound is not None:
            mux_silence(out, sound, sound_s)
    return path


def mux_silence(out, stream, seconds: float) -> None:
    for k in range(int(seconds * 48_000 / 1024)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 1024 * k
        for packet in stream.encode(frame):
            out.mux(packet)
    for packet in stream.encode(None):
        out.mux(packet)


def make_sound_file(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        mux_silence(out, out.add_stream("aac", rate=48_000, layout="mono"), 0.25)
    return path


def cut_off(path: Path, share=0.5) -> Path:
    """Keep only the first share of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
