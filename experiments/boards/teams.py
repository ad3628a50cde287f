"""Who plays on the boards: invented teams with codes, long names and names in other scripts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.boards.draw import Colour


@dataclass(frozen=True, slots=True)
class Team:
    """A team: its code, its name, the colour of its cells and crest, and an ink that is legible on it."""

    code: str
    name: str
    colour: Colour
    ink: Colour
    crest: int = 0


_COLOURS: tuple[tuple[Colour, Colour], ...] = (
    ((200, 24, 36), (255, 255, 255)),
    ((28, 70, 190), (255, 255, 255)),
    ((244, 244, 244), (20, 24, 36)),
    ((250, 208, 32), (24, 28, 50)),
    ((240, 120, 24), (255, 255, 255)),
    ((24, 132, 84), (255, 255, 255)),
    ((112, 44, 150), (255, 255, 255)),
    ((24, 26, 32), (255, 255, 255)),
    ((110, 190, 240), (16, 30, 60)),
    ((130, 22, 50), (255, 255, 255)),
)
# (code, name) of invented teams and players, by kind
NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "latin": (
        ("HAV", "Harrow Vale"),
        ("POS", "Port Selwyn"),
        ("REM", "Redmoor"),
        ("BLU", "Bluehaven"),
        ("ORB", "Oranbrook"),
        ("SKY", "Skymere"),
        ("VEL", "Velmora"),
        ("KAD", "Kadrun"),
        ("TOR", "Torsund"),
        ("NYM", "Nymark"),
        ("WEX", "Wexdale"),
        ("LUN", "Lundaro"),
    ),
    "long": (
        ("HAV", "HARROW VALE ATHLETIC"),
        ("POS", "PORT SELWYN CITY"),
        ("REM", "REDMOOR ROVERS"),
        ("BLU", "BLUEHAVEN UNITED"),
        ("ORB", "ORANBROOK"),
        ("SKY", "SKYMERE WANDERERS"),
        ("VEL", "VELMORA 1904"),
        ("KAD", "KADRUN TOWN"),
    ),
    "cyrillic": (
        ("ВЕЛ", "Велмора"),
        ("КАД", "Кадрун"),
        ("ТОР", "Торсунд"),
        ("НИМ", "Нимарк"),
        ("ЛУН", "Лундаро"),
        ("ЖЕЛ", "Желдан"),
    ),
    "greek": (
        ("ΒΕΛ", "ΒΕΛΜΟΡΑ"),
        ("ΚΑΔ", "ΚΑΔΡΟΥΝ"),
        ("ΤΟΡ", "ΤΟΡΣΟΥΝΔ"),
        ("ΞΥΛ", "ΞΥΛΙΝΑ"),
        ("ΦΙΡ", "ΦΙΡΝΙΞ"),
        ("ΨΑΜ", "ΨΑΜΟΡΑ"),
    ),
    "chinese": (
        ("青川", "青川"),
        ("北岭", "北岭"),
        ("东湾", "东湾"),
        ("白石", "白石"),
        ("南河", "南河"),
        ("云台", "云台"),
    ),
    "players": (
        ("DAR", "DARVIK"),
        ("ELM", "ELMORAD"),
        ("GOR", "GORLAN"),
        ("HOL", "HOLVANI"),
        ("KOR", "KORVANE"),
        ("OST", "OSTRELL"),
        ("TOL", "TOLVANI"),
        ("ZOL", "ZOLTARI"),
    ),
    "esports": (
        ("NVA", "NOVA SIX"),
        ("GRM", "GRIMFOX"),
        ("PXL", "PIXEL ORDER"),
        ("VTX", "VORTEXA"),
        ("KRN", "KRONIK"),
        ("LMN", "LUMEN"),
    ),
}


def _apart(one: Colour, other: Colour) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def choose_teams(rng: np.random.Generator, kind: str) -> tuple[Team, Team]:
    """Return two teams of a kind of NAMES with clearly different colours."""
    names = NAMES[kind]
    first, second = (int(k) for k in rng.permutation(len(names))[:2])
    colour = int(rng.integers(len(_COLOURS)))
    others = [pair for pair in _COLOURS if _apart(pair[0], _COLOURS[colour][0]) > 220]
    pairs = _COLOURS[colour], others[int(rng.integers(len(others)))]
    crests = rng.permutation(3)
    return (
        Team(*names[first], *pairs[0], int(crests[0])),
        Team(*names[second], *pairs[1], int(crests[1])),
    )
