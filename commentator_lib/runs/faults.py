"""What goes wrong with the comments of a run, for people who watch it: each fault once, and whether all have failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commentator_lib.runs.record import SAID_BEFORE

_MOST_TOLD = 5
_DONE = ("spoken", "silent", "interrupted", "stale")
_WHAT = {"failed": "failed", "silent": "says nothing", "spoken": "is not whole"}


def new_faults(rows: Iterable[Mapping[str, Any]], told: set[str]) -> list[str]:
    """Return a line for each fault in these rows of the run log that was not told before; note it in `told`.

    Faults that differ in their numbers alone are the same. Of more than five different ones the rest is in the log.
    """
    lines = []
    for row in rows:
        what, reason = _WHAT.get(row["outcome"]), row["reason"]
        kind = re.sub(r"\d+", "0", f"{what}: {reason}")
        no_fault = not what or not reason or reason.startswith(SAID_BEFORE)
        if no_fault or kind in told or len(told) >= _MOST_TOLD:
            continue
        told.add(kind)
        lines.append(f"comment {row['cycle']} {what}: {reason}")
    return lines


def lasting_failure(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return why the last comment failed where all have failed so far; "" where one did not, or there was none."""
    if any(row["outcome"] in _DONE for row in rows):
        return ""
    return next((row["reason"] for row in reversed(rows) if row["outcome"] == "failed"), "")
