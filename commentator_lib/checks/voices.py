"""Which voices can be chosen on this machine, in which languages, and what the others lack: one line for each.

It is looked whether they are there: their packages, files and programs. A speech server is asked for its models where
it is chosen, and never to speak, since each word of it may cost money. parts.py lets the embedded voice speak.
"""

from __future__ import annotations

import shutil

from commentator_lib.checks.line import CheckLine, state
from commentator_lib.checks.server import ask_models
from commentator_lib.errors import named_first_line
from commentator_lib.redact import redact_url
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.voices.espeak import PROGRAM, languages_of
from commentator_lib.voices.factory import known_voices, make_voice
from commentator_lib.voices.languages import names_of


def voice_state_lines(settings: Settings) -> list[CheckLine]:
    """Return a line for each voice that can be named, the one of the settings included. Raise nothing."""
    known = known_voices()
    names = [*known, *([settings.voice] if settings.voice not in known else [])]
    return [_line(name, settings, known.get(name, "your own class")) for name in names]


def _line(name: str, settings: Settings, origin: str) -> CheckLine:
    chosen = name == settings.voice
    what = f"voice {name}"
    if origin != "built in" and not chosen:  # code of others is imported only where it is asked for
        return CheckLine(True, what, f"from {origin}")
    own: dict[str, str] = {} if chosen else {"voice_name": "", "language": ""}
    try:
        voice = make_voice(settings.changed(voice=name, **own))
        speaks = f"speaks {names_of(voice.languages)}" if voice.languages else "speaks what its model does"
        if name == "espeak-ng":
            return CheckLine(True, what, f"{speaks}; {_espeak_languages()}")
        if name == "openai":
            return _server_line(what, settings, chosen)
    except SettingsError as error:
        found, _, fix = str(error).partition(": ")
        return CheckLine(state(False, chosen), what, found, fix)
    except Exception as error:  # a damaged installation may fail in any way, and the others are still told
        return CheckLine(state(False, chosen), what, named_first_line(error), "install it anew")
    return CheckLine(True, what, speaks)


def _espeak_languages() -> str:
    languages = languages_of(shutil.which(PROGRAM) or PROGRAM)
    return f"set language for one of {len(languages)}: {', '.join(languages)}"


def _server_line(what: str, settings: Settings, chosen: bool) -> CheckLine:
    base = settings.voice_base_url or settings.api_base_url
    shown = redact_url(base).split("?")[0]
    if not chosen:
        return CheckLine(None, what, f"speaks what its model does; {shown} is asked where it is chosen")
    status, _names, problem = ask_models(base)
    if status is None:
        return CheckLine(False, what, f"{shown} {problem}", "start the server, or set voice_base_url")
    return CheckLine(True, what, f"speaks what its model does; {shown} answers")
