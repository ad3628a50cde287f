"""Ducking, the mix and its limiter, and the meter of loudness."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.sound.ducking import DuckCurve, duck_gain
from commentator_lib.sound.loudness import measure
from commentator_lib.sound.mix import Mixer

RATE_HZ = 48_000


def level_db(intervals, at_s, duck_db=12.0):
    return 20 * np.log10(duck_gain(intervals, duck_db, np.array([at_s]))[0])


@pytest.mark.parametrize(
    "at_s, expected_db",
    [(0.0, 0), (0.95, 0), (0.975, -6), (1.0, -12), (1.5, -12), (2.0, -12), (2.1, -9), (2.4, 0), (9.0, 0)],
)
def test_level_falls_before_a_comment_and_rises_after_it(at_s, expected_db):
    assert level_db([(1.0, 2.0)], at_s) == pytest.approx(expected_db, abs=0.01)


def test_between_two_comments_the_lower_curve_holds():
    pair = [(1.0, 2.0), (2.2, 3.0)]
    for at_s in np.arange(0.9, 3.5, 0.01):
        lower = min(level_db([one], at_s) for one in pair)
        assert level_db(pair, at_s) == pytest.approx(lower, abs=0.01)
    assert level_db([(1.0, 2.0), (1.5, 3.0), (4.0, 4.0)], 2.9) == pytest.approx(-12, abs=0.01)


def test_comments_in_any_order_and_none():
    at_s = np.arange(0, 10, 0.01)
    mixed = duck_gain([(5.0, 6.0), (1.0, 2.0)], 12.0, at_s)
    assert np.array_equal(mixed, duck_gain([(1.0, 2.0), (5.0, 6.0)], 12.0, at_s))
    assert (duck_gain([], 12.0, at_s) == 1).all() and (duck_gain([(1, 2)], 0.0, at_s) == 1).all()


def test_curve_in_blocks_is_the_curve_at_once():
    curve = DuckCurve([(k, k + 0.5) for k in range(20)], 12.0)
    at_s = np.arange(0, 20, 0.003)
    blocks = np.concatenate([curve.gain(at_s[k : k + 77]) for k in range(0, len(at_s), 77)])
    assert np.allclose(blocks, curve.gain(at_s))


def mixed(programme, voice, intervals, block=4800, duck_db=12.0):
    """Return the whole mix of (N, 2) and (N,) samples, pushed in blocks."""
    mixer = Mixer(duck_db, intervals)
    parts = [
        mixer.push(programme[k : k + block], voice[k : k + block], k / RATE_HZ)
        for k in range(0, len(programme), block)
    ]
    return np.concatenate([*parts, mixer.flush()])


def tone(seconds, hz, level):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def stereo(samples):
    return np.stack([samples, samples], axis=1)


def rms_db(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)))


def test_programme_is_12_db_lower_within_50_ms_and_back_within_400_ms():
    programme = stereo(tone(4.0, 1000, 0.2))
    mix = mixed(programme, np.zeros(len(programme), np.float32), [(1.0, 2.0)])
    assert mix.shape == programme.shape

    def fall_db(from_s, to_s):
        part = slice(round(from_s * RATE_HZ), round(to_s * RATE_HZ))
        return rms_db(mix[part]) - rms_db(programme[part])

    assert fall_db(0.5, 0.94) == pytest.approx(0, abs=0.1)
    assert fall_db(1.0, 2.0) == pytest.approx(-12, abs=0.2)
    assert fall_db(2.41, 3.5) == pytest.approx(0, abs=0.1)
    steps = np.diff(20 * np.log10(duck_gain([(1.0, 2.0)], 12.0, np.arange(0, 4, 1 / RATE_HZ))))
    assert np.abs(steps).max() < 0.01  # dB from sample to sample: nothing clicks


def test_after_a_comment_that_was_cut_the_programme_is_back_at_once():
    programme = stereo(tone(3.0, 1000, 0.2))
    mix = mixed(programme, np.zeros(len(programme), np.float32), [(1.0, 1.2)])
    assert rms_db(mix[round(1.65 * RATE_HZ) :]) == pytest.approx(rms_db(programme), abs=0.1)


@pytest.mark.parametrize("kind", ["noise", "square", "impulses", "high tone"])
def test_true_peak_stays_below_minus_1_dbtp(kind):
    count = 3 * RATE_HZ
    random = np.random.default_rng(4)
    programme = {
        "noise": random.uniform(-1, 1, (count, 2)),
        "square": stereo(np.sign(tone(3.0, 997, 1.0))),
        "impulses": (random.random((count, 2)) < 0.001) * 1.0,
        "high tone": stereo(
            1.4 * np.sin(np.pi / 2 * np.arange(count) + np.pi / 4)
        ),  # peaks lie between samples
    }[kind].astype(np.float32)
    mix = mixed(programme, tone(3.0, 300, 0.63), [(1.0, 2.0)])
    assert np.abs(mix).max() < 1.0
    assert measure(mix, RATE_HZ).true_peak_dbtp <= -1.0
    assert rms_db(mix) > -20  # limited, not silenced


def test_what_needs_no_limiting_passes_in_its_place():
    random = np.random.default_rng(5)
    programme = stereo(
        np.convolve(random.normal(0, 0.05, RATE_HZ), np.ones(8) / 8, "same").astype(np.float32)
    )
    voice = np.zeros(RATE_HZ, np.float32)
    voice[20_000:20_200] += tone(200 / RATE_HZ, 1000, 0.3)
    for block in (480, 777, RATE_HZ):
        mix = mixed(programme, voice, [], block)
        assert mix.shape == (RATE_HZ, 2)
        wanted = programme + voice[:, None]
        assert np.abs(mix - wanted)[100:-100].max() < 0.01


def test_the_mix_does_not_depend_on_the_blocks():
    random = np.random.default_rng(6)
    programme = random.uniform(-1, 1, (RATE_HZ, 2)).astype(np.float32)
    voice = tone(1.0, 300, 0.6)
    whole = mixed(programme, voice, [(0.3, 0.5)], RATE_HZ)
    for block in (333, 4800):
        assert np.allclose(mixed(programme, voice, [(0.3, 0.5)], block), whole, atol=1e-4)


def test_loudness_of_a_known_tone():
    # EBU Tech 3341: a stereo sine of 1 kHz at −23 dBFS has −23 LUFS.
    found = measure(stereo(tone(5.0, 1000, 10 ** (-23 / 20))), RATE_HZ)
    assert found.integrated_lufs == pytest.approx(-23.0, abs=0.1)
    assert found.true_peak_dbtp == pytest.approx(-23.0, abs=0.2)
    as_int16 = (stereo(tone(5.0, 1000, 10 ** (-23 / 20))) * 32767).astype(np.int16)
    assert measure(as_int16, RATE_HZ).integrated_lufs == pytest.approx(-23.0, abs=0.1)


def test_loudness_of_silence_and_of_nothing():
    for samples in (np.zeros(RATE_HZ, np.float32), np.zeros(0, np.float32)):
        assert measure(samples, RATE_HZ).integrated_lufs <= -70.0
        assert measure(samples, RATE_HZ).true_peak_dbtp == -120.0
