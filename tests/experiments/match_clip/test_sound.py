"""The match's sound: as long as the pictures, the same each time, at the times that the truth says, also on disk."""

from __future__ import annotations

import functools
from itertools import islice

import av
import numpy as np
import pytest

from commentator_lib.files import package_data
from commentator_lib.sound.filters import SoundFilter
from experiments.match_clip import match, sound
from experiments.match_clip.events import load_events
from experiments.match_clip.sound import RATE_HZ, match_sound, sound_blocks
from experiments.tools.demo_clip import SECONDS, SEED
from tests.experiments.match_clip.conftest import FPS, write_script


@functools.lru_cache(maxsize=4)
def heard(duration_s, seed):
    return match_sound(write_script(duration_s, seed))


def part(samples, from_s, to_s):
    return samples[round(from_s * RATE_HZ) : round(to_s * RATE_HZ)]


def level_db(samples):
    return 20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def decoded(path):
    """Return the samples (N, 2) of a clip's sound track, each at the place that its time says."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        frames = [(round(f.pts * f.time_base * RATE_HZ), f.to_ndarray().T) for f in file.decode(stream)]
        assert stream.rate == RATE_HZ and stream.channels == 2
    out = np.zeros((frames[-1][0] + len(frames[-1][1]), 2), np.float32)
    for at, samples in frames:
        first = max(0, -at)
        out[at + first : at + len(samples)] = samples[first:]
    return out


def lag_s(samples, made, from_s, to_s):
    """Return by how much `samples` are later than `made` from `from_s` to `to_s`, where they fit best (± 50 ms)."""
    margin = round(0.05 * RATE_HZ)
    wanted = part(made, from_s, to_s).mean(axis=1)
    first = round(from_s * RATE_HZ) - margin
    there = samples[first : first + len(wanted) + 2 * margin].mean(axis=1)
    return (int(np.argmax(np.correlate(there, wanted, "valid"))) - margin) / RATE_HZ


@pytest.mark.parametrize(("duration_s", "seed"), [(20, 5), (20.52, 1), (31.72, 2)])
def test_it_is_as_long_as_the_pictures(duration_s, seed):
    script, samples = write_script(duration_s, seed), heard(duration_s, seed)
    assert samples.shape == (script.frames * RATE_HZ // FPS, 2) and samples.dtype == np.float32
    assert len(samples) / RATE_HZ == pytest.approx(script.truth.duration_s, abs=1e-9)


def test_a_seed_has_one_sound():
    again = match_sound(match.write_script(20, 5))
    assert np.array_equal(again, heard(20, 5))
    assert not np.array_equal(again, heard(20, 6))


def test_left_and_right_are_akin_but_not_the_same():
    left, right = part(heard(20, 5), 0, 1).T
    assert 0.25 < np.corrcoef(left, right)[0, 1] < 0.7


def test_nothing_clips_and_the_blocks_join():
    for seed in range(3):
        samples = heard(60, seed)
        assert np.abs(samples).max() <= 0.9 and np.isfinite(samples).all()
        steps = np.abs(np.diff(samples[:, 0]))
        at_seams = steps[RATE_HZ - 1 :: RATE_HZ]
        assert at_seams.mean() < 2 * steps.mean()


def test_the_programme_is_as_loud_as_broadcasts_are():
    loudness = []
    for seed in range(3):
        meter = SoundFilter("ebur128=metadata=1", RATE_HZ, 2)
        for block in sound_blocks(write_script(120, seed)):
            meter.push(block)
        loudness.append(float(meter.metadata["lavfi.r128.I"]))
    assert np.mean(loudness) == pytest.approx(-23, abs=1) and np.ptp(loudness) < 3


@pytest.mark.parametrize("seed", range(4))
def test_a_goal_roars_for_seconds_and_a_miss_falls_quickly(seed):
    script, samples = write_script(120, seed), heard(120, seed)
    truth = script.truth
    for shot in truth.of_kind("shot"):
        swell, *others = [s for s in truth.sounds_of(shot) if s.kind in ("swell", "ooh")]
        bed_db = level_db(part(samples, max(0, swell.from_s - 3), swell.from_s))
        goal = next((g for g in truth.of_kind("goal") if 0 < g.t_s - shot.t_s <= 1), None)
        if goal is None:
            (ooh,) = others
            assert 3 < level_db(part(samples, ooh.from_s + 0.2, ooh.from_s + 0.6)) - bed_db < 12
            assert level_db(part(samples, ooh.to_s, ooh.to_s + 0.5)) - bed_db < 6
        else:
            (roar,) = truth.sounds_of(goal)
            assert not others and roar.kind == "roar"
            assert level_db(part(samples, roar.from_s + 0.35, roar.from_s + 3)) - bed_db > 10
            assert level_db(part(samples, roar.from_s + 3, roar.from_s + 4)) - bed_db > 8
            before, after = (level_db(part(samples, goal.t_s + t, goal.t_s + t + 0.2)) for t in (-0.2, 0.5))
            assert after - before > 4, "it comes with the goal, not before"


def test_sounds_come_when_their_events_do():
    for seed in range(12):
        script = write_script(120, seed)
        truth = script.truth
        replays = [(s.from_frame / FPS, s.to_frame / FPS) for s in script.shots if s.kind == "replay"]
        for kind, sound_kind, early_s, late_s in (
            ("goal", "roar", -0.1, -0.2),
            ("kick-off", "whistle", 0.9, 0.5),
            ("card", "whistle", 1.8, 1.5),
            ("shot", "kick", 0.0, 0.0),
            ("corner", "kick", 0.0, 0.0),
            ("kick-off", "kick", 0.0, 0.0),
        ):
            for event in truth.of_kind(kind):
                (one,) = [s for s in truth.sounds_of(event) if s.kind == sound_kind]
                assert event.t_s - early_s - 1e-3 <= one.from_s <= event.t_s - late_s + 1e-3
        for one in truth.sounds:
            if one.kind == "whistle":
                assert not any(a <= one.from_s < b for a, b in replays), one


def test_a_touch_is_heard_when_the_ball_leaves():
    script = write_script(120, 1)
    kicks = [s for s in script.truth.sounds if s.kind == "kick"]
    assert len(kicks) > 30
    for kick in kicks:
        k = round(kick.from_s * FPS)
        assert np.linalg.norm(script.ball[k + 5] - script.ball[k]) > 0.3


@pytest.mark.parametrize("seed", range(4))
def test_a_whistle_is_a_tone_that_begins_when_the_truth_says(seed):
    script, samples = write_script(120, seed), heard(120, seed)
    for one in [s for s in script.truth.sounds if s.kind == "whistle"]:
        blast = part(samples, one.from_s + 0.03, one.to_s).mean(axis=1)
        power = np.abs(np.fft.rfft(blast * np.hanning(len(blast)))) ** 2
        hz = np.fft.rfftfreq(len(blast), 1 / RATE_HZ)
        band = (hz > 2000) & (hz < 4500)
        assert 2000 < hz[hz > 1000][np.argmax(power[hz > 1000])] < 4500
        before = part(samples, one.from_s - len(blast) / RATE_HZ, one.from_s).mean(axis=1)[: len(blast)]
        calm = np.abs(np.fft.rfft(before * np.hanning(len(before)), len(blast))) ** 2
        assert power[band].sum() > 30 * calm[band].sum()


def test_blocks_need_no_more_than_their_second():
    script = write_script(3600, 0)
    first = list(islice(sound_blocks(script), 3))
    assert [len(block) for block in first] == [RATE_HZ] * 3
    late = sound._crowd_block(0, [s for s in script.truth.sounds if s.kind == "roar"], 3000)
    assert np.isfinite(late).all() and np.abs(late).max() > 0


def check_decoded(path, script, made):
    """Check a clip's sound track: its length, its likeness to what was made, and the places of its whistles."""
    samples = decoded(path)
    assert 0 <= len(samples) - len(made) < 1024 * 2, "AAC fills its last block with silence"
    samples = samples[: len(made)]
    assert np.corrcoef(samples.ravel(), made.ravel())[0, 1] > 0.9
    assert level_db(samples) == pytest.approx(level_db(made), abs=1)
    whistles = [s for s in script.truth.sounds if s.kind == "whistle"]
    assert whistles
    for one in whistles:
        assert abs(lag_s(samples, made, one.from_s, one.to_s)) < 0.005


def test_the_sound_on_disk_is_the_sound_made(tmp_path, monkeypatch):
    black = np.zeros((144, 256, 3), np.uint8)
    monkeypatch.setattr(match, "draw", lambda script, index, width, height: black)
    script = match.write_script(20.52, 5)
    one, other = tmp_path / "one.mp4", tmp_path / "other.mp4"
    match.render(script, one, 144)
    match.render(script, other, 144)
    assert one.read_bytes() == other.read_bytes()
    check_decoded(one, script, heard(20.52, 5))
    assert load_events(match.events_path(one), one).sounds == script.truth.sounds


def test_the_clip_of_the_demo_has_its_sound():
    clip = package_data("clips") / "match.mp4"
    assert clip.stat().st_size < 2.8e6
    check_decoded(clip, write_script(SECONDS, SEED), heard(SECONDS, SEED))
