"""The mix of voice and programme in real time: pieces come shortly before they are heard, or at the last moment.

What is asked for is final: a piece that comes after its time has been rendered is heard from then on where it has not
passed. So whoever asks stays a moment behind, and by that moment the programme is turned down before a word that came
at the last instant, as in an exported run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ, to_float32, to_int16
from commentator_lib.sound.ducking import Interval
from commentator_lib.sound.mix import Mixer

_FADE = PLAYBACK_RATE_HZ // 200  # samples of a fade at a cut: 5 ms
# What ended so long ago is neither rendered any more, nor does it turn anything down.
_FORGOTTEN_S = 2.0
_BLOCK = PLAYBACK_RATE_HZ // 10  # the most samples that are mixed at once


def faded(samples: np.ndarray) -> np.ndarray:
    """Return a copy of int16 (N,) or (N, 2) whose end fades to silence over 5 ms at 48 kHz: a cut does not click."""
    count = min(len(samples), _FADE)
    copy = np.array(samples)
    if count:
        ramp = np.linspace(1.0, 0.0, count, dtype=np.float32)
        tail = copy[-count:] * (ramp if copy.ndim == 1 else ramp[:, None])
        copy[-count:] = tail.astype(copy.dtype)
    return copy


@dataclass(slots=True)
class _Piece:
    """Sound that is heard from clock time `at_s` on: int16, (N,) of a comment or (N, 2) of the programme."""

    at_s: float
    samples: np.ndarray
    comment_id: int | None = None
    offset_s: float = 0.0  # in its comment

    @property
    def end_s(self) -> float:
        return self.at_s + len(self.samples) / PLAYBACK_RATE_HZ

    def end_at(self, at_s: float) -> None:
        """Leave out what is heard from `at_s` on, with a fade; nothing where it ends before."""
        keep = max(0, round((at_s - self.at_s) * PLAYBACK_RATE_HZ))
        if keep < len(self.samples):
            self.samples = faded(self.samples[:keep])


class LiveMix:
    """Places pieces on the clock, as a player with a sound card does, and renders the mix from a time on.

    Comments are heard one after another: a piece that follows one of its comment begins at that one's end, or when it
    has come, if that is later. Times are seconds of one clock. `duck_db` ≥ 0: how far the programme is turned down.
    """

    def __init__(self, duck_db: float) -> None:
        self.duck_db = duck_db
        self._voice: list[_Piece] = []
        self._programme: list[_Piece] = []
        self._sent_s: dict[int, float] = {}  # seconds of each comment that have come
        self._heard: dict[int, Interval] = {}
        self._cut: set[int] = set()
        self._free_at_s = float("-inf")  # when all that has been placed will have been heard
        self._mixer: Mixer | None = None
        self._zero_s = 0.0
        self._pushed = self._given = 0  # samples since `_zero_s`

    def play(self, samples: np.ndarray, comment_id: int, start_at_s: float, now_s: float) -> None:
        """Take the next piece of a comment, int16 (N,); the first is to be heard at `start_at_s`."""
        if comment_id in self._cut or len(samples) == 0:
            return
        offset_s = self._sent_s.get(comment_id, 0.0)
        earliest_s = max(self._free_at_s, now_s)
        at_s = earliest_s if offset_s > 0 else max(start_at_s, earliest_s)
        piece = _Piece(at_s, samples, comment_id, offset_s)
        self._sent_s = {k: v for k, v in self._sent_s.items() if k >= comment_id - 8}
        self._sent_s[comment_id] = offset_s + len(samples) / PLAYBACK_RATE_HZ
        self._voice.append(piece)
        self._free_at_s = piece.end_s
        self._heard[comment_id] = (self._heard.get(comment_id, (at_s, 0.0))[0], piece.end_s)
        self._forget(now_s)

    def play_programme(self, samples: np.ndarray, start_at_s: float, now_s: float) -> None:
        """Take the next piece of the programme, int16 (N, 2), to be heard at `start_at_s`."""
        self._programme.append(_Piece(start_at_s, samples))
        self._forget(now_s)

    def cut(self, comment_id: int, at_heard_s: float, now_s: float) -> None:
        """End a comment after `at_heard_s` seconds of its own sound, but not before `now_s`."""
        self._cut = {k for k in self._cut if k >= comment_id - 8} | {comment_id}
        for piece in self._voice:
            if piece.comment_id == comment_id:
                piece.end_at(max(piece.at_s + at_heard_s - piece.offset_s, now_s))
        self._measure()

    def stop(self, now_s: float) -> None:
        """End all sound at `now_s`: the run is over. Comments count from 1 again."""
        for piece in (*self._voice, *self._programme):
            piece.end_at(now_s)
        self._measure()
        self._sent_s.clear()
        self._cut.clear()
        self._free_at_s = float("-inf")

    def voice_end_s(self, comment_id: int) -> float | None:
        """Return when what is known of a comment will have been heard; None where it has no sound."""
        heard = self._heard.get(comment_id)
        return None if heard is None else heard[1]

    def begin(self, at_s: float) -> None:
        """Render from `at_s` on, as if nothing had been heard before."""
        self._mixer, self._zero_s = Mixer(self.duck_db, ()), at_s
        self._pushed = self._given = 0

    def render(self, until_s: float) -> tuple[float, np.ndarray]:
        """Return (clock time of the first sample, float32 (M, 2)): all that is final of what is heard before `until_s`.

        It follows what was returned before; the limiter keeps some milliseconds back. Call `begin` first.
        """
        assert self._mixer is not None, "call begin first"
        from_s = self._zero_s + self._given / PLAYBACK_RATE_HZ
        end = int((until_s - self._zero_s) * PLAYBACK_RATE_HZ)
        parts = [np.zeros((0, 2), np.float32)]
        while self._pushed < end:
            first, self._pushed = self._pushed, min(end, self._pushed + _BLOCK)
            programme = self._read(self._programme, first, (self._pushed - first, 2))
            voice = self._read(self._voice, first, (self._pushed - first,))
            self._mixer.set_ducking(self.duck_db, list(self._heard.values()))
            at_s = self._zero_s + first / PLAYBACK_RATE_HZ
            parts.append(self._mixer.push(to_float32(programme), to_float32(voice), at_s))
        self._forget(self._zero_s + self._pushed / PLAYBACK_RATE_HZ)
        mixed = np.concatenate(parts)
        self._given += len(mixed)
        return from_s, mixed

    def _read(self, pieces: list[_Piece], first: int, shape: tuple[int, ...]) -> np.ndarray:
        """Return int16 samples from number `first` on: silence where there is no piece."""
        out = np.zeros(shape, np.int16)
        for piece in pieces:
            start = round((piece.at_s - self._zero_s) * PLAYBACK_RATE_HZ) - first
            low, high = max(0, start), min(len(out), start + len(piece.samples))
            if low < high:
                out[low:high] = to_int16(piece.samples[low - start : high - start])
        return out

    def _measure(self) -> None:
        """Bring the intervals and the end up to date after a cut."""
        self._voice = [p for p in self._voice if len(p.samples)]
        self._programme = [p for p in self._programme if len(p.samples)]
        self._heard = {}
        for piece in self._voice:
            if piece.comment_id is not None:
                from_s = self._heard.get(piece.comment_id, (piece.at_s, 0.0))[0]
                self._heard[piece.comment_id] = (from_s, piece.end_s)
        self._free_at_s = max((p.end_s for p in self._voice), default=float("-inf"))

    def _forget(self, now_s: float) -> None:
        """Drop what has been heard: by what was rendered, or by the clock while nobody renders."""
        before_s = now_s - _FORGOTTEN_S
        self._voice = [p for p in self._voice if p.end_s > before_s]
        self._programme = [p for p in self._programme if p.end_s > before_s]
        self._heard = {k: heard for k, heard in self._heard.items() if heard[1] > before_s}
