"""Analyse a sweep: means with their spread, the Pareto front, and a recommended setting with its uncertainty.

In a large grid the setting with the best mean may be best by chance. Every setting was run on the same clips and
seeds, so `recommend` resamples (clip, seed) pairs many times (a bootstrap), and reports in which share of the samples
the recommended setting is the best.

All functions are pure, from DataFrames to DataFrames; the notebooks call them and plot the results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from commentator_lib.runs.figures import convergence as convergence  # so that notebooks find them here
from commentator_lib.runs.figures import stage_seconds as stage_seconds
from experiments.measuring.numbers import bootstrap_interval

# What a recommendation minimises; all four have the same weight, each scaled to its range in the sweep.
OBJECTIVES = ("missed_3s", "dead_air_share", "false_triggers_per_min", "busy_share")


def load_run_table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a sweep's rows with a derived column: missed_3s = 1 − recall_3s."""
    return results.assign(missed_3s=1.0 - results["recall_3s"].astype(float))


def by_setting(results: pd.DataFrame, settings: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    """Return one row per combination of `settings`: each measure's mean over clips and seeds, and how sure it is.

    Columns: `{measure}`, `{measure}_std` (n − 1), `{measure}_low` and `{measure}_high` (the mean's 95 % bootstrap
    interval), `{measure}_runs`; runs without a value do not count. Raise KeyError for an unknown column.
    """
    grouped = results.astype(dict.fromkeys(measures, float)).groupby(list(settings), sort=True, dropna=False)
    parts = []
    for m in measures:
        part = grouped[m].agg(["mean", "std", "count"]).set_axis([m, f"{m}_std", f"{m}_runs"], axis=1)
        ends = np.array([bootstrap_interval(values.to_numpy(float)) for _, values in grouped[m]]).reshape(
            -1, 2
        )
        parts.append(part.assign(**{f"{m}_low": ends[:, 0], f"{m}_high": ends[:, 1]}))
    return pd.concat(parts, axis=1).reset_index()


def readable(results: pd.DataFrame, by: str, measures: Sequence[str]) -> pd.DataFrame:
    """Return a table of measures (rows) by the values of `by` (columns): "mean [95 % bootstrap interval] (runs)"."""
    table = by_setting(results, [by], measures).set_index(by)

    def cell(value: object, measure: str) -> str:
        mean, low, high, runs = (
            table.loc[value, f"{measure}{end}"] for end in ("", "_low", "_high", "_runs")
        )
        if not runs:
            return "no case"
        return f"{mean:.3g}" + ("" if np.isnan(low) else f" [{low:.3g}, {high:.3g}]") + f" ({runs:.0f})"

    return pd.DataFrame({value: {m: cell(value, m) for m in measures} for value in table.index})


def pareto_front(table: pd.DataFrame, minimise: Sequence[str]) -> pd.Series:
    """Return for each row whether it is on the Pareto front of the columns `minimise`, as a bool Series.

    A row is on the front if no other row is at most equal in every column and smaller in one. Rows with a NaN are not.
    """
    values = table[list(minimise)].to_numpy(float)
    known = np.asarray(~np.isnan(values).any(axis=1))  # (rows,)
    front = np.array(known)
    for k in np.flatnonzero(known):
        rivals = values[known]
        front[k] = not ((rivals <= values[k]).all(axis=1) & (rivals < values[k]).any(axis=1)).any()
    return pd.Series(front, index=table.index)


@dataclass(frozen=True)
class Recommendation:
    """The best setting, and how sure that is.

    `setting` is the best one in `share_of_draws` of the bootstrap samples. `table` has every setting with its score (0
    to 1: best to worst in all objectives), its share of samples, and the mean and 95 % interval of each objective.
    """

    setting: dict[str, object]
    share_of_draws: float
    table: pd.DataFrame


def recommend(
    results: pd.DataFrame,
    settings: Sequence[str],
    objectives: Sequence[str] = OBJECTIVES,
    draws: int = 1000,
    seed: int = 0,
) -> Recommendation:
    """Return the setting with the least mean of its objectives, each scaled to its range over the settings.

    How sure that is comes from a bootstrap over (clip, seed) pairs, which all settings share. Source of the method: the
    paired bootstrap (Efron and Tibshirani 1993). Raise ValueError where a setting was not run on every pair.
    """
    # 1) all values as one array (objectives, pairs, settings)
    pairs = results[["clip", "seed"]].astype(str).agg("/".join, axis=1)
    cube = np.stack(
        [
            results.assign(pair=pairs, value=results[m].astype(float))
            .pivot_table(index="pair", columns=list(settings), values="value", dropna=False)
            .dropna(axis=1, how="all")
            .to_numpy()
            for m in objectives
        ]
    )
    combinations = results.groupby(list(settings), sort=True).size()
    if cube.shape[2] != len(combinations) or (combinations != cube.shape[1]).any() or np.isnan(cube).any():
        raise ValueError("every setting must have been run on every clip and seed, with a value each")
    # 2) resample the pairs, and count how often each setting is the best
    rng = np.random.default_rng(seed)
    count = cube.shape[1]
    drawn = rng.integers(0, count, (draws, count))
    means = cube.mean(axis=1)  # (objectives, settings)
    spread = np.ptp(means, axis=1, keepdims=True)
    scale = np.where(spread > 0, spread, 1.0)

    def score(some: np.ndarray) -> np.ndarray:
        return ((some - means.min(axis=1, keepdims=True)) / scale).mean(axis=0)

    samples = np.stack([cube[:, draw].mean(axis=1) for draw in drawn])  # (draws, objectives, settings)
    wins = np.bincount([int(score(s).argmin()) for s in samples], minlength=cube.shape[2])
    # 3) the table, best setting first
    table = combinations.index.to_frame(index=False)
    table["score"] = score(means)
    table["share_of_draws"] = wins / draws
    for k, name in enumerate(objectives):
        table[name] = means[k]
        table[f"{name}_low"], table[f"{name}_high"] = np.quantile(samples[:, k], (0.025, 0.975), axis=0)
    table = table.sort_values("score", ignore_index=True)
    best = table.iloc[0]
    setting = {name: table[name].tolist()[0] for name in settings}  # as plain numbers
    return Recommendation(setting, float(best["share_of_draws"]), table)


# Figures that the nerdpudding project published about itself (its Sprint 2 review and tuning guide), on its hardware.
PUBLISHED = (
    ("first words, text only, 4 frames (512 image tokens as it counts)", "2.5–4.2 s", "RTX 4090, AWQ INT4"),
    ("latency from frame to comment, text only, mean", "4.8 s", "RTX 4090, AWQ INT4"),
    ("comments a minute with speech", "4–6", "RTX 4090, AWQ INT4"),
    ("frames shown a second", "24", "RTX 4090, AWQ INT4"),
    ("peak GPU memory with speech", "14–15 GB", "RTX 4090, AWQ INT4"),
)


def against_published(rows: pd.DataFrame, hardware: str, commentator: str) -> pd.DataFrame:
    """Return the nerdpudding project's published figures and ours, each with its hardware.

    Ours are the mean over `rows`, with its 95 % bootstrap interval and n.

    The commentators differ, so the table compares workbenches, not models. Where we measured nothing it says so.
    """

    def ours(name: str, unit: str, digits: int = 2, scale: float = 1.0) -> str | None:
        values = rows[name].astype(float).dropna() * scale if name in rows else pd.Series(dtype=float)
        if not len(values):
            return None
        low, high = bootstrap_interval(values.to_numpy())
        spread = f" [{low:.{digits}f}, {high:.{digits}f}]" if len(values) > 1 else ""
        return f"{values.mean():.{digits}f}{spread}{unit} (n = {len(values)})"

    measured = (
        None,
        ours("first_sound_latency_median_s", " s to first sound, median"),
        ours("comments_per_min", "", 1),
        ours("shown_fps", "", 1),
        ours("peak_vram_bytes", " GB", 1, 1e-9),
    )
    return pd.DataFrame(
        [
            {
                "what": what,
                "published": value,
                "on": on,
                "ours": mine or "not measured",
                "with": commentator if mine else "",
                "on ours": hardware if mine else "",
            }
            for (what, value, on), mine in zip(PUBLISHED, measured, strict=True)
        ]
    )
