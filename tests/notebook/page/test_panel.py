"""The control panel in JupyterLab, used as a person would: mistakes, tabs, keys, questions, runs of before."""

from __future__ import annotations

import re

import pytest

from experiments.tools.browser import run_all, write_notebook
from tests.conftest import make_clip
from tests.notebook.page.conftest import (
    button,
    drawn,
    lamp,
    open_and_run,
    paged,
    status,
    tab,
    talking,
    until,
)

PANEL = """
from commentator_lib.notebook.control_panel import ControlPanel
panel = ControlPanel({source!r}, {more})
{start}
panel
"""
# A commentator that answers, and tells what it was asked.
TELLS = """
import pathlib, time, threading, json
from commentator_lib import load_settings
from commentator_lib.notebook.control_panel import ControlPanel
from experiments.benchmarks.player_cells import NotesPrompts
commentator = NotesPrompts(tone_s=1.5)
settings = load_settings(change_threshold=0, pause_s=0.3, delay_init_s=1.0)
panel = ControlPanel("../clip.mp4", settings, commentator=commentator, duration_s=600, runs_dir="runs")
def tell():
    while True:
        session, rows = panel.session, panel.session.log.cycle_rows if panel.session else []
        part = pathlib.Path("told.part")
        part.write_text(json.dumps({
            "running": panel.running, "spoken": sum(r["outcome"] == "spoken" for r in rows),
            "pause_s": panel.settings.pause_s,
            "green": sum("green" in prompt for _, prompt in commentator.asked),
            "last": commentator.asked[-1][1].splitlines()[-1] if commentator.asked else ""}))
        part.replace("told.json")
        time.sleep(0.2)
threading.Thread(target=tell, daemon=True).start()
panel.start()
panel
"""


def panel_cell(source="demo", more="runs_dir=None", start="panel.start()"):
    return PANEL.format(source=source, more=more, start=start)


def message(page):
    return page.locator(".live-player .message").first


def test_mistakes_are_one_line_on_the_picture(lab, browser):
    (lab.folder / "panel").mkdir(exist_ok=True)
    write_notebook(lab.folder / "panel" / "d.ipynb", [panel_cell(start="")])
    with paged(browser) as page:
        open_and_run(page, lab, "panel/d.ipynb")
        body = tab(page, "Source")
        body.get_by_role("button", name="File", exact=True).click()
        path = page.get_by_label("or its path")
        for source, line in (
            ("nowhere.mp4", "no such file: nowhere.mp4"),
            (".", "is a folder"),
            ("ftp://there/x", "unknown scheme"),
            ("/dev/video77", "no such camera"),
            ("http://127.0.0.1:9/x", "127.0.0.1:9"),
        ):
            path.fill(source)
            path.press("Enter")
            page.wait_for_selector(f".live-player .message.wrong:has-text('{line}')")
            assert message(page).get_attribute("role") == "alert" and lamp(page) == "error"
        box, stage = message(page).bounding_box(), page.locator(".live-player .stage").bounding_box()
        assert stage["y"] <= box["y"] and box["y"] + box["height"] <= stage["y"] + stage["height"]
        body = tab(page, "Pacing")
        body.get_by_text("Advanced").click()
        file = page.get_by_label("Settings file")
        file.fill("no/such/folder/s.toml")
        button(page, "Save").click()
        page.wait_for_selector(".message:has-text('cannot write the settings file')")
        button(page, "Load file").click()
        page.wait_for_selector(".message:has-text('cannot read the settings file')")
        file.fill("s.toml")
        button(page, "Save").click()
        page.wait_for_selector("text=Saved to s.toml")
        page.wait_for_selector(".live-player .message", state="hidden")
        (lab.folder / "panel" / "s.toml").write_text(
            'pause_s = 2.5\npolicy = "serial"\ninstruction = "birds"\n'
        )
        button(page, "Load file").click()
        page.wait_for_selector("text=Loaded s.toml")
        assert page.get_by_label("Pacing policy").input_value() == "serial"
        assert page.get_by_label("Pause after a comment").input_value() == "2.5"
        tab(page, "Commentator")
        assert page.get_by_label("Instruction", exact=True).input_value() == "birds"
        assert page.errors == []


def test_run_all_twice_leaves_one_commentary_and_one_picture(lab, browser):
    name = "twice"
    (lab.folder / name).mkdir(exist_ok=True)
    count = """
import pathlib, threading
running = sum(t.name == "commentary" for t in threading.enumerate())
pathlib.Path("runs.txt").write_text(str(running))
"""
    write_notebook(
        lab.folder / name / "t.ipynb", [panel_cell("../clip.mp4", "runs_dir=None, duration_s=600"), count]
    )
    with paged(browser) as page:
        open_and_run(page, lab, f"{name}/t.ipynb")
        until(lambda: drawn(page) > 10, "picture")
        (lab.folder / name / "runs.txt").unlink()
        run_all(page)
        until(lambda: (lab.folder / name / "runs.txt").exists() and page.locator(".live-player").count() == 1)
        until(lambda: drawn(page) > 10, "picture of the new run")
        assert (lab.folder / name / "runs.txt").read_text() == "1"
        assert page.errors == []


def test_question_is_a_conversation(lab, browser):
    with talking(lab, browser, [TELLS]) as page:
        until(lambda: page.told()["spoken"] >= 1)
        page.locator(".live-player").focus()
        page.keyboard.press("/")
        page.keyboard.type("Who wears the <b>green</b> hat?")
        page.keyboard.press("Enter")
        question = page.locator(".live-player .question")
        question.wait_for()
        assert "You: Who wears the <b>green</b> hat?" in question.inner_text()
        assert question.get_attribute("data-state") in ("asked", "thinking")
        assert "thinking" in question.inner_text()
        until(lambda: question.get_attribute("data-state") == "answered", "answer")
        page.wait_for_selector(".live-player .lines .answer:has-text('Answer:')")
        until(lambda: page.told()["green"] == 1)
        until(lambda: "green" not in page.told()["last"], "the instruction is followed again")


def test_commentator_that_cannot_answer_says_so_before_it_is_asked(lab, browser):
    with talking(lab, browser, [panel_cell("../clip.mp4")]) as page:
        page.wait_for_selector("text=The baseline commentator cannot answer questions")
        assert page.get_by_label("Question").is_disabled()


def test_keys_do_what_their_list_says(lab, browser):
    with talking(lab, browser, [TELLS]) as page:
        until(lambda: drawn(page) > 10)
        page.locator(".live-player").focus()
        page.keyboard.press("?")
        rows = page.locator(".live-player .keys dt").all_inner_texts()
        assert rows == ["space", "/", "m", "c", "f", "?"]
        page.keyboard.press("Escape")
        assert page.locator(".live-player .keys").is_hidden()
        page.locator(".live-player").focus()
        page.keyboard.press("m")
        until(lambda: page.locator(".voice.mute").get_attribute("aria-pressed") == "true")
        page.keyboard.press("c")
        assert page.locator(".live-player .caption").is_hidden()
        page.keyboard.press("c")
        page.keyboard.press("f")
        until(lambda: page.evaluate("document.fullscreenElement?.className") == "stage")
        page.keyboard.press("f")
        until(lambda: page.evaluate("document.fullscreenElement") is None)
        page.keyboard.press(" ")
        until(lambda: not page.told()["running"], "stopped by space")
        assert (
            page.locator(".jp-mod-editMode").count() == 0
        )  # the notebook has not taken the keys for its own


def test_tabs_are_reached_by_arrows_and_their_controls_change_the_run(lab, browser):
    with talking(lab, browser, [TELLS]) as page:
        until(lambda: page.told()["spoken"] >= 1)
        page.get_by_role("tab", name="Source").focus()
        for name in ("Commentator", "Pacing"):
            page.keyboard.press("ArrowRight")
            assert page.evaluate("document.activeElement.textContent") == name
        button(page, "Dense").click()
        until(lambda: button(page, "Dense").get_attribute("aria-pressed") == "true")
        page.get_by_text("Advanced", exact=True).click()
        pause = page.get_by_label("Pause after a comment")
        before = page.told()["pause_s"]
        pause.press("ArrowRight")
        until(lambda: page.told()["pause_s"] == pytest.approx(before + 0.1))
        field = page.locator(".sliders .field").filter(has_text="Pause after a comment")
        until(lambda: field.get_by_label("changed").is_visible(), "it is marked as changed")
        button(page, "Reset").click()
        until(lambda: page.told()["pause_s"] == before)
        until(lambda: field.get_by_label("changed").is_hidden())
        assert page.get_by_role("tabpanel", name="Pacing").locator(".chart").is_visible()


def test_source_is_switched_in_mid_run_by_a_card_an_upload_and_a_path(lab, browser, tmp_path):
    other = make_clip(tmp_path / "four by three.mp4", frames=250, width=160, height=120)
    with talking(lab, browser, [TELLS]) as page:
        until(lambda: drawn(page) > 10)
        stage = page.locator(".live-player .stage").bounding_box()
        body = tab(page, "Source")
        body.get_by_role("button", name="Match", exact=True).click()
        page.wait_for_selector("text=match: 640 × 360 pixels")
        until(lambda: "match.mp4" in status(page), "the match")
        body.get_by_role("button", name="File", exact=True).click()
        page.get_by_label("Choose a file").set_input_files(other)
        page.wait_for_selector("text=four by three.mp4: 160 × 120 pixels")
        until(lambda: page.evaluate("document.querySelector('.stage canvas').height") == 120, "its picture")
        assert page.locator(".live-player .stage").bounding_box() == stage  # letterboxed, where it was
        assert page.told()["running"]


def test_run_is_played_again_saved_and_compared_and_a_moment_seen_again(lab, browser):
    with talking(lab, browser, [TELLS]) as page:
        until(lambda: page.told()["spoken"] >= 2)
        body = tab(page, "Events")
        body.locator(".comment-bar").first.click()
        page.wait_for_selector(".live-player .film video")
        page.wait_for_function("document.querySelector('.film video')?.currentTime > 0.3")
        button(page, "Back to live").click()
        assert page.locator(".live-player .film").count() == 0
        button(page, "Stop").click()
        until(lambda: not page.told()["running"])
        button(page, "Start").click()
        until(lambda: page.told()["running"] and page.told()["spoken"] >= 1)
        button(page, "Stop").click()
        body = tab(page, "Runs")
        until(lambda: body.locator("li img").count() == 2, "both runs with a still")
        row = body.locator("li").last  # the longer one
        row.get_by_role("button", name=re.compile("Play")).click()
        page.wait_for_selector(".live-player .film video")
        page.wait_for_function("document.querySelector('.film video')?.duration > 2")
        button(page, "Back to live").click()
        for name, ending in (("Video", ".mp4"), ("Captions", "-captions.zip"), ("Log", ".zip")):
            with page.expect_download() as download:
                row.get_by_role("button", name=re.compile(name)).click()
            assert download.value.suggested_filename.endswith(ending)
        for box in body.get_by_role("checkbox").all():
            box.check()
        button(page, "Compare").click()
        page.wait_for_selector(".live-player .compared table")
        assert body.locator(".compared thead th").count() == 3
        card = page.frame_locator(".live-player .card-frame")
        card.locator("svg").first.wait_for()


def test_stop_arrives_while_a_cell_sleeps(lab, browser):
    """A cell runs until the test has seen the run end; a click that had to wait for the cell would never end it."""
    sleep = "import pathlib, time\nwhile not pathlib.Path('go on').exists():\n    time.sleep(0.1)"
    with talking(lab, browser, [panel_cell("../clip.mp4", "duration_s=600, runs_dir=None"), sleep]) as page:
        until(lambda: "baseline" in status(page), "the run")
        button(page, "Stop").click()
        until(lambda: "ended" in status(page), "the run's end")
        assert "*" in page.locator(".jp-CodeCell .jp-InputPrompt").nth(1).inner_text()  # it is still running
        (page.folder / "go on").touch()
