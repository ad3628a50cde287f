"""What is new of an event, given what was told before: whether it is told in full, completed, or left out.

A caption and a change of the scoreboard may be two facts of one goal. The first of them names the goal, the other only
adds what is new. Fillers and the opener are here too: they depend on what was said when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commentator_lib.commentators.baseline.match_events import (
    CAPTION_KINDS,
    Choice,
    Scene,
    about_of,
    caption_choices,
    change_choice,
    clock_choice,
    goal_choices,
    is_goal,
    name_of,
    opener_choices,
    other_choice,
    quoted_choice,
    score_choice,
    side_that_scored,
    standing_choice,
    who_of,
)
from commentator_lib.commentators.baseline.match_memory import GoalTold, MatchMemory, of_one_goal
from commentator_lib.commentators.baseline.match_names import Who, change_of, fixture_of
from commentator_lib.events import MOST_IMPORTANCE, Event

_SCORE_EVERY_S, _CLOCK_EVERY_S, _FILLER_EVERY_S = 20.0, 60.0, 8.0
_KITS_EVERY_S = 240.0
_WAIT_FOR_TEAMS_S, _OPENER_WITHIN_S = 6.0, 40.0
_ROAR_OF_GOAL_S = 8.0  # so long after a goal a roar is no news
_REPLAY_REST_S = 8.0
# The first whistle so long after a goal is for the kick-off.
_KICK_OFF_AFTER_S = (5.0, 90.0)
# How long something of sound or picture is not told again, in seconds.
_REST_S = {
    "swell": 10.0,
    "gasp": 4.0,
    "whistle": 8.0,
    "motion": 20.0,
    "freeze": 20.0,
    "black": 20.0,
    "caption": 15.0,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """The screen, what was said so far, and the time now on the clock of the frames, in s."""

    scene: Scene
    memory: MatchMemory
    now_s: float

    def said_within(self, what: str, seconds: float) -> bool:
        """Return whether something was said in the last seconds."""
        return self.now_s - self.memory.said_s.get(what, float("-inf")) < seconds


@dataclass(frozen=True, slots=True)
class Saying:
    """What could be said of an event: the first choice must be said, the others if there is room."""

    choices: Sequence[Choice]
    importance: int = 0
    note: Callable[[], None] = lambda: None  # called once it is said


def partner_of(happened: Sequence[Event], k: int) -> int | None:
    """Return which other event is evidence of the same goal as the k-th, None where there is none."""
    for j, other in enumerate(happened):
        pair = sorted((happened[k], other), key=lambda event: event.kind == "score")
        if j == k or [event.kind == "score" for event in pair] != [False, True]:
            continue
        caption, score = pair
        if is_goal(caption) and not score.facts.get("correction") and of_one_goal(caption.at_s, score.at_s):
            return j
    return None


def saying_of(event: Event, partner: Event | None, moment: Moment) -> Saying | None:
    """Return what to say of an event, with `partner` as other evidence of the same; None where nothing is new."""
    about = about_of(event)
    if is_goal(event) or partner is not None:
        pair = [e for e in (event, partner) if e is not None]
        score = next((e for e in pair if e.kind == "score"), None)
        return _goal(next((e for e in pair if e.kind != "score"), None), score, moment)
    if event.kind == "score":
        return _change(event, moment)
    if about in CAPTION_KINDS:
        return _caption(event, about, moment)
    if about == "replay":
        return _replay(event, moment)
    return _quoted(event, moment) if event.kind == "caption" else _other(event, moment)


def _goal(caption: Event | None, score: Event | None, moment: Moment) -> Saying | None:
    """Return what to say of a goal, which a caption, the scoreboard or both show."""
    # 1) Who scored, by the number that rose and by the caption.
    scene, memory = moment.scene, moment.memory
    who = who_of(caption, scene) if caption else Who()
    rose = side_that_scored(score)
    side = rose if rose is not None else who.side
    team = scene.teams[side] if side is not None else ""
    caption_s, score_s = caption.at_s if caption else None, score.at_s if score else None
    importance = max(e.importance for e in (caption, score) if e is not None)
    new_score = score_choice(score.facts.get("score"), scene) if score else ()
    # 2) A new goal is named.
    goal = memory.goal_of(caption_s, score_s)
    if goal is None:
        told = GoalTold(caption_s, score_s, who.person)

        def note_new() -> None:
            memory.goals = [*memory.goals[-7:], told]
            # How it stands is no filler while the board may still show the score before.
            memory.said_s |= {"goal": moment.now_s, "score": moment.now_s}

        return Saying([*goal_choices(who.person, team), new_score], importance, note_new)
    # 3) Of one that was named, what is new is added.
    choices = [new_score] if new_score else []
    if who.person and not goal.scorer:
        choices.append((("scorer", {"player": who.person}),))

    def note_more() -> None:
        goal.caption_s = caption_s if goal.caption_s is None else goal.caption_s
        goal.score_s = score_s if goal.score_s is None else goal.score_s
        goal.scorer = goal.scorer or who.person

    return Saying(choices, min(importance, MOST_IMPORTANCE - 1), note_more) if choices else None


def _change(event: Event, moment: Moment) -> Saying | None:
    """Return what to say of a change of the score that is no goal by itself."""
    goal = None if event.facts.get("correction") else moment.memory.goal_of(None, event.at_s)
    if goal is None:
        choice = change_choice(event, moment.scene)
        if not choice:
            return None

        # After a goal that was taken back there is no kick-off.
        def note_correction() -> None:
            for last in moment.memory.goals[-1:] if event.facts.get("correction") else ():
                last.over = True

        return Saying([choice], event.importance, note_correction)
    # Its caption came first and named it.
    choice = score_choice(event.facts.get("score"), moment.scene)
    note = lambda: setattr(goal, "score_s", event.at_s)  # noqa: E731 - one line, called once
    return Saying([choice], MOST_IMPORTANCE - 1, note) if choice else None


def _caption(event: Event, about: str, moment: Moment) -> Saying | None:
    """Return what to say of a caption about a card, a substitution, a corner and the like."""
    name = name_of(who_of(event, moment.scene), moment.scene)
    if about == "substitution":
        line, text = (str(event.facts.get(key, "")) for key in ("line", "text"))
        name = change_of(line) or change_of(text) or name
    if moment.memory.told_before(about, name, event.at_s):
        return None
    choices = caption_choices(about, name)
    if about in ("half-time", "full-time"):
        choices.append(standing_choice(moment.scene))
    return Saying(choices, event.importance, lambda: moment.memory.note_told(about, name, event.at_s))


def _replay(event: Event, moment: Moment) -> Saying | None:
    """Return what to say where a replay begins or ends; its end is told only where its beginning was."""
    begins = bool(event.facts.get("begins", not event.facts.get("ends")))
    began_s, over_s = (moment.memory.said_s.get(kind, float("-inf")) for kind in ("replay", "replay over"))
    if moment.said_within("replay", _REPLAY_REST_S) if begins else over_s >= began_s:
        return None
    return Saying([(("replay" if begins else "replay over", {}),)], event.importance)


def _quoted(event: Event, moment: Moment) -> Saying | None:
    """Return what to say of a caption about nothing known; one with both teams' names opens the match."""
    if fixture_of(str(event.facts.get("text", ""))):
        return None if moment.memory.opened else opener(moment)
    choice = quoted_choice(event)
    if not choice or moment.said_within("caption", _REST_S["caption"]):
        return None
    return Saying([choice], event.importance)


def _other(event: Event, moment: Moment) -> Saying | None:
    """Return what to say of a sound, of the picture, or of a kind that only its own watcher knows."""
    choice = other_choice(event)
    if event.kind == "whistle" and (goal := _goal_before(event, moment)) is not None:
        return Saying(
            [(("whistle for kick-off", {}),)], event.importance, lambda: setattr(goal, "over", True)
        )
    if not choice or moment.said_within(event.kind, _REST_S.get(event.kind, 0.0)):
        return None
    if event.kind == "swell" and moment.said_within("goal", _ROAR_OF_GOAL_S):
        return None
    note = lambda: moment.memory.said_s.update({event.kind: moment.now_s})  # noqa: E731 - one line, called once
    return Saying([choice], event.importance, note)


def _goal_before(whistle: Event, moment: Moment) -> GoalTold | None:
    """Return the last goal, where a whistle must be for the kick-off after it; else None."""
    goal = moment.memory.goals[-1] if moment.memory.goals else None
    if goal is None or goal.over:
        return None
    seen_s = [at_s for at_s in (goal.caption_s, goal.score_s) if at_s is not None]
    least_s, most_s = _KICK_OFF_AFTER_S
    in_time = seen_s and whistle.at_s > max(seen_s) and least_s <= whistle.at_s - min(seen_s) <= most_s
    return goal if in_time else None


def opener(moment: Moment) -> Saying:
    """Return what is said at the start."""
    choices = [choice for choice in opener_choices(moment.scene) if choice]
    return Saying(choices, 0, lambda: setattr(moment.memory, "opened", True))


def opener_due(moment: Moment) -> bool:
    """Return whether it is time for the opener: soon after the first sight of the match, once its teams are known."""
    memory = moment.memory
    if memory.opened or memory.since_s is None:
        return False
    waited_s = moment.now_s - memory.since_s
    if waited_s > _OPENER_WITHIN_S:
        return False
    return moment.scene.both_teams or waited_s >= _WAIT_FOR_TEAMS_S


def fillers(moment: Moment, kits: tuple[str, str] | None = None) -> list[Saying]:
    """Return what a viewer could check and has not heard for a while, the rarest first.

    `kits` are the colours of the two sides' shirts, where they are plain.
    """
    if moment.scene.replay and not moment.said_within("replay", 2 * _SCORE_EVERY_S):
        return [Saying([(("replay", {}),)])]
    if moment.said_within("filler", _FILLER_EVERY_S):
        return []
    clock = () if moment.said_within("clock", _CLOCK_EVERY_S) else clock_choice(moment.scene)
    score = () if moment.said_within("score", _SCORE_EVERY_S) else standing_choice(moment.scene)
    sayings = [Saying([choice]) for choice in (clock, score) if choice]
    if kits is not None and not moment.said_within("kits", _KITS_EVERY_S):
        note = lambda: moment.memory.said_s.update({"kits": moment.now_s})  # noqa: E731 - one line, called once
        slots = {"one": kits[0], "other": kits[1]}
        sayings.insert(0, Saying([(("filler kits", slots),)], note=note))
    return sayings
