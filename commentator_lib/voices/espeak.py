"""espeak-ng, where the system has it: over a hundred languages, robotic, and ready in hundredths of a second.

It is a program of its own (GPL), started once for each sentence; its sound is read from its standard output.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Self

from commentator_lib.media import AudioChunk, trim_silence
from commentator_lib.settings import Settings
from commentator_lib.voices.base import Voice, VoiceError
from commentator_lib.voices.excitement import excitement, louder
from commentator_lib.voices.languages import base_code
from commentator_lib.voices.wav import SoundReader

PROGRAM = "espeak-ng"
_WORDS_PER_MINUTE = 175  # the program's default
_LONGEST_S = 20.0  # a sentence takes hundredths
NOT_INSTALLED = (
    "voice=espeak-ng needs the program espeak-ng: apt install espeak-ng, or brew install espeak-ng"
)
_CHINESE = {"zh": "cmn"}  # its name of the language


@cache
def voices_of(program: str) -> dict[str, str]:
    """Return the language of each voice of the program at this path, by the name that chooses it; {} where it fails.

    Languages choose a voice too, so that each stands for itself.
    """
    try:
        done = subprocess.run(
            [program, "--voices"], capture_output=True, text=True, timeout=_LONGEST_S, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found: dict[str, str] = {}
    for line in done.stdout.splitlines()[1:]:
        if len(columns := line.split()) >= 4:
            language, name = columns[1], columns[3]
            found[language] = language
            found.setdefault(name, language)
    return found


def languages_of(program: str) -> tuple[str, ...]:
    """Return the languages of the program at this path, without regions, sorted."""
    return tuple(sorted({base_code(language) for language in voices_of(program).values()}))


class EspeakVoice(Voice):
    """The system's espeak-ng in one language; `voice` names one of its voices, and goes before the language.

    Raise VoiceError where it is not installed, or has no such voice or language.
    """

    name = "espeak-ng"
    sample_rate_hz = 22_050

    def __init__(self, language: str = "", voice: str = "", speed: float = 1.0) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise VoiceError(NOT_INSTALLED)
        self._program = program
        self._voice, spoken = choose_voice(voices_of(program), language or "en", voice)
        self.languages = (spoken,)
        self._speed = speed
        self._importance = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.language, settings.voice_name, settings.voice_speed)

    def set_importance(self, importance: int) -> None:
        self._importance = importance

    def speak(self, text: str) -> Iterator[AudioChunk]:
        if not any(c.isalnum() for c in text):
            return
        faster, gain_db = excitement(self._importance)
        speed = round(_WORDS_PER_MINUTE * self._speed * faster)
        try:
            done = subprocess.run(
                [self._program, "-v", self._voice, "-s", str(speed), "-b", "1", "-z", "--stdin", "--stdout"],
                input=text.encode(),
                capture_output=True,
                timeout=_LONGEST_S,
            )
        except subprocess.TimeoutExpired:
            raise VoiceError(f"espeak-ng did not end within {_LONGEST_S:g} s") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise VoiceError(f"espeak-ng failed: {said[0] if said else f'exit code {done.returncode}'}")
        sound = SoundReader(self.sample_rate_hz).push(done.stdout)
        if sound is not None:
            trimmed = trim_silence(sound)
            if len(trimmed.samples):
                yield AudioChunk(louder(trimmed.samples, gain_db), sound.sample_rate_hz)


def choose_voice(voices: dict[str, str], language: str, name: str = "") -> tuple[str, str]:
    """Return (the voice, its language's code) for a voice's name, else for a language, else for that without region.

    `voices`: as `voices_of` returns it. Raise VoiceError where there is none.
    """
    if name:
        if name not in voices:
            raise VoiceError(f"espeak-ng has no voice {name!r}: espeak-ng --voices lists them")
        return name, base_code(voices[name])
    wanted = [language.lower(), base_code(language), _CHINESE.get(base_code(language), "")]
    for code in wanted:
        if code in voices:
            return code, base_code(language)
    regions = sorted(code for code in voices.values() if base_code(code) == base_code(language))
    if regions:
        best = "en-us" if "en-us" in regions else regions[0]
        return best, base_code(language)
    raise VoiceError(f"espeak-ng does not speak {language!r}: espeak-ng --voices lists its languages")
