"""An image-text model, with a tiny checkpoint, passes the tests of every commentator."""

from __future__ import annotations

import pytest

from commentator_lib.conformance import CommentatorConformance
from tests.commentators.vlm.conftest import SENTENCES


class TestVLM(CommentatorConformance):
    seconds = 3.0

    @pytest.fixture(autouse=True)
    def use_a_tiny_checkpoint(self, commentator):
        self.commentator = commentator

    def make(self):
        return self.commentator(says=SENTENCES)
