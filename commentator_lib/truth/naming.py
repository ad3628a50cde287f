"""Which events and scores a comment names, by lists of words: a rule that can also be applied by hand."""

from __future__ import annotations

import re
from functools import cache, lru_cache

# Kind → (its words, phrases that contain such a word but do not name the kind). Both are regular expressions.
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

# Matches 2-1, 2–1, 2 - 1; does not match 12:34 (a clock) or part of a longer number or date.
_SCORE = re.compile(r"(?<![\d:\-–])(?<!\d\.)(\d{1,2})\s?[-–]\s?(\d{1,2})(?![\d:\-–]|\.\d)")


@lru_cache(4096)  # each comment is asked for each kind, and for each measure
def kinds_named(text: str) -> frozenset[str]:
    """Return the kinds of event that a comment names, except "scoreboard" (see `scores_named`).

    Rule: remove the phrases that only look like a kind ("goalkeeper", "new shot"); the kind is named if one of its
    words remains. Case and position do not matter; text that the comment quotes from the screen counts.
    """
    found = set()
    for kind, words in _NAMES.items():
        rest = _LOOKALIKES[kind].sub(" ", text) if kind in _LOOKALIKES else text
        if words.search(rest):
            found.add(kind)
    return frozenset(found)


# Kinds of other data sets whose words are those of a kind above, which is less exact: "a card" names either.
_ALIKE = {
    "yellow card": "card",
    "red card": "card",
    "yellow->red card": "card",
    "shots on target": "shot",
    "shots off target": "shot",
}


def names_kind(text: str, kind: str) -> bool:
    """Return whether a comment names a kind of event: one of `kinds_named`, or any other by the kind's own words.

    A change of the scoreboard is named by any score. Case does not matter, nor whether its
    words are joined by spaces, hyphens or underscores, nor a plural s.

    >>> names_kind("Two throw-ins already.", "Throw-in")
    True
    """
    known = _ALIKE.get(kind.lower(), kind.lower())
    if known == "scoreboard":
        return bool(scores_named(text))
    return known in kinds_named(text) if known in _WORDS else _own_words(known).search(text) is not None


@cache
def _own_words(kind: str) -> re.Pattern[str]:
    words = re.findall(r"[^\W_]+", kind)
    joined = r"[\W_]+".join(map(re.escape, words))
    return re.compile(rf"\b{joined}s?\b" if words else r"(?!)", re.IGNORECASE)


def scores_named(text: str) -> list[tuple[int, int]]:
    """Return the scores that a comment names: two numbers of at most two digits joined by a hyphen or dash."""
    return list(_scores_named(text))


@lru_cache(4096)  # as above
def _scores_named(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(home), int(away)) for home, away in _SCORE.findall(text))
