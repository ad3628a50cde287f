"""Sound of a source on its picture's clock, whatever the file does to it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from commentator_lib.media import PLAYBACK_RATE_HZ, Frame
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.open import open_source
from commentator_lib.sources.playlist import Playlist
from commentator_lib.sources.recorded import RecordedSource
from commentator_lib.sources.recording import SourceRecorder
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.sources.video import FileSource
from tests.conftest import picture

EVENTS_S = (1.0, 2.48, 4.0)  # when the picture flashes and the sound beeps


def beeping(seconds: float, rate: int, hz: float = 1000.0, from_s: float = 0.0) -> np.ndarray:
    """Return a beep of 0.1 s at each event, float32 (N,); the first sample is at `from_s`."""
    t = from_s + np.arange(round(seconds * rate)) / rate
    on = np.zeros(len(t), bool)
    for event_s in EVENTS_S:
        on |= (t >= event_s) & (t < event_s + 0.1)
    return (0.5 * np.sin(2 * np.pi * hz * t) * on).astype(np.float32)


def write(
    path: Path,
    seconds: float = 6.0,
    *,
    rate: int = 48_000,
    layout: str = "stereo",
    codec: str = "aac",
    sound_from_s: float = 0.0,
    sound_s: float | None = None,
    silent: bool = False,
    tracks: int = 1,
    stored_late_s: float = 0.0,
    clock: float = 1.0,
) -> Path:
    """Write a clip that flashes and beeps. Track k beeps at (1 + k) kHz.

    `stored_late_s`: the sound's packets are stored so much behind the picture's; negative: before them. `clock`: the
    sound's time stamps run so much faster than its samples.
    """
    sound_s = seconds - sound_from_s if sound_s is None else sound_s
    packets: list[tuple[float, av.Packet]] = []
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 36, "yuv420p"
        sounds = [out.add_stream(codec, rate=rate, layout=layout) for _ in range(tracks)]
        for k in range(round(seconds * 25)):
            lit = any(e - 1e-6 <= k / 25 < e + 0.2 for e in EVENTS_S)
            frame = av.VideoFrame.from_ndarray(
                np.full((36, 64, 3), 240 if lit else 16, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = k, Fraction(1, 25)
            packets += [(k / 25, p) for p in video.encode(frame)]
        packets += [(seconds, p) for p in video.encode(None)]
        for k, sound in enumerate(sounds):
            samples = beeping(sound_s, rate, 1000.0 * (1 + k), sound_from_s) * (not silent)
            channels = sound.codec_context.layout.nb_channels
            for first in range(0, len(samples), 1024):
                block = np.repeat(samples[None, first : first + 1024], channels, axis=0)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
                frame.sample_rate = rate
                at_s = sound_from_s + first / rate * clock
                frame.pts, frame.time_base = round(at_s * 1_000_000), Fraction(1, 1_000_000)
                packets += [(at_s + stored_late_s, p) for p in sound.encode(frame)]
            packets += [(sound_from_s + sound_s + stored_late_s, p) for p in sound.encode(None)]
        for _, packet in sorted(packets, key=lambda item: item[0]):
            out.mux(packet)
    return path


def read_all(source) -> tuple[list[tuple[float, bool]], np.ndarray, list]:
    """Return (time, lit) of each frame, the sound on one time line from 0 on, (N, 2), and its chunks."""
    frames, chunks = [], []
    while (frame := source.read()) is not None:
        frames.append((frame.pts_s, bool(frame.image[18, 32, 1] > 128)))
        chunks += source.read_sound()
    chunks += source.read_sound()
    end_s = max([c.from_s + c.duration_s for c in chunks], default=0.0)
    line = np.zeros((round((end_s + 1) * PLAYBACK_RATE_HZ), 2), np.int16)
    for chunk in chunks:
        first = round(chunk.from_s * PLAYBACK_RATE_HZ)
        samples = chunk.samples[max(0, -first) :]
        line[max(0, first) : max(0, first) + len(samples)] = samples
    source.close()
    return frames, line, chunks


def beep_times_s(line: np.ndarray) -> list[float]:
    loud = np.flatnonzero(np.abs(line[:, 0].astype(int)) > 3000)
    starts = loud[np.diff(loud, prepend=-PLAYBACK_RATE_HZ) > PLAYBACK_RATE_HZ // 3]
    return [float(s) / PLAYBACK_RATE_HZ for s in starts]


def flash_times_s(frames: list[tuple[float, bool]]) -> list[float]:
    return [t for (_, before), (t, lit) in zip(frames, frames[1:], strict=False) if lit and not before]


def assert_in_step(source, events: int = 3, within_s: float = 0.012) -> np.ndarray:
    assert source.info.has_sound
    frames, line, _ = read_all(source)
    flashes, beeps = flash_times_s(frames), beep_times_s(line)
    assert len(flashes) == 3 and len(beeps) == events
    for flash, beep in zip(flashes[-events:], beeps, strict=True):
        assert beep == pytest.approx(flash, abs=within_s)
    return line


KINDS: dict[str, Callable[[Path], Path]] = {
    "aac": lambda f: write(f / "a.mp4"),
    "8 kHz": lambda f: write(f / "a.mkv", rate=8000, layout="mono"),
    "44.1 kHz": lambda f: write(f / "a.mp4", rate=44_100),
    "5.1": lambda f: write(f / "a.mkv", layout="5.1"),
    "mono": lambda f: write(f / "a.mp4", layout="mono"),
    "stored 2 s late": lambda f: write(f / "a.mkv", stored_late_s=2.0),
    "stored 2 s early": lambda f: write(f / "a.mkv", stored_late_s=-2.0),
    "transport stream": lambda f: write(f / "a.ts"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_beeps_are_where_the_picture_flashes(kind, tmp_path):
    line = assert_in_step(FileSource(KINDS[kind](tmp_path)))
    assert np.abs(line.astype(int)).max() < 32767  # nothing clips
    assert np.array_equal(line[:, 0] > 3000, line[:, 1] > 3000)


def test_sound_that_starts_late_and_ends_early(tmp_path):
    frames, line, chunks = read_all(FileSource(write(tmp_path / "a.mkv", sound_from_s=2.0, sound_s=1.5)))
    assert beep_times_s(line) == [pytest.approx(2.48, abs=0.012)]
    assert chunks[0].from_s == pytest.approx(2.0, abs=0.03) and len(frames) == 150


def test_sound_is_there_before_its_picture_is_shown(tmp_path):
    """A file whose sound is stored behind: it is read ahead, so that it is not late."""
    source = FileSource(write(tmp_path / "a.mkv", stored_late_s=2.0))
    end_s = 0.0
    while (frame := source.read()) is not None and frame.pts_s < 5.0:
        for chunk in source.read_sound():
            end_s = chunk.from_s + chunk.duration_s
        assert end_s >= frame.pts_s
    source.close()


def test_a_clock_that_drifts_is_followed(tmp_path):
    _, _, chunks = read_all(FileSource(write(tmp_path / "a.mkv", 60.0, codec="pcm_f32le", clock=1 + 2e-4)))
    counted_s = sum(len(c.samples) for c in chunks) / PLAYBACK_RATE_HZ
    labelled_s = chunks[-1].from_s + chunks[-1].duration_s
    assert labelled_s - counted_s == pytest.approx(60 * 2e-4, abs=3e-3)
    steps_s = [b.from_s - a.from_s - a.duration_s for a, b in zip(chunks, chunks[1:], strict=False)]
    assert max(map(abs, steps_s)) < 1e-3  # no seam can be heard


def test_a_silent_track_is_silence(tmp_path):
    source = FileSource(write(tmp_path / "a.mp4", silent=True))
    assert source.info.has_sound
    _, line, chunks = read_all(source)
    assert not line.any() and sum(len(c.samples) for c in chunks) > 5 * PLAYBACK_RATE_HZ


def test_the_track_that_is_asked_for(tmp_path):
    path = write(tmp_path / "a.mkv", tracks=3)
    for track, hz in ((-1, 1000), (0, 1000), (1, 2000), (2, 3000)):
        line = assert_in_step(FileSource(path, sound_track=track))
        beep = line[round(1.02 * 48_000) : round(1.08 * 48_000), 0].astype(float)
        spectrum = np.abs(np.fft.rfft(beep * np.hanning(len(beep))))
        assert np.argmax(spectrum) * 48_000 / len(beep) == pytest.approx(hz, abs=40)
    with pytest.raises(SourceError, match="3 sound tracks, counted from 0: sound_track=3"):
        FileSource(path, sound_track=3)
    assert open_source(str(path), sound_track=2).info.has_sound


def test_broken_packets_are_left_out_and_the_rest_stays_in_step(tmp_path):
    path = write(tmp_path / "a.mkv")
    # zeros over some sound packets, found by reading the file once
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(audio=0) if p.size and p.pos]
    data = bytearray(path.read_bytes())
    for pos, size in places[80:86]:  # from about 1.7 s on, between two beeps
        data[pos + 8 : pos + size] = b"\xff" * (size - 8)
    path.write_bytes(bytes(data))
    frames, line, _ = read_all(FileSource(path))
    assert len(frames) == 150
    clean = [beep_times_s(line[: round(1.5 * 48_000)]), beep_times_s(line[round(2.2 * 48_000) :])]
    assert clean[0] == [pytest.approx(1.0, abs=0.012)]
    assert [t + 2.2 for t in clean[1]] == [pytest.approx(t, abs=0.012) for t in (2.48, 4.0)]


def test_rate_and_channels_change_in_mid_stream(tmp_path):
    parts = [write(tmp_path / "a.ts", layout="mono", rate=44_100), write(tmp_path / "b.ts", rate=48_000)]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, line, _ = read_all(FileSource(both))
    flashes, beeps = flash_times_s(frames), beep_times_s(line)
    assert len(flashes) == len(beeps) == 6
    assert np.abs(np.subtract(flashes, beeps)).max() <= 0.06


def test_a_playlist_keeps_sound_and_picture_together(tmp_path):
    with_sound, without = write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4", tracks=0)
    longer = write(tmp_path / "c.mkv", 5.0, sound_s=9.0)  # its sound outlasts its picture
    source = Playlist([str(p) for p in (with_sound, without, longer, with_sound)])
    assert source.info.has_sound
    frames, line, _ = read_all(source)
    flashes = [t for t in flash_times_s(frames) if not 6 <= t < 12]
    assert beep_times_s(line) == [pytest.approx(t, abs=0.012) for t in flashes] and len(flashes) == 9


def test_without_sound_nothing_changes(tmp_path):
    source = FileSource(write(tmp_path / "a.mp4", tracks=0))
    assert not source.info.has_sound
    frames, _, chunks = read_all(source)
    assert len(frames) == 150 and chunks == []


def test_a_recording_keeps_the_sound(tmp_path):
    recorder = SourceRecorder(tmp_path, 25.0, has_sound=True, waits=True)
    samples = (beeping(6.0, 48_000) * 32767).astype(np.int16)
    recorder.push_sound(np.repeat(samples[:4800, None], 2, axis=1), 99.9)  # before the first picture
    for k in range(150):
        lit = any(e - 1e-6 <= k / 25 < e + 0.2 for e in EVENTS_S)
        recorder.push(Frame(k, k / 25, 100 + k / 25, np.full((36, 64, 3), 240 if lit else 16, np.uint8)))
        block = samples[k * 1920 : (k + 1) * 1920]
        recorder.push_sound(np.repeat(block[:, None], 2, axis=1), 100 + k / 25)
    recorder.close()
    assert recorder.problem == "" and recorder.dropped == 0
    line = assert_in_step(RecordedSource(tmp_path))
    wanted = np.repeat(samples[:, None], 2, axis=1)
    assert (
        np.abs(line[2400 : len(wanted)].astype(int) - wanted[2400:].astype(int)).max() <= 1
    )  # FLAC loses nothing


def test_synthetic_sound():
    source = SyntheticSource(3.0, sound=True)
    frames, line, chunks = read_all(source)
    assert source.info.has_sound and len(frames) == 75
    assert sum(len(c.samples) for c in chunks) == 3 * PLAYBACK_RATE_HZ and line.any()
    assert picture(0, 8, 8).any() and not SyntheticSource(3.0).info.has_sound
