"""The player where the browser restricts it: no sound before a click, a hidden tab, a slow page."""

from __future__ import annotations

from tests.notebook.page.conftest import (
    drawn,
    paged,
    save_notebook,
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
            before = told()
            until(lambda: told()["spoken"] >= before["spoken"] + 2)
            after = told()
            assert [sounding for sounding, _ in after["pages"].values()] == [False]
            assert max(after["gaps"][len(before["gaps"]) + 1 :]) <= 0.3 + 0.5
            assert other.locator(".live-player .caption").inner_text().strip()
            unlock.click()
            until(lambda: any(s for s, _ in told()["pages"].values()), "sound after the click")
            until(lambda: not unlock.is_visible())
            assert other.errors == []


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
    with talking(lab, browser, init=SLOW_TIMERS) as page:
        until(lambda: page.told()["spoken"] >= 1 and drawn(page) > 25)
        page.evaluate(hide, True)
        page.evaluate(
            "() => { window.draw = requestAnimationFrame; window.kept = []; "
            "window.requestAnimationFrame = (call) => kept.push(call); }"
        )
        page.wait_for_timeout(1000)
        before, seen = page.told(), drawn(page)
        page.wait_for_timeout(60_000)
        after = page.told()
        ((sounding, counts),) = after["pages"].values()
        assert sounding and counts["hidden"] > 1000 and counts["underruns"] == 0
        assert drawn(page) <= seen + 2
        assert (after["acks"] - before["acks"]) / (after["at"] - before["at"]) >= 3
        assert after["spoken"] >= before["spoken"] + 8
        page.evaluate("() => { window.requestAnimationFrame = draw; kept.forEach((call) => draw(call)); }")
        page.evaluate(hide, False)
        until(lambda: drawn(page) > seen + 50, "picture again")


def test_slow_page_drops_old_frames_and_keeps_the_sound(lab, browser):
    with talking(lab, browser) as page:
        until(lambda: page.told()["spoken"] >= 1 and drawn(page) > 25)
        devtools = page.context.new_cdp_session(page)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": 20})
        page.wait_for_timeout(5000)
        before, memory_before = page.told(), heap_bytes(devtools)
        page.wait_for_timeout(15_000)
        after, memory_after = page.told(), heap_bytes(devtools)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        ((sounding, counts),) = after["pages"].values()
        ((_, counts_before),) = before["pages"].values()
        dropped = counts["late"] + counts["lost"] + after["held_back"]
        assert dropped > counts_before["late"] + counts_before["lost"] + before["held_back"]
        assert sounding and after["spoken"] >= before["spoken"] + 2
        assert counts["underruns"] <= counts_before["underruns"] + 1
        assert memory_after < memory_before + 40e6
        seen = drawn(page)
        until(lambda: drawn(page) > seen + 50, "picture at full speed again")


def heap_bytes(devtools):
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("Performance.enable")
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize")
