"""One comment from its first piece until it was heard: its pieces, its states, and the allowed changes of state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from commentator_lib.commentary.event_queue import Noticed
from commentator_lib.pacing.policy import heard_text
from commentator_lib.runs.record import CycleRecord


class State(Enum):
    """The state of a comment; see `Comment`."""

    PREPARING = "preparing"
    READY = "ready"
    SOUNDING = "sounding"
    HEARD = "heard"
    CUT = "cut"
    DROPPED = "dropped"
    FAILED = "failed"
    SILENT = "silent"


_NEXT: dict[State, frozenset[State]] = {
    State.PREPARING: frozenset({State.READY, State.DROPPED, State.FAILED, State.SILENT}),
    State.READY: frozenset({State.SOUNDING, State.CUT, State.DROPPED, State.FAILED}),
    State.SOUNDING: frozenset({State.HEARD, State.CUT, State.DROPPED, State.FAILED}),
}
# The run log's names of the states in which a comment ends.
_OUTCOMES = {
    State.HEARD: "spoken",
    State.CUT: "interrupted",
    State.DROPPED: "stale",
    State.FAILED: "failed",
    State.SILENT: "silent",
}
# Triggers that start a cycle at once and may cut the comment before it. "event" does so where the event is important.
URGENT_TRIGGERS = ("instruction", "question", "profile", "change", "source")
_USER_TRIGGERS = ("instruction", "question", "profile")
# What a user asks is as important as such an event.
USER_IMPORTANCE = 2


class IllegalTransition(RuntimeError):
    """A comment's state does not allow what was called: a fault of the program."""


class StaleComment(Exception):
    """A comment is ready too late to be heard; the message says by how much."""


@dataclass(slots=True)
class Piece:
    """Some words of a comment and the length of their sound."""

    text: str
    offset_s: float  # of its sound in the comment's
    sound_s: float
    # when each of its words ends, in seconds of the piece's sound: looked for only where the comment must give way
    word_ends_s: Callable[[], Sequence[float]] = tuple


@dataclass(slots=True)
class Comment:
    """A comment and its state. Read the attributes freely; change them through the methods only:

                            begin           start_sounding
              PREPARING ────────────▶ READY ──────────────▶ SOUNDING
                  │                     │                      │
                  │ end                 │ end                  │ end
                  ▼                     ▼                      ▼
               SILENT                CUT (1)                HEARD
               DROPPED               DROPPED                CUT
               FAILED                FAILED                 DROPPED (2)
                                                            FAILED

    - preparing: the commentator is at work, and nothing can be heard yet.
    - ready: when it starts is decided (`start_s`), and its first sound or text waits for that time.
    - sounding: its first sound was heard; where it has no sound, its text is shown.
    - heard: it was heard to its end.
      - cut: a part was heard; it was cut for something more important.
      - dropped: nothing was heard; it came too late or was overtaken.
      - failed: the commentator or the voice failed; what was ready was heard.
      - silent: it was "...".

    (1) A comment without sound that is dropped while it waits is logged as cut. (2) Cut before its first step.

    The commentator goes on while a comment is ready or sounding: `add` and `complete` are allowed in all states before
    the end. The calls of `report_problem`, `break_off`, `overtake` and `cut` decide in which state it ends.
    """

    record: CycleRecord
    captured_s: float  # clock time of its newest frame
    noticed: tuple[Noticed, ...] = ()  # the events that it is to tell, the most important first
    cuts: bool = False  # an event that it is to tell is important enough to cut the comment before it
    in_turn: bool = False  # it has waited for its slot, and cuts nothing, whatever its trigger
    seen_s: float = (
        -math.inf
    )  # clock time from which its latency counts, if that is after its newest frame's capture
    state: State = State.PREPARING
    pieces: list[Piece] = field(default_factory=list)
    sent_s: float = 0.0  # seconds of sound so far
    start_s: float = math.inf  # clock time at which it starts, once it is ready
    has_sound: bool = False  # else its text is only shown
    generated: bool = False  # nothing more will come
    cut_s: float | None = None  # seconds of its own sound after which it is cut
    problem: str = ""  # what failed
    reason: str = ""  # why its commentator said nothing, or not all
    broken_off: str = ""  # why it was not said completely
    overtaken: bool = False  # broken off for an urgent cycle

    @property
    def id(self) -> int:
        """The number of its cycle."""
        return self.record.cycle

    @property
    def urgent(self) -> bool:
        """Whether it need not wait for the comment before it, and cuts that."""
        return self.cuts or (self.record.trigger in URGENT_TRIGGERS and not self.in_turn)

    @property
    def importance(self) -> int:
        """How important it is: as its most important event, -1 without any; what a user asked counts as 2."""
        asked = USER_IMPORTANCE if self.record.trigger in _USER_TRIGGERS else -1
        return max(asked, self.event_importance)

    @property
    def event_importance(self) -> int:
        """How important its most important event is; -1 without any."""
        return max((n.event.importance for n in self.noticed), default=-1)

    @property
    def evidence_s(self) -> float:
        """Clock time of the first picture that shows what it is about: its first event's, else its newest frame's."""
        return min(self.captured_s, self.noticed[0].captured_s) if self.noticed else self.captured_s

    @property
    def ended(self) -> bool:
        """Whether it is in a state that no other follows."""
        return self.state not in _NEXT

    @property
    def goal_s(self) -> float:
        """Seconds of its sound after which it counts as heard."""
        return self.sent_s if self.cut_s is None else min(self.cut_s, self.sent_s)

    @property
    def text(self) -> str:
        """All its words so far."""
        return "".join(piece.text for piece in self.pieces).strip()

    def text_up_to(self, heard_s: float) -> str:
        """Return the words that belong to its first `heard_s` seconds of sound."""
        return heard_text([(piece.text, piece.sound_s) for piece in self.pieces], heard_s)

    def word_end_after(self, heard_s: float) -> float | None:
        """Return when the word heard at `heard_s` ends, in seconds of its sound; None where that is not known."""
        for piece in self.pieces:
            if piece.offset_s + piece.sound_s >= heard_s - 1e-6:
                ends_s = (piece.offset_s + end_s for end_s in piece.word_ends_s())
                if (found := next((end_s for end_s in ends_s if end_s >= heard_s - 1e-6), None)) is not None:
                    return found
        return None

    # --- transitions

    def begin(self, start_s: float, has_sound: bool) -> None:
        """Note that its first sound (or its text, where it has none) is ready, to start at clock time `start_s`."""
        self._go(State.READY)
        self.start_s, self.has_sound = start_s, has_sound

    def start_sounding(self) -> None:
        """Note that its first sound was heard, or its text is shown."""
        self._go(State.SOUNDING)

    def end(self, silent: bool = False) -> str:
        """Go to the final state that follows from the calls before; return the run log's name of it.

        `silent`: the commentator had nothing to say.
        """
        if self.state is State.PREPARING:
            self._go(State.SILENT if silent else State.DROPPED if self.broken_off else State.FAILED)
        elif self.has_sound and self.goal_s <= 0:
            self._go(State.DROPPED)
        elif self.problem:
            self._go(State.FAILED)
        else:
            self._go(State.CUT if self.broken_off else State.HEARD)
        return _OUTCOMES[self.state]

    def _go(self, state: State) -> None:
        if state not in _NEXT.get(self.state, ()):
            raise IllegalTransition(
                f"comment {self.id} is {self.state.value}: it cannot be {state.value} next"
            )
        self.state = state

    # --- changes within a state

    def add(self, text: str, sound_s: float, word_ends_s: Callable[[], Sequence[float]] = tuple) -> Piece:
        """Add a piece of text whose sound is `sound_s` seconds long; return it.

        `word_ends_s` returns when its words end, in seconds from the piece's beginning.
        """
        self._must_not_have_ended("grow")
        piece = Piece(text, self.sent_s, sound_s, word_ends_s)
        self.pieces.append(piece)
        self.sent_s += sound_s
        return piece

    def complete(self) -> None:
        """Note that no more pieces will come."""
        self.generated = True

    def report_problem(self, problem: str) -> None:
        """Note that its commentator or its voice failed; the pieces so far are still heard."""
        self._must_not_have_ended("fail")
        self.problem = problem

    def break_off(self, reason: str) -> None:
        """Note why it will not be said completely. The first reason stays."""
        self._must_not_have_ended("be broken off")
        self.broken_off = self.broken_off or reason

    def overtake(self, trigger: str) -> None:
        """Break it off for an urgent cycle; this reason replaces an earlier one."""
        self._must_not_have_ended("be overtaken")
        self.broken_off, self.overtaken = f"overtaken by a new {trigger}", True

    def cut(self, at_heard_s: float) -> None:
        """End it after `at_heard_s` seconds of its own sound; no more pieces will come."""
        if self.state is State.PREPARING:
            raise IllegalTransition(f"comment {self.id} is preparing: there is nothing to cut")
        self._must_not_have_ended("be cut")
        self.cut_s = at_heard_s
        self.complete()

    def _must_not_have_ended(self, wish: str) -> None:
        if self.ended:
            raise IllegalTransition(f"comment {self.id} is {self.state.value}: it cannot {wish} any more")
