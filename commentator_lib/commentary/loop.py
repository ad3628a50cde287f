"""One commentary cycle after another: decide, infer, speak. This file puts the parts together.

A comment that is being heard has a task of its own (delivery.py), while the loop already prepares the next one
(turns.py, generation.py): otherwise the listener would wait through every inference. What was really heard is kept
apart from what was generated. All waiting is on the event loop's clock, so that the same code runs live and in
virtual time.

The loop knows no thread, model, widget or file: workers, players and the log are given to it. Everything here
runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from commentator_lib.buffers import SlidingWindow
from commentator_lib.clock import Worker
from commentator_lib.commentary.comment import Comment, State
from commentator_lib.commentary.delivery import Delivery
from commentator_lib.commentary.generation import Generation
from commentator_lib.commentary.prompts import build_prompt
from commentator_lib.commentary.record_keeper import RecordKeeper
from commentator_lib.commentary.speech import speak_comment
from commentator_lib.commentary.turns import Turns
from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentRequest
from commentator_lib.media import Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.pacing.policy import Slot
from commentator_lib.players.base import PlayerGroup
from commentator_lib.profiles import PROFILES
from commentator_lib.runs.log import RunLog
from commentator_lib.scene import SceneTracker, chosen, intensity
from commentator_lib.settings import Settings
from commentator_lib.voices.base import Voice


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
        # 1) What changes while it runs, and the parts that it is given.
        self.settings = settings
        self.profile = settings.profile
        self.instruction: str | None = settings.instruction or PROFILES[settings.profile].instruction
        self.cycles = 0
        self._window = window
        self._scene = scene
        self._delay = delay
        self._commentator = commentator
        self._voice = voice
        self._playback = players.playback
        self._epoch_s = epoch_s
        self._clock = asyncio.get_running_loop()
        self._keeper = RecordKeeper(delay=delay, log=log, epoch_s=epoch_s)
        # 2) What makes a comment heard, what generates it, and what decides when the next one may start.
        self._delivery = Delivery(
            settings=settings,
            delay=delay,
            players=players,
            keeper=self._keeper,
            epoch_s=epoch_s,
            on_end=lambda: self._turns.wake(),  # noqa: PLW0108 - the turns are made below
            on_fault=self.stop,
        )
        self._generation = Generation(
            settings=settings,
            worker=worker,
            take=self._delivery.take,
            epoch_s=epoch_s,
            vram=vram,
            torch_vram=torch_vram,
        )
        self._turns = Turns(
            settings=settings,
            window=window,
            delay=delay,
            playback=players.playback,
            delivery=self._delivery,
            generation=self._generation,
        )

    # --- called from outside, on the loop's thread

    def set_instruction(self, text: str | None) -> None:
        """Take a question or a new focus: a cycle starts at once, without the last comment's words.

        With None or an empty text no cycle starts until the next instruction.
        """
        text = (text or "").strip() or None
        if text == self.instruction:
            return
        self.instruction = text
        self._turns.idle = text is None
        if text:
            self._start_afresh("instruction")
        self._turns.wake()

    def set_profile(self, name: str) -> None:
        """Switch the prompt profile. Raise KeyError for an unknown one.

        The instruction changes to the new profile's, unless the user has set one.
        """
        follows = self.instruction == PROFILES[self.profile].instruction
        new = PROFILES[name]
        self.profile = name
        if follows:
            self.instruction = new.instruction
        self._start_afresh("profile")

    def apply(self, settings: Settings) -> None:
        """Use these settings from the next cycle on."""
        for part in (self, self._turns, self._generation, self._delivery):
            part.settings = settings
        self._delay.configure(
            settings.policy,
            settings.delay_max_s,
            settings.slew_max,
            settings.delay_ema_alpha,
            settings.delay_quantile,
            settings.delay_margin_s,
        )
        self._turns.wake()

    def frame_arrived(self) -> None:
        """Note that a frame has come into the window."""
        self._turns.frame_arrived()

    def scene_changed(self, compensated: float) -> None:
        """Note by how much (0–255) a frame of the window changed in the last second.

        An important change may cut the comment that is being heard.
        """
        self._turns.scene_changed(compensated)

    def source_ended(self) -> None:
        """Note that no more frames will come."""
        self._turns.source_ended()

    def stop(self) -> None:
        """End the loop now: what is being heard is cut at the next step and logged."""
        self._turns.stop()
        self._generation.cancel()

    def _start_afresh(self, trigger: str) -> None:
        """Start a cycle at once, without the last comment's words and with the scene counted as new."""
        self._delivery.last_text = ""
        self._scene.forget()
        self._turns.interrupt(trigger)

    # --- one cycle after another

    async def run(self) -> None:
        """Run cycles until stopped, or until the source is over and everything was heard."""
        try:
            while (slot := await self._turns.next_slot()) is not None:
                await self._cycle(slot)
        finally:
            if self._turns.stopped:
                self._delivery.cut_all("the session was stopped")
            await self._delivery.drain()

    async def _cycle(self, slot: Slot) -> None:
        # 1) Look: the frames of this cycle, and how much has changed.
        now = self._clock.time()
        settings = self.settings
        frames = self._window.take(settings.frames_per_inference, settings.frame_stride)
        newest = frames[-1]
        change = self._scene.measure()
        trigger = self._turns.take_trigger()
        self._turns.commented_frame = newest.index
        self.cycles += 1
        record = self._keeper.begin(self.cycles, trigger, slot, frames, change, settings, now)
        # 2) Decide.
        if not worth_a_cycle(trigger, chosen(change, settings.change_measure), settings.change_threshold):
            self._turns.retry_later()
            self._keeper.log_end(record, "unchanged")
            return
        # 3) Ask.
        last_text = self._carried_text(trigger, newest)
        record.intensity = intensity(change.mean, last_text) if settings.speech else "normal"
        prompt = build_prompt(self.profile, self.instruction or "", last_text, record.intensity)
        record.prompt_characters = len(prompt)
        record.infer_s = now - self._epoch_s
        self._scene.mark_inference()
        request = CommentRequest(frames, prompt, settings.max_new_tokens, settings.speech)
        await self._comment(Comment(record, newest.captured_at_s), request)

    def _carried_text(self, trigger: str, newest: Frame) -> str:
        """Return the last comment for the next prompt: all of it, or what will have been heard if it is cut."""
        last = self._delivery.last
        if trigger == "change" and last is not None and not last.ended:
            return self._delivery.heard_by(last, self._delay.due_of(newest.captured_at_s))
        return self._delivery.last_text

    async def _comment(self, comment: Comment, request: CommentRequest) -> None:
        """Generate a comment to its end, its failure or an interruption; then hand it over."""
        record = comment.record
        pieces = speak_comment(self._commentator, self._voice, request, request.speech)
        silent = await self._generation.run(comment, pieces)
        if (
            comment.state is not State.PREPARING
        ):  # something of it is heard or shown: its own task finishes it
            if record.text:
                self._delivery.last_text = record.text
            if not comment.has_sound:
                self._turns.retry_later()
            self._playback.wake()
            return
        if silent:
            record.text = self._delivery.last_text = NOTHING_TO_SAY
        if not comment.broken_off:
            self._turns.retry_later()
        outcome = comment.end(silent)
        reason = {State.SILENT: "", State.DROPPED: comment.broken_off}.get(comment.state, comment.problem)
        record.discarded_tokens = record.output_tokens
        self._keeper.log_end(record, outcome, reason)


def worth_a_cycle(trigger: str, change: float, threshold: float) -> bool:
    """Return whether the commentator is asked.

    A cycle that a slot starts needs a change of at least `threshold` since the last inference; all others need none.
    """
    return trigger != "slot" or change >= threshold
