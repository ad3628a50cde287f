"""The states of a comment: every legal transition, and every other one is refused."""

from __future__ import annotations

import math

import pytest

from commentator_lib.commentary.comment import Comment, IllegalTransition, State
from commentator_lib.runs.record import OUTCOMES, CycleRecord

ENDS = (State.HEARD, State.CUT, State.DROPPED, State.FAILED, State.SILENT)


def preparing(trigger="slot"):
    return Comment(CycleRecord(7, trigger=trigger), captured_s=10.0)


def ready(has_sound=True):
    comment = preparing()
    comment.add("Two words ", 1.0)
    comment.begin(12.0, has_sound)
    return comment


def sounding(has_sound=True):
    comment = ready(has_sound)
    comment.start_sounding()
    return comment


def ended(state):
    comment = sounding()
    if state is State.SILENT:
        comment = preparing()
        comment.end(silent=True)
        return comment
    if state is State.CUT:
        comment.break_off("cut")
        comment.cut(0.5)
    elif state is State.DROPPED:
        comment.cut(0.0)
    elif state is State.FAILED:
        comment.report_problem("voice: gone")
    comment.end()
    return comment


# --- legal


def test_comment_begins_as_preparing_and_is_never_due():
    comment = preparing()
    assert comment.state is State.PREPARING and not comment.ended and comment.start_s == math.inf
    assert comment.id == 7 and comment.goal_s == 0.0 and comment.text == ""


def test_comment_is_ready_then_sounding_then_heard():
    comment = preparing()
    comment.add("A red car. ", 1.0)
    comment.begin(12.0, has_sound=True)
    assert (comment.state, comment.start_s, comment.has_sound) == (State.READY, 12.0, True)
    comment.start_sounding()
    assert comment.state is State.SOUNDING
    piece = comment.add("It stops. ", 0.5)
    assert (piece.offset_s, comment.sent_s, comment.goal_s) == (1.0, 1.5, 1.5)
    comment.complete()
    assert comment.end() == "spoken" and comment.state is State.HEARD and comment.ended
    assert comment.text == "A red car. It stops." and comment.text_up_to(1.0) == "A red car."


def test_comment_that_says_nothing_is_silent():
    comment = preparing()
    assert comment.end(silent=True) == "silent" and comment.state is State.SILENT


def test_comment_that_comes_too_late_or_is_overtaken_while_it_is_prepared_is_dropped():
    for tell in (lambda c: c.break_off("ready 5.0 s behind"), lambda c: c.overtake("question")):
        comment = preparing()
        tell(comment)
        comment.report_problem("also this")
        assert comment.end() == "stale" and comment.state is State.DROPPED


def test_comment_of_which_nothing_came_has_failed():
    comment = preparing()
    comment.report_problem("MemoryError")
    assert comment.end() == "failed" and comment.state is State.FAILED


@pytest.mark.parametrize("make", [ready, sounding])
def test_comment_that_is_cut_before_its_first_step_is_dropped(make):
    comment = make()
    comment.break_off("cut for something more important")
    comment.cut(0.0)
    assert comment.generated and comment.goal_s == 0.0
    assert comment.end() == "stale" and comment.state is State.DROPPED


def test_comment_that_is_cut_while_it_sounds_was_heard_up_to_there():
    comment = sounding()
    comment.break_off("cut for something more important")
    comment.cut(0.5)
    assert comment.generated and comment.goal_s == 0.5
    assert comment.end() == "interrupted" and comment.state is State.CUT


def test_cut_beyond_the_end_leaves_what_was_sent():
    comment = sounding()
    comment.cut(9.0)
    assert comment.goal_s == comment.sent_s == 1.0


@pytest.mark.parametrize("make", [ready, sounding])
def test_text_without_sound_that_is_overtaken_is_cut(make):
    comment = make(has_sound=False)
    comment.overtake("instruction")
    comment.cut(0.0)
    assert comment.end() == "interrupted" and comment.state is State.CUT


@pytest.mark.parametrize("make", [lambda: ready(has_sound=False), sounding])
def test_comment_whose_voice_failed_has_failed_even_if_it_was_broken_off(make):
    comment = make()
    comment.break_off("the session was stopped")
    comment.report_problem("voice: gone")
    assert comment.end() == "failed" and comment.state is State.FAILED


def test_first_reason_to_break_off_stays_and_the_newest_that_overtakes():
    comment = sounding()
    comment.break_off("first")
    comment.break_off("second")
    assert comment.broken_off == "first"
    comment.overtake("change")
    comment.overtake("instruction")
    assert comment.broken_off == "overtaken by a new instruction"


def test_what_ends_while_the_commentator_still_runs_may_be_completed_afterwards():
    comment = ended(State.DROPPED)
    comment.complete()
    assert comment.generated and comment.state is State.DROPPED


@pytest.mark.parametrize(
    ("trigger", "urgent"),
    [("first", False), ("slot", False), ("change", True), ("instruction", True), ("profile", True)],
)
def test_only_what_was_asked_for_or_has_changed_is_urgent(trigger, urgent):
    assert preparing(trigger).urgent == urgent


def test_every_end_is_an_outcome_of_the_run_log():
    outcomes = [comment.end(silent) for comment, silent in [(sounding(), False), (preparing(), True)]]
    assert set(outcomes) == {"spoken", "silent"} <= set(OUTCOMES)
    assert [ended(state).state for state in ENDS] == list(ENDS)


# --- not legal


@pytest.mark.parametrize("state", ENDS)
@pytest.mark.parametrize(
    "act",
    [
        lambda c: c.begin(1.0, True),
        lambda c: c.start_sounding(),
        lambda c: c.end(),
        lambda c: c.add("more", 0.1),
        lambda c: c.report_problem("late"),
        lambda c: c.break_off("late"),
        lambda c: c.overtake("change"),
        lambda c: c.cut(0.0),
    ],
    ids=["begin", "start_sounding", "end", "add", "report_problem", "break_off", "overtake", "cut"],
)
def test_nothing_happens_to_a_comment_that_has_ended(state, act):
    comment = ended(state)
    with pytest.raises(IllegalTransition, match=f"comment 7 is {state.value}"):
        act(comment)
    assert comment.state is state


@pytest.mark.parametrize(
    ("make", "act", "message"),
    [
        (preparing, lambda c: c.start_sounding(), "is preparing: it cannot be sounding next"),
        (preparing, lambda c: c.cut(0.0), "is preparing: there is nothing to cut"),
        (ready, lambda c: c.begin(1.0, True), "is ready: it cannot be ready next"),
        (ready, lambda c: c.end(), "is ready: it cannot be heard next"),
        (sounding, lambda c: c.begin(1.0, True), "is sounding: it cannot be ready next"),
        (sounding, lambda c: c.start_sounding(), "is sounding: it cannot be sounding next"),
    ],
)
def test_other_transitions_are_refused_and_change_nothing(make, act, message):
    comment = make()
    state, start_s, cut_s = comment.state, comment.start_s, comment.cut_s
    with pytest.raises(IllegalTransition, match=message):
        act(comment)
    assert (comment.state, comment.start_s, comment.cut_s) == (state, start_s, cut_s)
