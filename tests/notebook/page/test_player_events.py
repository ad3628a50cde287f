"""The player in JupyterLab: what watchers notice appears as chips and marks when the picture shows it, not before."""

from __future__ import annotations

import json

import pytest

from tests.notebook.page.conftest import TELL, drawn, save_notebook, talking, until

# The picture is red for six seconds and blue after that. A watcher notices it at once, seconds before the picture is
# shown; with it a cut, which is too small for a chip.
NOTICED = """
import collections, json, pathlib, time, threading
import numpy as np
from commentator_lib import LiveSession, load_settings
from commentator_lib.players.browser import LivePlayer
from commentator_lib.sources.frames import FramesSource
from commentator_lib.watching.base import Event, Watcher
from experiments.benchmarks.player_cells import NotesPrompts

class SeesBlue(Watcher):
    def reset(self):
        self.told = False

    def look(self, frame):
        if self.told or frame.image[0, 0, 2] < 128:
            return []
        self.told = True
        facts = {"score": [2, 1], "teams": ["<b>HAR</b>", "LEI"]}
        return [Event("score", frame.pts_s, frame.pts_s, 3, facts=facts), Event("cut", frame.pts_s, frame.pts_s, 0)]

def pictures():
    red, blue = (np.full((90, 160, 3), colour, np.uint8) for colour in ([200, 30, 30], [30, 30, 200]))
    for k in range(25 * 600):
        yield red if k < 150 else blue

player = LivePlayer()
session = LiveSession(FramesSource(pictures()), load_settings(change_threshold=0, pause_s=0.3),
                      commentator=NotesPrompts(tone_s=1.5), players=[player], watchers=[SeesBlue()]).start()

def write_times():
    while not (events := session.log.watch_rows) or not len(draws := player.draws[player.draws.frame_index >= 150]):
        time.sleep(0.1)
    part = pathlib.Path("times.part")
    part.write_text(json.dumps({"captured_s": events[0]["captured_s"], "due_s": draws.due_s.min()}))
    part.replace("times.json")
threading.Thread(target=write_times, daemon=True).start()
"""

# Notes when the picture turns blue, and the colour that it has when a chip or a mark is added.
NOTE_COLOURS = """
window.noted = { blueAt: null, added: [], told: false };
const isBlue = () => {
    const canvas = document.querySelector(".live-player .stage canvas");
    const [red, , blue] = canvas ? canvas.getContext("2d").getImageData(5, 5, 1, 1).data : [0, 0, 0];
    return blue > red;
};
setInterval(() => {
    if (noted.blueAt === null && isBlue()) noted.blueAt = performance.now();
    if (document.querySelector(".chip.told")) noted.told = true;
}, 50);
new MutationObserver((changes) => {
    for (const node of changes.flatMap((change) => [...change.addedNodes]))
        if (node.nodeType === 1 && node.matches(".chip, .mark")) {
            const [name, text] = [node.classList[0], node.textContent];
            noted.added.push({ name, text, blue: isBlue(), at: performance.now() });
        }
}).observe(document, { childList: true, subtree: true });
"""


@pytest.fixture
def noticing(lab, browser):
    with talking(lab, browser, [NOTICED + TELL + "\nplayer"], init=NOTE_COLOURS) as page:
        until(lambda: drawn(page) > 25, "a picture")
        yield page


def noted(page, name):
    return [added for added in page.evaluate("noted.added") if added["name"] == name]


def test_chip_and_marks_come_with_their_picture_and_only_marks_outlive_a_reload(noticing):
    page = noticing
    # 1) They come when the picture turns blue, which is later than it was noticed.
    (chip,) = until(lambda: noted(page, "chip"), "a chip")
    marks = until(lambda: len(noted(page, "mark")) >= 2 and noted(page, "mark"), "two marks")
    assert chip["text"] == "2-1" and chip["blue"] and all(mark["blue"] for mark in marks)
    blue_at = until(lambda: page.evaluate("noted.blueAt"))
    assert chip["at"] - blue_at < 2_000 and marks[0]["at"] - blue_at < 4_000
    times = until(lambda: json.loads((page.folder / "times.json").read_text()))
    assert times["due_s"] > times["captured_s"]
    # 2) The mark says when the picture showed it, and stands there. Text is shown as it is.
    mark = page.locator(".live-player .mark[data-importance='3']")
    for importance, words in (("3", "score 2-1, <b>HAR</b> – LEI"), ("0", "cut")):
        title = page.locator(f".live-player .mark[data-importance='{importance}']").get_attribute("title")
        at, said = title.split(" ", 1)
        minutes, seconds = at.split(":")
        assert said.startswith(words) and abs(int(minutes) * 60 + int(seconds) - times["due_s"]) <= 3
    assert page.locator(".live-player .chips b").count() == 0
    lane, box = page.locator(".live-player .marks").bounding_box(), mark.bounding_box()
    assert lane["x"] < box["x"] < lane["x"] + lane["width"]
    # 3) A comment tells it; the chip goes after a while, and the mark stays.
    until(lambda: "(told)" in mark.get_attribute("title"), "told")
    until(lambda: page.locator(".live-player .chip").count() == 0, "the chip is gone")
    assert page.evaluate("noted.told")
    assert len(noted(page, "chip")) == 1 and mark.count() == 1
    # 4) After a reload the mark is there again, and the old chip is not.
    save_notebook(page)
    page.reload()
    page.wait_for_selector(".live-player")
    until(lambda: page.locator(".live-player .mark[data-importance='3']").count() == 1, "the mark")
    until(lambda: drawn(page) > 25, "a picture")
    assert noted(page, "chip") == []


AWAY = """
import threading, time
import numpy as np
from commentator_lib import LiveSession, load_settings
from commentator_lib.players.browser import LivePlayer
from commentator_lib.sources.base import LiveStats
from commentator_lib.sources.frames import FramesSource
from experiments.benchmarks.player_cells import NotesPrompts

source = FramesSource(np.full((90, 160, 3), 90, np.uint8) for _ in range(25 * 600))
player = LivePlayer()
session = LiveSession(source, load_settings(change_threshold=0, delay_init_s=0.5), commentator=NotesPrompts(tone_s=1.0),
                      players=[player], watchers=[]).start()

def come_and_go():
    time.sleep(4)
    source.live = LiveStats(newest_age_s=0.061, fps=24.96, dropped=0, corrupt=2, reconnects=1)
    source.away = "lost for 3 s: nobody answers"
    time.sleep(5)
    source.away = ""
threading.Thread(target=come_and_go, daemon=True).start()
player
"""


def test_page_says_that_the_source_gives_no_picture_and_takes_it_back(lab, browser):
    with talking(lab, browser, [AWAY]) as page:
        said = page.get_by_text("The source gives no picture now: lost for 3 s: nobody answers")
        said.wait_for(state="visible", timeout=60_000)
        status = page.locator(".live-player .status").text_content()
        assert "61 ms old on arrival · 25.0 fps from the source · 2 damaged · opened again 1 time" in status
        said.wait_for(state="hidden", timeout=60_000)
