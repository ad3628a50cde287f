"""The programme's sound in requests to a server on loopback: sent, refused, left out."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import logging
import wave

import numpy as np
import pytest

from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.messages import build_body, to_wav
from commentator_lib.commentators.openai.refusals import OpenAIServerError, refuses_sound
from commentator_lib.media import AudioChunk
from tests.commentators.openai.conftest import SECRET, TEXT, asked, request, settings_for, text_of
from tests.commentators.openai.openai_server import openai_server

RATE_HZ = 16_000


def tone(seconds, rate_hz=RATE_HZ):
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz  # (N,)
    return AudioChunk((0.25 * np.sin(2 * np.pi * 440 * times_s)).astype(np.float32), rate_hz)


def heard(sound):
    return dataclasses.replace(request(), sound=sound)


def parts(body, kind):
    return [part for part in body["messages"][-1]["content"] if part["type"] == kind]


def test_sound_goes_out_as_a_wav_beside_the_pictures():
    sound = tone(2.5)
    with openai_server() as server:
        commentator, waits = asked(server, hear=True)
        assert commentator.hears
        assert text_of(commentator.comment(heard(sound))) == TEXT
        commentator.close()
    kinds = [part["type"] for part in server.requests[0]["messages"][-1]["content"]]
    assert kinds == ["image_url"] * 3 + ["input_audio", "text"] and not waits
    (part,) = parts(server.requests[0], "input_audio")
    assert part["input_audio"].keys() == {"data", "format"} and part["input_audio"]["format"] == "wav"
    with wave.open(io.BytesIO(base64.b64decode(part["input_audio"]["data"], validate=True))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        got = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(got) == 40_000 and np.abs(got / 32767 - sound.samples).max() <= 0.5 / 32767 + 1e-6


def test_a_wav_holds_no_number_that_is_none_and_no_overflow():
    samples = np.array([2.0, -2.0, np.nan, np.inf, 0.0], np.float32)
    with wave.open(io.BytesIO(to_wav(AudioChunk(samples, 8000)))) as file:
        assert file.getframerate() == 8000
        assert np.frombuffer(file.readframes(5), "<i2").tolist() == [32767, -32767, 0, 32767, 0]


@pytest.mark.parametrize("hear", [True, False])
@pytest.mark.parametrize("sound", [None, tone(0.0), tone(0.09), tone(1.0)])
def test_without_sound_or_hearing_the_request_is_the_same_to_the_byte(hear, sound):
    if hear and sound is not None and sound.duration_s > 0.5:
        pytest.skip("this one is sent")
    with openai_server() as server:
        commentator, _ = asked(server, hear=hear)
        assert commentator.hears is hear
        assert text_of(commentator.comment(heard(sound))) == TEXT
        commentator.close()
    plain = {**build_body("seer", request(), 0.7), "stream_options": {"include_usage": True}}
    assert json.dumps(server.requests[0]) == json.dumps(plain)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "this model takes no input_audio"),
        (422, "Audio input is not possible"),
        (400, "unknown content type in messages[0].content[3]"),
        (400, "Unsupported part"),
        (400, "such parts are not supported"),
    ],
)
def test_refused_sound_is_left_out_for_good_after_one_warning(status, words, caplog):
    with openai_server(sound_refusal=(status, words)) as server:
        commentator, waits = asked(server, hear=True, api_retries=0)
        assert [text_of(commentator.comment(heard(tone(1)))) for _ in range(2)] == [TEXT, TEXT]
        commentator.close()
    assert [len(parts(body, "input_audio")) for body in server.requests] == [1, 0, 0] and not waits
    assert all(len(parts(body, "image_url")) == 3 for body in server.requests)
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert words in warning.getMessage() and "takes no sound" in warning.getMessage()


def test_the_warning_shows_no_secret(monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with openai_server(sound_refusal=(400, "no audio"), echoes_key=True, key=SECRET) as server:
        commentator, _ = asked(server, hear=True)
        assert text_of(commentator.comment(heard(tone(1)))) == TEXT
        commentator.close()
    assert "no audio" in caplog.text and SECRET not in caplog.text


def test_a_refusal_for_another_reason_is_reported_and_sound_is_still_sent(caplog):
    with openai_server(faults=[400], refusal="max_tokens is too large") as server:
        commentator, waits = asked(server, hear=True)
        with pytest.raises(OpenAIServerError, match="400: max_tokens is too large"):
            list(commentator.comment(heard(tone(1))))
        assert len(server.requests) == 1 and not waits
        assert text_of(commentator.comment(heard(tone(1)))) == TEXT
        commentator.close()
    assert len(parts(server.requests[1], "input_audio")) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_server_that_refuses_the_request_without_sound_too_is_asked_twice_and_named():
    with openai_server(faults=[400, 400], refusal="unsupported parameter") as server:
        commentator, waits = asked(server, hear=True)
        with pytest.raises(OpenAIServerError, match="400: unsupported parameter"):
            list(commentator.comment(heard(tone(1))))
        commentator.close()
    assert [len(parts(body, "input_audio")) for body in server.requests] == [1, 0] and not waits


def test_older_servers_may_refuse_both_usage_and_sound():
    with openai_server(takes_stream_options=False, sound_refusal=(400, "no audio")) as server:
        commentator, waits = asked(server, hear=True, api_retries=0)
        assert text_of(commentator.comment(heard(tone(1)))) == TEXT
        assert len(server.trials) == 2 and len(server.requests) == 2
        commentator.close()
    assert not waits


def test_sound_is_sent_again_with_each_retry():
    with openai_server(faults=[503]) as server:
        commentator, waits = asked(server, hear=True)
        assert text_of(commentator.comment(heard(tone(1)))) == TEXT and waits
        commentator.close()
    assert [len(parts(body, "input_audio")) for body in server.requests] == [1, 1]


def test_what_refuses_sound():
    assert refuses_sound(400, b"no input_audio here") and refuses_sound(422, b"CONTENT_TYPE")
    assert (
        not refuses_sound(500, b"audio") and not refuses_sound(401, b"audio") and not refuses_sound(400, b"")
    )


def test_it_hears_only_when_asked():
    url = "http://127.0.0.1:9/v1"
    assert OpenAICommentator(settings_for(url, hear=True)).hears
    assert not OpenAICommentator(settings_for(url)).hears
