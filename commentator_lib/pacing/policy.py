"""When the next comment may start: two policies.

serial, as in the nerdpudding project: wait until playback has ended, wait the pause, then infer on the
newest frames. The listener waits through the pause and the whole time to first sound.

playout: the silence between two comments is the pause and nothing else. The next slot is
S = end of the previous comment + pause. The picture lags by D, so the frame on screen at S is captured at
S − D: inference starts then, on that frame, and has D seconds until it must be heard.

This file is arithmetic only; commentary/turns.py does the waiting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Policy = Literal["playout", "serial"]

# A comment is cut at the next multiple of this step after what was heard, in seconds of its own sound.
CUT_STEP_S = 0.05
# For something more important it is cut where a word ends, but not before so much of it was heard: else it stutters.
LEAST_HEARD_S = 0.4


@dataclass(frozen=True, slots=True)
class Slot:
    """When inference may start, and when its comment may be heard at the earliest."""

    infer_at_s: float
    hear_at_s: float


def next_slot(
    policy: Policy, now_s: float, previous_end_s: float | None, pause_s: float, delay_s: float
) -> Slot:
    """Return the slot after a comment whose playback ends at `previous_end_s` (None: nothing was heard yet).

    For serial that end must be past; for playout it may be foreseen. A slot whose time has passed starts now.
    """
    if previous_end_s is None:
        return Slot(now_s, now_s)
    hear_at_s = previous_end_s + pause_s
    infer_at_s = hear_at_s if policy == "serial" else hear_at_s - delay_s
    return Slot(max(now_s, infer_at_s), hear_at_s)


def start_of_comment(
    policy: Policy, ready_at_s: float, frame_due_s: float, not_before_s: float, delay_off: bool = False
) -> float:
    """Return when a comment whose first sound is ready is to be heard.

    playout: when the picture shows its newest frame, or as soon as it is ready if that time has passed. serial, or with
    the delay switched off: as soon as it is ready. Never before `not_before_s`, the end of the comment before.
    """
    if policy == "serial" or delay_off:
        return max(ready_at_s, not_before_s)
    return max(frame_due_s, ready_at_s, not_before_s)


def cut_position(heard_s: float, step_s: float = CUT_STEP_S) -> float:
    """Return where a comment that was heard for `heard_s` is cut, in seconds of its own sound: at the next step."""
    return math.ceil(max(0.0, heard_s) / step_s - 1e-9) * step_s


def heard_text(pieces: list[tuple[str, float]], heard_s: float) -> str:
    """Return what the listener really heard of a comment: whole words, by the share of each piece's sound.

    `pieces` are (text, seconds of its sound) in order. A piece without sound counts as heard once a later piece was
    heard, or all sound before it.
    """
    words: list[str] = []
    left_s = heard_s
    for text, duration_s in pieces:
        parts = text.split()
        if duration_s <= left_s + 1e-6:
            words += parts
            left_s -= duration_s
            continue
        share = left_s / duration_s
        words += parts[: int(share * len(parts) + 1e-9)]
        break
    return " ".join(words)
