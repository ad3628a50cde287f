"""Code of this checkout and of its older commits, and figures measured with either, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Generator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CODE = ("commentator_lib", "experiments")  # the folders on which a figure depends


class FailedHere(Exception):
    """A checkout's code fails, or takes too long, where a figure is measured with it. Its text is one line."""


def git(*arguments: str) -> str | None:
    """Return what git prints, without the line's end; None where it fails: no checkout, an unknown commit."""
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def is_changed_since(commit: str) -> bool:
    """Return whether the code in this checkout differs from a commit's; new files that git does not know count not."""
    return git("diff", "--quiet", commit, "--", *CODE) is None


@contextlib.contextmanager
def code_of(commit: str) -> Generator[Path, None, None]:
    """Unpack the code of a commit into a temporary folder and yield it. Clips that are drawn already are shared.

    Raise FailedHere where git cannot give it.
    """
    with tempfile.TemporaryDirectory(prefix="guard-") as temporary:
        folder = Path(temporary)
        archive = folder / "code.tar"
        if git("archive", "--format=tar", "-o", str(archive), commit, "--", *CODE) is None:
            raise FailedHere(f"git has no code of {commit}")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        archive.unlink()
        made = ROOT / "data" / "made"
        made.mkdir(parents=True, exist_ok=True)
        (folder / "data").mkdir()
        (folder / "data" / "made").symlink_to(made)
        yield folder


def environment(checkout: Path) -> dict[str, str]:
    """Return the environment in which Python finds the code of a checkout first, and computes on one core."""
    return {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}


def measure(checkout: Path, group: str, longest_s: float) -> dict[str, float]:
    """Return a group's figures with the code of a checkout. Raise FailedHere."""
    command = [sys.executable, "-P", str(HERE / "figures.py"), group]
    try:
        done = subprocess.run(
            command,
            cwd=checkout,
            env=environment(checkout),
            capture_output=True,
            text=True,
            timeout=longest_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FailedHere(f"{group} takes longer than {longest_s:.0f} s") from None
    if done.returncode:
        raise FailedHere(f"{group} fails: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}")
    return {name: round(value, 6) for name, value in json.loads(done.stdout.splitlines()[-1]).items()}
