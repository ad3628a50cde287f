"""One run: start its parts on an event loop in a thread of its own, and end them.

In the caller's thread, or as a task on a notebook's own loop, a busy cell would stop the voice.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from commentator_lib.clock import VirtualTimeLoop, Worker, make_worker
from commentator_lib.commentary.language import language_problem
from commentator_lib.commentary.loop import CommentaryLoop
from commentator_lib.commentary.questions import RUN_ENDED, Question, question_row
from commentator_lib.commentators.base import Loading
from commentator_lib.errors import named_first_line
from commentator_lib.profiles import PROFILES
from commentator_lib.redact import redact_text, redact_url
from commentator_lib.runs import meters
from commentator_lib.runs.record import totals
from commentator_lib.settings import Settings, SettingsError, live_settings, shown_settings
from commentator_lib.sources.base import Source
from commentator_lib.sources.recording import SourceRecorder
from commentator_lib.stages.parts import Given, Parts, build_parts, close_each, warm_up
from commentator_lib.stages.sampling import Counts, Progress, Sampler

logger = logging.getLogger(__name__)

# Seconds that the end waits for blocking calls that do not return, before it leaves their threads behind: a server that
# is told to end must have written all within 5 s.
_STOP_WAIT_S = 2.5


class LiveRun:
    """The run behind a LiveSession. When the session is dropped, the run still lives until it has ended.

    `main` is the run's thread; every other public member may be used from any thread.
    """

    def __init__(self, given: Given, settings: Settings) -> None:
        self.given = given
        self.settings = settings
        self.state = "starting"  # starting · running · draining · ended
        self.loading: Loading | None = None  # how far the commentator's loading is, or was
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._parts: Parts | None = None  # while the clock runs
        self._pending: list[Callable[[CommentaryLoop], None]] = []
        self._recorders: list[SourceRecorder] = []
        self._later_sources: list[str] = []  # that followed the first one
        self._at_end = Progress()
        self._notes: list[str] = []
        self._questions = 0
        self._unheard: dict[int, str] = {}  # questions that the loop has not taken yet, by their numbers
        self._loaded: dict[str, Any] = {}

    # --- from other threads

    def call_on_loop(self, message: Callable[[CommentaryLoop], None]) -> None:
        """Call `message` on the loop's thread. Before the loop is up it waits; after its end it is lost."""
        with self._lock:
            if self.state == "ended":
                return
            if self._parts is None or self._loop is None:
                self._pending.append(message)
                return
            with contextlib.suppress(RuntimeError):  # the loop has been closed: the run is over
                self._loop.call_soon_threadsafe(self._steer, self._parts, message)

    def ask(self, text: str) -> int:
        """Ask a question, also before the start; return its number in the run. Raise RuntimeError after the end."""
        with self._lock:
            if self.state == "ended":
                raise RuntimeError("the run is over: start a new one, then ask")
            self._questions += 1
            number = self._questions
            self._unheard[number] = text
        self.call_on_loop(lambda loop: loop.ask(number, self._unheard.pop(number)))
        return number

    def request_stop(self) -> None:
        """Let the run end soon; returns at once."""
        self._stop.set()
        try:
            self.given.source.interrupt()  # so that a read that waits for a camera returns
        except Exception as error:  # code of others, which may fail in any way; then the read is waited for
            self._notes.append(f"interrupting the source: {named_first_line(error)}")
        self.call_on_loop(lambda loop: loop.stop())

    def switch(self, to: Source) -> None:
        """Go on with another source from its next frame on. Raise RuntimeError after the end."""
        with self._lock:
            if self.state in ("draining", "ended"):
                to.close()
                raise RuntimeError("the run is over: start a new one")
        self.given.source.switch(to)

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings from the next cycle on. Raise SettingsError for invalid ones and for fixed ones."""
        if fixed := changes.keys() & Settings.model_fields.keys() - live_settings():
            raise SettingsError(
                f"{', '.join(sorted(fixed))} cannot be changed while a session runs: start a new one"
            )
        with self._lock:
            old, new = self.settings, self.settings.changed(**changes)
            self.settings = new
        logger.info("settings changed: %s", ", ".join(f"{k} = {v!r}" for k, v in changes.items()))
        if new.profile != old.profile:
            self.call_on_loop(lambda loop: loop.set_profile(new.profile))
        if new.instruction != old.instruction:
            words = new.instruction or PROFILES[new.profile].instruction
            self.call_on_loop(lambda loop: loop.set_instruction(words))
        self.call_on_loop(lambda loop: self._apply(loop, old, new))

    def _apply(self, loop: CommentaryLoop, old: Settings, new: Settings) -> None:
        loop.apply(new)
        if self._parts is not None:
            self._parts.window.configure(new.capture_fps, new.window_frames)
        before = shown_settings(old)
        for name, value in shown_settings(new).items():
            if value != before[name] and name != "instruction":  # which `_steer` logs
                self._log_change(name, before[name], value)

    def _steer(self, parts: Parts, message: Callable[[CommentaryLoop], None]) -> None:
        """Pass a message on, on the loop's thread; log the instruction where the message has changed it."""
        before = parts.commentary.instruction
        message(parts.commentary)
        if (now := parts.commentary.instruction) != before:
            self._log_change("instruction", before, now)

    def _log_change(self, name: str, old: Any, new: Any) -> None:
        if self._loop is not None and self._parts is not None:
            self.given.log.changed(name, old, new, self._loop.time() - self._parts.epoch_s)

    def progress(self) -> Progress:
        """Return how far the run has come, also after its end."""
        parts = self._parts
        if parts is None or self._loop is None:
            return self._at_end
        return Progress(
            self._loop.time() - parts.epoch_s, parts.shown.shown_s, parts.delay.applied_s, self._counts(parts)
        )

    def _counts(self, parts: Parts) -> Counts:
        return parts.counts(self.given.source.skipped)

    def _note_loading(self, loading: Loading) -> None:
        self.loading = loading

    # --- the run's thread

    def main(self) -> None:
        """Run until all has been said and shown, or the run is stopped. Keep the error that breaks it in `error`."""
        given, folder = self.given, self.given.log.folder or "in memory"
        logger.info("run begins: mode %s, commentator %s, log %s", given.mode, given.commentator.name, folder)
        loop = VirtualTimeLoop() if self.given.mode != "live" else asyncio.new_event_loop()
        self._loop = loop
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._run())
        except BaseException as error:
            self.error = error
        finally:
            with self._lock:
                self._at_end = self.progress()
                self.state = "ended"
            self._finish_log()
            if self.error is not None:
                logger.error("run ends with an error: %s, log %s", named_first_line(self.error), folder)
            else:
                outcomes = totals(given.log.cycle_rows)
                counted = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items() if n)
                logger.info("run ends: cycles %s, log %s", counted or "none", folder)

    async def _run(self) -> None:
        mode = self.given.mode
        capture_worker = make_worker("what-if" if mode != "live" else "live", "capture")
        inference_worker = make_worker(mode, "inference")
        tasks: list[asyncio.Task[None]] = []
        try:
            # 1) Load what is slow to load; a stop does not wait for it.
            loading = asyncio.ensure_future(
                inference_worker.call(warm_up, self.given, self._notes, self._note_loading)
            )
            while not loading.done():
                await asyncio.wait({loading}, timeout=0.1)
                self.given.log.check_folder()
                if self._stop.is_set() or self.given.log.problem:
                    return
            self._loaded = loading.result()
            voice = None if self.given.commentator.has_voice else self.given.voice
            if problem := language_problem(self.settings, voice):
                self._notes.append(problem)
                logger.warning("%s", problem)
            # 2) Put the parts together, and pass on the messages that came before they were there.
            parts = self._build(capture_worker, inference_worker)
            # 3) Run the stages side by side.
            sampler = Sampler(
                self.given.log,
                parts.epoch_s,
                parts.delay,
                mode == "live",
                lambda: self._end_without_log(parts),
                self.given.source,
            )
            stages = (
                parts.capture.run(),
                parts.display.run(),
                parts.commentary.run(),
                parts.sampling(sampler, lambda: self._counts(parts)),
                parts.watching.run(),
                *([parts.programme.run()] if parts.programme is not None else []),
            )
            tasks = [asyncio.ensure_future(stage) for stage in stages]
            self.state = "running"
            await self._until_over(*tasks)
        finally:
            # 4) End the stages, tell the players, and close each part on the thread that used it.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._parts is not None:
                end = {
                    "problem": self.given.log.problem or self._source_problem(),
                    "stopped": self._stop.is_set(),
                }
                self._parts.players.log_row("end", end)
                self._parts.players.detach()
                self.given.log.on_row = lambda *_: None
            self._close_workers(capture_worker, inference_worker)

    def _build(self, capture_worker: Worker, inference_worker: Worker) -> Parts:
        given, info, stats = self.given, self.given.source.info, self.given.source.live
        recorder = None
        if given.log.folder is not None and given.recorded:
            fps = (stats and stats.fps) or info.fps
            recorder = SourceRecorder(given.log.folder, fps, info.has_sound, waits=given.mode != "live")
            self._recorders.append(recorder)
        parts = build_parts(
            given,
            self.settings,
            recorder,
            capture_worker,
            inference_worker,
            self._stop,
            self._next_recorder,
            self._notes,
            self._player_failed,
        )
        with self._lock:
            self._parts = parts
            waiting, self._pending = self._pending, []
        for message in waiting:
            self._steer(parts, message)
        return parts

    def _next_recorder(self) -> SourceRecorder | None:
        """Note that another source has followed; return its recorder. It is kept even where it could be read again."""
        source, folder = self.given.source, self.given.log.folder
        spec = redact_url(source.info.spec)
        self._later_sources.append(spec)
        if self._parts is not None:
            self._parts.players.log_row("source", {"source": spec})
        self._log_change("source", None, spec)
        if self._recorders:
            threading.Thread(target=self._recorders[-1].close, daemon=True).start()
        if folder is None:
            return None
        fps = (source.live and source.live.fps) or source.info.fps
        part = len(self._later_sources) + 1
        self._recorders.append(SourceRecorder(folder, fps, source.info.has_sound, part=part))
        return self._recorders[-1]

    async def _until_over(
        self,
        capture: asyncio.Task[None],
        display: asyncio.Task[None],
        commentary: asyncio.Task[None],
        *others: asyncio.Task[None],
    ) -> None:
        """Wait until all has been said and shown, or the run is stopped. An error here breaks the run."""
        waiting = {capture, display, commentary, *others}
        while not commentary.done() or (display in waiting and not self._stop.is_set()):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if capture in done:
                self.state = "draining"

    def _end_without_log(self, parts: Parts) -> None:
        """End the run because its log cannot be written any more."""
        if not self._stop.is_set():
            self._stop.set()
            parts.commentary.stop()

    def _player_failed(self, name: str, error: Exception) -> None:
        self._notes.append(f"player {name} failed: {named_first_line(error)}")
        logger.warning("player %s is dropped: %s", name, named_first_line(error))

    # --- the end

    def _close_workers(self, capture_worker: Worker, inference_worker: Worker) -> None:
        capture_worker.submit(close_each, self._notes, self.given.source)
        commentator = None if self.given.keep_commentator else self.given.commentator
        inference_worker.submit(close_each, self._notes, commentator, self.given.voice)
        for worker in (capture_worker, inference_worker):
            worker.close()
        # Closing does not wait; a call that hangs keeps its daemon thread and is reported.
        until_s = time.monotonic() + _STOP_WAIT_S
        for worker, name in ((capture_worker, "source"), (inference_worker, "commentator")):
            if not worker.join(max(0.0, until_s - time.monotonic())):
                self._notes.append(f"the {name} did not return within {_STOP_WAIT_S:g} s")

    def _finish_log(self) -> None:
        for recorder in self._recorders:
            recorder.close()
            self._notes += recorder.notes()
        for number, text in self._unheard.items():
            question = Question(number, text, self._at_end.now_s)
            self.given.log.question(question_row(question, "dropped", question.asked_s, None, RUN_ENDED))
        self.given.log.finish(self._totals())
        self._parts = None  # its frames must not stay in memory as long as the session's handle
        if (
            self.given.mode != "what-if"
        ):  # such a run holds no pictures of its own, and a sweep has thousands of them
            gc.collect()
        if self.given.mode == "live":
            meters.give_back_freed_memory()

    def _source_problem(self) -> str:
        problem = self.given.source.problem or (self._parts.capture.problem if self._parts else "")
        return redact_text(problem)

    def _totals(self) -> dict[str, Any]:
        given, parts, counts = self.given, self._parts, self._at_end.counts
        from_s = parts.capture.from_s - parts.epoch_s if parts else 0.0
        epoch_s = parts.epoch_s if parts else 0.0
        return {
            "outcomes": totals(given.log.cycle_rows),
            "frames_captured": counts.captured,
            "frames_shown": counts.shown,
            "frames_dropped": counts.dropped,
            "underruns": parts.headless.underruns if parts else 0,
            "programme_jumps": parts.programme.jumps if parts and parts.programme else 0,
            "programme_stretched_s": round(parts.programme.stretched_s, 3)
            if parts and parts.programme
            else 0.0,
            "later_sources": self._later_sources,
            "source_fps": given.source.info.fps,
            "has_sound": given.source.info.has_sound,
            "source_from_s": round(from_s, 6),  # when a file's first frame was captured
            "source_problem": self._source_problem(),
            "source_outages": [
                {"from_s": round(a - epoch_s, 3), "to_s": round(b - epoch_s, 3), "why": redact_text(why)}
                for a, b, why in given.source.outages
            ],
            "stopped_early": self._stop.is_set(),
            "error": None if self.error is None else named_first_line(self.error),
            **(self._loaded if given.mode == "live" else {}),
            "notes": self._notes + ([given.log.problem] if given.log.problem else []),
        }
