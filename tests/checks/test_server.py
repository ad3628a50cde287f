"""The lines about a server: whether it answers is tested with the other checks; here, whether it speaks."""

from __future__ import annotations

import pytest

from commentator_lib.checks.server import ask_speech, speech_lines
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.settings import load_settings
from experiments.benchmarks import words_speech
from experiments.benchmarks.words_servers import Reply, chat_server, said
from experiments.benchmarks.words_speech import asks_for_sound


def settings(**changes):
    return load_settings(environment={}, **{"commentator": "openai", **changes})


def speaks(body):
    return Reply(words_speech.wav_events() if asks_for_sound(body) else said("Hello."))


@pytest.mark.parametrize(
    ("reply", "words"),
    [(speaks, "yes, 24 kHz, audio events"), (lambda _body: Reply(said("Hello.")), "text only")],
)
def test_a_server_is_asked_whether_it_speaks(reply, words):
    with chat_server(reply) as url:
        (line,) = speech_lines(settings(api_base_url=url), True)
    assert line.ok and line.found == f"speaks: {words}"


def test_a_server_that_is_to_speak_and_does_not_is_a_fault():
    with chat_server(lambda _body: Reply(said("Hello."))) as url:
        (line,) = speech_lines(settings(api_base_url=url, api_speech="on"), True)
    assert line.ok is False and "does not speak" in line.found and line.fix
    with pytest.raises(CommentatorError):
        ask_speech(settings(api_base_url="http://127.0.0.1:1/v1"))


@pytest.mark.parametrize(
    ("changes", "answers"),
    [
        ({"commentator": "baseline"}, True),
        ({"speech": False}, True),
        ({"api_speech": "off"}, True),
        ({}, False),
    ],
)
def test_nobody_is_asked_in_vain(changes, answers):
    assert speech_lines(settings(**changes), answers, lambda _settings: pytest.fail("was asked")) == []
