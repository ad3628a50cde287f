"""Find the scoreboard among tokens: which numbers are its score, whose they are, and where its clock stands.

No design is known beforehand. Numbers beside names are the score: two in one row (HOM 1 - 0 AWY, HOM 1 AWY 0), two in
one column (a row for each side), or a pair in one token (2-1). In a column layout every column of numbers is kept:
sets, games and points of tennis. What stands in brackets, after a plus sign, or on the far side of the clock is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from commentator_lib.watching.captions import form_of
from commentator_lib.watching.ocr import Box, overlap, union
from commentator_lib.watching.tokens import Form, Token

_SAME_ROW = 0.55  # of the smaller height: distance of the middles of two tokens of one row
_SAME_SIZE = 1.6  # largest ratio of the heights of two numbers of one score
_NEAR_X, _NEAR_Y = 4.0, 1.3  # of the mean height: gap within which two tokens belong to one board
_FAR_X = 14.0  # the same for names that stand far from their numbers, but alike on both sides
_ALIKE = 1.2  # of the height: how exactly
_LONGEST_NAME = 24
_SEPARATORS = ("-", "–", "—", ":", "|", "x")


@dataclass(frozen=True, slots=True)
class BoardLayout:
    """Where a board has its parts. `columns`: the score's numbers; each column has one per side, or a pair token."""

    columns: tuple[tuple[Token, ...], ...]
    names: tuple[str, str]
    sides: tuple[tuple[Token, ...], tuple[Token, ...]]  # the words of each side's name
    clocks: tuple[Token, ...]
    periods: tuple[Token, ...]
    box: Box
    weight: int  # how much speaks for it

    @property
    def name_tokens(self) -> tuple[Token, ...]:
        """The words of both names."""
        return self.sides[0] + self.sides[1]


@dataclass(frozen=True, slots=True)
class _Score:
    columns: tuple[tuple[Token, ...], ...]
    sides: tuple[tuple[Token, ...], tuple[Token, ...]]  # the words of each side's name
    weight: int


def find_boards(tokens: Sequence[Token], banned: Sequence[Box] = ()) -> list[BoardLayout]:
    """Return the boards among the tokens of one picture, the likeliest first; none overlaps another.

    `banned`: places of numbers that are known to be no score.
    """
    boards: list[BoardLayout] = []
    groups = _groups(tokens)
    for group in groups:
        layout = _layout_of(group, banned)
        if (layout is None or not all(layout.sides)) and (wider := _with_far_names(group, groups)):
            other = _layout_of(wider, banned, _FAR_X)
            layout = other if other is not None and _names_alike(other) else layout
        if layout is not None:
            boards.append(layout)
    return sorted(boards, key=lambda b: -b.weight)


def _groups(tokens: Sequence[Token]) -> list[list[Token]]:
    """Return the tokens in groups of neighbours."""
    groups: list[list[Token]] = []
    for token in tokens:
        near = [g for g in groups if any(_near(token.box, other.box) for other in g)]
        groups = [g for g in groups if g not in near]
        groups.append([token, *(t for g in near for t in g)])
    return groups


def _near(a: Box, b: Box) -> bool:
    size = (a.height + b.height) / 2
    gap_x = max(a.x0, b.x0) - min(a.x1, b.x1)
    gap_y = max(a.y0, b.y0) - min(a.y1, b.y1)
    return gap_x <= _NEAR_X * size and gap_y <= _NEAR_Y * size


def _with_far_names(group: Sequence[Token], groups: Sequence[Sequence[Token]]) -> list[Token]:
    """Return a group of numbers with the groups whose words stand far from these in their rows; [] for none."""
    numbers = [t for t in group if t.form in (Form.NUMBER, Form.PAIR)]
    if not 1 <= len(numbers) <= 3:
        return []
    others = [
        other
        for other in groups
        if other is not group
        and any(w.form is Form.WORD and _far_beside(w, number) for w in other for number in numbers)
    ]
    return [*group, *(t for other in others for t in other)] if others else []


def _far_beside(word: Token, number: Token) -> bool:
    gap = max(number.box.x0 - word.box.x1, word.box.x0 - number.box.x1)
    size = number.box.height
    return _same_row(word, number) and gap <= _FAR_X * size and 0.45 * size < word.box.height < 1.6 * size


def _names_alike(layout: BoardLayout) -> bool:
    """Return whether names that stand far from their numbers do so alike: in one column, or as far on both sides."""
    first, second = (
        (union([t.box for t in side]) for side in layout.sides) if all(layout.sides) else (None, None)
    )
    if first is None or second is None:
        return False
    numbers = union([t.box for column in layout.columns for t in column])
    size = _ALIKE * max(first.height, second.height)
    if abs(first.middle_y - second.middle_y) > 0.5 * max(first.height, second.height):
        return min(abs(first.x0 - second.x0), abs(first.x1 - second.x1)) <= size
    middles, edges = first.middle_x + second.middle_x, first.x1 + second.x0
    return min(abs(middles / 2 - numbers.middle_x), abs(edges / 2 - numbers.middle_x)) <= size


def _layout_of(group: Sequence[Token], banned: Sequence[Box], reach: float = _NEAR_X) -> BoardLayout | None:
    if any(t.form is Form.WORD and celebrates(t.text) for t in group):
        return None  # read again when the names are back
    numbers = [t for t in group if t.form is Form.NUMBER and not any(overlap(t.box, b) > 0.5 for b in banned)]
    pairs = [t for t in group if t.form is Form.PAIR and not any(overlap(t.box, b) > 0.5 for b in banned)]
    clocks = [t for t in group if t.form is Form.CLOCK]
    periods = [t for t in group if t.form is Form.PERIOD]
    found = [
        *(_of_pair(t, group, reach) for t in pairs),
        *(_of_row(a, b, group, reach) for a, b in combinations(numbers, 2) if _same_row(a, b)),
        *_of_columns(numbers, group, reach),
    ]
    anchored = bool(clocks or periods)
    found = [f for f in found if f is not None and (f.weight >= 2 or (f.weight >= 1 and anchored))]
    if not found:
        return None
    best = max(found, key=lambda f: (f.weight, min(t.box.height for c in f.columns for t in c)))
    names = tuple(_name(side) for side in best.sides)
    used = [t for c in best.columns for t in c] + [t for side in best.sides for t in side]
    parts = used + clocks + periods
    weight = best.weight + 2 * bool(clocks) + bool(periods)
    return BoardLayout(
        best.columns,
        (names[0], names[1]),
        best.sides,
        tuple(clocks),
        tuple(periods),
        union([t.box for t in parts]),
        weight,
    )


def same_team(a: str, b: str) -> bool:
    """Return whether two names may be the same team's: one has the letters of the other, in its order.

    >>> same_team("HAV", "Harrow Vale"), same_team("Harrow Vale", "HARROW VALE"), same_team("HAV", "Velmora")
    (True, True, False)
    """
    short, long = sorted((form_of([a]), form_of([b])), key=len)
    if len(short) < 2 or short[0] != long[0]:
        return False
    letters = iter(long)
    return all(letter in letters for letter in short)


def celebrates(text: str) -> bool:
    """Return whether a word stands in place of a name for a moment only: GOAL, GOL, GOLAZO, or a part of these.

    >>> celebrates("GOAL!"), celebrates("OAL GOA"), celebrates("GOR")
    (True, True, False)
    """
    form = form_of([text]).replace("i", "l")  # as L is misread
    part = len(form) >= 3 and any(form in 5 * word for word in ("goal", "gol"))
    return part or re.fullmatch(r"g+o+a*l+(azo|aço|aco)?", form) is not None


def _words(group: Sequence[Token]) -> list[Token]:
    return [t for t in group if t.form is Form.WORD]


def _name(words: Sequence[Token]) -> str:
    return " ".join(t.text for t in sorted(words, key=lambda t: t.box.x0)).strip()[:_LONGEST_NAME]


def _same_row(a: Token, b: Token) -> bool:
    size = min(a.box.height, b.box.height)
    return abs(a.box.middle_y - b.box.middle_y) <= _SAME_ROW * size


def _same_size(a: Token, b: Token) -> bool:
    low, high = sorted((a.box.height, b.box.height))
    return high <= _SAME_SIZE * low


def _words_beside(token: Token, group: Sequence[Token], left: bool, reach: float) -> tuple[Token, ...]:
    """Return the words of a token's row on one side, from the nearest on, as far as they follow one another.

    The nearest stands within `reach` heights. Another number ends the search: a name belongs to the number beside it. A
    clock or a crest may lie between.
    """
    row = [t for t in group if t is not token and _same_row(t, token)]
    if left:
        row = sorted((t for t in row if t.box.middle_x < token.box.middle_x), key=lambda t: -t.box.x1)
    else:
        row = sorted((t for t in row if t.box.middle_x > token.box.middle_x), key=lambda t: t.box.x0)
    found: list[Token] = []
    edge = token.box.x0 if left else token.box.x1
    for other in row:
        if other.form in (Form.NUMBER, Form.PAIR):
            break
        gap = edge - other.box.x1 if left else other.box.x0 - edge
        size = (token.box.height + other.box.height) / 2 if not found else other.box.height
        if gap > (reach if not found else 1.2) * size:
            break
        if other.form is Form.WORD:
            found.append(other)
        elif found:
            break
        edge = other.box.x0 if left else other.box.x1
    return tuple(found)


def _of_pair(token: Token, group: Sequence[Token], reach: float) -> _Score | None:
    left, right = (_words_beside(token, group, is_left, reach) for is_left in (True, False))
    if not left and not right:  # names above or below it
        size = token.box.height
        near = [w for w in _words(group) if abs(w.box.middle_y - token.box.middle_y) <= 2.2 * size]
        left = tuple(w for w in near if w.box.middle_x < token.box.middle_x)
        right = tuple(w for w in near if w.box.middle_x > token.box.middle_x)
    return _Score(((token,),), (left, right), 1 + bool(left) + bool(right) + bool(left and right))


def _of_row(a: Token, b: Token, group: Sequence[Token], reach: float) -> _Score | None:
    """Return two numbers of a row as a score: between the names, outside of them, or each after its name."""
    if not _same_size(a, b):
        return None
    first, second = sorted((a, b), key=lambda t: t.box.x0)
    between = [
        t
        for t in group
        if t is not first
        and t is not second
        and _same_row(t, first)
        and first.box.middle_x < t.box.middle_x < second.box.middle_x
    ]
    parted = any(t.form in (Form.CLOCK, Form.PERIOD) for t in between)  # the clock may stand in the middle
    if any(t.form is Form.PAIR for t in between):
        return None
    if any(t.form is Form.NUMBER for t in between) and not parted:  # beside the clock, of the shot clock, say
        return None
    inner = [t for t in between if t.form is Form.WORD]
    before, after = _words_beside(first, group, True, reach), _words_beside(second, group, False, reach)
    if not inner:  # HOM 1 - 0 AWY
        sides = (before, after)
        if not before and not after:  # names above or below the numbers
            sides = (_words_above(first, group), _words_above(second, group))
            if set(sides[0]) & set(sides[1]):  # one word for both: a heading
                return None
    elif len(inner) >= 2 and not before and not after:  # 1 HOM AWY 0
        middle = (first.box.x1 + second.box.x0) / 2
        sides = (
            tuple(w for w in inner if w.box.middle_x < middle),
            tuple(w for w in inner if w.box.middle_x >= middle),
        )
    elif before:  # HOM 1 AWY 0
        sides = (before, tuple(inner))
    else:  # 1 HOM 0 AWY
        sides = (tuple(inner), after)
    weight = 2 * bool(sides[0]) + 2 * bool(sides[1]) - parted
    separated = any(t.form is Form.OTHER and t.text in _SEPARATORS for t in between)
    if not any(sides) and separated and not parted:
        return _Score(((first, second),), sides, 1)
    if not inner and all(sides) and second.box.x0 - first.box.x1 <= 6 * first.box.height:
        weight += 1
    return _Score(((first, second),), sides, max(0, weight))


def _words_above(token: Token, group: Sequence[Token]) -> tuple[Token, ...]:
    """Return the words that stand above or below a token, within two of its heights."""
    size = token.box.height
    return tuple(
        w
        for w in _words(group)
        if w.box.x0 - 0.5 * size < token.box.middle_x < w.box.x1 + 0.5 * size
        and 0.6 * size < abs(w.box.middle_y - token.box.middle_y) <= 2.2 * size
    )


def _word_over(token: Token, group: Sequence[Token]) -> tuple[Token, ...]:
    """Return the word next above a token, or none where anything else stands between them."""
    size = token.box.height
    above = [
        t
        for t in group
        if t.box.x0 < token.box.middle_x < t.box.x1 and 0 < token.box.middle_y - t.box.middle_y <= 2.2 * size
    ]
    nearest = max(above, key=lambda t: t.box.middle_y, default=None)
    return (nearest,) if nearest is not None and nearest.form is Form.WORD else ()


def _of_columns(numbers: Sequence[Token], group: Sequence[Token], reach: float) -> list[_Score]:
    """Return the scores with a row for each side: all columns of numbers that two rows share."""
    stacks: list[tuple[Token, Token]] = []
    for a, b in combinations(numbers, 2):
        top, bottom = sorted((a, b), key=lambda t: t.box.y0)
        size = min(a.box.height, b.box.height)
        named = bool(_word_over(top, group) and _word_over(bottom, group))
        aligned = min(
            abs(top.box.middle_x - bottom.box.middle_x),
            abs(top.box.x1 - bottom.box.x1),
            abs(top.box.x0 - bottom.box.x0),
        )
        apart = bottom.box.middle_y - top.box.middle_y
        if (
            _same_size(a, b)
            and aligned <= 0.6 * size
            and 0.7 * size <= apart <= (4.5 if named else 2.6) * size
        ):
            stacks.append((top, bottom))
    found: list[_Score] = []
    for top, bottom in stacks:
        alike = [s for s in stacks if _same_row(s[0], top) and _same_row(s[1], bottom)]
        alike.sort(key=lambda s: s[0].box.x0)
        sides = tuple(
            _words_beside(alike[0][k], group, True, reach) or _words_beside(alike[-1][k], group, False, reach)
            for k in (0, 1)
        )
        if not any(sides):  # in one column: each name above its number
            sides = tuple(_word_over(number, group) for number in (top, bottom))
        found.append(_Score(tuple(alike), (sides[0], sides[1]), 2 * bool(sides[0]) + 2 * bool(sides[1])))
    return found
