"""Which language the comments are to be in, and whether the voice can speak it: known before a run begins."""

from __future__ import annotations

from commentator_lib.settings import Settings
from commentator_lib.voices.base import Voice
from commentator_lib.voices.languages import base_code, language_name, names_of


def spoken_language(settings: Settings, voice: Voice | None) -> str:
    """Return the code of the language that is asked for: the one that is set, else the voice's own; "" for any.

    `voice`: what speaks the comments; None where the commentator speaks them itself.
    """
    speaks = voice is not None and settings.speech and voice.languages
    return settings.language or (voice.languages[0] if speaks and voice is not None else "")


def language_problem(settings: Settings, voice: Voice | None) -> str:
    """Return in one line that the voice does not speak the language that is set; "" where it does or may."""
    wanted = settings.language
    if voice is None or not settings.speech or not wanted or not voice.languages:
        return ""
    if base_code(wanted) in map(base_code, voice.languages):
        return ""
    speaks = names_of(voice.languages)
    return f"voice {voice.name} speaks {speaks} and not {language_name(wanted)}: what it cannot read is shown alone"
