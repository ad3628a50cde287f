"""The lines of `commentator check` about voices."""

from __future__ import annotations

import shutil

import pytest

from commentator_lib.checks import voices as module
from commentator_lib.checks.voices import voice_state_lines
from commentator_lib.settings import VOICES, Settings
from commentator_lib.voices import piper


def lines(**settings):
    return {line.what: line for line in voice_state_lines(Settings(**settings))}


def test_each_voice_has_a_line_with_its_languages():
    found = lines()
    assert list(found)[:4] == [f"voice {name}" for name in VOICES]
    assert found["voice hibari"].ok and found["voice hibari"].found == "speaks English"


@pytest.mark.parametrize(("chosen", "ok"), [("hibari", None), ("espeak-ng", False)])
def test_a_program_that_is_missing_is_a_fault_only_where_it_is_chosen(chosen, ok, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    line = lines(voice=chosen)["voice espeak-ng"]
    assert line.ok is ok and "apt install espeak-ng" in line.fix


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(piper, "find_spec", lambda _name: None)
    line = lines()["voice piper"]
    assert line.ok is None and "commentator-lib[piper]" in line.fix


def test_a_server_is_asked_only_where_it_is_chosen_and_its_secrets_are_hidden(monkeypatch):
    pytest.importorskip("httpx")
    asked = []
    monkeypatch.setattr(
        module, "ask_models", lambda base: (asked.append(base), (None, None, "does not answer"))[1]
    )
    url = "http://me:secret@127.0.0.1:9/v1"
    assert lines(voice_base_url=url)["voice openai"].ok is None and asked == []
    line = lines(voice="openai", voice_base_url=url)["voice openai"]
    assert line.ok is False and asked == [url] and "secret" not in line.found
    monkeypatch.setattr(module, "ask_models", lambda _base: (200, ["tts"], ""))
    assert lines(voice="openai", voice_base_url=url)["voice openai"].ok


def test_somebodys_own_voice_is_looked_at_where_it_is_chosen():
    line = lines(voice="tests.conftest:ToneVoice")["voice tests.conftest:ToneVoice"]
    assert line.ok and line.found == "speaks what its model does"
    line = lines(voice="tests.conftest:NoSuchVoice")["voice tests.conftest:NoSuchVoice"]
    assert line.ok is False and "NoSuchVoice" in line.fix + line.found
