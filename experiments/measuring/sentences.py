"""The sentences above the figures. Each is computed from what its figure shows, so that it cannot say anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from commentator_lib.runs.run_card_words import small_seconds
from experiments.measuring.plot_parts import label, words


def value(number: object) -> str:
    """Return a setting's value as one writes it."""
    return f"{number:g}" if isinstance(number, int | float | np.number) else str(number)


def listed(parts: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else list(parts))


def setting_words(setting: Mapping[str, Any]) -> str:
    """Return a setting in words: "frame stride 1, change threshold 40"."""
    return ", ".join(f"{words(name)} {value(v)}" for name, v in setting.items())


def strongest_knobs(table: pd.DataFrame, knobs: Sequence[str], measures: Sequence[str]) -> str:
    """Return which knob moves which measures most: by the range of their means over its values, over all others."""
    moved: dict[str, list[str]] = {}
    for measure in measures:
        ranges = {}
        for knob in knobs:
            means = [table.loc[table[knob] == at, measure].to_numpy(float) for at in table[knob].unique()]
            known = [float(np.nanmean(m)) for m in means if not np.isnan(m).all()]
            ranges[knob] = max(known) - min(known) if known else 0.0
        if max(ranges.values()) > 0:
            moved.setdefault(max(ranges, key=lambda k: ranges[k]), []).append(words(measure))
    if not moved:
        return "No setting moves any of these measures"
    return _capital(
        "; ".join(f"the {words(knob)} moves {listed(names)} most" for knob, names in moved.items())
    )


def on_the_front(
    front: pd.Series, marked: pd.Series | None, setting: Mapping[str, Any] | None, among: int
) -> str:
    """Return whether the recommended setting is on the front, and how many are. `marked` tells its row."""
    count, total = int(front.sum()), len(front)
    whole = f"{count} of {total} settings {'lies' if count == 1 else 'lie'} on the front of {among} measures"
    if setting is None or marked is None or not marked.any():
        return whole
    beside = "among them" if front[marked].all() else "not among them"
    return f"{whole}, the recommended one ({setting_words(setting)}) {beside}"


def trade_off(
    table: pd.DataFrame, marked: pd.Series, setting: Mapping[str, Any], share_of_draws: float
) -> str:
    """Return what a recommended setting gains and costs, whether it is on the front, and how sure it is the best."""
    row, count, total = table[marked].iloc[0], int(table.front.sum()), len(table)
    beside = (
        f"{'one of' if row.front else 'not among'} {count} on the front of these five measures (of {total})"
    )
    return (
        f"Recommended: {setting_words(setting)}, with F1 {row.speak_f1:.2f} at redundancy {row.redundancy:.2f}, "
        f"{row.recall_3s:.0%} of the events named at {row.dead_air_share:.0%} dead air, computing "
        f"{row.busy_share:.0%} of the time; {beside}, and the best in {share_of_draws:.0%} of the draws"
    )


def knob_effect(table: pd.DataFrame, knob: str, measures: Sequence[str]) -> str:
    """Return what the knob changes most, measured by its intervals, and where it changes nothing that can be told.

    Compared are its least and its largest value, or of names the two that are furthest apart, as means over all groups.
    """
    found: list[tuple[float, str, bool]] = []
    for measure in measures:
        ends = _extremes(table, knob, measure)
        if ends is None:
            continue
        (a, first, low_a, high_a), (b, last, low_b, high_b) = ends
        width = max((high_a - low_a + high_b - low_b) / 4, 1e-12)
        apart = high_a < low_b or high_b < low_a
        found.append((abs(last - first) / width, _effect_words(knob, measure, (a, first), (b, last)), apart))
    if not found:
        return f"One value of {words(knob)} alone: nothing to compare"
    _, text, apart = max(found)
    if not apart:
        return _capital(
            f"{words(knob)}: in none of {len(found)} measures is the difference beyond the intervals"
        )
    same = sum(not each for *_, each in found)
    rest = f"; in {same} of {len(found)} measures the intervals overlap" if same else ""
    return _capital(text + rest)


_End = tuple[Any, float, float, float]  # value of a knob, mean of a measure, its interval


def _extremes(table: pd.DataFrame, knob: str, measure: str) -> tuple[_End, _End] | None:
    """Return the measure at the knob's least and largest value; of names, the two that are furthest apart."""
    columns = [measure, f"{measure}_low", f"{measure}_high"]
    ends: list[_End] = []
    for at in sorted(table[knob].unique()):
        means = table.loc[table[knob] == at, columns].to_numpy(float)
        means = means[~np.isnan(means).any(axis=1)]
        if len(means):
            mean, low, high = (float(m) for m in means.mean(axis=0))
            ends.append((at, mean, low, high))
    if len(ends) < 2:
        return None
    if isinstance(ends[0][0], int | float | np.number):
        return ends[0], ends[-1]
    return min(ends, key=lambda end: end[1]), max(ends, key=lambda end: end[1])


def _effect_words(knob: str, measure: str, first: tuple[Any, float], last: tuple[Any, float]) -> str:
    (a, before), (b, after) = first, last
    if not isinstance(a, int | float | np.number):
        return f"{words(measure)} is {after:.2g} with {b} and {before:.2g} with {a}"
    unit = label(knob).rpartition(", ")[2] if ", " in label(knob) else ""
    moves = "rises" if after > before else "falls"
    ends = f"{value(a)} to {value(b)} {unit}".strip()
    return f"from {words(knob)} {ends} {words(measure)} {moves} from {before:.2g} to {after:.2g}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def where_time_goes(stages: Mapping[str, pd.DataFrame]) -> str:
    """Return how long the way to the ear is in each group, and which stage takes most of it; means in seconds."""
    parts = []
    for name, table in stages.items():
        if len(table):
            means = {str(stage): float(np.mean(table[stage].to_numpy(float))) for stage in table}
            longest = max(means, key=lambda stage: means[stage])
            parts.append(
                f"{name} {sum(means.values()):.1f} s after its newest frame, {means[longest]:.1f} s of it: {longest}"
            )
    return f"A comment is heard under {'; under '.join(parts)}" if parts else "No comment was heard"


def how_far_apart(errors: Mapping[str, Sequence[float]], what: str = "Voice and picture are") -> str:
    """Return the median of each group's absolute errors, in seconds."""
    parts = [f"{small_seconds(float(np.median(v)))}{{}} under {name}" for name, v in errors.items() if len(v)]
    if not parts:
        return "No comment was heard, so no error was measured"
    return f"{what} {listed([parts[0].format(' apart'), *(p.format('') for p in parts[1:])])} (median)"


def speaking(table: pd.DataFrame, what: str) -> str:
    """Return how the rules that ask the model compare with a comment at every slot, in repetition and F1."""
    asked = table[table.when.isin(["first-token", "perplexity", "yes-no"])]
    slots = table[table.when == "interval"]
    if not len(asked) or not len(slots):
        return f"{what}: {len(table)} rules of when to speak"
    slot = slots.iloc[0]
    return (
        f"{what}: where the model is asked first, {asked.repetition.mean():.0%} is repeated at F1 "
        f"{asked.speak_f1.mean():.2f}; at every slot {slot.repetition:.0%} at F1 {slot.speak_f1:.2f}"
    )


def times_as_fast(pairs: Mapping[str, tuple[float, float]], what: str) -> str:
    """Return (before, after) of each group in ms as a sentence: which is faster, and how many times."""
    parts = []
    for name, (before, after) in pairs.items():
        faster = (
            f"{before / after:.1f} times as fast"
            if after <= before
            else f"{after / before:.1f} times as slow"
        )
        parts.append(f"in {name} {after:.0f} ms instead of {before:.0f}, {faster}")
    return f"{what}: {'; '.join(parts)}" if parts else f"{what}: not measured"
