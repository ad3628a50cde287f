"""A realtime server on loopback as a commentator: what it says, what it is sent, and its faults."""

from __future__ import annotations

import base64
import gc
import threading
import time

import cv2
import numpy as np
import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.factory import make_commentator
from commentator_lib.commentators.realtime.commentator import RealtimeCommentator
from commentator_lib.commentators.realtime.protocol import RealtimeError
from commentator_lib.media import AudioChunk
from tests.commentators.realtime.conftest import (
    SECRET,
    TEXT,
    asked,
    comments,
    frames,
    request,
    settings_for,
    sound_of,
    text_of,
    wait_until,
)
from tests.commentators.realtime.realtime_server import LISTEN, WORDS, realtime_server, tone


def realtime_threads():
    return [thread for thread in threading.enumerate() if thread.name == "realtime"]


def failure(commentator, **more):
    """Return (the text before it failed, its error)."""
    got = []
    with pytest.raises(RealtimeError) as caught:
        for chunk in commentator.comment(request(**more)):
            got.append(chunk)
    assert "\n" not in str(caught.value)
    return text_of(got), str(caught.value)


@pytest.mark.parametrize("beta", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_it_listens_and_speaks_as_the_model_decides(beta, at_once):
    with realtime_server(beta=beta, at_once=at_once, turns=[LISTEN, list(WORDS), LISTEN]) as server:
        commentator = asked(server)
        found = comments(commentator, 6)
        commentator.close()
    (speaking,) = [chunks for chunks in found if text_of(chunks) != "..."]
    assert text_of(speaking) == TEXT and sound_of(speaking).size == 3 * 6000
    assert all(sound_of(chunks).size == 0 for chunks in found if chunks is not speaking)
    assert commentator.name == "realtime: omni" and commentator.has_voice


@pytest.mark.parametrize("cuts_odd", [False, True])
def test_words_come_with_their_sound_and_it_is_the_models(cuts_odd, monkeypatch):
    monkeypatch.setattr("commentator_lib.commentators.realtime.deciding._WORDS_WAIT_S", 10.0)
    with realtime_server(at_once=False, turns=[list(WORDS)], cuts_odd=cuts_odd) as server:
        commentator = asked(server)
        chunks = [chunk for chunk in next(iter(comments(commentator, 1))) if chunk.text or chunk.audio]
        commentator.close()
    expected = np.tile(np.frombuffer(tone(0.25, 24_000), "<i2"), 3) / 32768
    assert np.abs(sound_of(chunks) - expected).max() < 1e-6
    assert all(chunk.text and chunk.audio is not None for chunk in chunks[:-1])


@pytest.mark.parametrize(("rate_hz", "states_rate"), [(24_000, True), (16_000, True), (22_050, False)])
def test_the_rate_is_the_stated_one(rate_hz, states_rate):
    with realtime_server(turns=[list(WORDS)], rate_hz=rate_hz, states_rate=states_rate) as server:
        commentator = asked(server)
        (chunks,) = comments(commentator, 1)
        commentator.close()
    assert {chunk.audio.sample_rate_hz for chunk in chunks if chunk.audio} == {rate_hz}


def test_each_unit_has_sound_and_each_picture_is_sent_once():
    with realtime_server(turns=[]) as server:
        commentator = asked(server)
        assert text_of(comments(commentator, 1)[0]) == "..."
        for frame in frames(from_s=100.0):
            commentator.see(frame)
        wait_until(
            lambda: sum(len(u.get("video_frames", [])) for u in server.of("input_audio_buffer.append")) == 2
        )
        server.wait_for("input_audio_buffer.append", 6)
        commentator.close()
    units = server.of("input_audio_buffer.append")
    lengths = [len(base64.b64decode(unit["audio"])) // 2 for unit in units]
    assert lengths[0] == 16_480 and set(lengths[1:]) == {16_000}
    pictures = [base64.b64decode(p) for unit in units for p in unit.get("video_frames", [])]
    shapes = [cv2.imdecode(np.frombuffer(p, np.uint8), cv2.IMREAD_COLOR).shape for p in pictures]
    assert shapes == [(36, 64, 3)] * 2  # of each three the newest, and no other again


def test_units_stop_where_there_is_nothing_new_to_see(monkeypatch):
    monkeypatch.setattr("commentator_lib.commentators.realtime.deciding._IDLE_S", 1.0)
    with realtime_server(turns=[]) as server:
        commentator = asked(server)
        comments(commentator, 1)
        wait_until(lambda: _stands_still(server))
        commentator.see(frames(from_s=200.0)[0])
        before = len(server.of("input_audio_buffer.append"))
        server.wait_for("input_audio_buffer.append", before + 1)
        commentator.close()


def _stands_still(server):
    count = len(server.of("input_audio_buffer.append"))
    time.sleep(0.5)
    return len(server.of("input_audio_buffer.append")) == count


@pytest.mark.parametrize("hear", [False, True])
def test_the_programmes_sound_is_heard_only_where_asked_for(hear):
    samples = np.full(32_000, 0.25, np.float32)
    with realtime_server(turns=[]) as server:
        commentator = asked(server, hear=hear)
        assert commentator.hears is hear
        list(commentator.comment(request(sound=AudioChunk(samples, 16_000))))
        server.wait_for("input_audio_buffer.append", 4)
        commentator.close()
    sent = b"".join(base64.b64decode(unit["audio"]) for unit in server.of("input_audio_buffer.append"))
    assert np.count_nonzero(np.frombuffer(sent, "<i2")) == (32_000 if hear else 0)


def test_what_was_heard_is_acknowledged():
    with realtime_server(turns=[LISTEN, list(WORDS)] * 100) as server:
        commentator = asked(server)
        said = {k: text_of(commentator.comment(request(k, 10.0 * k))) for k in range(1, 20)}
        first, second, *_ = (k for k, text in said.items() if text == TEXT)
        silent = next(k for k, text in said.items() if text == "...")
        commentator.heard(first, 0.75)
        commentator.heard(second, 0.4)
        commentator.heard(silent, 1.0)  # it said nothing
        commentator.heard(99, 1.0)  # nobody's
        told = server.wait_for("playback.ack", 2)
        commentator.close()
    assert [(ack["played_ms"], ack.get("truncate", False)) for ack in told] == [(750, False), (400, True)]
    assert len({ack["response_id"] for ack in told}) == 2


def test_a_server_that_refuses_to_be_told_is_not_told_again():
    with realtime_server(turns=[LISTEN, list(WORDS)] * 100, refuses_ack=True) as server:
        commentator = asked(server)
        said = {k: text_of(commentator.comment(request(k, 10.0 * k))) for k in range(1, 20)}
        first, second, *_ = (k for k, text in said.items() if text == TEXT)
        commentator.heard(first, 0.5)
        server.wait_for("playback.ack")
        wait_until(lambda: not commentator._session.responses.acknowledges)
        commentator.heard(second, 0.5)
        assert text_of(commentator.comment(request(50, 500.0))) in (TEXT, "...")
        commentator.close()
    assert len(server.of("playback.ack")) == 1


def test_a_comment_that_is_cancelled_is_ended_at_the_server_and_the_next_goes_on():
    long = [f"word {k} " for k in range(500)]
    with realtime_server(turns=[long, LISTEN, list(WORDS)], at_once=False) as server:
        commentator = asked(server)
        comment = commentator.comment(request())
        while not next(comment).text:
            pass
        comment.close()
        (told,) = server.wait_for("response.cancel")
        assert told["response_id"].startswith("r")
        texts = [text_of(chunks) for chunks in comments(commentator, 3, from_s=50.0)]
        commentator.close()
    assert [text for text in texts if text != "..."] == [TEXT]


def test_a_comment_may_be_cancelled_while_the_model_decides():
    with realtime_server(turns=["silent "], at_once=False) as server:
        commentator = asked(server)
        comment = commentator.comment(request())
        assert next(comment).text == ""
        comment.close()
        commentator.close()
    assert not server.of("response.cancel") and not realtime_threads()


def test_speech_that_began_while_nobody_asked_is_heard_if_it_is_new_and_dropped_if_it_is_old(monkeypatch):
    with realtime_server(turns=[LISTEN, list(WORDS)]) as server:
        commentator = asked(server)
        comments(commentator, 1)
        wait_until(lambda: commentator._session.responses.current is not None)
        (new,) = comments(commentator, 1, from_s=20.0)
        commentator.close()
    assert text_of(new) == TEXT
    monkeypatch.setattr("commentator_lib.commentators.realtime.deciding._STALE_S", 0.0)
    with realtime_server(turns=[LISTEN, [f"{k} " for k in range(1000)]], at_once=False) as server:
        commentator = asked(server)
        comments(commentator, 1)
        wait_until(lambda: commentator._session.responses.current is not None)
        (old,) = comments(commentator, 1, from_s=20.0)
        server.wait_for("response.cancel")
        commentator.close()
    assert text_of(old) == "..."


def test_another_instruction_opens_another_session_and_the_same_does_not():
    with realtime_server(turns=[]) as server:
        commentator = asked(server)
        comments(commentator, 3)
        assert server.sessions == 2  # one to warm up
        other = request(9, 90.0)
        object.__setattr__(other, "standing", "Watch the cat.")
        assert text_of(commentator.comment(other)) == "..."
        commentator.close()
    told = [event["session"]["instructions"] for event in server.of("session.update")]
    assert told[1:] == ["Watch the dog.", "Watch the cat."]


# --- faults


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("closes", "the engine died"),
        ("error", "stale epoch (runtime_append_failed)"),
        ("cancelled", "barge_in"),
        ("expires", "idle_ttl_expired"),
    ],
)
def test_a_fault_in_mid_answer_costs_that_comment_alone(fault, words):
    with realtime_server(turns=[f"{fault} ", *[LISTEN, list(WORDS)] * 100]) as server:
        commentator = asked(server)
        text, error = failure(commentator)
        assert words in error and text in ("", "A dog runs ")
        assert TEXT in {text_of(chunks) for chunks in comments(commentator, 8, from_s=20.0)}
        commentator.close()


@pytest.mark.parametrize("turns", [["closes"], ["expires"], ["error"]])
def test_a_fault_before_any_word_costs_that_comment_alone(turns):
    with realtime_server(turns=[*turns, *[LISTEN, list(WORDS)] * 100]) as server:
        commentator = asked(server)
        assert failure(commentator)[0] == ""
        assert TEXT in {text_of(chunks) for chunks in comments(commentator, 8, from_s=20.0)}
        commentator.close()


def test_what_is_no_event_is_passed_over():
    with realtime_server(turns=["noevent"]) as server:
        commentator = asked(server)
        assert text_of(comments(commentator, 1)[0]) == "..."
        commentator.close()


@pytest.mark.parametrize("turns", [["silent"], ["silent "]])
def test_silence_for_ever_ends_the_comment_in_words(turns):
    with realtime_server(turns=turns, at_once=False) as server:
        commentator = asked(server, api_timeout_s=0.5)
        server.turns[:] = turns
        _, error = failure(commentator)
        assert "for 0.5 s (api_timeout_s)" in error
        commentator.close()


def test_words_without_sound_are_left_to_the_embedded_voice(caplog):
    with realtime_server(turns=[list(WORDS)], speaks_sound=False) as server:
        commentator = asked(server)
        assert commentator.has_voice
        (chunks,) = comments(commentator, 1)
        commentator.close()
    assert text_of(chunks) == TEXT and not commentator.has_voice and "without sound" in caplog.text


def test_responses_without_ids_are_heard_too():
    with realtime_server(turns=[LISTEN, list(WORDS)] * 100, ids=False) as server:
        commentator = asked(server)
        said = {k: text_of(commentator.comment(request(k, 10.0 * k))) for k in range(1, 10)}
        assert set(said.values()) == {TEXT, "..."}
        for number in said:
            commentator.heard(number, 0.5)  # there is nothing to name it by
        commentator.close()
    assert not server.of("playback.ack")


def test_a_server_that_is_not_in_duplex_is_warned_of(caplog):
    with realtime_server(duplex=False) as server:
        asked(server).close()
    assert "does not say that it is in duplex" in caplog.text


def test_a_server_that_opens_no_session_is_named():
    with realtime_server(opens=False) as server, pytest.raises(CommentatorError, match="no session in time"):
        asked(server, api_timeout_s=0.5)
    wait_until(lambda: not realtime_threads())


def test_a_wrong_key_is_refused_in_words_without_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with realtime_server(key="another") as server:
        commentator = RealtimeCommentator(settings_for(server.url))
        with pytest.raises(CommentatorError, match="OPENAI_API_KEY") as caught:
            commentator.warm_up()
        with pytest.raises(RealtimeError, match="OPENAI_API_KEY") as later:
            list(commentator.comment(request()))
        assert SECRET not in f"{caught.value} {later.value} {commentator!r} {vars(commentator)}"


def test_the_right_key_is_sent_and_shown_nowhere(caplog):
    caplog.set_level("DEBUG", "commentator_lib")
    with realtime_server(key=SECRET, turns=["error ", LISTEN]) as server:
        commentator = make_commentator(settings_for(server.url), SECRET)
        commentator.warm_up()
        _, error = failure(commentator)
        shown = f"{error} {commentator!r} {vars(commentator)} {caplog.text} {commentator.name}"
        commentator.close()
    assert SECRET not in shown
    assert set(server.logins) == {f"Bearer {SECRET}"}


def test_name_and_password_of_the_address_log_in():
    with realtime_server(turns=[]) as server:
        commentator = RealtimeCommentator(settings_for(server.url.replace("http://", "ws://me:pass-word@")))
        commentator.warm_up()
        commentator.close()
    basic = f"Basic {base64.b64encode(b'me:pass-word').decode()}"
    assert set(server.logins) == {basic}


def test_nothing_is_left_behind():
    with realtime_server(turns=[]) as server:
        commentator = asked(server)
        comments(commentator, 1)
        assert realtime_threads()
        commentator.close()
        commentator.close()
        assert not realtime_threads()
        comments(commentator, 1)  # opens another
        del commentator
        gc.collect()
        wait_until(lambda: not realtime_threads() and server.open_sessions == 0)


def test_a_server_that_is_not_there_is_named():
    from tests.commentators.openai.openai_server import free_port

    with pytest.raises(CommentatorError, match="nothing answers"):
        RealtimeCommentator(settings_for(f"http://127.0.0.1:{free_port()}/v1")).warm_up()


def test_a_recording_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CommentatorError, match="reference_audio_path"):
        RealtimeCommentator(settings_for("http://h/v1", reference_audio_path=str(tmp_path / "none.wav")))
    voice = tmp_path / "voice.wav"
    voice.write_bytes(b"RIFFvoice")
    with realtime_server() as server:
        asked(server, reference_audio_path=str(voice)).close()
    sent = server.of("session.update")[0]["session"]["ref_audio"]
    assert base64.b64decode(sent.partition(",")[2]) == b"RIFFvoice"
