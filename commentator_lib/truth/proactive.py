"""StreamingBench's proactive accuracy: was what was asked for said when it happened (arXiv 2411.03628).

Its own protocol asks the model once a second from the question on, until it answers or WAIT_S after the truth. What
it said last counts: its time is right within ± 2 s of the truth, and its answer where the time is right and the wanted
words are in it, letter by letter. A commentator that speaks of its own accord is not asked; `last_answer` says which
of its comments stands for the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commentator_lib.truth.base import NAN, TimedEvent
from commentator_lib.truth.comments import Comment
from commentator_lib.truth.formats.streaming_bench import WITHIN_S

WAIT_S = 4.0  # after the truth the protocol stops asking


@dataclass(frozen=True, slots=True)
class Answer:
    """The last thing that was said to a question: when, in seconds of the video, and what. None: nothing was said."""

    at_s: float | None
    text: str = ""


def proactive_accuracy(answers: Sequence[tuple[Answer, TimedEvent]]) -> tuple[float, float]:
    """Return (share with the right time, share with the right time and words); NaN without a question."""
    if not answers:
        return NAN, NAN
    in_time = [
        (answer, event)
        for answer, event in answers
        if answer.at_s is not None and -WITHIN_S <= answer.at_s - event.t_s <= WITHIN_S
    ]
    said = sum(event.text in answer.text for answer, event in in_time)
    return len(in_time) / len(answers), said / len(answers)


def last_answer(comments: Sequence[Comment], event: TimedEvent) -> Answer:
    """Return the comment that stands for the answer, of those from the question until WAIT_S after the truth.

    It is the first that has the wanted words, as a model is asked no more once it has answered; without one, the last.
    """
    asked_s = 0.0 if event.asked_s is None else event.asked_s
    heard = [c for c in comments if asked_s <= c.from_s <= event.t_s + WAIT_S]
    said = [c for c in heard if event.text in c.text][:1] or heard[-1:]
    return Answer(said[0].from_s, said[0].text) if said else Answer(None)
