"""Pieces of work whose processor time the guard compares between two checkouts, each in a process of its own.

    PYTHONPATH=CHECKOUT python -P work.py loop     for each count on stdin, the processor seconds of so many repeats

A piece is prepared and done once before the first count is read, so that what is imported, loaded and kept is no
part of it. Like `figures`, this file imports only names that older checkouts have too.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Repeat = Callable[[], object]


def loop() -> Repeat:
    """Two minutes of a what-if run: pacing, the commentary loop, delivery, and the log's files."""
    from experiments.benchmarks.bench_programme import run_once

    def repeat() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run_once(Path(folder), 2.0, 0)

    return repeat


def watchers() -> Repeat:
    """All default watchers of pictures over three seconds of the filmed street clip, decoded before."""
    from commentator_lib.settings import Settings
    from commentator_lib.sources.open import demo_clips, open_source
    from commentator_lib.watching.factory import make_watchers
    from commentator_lib.watching.watch import watched_frames

    source = open_source(demo_clips()[-1])
    frames = [frame for frame in watched_frames(source, Settings().watch_fps) if frame.pts_s < 3.0]
    source.close()

    def repeat() -> None:
        for watcher in make_watchers(Settings()):
            for frame in frames:
                watcher.look(frame)
            watcher.close()

    return repeat


def scene() -> Repeat:
    """All measures of change over sixty frames of the street clip."""
    from commentator_lib.scene import SceneTracker
    from commentator_lib.sources.open import demo_clips, open_source

    source = open_source(demo_clips()[-1])
    frames = [frame for frame in iter(source.read, None) if frame.index % 4 == 0][:60]
    source.close()

    def repeat() -> None:
        tracker = SceneTracker()
        for number, frame in enumerate(frames):
            tracker.push(frame)
            if number % 10 == 0:
                tracker.mark_inference()
            tracker.measure()

    return repeat


def start() -> Repeat:
    """The start of Python with the library's session and command line."""
    command = [sys.executable, "-P", "-c", "import commentator_lib.session, commentator_lib.cli"]
    return lambda: subprocess.run(command, check=True)


WORK: dict[str, Callable[[], Repeat]] = {"loop": loop, "watchers": watchers, "scene": scene, "start": start}


def processor_s() -> float:
    """Return the processor seconds of this process, all its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main(piece: str) -> None:
    import cv2

    cv2.setNumThreads(1)
    repeat = WORK[piece]()
    repeat()
    for count in sys.stdin:
        began_s = processor_s()
        for _ in range(int(count)):
            repeat()
        print(processor_s() - began_s, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
