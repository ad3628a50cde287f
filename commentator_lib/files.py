"""Files: those of the package, fingerprints, and writing so that a reader never sees half a file."""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files
from pathlib import Path


def package_data(folder: str) -> Path:
    """Return the folder of that name among the files that ship inside the package: "clips", "fonts" or "models"."""
    return Path(str(files("commentator_lib") / "data" / folder))


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal. Raise OSError where the file cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def encodable(text: str) -> str:
    """Return the text as UTF-8 can hold it: half of a surrogate pair, which is no character, becomes U+FFFD.

    >>> encodable("a\\ud83d b") == "a\\ufffd b", encodable("\\ud83d\\ude00") == "\\U0001f600"
    (True, True)
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def write_then_replace(path: Path, text: str) -> None:
    """Write a text file completely or not at all: a reader, and a process killed meanwhile, leave the old content.

    Raise OSError where it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    part.write_text(encodable(text), encoding="utf-8")
    os.replace(part, path)
