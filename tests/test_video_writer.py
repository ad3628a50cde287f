"""The H.264 writer: times, sizes, sound, the same bytes each time, and files that cannot be written."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from commentator_lib.video_writer import H264Writer, SoundTrack
from tests.conftest import picture

QUICK = {"preset": "ultrafast", "crf": "20"}


def pictures(path):
    """Return the pictures of a file as [(time in seconds, (H, W, 3) uint8)]."""
    with av.open(str(path)) as file:
        return [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in file.decode(video=0)]


def test_pictures_come_back_at_the_rate(tmp_path):
    with H264Writer(tmp_path / "a.mp4", 64, 36, 10, encoder=QUICK) as video:
        for k in range(12):
            video.write(picture(k, 64, 36))
    found = pictures(tmp_path / "a.mp4")
    assert [at_s for at_s, _ in found] == pytest.approx([k / 10 for k in range(12)])
    assert np.abs(found[5][1].astype(int) - picture(5, 64, 36)).mean() < 12  # colours at half resolution


def test_times_are_kept_and_made_to_grow(tmp_path):
    with H264Writer(tmp_path / "a.mkv", 64, 36, 25, encoder=QUICK, time_base=Fraction(1, 1000)) as video:
        for at_s in (0.0, 0.5, 0.5, 0.4, 1.25):
            video.write(picture(0, 64, 36), at_s)
    assert [at_s for at_s, _ in pictures(tmp_path / "a.mkv")] == pytest.approx([0, 0.5, 0.501, 0.502, 1.25])


def test_other_sizes_are_scaled_and_decoded_frames_taken(tmp_path):
    with H264Writer(tmp_path / "a.mp4", 64, 36, 25, encoder=QUICK) as video:
        video.write(np.asfortranarray(np.full((91, 161, 3), 200, np.uint8)))
        video.write(av.VideoFrame.from_ndarray(np.full((36, 64, 3), 200, np.uint8), format="rgb24"))
    for _, image in pictures(tmp_path / "a.mp4"):
        assert image.shape == (36, 64, 3) and np.abs(image.astype(int) - 200).max() < 6


def test_bit_exact_gives_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        with H264Writer(tmp_path / name, 64, 36, 25, encoder=QUICK, bit_exact=True) as video:
            for k in range(30):
                video.write(picture(k, 64, 36))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def tone(seconds, hz=440.0, level=0.25):
    """Return (N,) float32 at 48 kHz."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * 48_000)) / 48_000)).astype(np.float32)


def write_file(path, tracks, container=None, bit_exact=False):
    """Write a second of pictures and `tracks`, [(SoundTrack, (N,) or (N, channels) samples, block size)]."""
    with H264Writer(
        path,
        64,
        36,
        25,
        encoder=QUICK,
        container=container,
        bit_exact=bit_exact,
        sound_tracks=[track for track, _, _ in tracks],
    ) as video:
        for k in range(25):
            video.write(picture(k, 64, 36))
        for k, (_, samples, block) in enumerate(tracks):
            for start in range(0, len(samples), block):
                video.write_sound(samples[start : start + block], start, track=k)


def read_sound(path, track=0):
    """Return a track as (N, channels) float32, each sample at its own time from 0 on."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[track]
        frames = list(file.decode(stream))
        rate_hz = stream.rate
    resampler = av.AudioResampler("fltp", frames[0].layout, rate_hz)
    pieces = [(frame.pts * frame.time_base, resampler.resample(frame)[0].to_ndarray().T) for frame in frames]
    starts = [round(at_s * rate_hz) for at_s, _ in pieces]
    whole = np.zeros(
        (max(s + len(x) for s, (_, x) in zip(starts, pieces, strict=True)), pieces[0][1].shape[1])
    )
    for start, (_, samples) in zip(starts, pieces, strict=True):
        skip = max(0, -start)
        whole[start + skip : start + len(samples)] = samples[skip:]
    return whole


THREE = [
    (SoundTrack("mix", channels=2), np.stack([tone(1.0, 300), tone(1.0, 1500)], axis=1), 1000),
    (SoundTrack("programme", channels=2), np.stack([tone(1.0, 700), tone(1.0, 700)], axis=1), 37),
    (SoundTrack("voice"), tone(0.7, 1000), 5000),
]


def strongest_hz(samples):
    """Return the frequency of the loudest tone in (N,) samples at 48 kHz."""
    return np.abs(np.fft.rfft(samples)).argmax() * 48_000 / len(samples)


def test_three_tracks_with_titles_and_one_default(tmp_path):
    write_file(tmp_path / "a.mp4", THREE)
    with av.open(str(tmp_path / "a.mp4")) as file:
        streams = file.streams.audio
        assert [s.metadata["handler_name"] for s in streams] == ["mix", "programme", "voice"]
        assert [bool(s.disposition & Disposition.default) for s in streams] == [True, False, False]
        assert [(s.channels, s.rate) for s in streams] == [(2, 48_000), (2, 48_000), (1, 48_000)]
    for k, (_, samples, _) in enumerate(THREE):
        sound = read_sound(tmp_path / "a.mp4", k)
        assert len(sound) == pytest.approx(len(samples), abs=1024)
        middle = sound[10_000:30_000]
        assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.05)
    mix = read_sound(tmp_path / "a.mp4")
    assert strongest_hz(mix[10_000:30_000, 0]) == pytest.approx(300, abs=3)  # left stays left
    assert strongest_hz(mix[10_000:30_000, 1]) == pytest.approx(1500, abs=3)


@pytest.mark.parametrize("codec, name", [("aac", "a.mp4"), ("aac", "a.mkv"), ("flac", "a.mkv")])
@pytest.mark.parametrize("block", [1, 333, 1024, 48_000])
def test_a_click_is_heard_where_it_was_written(tmp_path, codec, name, block):
    samples = np.zeros(24_000, np.float32)
    samples[12_345:12_365] = 0.8
    write_file(tmp_path / name, [(SoundTrack("clicks", codec=codec), samples, block)])
    heard = np.abs(read_sound(tmp_path / name)[:, 0])
    assert (heard > 0.3).argmax() == pytest.approx(12_345, abs=48)  # 1 ms
    assert len(heard) == pytest.approx(24_000, abs=1024)


def test_flac_keeps_every_sample_of_stereo(tmp_path):
    noise = np.random.default_rng(1).integers(-20_000, 20_000, (30_001, 2)).astype(np.int16)
    write_file(tmp_path / "a.mkv", [(SoundTrack("programme", channels=2, codec="flac"), noise, 777)])
    heard = read_sound(tmp_path / "a.mkv")
    assert len(heard) == 30_001 and np.abs(heard - noise / 32768).max() < 1.01 / 32768
    with av.open(str(tmp_path / "a.mkv")) as file:
        assert file.streams.audio[0].metadata["title"] == "programme"


def test_a_gap_is_silence_and_what_is_written_stays(tmp_path):
    with H264Writer(
        tmp_path / "a.mkv", 64, 36, 25, encoder=QUICK, sound_tracks=[SoundTrack("a", codec="flac")]
    ) as video:
        video.write(picture(0, 64, 36))
        video.write_sound(np.full(100, 0.5, np.float32), 10_000)
        video.write_sound(np.full(100, -0.5, np.float32), 10_050)
        video.write_sound(np.array([np.nan, 7.0, -7.0], np.float32), 10_150)
    heard = read_sound(tmp_path / "a.mkv")[:, 0]
    expected = [0.0] * 10_000 + [0.5] * 100 + [-0.5] * 50 + [0.0, 1.0, -1.0]
    assert heard == pytest.approx(expected, abs=1e-3)


def test_bit_exact_sound_gives_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_file(tmp_path / name, THREE, bit_exact=True)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_tracks_without_sound_and_sound_without_tracks(tmp_path):
    write_file(tmp_path / "a.mp4", [(SoundTrack("voice"), tone(0.0), 1)])
    assert len(pictures(tmp_path / "a.mp4")) == 25
    with H264Writer(tmp_path / "b.mp4", 64, 36, 25, encoder=QUICK, sound_tracks=[SoundTrack("a")]) as video:
        video.write(picture(0, 64, 36))
        with pytest.raises(ValueError, match="no sound track 1"):
            video.write_sound(tone(0.1), 0, track=1)
        with pytest.raises(ValueError, match=r"shape \(100, 2\).*\(N, 1\)"):
            video.write_sound(np.zeros((100, 2), np.float32), 0)


def test_file_that_cannot_be_written(tmp_path):
    with (
        pytest.raises(OSError, match="No such file"),
        H264Writer(tmp_path / "no" / "a.mp4", 64, 36, 25, encoder=QUICK) as video,
    ):
        video.write(picture(0, 64, 36))


def test_decoding_can_begin_where_it_is_asked_for(tmp_path):
    encoder = {**QUICK, "g": "1000", "forced-idr": "1", "sc_threshold": "0"}
    with H264Writer(tmp_path / "a.mp4", 64, 36, 25, encoder=encoder) as video:
        for k in range(30):
            video.write(picture(0, 64, 36), is_key=k == 20)
    with av.open(str(tmp_path / "a.mp4")) as file:
        keys = [
            round(float(p.pts * p.time_base) * 25)
            for p in file.demux(video=0)
            if p.is_keyframe and p.pts is not None
        ]
    assert keys == [0, 20]


def test_bytes_go_to_an_object_as_they_are_muxed(tmp_path):
    class Keeps:
        def __init__(self):
            self.data = b""

        def write(self, data):
            self.data += data
            return len(data)

    sink = Keeps()
    muxer = {"live": "1", "cluster_time_limit": "100", "flush_packets": "1"}
    encoder = {**QUICK, "tune": "zerolatency"}
    with H264Writer(sink, 64, 36, 25, encoder=encoder, container="matroska", muxer=muxer) as video:
        for k in range(10):
            video.write(picture(k, 64, 36))
        assert len(sink.data) > 500  # it does not wait for the end
    (tmp_path / "a.mkv").write_bytes(sink.data)
    assert len(pictures(tmp_path / "a.mkv")) == 10


def test_subtitles_of_hls_are_webvtt(tmp_path):
    muxer = {"hls_time": "1", "var_stream_map": "v:0,s:0,sgroup:captions", "master_pl_name": "master.m3u8"}
    encoder = {**QUICK, "tune": "zerolatency", "g": "10"}
    path = tmp_path / "live_%v.m3u8"
    with H264Writer(
        path, 64, 36, 10, encoder=encoder, container="hls", muxer=muxer, subtitles="captions"
    ) as video:
        for k in range(20):
            if k == 8:
                video.write_subtitle("Two red\ncars.", 0.5, 0.8)
            video.write(picture(k, 64, 36), k / 10)
    cues = [file.read_text() for file in sorted(tmp_path.glob("*.vtt"))]
    assert "00:00.500 --> 00:00.800\nTwo red\ncars." in cues[0]
