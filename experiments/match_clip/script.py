"""The script of a match: people, shots, captions, and arrays that say where everybody is in every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.errors import UserError
from experiments.match_clip.events import Truth
from experiments.match_clip.world import Colour

SLOW_MOTION = 0.5

# People have numbers: 0-10 home, 11-21 away (the first of each is the goalkeeper), and then:
REFEREE, LINESMAN_FAR, LINESMAN_NEAR, FOURTH_OFFICIAL, SUBSTITUTE = range(22, 27)


class MatchError(UserError):
    """A match that cannot be rendered; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Team:
    """A team: its code on the scoreboard (three letters), its name and its colours."""

    code: str
    name: str
    shirt: Colour
    shorts: Colour
    socks: Colour
    trim: Colour


@dataclass(frozen=True, slots=True)
class Person:
    """A player or an official, with the colours of clothes, skin and hair."""

    number: int  # on the shirt; 0: none
    name: str
    shirt: Colour
    shorts: Colour
    socks: Colour
    trim: Colour
    skin: Colour
    hair: Colour


@dataclass(frozen=True, slots=True)
class Shot:
    """What one camera shows from one cut to the next. `kind`: main, close-up, crowd, goal-line or replay."""

    kind: str
    from_frame: int
    to_frame: int = 0
    focus: tuple[int, ...] = ()  # close-up: the people it shows
    side: int = 1  # goal-line and replay: at which goal, +1 right
    near: int = -1  # goal-line: on which side of the goal the camera is, ±1 along y
    angle: str = ""  # replay: behind, line or zoom
    excited: bool = False  # crowd
    team: int = 0  # crowd: whose supporters
    seed: int = 0  # crowd
    world_from: float = 0.0  # replay: world frame that its first frame shows


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption from one frame of the clip up to another. `icon`: "", "yellow" or "red" (a card)."""

    from_frame: int
    to_frame: int
    heading: str
    line: str
    colour: Colour
    icon: str = ""


@dataclass(frozen=True, eq=False)
class Script:
    """The whole course of a match, with arrays that have one row for each frame.

    Rows are frames of the clip in shot_of, world, camera, wipe, score, caption_of and cheer. They are frames of the
    world in ball, people_xy, heading, stride, pose and pose_age_s: the world goes on while a replay shows its past.
    `world` says which world frame a frame of the clip shows.
    """

    truth: Truth
    frames: int
    clock_start_s: int
    team_colours: tuple[Colour, Colour]
    crowd_colours: tuple[Colour, ...]
    people: tuple[Person, ...]
    changes: dict[int, tuple[tuple[int, Person], ...]]  # who → (from this world frame on, the person)
    boards: tuple[tuple[int, int, int], ...]  # (shown before this world frame, number off, number on)
    shots: tuple[Shot, ...]
    captions: tuple[Caption, ...]
    tall: np.ndarray  # (people,) share of the usual height
    shot_of: np.ndarray  # (frames,) index in `shots`
    world: np.ndarray  # (frames,) world frame, with fractions in slow motion
    camera: np.ndarray  # (frames, 6): x, y, z, yaw, pitch, focal length in picture widths
    wipe: np.ndarray  # (frames,) 0: none; up to 1: it has passed
    score: np.ndarray  # (frames, 2), as the scoreboard shows it
    caption_of: np.ndarray  # (frames,) index in `captions`, −1: none
    cheer: np.ndarray  # (frames,) 0 to 1, how lively the crowd is
    ball: np.ndarray  # (frames, 3) metres
    people_xy: np.ndarray  # (frames, people, 2) metres
    heading: np.ndarray  # (frames, people) radians
    stride: np.ndarray  # (frames, people) phase of the steps, radians
    pose: np.ndarray  # (frames, people), see world.py
    pose_age_s: np.ndarray  # (frames, people) seconds since the pose began

    def person_at(self, who: int, frame: int) -> Person:
        """Return the person with a number at a world frame: substitutes replace players."""
        person = self.people[who]
        for from_frame, other in self.changes.get(who, ()):
            if frame >= from_frame:
                person = other
        return person

    def board_numbers(self, frame: int) -> tuple[int, int]:
        """Return the numbers (off, on) on the fourth official's board at a world frame."""
        return next(((off, on) for until, off, on in self.boards if frame < until), (0, 0))
