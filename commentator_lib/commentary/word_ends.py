"""When each word of a piece of speech ends, so that a comment that must give way is cut between two words."""

from __future__ import annotations

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ

_SEARCH_S = 0.12  # so far from where a word should end its quietest place is looked for
_WINDOW_S = 0.01
_QUIET_SHARE = 0.5  # of the level where a word should end: only a place quieter than this is a gap


def word_ends(text: str, pcm: np.ndarray) -> tuple[float, ...]:
    """Return when each word of `text` ends in its sound, (N,) int16 at 48 kHz, in seconds from the sound's beginning.

    A word takes its share of the sound by its letters; its end is then moved to the quietest place nearby. Voices give
    no times of words, and for a cut between two words this is close enough.
    """
    words = text.split()
    if not words or not len(pcm):
        return ()
    lengths = np.array([len(word) + 1 for word in words], float)
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
