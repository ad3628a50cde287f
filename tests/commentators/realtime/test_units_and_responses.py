"""What a session is sent, and how what comes back becomes responses: no thread, no socket."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from commentator_lib.commentators.realtime.protocol import ServerEvent
from commentator_lib.commentators.realtime.responses import Responses, joined
from commentator_lib.commentators.realtime.units import Units, unheard
from commentator_lib.media import AudioChunk
from tests.commentators.realtime.conftest import frames

RATE_HZ = 16_000


def sound(seconds, value=0.5):
    return AudioChunk(np.full(round(seconds * RATE_HZ), value, np.float32), RATE_HZ)


def pcm(count, value=1000):
    return base64.b64encode(np.full(count, value, "<i2").tobytes()).decode()


def said(responses, *events, at_s=0.0):
    for event in events:
        responses.take(event, at_s)
    return responses.current


# --- units


def test_a_picture_is_sent_once_and_the_newest_only():
    units = Units()
    for frame in frames():
        units.see(frame)
    assert [frame.index for frame in units.make()[1]] == [2]
    assert units.make()[1] == []
    units.see(frames()[1])  # an older one
    assert units.make()[1] == []
    units.see(frames(from_s=5.0)[0])
    assert len(units.make()[1]) == 1


def test_the_first_unit_is_longer_by_what_a_model_waits_for_and_silence_fills_up():
    units = Units()
    lengths = [len(units.make()[0]) for _ in range(3)]
    assert lengths == [16_480, 16_000, 16_000]
    units.hear(frames(), sound(0.5))
    samples, _ = units.make()
    assert samples[:8000].all() and not samples[8000:].any() and len(samples) == 16_000


def test_sound_that_overlaps_is_heard_once():
    units = Units()
    units.make()
    units.hear(frames(0.0), sound(2.0))
    units.hear(frames(1.5), sound(2.0, 0.25))  # its newest frame is 1.5 s later
    heard = np.concatenate([units.make()[0] for _ in range(5)])
    assert np.count_nonzero(heard == 0.5) == 32_000 and np.count_nonzero(heard == 0.25) == 24_000


def test_sound_that_waits_for_too_long_is_left_out():
    units = Units()
    units.hear(frames(), sound(60.0))
    assert units.waiting_s == pytest.approx(5.0)


def test_what_is_new_of_a_sound():
    samples = np.arange(RATE_HZ * 2)
    assert len(unheard(samples, 10.0, None)) == 32_000 and len(unheard(samples, 10.0, 3.0)) == 32_000
    assert unheard(samples, 10.0, 9.5)[0] == 24_000 and len(unheard(samples, 10.0, 10.0)) == 0


# --- responses


def test_words_and_sound_are_one_response_until_it_is_done():
    responses = Responses()
    current = said(
        responses,
        ServerEvent("speak", "r1"),
        ServerEvent("sound", "r1", sound=pcm(2400)),
        ServerEvent("words", "r1", text="Hello ", spoken=True),
        ServerEvent("words", "r1", text="Hello ", spoken=False),  # the same as text beside it
        at_s=7.0,
    )
    assert current.begun_s == 7.0 and not current.ended
    text, chunk = joined(current.parts)
    assert text == "Hello " and chunk.sample_rate_hz == 24_000 and chunk.duration_s == pytest.approx(0.1)
    said(responses, ServerEvent("done", "r1", text="completed"))
    assert current.ended and not current.problem and joined(current.parts) == ("", None)


def test_a_decision_to_listen_ends_a_response_and_is_counted():
    responses = Responses()
    current = said(
        responses, ServerEvent("words", "r1", text="Hello.", spoken=True), ServerEvent("listen", "r1")
    )
    assert current.ended and responses.listens == 1


def test_what_comes_of_a_dropped_response_is_passed_over():
    responses = Responses()
    said(responses, ServerEvent("words", "r1", text="Old.", spoken=True))
    assert responses.drop_current() == "r1" and responses.current is None
    said(responses, ServerEvent("words", "r1", text="Older.", spoken=True), ServerEvent("done", "r1"))
    assert responses.current is None and responses.drop_current() is None
    assert said(responses, ServerEvent("words", "r2", text="New.", spoken=True)).id == "r2"


def test_a_dropped_response_without_an_id_ends_with_done():
    responses = Responses()
    said(responses, ServerEvent("words", text="Old.", spoken=True))
    assert responses.drop_current() == ""
    said(responses, ServerEvent("words", text="Older.", spoken=True))
    assert responses.current is None
    current = said(responses, ServerEvent("done"), ServerEvent("words", text="New.", spoken=True))
    assert joined(current.parts)[0] == "New."


def test_sound_that_cannot_be_read_leaves_the_words():
    responses = Responses()
    current = said(
        responses,
        ServerEvent("sound", "r1", sound="no base64!"),
        ServerEvent("sound", "r1", sound=pcm(2400)),
        ServerEvent("words", "r1", text="Hello.", spoken=True),
    )
    assert joined(current.parts) == ("Hello.", None) and "no base64" in current.sound_problem


def test_a_stated_rate_goes_before_the_sessions():
    responses = Responses()
    said(responses, ServerEvent("created", rate_hz=22_050))
    current = said(responses, ServerEvent("sound", "r1", sound=pcm(2205)))
    assert joined(current.parts)[1].sample_rate_hz == 22_050
    said(responses, ServerEvent("sound", "r1", sound=pcm(1600), rate_hz=16_000))
    said(responses, ServerEvent("sound", "r1", sound=pcm(100), rate_hz=48_000))
    assert [joined(current.parts)[1].sample_rate_hz for _ in range(2)] == [16_000, 48_000]


def test_errors_about_acknowledging_cost_nothing_but_the_acknowledging():
    responses = Responses()
    said(responses, ServerEvent("error", text="too late", code="playback_ack_too_late"))
    assert not responses.acknowledges and not responses.error
    said(responses, ServerEvent("error", text="no response", about="cancel-r1"))
    assert not responses.error
    said(responses, ServerEvent("error", text="stale epoch", code="append_failed", about="append-3"))
    assert responses.error == "stale epoch (append_failed)"


def test_a_response_without_an_end_is_bounded():
    responses = Responses()
    current = said(responses, ServerEvent("speak", "r1"))
    for _ in range(200):
        said(responses, ServerEvent("sound", "r1", sound=pcm(24_000)))
    assert current.sound_s == pytest.approx(120.0)
