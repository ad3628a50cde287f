"""The library's own sources pass the tests of every source."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.conformance import SourceConformance
from commentator_lib.media import Frame
from commentator_lib.sources.base import SourceInfo
from commentator_lib.sources.frames import FramesSource
from commentator_lib.sources.playlist import Playlist
from commentator_lib.sources.recorded import RecordedSource
from commentator_lib.sources.recording import SourceRecorder
from commentator_lib.sources.stream import open_stream
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.sources.video import FileSource
from tests.conftest import make_clip, picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a clip and a recorded source."""
    path = tmp_path_factory.mktemp("sources")
    make_clip(path / "clip.mp4", frames=30)
    recorder = SourceRecorder(path, 25.0)
    for k in range(30):
        recorder.push(Frame(k, 0.0, k / 25, picture(k, 64, 36)))
    recorder.close()
    return path


class OfFolder(SourceConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, folder):
        self.folder = folder


class TestFile(OfFolder):
    def make(self):
        return FileSource(self.folder / "clip.mp4")


class TestPlaylist(OfFolder):
    def make(self):
        return Playlist([str(self.folder / "clip.mp4")] * 2, duration_s=3.0)


class TestRecorded(OfFolder):
    def make(self):
        return RecordedSource(self.folder)


class TestSynthetic(SourceConformance):
    def make(self):
        return SyntheticSource(3.0)


@pytest.mark.realtime
class TestCamera(SourceConformance):
    most_frames = 12

    def make(self):
        return open_stream("testsrc2=size=64x36:rate=25,realtime", 64, container_format="lavfi")


class TestListOfArrays(SourceConformance):
    def make(self):
        return [picture(k, 64, 36) for k in range(30)]


class TestArray(SourceConformance):
    def make(self):
        return np.stack([picture(k, 64, 36) for k in range(30)])  # (30, 36, 64, 3)


class TestGeneratorOfFrames(SourceConformance):
    def make(self):
        return FramesSource((Frame(k, k / 10, float("nan"), picture(k, 64, 36)) for k in range(30)), fps=10)


class NoSubclass:
    """A source with only the documented members, and no base class."""

    def __init__(self):
        self.info = SourceInfo("mine", 64, 36, 25.0, 2.0, live=False)
        self._next = 0

    def read(self, not_before_s=0.0):
        k, self._next = self._next, self._next + 1
        if k / 25 < not_before_s:
            return self.read(not_before_s)
        return Frame(k, k / 25, float("nan"), picture(k, 64, 36)) if k < 50 else None

    def close(self):
        pass


class TestNoSubclass(SourceConformance):
    def make(self):
        return NoSubclass()
