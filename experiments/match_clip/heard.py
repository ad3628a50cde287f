"""Which sounds a match has, when each begins and ends, and how loud it is: the plan that `sound` plays.

The plan follows from the course. It has random numbers of its own, so that the pictures do not depend on the sound.

  whistle  0.5 to 0.9 s before a kick-off; 0.15 to 0.35 s after a foul, so 1.5 to 1.8 s before its card is shown
  kick     at each touch that plays the ball on by more than three metres
  swell    from an attack's (or corner's) beginning until 3 s after its end
  roar     0.1 to 0.2 s after the ball is over the line, for about ten seconds; the home crowd is the louder one
  ooh      0.1 to 0.2 s after a shot has missed or was saved, for about two seconds

A replay has no sound of its own: the stadium's goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from experiments.match_clip.director import Touch
from experiments.match_clip.events import Event, Sound, Stretch
from experiments.match_clip.plays import FOUL_AFTER_S

SWELL_FALL_S = 3.0
KICK_S, LEAST_KICK_M = 0.12, 3.0
_STREAM = 1  # which random numbers of the match's seed


def plan_sounds(
    touches: Sequence[Touch],
    events: Sequence[Event],
    stretches: Sequence[Stretch],
    duration_s: float,
    seed: int,
    home: str,
) -> tuple[Sound, ...]:
    """Return the sounds of a match in order of time. `home` is the code of the home team.

    `touches` are in order of time, with their people chosen.
    """
    rng = np.random.default_rng([seed, _STREAM])
    sounds = _kicks(touches, events, duration_s)
    for event in events:
        stretch = next((s for s in stretches if s.from_s <= event.t_s < s.to_s), None)
        if event.kind == "kick-off":
            sounds.append(_whistle(rng, event, event.t_s - rng.uniform(0.5, 0.9), 0.5, 0.8))
        elif event.kind == "card" and stretch is not None:
            foul_s = stretch.from_s + FOUL_AFTER_S
            sounds.append(_whistle(rng, event, foul_s + rng.uniform(0.15, 0.35), 0.3, 0.7))
        elif event.kind == "shot" and stretch is not None:
            sounds += _crowd_at_shot(rng, event, events, touches, stretch, home)
    return tuple(sorted(sounds, key=lambda sound: sound.from_s))


def _sound(kind: str, from_s: float, length_s: float, level_db: float, event: Event | None) -> Sound:
    of = ("", None) if event is None else (event.kind, event.t_s)
    return Sound(kind, round(from_s, 3), round(from_s + length_s, 3), round(level_db, 1), *of)


def _whistle(rng: np.random.Generator, event: Event, from_s: float, least_s: float, most_s: float) -> Sound:
    return _sound("whistle", from_s, rng.uniform(least_s, most_s), rng.uniform(5.0, 8.0), event)


def _kicks(touches: Sequence[Touch], events: Sequence[Event], duration_s: float) -> list[Sound]:
    """Return the kicks: the faster the ball leaves the foot, the louder."""
    of_kick = {e.t_s: e for e in events if e.kind in ("shot", "corner", "kick-off")}
    kicks = []
    for touch, then in pairwise(touches):
        away_m = math.dist(touch.place[:2], then.place[:2])
        if touch.who < 0 or away_m <= LEAST_KICK_M or touch.t_s + KICK_S > duration_s:
            continue
        metres_s = away_m / max(0.2, (then.arrives_s or then.t_s) - touch.t_s)
        level_db = min(18.0, 8.0 + 20 * math.log10(max(0.5, metres_s / 10.0)))
        kicks.append(_sound("kick", touch.t_s, KICK_S, level_db, of_kick.get(round(touch.t_s, 3))))
    return kicks


def _crowd_at_shot(
    rng: np.random.Generator,
    shot: Event,
    events: Sequence[Event],
    touches: Sequence[Touch],
    stretch: Stretch,
    home: str,
) -> list[Sound]:
    """Return the swell of an attack, and the roar or the "ooh" that ends it."""
    # The ball is at the line, or at the keeper, at the touch after the shot.
    end_s = min((t.t_s for t in touches if t.t_s > shot.t_s + 1e-6), default=shot.t_s)
    goal = next((e for e in events if e.kind == "goal" and 0 < e.t_s - shot.t_s <= 1.0), None)
    from_s = end_s + rng.uniform(0.1, 0.2)
    own_db = 0.0 if shot.team == home else -2.0
    swell_db = rng.uniform(4.0, 6.0) + own_db / 2
    sounds = [_sound("swell", stretch.from_s, end_s + SWELL_FALL_S - stretch.from_s, swell_db, shot)]
    if goal is not None:
        sounds.append(_sound("roar", from_s, rng.uniform(9.5, 11.0), rng.uniform(16.0, 17.5) + own_db, goal))
    else:
        sounds.append(_sound("ooh", from_s, rng.uniform(1.8, 2.4), rng.uniform(8.0, 10.0) + own_db, shot))
    return sounds
