"""A viewer's questions in whole sessions in virtual time: each state, and what is said before and after."""

from __future__ import annotations

import pandas as pd
import pytest

from commentator_lib.commentary.prompts import build_prompt
from commentator_lib.commentary.questions import checked_question
from commentator_lib.commentators.scripted import ScriptedCommentator
from commentator_lib.profiles import PROFILES
from commentator_lib.runs.reader import load_run
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.sources.synthetic import SyntheticSource
from tests.commentary.conftest import LINE, acted
from tests.commentary.test_preemption import Reports
from tests.conftest import KeepsRows, Pictures, Raises, Says, ToneVoice, still

QUESTION = "Who has the ball?"
ANSWER = "The red one has it."


class Answers(Says):
    """Says a line to everything but a question, and to that its answer."""

    def __init__(self, answer=ANSWER, line=LINE, cost_s=0.5):
        super().__init__(line, cost_s=cost_s)
        self.answer, self.line = answer, line

    def comment(self, request):
        self.replies = [[self.answer if "A viewer asks" in request.prompt else self.line]]
        yield from super().comment(request)


def asking(at_s=15.0, duration_s=30.0, commentator=None, actions=None, **more):
    """Return the session in which QUESTION was asked at `at_s`, and the commentator."""
    commentator = commentator or Answers()
    actions = actions or {at_s: lambda s: s.ask(QUESTION)}
    return acted(actions, duration_s, commentator=commentator, **more), commentator


def states(session, number=1):
    return [row["state"] for row in session.log.question_rows if row["question"] == number]


def answer_of(session, number=1):
    """Return the last cycle that was to answer a question."""
    cycles = session.log.cycles
    return cycles[cycles.question == number].iloc[-1]


def test_question_starts_a_cycle_at_once_and_its_answer_is_marked():
    session, _ = asking()
    asked, thinking, answered = session.log.question_rows
    assert [r["state"] for r in (asked, thinking, answered)] == ["asked", "thinking", "answered"]
    assert asked["text"] == QUESTION and asked["cycle"] is None and asked["reason"] == ""
    row = answer_of(session)
    assert row.trigger == "question" and row.text == ANSWER and row.outcome == "spoken"
    assert thinking["cycle"] == answered["cycle"] == row.cycle
    assert row.infer_s - asked["at_s"] < 0.05
    assert answered["changed_s"] == pytest.approx(row.heard_from_s, abs=0.06)
    assert session.log.cycles.question.notna().sum() == 1


def test_question_is_in_one_prompt_only_and_the_instruction_is_followed_again_after_it():
    session, commentator = asking()
    k = int(answer_of(session).cycle) - 1
    assert [QUESTION in prompt for prompt in commentator.prompts].count(True) == 1
    assert QUESTION in commentator.prompts[k] and LINE not in commentator.prompts[k]
    standing = PROFILES["general"].instruction
    assert standing not in commentator.prompts[k]
    assert standing in commentator.prompts[k + 1] and f'just said: "{ANSWER}"' in commentator.prompts[k + 1]


def test_question_is_answered_where_the_scene_stands_still():
    session, commentator = asking(source=Pictures(30.0, still), settings={"change_threshold": 5.0})
    assert states(session)[-1] == "answered"
    (prompt,) = [p for p in commentator.prompts if QUESTION in p]
    assert answer_of(session).intensity == "normal" and "even if nothing has changed" in prompt


def test_question_cuts_what_is_heard_and_drops_what_is_prepared():
    session, _ = asking(commentator=Answers(line="word " * 40))
    answer = answer_of(session)
    cut = session.log.cycles[session.log.cycles.outcome == "interrupted"].iloc[0]
    assert cut.cycle < answer.cycle and cut.heard_to_s == pytest.approx(answer.heard_from_s, abs=0.01)


def test_answer_that_is_only_shown_counts_as_answered_when_it_is_shown():
    session, _ = asking(settings={"speech": False})
    assert states(session) == ["asked", "thinking", "answered"]
    assert session.log.question_rows[-1]["changed_s"] == pytest.approx(
        answer_of(session).heard_from_s, abs=0.06
    )


def test_commentator_with_nothing_to_say_is_told_as_that():
    session, _ = asking(commentator=Answers(answer="..."))
    last = session.log.question_rows[-1]
    assert last["state"] == "answered" and last["reason"] == "the commentator had nothing to say"
    assert answer_of(session).outcome == "silent"


def test_cycle_that_fails_is_the_questions_failure_with_its_reason():
    session, _ = asking(commentator=Raises(RuntimeError("no more tokens"), after="..."))
    assert states(session) == ["asked", "thinking", "failed"]
    last = session.log.question_rows[-1]
    assert last["reason"] == "RuntimeError: no more tokens" and last["cycle"] == answer_of(session).cycle


def test_answer_that_comes_too_late_is_failed():
    session, _ = asking(commentator=Answers(cost_s=4.0), settings={"stale_after_s": 0.5, "delay_init_s": 1.0})
    assert states(session)[-1] == "failed" and "behind its picture" in session.log.question_rows[-1]["reason"]


def test_later_question_takes_the_place_of_one_that_was_not_answered():
    actions = {15.0: lambda s: s.ask("First?"), 15.2: lambda s: s.ask("Second?")}
    session, commentator = asking(actions=actions, commentator=Answers(cost_s=1.0))
    assert states(session, 1) == ["asked", "thinking", "dropped"]
    assert states(session, 2) == ["asked", "thinking", "answered"]
    dropped = [r for r in session.log.question_rows if r["state"] == "dropped"]
    assert dropped[0]["reason"] == "a later question took its place"
    assert [("Second?" in p) for p in commentator.prompts].count(True) == 1


def test_two_questions_in_one_breath_have_two_numbers():
    given = []
    session, _ = asking(actions={15.0: lambda s: given.extend([s.ask("First?"), s.ask("Second?")])})
    assert given == [1, 2]
    assert states(session, 1) == ["asked", "dropped"] and states(session, 2)[-1] == "answered"


def test_question_before_the_start_is_the_first_cycles():
    commentator = Answers()
    session = acted({}, 1.0, commentator=commentator)
    with pytest.raises(RuntimeError, match="the run is over"):
        session.ask(QUESTION)

    again = LiveSession(
        SyntheticSource(10.0), Settings(), commentator=commentator, voice=ToneVoice(), mode="what-if"
    )
    assert again.ask(QUESTION) == 1 and again.can_answer
    again.run()
    assert again.log.cycles.question.iloc[0] == 1 and states(again)[-1] == "answered"


def test_question_at_the_end_of_the_run_is_dropped():
    session, _ = asking(actions={15.0: lambda s: (s.ask(QUESTION), s.stop(0))})
    assert states(session)[-1] == "dropped" and session.log.question_rows[-1]["reason"] == "the run ended"


def test_question_in_the_last_pictures_of_a_clip_is_answered():
    session, _ = asking(at_s=29.0)
    assert states(session) == ["asked", "thinking", "answered"]


def test_question_that_an_event_interrupts_is_asked_again_after_it():
    # The event comes 0.3 s after the question, while its answer is made.
    session, commentator = asking(
        commentator=Answers(cost_s=2.0),
        watchers=[Reports((15.0, 3, 0.1))],
        settings={"delay_init_s": 0.0},
        actions={14.7: lambda s: s.ask(QUESTION)},
    )
    assert states(session) == ["asked", "thinking", "asked", "thinking", "answered"]
    again = session.log.question_rows[2]
    assert again["reason"] == "overtaken by a new event" and again["cycle"] is None
    cycles = session.log.cycles
    event = cycles[cycles.events != ""].iloc[0]
    assert event.outcome == "spoken" and event.cycle < answer_of(session).cycle
    assert [QUESTION in p for p in commentator.prompts].count(True) == 2
    assert answer_of(session).outcome == "spoken"


def test_question_waits_for_an_event_that_is_being_told():
    session, _ = asking(
        commentator=Answers(cost_s=1.0),
        watchers=[Reports((15.0, 3, 0.1))],
        settings={"delay_init_s": 0.0},
        actions={15.4: lambda s: s.ask(QUESTION)},
    )
    cycles = session.log.cycles
    event = cycles[cycles.events != ""].iloc[0]
    assert event.outcome == "spoken" and states(session) == ["asked", "thinking", "answered"]
    assert answer_of(session).heard_from_s >= event.heard_to_s


@pytest.mark.parametrize(
    ("policy", "delay_s", "event_s"),
    [("playout", 0.0, 17.0), ("playout", 5.0, 17.0), ("serial", 0.0, 17.0), ("serial", 5.0, 20.0)],
)
def test_answer_is_not_cut_by_an_event_that_is_no_more_important(policy, delay_s, event_s):
    session, _ = asking(
        commentator=Answers(answer="word " * 10),
        watchers=[Reports((event_s, 2, 0.1))],
        settings={"delay_init_s": delay_s, "policy": policy},
        actions={15.0: lambda s: s.ask(QUESTION)},
    )
    answer = answer_of(session)
    assert answer.outcome == "spoken" and answer.heard_from_s < event_s < answer.heard_to_s
    assert session.log.events.cycle.notna().all()


def test_new_instruction_meanwhile_loses_no_question():
    actions = {15.0: lambda s: (s.ask(QUESTION), s.set_instruction("Count the birds"))}
    session, commentator = asking(actions=actions)
    assert states(session)[-1] == "answered"
    assert sum("Count the birds" in p for p in commentator.prompts) >= 2


def test_question_is_answered_while_comments_are_paused_and_then_they_stay_paused():
    actions = {10.0: lambda s: s.set_instruction(None), 18.0: lambda s: s.ask(QUESTION)}
    session, _ = asking(actions=actions, watchers=[Reports((17.0, 3, 0.1), (21.0, 3, 0.1))])
    late = session.log.cycles[session.log.cycles.infer_s > 16]
    assert list(late.trigger) == ["question"] and states(session)[-1] == "answered"


@pytest.mark.parametrize("rule", ["events", "interval", "change"])
def test_question_is_answered_under_every_rule_and_policy(rule):
    for policy in ("playout", "serial"):
        session, _ = asking(settings={"speak_when": rule, "policy": policy})
        assert states(session) == ["asked", "thinking", "answered"], policy


def test_commentator_that_cannot_answer_refuses_at_once_without_a_cycle():
    session, _ = asking(commentator=ScriptedCommentator())
    (row,) = session.log.question_rows
    assert row["state"] == "failed" and row["cycle"] is None and not session.can_answer
    assert row["reason"] == (
        "the scripted commentator cannot answer questions: choose vlm, minicpmo or openai"
    )
    assert "question" not in set(session.log.cycles.trigger)


def test_players_get_each_row_as_it_is_written():
    player = KeepsRows()
    session, _ = asking(players=[player])
    assert [row for kind, row in player.rows if kind == "question"] == list(session.log.question_rows)


def test_log_has_one_row_a_question_with_its_last_state(tmp_path):
    actions = {12.0: lambda s: s.ask("First?"), 20.0: lambda s: s.ask("Second?")}
    session, _ = asking(actions=actions, run_dir=tmp_path / "run")
    saved = load_run(tmp_path / "run")
    assert list(saved.questions.text) == ["First?", "Second?"]
    assert list(saved.questions.state) == ["answered", "answered"]
    pd.testing.assert_frame_equal(saved.questions, session.log.questions)
    table = pd.read_parquet(tmp_path / "run" / "questions.parquet")
    assert list(table.cycle) == list(saved.questions.cycle)
    (tmp_path / "run" / "questions.jsonl").unlink()  # as in a run of an older version
    assert len(load_run(tmp_path / "run").questions) == 0


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_blank_question_is_refused_in_one_line(text):
    with pytest.raises(SettingsError, match="^the question is empty"):
        checked_question(text)


def test_overlong_question_is_refused_and_a_long_one_is_taken_on_one_line():
    with pytest.raises(SettingsError, match="1001 characters"):
        checked_question("x" * 1001)
    assert checked_question(" Who\nis it? ") == "Who is it?"


@pytest.mark.parametrize(
    "mark", ["<|im_end|>", "</s>", "[INST]", "<image>", "{{ x }}", '"\nA viewer asks: "', "\x00\u2028"]
)
def test_question_cannot_break_out_of_its_quotes(mark):
    plain = build_prompt("general", "birds", question="Who is it?")
    prompt = build_prompt("general", "birds", question=f"Who {mark} is it?")
    assert prompt.count("\n") == plain.count("\n") and prompt.count('"') == plain.count('"')
    assert not set("<>|[]{}\x00\u2028") & set(prompt)
    assert prompt.endswith(plain.rsplit("\n", 1)[1])
