"""The loop as its users know it: whole sessions in virtual time, read off their logs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.profiles import PROFILES
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from tests.conftest import BrokenVoice, Pictures, Raises, Says, SilentVoice, ToneVoice, still, what_if

LINE = "A red car comes in on the left."  # 8 words: 2 s of the tone voice


def outcomes(session):
    return list(session.log.cycles.outcome)


def heard(session):
    cycles = session.log.cycles
    return cycles[cycles.outcome == "spoken"]


class Cue:
    """A player that only calls `actions[t](session)` when the picture comes to second t."""

    def __init__(self, actions):
        self.actions = dict(actions)
        self.session = None

    def __call__(self, frame, due_s, drawn_s):
        for at_s in [t for t in self.actions if frame.captured_at_s >= t]:
            self.actions.pop(at_s)(self.session)


def acted(actions, duration_s=60.0, commentator=None, **more):
    """A what-if session in which `actions` happen at capture time (picture delay adds to it)."""
    cue = Cue(actions)
    settings = {"change_threshold": 0.0, **more.pop("settings", {})}
    from commentator_lib.sources.synthetic import SyntheticSource

    session = LiveSession(
        more.pop("source", None) or SyntheticSource(duration_s),
        Settings(**settings),
        commentator=commentator or Says(LINE),
        voice=more.pop("voice", None) or ToneVoice(),
        mode="what-if",
        on_drawn=cue,
        **more,
    )
    cue.session = session
    return session.run()


# --- pacing and sync


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


# --- what is looked at, and when it is worth a cycle


def test_window_is_four_frames_with_stride_two_at_two_fps():
    commentator = Says(LINE)
    session = acted({}, 60.0, commentator=commentator)
    frames = commentator.requests[3].frames
    assert len(frames) == 4
    steps = np.diff([f.captured_at_s for f in frames])
    assert steps[:2] == pytest.approx(1.0, abs=0.05) and 0.9 < steps[2] < 1.6
    assert session.log.cycles.frame_newest_age_s.max() < 0.1


def test_unchanged_scene_is_skipped_and_asked_again_after_the_interval():
    session = acted({}, 20.0, source=Pictures(20.0, still), settings={"change_threshold": 5.0})
    cycles = session.log.cycles
    assert cycles.outcome.iloc[0] == "spoken"
    assert set(cycles.outcome.iloc[1:]) == {"unchanged"}
    assert np.diff(cycles.decide_s.iloc[2:]) == pytest.approx(1.0, abs=0.1)
    assert cycles.change_mean.iloc[2] == 0.0


def test_threshold_zero_never_skips():
    session = acted({}, 20.0, source=Pictures(20.0, still), settings={"change_threshold": 0.0})
    assert set(outcomes(session)) == {"spoken"}


@pytest.mark.parametrize("measure", ["mean", "block", "compensated"])
def test_all_three_measures_are_logged_and_any_can_decide(measure):
    def flips(second):
        return np.full((36, 64, 3), 40 if int(second) % 8 < 4 else 200, np.uint8)

    session = acted(
        {}, 30.0, source=Pictures(30.0, flips), settings={"change_threshold": 5.0, "change_measure": measure}
    )
    cycles = session.log.cycles
    assert cycles[["change_mean", "change_block", "change_compensated"]].notna().all().all()
    assert (cycles.outcome == "spoken").sum() >= 3


# --- the prompt


def test_last_comment_is_carried_into_the_prompt():
    commentator = Says("First remark of all.", "Second remark of all.")
    acted({}, 30.0, commentator=commentator)
    assert "First remark" not in commentator.prompts[0]
    assert "First remark of all." in commentator.prompts[1]
    assert "Second remark of all." in commentator.prompts[2]


def test_nothing_to_say_is_not_carried():
    commentator = Says("First remark of all.", "...", LINE)
    acted({}, 30.0, commentator=commentator)
    assert "..." not in commentator.prompts[2].split("\n", 1)[1]
    assert "First remark" not in commentator.prompts[2]


def test_length_hint_follows_change_and_last_length():
    commentator = Says("Short one.")
    session = acted({}, 20.0, commentator=commentator, source=Pictures(20.0, still))
    assert list(session.log.cycles.intensity)[:2] == ["normal", "minimal"]
    assert "a few words at most" in commentator.prompts[1]


def test_token_cap_depends_on_speech():
    for speech, cap in ((True, 150), (False, 512)):
        commentator = Says(LINE)
        acted({}, 5.0, commentator=commentator, settings={"speech": speech})
        assert commentator.requests[0].max_new_tokens == cap


# --- steering in mid-stream


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
    """A still picture with one hard change at a moment."""
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


def test_important_change_cuts_the_comment_being_heard_at_a_step():
    session, _, _ = interrupted()
    first, second = session.log.cycles.iloc[0], session.log.cycles.iloc[1]
    assert first.outcome == "interrupted" and second.trigger == "change"
    assert 0 < first.speech_s < 10.0
    assert first.speech_s / 0.05 == pytest.approx(round(first.speech_s / 0.05), abs=1e-3)
    assert second.heard_from_s == pytest.approx(first.heard_to_s, abs=0.001)
    assert abs(second.sync_error_s) <= 0.05
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


# --- "..." and captions


def test_nothing_to_say_is_shown_nowhere():
    captions = []
    acted(
        {}, 30.0, commentator=Says("...", LINE), on_caption=lambda c, text, final, at: captions.append(text)
    )
    assert captions and all("..." not in text for text in captions)


def test_captions_come_with_their_words():
    captions = []
    voice = ToneVoice()
    session = acted(
        {},
        20.0,
        commentator=Says(["One two three four. ", "Five six seven eight. "]),
        voice=voice,
        on_caption=lambda c, text, final, at: captions.append((c, text, final, at)),
    )
    first = session.log.cycles.iloc[0]
    (_, a, end_a, at_a), (_, b, end_b, at_b) = captions[:2]
    assert (a, end_a) == ("One two three four.", False)
    assert (b, end_b) == ("One two three four. Five six seven eight.", True)
    assert at_a == pytest.approx(first.heard_from_s, abs=0.03)
    assert at_b == pytest.approx(first.heard_from_s + 1.0, abs=0.06)


def test_captions_are_one_line_whatever_was_said():
    captions = []
    reply = ["First line\n\n--> second\tline. ", "Машина едет.\x07\n"]
    acted({}, 10.0, commentator=Says(reply), on_caption=lambda c, text, final, at: captions.append(text))
    assert captions[0] == "First line"
    assert captions[:3][-1] == "First line --> second line. Машина едет." and not any(
        "\n" in c for c in captions
    )


def test_ten_thousand_words_hold_the_floor_for_a_bounded_time():
    session = acted({}, 200.0, commentator=Says("word " * 10_000))
    assert session.log.cycles.speech_s.max() < 90 and len(session.log.cycles) >= 2


def test_text_only_shows_captions_with_the_picture():
    captions = []
    session = acted(
        {},
        30.0,
        settings={"speech": False},
        on_caption=lambda c, text, final, at: captions.append((text, at)),
    )
    cycles = session.log.cycles
    assert set(cycles.outcome) == {"spoken"} and (cycles.speech_s == 0).all()
    assert captions[3][1] == pytest.approx(cycles.heard_from_s.iloc[3], abs=0.05)
    assert cycles.sync_error_s.abs().median() < 0.05


# --- faults: one row, its reason, and the session goes on


def test_commentator_that_raises_costs_one_cycle_each():
    session = acted({}, 60.0, commentator=Raises(MemoryError("no room on the GPU"), every=3))
    cycles = session.log.cycles
    failed = cycles[cycles.outcome == "failed"]
    assert len(failed) >= 3 and (cycles.outcome == "spoken").sum() >= 5
    assert set(failed.reason) == {"MemoryError: no room on the GPU"}


def test_commentator_that_dies_in_mid_comment_keeps_what_was_said():
    session = acted({}, 20.0, commentator=Raises(RuntimeError("lost"), after="It began so well. And "))
    first = session.log.cycles.iloc[0]
    assert first.outcome == "failed" and first.reason == "RuntimeError: lost"
    assert first.heard_text == "It began so well." and first.speech_s > 0


def test_commentator_that_gives_nothing_is_silent():
    session = acted({}, 10.0, commentator=Says([]))
    assert set(outcomes(session)) == {"silent"}


def test_commentator_slower_than_the_limit_fails():
    session = acted({}, 30.0, commentator=Says(LINE, cost_s=9.0), settings={"inference_timeout_s": 2.0})
    assert set(outcomes(session)) == {"failed"}
    assert session.log.cycles.reason.iloc[0] == "the commentator gave no answer for 2 s"


@pytest.mark.parametrize("voice", [BrokenVoice(), SilentVoice()])
def test_voice_that_fails_leaves_the_text(voice):
    captions = []
    session = acted({}, 20.0, voice=voice, on_caption=lambda c, text, final, at: captions.append(text))
    cycles = session.log.cycles
    assert set(cycles.outcome) == {"failed"} and cycles.reason.str.startswith("voice: ").all()
    assert LINE in captions and (cycles.text == LINE).all()


@pytest.mark.parametrize("duration_s", [20.0, 20.5, 21.0, 22.0, 23.0, 24.0])
def test_nothing_is_said_of_a_picture_that_has_gone_by(duration_s):
    session = what_if(duration_s, cost=CostModel(1.0, 0.1, 3.0, 0.0, 0.3))
    cycles = session.log.cycles
    assert len(cycles) >= 4
    assert cycles.frame_newest_age_s.max() < 0.1 and cycles.sync_error_s.abs().max() < 0.3
    assert cycles.frame_newest_captured_s.max() > duration_s - 7.5  # and it did not stop too early


def test_source_that_dies_ends_the_session_with_its_reason():
    session = acted({}, source=Pictures(60.0, still, dies_at_s=8.0))
    assert "unplugged" in session.log.header["source_problem"]
    assert session.log.header["frames_captured"] == 200
    assert heard(session).shape[0] >= 2


class DyingPlayer:
    name = "dying"
    lead_s = 0.0

    def attach(self, playback):
        self.report = playback.join(self.name)

    def show(self, frame, due_at_s):
        if frame.index > 100:
            raise ConnectionError("the page is gone")

    def play(self, pcm, comment_id, start_at_s):
        pass

    def caption(self, comment_id, text, final):
        pass

    def cut(self, comment_id, at_heard_s):
        pass

    def log_row(self, kind, row):
        pass

    def detach(self):
        pass


def test_player_that_dies_is_dropped_and_named():
    session = what_if(30.0, players=[DyingPlayer()])
    assert any("dying failed: ConnectionError" in note for note in session.log.header["notes"])
    assert session.log.header["frames_shown"] == 750
    assert len(heard(session)) >= 4


def test_mute_player_that_never_answers_does_not_stop_the_talk():
    class Mute(DyingPlayer):
        name = "mute"

        def show(self, frame, due_at_s):
            pass

    assert len(heard(what_if(60.0, players=[Mute()]))) >= 8


# --- the log


def test_same_seed_gives_the_same_log_to_the_byte(tmp_path):
    for name in ("a", "b"):
        what_if(120.0, run_dir=tmp_path / name, cost=CostModel(1.3, 0.2, 5.0, 1.5, 0.75), seed=7)
    for file in ("cycles.jsonl", "samples.jsonl", "events.jsonl", "shown.csv", "voice.pcm", "cycles.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_other_seed_gives_another_log():
    logs = []
    for seed in (1, 2):
        commentator = ScriptedCommentator(cost=CostModel(1.3, 0.2, 5.0, 1.5, 0.75), seed=seed)
        logs.append(json.dumps(what_if(60.0, commentator=commentator).log.cycle_rows))
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
