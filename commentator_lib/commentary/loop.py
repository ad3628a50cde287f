"""One commentary cycle after another: decide, infer, speak, and attend each comment until it was heard.

The naive loop (infer, play, sleep, again) makes the listener wait through every inference, and takes what
was generated for what was heard. Here a comment that is being heard is attended by a task of its own, while
the loop is already preparing the next one; and all waiting is on the event loop's clock, so that the same
code runs live and in virtual time.

It knows no thread, model, widget or file: workers, players and the log are given to it. Everything here
happens on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from commentator_lib.buffers import SlidingWindow
from commentator_lib.clock import END, Worker, next_or_end
from commentator_lib.commentary.prompts import build_prompt
from commentator_lib.commentary.speech import SpeechPiece, speak_comment
from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentRequest
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.pacing.policy import Slot, cut_position, heard_text, next_slot, start_of_comment
from commentator_lib.players.base import PlayerGroup
from commentator_lib.profiles import PROFILES
from commentator_lib.runs.log import RunLog
from commentator_lib.runs.record import CycleRecord
from commentator_lib.scene import SceneTracker, chosen, intensity
from commentator_lib.settings import Settings
from commentator_lib.voices.base import Voice

# How long a cycle waits for the frame that will be on screen when it speaks: a frame or two of video.
_FRAME_WAIT_S = 0.08
# The foreseen end of a comment moves when a player stalls, so the loop looks again this often.
_LOOK_AGAIN_S = 0.5
# A caption may come this much before its word: less than anybody sees.
_CAPTION_EARLY_S = 0.02
# What starts a cycle at once, and may cut the comment before.
_URGENT = ("instruction", "profile", "change")


class _Stale(Exception):
    """A comment that came too late to be heard."""


class _NoAnswer(Exception):
    """A commentator that hangs."""


@dataclass(slots=True)
class _Comment:
    """A comment from its first piece until it was heard."""

    record: CycleRecord
    captured_s: float  # its newest frame
    pieces: list[tuple[str, float, float]] = field(default_factory=list)  # text, its sound's offset, length
    sent_s: float = 0.0
    start_s: float | None = None
    sounding: bool = False  # it has sound; else its text is only shown
    generated: bool = False  # nothing more will come
    cut_s: float | None = None
    problem: str = ""
    broken_off: str = ""  # why it is not all that was to be said
    done: bool = False

    @property
    def id(self) -> int:
        return self.record.cycle

    @property
    def goal_s(self) -> float:
        """Seconds of sound after which it has been heard."""
        return self.sent_s if self.cut_s is None else min(self.cut_s, self.sent_s)


class CommentaryLoop:
    """Runs cycles until stopped, or until the source is over and everything was heard.

    `vram` reads the GPU memory in use, in bytes, or None; `torch_vram` is `meters.torch_vram_bytes`. Times in
    the log are relative to `epoch_s`.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        window: SlidingWindow,
        scene: SceneTracker,
        delay: PictureDelay,
        commentator: Commentator,
        voice: Voice | None,
        players: PlayerGroup,
        worker: Worker,
        log: RunLog,
        epoch_s: float = 0.0,
        vram: Callable[[], int | None] = lambda: None,
        torch_vram: Callable[[bool], tuple[int, int] | None] = lambda _reset: None,
    ) -> None:
        self.settings = settings
        self._window = window
        self._scene = scene
        self._delay = delay
        self._commentator = commentator
        self._voice = voice
        self._players = players
        self._worker = worker
        self._log = log
        self._epoch_s = epoch_s
        self._vram = vram
        self._torch_vram = torch_vram
        self._clock = asyncio.get_running_loop()

        self.profile = settings.profile
        self.instruction: str | None = settings.instruction or PROFILES[settings.profile].instruction
        self.cycles = 0
        self._trigger = "first"
        self._last_text = ""
        self._last: _Comment | None = None  # the newest comment with sound that nothing has dropped
        self._last_heard_to_s: float | None = None
        self._retry_at_s = 0.0
        self._attending: dict[int, asyncio.Task] = {}
        self._comments: dict[int, _Comment] = {}
        self._generation: asyncio.Task | None = None
        self._generating: _Comment | None = None
        self._commented_frame = -1
        self._source_over = False
        self._stopped = False
        self._wake = asyncio.Event()
        self._frame = asyncio.Event()

    # --- what happens to it from outside, on the loop's thread

    def set_instruction(self, text: str | None) -> None:
        """A question or a new focus in mid-stream: a cycle starts at once and the carried context is
        dropped. None or empty text idles the loop."""
        text = (text or "").strip() or None
        if text == self.instruction:
            return
        self.instruction = text
        if text:
            self._drop_context("instruction")
        self._wake.set()

    def set_profile(self, name: str) -> None:
        """Switch the prompt profile (KeyError if unknown); its own instruction goes with it."""
        follows = self.instruction == PROFILES[self.profile].instruction
        new = PROFILES[name]
        self.profile = name
        if follows:
            self.instruction = new.instruction
        self._drop_context("profile")

    def apply(self, settings: Settings) -> None:
        """Settings that hold from the next cycle on."""
        self.settings = settings
        self._delay.configure(
            settings.policy,
            settings.delay_max_s,
            settings.slew_max,
            settings.delay_ema_alpha,
            settings.delay_quantile,
            settings.delay_margin_s,
        )
        self._wake.set()

    def frame_arrived(self) -> None:
        self._frame.set()

    def scene_changed(self, compensated: float) -> None:
        """A frame of the window changed by this much in the last second: an important change may cut the
        comment that is being heard."""
        threshold = self.settings.interrupt_threshold
        if threshold <= 0 or compensated < threshold or self._urgent_under_way():
            return
        now = self._clock.time()
        if any(self._can_be_cut(comment, now) for comment in self._comments.values()):
            self._interrupt("change")

    def _urgent_under_way(self) -> bool:
        """Whether an urgent comment is still to be heard: the next change must not overtake it in its turn,
        or in a restless scene none would ever be finished."""
        coming = [c for c in self._comments.values() if c.start_s > self._clock.time()]
        if self._generating:
            coming.append(self._generating)
        return self._trigger in _URGENT or any(c.record.trigger in _URGENT for c in coming)

    def _can_be_cut(self, comment: _Comment, now: float) -> bool:
        """Whether it is being heard, and nothing has overtaken it yet."""
        untouched = not comment.done and comment.cut_s is None and not comment.broken_off
        return untouched and comment.sounding and self._players.playback.track(comment.id).heard_s(now) > 0

    def source_ended(self) -> None:
        self._source_over = True
        self._wake.set()
        self._frame.set()

    def stop(self) -> None:
        """End now: what is being heard is cut at the next step and logged."""
        self._stopped = True
        if self._generation:
            self._generation.cancel()
        self._wake.set()
        self._frame.set()

    def _drop_context(self, trigger: str) -> None:
        self._last_text = ""
        self._scene.forget()
        self._interrupt(trigger)

    def _interrupt(self, trigger: str) -> None:
        """Start a cycle at once. What is being generated ends here; what was prepared is dropped."""
        self._trigger = trigger
        if self._generation and self._generating:
            self._generating.broken_off = f"overtaken by a new {trigger}"
            self._generation.cancel()
        now = self._clock.time()
        for comment in self._comments.values():
            waiting = comment.start_s > now and not comment.done
            if waiting and self._players.playback.track(comment.id).heard_s(now) == 0:
                comment.broken_off = f"overtaken by a new {trigger}"
                self._cut(comment, 0.0)
        heard = [c for c in self._comments.values() if c.sounding and c.cut_s != 0.0]
        self._last = heard[-1] if heard else None
        self._wake.set()

    def _cut(self, comment: _Comment, at_heard_s: float) -> None:
        comment.cut_s = at_heard_s
        comment.generated = True
        self._players.cut(comment.id, at_heard_s)

    # --- the loop

    async def run(self) -> None:
        try:
            while (slot := await self._next_slot()) is not None:
                await self._cycle(slot)
        finally:
            if self._stopped:
                self._cut_all("the session was stopped")
            await self._drain()

    async def _next_slot(self) -> Slot | None:
        """Wait until a cycle may start; None when there will be no more."""
        while not self._stopped:
            now = self._clock.time()
            newest = self._window.newest
            if self._source_over and (newest is None or newest.index <= self._commented_frame):
                return None
            if not self.instruction:
                if self._source_over:
                    return None
                await _wait(self._wake, None)
                continue
            if newest is None:
                await _wait(self._frame, _LOOK_AGAIN_S)
                continue
            if self._trigger in _URGENT:
                return Slot(now, now)
            slot = self._foreseen_slot(now)
            if slot and self._source_over and self._is_past(newest, slot):
                return None
            if slot is None:
                await self._players.playback.wait_change(_LOOK_AGAIN_S)
            elif slot.infer_at_s > now + 1e-9:
                await _wait(self._wake, min(slot.infer_at_s - now, _LOOK_AGAIN_S))
            else:
                await self._wait_for_frame(slot)
                return slot
        return None

    def _is_past(self, newest: Frame, slot: Slot) -> bool:
        """Whether the picture has gone by its last frame before it could be spoken of."""
        return self._delay.due_of(newest.captured_at_s) < slot.hear_at_s - _FRAME_WAIT_S

    def _foreseen_slot(self, now: float) -> Slot | None:
        """The slot after the last comment; None while serial waits for its end to be acknowledged."""
        if self.settings.policy == "serial" and self._last is not None and not self._last.done:
            return None
        previous_end_s = self._previous_end_s(now)
        delay_s = self._delay.due_of(now) - now
        slot = next_slot(self.settings.policy, now, previous_end_s, self.settings.pause_s, delay_s)
        if slot.infer_at_s >= self._retry_at_s:
            return slot
        return Slot(self._retry_at_s, max(slot.hear_at_s, self._retry_at_s))

    def _previous_end_s(self, now: float) -> float | None:
        """When the last sound ends or ended; None when there was none."""
        if self._last is not None and not self._last.done:
            return self._players.playback.track(self._last.id).end_s(now)
        return None if self._last_heard_to_s is None else self._last_heard_to_s + self._epoch_s

    async def _wait_for_frame(self, slot: Slot) -> None:
        """Playout: wait for the first frame that is on screen when the commentator may speak again."""
        if self.settings.policy == "serial" or self._delay.off or not self._delay.started:
            return
        give_up_s = self._clock.time() + _FRAME_WAIT_S
        while (
            self._delay.due_of(self._window.newest.captured_at_s) < slot.hear_at_s - 1e-6
            and (left_s := give_up_s - self._clock.time()) > 0
            and not (self._stopped or self._source_over)
        ):
            await _wait(self._frame, left_s)

    # --- one cycle

    async def _cycle(self, slot: Slot) -> None:
        now = self._clock.time()
        settings = self.settings
        frames = self._window.take(settings.frames_per_inference, settings.frame_stride)
        newest = frames[-1]
        change = self._scene.measure()
        trigger, self._trigger = self._trigger, "slot"
        self.cycles += 1
        record = CycleRecord(
            cycle=self.cycles,
            trigger=trigger,
            policy=settings.policy,
            frames=len(frames),
            frame_first_index=frames[0].index,
            frame_last_index=newest.index,
            frame_oldest_age_s=now - frames[0].captured_at_s,
            frame_newest_age_s=now - newest.captured_at_s,
            frame_newest_captured_s=newest.captured_at_s - self._epoch_s,
            change_mean=change.mean,
            change_block=change.block,
            change_compensated=change.compensated,
            decide_s=now - self._epoch_s,
            slot_s=slot.hear_at_s - self._epoch_s,
            pause_s=settings.pause_s,
            delay_wanted_s=self._delay.wanted_s,
            delay_applied_s=self._delay.applied_s,
        )
        self._commented_frame = newest.index
        if trigger == "slot" and chosen(change, settings.change_measure) < settings.change_threshold:
            self._retry_later()
            self._finish_silently(record, "unchanged")
            return

        last_text = self._last_text
        if trigger == "change" and self._last is not None and not self._last.done:
            last_text = self._heard_by(self._last, self._delay.due_of(newest.captured_at_s))
        record.intensity = intensity(change.mean, last_text) if settings.speech else "normal"
        prompt = build_prompt(self.profile, self.instruction, last_text, record.intensity)
        record.prompt_characters = len(prompt)
        record.infer_s = now - self._epoch_s
        record.vram_idle_bytes = record.vram_peak_bytes = self._vram()
        record.torch_idle_bytes, record.torch_peak_bytes = self._torch_vram(True) or (None, None)
        self._scene.mark_inference()
        comment = _Comment(record, newest.captured_at_s)
        request = CommentRequest(frames, prompt, settings.max_new_tokens, settings.speech)
        await self._generate(comment, speak_comment(self._commentator, self._voice, request, settings.speech))

    def _heard_by(self, comment: _Comment, when_s: float) -> str:
        """What of a comment will have been heard when the next one cuts it: only that can be built upon."""
        now = self._clock.time()
        heard_s = self._players.playback.track(comment.id).heard_s(now) + max(0.0, when_s - now)
        return _text_up_to(comment, heard_s)

    async def _generate(self, comment: _Comment, pieces: Iterator[SpeechPiece]) -> None:
        """Run the commentator to its end, its failure or an interruption; then hand the comment over."""
        task = asyncio.ensure_future(self._take_pieces(comment, pieces))
        self._generation, self._generating = task, comment
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                task.cancel()
            self._generation = self._generating = None
        record = comment.record
        record.generated_s = self._clock.time() - self._epoch_s
        error = None if task.cancelled() else task.exception()
        silent = error is None and not task.cancelled() and task.result()
        if task.cancelled() or error is not None:
            self._worker.submit(pieces.close)
        if task.cancelled():
            comment.broken_off = comment.broken_off or "the session was stopped"
        elif isinstance(error, _Stale):
            comment.broken_off = str(error)
        elif error is not None:
            comment.problem = str(error) if isinstance(error, _NoAnswer) else _describe(error)
        comment.generated = True
        record.text = "".join(text for text, _, _ in comment.pieces).strip()

        if comment.start_s is not None:  # something of it is heard or shown: its own task sees it out
            if record.text:
                self._last_text = record.text
            if not comment.sounding:
                self._retry_later()
            self._players.playback.wake()
            return
        if silent:
            record.text = self._last_text = NOTHING_TO_SAY
            outcome, reason = "silent", ""
        elif comment.broken_off:
            outcome, reason = "stale", comment.broken_off
        else:
            outcome, reason = "failed", comment.problem
        record.discarded_tokens = record.output_tokens
        if not comment.broken_off:
            self._retry_later()
        self._finish_silently(record, outcome, reason)

    async def _take_pieces(self, comment: _Comment, pieces: Iterator[SpeechPiece]) -> bool:
        """Take pieces as they come; True when the comment was "..."."""
        timeout_s = self.settings.inference_timeout_s
        started_s = self._clock.time()
        while True:
            if comment.start_s is None and self._clock.time() - started_s > timeout_s:
                raise _NoAnswer(f"the commentator had nothing to show for {timeout_s:g} s")
            asked_s = self._clock.time()
            call = asyncio.ensure_future(self._worker.call(next_or_end, pieces))
            try:
                await asyncio.wait({call}, timeout=timeout_s)
                if not call.done():
                    raise _NoAnswer(f"the commentator gave no answer for {timeout_s:g} s")
                piece = call.result()
            finally:
                call.cancel()
            if piece is END:
                return False
            if piece.cost_s is not None and (left_s := asked_s + piece.cost_s - self._clock.time()) > 0:
                if piece.cost_s > timeout_s:
                    await asyncio.sleep(timeout_s)
                    raise _NoAnswer(f"the commentator gave no answer for {timeout_s:g} s")
                await asyncio.sleep(left_s)
            self._measure_memory(comment.record)
            if piece.stage_times is not None:
                comment.record.set_stage_times(piece.stage_times)
            comment.record.output_tokens += piece.output_tokens
            if piece.image_tokens is not None:
                comment.record.image_tokens = piece.image_tokens
            if piece.prompt_tokens is not None:
                comment.record.prompt_tokens = piece.prompt_tokens
            comment.problem = comment.problem or piece.problem
            if piece.silent:
                return True
            self._take(comment, piece)

    def _measure_memory(self, record: CycleRecord) -> None:
        """The driver's count is read at each piece, so a short peak may escape it; PyTorch keeps its own."""
        if (used := self._vram()) is not None:
            record.vram_peak_bytes = max(used, record.vram_peak_bytes or 0)
        if (torch_vram := self._torch_vram(False)) is not None:
            record.torch_peak_bytes = torch_vram[1]

    def _take(self, comment: _Comment, piece: SpeechPiece) -> None:
        seconds = 0.0 if piece.pcm is None else len(piece.pcm) / PLAYBACK_RATE_HZ
        if piece.text and comment.record.first_text_s is None:
            comment.record.first_text_s = self._clock.time() - self._epoch_s
        if piece.text or seconds:
            comment.pieces.append((piece.text, comment.sent_s, seconds))
        # Sound starts a comment; where there is none, its text does: at once in text mode, at the end
        # where a voice should have spoken and did not.
        shown_only = comment.pieces and not seconds and (not self.settings.speech or piece.last)
        if comment.start_s is None and (seconds or shown_only):
            self._begin(comment, sounding=seconds > 0)
        if seconds:
            self._players.play(
                AudioChunk(piece.pcm, PLAYBACK_RATE_HZ), comment.id, comment.start_s + comment.sent_s
            )
            comment.sent_s += seconds
        self._players.playback.wake()

    def _begin(self, comment: _Comment, sounding: bool) -> None:
        """Its first sound is ready: decide when it is heard, and whether that is still worth it."""
        now = self._clock.time()
        record = comment.record
        comment.sounding = sounding
        record.first_sound_s = now - self._epoch_s
        record.first_sound_latency_s = now - comment.captured_s
        self._delay.observe(now - comment.captured_s, now)
        due_s = self._delay.due_of(comment.captured_s)
        urgent = record.trigger in _URGENT
        last = self._last
        not_before_s = now
        if not urgent and (end_s := self._previous_end_s(now)) is not None:
            not_before_s = end_s + self.settings.pause_s
        start_s = start_of_comment(self.settings.policy, now, due_s, not_before_s, self._delay.off)
        if self.settings.stale_after_s > 0 and start_s - due_s > self.settings.stale_after_s:
            raise _Stale(f"ready {start_s - due_s:.1f} s behind its picture")
        if last is not None and urgent and not last.done:
            start_s = self._make_room(last, start_s, now)
        comment.start_s = start_s
        if sounding:
            self._last = comment
        self._comments[comment.id] = comment
        task = asyncio.ensure_future(self._attend(comment))
        task.add_done_callback(self._attended)
        self._attending[comment.id] = task

    def _make_room(self, last: _Comment, start_s: float, now: float) -> float:
        """Cut the comment being heard where the urgent one starts; returns the start on its step."""
        position_s = self._players.playback.track(last.id).heard_s(now) + (start_s - now)
        cut_s = cut_position(position_s)
        if cut_s >= last.goal_s:
            return max(start_s, self._previous_end_s(now) or now)
        if not last.broken_off:
            last.broken_off = "cut for something more important"
        self._cut(last, cut_s)
        return start_s + (cut_s - position_s)

    # --- one comment, from its first sound until it was heard

    async def _attend(self, comment: _Comment) -> None:
        """Show each piece's words when its sound is heard; finish the record when all was."""
        playback = self._players.playback
        shown = 0
        while True:
            now = self._clock.time()
            position_s = self._position_s(comment, now)
            while shown < len(comment.pieces) and position_s is not None:
                offset_s = comment.pieces[shown][1]
                if position_s < offset_s - _CAPTION_EARLY_S or offset_s > comment.goal_s:
                    break
                shown += 1
                final = comment.generated and not any(t.strip() for t, _, _ in comment.pieces[shown:])
                text = " ".join("".join(t for t, _, _ in comment.pieces[:shown]).split())
                if text:
                    self._players.caption(comment.id, text, final)
            if comment.generated and position_s is not None and position_s >= comment.goal_s - 1e-6:
                if shown >= len(comment.pieces) or comment.cut_s is not None or not comment.sounding:
                    break
            if comment.cut_s == 0.0:
                break
            await playback.wait_change(self._wait_s(comment, shown, position_s, now))
        self._finish(comment)

    def _attended(self, task: asyncio.Task) -> None:
        """A fault of ours while attending ends the run; `_drain` raises it."""
        if not task.cancelled() and task.exception() is not None:
            self.stop()

    def _position_s(self, comment: _Comment, now: float) -> float | None:
        """Seconds of it that were heard; None before its first sound. Text counts from its time on."""
        if now < comment.start_s - 1e-6:
            return None
        if not comment.sounding:
            return now - comment.start_s
        heard_s = self._players.playback.track(comment.id).heard_s(now)
        begun = heard_s > 0 or self._players.playback.track(comment.id).begun(now)
        return heard_s if begun else None

    def _wait_s(self, comment: _Comment, shown: int, position_s: float | None, now: float) -> float:
        """Until the next thing is to be done for it, if playback goes on as it does."""
        if position_s is None:
            return min(_LOOK_AGAIN_S, max(0.01, comment.start_s - now)) if comment.start_s > now else 0.05
        if not comment.sounding:
            return _LOOK_AGAIN_S  # only its next text can matter, and that wakes us
        goals = [comment.goal_s] if comment.generated else []
        if shown < len(comment.pieces):
            goals.append(comment.pieces[shown][1])
        ahead = [goal - position_s for goal in goals if goal > position_s]
        return min(_LOOK_AGAIN_S, max(0.01, min(ahead))) if ahead else 0.05 if goals else _LOOK_AGAIN_S

    def _finish(self, comment: _Comment) -> None:
        """It was heard, or cut: complete its row and log it."""
        playback = self._players.playback
        now = self._clock.time()
        record = comment.record
        comment.done = True
        heard_s = comment.goal_s
        record.done_s = now - self._epoch_s
        record.speech_s = heard_s
        record.heard_text = (
            _text_up_to(comment, heard_s)
            if comment.sounding
            else record.text or "".join(t for t, _, _ in comment.pieces).strip()
        )
        never_heard = comment.sounding and heard_s <= 0
        if never_heard:
            record.outcome, record.reason = "stale", comment.broken_off
            record.discarded_tokens = record.output_tokens
        else:
            self._measure_heard(comment, now)
            if comment.problem:
                record.outcome, record.reason = "failed", comment.problem
            elif comment.broken_off:
                record.outcome, record.reason = "interrupted", comment.broken_off
                words = max(1, len(record.text.split()))
                share = min(1.0, len(record.heard_text.split()) / words)
                record.discarded_tokens = round(record.output_tokens * (1 - share))
            else:
                record.outcome = "spoken"
        if comment.cut_s is not None and self._last_text == record.text:
            self._last_text = record.heard_text
        self._log.cycle(record)
        self._comments = {k: c for k, c in self._comments.items() if not c.done or c is self._last}
        self._attending.pop(comment.id, None)
        playback.forget_before(min((c.id for c in self._comments.values() if not c.done), default=comment.id))
        self._wake.set()

    def _measure_heard(self, comment: _Comment, now: float) -> None:
        playback = self._players.playback
        record = comment.record
        from_s = comment.start_s
        if comment.sounding:
            from_s = playback.track(comment.id).heard_from_s(now) or comment.start_s
        to_s = playback.track(comment.id).end_s(now) if comment.sounding else max(from_s, now)
        due_s = self._delay.due_of(comment.captured_s)
        record.heard_from_s = from_s - self._epoch_s
        record.heard_to_s = to_s - self._epoch_s
        record.sync_error_s = from_s - due_s
        record.delay_wanted_s = self._delay.wanted_s
        record.delay_applied_s = due_s - comment.captured_s
        record.underruns = int(to_s - from_s > comment.goal_s + 0.02) if comment.sounding else 0
        if comment.sounding:
            if self._last_heard_to_s is not None:
                record.gap_before_s = record.heard_from_s - self._last_heard_to_s
                record.shortfall_s = max(0.0, record.gap_before_s - record.pause_s)
            self._last_heard_to_s = record.heard_to_s

    def _finish_silently(self, record: CycleRecord, outcome: str, reason: str = "") -> None:
        """A cycle of which nothing was heard or shown."""
        record.outcome, record.reason = outcome, reason
        record.done_s = self._clock.time() - self._epoch_s
        self._log.cycle(record)

    def _retry_later(self) -> None:
        self._retry_at_s = self._clock.time() + self.settings.inference_interval_s

    def _cut_all(self, reason: str) -> None:
        now = self._clock.time()
        for comment in self._comments.values():
            if comment.done:
                continue
            cut_s = cut_position(self._players.playback.track(comment.id).heard_s(now))
            if not comment.generated or cut_s < comment.goal_s:
                comment.broken_off = comment.broken_off or reason
                self._cut(comment, cut_s)

    async def _drain(self) -> None:
        """Until every comment was heard to its end or its cut; one that cannot be is logged as it stands."""
        while self._attending:
            await asyncio.wait(set(self._attending.values()))
            for task in [t for t in self._attending.values() if t.done()]:
                with contextlib.suppress(asyncio.CancelledError):
                    task.result()


def _text_up_to(comment: _Comment, heard_s: float) -> str:
    return heard_text([(text, seconds) for text, _, seconds in comment.pieces], heard_s)


def _describe(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


async def _wait(event: asyncio.Event, timeout_s: float | None) -> None:
    """Until the event is set next, or for `timeout_s` at most."""
    event.clear()
    if timeout_s is None:
        await event.wait()
        return
    timer = asyncio.get_running_loop().call_later(timeout_s, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
