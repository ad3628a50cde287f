"""The README's moving picture: the right part of a video, at the right rate and size."""

from __future__ import annotations

import pytest
from PIL import Image

from commentator_lib.files import package_data
from commentator_lib.sources.base import SourceError
from experiments.tools.moving_picture import read_pictures, write_webp

CLIP = package_data("clips/big_buck_bunny.mp4")


def test_pictures_come_at_the_asked_rate_and_width():
    pictures = list(read_pictures(CLIP, from_s=1.0, seconds=2.0, fps=5.0, width_px=160))
    assert len(pictures) == 10
    assert {p.size for p in pictures} == {(160, 90)}


def test_the_file_is_a_moving_picture_that_lasts_as_long_as_its_stretch(tmp_path):
    pictures = list(read_pictures(CLIP, from_s=0.0, seconds=1.0, fps=5.0, width_px=160))
    path = tmp_path / "live.webp"
    write_webp(pictures, path, fps=5.0, quality=50)
    with Image.open(path) as picture:
        assert picture.is_animated and picture.n_frames == 5
        durations_ms = []
        for k in range(picture.n_frames):
            picture.seek(k)
            picture.load()
            durations_ms.append(picture.info["duration"])
    assert sum(durations_ms) == 1000


def test_a_stretch_behind_the_end_is_named():
    with pytest.raises(SourceError, match="ends before 60 s"):
        list(read_pictures(CLIP, from_s=60.0, seconds=1.0, fps=5.0, width_px=160))


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(SourceError, match=r"cannot read .*notes\.txt"):
        list(read_pictures(tmp_path / "notes.txt", from_s=0.0, seconds=1.0, fps=5.0, width_px=160))
