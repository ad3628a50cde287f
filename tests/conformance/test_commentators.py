"""The library's own commentators pass the tests of every commentator."""

from __future__ import annotations

from commentator_lib.commentators.baseline.commentator import BaselineCommentator
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.conformance import CommentatorConformance
from tests.conftest import Says


class TestBaseline(CommentatorConformance):
    width, height = 320, 180
    seconds = 3.0

    def make(self):
        return BaselineCommentator(seed=0)


class TestScripted(CommentatorConformance):
    def make(self):
        return ScriptedCommentator(cost=CostModel(0.2, 0.05, 2.0, 0.5, 0.3), sound="tone")


class TestScriptedWithoutSound(CommentatorConformance):
    def make(self):
        return ScriptedCommentator(["Two cars.", "..."], sound=None)


class TestDouble(CommentatorConformance):
    def make(self):
        return Says("All is well here today.")
