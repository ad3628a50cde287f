"""The programme's sound: in step with the picture, gapless, ducked under the voice, and what it costs.

Why: a sound that is 45 ms early or 125 ms late is noticed (ITU-R BT.1359), a gap of a millisecond is heard as a click,
and a voice that is not louder than its crowd is not understood. A delay that adapts endangers all of them.

    page         flash on the canvas against beep in the output, in Chromium: at rest, and while the delay falls
                 from 5 s; gaps and underruns in 60 s of 1280×720 at 30 frames/s
    mp4          the same in the exported file
    exact        the programme's samples at rest against the source's
    mix          how much softer the programme is under the voice, loudness of the voice, true peak (EBU R128)
    cost         processor time with and without stereo sound at 640×360; memory from minute 2 to minute 10 (virtual)

    python -m experiments.bench_sound [--seconds 60] [--only page,mp4,exact,mix,cost]

The clip flashes and beeps at each full second. The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from experiments.benchmarks.player_pages import say
from experiments.benchmarks.sound_offline import measure_cost, measure_exact, measure_mix, measure_mp4
from experiments.benchmarks.sound_page import measure_gaps, measure_step
from experiments.errors import UserError
from experiments.tools.command_line import chosen_parts, help_text, new_app, run_app

PARTS = ("page", "mp4", "exact", "mix", "cost")
app = new_app()


@app.command(help=help_text(__doc__))
def main(
    seconds: Annotated[float, typer.Option(help="Length of each live measurement, s, at least 20.")] = 60.0,
    only: Annotated[str, typer.Option(help=f"Which parts: {', '.join(PARTS)}.")] = ",".join(PARTS),
) -> None:
    parts = chosen_parts(only, PARTS)
    if seconds < 20:
        raise UserError("give 20 seconds or more")
    result: dict = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in parts:
            if part == "page":
                result["page"] = _measure_page(folder, seconds)
            else:
                measure = {
                    "mp4": measure_mp4,
                    "exact": measure_exact,
                    "mix": measure_mix,
                    "cost": measure_cost,
                }[part]
                result[part] = measure(folder, seconds)
            say(f"{part}: {json.dumps(result[part])}")
    print(json.dumps(result))


def _measure_page(folder: Path, seconds: float) -> dict:
    from playwright.sync_api import sync_playwright

    from commentator_lib.checks.browser import find_browser
    from experiments.tools.browser import chromium

    if find_browser() is None:
        raise UserError("Chromium is needed; install it, or set CHROMIUM to its path")
    with sync_playwright() as playwright, chromium(playwright) as browser:
        return {
            "rest": measure_step(browser, folder / "rest", seconds, falls=False),
            "falling": measure_step(browser, folder / "falling", max(seconds, 60.0), falls=True),
            "720p30": measure_gaps(browser, folder / "gaps", seconds),
        }


if __name__ == "__main__":
    run_app(app, "bench_sound")
