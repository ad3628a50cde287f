"""LiveSession: start, steer and stop a commentary. The library's public interface.

    session = LiveSession("clip.mp4")
    session.start()                      # returns at once; a notebook cell stays free
    session.set_instruction("Who wins?")
    session.stop()
    session.log.cycles                   # a DataFrame

The session starts a `LiveRun` in a thread of its own. When a session is dropped without `stop`, its run and its
threads end.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commentator_lib.clock import MODES, Mode
from commentator_lib.commentary.deciding import MODEL_RULES
from commentator_lib.commentary.questions import checked_question
from commentator_lib.commentators.base import Commentator, Loading
from commentator_lib.commentators.factory import make_commentator
from commentator_lib.media import Frame
from commentator_lib.players.base import Player
from commentator_lib.redact import redact_url
from commentator_lib.run import LiveRun
from commentator_lib.runs.claim import is_used
from commentator_lib.runs.log import RunLog
from commentator_lib.runs.provenance import run_header
from commentator_lib.runs.record import RunLogError
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.open import GivenSource, is_named, open_source
from commentator_lib.sources.recording import needs_recording
from commentator_lib.sources.switching import SwitchingSource
from commentator_lib.stages.parts import Given
from commentator_lib.voices.base import Voice
from commentator_lib.voices.factory import make_voice
from commentator_lib.watching.base import Watcher
from commentator_lib.watching.factory import make_watchers

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a run for a progress bar or a status line. Times in seconds since its clock started; 0 before."""

    state: str  # starting · running · draining · ended
    now_s: float
    shown_s: float  # how far the picture has come, from its first frame
    duration_s: float | None
    delay_s: float
    frames_captured: int
    frames_shown: int
    frames_dropped: int
    cycles: int
    loading: Loading | None = None  # how far the commentator's loading is, while the run is starting


class LiveSession:
    """One run of one commentator over one source.

    `source` is what `open_source` takes: a name, a Source, or frames. `commentator`, `voice` and `watchers` default to
    what the settings name; `keep_commentator` leaves it loaded at the end of a run, for the next one. A what-if run,
    in which nothing is computed, has only watchers that are given. `duration_s` repeats or cuts clips, and ends a
    stream. Clips begin at `start_s`, and with `loop` they are repeated without end. `mode` is live (real time), replay
    (virtual time, blocking calls charged what they really took) or what-if (virtual time, costs from the commentator's
    cost model). `run_dir` None keeps the log in memory; a folder that holds a run already is refused.
    `on_caption(cycle, text, final, at_s)` and `on_drawn(frame, due_s, drawn_s)` are called on the session's thread,
    with times since its start.

    Raise SourceError, SettingsError, CommentatorError or RunLogError in the constructor, before anything has
    started.
    """

    def __init__(
        self,
        source: GivenSource = "demo",
        settings: Settings | None = None,
        *,
        commentator: Commentator | None = None,
        voice: Voice | None = None,
        watchers: Sequence[Watcher] | None = None,
        keep_commentator: bool = False,
        players: list[Player] | None = None,
        mode: Mode = "live",
        duration_s: float | None = None,
        start_s: float = 0.0,
        loop: bool = False,
        run_dir: Path | str | None = None,
        on_caption: Callable[[int, str, bool, float], None] | None = None,
        on_drawn: Callable[[Frame, float, float], None] | None = None,
    ) -> None:
        if mode not in MODES:
            raise SettingsError(f"unknown mode {mode!r}; known are {', '.join(MODES)}")
        settings = settings or Settings()
        commentator = commentator or make_commentator(settings)
        if mode == "what-if" and not commentator.has_cost_model:
            raise SettingsError(
                f"what-if needs a commentator with a cost model, and {commentator.name} has none: "
                "set commentator=scripted, or use replay, which charges what calls really take"
            )
        _check_rule(settings.speak_when, commentator)
        if voice is None and mode != "what-if":  # there, nothing is computed
            voice = make_voice(settings)
        if watchers is None:
            watchers = make_watchers(settings) if mode != "what-if" else []
        self._watchers = list(watchers)
        self._given = os.fspath(source) if isinstance(source, os.PathLike) else source
        self._commentator, self._voice, self._players = commentator, voice, players or []
        self._mode: Mode = mode
        self._keep_commentator = keep_commentator
        if loop and duration_s is None and mode != "live":
            raise SettingsError(f"a loop without a duration has no end: give one, or run it live, not {mode}")
        self._duration_s = duration_s
        self._start_s, self._loop = start_s, loop
        self._run_dir = Path(run_dir) if run_dir is not None else None
        self._listeners = on_caption, on_drawn
        self._runs = 0
        self._finalizer: weakref.finalize | None = None
        self._thread: threading.Thread | None = None
        self._prepare(settings)

    def _open(self, source: GivenSource, settings: Settings) -> Source:
        return open_source(
            source,
            self._duration_s,
            settings.picture_max_px,
            settings.sound_track,
            settings.reconnect_for_s,
            settings.stream_options,
            start_s=self._start_s,
            loop=self._loop,
            image_fps=settings.image_fps,
            login_file=settings.stream_login_file,
        )

    def _prepare(self, settings: Settings) -> None:
        """Open the source and the log of one run."""
        self.source = self._open(self._given, settings)
        info = self.source.info
        logger.info(
            "source %s opened: %d × %d pixels, %.4g frames/s, %s",
            redact_url(info.spec),
            info.width,
            info.height,
            info.fps,
            "live" if info.live else f"{info.duration_s or 0:.1f} s long",
        )
        if info.live and self._mode != "live":
            self.source.close()
            raise SettingsError(
                f"{info.spec} is a live source: it can only be run in mode live, not {self._mode}"
            )
        self._runs += 1
        folder = self._run_dir
        if folder is not None and self._runs > 1:
            first = folder
            while is_used(folder := first.with_name(f"{first.name}-{self._runs}")):
                self._runs += 1
        spec = self._given if is_named(self._given) else info.spec
        header = run_header(spec, settings, self._mode, self._commentator, self._voice, self._duration_s)
        header |= {"start_s": self._start_s, "loop": self._loop}
        try:
            self.log = RunLog(folder, header)
        except RunLogError:
            if is_named(self._given):  # nobody else can close it
                self.source.close()
            raise
        given = Given(
            SwitchingSource(self.source),
            self._commentator,
            self._voice,
            self._players,
            self._mode,
            self.log,
            self._watchers,
            *self._listeners,
            self._duration_s,
            recorded=folder is not None and needs_recording(self._given),
            keep_commentator=self._keep_commentator,
        )
        self._run = LiveRun(given, settings)
        # The thread must not refer to this object, or a dropped session would never end. The finalizer of the
        # previous run would keep that run alive too.
        if self._finalizer is not None:
            self._finalizer.detach()
        self._finalizer = weakref.finalize(self, self._run.request_stop)

    def start(self) -> LiveSession:
        """Start a run in its own thread and return at once.

        After a run has ended it starts another, from the source's beginning and with a log of its own (its
        folder gets the run's number). Raise RuntimeError while a run is going on, or when the source was given as
        an object, which can be read only once.
        """
        if self.running:
            raise RuntimeError("the session is running: stop it first")
        if self._thread is not None:
            if not is_named(self._given):
                raise RuntimeError("a Source object can be read only once: give the source by its name")
            self._prepare(self._run.settings)
        self._thread = threading.Thread(target=self._run.main, name="commentary", daemon=True)
        self._thread.start()
        return self

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the run ends by itself; False when `timeout_s` passed first. Raise the error that broke it."""
        if self._thread is None:
            raise RuntimeError("the session was not started")
        self._thread.join(timeout_s)
        ended = not self._thread.is_alive()
        if ended and self._run.error is not None:
            raise self._run.error
        return ended

    def run(self) -> LiveSession:
        """Start, wait for the end, and return the session. Raise the error that broke the run."""
        self.start().wait()
        return self

    def stop(self, timeout_s: float = 30.0) -> None:
        """End the run now and wait until everything is written, `timeout_s` at most. Do nothing when it has ended."""
        self._run.request_stop()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def __enter__(self) -> LiveSession:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def settings(self) -> Settings:
        """The settings of the present run, or of the next one before the first start."""
        return self._run.settings

    @property
    def status(self) -> Status:
        """The state of the run now."""
        run, progress = self._run, self._run.progress()
        return Status(
            state=run.state,
            now_s=progress.now_s,
            shown_s=progress.shown_s,
            duration_s=run.given.length_s,
            delay_s=progress.delay_s,
            frames_captured=progress.counts.captured,
            frames_shown=progress.counts.shown,
            frames_dropped=progress.counts.dropped,
            cycles=len(self.log.cycle_rows),
            loading=run.loading if run.state == "starting" else None,
        )

    def set_source(self, source: GivenSource) -> None:
        """Go on with another source in mid-run: the clock and the frames' numbers run on, the scene begins anew.

        What follows is recorded in the run's folder, so that an export joins it. Its sound is heard where the first
        source had sound. Raise SourceError where it cannot be opened, and RuntimeError where no live run is going on.
        """
        if not self.running or self._mode != "live":
            raise RuntimeError("only a live run that is going on can go over to another source")
        opened = self._open(source, self.settings)
        self._run.switch(opened)
        self.source = opened

    def set_instruction(self, text: str | None) -> None:
        """Set what to watch for from now on, also while it runs. None pauses the comments."""
        self._run.call_on_loop(lambda loop: loop.set_instruction(text))

    @property
    def can_answer(self) -> bool:
        """Whether the commentator answers questions."""
        return self._commentator.answers_questions

    def ask(self, text: str) -> int:
        """Ask a question; return its number in the run (1, 2, …). What becomes of it: `log.questions`.

        A comment that answers it starts at once, and the standing instruction is followed again after it. A later
        question takes the place of one that was not answered yet. One that this commentator cannot answer fails.
        Raise SettingsError for a blank text, RuntimeError after the run's end.
        """
        return self._run.ask(checked_question(text))

    def set_profile(self, name: str) -> None:
        """Switch the prompt profile, also while it runs. Raise SettingsError when there is none of that name."""
        self.update(profile=name)

    def update(self, **changes: Any) -> None:
        """Change settings, also while it runs, from the next cycle on. Raise SettingsError for invalid ones."""
        _check_rule(changes.get("speak_when", ""), self._commentator)
        self._run.change(changes)


def _check_rule(speak_when: str, commentator: Commentator) -> None:
    """Raise SettingsError for a rule of `speak_when` that asks the model, where this one cannot answer it."""
    if speak_when in MODEL_RULES and speak_when not in commentator.judges:
        able = [rule for rule in MODEL_RULES if rule in commentator.judges]
        raise SettingsError(
            f"speak_when={speak_when} asks the model for its probabilities, and {commentator.name} does not give them: "
            f"set speak_when to {', '.join(['change', 'interval', *able])} or events"
            + ("" if able else ", or commentator to vlm, minicpmo or openai")
        )


__all__ = ["LiveSession", "SourceError", "Status"]
