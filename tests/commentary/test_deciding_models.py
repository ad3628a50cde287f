"""The policies that ask the model whether to speak: the rules alone, and whole sessions in virtual time."""

from __future__ import annotations

import dataclasses
import math

import pytest

from commentator_lib.commentary.deciding import (
    MODEL_RULES,
    QUESTION,
    checked,
    judged_prompt,
    worth_a_cycle,
    worth_saying,
)
from commentator_lib.commentators.base import Judgement
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.events import Event
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.watching.base import Watcher
from tests.commentary.conftest import acted
from tests.conftest import Hangs, Says, what_if

# --- the rules


@pytest.mark.parametrize(
    ("rule", "speaks", "is_silent"),
    [
        ("first-token", (0.0, 0.49), (0.5, 1.0)),
        ("yes-no", (0.5, 1.0), (0.0, 0.49)),
        ("perplexity", (1.04, 9.0), (1.03, 0.2)),
    ],
)
def test_each_rule_has_its_side_of_the_threshold(rule, speaks, is_silent):
    assert all(worth_saying(rule, value) for value in speaks)
    assert not any(worth_saying(rule, value) for value in is_silent)


def test_thresholds_are_those_that_are_given():
    assert worth_saying("first-token", 0.8, threshold=0.9) and not worth_saying("yes-no", 0.8, threshold=0.9)
    assert worth_saying("perplexity", 1.2, factor=1.1) and not worth_saying("perplexity", 1.2, factor=1.3)


@pytest.mark.parametrize("rule", MODEL_RULES)
def test_a_slot_alone_is_no_reason_and_users_and_events_need_none(rule):
    assert not worth_a_cycle("slot", 200.0, 5.0, rule)
    assert worth_a_cycle("slot", 0.0, 5.0, rule, importance=1)
    for trigger in ("first", "instruction", "profile", "change", "event"):
        assert worth_a_cycle(trigger, 0.0, 5.0, rule)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1])
@pytest.mark.parametrize("rule", MODEL_RULES)
def test_a_number_that_a_rule_cannot_have_is_refused(rule, value):
    with pytest.raises(ValueError, match=f"number for {rule} is"):
        checked(rule, value)


def test_probabilities_end_at_one_and_perplexities_do_not():
    assert checked("perplexity", 40.0) == 40.0 and checked("yes-no", 1.0) == 1.0
    with pytest.raises(ValueError, match="from 0 to 1"):
        checked("first-token", 1.01)


def test_prompts_of_the_rules():
    words = ("sports", "Follow the match.", "A goal for Red.", "minimal", "score 1, 0")
    first, surprise, question = (judged_prompt(rule, *words) for rule in MODEL_RULES)
    assert "A goal for Red." in first and "a few words at most" in first and "score 1, 0" in first
    # the last comment would be copied from the prompt, and what changes would change the perplexity
    assert "A goal" not in surprise and "a few words" not in surprise and "score" not in surprise
    assert question.endswith(QUESTION) and "A goal for Red." in question and "score 1, 0" in question
    assert "You have just said" not in judged_prompt("yes-no", "sports", "Look.", "...", "normal", "")


# --- sessions


class Probe:
    """A model's numbers by the time of the newest frame; keeps what it was asked."""

    def __init__(self, number):
        self.number, self.asked = number, []

    def __call__(self, request, rule, last_comment):
        self.asked.append((request, rule, last_comment))
        return self.number(request.frames[-1].pts_s)


def judged(rule, probe, duration_s=30.0, lines=None, watchers=(), pass_s=0.2, **settings):
    commentator = ScriptedCommentator(
        lines, CostModel(0.5, 0.0, 2.0, 0.0, 0.1), judgement=probe, pass_s=pass_s
    )
    session = what_if(
        duration_s,
        commentator=commentator,
        watchers=list(watchers),
        settings={"speak_when": rule, **settings},
    )
    return session.log.cycles.sort_values("cycle")  # the log is in the order in which they ended


def test_silence_is_likely_until_second_ten():
    cycles = judged("first-token", probe := Probe(lambda t: 0.9 if t < 10 else 0.2))
    assert cycles.trigger.iloc[0] == "first" and cycles.outcome.iloc[0] == "spoken"
    slots = cycles[cycles.trigger == "slot"]
    early = slots.decide_s < 10
    assert set(slots.outcome[early]) == {"unchanged"} and set(slots.outcome[~early]) == {"spoken"}
    assert list(slots.decided_value) == [0.9] * early.sum() + [0.2] * (~early).sum()
    assert list(slots.decide_pass_s) == pytest.approx([0.2] * len(slots))
    assert math.isnan(cycles.decided_value.iloc[0]) and math.isnan(cycles.decide_pass_s.iloc[0])
    asked, rule, last = probe.asked[-1]
    assert rule == "first-token" and last and last in asked.prompt and asked.max_new_tokens == 1
    assert slots.infer_s.dropna().to_numpy() == pytest.approx((slots.decide_s + 0.2)[~early].to_numpy())


def test_yes_is_a_reason_from_the_threshold_on():
    cycles = judged("yes-no", Probe(lambda t: 0.6 if t < 15 else 0.8), speak_threshold=0.7)
    slots = cycles[cycles.trigger == "slot"]
    assert set(slots.outcome[slots.decided_value == 0.6]) == {"unchanged"}
    assert set(slots.outcome[slots.decided_value == 0.8]) == {"spoken"}


def test_perplexity_is_compared_with_that_of_the_frames_on_which_it_was_said():
    cycles = judged("perplexity", probe := Probe(lambda t: 4.0 if t < 10 else 5.0))
    slots = cycles[cycles.trigger == "slot"]
    assert (
        slots.outcome == "spoken"
    ).sum() == 1  # at second ten; the next comment holds for all that follows
    told = slots[slots.outcome == "spoken"].iloc[0]
    assert told.decided_value == pytest.approx(1.25) and 10 <= told.decide_s < 12
    assert set(slots.decided_value[slots.outcome == "unchanged"]) == {1.0}
    # the first decision after a comment measures it on its own frames too
    assert list(slots.decide_pass_s.round(3)).count(0.4) == 2 and len(probe.asked) == len(slots) + 2
    own, _, words = probe.asked[0]
    assert words and words not in own.prompt
    assert own.frames[-1].index == cycles.frame_last_index.iloc[0]


def test_with_nothing_said_yet_perplexity_asks_for_a_comment():
    cycles = judged("perplexity", probe := Probe(lambda t: 4.0), lines=["...", "...", "A red car.", "A dog."])
    assert list(cycles.outcome[:3]) == ["silent", "silent", "spoken"] and set(cycles.outcome[3:]) == {
        "unchanged"
    }
    assert {last for _, _, last in probe.asked} == {"A red car."}


def test_after_nothing_to_say_the_comment_before_holds_for_the_new_frames():
    lines = iter(["A red car."] + ["..."] * 20)
    cycles = judged("perplexity", Probe(lambda t: 4.0 if t < 10 else 5.0), lines=lambda _request: next(lines))
    assert list(cycles.outcome).count("silent") == 1 and len(cycles) > 10


class Reports(Watcher):
    """Reports one event of this importance at second 12."""

    name = "reports"

    def __init__(self, importance):
        self.importance, self.told = importance, False

    def look(self, frame):
        if self.told or frame.pts_s < 12:
            return []
        self.told = True
        return [Event("goal", 12.0, frame.pts_s, self.importance)]


@pytest.mark.parametrize("rule", MODEL_RULES)
@pytest.mark.parametrize("importance", [1, 3])
@pytest.mark.parametrize("pass_s", [0.0, 0.9])
def test_events_always_pass(rule, importance, pass_s):
    silent = Probe(lambda t: 0.0 if rule == "yes-no" else 1.0)
    cycles = judged(rule, silent, watchers=[Reports(importance)], pass_s=pass_s)
    told = cycles[cycles.events == "goal"]
    assert list(told.outcome) == ["spoken"] and told.infer_s.iloc[0] - 12 < 1.5
    others = cycles[(cycles.trigger == "slot") & (cycles.events != "goal")]
    assert set(others.outcome) == {"unchanged"}


def silent_session(actions, **settings):
    """Return the cycles of a session whose passes take a second and say that there is nothing to say."""
    commentator = ScriptedCommentator(
        cost=CostModel(0.5, 0.0, 2.0, 0.0, 0.1), judgement=lambda *_: 1.0, pass_s=1.0
    )
    changed = {"speak_when": "first-token", **settings}
    return acted(actions, 40.0, commentator=commentator, settings=changed).log.cycles


def test_a_question_is_answered_whatever_the_model_would_decide():
    cycles = silent_session({15.0: lambda s: s.set_instruction("Who wins?")})
    asked = cycles[cycles.trigger == "instruction"]
    assert list(asked.outcome) == ["spoken"] and asked.decide_pass_s.isna().all()
    overtaken = cycles[cycles.reason == "overtaken by a new instruction"]
    assert len(overtaken) <= 1 and (overtaken.outcome == "unchanged").all()
    if len(overtaken):
        assert asked.decide_s.iloc[0] == pytest.approx(overtaken.done_s.iloc[0])


def test_a_new_profile_passes_and_the_rule_may_be_changed_meanwhile():
    cycles = silent_session(
        {10.0: lambda s: s.set_profile("sports"), 20.0: lambda s: s.update(speak_when="interval")}
    )
    assert list(cycles.outcome[cycles.trigger == "profile"]) == ["spoken"]
    assert (cycles.outcome[cycles.decide_s > 27] == "spoken").sum() > 2


# --- failures


class JudgesBadly(Says):
    """A commentator whose `judge` does what it is given."""

    judges = frozenset(MODEL_RULES)

    def __init__(self, judge):
        super().__init__("A red car comes in on the left.")
        self._does = judge

    def judge(self, request, rule, last_comment):
        return self._does()


def raises():
    raise OSError("the wire broke\nin two")


@pytest.mark.parametrize(
    ("judge", "reason"),
    [
        (raises, "OSError: the wire broke"),
        (lambda: math.nan, "ValueError: the commentator's number for first-token is nan"),
        (lambda: 7.5, "a probability from 0 to 1"),
        (lambda: None, "the commentator gives no number for first-token"),
        (lambda: "maybe", "ValueError: could not convert"),
        (lambda: Judgement(0.1, 99.0), "the commentator gave no number for first-token within 5 s"),
    ],
)
def test_a_pass_that_fails_is_one_failed_row_and_the_session_goes_on(judge, reason):
    settings = {"speak_when": "first-token", "inference_timeout_s": 5.0}
    cycles = acted({}, 30.0, commentator=JudgesBadly(judge), settings=settings).log.cycles
    slots = cycles[cycles.trigger == "slot"]
    assert cycles.outcome.iloc[0] == "spoken" and len(slots) >= 3
    assert set(slots.outcome) == {"failed"} and slots.reason.str.contains(reason, regex=False).all()
    assert not slots.reason.str.contains("\n").any()
    assert slots.decide_pass_s.notna().all() and slots.decided_value.isna().all()


@pytest.mark.slow
def test_a_pass_that_hangs_is_given_up():
    hanging = Hangs()

    class Stuck(JudgesBadly):
        def judge(self, request, rule, last_comment):
            hanging.release.wait(60)

    settings = Settings(speak_when="yes-no", inference_timeout_s=0.8, change_threshold=0.0, speech=False)
    session = LiveSession(SyntheticSource(60.0), settings, commentator=Stuck(None), watchers=[])
    try:
        session.start()
        wait_for(lambda: any(row["outcome"] == "failed" for row in session.log.cycle_rows))
    finally:
        hanging.release.set()
        session.stop()
    failed = [row for row in session.log.cycle_rows if row["outcome"] == "failed"]
    assert failed[0]["reason"] == "the commentator gave no number for yes-no within 0.8 s"


@pytest.mark.slow
def test_a_stop_ends_a_pass():
    hanging = Hangs()

    class Stuck(JudgesBadly):
        def judge(self, request, rule, last_comment):
            asked.append(1)
            hanging.release.wait(60)

    asked = []
    settings = Settings(speak_when="yes-no", change_threshold=0.0, speech=False)
    session = LiveSession(SyntheticSource(60.0), settings, commentator=Stuck(None), watchers=[])
    try:
        session.start()
        wait_for(lambda: asked)
        session._run.request_stop()
        wait_for(lambda: any(row["reason"] == "the session was stopped" for row in session.log.cycle_rows))
    finally:
        hanging.release.set()
        session.stop()


def wait_for(condition, seconds=20.0):
    import time

    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.02)


# --- refused at the start


@pytest.mark.parametrize("rule", MODEL_RULES)
def test_a_commentator_without_probabilities_is_refused_at_once(rule):
    with pytest.raises(
        SettingsError, match=f"^speak_when={rule} asks the model.* baseline .*interval or events"
    ) as caught:
        LiveSession("demo", Settings(commentator="baseline", speak_when=rule))
    assert "\n" not in str(caught.value) and "minicpmo" in str(caught.value)


def test_only_the_rules_that_it_answers_are_taken_also_while_it_runs():
    class Answers(JudgesBadly):
        judges = frozenset({"yes-no"})

    commentator = Answers(lambda: 1.0)
    with pytest.raises(SettingsError, match="set speak_when to change, interval, yes-no or events"):
        LiveSession(SyntheticSource(5.0), Settings(speak_when="perplexity"), commentator=commentator)
    session = LiveSession(
        SyntheticSource(5.0), Settings(speak_when="yes-no"), commentator=commentator, mode="what-if"
    )
    with pytest.raises(SettingsError, match="speak_when=first-token"):
        session.update(speak_when="first-token")
    assert session.settings.speak_when == "yes-no"
    session.source.close()


def test_a_judgement_is_a_number_and_what_it_costs():
    assert dataclasses.astuple(Judgement(0.5)) == (0.5, None)
    assert ScriptedCommentator().judge(None, "yes-no", "") is None and not ScriptedCommentator().judges
