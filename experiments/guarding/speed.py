"""How much processor time this checkout takes for a piece of work, as a multiple of what another checkout takes.

Seconds of one machine say nothing about another, and on a busy machine not even about itself a minute later. So the
fixed piece of work that a speed is measured against is the same work with older code. Both take turns, and each pair
of neighbouring repeats gives a ratio of processor seconds: what slows one of a pair is likely to slow the other, and
the median passes over the pairs in which it did not.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO

import numpy as np

from experiments.guarding.checkouts import HERE, FailedHere, environment
from experiments.guarding.compare import LIMIT

FEWEST_PAIRS, MOST_PAIRS = 5, 9
# Fewer pairs are enough where all of them lie below the one or above the other of these ratios: far from LIMIT.
_SURELY_GOOD, _SURELY_BAD = 1 + LIMIT / 2, 1 + 2 * LIMIT
_LEAST_S = 0.25  # of work for one ratio: shorter work is repeated


def median_interval(ratios: list[float], draws: int = 2000) -> tuple[float, float, float]:
    """Return (median, low, high) of ratios: the 95 % interval of the median by the percentile bootstrap."""
    values = np.asarray(ratios)
    drawn = np.random.default_rng(0).integers(0, len(values), (draws, len(values)))
    low, high = np.quantile(np.median(values[drawn], axis=1), (0.025, 0.975))
    return float(np.median(values)), float(low), float(high)


def times_as_long(now: Path, then: Path, piece: str, longest_s: float) -> list[float]:
    """Return processor seconds with the code in `now` ÷ with that in `then`, (pairs,), taking turns.

    Raise FailedHere where the work fails with one of them, or all of it takes longer than `longest_s`.
    """
    found: list[float] = []
    with _worker(now, piece, longest_s) as ours, _worker(then, piece, longest_s) as theirs:
        count = max(1, math.ceil(_LEAST_S / max(theirs(1), 1e-6)))
        while len(found) < MOST_PAIRS and not is_clear(found):
            first, second = (ours, theirs) if len(found) % 2 else (theirs, ours)
            seconds = {first: first(count), second: second(count)}
            found.append(seconds[ours] / seconds[theirs])
    return found


def is_clear(ratios: list[float]) -> bool:
    """Return whether ratios are enough, and far enough from the limit, that no further one is needed."""
    return len(ratios) >= FEWEST_PAIRS and (max(ratios) < _SURELY_GOOD or min(ratios) > _SURELY_BAD)


@contextlib.contextmanager
def _worker(checkout: Path, piece: str, longest_s: float) -> Generator[Callable[[int], float], None, None]:
    """Start a process for a piece of work; yield what repeats it and returns the processor seconds."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", str(HERE / "work.py"), piece],
            cwd=checkout,
            env=environment(checkout),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None
        asked, answers = process.stdin, process.stdout
        ender = threading.Timer(longest_s, process.kill)
        ender.start()

        def repeat(count: int) -> float:
            with contextlib.suppress(BrokenPipeError):  # it has ended; why is told below
                asked.write(f"{count}\n")
                asked.flush()
            answer = answers.readline()
            if not answer:
                raise FailedHere(f"{piece} fails: {_last_line(errors, process.wait())}")
            return float(answer)

        try:
            yield repeat
        finally:
            ender.cancel()
            process.kill()
            process.wait()
            asked.close()
            answers.close()


def _last_line(errors: IO[str], status: int) -> str:
    errors.seek(0)
    return (errors.read().strip().splitlines() or [f"it took too long, or was ended (exit status {status})"])[
        -1
    ]
