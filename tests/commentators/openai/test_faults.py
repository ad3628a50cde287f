"""A server with faults: which requests are repeated, and which are not."""

from __future__ import annotations

import logging

import pytest

from commentator_lib.commentators.openai import messages
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.retry import backoff_s, retry_after_s, slices_s
from tests.commentators.openai.conftest import (
    TEXT,
    asked,
    failure,
    request,
    settings_for,
    text_of,
)
from tests.commentators.openai.openai_server import free_port, line, openai_server, said


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 504, "cut before", b"", line(said("half"))[:20]])
def test_what_may_pass_is_asked_again(fault):
    with openai_server(faults=[fault, fault]) as server:
        commentator, waits = asked(server, api_retries=2)
        assert text_of(commentator.comment(request())) == TEXT and len(server.requests) == 3
        assert sum(waits) == pytest.approx(0.375 + 0.75)
        server.faults = [fault] * 3
        failure(commentator)
        assert len(server.requests) == 6
        commentator.close()


def test_each_retry_is_logged_with_its_wait_and_its_reason(caplog):
    caplog.set_level(logging.INFO, "commentator_lib.commentators.openai")
    with openai_server(faults=[503, 503]) as server:
        commentator, _waits = asked(server, api_retries=2)
        assert text_of(commentator.comment(request())) == TEXT
        commentator.close()
    lines = [line for record in caplog.records if "asked again" in (line := record.getMessage())]
    assert len(lines) == 2 and all(record.levelname == "INFO" for record in caplog.records)
    assert lines[0].startswith("the server is asked again in 0.4 s, retry 1: the server answered 503")
    assert lines[1].startswith("the server is asked again in 0.8 s, retry 2: the server answered 503")


def test_the_servers_own_wait_is_kept_to():
    with openai_server(faults=[429, 503], retry_after="3") as server:
        commentator, waits = asked(server)
        assert text_of(commentator.comment(request())) == TEXT
        assert sum(waits) == pytest.approx(6.0)
        server.faults, server.retry_after = [429], "3600"
        assert text_of(commentator.comment(request())) == TEXT
        assert sum(waits) == pytest.approx(26.0)  # an hour is more than anybody waits
        commentator.close()


def test_how_long_is_waited():
    assert [backoff_s(k, None, 0.0) for k in range(3)] == [0.25, 0.5, 1.0]
    assert [backoff_s(k, None, 1.0) for k in (0, 1, 30)] == [0.5, 1.0, 20.0]
    assert backoff_s(0, 3600.0, 0.5) == 20.0 and backoff_s(5, 0.0, 0.5) == 0.0
    assert slices_s(0.0) == [0.0] and slices_s(0.25) == [0.25] and slices_s(0.6) == pytest.approx([0.2] * 3)
    assert (
        retry_after_s("7", 0.0) == 7.0
        and retry_after_s("1.5", 0.0) == 1.5
        and retry_after_s("-1", 0.0) == 0.0
    )
    assert retry_after_s("Thu, 01 Jan 1970 00:01:40 GMT", 60.0) == 40.0
    assert [retry_after_s(value, 0.0) for value in ("", "soon", "inf", "nan")] == [None] * 4


def test_clients_do_not_come_back_together():
    with openai_server(faults=[500, "", 500, ""]) as server:
        sums = []
        for _ in range(2):
            waits = []
            commentator = OpenAICommentator(settings_for(server.url, model_path="seer"), waits.append)
            assert text_of(commentator.comment(request())) == TEXT
            sums.append(sum(waits))
            commentator.close()
    assert all(0.25 <= total <= 0.5 for total in sums) and sums[0] != sums[1]


def test_a_wait_between_tries_can_be_cancelled():
    with openai_server(faults=[500, 500]) as server:
        commentator, waits = asked(server)
        chunks = commentator.comment(request())
        assert next(chunks).text == ""
        chunks.close()
        assert len(waits) == 1 and len(server.requests) == 1
        commentator.close()


def test_a_server_that_says_nothing_is_asked_again_and_given_up():
    with openai_server(faults=["slow", "slow", ""]) as server:
        commentator, waits = asked(server, api_timeout_s=0.2, api_retries=1)
        text, words = failure(commentator)
        assert text == "" and "no answer for 0.2 s (api_timeout_s)" in words and len(server.requests) == 2
        assert text_of(commentator.comment(request())) == TEXT and len(waits) == 2
        commentator.close()


def test_a_server_that_has_gone_away_is_named():
    commentator = OpenAICommentator(
        settings_for(f"http://127.0.0.1:{free_port()}/v1", model_path="seer", api_retries=1),
        (waits := []).append,
        lambda: 0.0,
    )
    assert "cannot connect" in failure(commentator)[1] and waits == [0.25]
    commentator.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cut", "broke off"),
        ("stall", "api_timeout_s"),
        ("bad json", "bad JSON in its stream: {not json}"),
        ("error event", "the engine died"),
    ],
)
def test_what_breaks_off_after_its_first_words_is_not_asked_again(fault, words):
    with openai_server(faults=[fault]) as server:
        commentator, waits = asked(server, api_timeout_s=0.3)
        text, problem = failure(commentator)
        assert text == "A dog runs " and words in problem and not waits and len(server.requests) == 1
        assert text_of(commentator.comment(request())) == TEXT  # the next one is well
        commentator.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (b"data: {not\n\n", "bad JSON in its stream: {not"),
        (b"data: [1]\n\n", "no chat's"),
        (line({"choices": [{"delta": {"content": [7]}}]}), "no chat's"),
        (line({"choices": ["x"]}), "no chat's"),
        (line({"error": {"message": "it is\nno picture", "code": 400}}), "it is no picture"),
        (line({"error": "gone"}), "gone"),
        ([b"data: " + b"x" * 600_000] * 2, "does not end"),
    ],
)
def test_nonsense_is_not_asked_again(fault, words):
    with openai_server(faults=[fault]) as server:
        commentator, waits = asked(server)
        assert words in failure(commentator)[1] and not waits and len(server.requests) == 1
        commentator.close()


def test_an_error_in_the_stream_that_may_pass_is_asked_again():
    with openai_server(faults=[line({"error": {"message": "overrun", "code": 503}})]) as server:
        commentator, waits = asked(server)
        assert text_of(commentator.comment(request())) == TEXT and waits
        commentator.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_asked_again_and_says_why(status):
    with openai_server(faults=[status]) as server:
        commentator, waits = asked(server)
        text, words = failure(commentator)
        assert f"the server answered {status}: the fault that was asked for" in words and text == ""
        assert ("set OPENAI_API_KEY" in words) == (status in (401, 403))
        assert not waits and len(server.requests) == 1
        commentator.close()


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
def test_an_answer_that_is_no_stream_is_named(kind):
    with openai_server(content_type=kind) as server:
        commentator, waits = asked(server)
        assert "not with a stream" in failure(commentator)[1] and not waits
        commentator.close()


def test_a_picture_that_is_no_jpeg_would_be_noticed(monkeypatch):
    monkeypatch.setattr(messages, "data_url", lambda _frame: "data:image/jpeg;base64,AAAA")
    with openai_server() as server:
        commentator, _ = asked(server)
        assert "a picture is no JPEG" in failure(commentator)[1]
        commentator.close()
