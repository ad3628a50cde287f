"""Pacing, sync and the log of whole sessions in virtual time."""

from __future__ import annotations

import json

import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from tests.commentary.conftest import LINE, acted, heard
from tests.conftest import Says, what_if

# --- pacing and sync


@pytest.mark.slow
def test_playout_leaves_the_pause_and_nothing_else_and_is_on_time():
    session = what_if(300.0, cost=CostModel(1.3, 0.2, 6.0, 1.5, 0.75))
    cycles = heard(session)
    assert len(cycles) > 30
    assert cycles.shortfall_s.median() <= 0.05 and cycles.shortfall_s.quantile(0.95) <= 0.3
    assert cycles.sync_error_s.abs().median() <= 0.02 and cycles.sync_error_s.abs().quantile(0.95) <= 0.15
    assert (cycles.gap_before_s.dropna() >= 1.0 - 0.06).all()  # a frame's length at most is taken off it


def test_serial_waits_the_whole_first_sound():
    session = what_if(300.0, cost=CostModel(1.3, 0.0, 6.0, 0.0, 0.5), settings={"policy": "serial"})
    assert heard(session).shortfall_s.median() == pytest.approx(1.3, abs=0.06)


def test_serial_delay_is_the_ema_of_first_sound_from_five_seconds():
    session = what_if(80.0, cost=CostModel(1.0, 0.0, 4.0, 0.0, 0.5), settings={"policy": "serial"})
    wanted, expected = 5.0, []
    for latency in session.log.cycles.first_sound_latency_s:
        wanted = 0.8 * wanted + 0.2 * latency
        expected.append(wanted)
    assert list(session.log.cycles.delay_wanted_s) == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_comments_never_overlap():
    for policy in ("playout", "serial"):
        session = what_if(
            200.0, cost=CostModel(1.3, 0.6, 3.0, 1.5, 1.2), settings={"policy": policy, "pause_s": 0.0}
        )
        assert (heard(session).gap_before_s.dropna() >= -1e-6).all()


def test_commentator_that_cannot_keep_up_is_late_and_the_log_says_by_how_much():
    session = what_if(200.0, cost=CostModel(4.0, 0.0, 2.0, 0.0, 0.5), settings={"pause_s": 0.5})
    # a comment takes 4 + 0.5 · 2 s to make and fills 2.5 s
    assert heard(session).shortfall_s.iloc[2:].median() == pytest.approx(2.5, abs=0.1)


def test_no_delay_when_switched_off():
    session = what_if(60.0, settings={"delay_init_s": 0.0})
    assert (session.log.cycles.delay_applied_s == 0).all()
    assert heard(session).sync_error_s.median() == pytest.approx(1.0, abs=0.3)


def test_delay_ignores_nothing_to_say_and_skipped_cycles():
    replies = [LINE, "...", "...", "..."]
    session = acted({}, 100.0, commentator=Says(*replies, cost_s=2.0))
    cycles = session.log.cycles
    silent = cycles[cycles.outcome == "silent"]
    assert len(silent) > 10
    assert silent.first_sound_latency_s.isna().all() and silent.heard_from_s.isna().all()
    before = None
    for row in cycles.itertuples():
        if row.outcome == "silent" and before is not None:
            assert row.delay_wanted_s == before
        before = row.delay_wanted_s


def test_stale_comment_is_dropped():
    session = what_if(
        120.0, cost=CostModel(20.0, 0.0, 3.0, 0.0, 0.1), settings={"stale_after_s": 4.0, "delay_max_s": 15.0}
    )
    cycles = session.log.cycles
    assert set(cycles.outcome) == {"stale"}
    assert cycles.reason.str.contains("behind its picture").all()
    assert (cycles.discarded_tokens > 0).all() and cycles.heard_from_s.isna().all()


# --- the log


@pytest.mark.slow
def test_same_seed_gives_the_same_log_to_the_byte(tmp_path):
    for name in ("a", "b"):
        what_if(120.0, run_dir=tmp_path / name, cost=CostModel(1.3, 0.2, 5.0, 1.5, 0.75), seed=7)
    for file in ("cycles.jsonl", "samples.jsonl", "events.jsonl", "shown.csv", "voice.pcm", "cycles.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_other_seed_gives_another_log():
    logs = []
    for seed in (1, 2):
        commentator = ScriptedCommentator(cost=CostModel(1.3, 0.2, 5.0, 1.5, 0.75), seed=seed)
        logs.append(json.dumps(list(what_if(60.0, commentator=commentator).log.cycle_rows)))
    assert logs[0] != logs[1]


def test_times_of_a_cycle_are_in_order():
    session = what_if(60.0)
    for row in heard(session).itertuples():
        times = [
            row.decide_s,
            row.infer_s,
            row.first_text_s,
            row.first_sound_s,
            row.heard_from_s,
            row.heard_to_s,
        ]
        assert times == sorted(times)
        assert row.generated_s <= row.done_s
        assert row.speech_s == pytest.approx(row.heard_to_s - row.heard_from_s, abs=1e-3)


def test_every_frame_is_shown_in_its_order():
    shown = []
    session = what_if(60.0, on_drawn=lambda frame, due_s, drawn_s: shown.append(frame.index))
    assert shown == list(range(1500))
    assert session.log.header["frames_dropped"] == 0
