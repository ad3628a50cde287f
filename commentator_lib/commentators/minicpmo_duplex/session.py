"""A session with the model in duplex, in a thread of its own: one unit a second, whether somebody asks or not.

The inference thread waits for other things, so a thread of its own keeps the model's second, as for a model on a
realtime server (realtime/connection.py). A unit that is late by less than its length is made good.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import fields
from typing import TYPE_CHECKING

from commentator_lib.commentators.base import StageTimes
from commentator_lib.commentators.realtime.deciding import Session
from commentator_lib.commentators.realtime.responses import Response, Responses
from commentator_lib.commentators.realtime.units import UNIT_S
from commentator_lib.commentators.torch_tools import free_gpu, out_of_memory
from commentator_lib.errors import named_first_line
from commentator_lib.media import AudioChunk

if TYPE_CHECKING:
    from commentator_lib.commentators.minicpmo_duplex.model import DuplexModel, Unit

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 0.1  # for the first picture after such a time
_CLOSE_S = 10.0
_RATE_HZ = 24_000
# Seconds of a turn that wait to be taken; what comes after them is lost. No comment is longer.
_MOST_WAITING = 120


class DuplexSession(Session):
    """A session of `model` with these instructions. `close` ends its thread.

    `changed` is notified after each unit; hold it to read `responses`.
    """

    def __init__(self, model: DuplexModel, instructions: str) -> None:
        super().__init__()
        self._model, self._instructions = model, instructions
        self._cancelled = False  # the turn in which the model is
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duplex", daemon=True)
        self._thread.start()

    # --- from any thread

    def cancel(self) -> None:
        """End the current response with the present unit; what still comes of it is passed over."""
        with self.changed:
            self._cancelled = self.responses.drop_current() is not None or self._cancelled

    def acknowledge(self, response: Response, heard_s: float) -> None:
        """Do nothing: what was said and not heard stays in the model's memory until its second leaves the window."""

    def close(self) -> None:
        """End the session and its thread, with the present unit; may be called twice."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_S)

    # --- its own thread

    def _run(self) -> None:
        try:
            self._model.begin(self._instructions)
            self._go_on()
        except Exception as error:  # too little memory, or any fault of the model: the comments say so
            problem = f"the session in duplex failed: {named_first_line(error)}"
            if no_memory := out_of_memory(error):
                problem = "the GPU's memory did not suffice for a second in duplex; its caches were freed"
            else:
                logger.exception("the session in duplex failed")
            with self.changed:
                self.responses.closed = problem
                self.changed.notify_all()
        else:
            return
        if no_memory:
            free_gpu()  # behind the except block: the error refers to the tensors

    def _go_on(self) -> None:
        due_s = time.monotonic()
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            now_s = time.monotonic()
            with self.changed:
                is_idle = self.is_idle(now_s)
            if is_idle:
                due_s = now_s + _LOOK_AGAIN_S
                continue
            self._one_unit()
            # a unit that is late by more than its length is not made good
            due_s = max(due_s, now_s - UNIT_S) + UNIT_S

    def _one_unit(self) -> None:
        with self.changed:
            samples, frames = self._units.make()
            cancel, self._cancelled = self._cancelled, False
        unit = self._model.unit(frames, samples, cancel)
        with self.changed:
            if self._cancelled and (unit.ends_turn or unit.listens):
                self._cancelled = False  # the turn was over before it could be cancelled
            elif not self._cancelled:
                take_unit(self.responses, unit, time.monotonic())
            self.changed.notify_all()


def take_unit(responses: Responses, unit: Unit, now_s: float) -> None:
    """Take a unit that came at `now_s` (seconds on any one clock) into the session's responses."""
    said = f"unit {unit.number}, speak {unit.speak_probability:.2f}, {unit.used} positions"
    current = responses.current
    if unit.listens:
        responses.listens += 1
        responses.listen_note = said
        if current is not None:
            current.ended = True
        return
    if current is None or current.ended:
        current = responses.current = Response(
            str(unit.number), now_s, tokens=0, times=StageTimes(), note=said
        )
    sound = None if unit.sound is None else AudioChunk(unit.sound, _RATE_HZ)
    current.tokens = (current.tokens or 0) + len(unit.ids)
    current.times = add_times(current.times, unit.times)
    current.note = f"{current.note.split(';')[0]}; to unit {unit.number}, {unit.used} positions"
    if (unit.text or sound is not None) and len(current.parts) < _MOST_WAITING:
        current.words += bool(unit.text)
        current.sound_s += 0.0 if sound is None else sound.duration_s
        current.parts.append((unit.text, sound))
    current.ended = unit.ends_turn


def add_times(so_far: StageTimes | None, more: StageTimes) -> StageTimes:
    """Return the sums of both; a stage that one of them has not measured counts nothing there."""
    if so_far is None:
        return more
    pairs = {
        field.name: (getattr(so_far, field.name), getattr(more, field.name)) for field in fields(StageTimes)
    }
    return StageTimes(
        **{
            name: None if a is None and b is None else (a or 0.0) + (b or 0.0)
            for name, (a, b) in pairs.items()
        }
    )
