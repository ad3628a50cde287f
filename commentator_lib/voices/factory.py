"""Makes the voice that the settings name."""

from __future__ import annotations

from commentator_lib.settings import Settings
from commentator_lib.voices.base import Voice


def make_voice(_settings: Settings) -> Voice:
    """The voice that the settings name. Text-only mode has it too, since speech can be switched on."""
    from commentator_lib.voices.hibari import HibariVoice

    return HibariVoice()
