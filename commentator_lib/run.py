"""One run: puts the parts together, starts them on an event loop in a thread of its own, and ends them.

In the caller's thread, or as a task on a notebook's own loop, a busy cell would stop the voice.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from commentator_lib.buffers import DisplayBuffer, SlidingWindow
from commentator_lib.clock import Mode, VirtualTimeLoop, make_worker, sleep_until
from commentator_lib.commentary.loop import CommentaryLoop
from commentator_lib.commentators.base import Commentator
from commentator_lib.media import Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.players.base import PlayerGroup
from commentator_lib.players.headless import HeadlessPlayer
from commentator_lib.profiles import PROFILES
from commentator_lib.runs import meters
from commentator_lib.runs.log import RunLog
from commentator_lib.runs.record import totals
from commentator_lib.scene import SceneTracker
from commentator_lib.settings import Settings, SettingsError, live_settings
from commentator_lib.sources.base import Source
from commentator_lib.sources.open import is_stream
from commentator_lib.sources.recording import SourceRecorder
from commentator_lib.voices.base import Voice

# A reader that is this late has fallen behind real time, and skips to the present.
_BEHIND_S = 0.1
# A frame this late gives way to the next one, if that is due too: about two frames of a screen.
_LATE_S = 0.04
_SAMPLE_S = 1.0
# How long `stop` waits for a blocking call that will not come back before it leaves its thread to itself.
_STOP_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Status:
    """What a progress bar or a status line shows. Times in seconds since the session's start."""

    state: str  # starting · running · draining · ended
    now_s: float
    shown_s: float  # how far the picture has come, from its first frame
    duration_s: float | None
    delay_s: float
    frames_captured: int
    frames_shown: int
    frames_dropped: int
    cycles: int


class LiveRun:
    """What runs behind a LiveSession, and outlives its being dropped for the moment it takes to end."""

    def __init__(
        self,
        source,
        settings,
        commentator,
        voice,
        players,
        mode,
        log,
        on_caption,
        on_drawn,
        duration_s,
    ) -> None:
        self.settings: Settings = settings
        self.error: BaseException | None = None
        self.log: RunLog = log
        self._source: Source = source
        self._commentator = commentator
        self._voice = voice
        self._extra_players = players
        self._mode: Mode = mode
        self._on_caption = on_caption
        self._on_drawn = on_drawn
        self._picture_recorder: SourceRecorder | None = None
        self._duration_s: float | None = duration_s
        self._state = "starting"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._commentary: CommentaryLoop | None = None
        self._stopping = False
        self._lock = threading.Lock()
        self._pending: list[Callable[[CommentaryLoop], None]] = []
        self._epoch_s = 0.0
        self._captured = 0
        self._source_from_s = 0.0
        self._late_dropped = 0
        self._shown_from_s: float | None = None
        self._shown_s = 0.0
        self._display: DisplayBuffer | None = None
        self._delay: PictureDelay | None = None
        self._recorder: HeadlessPlayer | None = None
        self._notes: list[str] = []
        self._loaded: dict[str, Any] = {}

    # --- from other threads

    def tell(self, message: Callable[[CommentaryLoop], None]) -> None:
        """Have something done on the loop's thread; before the loop is up it waits, after its end it is lost."""
        with self._lock:
            if self._commentary is None:
                self._pending.append(message)
                return
            with contextlib.suppress(RuntimeError):  # the loop has been closed: the run is over
                self._loop.call_soon_threadsafe(message, self._commentary)

    def request_stop(self) -> None:
        self._stopping = True
        self._source.interrupt()  # a read that waits for a camera need not be waited for
        self.tell(lambda loop: loop.stop())

    def change(self, changes: dict[str, Any]) -> None:
        if fixed := changes.keys() & Settings.model_fields.keys() - live_settings():
            raise SettingsError(
                f"{', '.join(sorted(fixed))} cannot be changed while a session runs: start a new one"
            )
        with self._lock:
            old, new = self.settings, self.settings.changed(**changes)
            self.settings = new
        if new.profile != old.profile:
            self.tell(lambda loop: loop.set_profile(new.profile))
        if new.instruction != old.instruction:
            words = new.instruction or PROFILES[new.profile].instruction
            self.tell(lambda loop: loop.set_instruction(words))
        self.tell(lambda loop: self._apply(loop, new))

    def _apply(self, loop: CommentaryLoop, settings: Settings) -> None:
        loop.apply(settings)
        self._window.configure(settings.capture_fps, settings.window_frames)

    def status(self) -> Status:
        now = self._loop.time() - self._epoch_s if self._loop and self._epoch_s is not None else 0.0
        recorder = self._recorder
        return Status(
            state=self._state,
            now_s=now,
            shown_s=self._shown_s,
            duration_s=self._source.info.duration_s or self._duration_s,
            delay_s=self._delay.applied_s if self._delay else 0.0,
            frames_captured=self._captured,
            frames_shown=recorder.frames_drawn if recorder else 0,
            frames_dropped=self._dropped(),
            cycles=len(self.log.cycle_rows),
        )

    def _dropped(self) -> int:
        return self._source.skipped + self._late_dropped + (self._display.dropped if self._display else 0)

    # --- the run's thread

    def main(self) -> None:
        loop = VirtualTimeLoop() if self._mode != "live" else asyncio.new_event_loop()
        self._loop = loop
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._main())
        except BaseException as error:
            self.error = error
        finally:
            self._state = "ended"
            self._close()

    def _close(self) -> None:
        if self._picture_recorder is not None:
            self._picture_recorder.close()
            if self._picture_recorder.problem:
                self._notes.append(self._picture_recorder.problem)
            if self._picture_recorder.dropped:
                self._notes.append(f"{self._picture_recorder.dropped} frames were not recorded")
        self.log.finish(self._totals())
        # Drop the parts now: frames and models must not wait for the handle to go.
        self._commentator = self._voice = self._display = None
        gc.collect()

    def _close_parts(self, *parts: Source | Commentator | Voice | None) -> None:
        """On the thread that uses them, after its last call: closing under a call's feet can crash."""
        for part in parts:
            if part is None:
                continue
            try:
                part.close()
            except Exception as error:  # the log must be finished whatever a model does at its end
                self._notes.append(f"closing {type(part).__name__}: {type(error).__name__}: {error}")

    def _totals(self) -> dict[str, Any]:
        info = self._source.info
        recorder = self._recorder
        return {
            "outcomes": totals(self.log.cycle_rows),
            "frames_captured": self._captured,
            "frames_shown": recorder.frames_drawn if recorder else 0,
            "frames_dropped": self._dropped(),
            "underruns": recorder.underruns if recorder else 0,
            "source_fps": info.fps,
            "source_from_s": round(self._source_from_s, 6),  # when a file's first frame was captured
            "source_problem": self._source.problem,
            "stopped_early": self._stopping,
            "error": None if self.error is None else f"{type(self.error).__name__}: {self.error}",
            **(self._loaded if self._mode == "live" else {}),
            "notes": self._notes + ([self.log.problem] if self.log.problem else []),
        }

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        settings = self.settings
        capture = make_worker("what-if" if self._mode != "live" else "live", "capture")
        inference = make_worker(self._mode, "inference")
        tasks: list[asyncio.Task] = []
        players: PlayerGroup | None = None
        try:
            warm_up = asyncio.ensure_future(inference.call(self._warm_up))
            while not warm_up.done():
                await asyncio.wait({warm_up}, timeout=0.1)
                if self._stopping:
                    return
            warm_up.result()
            info = self._source.info
            if self.log.folder is not None and (info.live or is_stream(info.spec)):
                self._picture_recorder = SourceRecorder(self.log.folder, info.fps)
            self._epoch_s = loop.time()
            self._window = SlidingWindow(settings.capture_fps, settings.window_frames)
            self._scene = SceneTracker()
            self._display = DisplayBuffer(settings.display_buffer_mb * 1_000_000)
            self._delay = PictureDelay(
                settings.policy,
                settings.delay_init_s,
                settings.delay_max_s,
                settings.slew_max,
                settings.delay_ema_alpha,
                settings.delay_quantile,
                settings.delay_margin_s,
            )
            self._recorder = HeadlessPlayer(self._drawn, self._sounded, self._captioned)
            players = PlayerGroup([self._recorder, *self._extra_players], self._player_failed)
            players.log_row("run", self._run_row())
            self.log.on_row = players.log_row
            commentary = CommentaryLoop(
                settings=settings,
                window=self._window,
                scene=self._scene,
                delay=self._delay,
                commentator=self._commentator,
                voice=self._voice,
                players=players,
                worker=inference,
                log=self.log,
                epoch_s=self._epoch_s,
                vram=meters.vram_used_bytes if self._mode == "live" else lambda: None,
                torch_vram=meters.torch_vram_bytes if self._mode == "live" else lambda _reset: None,
            )
            with self._lock:
                self._commentary = commentary
                waiting, self._pending = self._pending, []
            for message in waiting:
                message(commentary)
            self._state = "running"
            pump = asyncio.ensure_future(self._pump(capture, commentary))
            present = asyncio.ensure_future(self._present(players))
            sample = asyncio.ensure_future(self._sample())
            speak = asyncio.ensure_future(commentary.run())
            tasks = [pump, present, sample, speak]
            await self._until_over(pump, present, sample, speak)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if players is not None:
                players.log_row("end", {"problem": self._source.problem, "stopped": self._stopping})
                players.detach()
                self.log.on_row = lambda *_: None
            capture.submit(self._close_parts, self._source)
            inference.submit(self._close_parts, self._commentator, self._voice)
            for worker in (capture, inference):
                worker.close()
            # Closing joins nothing; a call that hangs keeps its daemon thread, and is named.
            for worker, name in ((capture, "source"), (inference, "commentator")):
                if not worker.join(_STOP_WAIT_S):
                    self._notes.append(f"the {name} did not return within {_STOP_WAIT_S:g} s")

    def _run_row(self) -> dict[str, Any]:
        """What players may want to tell of the run. `epoch_s` is the clock's time from which rows count."""
        info = self._source.info
        return {
            "epoch_s": self._epoch_s,
            "source": info.spec,
            "fps": info.fps,
            "duration_s": info.duration_s or self._duration_s,
            "commentator": self._commentator.name,
            "voice": self._voice.name if self._voice and self.settings.speech else None,
            "policy": self.settings.policy,
        }

    def _warm_up(self) -> None:
        before = meters.vram_used_bytes()
        started_s = time.monotonic()
        self._commentator.expect_frames(self._source.info.width, self._source.info.height)
        self._commentator.warm_up()
        self._loaded = {
            "load_s": round(time.monotonic() - started_s, 3),
            "vram_before_load_bytes": before,
            "vram_loaded_bytes": meters.vram_used_bytes(),
            "torch_loaded_bytes": (meters.torch_vram_bytes() or (None,))[0],
        }
        if self._voice is not None:
            try:
                self._voice.warm_up()
            except Exception as error:  # a broken voice costs the sound, not the session
                self._notes.append(f"voice: {type(error).__name__}: {error}")

    async def _until_over(self, pump, present, sample, speak: asyncio.Task) -> None:
        """Until all has been said and shown, or somebody stops it. What fails here is a fault of ours."""
        waiting = {pump, present, sample, speak}
        while not speak.done() or (present in waiting and not self._stopping):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if pump in done:
                self._state = "draining"

    async def _pump(self, capture, commentary: CommentaryLoop) -> None:
        """Source → display buffer at its own rate, and → window and scene at the capture rate."""
        loop = asyncio.get_running_loop()
        info = self._source.info
        started_s = loop.time()
        self._source_from_s = started_s - self._epoch_s
        first_pts_s: float | None = None
        not_before_s = 0.0
        try:
            while not self._stopping:
                frame = await capture.call(self._source.read, not_before_s)
                if frame is None:
                    break
                first_pts_s = frame.pts_s if first_pts_s is None else first_pts_s
                captured_s = loop.time()
                if not info.live:
                    # The camera's time of a file is when its frame would have come, to the microsecond;
                    # that this code ran a little later must not shake the picture.
                    captured_s = started_s + frame.pts_s - first_pts_s
                    behind_s = loop.time() - captured_s
                    not_before_s = frame.pts_s + behind_s if behind_s > _BEHIND_S else 0.0
                    if behind_s < 0:
                        await sleep_until(captured_s)
                elif self._duration_s is not None and captured_s - started_s >= self._duration_s:
                    break
                frame = Frame(frame.index, frame.pts_s, captured_s, frame.image)
                if self._captured == 0:
                    self._delay.first_frame(captured_s)
                self._captured += 1
                if self._picture_recorder is not None:
                    self._picture_recorder.push(frame)
                self._display.push(frame)
                kept = self._window.offer(frame)
                commentary.frame_arrived()
                if kept:
                    commentary.scene_changed(await capture.call(self._scene.push, frame))
        except Exception as error:  # a source may die in any way; what was seen is still commented
            self._source.problem = self._source.problem or f"{type(error).__name__}: {error}"
        finally:
            self._display.close()
            commentary.source_ended()

    async def _present(self, players: PlayerGroup) -> None:
        """Display buffer → players, each frame ahead of its time by their lead."""
        loop = asyncio.get_running_loop()
        while (frame := await self._display.wait()) is not None:
            # Until the first latency is known there is no picture, for `delay_init_s` at most.
            while not self._delay.started:
                left_s = frame.captured_at_s + self._delay.applied_s - players.lead_s - loop.time()
                if left_s <= 0:
                    break
                await asyncio.sleep(min(left_s, 0.02))
                frame = self._display.oldest
            self._display.pop()
            due_s = self._delay.due(frame.captured_at_s)
            await sleep_until(due_s - players.lead_s)
            behind, following = loop.time() - due_s > _LATE_S, self._display.oldest
            if behind and following and following.captured_at_s + self._delay.applied_s <= loop.time():
                self._late_dropped += 1  # nobody would see it: the next one is due as well
                continue
            players.show(frame, due_s)

    async def _sample(self) -> None:
        """One row a second: what the run costs and how it goes."""
        loop = asyncio.get_running_loop()
        meter = meters.ProcessMeter() if self._mode == "live" else None
        shown_before = 0
        due_s = self._epoch_s
        while True:
            due_s += _SAMPLE_S
            await sleep_until(due_s)
            cpu_share, rss_bytes = meter.read() if meter else (None, None)
            shown = self._recorder.frames_drawn
            self.log.sample(
                {
                    "at_s": loop.time() - self._epoch_s,
                    # None until the picture starts: before, no delay is applied to anything
                    "delay_applied_s": self._delay.applied_s if self._delay.started else None,
                    "delay_wanted_s": self._delay.wanted_s,
                    "shown_fps": (shown - shown_before) / _SAMPLE_S,
                    "frames_captured": self._captured,
                    "frames_shown": shown,
                    "frames_dropped": self._dropped(),
                    "display_frames": len(self._display),
                    "cpu_core_share": cpu_share,
                    "rss_bytes": rss_bytes,
                    "vram_used_bytes": meters.vram_used_bytes() if meter else None,
                    "torch_vram_bytes": (meters.torch_vram_bytes() or (None,))[0] if meter else None,
                }
            )
            shown_before = shown
            if self.log.problem and not self._stopping:  # the disk is full: without a log there is no run
                self._stopping = True
                self._commentary.stop()

    # --- what the recorder saw and heard

    def _drawn(self, frame: Frame, due_s: float, drawn_s: float) -> None:
        due_s, drawn_s = due_s - self._epoch_s, drawn_s - self._epoch_s
        if self._shown_from_s is None:
            self._shown_from_s = frame.pts_s
        self._shown_s = frame.pts_s - self._shown_from_s
        self.log.shown(frame.index, frame.captured_at_s - self._epoch_s, due_s, drawn_s)
        if self._on_drawn:
            self._on_drawn(frame, due_s, drawn_s)

    def _sounded(self, comment_id: int, samples: np.ndarray, from_s: float) -> None:
        self.log.sounded(comment_id, samples, from_s - self._epoch_s)

    def _captioned(self, comment_id: int, text: str, final: bool, at_s: float) -> None:
        self.log.captioned(comment_id, text, final, at_s - self._epoch_s)
        if self._on_caption:
            self._on_caption(comment_id, text, final, at_s - self._epoch_s)

    def _player_failed(self, name: str, error: Exception) -> None:
        self._notes.append(f"player {name} failed: {type(error).__name__}: {error}")
