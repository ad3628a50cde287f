"""Whether to speak, by a server's probabilities: what is asked, what they come to, and servers that give none."""

from __future__ import annotations

import json
import math

import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.judging import NoLogprobs, first_token_chances, number_of
from commentator_lib.commentators.openai.refusals import OpenAIServerError
from commentator_lib.session import LiveSession
from commentator_lib.settings import SettingsError
from commentator_lib.sources.synthetic import SyntheticSource
from tests.commentators.openai.conftest import SECRET, asked, request, run, settings_for
from tests.commentators.openai.openai_server import openai_server


def completion(chances):
    """Return a chat completion in which these first tokens have these probabilities."""
    top = [{"token": token, "logprob": math.log(p)} for token, p in chances.items()]
    content = [{**top[0], "top_logprobs": top}] if top else []
    choice = {
        "message": {"role": "assistant", "content": next(iter(chances), "")},
        "logprobs": {"content": content},
    }
    return {"object": "chat.completion", "choices": [choice]}


def answers(*bodies):
    """Return faults that let the server answer with these bodies."""
    return [json.dumps(body).encode() for body in bodies]


def test_one_token_is_asked_for_with_the_likeliest_in_its_place():
    with openai_server(faults=answers(completion({"...": 0.7, "A": 0.3}))) as server:
        commentator, _ = asked(server, temperature=0.3)
        assert commentator.judge(request(), "first-token", "") == pytest.approx(0.7)
        commentator.close()
    body = server.requests[0]
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"], body["temperature"]) == (
        1,
        True,
        20,
        1.0,
    )
    assert "stream" not in body and body["messages"][-1]["content"][-1]["text"] == "What happens?"
    assert len(server.pictures[0]) == 3


@pytest.mark.parametrize(
    ("rule", "chances", "number"),
    [
        ("first-token", {"...": 0.5, " ...": 0.2, "…": 0.1, "A": 0.2}, 0.8),
        ("first-token", {"A": 0.9, "The": 0.1}, 0.0),
        ("yes-no", {"Yes": 0.3, " yes": 0.1, "No": 0.1, "Well": 0.5}, 0.8),
        ("yes-no", {"no": 0.9}, 0.0),
        ("perplexity", {"A": 0.9}, None),
    ],
)
def test_what_the_probabilities_come_to(rule, chances, number):
    found = number_of(rule, first_token_chances(json.dumps(completion(chances)).encode()))
    assert found == (None if number is None else pytest.approx(number))


def test_an_answer_with_neither_yes_nor_no_is_an_error_of_one_line():
    with pytest.raises(OpenAIServerError, match="neither yes nor no"):
        number_of("yes-no", {"Well": 0.9})


@pytest.mark.parametrize("content", [b"", b"nothing", b"[]", b"{}", b'{"choices": []}', b'{"choices": 3}'])
def test_what_is_no_completion_is_an_error(content):
    with pytest.raises(OpenAIServerError, match="no chat's"):
        first_token_chances(content)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": [{"token": "A", "logprob": 0.0}]},
        {"content": [{"top_logprobs": [{"token": "A"}]}]},
    ],
)
def test_a_server_that_ignores_logprobs_is_told_in_one_line(logprobs):
    body = json.dumps({"choices": [{"message": {"content": "A"}, "logprobs": logprobs}]}).encode()
    with pytest.raises(NoLogprobs, match="gives no probabilities .* set speak_when") as caught:
        first_token_chances(body)
    assert "\n" not in str(caught.value)


def test_a_server_without_them_is_refused_before_the_session_begins():
    with openai_server(faults=answers({"choices": [{"message": {"content": "A"}}]})) as server:
        commentator = OpenAICommentator(settings_for(server.url, speak_when="yes-no"))
        with pytest.raises(CommentatorError, match="^http.*gives no probabilities") as caught:
            commentator.warm_up()
        commentator.close()
    assert "\n" not in str(caught.value) and len(server.requests) == 1


def test_a_server_that_is_busy_at_the_start_is_no_reason_to_refuse_it():
    with openai_server(faults=[503]) as server:
        commentator, _ = asked(server, speak_when="first-token")
        commentator.close()
    with openai_server() as server:  # by change, nothing is tried
        commentator, _ = asked(server)
        commentator.close()
    assert not server.requests


@pytest.mark.parametrize(("fault", "reason"), [(503, "answered 503"), ("cut before", "no JSON")])
def test_a_request_that_fails_is_not_repeated_and_hides_the_key(monkeypatch, fault, reason):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with openai_server(key=SECRET, echoes_key=True, faults=[fault]) as server:
        commentator, waits = asked(server)
        with pytest.raises(OpenAIServerError, match=reason) as caught:
            commentator.judge(request(), "first-token", "")
        commentator.close()
    assert SECRET not in str(caught.value) and "\n" not in str(caught.value)
    assert len(server.requests) == 1 and not waits


def test_a_session_speaks_where_the_server_finds_something_new():
    quiet, new = completion({"...": 0.9, "A": 0.1}), completion({"...": 0.1, "A": 0.9})
    # the try at the start, the first comment, then two slots without a reason and one with
    faults = [*answers(quiet), "", *answers(quiet, quiet, new), "", *answers(*[quiet] * 40)]
    with openai_server(faults=faults, numbered=True) as server:
        session = run(server, speak_when="first-token")
    cycles = session.log.cycles.sort_values("cycle")
    assert list(cycles.outcome[:4]) == ["spoken", "unchanged", "unchanged", "spoken"]
    assert list(cycles.decided_value[1:4].round(2)) == [0.9, 0.9, 0.1]
    assert (cycles.decide_pass_s[1:] > 0).all()


def test_perplexity_is_refused():
    with openai_server() as server:
        settings = settings_for(server.url, speak_when="perplexity", model_path="seer")
        with pytest.raises(SettingsError, match="first-token, yes-no or events"):
            LiveSession(SyntheticSource(5.0), settings, commentator=OpenAICommentator(settings))
