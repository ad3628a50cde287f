"""How the panel looks: on one screen, where nothing moves, readable in both themes, and for everybody."""

from __future__ import annotations

import pytest

from experiments.tools.axe import serious_findings
from tests.notebook.page.conftest import button, drawn, tab, talking, transcript_lines, until
from tests.notebook.page.test_panel import TELLS

# The smallest contrast of text against what lies behind it (WCAG 2: 4.5 is enough for small text).
CONTRAST = """(names) => {
    const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (text) => {  // also what color-mix() gives
        paint.clearRect(0, 0, 1, 1);
        paint.fillStyle = text;
        paint.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
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


# Where the parts are that must not move.
PLACES = """() => Object.fromEntries(
    [".stage", ".side", ".bar", ".start", ".lamp", ".tiles", ".tab-list", ".tab-body:not([hidden])"].map((name) => {
        const { x, y, width, height } = document.querySelector(".live-player " + name).getBoundingClientRect();
        return [name, [x, y, width, height].map((v) => Math.round(10 * v) / 10)];
    }))"""
NAMELESS = """() => [...document.querySelectorAll(".live-player :is(button, input, select)")]
    .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
    .map((e) => e.outerHTML)"""
HELPLESS = """() => [...document.querySelectorAll(".live-player :is(button, input, select)")]
    .filter((e) => !(e.title || e.closest("[title]") || [...(e.labels ?? [])].some((l) => l.title)
        || e.getAttribute("role") === "tab" || e.type === "checkbox"
        || ["unlock", "question-box"].includes(e.className)))
    .map((e) => e.outerHTML)"""


def set_theme(page, theme):
    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{ theme: '{theme}' }})")
    page.wait_for_function(f"document.body.dataset.jpThemeName === '{theme}'")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1600, 1000)])
def test_it_fits_one_screen_and_nothing_moves_while_it_runs(lab, browser, width, height):
    with talking(lab, browser, [TELLS]) as page:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)
        page.locator(".live-player").scroll_into_view_if_needed()
        until(lambda: transcript_lines(page) >= 1)
        page.evaluate("document.querySelector('.live-player').scrollIntoView()")
        first = page.evaluate(PLACES)
        last = page.locator(".live-player .tab-body:not([hidden])").bounding_box()
        stage = page.locator(".live-player .stage").bounding_box()
        assert stage["y"] >= 0 and last["y"] + last["height"] <= height - 24  # above JupyterLab's status bar
        assert stage["width"] / stage["height"] == pytest.approx(16 / 9, abs=0.01)
        for _ in range(3):
            spoken = page.told()["spoken"]
            until(lambda spoken=spoken: page.told()["spoken"] > spoken)
            assert page.evaluate(PLACES) == first
        button(page, "Stop").click()
        until(lambda: not page.told()["running"])
        assert page.evaluate(PLACES) == first
        cut = page.evaluate("""() => [...document.querySelectorAll(".live-player button, .live-player .tile .name")]
            .filter((e) => e.getClientRects().length && e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)""")
        assert cut == []


def test_narrow_page_is_stacked(lab, browser):
    with talking(lab, browser, [TELLS]) as page:
        page.set_viewport_size({"width": 620, "height": 1000})
        until(lambda: page.evaluate("document.querySelector('.live-player').clientWidth") < 560)
        until(lambda: page.evaluate(PLACES)[".side"][1] > page.evaluate(PLACES)[".stage"][1] + 100, "stacked")
        wide = page.evaluate(
            "document.querySelector('.live-player').scrollWidth - document.querySelector('.live-player').clientWidth"
        )
        assert wide <= 1


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_readable_in_light_and_dark_and_no_serious_finding_of_axe(lab, browser, theme):
    with talking(lab, browser, [TELLS]) as page:
        set_theme(page, theme)
        until(lambda: transcript_lines(page) >= 1)
        texts = [
            ".status",
            ".lines button",
            ".lines time",
            ".bar button",
            ".caption span",
            ".tile .name",
            ".tile .value",
            ".lamp",
        ]
        until(lambda: min(page.evaluate(CONTRAST, texts).values()) >= 4.5, "readable in the theme's colours")
        findings = []
        for name in ("Source", "Commentator", "Pacing", "Events", "Runs"):
            tab(page, name)
            page.wait_for_timeout(300)
            findings += serious_findings(page, ".live-player")
        assert findings == []


def test_every_control_has_a_name_and_a_line_of_help(lab, browser):
    with talking(lab, browser, [TELLS]) as page:
        until(lambda: drawn(page) > 10)
        for name in ("Source", "Commentator", "Pacing", "Events", "Runs"):
            body = tab(page, name)
            if name == "Pacing":
                body.get_by_text("Advanced", exact=True).click()
        assert page.evaluate(NAMELESS) == []
        assert page.evaluate(HELPLESS) == []


def test_bare_player_is_reachable_by_keyboard_and_announced(lab, browser):
    with talking(lab, browser) as page:
        until(lambda: transcript_lines(page) >= 1)
        page.locator(".live-player .voice.mute").focus()
        reached = []
        for _ in range(3):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate("document.activeElement.className || document.activeElement.tagName")
            )
        assert page.get_by_label("Programme volume, percent").is_disabled()  # the clip has no sound
        assert reached == ["voice volume", "captions", "full"]
        page.get_by_label("Voice volume, percent").press("ArrowLeft")
        until(lambda: page.evaluate("document.querySelector('.live-player .voice.volume').value") == "99")
        assert "On and on it goes." in page.locator(".live-player [aria-live=polite]").inner_text()
        assert "seconds: behind" in page.locator(".live-player .chart").get_attribute("aria-label")
