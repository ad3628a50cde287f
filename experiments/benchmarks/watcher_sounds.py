"""Make sound with known events, for `bench_watchers`: a crowd with roars, whistles, speech, and much that is neither.

All is drawn from one seed; the speech is that of the embedded voice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy.signal import butter, chirp, resample_poly, sosfilt

from experiments.benchmarks.watcher_clips import Known

RATE_HZ = 48_000
RATES_HZ = (8_000, 16_000, 24_000, 44_100, 48_000)
SENTENCES = (
    "They pass it back and look for a way through the middle of the field.",
    "A long ball now, and the keeper comes out to gather it without any trouble.",
    "It has been a quiet spell, with neither of the teams taking any risk at all.",
    "The next corner will be taken from the left, and everybody is waiting for it.",
)
OTHERS = ("music", "high music", "drum", "chant", "applause", "chirps", "clip", "beep", "speech")


@dataclass
class Sound:
    """A made piece of sound: `samples` (N,) float32 at `rate_hz`, what is known of it, and what else is in it."""

    samples: np.ndarray
    rate_hz: int
    truth: list[Known] = field(default_factory=list)
    others: list[Known] = field(default_factory=list)


def _band(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    return np.asarray(sosfilt(butter(2, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos"), samples))


def _level(samples: np.ndarray, db: float) -> np.ndarray:
    return samples * (10 ** (db / 20) / max(float(np.sqrt(np.mean(samples**2))), 1e-9))


def crowd(seconds: float, rng: np.random.Generator, db: float) -> np.ndarray:
    """Return a murmuring crowd of a level in dBFS, which drifts by one or two decibels."""
    count = round(seconds * RATE_HZ)
    knots = rng.normal(0, 1.2, int(seconds / 2) + 3)
    drift_db = np.interp(np.arange(count) / RATE_HZ, np.arange(len(knots)) * 2.0, knots)
    noise = _band(rng.standard_normal(count), 180, 2200) + 0.25 * _band(
        rng.standard_normal(count), 1500, 7000
    )
    return _level(noise, db) * 10 ** (drift_db / 20)


def roar(rng: np.random.Generator, db: float) -> np.ndarray:
    """Return a roar: it rises within 0.1 to 0.5 s, stays for some seconds, and falls slowly."""
    attack_s, hold_s, fall_s = rng.uniform(0.1, 0.5), rng.uniform(1.0, 3.0), rng.uniform(1.0, 2.5)
    t = np.arange(round((attack_s + hold_s + fall_s) * RATE_HZ)) / RATE_HZ
    shape = np.minimum(
        np.clip(t / attack_s, 0, 1), np.exp(-np.clip(t - attack_s - hold_s, 0, None) / fall_s * 3)
    )
    return _level(_band(rng.standard_normal(len(t)), 300, 4000), db) * shape


def whistle(rng: np.random.Generator, db: float) -> np.ndarray:
    """Return one blast of a whistle with a pea (a trill) or without (two or three tones that beat)."""
    length_s, hz = rng.uniform(0.2, 1.2), rng.uniform(2200, 3800)
    t = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    if rng.random() < 0.5:
        trill_hz, depth = rng.uniform(18, 45), rng.uniform(0.25, 0.8)
        phase = 2 * np.pi * hz * t + rng.uniform(0.3, 1.5) * np.sin(2 * np.pi * trill_hz * t)
        tone = np.sin(phase) * (1 - depth * 0.5 * (1 + np.sin(2 * np.pi * trill_hz * t + 1)))
    else:
        tone = sum(a * np.sin(2 * np.pi * (hz + d) * t) for a, d in ((1.0, 0.0), (0.7, rng.uniform(40, 110))))
    tone = tone + 0.02 * rng.standard_normal(len(t))
    return _level(tone, db) * np.minimum(1, np.minimum(t, length_s - t) / 0.015)


@cache
def spoken(which: int) -> np.ndarray:
    """Return a sentence of the embedded voice at 48 kHz, at −20 dBFS."""
    from commentator_lib.voices.hibari import HibariVoice

    chunks = list(HibariVoice().speak(SENTENCES[which]))
    return _level(
        resample_poly(np.concatenate([c.samples for c in chunks]), RATE_HZ, chunks[0].sample_rate_hz), -20
    )


def other(kind: str, rng: np.random.Generator, db: float) -> np.ndarray:
    """Return some seconds of sound that is neither a roar nor a whistle."""
    seconds = rng.uniform(3, 6)
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    if kind in ("music", "high music"):
        base_hz, sound, note_s = (
            (220.0, np.zeros(len(t)), 0.0) if kind == "music" else (1760.0, np.zeros(len(t)), 0.0)
        )
        while note_s < seconds - 0.2:
            hz, length_s = base_hz * 2 ** (int(rng.integers(0, 13)) / 12), float(rng.choice([0.2, 0.3, 0.45]))
            part = slice(round(note_s * RATE_HZ), min(len(t), round((note_s + length_s) * RATE_HZ)))
            u = t[part] - note_s
            tones = sum(
                0.5**k * np.sin(2 * np.pi * hz * (k + 1) * u) for k in range(1 if kind == "high music" else 6)
            )
            sound[part] += tones * np.minimum(1, u / 0.01) * np.exp(-2 * u)
            note_s += length_s
        return _level(sound, db)
    if kind == "drum":
        rate = rng.uniform(1.5, 4)
        age = (t * rate % 1.0) / rate
        return _level(
            np.exp(-age / 0.06) * (np.sin(2 * np.pi * 90 * age) + 0.3 * rng.standard_normal(len(t))), db
        )
    if kind == "chant":
        beat = 0.5 * (1 + np.sin(2 * np.pi * rng.uniform(1.2, 2.2) * t)) ** 2
        voices = sum(
            np.sin(2 * np.pi * rng.uniform(190, 230) * k * t + rng.uniform(0, 6)) / k
            for k in range(1, 9)
            for _ in range(4)
        )
        return _level(beat * (voices + 0.8 * _band(rng.standard_normal(len(t)), 300, 2500)), db)
    if kind == "applause":
        t = np.arange(round(12 * RATE_HZ)) / RATE_HZ
        grows_db = np.minimum(0, -20 + 2.2 * t) - 4 * np.clip(t - 10, 0, None)
        return _level(_band(rng.standard_normal(len(t)), 800, 6000), db) * 10 ** (grows_db / 20)
    if kind == "chirps":
        sound = np.zeros(len(t))
        for start_s in np.arange(0.1, seconds - 0.5, rng.uniform(0.3, 0.6)):
            u = t[: round(rng.uniform(0.1, 0.3) * RATE_HZ)]
            first_hz = rng.uniform(2200, 4200)
            tone = chirp(
                u, first_hz, u[-1], first_hz + rng.choice([-1, 1]) * rng.uniform(500, 1500)
            ) * np.hanning(len(u))
            sound[round(start_s * RATE_HZ) :][: len(u)] += tone[: len(sound) - round(start_s * RATE_HZ)]
        return _level(sound, db)
    if kind == "beep":
        return _level(np.sin(2 * np.pi * rng.uniform(900, 1500) * t) * (t % 1.0 < 0.3), db)
    if kind == "clip":
        return np.clip(_level(np.sin(2 * np.pi * rng.uniform(80, 400) * t), 0) * 3, -1, 1) * 10 ** (db / 20)
    return _level(spoken(int(rng.integers(len(SENTENCES)))), db)


def make_sound(seed: int, slots: int = 10) -> Sound:
    """Return about two minutes of a crowd in which roars, whistles, speech and other things happen, seconds apart."""
    rng = np.random.default_rng(seed)
    base_db = rng.uniform(-44, -32)
    made = Sound(np.zeros(0), int(rng.choice(RATES_HZ)))
    pieces: list[tuple[float, np.ndarray]] = []
    now_s = 9.0
    for _ in range(slots):
        what = str(rng.choice(["roar", "whistle", "whistle", "other", "other"]))
        if what == "roar":
            piece = roar(rng, base_db + rng.uniform(11, 20))
            made.truth.append(Known("swell", now_s, now_s + 0.5))
        elif what == "whistle":
            piece = whistle(rng, base_db + rng.uniform(2, 14))
            made.truth.append(Known("whistle", now_s, now_s))
        else:
            what = str(rng.choice(OTHERS))
            piece = other(what, rng, base_db + rng.uniform(6, 14))
            if what == "speech":
                made.truth.append(Known("speech", now_s, now_s + 1.5))
            made.others.append(Known(what, now_s, now_s + len(piece) / RATE_HZ))
        pieces.append((now_s, piece))
        now_s += len(piece) / RATE_HZ + rng.uniform(5, 9)
    if rng.random() < 0.5:
        made.truth.append(Known("silence", now_s, now_s + 0.1))
        quiet_s, now_s = now_s, now_s + 5.0
    else:
        quiet_s = now_s
    sound = crowd(now_s, rng, base_db)
    sound[round(quiet_s * RATE_HZ) :] *= 1e-4
    for start_s, piece in pieces:
        first = round(start_s * RATE_HZ)
        sound[first : first + len(piece)] += piece[: len(sound) - first]
    if made.rate_hz != RATE_HZ:
        ratio = np.gcd(made.rate_hz, RATE_HZ)
        sound = resample_poly(sound, made.rate_hz // ratio, RATE_HZ // ratio)
    made.samples = np.clip(sound + 0.01 * (rng.random() < 0.3), -1, 1).astype(np.float32)
    return made
