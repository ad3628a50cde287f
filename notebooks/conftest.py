"""How long the notebooks take: two run in real time, the sweep computes."""

from pathlib import Path

import pytest

_MARKS = {
    "01_live_demo.ipynb": pytest.mark.realtime,
    "02_tuning_sweep.ipynb": pytest.mark.slow,
    "03_benchmarks.ipynb": pytest.mark.realtime,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(_MARKS[item.path.name])
