"""What happens between blocks of action: kick-offs, goal kicks, passing in midfield, waiting for a corner.

The functions add notes to the director.
"""

from __future__ import annotations

import math

import numpy as np

from experiments.match_clip.blocks import Block, on_frame
from experiments.match_clip.director import Director, Errand, Formation, Touch, attack_direction
from experiments.match_clip.world import BALL_RADIUS_M, DEJECTED, HALF_LENGTH_M, HALF_WIDTH_M


def open_match(director: Director) -> None:
    """Start the match: the ball on the centre spot, a caption with the teams, the first kick-off."""
    kick_s = on_frame(director.rng.uniform(1.6, 2.6))
    director.touches.append(Touch(0.0, (0.0, 0.0, BALL_RADIUS_M), how="place"))
    director.add_caption(
        0.2, 4.2, director.teams[0].name, f"v {director.teams[1].name}", director.teams[0].shirt
    )
    _play_kick_off(director, kick_s, int(director.rng.integers(2)), 0.0)


def _play_kick_off(director: Director, kick_s: float, team: int, from_s: float) -> None:
    direction = attack_direction(team)
    director.modes.append(
        Formation("kick-off", kick_s - 1.0 if from_s else 0.0, kick_s, 6.5 if from_s else 0.0, 5.0)
    )
    kicker, mate = team * 11 + 9, team * 11 + 10
    director.errands.append(Errand(mate, max(0.0, kick_s - 1.5), kick_s + 0.2, (-direction * 1.5, 3.0)))
    director.errands.append(Errand(kicker, max(0.0, kick_s - 1.5), kick_s, (-direction * 0.4, 0.0)))
    director.touches.append(Touch(kick_s, (0.0, 0.0, BALL_RADIUS_M), team, kicker, how="place"))
    director.add_event("kick-off", kick_s, 2.0, team)
    side = director.rng.choice([-1, 1])
    director.touch(
        kick_s + 1.5, -direction * director.rng.uniform(9, 13), side * director.rng.uniform(3, 9), team
    )


def play_between(
    director: Director, before: Block | None, after: Block | None, from_s: float, to_s: float
) -> None:
    """Play from one block's end to the next block's start, when the team of the next block has the ball.

    `before` is None at the start of the match, `after` at its end.
    """
    if after is not None and after.kind == "corner":
        _wait_for_corner(director, after, from_s, to_s)
        return
    team = after.team if after is not None else int(director.rng.integers(2))
    if before is not None and before.outcome == "goal":
        kick_s = on_frame(from_s + director.rng.uniform(3.4, 4.0)) if after is not None else math.inf
        if after is not None or to_s - from_s > 6.2:
            kick_s = min(kick_s, on_frame(from_s + 3.7))
            _play_kick_off(director, kick_s, 1 - before.team, from_s)
        else:  # the clip ends before the ball is in play again
            director.modes.append(Formation("kick-off", to_s + 2, to_s + 9, to_s + 4 - from_s, 1.0))
    elif before is not None and before.outcome in ("wide", "saved"):
        _play_goal_kick(director, before, from_s)
    # before a substitution the ball goes towards the line where the substitute waits
    out = after is not None and after.kind == "substitution"
    _pass_in_midfield(director, team, director.touches[-1].t_s, to_s, HALF_WIDTH_M - 6 if out else None)
    resting_s = to_s - max(from_s, director.touches[0].t_s) - 8.0
    if before is not None and before.outcome == "" and resting_s > 0 and director.take_cuts(2, 0.5):
        at_s = from_s + director.rng.uniform(2.5, 2.5 + resting_s)
        director.cut(at_s, "crowd", seed=int(director.rng.integers(1000)))
        director.cut(at_s + 2.8, "main")


def _play_goal_kick(director: Director, before: Block, from_s: float) -> None:
    direction = attack_direction(before.team)
    keeper = (1 - before.team) * 11
    # beside the goal
    spot = (direction * 47.0, math.copysign(director.rng.uniform(4.5, 8), director.ball_place()[1]))
    shooter = next(t.who for t in reversed(director.touches) if t.team == before.team and t.who >= 0)
    if director.take_cuts(2, 0.6):
        director.poses.append((shooter, from_s - 0.6, from_s + 2.4, DEJECTED))
        director.cut(from_s - 0.4, "close-up", focus=(shooter,))
        director.cut(from_s + 1.8, "main")
        director.touch(from_s + 0.5, *spot, how="place")
    kick_s = from_s + 2.2
    director.touch(kick_s, *spot, team=1 - before.team, who=keeper)
    director.touch(
        kick_s + 1.7, direction * director.rng.uniform(8, 16), director.rng.uniform(-16, 16), 1 - before.team
    )


def _pass_in_midfield(
    director: Director, team: int, from_s: float, to_s: float, to_y: float | None = None
) -> None:
    """Pass slowly in midfield; at the end `team` has the ball, at `to_y` (m) if that is given."""
    now_s, owner = from_s, director.touches[-1].team if director.touches[-1].team >= 0 else team
    while (now_s := now_s + director.rng.uniform(1.5, 2.3)) < to_s - 0.3:
        owner = 1 - owner if director.rng.random() < 0.12 else owner
        owner = team if now_s > to_s - 4 else owner
        x, y, _ = director.ball_place()
        ahead = attack_direction(team) * 11 if now_s > to_s - 4 else 0
        x = np.clip(0.75 * x + ahead + director.rng.normal(0, 8), -21, 21)
        y = np.clip(0.75 * y + director.rng.normal(0, 9), -23, 23)
        y = to_y if to_y is not None and now_s > to_s - 4 else y
        director.touch(now_s, float(x), float(y), owner)


def _wait_for_corner(director: Director, block: Block, from_s: float, to_s: float) -> None:
    direction, side = attack_direction(block.team), _corner_side(director)
    kick_s = to_s + block.lead_s
    spot = (direction * (HALF_LENGTH_M - 0.4), side * (HALF_WIDTH_M - 0.4))
    shooter = next(touch.who for touch in reversed(director.touches) if touch.who >= 0) % 11
    taker = director.pick_player(block.team, from_s, tuple(k for k in (5, 6, 7, 8) if k != shooter))
    director.modes.append(Formation("corner", kick_s - 1.2, kick_s + 2.6, 4.4, 8.0, block.team, side))
    run_up = (spot[0] + direction * 0.5, spot[1] + side * 1.2)
    director.errands.append(Errand(taker, kick_s - 1.8, kick_s - 0.7, run_up, 8.0))
    if director.take_cuts(2, 0.75):
        director.cut(from_s + 0.7, "goal-line", side=direction, near=-side)
        director.touch(from_s + 0.9, *spot, how="place")
        director.cut(to_s + 0.1, "main")
    else:
        director.touch(from_s + 0.6, *director.ball_place()[:2])
        director.touch(from_s + 3.2, *spot)
    director.touches.append(Touch(kick_s, (*spot, BALL_RADIUS_M), block.team, taker))


def _corner_side(director: Director) -> int:
    return 1 if director.ball_place()[1] >= 0 else -1
