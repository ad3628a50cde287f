"""The questions that viewers ask in a run: one is open at a time, and each change of its state is a row of the log.

    asked ──▶ thinking ──▶ answered      its comment was begun to be heard, or there was nothing to say
      ▲           │  └──▶ failed         its cycle failed, or the commentator cannot answer
      └───────────┘                      overtaken by something more important before it was heard: it is asked again

asked and thinking also become dropped: where a later question takes its place, and at the end of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from commentator_lib.commentators.base import Commentator
from commentator_lib.settings import SettingsError

QuestionState = Literal["asked", "thinking", "answered", "failed", "dropped"]

RUN_ENDED = "the run ended"
TAKEN_OVER = "a later question took its place"
NOTHING_SAID = "the commentator had nothing to say"
_LONGEST = 1000  # characters


def checked_question(text: str) -> str:
    """Return a question on one line. Raise SettingsError for a blank one, and for one of over 1000 characters."""
    question = " ".join(text.split())
    if not question:
        raise SettingsError("the question is empty: write what you want to know")
    if len(question) > _LONGEST:
        raise SettingsError(f"the question has {len(question)} characters: {_LONGEST} are allowed")
    return question


def cannot_answer(commentator: Commentator) -> str:
    """Return, in one line, that a commentator answers no questions, and which do."""
    return f"the {commentator.name} commentator cannot answer questions: choose vlm, minicpmo or openai"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its number in the run (1, 2, …), and when it was asked, in seconds since the run's start."""

    number: int
    text: str
    asked_s: float


def question_row(
    question: Question, state: QuestionState, changed_s: float, cycle: int | None = None, reason: str = ""
) -> dict[str, Any]:
    """Return the log's row of a change that came `changed_s` seconds after the run's start."""
    return {
        "question": question.number,
        "text": question.text,
        "at_s": question.asked_s,
        "state": state,
        "cycle": cycle,
        "reason": reason,
        "changed_s": changed_s,
    }


class Questions:
    """The open question. Pure: the time since the run's start is given to every call.

    `write(row)` takes each change of a question. A call about a question that is not open any more does nothing.
    """

    def __init__(self, write: Callable[[dict[str, Any]], None]) -> None:
        self._write = write
        self._open: Question | None = None
        self._cycle: int | None = None  # that answers it
        self._ended = False

    @property
    def waits(self) -> bool:
        """Whether a question is open that no cycle answers yet."""
        return self._open is not None and self._cycle is None

    def ask(self, question: Question) -> None:
        """Take a question; one that is still open is dropped for it. After `end` it is dropped itself."""
        self._close("dropped", question.asked_s, TAKEN_OVER)
        self._open = question
        self._write(question_row(question, "asked", question.asked_s))
        if self._ended:
            self._close("dropped", question.asked_s, RUN_ENDED)

    def refuse(self, question: Question, reason: str) -> None:
        """Take a question that cannot be answered."""
        self._write(question_row(question, "failed", question.asked_s, None, reason))

    def think(self, cycle: int, now_s: float) -> Question | None:
        """Note that this cycle answers the question that waits, and return it; None where none does."""
        if self._open is None or self._cycle is not None:
            return None
        self._cycle = cycle
        self._write(question_row(self._open, "thinking", now_s, cycle))
        return self._open

    def ask_again(self, cycle: int, now_s: float, reason: str) -> None:
        """Note that this cycle ended before anything of its answer was heard, and why: the question waits again."""
        if self._open is not None and self._cycle == cycle:
            self._cycle = None
            self._write(question_row(self._open, "asked", now_s, None, reason))

    def answered(self, cycle: int, now_s: float, reason: str = "") -> None:
        """Note that the answer of this cycle is heard from now on; `reason`: why there is nothing to hear."""
        if self._cycle == cycle:
            self._close("answered", now_s, reason)

    def failed(self, cycle: int, now_s: float, reason: str) -> None:
        """Note that this cycle failed, and why."""
        if self._cycle == cycle:
            self._close("failed", now_s, reason)

    def end(self, now_s: float) -> None:
        """Drop the open question, and all that come later: the run is over."""
        self._ended = True
        self._close("dropped", now_s, RUN_ENDED)

    def _close(self, state: QuestionState, now_s: float, reason: str) -> None:
        if self._open is not None:
            self._write(question_row(self._open, state, now_s, self._cycle, reason))
        self._open = self._cycle = None
