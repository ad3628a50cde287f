"""What a commentary was worth, from its log and the truth of its clip: small pure functions, no judge model.

The obvious way, to let a language model grade the words, changes with the grader and cannot see time. What
stands here can be worked out by hand, and each test does so. None of it says whether a comment is *good*;
together the measures say whether it came, when, to the right picture, and at which cost. A talker that never
stops scores well on coverage, so redundancy and false triggers always stand beside it.

Two clocks are told apart. The *viewer's*: media time on the screen when a word is heard; the delayed picture
is what a comment is compared with, so response errors, recall, dead air and F1 are on it. The *camera's*:
seconds since the event really happened, the price of the delay (`response_latency_*`, `staleness_*`).

On the viewer's clock a comment starts at `frame_newest_captured_s + sync_error_s`: its newest frame is on
screen when the error is zero. (The slew in between, at most a tenth of the error, is left out.)

Where a quantity has no case (no comment named an event, say), its value is NaN, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.match_clip.events import KINDS, Event, Stretch, Truth

# A comment may name an event from this much before it is on screen (a voice that is ahead of its picture)
# until this much after; beyond, it speaks of something else.
EARLY_S, LATE_S = 5.0, 10.0
# Cuts are the director's, not the match's: they have recall columns of their own, and stay out of the rest.
MATCH_KINDS = tuple(kind for kind in KINDS if kind != "cut")
RECALL_WITHIN_S = (1.0, 2.0, 3.0)
_NAN = float("nan")
Interval = tuple[float, float]


# --- which event a comment names: a rule that anybody can apply with a pencil

# A kind is named when one of its words stands in the comment and none of the phrases that only look like it.
_WORDS = {
    "kick-off": (r"kick[- ]?off|kicks? off|under ?way", r"free kick"),
    "shot": (
        r"shots?|shoots?|shooting|strikes?|drives? it",
        r"(?:new|next|another|different|close|wide) shot",
    ),
    "goal": (
        r"goals?|scores?|scored|back of the net",
        r"goal[- ]?(?:keeper|kick|line|mouth|post)s?|goalless|no goal|towards? goal|at goal|on goal|the score",
    ),
    "card": (r"(?:yellow|red) card|cards?|booked|booking|sent off", r"credit card"),
    "substitution": (r"substitut\w+|comes? on for|replaces?|replaced", r""),
    "corner": (
        r"corners?|corner kick",
        r"(?:top|bottom|left|right|far|near)[- ](?:\w+ )?corner|in the corner",
    ),
    "cut": (
        r"cuts?|(?:new|next|another|different) (?:shot|view|scene)|another angle|picture changes",
        r"cuts? (?:inside|in|back|out)",
    ),
}
_NAMES = {kind: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for kind, (words, _) in _WORDS.items()}
_LOOKALIKES = {
    kind: re.compile(rf"\b(?:{phrases})\b", re.IGNORECASE) for kind, (_, phrases) in _WORDS.items() if phrases
}
# 2-1, 2–1, 2 - 1; not 12:34 (a clock), nor a part of a longer number or date.
_SCORE = re.compile(r"(?<![\d:\-–])(?<!\d\.)(\d{1,2})\s?[-–]\s?(\d{1,2})(?![\d:\-–]|\.\d)")


def kinds_named(text: str) -> set[str]:
    """Kinds of event that a comment names, "scoreboard" apart.

    Rule: after the phrases that only look like a kind ("goalkeeper", "new shot") are taken out, one of its
    words is left. Case and position do not matter; quoted text on screen counts, since it is what was said.
    """
    found = set()
    for kind, words in _NAMES.items():
        rest = _LOOKALIKES[kind].sub(" ", text) if kind in _LOOKALIKES else text
        if words.search(rest):
            found.add(kind)
    return found


def scores_named(text: str) -> list[tuple[int, int]]:
    """Scores that a comment names: two numbers of at most two digits joined by a hyphen or dash."""
    return [(int(home), int(away)) for home, away in _SCORE.findall(text)]


# --- what was heard, on the viewer's clock


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment that was heard. `from_s`, `to_s`: media time on screen; `heard_from_s`, `heard_to_s`: on the
    camera's clock, with 0 at the clip's first frame."""

    from_s: float
    to_s: float
    heard_from_s: float
    heard_to_s: float
    text: str


def heard_comments(cycles, source_from_s: float = 0.0) -> list[Comment]:
    """The comments of a run's table that were heard or shown, in order. `source_from_s`: when the clip's
    first frame was captured, on the log's clock."""
    heard = cycles[cycles.heard_from_s.notna()].sort_values("heard_from_s")
    return [
        Comment(
            row.frame_newest_captured_s + row.sync_error_s - source_from_s,
            row.frame_newest_captured_s
            + row.sync_error_s
            - source_from_s
            + row.heard_to_s
            - row.heard_from_s,
            row.heard_from_s - source_from_s,
            row.heard_to_s - source_from_s,
            row.heard_text,
        )
        for row in heard.itertuples()
    ]


# --- events


def pair(event_s: Sequence[float], named_s: Sequence[float]) -> list[tuple[int, int]]:
    """One-to-one pairs (event, naming): as many as possible, of these the ones with the least total |error|.

    Only namings from EARLY_S before to LATE_S after an event may be its. (Hungarian method, by way of
    scipy.optimize.linear_sum_assignment; one-to-one so that one comment cannot earn two events.)
    """
    from scipy.optimize import linear_sum_assignment

    if not len(event_s) or not len(named_s):
        return []
    error = np.subtract.outer(np.asarray(named_s, float), np.asarray(event_s, float)).T
    allowed = (error >= -EARLY_S) & (error <= LATE_S)
    far = 1e6  # more than all allowed errors together: pairs are counted first
    rows, columns = linear_sum_assignment(np.where(allowed, np.abs(error), far))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j]]


def _pairs_of_kind(
    comments: Sequence[Comment], events: Sequence[Event], kind: str
) -> list[tuple[Event, Comment]]:
    """Events of a kind with the comments that name them. A change of the scoreboard is named by its own
    score, or one 1–0 could answer for the 2–0."""
    some = [e for e in events if e.kind == kind]
    if kind == "scoreboard":
        groups = [
            ([e for e in some if e.score == score], [c for c in comments if score in scores_named(c.text)])
            for score in sorted({e.score for e in some})
        ]
    else:
        groups = [(some, [c for c in comments if kind in kinds_named(c.text)])]
    return [
        (happened[i], said[j])
        for happened, said in groups
        for i, j in pair([e.t_s for e in happened], [c.from_s for c in said])
    ]


def response_errors(comments: Sequence[Comment], events: Sequence[Event], kind: str) -> list[float]:
    """Seconds from each event that was named, as it was on screen, to the first sound of the comment that
    names it: t_first_audio − t_event. Negative: the voice was ahead of the picture.

    Source: the definition that live-commentary papers share (Proact-VL, LiveStar), on the viewer's clock.
    """
    return [comment.from_s - event.t_s for event, comment in _pairs_of_kind(comments, events, kind)]


def response_latencies(comments: Sequence[Comment], events: Sequence[Event], kind: str) -> list[float]:
    """The same from the moment at which the event really happened: response error + picture delay."""
    return [comment.heard_from_s - event.t_s for event, comment in _pairs_of_kind(comments, events, kind)]


def recall(errors_s: Sequence[float], events: int, within_s: float) -> float:
    """Share of events named within ± `within_s`: |{e : |error_e| ≤ within}| ÷ events. NaN without events.

    Source: recall with a time collar, as in sound event detection (Mesaros et al. 2016).
    """
    return sum(abs(e) <= within_s + 1e-9 for e in errors_s) / events if events else _NAN


def false_triggers(comments: Sequence[Comment], events: Sequence[Event]) -> int:
    """Namings of something that did not happen: no event of the kind on screen from LATE_S before the
    comment to EARLY_S after it. A goal told twice is repetition, not a false trigger.

    A score is false where it is neither the one on the scoreboard nor one that was or will be there within
    those limits. Source: the false alarms of keyword spotting, counted by time.
    """
    count = 0
    for comment in comments:
        for kind in kinds_named(comment.text) & set(MATCH_KINDS):
            times = [e.t_s for e in events if e.kind == kind]
            count += not any(-EARLY_S <= comment.from_s - t <= LATE_S for t in times)
        count += any(s not in _standing_scores(events, comment.from_s) for s in scores_named(comment.text))
    return count


def _standing_scores(events: Sequence[Event], at_s: float) -> set[tuple[int, int] | None]:
    """Scores on screen at some time from `at_s` − LATE_S to `at_s` + EARLY_S."""
    changes = [(0.0, (0, 0)), *((e.t_s, e.score) for e in events if e.kind == "scoreboard")]
    standing = [score for t, score in changes if t <= at_s - LATE_S][-1:]
    return set(standing) | {score for t, score in changes if at_s - LATE_S < t <= at_s + EARLY_S}


def per_minute(count: float, duration_s: float) -> float:
    """count ÷ duration in minutes."""
    return 60.0 * count / duration_s if duration_s > 0 else _NAN


# --- speech and silence


def covered_s(intervals: Iterable[Interval], from_s: float, to_s: float) -> float:
    """Seconds of [from, to] that lie in at least one interval."""
    edge, total = from_s, 0.0
    for start, end in sorted(intervals):
        start, end = max(start, edge), min(end, to_s)
        if end > start:
            total += end - start
            edge = end
    return total


def speak_silent_f1(
    speech: Sequence[Interval], stretches: Sequence[Stretch], duration_s: float
) -> tuple[float, float]:
    """(F1 of speaking, F1 of being silent), decided second by second.

    A second is spoken where speech covers half of it or more, and should be where its middle lies in an
    action stretch. F1 = 2·TP ÷ (2·TP + FP + FN). Source: the per-second decision of Proact-VL (ICML 2026).
    """
    seconds = np.arange(int(duration_s))
    said = np.array([covered_s(speech, s, s + 1.0) >= 0.5 for s in seconds], bool)
    should = np.array(
        [any(x.kind == "action" and x.from_s <= s + 0.5 < x.to_s for x in stretches) for s in seconds], bool
    )

    def f1(yes: np.ndarray, wanted: np.ndarray) -> float:
        hits, wrong = int((yes & wanted).sum()), int((yes != wanted).sum())
        return 2 * hits / (2 * hits + wrong) if hits or wrong else _NAN

    return f1(said, should), f1(~said, ~should)


def starts_in(starts_s: Sequence[float], stretch: Stretch) -> list[float]:
    return [s for s in starts_s if stretch.from_s <= s < stretch.to_s]


def time_diff_s(starts_s: Sequence[float], stretches: Sequence[Stretch]) -> float:
    """TimeDiff: mean over action stretches of (first comment's start − the stretch's start), or of the
    stretch's length where none started in it. Source: LiveStar (arXiv 2511.05299)."""
    action = [x for x in stretches if x.kind == "action"]
    waits = [min(starts_in(starts_s, x), default=x.to_s) - x.from_s for x in action]
    return float(np.mean(waits)) if waits else _NAN


def redundancy(starts_s: Sequence[float], stretches: Sequence[Stretch]) -> float:
    """Mean |1 − n_i| over action stretches, n_i the number of comments that start in the i-th. Source:
    LiveStar (arXiv 2511.05299)."""
    counts = [len(starts_in(starts_s, x)) for x in stretches if x.kind == "action"]
    return float(np.mean([abs(1 - n) for n in counts])) if counts else _NAN


def coverage(starts_s: Sequence[float], stretches: Sequence[Stretch]) -> float:
    """Share of action stretches in which at least one comment starts (n_i > 0). Source: LiveStar (arXiv
    2511.05299)."""
    counts = [len(starts_in(starts_s, x)) for x in stretches if x.kind == "action"]
    return float(np.mean([n > 0 for n in counts])) if counts else _NAN


def dead_air_share(speech: Sequence[Interval], stretches: Sequence[Stretch]) -> float:
    """Silent share of the action: 1 − seconds of speech in action stretches ÷ seconds of action.

    Source: the silence measure of Kawamatsu et al. (arXiv 2606.13322), taken over labelled activity.
    """
    action = [x for x in stretches if x.kind == "action"]
    total_s = sum(x.to_s - x.from_s for x in action)
    return 1.0 - sum(covered_s(speech, x.from_s, x.to_s) for x in action) / total_s if total_s else _NAN


def gaps_s(heard: Sequence[Interval]) -> np.ndarray:
    """Silences between comments as the listener hears them: next start − latest end so far, where above 0.

    Source: the silence between utterances of Kawamatsu et al. (arXiv 2606.13322).
    """
    ordered = sorted(heard)
    ends = np.maximum.accumulate([end for _, end in ordered]) if ordered else np.array([])
    gaps = np.array([start for start, _ in ordered[1:]]) - ends[:-1] if len(ordered) > 1 else np.array([])
    return gaps[gaps > 0]


def overlap_s(heard: Sequence[Interval]) -> float:
    """Seconds in which two comments sound at once: Σ lengths − length of their union. Source: the overlap of
    turn-taking studies; a commentary with one voice should have none."""
    if not heard:
        return 0.0
    lengths = sum(end - start for start, end in heard)
    union = covered_s(heard, min(s for s, _ in heard), max(e for _, e in heard))
    return max(0.0, lengths - union)


def words_per_s(texts: Sequence[str], speech_s: float) -> float:
    """Words heard ÷ seconds of speech: the speaking rate of phonetics, in words."""
    return sum(len(t.split()) for t in texts) / speech_s if speech_s > 0 else _NAN


def speech_realtime_factor(compute_s: Sequence[float], speech_s: Sequence[float]) -> float:
    """Σ (generated − infer) ÷ Σ seconds of speech, over comments that were generated and heard whole. Above 1
    the commentator cannot keep up with its own voice. Source: the real-time factor of speech synthesis."""
    return float(np.sum(compute_s) / np.sum(speech_s)) if np.sum(speech_s) > 0 else _NAN


# --- picture


def slew(captured_s: np.ndarray, due_s: np.ndarray) -> np.ndarray:
    """How much faster or slower the picture ran than real time, frame by frame: |Δdue ÷ Δcaptured − 1|.

    Source: the rate at which a jitter buffer changes its delay (RFC 3550 players), over frames.
    """
    return np.abs(np.diff(due_s) / np.diff(captured_s) - 1.0)


def frozen_s(shown_s: np.ndarray, frame_s: float) -> float:
    """Seconds for which the picture stood: Σ (Δshown − one frame time) over neighbours that were shown more
    than two frame times apart. Source: the freezes of video quality measurement (ITU-T P.1203 counts stalls)."""
    apart = np.diff(shown_s)
    return float((apart[apart > 2 * frame_s] - frame_s).sum())


def repeated_frames(index: np.ndarray) -> int:
    """Frames shown that had been shown before, or came out of order: |{k : index_k ≤ index_(k−1)}|."""
    return int((np.diff(index) <= 0).sum())


# --- words


def repetition(texts: Sequence[str], n: int = 4, last: int = 5) -> float:
    """Mean share of a comment's n-grams that one of the `last` comments before it had as well.

    Words are compared in lower case without punctuation. Comments of fewer than n words have no n-gram and
    do not count; nor does the first. Source: n-gram overlap as in text generation, over a moving window.
    """
    grams = []
    for text in texts:
        words = re.findall(r"[\w'–-]+", text.lower())
        grams.append({tuple(words[k : k + n]) for k in range(len(words) - n + 1)})
    shares = [
        len(own & set().union(*grams[max(0, k - last) : k])) / len(own)
        for k, own in enumerate(grams)
        if k and own
    ]
    return float(np.mean(shares)) if shares else _NAN


# --- all of them for one run


def measure(
    cycles,
    truth: Truth,
    *,
    shown: np.ndarray | None = None,
    samples=None,
    fps: float = 25.0,
    source_from_s: float = 0.0,
) -> dict[str, float]:
    """Every measure of one run as a flat row.

    Picture/sound error is the log's `sync_error_s`, (first sound heard − newest frame captured) − the delay
    applied then, as mean and p95 of its absolute value; staleness is the same without taking the delay off.

    `cycles`, `samples`: the run log's tables; `shown` (N, 4): index, captured, due, shown, as `read_shown`
    gives it; without it the picture's columns are NaN. ValueError where truth has no length.
    """
    if truth.duration_s <= 0:
        raise ValueError("the truth of a clip without length measures nothing")
    comments = heard_comments(cycles, source_from_s)
    row = {**_event_measures(comments, truth), **_speech_measures(cycles, comments, truth)}
    row |= _picture_measures(cycles, shown, fps)
    row |= _cost_measures(cycles, samples, truth.duration_s)
    return {name: float(value) for name, value in row.items()}


def _event_measures(comments: list[Comment], truth: Truth) -> dict[str, float]:
    row: dict[str, float] = {}
    errors, latencies, total = [], [], 0
    for kind in KINDS:
        count = len(truth.of_kind(kind))
        found = response_errors(comments, truth.events, kind)
        name = kind.replace("-", "_")
        row[f"{name}_recall_3s"] = recall(found, count, 3.0)
        row[f"{name}_response_error_median_s"] = quantile(found, 0.5)
        if kind in MATCH_KINDS:
            errors += found
            latencies += response_latencies(comments, truth.events, kind)
            total += count
    for within_s in RECALL_WITHIN_S:
        row[f"recall_{within_s:g}s"] = recall(errors, total, within_s)
    row["response_error_median_s"] = quantile(errors, 0.5)
    row["response_error_p95_s"] = quantile(errors, 0.95)
    row["response_latency_median_s"] = quantile(latencies, 0.5)
    row["early_share"] = float(np.mean(np.asarray(errors) < -0.05)) if errors else _NAN
    row["false_triggers_per_min"] = per_minute(false_triggers(comments, truth.events), truth.duration_s)
    return row


def _speech_measures(cycles, comments: list[Comment], truth: Truth) -> dict[str, float]:
    speech = [(c.from_s, c.to_s) for c in comments]
    heard = [(c.heard_from_s, c.heard_to_s) for c in comments]
    starts = [c.from_s for c in comments]
    gaps = gaps_s(heard)
    speak, silent = speak_silent_f1(speech, truth.stretches, truth.duration_s)
    whole = cycles[(cycles.outcome == "spoken") & cycles.generated_s.notna() & (cycles.speech_s > 0)]
    return {
        "comments_per_min": per_minute(len(comments), truth.duration_s),
        "speak_f1": speak,
        "silent_f1": silent,
        "time_diff_s": time_diff_s(starts, truth.stretches),
        "redundancy": redundancy(starts, truth.stretches),
        "coverage": coverage(starts, truth.stretches),
        "dead_air_share": dead_air_share(speech, truth.stretches),
        "speech_share": covered_s(speech, 0.0, truth.duration_s) / truth.duration_s,
        "gap_mean_s": float(gaps.mean()) if len(gaps) else _NAN,
        "gap_median_s": quantile(gaps, 0.5),
        "gap_p95_s": quantile(gaps, 0.95),
        "overlap_s": overlap_s(heard),
        "words_per_s": words_per_s([c.text for c in comments], sum(e - s for s, e in heard)),
        "speech_realtime_factor": speech_realtime_factor(whole.generated_s - whole.infer_s, whole.speech_s),
        "repetition": repetition([c.text for c in comments]),
    }


def _picture_measures(cycles, shown: np.ndarray | None, fps: float) -> dict[str, float]:
    heard = cycles[cycles.sync_error_s.notna()]
    error = heard.sync_error_s.abs().to_numpy(float)
    staleness = (heard.heard_from_s - heard.frame_newest_captured_s).to_numpy(float)
    row = {
        "sync_error_mean_s": float(error.mean()) if len(error) else _NAN,
        "sync_error_p95_s": quantile(error, 0.95),
        "staleness_median_s": quantile(staleness, 0.5),
        "first_sound_latency_median_s": quantile(cycles.first_sound_latency_s.dropna(), 0.5),
        "delay_end_s": float(heard.delay_applied_s.iloc[-1]) if len(heard) else _NAN,
        "slew_max": _NAN,
        "frozen_s": _NAN,
        "repeated_frames": _NAN,
    }
    if shown is not None and len(shown) > 1:
        row["slew_max"] = float(slew(shown[:, 1], shown[:, 2]).max())
        row["frozen_s"] = frozen_s(shown[:, 3], 1.0 / fps)
        row["repeated_frames"] = repeated_frames(shown[:, 0])
    return row


def _cost_measures(cycles, samples, duration_s: float) -> dict[str, float]:
    """Cycles that asked the commentator, the share of time in which it computed (Σ (generated − infer) ÷ the
    clip's length), tokens thrown away (÷ tokens generated), and memory where it was sampled."""
    asked = cycles[cycles.infer_s.notna()]
    tokens = float(asked.output_tokens.sum())
    cpu, shown_fps = _known(samples, "cpu_core_share"), _known(samples, "shown_fps")

    def peak(table, column: str) -> float:
        return quantile(_known(table, column), 1.0)

    return {
        "cycles_per_min": per_minute(len(asked), duration_s),
        "skipped_share": float((cycles.outcome == "unchanged").mean()) if len(cycles) else _NAN,
        "busy_share": float((asked.generated_s - asked.infer_s).sum()) / duration_s,
        "output_tokens_per_min": per_minute(tokens, duration_s),
        "image_tokens_per_min": per_minute(asked.image_tokens.astype(float).sum(min_count=1), duration_s),
        "discarded_token_share": float(asked.discarded_tokens.sum()) / tokens if tokens else _NAN,
        "shown_fps": quantile(shown_fps[shown_fps > 0], 0.5),  # over the seconds in which the picture ran
        "cpu_core_share": float(cpu.mean()) if len(cpu) else _NAN,
        "peak_rss_bytes": peak(samples, "rss_bytes"),
        "peak_vram_bytes": max(
            peak(samples, "vram_used_bytes"), peak(cycles, "vram_peak_bytes"), key=lambda v: (v == v, v)
        ),
        "idle_vram_bytes": peak(cycles, "vram_idle_bytes"),
    }


def _known(table, column: str) -> np.ndarray:
    """The values of a column that are there; none where the table or the column is not."""
    if table is None or column not in table:
        return np.array([])
    return table[column].dropna().to_numpy(float)


def quantile(values, q: float) -> float:
    """numpy's default quantile (linear); NaN of nothing."""
    values = np.asarray(values, dtype=float)
    return float(np.quantile(values, q)) if len(values) else _NAN


def mean_and_std(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, float | int | None]:
    """{"mean", "std", "runs"} of one measure over runs; std with n − 1. Runs without a value (NaN) do not
    count; None where none has one, and for the std of a single run."""
    values = np.asarray([row[name] for row in rows], dtype=float)
    values = values[~np.isnan(values)]
    return {
        "mean": float(values.mean()) if len(values) else None,
        "std": float(values.std(ddof=1)) if len(values) > 1 else None,
        "runs": len(values),
    }
