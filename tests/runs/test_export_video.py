"""An exported run: picture where it was seen, voice where it was heard, captions where they were read."""

from __future__ import annotations

import json
import wave

import av
import numpy as np
import pytest

from commentator_lib.runs.captions import cues
from commentator_lib.runs.export_video import fit, write_mp4, write_wav
from commentator_lib.runs.log import finish_run
from commentator_lib.runs.reader import load_run, read_shown
from commentator_lib.runs.timeline import ExportError, timeline, voice_track
from commentator_lib.sources.open import demo_clips
from tests.conftest import level_dbfs, small_disk


def test_recording_holds_every_frame_at_its_time_with_the_voice(run, film):
    pictures, sound, progress = film.pictures, film.sound, film.progress
    shown = read_shown(run.folder)
    zero_s, end_s = timeline(run, shown)
    times = np.array([at for at, _ in pictures])
    for shown_s in shown[:, 3]:
        assert np.abs(times - (shown_s - zero_s)).min() < 0.001
    assert pictures[0][1].shape == (180, 320, 3)
    assert len(sound) / 48_000 == pytest.approx(end_s - zero_s, abs=0.05)
    for row in run.cycles.query("outcome == 'spoken'").itertuples():
        from_n, to_n = (round((t - zero_s) * 48_000) for t in (row.heard_from_s, row.heard_to_s))
        assert level_dbfs(sound[from_n + 4800 : to_n - 4800]) > -30
        assert level_dbfs(sound[to_n + 9600 : to_n + 14_400]) < -60 or to_n + 14_400 > len(sound)
    assert progress == sorted(progress) and progress[-1] > 0.9
    assert not list(film.path.parent.glob("*.part"))


def test_pictures_are_the_sources(film):
    with av.open(demo_clips()[0]) as file:
        source = [
            f.reformat(width=320, height=180, format="rgb24").to_ndarray() for f in file.decode(video=0)
        ]
    for k in (0, 40, 100):
        top = slice(0, 120)  # above the captions
        assert np.abs(film.pictures[k][1][top].astype(int) - source[k][top]).mean() < 6


def test_captions_are_seen_while_their_words_are_heard(run, film):
    found = cues(run)
    assert [c.text for c in found][:2] == ["A grey rabbit climbs out. It", "stretches."] or found[
        0
    ].text.startswith("A grey rabbit")
    first = run.cycles.iloc[0]
    assert found[0].from_s == pytest.approx(first.heard_from_s, abs=0.05)
    assert all(a.to_s <= b.from_s + 1e-6 for a, b in zip(found, found[1:], strict=False))
    zero_s, _ = timeline(run, read_shown(run.folder))
    strip = slice(140, 170)
    shows = [any(c.from_s < at + zero_s < c.to_s for c in found) for at, _ in film.pictures]
    light = [p[strip].mean() for _, p in film.pictures]
    with_caption = np.mean([x for x, on in zip(light, shows, strict=True) if on])
    without = np.mean([x for x, on in zip(light, shows, strict=True) if not on])
    assert with_caption < 0.75 * without  # the words stand on a dark strip


def test_wav_is_the_sound_alone(run, tmp_path):
    seconds = write_wav(run, tmp_path / "out.wav")
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48_000, 1, 2)
        assert file.getnframes() / 48_000 == pytest.approx(seconds)


def test_track_places_sound_to_the_sample(run):
    first = run.cycles.iloc[0]
    track = voice_track(run, first.heard_from_s - 0.5, first.heard_to_s + 0.2)
    loud = np.flatnonzero(np.abs(track.astype(int)) > 200)
    assert loud[0] / 48_000 == pytest.approx(0.5, abs=0.005)


@pytest.mark.slow
def test_killed_run_is_finished_later(run, killed, export):
    folder = killed
    assert finish_run(folder) is True
    again = load_run(folder)
    assert (
        again.header["recovered"] and again.header["outcomes"]["spoken"] == run.header["outcomes"]["spoken"]
    )
    assert len(export(again, folder / "commentary.mp4").pictures) >= 132
    assert finish_run(run.folder) is False


def test_clip_that_changed_or_went_is_refused(killed, tmp_path):
    folder = killed
    header = json.loads((folder / "run.json").read_text())
    name = next(iter(header["clip_sha256"]))
    header["clip_sha256"][name] = "0" * 64
    (folder / "run.json").write_text(json.dumps(header))
    with pytest.raises(ExportError, match="not the one"):
        write_mp4(load_run(folder), tmp_path / "out.mp4")
    header["clip_sha256"] = {"gone.mp4": "0"}
    (folder / "run.json").write_text(json.dumps(header))
    with pytest.raises(ExportError, match="gone.mp4 is gone"):
        write_mp4(load_run(folder), tmp_path / "out.mp4")


def test_run_in_which_nothing_happened(killed, tmp_path):
    folder = killed
    for name in ("shown.csv", "events.jsonl"):
        (folder / name).write_text("")
    with pytest.raises(ExportError, match="nothing was shown"):
        write_mp4(load_run(folder), tmp_path / "out.mp4")


def test_target_that_cannot_be_written(run, tmp_path):
    with pytest.raises(ExportError, match="cannot write"):
        write_mp4(run, tmp_path / "no" / "folder" / "out.mp4")


@pytest.mark.slow
def test_full_disk_is_one_line_and_leaves_no_half_a_film(run, tmp_path):
    with small_disk(tmp_path / "disk", 32) as disk:
        with pytest.raises(ExportError, match="cannot write .*No space left"):
            write_mp4(run, disk / "out.mp4")
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("size", [(10, 10), (200, 50), (50, 200), (1, 1), (321, 181)])
def test_fit_keeps_the_aspect_and_fills_with_black(size):
    width, height = size
    out = fit(np.full((height, width, 3), 255, np.uint8), 320, 180)
    lit = (out[..., 0] > 128).nonzero()
    h, w = np.ptp(lit[0]) + 1, np.ptp(lit[1]) + 1
    assert out.shape == (180, 320, 3) and (h >= 179 or w >= 319)
    assert w / h == pytest.approx(width / height, rel=0.05)
