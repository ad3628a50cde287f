"""Measure a run against somebody else's truth: when it spoke, what it named, and the measures under their own names.

A file may label less than what happens, so what it does not label is not counted against a run: there are no false
triggers here. A measure without a case is NaN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np

from commentator_lib.files import write_then_replace
from commentator_lib.runs.reader import SavedRun, load_run, read_shown
from commentator_lib.sources.open import open_source
from commentator_lib.truth.base import NAN, Stretch, TimedEvent, Timeline, TruthError, check_times
from commentator_lib.truth.comments import Comment, heard_comments, pair, recall
from commentator_lib.truth.files import read_truth
from commentator_lib.truth.formats.parsing import names_of
from commentator_lib.truth.formats.soccernet_spotting import LABELS
from commentator_lib.truth.livestar import livestar
from commentator_lib.truth.naming import names_kind
from commentator_lib.truth.proactive import last_answer, proactive_accuracy
from commentator_lib.truth.soccernet import LOOSE_S, TIGHT_S, caption_precision_recall, spotting_map
from commentator_lib.truth.speech import (
    covered_s,
    dead_air_share,
    overlap_s,
    repetition,
    speak_silent_f1,
    words_per_s,
)
from commentator_lib.truth.synchrony import synchrony

FILE_NAME = "truth.json"  # in a run's folder
_WITHIN_S = (1.0, 2.0, 3.0)


def pick_video(timeline: Timeline, sources: Sequence[str]) -> Timeline:
    """Return what a file says of the video that is played: the only one, or the one whose name a source has.

    A half of a match, "1", is also the name of `1_720p.mkv`. Raise TruthError where none or several fit.
    """
    videos = timeline.videos
    if len(videos) <= 1:
        return timeline
    stems = {PurePath(source).stem for source in sources}
    fitting = [
        v
        for v in videos
        if PurePath(v).stem in stems or (v.isdigit() and any(s.startswith(f"{v}_") for s in stems))
    ]
    if len(fitting) != 1:
        raise TruthError(
            f"the truth speaks of {len(videos)} videos, and {len(fitting)} of them has the name of "
            f"{', '.join(sorted(stems)) or 'the source'}; they are {names_of(videos)}"
        )
    return timeline.of_video(fitting[0])


def cut_to(timeline: Timeline, from_s: float, to_s: float) -> Timeline:
    """Return what begins within `from_s` … `to_s` of a video, in seconds from `from_s` on, in order of time."""
    texts = [
        replace(text, start_s=text.start_s - from_s, end_s=min(text.end_s, to_s) - from_s)
        for text in timeline.texts
        if from_s <= text.start_s < to_s
    ]
    events = [
        replace(
            event,
            t_s=event.t_s - from_s,
            window_s=None
            if event.window_s is None
            else (event.window_s[0] - from_s, event.window_s[1] - from_s),
            asked_s=None if event.asked_s is None else event.asked_s - from_s,
        )
        for event in timeline.events
        if from_s <= event.t_s < to_s
    ]
    return Timeline(
        sorted(texts, key=lambda t: t.start_s), sorted(events, key=lambda e: e.t_s), timeline.extra
    )


def measure_run(run: SavedRun, timeline: Timeline) -> dict[str, float]:
    """Return the measures of a run against what its file's truth says of the video that it played.

    Raise TruthError where nothing of the truth was played, RunLogError where the run has no frame times.
    """
    header = run.header
    shown = read_shown(run.folder)
    captured_from_s = float(header.get("source_from_s") or 0.0)
    if not len(shown):
        raise TruthError("the run has shown no frame, so there is nothing to measure")
    played_s = float(shown[:, 1].max()) - captured_from_s + 1.0 / float(header.get("source_fps") or 25.0)
    begin_s = float(header.get("start_s") or 0.0)
    truth = cut_to(pick_video(timeline, header.get("source") or []), begin_s, begin_s + played_s)
    if not truth.texts and not truth.events:
        raise TruthError(
            f"nothing in the truth lies within the {played_s:.1f} s that were played from {begin_s:g} s on"
        )
    comments = heard_comments(run.cycles, captured_from_s)
    return {
        "played_s": played_s,
        "synchrony": synchrony(run.cycles, float(shown[:, 1].max())),
        **_of_speech(comments, played_s),
        **(_of_texts(comments, truth, played_s) if truth.texts else {}),
        **(_of_events(comments, truth.events) if truth.events else {}),
    }


def _of_speech(comments: Sequence[Comment], played_s: float) -> dict[str, float]:
    heard = [(c.heard_from_s, c.heard_to_s) for c in comments]
    return {
        "comments_per_min": 60.0 * len(comments) / played_s,
        "words_per_s": words_per_s([c.text for c in comments], sum(end - start for start, end in heard)),
        "overlap_s": overlap_s(heard),
        "repetition": repetition([c.text for c in comments]),
    }


def _of_texts(comments: Sequence[Comment], truth: Timeline, played_s: float) -> dict[str, float]:
    starts = [max(0.0, c.from_s) for c in comments]
    wanted = [text.start_s for text in truth.texts]
    own = livestar(starts, wanted)
    precision, found = caption_precision_recall([(starts, wanted)])
    row = {
        "livestar_time_diff_s": own.time_diff_s,
        "livestar_redundancy": own.redundancy,
        "livestar_coverage": own.coverage,
        "soccernet_caption_precision": precision,
        "soccernet_caption_recall": found,
    }
    spans = [Stretch("action", text.start_s, text.end_s) for text in truth.texts]
    if covered_s([(span.from_s, span.to_s) for span in spans], 0.0, played_s) > 0:
        speech = [(c.from_s, c.to_s) for c in comments]
        row["speak_f1"], row["silent_f1"] = speak_silent_f1(speech, spans, played_s)
        row["dead_air_share"] = dead_air_share(speech, spans)
    return row


def _of_events(comments: Sequence[Comment], events: Sequence[TimedEvent]) -> dict[str, float]:
    errors: list[float] = []
    for kind, text in dict.fromkeys((event.kind, event.text) for event in events):
        happened = [event.t_s for event in events if (event.kind, event.text) == (kind, text)]
        said = [c.from_s for c in comments if (text in c.text if text else names_kind(c.text, kind))]
        errors += [said[j] - happened[i] for i, j in pair(happened, said)]
    row = {f"recall_{within_s:g}s": recall(errors, len(events), within_s) for within_s in _WITHIN_S}
    row["response_error_median_s"] = float(np.quantile(errors, 0.5)) if errors else NAN
    row["response_error_p95_s"] = float(np.quantile(errors, 0.95)) if errors else NAN
    if labels := sorted({event.kind for event in events} & set(LABELS)):
        found = [
            TimedEvent(label, max(0.0, c.from_s))
            for c in comments
            for label in labels
            if names_kind(c.text, label)
        ]
        row["soccernet_map_loose"] = spotting_map([(events, found)], LOOSE_S).average
        row["soccernet_map_tight"] = spotting_map([(events, found)], TIGHT_S).average
    asked = [event for event in events if event.text and event.asked_s is not None]
    if asked:
        in_time, said = proactive_accuracy([(last_answer(comments, event), event) for event in asked])
        row["proactive_time_accuracy"], row["proactive_answer_accuracy"] = in_time, said
    return row


def check_truth(path: Path, name: str | None, sources: Sequence[str], loop: bool = False) -> None:
    """Raise TruthError where a run of `sources` cannot be measured against a file, before it has begun.

    `name`: the file's format, told by its content where it is None. Of one clip the file's times must lie within it.
    """
    if loop:
        raise TruthError("a truth speaks of one pass of a clip: leave out --loop")
    timeline, _ = read_truth(path, name)
    picked = pick_video(timeline, sources)
    if len(sources) == 1 and Path(sources[0]).is_file():
        source = open_source(list(sources))
        clip_s = source.info.duration_s
        source.close()
        try:
            check_times(picked, False, clip_s)
        except TruthError as error:
            raise TruthError(f"{path} cannot be used: {error}") from None


def measure_folder(folder: Path, path: Path, name: str | None = None) -> list[tuple[str, str]]:
    """Measure a run's folder against a file, and write FILE_NAME into it; return rows (measure, value as text).

    Raise TruthError or RunLogError where that cannot be done.
    """
    timeline, form = read_truth(path, name)
    measures = measure_run(load_run(folder), timeline)
    values = {key: None if math.isnan(value) else round(value, 6) for key, value in measures.items()}
    table = {"truth": path.name, "format": form.name, "measures": values}
    write_then_replace(folder / FILE_NAME, json.dumps(table, indent=1) + "\n")
    return rows_of(measures)


def rows_of(measures: dict[str, float]) -> list[tuple[str, str]]:
    """Return (measure, value) as text; "no case" for NaN."""
    return [(name, "no case" if math.isnan(value) else f"{value:.4g}") for name, value in measures.items()]
