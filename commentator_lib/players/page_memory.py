"""What a LivePlayer keeps of a run, for pages that are opened later and to play a comment again. It is bounded."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.events import LEAST_IMPORTANCE, MOST_IMPORTANCE
from commentator_lib.media import PLAYBACK_RATE_HZ
from commentator_lib.players.event_labels import long_label, short_label

if TYPE_CHECKING:
    import pandas as pd

# Twelve minutes of sound, 70 MB.
SOUND_KEPT_SAMPLES = 12 * 60 * PLAYBACK_RATE_HZ
# The programme's sound is sent less than a second ahead; older pieces have been heard.
_PROGRAMME_KEPT_S = 2.0
_LINES_KEPT, _ROWS_KEPT, _EVENTS_KEPT = 500, 300, 200
_QUESTIONS_KEPT, _CHANGES_KEPT = 100, 100
# Frames whose time is remembered: a minute and more, at 30 frames a second. Few events are noticed later than that.
_FRAMES_KEPT = 2048
# Times in rows are rounded to the microsecond.
_SAME_TIME_S = 1e-4
# What a page shows of the rows of the run log.
_SHOWN_KEYS = {
    "cycle": (
        "cycle",
        "outcome",
        "heard_from_s",
        "first_sound_s",
        "first_sound_latency_s",
        "shortfall_s",
        "sync_error_s",
        "text",
        "reason",
    ),
    "sample": (
        *("at_s", "delay_applied_s", "frames_dropped", "rss_bytes", "vram_used_bytes"),
        *("source_age_s", "source_fps", "source_corrupt", "source_reconnects", "source_away"),
    ),
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


@dataclass(frozen=True, slots=True)
class SentProgramme:
    """A piece of the programme's own sound: (N, 2) int16 at 48 kHz, to be heard from clock time `start_s` on."""

    seq: int  # 0, 1, 2, … in the run: a page may get a piece twice
    start_s: float
    samples: np.ndarray

    @property
    def end_s(self) -> float:
        """The clock time at which it has been heard."""
        return self.start_s + len(self.samples) / PLAYBACK_RATE_HZ


class PageMemory:
    """The sound and the words of the last comments, the last rows of the run log, events, questions and changes."""

    def __init__(self) -> None:
        self.comments: dict[int, SentComment] = {}
        self.transcript: dict[int, dict[str, Any]] = {}  # comment → its line
        self.rows: deque[dict[str, Any]] = deque(maxlen=_ROWS_KEPT)
        self.events = EventMemory()
        self.changes: deque[dict[str, Any]] = deque(maxlen=_CHANGES_KEPT)
        self._questions: dict[int, dict[str, Any]] = {}
        self._programme: deque[SentProgramme] = deque()
        self._programme_seq = 0

    def add_programme(self, start_s: float, samples: np.ndarray) -> SentProgramme:
        """Keep and return the next piece of the programme's sound, (N, 2) int16; forget those of two seconds ago."""
        piece = SentProgramme(self._programme_seq, start_s, samples)
        self._programme_seq += 1
        self._programme.append(piece)
        while self._programme[0].end_s < piece.end_s - _PROGRAMME_KEPT_S:
            self._programme.popleft()
        return piece

    def programme_after(self, now_s: float) -> list[SentProgramme]:
        """Return the pieces of the programme's sound that are still to be heard at clock time `now_s`."""
        return [piece for piece in self._programme if piece.end_s > now_s]

    def shown(self) -> dict[str, list[dict[str, Any]]]:
        """Return what a page that has just been opened shows of the run so far."""
        return {
            "rows": list(self.rows),
            "events": self.events.messages(),
            "transcript": list(self.transcript.values()),
            "questions": list(self._questions.values()),
            "changes": list(self.changes),
        }

    def add_question(self, row: dict[str, Any]) -> dict[str, Any]:
        """Keep what a row "question" of the run log says, and return all that is known of the question."""
        number = int(row["question"])
        question = {**self._questions.get(number, {}), **row, "kind": "question"}
        self._questions[number] = question
        if len(self._questions) > _QUESTIONS_KEPT:
            del self._questions[min(self._questions)]
        return question

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


class EventMemory:
    """The last events, each with the time at which the picture shows it: as soon as that is known, pages are told.

    All times are seconds since the session's start. An event is a message to the pages:

        event                number of the event in the run
        importance           0 to 3
        label, words         what a chip and a tooltip say
        shown_s              when the picture shows it; None until that is known, and then it is no message yet
        known_s              when a chip may say so: not before a watcher has noticed it
        told, told_s         the cycle that told it, and when that was heard to its end; None before
    """

    def __init__(self) -> None:
        self._events: dict[int, dict[str, Any]] = {}
        self._waiting: list[dict[str, Any]] = []  # those of which no picture has come yet
        self._frames: deque[tuple[float, float]] = deque(maxlen=_FRAMES_KEPT)  # captured, due

    def add_row(self, row: dict[str, Any], now_s: float) -> dict[str, Any] | None:
        """Take a row "event" of the run log; return the message for the pages, None where there is none yet."""
        number = int(row["event"])
        if "kind" not in row:
            if (event := self._events.get(number)) is None:
                return None
            event.update(told=row.get("cycle"), told_s=now_s)
            return dict(event) if event["shown_s"] is not None else None
        # 1) A new event takes the place of the oldest.
        captured_s = float(row["captured_s"])
        shown_s = self._due_of(captured_s)
        event = {
            "kind": "event",
            "event": number,
            "importance": min(MOST_IMPORTANCE, max(LEAST_IMPORTANCE, int(row.get("importance", 1)))),
            "label": short_label(row),
            "words": long_label(row),
            "captured_s": captured_s,
            "shown_s": shown_s,
            "known_s": now_s,
            "told": None,
            "told_s": None,
        }
        self._events[number] = event
        if len(self._events) > _EVENTS_KEPT:
            del self._events[next(iter(self._events))]
        if shown_s is None:
            self._waiting = [*self._waiting, event][-_EVENTS_KEPT:]
            return None
        return dict(event)

    def add_frame(self, captured_s: float, due_s: float) -> list[dict[str, Any]]:
        """Take a frame that is shown at `due_s`; return the messages of those events that it is the first to show."""
        self._frames.append((captured_s, due_s))
        shown = [e for e in self._waiting if e["captured_s"] <= captured_s + _SAME_TIME_S]
        for event in shown:
            event["shown_s"] = due_s
            self._waiting.remove(event)
        return [dict(event) for event in shown]

    def messages(self) -> list[dict[str, Any]]:
        """Return the events whose time is known, the oldest first."""
        return [dict(event) for event in self._events.values() if event["shown_s"] is not None]

    def _due_of(self, captured_s: float) -> float | None:
        """Return when the first frame that was captured then or later is due; None where it has not come yet."""
        k = bisect_left(self._frames, captured_s - _SAME_TIME_S, key=lambda times: times[0])
        if k == len(self._frames):
            return None
        frame_captured_s, due_s = self._frames[k]
        # One that is older than what is remembered was shown with about the delay of that time.
        forgotten = k == 0 and len(self._frames) == _FRAMES_KEPT
        return due_s - (frame_captured_s - captured_s) if forgotten else due_s


def shown_row(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a page shows of a row of the run log, as a message."""
    keys = _SHOWN_KEYS.get(kind, tuple(row))
    return {"kind": kind, **{k: v for k, v in row.items() if k in keys}}


def table_of_draws(rows: list[tuple]) -> pd.DataFrame:
    """Return the frames that pages drew as a table: page, frame_index, and due_s, sent_s, received_s, drawn_s."""
    import pandas as pd

    times = ["due_s", "sent_s", "received_s", "drawn_s"]
    frame = pd.DataFrame(rows, columns=["page", "frame_index", *times])
    return frame.astype(dict.fromkeys(times, "float64"))
