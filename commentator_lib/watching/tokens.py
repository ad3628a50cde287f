"""Cut lines of text into tokens, and say what each may be: a clock, a number, two numbers, a name.

Only the form of a token is judged here. What it is on its board, its neighbours and its changes decide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from commentator_lib.watching.ocr import Box, Character, Line

_LEAST_CERTAINTY = 0.5
# A gap this many times as wide as the usual step from character to character parts two tokens.
_GAP_STEPS = 2.2
# Two digits whose middles are farther apart than this share of the line's height are two numbers.
_DIGITS_APART = 0.75


class Form(Enum):
    """What a token looks like."""

    CLOCK = "clock"  # 67:12
    NUMBER = "number"  # 2
    PAIR = "pair"  # 2-1
    STOPPAGE = "stoppage"  # +4
    PERIOD = "period"  # 2ND, Q3, HT
    WORD = "word"  # a name
    OTHER = "other"  # brackets, separators, what cannot be read


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text and where it stands."""

    text: str
    box: Box
    certainty: float
    form: Form

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers in it."""
        return tuple(int(digits) for digits in re.findall(r"\d+", self.text))


_CLOCK = re.compile(r"\d{1,3}\s?[:：.;]\s?[0-5]\d")
_CLOCK_MINUTE = re.compile(r"\d{1,3}['’′]")
_NUMBER = re.compile(r"\d{1,3}\*?")
_PAIR = re.compile(r"\d{1,3}\s?[-–—−:：|/xX]\s?\d{1,3}")
_STOPPAGE = re.compile(r"\+\s?\d{1,2}['’′]?")
_PERIOD = re.compile(
    r"1ST|2ND|3RD|4TH|[1-4]Q|Q[1-4]|[1-3]P|P[1-3]|H[12]|[12]H|HT|FT|ET|OT|AET|PENS?|1T|2T|MT|"
    r"(1ST|2ND|FIRST|SECOND)\s?HALF|HALF\s?TIME|FULL\s?TIME|HALFTIME|FULLTIME",
    re.IGNORECASE,
)
# A crest beside a number is read as a sign; one beside a pair as a letter as well.
_SIGNS = "●○◎◉⊙•■□◆◇◈♦▲△▼▽★☆"
_CRESTED = re.compile(rf"[{_SIGNS}]?(\d{{1,3}})[{_SIGNS}]?")
_CRESTED_PAIR = re.compile(
    rf"(?:[{_SIGNS}]|[^\W\d_])?(\d{{1,2}}\s?[-–—:：]\s?\d{{1,2}})(?:[{_SIGNS}]|[^\W\d_])?"
)
_MISREAD = str.maketrans(
    {"O": "0", "o": "0", "Q": "0", "I": "1", "l": "1", "|": "1", "S": "5", "B": "8", "Z": "2"}
)


def form_of(text: str) -> Form:
    """Return what a token looks like.

    >>> form_of("67:12").value, form_of("+4").value, form_of("HT").value, form_of("-").value
    ('clock', 'stoppage', 'period', 'other')
    """
    if _CLOCK.fullmatch(text) or _CLOCK_MINUTE.fullmatch(text):
        return Form.CLOCK
    if _NUMBER.fullmatch(text):
        return Form.NUMBER
    if _PAIR.fullmatch(text):
        return Form.PAIR
    if _STOPPAGE.fullmatch(text):
        return Form.STOPPAGE
    if any(c in "()[]（）" for c in text):
        return Form.OTHER
    if _PERIOD.fullmatch(text):
        return Form.PERIOD
    if len(text) == 1 and text in "Oo":
        return Form.NUMBER
    return Form.WORD if sum(c.isalpha() for c in text) >= 2 else Form.OTHER


def seconds_of(text: str) -> int | None:
    """Return the seconds that a clock shows; None for what is no clock.

    >>> seconds_of("67:12"), seconds_of("67'"), seconds_of("RMA")
    (4032, 4020, None)
    """
    if not (_CLOCK.fullmatch(text) or _CLOCK_MINUTE.fullmatch(text)):
        return None
    numbers = [int(digits) for digits in re.findall(r"\d+", text)]
    return numbers[0] * 60 + (numbers[1] if len(numbers) > 1 else 0)


def digits_of(text: str) -> str:
    """Return the digits of a number, with the letters that are taken for digits put right.

    >>> digits_of("O"), digits_of("1O"), digits_of("12*")
    ('0', '10', '12')
    """
    return re.sub(r"\D", "", text.translate(_MISREAD))


def tokens_of(line: Line, box: Box) -> list[Token]:
    """Return the tokens of a line that was read in `box`, from left to right."""
    parts = (part for group in _groups(line.characters, box) for part in _parts(group))
    groups = (number for part in parts for number in _numbers(_bare(part), box))
    tokens: list[Token] = []
    for group in groups:
        text = "".join(c.text for c in group)
        certainty = float(np.mean([c.certainty for c in group]))
        if certainty < _LEAST_CERTAINTY:  # perhaps a name in a script that cannot be read
            place = _box_of(group, line.characters, box)
            if place.width >= place.height:
                tokens.append(Token("", place, certainty, Form.WORD))
            continue
        form = form_of(text)
        if form is Form.NUMBER and not text[0].isdigit():
            text = digits_of(text)
        tokens.append(Token(text, _box_of(group, line.characters, box), certainty, form))
    return tokens


def _groups(characters: Sequence[Character], box: Box) -> list[list[Character]]:
    """Return the characters in groups, parted at spaces and at wide gaps."""
    groups: list[list[Character]] = [[]]
    steps = [
        b.x - a.x for a, b in zip(characters, characters[1:], strict=False) if " " not in (a.text, b.text)
    ]
    usual = float(np.median(steps)) if steps else 1.0
    usual = max(usual, 0.35 * box.height / max(1, box.width))
    last: Character | None = None
    for character in characters:
        if character.text == " ":
            groups.append([])
            last = None
            continue
        if last is not None:
            gap = character.x - last.x
            if gap > _GAP_STEPS * usual:
                groups.append([])
        groups[-1].append(character)
        last = character
    return [group for group in groups if group]


def _parts(group: list[Character]) -> list[list[Character]]:
    """Return a group cut where letters meet digits, if both parts then have a form of their own: "RMA0", "0SEV".

    A crest that was read with a number, "●1-0", "1-0V", is left out.
    """
    text = "".join(c.text for c in group)
    crested = _CRESTED_PAIR.fullmatch(text) or _CRESTED.fullmatch(text)
    if crested is not None:
        return [group[crested.start(1) : crested.end(1)]]
    if form_of(text) is not Form.WORD or not any(c.isdigit() for c in text):
        return [group]
    match = re.fullmatch(r"(\D{2,})(\d{1,3}(?:\s?[-–—:]\s?\d{1,3})?)", text) or re.fullmatch(
        r"(\d{1,3}(?:\s?[-–—:]\s?\d{1,3})?)(\D{2,})", text
    )
    if match is None:
        return [group]
    cut = len(match.group(1))
    return [group[:cut], group[cut:]]


def _bare(group: list[Character]) -> list[Character]:
    """Return a number without the separators at its ends: "0-", ":1"."""
    text = "".join(c.text for c in group)
    match = re.fullmatch(r"([-–—:|]?)(\d{1,3})([-–—:|]?)", text)
    return group[match.start(2) : match.end(2)] if match else group


def _numbers(group: list[Character], box: Box) -> list[list[Character]]:
    """Return a group of digits cut where two of them are too far apart to be one number."""
    if not all(c.text.isdigit() for c in group):
        return [group]
    apart = _DIGITS_APART * box.height / max(1, box.width)
    cut: list[list[Character]] = [[]]
    for character in group:
        if cut[-1] and character.x - cut[-1][-1].x > apart:
            cut.append([])
        cut[-1].append(character)
    return cut


def _box_of(group: Sequence[Character], characters: Sequence[Character], box: Box) -> Box:
    """Return where a group of a line's characters stands: half a step beyond the middles of its ends."""
    steps = [b.x - a.x for a, b in zip(group, group[1:], strict=False)]
    narrow = 0.45 * box.height / max(1, box.width)
    half = (float(np.median(steps)) if steps else narrow) / 2
    half = max(half, narrow / 2)
    x0 = box.x0 + box.width * max(0.0, group[0].x - half)
    x1 = box.x0 + box.width * min(1.0, group[-1].x + half)
    return Box(round(x0), box.y0, max(round(x0) + 2, round(x1)), box.y1)
