"""The course of a game as its board shows it: score, clock, when the board is there, and the true changes.

Rules of time, which tests check: a change's `at_frame` is the first frame with the new score, on a board that is
wholly there and stays for 3 s more; clocks advance (or count down) one second a second, but in some traps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from experiments.boards.teams import Team

FPS = 25
SLIDE_FRAMES = 10  # how long a board takes to come or to go
FLIP_FRAMES = 4  # how long digits take to fade out before a change, and to fade in after it
LONG_AGO_FRAMES = 100  # after a change so far back nothing of it is drawn any more
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A true change. `accepts`: what counts as its new score, the first is the usual one."""

    at_frame: int
    accepts: tuple[Pair, ...]
    correction: bool = False

    @property
    def t_s(self) -> float:
        """The time of the first frame with the new score, in seconds."""
        return self.at_frame / FPS


@dataclass(frozen=True, slots=True)
class Step:
    """What stands on the board from a frame on: the score, and texts by their name (the sport says which)."""

    from_frame: int
    score: Pair
    texts: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Face:
    """What a board shows in one frame. `ink` is the opacity of the score's digits, below 1 while they change.

    For boards that make something of a change: `before` is the score before it, `since` the frames since then (at most
    LONG_AGO_FRAMES); `goal`: a goal is celebrated, and the new score is not there yet; `small`: the board has shrunk.
    """

    teams: tuple[Team, Team]
    score: Pair
    clock: str = ""
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    ink: float = 1.0
    before: Pair = ("", "")
    since: int = LONG_AGO_FRAMES
    goal: bool = False
    small: bool = False

    def text(self, name: str, otherwise: str = "") -> str:
        """Return one of the texts, or `otherwise` where the board has none of that name."""
        return self.texts.get(name, otherwise)


@dataclass(frozen=True, eq=False)
class Course:
    """The course of a clip: steps of the board, and arrays with a row for each frame."""

    sport: str
    teams: tuple[Team, Team]
    steps: tuple[Step, ...]
    changes: tuple[Change, ...]
    clock_s: np.ndarray  # (frames,) what the clock shows; NaN where it shows nothing
    shown: np.ndarray  # (frames,) share of the board that is there: 0 hidden, 1 wholly there
    flips: bool = False  # the digits fade out and in at a change
    moves: bool = False  # the board is told how far back the last change is
    goal_frames: int = 0  # before a change, a goal is celebrated for so long
    shrinks_at: int = 1_000_000  # the frame from which the board is small

    @property
    def frames(self) -> int:
        return len(self.shown)

    def step_at(self, frame: int) -> int:
        """Return the number of the step that a frame shows."""
        return max(0, bisect_right([step.from_frame for step in self.steps], frame) - 1)

    def face(self, frame: int) -> Face:
        """Return what the board shows in a frame, whether or not it is there."""
        number = self.step_at(frame)
        step = self.steps[number]
        clock = clock_text(float(self.clock_s[frame]))
        texts = dict(step.texts)
        if self.sport == "basketball":
            texts["shot"] = str(24 - int((frame - step.from_frame) / FPS) % 24)
        face = Face(self.teams, step.score, clock, texts, self._ink(frame, number))
        return replace(face, **self._movement(frame, number))

    def _movement(self, frame: int, number: int) -> dict[str, Any]:
        """Return the parts of a face that boards with movements show."""
        found: dict[str, Any] = {"small": frame >= self.shrinks_at}
        if self.moves and number > 0:
            found["before"] = self.steps[number - 1].score
            found["since"] = min(LONG_AGO_FRAMES, frame - self.steps[number].from_frame)
        if number + 1 < len(self.steps):
            found["goal"] = self.steps[number + 1].from_frame - frame <= self.goal_frames
        return found

    def _ink(self, frame: int, number: int) -> float:
        if not self.flips:
            return 1.0
        ink = 1.0
        if number > 0:
            ink = min(ink, (frame - self.steps[number].from_frame + 1) / FLIP_FRAMES)
        if number + 1 < len(self.steps):
            ink = min(ink, (self.steps[number + 1].from_frame - frame - 1) / FLIP_FRAMES)
        return ink


def clock_text(seconds: float) -> str:
    """Return the text of a clock.

    >>> clock_text(3.9), clock_text(5474.0), clock_text(float("nan"))
    ('00:03', '91:14', '')
    """
    if np.isnan(seconds):
        return ""
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def running_clock(frames: int, start_s: float, rate: float = 1.0) -> np.ndarray:
    """Return what a clock shows in each frame; it goes `rate` seconds a second, and not below 0."""
    return np.maximum(0.0, start_s + rate * np.arange(frames) / FPS)


def no_clock(frames: int) -> np.ndarray:
    """Return the array of a clock that is not there."""
    return np.full(frames, np.nan)


def shown_but(frames: int, hidden: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Return the share of the board that is there: it is wholly gone within each stretch [from, to) of frames.

    It leaves before a stretch and comes back after it, and takes SLIDE_FRAMES for each.
    """
    shown = np.ones(frames)
    at = np.arange(frames)
    for start, stop in hidden:
        gone = np.maximum(start - at, at - stop + 1) / SLIDE_FRAMES  # 0 at the edges, 1 well outside
        shown = np.minimum(shown, np.clip(gone, 0.0, 1.0))
    return shown


def change_frames(rng: np.random.Generator, frames: int, count: int, gap_s: float = 7.0) -> list[int]:
    """Return when the score changes: `count` frames at least `gap_s` apart, away from both ends."""
    first, last = 8 * FPS, frames - 5 * FPS
    spare = last - first - (count - 1) * round(gap_s * FPS)
    offsets = np.sort(rng.integers(0, max(1, spare), count))
    return [first + int(offset) + k * round(gap_s * FPS) for k, offset in enumerate(offsets)]


def hidden_stretches(
    rng: np.random.Generator, frames: int, changes: list[int]
) -> tuple[tuple[int, int], ...]:
    """Return when the board is hidden: perhaps at the start, perhaps for one replay well away from all changes."""
    hidden: list[tuple[int, int]] = []
    if rng.random() < 0.35:
        hidden.append((-SLIDE_FRAMES, int(rng.integers(20, 50))))
    if rng.random() < 0.5:
        length = int(rng.integers(3 * FPS, 5 * FPS))
        edges = [3 * FPS, *changes, frames]
        for before, after in zip(edges[:-1], edges[1:], strict=True):
            start = before + round(3.6 * FPS)
            if start + length + 2 * FPS + SLIDE_FRAMES <= after:
                hidden.append((start, start + length))
                break
    return tuple(hidden)
