"""Recordings of what cannot be read again: cameras, streams, and a program's own pictures."""

from __future__ import annotations

import shutil
import threading
import time

import av
import numpy as np
import pytest

from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.reader import load_run, read_shown
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.base import SourceError, SourceInfo
from commentator_lib.sources.frames import FramesSource
from commentator_lib.sources.recorded import RecordedSource, is_recorded
from commentator_lib.sources.recording import RecordingQueue, SourceRecorder, is_clip, needs_recording
from commentator_lib.sources.synthetic import SyntheticSource
from tests.conftest import Says, cut_off, make_clip, picture


def pictures(count, size=(36, 64), fps=25.0):
    rng = np.random.default_rng(0)
    return [
        Frame(2 * k, 0.0, k / fps, rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for k in range(count)
    ]


def test_recording_gives_the_frames_back_under_their_own_numbers(tmp_path):
    recorder = SourceRecorder(tmp_path, 25.0)
    for frame in pictures(30):
        recorder.push(frame)
    recorder.close()
    assert recorder.problem == "" and recorder.dropped == 0
    recording = RecordedSource(tmp_path)
    found = [f.index for f in iter(recording.read, None)]
    assert found == [2 * k for k in range(30)]
    recording.close()


def test_recording_that_was_killed_can_be_read(tmp_path):
    (tmp_path / "run").mkdir()
    recorder = SourceRecorder(tmp_path / "run", 25.0)
    for frame in pictures(120):
        recorder.push(frame)
        time.sleep(0.002)
    index = tmp_path / "run" / "source.csv"
    end = time.monotonic() + 20
    while not index.exists() or index.read_text().count("\n") < 100:
        assert time.monotonic() < end
        time.sleep(0.01)
    shutil.copytree(tmp_path / "run", tmp_path / "killed")  # the file as it is on the disk, never closed
    recorder.close()
    recording = RecordedSource(tmp_path / "killed")
    assert len(list(iter(recording.read, None))) >= 60
    recording.close()


@pytest.mark.parametrize(
    ("fps", "size", "kept"), [(25.0, (36, 64), 51), (60.0, (36, 64), 121), (0.2, (36, 64), 2)]
)
def test_recorder_that_cannot_keep_up_keeps_two_seconds_of_the_newest(tmp_path, monkeypatch, fps, size, kept):
    release = threading.Event()
    monkeypatch.setattr(SourceRecorder, "_record", lambda self: release.wait(20))
    recorder = SourceRecorder(tmp_path, 25.0)
    frames = pictures(200, size, fps)
    for frame in frames:
        recorder.push(frame)
    assert recorder.dropped == 200 - kept
    assert recorder.notes() == [f"{200 - kept} frames were not recorded"]
    assert [recorder._queue.get().index for _ in range(kept)] == [f.index for f in frames[-kept:]]
    release.set()
    recorder.close()


def test_large_pictures_wait_in_bounded_memory():
    queue = RecordingQueue(longest_s=100.0, most_bytes=10 * 300 * 400 * 3)
    frames = [Frame(k, 0.0, k / 25, np.zeros((300, 400, 3), np.uint8)) for k in range(30)]
    left_out = [item.index for frame in frames for item in queue.put(frame)]
    assert left_out == list(range(20))


def test_sound_counts_too_and_is_left_out_in_seconds(tmp_path, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(SourceRecorder, "_record", lambda self: release.wait(20))
    recorder = SourceRecorder(tmp_path, 25.0, has_sound=True)
    for frame in pictures(100):
        recorder.push(frame)
        recorder.push_sound(np.zeros((1920, 2), np.int16), frame.captured_at_s)
    assert recorder.dropped == pytest.approx(50, abs=2)
    assert recorder.dropped_sound_s == pytest.approx(2.0, abs=0.1)
    release.set()
    recorder.close()


def test_recorder_in_virtual_time_waits_and_leaves_nothing_out(tmp_path):
    recorder = SourceRecorder(tmp_path, 25.0, waits=True)
    for frame in pictures(600):
        recorder.push(frame)
    recorder.close()
    assert recorder.dropped == 0 and len((tmp_path / "source.csv").read_text().split()) == 600


def test_recorder_that_fails_while_one_waits_for_it_lets_it_go(tmp_path):
    recorder = SourceRecorder(tmp_path / "nowhere", 25.0, waits=True)
    for frame in pictures(200):
        recorder.push(frame)
    recorder.close()
    assert recorder.dropped == 199 and "not recorded any more" in recorder.notes()[0]


def test_recorder_that_cannot_write_says_so_and_the_run_goes_on(tmp_path):
    recorder = SourceRecorder(tmp_path / "nowhere", 25.0)
    for frame in pictures(100):
        recorder.push(frame)
        time.sleep(0.001)
    recorder.close()
    assert "not recorded any more" in recorder.problem and not recorder._thread.is_alive()


# --- what is recorded, and its export


class Duck:
    """An object that is no Source but looks like one, with sound; its pictures move."""

    def __init__(self, seconds: float = 2.0, live: bool = False) -> None:
        self.info = SourceInfo("duck", 64, 36, 25.0, None if live else seconds, live=live, has_sound=True)
        self._count, self._index = round(seconds * 25), 0

    def read(self, not_before_s=0.0):
        if self._index == self._count:
            return None
        self._index += 1
        return Frame(self._index - 1, (self._index - 1) / 25, float("nan"), picture(self._index, 64, 36))

    def read_sound(self):
        at_s = (self._index - 1) / 25
        return [AudioChunk(np.full((1920, 2), 3000, np.int16), PLAYBACK_RATE_HZ, at_s)]


def generator():
    for k in range(50):
        yield picture(k, 160, 90)


MADE = {
    "generator": generator,
    "list": lambda: [picture(k, 160, 90) for k in range(50)],
    "array": lambda: np.stack([picture(k, 161, 91) for k in range(50)]),
    "frames at 10 a second": lambda: FramesSource(generator(), fps=10.0),
    "an object of another's": Duck,
    "a named class": lambda: "tests.sources.test_recording:Duck",
    "synthetic pictures of another seed": lambda: SyntheticSource(2.0, 25.0, seed=7),
}


@pytest.mark.parametrize("made", MADE)
def test_pictures_of_a_program_are_recorded_and_exported_like_a_clip(tmp_path, made):
    source = MADE[made]()
    settings = Settings(change_threshold=0.0, commentator="scripted", speech=False)
    session = LiveSession(
        source, settings, commentator=Says("All is well."), mode="what-if", run_dir=tmp_path / "run"
    ).run()
    run = load_run(tmp_path / "run")
    shown = read_shown(run.folder)
    assert is_recorded(run.folder) and session.log.header["notes"] == []
    write_mp4(run, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        found = [f.to_ndarray(format="rgb24")[:40] for f in file.decode(video=0)]
        assert len(file.streams.audio) == (3 if session.source.info.has_sound else 1)
    assert len(found) >= len(shown) == 50
    given = MADE[made]()
    if not isinstance(given, (str, Duck, SyntheticSource, FramesSource)):
        pictures = list(given)
        error = [np.abs(found[k].astype(int) - pictures[k][:40, :160]).mean() for k in (0, 20, 45)]
        assert max(error) < 12, error


@pytest.mark.realtime
def test_a_live_source_of_a_program_is_recorded(tmp_path):
    class Paced(Duck):
        def read(self, not_before_s=0.0):
            time.sleep(0.04)
            return super().read(not_before_s)

    settings = Settings(change_threshold=0.0, commentator="scripted", speech=False)
    LiveSession(Paced(1.5, live=True), settings, commentator=Says("Fine."), run_dir=tmp_path / "run").run()
    run = load_run(tmp_path / "run")
    assert is_recorded(run.folder)
    write_mp4(run, tmp_path / "out.mp4")


def test_clips_and_computed_pictures_are_not_recorded(tmp_path):
    clip = str(make_clip(tmp_path / "a.mp4"))
    assert not any(map(needs_recording, ("demo", "synthetic:60", clip, [clip, clip])))
    assert all(map(needs_recording, ("rtsp://h/x", "0", "a.b:C", str(tmp_path), [clip, "http://h/x"])))


def test_a_list_of_files_is_no_clip(tmp_path):
    clip = make_clip(tmp_path / "clip.ts", container="mpegts")
    lists = {
        "a.m3u8": f"#EXTM3U\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        "b.mp4": "ffconcat version 1.0\nfile clip.ts\n",
        "c.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "d.mp4": "<?xml version='1.0'?><MPD></MPD>",
        "e.txt": "clip.ts\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        assert not is_clip(str(tmp_path / name)) and needs_recording(str(tmp_path / name))
    assert is_clip(str(clip)) and is_clip(str(make_clip(tmp_path / "clip.mkv")))
    assert not is_clip(str(cut_off(make_clip(tmp_path / "cut.mp4"), 0.3)))


def test_a_recording_that_is_something_else_is_refused_in_one_line(tmp_path):
    make_clip(tmp_path / "a.mp4").rename(tmp_path / "source.mkv")
    (tmp_path / "source.csv").write_text("0\n1\n")
    with pytest.raises(SourceError, match="no recording that can be read"):
        RecordedSource(tmp_path)
    (tmp_path / "source.csv").write_text("0\nx\n")
    with pytest.raises(SourceError, match="source.csv cannot be read"):
        RecordedSource(tmp_path)
    (tmp_path / "source.csv").unlink()
    with pytest.raises(SourceError, match="source.csv cannot be read") as caught:
        RecordedSource(tmp_path)
    assert "\n" not in str(caught.value)
