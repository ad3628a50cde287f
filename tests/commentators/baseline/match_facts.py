"""Facts as watchers give them, for the tests of how the baseline commentator tells a match. All names are invented."""

from __future__ import annotations

import random
from collections.abc import Sequence

from commentator_lib.commentators.baseline.match_talk import Line, MatchTalk
from commentator_lib.commentators.baseline.phrasing import Phrasing
from commentator_lib.events import Event, Facts

BOARD = {"teams": ["RED", "BLU"], "score": [1, 1], "clock": "34:10"}
PLAYERS = ("CASTENO", "DARVIK", "ELMORAD", "GORLAN", "HOLVANI", "KORVANE")
TEAMS = ("REDMOOR ROVERS", "BLUEHAVEN CITY")


def caption(about: str, line: str, at_s: float, heading: str = "", importance: int = 2) -> Event:
    heading = heading or about.upper()
    text = f"{heading} {line}".strip()
    facts = {"heading": heading, "line": line, "text": text, "about": about}
    return Event("caption", at_s, at_s + 0.5, importance, facts=facts)


def goal_caption(line: str = "9 CASTENO  REDMOOR ROVERS", at_s: float = 10.6) -> Event:
    return caption("goal", line, at_s, importance=3)


def score(to: Sequence, before: Sequence, at_s: float = 12.0, importance: int = 3, **facts) -> Event:
    known = {"score": list(to), "from": list(before), "teams": ["RED", "BLU"], "clock": "34:12", **facts}
    return Event("score", at_s, at_s + 0.5, importance, facts={"correction": False, **known})


def happened(*events: Event, **on_screen) -> Facts:
    return Facts({**BOARD, **on_screen}, tuple(sorted(events, key=lambda e: -e.importance)))


def new_talk(seed: int = 0) -> MatchTalk:
    """Return a talk that has opened its match."""
    talk = MatchTalk(Phrasing(seed))
    list(talk.news(happened(caption("", "v BLUEHAVEN CITY", 0.2, "REDMOOR ROVERS", 0)), 0.5))
    return talk


def lines(talk: MatchTalk, facts: Facts, now_s: float, max_words: int = 40) -> list[Line]:
    return list(talk.news(facts, now_s, max_words))


def told(talk: MatchTalk, facts: Facts, now_s: float, max_words: int = 40) -> str:
    return " ".join(line.text for line in lines(talk, facts, now_s, max_words))


def scripted_match(seed: int, comments: int = 40) -> list[tuple[Facts, float]]:
    """Return facts as of a lively match, and the time of each, 4 s apart: almost half of them with an event.

    After a goal's caption the scoreboard follows in the next comment. The same kind of event comes 12 s later at least.
    """
    rng = random.Random(1000 + seed)
    kinds = ["goal", "yellow card", "corner", "substitution", "replay", "swell", "whistle", *[""] * 8]
    standing, sequence, owed = [0, 0], [], None
    free_at_s: dict[str, float] = {}
    for k in range(comments):
        now_s, side = 1.0 + 4.0 * k, rng.randrange(2)
        at_s = now_s - 1.0
        kind = rng.choice([kind for kind in kinds if free_at_s.get(kind, 0.0) <= now_s])
        line = f"{rng.randrange(2, 30)} {rng.choice(PLAYERS)}  "
        events: list[Event] = []
        if k == 0:
            events = [caption("", f"v {TEAMS[1]}", at_s, TEAMS[0], 0)]
        elif owed is not None:
            before, standing[owed] = list(standing), standing[owed] + 1
            events, owed = [score(standing, before, at_s)], None
        elif kind:
            free_at_s[kind] = now_s + (28.0 if kind == "goal" else 12.0)
            owed = side if kind == "goal" else None
            events = [_event(kind, line, side, at_s)]
        clock = f"{30 + int(now_s) // 60}:{int(now_s) % 60:02d}"
        sequence.append((happened(*events, score=list(standing), clock=clock), now_s))
    return sequence


def _event(kind: str, line: str, side: int, at_s: float) -> Event:
    if kind == "goal":
        return goal_caption(line + TEAMS[side], at_s)
    if kind == "substitution":
        return caption(kind, "IN 26 PELLORI   OUT 8 OSTRELL", at_s)
    if kind in ("yellow card", "corner"):
        return caption(kind, line + ("RED", "BLU")[side] if kind == "yellow card" else TEAMS[side], at_s)
    return Event(kind, at_s, at_s + 0.5, 1 if kind == "replay" else 2)
