"""What a LivePlayer keeps of a run, for pages that are opened later and to play a comment again. It is bounded."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ

# Twelve minutes of sound, 70 MB.
SOUND_KEPT_SAMPLES = 12 * 60 * PLAYBACK_RATE_HZ
_LINES_KEPT, _ROWS_KEPT = 500, 300
# What a page shows of the rows of the run log.
_SHOWN_KEYS = {
    "cycle": (
        "cycle",
        "outcome",
        "heard_from_s",
        "first_sound_s",
        "first_sound_latency_s",
        "sync_error_s",
        "text",
        "reason",
    ),
    "sample": ("at_s", "delay_applied_s", "frames_dropped", "rss_bytes", "vram_used_bytes"),
}


@dataclass(slots=True)
class SentComment:
    """The sound of one comment as it was sent: int16, 48 kHz, in parts. It begins at clock time `start_s`."""

    start_s: float
    parts: list[np.ndarray] = field(default_factory=list)
    samples: int = 0

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return self.samples / PLAYBACK_RATE_HZ

    def sound(self) -> np.ndarray:
        """Return all parts as one, (N,) int16."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, np.int16)


class PageMemory:
    """The sound and the words of the last comments, and the last rows of the run log."""

    def __init__(self) -> None:
        self.comments: dict[int, SentComment] = {}
        self.transcript: dict[int, dict[str, Any]] = {}  # comment → its line
        self.rows: deque[dict[str, Any]] = deque(maxlen=_ROWS_KEPT)

    def add_sound(self, comment_id: int, start_s: float, samples: np.ndarray) -> tuple[SentComment, int]:
        """Keep the next samples of a comment, (N,) int16; forget the oldest comments where there is too much sound.

        Return the comment, and the number of its sample at which these begin.
        """
        comment = self.comments.setdefault(comment_id, SentComment(start_s))
        offset = comment.samples
        comment.parts.append(samples)
        comment.samples += len(samples)
        while len(self.comments) > 1 and sum(c.samples for c in self.comments.values()) > SOUND_KEPT_SAMPLES:
            del self.comments[min(self.comments)]
        return comment, offset

    def cut_sound(self, comment_id: int, at_heard_s: float) -> None:
        """Keep only the first `at_heard_s` of a comment's sound."""
        if (comment := self.comments.get(comment_id)) is not None:
            comment.parts = [comment.sound()[: round(at_heard_s * PLAYBACK_RATE_HZ)]]
            comment.samples = len(comment.parts[0])

    def add_line(self, comment_id: int, text: str, final: bool, at_s: float) -> dict[str, Any]:
        """Keep and return the line of a comment. It keeps the time of its first words."""
        at_s = self.transcript.get(comment_id, {}).get("at_s", at_s)
        line = {"comment": comment_id, "text": text, "final": final, "at_s": at_s}
        self.transcript[comment_id] = line
        if len(self.transcript) > _LINES_KEPT:
            del self.transcript[min(self.transcript)]
        return line


def shown_row(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a page shows of a row of the run log, as a message."""
    keys = _SHOWN_KEYS.get(kind, tuple(row))
    return {"kind": kind, **{k: v for k, v in row.items() if k in keys}}
