"""The action: an attack, a corner, a card, a substitution. The functions add notes to the director.

The docstring of `experiments.match_clip.match` gives the rules of time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from experiments.match_clip.blocks import Block, on_frame
from experiments.match_clip.director import Director, Errand, Touch, attack_direction
from experiments.match_clip.formations import LINE_UP
from experiments.match_clip.script import FOURTH_OFFICIAL, REFEREE, SLOW_MOTION, SUBSTITUTE
from experiments.match_clip.teams import NAMES, make_person
from experiments.match_clip.world import (
    BALL_RADIUS_M,
    BOARD,
    CELEBRATE,
    DEJECTED,
    DIVE_LEFT,
    DIVE_RIGHT,
    FPS,
    HALF_LENGTH_M,
    HALF_WIDTH_M,
    HEADER,
    RED,
    YELLOW,
)

BANNER_AFTER_S, BANNER_S = 0.6, 4.5
SCOREBOARD_AFTER_S, SCOREBOARD_NEW_S = 2.0, 4.0
CAPTION_AFTER_S, CAPTION_S = 0.5, 4.0
FOUL_AFTER_S = 0.3  # from the start of a card's block


def play_block(director: Director, block: Block) -> None:
    """Add a block of action to the director's notes."""
    {
        "attack": _play_attack,
        "corner": _play_corner,
        "card": _play_card,
        "substitution": _play_substitution,
    }[block.kind](director, block)


def _play_attack(director: Director, block: Block) -> None:
    direction, shot_s = attack_direction(block.team), block.from_s + block.lead_s
    x0, y0, _ = director.ball_place()
    shooter = director.pick_player(block.team, shot_s)
    y1 = float(np.clip(0.6 * LINE_UP[shooter % 11, 1] + director.rng.normal(0, 3), -10, 10))
    away = block.flight_s * director.rng.uniform(22, 27)  # metres to the goal
    x1 = direction * (HALF_LENGTH_M - float(np.clip(math.sqrt(max(away**2 - y1**2, 0)), 8, 20)))
    wing = director.rng.uniform(8, 20) * director.rng.choice([-1, 1])
    start_s = max(director.touches[-1].t_s, block.from_s - 0.5)
    count = max(2, round((shot_s - start_s) / 1.25))
    for k in range(1, count):
        share = k / count
        x = x0 + (x1 - x0) * share**0.8
        y = np.clip(y0 + (y1 - y0) * share + wing * math.sin(math.pi * share), -30, 30)
        director.touch(start_s + (shot_s - start_s) * share, x, float(y), block.team)
    director.touches.append(Touch(shot_s, (x1, y1, BALL_RADIUS_M), block.team, shooter))
    _play_shot(director, block, shot_s, shooter)


def _play_corner(director: Director, block: Block) -> None:
    direction, kick_s = attack_direction(block.team), block.from_s + block.lead_s
    director.add_event("corner", kick_s, 2.5, block.team, director.touches[-1].who)
    director.add_caption(
        kick_s + 0.1, 2.0, "CORNER", director.teams[block.team].name, director.teams[block.team].shirt
    )
    shot_s = kick_s + block.cross_s
    shooter = director.pick_player(block.team, shot_s, (9, 10, 3, 2))
    place = (direction * director.rng.uniform(44.5, 47), director.rng.uniform(-4, 4), 2.1)
    director.touches.append(Touch(shot_s, place, block.team, shooter, "loft", HEADER))
    _play_shot(director, block, shot_s, shooter)


def _play_shot(director: Director, block: Block, shot_s: float, shooter: int) -> None:
    rng, direction = director.rng, attack_direction(block.team)
    line_s = on_frame(shot_s + block.flight_s)
    keeper = (1 - block.team) * 11
    director.add_event("shot", shot_s, block.flight_s + 1.0, block.team, shooter)
    side = int(rng.choice([-1, 1]))
    over = HALF_LENGTH_M + 0.12
    if block.outcome == "goal":
        y, z = side * rng.uniform(1.2, 3.1), rng.uniform(0.3, 2.0)
        director.fly(line_s, direction * over, y, z)
        director.fly(line_s + 0.12, direction * (HALF_LENGTH_M + 1.5), y * 1.02, z * 0.8)
        director.fly(line_s + 0.6, direction * (HALF_LENGTH_M + 1.2), y, BALL_RADIUS_M)
        _dive(director, keeper, line_s + 0.08, y * 0.35, side if rng.random() < 0.7 else -side, direction)
        _play_goal(director, block, line_s, shooter)
    elif block.outcome == "wide":
        y, z = side * rng.uniform(4.6, 7.5), rng.uniform(0.4, 3.0)
        director.fly(line_s, direction * over, y, z)
        director.fly(line_s + 0.3, direction * 56.8, y * 1.15, z * 0.6)
        director.fly(line_s + 0.9, direction * 55.6, y * 1.2, BALL_RADIUS_M)
        _dive(director, keeper, line_s, side * 2.0, side, direction)
    else:
        y, z = side * rng.uniform(1.0, 2.8), rng.uniform(0.4, 1.6)
        director.fly(line_s, direction * (HALF_LENGTH_M - 1.0), y, z)
        _dive(director, keeper, line_s, y * 0.6, side, direction)
        if block.outcome == "behind":
            director.fly(line_s + 0.24, direction * (HALF_LENGTH_M - 0.6), side * 4.8, 0.8)  # round the post
            director.fly(line_s + 0.6, direction * 55.5, side * rng.uniform(7, 10), 0.4)
            director.fly(line_s + 1.2, direction * 57.0, side * rng.uniform(10, 12), BALL_RADIUS_M)
        else:
            director.fly(line_s + 0.4, direction * (HALF_LENGTH_M - 1.0), y, 0.3)
            director.touch(line_s + 1.3, direction * (HALF_LENGTH_M - 1.4), y, 1 - block.team, keeper)


def _dive(director: Director, keeper: int, line_s: float, y: float, side: int, direction: int) -> None:
    """Let the keeper dive towards `y` (m). `side`: which end of the goal, +1 or −1 along y.

    The keeper looks out of the goal; so at the right goal (`direction` 1) the end with the larger y is on his right.
    """
    director.errands.append(Errand(keeper, line_s, line_s + 1.0, (direction * (HALF_LENGTH_M - 1.0), y), 4.0))
    pose = DIVE_LEFT if side * direction < 0 else DIVE_RIGHT
    director.poses.append((keeper, line_s - 0.25, line_s + 1.1, pose))


def _play_goal(director: Director, block: Block, goal_s: float, scorer: int) -> None:
    # 1) goal, banner and scoreboard
    rng, team, direction = director.rng, block.team, attack_direction(block.team)
    director.score = (director.score[0] + (team == 0), director.score[1] + (team == 1))
    director.add_event("goal", goal_s, BANNER_AFTER_S + BANNER_S, team, scorer, director.score)
    person = director.person_at(scorer, goal_s)
    line = f"{person.number} {person.name}  {director.teams[team].name}"
    director.add_caption(goal_s + BANNER_AFTER_S, BANNER_S, "GOAL", line, director.teams[team].shirt)
    director.add_event(
        "scoreboard", goal_s + SCOREBOARD_AFTER_S, SCOREBOARD_NEW_S, team, score=director.score
    )
    back_s = block.to_s
    replay_s = back_s - block.replay_s
    # 2) the scorer runs to the corner, five of his team follow; the keeper is dejected
    side = 1 if rng.random() < 0.5 else -1
    party = (direction * rng.uniform(42, 45), side * rng.uniform(20, 25))
    director.errands.append(Errand(scorer, goal_s + 4.0, replay_s + 0.5, party, 6.0))
    director.poses.append((scorer, goal_s + 0.5, replay_s + 0.5, CELEBRATE))
    mates = [team * 11 + k for k in (10, 9, 8, 7, 6, 5) if team * 11 + k != scorer][:5]
    for k, mate in enumerate(mates):
        late_s = goal_s + 4.3 + 0.2 * k
        spot = (party[0] - direction * (1.3 + 0.5 * k), party[1] + 1.5 * (k - 2))
        director.errands.append(Errand(mate, late_s, replay_s + 0.5, spot, 6.0))
        director.poses.append((mate, goal_s + 0.7 + 0.1 * k, replay_s, CELEBRATE))
    director.poses.append(((1 - team) * 11, goal_s + 1.5, replay_s, DEJECTED))
    # 3) a close-up, the crowd or both, then the replay, and back to the main camera
    away_s = goal_s + rng.uniform(1.5, 1.9)
    crowd: dict[str, Any] = {"kind": "crowd", "excited": True, "team": team, "seed": int(rng.integers(1000))}
    first_crowd = rng.random() < 0.3
    director.cut(away_s, **crowd) if first_crowd else director.cut(away_s, "close-up", focus=(scorer,))
    if director.take_cuts(1, 0.7):
        then_s = (away_s + replay_s) / 2
        director.cut(then_s, "close-up", focus=(scorer,)) if first_crowd else director.cut(then_s, **crowd)
    angle = str(rng.choice(["behind", "line", "zoom"]))
    world_from = (goal_s + 0.75 - block.replay_s * SLOW_MOTION) * FPS
    director.cut(replay_s, "replay", wipe=True, side=direction, angle=angle, world_from=world_from)
    director.touch(replay_s + 0.5, 0.0, 0.0, how="place")
    director.cut(back_s, "main", wipe=True)


def _play_card(director: Director, block: Block) -> None:
    rng, team, foul_s = director.rng, block.team, block.from_s + FOUL_AFTER_S
    card_s = block.from_s + block.lead_s
    x, y, _ = director.ball_place()
    x, y = float(np.clip(x * 0.8, -30, 30)), float(np.clip(y * 0.8, -20, 20))
    director.touch(foul_s, x, y, 1 - team)
    offender = director.pick_player(team, card_s, (2, 3, 5, 6, 7, 8))
    director.touch(foul_s + 0.7, x + 1.0, y - 1.5)
    end_s = block.to_s
    director.errands.append(Errand(offender, foul_s + 0.1, end_s, (x + 1.5, y + 0.8), 9.0))
    director.errands.append(Errand(REFEREE, card_s - 0.9, end_s, (x + 0.1, y + 1.0), 7.0))
    red = team not in director.sent_off and rng.random() < 0.2
    if red:
        director.sent_off.add(team)
        director.gone_from_s[offender] = card_s
        director.errands.append(Errand(offender, end_s + 9, director.duration_s + 60, (x + 4, 36.5), 4.0))
    director.add_event("card", card_s, CAPTION_AFTER_S + CAPTION_S, team, offender)
    person = director.person_at(offender, card_s)
    heading, icon = ("RED CARD", "red") if red else ("YELLOW CARD", "yellow")
    line = f"{person.number} {person.name}  {director.teams[team].code}"
    director.add_caption(card_s + CAPTION_AFTER_S, CAPTION_S, heading, line, (70, 76, 100), icon)
    director.poses.append((REFEREE, card_s - 0.08, card_s + 2.6, RED if red else YELLOW))
    director.cut(card_s - 0.8, "close-up", focus=(REFEREE, offender))
    director.cut(end_s - 0.4, "main")
    director.touch(end_s + 0.6, x + 1.0, y - 1.5, 1 - team)


def _play_substitution(director: Director, block: Block) -> None:
    team, board_s = block.team, block.from_s + block.lead_s
    x = float(np.clip(director.ball_place()[0], -25, 25))
    out_s = max(1.2, (HALF_WIDTH_M - director.ball_place()[1]) / 18)
    director.touch(block.from_s + out_s, x, HALF_WIDTH_M + 1.2)
    off = director.pick_player(team, board_s, (5, 6, 7, 8))
    leaves = director.person_at(off, board_s)
    names = {director.person_at(who, board_s).name for who in range(22)}
    name = str(director.rng.choice([n for n in NAMES if n not in names]))
    numbers = {director.person_at(team * 11 + k, board_s).number for k in range(11)}
    number = int(director.rng.choice([n for n in range(12, 30) if n not in numbers]))
    comes = make_person(director.rng, director.teams[team], number, name)
    frame = round(block.to_s * FPS)
    director.changes.setdefault(off, []).append((frame, comes))
    until = director.boards[-1][0] if director.boards else 0
    director.changes.setdefault(SUBSTITUTE, []).append((until, comes))
    director.boards.append((frame, leaves.number, number))
    director.add_event("substitution", board_s, CAPTION_AFTER_S + CAPTION_S, team, off)
    line = f"IN {number} {name}   OUT {leaves.number} {leaves.name}"
    director.add_caption(
        board_s + CAPTION_AFTER_S, CAPTION_S, "SUBSTITUTION", line, director.teams[team].shirt
    )
    director.poses.append((FOURTH_OFFICIAL, board_s - 0.4, block.to_s, BOARD))
    director.cut(board_s - 0.6, "close-up", focus=(FOURTH_OFFICIAL, SUBSTITUTE))
    director.cut(block.to_s - 0.4, "main")
    director.touch(block.to_s + 0.5, x, HALF_WIDTH_M + 0.3, 1 - team)
