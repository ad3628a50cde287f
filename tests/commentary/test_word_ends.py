"""When words end in their sound: by their letters, moved to the quiet place nearby."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentary.word_ends import length_s, word_ends


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


def test_without_gaps_a_word_has_its_share_by_syllables_and_consonants():
    pcm = spoken([(1.2, True)])
    share = length_s("a") / (length_s("a") + length_s("goalkeeper", last=True))
    assert word_ends("a goalkeeper", pcm)[0] == pytest.approx(1.2 * share, abs=0.01)
    thirds = word_ends("two two two two two two", np.zeros(288_000, np.int16))
    assert np.diff(thirds)[:4] == pytest.approx([np.diff(thirds)[0]] * 4) and thirds[-1] == 6.0


@pytest.mark.parametrize(
    ("short", "long"),
    [("the", "man"), ("man", "goalkeeper"), ("stripe", "little"), ("9", "67:12"), ("球", "球员跑向")],
)
def test_what_takes_longer_to_say(short, long):
    assert length_s(short) < length_s(long) and length_s(short, last=True) > length_s(short)


def test_ends_never_go_back():
    pcm = spoken([(0.05, True)] + [(0.02, False), (0.03, True)] * 12)
    ends_s = word_ends("a b c d e f g h", pcm)
    assert list(ends_s) == sorted(ends_s)
