"""Events of the public realtime protocol, read and written."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.realtime.protocol import (
    RealtimeError,
    acknowledge,
    append,
    cancel,
    http_base,
    read_event,
    realtime_url,
    session_update,
)


def read(**event):
    return read_event(json.dumps(event))


@pytest.mark.parametrize("name", ["response.output_audio", "response.audio"])
def test_sound_and_its_transcript_have_two_names_each(name):
    sound = read(type=f"{name}.delta", response_id="r1", delta="AAAA", sample_rate_hz=16_000)
    assert (sound.kind, sound.response_id, sound.sound, sound.rate_hz) == ("sound", "r1", "AAAA", 16_000)
    words = read(type=f"{name}_transcript.delta", response_id="r1", delta="Hello ")
    assert (words.kind, words.text, words.spoken) == ("words", "Hello ", True)
    assert read(type="response.output_text.delta", delta="Hello ").spoken is False


def test_a_session_states_its_rate_and_whether_its_model_decides():
    audio = {"output": {"format": {"type": "audio/pcm", "rate": 22_050}}}
    session = {"audio": audio, "capabilities": {"implementation_level": "model_native_duplex"}}
    created = read(type="session.created", session=session)
    assert (created.kind, created.rate_hz, created.duplex) == ("created", 22_050, True)
    assert read(type="session.created", session={}).duplex is False
    assert read(type="session.created").rate_hz is None


def test_a_response_that_was_cut_is_told_from_one_that_ended():
    done = read(type="response.done", response={"id": "r1", "status": "completed", "status_details": None})
    assert (done.kind, done.response_id, done.failed) == ("done", "r1", False)
    details = {"type": "cancelled", "reason": "barge_in"}
    done = read(type="response.done", response={"id": "r1", "status": "cancelled", "status_details": details})
    assert done.failed and done.text == "cancelled: barge_in"


def test_errors_come_in_two_shapes():
    error = read(type="error", error={"code": "x", "message": "stale epoch", "event_id": "ack-r1"})
    assert (error.kind, error.text, error.code, error.about) == ("error", "stale epoch", "x", "ack-r1")
    error = read(type="error", error="Unknown session", code="session_resume_expired")
    assert (error.text, error.code, error.about) == ("Unknown session", "session_resume_expired", "")
    assert read(type="error").text == "no reason given"


def test_what_is_not_known_is_passed_over_and_what_is_no_event_is_named():
    assert read(type="rate_limits.updated", rate_limits=[]).kind == "other"
    assert read(type="session.expired", reason="idle").text == "session.expired: idle"
    for message in ("{", "[]", "{}", '{"type": null, "x": 1}'.replace("null", "[]"), b"\xff\xfe"):
        with pytest.raises(RealtimeError, match="no event"):
            read_event(message)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_audio.delta", "delta": 7, "sample_rate_hz": "fast"},
        {"type": "response.done", "response": "r1"},
        {"type": "session.created", "session": {"audio": {"output": []}, "capabilities": []}},
        {"type": "error", "error": {"message": 5, "code": None}},
    ],
)
def test_values_of_another_type_count_as_missing(event):
    assert read(**event).kind != "other"


def test_a_unit_holds_a_second_of_sound_and_its_pictures():
    unit = append(3, np.array([0.0, 1.0, -1.0, np.nan], np.float32), [b"\xff\xd8jpeg"])
    assert np.frombuffer(base64.b64decode(unit["audio"]), "<i2").tolist() == [0, 32767, -32767, 0]
    assert [base64.b64decode(picture) for picture in unit["video_frames"]] == [b"\xff\xd8jpeg"]
    assert unit["event_id"] == "append-3" and unit["sample_rate_hz"] == 16_000
    assert "video_frames" not in append(1, np.zeros(16_000, np.float32), [])


def test_what_was_heard_is_told_in_milliseconds():
    told = acknowledge("r1", 1.25, cut=False)
    assert (told["played_ms"], told["response_id"]) == (1250, "r1") and "truncate" not in told
    assert acknowledge("r1", 0.5, cut=True)["truncate"] is True
    assert "response_id" not in cancel("") and cancel("r1")["response_id"] == "r1"


def test_a_session_leaves_the_turns_to_the_model():
    session = session_update("omni", "Watch.", True, 0.7, b"RIFF")["session"]
    assert session["turn_detection"] is None and session["playback_commit_policy"] == "ack_only"
    assert session["instructions"] == "Watch." and session["ref_audio"].startswith("data:audio/wav;base64,")
    silent = session_update("omni", "Watch.", False, 0.7)["session"]
    assert silent["modalities"] == ["text"] and "ref_audio" not in silent


@pytest.mark.parametrize(
    ("url", "base", "realtime"),
    [
        ("http://h:1/v1", "http://h:1/v1", "ws://h:1/v1/realtime?duplex=1"),
        ("https://h/v1/", "https://h/v1", "wss://h/v1/realtime?duplex=1"),
        ("wss://h/v1/realtime", "https://h/v1", "wss://h/v1/realtime?duplex=1"),
        ("ws://h:1/v1/realtime?duplex=1", "http://h:1/v1", "ws://h:1/v1/realtime?duplex=1"),
    ],
)
def test_addresses(url, base, realtime):
    assert http_base(url) == base and realtime_url(base) == realtime


def test_a_key_in_the_address_is_refused_and_not_shown():
    with pytest.raises(CommentatorError, match="OPENAI_API_KEY") as caught:
        http_base("ws://h/v1/realtime?duplex=1&api_key=sk-secret")
    assert "sk-secret" not in str(caught.value)
