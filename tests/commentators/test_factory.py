"""Commentators that are made and loaded by their names."""

from __future__ import annotations

import pytest

from commentator_lib.commentators.base import Commentator, CommentatorError, CommentChunk, Loading
from commentator_lib.commentators.baseline.commentator import BaselineCommentator
from commentator_lib.commentators.factory import load_commentator
from commentator_lib.settings import Settings


class Loads(Commentator):
    """Notes what is done with it."""

    name = "loads"
    made: list[Loads] = []

    def __init__(self):
        self.done = []
        self.made.append(self)

    def expect_frames(self, width, height):
        self.done.append((width, height))

    def warm_up(self):
        self.say_loading("reading", 0.5)
        self.done.append("warm")

    def close(self):
        self.done.append("closed")

    def comment(self, request):
        yield CommentChunk("...")


class Fails(Loads):
    def warm_up(self):
        raise CommentatorError("no weights")


def test_commentator_is_loaded_for_frames_of_its_size_and_tells_how_it_gets_on():
    told = []
    settings = Settings(commentator="tests.commentators.test_factory:Loads")
    commentator = load_commentator(settings, told.append, size=(1280, 720))
    assert commentator.done == [(1280, 720), "warm"] and commentator.on_loading is None
    assert told == [Loading("looking for what it needs"), Loading("reading", 0.5)]


def test_commentator_that_cannot_be_loaded_is_closed():
    with pytest.raises(CommentatorError, match="no weights"):
        load_commentator(Settings(commentator="tests.commentators.test_factory:Fails"))
    assert Loads.made[-1].done == [(640, 360), "closed"]


def test_nobody_need_listen():
    assert load_commentator(Settings(commentator="scripted")).name == "scripted"


def test_baseline_tells_what_it_opens():
    told = []
    commentator = load_commentator(Settings(), told.append)
    assert isinstance(commentator, BaselineCommentator)
    assert [loading.words for loading in told][1] == "opening the detector"
    shares = [loading.share for loading in told if loading.share is not None]
    assert shares == sorted(shares)
    commentator.close()
