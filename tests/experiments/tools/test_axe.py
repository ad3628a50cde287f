"""axe-core in a page: what is serious is named with its place, what is in order is not."""

from __future__ import annotations

import os

import pytest

from commentator_lib.checks.browser import find_browser
from experiments.tools.axe import serious_findings
from experiments.tools.browser import chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        find_browser() is None and not os.environ.get("CI"), reason="Chromium is not installed"
    ),
]
PAGE = """<!doctype html><html lang="en"><title>t</title>
<main class="good"><h1>Title</h1><label>Name <input></label><button>Go</button></main>
<div class="bad"><input class="nameless"><p style="color: #ccc; background: #fff">pale</p></div></html>"""


def test_serious_findings_are_named_within_the_selector():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, chromium(playwright) as browser:
        page = browser.new_page()
        page.set_content(PAGE)
        assert serious_findings(page, ".good") == []
        found = serious_findings(page, ".bad")
        assert [line for line in found if ": label: " in line and ".nameless" in line]
        assert [line for line in found if ": color-contrast: " in line and "pale" in line]
        assert serious_findings(page) == found
        with pytest.raises(ValueError, match=r"no \.missing"):
            serious_findings(page, ".missing")
