"""Every measure, compared with a case that was computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from commentator_lib.runs.record import CycleRecord, cycles_frame
from experiments.match_clip.events import Event, Sound, Stretch, Truth
from experiments.measuring import events, metrics, naming, numbers, picture, speech
from experiments.measuring.events import Comment


def said(from_s, text="They pass it about.", length_s=2.0, delay_s=0.0):
    """Return a comment that starts at `from_s` on the viewer's clock, `delay_s` later on the camera's."""
    return Comment(from_s, from_s + length_s, from_s + delay_s, from_s + delay_s + length_s, text)


# 0 to 10 s action, 10 to 20 s nothing, 20 to 30 s action
STRETCHES = (Stretch("action", 0, 10), Stretch("nothing", 10, 20), Stretch("action", 20, 30))


# --- which words name an event


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Goal for the reds!", {"goal"}),
        ("GOAL RED 9", {"goal"}),
        ("She scores!", {"goal"}),
        ("It is in the back of the net.", {"goal"}),
        ("The goalkeeper takes the goal kick.", set()),
        ("A shot at goal, and the goal-line holds.", {"shot"}),
        ("New shot: two people.", {"cut"}),
        ("A close shot of the stand.", set()),
        ("He shoots from afar.", {"shot"}),
        ("A cut, and now a person on the left.", {"cut"}),
        ("The picture changes to a bus.", {"cut"}),
        ("He cuts inside from the wing.", set()),
        ('On screen it says "YELLOW CARD".', {"card"}),
        ("Number seven is booked.", {"card"}),
        ("Number four comes on for number nine, a substitution.", {"substitution"}),
        ("Corner for BLU.", {"corner"}),
        ("Into the top corner!", set()),
        ("And we are under way.", {"kick-off"}),
        ("The kick-off is next, after the goal.", {"kick-off", "goal"}),
        ("A free kick on the left.", set()),
        ("Still goalless, with nothing on.", set()),
        ("Something stirred in the middle.", set()),
    ],
)
def test_what_names_an_event(text, kinds):
    assert naming.kinds_named(text) == kinds


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("RED 1-0 BLU", [(1, 0)]),
        ("It is 2–1 now.", [(2, 1)]),
        ("3 - 2, says the board", [(3, 2)]),
        ("12:34 on the clock", []),
        ("the season 2025-26", []),
        ("on 3-4-5", []),
        ("1-0 and then 1-1.", [(1, 0), (1, 1)]),
        ("number 10", []),
    ],
)
def test_what_names_a_score(text, scores):
    assert naming.scores_named(text) == scores


# --- pairs of events and comments


def test_pairs_are_one_to_one_and_as_many_as_possible():
    # One naming between two events is paired with the nearer one only.
    assert events.pair([10.0, 14.0], [13.0]) == [(1, 0)]
    # As many pairs as possible: each event gets a naming, although 11 is nearer to 10.5 than to 10.
    assert events.pair([10.0, 10.5], [11.0, 12.0]) == [(0, 0), (1, 1)]
    # Two pairs with errors of 5.1 s and −1 s are better than the one pair with −1 s alone.
    assert sorted(events.pair([10.0, 20.0], [15.1, 19.0])) == [(0, 0), (1, 1)]


def test_pairs_keep_to_the_window():
    assert events.pair([10.0], [20.1]) == []  # more than 10 s late
    assert events.pair([10.0], [20.0]) == [(0, 0)]
    assert events.pair([10.0], [4.9]) == []  # more than 5 s early
    assert events.pair([10.0], [5.0]) == [(0, 0)]
    assert events.pair([], [1.0]) == [] and events.pair([1.0], []) == []


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
    assert [events.recall(errors, 2, within) for within in (1, 2, 3)] == [0.5, 0.5, 1.0]
    assert math.isnan(events.recall([], 0, 3))
    assert events.recall([], 2, 3) == 0


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


# --- speech and silence


def test_covered_time_counts_overlaps_once():
    assert speech.covered_s([(0, 4), (2, 6), (8, 9)], 1, 8.5) == pytest.approx(5.5)
    assert speech.covered_s([], 0, 5) == 0


def test_f1_by_the_second():
    # Speech at 0–5 and 12–15 s, action at 0–10 and 20–30 s. Speaking: TP 5, FN 15, FP 3; silent: TP 7, FP 15, FN 3.
    speak, silent = speech.speak_silent_f1([(0, 5), (12, 15)], STRETCHES, 30)
    assert speak == pytest.approx(2 * 5 / (2 * 5 + 3 + 15))
    assert silent == pytest.approx(2 * 7 / (2 * 7 + 15 + 3))
    # A second with less than half a second of speech does not count as spoken.
    assert speech.speak_silent_f1([(0, 0.4)], STRETCHES, 30)[0] == 0


def test_livestar():
    starts = [2.0, 5.0, 15.0]  # two in the first action, none in the second
    assert speech.time_diff_s(starts, STRETCHES) == pytest.approx((2.0 + 10.0) / 2)
    assert speech.redundancy(starts, STRETCHES) == pytest.approx((1 + 1) / 2)
    assert speech.coverage(starts, STRETCHES) == 0.5
    assert math.isnan(speech.time_diff_s(starts, STRETCHES[1:2]))


def test_dead_air_is_silence_in_action_only():
    assert speech.dead_air_share([(0, 5), (10, 20)], STRETCHES) == pytest.approx(15 / 20)
    assert math.isnan(speech.dead_air_share([], STRETCHES[1:2]))


def test_gaps_and_overlap():
    heard = [(0, 4), (5, 9), (8, 10), (13, 14)]
    assert speech.gaps_s(heard).tolist() == [1, 3]
    assert speech.overlap_s(heard) == 1
    assert speech.gaps_s([(0, 1)]).tolist() == [] and speech.overlap_s([]) == 0


def test_words_and_realtime_factor():
    assert speech.words_per_s(["one two three", "four"], 2.0) == 2.0
    assert speech.speech_realtime_factor([3.0, 1.0], [4.0, 4.0]) == 0.5
    assert math.isnan(speech.speech_realtime_factor([], []))


# --- picture


def test_slew_frozen_and_repeated():
    captured = np.array([0.0, 0.04, 0.08, 0.12])
    assert picture.slew(captured, captured * 1.1).tolist() == pytest.approx([0.1] * 3)
    # Frames of 40 ms: one is shown for 200 ms, 160 ms too long; 60 ms is less than two frame times.
    assert picture.frozen_s(np.array([0.0, 0.04, 0.24, 0.30]), 0.04) == pytest.approx(0.16)
    assert picture.repeated_frames(np.array([0, 1, 1, 2, 1])) == 2


# --- words


def test_repetition_of_four_grams():
    first = "the red team attacks again"  # the-red-team-attacks, red-team-attacks-again
    second = "The red team attacks!"  # one 4-gram, said before: share 1
    third = "something else is on screen"  # two 4-grams, both new: share 0
    assert speech.repetition([first, second, third]) == 0.5
    assert math.isnan(speech.repetition([first, "too short"]))
    # After five other comments it counts as new.
    others = [f"comment number {k} stands here" for k in "abcde"]
    assert speech.repetition([first, *others, first]) < speech.repetition([first, *others[:4], first])


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
