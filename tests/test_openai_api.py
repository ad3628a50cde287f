"""The commentator that asks an OpenAI-compatible server, against a real one on loopback, with its faults."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from commentator_lib.capture import MadeSource
from commentator_lib.commentators import openai_api
from commentator_lib.commentators.base import CommentatorError, CommentRequest
from commentator_lib.commentators.openai_api import (
    OpenAICommentator,
    OpenAIServerError,
    ThoughtFilter,
    backoff_s,
)
from commentator_lib.config import load_settings
from commentator_lib.media import Frame
from commentator_lib.session import LiveSession
from tests.doubles import ToneVoice
from tests.openai_server import free_port, openai_server

ROOT = Path(__file__).resolve().parent.parent
SECRET = "sk-this-must-be-seen-nowhere"
TEXT = "A dog runs across the green meadow."


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def settings_for(url, **changes):
    return load_settings(environment={}, commentator="openai", api_base_url=url, **changes)


def asked(server, **changes):
    """A commentator that has found its model, and the waits between its tries."""
    waits = []
    commentator = OpenAICommentator(settings_for(server.url, **changes), sleep=waits.append)
    commentator.warm_up()
    return commentator, waits


def request(width=64, height=36):
    frames = [Frame(k, k, k, np.full((height, width, 3), 40 * k, np.uint8)) for k in range(3)]
    return CommentRequest(frames, "What happens?", 99)


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks)


def test_frames_and_prompt_go_out_and_words_come_as_they_are_said():
    with openai_server() as server:
        commentator, waits = asked(server, temperature=0.3)
        chunks = list(commentator.comment(request(1600, 900)))
        commentator.close()
    assert [chunk.text for chunk in chunks[:-1]] == server.words and text_of(chunks) == TEXT
    body = server.requests[0]
    assert (body["model"], body["max_tokens"], body["temperature"], body["stream"]) == ("seer", 99, 0.3, True)
    assert server.pictures == [[(768, 432)] * 3]
    assert body["messages"][0]["content"][-1] == {"type": "text", "text": "What happens?"}
    assert sum(chunk.output_tokens for chunk in chunks) == 17 and chunks[-1].prompt_tokens == 321
    assert set(chunks[-1].stage_s) == {"preprocess", "prefill", "decode"} and not waits
    assert commentator.name == "openai: seer"


def test_small_frames_keep_their_size_and_colours():
    image = np.zeros((36, 64, 3), np.uint8)
    image[:, :, 0] = 200  # red
    import base64

    import cv2

    data = base64.b64decode(openai_api.data_url(Frame(0, 0, 0, image)).partition(",")[2])
    blue, green, red = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).mean((0, 1))
    assert red > 180 and green < 30 and blue < 30


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 504, "cut before"])
def test_what_may_pass_is_asked_again(fault):
    with openai_server(faults=[fault, fault]) as server:
        commentator, waits = asked(server, api_retries=2)
        chunks = list(commentator.comment(request()))
        assert text_of(chunks) == TEXT and len(server.requests) == 3
        assert 0.7 <= sum(waits) <= 1.6  # 0.5 s and 1 s, half of each drawn
        server.faults = [fault] * 3
        with pytest.raises(OpenAIServerError):
            list(commentator.comment(request()))
        assert len(server.requests) == 6
        commentator.close()


def test_the_servers_own_wait_is_kept_to():
    with openai_server(faults=[429], retry_after="3") as server:
        commentator, waits = asked(server)
        assert text_of(commentator.comment(request())) == TEXT
        commentator.close()
    assert sum(waits) == pytest.approx(3.0)
    assert backoff_s(0, 3600.0, 0.5) == 20.0 and backoff_s(30, None, 1.0) == 20.0
    assert [backoff_s(k, None, 0.0) for k in range(3)] == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("fault", "words"),
    [("cut", "broke off"), ("bad json", "no JSON"), ("error event", "the engine died")],
)
def test_what_breaks_off_after_its_first_words_is_not_asked_again(fault, words):
    with openai_server(faults=[fault]) as server:
        commentator, waits = asked(server)
        got = []
        with pytest.raises(OpenAIServerError, match=words):
            got += iter_into(got, commentator.comment(request()))
        assert text_of(got) == "A dog runs " and not waits and len(server.requests) == 1
        assert text_of(commentator.comment(request())) == TEXT  # the next one is well
        commentator.close()


def iter_into(got, chunks):
    for chunk in chunks:
        got.append(chunk)
    return []


def test_a_refusal_is_not_asked_again_and_says_why():
    with openai_server(faults=[422]) as server:
        commentator, waits = asked(server)
        with pytest.raises(OpenAIServerError, match="422: the fault that was asked for"):
            list(commentator.comment(request()))
        assert not waits and len(server.requests) == 1
        commentator.close()


def test_a_server_that_says_nothing_is_given_up():
    with openai_server(faults=["slow"]) as server:
        commentator, _ = asked(server, api_timeout_s=0.3, api_retries=0)
        with pytest.raises(OpenAIServerError, match="api_timeout_s"):
            list(commentator.comment(request()))
        commentator.close()


def test_a_server_that_has_gone_away_is_named():
    with openai_server() as server:
        commentator, waits = asked(server, api_retries=1)
    commentator.close()  # its connection is kept alive by a thread of the server that ends with the test
    with pytest.raises(OpenAIServerError, match="refused"):
        list(commentator.comment(request()))
    assert waits
    commentator.close()


def test_stream_options_are_left_out_where_they_are_not_known():
    with openai_server(takes_stream_options=False) as server:
        commentator, waits = asked(server)
        chunks = list(commentator.comment(request()))
        assert text_of(chunks) == TEXT and sum(chunk.output_tokens for chunk in chunks) == 4
        assert chunks[-1].prompt_tokens is None and not waits
        list(commentator.comment(request()))
        assert [("stream_options" in body) for body in server.requests] == [True, False, False]
        commentator.close()


def test_closing_the_iterator_hangs_up():
    with openai_server(faults=["endless"]) as server:
        commentator, _ = asked(server)
        chunks = commentator.comment(request())
        for _ in range(5):
            next(chunks)
        chunks.close()
        assert server.hung_up.wait(10)
        assert text_of(commentator.comment(request())) == TEXT
        commentator.close()


def test_a_wait_between_tries_can_be_cancelled():
    with openai_server(faults=[500, 500]) as server:
        commentator, waits = asked(server)
        chunks = commentator.comment(request())
        assert next(chunks).text == ""
        chunks.close()
        assert len(waits) == 1 and len(server.requests) == 1
        commentator.close()


def test_letters_of_several_bytes_come_whole():
    with openai_server(words=["進球了", " – ", "¡gol! 🎉"]) as server:
        commentator, _ = asked(server)
        assert [chunk.text for chunk in commentator.comment(request())][:3] == ["進球了", " – ", "¡gol! 🎉"]
        commentator.close()


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["<think>it moves</think>", "It moves."], "It moves."),
        (["<th", "ink>a", "b</th", "ink>\n\nIt ", "moves."], "It moves."),
        (["<b>It", " moves."], "<b>It moves."),
        (["<th"], "<th"),
        (["<think>never ends"], ""),
        (["It moves."], "It moves."),
    ],
)
def test_thoughts_in_front_are_not_said(pieces, said):
    thought = ThoughtFilter()
    assert "".join(thought.push(piece) for piece in pieces) + thought.rest() == said


@pytest.mark.parametrize(
    ("options", "changes", "words"),
    [
        ({}, {"model_path": "seers"}, "has no model seers; it has seer"),
        ({"models": ["a", "b"]}, {}, "it has a, b"),
        ({"models": None}, {}, "does not list its models"),
        ({"key": "k"}, {}, "set OPENAI_API_KEY"),
    ],
)
def test_what_the_server_lacks_is_told_before_anything_runs(options, changes, words):
    with openai_server(**options) as server:
        commentator = OpenAICommentator(settings_for(server.url, **changes))
        with pytest.raises(CommentatorError, match=words) as caught:
            commentator.warm_up()
        assert "\n" not in str(caught.value)
        commentator.close()


def test_a_server_without_a_list_is_taken_at_its_word():
    with openai_server(models=None) as server:
        commentator, _ = asked(server, model_path="seer")
        assert text_of(commentator.comment(request())) == TEXT
        commentator.close()


def test_what_is_no_url_is_refused_at_once():
    for url in ("localhost:8000", "ftp://a/v1", "http://"):
        with pytest.raises(CommentatorError, match="no http"):
            OpenAICommentator(settings_for(url))


class Moves(MadeSource):
    def _schedule(self, rng, duration_s):
        return np.arange(int(duration_s) + 1) % len(self._pictures)


def run(server, seconds=12, folder=None, **changes):
    settings = settings_for(server.url, change_threshold=0.0, **changes)
    commentator = OpenAICommentator(settings, sleep=lambda _s: None)
    session = LiveSession(
        Moves(seconds), settings, commentator=commentator, voice=ToneVoice(), mode="replay", run_dir=folder
    )
    return session.run()


def test_a_whole_session_speaks_what_the_server_says_and_outlives_its_failures():
    with openai_server() as server:
        cycles = run(server).log.cycles
    assert len(cycles) >= 3 and (cycles.outcome == "spoken").all() and (cycles.heard_text == TEXT).all()
    assert (cycles.prompt_tokens == 321).all() and (cycles.output_tokens == 17).all()
    with openai_server(faults=[400, "", 400, "", 400, "", 400]) as server:
        cycles = run(server, 16).log.cycles
    assert {"spoken", "failed"} == set(cycles.outcome)
    assert (
        cycles[cycles.outcome == "failed"]
        .reason.str.contains("OpenAIServerError: the server answered 400")
        .all()
    )


def test_the_key_is_sent_and_seen_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with openai_server(key=SECRET, faults=[400]) as server:
        session = run(server, 8, tmp_path / "run")
        assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"
        commentator = OpenAICommentator(settings_for(server.url))
        commentator.warm_up()
        assert SECRET not in repr(commentator) + repr(vars(commentator)) + commentator.name
        commentator.close()
    assert (session.log.cycles.outcome == "spoken").any()
    for path in (tmp_path / "run").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    with openai_server(key=SECRET) as server:
        commentator = OpenAICommentator(settings_for(server.url.replace("http://", f"http://me:{SECRET}@")))
        with pytest.raises(CommentatorError) as caught:
            commentator.warm_up()
        assert SECRET not in str(caught.value) + commentator.name
        commentator.close()
        settings = settings_for(server.url.replace("http://", f"http://me:{SECRET}@"), model_path="seer")
        session = LiveSession(Moves(5), settings, run_dir=tmp_path / "other")
        assert SECRET not in (tmp_path / "other" / "run.json").read_text() + json.dumps(session.log.header)


def test_bad_input_on_the_command_line_is_one_line_and_exit_code_2():
    closed = f"http://127.0.0.1:{free_port()}/v1"
    for url, words in ((closed, "nothing answers"), ("nonsense", "no http")):
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run(
                [sys.executable, "-m", "commentator_lib", "run", "made:5", "--no-video", "--out", out,
                 "--set", "commentator=openai", "--set", f"api_base_url={url}", "--set", "model_path=seer"],
                capture_output=True, text=True, cwd=ROOT, timeout=60,
            )  # fmt: skip
        lines = [line for line in done.stderr.splitlines() if line.startswith("commentator:")]
        assert done.returncode == 2 and len(lines) == 1 and words in lines[0], done.stderr


def test_small_functions():
    assert openai_api.sse_data("data: {}") == "{}" and openai_api.sse_data(": hello") is None
    assert openai_api.server_message(b"<html>gone\n away</html>") == "<html>gone away</html>"
    assert openai_api.server_message(json.dumps({"error": "no"}).encode()) == "no"
    assert openai_api.split_login("https://a:b@host:1/v1") == ("https://host:1/v1", ("a", "b"))
