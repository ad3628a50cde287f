"""When each word of a piece of speech ends, so that a comment that must give way is cut between two words."""

from __future__ import annotations

import re

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ

_SEARCH_S = 0.08  # so far from where a word should end its quietest place is looked for
_WINDOW_S = 0.01
_QUIET_SHARE = 0.5  # of the level where a word should end: only a place quieter than this is a gap

# Seconds that a word takes: for itself, each syllable, each consonant; less for one of the little words that are said
# in passing, more for the last. Fitted to hibari's words (least squares, 129 words, times by a recogniser that was told
# them; the rest's standard deviation is 0.06 s). Only their shares count, so that other voices and paces fit too.
_WORD_S, _SYLLABLE_S, _CONSONANT_S, _LITTLE_S, _LAST_S = 0.142, 0.067, 0.036, -0.159, 0.048
_LEAST_S = 0.05
_LITTLE = re.compile(
    r"(?:a|an|the|of|to|in|on|at|and|is|it|its|he|she|his|her|with|by|for|from|as|are|was|this|that|there|be|into|or)\W*",
    re.IGNORECASE,
)
_VOWELS, _CONSONANTS = (
    re.compile(r"[aeiouy]+", re.IGNORECASE),
    re.compile(r"[bcdfghjklmnpqrstvwxz]", re.IGNORECASE),
)
_DIGIT_SYLLABLES = 2  # "67:12" is said in eight


def length_s(word: str, last: bool = False) -> float:
    """Return about how long a word is spoken, in seconds; of scripts other than Latin each letter is a syllable."""
    digits = sum(c.isdigit() for c in word)
    syllables, consonants = len(_VOWELS.findall(word)), len(_CONSONANTS.findall(word))
    if syllables > 1 and re.search(r"[^l]e\W*$", word, re.IGNORECASE):
        syllables -= 1  # the e of "stripe" is silent, that of "little" is not
    if not syllables + consonants:
        syllables = sum(c.isalpha() for c in word)
    syllables = max(1, syllables + _DIGIT_SYLLABLES * digits)
    little_s = _LITTLE_S if _LITTLE.fullmatch(word) else 0.0
    whole_s = _WORD_S + _SYLLABLE_S * syllables + _CONSONANT_S * (consonants + digits) + little_s
    return max(_LEAST_S, whole_s + (_LAST_S if last else 0.0))


def word_ends(text: str, pcm: np.ndarray) -> tuple[float, ...]:
    """Return when each word of `text` ends in its sound, (N,) int16 at 48 kHz, in seconds from the sound's beginning.

    A word takes its share of the sound by `length_s`; its end is then moved to the quietest place nearby. Voices give
    no times of words: of sentences that were kept aside, half the ends were within 0.07 s of the true ones, nine of
    ten within 0.18 s (hibari, 77 words).
    """
    words = text.split()
    if not words or not len(pcm):
        return ()
    lengths = np.array([length_s(word, k == len(words) - 1) for k, word in enumerate(words)])
    total_s = len(pcm) / PLAYBACK_RATE_HZ
    ends_s = np.cumsum(lengths) / lengths.sum() * total_s  # (words,)
    if not pcm.any():
        return tuple(float(end_s) for end_s in ends_s)
    # The level of each window, and around each end the place where it is least.
    hop = round(_WINDOW_S * PLAYBACK_RATE_HZ)
    count = max(1, len(pcm) // hop)
    level = np.abs(pcm[: count * hop].astype(np.float32)).reshape(count, -1).mean(axis=1)  # (windows,)
    reach = round(_SEARCH_S / _WINDOW_S)
    found: list[float] = []
    for end_s in ends_s[:-1]:
        end_s = float(end_s)
        at = min(count - 1, int(end_s / _WINDOW_S))
        low, high = max(0, at - reach), min(count, at + reach + 1)
        quietest = low + int(level[low:high].argmin())
        if level[quietest] > _QUIET_SHARE * level[at]:  # no gap between these words
            quietest = at
        after_last = found[-1] if found else 0.0
        found.append(max(after_last, end_s if quietest == at else (quietest + 0.5) * _WINDOW_S))
    return (*found, total_s)
