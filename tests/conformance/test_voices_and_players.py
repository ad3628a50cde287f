"""The library's own voice and players pass the tests of every voice and player."""

from __future__ import annotations

import pytest

from commentator_lib.conformance import PlayerConformance, VoiceConformance
from commentator_lib.players.base import Player
from commentator_lib.players.headless import HeadlessPlayer
from commentator_lib.voices.hibari import HibariVoice
from tests.conftest import ToneVoice


class TestHibari(VoiceConformance):
    def make(self):
        return HibariVoice()


class TestVoiceDouble(VoiceConformance):
    def make(self):
        return ToneVoice()


class TestHeadless(PlayerConformance):
    def make(self):
        return HeadlessPlayer()


@pytest.mark.realtime
class TestLivePlayer(PlayerConformance):
    real_time = True

    def make(self):
        return pytest.importorskip(
            "commentator_lib.players.browser", reason="needs the extra notebooks"
        ).LivePlayer()


class ShowsOnly(Player):
    """A player with only the required members."""

    name = "shows only"

    def show(self, frame, due_at_s):
        pass


class TestShowsOnly(PlayerConformance):
    def make(self):
        return ShowsOnly()
