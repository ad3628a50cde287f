"""Plan what happens in a match: attacks, corners, cards and substitutions, in order and placed in time.

The events are planned first, and the players are moved to where they happen. A simulation in which players decide
could not guarantee a goal within twenty seconds and a replay after it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from experiments.match_clip.world import FPS


@dataclass(slots=True)
class Block:
    """A stretch of action, in seconds: it starts at `from_s` and lasts lead + cross + flight + tail."""

    kind: str  # attack, corner, card or substitution
    team: int = 0  # 0 home, 1 away
    outcome: str = ""  # attack and corner: goal, wide, saved or behind (over the goal line; a corner follows)
    lead_s: float = 0.0  # until the shot, the corner kick, the card or the substitution board
    cross_s: float = 0.0  # corner: from the kick to the header
    flight_s: float = 0.0  # from the shot to the goal line
    tail_s: float = 0.0  # from the end of the flight, the card or the board to the end of the block
    replay_s: float = 0.0  # the last part of the tail
    from_s: float = 0.0

    @property
    def length_s(self) -> float:
        return self.lead_s + self.cross_s + self.flight_s + self.tail_s

    @property
    def to_s(self) -> float:
        return self.from_s + self.length_s


def on_frame(seconds: float) -> float:
    """Return the time of the frame nearest to `seconds`."""
    return round(seconds * FPS) / FPS


def _make_attack(rng: np.random.Generator, outcome: str, kind: str = "attack") -> Block:
    block = Block(kind, int(rng.integers(2)), outcome)
    block.lead_s = on_frame(rng.uniform(3.2, 4.2)) if kind == "attack" else 1.0
    block.cross_s = 0.0 if kind == "attack" else on_frame(rng.uniform(1.2, 1.5))
    block.flight_s = on_frame(rng.uniform(0.44, 0.8)) if kind == "attack" else 0.48
    block.tail_s = 1.6
    if outcome == "goal":
        block.replay_s = on_frame(rng.uniform(3.8, 4.4))
        block.tail_s = on_frame(rng.uniform(5.3, 6.2)) + block.replay_s
    return block


def _shorten(block: Block) -> None:
    """Make an attack, and the time after its goal, as short as the rules in match.py allow."""
    block.lead_s = min(block.lead_s, 2.92)
    if block.replay_s:
        block.replay_s = 3.6
        block.tail_s = 5.2 + block.replay_s


def _make_stoppage(rng: np.random.Generator, kind: str) -> Block:
    return Block(kind, int(rng.integers(2)), lead_s=2.2 if kind == "card" else 1.4, tail_s=3.6)


def _scaled_count(rng: np.random.Generator, per_two_minutes: float, spread: float, duration_s: float) -> int:
    """Return a random number of events that grows with the duration.

    The expected number is `per_two_minutes` × duration / 120 s. The random part is uniform in ± `spread`, less for
    matches under two minutes.
    """
    share = duration_s / 120
    return max(0, round(per_two_minutes * share + rng.uniform(-spread, spread) * min(1.0, share)))


def _least_wait_s(before: Block | None, after: Block | None) -> float:
    """Return the least time between two blocks; None stands for the start and the end of the match."""
    if before is None:
        return 4.2
    if after is None:
        return 3.1
    if after.kind == "corner":
        return 4.6
    return {"goal": 6.2, "wide": 4.2, "saved": 4.2}.get(before.outcome, 3.6)


def plan_blocks(rng: np.random.Generator, duration_s: float) -> list[Block]:
    """Return the match's action, placed in time."""
    # 1) how many of each; `share` is the length in units of two minutes
    share = duration_s / 120
    goals = max(1, _scaled_count(rng, 3.0, 1.2, duration_s))
    misses = max(
        _scaled_count(rng, 6.6, 1.4, duration_s) - goals,
        math.floor(1.2 * share),
        math.ceil(5 * share) - goals,
    )
    corners = (
        min(max(_scaled_count(rng, 1.8, 1.2, duration_s), int(share >= 0.75)), misses) if share > 0.4 else 0
    )
    cards = max(_scaled_count(rng, 1.4, 0.9, duration_s), int(share >= 0.75))
    if goals > 3.5 * share:  # no time for more
        cards = min(cards, max(1, round(share)))
    # 2) units that stay together: an attack that wins a corner and that corner, or one block
    outcomes = ["goal"] * goals + ["miss"] * (misses - corners)
    rng.shuffle(outcomes)
    corners = min(corners, len(outcomes))
    units = []
    for k, outcome in enumerate(outcomes):
        outcome = str(rng.choice(["wide", "saved"])) if outcome == "miss" else outcome
        if k < corners:
            won, taken = _make_attack(rng, "behind"), _make_attack(rng, outcome, "corner")
            taken.team = won.team
            units.append([won, taken])
        else:
            units.append([_make_attack(rng, outcome)])
    units += [[_make_stoppage(rng, "card")] for _ in range(cards)]
    units += [[_make_stoppage(rng, "substitution")] for _ in range(round(share))]
    rng.shuffle(units)
    # 3) where they do not fit: leave out what can be spared, then shorten, then leave out more
    while not _fits(units, duration_s) and (spare := _find_spare(units, share)):
        units = [unit for unit in units if unit is not spare]
    if not _fits(units, duration_s):
        for unit in units:
            for block in unit:
                _shorten(block)
    while not _fits(units, duration_s) and len(units) > 1:
        spare = next((unit for unit in units if not _scores(unit)), units[0])
        units = [unit for unit in units if unit is not spare]
    return _place(rng, [block for unit in units for block in unit], duration_s)


def _find_spare(units: list[list[Block]], share: float) -> list[Block] | None:
    """Return a unit that can be left out, so that enough events of its kind remain; None where there is none."""
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


def _scores(unit: list[Block]) -> bool:
    return unit[-1].outcome == "goal"


def _fits(units: list[list[Block]], duration_s: float) -> bool:
    """Return whether the units fit into the match with the least waits, and are at most 65 % of it."""
    blocks: list[Block | None] = [None, *(block for unit in units for block in unit), None]
    waits_s = sum(_least_wait_s(a, b) for a, b in zip(blocks, blocks[1:], strict=False))
    action_s = sum(block.length_s for block in blocks if block is not None)
    return waits_s + action_s <= duration_s and action_s <= 0.65 * duration_s


def _place(rng: np.random.Generator, blocks: list[Block], duration_s: float) -> list[Block]:
    """Set when each block starts: the least waits, and the time that is left distributed among them at random."""
    edges: list[Block | None] = [None, *blocks, None]
    waits = np.array([_least_wait_s(a, b) for a, b in zip(edges, edges[1:], strict=False)])
    spare_s = duration_s - waits.sum() - sum(block.length_s for block in blocks)
    # The wait before a corner grows less than the others.
    weight = np.array([0.3 if b is not None and b.kind == "corner" else 1.0 for b in edges[1:]])
    drawn = rng.gamma(2.0, size=len(waits)) * weight
    waits += max(0.0, spare_s) * drawn / drawn.sum()
    now_s = 0.0
    for block, wait_s in zip(blocks, waits, strict=False):
        now_s = on_frame(now_s + wait_s)
        block.from_s = now_s
        now_s = block.to_s
    return blocks
