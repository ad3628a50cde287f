"""What a script of a match holds: people, shots, captions, and arrays that say where everybody is in every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.errors import UserError
from experiments.match_clip.events import Truth
from experiments.match_clip.world import Colour

SLOW_MOTION = 0.5

# People: 0-10 home, 11-21 away (the first of each keeps goal), then:
REFEREE, LINESMAN_FAR, LINESMAN_NEAR, FOURTH_OFFICIAL, SUBSTITUTE = range(22, 27)


class MatchError(UserError):
    """A match that cannot be made; one line that says why."""


@dataclass(frozen=True, slots=True)
class Team:
    code: str
    name: str
    shirt: Colour
    shorts: Colour
    socks: Colour
    trim: Colour


@dataclass(frozen=True, slots=True)
class Person:
    number: int  # 0: wears none
    name: str
    shirt: Colour
    shorts: Colour
    socks: Colour
    trim: Colour
    skin: Colour
    hair: Colour


@dataclass(frozen=True, slots=True)
class Shot:
    """One camera from cut to cut. `kind`: main, close-up, crowd, goal-line or replay."""

    kind: str
    from_frame: int
    to_frame: int = 0
    focus: tuple[int, ...] = ()  # close-up: the people it is about
    side: int = 1  # goal-line and replay: at which goal, +1 right
    near: int = -1  # goal-line: on which side of the goal the camera stands
    angle: str = ""  # replay: behind, line or zoom
    excited: bool = False  # crowd
    team: int = 0  # crowd: whose supporters
    seed: int = 0  # crowd
    world_from: float = 0.0  # replay: world frame that its first frame shows


@dataclass(frozen=True, slots=True)
class Caption:
    from_frame: int
    to_frame: int
    heading: str
    line: str
    colour: Colour
    icon: str = ""


@dataclass(frozen=True, eq=False)
class Script:
    """The whole course of a match. Arrays are by frame of the clip (shot_of, world, camera, wipe, score,
    caption_of, cheer) or by frame of the world (ball, people_xy, heading, stride, pose, pose_age_s), which
    goes on while a replay shows its past: `world` says which frame of it a frame of the clip shows."""

    truth: Truth
    frames: int
    clock_start_s: int
    team_colours: tuple[Colour, Colour]
    crowd_colours: tuple[Colour, ...]
    people: tuple[Person, ...]
    changes: dict[int, tuple[tuple[int, Person], ...]]  # who a number of `people` is from a world frame on
    boards: tuple[tuple[int, int, int], ...]  # until which frame the board shows: off, on
    shots: tuple[Shot, ...]
    captions: tuple[Caption, ...]
    tall: np.ndarray  # (people,) share of the usual height
    shot_of: np.ndarray
    world: np.ndarray
    camera: np.ndarray  # (frames, 6): x, y, z, yaw, pitch, focal length in picture widths
    wipe: np.ndarray  # 0: none, up to 1: it has passed
    score: np.ndarray  # (frames, 2), as the scoreboard shows it
    caption_of: np.ndarray
    cheer: np.ndarray  # 0-1, how lively the crowd is
    ball: np.ndarray  # (frames, 3) metres
    people_xy: np.ndarray  # (frames, people, 2) metres
    heading: np.ndarray
    stride: np.ndarray
    pose: np.ndarray
    pose_age_s: np.ndarray

    def person_at(self, who: int, frame: int) -> Person:
        person = self.people[who]
        for from_frame, other in self.changes.get(who, ()):
            if frame >= from_frame:
                person = other
        return person

    def board_numbers(self, frame: int) -> tuple[int, int]:
        return next(((off, on) for until, off, on in self.boards if frame < until), (0, 0))
