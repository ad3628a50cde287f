"""A voice comes at −16 LUFS, whatever its own level, and with bounded peaks."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.sound.filters import SoundFilter
from commentator_lib.sound.voice_level import VOICE_PEAK, VoiceLevel

R = 48_000


def speech_like(seconds: float, level_db: float, seed: int = 0) -> np.ndarray:
    """Return a hum in syllables, as loud as speech is uneven: five a second, int16 (N,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * R)) / R
    hum = sum(np.sin(2 * np.pi * 170 * k * t + rng.uniform(0, 6)) / k for k in range(1, 9))
    sound = hum * np.maximum(0.05, np.sin(2 * np.pi * 2.5 * t))
    sound *= 10 ** (level_db / 20) / np.sqrt(np.mean(sound**2))
    return np.clip(sound * 32767, -32767, 32767).astype(np.int16)


def loudness(samples: np.ndarray) -> tuple[float, float]:
    meter = SoundFilter("ebur128=metadata=1:peak=true", R)
    meter.push(samples)
    return float(meter.metadata["lavfi.r128.I"]), 20 * np.log10(float(meter.metadata["lavfi.r128.true_peak"]))


def spoken(comments: list[np.ndarray], piece: int) -> np.ndarray:
    level, out = VoiceLevel(), []
    for comment in comments:
        level.begin()
        out += [level.push(comment[k : k + piece]) for k in range(0, len(comment), piece)]
        out.append(level.flush())
    return np.concatenate(out)


@pytest.mark.parametrize("level_db", [-45, -30, -20, -10])
def test_any_voice_comes_at_the_same_loudness(level_db):
    comments = [speech_like(3.0, level_db, seed) for seed in range(6)]
    out = spoken(comments, 48_000)
    lufs, peak_db = loudness(out)
    assert len(out) == sum(map(len, comments))
    assert lufs == pytest.approx(-16.0, abs=1.0)
    assert peak_db <= -1.0 and np.abs(out.astype(int)).max() <= VOICE_PEAK * 32767 + 1


def test_short_first_pieces_do_not_mislead_it():
    out = spoken([speech_like(3.0, -28, seed) for seed in range(6)], 4800)
    assert loudness(out)[0] == pytest.approx(-16.0, abs=1.5)


def test_a_loud_comment_stays_louder_than_a_calm_one():
    calm = [speech_like(3.0, -30, seed) for seed in range(4)]
    out = spoken([*calm, speech_like(3.0, -26, 9)], 48_000)
    assert (
        loudness(out[-3 * R :])[0] - loudness(out[-6 * R : -3 * R])[0] > 1.5
    )  # of 4 dB: its peaks are limited


def test_silence_stays_silence_and_nothing_is_nothing():
    level = VoiceLevel()
    level.begin()
    assert not level.push(np.zeros(4800, np.int16)).any() and len(level.flush()) == 0
