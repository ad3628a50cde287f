"""Clips that look as if the score changed and in which it does not, and a few rare true changes.

Even numbers of a trap are its first variant, odd ones its second; each function's text says what both show. Boards are
those of development; in some traps there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from experiments.boards import captions as over
from experiments.boards.backgrounds import BRANDS, GroundScenes
from experiments.boards.clip import Clip, Overlay, clip_rng
from experiments.boards.layout import Layout
from experiments.boards.layouts_development import LAYOUTS
from experiments.boards.script import (
    FPS,
    SLIDE_FRAMES,
    Change,
    Course,
    Pair,
    Step,
    no_clock,
    running_clock,
    shown_but,
)
from experiments.boards.shots import Shot, cut_shots, fixed_shot, panning_shot
from experiments.boards.teams import choose_teams

_FRAMES = 30 * FPS
_ALL = 0, _FRAMES
_BOARDS = tuple(
    layout for layout in LAYOUTS if layout.sport == "football" and not layout.fill and not layout.late
)


@dataclass
class Trap:
    """What a trap function may change of a plain clip: a board with a score that stays, cuts, nothing else."""

    rng: np.random.Generator
    second: bool  # the second variant
    course: Course
    shots: tuple[Shot, ...]
    layout: Layout | None
    texts: tuple[tuple[str, ...], ...] = (BRANDS,)
    row_s: float = 8.0
    numbers: bool = False
    under: tuple[Overlay, ...] = ()
    over: tuple[Overlay, ...] = ()

    def hide(self, *stretches: tuple[int, int]) -> None:
        """Hide the board within stretches of frames."""
        self.course = replace(self.course, shown=shown_but(self.course.frames, stretches))

    def score(self, *steps: tuple[int, Pair], changes: tuple[Change, ...] = ()) -> None:
        """Let the board show these scores, each from a frame on; `changes` are those that are true."""
        self.course = replace(
            self.course, steps=tuple(Step(at, score) for at, score in steps), changes=changes
        )


def shirt_numbers(trap: Trap) -> None:
    """Show close-ups of numbered shirts, without a board and with one."""
    trap.numbers = True
    trap.layout = trap.layout if trap.second else None
    trap.shots = tuple(replace(shot, kind=("close", "wide")[k % 2]) for k, shot in enumerate(trap.shots))


def hoarding_panning(trap: Trap) -> None:
    """Show hoardings with "1:1" that move with the camera, without a board and with one."""
    trap.texts = (("1:1", "2:0", "24/7", "3 - 2", "Halmere"),)
    trap.shots = panning_shot(trap.rng, _FRAMES)
    trap.layout = trap.layout if trap.second else None


def hoarding_fixed(trap: Trap) -> None:
    """Show hoardings under a fixed camera whose texts change from "1:1" to "2:1", without a board and with one."""
    trap.texts = (("1:1", "OKAVO", "1 - 0"), ("2:1", "OKAVO", "1 - 1"), ("FIRNIX", "1904", "24:7"))
    trap.row_s = 6.0
    trap.shots = fixed_shot(trap.rng, _FRAMES)
    trap.layout = trap.layout if trap.second else None


def years_and_speeds(trap: Trap) -> None:
    """Show captions with years, speeds, shares and counts of shots; or statistics with names on both sides."""
    texts = (
        "SHOT SPEED 98 km/h",
        "1904 - 2024",
        "POSSESSION 54 - 46",
        "ATTENDANCE 31 204",
        "DISTANCE 10.4 km",
    )
    if trap.second:
        home, away = trap.course.teams
        counts = ((3, 2), (4, 2), (4, 3), (5, 3))
        texts = tuple(f"{home.code}  {a}  SHOTS  {b}  {away.code}" for a, b in counts)
    trap.over = over.captions(texts, 2 * FPS, 4 * FPS, FPS, (0.3, 0.84))


def ticker(trap: Trap) -> None:
    """Show other matches' scores: moving through a band; or in a box in which they change."""
    if not trap.second:
        trap.over = (
            over.ticker(("TOR 1 - 0 NYM 55'", "KAD 2 - 2 LUN 61'", "SKY 0 - 1 BLU 48'", "WEX 3 - 0 ORB 70'")),
        )
        return
    texts = ("KAD 0 - 0 LUN", "KAD 1 - 0 LUN", "TOR 1 - 1 WEX", "TOR 2 - 1 WEX", "ORB 0 - 3 BLU")
    trap.over = over.captions(texts, FPS, 5 * FPS, FPS // 2, (0.66, 0.87))


def joining(trap: Trap) -> None:
    """Begin at 2-1; or at 0-3, with a board that comes after some seconds."""
    trap.score((0, ("0", "3") if trap.second else ("2", "1")))
    if trap.second:
        trap.hide((-SLIDE_FRAMES, 5 * FPS))


def goal_taken_back(trap: Trap) -> None:
    """Let a goal count and then not: the fall is a true change and a correction; or the same after a longer time."""
    goal, back = 8 * FPS, (22 if trap.second else 17) * FPS
    before, after = (("1", "0"), ("1", "1")) if trap.second else (("0", "0"), ("1", "0"))
    changes = Change(goal, (after,)), Change(back, (before,), correction=True)
    trap.score((0, before), (goal, after), (back, before), changes=changes)


def hidden_in_replay(trap: Trap) -> None:
    """Hide the board in two replays; in the second variant it comes back with a goal."""
    stretches = (6 * FPS, 12 * FPS), (18 * FPS, 24 * FPS)
    trap.hide(*stretches)
    trap.over = tuple(over.label("REPLAY", (0.78, 0.05), s, back=(170, 20, 40), digits=13) for s in stretches)
    if trap.second:
        back = 12 * FPS - 1 + SLIDE_FRAMES  # the first frame in which the board is wholly there
        trap.score((0, ("1", "1")), (9 * FPS, ("1", "2")), changes=(Change(back, (("1", "2"),)),))


def fixed_camera(trap: Trap) -> None:
    """Show all from one camera that does not move: nothing changes; or one goal falls."""
    trap.shots = fixed_shot(trap.rng, _FRAMES)
    if trap.second:
        at = 14 * FPS
        trap.score((0, ("0", "1")), (at, ("1", "1")), changes=(Change(at, (("1", "1"),)),))


def no_graphics(trap: Trap) -> None:
    """Show nothing but the game; or the game through a camera that moves along the touchline."""
    trap.layout = None
    if trap.second:
        trap.shots = panning_shot(trap.rng, _FRAMES)


def flickering(trap: Trap) -> None:
    """Let the board come and go several times a second; or let it grow pale again and again."""
    at = np.arange(_FRAMES)
    if trap.second:
        shown = 0.55 + 0.45 * np.cos(at / FPS * 2.4)
    else:
        shown = np.repeat(trap.rng.random(_FRAMES // 6 + 1) < 0.75, 6)[:_FRAMES].astype(float)
    trap.course = replace(trap.course, shown=shown)
    if trap.layout is not None:
        trap.layout = replace(trap.layout, enter="fade")


def commercials(trap: Trap) -> None:
    """Put commercials with numbers between the pictures: prices and mixtures; or an announcement with a result."""
    spots = (("2 : 1", "mix and save"), ("3 - 2 = 1", "sums made easy"), ("0:99", "only this week"))
    if trap.second:
        spots = (("KAD 3 - 2 LUN", "the great final, tonight"), ("20:45", "live"), ("1 + 1", "two for one"))
    trap.over = (over.commercials(spots, (9 * FPS, 21 * FPS)),)


def early_clock(trap: Trap) -> None:
    """Show a clock and no score: time left until the kick-off; or the first minutes, as 04:13."""
    trap.layout = None
    if trap.second:
        trap.over = (over.clock_label(235.0, 1.0, (0.04, 0.06), "HAV  POS  "),)
    else:
        trap.over = (over.clock_label(72.9, -1.0, (0.62, 0.06), "KICK-OFF IN "),)


def goal_banner(trap: Trap) -> None:
    """Repeat a goal in a lower banner after the board has shown it; the second banner names minutes, too."""
    at = 9 * FPS
    home, away = trap.course.teams
    trap.score((0, ("1", "1")), (at, ("2", "1")), changes=(Change(at, (("2", "1"),)),))
    tail = "   TOLVANI 12' 54'" if trap.second else ""
    banner = f"{home.code} 2 - 1 {away.code}{tail}"
    trap.over = over.captions((banner, banner), at + 2 * FPS, 4 * FPS, 6 * FPS, (0.3, 0.84))


def fast_clock(trap: Trap) -> None:
    """Show highlights whose clock goes three times too fast; or a replay with the board of the time before the goal."""
    clock = trap.course.clock_s.copy()
    start, stop = 12 * FPS, 18 * FPS
    back_s, rate = (25.0, 2.0) if trap.second else (0.0, 3.0)
    clock[start:stop] = clock[start] - back_s + rate * np.arange(stop - start) / FPS
    if not trap.second:
        clock[stop:] += (rate - 1) * (stop - start) / FPS
    trap.course = replace(trap.course, clock_s=clock)
    if trap.second:
        old, new = ("0", "0"), ("0", "1")
        change = Change(6 * FPS, (new,))
        trap.score((0, old), (6 * FPS, new), (start, old), (stop, new), changes=(change,))
        trap.over = (over.label("REPLAY", (0.78, 0.05), (start, stop), back=(170, 20, 40), digits=13),)


def burnt_in(trap: Trap) -> None:
    """Show labels of a recording in place of a board: a time code and a camera's name; or counters that go up."""
    trap.layout = None
    if trap.second:
        counts = tuple(f"RALLY {k}   TAKE {k} - 2" for k in range(3, 8))
        trap.over = (
            over.time_code(36131, (0.04, 0.06)),
            *over.captions(counts, FPS, 5 * FPS, 0, (0.6, 0.06)),
        )
    else:
        trap.over = (
            over.time_code(36131, (0.6, 0.88)),
            over.label("CAM 3 - 2", (0.04, 0.06), _ALL, digits=13),
        )


TRAPS: dict[str, Callable[[Trap], None]] = {
    trap.__name__: trap
    for trap in (
        shirt_numbers,
        hoarding_panning,
        hoarding_fixed,
        years_and_speeds,
        ticker,
        joining,
        goal_taken_back,
        hidden_in_replay,
        fixed_camera,
        no_graphics,
        flickering,
        commercials,
        early_clock,
        goal_banner,
        fast_clock,
        burnt_in,
    )
}


def plan_trap(name: str, number: int, seed: int) -> Clip:
    """Return clip `number` of a trap."""
    rng = clip_rng(seed, "traps", name, number)
    teams = choose_teams(rng, "latin")
    score = str(int(rng.integers(0, 3))), str(int(rng.integers(0, 3)))
    clock = running_clock(_FRAMES, float(rng.integers(600, 5000)))
    course = Course("football", teams, (Step(0, score),), (), clock, np.ones(_FRAMES))
    layout = replace(_BOARDS[(list(TRAPS).index(name) + 4 * number) % len(_BOARDS)], names="latin")
    trap = Trap(rng, number % 2 == 1, course, cut_shots(rng, _FRAMES), layout)
    TRAPS[name](trap)
    if trap.layout is None:
        trap.course = replace(trap.course, clock_s=no_clock(_FRAMES))
    width, height = (640, 360) if number % 4 < 3 else (1280, 720)
    digits_px = float(rng.integers(12, 18)) * height / 360
    scenes = partial(
        GroundScenes,
        "football",
        int(rng.integers(1 << 20)),
        width,
        height,
        trap.shots,
        texts=trap.texts,
        row_s=trap.row_s,
        numbers=trap.numbers,
    )
    crf = int(rng.integers(23, 31))
    return Clip(
        "traps",
        name,
        number,
        seed,
        width,
        height,
        crf,
        digits_px,
        trap.course,
        scenes,
        trap.layout,
        trap.under,
        trap.over,
    )
