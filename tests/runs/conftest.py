"""One short run and its export, shared by all tests of this folder; none of them changes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.reader import SavedRun, load_run
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.open import demo_clips


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Return a run of five seconds of Big Buck Bunny in virtual time, with a tone as voice."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    LiveSession(
        demo_clips()[:1],
        Settings(change_threshold=0.0, picture_max_px=320, commentator="scripted"),
        commentator=ScriptedCommentator(
            ["A grey rabbit climbs out. It stretches.", "It yawns."], CostModel(0.5, 0, 1.5, 0, 0.2), "tone"
        ),
        mode="what-if",
        run_dir=folder,
    ).run()
    return load_run(folder)


@dataclass(frozen=True)
class Film:
    """A decoded MP4."""

    path: Path
    pictures: list[tuple[float, np.ndarray]]  # time in seconds, (H, W, 3) uint8 RGB
    sound: np.ndarray  # the voice, (N,) float32, 48 kHz
    progress: list[float]  # shares of the whole, as they were reported


def decode(path: Path, progress: list[float]) -> Film:
    with av.open(str(path)) as file:
        pictures = [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in file.decode(video=0)]
    with av.open(str(path)) as file:
        voice = file.streams.audio[-1]
        sound = np.concatenate([f.to_ndarray().ravel() for f in file.decode(voice)])
    return Film(path, pictures, sound, progress)


@pytest.fixture(scope="session")
def export() -> Callable[[SavedRun, Path], Film]:
    """Return a function that writes a run's MP4 to a path and decodes it again."""

    def write_and_decode(run: SavedRun, path: Path) -> Film:
        progress: list[float] = []
        write_mp4(run, path, lambda done_s, total_s: progress.append(done_s / total_s))
        return decode(path, progress)

    return write_and_decode


@pytest.fixture(scope="session")
def film(run, export, tmp_path_factory) -> Film:
    """Return the decoded MP4 of `run`."""
    return export(run, tmp_path_factory.mktemp("film") / "out.mp4")


@pytest.fixture
def killed(run, tmp_path) -> Path:
    """Return a copy of the run's folder as a kill −9 leaves it: with journals, without tables."""
    folder = tmp_path / "killed"
    shutil.copytree(run.folder, folder)
    for name in ("cycles.parquet", "samples.parquet"):
        (folder / name).unlink()
    header = json.loads((folder / "run.json").read_text())
    for key in ("outcomes", "frames_shown", "frames_captured", "frames_dropped"):
        header.pop(key)
    (folder / "run.json").write_text(json.dumps({**header, "finished": False}))
    with open(folder / "cycles.jsonl", "a") as file:
        file.write('{"cycle": 99, "outc')
    return folder
