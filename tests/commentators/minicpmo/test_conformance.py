"""MiniCPM-o's commentator, with a tiny model, passes the tests of every commentator."""

from __future__ import annotations

import pytest

from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator
from commentator_lib.conformance import CommentatorConformance
from tests.commentators.minicpmo.conftest import settings_for

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("real_vocoder_on_a_cpu")]


class TestMiniCPMO(CommentatorConformance):
    seconds = 3.0

    @pytest.fixture(autouse=True)
    def use_the_tiny_checkpoint(self, checkpoints):
        self.settings = settings_for(checkpoints["bf16"], temperature=0.0)

    def make(self):
        return MiniCPMOCommentator(self.settings)
