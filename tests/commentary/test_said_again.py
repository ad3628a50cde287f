"""Whole sessions: what was just said is not said again, and a voice is asked for its languages."""

from __future__ import annotations

import pytest

from commentator_lib.events import Event
from commentator_lib.runs.report import summary
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource
from tests.commentary.conftest import acted, outcomes
from tests.conftest import Says, ToneVoice


class Models(Says):
    """Says these replies, one after another, as a model does: without meaning to repeat itself."""

    may_repeat = False


class EnglishVoice(ToneVoice):
    languages = ("en",)


def test_the_same_sentence_in_every_cycle_is_said_once():
    for speech in (True, False):
        commentator = Models("The ball is red.")
        session = acted({}, 30.0, commentator=commentator, settings={"speech": speech})
        cycles = session.log.cycles
        assert outcomes(session)[0] == "spoken" and set(outcomes(session)[1:]) == {"silent"}
        assert len(cycles) > 5 and cycles.repeated_sentences.sum() == len(cycles) - 1
        assert set(cycles.reason[1:]) == {"said a moment ago: 'The ball is red.'"}
        # The model is still told what it said, so that it need not say it again.
        assert all('You have just said: "The ball is red."' in prompt for prompt in commentator.prompts[1:])


def test_after_five_other_comments_it_may_be_said_again():
    lines = ["The ball is red.", *(f"Player number {k} runs." for k in range(1, 6))]
    session = acted({}, 60.0, commentator=Models(*lines))
    assert set(outcomes(session)) == {"spoken"} and len(outcomes(session)) > 6
    lines = ["The ball is red.", *(f"Player number {k} runs." for k in range(1, 5))]
    session = acted({}, 60.0, commentator=Models(*lines))
    assert outcomes(session)[5] == "silent"


def test_a_score_that_changes_is_news():
    session = acted({}, 20.0, commentator=Models("It is 1–0.", "It is 2–0.", "It is 2–1."))
    assert outcomes(session)[:3] == ["spoken"] * 3


def test_an_answer_and_an_event_may_repeat_what_was_said():
    def at_10(session):
        session.ask("What colour is the ball?")

    session = acted({10.0: at_10}, 30.0, commentator=Models("The ball is red."))
    cycles = session.log.cycles
    assert list(cycles.outcome[cycles.trigger == "question"]) == ["spoken"]

    def goal(session):
        loop = session._run._parts.commentary
        loop.event_noticed(
            Event("score", 10.0, 10.1, 2, 1.0, {"from": [0, 0], "score": [1, 0]}), loop._clock.time()
        )

    session = acted({10.0: goal}, 30.0, commentator=Models("The ball is red."))
    cycles = session.log.cycles
    assert "spoken" in set(cycles.outcome[cycles.events == "score"])


def test_a_new_instruction_may_be_answered_with_the_same_words():
    session = acted(
        {10.0: lambda s: s.set_instruction("The ball's colour")}, 30.0, commentator=Models("The ball is red.")
    )
    cycles = session.log.cycles
    assert list(cycles.outcome[cycles.trigger == "instruction"]) == ["spoken"]


def test_the_summary_counts_what_was_not_said_again(tmp_path):
    from commentator_lib.runs.reader import load_run

    acted({}, 20.0, commentator=Models("The ball is red."), run_dir=tmp_path / "run")
    assert int(dict(summary(load_run(tmp_path / "run")))["sentences not said again"]) > 3


def test_a_comment_that_the_voice_cannot_read_is_shown_and_no_failure():
    lines = ["一个红色的球滚过草地。", "球员跑向球门。", "观众站了起来。"]
    session = acted({}, 20.0, commentator=Says(*lines), voice=EnglishVoice())
    cycles = session.log.cycles
    assert set(cycles.outcome) == {"spoken"} and (cycles.speech_s == 0).all()
    assert set(cycles.heard_text) == set(lines)
    assert set(cycles.reason) == {"shown, not spoken: Chinese characters, and tone speaks English"}
    assert session.log.header["notes"] == [
        "voice: shown, not spoken: Chinese characters, and tone speaks English"
    ]  # once


def run_with(voice, **settings):
    commentator = Says("A red car comes.")
    session = LiveSession(
        SyntheticSource(6.0),
        Settings(change_threshold=0.0, **settings),
        commentator=commentator,
        voice=voice,
        mode="what-if",
    ).run()
    return session, commentator.prompts[0]


class GermanVoice(ToneVoice):
    languages = ("de",)


@pytest.mark.parametrize(
    ("voice", "settings", "asked"),
    [
        (ToneVoice, {}, ""),
        (EnglishVoice, {}, ""),
        (EnglishVoice, {"language": "en-GB"}, ""),
        (GermanVoice, {}, "Speak German, and nothing else."),
        (GermanVoice, {"speech": False}, ""),
        (EnglishVoice, {"language": "zh"}, "Speak Chinese, and nothing else."),
        (ToneVoice, {"language": "fr", "speech": False}, "Speak French, and nothing else."),
    ],
)
def test_a_model_is_asked_for_the_language_that_is_set_else_for_the_voices(voice, settings, asked):
    _, prompt = run_with(voice(), **settings)
    assert ("Speak " in prompt) == bool(asked) and asked in prompt


def test_a_language_that_the_voice_does_not_speak_is_said_before_the_run():
    session, _ = run_with(EnglishVoice(), language="zh")
    assert session.log.header["notes"][0].startswith("voice tone speaks English and not Chinese")
    for voice, settings in ((EnglishVoice, {"language": "en-US"}), (ToneVoice, {"language": "zh"})):
        assert run_with(voice(), **settings)[0].log.header["notes"] == []
