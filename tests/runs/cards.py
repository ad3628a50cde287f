"""Runs made by hand for the tests of the card: rows as a session would have written them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commentator_lib.events import Event
from commentator_lib.runs.log import RunLog
from commentator_lib.runs.record import CycleRecord

HEADER = {
    "created": "2026-01-02T03:04:05+00:00",
    "mode": "live",
    "commentator": "scripted",
    "voice": "tone",
    "settings": {"policy": "playout", "speech": True},
    "notes": [],
}
EVIL = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">'


def empty_log(folder: Path | None = None, **header: Any) -> RunLog:
    """Return the log of a run that has not written a row."""
    return RunLog(folder, {**HEADER, **header})


def comment(log: RunLog, number: int, from_s: float, to_s: float, text: str = "A bus.", **more: Any) -> None:
    """Write a comment that was heard, 4 ms after its picture."""
    row: dict[str, Any] = dict(
        outcome="spoken", trigger="slot", sync_error_s=0.004, first_sound_latency_s=0.4
    )
    row |= dict(shortfall_s=0.02, decide_s=from_s - 1.0, heard_text=text, text=text)
    log.cycle(CycleRecord(number, heard_from_s=from_s, heard_to_s=to_s, **{**row, **more}))


def sample(
    log: RunLog, at_s: float, delay_s: float | None = 2.0, rss_bytes: int | None = 300_000_000
) -> None:
    """Write the row of a second."""
    log.sampled([{"at_s": at_s, "delay_applied_s": delay_s, "delay_wanted_s": 1.8, "rss_bytes": rss_bytes}])


def usual_log(folder: Path | None = None, text: str = "A bus passes.", **header: Any) -> RunLog:
    """Return the log of a minute: ten comments, one cut short, four events, two changes, samples; not yet finished."""
    log = empty_log(folder, **header)
    for k in range(60):
        sample(log, k + 1.0, None if k < 2 else 2.0 + 0.01 * k, 300_000_000 + 1_000_000 * k)
    for k in range(10):
        outcome = "interrupted" if k == 4 else "spoken"
        comment(log, k, 3.0 + 5 * k, 6.0 + 5 * k, text, outcome=outcome)
    for k, kind in enumerate(("cut", "swell", "whistle", "score")):
        facts = {"score": [1, 0], "teams": ["HAR", "LEI"]} if kind == "score" else {}
        number = log.noticed(Event(kind, 5.0 + 12 * k, 5.2 + 12 * k, k, 1.0, facts), 5.0 + 12 * k)
        if k >= 2:
            log.told([number], k)
    log.changed("pause_s", 1.0, 0.5, 20.0)
    log.changed("instruction", "Watch.", "Who leads?", 40.0)
    return log


def long_log(folder: Path | None = None, hours: float = 6.0) -> RunLog:
    """Return the log of hours: a comment every six seconds, as many events."""
    log = empty_log(folder)
    for k in range(int(hours * 600)):
        comment(log, k, 6.0 * k, 6.0 * k + 4.0, f"Comment {k}, which says what there is to see now.")
        log.noticed(Event("cut", 6.0 * k, 6.0 * k, k % 3 == 0, 1.0, {}), 6.0 * k)
    for k in range(int(hours * 3600)):
        sample(log, float(k), 9.0 if k == 1234 else 2.0)
    return log
