"""Test doubles with the real interfaces: commentators and voices that fail in different ways, and a function that
runs a whole session in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from commentator_lib.clock import VirtualTimeLoop
from commentator_lib.commentators.base import Commentator, CommentChunk, CommentRequest
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.media import AudioChunk, Frame, to_float32
from commentator_lib.players.base import Player
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.base import Source, SourceInfo
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.voices.base import Voice


class Says(Commentator):
    """A commentator without a voice that says these replies, and keeps the prompts that it was given."""

    name = "says"
    has_cost_model = True
    may_repeat = True

    def __init__(self, *replies: list[str] | str, cost_s: float = 0.5) -> None:
        self.replies = [[r] if isinstance(r, str) else r for r in replies]
        self.prompts: list[str] = []
        self.requests: list[CommentRequest] = []
        self.closed = 0
        self.cost_s = cost_s

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        reply = self.replies[len(self.prompts) % len(self.replies)]
        self.prompts.append(request.prompt)
        self.requests.append(request)
        try:
            for k, text in enumerate(reply):
                yield CommentChunk(text, None, max(1, len(text.split())), self.cost_s if k == 0 else 0.05)
        finally:
            self.closed += 1


class Raises(Commentator):
    """A commentator that fails on every n-th call, before or after its first words."""

    name = "raises"
    has_cost_model = True
    may_repeat = True

    def __init__(self, error: Exception, every: int = 1, after: str = "") -> None:
        self.error, self.every, self.after = error, every, after
        self.calls = 0

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        self.calls += 1
        fails = self.calls % self.every == 0
        yield CommentChunk(self.after if fails else "All is well here today.", None, 3, 0.3)
        if fails:
            raise self.error


class Hangs(Commentator):
    """A commentator that does not return until `release` is set."""

    name = "hangs"

    def __init__(self) -> None:
        self.release = threading.Event()

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        self.release.wait(60)
        yield CommentChunk("Back again at last.", None, 4)


class ToneVoice(Voice):
    """A voice that gives 0.25 s of a 300 Hz tone for each word, at 24 kHz."""

    name = "tone"
    sample_rate_hz = 24_000

    def __init__(self) -> None:
        self.spoken: list[str] = []

    def speak(self, text: str) -> Iterator[AudioChunk]:
        self.spoken.append(text)
        t = np.arange(int(0.25 * 24_000 * len(text.split()))) / 24_000
        yield AudioChunk((0.2 * np.sin(2 * np.pi * 300 * t)).astype(np.float32), 24_000)


class SilentVoice(ToneVoice):
    def speak(self, text: str) -> Iterator[AudioChunk]:
        yield AudioChunk(np.zeros(24_000, np.float32), 24_000)


class BrokenVoice(ToneVoice):
    """A voice that fails after `good` sentences."""

    def __init__(self, good: int = 0) -> None:
        super().__init__()
        self.good = good

    def speak(self, text: str) -> Iterator[AudioChunk]:
        if len(self.spoken) >= self.good:
            raise OSError("no sound device")
        yield from super().speak(text)


class KeepsRows(Player):
    """A player that keeps the rows of the log that it is given."""

    name = "keeps"

    def __init__(self) -> None:
        self.rows = []

    def show(self, frame, due_at_s):
        pass

    def log_row(self, kind, row):
        self.rows.append((kind, row))


class Pictures(Source):
    """A source of small pictures, `picture(second)` (H, W, 3) uint8; it fails at `dies_at_s`, if given."""

    def __init__(
        self,
        duration_s: float,
        picture: Callable[[float], np.ndarray],
        fps: float = 25.0,
        dies_at_s: float | None = None,
    ) -> None:
        self.info = SourceInfo("pictures", 64, 36, fps, duration_s, live=False)
        self.closed = False
        self._picture = picture
        self._dies_at_s = dies_at_s
        self._index = 0

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        pts_s = self._index / self.info.fps
        if pts_s >= self.info.duration_s - 1e-9:
            return None
        if self._dies_at_s is not None and pts_s >= self._dies_at_s:
            raise OSError("the camera was unplugged")
        frame = Frame(self._index, pts_s, float("nan"), self._picture(pts_s))
        self._index += 1
        return frame

    def close(self) -> None:
        self.closed = True


_STILL = np.full((36, 64, 3), 90, np.uint8)


def still(_second: float) -> np.ndarray:
    return _STILL


def what_if(duration_s: float = 60.0, **more) -> LiveSession:
    """Return a finished what-if session over synthetic pictures (or `source`), with a scripted commentator (or
    `commentator`) and these `settings`."""
    settings = {"change_threshold": 0.0, "commentator": "scripted", **more.pop("settings", {})}
    source = more.pop("source", None) or SyntheticSource(duration_s, 25.0, more.pop("seed", 0))
    if "commentator" not in more:
        cost = more.pop("cost", None) or CostModel(1.0, 0.1, 4.0, 0.5, 0.5)
        more["commentator"] = ScriptedCommentator(cost=cost)
    return LiveSession(source, Settings(**settings), mode="what-if", **more).run()


def virtually(main):
    """Return the result of the coroutine function `main`, run in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


@contextlib.contextmanager
def small_disk(path, kilobytes):
    """Mount a disk of that size at `path` while the block runs; skip the test where mounting is not allowed."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(path)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def level_dbfs(samples: np.ndarray) -> float:
    """Return the level of float32 or int16 samples (N,) in dB below full scale; −inf for silence or no samples."""
    power = float(np.mean(np.square(to_float32(samples), dtype=np.float64))) if len(samples) else 0.0
    return 10 * float(np.log10(power)) if power > 0 else float("-inf")


def picture(k: int, width: int, height: int) -> np.ndarray:
    """Return a red picture (height, width, 3) with a bar that moves with the frame number `k`."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = 200
    left = k * 5 % width
    image[:, left : left + max(1, width // 8)] = (0, 0, 200)
    return image


def make_clip(
    path: Path,
    frames=25,
    width=64,
    height=36,
    codec="libx264",
    pix_fmt="yuv420p",
    fps=25,
    container=None,
    options=None,
    pts=None,
    noise=False,
    turned=0,
    aspect=None,
    codec_options=None,
    sound_s=0.0,
) -> Path:
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
    """Keep only the first share of a file's bytes; return its path."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def gpu_bytes() -> int:
    """Return the GPU memory held in tensors; the workspaces of matrix products do not count."""
    import torch

    gc.collect()
    torch._C._cuda_clearCublasWorkspaces()
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated()


@contextlib.contextmanager
def serve(respond):
    """Start a server on loopback whose GET is answered by `respond(handler)`; yield its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(ConnectionError):
                respond(self)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
