"""The code of the pages `docs/write_a_*.md` runs unchanged, and passes the conformance tests that it names."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

PAGES = {
    path.stem: path
    for path in sorted(Path(__file__).resolve().parents[2].joinpath("docs").glob("write_a_*.md"))
}
KINDS = ("commentator", "source", "voice", "watcher")


def run_page(name):
    """Run all Python blocks of a page, one after another, in one namespace; return what they defined."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGES[name].read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 3
    defined = {"__name__": name}
    for block in blocks:
        exec(compile(block, str(PAGES[name]), "exec"), defined)
    return defined


@pytest.fixture(scope="module", params=[f"write_a_{kind}" for kind in KINDS])
def page(request):
    return run_page(request.param)


def test_code_of_a_page_runs_and_says_something(page):
    rows = page["session"].log.cycle_rows
    assert rows and not [row for row in rows if row["outcome"] == "failed"]
    assert [row for row in rows if row["outcome"] == "spoken"]


def test_class_of_a_page_passes_its_conformance_test(page):
    (case,) = [value for name, value in page.items() if name.startswith("Test")]
    tests = [name for name, _ in inspect.getmembers(case, inspect.isfunction) if name.startswith("test_")]
    assert len(tests) >= 5
    for test in tests:
        getattr(case(), test)()


def test_class_of_a_page_is_about_twenty_lines():
    for path in PAGES.values():
        classes = re.findall(
            r"^class (?!Test)\w+\(.*?(?=^```)", path.read_text(encoding="utf-8"), re.M | re.S
        )
        assert classes or path.stem not in {f"write_a_{kind}" for kind in KINDS}
        assert all(len(text.strip().splitlines()) <= 25 for text in classes), path.name
