"""The commentator of a server passes the tests of every commentator."""

from __future__ import annotations

import pytest

from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.conformance import CommentatorConformance
from tests.commentators.openai.conftest import settings_for
from tests.commentators.openai.openai_server import openai_server


class TestOpenAI(CommentatorConformance):
    seconds = 3.0

    @pytest.fixture(autouse=True)
    def use_a_server(self):
        with openai_server() as server:
            self.settings = settings_for(server.url)
            yield

    def make(self):
        return OpenAICommentator(self.settings)
