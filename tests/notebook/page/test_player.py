"""The player in JupyterLab: acknowledgements, reloads, several pages, a restarted kernel."""

from __future__ import annotations

from commentator_lib.players.playback_clock import ALIVE_S
from experiments.tools.browser import restart_kernel, run_all
from tests.notebook.page.conftest import (
    TALKING,
    drawn,
    lamp,
    longest_pause_s,
    save_notebook,
    talking,
    transcript_lines,
    until,
)

# Counts the acknowledgements that leave the page, and the ticks of a timer as frequent as the player's own: a page
# that is given less time by its machine has fewer of both.
COUNT_ACKS_AND_TICKS = """
window.counted = { acks: 0, ticks: 0 };
setInterval(() => (counted.ticks += 1), 150);
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    if (text.includes('"kind":"ack"')) counted.acks += 1;
    return send.call(this, data);
};
"""


def test_it_acknowledges_at_least_five_times_a_second_also_while_a_cell_blocks(lab, browser):
    busy = "while not pathlib.Path('go on').exists():\n    sum(range(10_000))"
    with talking(lab, browser, [TALKING, busy], init=COUNT_ACKS_AND_TICKS) as page:
        until(lambda: page.told()["acks"] > 3 and page.told()["spoken"] >= 1)
        first = page.evaluate("({ ...counted })")
        page.wait_for_timeout(4000)
        second = page.evaluate("({ ...counted })")
        ticks, acks = (second[kind] - first[kind] for kind in ("ticks", "acks"))
        assert acks >= 5 * 0.15 * ticks > 0
        until(lambda: page.told()["acks"] >= second["acks"], "all of them arrive")
        assert "*" in page.locator(".jp-CodeCell .jp-InputPrompt").nth(1).inner_text()  # it is still running


def test_shown_twice_it_has_two_pictures_and_one_sound(lab, browser):
    with talking(lab, browser, [TALKING, "player"]) as page:
        page.locator(".live-player").nth(1).wait_for()
        until(lambda: drawn(page, 0) > 50 and drawn(page, 1) > 50)
        until(lambda: page.told()["spoken"] >= 1)
        assert len(page.told()["pages"]) == 1
        assert transcript_lines(page, 1) >= 1


def test_reload_in_mid_run_picks_the_run_up_again(lab, browser):
    with talking(lab, browser) as page:
        until(lambda: page.told()["spoken"] >= 2)
        save_notebook(page)
        page.reload()
        page.wait_for_selector(".live-player")
        until(lambda: transcript_lines(page) >= 2, "transcript of before")
        until(lambda: drawn(page) > 50, "picture")
        before = page.told()["spoken"]
        until(lambda: page.told()["spoken"] >= before + 2)
        until(lambda: any(sounding for sounding, _ in page.told()["pages"].values()), "sound")
        until(lambda: "live" in lamp(page), "live")


def test_run_goes_on_when_its_page_is_closed_in_mid_comment(lab, browser):
    with talking(lab, browser) as page:
        until(lambda: page.told()["spoken"] >= 1)
        told = page.told
        page.context.new_page()  # keeps the context
        page.close()
        before = told()
        until(lambda: told()["spoken"] >= before["spoken"] + 3)
        after = told()
        assert after["running"] and after["pages"] == {}
        # The pace does not wait for the page longer than the time after which it counts as gone.
        assert longest_pause_s(before, after) <= 0.3 + ALIVE_S + 0.5


def test_two_pages_sound_and_closing_one_does_not_stall_the_other(lab, browser):
    with talking(lab, browser) as page:
        until(lambda: page.told()["spoken"] >= 1)
        save_notebook(page)
        other = page.context.new_page()
        other.goto(page.url.replace("&reset", ""))
        other.wait_for_selector(".live-player")
        until(lambda: sum(s for s, _ in page.told()["pages"].values()) == 2, "both sound")
        until(lambda: drawn(other) > 25, "picture on both")
        before = page.told()["spoken"]
        until(lambda: page.told()["spoken"] >= before + 2)
        other.close()
        closed = page.told()
        until(lambda: page.told()["spoken"] >= closed["spoken"] + 3)
        after = page.told()
        assert len(after["pages"]) == 1
        assert longest_pause_s(closed, after) <= 0.3 + ALIVE_S + 0.5


def test_kernel_that_is_restarted_is_named_and_a_new_run_works(lab, browser):
    with talking(lab, browser) as page:
        until(lambda: page.told()["spoken"] >= 1)
        restart_kernel(page)
        # JupyterLab takes the widgets of a dead kernel away, or they say so themselves.
        until(
            lambda: (
                page.locator(".live-player").count() == 0
                or "No answer from the program" in page.locator(".live-player .message").first.inner_text()
            ),
            "dead kernel named",
        )
        (page.folder / "told.json").unlink()
        run_all(page)
        until(lambda: page.told()["spoken"] >= 1, "new run")
        until(lambda: drawn(page) > 25, "new picture")
