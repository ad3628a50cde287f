"""Tests for your own source, commentator, voice or player. Subclass one, and write `make`:

    from commentator_lib.conformance import VoiceConformance

    class TestMyVoice(VoiceConformance):
        def make(self):
            return MyVoice()

pytest finds the inherited tests. They use plain asserts and need no pytest.
"""

from __future__ import annotations

from commentator_lib.conformance.commentator import CommentatorConformance
from commentator_lib.conformance.player import PlayerConformance
from commentator_lib.conformance.source import SourceConformance
from commentator_lib.conformance.voice import VoiceConformance

__all__ = ["CommentatorConformance", "PlayerConformance", "SourceConformance", "VoiceConformance"]
