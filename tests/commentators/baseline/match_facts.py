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
    """Return facts as of a lively match, and the time of each, 4 s apart: almost half of them with an event."""
    rng = random.Random(1000 + seed)
    standing, sequence, goal_side, last_goal = [0, 0], [], None, -9
    for k in range(comments):
        now_s = 1.0 + 4.0 * k
        on_screen = {"clock": f"{30 + int(now_s) // 60}:{int(now_s) % 60:02d}"}
        side = rng.randrange(2)
        line = f"{rng.randrange(2, 30)} {rng.choice(PLAYERS)}  "
        if goal_side is not None:  # the scoreboard follows the caption of the last comment
            before, standing[goal_side] = list(standing), standing[goal_side] + 1
            event, goal_side = score(standing, before, now_s - 1.0), None
        elif k == 0:
            event = caption("", f"v {TEAMS[1]}", 0.2, TEAMS[0], 0)
        else:
            draw = rng.random()
            if draw < 0.1 and k - last_goal < 7:
                draw = 1.0  # after a goal the ball goes back to the centre first
            goal_side, last_goal = (side, k) if draw < 0.1 else (None, last_goal)
            event = (
                goal_caption(line + TEAMS[side], now_s - 1.0)
                if draw < 0.1
                else caption("yellow card", line + ("RED", "BLU")[side], now_s - 1.0)
                if draw < 0.18
                else caption("corner", TEAMS[side], now_s - 1.0)
                if draw < 0.26
                else caption("substitution", "IN 26 PELLORI   OUT 8 OSTRELL", now_s - 1.0)
                if draw < 0.32
                else Event("replay", now_s - 1.0, now_s, facts={"begins": True})
                if draw < 0.4
                else Event(rng.choice(["swell", "whistle"]), now_s - 1.0, now_s, 2)
                if draw < 0.52
                else None
            )
        sequence.append((happened(*([event] if event else []), score=list(standing), **on_screen), now_s))
    return sequence
