"""Events in whole sessions in virtual time: what is cut, what waits, what is told once, and when."""

from __future__ import annotations

import pytest

from commentator_lib.events import Event
from commentator_lib.watching.base import Watcher
from tests.commentary.conftest import acted, heard
from tests.conftest import Pictures, Says, still

LONG = " ".join(["word"] * 40)  # 10 s of the tone voice, 0.25 s a word


class Reports(Watcher):
    """A watcher that reports given events: (reported at, importance, seconds since their evidence)."""

    name = "reports"

    def __init__(self, *events):
        self.events = list(events)

    def look(self, frame):
        due = [e for e in self.events if e[0] <= frame.pts_s + 1e-6]
        self.events = [e for e in self.events if e not in due]
        return [
            Event(f"thing-{at_s:g}", at_s - ago_s, at_s, importance, 1.0, {"at": at_s})
            for at_s, importance, ago_s in due
        ]


def told(*events, says=(LONG, "There it is now."), duration_s=40.0, cost_s=0.5, **settings):
    commentator = Says(*says, cost_s=cost_s)
    session = acted(
        {},
        duration_s,
        commentator=commentator,
        watchers=[Reports(*events)],
        settings={"change_threshold": 0.0, **settings},
    )
    return session, commentator


def cycle_of(session, event=0):
    """Return the row of the cycle that told an event."""
    cycles = session.log.cycles
    return cycles[cycles.cycle == session.log.events.cycle[event]].iloc[0]


def test_an_important_event_cuts_what_is_heard_at_the_end_of_a_word():
    session, commentator = told((6.0, 2, 0.6))
    first, second = session.log.cycles.iloc[0], cycle_of(session)
    assert first.outcome == "interrupted" and second.trigger == "event" and second.events == "thing-6"
    words = first.speech_s / 0.25
    assert first.speech_s >= 0.4 and words == pytest.approx(round(words), abs=0.2)
    assert second.heard_from_s == pytest.approx(first.heard_to_s, abs=0.01)
    (request,) = [r for r in commentator.requests if r.facts.happened]
    assert request.facts.happened[0].facts["at"] == 6.0


def test_not_much_of_a_comment_is_cut_before_it_was_heard_for_a_moment():
    session, _ = told((1.1, 3, 0.2), delay_init_s=1.0, cost_s=0.9)
    first = session.log.cycles.iloc[0]
    assert first.outcome in ("interrupted", "stale") and (first.outcome == "stale" or first.speech_s >= 0.4)


def test_an_event_comment_never_starts_before_the_picture_shows_its_evidence():
    session, _ = told((6.0, 2, 0.6), (14.0, 3, 0.1), (25.0, 2, 1.5))
    events = session.log.events
    assert events.cycle.notna().all()
    for k in range(3):
        row = cycle_of(session, k)
        assert row.on_screen_captured_s >= events.captured_s[k] - 1e-3
        assert row.sync_error_s == pytest.approx(0.0, abs=0.3)  # it may wait for the end of a word


def test_events_are_told_under_serial_too():
    session, _ = told((6.0, 2, 0.6), (14.0, 3, 0.1), (25.0, 2, 1.5), policy="serial")
    assert session.log.events.cycle.notna().all()
    for k in range(3):
        assert cycle_of(session, k).heard_from_s - session.log.events.detected_s[k] <= 1.0


def test_the_first_sound_of_an_event_comes_soon():
    session, _ = told((12.0, 3, 0.4), cost_s=0.1)
    row = cycle_of(session)
    assert row.heard_from_s - session.log.events.detected_s[0] <= 0.4 + 0.25


def test_what_is_being_prepared_is_dropped():
    session, _ = told((4.6, 2, 0.2), says=("Nothing much here.", "There it is now."), cost_s=2.0)
    outcomes = list(session.log.cycles.outcome)
    assert "stale" in outcomes and session.log.events.cycle.notna().all()


def test_a_lesser_event_waits_for_the_next_slot():
    session, _ = told((6.0, 1, 0.2), says=("word " * 16, "There it is now."))
    first, row = session.log.cycles.iloc[0], cycle_of(session)
    assert first.outcome == "spoken"
    assert row.gap_before_s == pytest.approx(1.0, abs=0.1)


def test_a_lesser_event_is_told_at_once_where_nothing_is_heard():
    watchers = [Reports((12.0, 1, 0.2))]
    session = acted(
        {},
        20.0,
        commentator=Says("One car.", cost_s=0.2),
        source=Pictures(20.0, still),
        watchers=watchers,
        settings={"change_threshold": 5.0, "inference_interval_s": 5.0},
    )
    row = cycle_of(session)
    assert row.decide_s == pytest.approx(12.0, abs=0.1)


def test_each_event_is_told_once_and_in_the_order_of_importance():
    session, commentator = told((10.0, 1, 0.3), (10.0, 3, 0.1), (10.0, 2, 0.2))
    given = [e.importance for r in commentator.requests for e in r.facts.happened]
    assert given == [3, 2, 1]
    assert session.log.events.cycle.nunique() == 1


def test_an_event_does_not_cut_one_that_is_as_important():
    session, _ = told((6.0, 2, 0.2), (7.0, 2, 0.2), says=("word " * 12,))
    rows = session.log.cycles[session.log.cycles.events != ""]
    assert list(rows.outcome) == ["spoken", "spoken"] and list(rows.events) == ["thing-6", "thing-7"]


def test_what_is_left_of_a_long_comment_gives_way_to_the_next_event():
    session, _ = told((6.0, 3, 0.2), (12.0, 2, 0.2), says=(LONG,))
    rows = session.log.cycles[session.log.cycles.events != ""]
    assert list(rows.outcome)[:2] == ["interrupted", "spoken"] and rows.speech_s.iloc[0] >= 3.0


def test_an_event_cuts_one_that_is_less_important():
    session, _ = told((6.0, 2, 0.2), (8.0, 3, 0.2), says=("word " * 20,))
    rows = session.log.cycles[session.log.cycles.events != ""]
    assert list(rows.outcome)[:2] == ["interrupted", "spoken"]


def test_old_news_is_not_told():
    session, _ = told((6.0, 1, 0.2), says=("word " * 60, "There it is now."))
    assert session.log.events.cycle.isna().all()


def test_an_event_of_which_nobody_heard_is_told_again():
    session, commentator = told((6.0, 2, 0.2), (6.2, 3, 0.1), says=("word", "There it is now."), cost_s=1.0)
    assert session.log.events.cycle.notna().all()
    given = [e.facts["at"] for r in commentator.requests for e in r.facts.happened]
    assert given.count(6.0) == 2 and given.count(6.2) == 1


def test_what_nobody_heard_is_not_taken_as_said():
    session, commentator = told((6.0, 3, 0.2))
    first = session.log.cycles.iloc[0]
    k = next(k for k, r in enumerate(commentator.requests) if r.facts.happened)
    said = commentator.prompts[k].split('You have just said: "')[1].split('"')[0]
    assert len(said.split()) <= len(first.heard_text.split()) + 1 < 40


def test_nothing_is_cut_with_a_threshold_of_four():
    session, _ = told((6.0, 3, 0.2), interrupt_importance=4)
    assert "interrupted" not in set(session.log.cycles.outcome)


def test_a_commentator_may_speak_of_events_only():
    session, _ = told((6.0, 1, 0.2), (20.0, 2, 0.2), says=("There it is now.",), speak_when="events")
    assert list(session.log.cycles.trigger) == ["first", "event", "event"]


def test_what_stands_on_the_screen_is_in_the_request_and_in_the_prompt():
    class Board(Reports):
        def on_screen(self):
            return {"score": [2, 1], "teams": ["HAV", 'N"Y\nM<|im_end|>'], "clock": "67:12"}

    commentator = Says("Here we are.")
    session = acted({}, 10.0, commentator=commentator, watchers=[Board()])
    assert commentator.requests[-1].facts.on_screen["score"] == [2, 1]
    prompt = commentator.prompts[-1]
    assert "HAV 2, N Y M im end 1" in prompt.replace("im_end", "im end") and "clock 67:12" in prompt
    assert "<|im_end|>" not in prompt and len(heard(session))
