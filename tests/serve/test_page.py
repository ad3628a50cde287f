"""The page in Chromium: picture, words and sound, the buttons, several viewers, a server that goes and comes."""

from __future__ import annotations

import contextlib
import os
import re

import pytest

from commentator_lib.checks.browser import find_browser
from experiments.tools.browser import ALLOW_CAMERA, FAKE_CAMERA, chromium
from tests.serve.conftest import LIMIT_S, TOKEN, serving, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        find_browser() is None and not os.environ.get("CI"), reason="Chromium is not installed"
    ),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, chromium(playwright, *FAKE_CAMERA, *ALLOW_CAMERA) as found:
        yield found


@pytest.fixture(scope="module")
def address(app):
    with serving(app) as found:
        yield found


@contextlib.contextmanager
def viewing(browser, url):
    """Yield a page in a context of its own that shows `url`; nothing may be wrong with it, nor forbidden to it."""
    context = browser.new_context(viewport={"width": 1300, "height": 1100}, permissions=["camera"])
    try:
        page = context.new_page()
        page.set_default_timeout(1000 * LIMIT_S)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if "Security Policy" in line.text else None)
        page.goto(url)
        page.wait_for_selector(".live-player")
        yield page
        assert errors == []
    finally:
        context.close()


def drawn(page):
    page.wait_for_timeout(20)  # lets the page's events in
    return int(page.locator(".live-player").get_attribute("data-drawn") or 0)


def lines(page):
    return page.locator(".live-player .lines li").all_inner_texts()


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_two_viewers_see_and_hear_one_run_that_one_of_them_starts_and_ends(idle, browser, address):
    with viewing(browser, f"http://{address}/") as first, viewing(browser, f"http://{address}/") as second:
        press(first, "Start")
        until(lambda: drawn(first) > 30 and drawn(second) > 30, "pictures")
        until(lambda: len(lines(first)) >= 2 and len(lines(second)) >= 2, "words")
        words = [[re.sub(r"^\S+ ", "", line) for line in lines(page)[:2]] for page in (first, second)]
        assert words[0] == words[1] and all("sentence number" in line for line in words[0])
        player = idle.panel.player
        until(lambda: drawn(first) and [p.sounding for p in player.pages.values()] == [True, True], "sound")
        until(
            lambda: any(r["outcome"] == "spoken" for r in idle.session.log.cycle_rows), "a comment was heard"
        )
        second.get_by_role("button", name="Mute voice").click()
        until(lambda: drawn(first) and pressed(first, "Mute voice"), "one viewer's mute is seen by the other")
        assert player.voice_muted and idle.settings.voice_muted
        second.get_by_role("button", name="Mute voice").click()
        second.close()
        until(lambda: len(player.pages) == 1, "the viewer that has left")
        seen, comments = drawn(first), len(idle.session.log.cycle_rows)
        until(lambda: drawn(first) > seen + 50 and len(idle.session.log.cycle_rows) > comments, "it goes on")
        press(first, "Stop")
        until(lambda: drawn(first) and not idle.running, "the end")
        first.frame_locator("iframe.card-frame").locator("h1").wait_for()
        card = first.frame_locator("iframe.card-frame")
        assert "Spoke" in card.locator("h1").inner_text()
        folder = idle.session.log.folder
        assert (folder / "cycles.parquet").exists()
        press(first, "Start")
        until(lambda: idle.running and drawn(first) > seen + 100, "another run")
        assert idle.session.log.folder != folder


def pressed(page, name):
    return page.get_by_role("button", name=name).get_attribute("aria-pressed") == "true"


def test_the_panel_and_the_interface_act_on_the_same_run(idle, browser, address):
    with viewing(browser, f"http://{address}/") as page:
        page.evaluate("fetch('api/start', {method: 'POST'})")
        page.get_by_role("button", name="Stop", exact=True).wait_for()
        until(lambda: drawn(page) > 10, "pictures")
        muted = {"programme_muted": True, "pause_s": 1.5}
        answer = page.evaluate(
            """async (body) => (await fetch('api/settings', {
                method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)})).status""",
            muted,
        )
        assert answer == 200
        until(lambda: drawn(page) and pressed(page, "Mute programme"))
        page.get_by_role("tab", name="Pacing").click()
        until(lambda: drawn(page) and "1.5 s" in page.locator("output.value").all_text_contents())
        page.evaluate("fetch('api/stop', {method: 'POST'})")
        page.get_by_role("button", name="Start", exact=True).wait_for()
        assert (
            page.evaluate("(async () => (await (await fetch('api/status')).json()).monitor_mode)()") == "IDLE"
        )
        page.evaluate(
            """fetch('api/settings', {method: 'POST', headers: {'Content-Type': 'application/json'},
               body: JSON.stringify({programme_muted: false, pause_s: 0.3})})"""
        )
        until(lambda: drawn(page) >= 0 and not pressed(page, "Mute programme"))


def test_the_camera_of_one_page_is_a_source_and_no_other_page_is_asked_for_its_own(
    idle, browser, address, clip
):
    count = """() => {
        const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
        devices.getUserMedia = (wanted) => (window.asked = 1, open(wanted));
    }"""
    url = f"http://{address}/"
    with viewing(browser, url) as other, viewing(browser, url) as page:
        for one in (other, page):
            one.evaluate(count)
        page.get_by_role("button", name="Camera").click()
        press(page, "Use this page's camera")
        until(lambda: drawn(page) >= 0 and idle.panel.source == "browser camera")
        press(page, "Start")
        until(lambda: drawn(page) > 20, "the camera's picture")
        assert idle.session.source.info.live
        until(lambda: drawn(other) > 20, "the camera's picture for all")
        assert page.evaluate("window.asked") == 1 and other.evaluate("window.asked") is None
        press(page, "Stop")
        until(lambda: drawn(page) and not idle.running)
    idle.panel.use(str(clip))


def test_a_page_finds_its_server_again(idle, browser, app):
    with contextlib.ExitStack() as stack:
        with serving(app) as address:
            page = stack.enter_context(viewing(browser, f"http://{address}/"))
        page.get_by_text("Trying again").wait_for()
        assert not page.locator(".live-player").count()
        with serving(app, int(address.rpartition(":")[2])):
            page.wait_for_selector(".live-player")
            page.get_by_text("Trying again").wait_for(state="hidden")
            press(page, "Start")
            until(lambda: drawn(page) > 20, "the picture after that")
            stack.close()


def test_the_link_opens_the_page_and_leaves_the_address(idle, browser, guarded):
    with serving(guarded) as address:
        with viewing(browser, f"http://{address}/?token={TOKEN}") as page:
            assert page.url == f"http://{address}/"
            assert page.evaluate("document.cookie") == ""
            page.reload()
            page.wait_for_selector(".live-player")
        context = browser.new_context()
        try:
            page = context.new_page()
            assert page.goto(f"http://{address}/").status == 401
        finally:
            context.close()
