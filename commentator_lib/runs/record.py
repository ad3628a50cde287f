"""One row of the run log: what a cycle did, when, and what it cost."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from commentator_lib.commentators.base import StageTimes

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 1
# How the reason of a comment begins that is not said because it says again what was said before: no fault.
SAID_BEFORE = "said a moment ago"
OUTCOMES = ("spoken", "silent", "unchanged", "interrupted", "stale", "failed")


class RunLogError(Exception):
    """A run's folder cannot be written or read; the message says what is wrong and how to fix it."""


@dataclass(slots=True)
class CycleRecord:
    """One cycle. Times in seconds since the session's start; None where it did not get that far."""

    cycle: int
    outcome: str = "failed"
    reason: str = ""
    trigger: str = ""  # slot · first · event · instruction · question · change · profile · source
    events: str = ""  # the kinds of the events that it was given, the most important first
    importance: int | None = None  # of the most important of them
    question: int | None = None  # the number of the question that it was to answer
    policy: str = ""
    # the frames it looked at
    frames: int = 0
    frame_first_index: int | None = None
    frame_last_index: int | None = None
    frame_oldest_age_s: float | None = None  # at the start of inference
    frame_newest_age_s: float | None = None
    frame_newest_captured_s: float | None = None
    # the scene
    change_mean: float | None = None
    change_block: float | None = None
    change_compensated: float | None = None
    intensity: str = ""
    # tokens; None where the commentator does not count them
    image_tokens: int | None = None
    prompt_tokens: int | None = None
    prompt_characters: int | None = None
    output_tokens: int = 0
    discarded_tokens: int = 0
    # what happened when
    decide_s: float | None = None
    decide_pass_s: float | None = None  # seconds of the model's forward pass on whether to speak
    decided_value: float | None = None  # what it measured: a probability, or perplexity now ÷ then
    slot_s: float | None = None  # when this comment should have been heard
    infer_s: float | None = None
    first_text_s: float | None = None
    first_sound_s: float | None = None  # ready to be played; text only: the text
    generated_s: float | None = None
    heard_from_s: float | None = None
    heard_to_s: float | None = None
    done_s: float | None = None
    # measures
    first_sound_latency_s: float | None = None  # first_sound − newest frame's capture
    speech_s: float = 0.0  # heard
    gap_before_s: float | None = None  # silence since the comment before
    pause_s: float | None = None  # the pause that was set then
    shortfall_s: float | None = None  # silence beyond the pause
    delay_wanted_s: float | None = None
    delay_applied_s: float | None = None
    sync_error_s: float | None = None  # heard_from − when its newest frame (or an event's evidence) was due
    on_screen_captured_s: float | None = None  # capture of the picture on screen at heard_from
    underruns: int = 0
    # the words
    text: str = ""  # all of it
    heard_text: str = ""  # what was really heard
    repeated_sentences: int = 0  # left out, since one of the last comments has said them
    # the seconds of the model's stages; they overlap where it speaks while it writes
    preprocess_s: float | None = None
    vision_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    talker_s: float | None = None
    vocoder_s: float | None = None
    # memory of the GPU: by the driver (all processes), and by PyTorch (what this process holds in tensors)
    vram_idle_bytes: int | None = None
    vram_peak_bytes: int | None = None
    torch_idle_bytes: int | None = None
    torch_peak_bytes: int | None = None

    def set_stage_times(self, times: StageTimes) -> None:
        """Take over the times that a commentator has measured; a stage that it did not measure stays as it is."""
        known = {name: seconds for name, seconds in dataclasses.asdict(times).items() if seconds is not None}
        self.preprocess_s = known.get("preprocess_s", self.preprocess_s)
        self.vision_s = known.get("vision_s", self.vision_s)
        self.prefill_s = known.get("prefill_s", self.prefill_s)
        self.decode_s = known.get("decode_s", self.decode_s)
        self.talker_s = known.get("talker_s", self.talker_s)
        self.vocoder_s = known.get("vocoder_s", self.vocoder_s)


def cycles_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows of cycles as a DataFrame, with all columns and stable types even where there are no rows."""
    import pandas as pd

    columns = {f.name: str(f.type) for f in dataclasses.fields(CycleRecord)}
    frame = pd.DataFrame(rows, columns=list(columns))
    for name, kind in columns.items():
        if "float" in kind:
            frame[name] = frame[name].astype("float64")
        elif "int" in kind:
            frame[name] = frame[name].astype("Int64")
    return frame


# Columns of events.parquet: what a watcher noticed, when, and the cycle that told it. `at_s` and `detected_s` are
# source time, `captured_s` is when the first evidence was captured, since the session's start; `facts` is JSON.
_EVENT_COLUMNS = {
    "event": "Int64",
    "kind": "object",
    "at_s": "float64",
    "detected_s": "float64",
    "captured_s": "float64",
    "importance": "Int64",
    "certainty": "float64",
    "facts": "object",
    "cycle": "Int64",
}


def events_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows of watch.jsonl as a DataFrame: one row an event, with the first cycle that told it."""
    import pandas as pd

    cycle_of: dict[int, int] = {}
    for row in rows:
        if "cycle" in row:
            cycle_of.setdefault(row["event"], row["cycle"])
    events = [{**row, "cycle": cycle_of.get(row["event"])} for row in rows if "kind" in row]
    return pd.DataFrame(events, columns=list(_EVENT_COLUMNS)).astype(_EVENT_COLUMNS)


# Columns of questions.parquet: what a viewer asked, when (seconds since the session's start), and what became of it.
_QUESTION_COLUMNS = {
    "question": "Int64",
    "text": "object",
    "at_s": "float64",
    "state": "object",
    "cycle": "Int64",
    "reason": "object",
    "changed_s": "float64",
}


def questions_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows of questions.jsonl as a DataFrame: one row a question, with its last state."""
    import pandas as pd

    latest = {row["question"]: row for row in rows}
    return pd.DataFrame(list(latest.values()), columns=list(_QUESTION_COLUMNS)).astype(_QUESTION_COLUMNS)


def totals(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Return the number of cycles by outcome, with 0 for an outcome that did not occur."""
    counts = Counter(row["outcome"] for row in rows)
    return {outcome: counts.get(outcome, 0) for outcome in OUTCOMES}
