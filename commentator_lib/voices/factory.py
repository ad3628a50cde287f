"""Make the voice that the settings name: the built-in one, an installed one, or a class by its dotted name."""

from __future__ import annotations

from collections.abc import Callable

from commentator_lib.errors import named_first_line
from commentator_lib.plugins import PluginError, known_names, load_class
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.voices.base import Voice, VoiceError


def _hibari(settings: Settings) -> Voice:
    from commentator_lib.voices.hibari import HibariVoice

    return HibariVoice.from_settings(settings)


def _piper(settings: Settings) -> Voice:
    from commentator_lib.voices.piper import PiperVoice

    return PiperVoice.from_settings(settings)


def _espeak(settings: Settings) -> Voice:
    from commentator_lib.voices.espeak import EspeakVoice

    return EspeakVoice.from_settings(settings)


def _openai(settings: Settings) -> Voice:
    from commentator_lib.voices.openai import OpenAIVoice

    return OpenAIVoice.from_settings(settings)


# The built-in voices. Their names are also in `settings.VOICES`, which checks what users write.
_BUILT_IN: dict[str, Callable[[Settings], Voice]] = {
    "hibari": _hibari,
    "piper": _piper,
    "espeak-ng": _espeak,
    "openai": _openai,
}


def known_voices() -> dict[str, str]:
    """Return the name of every voice that the settings may name → where it comes from."""
    return known_names("voices", dict.fromkeys(_BUILT_IN, "built in"))


def make_voice(settings: Settings) -> Voice:
    """Return the voice that the settings name. Text-only runs have it too, since speech can be switched on.

    Raise SettingsError for a class that cannot be imported or is no Voice, and for a voice that this machine lacks.
    """
    make = _BUILT_IN.get(settings.voice)
    try:
        if make is not None:
            return make(settings)
        return load_class(settings.voice, "voices", Voice).from_settings(settings)
    except SettingsError:
        raise
    except VoiceError as error:
        raise SettingsError(str(error)) from None
    except PluginError as error:
        raise SettingsError(f"voice: {error}") from None
    except Exception as error:  # code of others, which may fail in any way
        reason = named_first_line(error)
        raise SettingsError(f"voice: {settings.voice} cannot be made: {reason}") from error
