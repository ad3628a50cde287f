"""The path of the ball, and the place of every player in the formation, given the ball and the situation."""

from __future__ import annotations

import math

import numpy as np

from experiments.match_clip.director import Formation, Touch, attack_direction
from experiments.match_clip.world import FPS, HALF_LENGTH_M

_ROLL_M_S = 15.0


def ball_path(touches: list[Touch], frames: int) -> np.ndarray:
    """Return the ball's path (frames, 3) in metres. Set `arrives_s` of each touch; the ball waits there until `t_s`."""
    path = np.empty((frames, 3))
    path[:] = touches[0].place
    time_s = np.arange(frames) / FPS
    for before, touch in zip(touches, touches[1:], strict=False):
        start, end = np.array(before.place), np.array(touch.place)
        gone_s, room_s = before.t_s, touch.t_s - before.t_s
        distance = float(np.linalg.norm(end - start))
        if touch.how == "place":
            travel_s, touch.arrives_s = room_s, touch.t_s
        else:
            # a rolling pass arrives a moment before it is played on; a flying ball takes all of the time
            roll_s = distance / _ROLL_M_S if distance > 3 else room_s
            travel_s = (
                room_s if touch.how in ("fly", "loft") else min(room_s * 0.9, max(roll_s, 0.5 * room_s))
            )
            touch.arrives_s = gone_s + travel_s
        first, last = round(gone_s * FPS), min(frames, round(touch.t_s * FPS) + 1)
        if first >= frames or last <= first:
            continue
        if touch.how == "place":
            path[first:last] = start
            if touch.t_s * FPS < frames:
                path[last - 1 :] = end
            continue
        share = np.clip((time_s[first:last] - gone_s) / max(travel_s, 1e-6), 0, 1)
        if touch.how == "roll":
            share = 1 - (1 - share) ** 1.5
        part = start + (end - start) * share[:, None]
        if touch.how == "loft":
            part[:, 2] += 4 * (0.06 * distance + 0.6) * share * (1 - share)
        path[first:last] = part
        if touch.t_s * FPS < frames:
            path[last - 1 :] = end
    return path


# (x, y) in metres of the goalkeeper, four defenders, four midfielders and two forwards of a team that attacks to the
# right. The tables of the corner have the same order.
LINE_UP = np.array(
    [
        (-49, 0),
        (-20, -20),
        (-22, -7),
        (-22, 7),
        (-20, 20),
        (-2, -23),
        (-5, -7),
        (-5, 7),
        (-2, 23),
        (21, -8),
        (23, 7),
    ],
    float,
)

# How far each player follows the ball along x, as a share of its movement: forwards follow less.
_FOLLOW = np.array([0.6] * 5 + [0.6] * 4 + [0.42] * 2)

_CORNER_ATTACK = np.array(
    [
        (-40, 0),
        (8, -12),
        (45, -6),
        (42.5, -2),
        (8, 12),
        (44, 5),
        (33, -9),
        (33, 9),
        (46, 1),
        (47.5, -3),
        (46.5, 4),
    ],
    float,
)

_CORNER_DEFENCE = np.array(
    [
        (51.4, 0),
        (49, -3.5),
        (46.4, -6.2),
        (44.2, -1),
        (49, 3.6),
        (45.4, 5.6),
        (41, 0),
        (39, -6),
        (47.4, 1.6),
        (36, 4),
        (14, 2),
    ],
    float,
)


def formations(ball_xy: np.ndarray, modes: list[Formation], frames: int) -> np.ndarray:
    """Return the place of each player in the formation, (frames, 22, 2) in metres, for a ball at (frames, 2)."""
    # 1) in open play everybody follows the ball
    places = np.empty((frames, 22, 2))
    for team in range(2):
        direction, who = attack_direction(team), slice(team * 11, team * 11 + 11)
        own_x = direction * ball_xy[:, :1]
        x = np.clip(_FOLLOW * own_x + 0.85 * LINE_UP[:, 0], -46, 47)
        y = 0.78 * LINE_UP[:, 1] + 0.3 * ball_xy[:, 1:]
        x[:, 0] = -50.5 + 0.09 * (own_x[:, 0] + HALF_LENGTH_M)
        y[:, 0] = 0.07 * ball_xy[:, 1]
        places[:, who, 0], places[:, who, 1] = direction * x, y
    # 2) kick-offs and corners have their own formations, faded in and out
    time_s = np.arange(frames) / FPS
    for mode in modes:
        first = max(0, int((mode.from_s - mode.fade_in_s) * FPS))
        last = min(frames, int((mode.to_s + mode.fade_out_s) * FPS) + 1)
        if first >= last:
            continue
        t = time_s[first:last]
        weight = ramp((t - mode.from_s + mode.fade_in_s) / max(mode.fade_in_s, 1e-6))
        weight = weight * (1 - ramp((t - mode.to_s) / max(mode.fade_out_s, 1e-6)))
        if mode.fade_in_s == 0:
            weight = 1 - ramp((t - mode.to_s) / mode.fade_out_s)
        wanted = np.empty((22, 2))
        for team in range(2):
            direction, who = attack_direction(team), slice(team * 11, team * 11 + 11)
            if mode.kind == "kick-off":
                own = LINE_UP * (0.8, 0.9) - (7, 0)
                own[:, 0] = np.minimum(own[:, 0], -1.5)
                own[9:] = (-9.5, -7.0), (-9.3, 8.0)
                own[0] = (-50, 0)
                wanted[who] = own * (direction, 1)
            else:
                attacks = team == mode.team
                end = attack_direction(mode.team)
                table = _CORNER_ATTACK if attacks else _CORNER_DEFENCE
                wanted[who] = table * (end, mode.side)
        places[first:last] += (wanted - places[first:last]) * weight[:, None, None]
    return places


def ramp(share: np.ndarray) -> np.ndarray:
    """Return a smooth step (a half cosine) from 0 to 1, for shares clipped to 0 to 1."""
    return 0.5 - 0.5 * np.cos(math.pi * np.clip(share, 0, 1))
