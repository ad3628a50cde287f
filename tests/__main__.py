"""Run all tests in three parts, one after another: `python -m tests`, or `make test`.

Tests that wait on real time suffer when another test computes beside them, and a browser alone keeps two cores busy. So
the tests in a browser run first, one for two cores, then those that wait on real time, and then those that compute, one
for each core.

Arguments go to pytest in all parts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

_NOTHING_TO_RUN = 5
# Name, marks, and how many cores there are for each worker.
PARTS = (
    ("Tests in a browser", "browser", 2),
    ("Tests that wait on real time", "realtime and not browser", 1),
    ("Tests that compute", "not (browser or realtime)", 1),
)


def main(arguments: list[str]) -> int:
    """Run all parts. Return 0 if all passed, else the exit status of one that did not."""
    statuses = []
    # Libraries that compute would each take all cores, in every worker.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, marks, cores_a_worker in PARTS:
        began_s = time.monotonic()
        print(f"{name}:", flush=True)
        count = max(1, (os.cpu_count() or 1) // cores_a_worker)
        workers = [f"--numprocesses={count}", "--dist=worksteal"]
        command = [sys.executable, "-m", "pytest", "-m", marks, *workers, *arguments]
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
