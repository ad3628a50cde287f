"""The H.264 writer: times, sizes, sound, the same bytes each time, and files that cannot be written."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from commentator_lib.video_writer import H264Writer
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


def test_sound_beside_the_picture(tmp_path):
    tone = (8000 * np.sin(np.arange(48_000) / 20)).astype(np.int16)
    with H264Writer(tmp_path / "a.mp4", 64, 36, 25, encoder=QUICK, sound_rate_hz=48_000) as video:
        for k in range(25):
            video.write(picture(k, 64, 36))
        for start in range(0, len(tone), video.sound_block):
            video.write_sound(tone[start : start + video.sound_block], start)
    with av.open(str(tmp_path / "a.mp4")) as file:
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in file.decode(audio=0)])
    assert len(sound) == pytest.approx(48_000, abs=video.sound_block)
    assert np.sqrt(np.mean(sound[10_000:30_000] ** 2)) == pytest.approx(8000 / 32768 / np.sqrt(2), rel=0.05)
    with H264Writer(tmp_path / "b.mp4", 64, 36, 25, encoder=QUICK) as video:
        video.write(picture(0, 64, 36))
        with pytest.raises(ValueError, match="sound_rate_hz"):
            video.write_sound(tone, 0)


def test_file_that_cannot_be_written(tmp_path):
    with (
        pytest.raises(OSError, match="No such file"),
        H264Writer(tmp_path / "no" / "a.mp4", 64, 36, 25, encoder=QUICK) as video,
    ):
        video.write(picture(0, 64, 36))
