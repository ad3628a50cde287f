"""Video files of every kind as a source, playlists of them, and files that are no video."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction

import numpy as np
import psutil
import pytest

from commentator_lib.files import file_sha256
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.open import demo_clips, open_source
from commentator_lib.sources.playlist import Playlist
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.sources.video import FileSource
from tests.conftest import cut_off, make_clip, make_sound_file


def read_all(source, not_before=lambda frame: 0.0):
    found = []
    frame = source.read()
    while frame is not None:
        found.append(frame)
        frame = source.read(not_before(frame))
    source.close()
    return found


KINDS = {
    "grey": dict(codec="ffv1", pix_fmt="gray", suffix=".mkv"),
    "with alpha": dict(codec="ffv1", pix_fmt="yuva420p", suffix=".mkv"),
    "odd size": dict(width=63, height=47, codec="ffv1", pix_fmt="yuv444p", suffix=".mkv"),
    "one pixel": dict(width=1, height=1, codec="ffv1", pix_fmt="yuv444p", suffix=".mkv"),
    "odd size, packed": dict(width=63, height=47, codec="png", pix_fmt="rgb24", suffix=".avi"),
    "rgb": dict(codec="ffv1", pix_fmt="bgr0", suffix=".mkv"),
    "mpeg4": dict(codec="mpeg4"),
    "fragmented": dict(options={"movflags": "frag_keyframe+empty_moov"}),
    "broadcast": dict(suffix=".ts"),
    "portrait": dict(width=36, height=64),
    "no declared rate or length": dict(suffix=".h264", container="h264"),
    "pictures in a row": dict(codec="mjpeg", pix_fmt="yuvj420p", suffix=".mjpeg", container="mjpeg"),
    "one frame a second": dict(fps=1, frames=5),
    "sixty frames a second": dict(fps=60),
}


@pytest.mark.parametrize("kind", KINDS)
def test_clips_of_every_kind(kind, tmp_path):
    made = {"frames": 25, "width": 64, "height": 36, **KINDS[kind]}
    path = tmp_path / f"clip{made.pop('suffix', '.mp4')}"
    make_clip(path, **made)
    source = FileSource(path)
    frames = read_all(source)
    assert len(frames) == made["frames"] and source.problem == ""
    assert [f.index for f in frames] == list(range(len(frames)))
    assert frames[0].pts_s == 0 and all(b.pts_s > a.pts_s for a, b in zip(frames, frames[1:], strict=False))
    for f in frames:
        assert f.image.shape == (made["height"], made["width"], 3) and f.image.dtype == np.uint8
        assert f.image.flags["C_CONTIGUOUS"]
    if made.get("container") is None:
        assert source.info.fps == pytest.approx(made.get("fps", 25))


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt", "tolerance"),
    [
        (".mp4", "libx264", "yuv420p", 12),
        (".mp4", "mpeg4", "yuv420p", 12),
        (".mkv", "mjpeg", "yuvj420p", 12),
        (".mkv", "ffv1", "yuva420p", 12),
        (".mkv", "ffv1", "bgr0", 0),
        (".mov", "png", "rgba", 0),
    ],
)
def test_colours_are_rgb(tmp_path, suffix, codec, pix_fmt, tolerance):
    path = make_clip(tmp_path / f"c{suffix}", frames=2, codec=codec, pix_fmt=pix_fmt)
    right = read_all(FileSource(path))[0].image[:, 32:].reshape(-1, 3).mean(axis=0)
    assert right == pytest.approx([200, 0, 0], abs=tolerance)


@pytest.mark.parametrize("turned", [90, 180, -90])
def test_turned_pictures_are_shown_upright(tmp_path, turned):
    flat = read_all(FileSource(make_clip(tmp_path / "flat.mp4", frames=2)))
    source = FileSource(make_clip(tmp_path / "turned.mp4", frames=2, turned=turned))
    for a, b in zip(flat, read_all(source), strict=True):
        assert np.array_equal(np.rot90(a.image, turned // 90), b.image) and b.image.flags["C_CONTIGUOUS"]
    height, width = np.rot90(flat[0].image, turned // 90).shape[:2]
    assert (source.info.width, source.info.height) == (width, height)


@pytest.mark.parametrize(("aspect", "width"), [(Fraction(16, 15), 68), (Fraction(1, 2), 32)])
def test_pixels_are_made_square(tmp_path, aspect, width):
    path = make_clip(tmp_path / "c.mp4", frames=2, aspect=aspect)
    assert read_all(FileSource(path))[0].image.shape == (36, width, 3)


@pytest.mark.slow
def test_large_pictures_are_scaled_down_with_their_aspect(tmp_path):
    path = make_clip(tmp_path / "4k.mp4", frames=3, width=3840, height=2160, options={"preset": "ultrafast"})
    assert FileSource(path).read().image.shape == (720, 1280, 3)
    assert FileSource(path, max_px=320).read().image.shape == (180, 320, 3)


def test_variable_rate_keeps_each_frames_time(tmp_path):
    times = [0, 1, 2, 10, 11, 30]
    path = make_clip(tmp_path / "v.mkv", frames=6, codec="ffv1", pts=lambda k: times[k])
    assert [f.pts_s for f in read_all(FileSource(path))] == pytest.approx([t / 25 for t in times], abs=0.002)


CUT_OFF = {
    "mp4": dict(suffix=".mp4", options={"movflags": "+faststart"}),
    "mkv": dict(suffix=".mkv"),  # FFmpeg reads to the cut without complaint
    "mkv with sound": dict(suffix=".mkv", sound_s=4.0),
    "avi": dict(suffix=".avi", codec="mpeg4"),
}


@pytest.mark.parametrize("kind", CUT_OFF)
def test_clip_cut_off_in_the_middle_plays_as_far_as_it_goes(kind, tmp_path):
    made = dict(CUT_OFF[kind])
    path = cut_off(make_clip(tmp_path / f"c{made.pop('suffix')}", frames=100, noise=True, **made))
    source = FileSource(path)
    frames = read_all(source)
    assert 10 < len(frames) < 90 and "breaks off after" in source.problem and "\n" not in source.problem
    assert [f.index for f in frames] == list(range(len(frames)))


@pytest.mark.slow
def test_cut_off_where_no_length_is_declared_still_plays(tmp_path):
    fragments = {"options": {"movflags": "frag_keyframe+empty_moov"}, "codec_options": {"g": "10"}}
    for path in (
        make_clip(tmp_path / "c.mp4", frames=100, noise=True, **fragments),
        make_clip(tmp_path / "c.ts", frames=100, noise=True),
        make_clip(tmp_path / "c.h264", frames=100, noise=True, container="h264"),
    ):
        assert 10 < len(read_all(FileSource(cut_off(path)))) < 90


@pytest.mark.parametrize(
    "made",
    [
        dict(frames=25, suffix=".mp4", sound_s=4.0),
        dict(frames=25, suffix=".mkv", sound_s=4.0),
        dict(frames=25, suffix=".mkv", pts=lambda k: k + 200),  # begins 8 s after zero
        dict(frames=25, suffix=".ts", pts=lambda k: k + (1000 if k > 9 else 0)),  # a leap of 40 s
        dict(frames=25, suffix=".mp4", codec="mpeg4", pts=lambda k: k * k),  # ever slower
        dict(frames=5, suffix=".mkv", codec="ffv1", fps=1),
    ],
)
def test_whole_clip_is_not_taken_for_a_cut_off_one(tmp_path, made):
    made = dict(made)
    source = FileSource(make_clip(tmp_path / f"c{made.pop('suffix')}", **made))
    assert len(read_all(source)) == made["frames"] and source.problem == ""


def test_time_that_leaps_goes_on_with_the_next_step(tmp_path):
    path = make_clip(tmp_path / "c.ts", frames=20, pts=lambda k: k + (1000 if k > 9 else 0))
    times = [f.pts_s for f in read_all(FileSource(path))]
    assert times == pytest.approx([k / 25 for k in range(20)], abs=0.002)


def test_name_with_a_colon_is_a_file(tmp_path, monkeypatch):
    make_clip(tmp_path / "c.mp4", frames=3).rename(tmp_path / "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    source = open_source("12:30.mp4")
    assert len(read_all(source)) == 3 and source.info.spec == "12:30.mp4"


def of_unknown_codec(path):
    data = path.read_bytes()
    assert b"avc1" in data
    path.write_bytes(data.replace(b"avc1", b"zzzz"))
    return path


def pipe(path):
    os.mkfifo(path)
    return path


NO_SOURCE = {
    "missing": (lambda p: p / "nowhere.mp4", "no such file"),
    "folder": (lambda p: p, "is a folder"),
    "empty": (lambda p: (p / "e.mp4").write_bytes(b"") or p / "e.mp4", "is empty"),
    "text": (lambda p: (p / "t.mp4").write_text("no film\n" * 99) and p / "t.mp4", "not a video"),
    "cut off at its head": (lambda p: cut_off(make_clip(p / "c.mp4", noise=True), 0.5), "cut off"),
    "unknown codec": (lambda p: of_unknown_codec(make_clip(p / "c.mp4", frames=3)), "cannot decode"),
    "pipe": (lambda p: pipe(p / "pipe.mp4"), "is not a file"),
    "sound only": (lambda p: make_sound_file(p / "s.m4a"), "no picture: what it holds is audio"),
}


@pytest.mark.parametrize("case", NO_SOURCE)
def test_no_video_is_one_clear_line_and_no_open_file(case, tmp_path):
    make, words = NO_SOURCE[case]
    path = make(tmp_path)
    before = psutil.Process().num_fds()
    for _ in range(3):
        with pytest.raises(SourceError, match=words) as caught:
            open_source(str(path))
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert psutil.Process().num_fds() <= before


def test_unreadable_file(tmp_path, monkeypatch):
    def refuse(path, mode="r"):  # as root, who may read everything, would otherwise not meet it
        raise PermissionError(13, "Permission denied", path)

    path = make_clip(tmp_path / "c.mp4")
    monkeypatch.setattr("commentator_lib.sources.video.open", refuse, raising=False)
    with pytest.raises(SourceError, match=f"^cannot read {path}: Permission denied$"):
        open_source(str(path))


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), float("inf")])
def test_duration_must_be_something(duration_s):
    with pytest.raises(SourceError, match="duration"):
        open_source("demo", duration_s)


def test_files_are_closed(tmp_path):
    path = make_clip(tmp_path / "c.mp4")
    before = psutil.Process().num_fds()
    for _ in range(5):
        read_all(open_source([str(path), str(path)]))
        open_source(str(path)).close()
    assert psutil.Process().num_fds() <= before


@pytest.fixture
def two(tmp_path):
    a = make_clip(tmp_path / "a.mp4", frames=25)
    b = make_clip(tmp_path / "b.mkv", frames=10, fps=10, width=32, height=48, codec="ffv1")
    return [str(a), str(b)]


def test_clips_of_a_playlist_play_one_after_another(two):
    source = Playlist(two)
    frames = read_all(source)
    assert [f.index for f in frames] == list(range(35))
    assert frames[25].image.shape == (48, 32, 3) and frames[25].pts_s == pytest.approx(1.0)
    assert frames[-1].pts_s == pytest.approx(1.9) and source.info.duration_s == pytest.approx(2.0)


def test_playlist_repeats_and_ends_at_its_duration(two):
    frames = read_all(Playlist(two, duration_s=5.0))
    assert frames[-1].pts_s < 5.0 <= frames[-1].pts_s + 0.1 and len(frames) == 35 + 35 + 25
    assert len(read_all(Playlist(two, duration_s=0.5))) == 13


def test_frames_keep_their_numbers_when_some_are_skipped(two):
    whole = {f.index: f.image for f in read_all(Playlist(two, duration_s=4.0))}
    source = Playlist(two, duration_s=4.0)
    some = read_all(source, lambda frame: frame.pts_s + 0.33)
    assert len(some) < 20 and source.skipped + len(some) <= len(whole)
    for frame in some:
        assert np.array_equal(frame.image, whole[frame.index])


@pytest.mark.parametrize("to_s", [0.5, 0.99, 1.0, 1.52, 2.0, 2.3, 3.4, 3.96])
def test_frames_keep_number_and_time_after_a_leap(two, to_s):
    whole = {f.index: f for f in read_all(Playlist(two, duration_s=4.0))}
    source = Playlist(two, duration_s=4.0)
    first, *rest = read_all(source, lambda frame: to_s if frame.index == 0 else 0.0)
    wanted = [f for f in whole.values() if f.pts_s >= to_s - 1e-9]
    assert [(f.index, f.pts_s) for f in rest] == [(f.index, pytest.approx(f.pts_s)) for f in wanted]
    assert all(np.array_equal(f.image, whole[f.index].image) for f in rest)
    assert first.index == 0 and source.skipped == len(whole) - 1 - len(rest)


def test_skipping_past_the_end_ends_it(two):
    for source in (FileSource(two[0]), Playlist(two), Playlist(two, duration_s=4.0), SyntheticSource(4.0)):
        assert source.read(1e6) is None and source.read() is None
        assert source.skipped >= 24
        source.close()


def test_bad_clip_in_a_playlist_is_known_before_it_starts(two, tmp_path):
    with pytest.raises(SourceError, match="nowhere"):
        Playlist([*two, str(tmp_path / "nowhere.mp4")])
    with pytest.raises(SourceError, match="no clip"):
        Playlist([])


def test_clip_that_is_removed_during_a_playlist_ends_it_with_an_error(two):
    source = Playlist(two)
    source.read()
    os.remove(two[1])
    with pytest.raises(SourceError, match="no such file"):
        read_all(source)


def test_synthetic_pictures_are_the_same_for_a_seed():
    a, b, c = (read_all(SyntheticSource(20.0, seed=s)) for s in (1, 1, 2))
    assert len(a) == 500 and all(np.array_equal(x.image, y.image) for x, y in zip(a, b, strict=True))
    assert not all(np.array_equal(x.image, y.image) for x, y in zip(a, c, strict=True))
    assert len(read_all(open_source("synthetic:2"))) == 50
    for bad in ("synthetic:long", "synthetic:-3", "synthetic:inf", "synthetic:"):
        with pytest.raises(SourceError, match="synthetic:SECONDS"):
            open_source(bad)


def test_old_name_of_synthetic_pictures_goes_on_working_with_a_warning():
    with pytest.warns(DeprecationWarning, match="made: is now called synthetic:"):
        source = open_source("made:2")
    assert len(read_all(source)) == 50 and source.info.spec == "synthetic:2"


def test_synthetic_pictures_skip_too():
    source = SyntheticSource(2.0)
    assert (source.read(1.0).index, source.skipped) == (25, 25)
    assert (source.read(0.2).index, source.skipped) == (26, 25)


def test_demo_clips_are_there():
    clips = demo_clips()
    assert len(clips) == 2 and all(os.path.exists(c) for c in clips)
    source = open_source("demo")
    assert source.info.duration_s >= 45 and (source.info.width, source.info.height) == (1280, 720)
    source.close()


def test_fingerprint_tells_files_apart(two, tmp_path):
    shutil.copy(two[0], tmp_path / "copy.mp4")
    assert file_sha256(two[0]) == file_sha256(tmp_path / "copy.mp4") != file_sha256(two[1])
