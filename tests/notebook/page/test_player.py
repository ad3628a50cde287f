"""The player in JupyterLab: acknowledgements, reloads, several pages, a restarted kernel."""

from __future__ import annotations

from experiments.tools.browser import restart_kernel, run_all
from tests.notebook.page.conftest import (
    TALKING,
    drawn,
    save_notebook,
    status,
    talking,
    transcript_lines,
    until,
)

# A timer as frequent as the player's own, which shows how many acknowledgements this machine had time for.
COUNT_TICKS = "window.ticks = []; setInterval(() => window.ticks.push(Date.now() / 1000), 150);"


def test_it_acknowledges_at_least_five_times_a_second_also_while_a_cell_blocks(lab, browser):
    busy = "while not pathlib.Path('go on').exists():\n    sum(range(10_000))"
    with talking(lab, browser, [TALKING, busy], init=COUNT_TICKS) as page:
        until(lambda: page.told()["acks"] > 3 and page.told()["spoken"] >= 1)
        from_s = page.told()["at"]
        to_s = from_s + 4
        until(lambda: page.told()["at"] > to_s + 1)
        assert "*" in page.locator(".jp-CodeCell .jp-InputPrompt").nth(1).inner_text()  # it is still running
        acks = sum(from_s <= at < to_s for at in page.told()["acks_at"])
        ticks = sum(from_s <= at < to_s for at in page.evaluate("window.ticks"))
        assert (
            acks >= 5 / (1 / 0.15) * ticks and acks > 0
        )  # five a second, where a timer of 0.15 s has its time


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
        assert "fps" in status(page)


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
        assert max(after["gaps"]) <= 0.3 + 2.0 + 0.5


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
        new_gaps = after["gaps"][len(closed["gaps"]) :]
        assert max(new_gaps) <= 0.3 + 2.0 + 0.5


def test_kernel_that_is_restarted_is_named_and_a_new_run_works(lab, browser):
    with talking(lab, browser) as page:
        until(lambda: page.told()["spoken"] >= 1)
        restart_kernel(page)
        # JupyterLab takes the widgets of a dead kernel away, or they say so themselves.
        until(
            lambda: (
                page.locator(".live-player").count() == 0
                or "No answer from the kernel" in page.locator(".live-player .message").first.inner_text()
            ),
            "dead kernel named",
        )
        (page.folder / "told.json").unlink()
        run_all(page)
        until(lambda: page.told()["spoken"] >= 1, "new run")
        until(lambda: drawn(page) > 25, "new picture")
