"""Captions go about one and a half seconds after their sound ends, at a cut of the comment, and at the end."""

from __future__ import annotations

import pytest

from tests.notebook.page.conftest import talking, until
from tests.runs.scripts import SENTENCES

# Shows one caption over one second of sound, and then does what `{then}` says. `told` has the time of each step, in
# Unix seconds.
_CELL = """
import asyncio, json, pathlib, threading, time
import numpy as np
from commentator_lib.media import AudioChunk
from commentator_lib.players.browser import LivePlayer
from commentator_lib.players.playback_clock import PlaybackClock
player = LivePlayer()
told = {{}}

async def show():
    player.attach(PlaybackClock())
    player.log_row("run", {{"epoch_s": time.monotonic(), "source": "s", "commentator": "c", "has_sound": False}})
    while not any(p.sounding for p in player.pages.values()):
        player._living_pages()
        await asyncio.sleep(0.05)
    start_s, seconds = time.monotonic() + 0.5, {seconds}
    wave = 8000 * np.sin(2 * np.pi * 300 * np.arange(round(48_000 * seconds)) / 48_000)
    player.play(AudioChunk(wave.astype(np.int16), 48_000), 1, start_s)
    await asyncio.sleep(0.5)
    player.caption(1, "A goal, what a goal.", True)
    told["sound_ends"] = time.time() + seconds
    {then}
    for _ in range(80):
        player._living_pages()
        await asyncio.sleep(0.1)

def tell():
    while True:
        part = pathlib.Path("told.part")
        part.write_text(json.dumps(told))
        part.replace("told.json")
        time.sleep(0.1)

threading.Thread(target=tell, daemon=True).start()
threading.Thread(target=lambda: asyncio.run(show()), daemon=True).start()
player
"""
# Keeps when the words on the picture came and went, in Unix seconds.
_WATCH = """
window.captionTimes = [];
const seen = () => document.querySelector(".live-player .caption")?.textContent.trim() ?? "";
setInterval(() => {
    const last = captionTimes.at(-1)?.[1] ?? "";
    if (seen() !== last) captionTimes.push([Date.now() / 1000, seen()]);
}, 20);
"""
_CUT = 'await asyncio.sleep(1.0); told["sound_ends"] = time.time(); player.cut(1, 1.0); told["done"] = True'
_END = 'await asyncio.sleep(1.0); told["sound_ends"] = time.time(); player.detach(); told["done"] = True'


@pytest.mark.parametrize(
    ("seconds", "then", "earliest_s", "latest_s"),
    [(1.0, "told['done'] = True", 1.3, 2.2), (6.0, _CUT, -0.1, 0.8), (6.0, _END, -0.1, 0.8)],
    ids=["after its sound", "at a cut", "at the end"],
)
def test_caption_goes_in_time(lab, browser, seconds, then, earliest_s, latest_s):
    with talking(lab, browser, [_CELL.format(seconds=seconds, then=then)], init=_WATCH) as page:
        until(lambda: page.evaluate("captionTimes.length") >= 2, "the caption came and went")
        until(lambda: "done" in page.told(), "the cell told when its sound ended")
        (came, words), (went, nothing) = page.evaluate("captionTimes")
        assert words == "A goal, what a goal." and nothing == ""
        assert earliest_s <= went - page.told()["sound_ends"] <= latest_s
        assert came <= page.told()["sound_ends"]
        assert page.locator(".live-player .lines").inner_text().endswith("A goal, what a goal.")


# Keeps of each text that was seen in the caption: the most lines, the language, the direction, how far it turned.
_WATCH_LINES = """
window.seenCaptions = {};
setInterval(() => {
    const box = document.querySelector(".live-player .caption");
    if (!box || !box.textContent) return;
    const height = parseFloat(getComputedStyle(box).lineHeight), whole = box.parentElement.getBoundingClientRect();
    const before = seenCaptions[box.textContent] ?? { lines: 0, turned: 0, inside: true };
    const { top, bottom, left, right } = box.getBoundingClientRect();
    seenCaptions[box.textContent] = {
        lines: Math.max(before.lines, box.clientHeight / height),
        turned: Math.max(before.turned, box.scrollTop / height),
        inside: before.inside && top >= whole.top && bottom <= whole.bottom
            && left >= whole.left && right <= whole.right,
        lang: box.lang,
        direction: getComputedStyle(box).direction,
        words: box.children.length,
    };
}, 20);
"""
_CHINESE = SENTENCES["Chinese"]
_LONG = " ".join([SENTENCES["English"]] * 3)
_SCRIPTS = f"""
    for text, final in (({_CHINESE[:7]!r}, False), ({_CHINESE!r}, True)):
        player.caption(2, text, final)
        await asyncio.sleep(2.0)
    await asyncio.sleep(4.0)
    player.caption(3, {SENTENCES["Hebrew"]!r}, True)
    await asyncio.sleep(4.0)
    player.caption(4, {_LONG!r}, True)
    await asyncio.sleep(14.0)"""


def test_two_lines_of_any_script_and_the_later_ones_in_their_turn(lab, browser):
    cell = _CELL.format(seconds=1.0, then=_SCRIPTS)
    with talking(lab, browser, [cell], init=_WATCH_LINES) as page:
        seen = lambda: page.evaluate("seenCaptions")  # noqa: E731
        until(
            lambda: seen().get(_LONG, {"turned": 0})["turned"] > 3,
            "the long caption has turned to its last lines",
        )
        found = seen()
    chinese, hebrew = found[_CHINESE], found[SENTENCES["Hebrew"]]
    assert _CHINESE[:7] in found  # what grew was not shown twice
    assert all(one["lines"] < 2.1 and one["inside"] for one in found.values())
    assert (chinese["lang"], chinese["direction"]) == ("zh", "ltr") and chinese["words"] > 10
    assert (hebrew["lang"], hebrew["direction"]) == ("he", "rtl")
