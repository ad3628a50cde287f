"""The commentator of a server: its checks before a run, and whole sessions with it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.login import is_loopback
from commentator_lib.session import LiveSession
from tests.commentators.openai.conftest import (
    SECRET,
    TEXT,
    Moves,
    asked,
    request,
    run,
    settings_for,
    text_of,
)
from tests.commentators.openai.openai_server import free_port, openai_server
from tests.conftest import ToneVoice
from tests.test_project import ROOT, loaded_by


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


def test_nothing_there_is_one_line_with_its_fix():
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
    assert [is_loopback(f"http://{host}/v1") for host in ("[::1]:8", "localhost", "10.0.0.1", "a")] == [
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


def test_a_whole_session_speaks_what_the_server_says():
    with openai_server(numbered=True) as server:
        cycles = run(server).log.cycles
    assert len(cycles) >= 3 and (cycles.outcome == "spoken").all()
    assert list(cycles.heard_text) == [f"{TEXT[:-1]} {k + 1} times." for k in range(len(cycles))]
    assert (cycles.prompt_tokens == 321).all() and (cycles.output_tokens == 17).all()
    assert (cycles[["preprocess_s", "prefill_s", "decode_s"]] >= 0).all(axis=None)
    assert (cycles.speech_s > 0).all()


def test_a_session_outlives_a_server_that_fails_every_second_time():
    with openai_server(faults=[400, ""] * 20, numbered=True) as server:
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


@pytest.mark.realtime
def test_a_live_session_speaks(tmp_path):
    with openai_server() as server:
        settings = settings_for(server.url, change_threshold=0.0, delay_init_s=0.2)
        session = LiveSession(Moves(2), settings, voice=ToneVoice(), run_dir=tmp_path / "run").run()
    assert session.log.cycles.iloc[0].outcome == "spoken" and session.log.cycles.iloc[0].text == TEXT


@pytest.mark.slow
def test_a_run_whose_comments_all_failed_says_so_at_once_and_exits_3(tmp_path):
    with openai_server(trial=404, faults=[404] * 50, refusal="the model is not loaded") as server:
        arguments = ["run", "synthetic:6", "--no-video", "--out", str(tmp_path), "--mode", "replay"]
        chosen = ["commentator=openai", f"api_base_url={server.url}", "change_threshold=0"]
        done = subprocess.run(
            [sys.executable, "-m", "commentator_lib", *arguments, *(w for c in chosen for w in ("-s", c))],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=100,
        )
    assert done.returncode == 3, done.stderr
    told = [text for text in re.split(r"[\r\n]+", done.stderr) if text.startswith("commentator: ")]
    assert len(told) == 2, done.stderr
    assert told[0].startswith("commentator: comment 1 failed: ") and "the model is not loaded" in told[0]
    assert told[1].startswith("commentator: every comment failed: ")


@pytest.mark.slow
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
