"""Write the course of a game of each sport: random, legal, and with known changes.

What counts as the new score (`Change.accepts`), as pairs of texts: football, basketball and esports (left, right);
cricket (runs, wickets); tennis the pair of the column that changed, which is the points, and where a game was won
either the games or the points, which are 0 and 0 again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.boards.script import (
    FPS,
    Change,
    Course,
    Pair,
    Step,
    change_frames,
    hidden_stretches,
    no_clock,
    running_clock,
    shown_but,
)
from experiments.boards.teams import choose_teams

Texts = dict[str, str]
# Returns the score and texts after one more event, and what counts as the new score.
Next = Callable[[np.random.Generator, Pair, Texts], tuple[Pair, Texts, tuple[Pair, ...]]]
_POINTS = ("0", "15", "30", "40")


def _goal(rng: np.random.Generator, score: Pair, texts: Texts) -> tuple[Pair, Texts, tuple[Pair, ...]]:
    side = int(rng.integers(2))
    new = add(score, side, 1)
    if "aggregate" in texts:
        home, _, away = texts["aggregate"].partition("-")
        texts = {**texts, "aggregate": "-".join(add((home, away), side, 1))}
    return new, texts, (new,)


def _basket(rng: np.random.Generator, score: Pair, texts: Texts) -> tuple[Pair, Texts, tuple[Pair, ...]]:
    new = add(score, int(rng.integers(2)), int(rng.choice((1, 2, 2, 2, 3, 3))))
    return new, texts, (new,)


def _ball(rng: np.random.Generator, score: Pair, texts: Texts) -> tuple[Pair, Texts, tuple[Pair, ...]]:
    """Return what follows a ball in cricket: runs, or a wicket."""
    overs, _, balls = texts["overs"].partition(".")
    count = int(overs) * 6 + int(balls) + 1
    wicket = rng.random() < 0.2 and score[1] != "9"
    new = add(score, 1, 1) if wicket else add(score, 0, int(rng.choice((1, 1, 2, 4, 6))))
    speed = str(int(rng.integers(118, 149)))
    return new, {**texts, "overs": f"{count // 6}.{count % 6}", "speed": speed}, (new,)


def _point(rng: np.random.Generator, score: Pair, texts: Texts) -> tuple[Pair, Texts, tuple[Pair, ...]]:
    """Return what follows a point in tennis."""
    side = int(rng.integers(2))
    mine, other = score[side], score[1 - side]
    if mine == "AD" or (mine == "40" and other not in ("40", "AD")):
        games = add((texts["games0"], texts["games1"]), side, 1)
        server = "1" if texts["server"] == "0" else "0"
        texts = {**texts, "games0": games[0], "games1": games[1], "server": server}
        return ("0", "0"), texts, (games, ("0", "0"))
    if mine == "40":
        mine, other = ("40", "40") if other == "AD" else ("AD", "40")
    else:
        mine = _POINTS[_POINTS.index(mine) + 1]
    new = (mine, other) if side == 0 else (other, mine)
    return new, texts, (new,)


def add(score: Pair, side: int, amount: int) -> Pair:
    """Return the score with so many more on one side.

    >>> add(("1", "0"), 1, 2)
    ('1', '2')
    """
    values = [int(text) for text in score]
    values[side] += amount
    return str(values[0]), str(values[1])


def _football_start(rng: np.random.Generator) -> tuple[Pair, Texts]:
    score = (str(int(rng.choice((0, 0, 1, 1, 2, 3)))), str(int(rng.choice((0, 0, 0, 1, 2)))))
    first_leg = int(rng.integers(0, 3)), int(rng.integers(0, 3))
    aggregate = "-".join(add(add(score, 0, first_leg[0]), 1, first_leg[1]))
    return score, {
        "aggregate": aggregate,
        "title": str(rng.choice(("PREMIER CUP", "NORDIC SERIES", "LIGA ALTA"))),
    }


def _basketball_start(rng: np.random.Generator) -> tuple[Pair, Texts]:
    quarter = int(rng.integers(1, 5))
    score = str(22 * quarter + int(rng.integers(-9, 9))), str(22 * quarter + int(rng.integers(-9, 9)))
    return score, {"period": ("1ST", "2ND", "3RD", "4TH")[quarter - 1]}


def _cricket_start(rng: np.random.Generator) -> tuple[Pair, Texts]:
    overs = int(rng.integers(4, 19))
    score = str(overs * 7 + int(rng.integers(0, 30))), str(int(rng.integers(0, 7)))
    return score, {
        "overs": f"{overs}.{int(rng.integers(0, 6))}",
        "target": str(int(rng.integers(170, 230))),
        "speed": "131",
    }


def _tennis_start(rng: np.random.Generator) -> tuple[Pair, Texts]:
    points = _POINTS[int(rng.integers(0, 4))], _POINTS[int(rng.integers(0, 4))]
    games = int(rng.integers(0, 6)), int(rng.integers(0, 5))
    sets = [("6", "4"), ("3", "6"), ("7", "5"), ("6", "2")][int(rng.integers(0, 4))]
    texts = {"games0": str(games[0]), "games1": str(games[1]), "sets0": sets[0], "sets1": sets[1]}
    return points, {**texts, "server": str(int(rng.integers(0, 2)))}


def _esports_start(rng: np.random.Generator) -> tuple[Pair, Texts]:
    score = str(int(rng.integers(0, 11))), str(int(rng.integers(0, 11)))
    return score, {"round": str(int(score[0]) + int(score[1]) + 1)}


def _round(rng: np.random.Generator, score: Pair, texts: Texts) -> tuple[Pair, Texts, tuple[Pair, ...]]:
    new = add(score, int(rng.integers(2)), 1)
    return new, {**texts, "round": str(int(texts["round"]) + 1)}, (new,)


_SPORTS: dict[str, tuple[Callable[[np.random.Generator], tuple[Pair, Texts]], Next]] = {
    "football": (_football_start, _goal),
    "basketball": (_basketball_start, _basket),
    "cricket": (_cricket_start, _ball),
    "tennis": (_tennis_start, _point),
    "esports": (_esports_start, _round),
}


def _clock(rng: np.random.Generator, sport: str, frames: int, starts: list[int], late: bool) -> np.ndarray:
    """Return the clock of a game; the one of esports starts again at every round."""
    if sport == "football":
        return running_clock(
            frames, 90 * 60 + 74 if late else float(rng.integers(190, 2580) + 2700 * rng.integers(2))
        )
    if sport == "basketball":
        return running_clock(frames, float(rng.integers(90, 700)) + 0.5, -1.0)
    if sport == "esports":
        at = np.arange(frames)
        since = at - np.array([0, *starts])[np.searchsorted(starts, at, side="right")]
        first = float(rng.integers(50, 100)) - 115.0
        return np.maximum(0.0, 115.99 + np.where(at < (starts or [frames])[0], first, 0.0) - since / FPS)
    return no_clock(frames)


def write_course(
    rng: np.random.Generator,
    sport: str,
    names: str,
    duration_s: float,
    *,
    clock: bool = True,
    late: bool = False,
    gap_s: float = 7.0,
) -> Course:
    """Return the course of a clip. `names` is a kind of team names; `late`: a clock in football's added time.

    `gap_s`: the least time between two changes.
    """
    frames = round(duration_s * FPS)
    start, after = _SPORTS[sport]
    score, texts = start(rng)
    if late:
        texts["added"] = f"+{int(rng.integers(2, 8))}"
    count = int(rng.integers(1, 4)) if sport == "football" else 3
    at = change_frames(rng, frames, count, gap_s)
    steps, changes = [Step(0, score, texts)], []
    for frame in at:
        score, texts, accepts = after(rng, score, texts)
        steps.append(Step(frame, score, texts))
        changes.append(Change(frame, accepts))
    shown = shown_but(frames, hidden_stretches(rng, frames, at))
    clocks = _clock(rng, sport, frames, at, late) if clock else no_clock(frames)
    flips = sport == "football" and rng.random() < 0.5
    return Course(sport, choose_teams(rng, names), tuple(steps), tuple(changes), clocks, shown, flips)
