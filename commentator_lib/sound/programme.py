"""Turn captured sound into sound at the times at which it is due, as the picture is.

At rest the samples pass through as they are. While the delay moves, FFmpeg's atempo stretches or shortens the sound
without a change of pitch, by as much as the picture runs slower or faster. Where it has strayed from its time by some
milliseconds (the source's clock drifts), it passes over to the right place, where that cannot be heard. Where sound is
missing, or far from its time, it fades out and in again.

atempo keeps the pitch by laying pieces of the sound over each other where they fit best (WSOLA, FFmpeg's af_atempo).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ, to_int16
from commentator_lib.sound.captured import CapturedSound
from commentator_lib.sound.filters import SoundFilter

# Sound whose time is off by more than this goes on at the right place; while it is stretched, atempo strays by more.
_OFF_S, _STRAYED_S = 0.008, 0.025
# By so much atempo's sound is ahead of its nominal place in the source, at a slow and at a fast tempo: the median over
# crowds, speech and beeps, each give or take 8 ms.
_STRAYS_SLOW_S, _STRAYS_FAST_S = 0.010, -0.006
# Where it is off by more than this, sound was missing: it fades out and in again.
_JUMP_S = 0.3
# Tempos that differ by less are equal; the least and the most that atempo is asked for.
_SAME_TEMPO, _TEMPO = 0.002, (0.5, 2.0)
_BLOCK = PLAYBACK_RATE_HZ // 20  # samples rendered at a time
_FADE = PLAYBACK_RATE_HZ // 200  # samples of a fade at a gap
_SEAM = PLAYBACK_RATE_HZ // 50  # samples in which one sound passes over into another
_PREFERRED = 0.1  # so much more alike must a place at the edge be than one in the middle
_SEAM_EVERY_S = 0.1  # the delay's speed changes in steps: not every step needs a seam of its own
_SEARCHED = round(0.007 * PLAYBACK_RATE_HZ)  # how far the best place for such a seam is searched, in samples

DueOf = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class HeardSound:
    """A piece of the programme as it is heard: `samples`, (N, 2) int16 at 48 kHz, from clock time `at_s` on."""

    at_s: float
    samples: np.ndarray


class ProgrammeRenderer:
    """Renders `sound` piece by piece; `due_of(captured_s)` says when what was captured then is due.

    `jumps` counts places where sound was missing or left out; `stretched_s` the seconds that were stretched.
    """

    def __init__(self, sound: CapturedSound, begins_s: float) -> None:
        self.jumps = 0
        self.stretched_s = 0.0
        self._sound = sound
        self._begins_s = begins_s  # nothing captured before this is heard
        # The number of the sample that comes next, with a fraction while it is stretched, and when it will be heard.
        self._next: float | None = None
        self._at_s = -np.inf
        self._held = np.zeros((0, 2), np.float32)  # the end of what is rendered, which may still be faded
        self._stretcher: SoundFilter | None = None
        self._pushed = 0  # number of the next sample for the stretcher
        self._tempo = 1.0
        self._fade_in = False
        self._seam_after_s = 0.0
        # In digital silence atempo strays; far below hearing, noise keeps it in place.
        self._dither = np.random.default_rng(0).normal(0, 1e-5, (_BLOCK, 2)).astype(np.float32)

    def render(self, until_s: float, due_of: DueOf, now_s: float | None = None) -> list[HeardSound]:
        """Return the pieces up to clock time `until_s`, as far as they have been captured.

        `now_s`: what should have been heard before is left out; None where nothing is too late.
        """
        pieces: list[HeardSound] = []
        while True:
            # 1) Begin, and begin again after sound that came too late.
            if now_s is not None and self._next is not None and self._at_s < now_s:
                pieces += self._fade_out()
                self._next = None
            if self._next is None and not self._begin(due_of, now_s):
                break
            assert self._next is not None
            if self._at_s >= until_s:
                break
            # 2) Jump where the time is far off.
            off_s = self._at_s - due_of(self._sound.time_of(self._next))
            if abs(off_s) > _JUMP_S:
                pieces += self._fade_out()
                self._next = None
                continue
            # 3) Take the next block, as it is or stretched.
            block = self._block(off_s, due_of)
            if block is None:
                break
            pieces += self._give(block)
        return pieces

    def finish(self) -> list[HeardSound]:
        """Return what is held back, faded out: no more sound will come."""
        return self._fade_out()

    # --- the beginning, and gaps

    def _begin(self, due_of: DueOf, now_s: float | None) -> bool:
        """Choose the sample to begin with; return False where there is none yet."""
        sound = self._sound
        if sound.end_s is None:
            return False
        # 1) The first that is not heard yet, and is not too late.
        number = max(sound.number_at(self._begins_s), sound.first)
        earliest_s = self._at_s if now_s is None else max(self._at_s, now_s)
        late_s = earliest_s - due_of(sound.time_of(number))
        if late_s > 0:
            number = sound.number_at(sound.time_of(number) + late_s)
        if number >= sound.end:
            return False
        # 2) It is heard when it is due.
        self._begins_s = sound.time_of(number)
        self.jumps += self._at_s > -np.inf
        self._next, self._at_s = float(number), max(due_of(self._begins_s), earliest_s)
        self._held = np.zeros((0, 2), np.float32)
        self._fade_in, self._seam_after_s = True, self._at_s + _SEAM_EVERY_S
        return True

    def _fade_out(self) -> list[HeardSound]:
        """Return the held sound, faded out; the stretcher is dropped."""
        held, self._held, self._stretcher = self._held, self._held[:0], None
        if self._next is not None:
            self._begins_s = self._sound.time_of(self._next)
        if len(held) == 0:
            return []
        count = min(_FADE, len(held))
        held = held.copy()
        held[-count:] *= np.linspace(1.0, 0.0, count, dtype=np.float32)[:, None]
        return [HeardSound(self._at_s - len(held) / PLAYBACK_RATE_HZ, to_int16(held))]

    # --- blocks

    def _block(self, off_s: float, due_of: DueOf) -> np.ndarray | None:
        """Return the next samples, (N, 2) float32, and move on by them; None where they are not captured yet."""
        tempo = self._wanted_tempo(due_of)
        stretching = self._stretcher is not None
        same = abs(tempo - (self._tempo if stretching else 1.0)) < _SAME_TEMPO
        # 1) Pass over to another tempo, or to the right place where this one has strayed.
        strayed = abs(off_s) > (_STRAYED_S if stretching else _OFF_S)
        if (not same or strayed) and self._at_s >= self._seam_after_s:
            self._seam_after_s = self._at_s + _SEAM_EVERY_S
            return self._seam(off_s, tempo)
        # 2) Go on.
        return self._stretched() if stretching else self._plain()

    def _wanted_tempo(self, due_of: DueOf) -> float:
        """Return the seconds of captured sound that are due within one second now; 1 where that is nearly so."""
        assert self._next is not None
        now_s, around_s = self._sound.time_of(self._next), _BLOCK / PLAYBACK_RATE_HZ
        tempo = 2 * around_s / max(1e-3, due_of(now_s + around_s) - due_of(now_s - around_s))
        return 1.0 if abs(tempo - 1.0) < _SAME_TEMPO else min(_TEMPO[1], max(_TEMPO[0], tempo))

    def _plain(self) -> np.ndarray | None:
        assert self._next is not None
        first = round(self._next)
        count = min(_BLOCK, self._sound.end - first)
        if count <= 0:
            return None
        self._next = float(first + count)
        return self._read(first, count)

    def _read(self, first: int, count: int) -> np.ndarray:
        """Return samples as float32 (count, 2); `to_int16` gives the same integers again."""
        return self._sound.read(first, count).astype(np.float32) / np.float32(32767.0)

    def _stretched(self) -> np.ndarray | None:
        """Return the next samples out of the stretcher."""
        assert self._next is not None and self._stretcher is not None
        # 1) Push until something comes out.
        while True:
            count = min(_BLOCK, self._sound.end - self._pushed)
            if count <= 0:
                return None
            block = self._read(self._pushed, count) + self._dither[:count]
            self._pushed += count
            out = self._stretcher.push(block)
            if len(out):
                break
        # 2) What came out stands for so much of the source.
        self._next += len(out) * self._tempo
        self.stretched_s += len(out) / PLAYBACK_RATE_HZ
        return out

    def _seam(self, off_s: float, tempo: float) -> np.ndarray | None:
        """Pass over from the held sound to the right place, where the sound fits best, and go on at a tempo."""
        assert self._next is not None
        tail = self._held[-_SEAM:]
        # 1) The place in the source that is due where the held end begins.
        here = self._tempo if self._stretcher is not None else 1.0
        centre = round(self._next + off_s * PLAYBACK_RATE_HZ * tempo - len(tail) * here)
        if self._sound.end < centre + _SEARCHED + 2 * len(tail):
            return self._plain() if self._stretcher is None else self._stretched()
        # 2) Near it, the place at which the sound is most like the held end.
        around = self._read(centre - _SEARCHED, len(tail) + 2 * _SEARCHED)
        shift, likeness = _best_shift(tail.mean(axis=1), around.mean(axis=1))
        seam = _passed_over(tail, around[shift : shift + len(tail)], likeness)
        # 3) Go on from there.
        first = centre - _SEARCHED + shift + len(tail)
        self._next, self._pushed, self._tempo = float(first), first, tempo
        if tempo != 1.0:
            self._next += (_STRAYS_SLOW_S if tempo < 1.0 else _STRAYS_FAST_S) * PLAYBACK_RATE_HZ
        self._stretcher = None if tempo == 1.0 else SoundFilter(f"atempo={tempo:.5f}", PLAYBACK_RATE_HZ, 2)
        self._held = self._held[: len(self._held) - len(tail)]
        self._at_s -= len(tail) / PLAYBACK_RATE_HZ
        return seam

    def _give(self, block: np.ndarray) -> list[HeardSound]:
        """Return what may be heard now that a block has come; hold its end back for a seam or a fade."""
        if self._fade_in:
            count = min(_FADE, len(block))
            block = block.copy()
            block[:count] *= np.linspace(0.0, 1.0, count, dtype=np.float32)[:, None]
            self._fade_in = False
        joined = np.concatenate([self._held, block])
        self._at_s += len(block) / PLAYBACK_RATE_HZ
        given, self._held = joined[:-_SEAM], joined[-_SEAM:]
        if len(given) == 0:
            return []
        return [HeardSound(self._at_s - len(joined) / PLAYBACK_RATE_HZ, to_int16(given))]


def _best_shift(tail: np.ndarray, around: np.ndarray) -> tuple[int, float]:
    """Return where `tail` (N,) fits best into `around` (M,), and how alike both are there, −1 to 1."""
    products = np.correlate(around, tail, "valid")  # (M − N + 1,)
    energies = np.convolve(np.square(around, dtype=np.float64), np.ones(len(tail)), "valid")
    own = float(np.sum(np.square(tail, dtype=np.float64)))
    likeness = products / np.sqrt(np.maximum(energies * own, 1e-6))
    # The right place is in the middle: a place at the edge must fit clearly better.
    off = np.abs(np.linspace(-1.0, 1.0, len(likeness)))
    best = int(np.argmax(likeness - _PREFERRED * off))
    return best, float(likeness[best])


def _passed_over(old: np.ndarray, new: np.ndarray, likeness: float) -> np.ndarray:
    """Return a crossfade from `old` to `new`, both (N, 2), whose power is steady for sounds so alike."""
    fade = np.linspace(0.0, 1.0, len(old), dtype=np.float32)[:, None]
    power = fade**2 + (1 - fade) ** 2 + 2 * fade * (1 - fade) * max(0.0, likeness)
    return (old * (1 - fade) + new * fade) / np.sqrt(power)
