"""The commentator that asks an OpenAI-compatible server, against a real one on loopback, with its faults."""

from __future__ import annotations

import base64
import json
import logging
import re
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from commentator_lib.commentators.base import CommentatorError, CommentRequest, StageTimes
from commentator_lib.commentators.openai import commentator as openai_api
from commentator_lib.commentators.openai.commentator import (
    Event,
    OpenAICommentator,
    OpenAIServerError,
    ThoughtFilter,
    backoff_s,
    hider,
    parse_event,
    parse_sse_line,
    retry_after_s,
    slices_s,
    split_login,
    sse_events,
)
from commentator_lib.media import Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import load_settings
from commentator_lib.sources.synthetic import SyntheticSource
from tests.commentators.openai.openai_server import free_port, line, openai_server, said
from tests.conftest import ToneVoice
from tests.test_project import ROOT, loaded_by

SECRET = "sk-this-must-be-seen-nowhere"
TEXT = "A dog runs across the green meadow."
DONE = b"data: [DONE]\n\n"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def settings_for(url, **changes):
    return load_settings(environment={}, commentator="openai", api_base_url=url, **changes)


def asked(server, **changes):
    """A commentator that has found its model, and the waits between its tries."""
    waits = []
    commentator = OpenAICommentator(settings_for(server.url, **changes), waits.append, lambda: 0.5)
    commentator.warm_up()
    return commentator, waits


def request(width=64, height=36):
    frames = [Frame(k, k, k, np.full((height, width, 3), 40 * k, np.uint8)) for k in range(3)]
    return CommentRequest(frames, "What happens?", 99)


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks)


def tokens_of(chunks):
    chunks = list(chunks)
    assert all(chunk.output_tokens >= 0 for chunk in chunks)
    return sum(chunk.output_tokens for chunk in chunks)


def failure(commentator):
    """(the text before it failed, what it failed with)."""
    got = []
    with pytest.raises(OpenAIServerError) as caught:
        for chunk in commentator.comment(request()):
            got.append(chunk)
    assert "\n" not in str(caught.value)
    return text_of(got), str(caught.value)


# --- a comment


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
    assert body["messages"][0]["content"][-1] == {"type": "text", "text": "What happens?"}
    assert all(chunk.audio is None for chunk in chunks) and not commentator.has_voice
    assert commentator.name == "openai: seer" and not waits


def test_frames_go_out_in_their_order_and_in_their_colours():
    def picture(url):
        data = base64.b64decode(url.partition(",")[2])
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    content = openai_api.build_messages(request().frames, "Well?")[0]["content"]
    levels = [picture(part["image_url"]["url"]).mean() for part in content[:-1]]
    assert levels == pytest.approx([0, 40, 80], abs=3)
    red = np.zeros((900, 600, 3), np.uint8)
    red[:, :, 0] = 200
    found = picture(openai_api.data_url(Frame(0, 0, 0, red)))
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
    monkeypatch.setattr(openai_api, "time", SimpleNamespace(perf_counter=lambda: next(now_s)))
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


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["<think>it moves</think>", "It moves."], "It moves."),
        (["<th", "ink>a", "b</th", "ink>\n\nIt ", "moves."], "It moves."),
        (["<b>It", " moves."], "<b>It moves."),
        (["<th"], "<th"),
        (["<think>never ends"], ""),
        (["It moves <think>not</think>."], "It moves <think>not</think>."),
    ],
)
def test_thoughts_in_front_are_not_said(pieces, words):
    thought = ThoughtFilter()
    assert "".join(thought.push(piece) for piece in pieces) + thought.rest() == words


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
        assert [("stream_options" in body) for body in server.requests] == [True, False, False]
        commentator.close()
    assert openai_api.refuses_usage(422, b'{"detail": [{"loc": ["body", "stream_options"]}]}')
    assert not openai_api.refuses_usage(400, b"too many images")


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


# --- what goes wrong, and is asked again


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


# --- what goes wrong, and is not


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
        (line({"choices": [{"delta": {"content": ["parts"]}}]}), "no chat's"),
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
    monkeypatch.setattr(openai_api, "data_url", lambda _frame: "data:image/jpeg;base64,AAAA")
    with openai_server() as server:
        commentator, _ = asked(server)
        assert "a picture is no JPEG" in failure(commentator)[1]
        commentator.close()


# --- before anything runs


@pytest.mark.parametrize(
    ("options", "changes", "words"),
    [
        ({}, {"model_path": "seers"}, "has no model seers; it has seer: set model_path"),
        ({"models": ["owl", "seer-2", "bat"]}, {"model_path": "seer"}, "it has seer-2, "),
        ({"models": ["a", "b"]}, {}, "set model_path=NAME .* it has a, b"),
        ({"models": []}, {}, "it has none"),
        ({"models": []}, {"model_path": "seer"}, "it has none"),
        ({"models": None}, {}, "set model_path=NAME .* does not list its models"),
        ({"models_status": 503}, {}, "does not list its models"),
        ({"models_status": 308}, {"model_path": "seer"}, "has moved"),
        ({"key": "k"}, {}, "401: invalid key; set OPENAI_API_KEY"),
        ({"key": "k", "forbids": 403}, {"model_path": "seer"}, "403: invalid key; set OPENAI_API_KEY"),
    ],
)
def test_what_the_server_lacks_is_told_before_anything_runs(options, changes, words):
    with openai_server(**options) as server:
        commentator = OpenAICommentator(settings_for(server.url, **changes))
        with pytest.raises(CommentatorError, match=words) as caught:
            commentator.warm_up()
        assert "\n" not in str(caught.value)
        commentator.close()


@pytest.mark.parametrize(
    ("options", "wanted", "found"),
    [
        ({"models": None}, "seer", "seer"),
        ({"models_status": 503}, "seer", "seer"),  # still loading: its comments are asked again
        ({"models": ["owl", "seer:latest"]}, "seer", "seer"),
        ({"models": ["owl"]}, "", "owl"),
    ],
)
def test_a_model_that_may_be_there_is_asked(options, wanted, found):
    with openai_server(**options) as server:
        commentator, _ = asked(server, model_path=wanted)
        assert text_of(commentator.comment(request())) == TEXT and server.requests[0]["model"] == found
        assert commentator.name == f"openai: {found}"
        commentator.close()


def test_nothing_there_is_one_line_with_its_mend():
    commentator = OpenAICommentator(settings_for(f"http://127.0.0.1:{free_port()}/v1"))
    with pytest.raises(
        CommentatorError, match="nothing answers at .*: start the server, or set api_base_url"
    ):
        commentator.warm_up()
    commentator.close()


def test_a_closed_commentator_can_be_warmed_up_again():
    with openai_server() as server:
        commentator, _ = asked(server)
        commentator.close()
        commentator.close()
        commentator.warm_up()
        assert text_of(commentator.comment(request())) == TEXT
        commentator.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:8000", "no http"),
        ("ftp://a/v1", "no http"),
        ("http://", "no http"),
        ("http://a:99999/v1", "no http"),
        ("http://[::1/v1", "no http"),
        ("http://ü..x/v1", "no http"),
        (f"http://a/v1?key={SECRET}", "OPENAI_API_KEY"),
        (f"http://me:p@{SECRET}@a/v1", "%40"),
        (f"http://me:1/{SECRET}@a/v1", "%2F"),
    ],
)
def test_what_is_no_url_is_refused_at_once(url, words):
    with pytest.raises(CommentatorError, match=words) as caught:
        OpenAICommentator(settings_for(url))
    assert SECRET not in str(caught.value)


def test_without_httpx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(CommentatorError, match=r"^.*pip install 'commentator-lib\[openai\]'$"):
        OpenAICommentator(settings_for("http://127.0.0.1:1/v1"))


def test_the_module_itself_needs_no_httpx():
    assert "httpx" not in loaded_by("import commentator_lib.commentators.openai.commentator")


def test_proxies_are_for_other_machines(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with openai_server() as server:
        commentator, _ = asked(server)
        assert text_of(commentator.comment(request())) == TEXT
        commentator.close()
    assert [
        openai_api.is_loopback(f"http://{host}/v1") for host in ("[::1]:8", "localhost", "10.0.0.1", "a")
    ] == [
        True,
        True,
        False,
        False,
    ]
    monkeypatch.setenv("ALL_PROXY", f"nonsense://me:{SECRET}@127.0.0.1:1")
    commentator = OpenAICommentator(settings_for("http://seer.example/v1"))
    with pytest.raises(CommentatorError, match="proxy") as caught:
        commentator.warm_up()
    assert SECRET not in str(caught.value)


# --- whole sessions


class Moves(SyntheticSource):
    def _schedule(self, rng, duration_s):
        return np.arange(int(duration_s) + 1) % len(self._pictures)


def run(server, seconds=12, folder=None, **changes):
    settings = settings_for(server.url, change_threshold=0.0, **changes)
    commentator = OpenAICommentator(settings, sleep=lambda _s: None)
    session = LiveSession(
        Moves(seconds), settings, commentator=commentator, voice=ToneVoice(), mode="replay", run_dir=folder
    )
    return session.run()


def test_a_whole_session_speaks_what_the_server_says():
    with openai_server() as server:
        cycles = run(server).log.cycles
    assert len(cycles) >= 3 and (cycles.outcome == "spoken").all() and (cycles.heard_text == TEXT).all()
    assert (cycles.prompt_tokens == 321).all() and (cycles.output_tokens == 17).all()
    assert (cycles[["preprocess_s", "prefill_s", "decode_s"]] >= 0).all(axis=None)
    assert (cycles.speech_s > 0).all()


def test_a_session_outlives_a_server_that_fails_every_second_time():
    with openai_server(faults=[400, ""] * 20) as server:
        cycles = run(server, 20).log.cycles
    assert len(cycles) >= 4
    assert list(cycles.outcome) == [("failed", "spoken")[k % 2] for k in range(len(cycles))]
    reasons = set(cycles[cycles.outcome == "failed"].reason)
    assert reasons == {"OpenAIServerError: the server answered 400: the fault that was asked for"}


def test_what_was_said_before_a_cut_stays():
    words = ["The dog runs. ", "It is quick. ", "never", "heard"]
    with openai_server(faults=["cut"] * 20, words=words) as server:
        session = run(server, 8)
    first = session.log.cycles.iloc[0]
    assert first.text == "The dog runs." and first.speech_s > 0 and "broke off" in first.reason


def test_a_live_session_speaks(tmp_path):
    with openai_server() as server:
        settings = settings_for(server.url, change_threshold=0.0, delay_init_s=0.2)
        session = LiveSession(Moves(2), settings, voice=ToneVoice(), run_dir=tmp_path / "run").run()
    assert session.log.cycles.iloc[0].outcome == "spoken" and session.log.cycles.iloc[0].text == TEXT


def test_bad_input_on_the_command_line_is_one_line_and_exit_code_2(tmp_path):
    closed = f"http://127.0.0.1:{free_port()}/v1"
    for url, words in ((closed, "nothing answers"), ("nonsense", "no http")):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "commentator_lib",
                "run",
                "synthetic:5",
                "--no-video",
                "--out",
                str(tmp_path),
                "--set",
                "commentator=openai",
                "--set",
                f"api_base_url={url}",
                "--set",
                "model_path=seer",
            ],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
        )
        drawn = re.split(r"[\r\n]+", done.stderr)
        lines = [text for text in drawn if text.strip() and not text.startswith("picture shown:")]
        assert done.returncode == 2 and len(lines) == 1, done.stderr
        assert lines[0].startswith("commentator: ") and words in lines[0]


# --- what nobody may see


def test_the_key_is_sent_and_seen_nowhere(monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", f" {SECRET}\n")  # as out of a file
    with openai_server(key=SECRET, faults=[400, "", 500, 500, 500], echoes_key=True) as server:
        session = run(server, 16, tmp_path / "run")
        assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {SECRET}"}
        commentator, _ = asked(server)
        assert SECRET not in repr(commentator) + repr(vars(commentator)) + commentator.name
        commentator.close()
        for model in (f"x{SECRET}", ""):
            server.models = [f"with-{SECRET}", "b"]
            commentator = OpenAICommentator(settings_for(server.url, model_path=model))
            with pytest.raises(CommentatorError) as caught:
                commentator.warm_up()
            assert SECRET not in str(caught.value)
            commentator.close()
    reasons = session.log.cycles[session.log.cycles.outcome == "failed"].reason
    assert len(reasons) == 2 and reasons.str.contains("with Bearer ***", regex=False).all()
    assert (session.log.cycles.outcome == "spoken").any()
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert "run.json" in [path.name for path in files]
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
    rows = [json.dumps(row, default=str) for row in session.log.cycle_rows]
    assert SECRET not in "".join(rows) + json.dumps(session.log.header) + caplog.text


def test_a_key_that_is_refused_is_not_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with openai_server(key="another", echoes_key=True) as server:
        commentator = OpenAICommentator(settings_for(server.url, model_path="seer"))
        with pytest.raises(CommentatorError, match=r"invalid key with Bearer \*\*\*") as caught:
            commentator.warm_up()
        assert SECRET not in str(caught.value)
        assert SECRET not in failure(commentator)[1]
        commentator.close()


def test_a_key_that_cannot_be_one_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET}€")
    commentator = OpenAICommentator(settings_for("http://127.0.0.1:1/v1"))
    with pytest.raises(CommentatorError, match="set it anew") as caught:
        commentator.warm_up()
    assert SECRET not in str(caught.value)


def test_a_password_in_the_url_is_sent_and_seen_nowhere(monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", "of-another-server")
    with openai_server(faults=[400], echoes_key=True) as server:
        url = server.url.replace("http://", f"http://me:{SECRET}%40@")
        settings = settings_for(url, model_path="")
        commentator = OpenAICommentator(settings)
        assert commentator.name == f"openai: {server.url}"  # the model is not known yet
        session = LiveSession(
            Moves(8),
            settings,
            commentator=commentator,
            voice=ToneVoice(),
            mode="replay",
            run_dir=tmp_path / "run",
        ).run()
        sent = base64.b64encode(f"me:{SECRET}@".encode()).decode()
        assert {headers["Authorization"] for headers in server.headers} == {f"Basic {sent}"}
        assert repr(vars(commentator)).count("Login()") == 1
    everything = "".join(path.read_text("utf-8", "replace") for path in (tmp_path / "run").rglob("*.json*"))
    reasons = session.log.cycles.reason
    assert reasons.str.contains("with Basic ***", regex=False).sum() == 1
    everything += "".join(reasons) + json.dumps(session.log.header) + repr(vars(commentator)) + caplog.text
    for secret in (SECRET, sent, "of-another-server"):
        assert secret not in everything


def test_secrets_are_hidden_whole_before_a_line_is_cut():
    shown = hider([SECRET, SECRET[:8], "", "x"])
    assert shown(f"a\n {SECRET}\x1b b x") == "a *** b x"
    for padding in range(260, 310):
        text = shown("-" * padding + SECRET)
        assert "sk" not in text and len(text) <= 300


def test_small_functions():
    assert parse_sse_line("data: {}") == "{}" and parse_sse_line("data:{}") == "{}"
    assert [parse_sse_line(text) for text in (": hello", "", "event: x", "data")] == [None] * 4
    assert list(sse_events([b"data: a\r", b"\ndata: b\r\n\r\n", b"data: {}"])) == ["", "a\nb", "", "{}"]
    assert list(sse_events([b'data: {"cut'])) == [""]
    assert parse_event('{"usage": {"prompt_tokens": 1, "completion_tokens": true}}') == Event(prompt_tokens=1)
    assert openai_api.server_message(b"<html>gone\n away</html>") == "<html>gone away</html>"
    assert openai_api.server_message(json.dumps({"error": "no"}).encode()) == "no"
    assert openai_api.server_message(b"") == "it does not say why"
    assert openai_api.beginning(iter([b"abc", b"def", b"ghi"]), 4) == b"abcd"
    base, login = split_login("https://a:b%2Fc@host:1/v1/")
    assert (base, login.user, login.password) == ("https://host:1/v1", "a", "b/c")
    assert split_login("https://host/v1") == ("https://host/v1", None)
