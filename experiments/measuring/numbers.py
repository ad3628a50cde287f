"""Rates, quantiles and means of measures. A value without a case is NaN, never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

NAN = float("nan")


def per_minute(count: float, duration_s: float) -> float:
    """Return count ÷ duration in minutes; NaN for a duration of 0."""
    return 60.0 * count / duration_s if duration_s > 0 else NAN


def quantile(values, q: float) -> float:
    """Return numpy's default (linear) quantile of `values` (N,); NaN without values."""
    values = np.asarray(values, dtype=float)
    return float(np.quantile(values, q)) if len(values) else NAN


def mean_and_std(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, float | int | None]:
    """Return {"mean", "std", "runs"} of one measure over runs, std with n − 1.

    Runs without a value (NaN) do not count. The mean of no run and the std of fewer than two are None.
    """
    values = np.asarray([row[name] for row in rows], dtype=float)
    values = values[~np.isnan(values)]
    return {
        "mean": float(values.mean()) if len(values) else None,
        "std": float(values.std(ddof=1)) if len(values) > 1 else None,
        "runs": len(values),
    }


def bootstrap_interval(values, draws: int = 2000, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Return (low, high): the interval of the mean of `values` (N,) by the percentile bootstrap.

    Means of resampled values lie between the least and the largest, so the interval of what cannot be negative is not
    either. Missing values do not count; of fewer than two values there is none: (NaN, NaN). Source: Efron and
    Tibshirani 1993.
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return NAN, NAN
    drawn = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
