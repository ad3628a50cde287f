"""Take Markdown out of a comment that is still growing: its marks are never shown, and never spoken.

A parser of Markdown (markdown-it-py judges this file in its tests) needs the whole text: whether `**` is a mark depends
on what closes it. Here a mark is known by its neighbours alone, so that at most a few characters wait for the next
chunk: `**` before a word opens, after a word it closes, and one that is never closed is no text either. What is no
mark stays: "5 * 3", "snake_case", "#9", "[the keeper]", "x < y".

Dropped are emphasis, strike-through, headings, marks of lists and quotes, code marks, the addresses of links and
pictures, tables' bars, and HTML's tags of a text's form; backslashes and entities become their characters. Numbers of
a list are dropped from its second line on: at a comment's beginning "1. Halbzeit" may be a number that is meant.
"""

from __future__ import annotations

import html
import re
import string
import unicodedata
from collections import Counter

_PLAIN = re.compile(r"[^\\`*_~\[!<&|\n]+")
_LINE_MARK = re.compile(
    r"[ \t]*(?:(?P<heading>#{1,6})(?=[ \t\n]|$)[ \t]*"
    r"|(?P<bullet>[-*+•‣◦▪●])[ \t]+(?:\[[ xX]\][ \t]+)?"
    r"|(?P<number>\d{1,2}[.)])[ \t]+"
    r"|(?P<quote>>)[ \t]?"
    r"|(?P<table>\|)[ \t]*)"
)
# A line that is a mark as a whole: a rule, a heading's underline, a code fence, the row below a table's head.
_WHOLE_LINE = re.compile(
    r"[ \t]*(?:([-*_=])(?:[ \t]*\1){2,}[ \t]*|(?:`{3,}|~{3,})[^\n`]*|\|?[ \t:-]*-[ \t:-]*\|[ \t:|-]*)(?=\n|$)"
)
# What may still become a mark at a line's beginning.
_MAY_BE_MARK = re.compile(
    r"[ \t]*(?:#{0,6}|[-*+•‣◦▪●][ \t]*(?:\[[ xX]?\]?)?|\d{1,2}[.)]?|[-*_=][-*_= \t]*|\|[ \t:|-]*|(?:`{3,}|~{3,})[^\n`]*"
    r"|`{1,2}|~{1,2}|>)"
)
_TAGS = re.findall(
    r"\w+",
    "a b big blockquote br cite code del div em h1 h2 h3 h4 h5 h6 hr i ins kbd li mark ol p pre q s small span strike "
    "strong sub sup u ul",
)
_TAG = re.compile(rf"</?(?:{'|'.join(_TAGS)})(?:[ \t/][^<>\n]*)?>", re.IGNORECASE)
_AUTOLINK = re.compile(r"<((?:https?|mailto|ftp):[^\s<>]+|[\w.+-]+@[\w-]+\.[\w.-]+)>", re.IGNORECASE)
_MAY_BE_TAG = re.compile(
    r"</?([A-Za-z][A-Za-z0-9]{0,10})?([ \t/][^<>\n]{0,200})?|<(?:https?|mailto|ftp):[^\s<>]{0,300}", re.I
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MAY_BE_ENTITY = re.compile(r"&(?:#[xX]?[0-9a-fA-F]{0,7}|[A-Za-z][A-Za-z0-9]{0,31})?")
_LABEL = re.compile(r"\[([^\[\]\n]*)\]")
_DESTINATION = re.compile(
    r"\([ \t]*(?:<[^<>\n]*>|(?:[^\s()<>]|\([^\s()]*\))*)(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?[ \t]*\)"
)
_MAY_BE_DESTINATION = re.compile(
    r"\([ \t]*(?:<[^<>\n]*>?|(?:[^\s()<>]|\([^\s()]*\))*(?:\([^\s()]*)?)"
    r"(?:[ \t]+(?:\"[^\"\n]*\"?|'[^'\n]*'?|\([^()\n]*\)?)?)?[ \t]*"
)
_LONGEST_LABEL, _LONGEST_ADDRESS = 200, 2000
_More = None  # what a step returns where the next characters decide


def without_markup(text: str) -> str:
    """Return a whole text without Markdown.

    >>> without_markup("**Goal!** 5 * 3, see [the replay](https://example.org).")
    'Goal! 5 * 3, see the replay.'
    """
    stripper = MarkupStripper()
    return stripper.push(text) + stripper.rest()


class MarkupStripper:
    """Takes a text in chunks, cut anywhere, and gives it out without Markdown; any cut gives the same text."""

    def __init__(self) -> None:
        self._held = ""
        self._before = ""  # the character before what is held, "" at the beginning
        self._at_line_start = True
        self._first_line = True
        self._in_table = False
        self._code = ""  # the backticks that opened a code span
        self._open: Counter[str] = Counter()  # how many of each emphasis mark are open

    def push(self, text: str) -> str:
        """Return what can be shown after this chunk."""
        self._held += text
        return self._take(final=False)

    def rest(self) -> str:
        """Return what was held back, once no more text comes."""
        return self._take(final=True)

    def _take(self, final: bool) -> str:
        shown: list[str] = []
        while self._held:
            step = self._line_start(final) if self._at_line_start else self._inline(final)
            if step is None:  # _More
                break
            length, text = step
            if length:
                self._before, self._held = self._held[length - 1], self._held[length:]
            shown.append(text)
        return "".join(shown)

    # --- each step returns (characters taken, what is shown of them), or _More

    def _line_start(self, final: bool) -> tuple[int, str] | None:
        held = self._held
        line, newline, _ = held.partition("\n")
        ended = bool(newline) or final
        # 1) Wait while the line may still be, or begin with, a mark.
        if not ended and _MAY_BE_MARK.fullmatch(line) and len(line) < _LONGEST_LABEL:
            return _More
        # 2) A line that is a mark as a whole.
        if ended and (whole := _WHOLE_LINE.match(held)) and (whole.end() > 0):
            self._at_line_start = False
            return whole.end(), ""
        # 3) A mark before the line's text; another may follow it, as in "> - ".
        if mark := _LINE_MARK.match(held):
            kept = mark["number"] and self._first_line
            self._at_line_start = mark["quote"] is not None
            if not kept:
                self._open.clear()
                self._in_table = self._in_table or mark["table"] is not None
                return mark.end(), ""
        self._at_line_start = False
        return 0, ""

    def _inline(self, final: bool) -> tuple[int, str] | None:
        held, first = self._held, self._held[0]
        if first == "\n":
            self._at_line_start, self._first_line, self._in_table, self._code = True, False, False, ""
            if self._before == "\n":
                self._open.clear()
            return 1, "\n"
        if self._code and first != "`":
            end = next((k for k, c in enumerate(held) if c in "`\n"), len(held))
            return end, held[:end]
        if plain := _PLAIN.match(held):
            return plain.end(), plain[0]
        if first == "`":
            return self._backticks(final)
        if first in "*_~":
            return self._emphasis(first, final)
        if first == "\\":
            if len(held) == 1:
                return (1, first) if final else _More
            return (2, held[1]) if held[1] in string.punctuation else (1, first)
        if first == "[":
            return self._link(0, final)
        if first == "!":
            if len(held) == 1 and not final:
                return _More
            return self._link(1, final) if held[1:2] == "[" else (1, "!")
        if first == "<":
            return self._tag(final)
        if first == "&":
            return self._entity(final)
        return self._bar(final) if self._in_table else (1, "|")

    def _bar(self, final: bool) -> tuple[int, str] | None:
        """Show a dot between two cells of a table, and nothing at a row's end."""
        after = self._held[1:].lstrip(" \t")
        if not after and not final:
            return _More
        return 1, "" if not after or after[0] == "\n" else "·"

    def _backticks(self, final: bool) -> tuple[int, str] | None:
        run = len(self._held) - len(self._held.lstrip("`"))
        if run == len(self._held) and not final:
            return _More
        marks = self._held[:run]
        if self._code and marks != self._code:
            return run, marks
        self._code = "" if self._code else marks
        return run, ""

    def _emphasis(self, mark: str, final: bool) -> tuple[int, str] | None:
        """Drop marks that open or close by CommonMark's rule of what stands before and after them."""
        run = len(self._held) - len(self._held.lstrip(mark))
        if run == len(self._held) and not final:
            return _More
        before, after = self._before, self._held[run : run + 1]
        if not after and not before.strip():  # it was to open something, and the text was cut off there
            return run, ""
        left = bool(after.strip()) and (
            not _is_punctuation(after) or not before.strip() or _is_punctuation(before)
        )
        right = bool(before.strip()) and (
            not _is_punctuation(before) or not after.strip() or _is_punctuation(after)
        )
        inside = before.isalnum() and after.isalnum()
        if mark == "_":
            opens, closes = (
                left and (not right or _is_punctuation(before)),
                right and (not left or _is_punctuation(after)),
            )
        else:
            opens, closes = left and not (inside and run == 1), right
        if mark == "~" and run < 2:
            return run, mark * run
        closed = min(run, self._open[mark]) if closes else 0
        self._open[mark] -= closed
        left_over = run - closed
        if left_over and opens:
            self._open[mark] += left_over
            left_over = 0
        return run, mark * left_over

    def _link(self, bang: int, final: bool) -> tuple[int, str] | None:
        """Keep the words of a link or a picture and drop its address; brackets of any other kind stay."""
        held = self._held[bang:]
        label = _LABEL.match(held)
        if label is None:
            closed = re.match(r"\[[^\[\]\n]*", held)
            open_still = closed is not None and closed.end() == len(held) and len(held) < _LONGEST_LABEL
            return _More if open_still and not final else (1, self._held[0])
        rest = held[label.end() :]
        if not rest and not final:
            return _More
        if rest.startswith("("):
            if address := _DESTINATION.match(rest):
                return self._words(label[1], bang + label.end() + address.end())
            if len(rest) <= _LONGEST_ADDRESS and _MAY_BE_DESTINATION.fullmatch(rest):
                if not final:
                    return _More
                if re.match(r"\((?:https?:|/|www\.|#)", rest):  # an address that was cut off
                    return self._words(label[1], len(self._held))
        elif rest.startswith("["):
            if reference := re.match(r"\[[^\[\]\n]*\]", rest):
                return self._words(label[1], bang + label.end() + reference.end())
            if not final and "]" not in rest and "\n" not in rest and len(rest) < _LONGEST_LABEL:
                return _More
        return 1, self._held[0]

    def _words(self, label: str, length: int) -> tuple[int, str]:
        """Put the words of a link in its place, since they may hold marks themselves."""
        self._held = label + self._held[length:]
        return 0, ""

    def _tag(self, final: bool) -> tuple[int, str] | None:
        held = self._held
        if link := _AUTOLINK.match(held):
            return link.end(), link[1]
        if tag := _TAG.match(held):
            return tag.end(), " " if tag[0].lower().startswith(
                ("<br", "<p", "</p", "<li", "<hr", "<div")
            ) else ""
        may_be = _MAY_BE_TAG.fullmatch(held)
        if may_be and not final:
            name = (may_be[1] or "").lower()
            complete = may_be[2] is not None
            if name in _TAGS or (
                not complete and any(t.startswith(name) for t in (*_TAGS, "https", "mailto", "ftp"))
            ):
                return _More
        return 1, "<"

    def _entity(self, final: bool) -> tuple[int, str] | None:
        if entity := _ENTITY.match(self._held):
            return entity.end(), html.unescape(entity[0])
        if not final and _MAY_BE_ENTITY.fullmatch(self._held):
            return _More
        return 1, "&"


def _is_punctuation(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] in "PS"
