"""Where people are in each frame (on errands, no faster than people can run), and where they look."""

from __future__ import annotations

import math
from bisect import bisect

import numpy as np
from scipy.ndimage import gaussian_filter1d

from experiments.match_clip.director import Errand, Touch
from experiments.match_clip.formations import ramp
from experiments.match_clip.script import FOURTH_OFFICIAL, SUBSTITUTE
from experiments.match_clip.world import FPS, HALF_WIDTH_M

_SPRINT_M_S = 9.2


def wander(rng: np.random.Generator, count: int, frames: int) -> np.ndarray:
    """Return small random movements (frames, count, 2) in metres, so that nobody stays exactly in formation."""
    time_s = np.arange(frames, dtype=float)[:, None, None] / FPS
    offset = np.zeros((frames, count, 2))
    for size_m, rates in ((1.6, (0.03, 0.08)), (0.5, (0.1, 0.2))):
        rate, start = rng.uniform(*rates, (count, 2)), rng.uniform(0, 2 * math.pi, (count, 2))
        offset += size_m * np.sin(2 * math.pi * rate * time_s + start)
    return offset


def send_people(places: np.ndarray, errands: list[Errand]) -> None:
    """Move people to their errands: changes `places` (frames, people, 2). They leave early enough to arrive in time."""
    frames = len(places)
    time_s = np.arange(frames) / FPS
    by_person: dict[int, list[Errand]] = {}
    for errand in sorted(errands, key=lambda e: e.from_s):
        by_person.setdefault(errand.who, []).append(errand)
    for who, own in by_person.items():
        # 1) delay an errand that the person cannot reach in time after the one before
        base = places[:, who].copy()
        for before, errand in zip(own, own[1:], strict=False):
            away_s = math.dist(before.xy, errand.xy) / _SPRINT_M_S
            errand.from_s = max(errand.from_s, before.to_s + max(0.2, away_s))
            errand.to_s = max(errand.to_s, errand.from_s)
        # 2) blend from the formation to the errand and back
        for k, errand in enumerate(own):
            here = base[min(frames - 1, max(0, round(errand.from_s * FPS)))]
            need_s = float(np.clip(1.57 * math.dist(here, errand.xy) / errand.speed_m_s, 1.0, 8.0))
            before_s = own[k - 1].to_s if k else -math.inf
            after_s = own[k + 1].from_s if k + 1 < len(own) else math.inf
            # between two errands less than 5 s apart the person goes directly from one to the other
            rise_s = errand.from_s - before_s if errand.from_s - before_s < 5 else need_s
            fall_s = after_s - errand.to_s if after_s - errand.to_s < 5 else need_s
            rise_s, fall_s = max(rise_s, 1e-3), max(fall_s, 1e-3)
            first = max(0, int((errand.from_s - rise_s) * FPS))
            last = min(frames, int((errand.to_s + fall_s) * FPS) + 2)
            if first >= last:
                continue
            t = time_s[first:last]
            weight = ramp((t - errand.from_s + rise_s) / rise_s) * (1 - ramp((t - errand.to_s) / fall_s))
            places[first:last, who] += (np.array(errand.xy) - base[first:last]) * weight[:, None]


def limit_speed(places: np.ndarray) -> None:
    """Limit everybody's speed to that of people: changes `places` (frames, people, 2).

    It goes from the last frame to the first, so that a person with a long way leaves early. From the first to the last,
    people would arrive late.
    """
    step_m = _SPRINT_M_S / FPS
    for k in range(len(places) - 2, -1, -1):
        moved = places[k] - places[k + 1]
        length = np.sqrt(np.einsum("ij,ij->i", moved, moved))
        if length.max() > step_m:
            places[k] = places[k + 1] + moved * np.minimum(1, step_m / np.maximum(length, 1e-9))[:, None]


def name_touches(
    touches: list[Touch], errands: list[Errand], places: np.ndarray, gone_from_s: dict[int, float]
) -> None:
    """Choose the person of every touch that has none: the nearest of its team who has no other task within 6 s.

    `places`: (frames, 22, 2) in metres. `gone_from_s`: when people were sent off. Changes `who` of the touches.
    """
    wanted_s: dict[int, list[float]] = {who: [] for who in range(len(places[0]) + 8)}
    for errand in errands:
        wanted_s[errand.who].append(errand.from_s)
    for touch in touches:
        if touch.who >= 0:
            wanted_s[touch.who].append(touch.t_s)
    for times in wanted_s.values():
        times.sort()
    last = -1
    for touch in touches:
        if touch.team < 0:
            continue
        if touch.who < 0:
            frame = min(len(places) - 1, round(touch.arrives_s * FPS))
            who = np.arange(touch.team * 11 + 1, touch.team * 11 + 11)
            away = np.hypot(*(places[frame, who] - touch.place[:2]).T)
            for k, person in enumerate(who.tolist()):
                next_s = next(iter(wanted_s[person][bisect(wanted_s[person], touch.t_s) :]), math.inf)
                if next_s < touch.t_s + 6:
                    away[k] += 200
                if person == last or gone_from_s.get(person, math.inf) < touch.t_s:
                    away[k] += 1000
            touch.who = int(who[np.argmin(away)])
        last = touch.who


def place_officials(ball_xy: np.ndarray) -> np.ndarray:
    """Return places (frames, 5, 2) in metres: referee, two linesmen, fourth official, the next substitute."""
    places = np.empty((len(ball_xy), 5, 2))
    slow = gaussian_filter1d(ball_xy, 1.2 * FPS, axis=0, mode="nearest")
    places[:, 0] = slow * (0.74, 0.45) + (-1.0, 9.0)
    for k, (end, y) in enumerate(((1, HALF_WIDTH_M + 0.9), (-1, -HALF_WIDTH_M - 0.9))):
        places[:, 1 + k, 0] = end * np.clip(0.62 * end * slow[:, 0] + 18, 0, 46)
        places[:, 1 + k, 1] = y
    places[:, 3], places[:, 4] = (-3.0, 36.3), (-1.9, 36.2)
    return places


def headings(xy: np.ndarray, ball_xy: np.ndarray) -> np.ndarray:
    """Return where people look, (frames, people) in radians: ahead while they run, at the ball while they stand."""
    moved = gaussian_filter1d(np.gradient(xy, axis=0) * FPS, 4, axis=0, mode="nearest")
    speed = np.linalg.norm(moved, axis=2, keepdims=True)
    to_ball = ball_xy[:, None] - xy
    to_ball /= np.maximum(np.linalg.norm(to_ball, axis=2, keepdims=True), 0.3)
    running = np.clip((speed - 0.5) / 1.5, 0, 1)
    ahead = moved / np.maximum(speed, 1e-3) * running + to_ball * (1 - running)
    ahead[:, [FOURTH_OFFICIAL, SUBSTITUTE]] = (0.12, -1.0)
    ahead = gaussian_filter1d(ahead, 4, axis=0, mode="nearest")
    return np.arctan2(ahead[..., 1], ahead[..., 0])
