"""The runs of before, for the panel's tab "Runs": a list, films, captions, logs, and two runs side by side."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commentator_lib.runs.captions import write_captions
from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.reader import load_run
from commentator_lib.runs.record import RunLogError
from commentator_lib.runs.report import summary

_RUNS_SHOWN = 24
_RUN_NAME = re.compile(r"[\w-]{1,100}")
FILM, STILL = "run.mp4", "still.jpg"
# What a log's archive leaves out: it can be made again, or is as large as the film.
_NOT_LOG = re.compile(r".*\.(mp4|mkv|part|jpg)|recording.*|.*\.lock")


def run_folder(runs_dir: Path, name: str) -> Path:
    """Return the folder of a run that a page names. Raise RunLogError for anything else than a run in `runs_dir`."""
    folder = runs_dir / name
    if not _RUN_NAME.fullmatch(name) or folder.is_symlink() or not (folder / "run.json").is_file():
        raise RunLogError(f"there is no run {name[:100]!r}")
    return folder


def list_runs(runs_dir: Path, still_of: Callable[[Path], str]) -> list[dict[str, Any]]:
    """Return the newest runs, the newest first: name, title, words, still (a data URL, or "").

    What cannot be read is left out: a folder may be half written, or another program's.
    """
    found = []
    names = (
        sorted((p.name for p in runs_dir.iterdir() if p.is_dir()), reverse=True) if runs_dir.is_dir() else []
    )
    for name in names:
        try:
            folder = run_folder(runs_dir, name)
            header = json.loads((folder / "run.json").read_text("utf-8"))
            row = _row(name, header)
        except (RunLogError, OSError, ValueError, TypeError, AttributeError, KeyError):
            continue
        found.append({**row, "still": still_of(folder)})
        if len(found) == _RUNS_SHOWN:
            break
    return found


def _row(name: str, header: dict[str, Any]) -> dict[str, Any]:
    source = header.get("source") or ["?"]
    outcomes = header.get("outcomes") or {}
    spoken = int(outcomes.get("spoken", 0)) + int(outcomes.get("interrupted", 0))
    first = Path(str(source[0])).name or str(source[0])
    more = f" and {len(source) - 1} more" if len(source) > 1 else ""
    words = f"{header['commentator']}, {spoken} comments" + (
        "" if header.get("finished") else ", not finished"
    )
    return {
        "name": name,
        "title": f"{header['created'][:16].replace('T', ' ')} · {first}{more}",
        "words": words,
    }


def make_film(folder: Path, progress: Callable[[float, float], None] = lambda done_s, total_s: None) -> Path:
    """Return the film of a run as an MP4 in its folder; it is made once. Raise ExportError where it cannot be."""
    path = folder / FILM
    if not path.exists():
        write_mp4(load_run(folder), path, progress)
    return path


def make_moment(folder: Path, path: Path, from_s: float, to_s: float) -> Path:
    """Write the film of a run from `from_s` to `to_s`, in seconds since its start, also of one that is going on."""
    write_mp4(load_run(folder), path, from_s=from_s, to_s=to_s)
    return path


def make_captions(folder: Path, path: Path) -> Path:
    """Write the captions of a run as a ZIP archive: WebVTT, SubRip and TTML."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for file in write_captions(load_run(folder), Path(scratch)):
            archive.write(file, f"{folder.name}/{file.name}")
    return path


def make_log_archive(folder: Path, path: Path) -> Path:
    """Write the log of a run as a ZIP archive: all its tables and journals, without films and recordings."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.is_symlink() and not _NOT_LOG.fullmatch(file.name):
                archive.write(file, f"{folder.name}/{file.name}")
    return path


def compare_runs(first: Path, second: Path) -> dict[str, Any]:
    """Return two runs side by side: `titles` of the two, and `rows` (what, value of the first, of the second)."""
    columns = [dict(summary(load_run(folder))) for folder in (first, second)]
    names = dict.fromkeys([*columns[0], *columns[1]])
    rows = [[name, columns[0].get(name, "–"), columns[1].get(name, "–")] for name in names]
    return {"titles": [first.name, second.name], "rows": rows}
