"""Commentators of a realtime server on loopback, whose seconds pass faster, and helpers that read their comments."""

from __future__ import annotations

import time

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.realtime import connection, deciding
from commentator_lib.commentators.realtime.commentator import RealtimeCommentator
from commentator_lib.media import Frame
from commentator_lib.settings import load_settings

SECRET = "sk-this-must-be-seen-nowhere"
TEXT = "A dog runs across the green meadow."


@pytest.fixture(autouse=True)
def faster(monkeypatch):
    """Let a unit's second pass in a fiftieth of it, and nothing be late: nothing here judges how long it takes."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(connection, "UNIT_S", 0.02)
    monkeypatch.setattr(deciding, "_STALE_S", 60.0)


def settings_for(url, **changes):
    return load_settings(environment={}, commentator="realtime", api_base_url=url, **changes)


def asked(server, **changes):
    """Return a commentator that has opened a session for a moment."""
    commentator = RealtimeCommentator(settings_for(server.url, **changes))
    commentator.warm_up()
    return commentator


def frames(from_s=0.0, count=3):
    return [Frame(k, from_s + k, from_s + k, np.full((36, 64, 3), 40 * k, np.uint8)) for k in range(count)]


def request(number=1, from_s=0.0, **more):
    return CommentRequest(
        frames(from_s), "What happens?", 99, standing="Watch the dog.", number=number, **more
    )


def wait_until(holds, timeout_s=10.0):
    end_s = time.monotonic() + timeout_s
    while not holds() and time.monotonic() < end_s:
        time.sleep(0.01)
    assert holds()


def comments(commentator, count=4, from_s=0.0):
    """Return the chunks of so many comments, one list each."""
    return [list(commentator.comment(request(k + 1, from_s + 10 * k))) for k in range(count)]


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks)


def sound_of(chunks):
    parts = [chunk.audio.samples for chunk in chunks if chunk.audio is not None]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
