"""What was said a moment ago is not said again: sentences that say the same, and a memory of the last comments.

Models repeat themselves, word for word or nearly so. A sentence says again what an earlier one has said if, without the
little words and word endings, all its words are in the earlier one in the same order, and are most of them (Dice's
coefficient, 2·common ÷ (words of both), is at least `SAME_FROM`). So a sentence in which a word was exchanged or added
says something else, however long it is: "comes in on the left" and "comes in on the right" are alike in all but one
word. Words that turn the sense round, and numbers, must be the same: "It is 1–0" is not "It is 2–0".

`SAME_FROM` was chosen on labelled pairs of sentences (tests/commentary/repeat_pairs.py), a part of which was kept
aside; what else was tried is in docs/lab_notes.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable

SAME_FROM = 0.88  # with 5 words or more one may be left out, with 10 two
REMEMBERED_COMMENTS = 5
# Words that a sentence can do without. What can turn its sense round (not, almost, again, left, out) is not among them.
_LITTLE = frozenset(
    re.findall(
        r"\w+",
        "a an the this that these those there here it its he she they him her them his their we our you your i my "
        "is are was were be been being am do does did will would can and of now just still then so very "
        "on in at with by as who which oh well yes",
    )
)
# Words that turn the sense of a sentence round: none of them may be left out.
_TURNING = frozenset(
    re.findall(
        r"\w+", "not no never nobody nothing none neither nor without almost nearly hardly barely cannot"
    )
)
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*")
# Scripts that put no spaces between words: each character is compared by itself.
_WITHOUT_SPACES = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])"
)


def same(new: str, old: str) -> bool:
    """Return whether a new sentence says what an old one has said.

    >>> same("A red ball is rolling over the grass.", "A red ball rolls over the grass!")
    True
    >>> same("It is 2–0.", "It is 1–0."), same("A man comes in on the left.", "A man comes in on the right.")
    (False, False)
    """
    return _said(new).same(_said(old))


class _Said:
    """The words of a sentence that count, and its numbers, in their order."""

    __slots__ = ("numbers", "words")

    def __init__(self, words: tuple[str, ...], numbers: tuple[str, ...]) -> None:
        self.words, self.numbers = words, numbers

    def same(self, old: _Said) -> bool:
        if self.numbers != old.numbers:
            return False
        if self.words == old.words:
            return bool(self.words or self.numbers)
        if not self.words or 2 * len(self.words) < SAME_FROM * (len(self.words) + len(old.words)):
            return False
        if any(word in _TURNING for word in old.words) and _turning(self.words) != _turning(old.words):
            return False
        rest = iter(old.words)
        return all(word in rest for word in self.words)  # each is found, after the one before it


def _turning(words: tuple[str, ...]) -> list[str]:
    return [word for word in words if word in _TURNING]


def _said(sentence: str) -> _Said:
    text = _WITHOUT_SPACES.sub(r" \1 ", unicodedata.normalize("NFKC", sentence)).lower()
    found = _WORD.findall(text)
    numbers = tuple(word.replace(",", "") for word in found if word[0].isdigit())
    words = [part for word in found if not word[0].isdigit() for part in _parts(word)]
    counted = tuple(_stem(word) for word in words if word not in _LITTLE)
    return _Said(counted or tuple(words), numbers)


def _parts(word: str) -> list[str]:
    """Return the words of a contraction: "isn't" is "is" and "not", "it's" is "it"."""
    word = word.replace("’", "'")
    if word.endswith("n't"):
        return [word[:-3], "not"]
    return [word.partition("'")[0]] if word.endswith(("'s", "'re", "'ve", "'ll", "'d", "'m")) else [word]


def _stem(word: str) -> str:
    """Return an English word without the ending that its number or tense gives it; words of five letters or more."""
    if len(word) < 5 and not word.endswith("s"):
        return word.removesuffix("e")
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending)
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word.removesuffix("e")


def begins_like(text: str, before: Iterable[str]) -> bool:
    """Return whether a text that is still growing may become a row of sentences of `before`, letter for letter."""
    letters, known = _letters(text), [found for sentence in before if (found := _letters(sentence))]
    reached, at = {0}, 0
    while reached:
        at = min(reached)
        reached.discard(at)
        rest = letters[at:]
        if any(sentence.startswith(rest) for sentence in known):
            return True
        reached |= {at + len(sentence) for sentence in known if rest.startswith(sentence)}
    return False


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


class RecentComments:
    """The sentences of the last comments, by the numbers of their cycles. Not for several threads at a time."""

    def __init__(self, remembered: int = REMEMBERED_COMMENTS) -> None:
        self._comments: deque[tuple[int, tuple[str, ...]]] = deque(maxlen=remembered)

    def said(self, cycle: int, sentences: Iterable[str]) -> None:
        """Note what a comment says, in place of what was noted of it; nothing where it was not heard."""
        kept = tuple(sentence for sentence in sentences if sentence.strip())
        held = dict(self._comments)
        if cycle in held or not kept:
            held[cycle] = kept
            entries = [(number, known) for number, known in held.items() if known]
            self._comments = deque(entries, maxlen=self._comments.maxlen)
            return
        self._comments.append((cycle, kept))

    @property
    def sentences(self) -> tuple[str, ...]:
        """All sentences of the last comments, oldest first."""
        return tuple(sentence for _, sentences in self._comments for sentence in sentences)


class Repeats:
    """Tells which sentences of one comment were said before: in the last comments, or in this one."""

    def __init__(self, before: Iterable[str] = ()) -> None:
        self._before = [_said(sentence) for sentence in before]

    def is_repeat(self, sentence: str) -> bool:
        """Return whether this sentence was said before; from now on it was."""
        new = _said(sentence)
        repeated = any(new.same(old) for old in self._before)
        if not repeated:
            self._before.append(new)
        return repeated
