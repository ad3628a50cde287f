"""The sound of the scripted match, computed from its plan (`heard`): crowd, whistle and kicks; no recording.

The crowd is noise with three colours: a murmur that is always there and drifts, a bright roar, a dark "ooh". A whistle
is a tone with a trill, a kick a falling thump; both have a faint echo of the stands. All of it comes in blocks of one
second, each a pure function of the script and the block's number, so that a match of hours needs little memory.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

from experiments.match_clip.events import Sound
from experiments.match_clip.heard import SWELL_FALL_S
from experiments.match_clip.script import REFEREE, Script
from experiments.match_clip.world import FPS, HALF_LENGTH_M

RATE_HZ = 48_000
BLOCK = RATE_HZ  # samples
BED_DBFS = -34.0  # level of the murmur, RMS of a channel
_LINEAR, _MOST = 0.65, 0.89  # samples above the first are bent, and none is above the second

# The colours of the crowd: (Hz, dB). A murmur is dull; a roar is an open "aah"; an "ooh" has its voices below 800 Hz.
_COLOURS = {
    "murmur": (
        (30, -30),
        (80, -8),
        (150, -3),
        (300, 0),
        (600, 0),
        (1000, -3),
        (2000, -10),
        (4000, -18),
        (8000, -30),
    ),
    "roar": ((50, -35), (150, -12), (300, -4), (700, 0), (1200, 0), (2200, -4), (4000, -10), (8000, -20)),
    "ooh": ((50, -35), (150, -8), (300, 0), (500, 0), (800, -3), (1200, -12), (2500, -20), (6000, -32)),
}
_TAPS = 1025
_SHARED = 0.45  # share of a crowd's power that is the same left and right
_GAIN_STEP = 96  # samples: levels are computed every 2 ms
_DRIFT = ((31.0, 0.9), (13.0, 0.7), (7.3, 0.5), (3.1, 0.4), (1.7, 0.3))  # (period in s, dB)
_ECHOES = ((0.083, 0.097, -13.0), (0.187, 0.171, -17.0), (0.331, 0.353, -21.0))  # (left s, right s, dB)
_ECHO_S = 0.36
_OF_NOISE, _OF_LEVELS, _OF_WHISTLE, _OF_PIECE = range(10, 14)  # which random numbers of the match's seed


def sound_blocks(script: Script) -> Iterator[np.ndarray]:
    """Yield the match's sound, (N, 2) float32 at RATE_HZ, in blocks of a second; the last one may be shorter.

    Together they are exactly as long as the pictures. No sample is above 0.9.
    """
    samples = script.frames * RATE_HZ // FPS
    sounds, seed = script.truth.sounds, script.truth.seed
    pieces = [sound for sound in sounds if sound.kind in ("whistle", "kick")]
    starts = [round(sound.from_s * RATE_HZ) for sound in pieces]
    crowd = [sound for sound in sounds if sound.kind not in ("whistle", "kick")]
    ringing = np.zeros((0, 2), np.float32)  # what goes on after the block in which it began
    for k, first in enumerate(range(0, samples, BLOCK)):
        # 1) the crowd
        mixed = _crowd_block(seed, crowd, k)
        # 2) whistles and kicks
        longer = np.zeros((max(BLOCK, len(ringing)), 2), np.float32)
        longer[: len(ringing)] = ringing
        for which in range(bisect_left(starts, first), bisect_left(starts, first + BLOCK)):
            piece, at = _piece(script, pieces[which]), starts[which] - first
            if at + len(piece) > len(longer):
                longer = np.pad(longer, ((0, at + len(piece) - len(longer)), (0, 0)))
            longer[at : at + len(piece)] += piece
        mixed = mixed + longer[:BLOCK]
        ringing = longer[BLOCK:]
        yield _limited(mixed[: samples - first])


def match_sound(script: Script) -> np.ndarray:
    """Return the whole sound of a match at once, (N, 2) float32 at RATE_HZ."""
    return np.concatenate(list(sound_blocks(script)))


def _limited(samples: np.ndarray) -> np.ndarray:
    """Return samples of which none is above `_MOST`; those below `_LINEAR` stay as they are."""
    size, room = np.abs(samples), _MOST - _LINEAR
    bent = _LINEAR + room * np.tanh((size - _LINEAR) / room)
    return np.where(size > _LINEAR, np.copysign(bent, samples), samples).astype(np.float32)


# --- the crowd ---


def _crowd_block(seed: int, sounds: list[Sound], k: int) -> np.ndarray:
    """Return the crowd of the block number k, (BLOCK, 2) float32."""
    time_s = k * BLOCK / RATE_HZ + np.arange(0, BLOCK + 1, _GAIN_STEP) / RATE_HZ
    levels = crowd_levels(seed, sounds, time_s)
    mixed = np.zeros((BLOCK, 2), np.float32)
    for colour, level in levels.items():
        if level.any():
            gain = np.interp(np.arange(BLOCK), np.arange(len(level)) * _GAIN_STEP, level)
            mixed += (gain[:, None] * _noise_block(seed, colour, k)).astype(np.float32)
    return mixed


def crowd_levels(seed: int, sounds: list[Sound], time_s: np.ndarray) -> dict[str, np.ndarray]:
    """Return the RMS of each colour of the crowd at given times (N,), for full scale 1."""
    bed = 10 ** (BED_DBFS / 20)
    drift_db = _drift_db(seed, time_s)
    near = [s for s in sounds if s.from_s <= time_s[-1] and s.to_s >= time_s[0]]
    swell_db = np.zeros(len(time_s))
    levels = {colour: np.zeros(len(time_s)) for colour in _COLOURS}
    for sound in near:
        if sound.kind == "swell":
            swell_db = np.maximum(swell_db, sound.level_db * _swell_shape(sound, time_s))
        else:
            loud = bed * 10 ** ((sound.level_db + 0.5 * drift_db) / 20)
            shape = _roar_shape if sound.kind == "roar" else _ooh_shape
            levels[sound.kind] = np.maximum(levels[sound.kind], loud * shape(sound, time_s))
    levels["murmur"] = bed * 10 ** ((drift_db + swell_db) / 20)
    return levels


def _drift_db(seed: int, time_s: np.ndarray) -> np.ndarray:
    """Return how the crowd's level wanders, (N,) dB around 0."""
    phases = np.random.default_rng([seed, _OF_LEVELS]).uniform(0, 2 * np.pi, len(_DRIFT))
    waves = [db * np.sin(2 * np.pi * time_s / s + p) for (s, db), p in zip(_DRIFT, phases, strict=True)]
    return np.sum(waves, axis=0)


def _swell_shape(sound: Sound, time_s: np.ndarray) -> np.ndarray:
    """Return 0 to 1: it grows until SWELL_FALL_S before the sound's end, and falls."""
    top_s = sound.to_s - SWELL_FALL_S
    return np.interp(time_s, (sound.from_s, top_s, sound.to_s), (0.0, 1.0, 0.0))


def _roar_shape(sound: Sound, time_s: np.ndarray) -> np.ndarray:
    """Return 0 to 1: up within 0.35 s, three seconds nearly as loud, then down by 2.5 dB a second, to 0 at the end."""
    age_s = time_s - sound.from_s
    rise = np.sin(np.pi / 2 * np.clip(age_s / 0.35, 0, 1)) ** 2
    fall_db = 0.6 * np.clip(age_s - 0.35, 0, 3) + 2.5 * np.clip(age_s - 3.35, 0, None)
    return rise * 10 ** (-fall_db / 20) * np.clip((sound.to_s - time_s) / 1.0, 0, 1)


def _ooh_shape(sound: Sound, time_s: np.ndarray) -> np.ndarray:
    """Return 0 to 1: up within 0.2 s, then down by 9 dB a second, to 0 at the end."""
    age_s = time_s - sound.from_s
    rise = np.sin(np.pi / 2 * np.clip(age_s / 0.2, 0, 1)) ** 2
    fall_db = 9.0 * np.clip(age_s - 0.4, 0, None)
    return rise * 10 ** (-fall_db / 20) * np.clip((sound.to_s - time_s) / 0.5, 0, 1)


def _noise_block(seed: int, colour: str, k: int) -> np.ndarray:
    """Return noise of a colour with RMS 1, (BLOCK, 2) float32, that joins the blocks before and after it."""
    from scipy.signal import fftconvolve

    which = list(_COLOURS).index(colour)
    white = np.concatenate([_white(seed, which, k - 1)[-_TAPS + 1 :], _white(seed, which, k)])
    both, left, right = fftconvolve(white, _filter(colour)[:, None], mode="valid", axes=0).T
    shared, own = np.sqrt(_SHARED), np.sqrt(1 - _SHARED)
    return np.stack([shared * both + own * left, shared * both + own * right], axis=1)


@functools.lru_cache(maxsize=8)
def _white(seed: int, which: int, k: int) -> np.ndarray:
    """Return white noise of block k, from −1 on: (BLOCK, 3) float32."""
    rng = np.random.default_rng([seed, _OF_NOISE, which, k + 1])
    return rng.standard_normal((BLOCK, 3), dtype=np.float32)


@functools.cache
def _filter(colour: str) -> np.ndarray:
    """Return the filter (_TAPS,) float32 that gives white noise a colour, and leaves its RMS."""
    from scipy.signal import firwin2

    hz, db = np.array(_COLOURS[colour], float).T
    grid_hz = np.linspace(0, RATE_HZ / 2, _TAPS)
    slope = (db[-1] - db[-2]) / np.log(hz[-1] / hz[-2])  # above the table it goes on as steeply
    shown_db = np.interp(np.log(np.maximum(grid_hz, 1.0)), np.log(hz), db)
    shown_db += slope * np.maximum(0.0, np.log(np.maximum(grid_hz, 1.0) / hz[-1]))
    taps = np.asarray(firwin2(_TAPS, grid_hz, 10 ** (shown_db / 20), fs=RATE_HZ))
    return (taps / np.sqrt(np.sum(taps**2))).astype(np.float32)


# --- whistles and kicks ---


def _piece(script: Script, sound: Sound) -> np.ndarray:
    """Return a whistle or a kick with its echo, (N, 2) float32, at its place between left and right."""
    seed, frame = script.truth.seed, min(script.frames - 1, round(sound.from_s * FPS))
    rng = np.random.default_rng([seed, _OF_PIECE, round(sound.from_s * RATE_HZ)])
    if sound.kind == "whistle":
        dry, x = _whistle(seed, rng, sound.to_s - sound.from_s), script.people_xy[frame, REFEREE, 0]
    else:
        dry, x = _kick(rng, sound.to_s - sound.from_s), script.ball[frame, 0]
    dry = dry * 10 ** ((BED_DBFS + sound.level_db) / 20)
    aside = 0.5 * float(np.clip(x / HALF_LENGTH_M, -1, 1))
    wet = np.zeros((len(dry) + round(_ECHO_S * RATE_HZ), 2), np.float32)
    for channel, gain in enumerate((np.sqrt(1 - aside), np.sqrt(1 + aside))):
        wet[: len(dry), channel] = gain * dry
        for echo in _ECHOES:
            at = round(echo[channel] * RATE_HZ)
            wet[at : at + len(dry), channel] += 10 ** (echo[2] / 20) * dry
    return wet


def _whistle(seed: int, rng: np.random.Generator, length_s: float) -> np.ndarray:
    """Return a blast of the referee's whistle with RMS 1, (N,): with a pea that trills, or two tones that beat."""
    own = np.random.default_rng([seed, _OF_WHISTLE])  # a referee has one whistle
    has_pea, hz, trill_hz, beat_hz = own.random() < 0.5, *own.uniform((2600, 26, 60), (3700, 42, 110))
    t = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    hz = hz * (1 + rng.uniform(-0.01, 0.01) - 0.03 * np.exp(-t / 0.02))  # the pitch comes up with the breath
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    if has_pea:
        trill = 2 * np.pi * trill_hz * (1 + 0.05 * rng.uniform(-1, 1)) * t
        tone = np.sin(phase + 1.0 * np.sin(trill)) * (0.65 + 0.35 * np.sin(trill + 1.0))
    else:
        tone = np.sin(phase) + 0.7 * np.sin(phase + 2 * np.pi * beat_hz * t)
    tone = tone + 0.08 * np.sin(2 * phase) + 0.03 * rng.standard_normal(len(t))
    tone *= np.clip(t / 0.012, 0, 1) * np.clip((length_s - t) / 0.04, 0, 1)
    return tone / np.sqrt(np.mean(tone**2))


def _kick(rng: np.random.Generator, length_s: float) -> np.ndarray:
    """Return the thump of a kick with its peak at 1, (N,)."""
    t = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    hz = rng.uniform(75, 95) + rng.uniform(90, 140) * np.exp(-t / 0.018)
    thump = np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ) * np.exp(-t / 0.03)
    slap = 0.4 * np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-t / 0.004)
    kick = (thump + slap) * np.clip(t / 0.001, 0, 1) * np.clip((length_s - t) / 0.02, 0, 1)
    return kick / np.abs(kick).max()
