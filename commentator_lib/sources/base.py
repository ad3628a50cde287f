"""The interface of a source of pictures, its description and its errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.media import AudioChunk, Frame
from commentator_lib.redact import redact_text, redact_url
from commentator_lib.scene import ClipPictures

if TYPE_CHECKING:
    import av


class SourceError(Exception):
    """A source cannot be opened or read; one line that says what is wrong and how to fix it, without secrets."""

    def __init__(self, line: str) -> None:
        super().__init__(redact_text(line))


class ImageError(SourceError):
    """A source gives something else than pictures; one line with what came and what is expected."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before it is read."""

    spec: str  # its name, as it may be shown and logged: what is secret in a URL is hidden here
    width: int  # pixels; the largest where frames differ
    height: int
    fps: float
    duration_s: float | None  # None: unknown or endless
    live: bool  # a camera or stream: its frames come at their own time and cannot be read again
    has_sound: bool = False  # `read_sound` gives some

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec", redact_url(self.spec))


@dataclass(frozen=True, slots=True)
class Foreseen:
    """All frames of a source, known before they are read: of each its media time, and the picture that it shows."""

    pts_s: np.ndarray  # (N,) float64, rising
    numbers: Sequence[int]  # (N,): frame k shows clip.pictures[numbers[k]]
    clip: ClipPictures  # shared by all runs of the clip


@dataclass(frozen=True, slots=True)
class LiveStats:
    """How a live source does."""

    newest_age_s: float | None  # age of the newest picture that has come; None before the first
    fps: float | None  # pictures a second, measured
    dropped: int  # pictures left out because they came too fast or too late
    corrupt: int  # pictures that were decoded with parts missing
    reconnects: int  # how often it was opened again


class Source(ABC):
    """A place that pictures come from. Set `info` and write `read`; the other members have defaults.

    All calls are blocking, and come from one thread at a time, except `interrupt`. The session stamps each frame of a
    live source when it is read, unless the source has stamped it, and reads any other at the pace of its `pts_s`.

    `problem` says why a source ended too early, and is empty if it did not. `skipped` counts the frames that were left
    out because they came too late to be shown.

    A live source says with `away` why no picture comes now, empty while they come; `outages` lists each time that it
    was away, (from, to, why) in seconds of the clock; `live` is how it does, None where that is not known.

    Who only copies pictures needs no RGB: `decoded` is the last frame's picture as FFmpeg decoded it, None where the
    source has none or it is not upright with square pixels. While `wants_images` is False, frames with a `decoded`
    picture may have an empty image. `codec` says how the pictures are encoded, and `transport` how they come, where the
    source's name does not tell; both are empty where that is not known.
    """

    info: SourceInfo
    problem: str = ""
    skipped: int = 0
    wants_images: bool = True
    decoded: av.VideoFrame | None = None
    away: str = ""
    outages: Sequence[tuple[float, float, str]] = ()
    live: LiveStats | None = None
    codec: str = ""
    transport: str = ""

    @abstractmethod
    def read(self, not_before_s: float = 0.0) -> Frame | None:
        """Return the next frame at or after media time `not_before_s`, or None at the end.

        Earlier frames are left out and counted in `skipped`; a live source may ignore the argument. The image is
        (H, W, 3) uint8 RGB; `captured_at_s` is NaN where the source knows no clock. An error ends the source: it is
        written to the run's log, and the frames before it are still commented.
        """

    def foreseen(self) -> Foreseen | None:
        """Return all frames where they are known before they are read; asked before the first `read`.

        What-if runs then need not read them one by one. The default is None: they come as they are read.
        """
        return None

    def read_sound(self) -> list[AudioChunk]:
        """Return the sound that has come since the last call, in order; called after each `read`, and may be empty.

        Each chunk is (N, 2) stereo at 48 kHz, and its `from_s` counts like the frames' `pts_s`: what is heard at 3.2 s
        belongs to the frame at 3.2 s. A source that is not live gives the sound up to its last frame, or more.
        """
        return []

    def interrupt(self) -> None:
        """Let a `read` that waits for a frame return soon. Called from another thread when a session stops."""

    def close(self) -> None:
        """Give back files, sockets and devices. Called once, after the last `read`."""


def check_frame(frame: object) -> None:
    """Raise ImageError for anything but a Frame with a (H, W, 3) uint8 image."""
    if not isinstance(frame, Frame):
        raise ImageError(f"read() returned a {type(frame).__name__}; wanted is a Frame, or None at the end")
    check_image(frame.image)


def check_image(image: object) -> None:
    """Raise ImageError, with shape and type in one line, for anything but a (H, W, 3) uint8 array."""
    wanted = "wanted is (height, width, 3) uint8 RGB"
    if not isinstance(image, np.ndarray):
        raise ImageError(f"a frame's image is a {type(image).__name__}; {wanted}, a NumPy array")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ImageError(
            f"a frame's image has shape {image.shape} and type {image.dtype}; {wanted}{_hint(image)}"
        )


def _hint(image: np.ndarray) -> str:
    """Return how to convert an image of a common wrong kind; `image` in the text stands for the user's."""
    if image.ndim == 2:
        return ": np.stack([image] * 3, axis=2) makes it of a grey one"
    if image.ndim == 3 and image.shape[2] == 4:
        return ": image[..., :3] drops the alpha channel"
    if image.dtype.kind == "f":
        return ": (image * 255).astype(np.uint8) makes it of floats from 0 to 1"
    return ""
