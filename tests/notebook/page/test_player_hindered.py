"""The player where the browser restricts it: no sound before a click, a hidden tab, a slow page."""

from __future__ import annotations

from tests.notebook.page.conftest import (
    SENT_AHEAD_S,
    drawn,
    longest_pause_s,
    paged,
    save_notebook,
    stalls,
    talking,
    until,
)

# A page under a script's control counts as clicked, so the browser's own rule never applies: this does the same.
NO_SOUND_BEFORE_A_CLICK = """
window.addEventListener("click", () => (window.clicked = true), true);
window.AudioContext = class extends AudioContext {
    constructor(options) {
        super(options);
        super.suspend();
    }
    resume() {
        return window.clicked ? super.resume() : new Promise(() => {});
    }
};
"""


def test_sound_that_is_never_allowed_leaves_picture_words_and_pace(lab, browser):
    with talking(lab, browser) as page:
        until(lambda: page.told()["spoken"] >= 1)
        save_notebook(page)
        told = page.told
        # A user who runs a notebook has clicked; one who opens a notebook that already runs has not.
        with paged(browser) as other:
            other.context.add_init_script(NO_SOUND_BEFORE_A_CLICK)
            other.goto(page.url.replace("&reset", "") + f"?token={lab.token}")
            page.close()
            other.wait_for_selector(".live-player")
            until(lambda: drawn(other) > 50, "picture")
            unlock = other.locator(".live-player .unlock")
            assert unlock.is_visible() and unlock.inner_text() == "Click for sound"
            spoken = told()["spoken"]  # the comment under way began while the other page was there
            until(lambda: told()["spoken"] > spoken)
            before = told()
            until(lambda: told()["spoken"] >= before["spoken"] + 2)
            after = told()
            assert [sounding for sounding, _ in after["pages"].values()] == [False]
            assert longest_pause_s(before, after) <= 0.3 + 0.5
            assert other.locator(".live-player .caption").inner_text().strip()
            unlock.click()
            until(lambda: any(s for s, _ in told()["pages"].values()), "sound after the click")
            until(lambda: not unlock.is_visible())
            assert other.errors == []


# Counts how often the page stood still for longer than the sound that is sent ahead lasts.
COUNT_STALLS = """
window.stalls = 0;
let before = performance.now();
setInterval(() => {
    const now = performance.now();
    if (now - before > 50 + 1000 * AHEAD_S) window.stalls += 1;
    before = now;
}, 50);
""".replace("AHEAD_S", str(SENT_AHEAD_S))

# A headless browser hides no tab, so this simulates a hidden tab: the page counts as hidden, draws nothing, and its
# timers run once a second.
SLOW_TIMERS = """
window.asleep = false;
const every = window.setInterval.bind(window);
window.setInterval = (call, wait, ...more) => {
    let last = 0;
    return every(() => {
        if (window.asleep && performance.now() - last < 1000) return;
        last = performance.now();
        call(...more);
    }, wait);
};
"""


def test_tab_in_the_background_for_a_minute(lab, browser):
    """Pictures are counted instead of drawn; the sound goes on and is acknowledged; afterwards all is as before."""
    hide = """(hidden) => {
        window.asleep = hidden;
        Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        Object.defineProperty(document, "visibilityState",
                              { configurable: true, get: () => (hidden ? "hidden" : "visible") });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with talking(lab, browser, init=COUNT_STALLS + SLOW_TIMERS) as page:
        until(lambda: page.told()["spoken"] >= 1 and drawn(page) > 25)
        page.evaluate(hide, True)
        page.evaluate(
            "() => { window.draw = requestAnimationFrame; window.kept = []; "
            "window.requestAnimationFrame = (call) => kept.push(call); }"
        )
        page.wait_for_timeout(1000)
        before, seen, stalls_before = page.told(), drawn(page), page.evaluate("stalls")
        page.wait_for_timeout(60_000)
        after, page_stalls = page.told(), page.evaluate("stalls") - stalls_before
        ((_, counts_before),), ((sounding, counts),) = before["pages"].values(), after["pages"].values()
        # Every picture that was sent has been counted, but for those of the last second, which are under way.
        hidden, sent = (counts["hidden"] - counts_before["hidden"], after["sent"] - before["sent"])
        assert hidden + counts["lost"] >= 0.9 * sent > 0
        assert drawn(page) <= seen + 2
        assert (
            sounding
            and counts["underruns"] - counts_before["underruns"] <= stalls(before, after) + page_stalls
        )
        # At 25 pictures a second, three acknowledgements a second.
        assert after["acks"] - before["acks"] >= 3 / 25 * hidden
        assert after["spoken"] >= before["spoken"] + 16
        page.evaluate("() => { window.requestAnimationFrame = draw; kept.forEach((call) => draw(call)); }")
        page.evaluate(hide, False)
        until(lambda: drawn(page) > seen + 50, "picture again")


def test_slow_page_drops_old_frames_and_keeps_the_sound(lab, browser):
    with talking(lab, browser) as page:
        until(lambda: page.told()["spoken"] >= 1 and drawn(page) > 25)
        devtools = page.context.new_cdp_session(page)
        slow_down_until_frames_are_dropped(page, devtools)
        before, memory_before = page.told(), heap_bytes(devtools)
        page.wait_for_timeout(15_000)
        after, memory_after = page.told(), heap_bytes(devtools)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        assert dropped_frames(after) > dropped_frames(before)
        ((_, counts_before),), ((sounding, counts),) = before["pages"].values(), after["pages"].values()
        assert sounding and after["spoken"] >= before["spoken"] + 4
        assert counts["underruns"] <= counts_before["underruns"] + 1 + stalls(before, after)
        assert memory_after < memory_before + 40e6
        seen = drawn(page)
        until(lambda: drawn(page) > seen + 50, "picture at full speed again")


def slow_down_until_frames_are_dropped(page, devtools):
    """Slow the page's processor down step by step. How much it takes depends on the machine."""
    for rate in (4, 6, 9, 13, 20, 30):
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": rate})
        page.wait_for_timeout(1500)  # a slower page has its first reports behind it
        before = page.told()
        page.wait_for_timeout(2500)
        after = page.told()
        print(
            "slowed down",
            rate,
            dropped_frames(after) - dropped_frames(before),
            after["sent"] - before["sent"],
        )
        if dropped_frames(after) - dropped_frames(before) > 0.1 * (after["sent"] - before["sent"]):
            return
    raise AssertionError(f"no frames were dropped at 1/{rate} of the processor's speed")


def dropped_frames(told):
    """Return how many frames were not drawn because the page was behind."""
    ((_, counts),) = told["pages"].values()
    return counts["late"] + counts["lost"] + told["held_back"]


def heap_bytes(devtools):
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("Performance.enable")
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize")
