"""Every measure, compared with a case that was computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from commentator_lib.runs.record import CycleRecord, cycles_frame
from commentator_lib.truth.comments import Comment, recall
from experiments.match_clip.events import Event, Sound, Stretch, Truth
from experiments.measuring import events, metrics, numbers, picture


def said(from_s, text="They pass it about.", length_s=2.0, delay_s=0.0):
    """Return a comment that starts at `from_s` on the viewer's clock, `delay_s` later on the camera's."""
    return Comment(from_s, from_s + length_s, from_s + delay_s, from_s + delay_s + length_s, text)


# 0 to 10 s action, 10 to 20 s nothing, 20 to 30 s action
STRETCHES = (Stretch("action", 0, 10), Stretch("nothing", 10, 20), Stretch("action", 20, 30))


# --- pairs of events and comments


EVENTS = (
    Event("goal", 10.0, team="RED"),
    Event("scoreboard", 12.0, score=(1, 0)),
    Event("goal", 40.0, team="BLU"),
    Event("scoreboard", 42.0, score=(1, 1)),
)


def test_response_errors_and_recall():
    comments = [said(12.5, "Goal for RED!"), said(41.0, "And BLU have scored!")]
    errors = events.response_errors(comments, EVENTS, "goal")
    assert errors == [2.5, 1.0]
    assert [recall(errors, 2, within) for within in (1, 2, 3)] == [0.5, 0.5, 1.0]
    assert math.isnan(recall([], 0, 3))
    assert recall([], 2, 3) == 0


def test_the_first_evidence_is_on_screen_or_in_sound():
    goal, kick_off, card = Event("goal", 10.0), Event("kick-off", 30.0), Event("card", 50.0)
    sounds = [
        Sound("roar", 10.15, 20.0, 15.0, "goal", 10.0),
        Sound("whistle", 29.4, 30.0, 6.0, "kick-off", 30.0),
        Sound("whistle", 48.4, 49.0, 6.0, "card", 50.0),  # it tells of the foul only
    ]
    assert [events.first_evidence_s(e) for e in (goal, kick_off, card)] == [10.6, 30.0, 50.5]
    assert [events.first_evidence_s(e, sounds) for e in (goal, kick_off, card)] == [10.15, 29.4, 50.5]
    late = Sound("roar", 11.0, 20.0, 15.0, "goal", 10.0)
    assert events.first_evidence_s(goal, [late]) == 10.6
    assert events.evidence_delays([said(12.5, "Goal!")], [goal], "goal") == pytest.approx([1.9])
    assert events.evidence_delays([said(12.5, "Goal!")], [goal], "goal", sounds) == pytest.approx([2.35])


def test_latency_counts_from_the_camera():
    comments = [said(12.5, "Goal!", delay_s=4.0)]
    assert events.response_latencies(comments, EVENTS, "goal") == [6.5]


def test_a_change_of_the_scoreboard_is_named_by_its_own_score():
    comments = [said(43.0, "It is 1-0."), said(44.0, "1-1 now.")]
    assert events.response_errors(comments, EVENTS, "scoreboard") == [2.0]


def test_false_triggers():
    assert events.false_triggers([said(12, "Goal!"), said(15, "What a goal!")], EVENTS) == 0  # named twice
    assert events.false_triggers([said(25, "Goal!")], EVENTS) == 1
    assert events.false_triggers([said(25, "A corner, and a card.")], EVENTS) == 2
    assert events.false_triggers([said(25, "Another view: a bus.")], EVENTS) == 0  # a cut is no match event
    # The scoreboard shows 1-0 from 12 to 42 s; the old score may still be said for 10 s after a change.
    assert events.false_triggers([said(30, "1-0 still.")], EVENTS) == 0
    assert events.false_triggers([said(30, "0-0 still.")], EVENTS) == 1
    assert events.false_triggers([said(20, "0-0 still.")], EVENTS) == 0
    assert events.false_triggers([said(38, "1-1!")], EVENTS) == 0  # up to 5 s early
    assert events.false_triggers([said(30, "2-0.")], EVENTS) == 1
    assert numbers.per_minute(3, 90) == 2.0


# --- picture


def test_slew_frozen_and_repeated():
    captured = np.array([0.0, 0.04, 0.08, 0.12])
    assert picture.slew(captured, captured * 1.1).tolist() == pytest.approx([0.1] * 3)
    # Frames of 40 ms: one is shown for 200 ms, 160 ms too long; 60 ms is less than two frame times.
    assert picture.frozen_s(np.array([0.0, 0.04, 0.24, 0.30]), 0.04) == pytest.approx(0.16)
    assert picture.repeated_frames(np.array([0, 1, 1, 2, 1])) == 2


# --- a whole run, by hand


def run_table(*rows):
    records = []
    for k, row in enumerate(rows):
        records.append(vars_of(CycleRecord(cycle=k + 1, **row)))
    return cycles_frame(records)


def vars_of(record):
    return {name: getattr(record, name) for name in record.__slots__}


TWO_COMMENTS = run_table(
    # newest frame captured at 12.0 s, heard at 15.0 s with a picture delay of 2.5 s: on screen at 12.5 s
    dict(
        outcome="spoken",
        frame_newest_captured_s=12.0,
        sync_error_s=0.5,
        heard_from_s=15.0,
        heard_to_s=17.0,
        heard_text="Goal for RED!",
        text="Goal for RED!",
        infer_s=12.5,
        first_sound_s=13.5,
        generated_s=14.5,
        first_sound_latency_s=1.5,
        speech_s=2.0,
        output_tokens=8,
        delay_applied_s=2.5,
        image_tokens=264,
    ),
    dict(outcome="unchanged", frame_newest_captured_s=14.0),
    dict(
        outcome="silent",
        frame_newest_captured_s=15.0,
        infer_s=15.0,
        generated_s=15.2,
        output_tokens=2,
        discarded_tokens=2,
        text="...",
        image_tokens=264,
    ),
    dict(
        outcome="interrupted",
        frame_newest_captured_s=24.0,
        sync_error_s=-0.1,
        heard_from_s=26.4,
        heard_to_s=29.4,
        heard_text="They pass it",
        text="They pass it about.",
        infer_s=24.0,
        first_sound_s=25.0,
        generated_s=27.0,
        first_sound_latency_s=1.0,
        speech_s=3.0,
        output_tokens=10,
        discarded_tokens=3,
        delay_applied_s=2.5,
        image_tokens=264,
    ),
)


def test_a_run_worked_by_hand():
    truth = Truth(30.0, (Event("goal", 10.0, team="RED"), Event("cut", 20.0)), STRETCHES, ("RED", "BLU"))
    row = metrics.measure(TWO_COMMENTS, truth)
    assert row["goal_recall_3s"] == 1.0 and row["recall_2s"] == 0.0 and row["cut_recall_3s"] == 0.0
    assert row["response_error_median_s"] == pytest.approx(2.5)
    assert row["response_latency_median_s"] == pytest.approx(5.0)
    assert row["false_triggers_per_min"] == 0
    assert row["comments_per_min"] == 4 and row["cycles_per_min"] == 6
    # speech on screen: 12.5–14.5 s and 23.9–26.9 s; only the second is in action: 3 of 20 s
    assert row["dead_air_share"] == pytest.approx(17 / 20)
    assert row["time_diff_s"] == pytest.approx((10 + 3.9) / 2)
    assert row["redundancy"] == 0.5 and row["coverage"] == 0.5
    assert row["gap_mean_s"] == pytest.approx(9.4) and row["overlap_s"] == 0
    assert row["words_per_s"] == pytest.approx(6 / 5)
    assert row["speech_realtime_factor"] == pytest.approx(2.0 / 2.0)
    assert row["sync_error_mean_s"] == pytest.approx(0.3)
    assert row["staleness_median_s"] == pytest.approx((3.0 + 2.4) / 2)
    assert row["first_sound_latency_median_s"] == pytest.approx(1.25)
    assert row["busy_share"] == pytest.approx((2.0 + 0.2 + 3.0) / 30)
    assert row["skipped_share"] == 0.25
    assert row["discarded_token_share"] == pytest.approx(5 / 20)
    assert row["image_tokens_per_min"] == pytest.approx(3 * 264 * 2)
    assert math.isnan(row["slew_max"]) and math.isnan(row["peak_vram_bytes"])


def test_rows_of_the_log_give_the_same_as_its_table():
    truth = Truth(30.0, (Event("goal", 10.0, team="RED"), Event("cut", 20.0)), STRETCHES, ("RED", "BLU"))
    rows = TWO_COMMENTS.astype(object).where(TWO_COMMENTS.notna(), None).to_dict("records")
    table = metrics.measure(TWO_COMMENTS, truth, source_from_s=0.25)
    assert metrics.measure(rows, truth, source_from_s=0.25) == pytest.approx(table, rel=0, abs=0, nan_ok=True)


def test_a_kind_of_another_sport_is_measured_by_its_own_words():
    truth = Truth(30.0, (Event("pass", 23.0), Event("slam dunk", 12.0)), STRETCHES, ("RED", "BLU"))
    row = metrics.measure(TWO_COMMENTS, truth)
    assert row["pass_recall_3s"] == 1.0 and row["slam_dunk_recall_3s"] == 0.0
    assert row["recall_3s"] == 0.5 and row["response_error_median_s"] == pytest.approx(0.9)


def test_a_goal_that_was_heard_is_to_be_named_sooner():
    roar = Sound("roar", 10.1, 20.0, 15.0, "goal", 10.0)
    for said_s, of_caption, of_sound in ((12.05, 1.0, 1.0), (12.5, 1.0, 0.0), (12.7, 0.0, 0.0)):
        truth = Truth(30.0, (Event("goal", 10.0, team="RED"),), STRETCHES, ("RED", "BLU"), 0, (roar,))
        row = metrics.measure(TWO_COMMENTS, truth, source_from_s=12.5 - said_s)
        assert (row["goal_recall_2s_of_evidence"], row["goal_recall_2s_of_first_evidence"]) == (
            of_caption,
            of_sound,
        )


def test_the_clip_may_have_started_later_than_the_log():
    truth = Truth(30.0, (Event("goal", 10.0, team="RED"),), STRETCHES, ("RED", "BLU"))
    row = metrics.measure(TWO_COMMENTS, truth, source_from_s=1.0)
    assert row["response_error_median_s"] == pytest.approx(1.5)


def test_a_run_without_a_word():
    truth = Truth(30.0, (Event("goal", 10.0),), STRETCHES)
    row = metrics.measure(run_table(dict(outcome="unchanged", frame_newest_captured_s=1.0)), truth)
    assert row["goal_recall_3s"] == 0 and row["dead_air_share"] == 1 and row["coverage"] == 0
    assert math.isnan(row["response_error_median_s"]) and math.isnan(row["gap_mean_s"])
    with pytest.raises(ValueError, match="length"):
        metrics.measure(TWO_COMMENTS, Truth(0.0, (), ()))


def test_the_picture_of_a_run():
    shown = np.array([[0, 0.0, 2.0, 2.0], [1, 0.04, 2.04, 2.04], [2, 0.08, 2.084, 2.2]])
    truth = Truth(30.0, (), STRETCHES)
    row = metrics.measure(TWO_COMMENTS, truth, shown=shown)
    assert row["slew_max"] == pytest.approx(0.1) and row["frozen_s"] == pytest.approx(0.12)
    assert row["repeated_frames"] == 0


def test_mean_and_std_leave_out_what_was_not_measured():
    rows = [{"x": 1.0}, {"x": 3.0}, {"x": float("nan")}]
    assert numbers.mean_and_std(rows, "x") == {"mean": 2.0, "std": pytest.approx(2**0.5), "runs": 2}
    assert numbers.mean_and_std(rows[2:], "x") == {"mean": None, "std": None, "runs": 0}
    assert numbers.mean_and_std(rows[:1], "x") == {"mean": 1.0, "std": None, "runs": 1}
