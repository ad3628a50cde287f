"""Another source in mid-run: numbers and clock run on, the scene begins anew, the film holds both."""

from __future__ import annotations

import time

import av
import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.media import Frame
from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.reader import load_run, read_shown
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.base import Source, SourceError, SourceInfo
from commentator_lib.sources.recorded import is_recorded
from commentator_lib.sources.switching import SwitchingSource
from commentator_lib.video_writer import H264Writer
from commentator_lib.watching.base import Watcher
from tests.conftest import ToneVoice, make_clip


class Few(Source):
    """A source of `count` frames of one shade."""

    def __init__(self, shade, count=5, fps=25.0, live=False):
        self.info = SourceInfo(f"shade {shade}", 64, 36, fps, None if live else count / fps, live)
        self._shade, self._left, self._fps = shade, iter(range(count)), fps
        self.closed = False

    def read(self, not_before_s=0.0):
        k = next(self._left, None)
        if k is None:
            return None
        return Frame(k, k / self._fps, float("nan"), np.full((36, 64, 3), self._shade, np.uint8))

    def close(self):
        self.closed = True


def test_numbers_go_on_and_what_came_before_is_closed():
    first, second, third = Few(10), Few(20), Few(30, 2)
    source = SwitchingSource(first)
    source.read()
    source.switch(second)
    source.switch(third)
    assert second.closed and not first.closed
    frames = list(iter(source.read, None))
    assert [f.index for f in frames] == [1, 2] and {int(f.image[0, 0, 0]) for f in frames} == {30}
    assert first.closed and source.part == 2 and source.info.spec == "shade 30"
    source.close()
    assert third.closed


def grey_clip(path, shade, frames, size=(320, 180)):
    with H264Writer(path, *size, 25, encoder={"preset": "ultrafast"}) as video:
        for _ in range(frames):
            video.write(np.full((size[1], size[0], 3), shade, np.uint8))
    return path


class Resets(Watcher):
    """A watcher that counts how often it begins anew."""

    name = "resets"

    def __init__(self):
        self.count = 0

    def reset(self):
        self.count += 1

    def look(self, frame):
        return []


def scripted():
    return ScriptedCommentator(cost=CostModel(0.1, 0.0, 0.3, 0.0, 0.1), sound="tone")


@pytest.mark.realtime
def test_a_run_goes_over_to_another_clip_and_its_film_holds_both(tmp_path):
    dark, light = grey_clip(tmp_path / "a.mp4", 40, 200), grey_clip(tmp_path / "b.mp4", 200, 60, (640, 360))
    watcher = Resets()
    settings = Settings(change_threshold=0.0, pause_s=0.2, delay_init_s=0.5, commentator="scripted")
    session = LiveSession(
        str(dark),
        settings,
        commentator=scripted(),
        voice=ToneVoice(),
        watchers=[watcher],
        run_dir=tmp_path / "run",
    ).start()
    while session.status.frames_captured < 40:
        time.sleep(0.02)
    resets = watcher.count
    session.set_source(str(light))
    session.wait()
    run = load_run(tmp_path / "run")
    header, cycles = run.header, session.log.cycles
    assert (
        header["later_sources"] == [str(light)] and header["source_problem"] == "" and header["notes"] == []
    )
    assert watcher.count == resets + 1
    # 1) The numbers and the clock run on.
    shown = read_shown(run.folder)
    assert np.all(np.diff(shown[:, 0]) >= 1) and np.all(np.diff(shown[:, 1]) > 0)
    assert np.diff(shown[:, 1]).max() < 1.0
    assert 95 <= len(shown) <= 140
    # 2) The first cycle on the new source starts at once, and sees nothing of the old one.
    (begin,) = cycles.index[cycles.trigger == "source"]
    assert cycles.frames[begin] == 1
    # 3) The film shows one after the other.
    write_mp4(run, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as film:
        shades = [float(f.to_ndarray(format="gray")[:20].mean()) for f in film.decode(video=0)]
    begins = next(k for k, shade in enumerate(shades) if shade > 150)
    assert max(shades[5:begins]) < 100 and min(shades[begins:]) > 150
    assert begins >= 35 and len(shades) - begins >= 55


@pytest.mark.realtime
def test_what_cannot_be_opened_leaves_the_run_as_it_is(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=50)
    session = LiveSession(str(clip), Settings(speech=False), commentator=scripted(), watchers=[])
    with pytest.raises(RuntimeError, match="live run"):
        session.set_source(str(clip))
    session.start()
    with pytest.raises(SourceError, match="no such file"):
        session.set_source(str(tmp_path / "none.mp4"))
    session.wait()
    assert session.log.header["frames_captured"] == 50 and session.log.header["later_sources"] == []


@pytest.mark.realtime
def test_from_a_clip_to_a_camera_and_back(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=75)
    session = LiveSession(
        str(clip),
        Settings(change_threshold=0.0, speech=False, delay_init_s=0.3),
        commentator=scripted(),
        watchers=[],
        run_dir=tmp_path / "run",
        duration_s=6.0,
    ).start()
    while session.status.frames_captured < 10:
        time.sleep(0.02)

    def camera():
        for k in range(10_000):
            time.sleep(0.04)
            yield np.full((36, 64, 3), 90 + k % 3, np.uint8)

    session.set_source(camera())
    while session.status.frames_captured < 30:
        time.sleep(0.02)
    session.set_source(str(clip))
    session.stop()
    shown = read_shown(load_run(tmp_path / "run").folder)
    assert np.all(np.diff(shown[:, 1]) > 0)
    assert len(session.log.header["later_sources"]) >= 1 and is_recorded(tmp_path / "run") is False
    assert (tmp_path / "run" / "source-2.mkv").exists()
