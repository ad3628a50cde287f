"""Compare comments with events: which comment names which event, how late, and what was named but did not happen.

A comment has times on two clocks. The *viewer's* clock is the media time of the picture on the screen when a word is
heard; it judges a comment by the delayed picture. The *camera's* clock counts from when the event really happened.

On the viewer's clock a comment starts at the capture time of the picture that is on screen then, the log's column
`on_screen_captured_s`. (The picture may run up to 10 % faster or slower meanwhile; that is neglected.)
"""

from __future__ import annotations

from collections.abc import Sequence

from commentator_lib.truth.comments import EARLY_S, LATE_S, Comment, pair
from commentator_lib.truth.naming import kinds_named, names_kind, scores_named
from experiments.match_clip.events import KINDS, Event, Sound

# Seconds from an event to the caption that tells it, in the scripted match.
EVIDENCE_AFTER_S = {"goal": 0.6, "card": 0.5, "substitution": 0.5}

# The sound of an event that tells what it is. The whistle before a card is none: it tells of the foul only.
EVIDENCE_SOUND = {"goal": "roar", "kick-off": "whistle"}

# Cuts are events of the broadcast, not of the match: they have their own recall columns and count nowhere else.
MATCH_KINDS = tuple(kind for kind in KINDS if kind != "cut")
RECALL_WITHIN_S = (1.0, 2.0, 3.0)


def pairs_of_kind(
    comments: Sequence[Comment], events: Sequence[Event], kind: str
) -> list[tuple[Event, Comment]]:
    """Return the events of a kind that are named, each with the comment that names it.

    A change of the scoreboard is named by its new score only: "1–0" does not name the change to 2–0.
    """
    some = [e for e in events if e.kind == kind]
    if kind == "scoreboard":
        groups = [
            ([e for e in some if e.score == score], [c for c in comments if score in scores_named(c.text)])
            for score in sorted({e.score for e in some if e.score is not None})
        ]
    else:
        groups = [(some, [c for c in comments if names_kind(c.text, kind)])]
    return [
        (happened[i], said[j])
        for happened, said in groups
        for i, j in pair([e.t_s for e in happened], [c.from_s for c in said])
    ]


def response_errors(comments: Sequence[Comment], events: Sequence[Event], kind: str) -> list[float]:
    """Return, for each event that was named, the first sound of its comment − the event, on the viewer's clock, in s.

    Negative: the voice was ahead of the picture.

    Source: the definition that live-commentary papers share (Proact-VL, LiveStar), on the viewer's clock.
    """
    return [comment.from_s - event.t_s for event, comment in pairs_of_kind(comments, events, kind)]


def response_latencies(comments: Sequence[Comment], events: Sequence[Event], kind: str) -> list[float]:
    """Return the same on the camera's clock, since the event really happened: response error + picture delay."""
    return [comment.heard_from_s - event.t_s for event, comment in pairs_of_kind(comments, events, kind)]


def first_evidence_s(event: Event, sounds: Sequence[Sound] = ()) -> float:
    """Return when (s) an event is first evident: on screen or, of those in `sounds`, in its sound.

    On screen the evidence of a goal, a card or a substitution is the caption that the scripted match shows after it.
    """
    seen_s = event.t_s + EVIDENCE_AFTER_S.get(event.kind, 0.0)
    own = [s for s in sounds if (s.event, s.event_s) == (event.kind, event.t_s)]
    return min([seen_s, *(s.from_s for s in own if s.kind == EVIDENCE_SOUND.get(event.kind))])


def evidence_delays(
    comments: Sequence[Comment], events: Sequence[Event], kind: str, sounds: Sequence[Sound] = ()
) -> list[float]:
    """Return, for each event that was named, first sound of its comment − its first evidence, in s.

    The evidence is on screen or, where `sounds` are given, in sound; both times are on the viewer's clock.
    """
    pairs = pairs_of_kind(comments, events, kind)
    return [comment.from_s - first_evidence_s(event, sounds) for event, comment in pairs]


def false_triggers(comments: Sequence[Comment], events: Sequence[Event]) -> int:
    """Count the namings of something that did not happen.

    A naming is false where no event of its kind is on screen from LATE_S before the comment to EARLY_S after it. A goal
    that is named twice is repetition, not a false trigger. A score is false where the scoreboard does not show it at
    any time within these limits. Source: the false alarms of keyword spotting, counted by time.
    """
    count = 0
    for comment in comments:
        for kind in kinds_named(comment.text) & set(MATCH_KINDS):
            times = [e.t_s for e in events if e.kind == kind]
            count += not any(-EARLY_S <= comment.from_s - t <= LATE_S for t in times)
        count += any(s not in _scores_on_screen(events, comment.from_s) for s in scores_named(comment.text))
    return count


def _scores_on_screen(events: Sequence[Event], at_s: float) -> set[tuple[int, int] | None]:
    """Return the scores that are on screen at some time from `at_s` − LATE_S to `at_s` + EARLY_S."""
    changes = [(0.0, (0, 0)), *((e.t_s, e.score) for e in events if e.kind == "scoreboard")]
    shown_before = [score for t, score in changes if t <= at_s - LATE_S][-1:]
    return set(shown_before) | {score for t, score in changes if at_s - LATE_S < t <= at_s + EARLY_S}
