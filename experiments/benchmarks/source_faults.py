"""Live sources in trouble: cameras that are killed or stopped, lossy networks, and hours of running."""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.media import Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import load_settings
from commentator_lib.sources import live
from commentator_lib.sources.base import Source, SourceInfo
from commentator_lib.sources.open import open_source
from experiments.benchmarks.source_servers import LossyRelay, Server, clock_stream, free_port, rtsp_camera
from experiments.errors import UserError
from experiments.tools.time_code import age_s

# Between tries to open a lost camera, in the parts that measure how soon it is back.
_QUICK_BACK_OFF_S = (0.25, 0.5)


def milliseconds(value_s: float) -> float:
    """Return seconds in ms."""
    return round(1000 * float(value_s), 1)


def _watched(address: str, run: Path) -> LiveSession:
    """Return a session that comments an address at every slot, without a voice."""
    commentator = ScriptedCommentator(cost=CostModel(0.2, 0.0, 0.6, 0.0, 0.1))
    settings = load_settings(
        change_threshold=0.0,
        pause_s=0.2,
        speech=False,
        inference_interval_s=0.5,
        watchers=(),
        delay_init_s=0.5,
    )
    return LiveSession(address, settings, commentator=commentator, run_dir=run)


def measure_kills(folder: Path, kills: int) -> dict[str, Any]:
    """Kill and restart a camera at random times under a session; return how soon its picture is back."""
    rng, port = random.Random(3), free_port()
    server = rtsp_camera(port)
    live.BACK_OFF_S = _QUICK_BACK_OFF_S
    back_s: list[float] = []
    with ExitStack() as stack:
        stack.callback(server.kill)
        server.start()
        session = _watched(f"rtsp://127.0.0.1:{port}/cam", folder / "kills").start()
        stack.callback(session.stop)
        _until(lambda: session.status.state == "running" and session.source.live is not None)
        threads, memory = [], []
        for _ in range(kills):
            # 1) Let it run, kill it, and let it be away for a while.
            time.sleep(rng.uniform(3.0, 6.0))
            outages = len(session.source.outages)
            server.kill()
            time.sleep(rng.uniform(0.5, 5.0))
            # 2) Measure from its return to its first picture.
            server.start()
            returned_s = time.monotonic()
            _until(lambda before=outages: len(session.source.outages) > before)
            back_s.append(time.monotonic() - returned_s)
            threads.append(threading.active_count())
            memory.append(psutil.Process().memory_info().rss)
        time.sleep(3.0)
        session.stop()
        log = session.log
    cycles, samples = log.cycles, log.samples
    stale = cycles[cycles.frame_newest_age_s > 1.0]
    return {
        "n": kills,
        "back_within_s_p50": round(float(np.percentile(back_s, 50)), 2),
        "back_within_s_p95": round(float(np.percentile(back_s, 95)), 2),
        "stale_cycles": len(stale),
        "cycles": len(cycles),
        "rows_lost": int(cycles.cycle.max() - len(cycles)) + int(round(samples.at_s.max()) - len(samples)),
        "threads_grown": threads[-1] - threads[0],
        "memory_grown_mb": round((memory[-1] - memory[len(memory) // 2]) / 1e6, 1),
        "problem": log.header["source_problem"],
    }


def _until(holds: Callable[[], bool], most_s: float = 60.0) -> None:
    until_s = time.monotonic() + most_s
    while not holds():
        if time.monotonic() > until_s:
            raise UserError("a camera does not come back within a minute")
        time.sleep(0.01)


class _Stills(Source):
    """A clip of `hours` at two pictures a second, whose picture changes now and then; it costs next to nothing."""

    def __init__(self, hours: float) -> None:
        self.info = SourceInfo("stills", 64, 36, 2.0, 3600 * hours, live=False)
        self._images = [np.full((36, 64, 3), shade, np.uint8) for shade in (40, 90, 160, 220)]
        self._index = -1

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        self._index += 1
        at_s = self._index / 2
        if at_s >= (self.info.duration_s or 0.0):
            return None
        return Frame(self._index, at_s, float("nan"), self._images[self._index // 3 % 4])


def measure_hours(folder: Path, hours: float) -> dict[str, Any]:
    """Return how memory grows from hour 1 on in a run of virtual time, in MB."""
    marks: list[float] = []

    def drawn(_frame: Frame, _due_s: float, drawn_s: float) -> None:
        if drawn_s >= 1800 * (len(marks) + 2):
            gc.collect()
            marks.append(psutil.Process().memory_info().rss / 1e6)

    commentator = ScriptedCommentator(cost=CostModel(0.5, 0.0, 0.6, 0.0, 0.1))
    session = LiveSession(
        _Stills(hours),
        load_settings(),
        commentator=commentator,
        mode="what-if",
        run_dir=folder / "hours",
        on_drawn=drawn,
    ).run()
    return {"cycles": len(session.log.cycle_rows), "memory_grown_mb": round(max(marks) - marks[0], 1)}


def measure_soak(folder: Path, minutes: float) -> dict[str, Any]:
    """Let faults come at random under a session, in real time; return how memory grows from minute 3 on, in MB."""
    rng, port = random.Random(11), free_port()
    server, faults = rtsp_camera(port, "--seconds", str(round(120 * minutes))), 0
    live.BACK_OFF_S = _QUICK_BACK_OFF_S
    marks: list[tuple[float, float, int]] = []
    with ExitStack() as stack:
        stack.callback(server.kill)
        server.start()
        session = _watched(f"rtsp://127.0.0.1:{port}/cam", folder / "soak").start()
        stack.callback(session.stop)
        began_s = time.monotonic()
        while time.monotonic() - began_s < 60 * minutes:
            time.sleep(rng.uniform(2.0, 20.0))
            faults += 1
            if rng.random() < 0.5:
                server.kill()
                time.sleep(rng.uniform(0.2, 8.0))
                server.start()
            else:
                os.kill(_pid(server), signal.SIGSTOP)
                time.sleep(rng.uniform(0.2, 12.0))
                os.kill(_pid(server), signal.SIGCONT)
            gc.collect()
            memory_mb = psutil.Process().memory_info().rss / 1e6
            marks.append((time.monotonic() - began_s, memory_mb, threading.active_count()))
        _until(lambda: session.source.away == "")
        session.stop()
    memory_mb = [mark[1] for mark in marks if mark[0] > 180] or [mark[1] for mark in marks]
    third = max(1, len(memory_mb) // 3)
    cycles = session.log.cycles
    return {
        "minutes": minutes,
        "faults": faults,
        "outages": len(session.source.outages),
        "memory_grown_mb": round(float(np.median(memory_mb[-third:]) - np.median(memory_mb[:third])), 1),
        "memory_span_mb": round(max(memory_mb) - min(memory_mb), 1),
        "threads_most": max(mark[2] for mark in marks),
        "threads_last": marks[-1][2],
        "cycles": len(cycles),
        "stale_cycles": int((cycles.frame_newest_age_s > 1.0).sum()),
        "problem": session.log.header["source_problem"],
    }


def measure_faults(seconds: float) -> dict[str, Any]:
    """Return what a stopped camera, lost packets and corrupted bytes come to."""
    return {
        "stopped_20_s": _stopped(20.0),
        "5_percent_lost": _relayed(seconds, 0.05, 0.0),
        "corrupted": _relayed(seconds, 0.0, 0.02),
    }


def _stopped(away_s: float) -> dict[str, Any]:
    """Stop an RTSP camera without ending it; return the ages once it goes on."""
    port = free_port()
    live.BACK_OFF_S = _QUICK_BACK_OFF_S
    with rtsp_camera(port) as server:
        source = open_source(f"rtsp://127.0.0.1:{port}/cam")
        reader = _Reader(source)
        time.sleep(4.0)
        pid = _pid(server)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(away_s)
        said = source.away
        os.kill(pid, signal.SIGCONT)
        goes_on_s = time.monotonic()
        _until(lambda: source.away == "")
        back_s = time.monotonic() - goes_on_s
        time.sleep(8.0)
        ages = [age for at_s, age in reader.ages if at_s > goes_on_s + back_s + 2.0]
        reader.stop()
    return {
        "said": said,
        "back_within_s": round(back_s, 2),
        "age_p50_ms": milliseconds(np.percentile(ages, 50)),
        "age_max_ms": milliseconds(max(ages)),
        "reconnects": source.live.reconnects if source.live else None,
    }


def _pid(server: Server) -> int:
    assert server.process is not None
    return server.process.pid


class _Reader:
    """Reads a source on a thread of its own; `ages` are (clock time, age) of its pictures, in seconds."""

    def __init__(self, source: Any) -> None:
        self.ages: list[tuple[float, float]] = []
        self._source = source
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (frame := self._source.read()) is not None:
            self.ages.append((time.monotonic(), age_s(frame.image)))

    def stop(self) -> None:
        """End reading, and close the source."""
        self._source.interrupt()
        self._thread.join(5)
        self._source.close()


def _relayed(seconds: float, lost: float, corrupted: float) -> dict[str, Any]:
    """Return the ages of a UDP stream through a relay that loses and corrupts, and after it is well again."""
    port = free_port()
    with LossyRelay(port, lost, corrupted) as relay:
        length_s = str(2 * seconds + 40)
        with clock_stream(f"udp://127.0.0.1:{relay.port}", "--seconds", length_s):
            reader = _Reader(source := open_source(f"udp://127.0.0.1:{port}"))
            time.sleep(seconds)
            ill = len(reader.ages)
            relay.lost = relay.corrupted = 0.0
            well_s = time.monotonic()
            time.sleep(8.0)
            # A lost row of blocks may spoil the time in a picture: such an age is none.
            ages = [age for at_s, age in reader.ages if at_s > well_s + 3.0 and -1 < age < 60]
            stats = source.live
            reader.stop()
    return {
        "pictures_while_ill": ill,
        "age_p50_ms_after": milliseconds(np.percentile(ages, 50)),
        "age_max_ms_after": milliseconds(max(ages)),
        "corrupt": stats.corrupt if stats else None,
        "reconnects": stats.reconnects if stats else None,
    }
