"""The embedded voice."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.voices.base import Voice
from commentator_lib.voices.hibari import HibariVoice


@pytest.fixture(scope="module")
def voice():
    made = HibariVoice()
    made.warm_up()
    return made


def said(voice, text):
    return np.concatenate([c.samples for c in voice.speak(text)] or [np.zeros(0, np.float32)])


def test_it_speaks(voice):
    assert isinstance(voice, Voice)
    sound = said(voice, "A person on the right is moving left.")
    assert sound.dtype == np.float32 and 1.2 < len(sound) / 24_000 < 3.0
    assert 0.05 < np.abs(sound).max() <= 1.0


def test_no_padding_is_left_at_either_end(voice):
    sound = np.abs(said(voice, "Two cars."))
    loud = np.flatnonzero(sound > 0.01) / 24_000
    assert loud[0] < 0.06 and len(sound) / 24_000 - loud[-1] < 0.06


def test_same_text_same_sound(voice):
    assert np.array_equal(said(voice, "A red car."), said(voice, "A red car."))


@pytest.mark.parametrize("text", ["Goal!", "Two cars. A bicycle.", "B.", "67:12 BRA 2-1. " * 4])
def test_every_piece_is_float32_in_range_and_trimmed(voice, text):
    pieces = [p for p in voice.speak(text) if p.samples.any()]
    assert pieces
    for piece in pieces:
        assert piece.sample_rate_hz == voice.sample_rate_hz == 24_000 and piece.samples.dtype == np.float32
        assert np.isfinite(piece.samples).all() and np.abs(piece.samples).max() <= 1.0
        loud = np.flatnonzero(np.abs(piece.samples) > 0.005) / 24_000
        assert loud[0] < 0.06 and piece.duration_s - loud[-1] < 0.06


@pytest.mark.slow
def test_it_loads_itself_when_it_is_not_warmed_up(voice):
    assert np.array_equal(said(HibariVoice(), "Goal!"), said(voice, "Goal!"))


def test_each_sentence_comes_by_itself(voice):
    assert len(list(voice.speak("Two cars. A bicycle. One person."))) == 5  # with a breath between


@pytest.mark.parametrize("text", ["", "   ", "你好", "\x00", "...", "!!!", "-"])
def test_nothing_readable_gives_nothing(voice, text):
    assert len(said(voice, text)) == 0


def test_what_is_important_is_said_faster_and_louder(voice):
    text = "It is a goal, and the stands are on their feet."
    said_so = []
    for importance in (0, 2, 3):
        voice.set_importance(importance)
        said_so.append(said(voice, text))
    voice.set_importance(0)
    lengths = [len(sound) for sound in said_so]
    levels = [float(np.sqrt(np.mean(np.square(sound)))) for sound in said_so]
    assert lengths == sorted(lengths, reverse=True) and lengths[0] > 1.04 * lengths[2]
    assert levels == sorted(levels) and levels[2] > 1.2 * levels[0]
    assert all(np.abs(sound).max() <= 1.0 for sound in said_so)


def test_importance_beyond_the_scale_is_that_at_its_end(voice):
    voice.set_importance(7)
    loud = said(voice, "A goal.")
    voice.set_importance(3)
    assert np.array_equal(loud, said(voice, "A goal."))
    voice.set_importance(-1)
    assert np.array_equal(said(voice, "A goal."), said(HibariVoice(), "A goal."))
    voice.set_importance(0)
