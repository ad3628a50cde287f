"""Where a run comes from: versions, commit, clips and machine, for the header of its log."""

from __future__ import annotations

import functools
import platform
import secrets
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commentator_lib.commentators.base import Commentator
from commentator_lib.files import file_sha256
from commentator_lib.redact import redact_text, redact_url
from commentator_lib.runs import meters
from commentator_lib.settings import Settings, shown_settings
from commentator_lib.sources.open import demo_playlist
from commentator_lib.voices.base import Voice


@functools.cache
def versions() -> Mapping[str, str]:
    """Return the versions of Python and of the packages on which a run's result depends."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in (
        "commentator-lib",
        "av",
        "hibari-tts",
        "numpy",
        "onnxruntime",
        "opencv-python-headless",
        "rapidocr",
        "soxr",
        "torch",
        "transformers",
    ):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def commit() -> str | None:
    """Return the checkout's commit, with "+" where files were changed; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head = _run_git(root, "rev-parse", "--short=12", "HEAD")
        changes = _run_git(root, "status", "--porcelain", "-uno")
    except (OSError, subprocess.TimeoutExpired):  # no git here
        return None
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "") if head.returncode == 0 else None


@functools.cache
def _hardware() -> Mapping[str, Any]:
    return meters.hardware()


def _run_git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10)


def new_run_id() -> str:
    """Return a name for a run: sortable by time, and different for two runs of the same second."""
    return f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def run_header(
    spec: str | list[str],
    settings: Settings,
    mode: str,
    commentator: Commentator,
    voice: Voice | None,
    duration_s: float | None,
) -> dict[str, Any]:
    """Return what a reader of the log needs to repeat the run; secrets are left out."""
    specs = [spec] if isinstance(spec, str) else list(spec)
    clips = demo_playlist() if specs == ["demo"] else specs
    hashes = {name: file_sha256(name) for name in clips if Path(name).is_file()}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "mode": mode,
        "virtual_time": mode != "live",
        "source": [name if name in hashes else redact_text(redact_url(name)) for name in specs],
        "clip_sha256": hashes,
        "duration_s": duration_s,
        "commentator": commentator.name,
        "voice": voice.name if voice else None,
        "settings": shown_settings(settings),
        "versions": dict(versions()),
        "hardware": dict(_hardware()),
        "commit": commit(),
        "finished": False,
    }
