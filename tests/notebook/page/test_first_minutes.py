"""A person's first five minutes: a clone, `make lab`, Run All, watch, ask, switch, break it, reload, run again.

At each step there is a picture of the page, in light and dark, under the folder for temporary files, and the sentence
that the person sees is checked and printed.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from experiments.tools.browser import open_notebook, run_all
from tests.commentators.openai.openai_server import free_port, openai_server
from tests.notebook.page.conftest import button, drawn, lamp, paged, status, tab, transcript_lines, until
from tests.notebook.page.test_lab import clone, make_lab
from tests.notebook.page.test_panel_layout import set_theme

PICTURES = Path(tempfile.gettempdir()) / f"first-minutes-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
__all__ = ["clone"]  # a fixture


def show(page, step, sentence):
    """Keep pictures of the page as it is now, and print what a person reads."""
    PICTURES.mkdir(exist_ok=True)
    for theme in ("Dark", "Light"):
        set_theme(page, f"JupyterLab {theme}")
        page.wait_for_timeout(400)
        page.screenshot(path=PICTURES / f"{step}-{theme.lower()}.png")
    print(f"{step}: {sentence}")


def message(page):
    return page.locator(".live-player .message").first


def wrong_line(page, part):
    page.wait_for_selector(f".live-player .message.wrong:has-text('{part}')")
    return message(page).inner_text()


def test_first_five_minutes(clone, browser):
    with make_lab(clone) as server, paged(browser) as page:
        page.set_viewport_size({"width": 1280, "height": 800})
        # 1) Run All: a picture, and soon words.
        open_notebook(page, server, "01_live_demo.ipynb")
        run_all(page)
        until(lambda: drawn(page) > 30, "the picture")
        show(page, "1-run-all", status(page))
        until(lambda: transcript_lines(page) >= 2, "words")
        show(page, "2-watch", page.locator(".live-player .lines").inner_text())
        # 2) Ask the embedded commentator: it says beforehand that it cannot answer.
        note = page.locator(".live-player .why-not").inner_text()
        assert note.startswith("The baseline commentator cannot answer questions")
        show(page, "3-ask-baseline", note)
        # 3) Another source, while it runs.
        tab(page, "Source").get_by_role("button", name="Match", exact=True).click()
        page.wait_for_selector("text=match: 640 × 360 pixels")
        until(lambda: "match.mp4" in status(page) and "big_buck" not in status(page))
        show(page, "4-switch-source", page.locator(".live-player .said").inner_text())
        # 4) What is not there: a file, an address.
        tab(page, "Source").get_by_role("button", name="File", exact=True).click()
        page.get_by_label("or its path").fill("holiday.mp4")
        button(page, "Use file").click()
        show(page, "5-missing-file", wrong_line(page, "no such file: holiday.mp4"))
        assert page.get_by_role("button", name="Stop", exact=True).is_visible()  # the run goes on
        tab(page, "Source").get_by_role("button", name="URL", exact=True).click()
        page.get_by_label("Address", exact=True).fill(f"http://127.0.0.1:{free_port()}/live.mp4")
        button(page, "Use URL").click()
        show(page, "6-wrong-url", wrong_line(page, "127.0.0.1"))
        # 5) Another commentator, whose server is not there; then it is.
        body = tab(page, "Commentator")
        body.get_by_role("radio", name="openai").check()
        page.wait_for_selector("text=openai comments from the next start on")
        button(page, "Stop").click()
        until(lambda: "ended" in status(page), "the end")
        address = page.get_by_label("Address of the server")
        address.fill(f"http://127.0.0.1:{free_port()}/v1")
        address.press("Enter")
        button(page, "Start").click()
        show(page, "7-no-server", wrong_line(page, "server"))
        assert lamp(page) == "error"
        with openai_server(words=["The ball ", "is on the left ", "of the green field."]) as model:
            address.fill(model.url)
            address.press("Enter")
            button(page, "Check again").click()
            page.wait_for_selector(".state[data-state='ready'] >> nth=1")
            button(page, "Start").click()
            until(lambda: transcript_lines(page) >= 1 and lamp(page) == "live", "its words")
            question = page.get_by_label("Question")
            question.fill("Where is the ball?")
            question.press("Enter")
            page.locator(".live-player .question").wait_for()
            show(page, "8-question", page.locator(".live-player .question").inner_text())
            page.wait_for_selector(".live-player .lines .answer")
            show(page, "9-answer", page.locator(".live-player .lines .answer").first.inner_text())
            # 6) A reload that nobody saved for.
            page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
            page.reload()
            until(lambda: drawn(page) > 30, "the picture again")
            until(lambda: page.locator(".live-player .lines .answer").count() >= 1, "the conversation again")
            show(page, "10-reloaded", status(page))
            # 7) The end and its card; and again.
            button(page, "Stop").click()
            page.wait_for_selector("text=Ended. Log:")
            card = page.frame_locator(".live-player .card-frame")
            card.locator("svg").first.wait_for()
            page.locator(".live-player .card-frame").scroll_into_view_if_needed()
            show(page, "11-card", card.locator("h1, h2").first.inner_text())
            button(page, "Start").click()
            until(lambda: lamp(page) == "live" and transcript_lines(page) >= 1, "another run")
            show(page, "12-again", status(page))
            button(page, "Stop").click()
            until(lambda: "ended" in status(page))
        assert page.errors == []
