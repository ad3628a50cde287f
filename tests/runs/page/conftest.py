"""A browser for pages that are files, without a server; skipped where Chromium is not installed, except in CI."""

from __future__ import annotations

import os

import pytest

from commentator_lib.checks.browser import find_browser
from experiments.tools.browser import chromium


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.samefile(os.path.dirname(__file__)):
            item.add_marker(pytest.mark.browser)
            if find_browser() is None and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip("Chromium is not installed"))


@pytest.fixture(scope="package")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, chromium(playwright) as found:
        yield found


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens HTML in a page of this width and theme; nothing may fail or be loaded in it."""
    contexts, faults = [], []

    def open_page(html: str, width_px: int = 900, scheme: str = "light"):
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width_px, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.on("request", lambda request: faults.append(request.url) if "http" in request.url[:5] else None)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
