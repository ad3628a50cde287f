"""When to ask a server again."""

from __future__ import annotations

import email.utils
import math

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 20.0
# A wait between two tries is cut into slices of this length at most, and can be cancelled between them.
_SLICE_S = 0.25


def backoff_s(tries: int, asked_s: float | None, share: float) -> float:
    """Return the seconds before the next try: what the server asked for, else doubling from 0.5, half of it random.

    20 s at most; `share` of the random half, from 0 to 1, keeps many clients from coming back together.
    """
    if asked_s is not None:
        return min(asked_s, _LONGEST_WAIT_S)
    return min(_FIRST_WAIT_S * 2**tries, _LONGEST_WAIT_S) * (0.5 + 0.5 * share)


def slices_s(wait_s: float) -> list[float]:
    """Return a wait cut into equal slices of 0.25 s at most, in seconds; at least one."""
    count = max(1, math.ceil(wait_s / _SLICE_S - 1e-9))
    return [wait_s / count] * count


def retry_after_s(value: str, now_s: float) -> float | None:
    """Return the seconds that a Retry-After header asks for; None where it asks for none.

    `now_s` is the Unix time: the header may name a date.
    """
    try:
        wait_s = float(value)
    except ValueError:
        try:
            wait_s = email.utils.parsedate_to_datetime(value).timestamp() - now_s
        except (ValueError, TypeError):  # TypeError: Python 3.11 for an empty value
            return None
    return max(0.0, wait_s) if math.isfinite(wait_s) else None
