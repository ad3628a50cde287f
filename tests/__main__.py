"""Run all tests in two parts side by side: `python -m tests`, or `make test`.

Tests that wait on real time leave the processor idle, and their timing suffers when another test computes beside
them. So they run at normal priority, with one worker for the browser and two for the others. The tests that compute
run at a lower priority beside them, on as many workers as there are cores, and take what is left of the processor.

Arguments go to pytest in both parts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import IO

_REAL_TIME = "browser or realtime"
_REAL_TIME_WORKERS = 3
_LOWER_PRIORITY = 5
_NOTHING_TO_RUN = 5


def main(arguments: list[str]) -> int:
    """Run both parts. Return 0 if both passed, else the exit status of one that did not."""
    began_s = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        waiting = _start(_REAL_TIME, _REAL_TIME_WORKERS, arguments, output)
        computing = _start(f"not ({_REAL_TIME})", os.cpu_count() or 1, arguments)
        os.setpriority(os.PRIO_PROCESS, computing.pid, _LOWER_PRIORITY)  # its workers inherit it
        statuses = []
        for part in (computing, waiting):
            try:
                statuses.append(part.wait())
            except KeyboardInterrupt:  # both parts have got it too, and end by themselves
                statuses.append(part.wait())
        print("\nTests that wait on real time:\n", flush=True)
        output.seek(0)
        print(output.read())
    print(f"Both parts took {time.monotonic() - began_s:.0f} s.")
    if _NOTHING_TO_RUN in statuses and 0 in statuses:  # the arguments may select tests of one part only
        return 0
    return max(statuses)


def _start(
    marks: str, workers: int, arguments: list[str], output: IO[str] | None = None
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "-m", marks, f"--numprocesses={workers}", "--dist=loadgroup"]
    return subprocess.Popen(
        [*command, *arguments], stdout=output, stderr=subprocess.STDOUT if output else None
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
