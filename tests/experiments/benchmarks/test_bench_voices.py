"""Word errors by hand, sound as a recogniser takes it, and the cases of words between a model and the voice."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.benchmarks import voice_sentences
from experiments.benchmarks.bench_voices import for_recogniser, spoken, word_errors, words_of
from experiments.benchmarks.words_voices import CASES
from tests.conftest import BrokenVoice, ToneVoice


@pytest.mark.parametrize("name", CASES)
def test_words_of_voices(name, tmp_path):
    assert CASES[name](tmp_path) == ""


@pytest.mark.parametrize(
    ("meant", "heard", "errors"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a x c", 1),
        ("a b c", "a c", 1),
        ("a c", "a b c", 1),
        ("a b", "", 2),
        ("", "a", 1),
    ],
)
def test_word_errors(meant, heard, errors):
    assert word_errors(meant.split(), heard.split()) == errors


def test_words_of_a_text():
    assert words_of("It's 70 per cent, ten Metres!") == ["it's", "70", "percent", "ten", "meters"]


def test_sound_goes_the_way_of_a_comment():
    pcm = spoken(ToneVoice(), "**Two** words.")
    assert pcm.dtype == np.int16 and len(pcm) / 48_000 == pytest.approx(0.5, abs=0.01)
    heard = for_recogniser(pcm)
    assert heard.dtype == np.float32 and len(heard) / 16_000 == pytest.approx(0.9, abs=0.02)
    with pytest.raises(Exception, match="no sound device"):
        spoken(BrokenVoice(), "Two words.")


def test_sentences_that_were_kept_aside_are_others():
    for known, aside in (
        (voice_sentences.PLAIN, voice_sentences.HELD_OUT_PLAIN),
        (voice_sentences.MARKED, voice_sentences.HELD_OUT_MARKED),
    ):
        assert not set(known) & set(aside)
    for text, plainly, meant in (*voice_sentences.MARKED, *voice_sentences.HELD_OUT_MARKED):
        assert words_of(plainly) == words_of(meant) and text != plainly
