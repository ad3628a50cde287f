"""Turn facts into sentences: name the things, and choose a wording that was not used just before."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence

from commentator_lib.commentators.baseline.boxes import strong
from commentator_lib.commentators.baseline.detector import Detection, iou
from commentator_lib.commentators.baseline.match_words import MATCH_TEMPLATES
from commentator_lib.commentators.baseline.tracking import Thing
from commentator_lib.commentators.baseline.words import NUMBERS, TEMPLATES, article, join, quantity, side

_RECENT_SENTENCES = 5


def where(box: Detection) -> str:
    """Return on which side of the picture a box is, in words.

    >>> where(Detection("car", 0.9, 0.0, 0.2, 0.3, 0.6))
    'on the left'
    """
    return side(box.cx)


def phrase(things: Sequence[Thing], boxes: Sequence[Detection], place: bool = True) -> str:
    """Return things by kind, the largest first, three kinds at most: "a person on the left and two cars".

    `boxes` are all of the newest view: weak ones hint at more of a kind. `place`: say where a single thing stands.
    """
    kinds: dict[str, list[Thing]] = {}
    for thing in sorted(things, key=lambda t: -t.box.area):
        kinds.setdefault(thing.label, []).append(thing)
    phrases = []
    for label, alike in list(kinds.items())[:3]:
        # A thing that is confirmed by a weak box is not counted twice.
        weak = [b for b in boxes if b.label == label and not strong(b)]
        more = any(all(iou(b, t.box) == 0 for t in alike) for b in weak)
        words = quantity(label, len(alike), more)
        if place and len(alike) == 1 and len(kinds) <= 2:
            words += _placed(alike[0].box)
        phrases.append(words)
    return join(phrases)


def _placed(box: Detection) -> str:
    if box.area > 0.5:
        return " close up" if box.label == "person" else ""
    return " " + where(box)


def subject(thing: Thing, things: Sequence[Thing], first: bool) -> str:
    """Return "a car", or "the car" where it is spoken of again (not `first`) and is the only one of the `things`."""
    alike = [t for t in things if t.label == thing.label and t.misses == 0]
    if first or len(alike) > 1:
        return article(thing.label)
    return f"the {thing.label}"


class Phrasing:
    """Chooses wordings of each kind of fact by turns, and none that was among the last five sentences.

    `seed` decides only which wording comes first.
    """

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        templates = {**TEMPLATES, **MATCH_TEMPLATES}
        self._ways = {kind: rng.sample(ways, len(ways)) for kind, ways in templates.items()}
        self._turn = dict.fromkeys(templates, 0)
        self._recent: deque[str] = deque(maxlen=_RECENT_SENTENCES)

    def sentence(self, kind: str, slots: Mapping[str, str]) -> str:
        """Return the sentence for a fact of this kind (a key of the templates) that would be said now."""
        filled = dict(slots)
        for name in ("thing", "things"):
            if name in filled:
                filled[name.capitalize()] = filled[name][:1].upper() + filled[name][1:]
        many = filled.get("things", "").split(" ")[0] in {*NUMBERS.values(), "at", "several"}
        filled["is"] = "are" if many else "is"
        ways, turn = self._ways[kind], self._turn[kind]
        said = [ways[(turn + k) % len(ways)].format(**filled) for k in range(len(ways))]
        return next((s for s in said if s not in self._recent), said[0])

    def remember(self, kind: str, sentence: str) -> None:
        """Note that a sentence was said."""
        self._recent.append(sentence)
        self._turn[kind] += 1
