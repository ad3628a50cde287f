"""What can be said of one event of a match, as kinds of wordings with their slots; pure functions.

A choice holds several ways to say one thing, the fullest first, so that a shorter one can be taken where names are long
or unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commentator_lib.commentators.baseline.match_names import (
    Who,
    cleaned,
    clock_words,
    names_news,
    pair_of,
    score_words,
    spoken_name,
    who_is,
)
from commentator_lib.events import MOST_IMPORTANCE, Event

Phrase = tuple[str, dict[str, str]]  # a kind of match_words.MATCH_TEMPLATES, and its slots
Choice = tuple[Phrase, ...]

# What captions are about; of the first, a second sentence says whom they name: its kind and its slot.
_DETAILS = {
    "yellow card": ("card for", "player"),
    "red card": ("card for", "player"),
    "card": ("card for", "player"),
    "substitution": ("substitution who", "text"),
    "corner": ("for team", "team"),
    "penalty": ("for team", "team"),
    "free kick": ("for team", "team"),
}
_ALONE = ("offside", "var", "kick-off", "half-time", "full-time")
CAPTION_KINDS = frozenset(("goal", *_DETAILS, *_ALONE))
# Watchers' kinds that are only seen, and need no words.
SILENT_KINDS = frozenset(("cut", "dissolve", "wipe", "clock", "silence", "speech"))
_SEEN_OR_HEARD = ("swell", "gasp", "whistle", "freeze", "black")
_PLACES = ("on the left", "in the middle", "on the right")


@dataclass(frozen=True, slots=True)
class Scene:
    """What stands on the screen: how the sides are called and abbreviated ("" where unknown), the score, the clock."""

    teams: tuple[str, str] = ("", "")
    codes: tuple[str, str] = ("", "")
    score: tuple[int, int] | None = None
    clock: str = ""
    replay: bool = False
    fits: bool = False  # the full names that a caption gave are those of the sides on the scoreboard

    @property
    def both_teams(self) -> bool:
        """Whether both sides are known by name."""
        return all(self.teams)


def is_match(on_screen: Mapping[str, Any]) -> bool:
    """Return whether the facts are those of a match: a score or teams are on the screen."""
    return "score" in on_screen or any(map(str, on_screen.get("teams", ())))


def scene_of(on_screen: Mapping[str, Any], fixture: tuple[str, str] | None) -> Scene:
    """Return the scene of `Facts.on_screen`; `fixture` are the full names of the sides, where a caption gave them.

    A full name stands for an abbreviation with the same first letter only.
    """
    read = list(on_screen.get("teams", ()))[:2]
    codes = tuple(cleaned(name) for name in (*read, "", "")[:2])
    fits = fixture is not None and all(
        not code or code[0].casefold() == name[0].casefold()
        for code, name in zip(codes, fixture, strict=True)
    )
    teams = fixture if fits and fixture is not None else tuple(spoken_name(code) for code in codes)
    return Scene(
        (teams[0], teams[1]),
        (codes[0], codes[1]),
        pair_of(on_screen.get("score")),
        clock_words(on_screen.get("clock", "")),
        bool(on_screen.get("replay")),
        fits,
    )


def about_of(event: Event) -> str:
    """Return what an event is about: a caption's subject, or the kind of any other event."""
    return str(event.facts.get("about", "")) if event.kind == "caption" else event.kind


def is_goal(event: Event) -> bool:
    """Return whether an event says by itself that a goal was scored: its caption, or one more for one side.

    A larger step, or one of little importance (a basket), is told as a change of the score.
    """
    if event.kind != "score":
        return about_of(event) == "goal"
    before, after = pair_of(event.facts.get("from")), pair_of(event.facts.get("score"))
    if event.importance < MOST_IMPORTANCE or after is None or event.facts.get("correction"):
        return False
    return before is None or sorted((after[0] - before[0], after[1] - before[1])) == [0, 1]


def side_that_scored(event: Event | None) -> int | None:
    """Return the side (0 home, 1 away) whose number rose, None where that is not clear."""
    before = pair_of(event.facts.get("from")) if event else None
    after = pair_of(event.facts.get("score")) if event else None
    if before is None or after is None:
        return None
    rose = [side for side in (0, 1) if after[side] > before[side]]
    return rose[0] if len(rose) == 1 else None


def who_of(event: Event, scene: Scene) -> Who:
    """Return whom a caption is about."""
    line, heading = (str(event.facts.get(key, "")) for key in ("line", "heading"))
    return who_is(line, heading, scene.teams, scene.codes)


def name_of(who: Who, scene: Scene) -> str:
    """Return how somebody is called: the person's name, or else the side's."""
    return who.person or (scene.teams[who.side] if who.side is not None else "")


def goal_choices(scorer: str, team: str) -> list[Choice]:
    """Return the ways to name a goal, and then whose it is."""
    whose: list[Phrase] = []
    if scorer and team:
        whose.append(("goal by for", {"player": scorer, "team": team}))
    if scorer:
        whose.append(("goal by", {"player": scorer}))
    if team:
        whose.append(("goal for", {"team": team}))
    return [(("goal", {}),), tuple(whose)]


def score_choice(score: Any, scene: Scene) -> Choice:
    """Return the ways to say a new score after a goal; none where it is no score."""
    numbers = pair_of(score)
    if numbers is None:
        return ()
    slots = {"score": score_words(score)}
    if numbers[0] == numbers[1]:
        return ("score level", slots), ("score completes", slots)
    leader = scene.teams[0 if numbers[0] > numbers[1] else 1]
    named: list[Phrase] = [("score leads", slots | {"team": leader})] if leader else []
    return (*named, ("score completes", slots))


def change_choice(event: Event, scene: Scene) -> Choice:
    """Return the ways to say a change of the score that is no goal: a correction, a basket, a larger step."""
    after, before = pair_of(event.facts.get("score")), pair_of(event.facts.get("from"))
    if after is None:
        return ()
    slots = {"score": score_words(after)}
    if event.facts.get("correction"):
        fell = before is not None and sum(after) < sum(before)
        few = before is not None and max(before) < 10
        return (("correction" if fell and few else "correction plain" if fell else "points", slots),)
    side = side_that_scored(event)
    team = scene.teams[side] if side is not None else ""
    named: list[Phrase] = [("points team", slots | {"team": team})] if team else []
    return (*named, ("points", slots))


def caption_choices(about: str, name: str) -> list[Choice]:
    """Return the ways to say what a caption is about, other than a goal, and then whom it names."""
    detail: Choice = ()
    if name and about in _DETAILS:
        kind, slot = _DETAILS[about]
        detail = ((kind, {slot: name}),)
    return [((about, {}),), detail]


def standing_choice(scene: Scene) -> Choice:
    """Return the ways to say how it stands, without news; none where the score is not known."""
    if scene.score is None:
        return ()
    home, away = scene.score
    slots = {"score": f"{home}-{away}"}
    if home == away:
        return (("filler level", slots),)
    leader = scene.teams[0 if home > away else 1]
    named: list[Phrase] = [("filler lead", slots | {"team": leader})] if leader else []
    return (*named, ("filler score", slots))


def clock_choice(scene: Scene) -> Choice:
    """Return the way to say the time; none where no clock is on the screen."""
    return (("filler clock", {"clock": scene.clock}),) if scene.clock else ()


def opener_choices(scene: Scene) -> list[Choice]:
    """Return what is said at the start: who plays, how it stands, and the time, each where it is known."""
    teams: list[Phrase] = []
    if scene.both_teams:
        teams = [("opener", {"home": scene.teams[0], "away": scene.teams[1]})]
    return [(*teams, ("opener plain", {})), standing_choice(scene), clock_choice(scene)]


def quoted_choice(event: Event) -> Choice:
    """Return the way to quote a caption about nothing known; none where it cannot be quoted safely."""
    whole, heading = (cleaned(event.facts.get(key, ""), 200) for key in ("text", "heading"))
    text = whole if len(whole) <= 40 else heading
    if len(text) > 40 or names_news(text) or sum(c.isalpha() for c in text) < 3:
        return ()
    if len(text.split()) < 2:  # often a piece of a longer line
        return ()
    return (("caption", {"text": text}),)


def other_choice(event: Event) -> Choice:
    """Return the way to say an event of sound or picture, or of a kind that only its own watcher knows."""
    if event.kind == "motion":
        where = str(event.facts.get("where", ""))
        return (("motion", {"where": where}),) if where in _PLACES else ()
    if event.kind == "period":
        period = cleaned(event.facts.get("period", ""), 20)
        return (("period", {"text": period}),) if period and not names_news(period) else ()
    if event.kind in _SEEN_OR_HEARD:
        return ((event.kind, {}),)
    name = cleaned(event.kind.replace("_", " "))
    if event.kind in SILENT_KINDS or event.importance < 1 or not name:
        return ()
    return (("noticed", {"name": name}),)
