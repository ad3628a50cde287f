"""Whole runs with a realtime server on loopback, and the tests of every commentator."""

from __future__ import annotations

import pytest

from commentator_lib.commentators.realtime.commentator import RealtimeCommentator
from commentator_lib.conformance import CommentatorConformance
from commentator_lib.session import LiveSession
from tests.commentators.openai.conftest import Moves
from tests.commentators.realtime.conftest import settings_for
from tests.commentators.realtime.realtime_server import LISTEN, WORDS, realtime_server


class TestRealtime(CommentatorConformance):
    seconds = 3.0

    @pytest.fixture(autouse=True)
    def use_a_server(self):
        with realtime_server(turns=[LISTEN, list(WORDS)] * 200) as server:
            self.settings = settings_for(server.url)
            yield

    def make(self):
        return RealtimeCommentator(self.settings)


def run(server, seconds=12.0, **changes):
    settings = settings_for(server.url, speak_when="interval", **changes)
    commentator = RealtimeCommentator(settings)
    return LiveSession(Moves(seconds), settings, commentator=commentator, mode="replay").run()


def test_a_run_says_what_the_model_says_and_tells_it_what_was_heard():
    turns = [LISTEN, LISTEN, list(WORDS), LISTEN, list(WORDS)]
    with realtime_server(turns=turns) as server:
        rows = run(server).log.cycle_rows
        told = server.wait_for("playback.ack", 1)
    spoken = [row for row in rows if row["outcome"] == "spoken"]
    assert spoken and all(row["text"] == "".join(WORDS) for row in spoken)
    assert {row["outcome"] for row in rows} <= {"spoken", "silent"}
    assert all(row["speech_s"] == pytest.approx(0.75, abs=0.01) for row in spoken)
    assert len(told) <= len(spoken) and all(abs(ack["played_ms"] - 750) <= 10 for ack in told)


def test_a_server_that_closes_in_mid_answer_costs_one_row():
    with realtime_server(turns=["closes ", *[LISTEN, list(WORDS)] * 20]) as server:
        rows = run(server).log.cycle_rows
    failed = [row for row in rows if row["outcome"] == "failed"]
    assert len(failed) == 1 and "the engine died" in failed[0]["reason"]
    assert any(row["outcome"] == "spoken" for row in rows)
