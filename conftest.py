"""Marks of the notebooks, which cannot carry a mark themselves."""

from __future__ import annotations

import pytest

_MARKS = {
    "01_live_demo.ipynb": pytest.mark.realtime,
    "02_tuning_sweep.ipynb": pytest.mark.slow,
    "03_benchmarks.ipynb": pytest.mark.realtime,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.suffix != ".ipynb")  # they take longest, so they go first
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(_MARKS[item.path.name])
