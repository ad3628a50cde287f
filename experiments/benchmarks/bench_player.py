"""The player in a real browser: what reaches the canvas and the loudspeaker, and when.

A widget that seems to play smoothly may still drop frames, draw them late or leave gaps in the sound, and a person
who watches cannot say by how much. So this opens JupyterLab in Chromium, runs notebooks as a person would,
and measures from outside the player (experiments/tools/tap.js): every draw on the canvas, and every sample that
goes to the loudspeaker.

    drawn_share             frames of the source that a page has drawn
    draw_error              |drawn − due| of a frame, on the sound card's clock
    transport               kernel to page, from the encoded frame's sending to its arrival
    underruns               gaps within a comment, as the player counts them; the samples are checked too
    lip_sync                |beep − flash|: a clip that flashes, a commentator that beeps at each flash
    camera_fps              frames a second from Chromium's fake camera into the loop
    button                  from a click to its effect, while a cell keeps the kernel busy: the sound is off (mute,
                            stop), the commentator has the new instruction, the page shows that the run has ended

A drawn frame is on the screen at the screen's next refresh, up to 17 ms later. The browser is headless and its
sound card a null device, so delays of screens, sound cards and cables are not in these numbers.

    python -m experiments.bench_player [--seconds 60] [--only frames,lips,camera,buttons]

It reports each step on stderr. The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from commentator_lib.checks.browser import find_browser
from experiments.benchmarks.player_clips import SIZES
from experiments.benchmarks.player_input import measure_buttons, measure_camera
from experiments.benchmarks.player_pages import say
from experiments.benchmarks.player_sound import measure_frames, measure_lips
from experiments.errors import UserError
from experiments.tools.browser import ALLOW_CAMERA, FAKE_CAMERA, chromium
from experiments.tools.command_line import chosen_parts, help_text, new_app, run_app

PARTS = ("frames", "lips", "camera", "buttons")
app = new_app()


@app.command(help=help_text(__doc__))
def main(
    seconds: Annotated[float, typer.Option(help="Length of each measurement of frames, s.")] = 60.0,
    only: Annotated[str, typer.Option(help=f"Which parts: {', '.join(PARTS)}.")] = ",".join(PARTS),
) -> None:
    if find_browser() is None:
        raise UserError("Chromium is needed; install it, or set CHROMIUM to its path")
    parts = chosen_parts(only, PARTS)
    from playwright.sync_api import sync_playwright

    result: dict = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sync_playwright() as playwright, chromium(playwright, *FAKE_CAMERA, *ALLOW_CAMERA) as browser:
            if "frames" in parts:
                for label, size in SIZES.items():
                    result[label] = measure_frames(browser, folder / label.replace("@", "-"), size, seconds)
                    say(f"{label}: {json.dumps(result[label])}")
            if "lips" in parts:
                result["lip_sync_ms"] = {}
                for policy in ("playout", "serial"):
                    lips = measure_lips(browser, folder / policy, policy, seconds)
                    result["lip_sync_ms"][policy] = lips
                    say(f"lip-sync, {policy}: {json.dumps(lips)}")
            if "camera" in parts:
                result |= measure_camera(browser, folder / "camera", min(seconds, 20.0))
                say(f"camera: {result['camera_fps']} fps, {json.dumps(result['camera_latency_ms'])} ms")
            if "buttons" in parts:
                result["button_each_ms"] = measure_buttons(browser, folder / "buttons")
                effects = ("mute", "stop", "instruction")
                result["button_ms"] = max(v[k] for v in result["button_each_ms"].values() for k in effects)
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_player")
