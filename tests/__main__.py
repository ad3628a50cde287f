"""Run all tests in three parts side by side: `python -m tests`, or `make test`.

Tests that wait on real time leave the processor idle, and their timing suffers when another test computes beside
them. So they run at normal priority: those in a browser one after another in one process, which has one server and
one browser; the others in two. The tests that compute run at a lower priority beside them, on as many workers as
there are cores, and take what is left of the processor.

Arguments go to pytest in all parts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import IO

_LOWER_PRIORITY = 5
_NOTHING_TO_RUN = 5


@dataclass(frozen=True)
class Part:
    """Tests that run together: which marks they have, in how many workers (0: in the process itself)."""

    name: str
    marks: str
    workers: int
    lower_priority: int = 0


PARTS = (
    Part("Tests in a browser", "browser", 0),
    Part("Tests that wait on real time", "realtime and not browser", 2),
    Part("Tests that compute", "not (browser or realtime)", os.cpu_count() or 1, _LOWER_PRIORITY),
)


def main(arguments: list[str]) -> int:
    """Run all parts and print what each printed. Return 0 if all passed, else the exit status of one that did not."""
    began_s = time.monotonic()
    outputs = [tempfile.TemporaryFile("w+") for _ in PARTS]
    running = [_start(part, arguments, output) for part, output in zip(PARTS, outputs, strict=True)]
    statuses = []
    for part, process, output in zip(PARTS, running, outputs, strict=True):
        try:
            status = process.wait()
        except KeyboardInterrupt:  # all parts have got it too, and end by themselves
            status = process.wait()
        statuses.append(status)
        output.seek(0)
        print(f"\n{part.name}, {time.monotonic() - began_s:.0f} s:\n{output.read()}", flush=True)
    if set(statuses) == {0, _NOTHING_TO_RUN}:  # the arguments may choose tests of some parts only
        return 0
    return max(statuses)


def _start(part: Part, arguments: list[str], output: IO[str]) -> subprocess.Popen[bytes]:
    workers = [f"--numprocesses={part.workers}", "--dist=worksteal"] if part.workers else []
    command = [sys.executable, "-m", "pytest", "-m", part.marks, *workers, *arguments]
    # Libraries that compute would each take all cores beside each other.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} if part.workers else None
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    if part.lower_priority:
        os.setpriority(os.PRIO_PROCESS, process.pid, part.lower_priority)  # its workers inherit it
    return process


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
