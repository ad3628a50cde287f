"""Faults of the parts around the loop: each costs one row with its reason, and the session goes on."""

from __future__ import annotations

import pytest

from commentator_lib.commentators.scripted import CostModel
from tests.commentary.conftest import LINE, acted, heard, outcomes
from tests.conftest import BrokenVoice, Pictures, Raises, Says, SilentVoice, still, what_if


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


class FailsAtItsOwnWords(Says):
    """A commentator whose server refuses every prompt that carries its last comment."""

    def comment(self, request):
        if LINE in request.prompt:
            self.prompts.append(request.prompt)
            raise RuntimeError("the prompt is refused")
        yield from super().comment(request)


def test_comment_that_makes_later_prompts_fail_is_not_carried_on_for_ever():
    session = acted({}, 60.0, commentator=FailsAtItsOwnWords(LINE))
    kinds = [outcome for outcome in outcomes(session) if outcome in ("spoken", "failed")]
    assert kinds.count("spoken") >= 4
    assert ("failed", "failed") not in list(zip(kinds, kinds[1:], strict=False))
