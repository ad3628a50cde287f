"""The benchmark of a sweep's memory on a cluster: when the samples are taken that it shows."""

from __future__ import annotations

import pytest

from experiments.benchmarks.bench_cluster import marks_of
from experiments.errors import UserError


def test_marks_are_the_first_at_a_share_and_the_last_before_the_end():
    samples = [(rows, [float(rows)]) for rows in (0, 5, 11, 30, 49, 52, 90, 97, 100, 100)]
    assert [rows for rows, _ in marks_of(samples, 100)] == [11, 52, 97]
    with pytest.raises(UserError, match="give more --runs"):
        marks_of(samples[:5] + samples[-2:], 100)
