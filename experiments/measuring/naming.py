"""Which events and scores a comment names: a rule of words that can be applied with a pencil."""

from __future__ import annotations

import re

# A kind is named when one of its words stands in the comment and none of the phrases that only look like it.
_WORDS = {
    "kick-off": (r"kick[- ]?off|kicks? off|under ?way", r"free kick"),
    "shot": (
        r"shots?|shoots?|shooting|strikes?|drives? it",
        r"(?:new|next|another|different|close|wide) shot",
    ),
    "goal": (
        r"goals?|scores?|scored|back of the net",
        r"goal[- ]?(?:keeper|kick|line|mouth|post)s?|goalless|no goal|towards? goal|at goal|on goal|the score",
    ),
    "card": (r"(?:yellow|red) card|cards?|booked|booking|sent off", r"credit card"),
    "substitution": (r"substitut\w+|comes? on for|replaces?|replaced", r""),
    "corner": (
        r"corners?|corner kick",
        r"(?:top|bottom|left|right|far|near)[- ](?:\w+ )?corner|in the corner",
    ),
    "cut": (
        r"cuts?|(?:new|next|another|different) (?:shot|view|scene)|another angle|picture changes",
        r"cuts? (?:inside|in|back|out)",
    ),
}

_NAMES = {kind: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for kind, (words, _) in _WORDS.items()}

_LOOKALIKES = {
    kind: re.compile(rf"\b(?:{phrases})\b", re.IGNORECASE) for kind, (_, phrases) in _WORDS.items() if phrases
}

# 2-1, 2–1, 2 - 1; not 12:34 (a clock), nor a part of a longer number or date.
_SCORE = re.compile(r"(?<![\d:\-–])(?<!\d\.)(\d{1,2})\s?[-–]\s?(\d{1,2})(?![\d:\-–]|\.\d)")


def kinds_named(text: str) -> set[str]:
    """Kinds of event that a comment names, "scoreboard" apart.

    Rule: after the phrases that only look like a kind ("goalkeeper", "new shot") are taken out, one of its
    words is left. Case and position do not matter; quoted text on screen counts, since it is what was said.
    """
    found = set()
    for kind, words in _NAMES.items():
        rest = _LOOKALIKES[kind].sub(" ", text) if kind in _LOOKALIKES else text
        if words.search(rest):
            found.add(kind)
    return found


def scores_named(text: str) -> list[tuple[int, int]]:
    """Scores that a comment names: two numbers of at most two digits joined by a hyphen or dash."""
    return [(int(home), int(away)) for home, away in _SCORE.findall(text)]
