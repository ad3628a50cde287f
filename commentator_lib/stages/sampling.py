"""Sampling: what a run costs and how far it has come, as one row a second, and at any time on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from commentator_lib.clock import sleep_until
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.redact import redact_text
from commentator_lib.runs import meters
from commentator_lib.runs.log import RunLog
from commentator_lib.sources.base import Source

_SAMPLE_S = 1.0
_GIVE_BACK_EVERY = 30  # samples


class Counts(NamedTuple):
    """Frames so far, and how many wait in the display buffer."""

    captured: int = 0
    shown: int = 0
    dropped: int = 0
    buffered: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come. Times in seconds since its clock started; 0 before."""

    now_s: float = 0.0
    shown_s: float = 0.0
    delay_s: float = 0.0
    counts: Counts = Counts()


class Sampler:
    """Writes a sample to `log` for each second from `epoch_s` on.

    `measure_machine` False leaves processor and memory out, which mean nothing in virtual time.
    `on_log_lost` is called after each sample once the log cannot be written any more, or its folder is gone.
    """

    def __init__(
        self,
        log: RunLog,
        epoch_s: float,
        delay: PictureDelay,
        measure_machine: bool,
        on_log_lost: Callable[[], None],
        source: Source,
    ) -> None:
        self.next_s = epoch_s + _SAMPLE_S  # clock time of the next sample
        self._log, self._epoch_s, self._delay, self._source = log, epoch_s, delay, source
        self._on_log_lost = on_log_lost
        self._meter = meters.ProcessMeter() if measure_machine else None
        self._shown_before = 0

    async def run(self, counts: Callable[[], Counts]) -> None:
        """Take each sample when it is due, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await sleep_until(self.next_s)
            self.take(loop.time(), counts())

    def take(self, now_s: float, now: Counts) -> None:
        """Write the sample of clock time `now_s`."""
        self.write([self.row(now_s, now)])

    def row(self, now_s: float, now: Counts) -> dict[str, Any]:
        """Return the sample of clock time `now_s`, as a row of the log that `write` takes; the next is due after it."""
        delay, meter = self._delay, self._meter
        self.next_s += _SAMPLE_S
        shown, self._shown_before = now.shown - self._shown_before, now.shown
        cpu_share, rss_bytes = meter.read() if meter else (None, None)
        return {
            "at_s": now_s - self._epoch_s,
            # None until the picture starts: before, no delay is applied to anything
            "delay_applied_s": delay.applied_s if delay.started else None,
            "delay_wanted_s": delay.wanted_s,
            "shown_fps": shown / _SAMPLE_S,
            "frames_captured": now.captured,
            "frames_shown": now.shown,
            "frames_dropped": now.dropped,
            "display_frames": now.buffered,
            **_live_columns(self._source),
            "cpu_core_share": cpu_share,
            "rss_bytes": rss_bytes,
            "vram_used_bytes": meters.vram_used_bytes() if meter else None,
            "torch_vram_bytes": (meters.torch_vram_bytes() or (None,))[0] if meter else None,
        }

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Write samples; give memory back now and then, and report a log that is lost."""
        log = self._log
        log.check_folder()
        log.sampled(rows)
        if self._meter and len(log.sample_rows) % _GIVE_BACK_EVERY == 0:
            meters.give_back_freed_memory()
        if log.problem:
            self._on_log_lost()


_NO_LIVE_COLUMNS: dict[str, float | int | str | None] = dict.fromkeys(
    ("source_age_s", "source_fps", "source_dropped", "source_corrupt", "source_reconnects", "source_away")
)


def _live_columns(source: Source) -> dict[str, float | int | str | None]:
    """Return how a live source does, as columns of a sample; without values for any other source."""
    stats = source.live
    if stats is None and not source.away:
        return _NO_LIVE_COLUMNS
    return {
        "source_age_s": stats and stats.newest_age_s,
        "source_fps": stats and stats.fps,
        "source_dropped": stats and stats.dropped,
        "source_corrupt": stats and stats.corrupt,
        "source_reconnects": stats and stats.reconnects,
        "source_away": redact_text(source.away) or None,
    }
