"""Steering and interruption during a run, in whole sessions in virtual time."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.profiles import PROFILES
from tests.commentary.conftest import LINE, acted, heard, outcomes
from tests.conftest import Pictures, Says, still

# --- steering during a run


def test_new_instruction_starts_a_cycle_at_once_and_drops_the_context():
    commentator = Says(LINE)
    session = acted({20.0: lambda s: s.set_instruction("Count the birds")}, 40.0, commentator=commentator)
    cycles = session.log.cycles
    asked = cycles[cycles.trigger == "instruction"]
    assert len(asked) == 1
    k = int(asked.cycle.iloc[0]) - 1
    assert "Count the birds" in commentator.prompts[k] and LINE not in commentator.prompts[k]
    assert asked.change_mean.iloc[0] == 255.0
    told_s = 20.0 + asked.delay_applied_s.iloc[0]  # the cue is given when that frame is shown
    assert asked.infer_s.iloc[0] - told_s < 0.1


def test_new_instruction_runs_on_an_unchanged_scene():
    session = acted(
        {8.0: lambda s: s.set_instruction("Count the birds")},
        20.0,
        source=Pictures(20.0, still),
        settings={"change_threshold": 5.0},
    )
    assert list(session.log.cycles.query("outcome == 'spoken'").trigger) == ["first", "instruction"]


def test_same_instruction_again_changes_nothing():
    text = PROFILES["general"].instruction
    session = acted({8.0: lambda s: s.set_instruction(text)}, 20.0)
    assert "instruction" not in set(session.log.cycles.trigger)


def test_clearing_the_instruction_idles_and_a_new_one_wakes():
    session = acted(
        {10.0: lambda s: s.set_instruction(None), 30.0: lambda s: s.set_instruction("Go on")}, 45.0
    )
    starts = session.log.cycles.infer_s
    assert ((starts > 13) & (starts < 30)).sum() == 0
    assert (starts > 30).sum() > 2


def test_profile_switches_while_running_with_its_instruction():
    commentator = Says(LINE)
    session = acted({10.0: lambda s: s.set_profile("sports")}, 30.0, commentator=commentator)
    k = int(session.log.cycles.query("trigger == 'profile'").cycle.iloc[0]) - 1
    assert PROFILES["general"].role in commentator.prompts[k - 1]
    assert PROFILES["sports"].role in commentator.prompts[k] and LINE not in commentator.prompts[k]
    assert PROFILES["sports"].instruction in commentator.prompts[k]


def test_settings_change_while_running():
    session = acted({20.0: lambda s: s.update(pause_s=3.0, frames_per_inference=2, policy="serial")}, 60.0)
    late = heard(session)[heard(session).infer_s > 26]
    assert set(late.pause_s) == {3.0} and set(late.frames) == {2} and set(late.policy) == {"serial"}
    assert (late.gap_before_s > 3.0).all()


def test_speech_can_be_switched_off_and_on():
    session = acted({15.0: lambda s: s.update(speech=False), 30.0: lambda s: s.update(speech=True)}, 50.0)
    cycles = session.log.cycles
    quiet = cycles[(cycles.infer_s > 18) & (cycles.infer_s < 30)]
    assert len(quiet) > 5 and (quiet.speech_s == 0).all() and (quiet.outcome == "spoken").all()
    assert (cycles[cycles.infer_s > 33].speech_s > 0).all()


# --- interruption


def flash(at_s):
    """Return a picture function: still, with one hard change at `at_s`."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (36, 64, 3), dtype=np.uint8) for _ in range(2))
    return lambda second: a if second < at_s else b


def interrupted(threshold=40.0):
    captions = []
    commentator = Says(" ".join(["word"] * 40), "Look at that, a flash.")  # 10 s, then 5 words
    session = acted(
        {},
        25.0,
        commentator=commentator,
        source=Pictures(25.0, flash(6.0)),
        settings={"interrupt_threshold": threshold, "change_threshold": 5.0},
        on_caption=lambda c, text, final, at: captions.append((c, text)),
    )
    return session, commentator, captions


def test_important_change_cuts_the_comment_being_heard_at_the_end_of_a_word():
    session, _, _ = interrupted()
    first, second = session.log.cycles.iloc[0], session.log.cycles.iloc[1]
    assert first.outcome == "interrupted" and second.trigger == "change"
    assert 0 < first.speech_s < 10.0
    words = first.speech_s / 0.25  # each is 0.25 s long
    assert words == pytest.approx(round(words), abs=0.2)
    assert second.heard_from_s == pytest.approx(first.heard_to_s, abs=0.001)
    assert abs(second.sync_error_s) <= 0.3  # it waits for the end of a word
    assert first.discarded_tokens > 0


def test_prompt_carries_what_was_really_heard():
    _, commentator, _ = interrupted()
    said = commentator.prompts[1].split('You have just said: "')[1].split('"')[0]
    assert 3 < len(said.split()) < 40


def test_important_change_drops_what_was_prepared_and_cuts_what_is_heard():
    # 6 s of delay and comments of 2 s: two more are ready while one is heard
    commentator = Says(" ".join(["word"] * 8))
    session = acted(
        {},
        40.0,
        commentator=commentator,
        source=Pictures(40.0, flash(20.0)),
        settings={"interrupt_threshold": 30.0, "delay_margin_s": 5.0, "pause_s": 0.0},
    )
    cycles = session.log.cycles.sort_values("cycle")
    urgent = cycles[cycles.trigger == "change"].iloc[0]
    dropped = cycles[cycles.outcome == "stale"]
    assert len(dropped) >= 1 and dropped.reason.str.contains("change").all()
    assert urgent.outcome == "spoken" and abs(urgent.sync_error_s) <= 0.06
    assert (cycles.gap_before_s.dropna() >= -1e-6).all()
    assert (cycles.outcome == "spoken").iloc[-3:].all()


def test_restless_scene_does_not_starve_the_talk():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (36, 64, 3), dtype=np.uint8) for _ in range(80)]
    session = acted(
        {},
        40.0,
        commentator=Says(" ".join(["word"] * 24), cost_s=1.5),
        source=Pictures(40.0, lambda t: pictures[int(2 * t)]),
        settings={"interrupt_threshold": 20.0},
    )
    cycles = session.log.cycles
    assert (cycles.trigger == "change").sum() >= 5
    assert cycles.outcome.isin(["spoken", "interrupted"]).all()  # none was overtaken before it was heard
    assert (cycles.speech_s > 0.5).all()


def test_without_a_threshold_nothing_is_cut():
    session, _, _ = interrupted(threshold=0.0)
    assert "interrupted" not in outcomes(session)


def test_question_cuts_too_and_what_was_only_prepared_is_stale():
    # 5 s of delay: the next comment is ready seconds before it is heard
    commentator = ScriptedCommentator(cost=CostModel(0.3, 0.0, 3.0, 0.0, 0.1))
    session = acted(
        {20.2: lambda s: s.set_instruction("What now?")},
        40.0,
        commentator=commentator,
        settings={"delay_margin_s": 4.0},
    )
    kinds = outcomes(session)
    assert "stale" in kinds or "interrupted" in kinds
    stale = session.log.cycles.query("outcome == 'stale'")
    assert stale.reason.str.contains("instruction").all()
    assert (session.log.cycles.query("outcome == 'spoken'").gap_before_s.dropna() > -1e-6).all()
