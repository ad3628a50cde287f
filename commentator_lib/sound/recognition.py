"""A spoken question becomes words, on this machine and without a network.

pocketsphinx (extra `listen`) brings its English model along. faster-whisper understands more and is taken where it is
installed and a model of it lies in the hub's cache; neither is downloaded here. What is recognised is a proposal: a
page shows it, so that it can be corrected before it is asked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

RATE_HZ = 16_000
LONGEST_S = 15.0

# The loudest 50 ms of what is taken for speech have at least this level (root mean square of ±1): −54 dBFS.
_LEAST_LEVEL = 0.002
_LEVEL_WINDOW = RATE_HZ // 20
_PEAK = 0.7  # a quiet microphone is amplified to this, by _MOST_GAIN at most
_MOST_GAIN = 60.0

_one_at_a_time = threading.Lock()


class NoRecogniser(RuntimeError):
    """Speech cannot be recognised on this machine; one line that says what is missing."""


def find_recogniser() -> str | None:
    """Return the name of what recognises speech here: "faster-whisper", "pocketsphinx", or None where nothing does."""
    if find_spec("faster_whisper") is not None and whisper_model() is not None:
        return "faster-whisper"
    return "pocketsphinx" if find_spec("pocketsphinx") is not None else None


def recognise(samples: np.ndarray) -> str:
    """Return the English words that are heard in `samples`, float32 (N,) at 16 kHz; "" for silence.

    What comes after the first 15 s is left out. The first call loads the model; calls from several threads wait for
    each other. Raise ValueError for sound of another shape or with values that are no numbers, NoRecogniser where
    nothing is installed that recognises speech.
    """
    sound = _prepared(samples)
    if sound is None:
        return ""
    name = find_recogniser()
    if name is None:
        raise NoRecogniser("speech cannot be recognised here: pip install 'commentator-lib[listen]'")
    with _one_at_a_time:
        return " ".join(_recogniser(name)(sound).split())


def _prepared(samples: np.ndarray) -> np.ndarray | None:
    """Return the first 15 s, float32 (N,), as loud as a recogniser wants it; None for silence."""
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(f"sound must be float32 (N,), and is {samples.dtype} {samples.shape}")
    sound = samples[: round(LONGEST_S * RATE_HZ)].astype(np.float32)
    if not np.isfinite(sound).all():
        raise ValueError("the sound holds values that are no numbers")
    windows = len(sound) // _LEVEL_WINDOW
    if windows == 0:
        return None
    power = np.square(sound[: windows * _LEVEL_WINDOW]).reshape(windows, -1).mean(axis=1)  # (windows,)
    if np.sqrt(power.max()) < _LEAST_LEVEL:
        return None
    return sound * min(_MOST_GAIN, _PEAK / float(np.abs(sound).max()))


@cache
def _recogniser(name: str) -> Callable[[np.ndarray], str]:
    """Return the function that recognises prepared sound; the first call loads the model."""
    return _faster_whisper() if name == "faster-whisper" else _pocketsphinx()


def _pocketsphinx() -> Callable[[np.ndarray], str]:
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL")

    def hear(sound: np.ndarray) -> str:
        decoder.start_utt()
        try:
            decoder.process_raw((sound * 32767).astype(np.int16).tobytes(), full_utt=True)
        finally:
            decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr if found is not None else ""

    return hear


def whisper_model() -> Path | None:
    """Return the folder of a faster-whisper model in the hub's cache, the smallest one; None where there is none."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    found = list(hub.glob("models--Systran--faster-*whisper-*/snapshots/*/model.bin"))
    return min(found, key=lambda path: (path.stat().st_size, str(path))).parent if found else None


def _faster_whisper() -> Callable[[np.ndarray], str]:
    from faster_whisper import WhisperModel  # pyright: ignore[reportMissingImports] - in no extra

    model = WhisperModel(str(whisper_model()), device="cpu", compute_type="int8", local_files_only=True)

    def hear(sound: np.ndarray) -> str:
        segments, _info = model.transcribe(sound, language="en", beam_size=1)
        return " ".join(segment.text for segment in segments)

    return hear
