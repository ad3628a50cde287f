"""A run's folder while it is written: it belongs to one session alone, and that it is still there can be asked."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import IO

from commentator_lib.errors import first_line
from commentator_lib.runs.record import RunLogError

logger = logging.getLogger(__name__)

HEADER_NAME, LOCK_NAME = "run.json", "run.lock"


class Claim:
    """The right to write a run into a folder, which is made where it is missing.

    The system holds the lock as long as this process lives and has not called `release`: what a killed process leaves
    behind holds nothing. Raise RunLogError where the folder holds a run already, or another session is about to write
    one; OSError where it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if is_used(folder):
            raise RunLogError(_used(folder))
        self._file: IO[bytes] | None = open(folder / LOCK_NAME, "ab")  # noqa: SIM115
        if not _lock(self._file):
            self._file.close()
            raise RunLogError(f"another session writes into {folder}: name another run folder")
        if is_used(folder):  # by a session that has ended in between
            self.release()
            raise RunLogError(_used(folder))

    def problem(self) -> str:
        """Return "" while the folder is the one that was claimed, else a line that says that it is gone."""
        if self._file is None:
            return ""
        try:
            # Our open file keeps its number, so that a folder put in the place of the old one is told from it.
            same = os.path.samestat(os.stat(self._folder / LOCK_NAME), os.fstat(self._file.fileno()))
        except OSError as error:
            logger.debug("the run folder is not there: %s", first_line(error))
            same = False
        return "" if same else f"the run folder {self._folder} was removed or moved during the run"

    def release(self) -> None:
        """Give the folder back; a second call does nothing."""
        if self._file is None:
            return
        gone = self.problem()
        self._file.close()
        self._file = None
        if not gone:
            (self._folder / LOCK_NAME).unlink(missing_ok=True)


def is_used(folder: Path) -> bool:
    """Return whether a folder holds a run, finished or not."""
    return os.path.lexists(folder / HEADER_NAME)


def is_claimed(folder: Path) -> bool:
    """Return whether a session is writing its run into a folder now."""
    path = folder / LOCK_NAME
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with open(path, "ab") as file:
            return not _lock(file)
    except OSError as error:  # a folder that may only be read: nobody here can be writing it
        logger.debug("the lock of %s cannot be asked: %s", folder, first_line(error))
        return False


def _used(folder: Path) -> str:
    return f"{folder} holds a run already: name another run folder, or remove this one"


def _lock(file: IO[bytes]) -> bool:
    """Return whether the lock on a file could be had; True also where the disk knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        logger.warning("%s cannot be locked (%s): start no second run there", file.name, first_line(error))
    return True
