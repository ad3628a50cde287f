"""Captions: the texts that a broadcaster lays over the picture for some seconds, and what they are about.

A caption counts when two pictures gave the same reading. What it is about is decided by the words that broadcasters use
in a few languages; a caption about nothing known is still a caption.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from commentator_lib.watching.ocr import Box
from commentator_lib.watching.overlays import StillMap

_AGAIN_S = 60.0  # the same caption is not reported again within this time
_SAME_WORDS = 0.75  # of two readings that are of the same caption
_GONE_SHARE = 0.5
_LOWER = 0.55  # captions about nothing known must lie below this share of the height
_LONGEST = 120

# What a caption is about → its importance and the words, whole words in any case, by which it is known.
ABOUT: dict[str, tuple[int, str]] = {
    "goal": (3, r"g+o+a*l+|go+l|gol|goo+l|tor|but|gola[cç]o|goal for|⚽|scores"),
    "red card": (
        3,
        r"red card|sent off|rote karte|tarjeta roja|carton rouge|cartellino rosso|2nd yellow|second yellow",
    ),
    "penalty": (2, r"penalty|penalti|penal|elfmeter|rigore|pénalty"),
    "yellow card": (
        2,
        r"yellow card|booked|booking|caution|gelbe karte|tarjeta amarilla|carton jaune|amarelo",
    ),
    "card": (2, r"card|karte|tarjeta|carton"),
    "var": (2, r"var|video assistant|var check|var review"),
    "substitution": (2, r"substitutions?|subs?|on for|wechsel|auswechslung|cambio|changement|remplacement"),
    "kick-off": (2, r"kick[ -]?off|anpfiff|anstoss|coup d envoi"),
    "half-time": (2, r"half[ -]?time|ht|halbzeit|mi[ -]?temps|descanso|intervalo"),
    "full-time": (2, r"full[ -]?time|ft|final score|endstand|fin du match|final"),
    "corner": (2, r"corners?|corner kick|eckball|ecke|c[oó]rner|escanteio"),
    "free kick": (1, r"free[ -]?kick|freistoss|coup franc|tiro libre"),
    "offside": (1, r"offside|abseits|hors[ -]?jeu|fuera de juego"),
    "replay": (1, r"replay|repetici[oó]n|ralenti|wiederholung|slow[ -]?motion|slo-?mo"),
}
_PATTERNS = {
    about: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for about, (_, words) in ABOUT.items()
}
# Names of statistics hold such words without anything having happened: "Corners 4 – 2", "Shots on goal".
_STATISTICS = re.compile(
    r"(?:on|at|own|total|goals? scored|per|avg|expected)\s+goals?\b|goal[- ]?(?:kick|keeper|difference|scorers?)|"
    r"top scorers?|\b(?:cards|corners|offsides|penalties|fouls|possession|shots)\b\D{0,3}\d",
    re.IGNORECASE,
)


def about_of(text: str) -> str:
    """Return what a caption is about, "" where no word of it is known.

    >>> about_of("GOAL  Harlow 34'"), about_of("YELLOW CARD"), about_of("Corners 4 2"), about_of("Round 12")
    ('goal', 'yellow card', '', '')
    """
    if _STATISTICS.search(text):
        return ""
    return next((about for about, pattern in _PATTERNS.items() if pattern.search(text)), "")


def importance_of(about: str) -> int:
    """Return the importance of a caption about something; 0 where nothing is known of it."""
    return ABOUT[about][0] if about in ABOUT else 0


def form_of(lines: Sequence[str]) -> str:
    """Return what two readings of a caption must agree on: its letters and digits, case-folded."""
    text = unicodedata.normalize("NFKC", " ".join(lines)).casefold()
    return "".join(c for c in text if c.isalnum())


@dataclass(slots=True)
class Caption:
    """A caption that is on screen. Boxes are pixels of the picture that is read."""

    line_boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    at_s: float  # source time of the first picture that shows it
    read_s: float
    box: Box
    small_box: Box  # in the still map's picture
    searched: Box  # the part of the still map's picture in which it was searched
    reported: bool = False
    still: np.ndarray | None = field(default=None, repr=False)  # its pixels that must stay
    mask: np.ndarray | None = field(default=None, repr=False)

    @property
    def heading(self) -> str:
        """Its largest line."""
        sizes = [b.height for b in self.line_boxes]
        return self.lines[sizes.index(max(sizes))] if sizes else ""

    @property
    def rest(self) -> str:
        """Its other lines."""
        heading = self.heading
        others = list(self.lines)
        if heading in others:
            others.remove(heading)
        return " ".join(others)

    @property
    def text(self) -> str:
        """All its lines, from top to bottom."""
        return " ".join(self.lines)[:_LONGEST]

    def hold(self, still: StillMap, grey: np.ndarray) -> None:
        """Remember its pixels, to see when it goes."""
        self.still = self.small_box.crop(grey).astype(np.int16)
        self.mask = self.small_box.crop(still.edges) & self.small_box.crop(still.still)

    def is_there(self, grey: np.ndarray) -> bool:
        """Return whether it still stands in a picture."""
        now = self.small_box.crop(grey)
        if self.still is None or self.mask is None or now.shape != self.still.shape or not self.mask.any():
            return False
        same = np.abs(now.astype(np.int16) - self.still)[self.mask] <= 24
        return float(same.mean()) >= _GONE_SHARE


class CaptionMemory:
    """The captions that were reported in the last minute."""

    def __init__(self) -> None:
        self._told: list[tuple[frozenset[str], float]] = []

    def is_new(self, lines: Sequence[str], about: str, at_s: float) -> bool:
        """Return whether a caption was not reported lately, and remember it as reported now.

        The same once more, or the same read in part or with a letter wrong, is not new.
        One about nothing known is not new either where half of its words are those of another: a panel of numbers.
        """
        words = frozenset(
            form for word in " ".join(lines).split() if ":" not in word and (form := form_of([word]))
        )
        self._told = [(w, t) for w, t in self._told if at_s - t < _AGAIN_S]
        share = _SAME_WORDS if about else 0.5
        new = not any(
            len(words & w) >= share * max(len(words), len(w) if about else 1) for w, _ in self._told
        )
        self._told.append((words, at_s))
        return new


def is_caption(lines: Sequence[str], box: Box, height: int) -> bool:
    """Return whether lines in a box of a picture of that height may be a caption at all."""
    text = " ".join(lines)
    if sum(c.isalpha() for c in text) < 3:
        return False
    return bool(about_of(text)) or box.middle_y >= _LOWER * height
