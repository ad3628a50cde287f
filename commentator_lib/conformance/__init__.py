"""Tests for your own source, commentator, voice, player or watcher. Subclass one, and write `make`:

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
from commentator_lib.conformance.watcher import WatcherConformance

__all__ = [
    "CommentatorConformance",
    "PlayerConformance",
    "SourceConformance",
    "VoiceConformance",
    "WatcherConformance",
]
