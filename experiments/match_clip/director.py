"""The director's notes: touches of the ball, errands of people, formations, poses, cuts, captions and events.

`interludes` and `plays` add them, `course` turns them into arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from experiments.match_clip.blocks import on_frame
from experiments.match_clip.events import Event
from experiments.match_clip.script import Caption, Person, Shot, Team
from experiments.match_clip.world import BALL_RADIUS_M, FPS, KICK, Colour


@dataclass(slots=True)
class Touch:
    """A point of the ball's path: it arrives here, and is played on at `t_s`."""

    t_s: float
    place: tuple[float, float, float]  # metres
    team: int = -1  # −1: nobody's
    who: int = -1  # the person; −1: not chosen yet
    how: str = "roll"  # how the ball gets here: roll, loft (high), fly (straight) or place (it appears)
    kick: int = KICK  # the pose
    arrives_s: float = 0.0  # set by `ball_path`


@dataclass(slots=True)
class Errand:
    """Person `who` is at `xy` (metres) from `from_s` to `to_s`."""

    who: int
    from_s: float
    to_s: float
    xy: tuple[float, float]
    speed_m_s: float = 6.0  # the largest on the way there and back


@dataclass(slots=True)
class Formation:
    """A formation of all players from `from_s` to `to_s`; they move into it and out of it in the fade times."""

    kind: str  # kick-off or corner
    from_s: float
    to_s: float
    fade_in_s: float
    fade_out_s: float
    team: int = 0
    side: int = 1  # corner: at which end of the goal line, +1 far


@dataclass
class Director:
    """The notes of one match so far, and how to add to them. Times in seconds, people by their number (script.py)."""

    rng: np.random.Generator
    duration_s: float
    teams: tuple[Team, Team]
    people: list[Person]
    inserts_left: int  # cuts that may still be used for variety
    touches: list[Touch] = field(default_factory=list)
    errands: list[Errand] = field(default_factory=list)
    modes: list[Formation] = field(default_factory=list)
    poses: list[tuple[int, float, float, int]] = field(default_factory=list)  # who, from, to, pose
    events: list[Event] = field(default_factory=list)
    shots: list[Shot] = field(default_factory=lambda: [Shot("main", 0)])
    wipes: list[int] = field(default_factory=list)
    captions: list[Caption] = field(default_factory=list)
    changes: dict[int, list[tuple[int, Person]]] = field(default_factory=dict)
    boards: list[tuple[int, int, int]] = field(default_factory=list)
    gone_from_s: dict[int, float] = field(default_factory=dict)
    sent_off: set[int] = field(default_factory=set)  # teams
    score: tuple[int, int] = (0, 0)

    def ball_place(self) -> tuple[float, float, float]:
        return self.touches[-1].place

    def add_event(
        self, kind: str, t_s: float, visible_s: float, team: int = -1, who: int = -1, score=None
    ) -> None:
        player = ""
        if who >= 0:
            person = self.person_at(who, t_s)
            player = f"{person.number} {person.name}"
        code = self.teams[team].code if team >= 0 else ""
        visible_s = round(min(visible_s, self.duration_s - t_s), 3)
        self.events.append(Event(kind, round(t_s, 3), visible_s, code, player, score))

    def person_at(self, who: int, t_s: float) -> Person:
        person = self.people[who]
        for frame, other in self.changes.get(who, ()):
            person = other if t_s * FPS >= frame else person
        return person

    def cut(self, t_s: float, kind: str, wipe: bool = False, **what) -> None:
        frame = round(t_s * FPS)
        self.shots.append(Shot(kind, frame, **what))
        self.add_event("cut", frame / FPS, 0.0)
        if wipe:
            self.wipes.append(frame)

    def add_caption(
        self, t_s: float, length_s: float, heading: str, line: str, colour: Colour, icon=""
    ) -> None:
        from_frame, to_frame = round(t_s * FPS), round((t_s + length_s) * FPS)
        self.captions.append(Caption(from_frame, to_frame, heading, line, colour, icon))

    def take_cuts(self, cuts: int = 2, chance: float = 1.0) -> bool:
        """Use `cuts` of the cuts for variety, with probability `chance`; return whether they were used."""
        if self.inserts_left < cuts or self.rng.random() > chance:
            return False
        self.inserts_left -= cuts
        return True

    def pick_player(self, team: int, t_s: float, numbers=(6, 7, 9, 9, 10, 10)) -> int:
        there = [k for k in numbers if self.gone_from_s.get(team * 11 + k, math.inf) > t_s]
        return team * 11 + int(there[self.rng.integers(len(there))])

    def touch(self, t_s: float, x: float, y: float, team: int = -1, who: int = -1, how: str = "roll") -> None:
        if how == "roll" and math.dist((x, y), self.ball_place()[:2]) > 26:
            how = "loft"
        self.touches.append(Touch(on_frame(t_s), (x, y, BALL_RADIUS_M), team, who, how))

    def fly(self, t_s: float, x: float, y: float, z: float) -> None:
        self.touches.append(Touch(on_frame(t_s), (x, float(y), z), how="fly"))


def attack_direction(team: int) -> int:
    """Return the direction along x in which a team attacks: 1 or −1."""
    return 1 if team == 0 else -1
