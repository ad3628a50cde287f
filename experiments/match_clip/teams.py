"""Who plays: two teams with clearly different colours, and their people. All names are invented."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from experiments.match_clip.script import Person, Team
from experiments.match_clip.world import Colour, mix

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

NAMES = (
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


def _colour_distance(one: Colour, other: Colour) -> float:
    return math.dist(one, other)


def choose_teams(rng: np.random.Generator) -> tuple[Team, Team]:
    """Return two teams (home, away) whose shirts have clearly different colours."""
    home = _TEAMS[rng.integers(len(_TEAMS))]
    others = [team for team in _TEAMS if _colour_distance(team.shirt, home.shirt) > 170]
    return home, others[rng.integers(len(others))]


def make_person(rng: np.random.Generator, team: Team, number: int, name: str) -> Person:
    """Return a person in the team's colours, with random skin and hair."""
    skin, hair = _SKINS[rng.integers(len(_SKINS))], _HAIRS[rng.integers(len(_HAIRS))]
    return Person(number, name, team.shirt, team.shorts, team.socks, team.trim, skin, hair)


def choose_squads(rng: np.random.Generator, teams: tuple[Team, Team]) -> list[Person]:
    """Return the people of a match in the order of their numbers (script.py)."""
    names = list(rng.permutation(NAMES))
    people = []
    free = list(_KEEPER_SHIRTS)
    for team in teams:
        numbers = [1, *sorted(int(n) for n in rng.permutation(np.arange(2, 15))[:10])]
        people += [make_person(rng, team, number, str(names.pop())) for number in numbers]
        shirt = max(free, key=lambda colour: min(_colour_distance(colour, other.shirt) for other in teams))
        free.remove(shirt)
        trousers = mix(shirt, (0, 0, 0), 0.45)
        keeper = replace(people[-11], shirt=shirt, shorts=trousers, socks=shirt, trim=(20, 20, 24))
        people[-11] = keeper
    black, bright = (26, 26, 30), (214, 236, 60)
    dark_team = any(_colour_distance(team.shirt, black) < 60 for team in teams)
    shirt = bright if dark_team else black
    official = Team("", "", shirt, black, black, bright if not dark_team else black)
    people += [make_person(rng, official, 0, "") for _ in range(4)]
    people.append(people[1])  # the next substitute; `changes` says who that is
    return people
