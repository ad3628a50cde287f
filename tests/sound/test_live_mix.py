"""The mix in real time: pieces in their places, the programme turned down in time, cuts without a click."""

import numpy as np
import pytest

from commentator_lib.media import PLAYBACK_RATE_HZ, to_float32
from commentator_lib.sound.live_mix import LiveMix, faded
from commentator_lib.sound.mix import Mixer

RATE = PLAYBACK_RATE_HZ


def tone(seconds, level=3000, hz=440, channels=1):
    t = np.arange(round(seconds * RATE)) / RATE
    mono = (level * np.sin(2 * np.pi * hz * t)).astype(np.int16)
    return mono if channels == 1 else np.stack([mono] * channels, axis=1)


def rendered(mix, from_s, until_s, step_s=0.05):
    """Render in steps, as time goes on; return the joined samples, which begin at `from_s`."""
    mix.begin(from_s)
    parts = []
    for k in range(1, round((until_s - from_s) / step_s) + 1):
        at_s, samples = mix.render(from_s + k * step_s)
        assert at_s == pytest.approx(from_s + sum(map(len, parts)) / RATE)
        parts.append(samples)
    return np.concatenate(parts)


def test_mix_is_that_of_an_exported_run():
    programme, voice = tone(3.0, hz=300, channels=2), tone(1.0, hz=600)
    mix = LiveMix(12.0)
    mix.play_programme(programme, 10.0, 10.0)
    mix.play(voice[: RATE // 2], 1, 11.0, 10.0)
    mix.play(voice[RATE // 2 :], 1, 11.0, 10.0)
    live = rendered(mix, 10.0, 13.0)
    whole = Mixer(12.0, [(1.0, 2.0)])
    placed = np.zeros(3 * RATE, np.float32)
    placed[RATE : 2 * RATE] = to_float32(voice)
    exported = np.concatenate([whole.push(to_float32(programme), placed, 0.0), whole.flush()])
    assert len(live) > 2.9 * RATE
    np.testing.assert_allclose(live, exported[: len(live)], atol=2e-3)


def test_word_that_comes_at_the_last_moment_finds_the_programme_turned_down():
    mix = LiveMix(12.0)
    mix.play_programme(np.full((3 * RATE, 2), 8000, np.int16), 0.0, 0.0)
    mix.begin(0.0)
    _, before = mix.render(0.8)
    mix.play(np.zeros(RATE, np.int16) + 1, 1, 1.0, 1.0)  # it is 1.0 s, and 0.8 s has been rendered
    _, after = mix.render(1.9)
    sound = np.concatenate([before, after])[:, 0] * 32768
    assert sound[round(0.9 * RATE)] == pytest.approx(8000, rel=0.02)
    assert sound[round(1.01 * RATE)] == pytest.approx(8000 * 10 ** (-12 / 20), rel=0.05)


def test_comments_are_heard_one_after_another_and_a_late_piece_when_it_comes():
    mix = LiveMix(0.0)
    mix.play(tone(1.0), 1, 5.0, 4.9)
    mix.play(tone(1.0), 2, 5.5, 5.0)  # the one before is heard until 6.0
    assert (mix.voice_end_s(1), mix.voice_end_s(2)) == (6.0, 7.0)
    mix.play(tone(0.5), 2, 5.5, 7.2)  # 0.2 s too late
    assert mix.voice_end_s(2) == pytest.approx(7.7)
    assert mix.voice_end_s(3) is None


def test_cut_ends_a_comment_with_a_fade_and_what_follows_of_it_is_not_heard():
    mix = LiveMix(0.0)
    mix.play(np.full(2 * RATE, 8000, np.int16), 1, 1.0, 0.5)
    mix.cut(1, 0.5, 1.2)
    mix.play(tone(1.0), 1, 1.0, 1.3)
    sound = rendered(mix, 1.0, 2.0)[:, 0] * 32768
    assert sound[round(0.49 * RATE)] == pytest.approx(8000, rel=0.05)
    assert np.abs(sound[round(0.51 * RATE) :]).max() < 1
    steps = np.abs(np.diff(sound[round(0.4 * RATE) :]))
    assert steps.max() < 8000 / 100
    mix.play(tone(1.0), 2, 1.6, 1.5)
    assert mix.voice_end_s(2) == pytest.approx(2.6)


def test_cut_of_what_was_not_begun_leaves_nothing():
    mix = LiveMix(0.0)
    mix.play(tone(1.0), 1, 5.0, 1.0)
    mix.cut(1, 0.0, 1.0)
    assert not rendered(mix, 4.9, 6.1).any()


def test_end_of_a_run_ends_its_sound_and_the_next_run_counts_anew():
    mix = LiveMix(0.0)
    mix.play(tone(3.0), 1, 1.0, 1.0)
    mix.play_programme(tone(3.0, channels=2), 1.0, 1.0)
    mix.stop(2.0)
    assert not rendered(mix, 2.05, 3.0).any()
    mix.play(tone(1.0), 1, 3.5, 3.0)
    assert mix.voice_end_s(1) == pytest.approx(4.5)


def test_sum_does_not_clip():
    mix = LiveMix(0.0)
    mix.play(tone(1.0, 32000, 997), 1, 0.0, 0.0)
    mix.play_programme(tone(1.0, 32000, 997, channels=2), 0.0, 0.0)
    assert np.abs(rendered(mix, 0.0, 1.0)).max() < 10 ** (-1 / 20)


def test_what_was_heard_is_forgotten():
    mix = LiveMix(6.0)
    for k in range(600):  # nobody listens
        mix.play_programme(tone(0.1, channels=2), k * 0.1, k * 0.1)
        mix.play(tone(0.05), k, k * 0.1, k * 0.1)
    assert len(mix._programme) < 30 and len(mix._voice) < 30 and len(mix._heard) < 30


@pytest.mark.parametrize("channels", [1, 2])
def test_fade_reaches_silence(channels):
    sound = faded(np.full((1000, 2)[:channels], 5000, np.int16))
    assert sound[0].max() == 5000 and not sound[-1].any()
