"""Notebooks in a real page, used as a person would: JupyterLab in Chromium, through Playwright.

One server and one browser serve all tests; each test has a notebook, a kernel and a page of its own.
Each wait ends as soon as its condition is true, and has a generous limit. Speed is measured in
experiments/benchmarks/bench_player.py, not here.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

import pytest

from commentator_lib.checks.browser import find_browser
from experiments.tools.browser import (
    ALLOW_CAMERA,
    FAKE_CAMERA,
    chromium,
    end_kernels,
    jupyter_lab,
    open_notebook,
    run_all,
    write_notebook,
)
from tests.conftest import make_clip

LIMIT_S = float(os.environ.get("PAGE_LIMIT_S", "120"))
SENT_AHEAD_S = 0.25

# A commentator that never stops, a small clip that goes round, and a player; `{more}` runs after the start.
TALK = """
import collections, pathlib, time, threading
from commentator_lib import LiveSession, load_settings
from commentator_lib.players.browser import LivePlayer
from experiments.benchmarks.player_cells import NotesPrompts
commentator = NotesPrompts(tone_s=1.5)
player = LivePlayer()
session = LiveSession("../clip.mp4", load_settings(change_threshold=0, pause_s=0.3), commentator=commentator,
                      players=[player], duration_s=600).start()
{more}
player
"""
# Writes what the test wants to know, five times a second, from a thread of its own: also while a cell is running.
# `late_s` says how late each sleep ended. That is what a busy machine adds to every wait, so the tests allow for it.
TELL = """
def tell():
    import json
    late_s = []
    while True:
        rows = session.log.cycle_rows
        part = pathlib.Path("told.part")
        part.write_text(json.dumps({
            "running": session.running, "spoken": sum(r["outcome"] == "spoken" for r in rows),
            "gaps": [r["gap_before_s"] for r in rows if r["gap_before_s"] is not None],
            "pages": {k: [p.sounding, p.counts] for k, p in dict(player.pages).items()},
            "acks": seen["ack"], "sent": player._seq, "held_back": player.held_back_frames, "late_s": late_s,
            "notes": session.log.header.get("notes", [])}))
        part.replace("told.json")
        before = time.monotonic()
        time.sleep(0.2)
        late_s.append(time.monotonic() - before - 0.2)
seen = collections.Counter()
player.on_msg(lambda w, c, b: seen.update([c["kind"]]))
threading.Thread(target=tell, daemon=True).start()
"""
TALKING = TALK.format(more=TELL)


def pytest_collection_modifyitems(items):
    """Mark the tests of this folder. The longest go first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.path.name != "test_player_hindered.py")
    for item in items:
        if item.path.parent.samefile(os.path.dirname(__file__)):
            item.add_marker(pytest.mark.browser)
            if find_browser() is None and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip("Chromium is not installed"))


@pytest.fixture(scope="package")
def lab_server(tmp_path_factory):
    with jupyter_lab(tmp_path_factory.mktemp("lab")) as server:
        make_clip(server.folder / "clip.mp4", frames=250, width=160, height=90)
        yield server


@pytest.fixture
def lab(lab_server):
    """Return the server; the kernels that a test has started end with the test."""
    yield lab_server
    end_kernels(lab_server)


@pytest.fixture(scope="package")
def playwright():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="package")
def browser(playwright):
    with chromium(playwright, *FAKE_CAMERA, *ALLOW_CAMERA) as found:
        yield found


@contextlib.contextmanager
def paged(browser, permissions=("camera",)):
    """Yield a page in a context of its own; its errors are kept in `page.errors`."""
    context = browser.new_context(viewport={"width": 1400, "height": 1300}, permissions=list(permissions))
    try:
        page = context.new_page()
        page.set_default_timeout(1000 * LIMIT_S)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        yield page
    finally:
        context.close()


def open_and_run(page, lab, notebook):
    """Open a notebook, run all its cells and wait for its player."""
    open_notebook(page, lab, notebook)
    run_all(page)
    page.wait_for_selector(".live-player")


@contextlib.contextmanager
def talking(lab, browser, cells=(TALKING,), init="", permissions=("camera",)):
    """Yield a page with a notebook that comments; `page.told()` returns what the kernel knows."""
    name = f"talk{time.monotonic_ns()}"
    folder = lab.folder / name
    folder.mkdir()
    write_notebook(folder / "t.ipynb", list(cells))
    with paged(browser, permissions) as page:
        if init:
            page.context.add_init_script(init)
        page.folder = folder
        page.told = lambda: json.loads((folder / "told.json").read_text())
        try:
            open_and_run(page, lab, f"{name}/t.ipynb")
            yield page
        finally:
            with contextlib.suppress(FileNotFoundError):  # pytest shows it where the test fails
                print("told:", (folder / "told.json").read_text())
        assert page.errors == []


def until(condition, what=""):
    """Return what `condition` returns as soon as that is true; also wait for a file that is not there yet."""
    give_up = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up:
        with contextlib.suppress(FileNotFoundError):
            if found := condition():
                return found
        time.sleep(0.05)
    raise AssertionError(f"not within {LIMIT_S:g} s: {what or condition}")


def longest_pause_s(before, after):
    """Return the longest time without sound between comments, from one report of the kernel to a later one.

    What the machine itself was late is taken off: a comment waits for about four threads, one after another.
    """
    late_s = max(after["late_s"][len(before["late_s"]) :])
    return max(after["gaps"][len(before["gaps"]) :]) - 4 * late_s


def stalls(before, after):
    """Count how often the kernel itself stood still for longer than the sound that is sent ahead lasts."""
    return sum(late_s > SENT_AHEAD_S for late_s in after["late_s"][len(before["late_s"]) :])


def save_notebook(page):
    """Save the notebook and wait until the server has it."""
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("window.jupyterapp.shell.currentWidget.context.model.dirty === false")


def drawn(page, index=0):
    return int(page.locator(".live-player").nth(index).get_attribute("data-drawn") or 0)


def transcript_lines(page, index=0):
    return page.locator(".live-player").nth(index).locator(".lines li").count()


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def status(page):
    return page.locator(".live-player .status").first.inner_text()


def lamp(page):
    return page.locator(".live-player .lamp").first.inner_text()


def tab(page, name):
    """Open a tab of the control panel; return its body."""
    page.get_by_role("tab", name=name).click()
    return page.locator(".live-player .tab-body:not([hidden])")
