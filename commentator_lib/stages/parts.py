"""The parts of one run: how they are loaded, put together, and closed."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from commentator_lib.buffers import DisplayBuffer, SlidingWindow
from commentator_lib.callbacks import Callback
from commentator_lib.clock import Mode, Worker, make_worker
from commentator_lib.commentary.aloud import read_aloud
from commentator_lib.commentary.loop import CommentaryLoop
from commentator_lib.commentators.base import Commentator, Loading
from commentator_lib.errors import named_first_line
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.players.base import Player, PlayerGroup
from commentator_lib.players.headless import HeadlessPlayer
from commentator_lib.redact import redact_text
from commentator_lib.runs import meters
from commentator_lib.runs.log import RunLog
from commentator_lib.scene import SceneTracker
from commentator_lib.settings import Settings
from commentator_lib.sources.base import Source
from commentator_lib.sources.recording import SourceRecorder
from commentator_lib.sources.switching import SwitchingSource
from commentator_lib.stages.capture import Capture
from commentator_lib.stages.display import Display, OnCaption, OnDrawn, ShownLog
from commentator_lib.stages.foreseen import (
    ForeseenCapture,
    ForeseenDisplay,
    ForeseenScene,
    ForeseenWindow,
    FramesAhead,
)
from commentator_lib.stages.programme import Programme
from commentator_lib.stages.sampling import Counts, Sampler
from commentator_lib.stages.watching import Watching
from commentator_lib.voices.base import Voice
from commentator_lib.watching.base import Watcher

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Given:
    """What a run is started with."""

    source: SwitchingSource
    commentator: Commentator
    voice: Voice | None
    players: Sequence[Player]
    mode: Mode
    log: RunLog
    watchers: Sequence[Watcher]
    on_caption: OnCaption | None
    on_drawn: OnDrawn | None
    duration_s: float | None  # how long a live source is followed
    recorded: bool = False  # the source cannot be read again, and so its pictures are kept
    keep_commentator: bool = False  # it stays loaded at the end

    @property
    def length_s(self) -> float | None:
        """How long the run will be, in seconds; None where that is not known."""
        return self.source.info.duration_s or self.duration_s


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that exist while a run's clock runs."""

    epoch_s: float  # the loop's time from which everything in the log counts
    window: SlidingWindow
    delay: PictureDelay
    players: PlayerGroup
    headless: HeadlessPlayer
    shown: ShownLog
    commentary: CommentaryLoop
    watching: Watching
    programme: Programme | None
    capture: Capture | ForeseenCapture
    display: Display | ForeseenDisplay

    def counts(self, skipped: int) -> Counts:
        """Return the frames so far; `skipped` are those that the source left out."""
        display = self.display
        return Counts(self.capture.frames, display.shown, skipped + display.dropped, display.buffered)

    async def sampling(self, sampler: Sampler, counts: Callable[[], Counts]) -> None:
        """Take a sample for each second, until cancelled."""
        if isinstance(self.display, ForeseenDisplay):
            await self.display.sample(sampler)
        else:
            await sampler.run(counts)


def warm_up(given: Given, notes: list[str], on_loading: Callable[[Loading], None]) -> dict[str, Any]:
    """Load what is slow to load, on the inference thread; return the time and the memory that it took, for the log.

    `on_loading` is called as the loading gets on, beside whatever the commentator has already.

    Errors of the commentator pass through. A failure of the voice goes into `notes`: the session runs without sound.
    """
    before = meters.vram_used_bytes()
    started_s = time.monotonic()
    logger.info("commentator %s is loading", given.commentator.name)
    _warm_up_commentator(given, on_loading)
    loaded = {
        "load_s": round(time.monotonic() - started_s, 3),
        "vram_before_load_bytes": before,
        "vram_loaded_bytes": meters.vram_used_bytes(),
        "torch_loaded_bytes": (meters.torch_vram_bytes() or (None,))[0],
    }
    logger.info("commentator %s loaded in %.2f s", given.commentator.name, loaded["load_s"])
    read_aloud("⚽")  # loads the list of emoji, which would take a tenth of a second within a comment
    if given.voice is not None:
        on_loading(Loading("warming up the voice"))
        try:
            given.voice.warm_up()
        except Exception as error:
            notes.append(f"voice: {named_first_line(error)}")
            logger.warning("no voice: %s", named_first_line(error))
    return loaded


def _warm_up_commentator(given: Given, on_loading: Callable[[Loading], None]) -> None:
    commentator, theirs = given.commentator, given.commentator.on_loading
    tell_them = Callback("on_loading", theirs)

    def tell(loading: Loading) -> None:
        on_loading(loading)
        tell_them(loading)

    commentator.on_loading = tell
    try:
        commentator.expect_frames(given.source.info.width, given.source.info.height)
        commentator.warm_up()
    finally:
        commentator.on_loading = theirs


def close_each(notes: list[str], *given: Source | Commentator | Voice | None) -> None:
    """Close what a run was given, on the thread that used it: closing during a call can crash."""
    for part in given:
        if part is None:
            continue
        try:
            part.close()
        except Exception as error:  # the log must be finished even if closing a model fails
            notes.append(f"closing {type(part).__name__}: {named_first_line(error)}")
            logger.warning("closing %s failed: %s", type(part).__name__, named_first_line(error))


def build_parts(
    given: Given,
    settings: Settings,
    recorder: SourceRecorder | None,
    capture_worker: Worker,
    inference_worker: Worker,
    stop: threading.Event,
    next_recorder: Callable[[], SourceRecorder | None],
    notes: list[str],
    on_player_failure: Callable[[str, Exception], None],
) -> Parts:
    """Return the parts of a run, connected. Called on the loop's thread; the loop's time now is the run's zero."""
    epoch_s = asyncio.get_running_loop().time()
    live = given.mode == "live"
    # 1) The two memories of the picture, and how far it lags.
    frames = _frames_ahead(given)
    if frames is None:
        scene = SceneTracker()
        window = SlidingWindow(settings.capture_fps, settings.window_frames)
    else:
        scene = ForeseenScene(frames)
        window = ForeseenWindow(settings.capture_fps, settings.window_frames, frames, scene)
    delay = PictureDelay(
        settings.policy,
        settings.delay_init_s,
        settings.delay_max_s,
        settings.slew_max,
        settings.delay_ema_alpha,
        settings.delay_quantile,
        settings.delay_margin_s,
    )
    buffer = DisplayBuffer(settings.display_buffer_mb * 1_000_000)
    # 2) The players; the headless one takes exact time, and what it shows and plays is logged.
    shown = ShownLog(given.log, epoch_s, given.on_caption, given.on_drawn, notes.append)
    headless = HeadlessPlayer(shown.drawn, shown.sounded, shown.captioned)
    players = PlayerGroup([headless, *given.players], on_player_failure)
    players.log_row("run", _run_row(given, settings, epoch_s))
    if given.players:  # the headless one takes no rows
        given.log.on_row = players.log_row
    # 3) The commentary, and the stages around it.
    programme = None
    if given.source.info.has_sound:
        programme = Programme(delay, settings.delay_max_s, players, given.source.info.live)
    commentary = CommentaryLoop(
        settings=settings,
        window=window,
        scene=scene,
        delay=delay,
        commentator=given.commentator,
        voice=given.voice,
        players=players,
        worker=inference_worker,
        log=given.log,
        epoch_s=epoch_s,
        to_be_shown=buffer.newest_first if frames is None else frames.newest_first,
        on_screen=lambda: watching.on_screen,
        away=lambda: redact_text(given.source.away),
        sound_of=programme.between if programme and given.commentator.hears else lambda _frames: None,
        vram=meters.vram_used_bytes if live else lambda: None,
        torch_vram=meters.torch_vram_bytes if live else lambda _reset: None,
        note=notes.append,
    )
    watching = Watching(
        given.watchers,
        settings.watch_fps,
        lambda: make_worker(given.mode, "watching"),
        commentary.event_noticed,
        notes,
    )
    if frames is not None and isinstance(window, ForeseenWindow) and isinstance(scene, ForeseenScene):
        capture = ForeseenCapture(frames, window, scene, commentary, watching)
        display = ForeseenDisplay(frames, delay, players, headless, shown)
        return Parts(
            epoch_s,
            window,
            delay,
            players,
            headless,
            shown,
            commentary,
            watching,
            programme,
            capture,
            display,
        )
    capture = Capture(
        source=given.source,
        worker=capture_worker,
        display=buffer,
        window=window,
        scene=scene,
        delay=delay,
        commentary=commentary,
        watching=watching,
        programme=programme,
        recorder=recorder,
        duration_s=given.duration_s,
        stop=stop,
        next_recorder=next_recorder,
    )
    display = Display(buffer, delay, players, headless)
    return Parts(
        epoch_s, window, delay, players, headless, shown, commentary, watching, programme, capture, display
    )


def _frames_ahead(given: Given) -> FramesAhead | None:
    """Return a what-if run's frames where they are known ahead and nobody looks at each of them; else None."""
    looked_at = given.players or given.on_drawn is not None or given.recorded or given.source.info.has_sound
    if given.mode != "what-if" or looked_at or type(given.commentator).see is not Commentator.see:
        return None
    foreseen = given.source.foreseen()
    return None if foreseen is None or not len(foreseen.pts_s) else FramesAhead(foreseen)


def _run_row(given: Given, settings: Settings, epoch_s: float) -> dict[str, Any]:
    """Return the row "run" for players, which describes the run; `epoch_s` is the clock time of the rows' zero."""
    return {
        "epoch_s": epoch_s,
        "source": given.source.info.spec,
        "fps": given.source.info.fps,
        "duration_s": given.length_s,
        "commentator": given.commentator.name,
        "voice": given.voice.name if given.voice and settings.speech else None,
        "policy": settings.policy,
        "has_sound": given.source.info.has_sound,
        "duck_db": settings.duck_db,
        **meters.machine_memory(),
    }
