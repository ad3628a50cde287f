"""Commentators that ask a server on loopback, and helpers that read their comments."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.refusals import OpenAIServerError
from commentator_lib.media import Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import load_settings
from commentator_lib.sources.synthetic import SyntheticSource
from tests.conftest import ToneVoice

SECRET = "sk-this-must-be-seen-nowhere"
TEXT = "A dog runs across the green meadow."
DONE = b"data: [DONE]\n\n"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def settings_for(url, **changes):
    return load_settings(environment={}, commentator="openai", api_base_url=url, **changes)


def asked(server, **changes):
    """Return a commentator that has found its model, and the list of waits between its tries, in seconds."""
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
    """Return (the text before it failed, its error)."""
    got = []
    with pytest.raises(OpenAIServerError) as caught:
        for chunk in commentator.comment(request()):
            got.append(chunk)
    assert "\n" not in str(caught.value)
    return text_of(got), str(caught.value)


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
