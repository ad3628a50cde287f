"""The control panel in JupyterLab and Voila: the live demo from Run All to the plots, mistakes, readability."""

from __future__ import annotations

import json
import shutil

import pytest

from experiments.benchmarks.player_pages import TAP
from experiments.tools.browser import ROOT, voila, write_notebook
from tests.notebook.page.conftest import (
    button,
    drawn,
    open_and_run,
    paged,
    status,
    talking,
    transcript_lines,
    until,
)


def test_live_demo_notebook_from_run_all_to_the_plots(lab, browser):
    """Run all cells, watch, change settings, ask, mute, replay, stop; then see the plots."""
    (lab.folder / "notebooks").mkdir(exist_ok=True)
    shutil.copy(ROOT / "notebooks" / "01_live_demo.ipynb", lab.folder / "notebooks")
    with paged(browser) as page:
        open_and_run(page, lab, "notebooks/01_live_demo.ipynb")
        until(lambda: drawn(page) > 60, "picture")
        until(lambda: transcript_lines(page) >= 2, "transcript")
        assert "baseline" in status(page) and "hibari" in status(page) and "fps" in status(page)
        assert page.locator(".live-player .caption").inner_text().strip()

        mute = page.locator(".live-player .mute")
        mute.press("Enter")  # by keyboard
        until(lambda: mute.get_attribute("aria-pressed") == "true")
        mute.click()
        until(lambda: mute.get_attribute("aria-pressed") == "false")

        page.get_by_label("Instruction", exact=True).fill("Who is on the left?")
        button(page, "Ask now").click()
        page.get_by_label("Pacing", exact=True).select_option("serial")
        page.locator(".live-player .lines li button").first.click()
        page.wait_for_selector(".live-player .lines .replaying")

        button(page, "Stop").click()
        until(lambda: "ended" in status(page), "stop")
        page.wait_for_selector("text=Ended. Log: ")
        until(lambda: page.locator(".jp-OutputArea img").count() >= 3, "plots")
        assert page.locator(".jp-OutputArea table").count() >= 1

        button(page, "Start").click()  # and again
        until(lambda: "ended" not in status(page) and "fps" in status(page), "second start")
        button(page, "Stop").click()
        until(lambda: "ended" in status(page), "second stop")
        assert page.errors == []
    (first, second) = sorted(lab.folder.glob("runs/*"))
    header = json.loads((first / "run.json").read_text())
    outcomes = header["outcomes"]
    assert header["stopped_early"] and outcomes["spoken"] + outcomes["interrupted"] >= 2
    rows = [json.loads(line) for line in (first / "cycles.jsonl").read_text().splitlines()]
    assert "instruction" in {row["trigger"] for row in rows}
    assert json.loads((second / "run.json").read_text())["settings"]["policy"] == "serial"


def test_mistakes_on_the_panel_are_one_line(lab, browser):
    (lab.folder / "panel").mkdir(exist_ok=True)
    cell = (
        "from commentator_lib.notebook.control_panel import ControlPanel\n"
        "panel = ControlPanel('demo', runs_dir=None)\n"
        "panel"
    )
    write_notebook(lab.folder / "panel" / "d.ipynb", [cell])
    with paged(browser) as page:
        open_and_run(page, lab, "panel/d.ipynb")
        start = button(page, "Start")
        for source, line in (
            ("nowhere.mp4", "no such file: nowhere.mp4"),
            ("panel.ipynb.txt", "no such file"),
            (".", "is a folder"),
            ("ftp://there/x", "unknown scheme"),
            ("/dev/video77", "no such camera"),
        ):
            page.get_by_label("Source", exact=True).fill(source)
            page.get_by_label("Source", exact=True).press("Tab")
            start.click()
            page.wait_for_selector(f"[role=alert]:has-text('{line}')")
            until(start.is_enabled)
        page.get_by_label("Settings file", exact=True).fill("no/such/folder/s.toml")
        page.get_by_label("Settings file", exact=True).press("Tab")
        button(page, "Save").click()
        page.wait_for_selector("[role=alert]:has-text('cannot write the settings file')")
        button(page, "Load").click()
        page.wait_for_selector("[role=alert]:has-text('cannot read the settings file')")
        page.get_by_label("Settings file", exact=True).fill("s.toml")
        page.get_by_label("Settings file", exact=True).press("Tab")
        button(page, "Save").click()
        page.wait_for_selector("text=Saved to s.toml")
        (lab.folder / "panel" / "s.toml").write_text(
            'pause_s = 2.5\npolicy = "serial"\ninstruction = "birds"\n'
        )
        button(page, "Load").click()
        page.wait_for_selector("text=Loaded s.toml")
        assert page.get_by_label("Pacing", exact=True).input_value() == "serial"
        assert page.get_by_label("Instruction", exact=True).input_value() == "birds"
        assert "2.50" in page.locator(".widget-hslider:has-text('Pause, s')").inner_text()
        assert page.errors == []


# The smallest contrast of text against what lies behind it (WCAG 2: 4.5 is enough for small text).
CONTRAST = """(names) => {
    const rgba = (text) => text.match(/[\\d.]+/g).map(Number);
    const behind = (e) => {
        for (let at = e; at; at = at.parentElement) {
            const [r, g, b, a = 1] = rgba(getComputedStyle(at).backgroundColor);
            if (a > 0.5) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const light = (c) => {
        const [r, g, b] = c.map((v) => (v / 255 <= 0.03928 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    return Object.fromEntries(names.map((name) => {
        const found = [...document.querySelectorAll(".live-player " + name)];
        const ratios = found.map((e) => {
            const [a, b] = [light(rgba(getComputedStyle(e).color).slice(0, 3)), light(behind(e))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        });
        return [name, Math.min(...ratios)];
    }));
}"""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_readable_in_light_and_dark_reachable_by_keyboard_and_announced(lab, browser, theme):
    with talking(lab, browser) as page:
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{ theme: '{theme}' }})")
        page.wait_for_function(f"document.body.dataset.jpThemeName === '{theme}'")
        until(lambda: transcript_lines(page) >= 1)
        texts = [".status", ".lines button", ".lines time", ".bar button", ".caption span"]
        until(lambda: min(page.evaluate(CONTRAST, texts).values()) >= 4.5, "readable in the theme's colours")
        page.locator(".live-player .mute").focus()
        reached = []
        for _ in range(3):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate("document.activeElement.className || document.activeElement.tagName")
            )
        assert reached[:2] == ["volume", "full"]
        page.locator(".live-player .volume").press("ArrowLeft")
        until(lambda: page.evaluate("document.querySelector('.live-player .volume').value") == "99")
        assert "On and on it goes." in page.locator(".live-player [aria-live=polite]").inner_text()
        assert "seconds: delay" in page.locator(".live-player .chart").get_attribute("aria-label")


# --- the notebook as a page


def test_the_same_notebook_under_voila(browser, tmp_path):
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "01_live_demo.ipynb", tmp_path / "notebooks")
    with voila(tmp_path / "notebooks", "01_live_demo.ipynb") as server, paged(browser) as page:
        page.context.add_init_script(TAP)
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector(".live-player")
        until(lambda: drawn(page) > 50, "picture")
        until(lambda: transcript_lines(page) >= 2, "words")
        loud = "() => window.tap.blocks.some(([, samples]) => samples.some((x) => Math.abs(x) > 0.05))"
        assert page.evaluate(loud)
        button(page, "Stop").click()
        until(lambda: "ended" in status(page))
        until(lambda: page.locator("img").count() >= 3, "plots")
        page.get_by_label("Source", exact=True).fill("browser camera")
        page.get_by_label("Source", exact=True).press("Tab")
        button(page, "Start").click()
        until(lambda: "browser camera" in status(page) and "ended" not in status(page), "camera")
        seen = drawn(page)
        until(lambda: drawn(page) > seen + 50, "the camera's picture")
        button(page, "Stop").click()
        until(lambda: "ended" in status(page))
        assert page.errors == []


def test_stop_arrives_while_a_cell_sleeps(lab, browser):
    """A cell runs until the test has seen the run end; a click that had to wait for the cell would never end it."""
    panel = (
        "from commentator_lib.notebook.control_panel import ControlPanel\n"
        "panel = ControlPanel('../clip.mp4', duration_s=600, runs_dir=None)\n"
        "panel.start()\n"
        "panel"
    )
    sleep = "import pathlib, time\nwhile not pathlib.Path('go on').exists():\n    time.sleep(0.1)"
    with talking(lab, browser, [panel, sleep]) as page:
        until(lambda: "baseline" in status(page), "the run")
        button(page, "Stop").click()
        until(lambda: "ended" in status(page), "the run's end")
        assert "*" in page.locator(".jp-CodeCell .jp-InputPrompt").nth(1).inner_text()  # it is still running
        (page.folder / "go on").touch()
