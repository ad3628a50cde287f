"""MiniCPM-o in duplex in whole sessions in virtual time, and the tests of every commentator.

The tiny model has random weights and its decisions are prescribed (duplex_parts.py).
"""

from __future__ import annotations

import threading

import numpy as np
import pytest

from commentator_lib.conformance import CommentatorConformance
from commentator_lib.runs import meters
from commentator_lib.runs.reader import load_run
from commentator_lib.session import LiveSession
from commentator_lib.sources.synthetic import SyntheticSource
from tests.commentators.minicpmo.conftest import only_own_code
from tests.commentators.minicpmo.duplex_parts import (
    let_seconds_pass_faster,
    prescribe,
    settings_for,
    threads,
)

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo_duplex.commentator import MiniCPMODuplexCommentator  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.hearing import StreamingHearing  # noqa: E402

pytestmark = [pytest.mark.slow, only_own_code]

PERIOD = 8  # seconds until the plan begins again
TURN_AT = 3
DOTS_AT = 7


@pytest.fixture(autouse=True)
def faster(monkeypatch):
    let_seconds_pass_faster(monkeypatch)


def plan(number):
    """Listen for two seconds, speak for three, listen for one, say "..." for one, listen for one; over and over."""
    turn, second = divmod(number, PERIOD)
    return {
        TURN_AT: ("speak", f"dog {chr(97 + turn) * 3} ", "chunk_end"),
        TURN_AT + 1: ("go_on", "runs ", "chunk_end"),
        TURN_AT + 2: ("go_on", "off.", "turn_end", "chunk_end"),
        DOTS_AT: ("speak", "...", "turn_end", "chunk_end"),
    }.get(second, ("listen",))


def words_of(number):
    """Return what is said in the turn that begins in this second."""
    return f"dog {chr(97 + number // PERIOD) * 3} runs off."


def session_of(checkpoints, seconds, hear=False, **more):
    settings = settings_for(checkpoints["bf16"], speak_when="interval", hear=hear)
    return LiveSession(
        SyntheticSource(seconds, sound=hear, seed=1),
        settings,
        commentator=MiniCPMODuplexCommentator(settings),
        mode="replay",
        **more,
    )


def test_a_session_says_what_the_model_says_and_nothing_while_it_listens(checkpoints, monkeypatch):
    prescribe(monkeypatch, plan)
    loudest, captions, numbers = [], [], []
    push = StreamingHearing.push
    monkeypatch.setattr(
        StreamingHearing,
        "push",
        lambda self, sound: loudest.append(float(np.abs(sound).max())) or push(self, sound),
    )

    def on_caption(cycle, text, _final, _at_s):
        captions.append((cycle, text))
        if not numbers:  # a comment is being heard
            numbers.append(session.ask("Who is that?"))

    session = session_of(checkpoints, 24, hear=True, on_caption=on_caption)
    cycles = session.run().log.cycles
    spoken, silent = cycles[cycles.outcome == "spoken"], cycles[cycles.outcome == "silent"]
    # 1) what is said, and what is not
    assert len(spoken) + len(silent) == len(cycles)
    assert len(spoken) >= 3 and len(silent) >= 3
    units = spoken.reason.str.extract(r"^unit (\d+), speak 0\.\d\d, \d+ positions; to unit (\d+), \d+ ")
    units = units.astype(int)
    assert (units[0] % PERIOD == TURN_AT).all() and (units[1] == units[0] + 2).all()
    assert spoken.text.tolist() == spoken.heard_text.tolist() == [words_of(number) for number in units[0]]
    assert (silent.text == "...").all() and (silent.speech_s == 0).all()
    assert silent.reason.str.match(r"unit \d+, speak 0\.\d\d, \d+ positions").all()
    dots = silent[silent.output_tokens > 1]  # it said "..." in words, and with a voice
    assert len(dots) and (dots.talker_s > 0).all()
    assert {cycle for cycle, _ in captions} == set(spoken.cycle) and not any("..." in t for _, t in captions)
    # 2) what the log has of it
    times = spoken[["first_text_s", "first_sound_s", "first_sound_latency_s", "heard_from_s", "heard_to_s"]]
    assert (times > 0).all(axis=None) and (spoken.heard_from_s >= spoken.first_sound_s).all()
    assert (spoken.heard_to_s - spoken.heard_from_s).tolist() == pytest.approx(spoken.speech_s.tolist())
    assert (spoken.speech_s >= 2).all()
    assert (spoken.output_tokens == len(words_of(TURN_AT)) + 1).all()  # letters, and the turn's end
    stages = spoken[["vision_s", "prefill_s", "decode_s", "talker_s", "vocoder_s"]]
    assert (stages > 0).all(axis=None)
    assert (
        cycles[["image_tokens", "prompt_tokens"]].isna().all(axis=None)
    )  # a session has no request's tokens
    assert cycles.vram_peak_bytes.isna().all() == (meters.vram_used_bytes() is None)
    header = session.log.header
    assert header["frames_captured"] == 24 * 25 and header["notes"] == []
    # 3) the programme was heard, the question was refused, and nothing is left
    assert max(loudest) > 0.01
    (question,) = session.log.questions.to_dict("records")
    assert question["question"] == numbers[0] and question["state"] == "failed"
    assert "cannot answer questions" in question["reason"]
    assert threads() == []


@pytest.mark.realtime
def test_a_stop_in_mid_turn_ends_it_and_writes_all(checkpoints, monkeypatch, tmp_path):
    heard = threading.Event()

    def endless(number):
        return (
            ("listen",) if number == 1 else ("speak" if number == 2 else "go_on", "on and on ", "chunk_end")
        )

    def on_caption(_cycle, text, _final, _at_s):
        if text.count("and") == 3:  # the third second of the turn is heard
            heard.set()

    prescribe(monkeypatch, endless)
    session = session_of(checkpoints, 20, run_dir=tmp_path / "run", on_caption=on_caption).start()
    assert heard.wait(60)
    session.stop(5.0)  # all must be written by then (run.py)
    assert not session.running and threads() == []
    run = load_run(tmp_path / "run")
    row = run.cycles.iloc[-1]
    assert row.outcome == "interrupted" and row.reason == "the session was stopped"
    assert row.speech_s > 0 and 0 < len(row.heard_text) < len(row.text)
    assert run.header["stopped_early"] is True and run.header["notes"] == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("the kernel failed"), "RuntimeError: the kernel failed"),
        (torch.OutOfMemoryError("CUDA out of memory"), "memory did not suffice"),
    ],
    ids=["fault", "memory"],
)
def test_a_model_that_fails_in_mid_turn_costs_one_comment(checkpoints, monkeypatch, error, words):
    left, heard = [error], threading.Event()

    def fails_once(number):
        if number == TURN_AT + 2 and left:
            assert heard.wait(60)  # until its turn has begun to be heard
            raise left.pop()
        return plan(number)

    prescribe(monkeypatch, fails_once)
    session = session_of(checkpoints, 14, on_caption=lambda *_caption: heard.set()).run()
    rows = session.log.cycle_rows
    (failed,) = [row for row in rows if row["outcome"] == "failed"]
    assert words in failed["reason"] and "\n" not in failed["reason"]
    assert failed["text"] == failed["heard_text"] == "dog aaa runs"  # what was said before is heard
    later = [row for row in rows if row["cycle"] > failed["cycle"] and row["outcome"] == "spoken"]
    assert later and later[0]["text"] == words_of(TURN_AT)  # its session began anew
    assert session.log.header["error"] is None and threads() == []


class TestMiniCPMODuplex(CommentatorConformance):
    seconds = 3.0

    @pytest.fixture(autouse=True)
    def use_the_tiny_checkpoint(self, checkpoints, monkeypatch):
        prescribe(monkeypatch, plan)
        self.settings = settings_for(checkpoints["bf16"])

    def make(self):
        return MiniCPMODuplexCommentator(self.settings)
