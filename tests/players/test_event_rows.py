"""What a LivePlayer tells its pages of events: which message, with which time, and when."""

from __future__ import annotations

import json
import time

import pytest

from commentator_lib.media import Frame
from commentator_lib.players.page_memory import EventMemory
from tests.players.test_browser_player import PICTURE, attached


def noticed(number, captured_s, kind="score", importance=3, **facts):
    times = {"at_s": captured_s, "detected_s": captured_s + 0.3, "captured_s": captured_s}
    rest = {"importance": importance, "certainty": 0.9, "facts": json.dumps(facts)}
    return {"event": number, "kind": kind, **times, **rest}


def test_event_is_told_to_pages_when_it_is_known_when_the_picture_shows_it():
    async def main(pages, _playback):
        epoch_s = pages.player._run["epoch_s"]
        pages.says("hello")
        await pages.sends("welcome")
        pages.player.log_row("event", noticed(0, 4.0, score=[2, 1]))
        for k in range(3):  # captured at 3.96, 4.0 and 4.04 s, and shown three seconds later
            captured_s = epoch_s + 3.96 + k / 25
            pages.player.show(Frame(k, k / 25, captured_s, PICTURE), captured_s + 3.0)
        ((event, _),) = await pages.sends("event")
        assert event["shown_s"] == pytest.approx(7.0, abs=1e-6)
        assert (event["event"], event["importance"], event["told"]) == (0, 3, None)
        assert (event["label"], event["words"]) == ("2-1", "score 2-1")
        assert event["known_s"] == pytest.approx(time.monotonic() - epoch_s, abs=5.0)
        pages.player.log_row("event", {"event": 0, "cycle": 8})
        told = (await pages.sends("event", 2))[1][0]
        assert told["told"] == 8 and told["told_s"] >= told["known_s"]
        assert told["shown_s"] == event["shown_s"] and event["told"] is None

    attached(main)


def test_kind_of_an_event_is_no_kind_of_a_message():
    async def main(pages, _playback):
        pages.says("hello")
        await pages.sends("welcome")
        pages.player.show(Frame(0, 0.0, time.monotonic(), PICTURE), time.monotonic())
        for number, kind in enumerate(("cut", "end", "run", "welcome")):
            pages.player.log_row("event", noticed(number, 0.0, kind))
        sent = await pages.sends("event", 4)
        assert [event["label"] for event, _ in sent] == ["cut", "end", "run", "welcome"]
        assert len(pages.of("welcome")) == 1 and not pages.of("cut") and pages.player._run["source"] == "clip"

    attached(main)


def test_page_that_is_opened_later_gets_the_events_and_no_text_of_the_facts():
    async def main(pages, _playback):
        epoch_s = pages.player._run["epoch_s"]
        pages.player.show(Frame(0, 0.0, epoch_s + 1.0, PICTURE), epoch_s + 2.5)
        pages.player.log_row("event", noticed(0, 1.0, "caption", text="GOAL " + 500 * "x"))
        pages.player.log_row("event", {"event": 0, "cycle": 2})
        pages.player.log_row("event", noticed(1, 50.0))  # the picture is not there yet
        pages.says("hello", "late")
        ((welcome, _),) = await pages.sends("welcome")
        (event,) = welcome["events"]
        assert event["event"] == 0 and event["told"] == 2 and event["shown_s"] == pytest.approx(2.5)
        assert len(event["words"]) <= 100 and "facts" not in event
        assert all(row["kind"] != "event" for row in welcome["rows"])

    attached(main)


def test_event_that_is_noticed_after_its_picture_has_the_time_of_that_picture():
    memory = EventMemory()
    for k in range(100):  # the delay grows from 2 s to 2.99 s
        memory.add_frame(k / 25, k / 25 + 2.0 + k / 100)
    event = memory.add_row(noticed(5, 1.01), 9.0)  # between two frames: the second shows it
    assert event["shown_s"] == pytest.approx(1.04 + 2.26) and event["known_s"] == 9.0


def test_event_before_the_first_picture_is_shown_by_the_first():
    memory = EventMemory()
    memory.add_frame(3.0, 5.0)
    assert memory.add_row(noticed(0, 0.4), 4.0)["shown_s"] == 5.0


def test_event_older_than_all_remembered_frames_is_placed_by_their_delay(monkeypatch):
    monkeypatch.setattr("commentator_lib.players.page_memory._FRAMES_KEPT", 10)
    memory = EventMemory()
    for k in range(30):
        memory.add_frame(float(k), k + 2.5)
    assert memory.add_row(noticed(0, 4.0), 31.0)["shown_s"] == 6.5


def test_rounded_time_of_an_event_means_the_frame_of_that_time():
    memory = EventMemory()
    memory.add_row(noticed(0, 4.123457), 5.0)
    assert memory.add_frame(4.1234565, 7.0)[0]["shown_s"] == 7.0


def test_what_is_kept_of_events_is_bounded():
    memory = EventMemory()
    for k in range(1_000):  # before any picture
        assert memory.add_row(noticed(k, 0.0), 0.0) is None
    assert len(memory._events) == len(memory._waiting) == 200
    assert [e["event"] for e in memory.add_frame(0.0, 1.0)] == list(range(800, 1_000))
    assert memory._waiting == [] and len(memory.messages()) == 200
    assert memory.add_row({"event": 3, "cycle": 1}, 2.0) is None  # forgotten
    for k in range(10_000):
        memory.add_frame(k / 25, k / 25)
    assert len(memory._frames) < 5_000


def test_events_of_the_last_run_are_gone_in_the_next():
    async def main(pages, playback):
        pages.player.show(Frame(0, 0.0, time.monotonic(), PICTURE), time.monotonic())
        pages.player.log_row("event", noticed(0, 0.0))
        pages.player.detach()
        pages.player.attach(playback)
        pages.says("hello")
        ((welcome, _),) = await pages.sends("welcome")
        assert welcome["events"] == []

    attached(main)
