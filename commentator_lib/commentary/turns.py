"""When the next cycle may start, and what starts it: slots, retries and interruptions.

This file does the waiting. The arithmetic of slots is in pacing/policy.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from commentator_lib.buffers import SlidingWindow
from commentator_lib.commentary.comment import URGENT_TRIGGERS, USER_IMPORTANCE, Comment
from commentator_lib.commentary.deciding import WORTH_A_COMMENT
from commentator_lib.commentary.delivery import LOOK_AGAIN_S, Delivery
from commentator_lib.commentary.event_queue import EventQueue
from commentator_lib.commentary.generation import Generation
from commentator_lib.commentary.questions import Questions
from commentator_lib.media import Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.pacing.policy import Slot, next_slot
from commentator_lib.players.playback_clock import PlaybackClock
from commentator_lib.settings import Settings

# How long a cycle waits for the frame that will be on screen when it speaks: a frame or two of video.
_FRAME_WAIT_S = 0.08
# A frame that is on screen since so short a time counts as new: the next would cost a frame's length of silence.
_JUST_SHOWN_S = 0.005
# A comment is expected to be ready after this quantile of the last latencies.
_USUAL = 0.75
# A comment on an event has named it by the time that so much of it was heard.
_NAMED_AFTER_S = 3.0


class Turns:
    """Gives one slot after another: while `idle` is True for questions only, and none while `away` says why no picture
    comes.

    `commented_frame` is the index of the newest frame that a cycle has looked at. `in_turn`: the present cycle has
    waited for its slot.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        window: SlidingWindow,
        delay: PictureDelay,
        playback: PlaybackClock,
        delivery: Delivery,
        generation: Generation,
        events: EventQueue,
        questions: Questions,
        away: Callable[[], str] = str,
        to_be_shown: Callable[[], Iterable[Frame]] = tuple,
    ) -> None:
        self.settings = settings
        self.idle = False
        self.commented_frame = -1
        self.in_turn = False
        self.stopped = False
        self._window = window
        self._delay = delay
        self._playback = playback
        self._delivery = delivery
        self._generation = generation
        self._events = events
        self._questions = questions
        self._away = away
        self._to_be_shown = to_be_shown
        self._clock = asyncio.get_running_loop()
        self._trigger = "first"
        self._retry_at_s = 0.0
        self._source_over = False
        self._wake = asyncio.Event()
        self._frame = asyncio.Event()

    # --- called from outside

    def wake(self) -> None:
        """Check again whether a cycle may start."""
        self._wake.set()
        self._playback.wake()  # serial waits for the end of what is heard

    def frame_arrived(self) -> None:
        """Note that a frame has come into the window."""
        self._frame.set()

    def source_ended(self) -> None:
        """Note that no more frames will come."""
        self._source_over = True
        self._wake.set()
        self._frame.set()

    def stop(self) -> None:
        """Give no more slots."""
        self.stopped = True
        self._wake.set()
        self._frame.set()

    # --- what starts a cycle

    def take_trigger(self) -> str:
        """Return what has started this cycle; the next one is started by its slot unless something else comes."""
        trigger, self._trigger = self._trigger, "slot"
        return trigger

    def retry_later(self) -> None:
        """Start no cycle before `inference_interval_s` has passed."""
        self._retry_at_s = self._clock.time() + self.settings.inference_interval_s

    def interrupt(self, trigger: str) -> None:
        """Start a cycle at once. What is being generated ends here; what waits to be heard is dropped."""
        self._trigger = trigger
        self._generation.overtake(trigger)
        self._delivery.drop_waiting(trigger)
        self.wake()

    def event_noticed(self, importance: int) -> None:
        """Interrupt for an important event, unless one at least as important is being told; else let it wait."""
        if importance >= self.settings.interrupt_importance and importance > self._importance_under_way():
            self.interrupt("event")
        else:
            self.wake()

    def _importance_under_way(self, of_events: bool = False) -> int:
        """Return the importance of the most important comment that is prepared or heard; -1 for none.

        `of_events`: only what their events weigh, not what a user asked. One that was heard for a while has named its
        event: what is left of it may be cut.
        """
        now = self._clock.time()
        under_way = [c for c in self._delivery.comments.values() if not c.ended]
        if self._generation.comment:
            under_way.append(self._generation.comment)
        untold = [c for c in under_way if self._delivery.playback(c).heard_s(now) < _NAMED_AFTER_S]
        return max((c.event_importance if of_events else c.importance for c in untold), default=-1)

    def question_must_wait(self) -> bool:
        """Return whether an event at least as important as a question is being told, or waits to be told.

        Then the question comes in its turn after it; else it interrupts.
        """
        told = self._importance_under_way(of_events=True)
        return not self.idle and max(told, self._events.importance(self._clock.time())) >= USER_IMPORTANCE

    def scene_changed(self, compensated: float) -> None:
        """Interrupt for an important change, if there is a comment that it can cut."""
        threshold = self.settings.interrupt_threshold
        if threshold <= 0 or compensated < threshold or self._urgent_under_way():
            return
        now = self._clock.time()
        if any(self._can_be_cut(comment, now) for comment in self._delivery.comments.values()):
            self.interrupt("change")

    def _urgent_under_way(self) -> bool:
        """Return whether an urgent comment is still to be heard.

        The next change must not overtake it as well, or in a restless scene no comment would ever be finished.
        """
        now = self._clock.time()
        coming = [comment for comment in self._delivery.comments.values() if comment.start_s > now]
        if self._generation.comment:
            coming.append(self._generation.comment)
        return self._trigger in URGENT_TRIGGERS or any(comment.urgent for comment in coming)

    def _can_be_cut(self, comment: Comment, now: float) -> bool:
        """Return whether a comment is being heard, and nothing has overtaken it yet."""
        untouched = not comment.ended and comment.cut_s is None and not comment.broken_off
        return untouched and comment.has_sound and self._delivery.playback(comment).heard_s(now) > 0

    # --- when it may start

    async def next_slot(self) -> Slot | None:
        """Wait until a cycle may start; None when there will be no more."""
        while not self.stopped:
            now = self._clock.time()
            newest = self._window.newest
            asked = self._questions.waits
            # 1) A source that is over, with nothing new to speak of.
            if self._source_over and (newest is None or (newest.index <= self.commented_frame and not asked)):
                return None
            # 2) Nothing to look for, or nothing to look at yet.
            if self.idle and not asked:
                if self._source_over:
                    return None
                await _wait(self._wake, None)
                continue
            if newest is None or (self._away() and not self._source_over):
                self._window.ask_for_next()
                await _wait(self._frame, LOOK_AGAIN_S)
                continue
            # 3) Something urgent starts at once; everything else at its slot.
            self._trigger = "question" if self.idle else self._trigger  # nothing else is told then
            self.in_turn = self._trigger not in URGENT_TRIGGERS and self._trigger != "event"
            if not self.in_turn:
                return Slot(now, now)
            waiting = self._events.importance(now)
            to_tell = asked or waiting >= WORTH_A_COMMENT
            if self.settings.speak_when == "events" and self._trigger == "slot" and not to_tell:
                if self._source_over:
                    return None
                await _wait(self._wake, LOOK_AGAIN_S)
                continue
            slot = self._foreseen_slot(now, to_tell)
            if slot and self._source_over and self._is_past(newest, slot) and not asked:
                return None
            if slot is None:
                await self._playback.wait_change(LOOK_AGAIN_S)
            elif slot.infer_at_s > now + 1e-9:
                await _wait(self._wake, min(slot.infer_at_s - now, LOOK_AGAIN_S))
            else:
                await self._wait_for_frame(slot, newest)
                if to_tell and self._trigger == "slot":
                    self._trigger = "question" if asked and waiting <= USER_IMPORTANCE else "event"
                return slot
        return None

    def _is_past(self, newest: Frame, slot: Slot) -> bool:
        """Return whether the newest frame will have left the screen before a comment on it could start."""
        return self._delay.due_of(newest.captured_at_s) < slot.hear_at_s - _FRAME_WAIT_S

    def _foreseen_slot(self, now: float, to_tell: bool) -> Slot | None:
        """Return the slot after the last comment; None while serial waits for its end to be acknowledged.

        `to_tell`: an event or a question waits, so that nothing need be waited for but the pause.
        """
        last = self._delivery.last
        if self.settings.policy == "serial" and last is not None and not last.ended:
            return None
        previous_end_s = self._delivery.previous_end_s(now)
        delay_s = self._delay.due_of(now) - now
        slot = next_slot(self.settings.policy, now, previous_end_s, self.settings.pause_s, delay_s)
        if to_tell or slot.infer_at_s >= self._retry_at_s:
            return slot
        return Slot(self._retry_at_s, max(slot.hear_at_s, self._retry_at_s))

    def can_be_in_time(self, slot: Slot) -> bool:
        """Return whether a comment that begins to be generated now is more likely than not ready at its slot."""
        usual_s = self._delay.usual_latency_s(0.5)
        return usual_s is not None and self._clock.time() + usual_s <= slot.hear_at_s

    def frame_for(self, slot: Slot) -> Frame | None:
        """Return the frame on which a comment that begins to be generated now is made; None for the newest.

        For playout, after a comment that took longer to make than it leaves time, the frame that will be on screen when
        the next one can be heard is not the newest any more. On the newest it would have to wait for its picture.
        """
        usual_s = self._delay.usual_latency_s(_USUAL)
        if self.settings.policy == "serial" or self._delay.off or not self._delay.started or usual_s is None:
            return None
        hear_at_s = max(slot.hear_at_s, self._clock.time() + usual_s)
        found = None
        for frame in self._to_be_shown():
            if (
                frame.index <= self.commented_frame
                or self._delay.due_of(frame.captured_at_s) < hear_at_s - 1e-6
            ):
                break
            found = frame
        return found

    async def _wait_for_frame(self, slot: Slot, newest: Frame) -> None:
        """For playout, wait for the first frame that is on screen when the commentator may speak again."""
        if self.settings.policy == "serial" or self._delay.off or not self._delay.started:
            return
        give_up_s = self._clock.time() + _FRAME_WAIT_S
        while (
            self._delay.due_of(newest.captured_at_s) < slot.hear_at_s - _JUST_SHOWN_S
            and (left_s := give_up_s - self._clock.time()) > 0
            and not (self.stopped or self._source_over)
        ):
            self._window.ask_for_next()
            await _wait(self._frame, left_s)
            newest = self._window.newest or newest


async def _wait(event: asyncio.Event, timeout_s: float | None) -> None:
    """Wait until the event is set next, or for `timeout_s` at most."""
    event.clear()
    if timeout_s is None:
        await event.wait()
        return
    timer = asyncio.get_running_loop().call_later(timeout_s, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
