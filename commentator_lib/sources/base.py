"""The interface of a source of pictures, its description and its errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from commentator_lib.media import Frame


class SourceError(Exception):
    """A source cannot be opened or read; one line that says what is wrong and how to fix it."""


class ImageError(SourceError):
    """A source gives something else than pictures; one line with what came and what is expected."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before it is read."""

    spec: str  # its name, as it may be shown and logged: without a password
    width: int  # pixels; the largest where frames differ
    height: int
    fps: float
    duration_s: float | None  # None: unknown or endless
    live: bool  # a camera or stream: its frames come at their own time and cannot be read again


class Source(ABC):
    """A place that pictures come from. Set `info` and write `read`; the other members have defaults.

    All calls are blocking, and come from one thread at a time, except `interrupt`. A source knows no clock: the
    session stamps each frame of a live source when it is read, and reads any other source at the pace of its `pts_s`.

    `problem` says why a source ended too early, and is empty if it did not. `skipped` counts the frames that were left
    out because they came too late to be shown.
    """

    info: SourceInfo
    problem: str = ""
    skipped: int = 0

    @abstractmethod
    def read(self, not_before_s: float = 0.0) -> Frame | None:
        """Return the next frame at or after media time `not_before_s`, or None at the end.

        Earlier frames are left out and counted in `skipped`; a live source may ignore the argument. The image is
        (H, W, 3) uint8 RGB; `captured_at_s` is NaN, since a source knows no clock. An error ends the source: it is
        written to the run's log, and the frames before it are still commented.
        """

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
