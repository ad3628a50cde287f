"""When words end in their sound: by their letters, moved to the quiet place nearby."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentary.word_ends import word_ends


def spoken(parts):
    """Return int16 sound at 48 kHz of (seconds, loud) parts."""
    rng = np.random.default_rng(0)
    pieces = [
        (rng.standard_normal(round(s * 48_000)) * (8000 if loud else 30)).astype(np.int16)
        for s, loud in parts
    ]
    return np.concatenate(pieces)


def test_no_words_or_no_sound_have_no_ends():
    assert word_ends("", np.ones(4800, np.int16)) == () and word_ends("word", np.zeros(0, np.int16)) == ()


def test_ends_are_moved_into_the_gaps():
    pcm = spoken([(0.40, True), (0.06, False), (0.50, True), (0.06, False), (0.38, True)])
    ends_s = word_ends("goal goal goal", pcm)
    assert len(ends_s) == 3 and ends_s[-1] == pytest.approx(1.4)
    assert 0.40 <= ends_s[0] <= 0.46 and 0.96 <= ends_s[1] <= 1.02


def test_without_gaps_a_word_has_its_share_by_letters():
    pcm = spoken([(1.2, True)])
    assert word_ends("a goalkeeper", pcm)[0] == pytest.approx(1.2 * 2 / 13, abs=0.01)
    assert word_ends("one two six", np.zeros(48_000, np.int16)) == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_ends_never_go_back():
    pcm = spoken([(0.05, True)] + [(0.02, False), (0.03, True)] * 12)
    ends_s = word_ends("a b c d e f g h", pcm)
    assert list(ends_s) == sorted(ends_s)
