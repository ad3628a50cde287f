"""Keys and passwords are sent to the server and never shown."""

from __future__ import annotations

import base64
import json
import logging

import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.factory import load_commentator, make_commentator
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.login import hider
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from tests.commentators.openai.conftest import (
    SECRET,
    Moves,
    asked,
    failure,
    request,
    run,
    settings_for,
)
from tests.commentators.openai.openai_server import openai_server
from tests.conftest import ToneVoice


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


def test_a_key_that_is_given_is_sent_in_place_of_the_environments_and_seen_nowhere(
    monkeypatch, tmp_path, caplog
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-environment")
    with openai_server(key=SECRET, faults=[400], echoes_key=True) as server:
        settings, told = settings_for(server.url), []
        commentator = load_commentator(settings, told.append, api_key=f" {SECRET}\n")
        session = LiveSession(
            Moves(8),
            settings,
            commentator=commentator,
            voice=ToneVoice(),
            mode="replay",
            run_dir=tmp_path / "run",
            keep_commentator=True,
        ).run()
        assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {SECRET}"}
        commentator.close()
    assert "asking the server" in [loading.words for loading in told]
    assert (session.log.cycles.outcome == "spoken").any()
    shown = repr(commentator) + repr(vars(commentator)) + repr(session.settings) + repr(told)
    rows = json.dumps([dict(row) for row in session.log.cycle_rows], default=str)
    assert SECRET not in shown + rows + json.dumps(session.log.header) + caplog.text
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


def test_a_given_key_that_is_refused_or_cannot_be_one_is_not_shown():
    with openai_server(key="another", echoes_key=True) as server:
        with pytest.raises(CommentatorError, match=r"with Bearer \*\*\*; give a key that it takes") as caught:
            load_commentator(settings_for(server.url, model_path="seer"), api_key=SECRET)
        assert SECRET not in str(caught.value)
        with pytest.raises(CommentatorError, match="the given key holds characters") as caught:
            make_commentator(settings_for(server.url), api_key=f"{SECRET}€")
        assert SECRET not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize("none", [None, "", "  "])
def test_without_a_given_key_the_environments_is_sent(monkeypatch, none):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with openai_server(key=SECRET) as server:
        commentator = load_commentator(settings_for(server.url), api_key=none)
        list(commentator.comment(request()))
        commentator.close()
        assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {SECRET}"}


def test_other_commentators_ignore_a_key():
    commentator = make_commentator(Settings(commentator="scripted"), api_key=SECRET)
    assert SECRET not in repr(vars(commentator))


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
