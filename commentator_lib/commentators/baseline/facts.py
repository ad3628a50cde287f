"""Find what is worth saying about the newest view, choose among it, and remember what was said.

Facts claim only what stays true if the detector missed something: "no longer in view" rather than "has left".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from commentator_lib.commentators.baseline.boxes import crop
from commentator_lib.commentators.baseline.phrasing import Phrasing, phrase, subject, where
from commentator_lib.commentators.baseline.reading import Text
from commentator_lib.commentators.baseline.tracking import CLEAR, SAY_AGAIN_S, Shot, Thing
from commentator_lib.commentators.baseline.views import View, difference
from commentator_lib.commentators.baseline.words import plural, side

_GROWN = 1.2  # over three looks, and
_GROWN_ONCE = 1.08  # over the last two
_NEW_SHOT_S = 4.0  # how long a shot counts as new
_BARE_SHOT_S = 2.5
_MOST_WORDS_OF_TWO = 14


@dataclass(slots=True)
class Fact:
    """Something that could be said now.

    `kind` and `slots` choose and fill a template of words.TEMPLATES; `key` names the fact in the shot's memory of
    what was said; `things` and `text` are what it is about.
    """

    kind: str
    key: tuple
    slots: dict[str, str]
    things: list[Thing] = field(default_factory=list)
    text: Text | None = None


def find_facts(shot: Shot, view: View, text: Text | None, bare_shot_at_s: float | None) -> list[Fact]:
    """Return all that could be said of the newest view and has not been, the most important first.

    `text` is a new text on screen; `bare_shot_at_s` is when a cut to a shot with nothing in it was last mentioned.
    """
    now_s = view.at_s
    present = [t for t in shot.things if t.present]
    fresh = shot.announce and now_s - shot.at_s <= _NEW_SHOT_S
    facts = []
    if fresh and present:
        facts.append(Fact("shot", ("scene",), {"things": phrase(present, view.boxes)}, present))
    if text is not None:
        facts.append(Fact("text", ("text", text.shown), {"text": text.shown}, text=text))
    if fresh and not present and _bare_shot_due(shot, view, bare_shot_at_s):
        facts.append(Fact("bare shot", ("bare shot",), {}))
    if not (fresh and present):
        facts += _news(shot, view, present)
    facts += _motions(shot, present)
    facts += _departures(shot, view)
    facts += _camera(shot, view)
    facts += _stir(view, present)
    return [f for f in facts if not shot.said_recently(f.key, now_s)]


def _bare_shot_due(shot: Shot, view: View, told_at_s: float | None) -> bool:
    if float(view.grey.std()) < 6 or view.at_s - shot.at_s > _BARE_SHOT_S:
        return False
    return told_at_s is None or view.at_s - told_at_s > SAY_AGAIN_S


def _news(shot: Shot, view: View, present: list[Thing]) -> list[Fact]:
    """Return facts about things not mentioned yet: new ones, those of a kind not named yet, and more of a kind."""
    new = [t for t in present if not t.said]
    facts = []
    # 1) Things that came into view.
    for thing in new:
        if thing.entered and shot.looks > 1:
            slots = {"thing": subject(thing, shot.things, first=True), "where": where(thing.box)}
            facts.append(Fact("arrive", ("arrive", thing.label, where(thing.box)), slots, [thing]))
    # 2) Things of a kind that was not named yet.
    counts = {label: sum(t.label == label for t in present) for label in {t.label for t in new}}
    unnamed = [t for t in present if t.label in counts and not shot.said_count.get(t.label)]
    if unnamed:
        kind = "more" if shot.said_count else "scene"
        labels = tuple(sorted({t.label for t in unnamed}))
        facts.append(Fact(kind, ("scene", labels), {"things": phrase(unnamed, view.boxes)}, unnamed))
    # 3) More things of a kind than were named.
    for label in sorted(counts):
        if counts[label] > shot.said_count.get(label, 0) > 0:
            some = [t for t in present if t.label == label]
            things = phrase(some, view.boxes, place=False)
            facts.append(Fact("count", ("count", label), {"things": things}, some))
    return facts


def _motions(shot: Shot, present: list[Thing]) -> list[Fact]:
    facts = []
    for thing in sorted(present, key=lambda t: -abs(t.shift)):
        name = subject(thing, shot.things, first=not thing.said)
        if abs(thing.shift) >= CLEAR:
            way = "left" if thing.shift < 0 else "right"
            key = ("sideways", thing.label, way)
            facts.append(Fact("sideways", key, {"thing": name, "way": way}, [thing]))
        elif thing.growth >= _GROWN_ONCE and thing.growth * thing.grew_before >= _GROWN:
            facts.append(Fact("closer", ("closer", thing.label), {"thing": name}, [thing]))
    return facts


def _departures(shot: Shot, view: View) -> list[Fact]:
    """Return facts about kinds that were named and of which nothing is left.

    They were not seen in two looks, there is no weak box of the kind anywhere, and their place looks different. After a
    camera motion places cannot be compared.
    """
    facts = []
    for label, count in sorted(shot.said_count.items()):
        alike = [t for t in shot.things if t.label == label]
        missing = [t for t in alike if t.said]
        if not missing or any(t.misses < 2 for t in alike):
            continue
        if any(b.label == label for b in view.boxes) or not all(_place_changed(t, view) for t in missing):
            continue
        kind, name = ("gone", label) if count == 1 else ("gone many", plural(label))
        facts.append(Fact(kind, ("gone", label), {"name": name}, missing))
    return facts


def _place_changed(thing: Thing, view: View) -> bool:
    if thing.moved_with_camera > 0.05 or thing.tiled:
        return False
    now = crop(view.grey, thing.box)
    return now.shape == thing.patch.shape and difference(now, thing.patch) > 15


def _camera(shot: Shot, view: View) -> list[Fact]:
    camera = view.camera
    if not (camera.clear and view.soon) or view.index == shot.index:
        return []
    if abs(camera.dx) < CLEAR or shot.panning == np.sign(camera.dx):
        return []
    if camera.dx * shot.dx_before < 0 or abs(shot.dx_before) < CLEAR / 2:
        return []  # a single pair of looks may show something large that passes
    # Where the content moves left, the camera moves right.
    way = "right" if camera.dx < 0 else "left"
    return [Fact("camera", ("camera", way), {"way": way})]


def _stir(view: View, present: list[Thing]) -> list[Fact]:
    """Return motion that no known thing explains, if it is in one place and no box covers it."""
    changed = view.changed  # (108, 192) bool
    if changed is None or not view.camera.still or present:
        return []
    share = float(changed.mean())
    if not 0.02 < share < 0.35:
        return []
    weight = changed.sum(axis=0)  # (192,): changed pixels in each column
    x = np.repeat(np.arange(changed.shape[1]), weight) / changed.shape[1]
    if len(x) == 0 or np.percentile(x, 90) - np.percentile(x, 10) > 0.4:
        return []
    return [Fact("stir", ("stir",), {"where": side(float(np.median(x)))})]


def choose(facts: Sequence[Fact], phrasing: Phrasing, max_words: int) -> list[tuple[Fact, str]]:
    """Return one sentence, or two short ones about different things, within `max_words`."""
    chosen: list[tuple[Fact, str]] = []
    words = 0
    about: set[int] = set()
    for fact in facts:
        if any(id(t) in about for t in fact.things) or any(f.kind == fact.kind for f, _ in chosen):
            continue
        sentence = phrasing.sentence(fact.kind, fact.slots)
        count = len(sentence.split())
        if words + count > min(max_words, _MOST_WORDS_OF_TWO if chosen else max_words):
            continue
        chosen.append((fact, sentence))
        words += count
        about |= {id(t) for t in fact.things}
        if len(chosen) == 2:
            break
    return chosen


def remember(shot: Shot, fact: Fact, now_s: float) -> None:
    """Note in the shot that a fact was said."""
    shot.said_at_s[fact.key] = now_s
    if fact.kind in ("shot", "bare shot"):
        shot.announce = False
    if fact.kind == "camera":
        shot.panning = -1 if fact.slots["way"] == "right" else 1
    if fact.text is not None:
        fact.text.said_at_s = now_s
    if fact.kind.startswith("gone"):
        label = fact.key[1]
        shot.said_count.pop(label, None)
        shot.things = [t for t in shot.things if t.label != label]
        return
    for thing in fact.things:
        thing.said = True
    for label in {t.label for t in fact.things}:
        count = sum(t.label == label and t.said and t.misses == 0 for t in shot.things)
        shot.said_count[label] = max(shot.said_count.get(label, 0), count)
