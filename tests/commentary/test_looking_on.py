"""What the loop tells a commentator beside its requests: frames as they come, and what was heard of its comments."""

from __future__ import annotations

import pytest

from commentator_lib.commentary.prompts import build_prompt
from commentator_lib.profiles import PROFILES
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource
from tests.conftest import Says


class LooksOn(Says):
    def __init__(self, *replies, error=None):
        super().__init__(*replies)
        self.seen, self.told, self.error = [], [], error

    def see(self, frame):
        self.seen.append(frame.index)
        if self.error:
            raise self.error

    def heard(self, number, heard_s):
        self.told.append((number, heard_s))
        if self.error:
            raise self.error


def run(commentator, **changes):
    settings = Settings(commentator="scripted", change_threshold=0.0, watchers=(), **changes)
    return LiveSession(SyntheticSource(20.0, seed=1), settings, commentator=commentator, mode="what-if").run()


def test_it_sees_each_frame_of_the_window_and_is_told_of_each_comment_once():
    commentator = LooksOn("A first thing happens.", "...", "Another thing happens.")
    session = run(commentator, speech=False)
    assert commentator.seen == sorted(set(commentator.seen)) and len(commentator.seen) >= 30
    spoken = [row["cycle"] for row in session.log.cycle_rows if row["outcome"] in ("spoken", "interrupted")]
    assert spoken and [number for number, _ in commentator.told] == spoken
    numbers = [request.number for request in commentator.requests]
    assert numbers == sorted(numbers) and set(spoken) <= set(numbers)


def test_the_standing_part_of_the_prompt_stays_from_cycle_to_cycle():
    commentator = LooksOn("A first thing happens.", "Another thing happens.")
    run(commentator, speech=False)
    profile = PROFILES["general"]
    assert {request.standing for request in commentator.requests} == {
        build_prompt("general", profile.instruction)
    }


@pytest.mark.parametrize("error", [ValueError("no"), RuntimeError("nothing")])
def test_its_faults_there_cost_nothing_but_a_line(error, caplog):
    commentator = LooksOn("A thing happens.", "Another one happens.", error=error)
    session = run(commentator, speech=False)
    assert not [row for row in session.log.cycle_rows if row["outcome"] == "failed"]
    assert len(commentator.seen) == 1 and commentator.told
    assert "says looks on no more" in caplog.text and "was not told what was heard" in caplog.text
