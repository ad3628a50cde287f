"""The table of marks names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import REAL_TIME, SLOW

TESTS = Path(__file__).parent


def test_every_marked_name_is_a_test():
    texts = [path.read_text() for path in TESTS.rglob("test_*.py")]
    names = {name for text in texts for name in re.findall(r"def (test_\w+)\(", text)}
    names |= {path.name for path in (TESTS.parent / "notebooks").glob("*.ipynb")}
    assert (REAL_TIME | SLOW) - names == set()
