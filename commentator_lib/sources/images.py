"""Pictures in files as a source: a folder of them, a numbered pattern, a glob, or a list."""

from __future__ import annotations

import glob
import logging
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from commentator_lib.media import Frame
from commentator_lib.sources.base import Source, SourceError, SourceInfo

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".png",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".ppm",
    ".pgm",
    ".pnm",
    ".jp2",
}
VIDEO_SUFFIXES = {
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".vob"),
    *(".flv", ".wmv", ".asf", ".ogv", ".3gp", ".mxf", ".y4m", ".gif"),
}
# "%d", "%04d": the number in a pattern's file names.
_NUMBER = re.compile(r"%(0?\d*)d")


class ImagesSource(Source):
    """Plays picture files one after another, `fps` a second; over and over until `duration_s`, or without end (`loop`).

    `start_s` seconds of them are left out at the first time. No side of a picture is longer than `max_px`. A file that
    cannot be read is left out and counted. Raise SourceError where none can be read.
    """

    def __init__(
        self,
        paths: Sequence[str],
        fps: float = 25.0,
        duration_s: float | None = None,
        max_px: int = 1280,
        start_s: float = 0.0,
        loop: bool = False,
        spec: str = "",
    ) -> None:
        if not 0 < fps < math.inf:
            raise SourceError(f"{fps:g} pictures a second cannot be played: give a number above 0")
        if not paths:
            raise SourceError("no picture given")
        length_s = len(paths) / fps
        if start_s >= length_s:
            raise SourceError(
                f"{spec or paths[0]} is {length_s:.1f} s long: it cannot be started at {start_s:g} s"
            )
        self._paths, self._max_px = list(paths), max_px
        self._at = self._first = round(start_s * fps)
        self._endless = loop or duration_s is not None
        self._duration_s = duration_s
        self._unreadable: set[str] = set()
        self._ahead = self._next_image()
        if self._ahead is None:
            raise SourceError(f"{spec or paths[0]}: none of {len(paths)} pictures can be read")
        height, width = self._ahead[1].shape[:2]
        if duration_s is None and not loop:
            duration_s = length_s - self._first / fps
        self.info = SourceInfo(spec or paths[0], width, height, fps, duration_s, live=False)

    def _next_image(self) -> tuple[int, np.ndarray] | None:
        """Return the next picture that can be read, and its place; None at the end, or where none can be read."""
        while self._endless or self._at < len(self._paths):
            at, path = self._at, self._paths[self._at % len(self._paths)]
            if path not in self._unreadable:
                self._at += 1
                try:
                    return at, read_image(path, self._max_px)
                except (OSError, ValueError, SyntaxError) as error:
                    logger.warning(
                        "%s cannot be read as a picture: %s", path, str(error) or type(error).__name__
                    )
                    self._unreadable.add(path)
            elif len(self._unreadable) < len(self._paths):
                self._at += 1
            else:
                return None
            self.skipped += 1
        return None

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        # 1) Leave out what would come too late, without reading it.
        wanted = self._first + math.ceil(not_before_s * self.info.fps - 1e-6)
        if self._ahead is not None and self._ahead[0] < wanted:
            self._ahead = None
            self.skipped += 1
        if self._ahead is None:
            self.skipped += max(0, wanted - self._at)
            self._at = max(self._at, wanted)
            self._ahead = self._next_image()
        # 2) Give the next one.
        if self._ahead is None:
            return None
        (at, image), self._ahead = self._ahead, None
        index = at - self._first
        pts_s = index / self.info.fps
        if self._duration_s is not None and pts_s >= self._duration_s - 1e-6:
            return None
        return Frame(index, pts_s, math.nan, image)


def read_image(path: str, max_px: int) -> np.ndarray:
    """Return a picture file as (H, W, 3) uint8 RGB, upright, no side longer than `max_px`.

    Raise OSError, ValueError or SyntaxError (Pillow's for some damaged files) where it is no picture.
    """
    from PIL import Image, ImageOps

    try:
        file = Image.open(path)
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
    with file:
        file.draft("RGB", (max_px, max_px))  # a large JPEG is decoded at half or a quarter of its size
        picture = ImageOps.exif_transpose(file)
        if picture.mode.startswith("I"):  # 16 bits
            picture = Image.fromarray((np.asarray(picture) / 257 + 0.5).clip(0, 255).astype(np.uint8))
        picture = picture.convert("RGB")
        picture.thumbnail((max_px, max_px))
        return np.ascontiguousarray(np.asarray(picture))


def expand_name(name: str) -> list[str] | None:
    """Return the files that a folder, a pattern or a glob stands for, in the order of their numbers; None for another.

    A folder stands for its pictures, or for its clips where it has no pictures. Raise SourceError where there is none.
    """
    path = Path(name)
    if path.is_dir():
        return _in_folder(path)
    if path.exists() or "://" in name:
        return None
    if _NUMBER.search(path.name):
        return _of_pattern(path)
    if any(sign in name for sign in "*?["):
        found = [match for match in glob.glob(name, recursive=True) if Path(match).is_file()]
        if not found:
            raise SourceError(f"no file is called like {name}")
        return sorted(found, key=natural_key)
    return None


def _in_folder(folder: Path) -> list[str]:
    try:
        files = [entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")]
    except OSError as error:
        raise SourceError(f"cannot read the folder {folder}: {error.strerror}") from None
    for suffixes in (IMAGE_SUFFIXES, VIDEO_SUFFIXES):
        if found := [str(file) for file in files if file.suffix.lower() in suffixes]:
            return sorted(found, key=natural_key)
    raise SourceError(
        f"{folder} is a folder without pictures and clips: name a video file, or a folder of pictures"
    )


def _of_pattern(path: Path) -> list[str]:
    """Return the files that fit a name with "%d" or "%04d" in it, by their number; numbers may be missing."""
    regex, at = "", 0
    for match in _NUMBER.finditer(path.name):
        digits = match[1].lstrip("0")
        # As printf does it: a number has at least so many digits, and more if it needs them.
        number = rf"(\d{{{digits},}})" if match[1].startswith("0") and digits else r"(\d+)"
        regex += re.escape(path.name[at : match.start()].replace("%%", "%")) + number
        at = match.end()
    regex += re.escape(path.name[at:].replace("%%", "%"))
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError as error:
        raise SourceError(f"cannot read the folder {path.parent}: {error.strerror}") from None
    found = [(tuple(map(int, fits.groups())), name) for name in names if (fits := re.fullmatch(regex, name))]
    if not found:
        raise SourceError(f"no file is called like {path}")
    return [str(path.parent / name) for _, name in sorted(found)]


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sorting key by which "shot 9" comes before "shot 10".

    >>> sorted(["shot 10", "shot 9", "Shot 1"], key=natural_key)
    ['Shot 1', 'shot 9', 'shot 10']
    """
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name.lower())
        if part
    ]


def are_images(paths: Sequence[str]) -> bool:
    """Return whether all files are pictures by their names."""
    return bool(paths) and all(Path(path).suffix.lower() in IMAGE_SUFFIXES for path in paths)
