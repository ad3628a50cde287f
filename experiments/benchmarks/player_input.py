"""What goes from the browser to the kernel: the camera's frames and the buttons."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from experiments.benchmarks.player_cells import BUSY, BUTTONS, CAMERA, CAMERA_RESULT
from experiments.benchmarks.player_clips import SIZES, make_clip
from experiments.benchmarks.player_pages import open_page, percentile_ms, say, wait_for_file
from experiments.tools.browser import jupyter_lab, run_all, write_notebook


def measure_camera(browser, folder: Path, seconds: float) -> dict:
    """Run with the browser's fake camera for `seconds`.

    Return the frames a second that reach the loop, and the latency from the page to the kernel in milliseconds.
    """
    folder.mkdir()
    write_notebook(folder / "camera.ipynb", [CAMERA, CAMERA_RESULT.format(seconds=seconds)])
    with jupyter_lab(folder) as server:
        page = open_page(browser, server, "camera.ipynb")
        run_all(page)
        wait_for_file(folder / "camera.json", seconds + 60)
        page.context.close()
    saved = json.loads((folder / "camera.json").read_text())
    if saved["problem"]:
        raise RuntimeError(saved["problem"])
    captured, at_s = np.asarray(saved["captured"]), np.asarray(saved["at_s"])
    running = np.flatnonzero(captured > 0)
    first = running[0] + 1  # the camera started within a second; count from the first whole one
    fps = (captured[-1] - captured[first]) / (at_s[-1] - at_s[first])
    arrivals = np.asarray(saved["arrivals"])
    latency_ms = 1000 * (arrivals[:, 1] - arrivals[:, 0])
    return {
        "camera_fps": round(float(fps), 1),
        "camera_latency_ms": {"median": percentile_ms(latency_ms, 50), "p95": percentile_ms(latency_ms, 95)},
    }


def measure_buttons(browser, folder: Path) -> dict:
    """Return the milliseconds from click to effect, while a cell sleeps and while a cell computes."""
    folder.mkdir()
    make_clip(folder / "clip.mp4", SIZES["640x360@25"], 45)
    result = {}
    for kind, work in (("sleeping cell", "time.sleep(0.1)"), ("computing cell", "sum(range(20_000))")):
        for name in ("busy", "prompts.json"):  # of the round before
            (folder / name).unlink(missing_ok=True)
        write_notebook(folder / "panel.ipynb", [BUTTONS, BUSY.format(seconds=14, work=work)])
        with jupyter_lab(folder) as server:
            page = open_page(browser, server, "panel.ipynb")
            run_all(page)
            wait_for_file(folder / "busy", 60)
            page.wait_for_function("window.tap.draws.length > 50", timeout=30_000)
            result[kind] = _press_buttons(page)
            wait_for_file(folder / "prompts.json", 60)
            asked = json.loads((folder / "prompts.json").read_text())
            clicked_at = result[kind].pop("asked_unix_s")
            taken = [at for at, prompt in asked if "green hat" in prompt]
            result[kind]["instruction"] = round(1000 * (taken[0] - clicked_at), 1)
            page.context.close()
        say(f"buttons, {kind}: {json.dumps(result[kind])}")
    return result


def _press_buttons(page) -> dict:
    """Click mute, Ask and Stop, each while sound is playing. Return times in ms, and the time of the question."""
    page.wait_for_function(_LOUD_NOW, timeout=15_000)
    page.locator(".live-player .voice.mute").click()
    page.wait_for_timeout(600)
    muted_ms = page.evaluate(_MUTED_AFTER)
    page.locator(".live-player .voice.mute").click()
    page.get_by_label("Question").fill("Who wears the green hat?")
    page.get_by_role("button", name="Ask", exact=True).click()
    asked_unix_s = page.evaluate("window.tap.clicks.at(-1)[1]")
    page.wait_for_timeout(1500)
    page.evaluate(
        """() => {
            const line = document.querySelector(".live-player .status");
            new MutationObserver(() => {
                if (line.textContent.endsWith("ended")) window.tap.ended ??= performance.now() / 1000;
            }).observe(line, { childList: true, characterData: true, subtree: true });
        }"""
    )
    page.wait_for_function(_LOUD_NOW, timeout=15_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_function("window.tap.ended !== null", timeout=15_000)
    page.wait_for_timeout(600)
    ended_ms = page.evaluate("1000 * (window.tap.ended - window.tap.clicks.at(-1)[0])")
    silent_ms = page.evaluate(_MUTED_AFTER)
    times = {"mute": muted_ms, "stop": silent_ms, "ended_shown": ended_ms}
    return {**{k: round(v, 1) for k, v in times.items()}, "asked_unix_s": asked_unix_s}


_LOUD_NOW = """() => {
    const [, samples] = window.tap.blocks.at(-1) ?? [0, []];
    return samples.some((x) => Math.abs(x) > 0.2);
}"""

# Milliseconds from the last click to the last sample above −60 dB, on the page's clock.
_MUTED_AFTER = """() => {
    const { blocks, stamps, clicks } = window.tap;
    const differences = stamps.slice(-50).map(([card, page]) => page - card).sort((a, b) => a - b);
    const difference = differences[differences.length >> 1];
    let last = 0;
    for (const [frame, samples] of blocks.slice(-800))
        samples.forEach((x, k) => { if (Math.abs(x) > 0.001) last = Math.max(last, (frame + k) / 48000); });
    return 1000 * (last + difference - clicks.at(-1)[0]);
}"""
