"""Rates, quantiles and means of measures. Where there is no case, a value is NaN, never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

NAN = float("nan")


def per_minute(count: float, duration_s: float) -> float:
    """count ÷ duration in minutes."""
    return 60.0 * count / duration_s if duration_s > 0 else NAN


def quantile(values, q: float) -> float:
    """numpy's default quantile (linear); NaN of nothing."""
    values = np.asarray(values, dtype=float)
    return float(np.quantile(values, q)) if len(values) else NAN


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
