"""Spoken questions become words; silence does not."""

from __future__ import annotations

import sys
import threading
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soxr

import commentator_lib.sound.recognition as module
from commentator_lib.media import to_float32
from commentator_lib.sound.recognition import LONGEST_S, RATE_HZ, NoRecogniser, find_recogniser, recognise
from commentator_lib.voices.hibari import HibariVoice

needs_pocketsphinx = pytest.mark.skipif(find_spec("pocketsphinx") is None, reason="needs the extra listen")
QUESTIONS = [
    "Who has the ball?",
    "What is the score now?",
    "How many people are in the picture?",
    "Where is the goalkeeper standing?",
    "Why did they stop the game?",
]


@pytest.fixture(autouse=True)
def no_whisper(monkeypatch, tmp_path):
    """Hide a cache of this machine that may hold models, and load anew."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def spoken():
    """Return each question in the embedded voice, float32 (N,) at 16 kHz, with a moment of silence around it."""
    voice, quiet = HibariVoice(), np.zeros(RATE_HZ // 4, np.float32)

    def speak(question):
        chunks = list(voice.speak(question))
        sound = np.concatenate([to_float32(chunk.samples) for chunk in chunks])
        sound = soxr.resample(sound, chunks[0].sample_rate_hz, RATE_HZ)
        return np.concatenate([quiet, sound, quiet]).astype(np.float32)

    return {question: speak(question) for question in QUESTIONS}


def plain_words(text):
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def word_errors(said, heard):
    """Return the least number of words that were changed, added or left out."""
    row = list(range(len(heard) + 1))
    for k, word in enumerate(said, 1):
        last, row = row, [k]
        for j, other in enumerate(heard, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (word != other)))
    return row[-1]


def test_word_errors_are_counted_as_they_should_be():
    assert word_errors(["a", "b", "c"], ["a", "b", "c"]) == 0
    assert word_errors(["a", "b", "c"], ["a", "x", "c", "d"]) == 2
    assert word_errors(["a", "b"], []) == 2


@pytest.mark.slow
@needs_pocketsphinx
@pytest.mark.parametrize("gain", [1.0, 0.05])
def test_spoken_questions_are_recognised(spoken, gain):
    errors = sum(
        word_errors(plain_words(said), plain_words(recognise(sound * np.float32(gain))))
        for said, sound in spoken.items()
    )
    words = sum(len(plain_words(said)) for said in QUESTIONS)
    assert errors <= 0.2 * words, f"{errors} of {words} words are wrong"


@pytest.mark.parametrize("level", [0.0, 0.001])
def test_silence_and_a_quiet_room_have_no_words(level):
    sound = (level * np.random.default_rng(0).standard_normal(3 * RATE_HZ)).astype(np.float32)
    assert recognise(sound) == "" and recognise(sound[:10]) == "" and recognise(sound[:0]) == ""


@pytest.mark.slow
@needs_pocketsphinx
def test_noise_has_hardly_a_word():
    sound = (0.05 * np.random.default_rng(0).standard_normal(3 * RATE_HZ)).astype(np.float32)
    assert len(recognise(sound).split()) <= 1


def test_only_the_first_seconds_are_heard(monkeypatch):
    lengths = []
    monkeypatch.setattr(module, "find_recogniser", lambda: "given")
    monkeypatch.setattr(
        module, "_recogniser", lambda name: lambda sound: lengths.append(len(sound)) or " a  b "
    )
    assert recognise(np.full(40 * RATE_HZ, 0.1, np.float32)) == "a b"
    assert lengths == [LONGEST_S * RATE_HZ]


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros((10, 2), np.float32),
        np.zeros(10, np.int16),
        np.array([0.0, np.nan] * 1000, np.float32),
        np.array([np.inf] * 1000, np.float32),
    ],
)
def test_what_is_no_sound_is_refused(sound):
    with pytest.raises(ValueError, match="^(sound must be|the sound holds)"):
        recognise(sound)


@pytest.mark.slow
@needs_pocketsphinx
def test_several_threads_hear_the_same_as_one(spoken):
    sound = spoken["What is the score now?"]
    alone, found = recognise(sound), []
    threads = [threading.Thread(target=lambda: found.append(recognise(sound))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [alone] * 3


def test_without_a_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert find_recogniser() is None
    with pytest.raises(NoRecogniser, match=r"commentator-lib\[listen\]"):
        recognise(np.full(RATE_HZ, 0.1, np.float32))


def test_whisper_is_taken_where_it_and_a_model_are_here(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    assert find_recogniser() == "pocketsphinx"
    for size in ("small", "tiny.en"):
        folder = tmp_path / "hub" / f"models--Systran--faster-whisper-{size}" / "snapshots" / "1"
        folder.mkdir(parents=True)
        (folder / "model.bin").write_bytes(bytes(len(size)) if size == "small" else b"x")
    assert find_recogniser() == "faster-whisper"
    given = []

    class WhisperModel:
        def __init__(self, path, **options):
            given.append((path, options["local_files_only"]))

        def transcribe(self, sound, **options):
            return iter([SimpleNamespace(text=" Who is"), SimpleNamespace(text=" it?")]), None

    fake = ModuleType("faster_whisper")
    fake.WhisperModel = WhisperModel
    monkeypatch.setitem(sys.modules, "faster_whisper", fake)
    module._recogniser.cache_clear()
    try:
        assert recognise(np.full(RATE_HZ, 0.1, np.float32)) == "Who is it?"
        assert recognise(np.full(RATE_HZ, 0.1, np.float32)) == "Who is it?"
    finally:
        module._recogniser.cache_clear()
    assert given == [(str(folder), True)]  # the smaller model, loaded once
