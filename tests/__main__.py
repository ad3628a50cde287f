"""Run all tests in three parts, one after another: `python -m tests`, or `make test`.

Tests that wait on real time suffer when another test computes beside them, and a browser alone keeps two cores busy.
So the tests in a browser run first, in one process with one server and one browser; then those that wait on real
time and those that compute, each on as many workers as there are cores.

Arguments go to pytest in all parts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

_NOTHING_TO_RUN = 5
# Name, marks, and whether its tests are spread over workers.
PARTS = (
    ("Tests in a browser", "browser", False),
    ("Tests that wait on real time", "realtime and not browser", True),
    ("Tests that compute", "not (browser or realtime)", True),
)


def main(arguments: list[str]) -> int:
    """Run all parts. Return 0 if all passed, else the exit status of one that did not."""
    statuses = []
    for name, marks, spread in PARTS:
        began_s = time.monotonic()
        print(f"{name}:", flush=True)
        workers = [f"--numprocesses={os.cpu_count() or 1}", "--dist=worksteal"] if spread else []
        command = [sys.executable, "-m", "pytest", "-m", marks, *workers, *arguments]
        # Libraries that compute would each take all cores, in every worker.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"} if spread else None
        statuses.append(subprocess.run(command, env=environment, check=False).returncode)
        print(f"{name}: {time.monotonic() - began_s:.0f} s\n", flush=True)
    if set(statuses) == {0, _NOTHING_TO_RUN}:  # the arguments may choose tests of some parts only
        return 0
    return max(statuses)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # pytest has got it too, and has said so
        sys.exit(130)
