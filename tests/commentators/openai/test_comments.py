"""Comments from an OpenAI-compatible server on loopback, in all forms in which servers send them."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from commentator_lib.commentators.base import StageTimes
from commentator_lib.commentators.openai import answers, messages
from commentator_lib.commentators.openai import commentator as commentator_module
from commentator_lib.commentators.openai.answers import Event, parse_event
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.login import split_login
from commentator_lib.commentators.openai.refusals import beginning, server_message
from commentator_lib.commentators.openai.stream import parse_sse_line, sse_events
from commentator_lib.media import Frame
from tests.commentators.openai.conftest import (
    DONE,
    TEXT,
    asked,
    failure,
    request,
    settings_for,
    text_of,
    tokens_of,
)
from tests.commentators.openai.openai_server import line, openai_server, said


def test_frames_and_prompt_go_out_and_words_come_as_they_are_said():
    with openai_server() as server:
        commentator, waits = asked(server, temperature=0.3)
        chunks = list(commentator.comment(request(1600, 900)))
        commentator.close()
    assert [chunk.text for chunk in chunks if chunk.text] == server.words and text_of(chunks) == TEXT
    body = server.requests[0]
    assert (body["model"], body["max_tokens"], body["temperature"], body["stream"]) == ("seer", 99, 0.3, True)
    assert body["stream_options"] == {"include_usage": True} and len(body["messages"]) == 1
    assert server.pictures == [[(768, 432)] * 3]
    assert body["messages"][-1]["content"][-1] == {"type": "text", "text": "What happens?"}
    assert all(chunk.audio is None for chunk in chunks) and not commentator.has_voice
    assert commentator.name == "openai: seer" and not waits


def test_frames_go_out_in_their_order_and_in_their_colours():
    def picture(url):
        data = base64.b64decode(url.partition(",")[2])
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    content = messages.build_messages(request())[0]["content"]
    levels = [picture(part["image_url"]["url"]).mean() for part in content[:-1]]
    assert levels == pytest.approx([0, 40, 80], abs=3)
    red = np.zeros((900, 600, 3), np.uint8)
    red[:, :, 0] = 200
    found = picture(messages.data_url(Frame(0, 0, 0, red)))
    assert found.shape == (768, 512, 3)  # the longer side is the one that counts
    assert found.mean((0, 1)) == pytest.approx([0, 0, 200], abs=8)  # OpenCV: blue, green, red


def test_tokens_come_to_the_servers_own_count():
    with openai_server() as server:
        commentator, _ = asked(server)
        chunks = list(commentator.comment(request()))
        assert tokens_of(chunks) == 17 and tokens_of(chunks[:-1]) == 4
        assert chunks[-1].prompt_tokens == 321 and chunks[-1].text == ""
        assert all(chunk.prompt_tokens is None and chunk.stage_times is None for chunk in chunks[:-1])
        server.usage = {"prompt_tokens": 5, "completion_tokens": 2}  # fewer than it sent
        assert tokens_of(commentator.comment(request())) == 4
        server.usage = {
            "prompt_tokens": "5",
            "completion_tokens": None,
        }  # a count that is none costs no comment
        chunks = list(commentator.comment(request()))
        assert text_of(chunks) == TEXT and tokens_of(chunks) == 4 and chunks[-1].prompt_tokens is None
        commentator.close()


def test_a_try_that_failed_is_part_of_the_count():
    lost = line({"choices": [{"delta": {"reasoning_content": "hm"}}]}) * 3  # and cut before the first text
    with openai_server(faults=[lost]) as server:
        commentator, waits = asked(server)
        chunks = list(commentator.comment(request()))
        assert text_of(chunks) == TEXT and tokens_of(chunks) == 17 and waits
        commentator.close()


def test_stages_are_timed_from_the_request_to_the_first_token_and_on(monkeypatch):
    now_s = iter([10.0, 10.5, 20.0, 23.0, 31.0])  # start, JPEGs made, sent, first token, end
    for timed in (commentator_module, answers):
        monkeypatch.setattr(timed, "time", SimpleNamespace(perf_counter=lambda: next(now_s), monotonic=float))
    body = line({"choices": [{"delta": {"role": "assistant", "content": ""}}]}) + line(said("Hello there."))
    with openai_server(faults=[body + DONE]) as server:
        commentator = OpenAICommentator(settings_for(server.url, model_path="seer"), lambda _s: None)
        last = list(commentator.comment(request()))[-1]
        commentator.close()
    assert last.stage_times == StageTimes(preprocess_s=0.5, prefill_s=3.0, decode_s=8.0)


@pytest.mark.parametrize(
    ("packets", "words"),
    [
        ([line(said("One. ")) + line(said("Two.")), DONE], "One. Two."),
        ([bytes([byte]) for byte in line(said("進球 ¡gol! 🎉")) + DONE], "進球 ¡gol! 🎉"),
        ([line(said("one\u2028two\x85three")) + DONE], "one\u2028two\x85three"),
        ([line(said("Windows")).replace(b"\n", b"\r\n") + DONE], "Windows"),
        ([b'data: {"choices":\ndata: [{"delta": {"content": "Two lines."}}]}\n\n', DONE], "Two lines."),
        ([b": ping\n\nevent: x\nid: 1\n\n\n", b"data:" + line(said("Close up."))[6:], DONE], "Close up."),
        ([line(said("No blank line."))[:-1] + b"data: [DONE]"], "No blank line."),
        ([line(said("No end.", finish_reason="stop"))], "No end."),
        ([line(said("No end.", finish_reason="stop")).rstrip()], "No end."),
        ([DONE, line(said("never said"))], ""),
        ([line({"choices": None}) + line(said("")) + line(said("Bare.")) + DONE], "Bare."),
        ([line({"choices": [{"delta": {"reasoning": "hm"}}]}), line(said("Seen.")) + DONE], "Seen."),
        ([line(said("<think>hm")) + line(said(" so</think>\n\nSeen.")) + DONE], "Seen."),
    ],
)
def test_a_stream_is_understood_however_it_is_written_and_cut(packets, words):
    with openai_server(faults=[packets]) as server:
        commentator, waits = asked(server)
        assert text_of(commentator.comment(request())) == words and not waits
        commentator.close()


def test_every_packet_of_a_thinking_model_gives_a_chunk_to_be_cancelled_at():
    thought = line({"choices": [{"delta": {"reasoning_content": "hm"}}]})
    with openai_server(faults=[[b": ping\n\n", thought, thought, line(said("Seen.")) + DONE]]) as server:
        commentator, _ = asked(server)
        chunks = list(commentator.comment(request()))
        commentator.close()
    before = [chunk.text for chunk in chunks].index("Seen.")
    assert before >= 2 and tokens_of(chunks) == 3


@pytest.mark.parametrize("delta", [{"reasoning_content": "hm"}, {"content": "<think>hm"}])
def test_a_model_that_only_thinks_is_told_of(delta):
    body = line({"choices": [{"delta": delta}]}) + line(said("", finish_reason="length")) + DONE
    with openai_server(faults=[body]) as server:
        commentator, waits = asked(server)
        assert "all its 99 tokens on thinking" in failure(commentator)[1] and not waits
        commentator.close()


def test_stream_options_are_left_out_where_they_are_not_known():
    with openai_server(takes_stream_options=False) as server:
        commentator, waits = asked(server, api_retries=0)
        chunks = list(commentator.comment(request()))
        assert text_of(chunks) == TEXT and tokens_of(chunks) == 4
        assert chunks[-1].prompt_tokens is None and not waits
        list(commentator.comment(request()))
        asked_for = [("stream_options" in body) for body in server.trials + server.requests]
        assert asked_for == [True, False, False, False]
        commentator.close()


def test_a_refusal_of_stream_options_is_believed_once():
    with openai_server(faults=[400, 400], refusal="stream_options are bad") as server:
        commentator, waits = asked(server)
        assert "stream_options are bad" in failure(commentator)[1]
        assert len(server.requests) == 2 and not waits
        commentator.close()


def test_closing_the_iterator_hangs_up():
    with openai_server(faults=["endless"]) as server:
        commentator, _ = asked(server)
        chunks = commentator.comment(request())
        while not next(chunks).text:
            pass
        chunks.close()
        assert server.hung_up.wait(10)
        assert text_of(commentator.comment(request())) == TEXT
        commentator.close()


def test_small_functions():
    assert parse_sse_line("data: {}") == "{}" and parse_sse_line("data:{}") == "{}"
    assert [parse_sse_line(text) for text in (": hello", "", "event: x", "data")] == [None] * 4
    assert list(sse_events([b"data: a\r", b"\ndata: b\r\n\r\n", b"data: {}"])) == ["", "a\nb", "", "{}"]
    assert list(sse_events([b'data: {"cut'])) == [""]
    assert parse_event('{"usage": {"prompt_tokens": 1, "completion_tokens": true}}') == Event(prompt_tokens=1)
    assert server_message(b"<html>gone\n away</html>") == "<html>gone away</html>"
    assert server_message(json.dumps({"error": "no"}).encode()) == "no"
    assert server_message(b"") == "it does not say why"
    assert beginning(iter([b"abc", b"def", b"ghi"]), 4) == b"abcd"
    base, login = split_login("https://a:b%2Fc@host:1/v1/")
    assert (base, login.user, login.password) == ("https://host:1/v1", "a", "b/c")
    assert split_login("https://host/v1") == ("https://host/v1", None)
