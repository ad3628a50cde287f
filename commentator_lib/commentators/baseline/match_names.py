"""Names and numbers as they were read from the screen, made fit for a sentence, and who a caption is about.

What was read is data: it is cut to a length, freed of quotes and control characters, and left out where it would name
an event by itself, so that a team called "Corner" does not become one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_NAME = 40  # characters
_MOST_WORDS_OF_A_NAME = 4
# What sounds like an event or a score. A text that is quoted may hold none of it.
_NEWS = re.compile(
    r"\b(?:kick[- ]?offs?|kicks? off|under ?way|shots?|shoots?|shooting|strikes?|drives? it|goals?|scores?|scored"
    r"|back of the net|cards?|booked|booking|sent off|substitut\w+|comes? on for|replace[sd]?|corners?|cuts?"
    r"|(?:new|next|another|different) (?:shot|view|scene)|another angle|picture changes)\b"
    r"|\d\s?[-–]\s?\d",
    re.IGNORECASE,
)
_MINUTE = re.compile(r"\(?\b\d{1,3}(?:\s?\+\s?\d{1,2})?\s?['’′`´]\)?|\b\d{1,3}:\d{2}\b")
_SHIRT = re.compile(r"^\W*(?:no\.?\s*)?\d{1,2}(?!\d)[.\s]*|\s\d{1,3}$", re.IGNORECASE)
_AFTER_NAME = re.compile(r"[(\[/|]|\bassist\w*\b|\bast\b", re.IGNORECASE)
_OWN_GOAL = re.compile(r"\bown goal\b|\(?\bo\.?g\.?(?:\)|\b)", re.IGNORECASE)
_EVENT_WORDS = re.compile(
    r"\b(?:g+o+a*l+s?|gol|tor|but|scorers?|scores?|yellow|red|cards?|booked|booking|sent off|penalty|corners?|kicks?"
    r"|free|substitutions?|subs?|for|by|to)\b|[!:]",
    re.IGNORECASE,
)
_FIXTURE = re.compile(r"^(.+?)\s+(?:v|vs|versus)\.?\s+(.+)$", re.IGNORECASE)
_IN = r"(?<![a-z])(?:in|on)(?![a-z])\W*\d{0,2}\s*(?P<on>[^\d]+?)"
_OUT = r"(?<![a-z])(?:out|off)(?![a-z])\W*\d{0,2}\s*(?P<off>[^\d]+?)"
_CHANGES = (
    re.compile(rf"{_IN}\s*{_OUT}\s*$", re.IGNORECASE),
    re.compile(rf"{_OUT}\s*{_IN}\s*$", re.IGNORECASE),
    re.compile(
        r"^\W*\d{0,2}\s*(?P<on>[^\d]+?)\s+(?:on )?for\s+\d{0,2}\s*(?P<off>[^\d]+?)\s*$", re.IGNORECASE
    ),
)


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a caption is about: a person, and the side (0 home, 1 away) where it is named; each may be unknown."""

    person: str = ""
    side: int | None = None


def cleaned(text: Any, longest: int = LONGEST_NAME) -> str:
    """Return a text from outside on one line: letters, digits and a few marks, at most `longest` characters.

    >>> cleaned('HAR"LOW' + chr(7) + " {x}")
    'HAR LOW x'
    """
    plain = unicodedata.normalize("NFKC", str(text))
    kept = "".join(c if c.isalnum() or c in " -–.'’&/+:" else " " for c in plain)
    return " ".join(kept.split())[:longest].strip(" -–.'’&/+:")


def names_news(text: str) -> bool:
    """Return whether a text would name an event or a score if it were quoted.

    >>> names_news("Corners 4 2"), names_news("2-1"), names_news("Northgate United")
    (True, True, False)
    """
    return bool(_NEWS.search(text))


def spoken_name(text: Any) -> str:
    """Return a name for a sentence, "" where there is none; capitals are kept for short codes only.

    >>> spoken_name("REDMOOR ROVERS"), spoken_name("RMA"), spoken_name("AC O'NEILL"), spoken_name("Corner FC")
    ('Redmoor Rovers', 'RMA', "AC O'Neill", '')
    """
    name = cleaned(text)
    if names_news(name) or sum(c.isalpha() for c in name) < 2:
        return ""
    if len(name) <= 4:
        return name
    return re.sub(r"[^\W\d_]{3,}", lambda m: m[0].capitalize() if m[0].isupper() else m[0], name)


def person_name(text: str) -> str:
    """Return the name in a line such as "9 HARLOW 34'", "" where it is not clear.

    >>> person_name("9 HARLOW 34'"), person_name("R. Mills (assist Odell)"), person_name("72% of 18")
    ('Harlow', 'R. Mills', '')
    """
    text = _AFTER_NAME.split(_MINUTE.sub(" ", text), maxsplit=1)[0]
    name = spoken_name(_SHIRT.sub(" ", " ".join(text.split())))
    clear = name[:1].isupper() and not any(c.isdigit() for c in name)
    return name if clear and len(name.split()) <= _MOST_WORDS_OF_A_NAME else ""


def who_is(line: str, heading: str, teams: Sequence[str], codes: Sequence[str]) -> Who:
    """Return whom a caption is about, from its line, or else from what its heading says besides the event.

    `teams` and `codes` are how the two sides are called and how the scoreboard writes them; "" where unknown.

    >>> who_is("12 GORLAN  ORANBROOK ATHLETIC", "GOAL", ["Purlingham Vale", "Oranbrook Athletic"], ["PUR", "ORA"])
    Who(person='Gorlan', side=1)
    """
    if _OWN_GOAL.search(line) or _OWN_GOAL.search(heading):
        return Who()
    told = line if _EVENT_WORDS.sub(" ", line).strip() else ""
    for text in (told, _EVENT_WORDS.sub(" ", heading)):
        words = cleaned(_MINUTE.sub(" ", text), 80).split()
        # 1) The team's name, at the end of the text or as all of it.
        side, before = None, len(words)
        for start in range(len(words)):
            side = side_of(" ".join(words[start:]), teams, codes)
            if side is not None or (start and _starts_with_code(words[start:], codes)):
                before = start
                break
        # 2) The person's name before it.
        person = person_name(" ".join(words[:before]))
        if person or side is not None:
            return Who(person, side)
    return Who()


def side_of(text: str, teams: Sequence[str], codes: Sequence[str]) -> int | None:
    """Return the side (0 home, 1 away) that is called exactly so or begins with these three letters or more, or None.

    >>> side_of("ORA", ["Purlingham Vale", "Oranbrook Athletic"], [])
    1
    """
    form = text.casefold()
    for side in (0, 1):
        team, code = _at(teams, side).casefold(), _at(codes, side).casefold()
        if form and (form in (team, code) or (len(form) >= 3 and text.isupper() and team.startswith(form))):
            return side
    return None


def _starts_with_code(words: Sequence[str], codes: Sequence[str]) -> bool:
    """Return whether two or more words look like the long name of a side that the scoreboard abbreviates."""
    first = words[0].casefold()
    return len(words) >= 2 and any(len(code) >= 2 and first.startswith(code.casefold()) for code in codes)


def _at(names: Sequence[str], side: int) -> str:
    return names[side] if side < len(names) else ""


def change_of(text: str) -> str:
    """Return who comes on for whom in a substitution's caption, "" where that is not clear.

    >>> change_of("IN 26 PELLORI   OUT 8 OSTRELL"), change_of("SUBSTITUTION")
    ('Pellori for Ostrell', '')
    """
    for pattern in _CHANGES:
        if found := pattern.search(cleaned(text, 80)):
            on, off = person_name(found["on"]), person_name(found["off"])
            return f"{on} for {off}" if on and off else ""
    return ""


def fixture_of(text: str) -> tuple[str, str] | None:
    """Return (home, away) of a caption that says who plays whom, None where it says something else.

    >>> fixture_of("PURLINGHAM VALE v ORANBROOK ATHLETIC")
    ('Purlingham Vale', 'Oranbrook Athletic')
    """
    found = _FIXTURE.match(cleaned(text, 2 * LONGEST_NAME))
    if found is None:
        return None
    home, away = (person_name(name) for name in found.groups())
    return (home, away) if home and away else None


def score_words(score: Any) -> str:
    """Return a score of two numbers as "2-1", "" where it is none.

    >>> score_words([2, 1]), score_words(["AD", 40]), score_words(None)
    ('2-1', '', '')
    """
    numbers = pair_of(score)
    return f"{numbers[0]}-{numbers[1]}" if numbers else ""


def pair_of(score: Any) -> tuple[int, int] | None:
    """Return a score as two numbers, None where it is none."""
    if not isinstance(score, list | tuple) or len(score) != 2:
        return None
    home, away = score
    whole = isinstance(home, int) and isinstance(away, int)
    return (home, away) if whole and home >= 0 and away >= 0 else None


def clock_words(clock: Any) -> str:
    """Return a clock's time where it is one: minutes and seconds, perhaps with added time.

    >>> clock_words("67:12"), clock_words("90:00+3"), clock_words("soon")
    ('67:12', '90:00+3', '')
    """
    text = str(clock).strip()
    return text if re.fullmatch(r"\d{1,3}:[0-5]\d(?:\s?\+\d{1,2}(?::\d\d)?)?", text) else ""
