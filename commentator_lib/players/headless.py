"""A player without a screen or a loudspeaker, with the exact timing of a perfect one.

For servers, tests, benchmarks and virtual time. It draws each frame when it is due and plays comments one
after another on the loop's clock, so that it acknowledges what a perfect sound card would have played. It tells
its listeners what it drew and played; the run log records that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from commentator_lib.callbacks import Callback
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.players.base import Player
from commentator_lib.players.playback_clock import PlaybackClock, Report
from commentator_lib.sound.live_mix import faded


@dataclass(slots=True)
class _Sound:
    """A piece of a comment's sound; `start_s` is the time that was asked for, and once it has begun, the real one."""

    comment_id: int
    pcm: AudioChunk  # int16 (N,) at 48 kHz
    offset_s: float  # in its comment
    start_s: float
    arrived_s: float
    begun: bool = False


class HeadlessPlayer(Player):
    """Shows nothing and plays nothing, but tells its listeners when it would have.

    `on_drawn(frame, due_at_s, drawn_at_s)`, `on_sounded(comment_id, samples, from_s)` and
    `on_caption(comment_id, text, final, at_s)` are called on the loop's thread as things happen;
    `samples` is int16 (N,) at 48 kHz, given when it has been played to its end or its cut. An error of theirs is named
    once, and changes nothing.
    """

    name = "headless"
    lead_s = 0.0
    _loop: asyncio.AbstractEventLoop  # from `attach` on

    def __init__(
        self,
        on_drawn: Callable[[Frame, float, float], None] | None = None,
        on_sounded: Callable[[int, np.ndarray, float], None] | None = None,
        on_caption: Callable[[int, str, bool, float], None] | None = None,
    ) -> None:
        self._on_drawn = Callback("on_drawn", on_drawn)
        self._on_sounded = Callback("on_sounded", on_sounded)
        self._on_caption = Callback("on_caption", on_caption)
        self.frames_drawn = 0
        self.underruns = 0
        self._report: Report = lambda *_: None
        self._closed = False
        self._sounds: deque[_Sound] = deque()
        self._sent_s: dict[int, float] = {}
        self._cut: set[int] = set()
        self._free_at_s = 0.0  # clock time at which all begun sounds will have been played
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, playback: PlaybackClock) -> None:
        self._loop = asyncio.get_running_loop()
        self._report = playback.join(self.name, may_stall=False)
        self._closed = False
        self._free_at_s = 0.0
        self._sent_s.clear()
        self._cut.clear()

    # --- picture

    def show(self, frame: Frame, due_at_s: float) -> None:
        if due_at_s <= self._loop.time():
            self._draw(frame, due_at_s)
        else:
            self._loop.call_at(due_at_s, self._draw, frame, due_at_s)

    def _draw(self, frame: Frame, due_at_s: float) -> None:
        if self._closed:
            return
        self.frames_drawn += 1
        self._on_drawn(frame, due_at_s, self._loop.time())

    # --- sound

    def play(self, pcm: AudioChunk, comment_id: int, start_at_s: float) -> None:
        if comment_id in self._cut:
            return
        offset_s = self._sent_s.get(comment_id, 0.0)
        if comment_id not in self._sent_s:
            self._sent_s = {k: v for k, v in self._sent_s.items() if k >= comment_id - 8}
        self._sent_s[comment_id] = offset_s + pcm.duration_s
        self._sounds.append(_Sound(comment_id, pcm, offset_s, start_at_s, self._loop.time()))
        self._pump()

    def _pump(self) -> None:
        """Finish and begin the sounds whose time has come, and set the timer for the next."""
        self._cancel_timer()
        while self._sounds:
            now = self._loop.time()
            head = self._sounds[0]
            # 1) The sound that is being played: wait for its end, or go on to the next.
            if head.begun:
                end_s = head.start_s + head.pcm.duration_s
                if now < end_s - 1e-9:
                    self._timer = self._loop.call_at(end_s, self._pump)
                    return
                self._finish(head, head.pcm.duration_s)
                continue
            # 2) The next sound: wait for its start, or begin it and wait for its end.
            start_s = self._start_of(head)
            if now < start_s - 1e-9:
                self._timer = self._loop.call_at(start_s, self._pump)
            else:
                self._begin(head, start_s)
                self._timer = self._loop.call_at(self._free_at_s, self._pump)
            return

    def _start_of(self, sound: _Sound) -> float:
        """Return when a sound can start.

        A sound that is ready follows the one before to the sample, as on a sound card, even if this code runs late. The
        first sound of a comment waits for its time.
        """
        earliest_s = max(self._free_at_s, sound.arrived_s)
        return earliest_s if sound.offset_s > 0 else max(sound.start_s, earliest_s)

    def _begin(self, sound: _Sound, start_s: float) -> None:
        # A later piece that arrives after the one before has ended leaves a gap: an underrun.
        self.underruns += sound.offset_s > 0 and sound.arrived_s > self._free_at_s + 1e-3
        sound.start_s, sound.begun = start_s, True
        self._free_at_s = start_s + sound.pcm.duration_s
        if sound.offset_s == 0:
            self._report(sound.comment_id, 0.0, start_s)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _finish(self, sound: _Sound, played_s: float) -> None:
        """Hand over the first sound of the queue, played to its end."""
        self._sounds.popleft()
        ended_s = sound.start_s + played_s
        self._free_at_s = ended_s
        samples = sound.pcm.samples[: round(played_s * sound.pcm.sample_rate_hz)]
        self._on_sounded(sound.comment_id, samples, sound.start_s)
        self._report(sound.comment_id, sound.offset_s + played_s, ended_s)

    def cut(self, comment_id: int, at_heard_s: float) -> None:
        """Stop a comment after `at_heard_s` seconds of its own sound; the rest is never played."""
        self._cut = {k for k in self._cut if k >= comment_id - 8} | {comment_id}
        kept: deque[_Sound] = deque()
        for sound in self._sounds:
            if sound.comment_id != comment_id:
                kept.append(sound)
                continue
            left_s = at_heard_s - sound.offset_s
            if left_s > 1e-9:
                keep = round(left_s * sound.pcm.sample_rate_hz)
                sound.pcm = AudioChunk(faded(sound.pcm.samples[:keep]), sound.pcm.sample_rate_hz)
                kept.append(sound)
            elif sound.begun:  # the cut lies before this sound, which already plays: end it here
                self._finish_cut(sound)
        self._sounds = kept
        if kept and kept[0].begun:
            self._free_at_s = kept[0].start_s + kept[0].pcm.duration_s
        self._pump()

    def _finish_cut(self, sound: _Sound) -> None:
        """Hand over a sound that ends now, as far as it was played."""
        now = self._loop.time()
        played_s = min(sound.pcm.duration_s, max(0.0, now - sound.start_s))
        self._free_at_s = now
        samples = faded(sound.pcm.samples[: round(played_s * sound.pcm.sample_rate_hz)])
        self._on_sounded(sound.comment_id, samples, sound.start_s)
        self._report(sound.comment_id, sound.offset_s + played_s, now)

    # --- words

    def caption(self, comment_id: int, text: str, final: bool) -> None:
        self._on_caption(comment_id, text, final, self._loop.time())

    def detach(self) -> None:
        """Stop sounding and drawing; what has been begun is handed over as far as it was played."""
        self._cancel_timer()
        if self._sounds and self._sounds[0].begun:
            self._finish_cut(self._sounds.popleft())
        self._sounds.clear()
        self._closed = True
