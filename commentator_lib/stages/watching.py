"""Watching: show frames and sound to the watchers on a thread of their own, and hand on the events that they report.

A frame that comes while the watchers are busy replaces the one that waits. Sound waits for them, some seconds of it at
most. A watcher that raises an
error, or does not return for seconds, is switched off with one line, and the run goes on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from commentator_lib.clock import Worker
from commentator_lib.errors import named_first_line
from commentator_lib.events import Event
from commentator_lib.media import AudioChunk, Frame, to_mono
from commentator_lib.watching.base import Watcher

logger = logging.getLogger(__name__)

_HANGS_S = 5.0
# The most sound that waits for busy watchers; beyond it the oldest is left out. They take it in parts of this length.
_WAITING_SOUND_S, _SOUND_PART_S = 5.0, 0.1
# Pieces nearer together than this follow each other.
_SEAM_S = 0.02


class Watching:
    """Frames → watchers → `on_event(event, captured_s)`, with the clock time at which its first evidence was captured.

    `on_screen` is what stands on the screen, by all watchers. `notes` takes one line for each that is switched off.
    `make_worker` gives the thread; another one is made where a watcher does not return.
    """

    def __init__(
        self,
        watchers: Sequence[Watcher],
        watch_fps: float,
        make_worker: Callable[[], Worker],
        on_event: Callable[[Event, float], None],
        notes: list[str],
    ) -> None:
        self.on_screen: Mapping[str, Any] = {}
        self.skipped = 0  # frames that were due while the watchers were busy
        self._active = list(watchers)
        self._interval_s = 1.0 / watch_fps
        self._make_worker = make_worker
        self._on_event = on_event
        self._notes = notes
        self._worker: Worker | None = None
        self._waiting: Frame | None = None
        self._sound: deque[tuple[AudioChunk, float]] = deque()  # with the clock time of its first sample
        self._sound_s = 0.0
        self._next_s = float("-inf")
        self._arrived = asyncio.Event()
        self._ended = self._changed = False

    @property
    def next_s(self) -> float:
        """Clock time from which the next frame is looked at; infinite where nobody looks."""
        return self._next_s if self._active else math.inf

    def offer(self, frame: Frame) -> None:
        """Take a frame of the source; it is looked at if one is due."""
        if not self._active or frame.captured_at_s < self._next_s - 1e-6:
            return
        late_s = frame.captured_at_s - self._next_s
        base_s = self._next_s if late_s < self._interval_s else frame.captured_at_s
        self._next_s = base_s + self._interval_s
        self.skipped += self._waiting is not None
        self._waiting = frame
        self._arrived.set()

    def offer_sound(self, chunk: AudioChunk, captured_s: float) -> None:
        """Take a piece of the programme's sound; its first sample was captured at clock time `captured_s`."""
        if not self._active:
            return
        self._sound.append((chunk, captured_s))
        self._sound_s += chunk.duration_s
        while self._sound_s > _WAITING_SOUND_S:
            self._sound_s -= self._sound.popleft()[0].duration_s
        if self._sound_s >= _SOUND_PART_S:
            self._arrived.set()

    def source_changed(self) -> None:
        """Note that another source follows: what was seen and heard has nothing to do with it."""
        self._waiting, self._changed = None, True
        self._sound.clear()
        self._sound_s, self.on_screen = 0.0, {}
        self._next_s = float("-inf")

    def source_ended(self) -> None:
        """Note that no more frames will come."""
        self._ended = True
        self._arrived.set()

    async def run(self) -> None:
        """Look at frames until the source has ended."""
        self._worker = self._make_worker()
        try:
            await self._reset_all()
            while True:
                while self._waiting is None and self._sound_s < _SOUND_PART_S and not self._ended:
                    self._arrived.clear()
                    await self._arrived.wait()
                if self._changed:
                    self._changed = False
                    await self._reset_all()
                # Sound first: it is cheap, and often says first that something happens.
                while self._sound:
                    await self._listen(*self._next_sound())
                frame, self._waiting = self._waiting, None
                if frame is not None:
                    await self._look(frame)
                elif self._ended and not self._sound:
                    return
        finally:
            for watcher in self._active:
                self._worker.submit(_close, watcher)
            self._worker.close()

    async def _reset_all(self) -> None:
        for watcher in list(self._active):
            await self._call(watcher, watcher.reset)

    def _next_sound(self) -> tuple[AudioChunk, float]:
        """Return all waiting sound of one stretch as one mono piece, and the clock time of its first sample."""
        first, captured_s = self._sound.popleft()
        pieces, end_s = [first.samples], (first.from_s or 0.0) + first.duration_s
        while self._sound and abs((self._sound[0][0].from_s or 0.0) - end_s) < _SEAM_S:
            chunk, _ = self._sound.popleft()
            pieces.append(chunk.samples)
            end_s += chunk.duration_s
        self._sound_s = sum(chunk.duration_s for chunk, _ in self._sound)
        mono = to_mono(np.concatenate(pieces))
        return AudioChunk(mono, first.sample_rate_hz, first.from_s), captured_s

    async def _listen(self, sound: AudioChunk, captured_s: float) -> None:
        loop = asyncio.get_running_loop()
        from_s = sound.from_s or 0.0
        for watcher in list(self._active):
            if type(watcher).listen is Watcher.listen:
                continue
            events = await self._call(watcher, _events_of, watcher.listen, sound)
            late_s = max(0.0, loop.time() - captured_s - sound.duration_s)
            for event in events or []:
                told = dataclasses.replace(event, detected_s=event.detected_s + late_s)
                self._on_event(told, event.at_s + captured_s - from_s)

    async def _look(self, frame: Frame) -> None:
        loop = asyncio.get_running_loop()
        shown: dict[str, Any] = {}
        for watcher in list(self._active):
            events = await self._call(watcher, _events_of, watcher.look, frame)
            on_screen = await self._call(watcher, lambda watcher=watcher: dict(watcher.on_screen() or {}))
            shown.update(on_screen or {})
            late_s = max(0.0, loop.time() - frame.captured_at_s)
            for event in events or []:
                # 1) Reported when the look was over, not when the frame was taken.
                told = dataclasses.replace(event, detected_s=event.detected_s + late_s)
                # 2) The clock time of its first evidence; media time and clock run alike around this frame.
                self._on_event(told, event.at_s + frame.captured_at_s - frame.pts_s)
        self.on_screen = shown

    async def _call(self, watcher: Watcher, function: Callable[..., Any], *args: Any) -> Any:
        """Return what a watcher's method returns; None where the watcher fails, which switches it off."""
        if watcher not in self._active:
            return None
        assert self._worker is not None
        call = asyncio.ensure_future(self._worker.call(function, *args))
        try:
            await asyncio.wait({call}, timeout=_HANGS_S)
            if call.done():
                return call.result()
            reason = f"did not return within {_HANGS_S:g} s"
            self._worker.close()  # its thread ends when the call returns, if it ever does
            self._worker = self._make_worker()
        except Exception as error:  # code of others, which may fail in any way
            reason = named_first_line(error)
        finally:
            call.cancel()
        self._active.remove(watcher)
        self._notes.append(f"watcher {watcher.name} is switched off: {reason}")
        logger.warning("watcher %s is switched off: %s", watcher.name, reason)
        return None


def _events_of(notice: Callable[[Any], Any], given: Frame | AudioChunk) -> list[Event]:
    """Return what a watcher notices. Raise TypeError or ValueError for what is no event at a time."""
    events = list(notice(given) or [])
    for event in events:
        if not isinstance(event, Event):
            raise TypeError(f"it reported {type(event).__name__}, which is no Event")
        if not (math.isfinite(event.at_s) and math.isfinite(event.detected_s)):
            raise ValueError(f"it reported an event at {event.at_s} s")
    return events


def _close(watcher: Watcher) -> None:
    try:
        watcher.close()
    except Exception as error:  # as above; nothing depends on it any more
        logger.warning("closing watcher %s failed: %s", watcher.name, named_first_line(error))
