"""Break captions into lines where their language allows it, measured in columns.

Places come from ICU by the Unicode line breaking rules (UAX #14), which knows Thai, Lao, Khmer and Burmese words from
dictionaries and Japanese phrases from a model. Columns are those of a terminal: an East Asian character has two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from wcwidth import iter_graphemes, width

# What a line of a caption holds, in columns: 42 Latin letters or 21 Chinese characters. A caption has two of them.
LINE_COLUMNS = 42
LINES = 2

_KANA = re.compile("[\u3041-\u30ff]")
_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
_HAN = re.compile("[\u3400-\u9fff\U00020000-\U000323af]")
_SCRIPTS = (
    ("ja", _KANA),
    ("ko", _HANGUL),
    ("zh", _HAN),
    ("th", re.compile("[\u0e01-\u0e5b]")),
    ("he", re.compile("[\u05d0-\u05ea]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("ta", re.compile("[\u0b80-\u0bff]")),
    ("bn", re.compile("[\u0980-\u09ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
)


def columns(text: str) -> int:
    """Return the columns that a text takes on a terminal.

    >>> columns("ab"), columns("足球")
    (2, 4)
    """
    return width(text, control_codes="ignore")


def language_of(text: str) -> str:
    """Return the language that most of a text's letters tell of (BCP 47), "" where they are those of many languages.

    Screen readers choose their voice by it.

    >>> language_of("Гол!"), language_of("ゴール"), language_of("进球"), language_of("Goal by 田中")
    ('', 'ja', 'zh', '')
    """
    letters = [c for c in text if c.isalpha()]
    for language, script in _SCRIPTS:
        own = sum(script.match(c) is not None for c in letters)
        beside = sum(_HAN.match(c) is not None for c in letters) if own and language in ("ja", "ko") else 0
        if own and 2 * (own + beside) >= len(letters):
            return language
    return ""


def han_language(text: str) -> str:
    """Return the language in whose way a text's Chinese characters are drawn: "ja", "ko", else "zh".

    >>> han_language("Goal by 田中さん")
    'ja'
    """
    return "ja" if _KANA.search(text) else "ko" if _HANGUL.search(text) else "zh"


def is_right_to_left(text: str) -> bool:
    """Return whether a text runs from right to left: its first letter decides (UAX #9, P2)."""
    kinds = map(unicodedata.bidirectional, text)
    return next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L"


def breakable_pieces(text: str) -> list[str]:
    """Return the text in pieces between which a line may end; spaces stand at the ends of pieces.

    >>> breakable_pieces("A dog ran.")
    ['A ', 'dog ', 'ran.']
    """
    from icu4py.breakers import LineBreaker

    pieces: list[str] = []
    for piece in LineBreaker(text, "ja@lw=phrase" if _KANA.search(text) else "en"):
        if pieces and _HANGUL.match(pieces[-1][-1:]) and _HANGUL.match(piece):
            pieces[-1] += piece  # Korean has spaces: its words stay whole
        else:
            pieces.append(piece)
    return pieces


def _finer(piece: str) -> list[str]:
    """Return a piece in smaller ones, where the rules of Unicode allow what those of its language avoid."""
    from icu4py.breakers import LineBreaker

    return list(LineBreaker(piece, "ja@lb=strict"))


def wrapped(text: str, widest: float, width_of: Callable[[str], float] = columns) -> list[str]:
    """Return the text in lines no wider than `widest`, as `width_of` measures them.

    A piece that is too wide for any line is divided between characters. One character always fits.

    >>> wrapped("A dog runs after a ball.", 13)
    ['A dog runs', 'after a ball.']
    """
    lines = [""]
    waiting = breakable_pieces(" ".join(text.split()))[::-1]
    while waiting:
        piece = waiting.pop()
        if width_of((lines[-1] + piece).rstrip()) <= widest:
            lines[-1] += piece
        elif lines[-1]:
            lines.append("")
            waiting.append(piece)
        elif len(finer := _finer(piece)) > 1:
            waiting += finer[::-1]
        else:
            characters = list(iter_graphemes(piece))
            fitting = 1
            while fitting < len(characters) and width_of("".join(characters[: fitting + 1])) <= widest:
                fitting += 1
            lines[-1] = "".join(characters[:fitting])
            if rest := "".join(characters[fitting:]):
                waiting.append(rest)
    return [line.strip() for line in lines if line.strip()]


def balanced(
    text: str, widest: float, width_of: Callable[[str], float] = columns, most_lines: int | None = None
) -> list[str]:
    """Return the text in lines about as wide as each other, none wider than `widest`.

    There are as few lines as can be, or up to `most_lines` where one is not enough.

    >>> balanced("A dog runs after a ball.", 21)
    ['A dog runs', 'after a ball.']
    """
    lines = wrapped(text, widest, width_of)
    if len(lines) < 2:
        return lines
    most_lines = max(len(lines), most_lines or 0)
    tries = (wrapped(text, widest * share / 20, width_of) for share in range(6, 20))
    return next((narrower for narrower in tries if len(narrower) <= most_lines), lines)


def caption_lines(text: str) -> list[str]:
    """Return a caption in lines of LINE_COLUMNS at most."""
    return balanced(text, LINE_COLUMNS)


def caption_parts(text: str) -> list[str]:
    """Return a text in the parts that a caption shows one after another, each of LINES lines of LINE_COLUMNS.

    The parts, one after another, are the text but for spaces at their ends.
    """
    rest = " ".join(text.split())
    lines = wrapped(rest, LINE_COLUMNS)
    if len(lines) <= LINES:
        return [rest] if rest else []
    lines = balanced(rest, LINE_COLUMNS, most_lines=-(-len(lines) // LINES) * LINES)
    parts: list[str] = []
    for first in range(0, len(lines), LINES):
        end = 0
        for line in lines[first : first + LINES]:
            end = rest.index(line, end) + len(line)
        parts.append(rest[:end].strip())
        rest = rest[end:].strip()
    return parts
