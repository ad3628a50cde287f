"""The course of the scripted match: who plays, what happens when, and where everybody is in every frame.

First the action is drawn and placed in time (`_blocks`), then a director turns it into touches of the ball,
errands of people, cuts and captions (`_Director`), and last into arrays by frame (`_compute`). A simulation
that lets players decide, the obvious way, could not promise a goal in the first twenty seconds, nor that a
replay follows it; here the events come first, and everybody is sent to where they happen.

What the times mean stands in `experiments.match`.
"""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from experiments.errors import UserError
from experiments.match_clip import match_draw as scene
from experiments.match_clip.events import Event, Stretch, Truth
from experiments.match_clip.match_draw import FPS, Colour

SHORTEST_S, LONGEST_S = 20.0, 4 * 3600.0
BANNER_AFTER_S, BANNER_S = 0.6, 4.5
SCOREBOARD_AFTER_S, SCOREBOARD_NEW_S = 2.0, 4.0
CAPTION_AFTER_S, CAPTION_S = 0.5, 4.0
_WIPE_FRAMES = 6  # before and after the cut
_SLOW_MOTION = 0.5
_ROLL_M_S = 15.0
_SPRINT_M_S = 9.2
_MAIN_CAMERA_M = (0.0, -74.0, 21.0)

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


# --- who plays

_TEAMS = (
    Team("RED", "REDMOOR ROVERS", (206, 24, 34), (245, 245, 245), (206, 24, 34), (255, 255, 255)),
    Team("BLU", "BLUEHAVEN CITY", (30, 70, 200), (24, 40, 120), (30, 70, 200), (255, 255, 255)),
    Team("WHI", "WHITEHARROW TOWN", (244, 244, 244), (30, 30, 36), (244, 244, 244), (20, 20, 30)),
    Team("YEL", "YELLOWFEN UNITED", (252, 214, 30), (30, 50, 140), (252, 214, 30), (20, 30, 100)),
    Team("ORA", "ORANBROOK ATHLETIC", (246, 120, 20), (30, 30, 34), (246, 120, 20), (20, 20, 24)),
    Team("SKY", "SKYMERE WANDERERS", (120, 196, 240), (250, 250, 250), (120, 196, 240), (20, 40, 90)),
    Team("PUR", "PURLINGHAM VALE", (110, 40, 150), (110, 40, 150), (240, 240, 240), (255, 255, 255)),
    Team("BLK", "BLACKWATER END", (28, 28, 32), (28, 28, 32), (200, 30, 40), (255, 255, 255)),
)
_NAMES = (
    "ABERLO",
    "BRANDUR",
    "CASTENO",
    "DARVIK",
    "ELMORAD",
    "FENWARD",
    "GORLAN",
    "HOLVANI",
    "IRVENKO",
    "JASPERO",
    "KORVANE",
    "LUNDARO",
    "MARVETT",
    "NORBEKO",
    "OSTRELL",
    "PELLORI",
    "QUENDAR",
    "ROSVALD",
    "SANDRELL",
    "TOLVANI",
    "ULBRICO",
    "VANDERO",
    "WESTRAM",
    "YARDELO",
    "ZOLTARI",
    "BELLAMO",
    "CORDRAY",
    "DUNVALE",
    "ESKARDO",
    "FARROLD",
    "GIVERNO",
    "HADRELL",
)
_SKINS = ((236, 190, 160), (214, 164, 128), (176, 122, 88), (120, 80, 58), (244, 204, 176))
_HAIRS = ((40, 28, 20), (86, 56, 32), (24, 20, 20), (176, 132, 70), (120, 60, 30))
_KEEPER_SHIRTS = ((246, 150, 40), (240, 226, 70), (236, 110, 180), (130, 134, 146), (60, 200, 220))


def _apart(one: Colour, other: Colour) -> float:
    return math.dist(one, other)


def _teams(rng: np.random.Generator) -> tuple[Team, Team]:
    home = _TEAMS[rng.integers(len(_TEAMS))]
    others = [team for team in _TEAMS if _apart(team.shirt, home.shirt) > 170]
    return home, others[rng.integers(len(others))]


def _person(rng: np.random.Generator, team: Team, number: int, name: str) -> Person:
    skin, hair = _SKINS[rng.integers(len(_SKINS))], _HAIRS[rng.integers(len(_HAIRS))]
    return Person(number, name, team.shirt, team.shorts, team.socks, team.trim, skin, hair)


def _squads(rng: np.random.Generator, teams: tuple[Team, Team]) -> list[Person]:
    names = list(rng.permutation(_NAMES))
    people = []
    free = list(_KEEPER_SHIRTS)
    for team in teams:
        numbers = [1, *sorted(int(n) for n in rng.permutation(np.arange(2, 15))[:10])]
        people += [_person(rng, team, number, str(names.pop())) for number in numbers]
        shirt = max(free, key=lambda colour: min(_apart(colour, other.shirt) for other in teams))
        free.remove(shirt)
        trousers = scene.mix(shirt, (0, 0, 0), 0.45)
        keeper = replace(people[-11], shirt=shirt, shorts=trousers, socks=shirt, trim=(20, 20, 24))
        people[-11] = keeper
    black, bright = (26, 26, 30), (214, 236, 60)
    dark_team = any(_apart(team.shirt, black) < 60 for team in teams)
    shirt = bright if dark_team else black
    official = Team("", "", shirt, black, black, bright if not dark_team else black)
    people += [_person(rng, official, 0, "") for _ in range(4)]
    people.append(people[1])  # the next substitute; `changes` says who that is
    return people


# --- what happens, in order


@dataclass(slots=True)
class _Block:
    """A stretch of action. Lengths in seconds; `tail_s` follows the shot's end, the card or the board."""

    kind: str  # attack, corner, card or substitution
    team: int = 0
    outcome: str = ""  # attack and corner: goal, wide, saved or behind (a corner comes of it)
    lead_s: float = 0.0  # before the shot, the kick of the corner, the card, the board
    cross_s: float = 0.0  # corner: from the kick to the header
    flight_s: float = 0.0  # from the shot to the goal line
    tail_s: float = 0.0
    replay_s: float = 0.0  # the last part of the tail
    from_s: float = 0.0

    @property
    def length_s(self) -> float:
        return self.lead_s + self.cross_s + self.flight_s + self.tail_s

    @property
    def to_s(self) -> float:
        return self.from_s + self.length_s


def _on_frame(seconds: float) -> float:
    return round(seconds * FPS) / FPS


def _attack(rng: np.random.Generator, outcome: str, kind: str = "attack") -> _Block:
    block = _Block(kind, int(rng.integers(2)), outcome)
    block.lead_s = _on_frame(rng.uniform(3.2, 4.2)) if kind == "attack" else 1.0
    block.cross_s = 0.0 if kind == "attack" else _on_frame(rng.uniform(1.2, 1.5))
    block.flight_s = _on_frame(rng.uniform(0.44, 0.8)) if kind == "attack" else 0.48
    block.tail_s = 1.6
    if outcome == "goal":
        block.replay_s = _on_frame(rng.uniform(3.8, 4.4))
        block.tail_s = _on_frame(rng.uniform(5.3, 6.2)) + block.replay_s
    return block


def _hurry(block: _Block) -> None:
    """Make an attack and what follows a goal as short as the rules of time allow."""
    block.lead_s = min(block.lead_s, 2.92)
    if block.replay_s:
        block.replay_s = 3.6
        block.tail_s = 5.2 + block.replay_s


def _stoppage(rng: np.random.Generator, kind: str) -> _Block:
    return _Block(kind, int(rng.integers(2)), lead_s=2.2 if kind == "card" else 1.4, tail_s=3.6)


def _around(rng: np.random.Generator, per_two_minutes: float, spread: float, duration_s: float) -> int:
    """A count that scales with the duration, as random in a short match as in a long one."""
    share = duration_s / 120
    return max(0, round(per_two_minutes * share + rng.uniform(-spread, spread) * min(1.0, share)))


def _wait_s(before: _Block | None, after: _Block | None) -> float:
    """The least time between two blocks."""
    if before is None:
        return 4.2
    if after is None:
        return 3.1
    if after.kind == "corner":
        return 4.6
    return {"goal": 6.2, "wide": 4.2, "saved": 4.2}.get(before.outcome, 3.6)


def _blocks(rng: np.random.Generator, duration_s: float) -> list[_Block]:
    """The match's action, placed in time."""
    share = duration_s / 120
    goals = max(1, _around(rng, 3.0, 1.2, duration_s))
    misses = max(
        _around(rng, 6.6, 1.4, duration_s) - goals, math.floor(1.2 * share), math.ceil(5 * share) - goals
    )
    corners = min(max(_around(rng, 1.8, 1.2, duration_s), int(share >= 0.75)), misses) if share > 0.4 else 0
    cards = max(_around(rng, 1.4, 0.9, duration_s), int(share >= 0.75))
    if goals > 3.5 * share:  # no time for more
        cards = min(cards, max(1, round(share)))
    outcomes = ["goal"] * goals + ["miss"] * (misses - corners)
    rng.shuffle(outcomes)
    corners = min(corners, len(outcomes))
    units = []
    for k, outcome in enumerate(outcomes):
        outcome = str(rng.choice(["wide", "saved"])) if outcome == "miss" else outcome
        if k < corners:
            won, taken = _attack(rng, "behind"), _attack(rng, outcome, "corner")
            taken.team = won.team
            units.append([won, taken])
        else:
            units.append([_attack(rng, outcome)])
    units += [[_stoppage(rng, "card")] for _ in range(cards)]
    units += [[_stoppage(rng, "substitution")] for _ in range(round(share))]
    rng.shuffle(units)
    while not _fits(units, duration_s) and (spare := _spare(units, share)):
        units = [unit for unit in units if unit is not spare]
    if not _fits(units, duration_s):
        for unit in units:
            for block in unit:
                _hurry(block)
    while not _fits(units, duration_s) and len(units) > 1:
        spare = next((unit for unit in units if not _scores(unit)), units[0])
        units = [unit for unit in units if unit is not spare]
    return _place(rng, [block for unit in units for block in unit], duration_s)


def _spare(units: list[list[_Block]], share: float) -> list[_Block] | None:
    """A unit that the match can do without and still have its share of everything; None if there is none."""
    attacks = [unit for unit in units if unit[0].kind == "attack"]
    shots = sum(len(unit) for unit in attacks)
    least_shots = 5 * share if share >= 0.75 else 1
    choices = (
        ([unit for unit in attacks if len(unit) == 1 and not _scores(unit)], 0),
        ([unit for unit in units if unit[0].kind == "card"], max(1, share)),
        ([unit for unit in attacks if _scores(unit)], max(1, 2 * share)),
        ([unit for unit in attacks if len(unit) == 2], max(1, share)),
    )
    for candidates, least in choices:
        for unit in candidates:
            left = shots - len(unit) if unit in attacks else math.inf
            if len(candidates) > least and left >= least_shots:
                return unit
    return None


def _scores(unit: list[_Block]) -> bool:
    return unit[-1].outcome == "goal"


def _fits(units: list[list[_Block]], duration_s: float) -> bool:
    blocks: list[_Block | None] = [None, *(block for unit in units for block in unit), None]
    waits_s = sum(_wait_s(a, b) for a, b in zip(blocks, blocks[1:], strict=False))
    action_s = sum(block.length_s for block in blocks if block is not None)
    return waits_s + action_s <= duration_s and action_s <= 0.65 * duration_s


def _place(rng: np.random.Generator, blocks: list[_Block], duration_s: float) -> list[_Block]:
    edges: list[_Block | None] = [None, *blocks, None]
    waits = np.array([_wait_s(a, b) for a, b in zip(edges, edges[1:], strict=False)])
    spare_s = duration_s - waits.sum() - sum(block.length_s for block in blocks)
    # Whoever waits for a corner does not wait twice as long because there is time to fill.
    weight = np.array([0.3 if b is not None and b.kind == "corner" else 1.0 for b in edges[1:]])
    drawn = rng.gamma(2.0, size=len(waits)) * weight
    waits += max(0.0, spare_s) * drawn / drawn.sum()
    now_s = 0.0
    for block, wait_s in zip(blocks, waits, strict=False):
        now_s = _on_frame(now_s + wait_s)
        block.from_s = now_s
        now_s = block.to_s
    return blocks


# --- the director: blocks become touches of the ball, errands of people, cuts and captions


@dataclass(slots=True)
class _Touch:
    """The ball is played on at `t_s` from here. `how` it came: roll, loft, fly (straight), place (appears)."""

    t_s: float
    place: tuple[float, float, float]
    team: int = -1
    who: int = -1
    how: str = "roll"
    kick: int = scene.KICK
    arrives_s: float = 0.0


@dataclass(slots=True)
class _Errand:
    """Somebody is at a place from `from_s` to `to_s`."""

    who: int
    from_s: float
    to_s: float
    xy: tuple[float, float]
    speed_m_s: float = 6.0  # at most, on the way there and back


@dataclass(slots=True)
class _Mode:
    """A formation for everybody, fading in before `from_s` and out after `to_s`."""

    kind: str  # kick-off or corner
    from_s: float
    to_s: float
    fade_in_s: float
    fade_out_s: float
    team: int = 0
    side: int = 1  # corner: at which end of the goal line, +1 far


@dataclass
class _Director:
    rng: np.random.Generator
    duration_s: float
    teams: tuple[Team, Team]
    people: list[Person]
    inserts_left: int  # cuts that may be made for variety
    touches: list[_Touch] = field(default_factory=list)
    errands: list[_Errand] = field(default_factory=list)
    modes: list[_Mode] = field(default_factory=list)
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

    def _ball(self) -> tuple[float, float, float]:
        return self.touches[-1].place

    def _event(
        self, kind: str, t_s: float, visible_s: float, team: int = -1, who: int = -1, score=None
    ) -> None:
        player = ""
        if who >= 0:
            person = self._person(who, t_s)
            player = f"{person.number} {person.name}"
        code = self.teams[team].code if team >= 0 else ""
        visible_s = round(min(visible_s, self.duration_s - t_s), 3)
        self.events.append(Event(kind, round(t_s, 3), visible_s, code, player, score))

    def _person(self, who: int, t_s: float) -> Person:
        person = self.people[who]
        for frame, other in self.changes.get(who, ()):
            person = other if t_s * FPS >= frame else person
        return person

    def _cut(self, t_s: float, kind: str, wipe: bool = False, **what) -> None:
        frame = round(t_s * FPS)
        self.shots.append(Shot(kind, frame, **what))
        self._event("cut", frame / FPS, 0.0)
        if wipe:
            self.wipes.append(frame)

    def _caption(self, t_s: float, length_s: float, heading: str, line: str, colour: Colour, icon="") -> None:
        from_frame, to_frame = round(t_s * FPS), round((t_s + length_s) * FPS)
        self.captions.append(Caption(from_frame, to_frame, heading, line, colour, icon))

    def _insert(self, cuts: int = 2, chance: float = 1.0) -> bool:
        """Whether the clip has cuts left for a picture between."""
        if self.inserts_left < cuts or self.rng.random() > chance:
            return False
        self.inserts_left -= cuts
        return True

    def _someone(self, team: int, t_s: float, numbers=(6, 7, 9, 9, 10, 10)) -> int:
        there = [k for k in numbers if self.gone_from_s.get(team * 11 + k, math.inf) > t_s]
        return team * 11 + int(there[self.rng.integers(len(there))])

    # what happens between the action

    def opening(self) -> None:
        kick_s = _on_frame(self.rng.uniform(1.6, 2.6))
        self.touches.append(_Touch(0.0, (0.0, 0.0, scene.BALL_RADIUS_M), how="place"))
        self._caption(0.2, 4.2, self.teams[0].name, f"v {self.teams[1].name}", self.teams[0].shirt)
        self._kick_off(kick_s, int(self.rng.integers(2)), 0.0)

    def _kick_off(self, kick_s: float, team: int, from_s: float) -> None:
        way = _way(team)
        self.modes.append(
            _Mode("kick-off", kick_s - 1.0 if from_s else 0.0, kick_s, 6.5 if from_s else 0.0, 5.0)
        )
        kicker, mate = team * 11 + 9, team * 11 + 10
        self.errands.append(_Errand(mate, max(0.0, kick_s - 1.5), kick_s + 0.2, (-way * 1.5, 3.0)))
        self.errands.append(_Errand(kicker, max(0.0, kick_s - 1.5), kick_s, (-way * 0.4, 0.0)))
        self.touches.append(_Touch(kick_s, (0.0, 0.0, scene.BALL_RADIUS_M), team, kicker, how="place"))
        self._event("kick-off", kick_s, 2.0, team)
        side = self.rng.choice([-1, 1])
        self._touch(kick_s + 1.5, -way * self.rng.uniform(9, 13), side * self.rng.uniform(3, 9), team)

    def _touch(
        self, t_s: float, x: float, y: float, team: int = -1, who: int = -1, how: str = "roll"
    ) -> None:
        if how == "roll" and math.dist((x, y), self._ball()[:2]) > 26:
            how = "loft"
        self.touches.append(_Touch(_on_frame(t_s), (x, y, scene.BALL_RADIUS_M), team, who, how))

    def between(self, before: _Block | None, after: _Block | None, from_s: float, to_s: float) -> None:
        """The time from one block to the next, whose team has the ball at its end."""
        if after is not None and after.kind == "corner":
            self._wait_for_corner(after, from_s, to_s)
            return
        team = after.team if after is not None else int(self.rng.integers(2))
        if before is not None and before.outcome == "goal":
            kick_s = _on_frame(from_s + self.rng.uniform(3.4, 4.0)) if after is not None else math.inf
            if after is not None or to_s - from_s > 6.2:
                kick_s = min(kick_s, _on_frame(from_s + 3.7))
                self._kick_off(kick_s, 1 - before.team, from_s)
            else:  # the clip ends before the ball is in play again
                self.modes.append(_Mode("kick-off", to_s + 2, to_s + 9, to_s + 4 - from_s, 1.0))
        elif before is not None and before.outcome in ("wide", "saved"):
            self._goal_kick(before, from_s)
        out = after is not None and after.kind == "substitution"  # to where the substitute waits
        self._pass_about(team, self.touches[-1].t_s, to_s, scene.HALF_WIDTH_M - 6 if out else None)
        resting_s = to_s - max(from_s, self.touches[0].t_s) - 8.0
        if before is not None and before.outcome == "" and resting_s > 0 and self._insert(2, 0.5):
            at_s = from_s + self.rng.uniform(2.5, 2.5 + resting_s)
            self._cut(at_s, "crowd", seed=int(self.rng.integers(1000)))
            self._cut(at_s + 2.8, "main")

    def _goal_kick(self, before: _Block, from_s: float) -> None:
        way = _way(before.team)
        keeper = (1 - before.team) * 11
        spot = (
            way * 47.0,
            math.copysign(self.rng.uniform(4.5, 8), self._ball()[1]),
        )  # past the goal, not through it
        shooter = next(t.who for t in reversed(self.touches) if t.team == before.team and t.who >= 0)
        if self._insert(2, 0.6):
            self.poses.append((shooter, from_s - 0.6, from_s + 2.4, scene.DEJECTED))
            self._cut(from_s - 0.4, "close-up", focus=(shooter,))
            self._cut(from_s + 1.8, "main")
            self._touch(from_s + 0.5, *spot, how="place")
        kick_s = from_s + 2.2
        self._touch(kick_s, *spot, team=1 - before.team, who=keeper)
        self._touch(kick_s + 1.7, way * self.rng.uniform(8, 16), self.rng.uniform(-16, 16), 1 - before.team)

    def _pass_about(self, team: int, from_s: float, to_s: float, to_y: float | None = None) -> None:
        """Slow passing in midfield; `team` has the ball in the end, at `to_y` if that is given."""
        now_s, owner = from_s, self.touches[-1].team if self.touches[-1].team >= 0 else team
        while (now_s := now_s + self.rng.uniform(1.5, 2.3)) < to_s - 0.3:
            owner = 1 - owner if self.rng.random() < 0.12 else owner
            owner = team if now_s > to_s - 4 else owner
            x, y, _ = self._ball()
            ahead = _way(team) * 11 if now_s > to_s - 4 else 0
            x = np.clip(0.75 * x + ahead + self.rng.normal(0, 8), -21, 21)
            y = np.clip(0.75 * y + self.rng.normal(0, 9), -23, 23)
            y = to_y if to_y is not None and now_s > to_s - 4 else y
            self._touch(now_s, float(x), float(y), owner)

    def _wait_for_corner(self, block: _Block, from_s: float, to_s: float) -> None:
        way, side = _way(block.team), self._corner_side()
        kick_s = to_s + block.lead_s
        spot = (way * (scene.HALF_LENGTH_M - 0.4), side * (scene.HALF_WIDTH_M - 0.4))
        shooter = next(touch.who for touch in reversed(self.touches) if touch.who >= 0) % 11
        taker = self._someone(block.team, from_s, tuple(k for k in (5, 6, 7, 8) if k != shooter))
        self.modes.append(_Mode("corner", kick_s - 1.2, kick_s + 2.6, 4.4, 8.0, block.team, side))
        run_up = (spot[0] + way * 0.5, spot[1] + side * 1.2)
        self.errands.append(_Errand(taker, kick_s - 1.8, kick_s - 0.7, run_up, 8.0))
        if self._insert(2, 0.75):
            self._cut(from_s + 0.7, "goal-line", side=way, near=-side)
            self._touch(from_s + 0.9, *spot, how="place")
            self._cut(to_s + 0.1, "main")
        else:
            self._touch(from_s + 0.6, *self._ball()[:2])
            self._touch(from_s + 3.2, *spot)
        self.touches.append(_Touch(kick_s, (*spot, scene.BALL_RADIUS_M), block.team, taker))

    def _corner_side(self) -> int:
        return 1 if self._ball()[1] >= 0 else -1

    # the action

    def play(self, block: _Block) -> None:
        {
            "attack": self._attack,
            "corner": self._corner,
            "card": self._card,
            "substitution": self._substitution,
        }[block.kind](block)

    def _attack(self, block: _Block) -> None:
        way, shot_s = _way(block.team), block.from_s + block.lead_s
        x0, y0, _ = self._ball()
        shooter = self._someone(block.team, shot_s)
        y1 = float(np.clip(0.6 * _LINE_UP[shooter % 11, 1] + self.rng.normal(0, 3), -10, 10))
        away = block.flight_s * self.rng.uniform(22, 27)  # metres to the goal
        x1 = way * (scene.HALF_LENGTH_M - float(np.clip(math.sqrt(max(away**2 - y1**2, 0)), 8, 20)))
        wing = self.rng.uniform(8, 20) * self.rng.choice([-1, 1])
        start_s = max(self.touches[-1].t_s, block.from_s - 0.5)
        count = max(2, round((shot_s - start_s) / 1.25))
        for k in range(1, count):
            share = k / count
            x = x0 + (x1 - x0) * share**0.8
            y = np.clip(y0 + (y1 - y0) * share + wing * math.sin(math.pi * share), -30, 30)
            self._touch(start_s + (shot_s - start_s) * share, x, float(y), block.team)
        self.touches.append(_Touch(shot_s, (x1, y1, scene.BALL_RADIUS_M), block.team, shooter))
        self._shoot(block, shot_s, shooter)

    def _corner(self, block: _Block) -> None:
        way, kick_s = _way(block.team), block.from_s + block.lead_s
        self._event("corner", kick_s, 2.5, block.team, self.touches[-1].who)
        self._caption(kick_s + 0.1, 2.0, "CORNER", self.teams[block.team].name, self.teams[block.team].shirt)
        shot_s = kick_s + block.cross_s
        shooter = self._someone(block.team, shot_s, (9, 10, 3, 2))
        place = (way * self.rng.uniform(44.5, 47), self.rng.uniform(-4, 4), 2.1)
        self.touches.append(_Touch(shot_s, place, block.team, shooter, "loft", scene.HEADER))
        self._shoot(block, shot_s, shooter)

    def _shoot(self, block: _Block, shot_s: float, shooter: int) -> None:
        rng, way = self.rng, _way(block.team)
        line_s = _on_frame(shot_s + block.flight_s)
        keeper = (1 - block.team) * 11
        self._event("shot", shot_s, block.flight_s + 1.0, block.team, shooter)
        side = int(rng.choice([-1, 1]))
        over = scene.HALF_LENGTH_M + 0.12
        if block.outcome == "goal":
            y, z = side * rng.uniform(1.2, 3.1), rng.uniform(0.3, 2.0)
            self._fly(line_s, way * over, y, z)
            self._fly(line_s + 0.12, way * (scene.HALF_LENGTH_M + 1.5), y * 1.02, z * 0.8)
            self._fly(line_s + 0.6, way * (scene.HALF_LENGTH_M + 1.2), y, scene.BALL_RADIUS_M)
            self._dive(keeper, line_s + 0.08, y * 0.35, side if rng.random() < 0.7 else -side, way)
            self._goal(block, line_s, shooter)
        elif block.outcome == "wide":
            y, z = side * rng.uniform(4.6, 7.5), rng.uniform(0.4, 3.0)
            self._fly(line_s, way * over, y, z)
            self._fly(line_s + 0.3, way * 56.8, y * 1.15, z * 0.6)
            self._fly(line_s + 0.9, way * 55.6, y * 1.2, scene.BALL_RADIUS_M)
            self._dive(keeper, line_s, side * 2.0, side, way)
        else:
            y, z = side * rng.uniform(1.0, 2.8), rng.uniform(0.4, 1.6)
            self._fly(line_s, way * (scene.HALF_LENGTH_M - 1.0), y, z)
            self._dive(keeper, line_s, y * 0.6, side, way)
            if block.outcome == "behind":
                self._fly(line_s + 0.24, way * (scene.HALF_LENGTH_M - 0.6), side * 4.8, 0.8)  # round the post
                self._fly(line_s + 0.6, way * 55.5, side * rng.uniform(7, 10), 0.4)
                self._fly(line_s + 1.2, way * 57.0, side * rng.uniform(10, 12), scene.BALL_RADIUS_M)
            else:
                self._fly(line_s + 0.4, way * (scene.HALF_LENGTH_M - 1.0), y, 0.3)
                self._touch(line_s + 1.3, way * (scene.HALF_LENGTH_M - 1.4), y, 1 - block.team, keeper)

    def _fly(self, t_s: float, x: float, y: float, z: float) -> None:
        self.touches.append(_Touch(_on_frame(t_s), (x, float(y), z), how="fly"))

    def _dive(self, keeper: int, line_s: float, y: float, side: int, way: int) -> None:
        """`side`: towards which end of the goal. The keeper looks out of it, so left and right turn about."""
        self.errands.append(
            _Errand(keeper, line_s, line_s + 1.0, (way * (scene.HALF_LENGTH_M - 1.0), y), 4.0)
        )
        pose = scene.DIVE_LEFT if side * way < 0 else scene.DIVE_RIGHT
        self.poses.append((keeper, line_s - 0.25, line_s + 1.1, pose))

    def _goal(self, block: _Block, goal_s: float, scorer: int) -> None:
        rng, team, way = self.rng, block.team, _way(block.team)
        self.score = (self.score[0] + (team == 0), self.score[1] + (team == 1))
        self._event("goal", goal_s, BANNER_AFTER_S + BANNER_S, team, scorer, self.score)
        person = self._person(scorer, goal_s)
        line = f"{person.number} {person.name}  {self.teams[team].name}"
        self._caption(goal_s + BANNER_AFTER_S, BANNER_S, "GOAL", line, self.teams[team].shirt)
        self._event("scoreboard", goal_s + SCOREBOARD_AFTER_S, SCOREBOARD_NEW_S, team, score=self.score)
        back_s = block.to_s
        replay_s = back_s - block.replay_s
        # The scorer runs for the corner, others after him.
        side = 1 if rng.random() < 0.5 else -1
        party = (way * rng.uniform(42, 45), side * rng.uniform(20, 25))
        self.errands.append(_Errand(scorer, goal_s + 4.0, replay_s + 0.5, party, 6.0))
        self.poses.append((scorer, goal_s + 0.5, replay_s + 0.5, scene.CELEBRATE))
        mates = [team * 11 + k for k in (10, 9, 8, 7, 6, 5) if team * 11 + k != scorer][:5]
        for k, mate in enumerate(mates):
            late_s = goal_s + 4.3 + 0.2 * k
            spot = (party[0] - way * (1.3 + 0.5 * k), party[1] + 1.5 * (k - 2))
            self.errands.append(_Errand(mate, late_s, replay_s + 0.5, spot, 6.0))
            self.poses.append((mate, goal_s + 0.7 + 0.1 * k, replay_s, scene.CELEBRATE))
        self.poses.append(((1 - team) * 11, goal_s + 1.5, replay_s, scene.DEJECTED))
        away_s = goal_s + rng.uniform(1.5, 1.9)
        crowd = {"kind": "crowd", "excited": True, "team": team, "seed": int(rng.integers(1000))}
        first_crowd = rng.random() < 0.3
        self._cut(away_s, **crowd) if first_crowd else self._cut(away_s, "close-up", focus=(scorer,))
        if self._insert(1, 0.7):
            then_s = (away_s + replay_s) / 2
            self._cut(then_s, "close-up", focus=(scorer,)) if first_crowd else self._cut(then_s, **crowd)
        angle = str(rng.choice(["behind", "line", "zoom"]))
        world_from = (goal_s + 0.75 - block.replay_s * _SLOW_MOTION) * FPS
        self._cut(replay_s, "replay", wipe=True, side=way, angle=angle, world_from=world_from)
        self._touch(replay_s + 0.5, 0.0, 0.0, how="place")
        self._cut(back_s, "main", wipe=True)

    def _card(self, block: _Block) -> None:
        rng, team, foul_s = self.rng, block.team, block.from_s + 0.3
        card_s = block.from_s + block.lead_s
        x, y, _ = self._ball()
        x, y = float(np.clip(x * 0.8, -30, 30)), float(np.clip(y * 0.8, -20, 20))
        self._touch(foul_s, x, y, 1 - team)
        offender = self._someone(team, card_s, (2, 3, 5, 6, 7, 8))
        self._touch(foul_s + 0.7, x + 1.0, y - 1.5)
        end_s = block.to_s
        self.errands.append(_Errand(offender, foul_s + 0.1, end_s, (x + 1.5, y + 0.8), 9.0))
        self.errands.append(_Errand(REFEREE, card_s - 0.9, end_s, (x + 0.1, y + 1.0), 7.0))
        red = team not in self.sent_off and rng.random() < 0.2
        if red:
            self.sent_off.add(team)
            self.gone_from_s[offender] = card_s
            self.errands.append(_Errand(offender, end_s + 9, self.duration_s + 60, (x + 4, 36.5), 4.0))
        self._event("card", card_s, CAPTION_AFTER_S + CAPTION_S, team, offender)
        person = self._person(offender, card_s)
        heading, icon = ("RED CARD", "red") if red else ("YELLOW CARD", "yellow")
        line = f"{person.number} {person.name}  {self.teams[team].code}"
        self._caption(card_s + CAPTION_AFTER_S, CAPTION_S, heading, line, (70, 76, 100), icon)
        self.poses.append((REFEREE, card_s - 0.08, card_s + 2.6, scene.RED if red else scene.YELLOW))
        self._cut(card_s - 0.8, "close-up", focus=(REFEREE, offender))
        self._cut(end_s - 0.4, "main")
        self._touch(end_s + 0.6, x + 1.0, y - 1.5, 1 - team)

    def _substitution(self, block: _Block) -> None:
        team, board_s = block.team, block.from_s + block.lead_s
        x = float(np.clip(self._ball()[0], -25, 25))
        out_s = max(1.2, (scene.HALF_WIDTH_M - self._ball()[1]) / 18)
        self._touch(block.from_s + out_s, x, scene.HALF_WIDTH_M + 1.2)
        off = self._someone(team, board_s, (5, 6, 7, 8))
        leaves = self._person(off, board_s)
        names = {self._person(who, board_s).name for who in range(22)}
        name = str(self.rng.choice([n for n in _NAMES if n not in names]))
        numbers = {self._person(team * 11 + k, board_s).number for k in range(11)}
        number = int(self.rng.choice([n for n in range(12, 30) if n not in numbers]))
        comes = _person(self.rng, self.teams[team], number, name)
        frame = round(block.to_s * FPS)
        self.changes.setdefault(off, []).append((frame, comes))
        until = self.boards[-1][0] if self.boards else 0
        self.changes.setdefault(SUBSTITUTE, []).append((until, comes))
        self.boards.append((frame, leaves.number, number))
        self._event("substitution", board_s, CAPTION_AFTER_S + CAPTION_S, team, off)
        line = f"IN {number} {name}   OUT {leaves.number} {leaves.name}"
        self._caption(board_s + CAPTION_AFTER_S, CAPTION_S, "SUBSTITUTION", line, self.teams[team].shirt)
        self.poses.append((FOURTH_OFFICIAL, board_s - 0.4, block.to_s, scene.BOARD))
        self._cut(board_s - 0.6, "close-up", focus=(FOURTH_OFFICIAL, SUBSTITUTE))
        self._cut(block.to_s - 0.4, "main")
        self._touch(block.to_s + 0.5, x, scene.HALF_WIDTH_M + 0.3, 1 - team)


def _way(team: int) -> int:
    """In which direction along x a team attacks."""
    return 1 if team == 0 else -1


# --- from touches and errands to positions


def _ball_path(touches: list[_Touch], frames: int) -> np.ndarray:
    """(frames, 3). Sets when each touch's ball arrives: it waits there until it is played on."""
    path = np.empty((frames, 3))
    path[:] = touches[0].place
    time_s = np.arange(frames) / FPS
    for before, touch in zip(touches, touches[1:], strict=False):
        start, end = np.array(before.place), np.array(touch.place)
        gone_s, room_s = before.t_s, touch.t_s - before.t_s
        distance = float(np.linalg.norm(end - start))
        if touch.how == "place":
            touch.arrives_s = touch.t_s
        else:
            # A pass arrives a moment before it is played on; what is slow takes all the time there is.
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


# Goalkeeper, back four, midfield four, two forwards, of a team that attacks to the right.
_LINE_UP = np.array(
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
# How far each goes with the ball: forwards wait up front.
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


def _formation(ball_xy: np.ndarray, modes: list[_Mode], frames: int) -> np.ndarray:
    """(frames, 22, 2): where everybody belongs, by where the ball is and what is going on."""
    places = np.empty((frames, 22, 2))
    for team in range(2):
        way, who = _way(team), slice(team * 11, team * 11 + 11)
        own_x = way * ball_xy[:, :1]
        x = np.clip(_FOLLOW * own_x + 0.85 * _LINE_UP[:, 0], -46, 47)
        y = 0.78 * _LINE_UP[:, 1] + 0.3 * ball_xy[:, 1:]
        x[:, 0] = -50.5 + 0.09 * (own_x[:, 0] + scene.HALF_LENGTH_M)
        y[:, 0] = 0.07 * ball_xy[:, 1]
        places[:, who, 0], places[:, who, 1] = way * x, y
    time_s = np.arange(frames) / FPS
    for mode in modes:
        first = max(0, int((mode.from_s - mode.fade_in_s) * FPS))
        last = min(frames, int((mode.to_s + mode.fade_out_s) * FPS) + 1)
        if first >= last:
            continue
        t = time_s[first:last]
        weight = _ramp((t - mode.from_s + mode.fade_in_s) / max(mode.fade_in_s, 1e-6))
        weight = weight * (1 - _ramp((t - mode.to_s) / max(mode.fade_out_s, 1e-6)))
        if mode.fade_in_s == 0:
            weight = 1 - _ramp((t - mode.to_s) / mode.fade_out_s)
        wanted = np.empty((22, 2))
        for team in range(2):
            way, who = _way(team), slice(team * 11, team * 11 + 11)
            if mode.kind == "kick-off":
                own = _LINE_UP * (0.8, 0.9) - (7, 0)
                own[:, 0] = np.minimum(own[:, 0], -1.5)
                own[9:] = (-9.5, -7.0), (-9.3, 8.0)
                own[0] = (-50, 0)
                wanted[who] = own * (way, 1)
            else:
                attacks = team == mode.team
                end = _way(mode.team)
                table = _CORNER_ATTACK if attacks else _CORNER_DEFENCE
                wanted[who] = table * (end, mode.side)
        places[first:last] += (wanted - places[first:last]) * weight[:, None, None]
    return places


def _ramp(share: np.ndarray) -> np.ndarray:
    """0 to 1 without a jerk."""
    return 0.5 - 0.5 * np.cos(math.pi * np.clip(share, 0, 1))


def _wander(rng: np.random.Generator, count: int, frames: int) -> np.ndarray:
    """(frames, count, 2): nobody stands exactly where the formation has him."""
    time_s = np.arange(frames, dtype=float)[:, None, None] / FPS
    way = np.zeros((frames, count, 2))
    for size_m, rates in ((1.6, (0.03, 0.08)), (0.5, (0.1, 0.2))):
        rate, start = rng.uniform(*rates, (count, 2)), rng.uniform(0, 2 * math.pi, (count, 2))
        way += size_m * np.sin(2 * math.pi * rate * time_s + start)
    return way


def _send(places: np.ndarray, errands: list[_Errand]) -> None:
    """Move people to their errands, in place; they leave early enough to get there at their speed."""
    frames = len(places)
    time_s = np.arange(frames) / FPS
    by_person: dict[int, list[_Errand]] = {}
    for errand in sorted(errands, key=lambda e: e.from_s):
        by_person.setdefault(errand.who, []).append(errand)
    for who, own in by_person.items():
        base = places[:, who].copy()
        for before, errand in zip(own, own[1:], strict=False):
            away_s = math.dist(before.xy, errand.xy) / _SPRINT_M_S
            errand.from_s = max(errand.from_s, before.to_s + max(0.2, away_s))
            errand.to_s = max(errand.to_s, errand.from_s)
        for k, errand in enumerate(own):
            here = base[min(frames - 1, max(0, round(errand.from_s * FPS)))]
            need_s = float(np.clip(1.57 * math.dist(here, errand.xy) / errand.speed_m_s, 1.0, 8.0))
            before_s = own[k - 1].to_s if k else -math.inf
            after_s = own[k + 1].from_s if k + 1 < len(own) else math.inf
            # Between two errands that are close together one goes straight from one to the other.
            rise_s = errand.from_s - before_s if errand.from_s - before_s < 5 else need_s
            fall_s = after_s - errand.to_s if after_s - errand.to_s < 5 else need_s
            rise_s, fall_s = max(rise_s, 1e-3), max(fall_s, 1e-3)
            first = max(0, int((errand.from_s - rise_s) * FPS))
            last = min(frames, int((errand.to_s + fall_s) * FPS) + 2)
            if first >= last:
                continue
            t = time_s[first:last]
            weight = _ramp((t - errand.from_s + rise_s) / rise_s) * (1 - _ramp((t - errand.to_s) / fall_s))
            places[first:last, who] += (np.array(errand.xy) - base[first:last]) * weight[:, None]


def _slow_down(places: np.ndarray) -> None:
    """Nobody runs faster than people do, in place. Worked out from the end to the beginning: who has far to go
    leaves early, and is there in time; from the beginning to the end he would be late everywhere."""
    step_m = _SPRINT_M_S / FPS
    for k in range(len(places) - 2, -1, -1):
        way = places[k] - places[k + 1]
        length = np.sqrt(np.einsum("ij,ij->i", way, way))
        if length.max() > step_m:
            places[k] = places[k + 1] + way * np.minimum(1, step_m / np.maximum(length, 1e-9))[:, None]


def _name_touches(
    touches: list[_Touch], errands: list[_Errand], places: np.ndarray, gone_from_s: dict[int, float]
) -> None:
    """Give every touch without a name to whoever of its team is nearest and not wanted elsewhere soon."""
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


def _officials(ball_xy: np.ndarray) -> np.ndarray:
    """(frames, 5, 2): referee, two linesmen, fourth official, the next substitute."""
    places = np.empty((len(ball_xy), 5, 2))
    slow = gaussian_filter1d(ball_xy, 1.2 * FPS, axis=0, mode="nearest")
    places[:, 0] = slow * (0.74, 0.45) + (-1.0, 9.0)
    for k, (way, y) in enumerate(((1, scene.HALF_WIDTH_M + 0.9), (-1, -scene.HALF_WIDTH_M - 0.9))):
        places[:, 1 + k, 0] = way * np.clip(0.62 * way * slow[:, 0] + 18, 0, 46)
        places[:, 1 + k, 1] = y
    places[:, 3], places[:, 4] = (-3.0, 36.3), (-1.9, 36.2)
    return places


def _headings(xy: np.ndarray, ball_xy: np.ndarray) -> np.ndarray:
    """(frames, people): where they look. Who runs looks ahead, who stands looks at the ball."""
    moved = gaussian_filter1d(np.gradient(xy, axis=0) * FPS, 4, axis=0, mode="nearest")
    speed = np.linalg.norm(moved, axis=2, keepdims=True)
    to_ball = ball_xy[:, None] - xy
    to_ball /= np.maximum(np.linalg.norm(to_ball, axis=2, keepdims=True), 0.3)
    running = np.clip((speed - 0.5) / 1.5, 0, 1)
    ahead = moved / np.maximum(speed, 1e-3) * running + to_ball * (1 - running)
    ahead[:, [FOURTH_OFFICIAL, SUBSTITUTE]] = (0.12, -1.0)
    ahead = gaussian_filter1d(ahead, 4, axis=0, mode="nearest")
    return np.arctan2(ahead[..., 1], ahead[..., 0])


# --- cameras


def _cameras(shots: list[Shot], frames: int, ball: np.ndarray, xy: np.ndarray, heading: np.ndarray):
    """(frames, 6) cameras and (frames,) world frames."""
    camera, world = np.zeros((frames, 6)), np.arange(frames, dtype=float)
    for shot in shots:
        span = slice(shot.from_frame, shot.to_frame)
        count = shot.to_frame - shot.from_frame
        if shot.kind == "replay":
            world[span] = np.minimum(shot.world_from + np.arange(count) * _SLOW_MOTION, frames - 1)
        seen = np.rint(world[span]).astype(int)
        calm_s = 1.4 if shot.kind == "replay" else 0.75
        target = gaussian_filter1d(ball[seen], calm_s * FPS, axis=0, mode="nearest")
        if shot.kind == "close-up":
            camera[span] = _close_up(shot, xy[seen], heading[seen])
        elif shot.kind == "goal-line":
            place = np.array([shot.side * 55.0, shot.near * 27.0, 5.0])
            look = np.array([shot.side * 46.0, -shot.near * 12.0, 1.0]) + 0.1 * (target - target.mean(axis=0))
            camera[span] = _row(place, look, 1.15)
        elif shot.kind == "replay":
            camera[span] = _replay(shot, target)
        else:
            camera[span] = _main(target)
    return camera, world


def _row(place: np.ndarray, target: np.ndarray, focal: float | np.ndarray) -> np.ndarray:
    """Camera rows from where it stands and where it looks."""
    place = np.broadcast_to(place, target.shape)
    yaw, pitch = scene.aim(place, target)
    return np.column_stack([place, yaw, pitch, np.broadcast_to(focal, yaw.shape)])


def _main(ball: np.ndarray) -> np.ndarray:
    """The camera on the half-way line: follows the ball, closer near the goals."""
    aside = np.clip(np.abs(ball[:, 1]) - 14, 0, 20) * np.sign(ball[:, 1])
    y = 0.5 * ball[:, 1] + 0.3 * aside + 1.5
    target = np.column_stack([np.clip(ball[:, 0] * 0.97, -44, 44), y, 0 * y])
    near_goal = _ramp((np.abs(target[:, 0]) - 14) / 26) * (1 - _ramp((np.abs(ball[:, 1]) - 14) / 18))
    away = np.linalg.norm(target - np.array(_MAIN_CAMERA_M), axis=1)
    # The picture is 44 m wide at the ball, 33 m in front of the goals.
    return _row(np.array(_MAIN_CAMERA_M), target, away / (44 - 11 * near_goal))


def _close_up(shot: Shot, xy: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """From in front, with a long lens; the picture is 3 m wide."""
    subject = xy[:, list(shot.focus)].mean(axis=1)
    middle = heading[len(heading) // 2, list(shot.focus)]
    angle = math.atan2(np.sin(middle).mean(), np.cos(middle).mean()) + 0.3
    if len(shot.focus) > 1:
        angle = -math.pi / 2 + 0.12
    away = 13.0
    slow = gaussian_filter1d(subject, 8, axis=0, mode="nearest")
    place = np.column_stack(
        [slow + away * np.array([math.cos(angle), math.sin(angle)]), np.full(len(xy), 1.5)]
    )
    look = gaussian_filter1d(subject, 5, axis=0, mode="nearest")
    sway = np.sin(np.arange(len(xy)) / 11.0)[:, None] * (0.03, 0.02)
    board = FOURTH_OFFICIAL in shot.focus
    target = np.column_stack(
        [look + sway, np.full(len(xy), 1.75 if board else 1.55 if len(shot.focus) == 1 else 1.62)]
    )
    return _row(place, target, away / (4.2 if board else 3.2 if len(shot.focus) == 1 else 4.3))


def _replay(shot: Shot, ball: np.ndarray) -> np.ndarray:
    goal = np.array([shot.side * scene.HALF_LENGTH_M, 0.0, 1.2])
    if shot.angle == "behind":
        return _row(np.array([shot.side * 66.0, -9.0, 7.5]), 0.55 * goal + 0.45 * ball, 1.15)
    if shot.angle == "line":
        return _row(np.array([shot.side * 49.0, -33.0, 5.5]), 0.6 * goal + 0.4 * ball, 1.35)
    away = np.linalg.norm(ball - np.array(_MAIN_CAMERA_M), axis=1)
    return _row(np.array(_MAIN_CAMERA_M), ball, away / 19)


# --- the script


def write_script(duration_s: float, seed: int) -> Script:
    """The course of a match of `duration_s` seconds; the same for the same arguments. Raises MatchError."""
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        raise MatchError(
            f"a match of {duration_s:g} s cannot be made: it takes {SHORTEST_S:g} to {LONGEST_S:g} s"
        )
    if seed < 0:
        raise MatchError(f"seed {seed} cannot be used: seeds are 0 or above")
    rng = np.random.default_rng(seed)
    frames = round(duration_s * FPS)
    duration_s = frames / FPS
    teams = _teams(rng)
    people = _squads(rng, teams)
    blocks = _blocks(rng, duration_s)
    needed = sum({"goal": 3, "": 2}.get(block.outcome, 0) for block in blocks)
    director = _Director(rng, duration_s, teams, people, max(0, math.floor(15 * duration_s / 120) - needed))
    director.opening()
    stretches, now_s = [], 0.0
    for before, block in zip([None, *blocks], blocks, strict=False):
        director.between(before, block, now_s, block.from_s)
        director.play(block)
        stretches.append(Stretch("nothing", round(now_s, 3), round(block.from_s, 3)))
        stretches.append(Stretch("action", round(block.from_s, 3), round(block.to_s, 3)))
        now_s = block.to_s
    director.between(blocks[-1], None, now_s, duration_s)
    stretches.append(Stretch("nothing", round(now_s, 3), duration_s))
    events = tuple(sorted(director.events, key=lambda event: event.t_s))
    codes = (teams[0].code, teams[1].code)
    truth = Truth(duration_s, events, tuple(stretches), codes, seed)
    return _compute(rng, director, truth, frames)


def _compute(rng: np.random.Generator, director: _Director, truth: Truth, frames: int) -> Script:
    """The arrays of a script, from what the director wants."""
    touches = sorted(director.touches, key=lambda touch: touch.t_s)
    ball = _ball_path(touches, frames)
    slow = gaussian_filter1d(ball[:, :2], 1.4 * FPS, axis=0, mode="nearest")
    players = _formation(slow, director.modes, frames)
    _name_touches(touches, director.errands, players, director.gone_from_s)
    places = np.concatenate([players, _officials(ball[:, :2])], axis=1)
    places[:, :23] += _wander(rng, 23, frames) * 0.8
    errands = list(director.errands)
    for touch in touches:
        if touch.who >= 0:
            xy = (touch.place[0] - 0.35 * _way(touch.team), touch.place[1] - 0.1)
            errands.append(_Errand(touch.who, min(touch.arrives_s, touch.t_s), touch.t_s + 0.12, xy))
    _send(places, errands)
    _slow_down(places)
    places = gaussian_filter1d(places, 3, axis=0, mode="nearest")
    heading = _headings(places, ball[:, :2])
    speed = np.linalg.norm(np.gradient(places, axis=0), axis=2) * FPS
    stride = np.cumsum(2 * math.pi * (0.7 * np.minimum(1, speed / 0.8) + 0.16 * speed) / FPS, axis=0)
    stride += rng.uniform(0, 2 * math.pi, stride.shape[1])
    pose, pose_age_s = np.zeros(stride.shape, np.uint8), np.zeros(stride.shape, np.float32)
    kicks = []
    for touch, then in zip(touches, touches[1:], strict=False):
        if touch.who >= 0 and math.dist(touch.place[:2], then.place[:2]) > 3:
            lead_s = 0.22 if touch.kick == scene.KICK else 0.3
            kicks.append((touch.who, touch.t_s - lead_s, touch.t_s + 0.3, touch.kick))
    for who, from_s, to_s, what in [*kicks, *director.poses]:
        first, last = max(0, round(from_s * FPS)), min(frames, round(to_s * FPS))
        pose[first:last, who] = what
        pose_age_s[first:last, who] = np.arange(max(0, last - first)) / FPS
    shots = [shot for shot in director.shots if shot.from_frame < frames]
    shots.sort(key=lambda shot: shot.from_frame)
    ends = [*(shot.from_frame for shot in shots[1:]), frames]
    shots = [replace(shot, to_frame=end) for shot, end in zip(shots, ends, strict=True)]
    camera, world = _cameras(shots, frames, ball, places, heading)
    shot_of = np.zeros(frames, np.int32)
    for k, shot in enumerate(shots):
        shot_of[shot.from_frame : shot.to_frame] = k
    caption_of = np.full(frames, -1, np.int32)
    for k, caption in enumerate(director.captions):
        caption_of[caption.from_frame : caption.to_frame] = k
    wipe = np.zeros(frames, np.float32)
    for frame in director.wipes:
        steps = np.arange(-_WIPE_FRAMES, _WIPE_FRAMES)
        inside = (frame + steps >= 0) & (frame + steps < frames)
        wipe[(frame + steps)[inside]] = ((steps + _WIPE_FRAMES + 0.5) / (2 * _WIPE_FRAMES))[inside]
    score = np.zeros((frames, 2), np.int16)
    for event in truth.of_kind("scoreboard"):
        score[round(event.t_s * FPS) :] = event.score
    cheer = np.zeros(frames, np.float32)
    for event in truth.of_kind("goal"):
        first = round(event.t_s * FPS)
        fading = 1 - np.arange(min(frames - first, 9 * FPS)) / (9 * FPS)
        cheer[first : first + len(fading)] = np.maximum(cheer[first : first + len(fading)], fading)
    kits = [(team.shirt, team.shorts) for team in director.teams]
    return Script(
        truth=truth,
        frames=frames,
        clock_start_s=60 * int(rng.integers(0, max(1, 88 - math.ceil(truth.duration_s / 60)))),
        team_colours=(kits[0][0], kits[1][0]),
        crowd_colours=(kits[0][0], kits[0][0], kits[0][1], kits[1][0]),
        people=tuple(director.people),
        changes={who: tuple(rows) for who, rows in director.changes.items()},
        boards=tuple(director.boards),
        shots=tuple(shots),
        captions=tuple(director.captions),
        tall=rng.uniform(0.96, 1.05, places.shape[1]),
        shot_of=shot_of,
        world=world,
        camera=camera,
        wipe=wipe,
        score=score,
        caption_of=caption_of,
        cheer=cheer,
        ball=ball.astype(np.float32),
        people_xy=places.astype(np.float32),
        heading=heading.astype(np.float32),
        stride=stride,
        pose=pose,
        pose_age_s=pose_age_s,
    )
