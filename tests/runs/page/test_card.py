"""The card of a run in a page: pointing, keys, saving, themes, and a layout in which nothing lies on anything else."""

from __future__ import annotations

import html as markup
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from commentator_lib.events import Event
from commentator_lib.runs.record import CycleRecord
from commentator_lib.runs.run_card import card_html
from tests.runs.cards import EVIL, comment, empty_log, long_log, sample, usual_log

SHOWN = "svg.figure:visible"


def card(log):
    log.finish({})
    return card_html(log)


def point_at(page, at_s, end_s=60.0):
    """Move the pointer over the figure to a time."""
    svg = page.locator(SHOWN)
    box = svg.bounding_box()
    left, right, width = (
        float(svg.evaluate(f"s => {what}"))
        for what in ("s.dataset.left", "s.dataset.right", "s.viewBox.baseVal.width")
    )
    x = (left + at_s / end_s * (right - left)) / width * box["width"]
    page.mouse.move(box["x"] + x, box["y"] + 40)


def told(page):
    return page.locator("#tip").inner_text().splitlines()


@pytest.mark.parametrize("width_px", [900, 500])
def test_the_line_tells_the_values_of_all_lanes(opened, width_px):
    page = opened(card(usual_log()), width_px)
    assert page.locator("#tip").is_hidden()
    point_at(page, 43.5)
    lines = told(page)
    assert lines[0].startswith("0:43.")
    assert "0:43.0 – 0:46.0: A bus passes." in lines
    assert "0:43.4 score 1-0, HAR – LEI (importance 3, told)" in lines
    assert any(re.fullmatch(r"picture delay: 2\.4\d s", line) for line in lines)
    assert any(re.fullmatch(r"memory: 34\d MB", line) for line in lines)
    assert "comment after its picture: 4 ms" in lines
    assert page.locator(f"{SHOWN} .cursor").evaluate("l => getComputedStyle(l).visibility") == "visible"
    point_at(page, 20.0)
    assert "0:20.0 changed: pause_s 1 → 0.5" in told(page)
    page.mouse.move(2, 2)
    assert page.locator("#tip").is_hidden()


def test_the_arrow_keys_go_through_time_and_from_item_to_item(opened):
    page = opened(card(usual_log()))
    page.locator("#figure").focus()
    page.keyboard.press("ArrowDown")
    assert told(page)[0] == "0:03.0"
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert told(page)[0] == "0:13.0"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert told(page)[0] == "0:07.1" and "cut" in " ".join(told(page))
    page.keyboard.press("ArrowRight")
    assert told(page)[0] == "0:07.4"
    page.keyboard.press("End")
    assert told(page)[0] == "1:00.0"
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()


def saved(page, button):
    with page.expect_download() as download:
        page.locator(button).click()
    assert download.value.suggested_filename.startswith("run-figure.")
    with open(download.value.path(), "rb") as file:
        return file.read()


@pytest.mark.parametrize(("width_px", "scheme"), [(900, "light"), (900, "dark"), (500, "dark")])
def test_the_figure_is_saved_as_svg_and_as_png_of_twice_its_size(opened, width_px, scheme):
    page = opened(card(usual_log()), width_px, scheme)
    point_at(page, 30.0)  # the line and its words are not saved
    box = page.locator(SHOWN).bounding_box()
    ground = (20, 23, 28) if scheme == "dark" else (255, 255, 255)
    # 1) The SVG stands for itself: its colours are in it, its size is the one that was shown.
    svg = saved(page, "#save-svg").decode()
    root = ElementTree.fromstring(svg)
    assert abs(float(root.get("width")) - box["width"]) <= 1 and "var(" not in svg
    assert "cursor" not in [e.get("class") for e in root.iter()] and "cover" not in svg
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    assert words[0].startswith("Spoke 10 times") and any("A bus passes." in w for w in words)
    # 2) The PNG has its pixels, in the page's colours.
    picture = Image.open(io.BytesIO(saved(page, "#save-png"))).convert("RGB")
    assert picture.size == (2 * round(box["width"]), 2 * round(box["height"]))
    assert picture.getpixel((2, picture.height // 2)) == ground
    assert len(picture.getcolors(1 << 24)) > 50
    # 3) The saved SVG looks like the figure in a page of its own.
    alone = opened(f'<meta charset="utf-8"><body style="margin: 0">{svg}', width_px)
    seen = Image.open(io.BytesIO(alone.locator("svg").screenshot())).convert("RGB")
    apart = np.asarray(seen.resize((200, 100)), float) - np.asarray(picture.resize((200, 100)), float)
    assert np.abs(apart).mean() < 3


CONTRASTS = """() => {
  const light = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const luminance = (c) => { const [r, g, b] = rgb(c).map(light); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(c)) return c;
    }
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    if (!e.getClientRects().length || !e.textContent.trim() || e.children.length && e.tagName !== "LI") continue;
    const style = getComputedStyle(e);
    const [a, b] = [luminance(e.ownerSVGElement ? style.fill : style.color), luminance(ground(e))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName + " " + e.textContent.slice(0, 30)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_words_can_be_read_in_light_and_dark(opened, scheme):
    page = opened(card(usual_log()), scheme=scheme)
    point_at(page, 43.5)
    for summary in page.locator("summary").all():
        summary.click()
    point_at(page, 43.5)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 60
    assert [(round(value, 1), words) for value, words in found if value < 4.5] == []


LAID_OUT = """() => {
  const svg = [...document.querySelectorAll("svg.figure")].find((s) => s.getClientRects().length);
  const frame = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
  const outside = boxes.filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 1
    || b.top < frame.top - 1 || b.bottom > frame.bottom + 1).map(([t]) => t);
  const overlaps = [];
  boxes.forEach(([t, a], k) => boxes.slice(k + 1).forEach(([u, b]) => {
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 1 && y > 3) overlaps.push(`${t} / ${u}`);
  }));
  return { outside, overlaps, wider: document.documentElement.scrollWidth - innerWidth,
           least: Math.min(...boxes.map(([, b]) => b.height)) };
}"""


def crowded_log():
    log = usual_log()
    for k in range(20):
        log.changed("pause_s", k / 10, k / 10 + 0.1, 20.0 + 1.3 * k)
        log.noticed(
            Event("caption", 30.0, 30.0, 3, 1.0, {"text": f"A long caption {k} {EVIL}"}), 30.0 + k / 3
        )
        log.cycle(CycleRecord(100 + k, outcome="failed", reason="out of memory", done_s=2.0 * k))
    return log


def one_log():
    log = empty_log()
    comment(log, 0, 3.0, 5.0, sync_error_s=-2.5)
    sample(log, 1.0, 25.0)
    return log


@pytest.mark.parametrize("width_px", [900, 761, 760, 500])
@pytest.mark.parametrize("log", [usual_log, empty_log, one_log, crowded_log, long_log])
def test_no_words_are_cut_or_lie_on_others(opened, log, width_px):
    found = opened(card(log()), width_px).evaluate(LAID_OUT)
    assert found["overlaps"] == [] and found["outside"] == [] and found["wider"] <= 0
    assert found["least"] >= 9  # px


def test_what_others_wrote_does_nothing_in_a_page(opened):
    log = usual_log(text=EVIL, commentator=EVIL, notes=[EVIL])
    log.noticed(Event(EVIL, 44.0, 44.0, 3, 1.0, {"text": EVIL}), 41.0)
    page = opened(card(log))
    point_at(page, 43.5)
    assert "window.hacked" in " ".join(told(page))
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0


def test_in_a_frame_it_follows_the_theme_around_it(opened):
    frame = markup.escape(card(usual_log()))
    page = opened(
        f'<body data-jp-theme-light="false"><iframe data-fit srcdoc="{frame}" width="800" height="90"></iframe></body>'
    )
    root = page.frame_locator("iframe").locator("html")
    root.locator("#figure").wait_for()
    assert root.get_attribute("data-theme") == "dark"
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    page.wait_for_function("frames[0].document.documentElement.dataset.theme === 'light'")
    page.emulate_media(color_scheme="dark")  # the page around it knows better than the system
    assert root.get_attribute("data-theme") == "light"
    assert saved_in(page)
    page.wait_for_function("frames[0].document.documentElement.scrollHeight <= frames[0].innerHeight")
    before_px = page.locator("iframe").bounding_box()["height"]
    root.locator("summary").last.click()  # it grows with what is opened
    page.wait_for_function("h => document.querySelector('iframe').clientHeight > h + 100", arg=before_px)


def saved_in(page):
    """Return the name of what the frame's button saves."""
    with page.expect_download() as download:
        page.frame_locator("iframe").locator("#save-png").click()
    return download.value.suggested_filename.endswith(".png")
