"""Read and write files of timed text and events in the formats of other projects.

A file is read whole, so its size is limited: MOST_BYTES is above every published file of one match or one benchmark
that these formats are for; a larger collection is cut into parts first.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from commentator_lib.files import write_then_replace
from commentator_lib.truth.base import Timeline, TruthError, check_times
from commentator_lib.truth.formats import (
    live_whisperx,
    livesports,
    match,
    omni_duplex,
    omnistar,
    ovo_bench,
    soccernet_caption,
    soccernet_echoes,
    soccernet_spotting,
    srt,
    streaming_bench,
    webvtt,
)
from commentator_lib.truth.formats.parsing import Format

MOST_BYTES = 16_000_000

# A format that is told by more comes before one that is told by less.
FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        webvtt,
        srt,
        livesports,
        live_whisperx,
        soccernet_caption,
        soccernet_spotting,
        soccernet_echoes,
        ovo_bench,
        streaming_bench,
        omnistar,
        omni_duplex,
        match,
    )
}


def read_truth(path: Path, name: str | None = None, clip_s: float | None = None) -> tuple[Timeline, Format]:
    """Return what a file holds, and its format, which is told by its content where `name` does not give it.

    Raise TruthError for a file that cannot be read or used, or where a time lies beyond a clip of `clip_s` seconds.
    """
    try:
        text = _text_of(path)
        form = find_format(name) if name is not None else recognise(text)
        timeline = form.read(text)
        if not timeline.texts and not timeline.events:
            raise TruthError(f"it holds neither text nor events ({form.name})")
        check_times(timeline, form.one_after_another, clip_s)
    except TruthError as error:
        raise TruthError(f"{path} cannot be used: {error}") from None
    return timeline, form


def find_format(name: str) -> Format:
    """Return the format of that name. Raise TruthError for an unknown one."""
    if name not in FORMATS:
        raise TruthError(f"unknown format {name!r}; known are {', '.join(FORMATS)}")
    return FORMATS[name]


def recognise(text: str) -> Format:
    """Return the format of a file's content. Raise TruthError where it is none, or damaged at its beginning."""
    first = _first_json(text)
    for form in FORMATS.values():
        if form.fits(text, first):
            return form
    raise TruthError(f"its format is not recognised; name one of {', '.join(FORMATS)}")


def write_truth(timeline: Timeline, path: Path, form: Format, replace: bool = False) -> None:
    """Write a file completely or not at all.

    Raise TruthError where the format is read only or cannot hold what is there, or where the file exists and `replace`
    is not set.
    """
    if form.write is None:
        writable = [other.name for other in FORMATS.values() if other.write is not None]
        raise TruthError(f"{form.name} is read only; {', '.join(writable)} can be written")
    if path.exists() and not replace:
        raise TruthError(f"{path} exists already; --force replaces it")
    content = form.write(timeline)
    try:
        write_then_replace(path, content)
    except OSError as error:
        raise TruthError(f"{path} cannot be written: {error.strerror}") from None


def _text_of(path: Path) -> str:
    """Return the text of a file, UTF-8 with or without a byte order mark."""
    try:
        if not path.is_file():
            raise TruthError("no such file" if not path.exists() else "it is no file")
        size = os.stat(path).st_size
        if size > MOST_BYTES:
            raise TruthError(
                f"it has {size / 1e6:.0f} MB, and {MOST_BYTES / 1e6:.0f} MB are the most; cut it into parts"
            )
        data = path.read_bytes()
    except OSError as error:
        raise TruthError(f"{error.strerror}") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TruthError("it is UTF-16; make it UTF-8 first: iconv -f UTF-16 -t UTF-8")
    if b"\0" in data:
        raise TruthError("it is no text, or UTF-16 without its mark; make it UTF-8 first")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TruthError(
            f"line {line} is not UTF-8; if it is Windows text, make it UTF-8 first: iconv -f CP1252 -t UTF-8"
        ) from None


def _first_json(text: str) -> Any:
    """Return the first JSON value of a file; None where it begins with none. Raise TruthError for half a value."""
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] not in ("{", "["):
        return None
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError) as error:
        raise TruthError(f"it is damaged or cut off: {str(error).splitlines()[0]}") from None
