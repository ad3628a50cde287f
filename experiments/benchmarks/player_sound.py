"""Frames, sound and lip-sync of the player in a browser: what was drawn and heard, and when."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from experiments.benchmarks.player_cells import FLASHES, FLASHES_RESULT, SPEAKER, SPEAKER_RESULT
from experiments.benchmarks.player_clips import make_clip, make_flashes
from experiments.benchmarks.player_pages import (
    ProcessLoad,
    open_page,
    percentile_ms,
    play_tapped,
    say,
    wait_for_file,
)
from experiments.tools.browser import jupyter_lab, run_all, write_notebook

RATE = 48_000  # samples a second of the loudspeaker


def measure_frames(browser, folder: Path, size: tuple[int, int, int], seconds: float) -> dict:
    """Play a clip of `size` = (width px, height px, frames a second); return how it was drawn and heard."""
    # 1) run the notebook
    folder.mkdir()
    make_clip(folder / "clip.mp4", size, seconds)
    write_notebook(folder / "player.ipynb", [SPEAKER, SPEAKER_RESULT])
    with jupyter_lab(folder) as server:
        page = open_page(browser, server, "player.ipynb")
        load = ProcessLoad(server.process.pid)
        run_all(page)
        page.wait_for_function("window.tap.draws.length > 0", timeout=60_000)
        load.begin()
        wait_for_file(folder / "result.json", seconds + 60)
        used = load.end()
        draws = page.evaluate("window.tap.draws.length")
        sound = page.evaluate("window.tap.sound()")
        page.context.close()
    # 2) compare what the page drew and played with what it should have
    frames = round(seconds * size[2])
    table = np.genfromtxt(folder / "draws.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    error_ms = 1000 * np.abs(table["drawn_s"] - table["due_s"])
    transport_ms = 1000 * (table["received_s"] - table["sent_s"])
    saved = json.loads((folder / "result.json").read_text())
    (counts,) = saved["pages"].values()
    checked, exact, worst = check_sound(folder / "run", sound)
    return {
        "drawn_share": round(draws / frames, 4),
        "draw_error_p50_ms": percentile_ms(error_ms, 50),
        "draw_error_p95_ms": percentile_ms(error_ms, 95),
        "transport_p50_ms": percentile_ms(transport_ms, 50),
        "transport_p95_ms": percentile_ms(transport_ms, 95),
        "underruns": counts["underruns"],
        "frames_late": counts["late"],
        "frames_lost": counts["lost"],
        "frames_held_back": saved["held_back"],
        "comments_checked": checked,
        "comments_sample_exact": exact,
        "worst_sample_error": worst,
        "cpu_core_share": used,
    }


def check_sound(run: Path, sound: dict) -> tuple[int, int, int]:
    """Compare each comment in the run's recording with the samples that went to the loudspeaker.

    Return (comments found complete, how many of them are equal within 1 step, largest difference in int16 steps).
    """
    heard = np.frombuffer(base64.b64decode(sound["base64"]), np.int16).astype(np.float32)
    pcm = np.fromfile(run / "voice.pcm", np.int16)
    pieces: dict[int, list[np.ndarray]] = {}
    for line in (run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["kind"] == "sound":
            at, count = event["at_sample"], event["samples"]
            part = np.zeros(count, np.int16) if at is None else pcm[at : at + count]
            pieces.setdefault(event["cycle"], []).append(part)
    if sound["missing"]:
        say(f"tap.js itself missed blocks: {sound['missing']}")
    from scipy.signal import correlate

    checked = exact = worst = 0
    behind = (
        0  # the comment before ends here: a line that is said twice must not be found where it was said first
    )
    for parts in pieces.values():
        wanted = np.concatenate(parts).astype(np.float32)
        probe = wanted[: 2 * RATE]
        if len(heard) - behind < len(wanted):
            continue  # the run ended within this comment
        # find it in what was heard, by cross-correlation
        at = behind + int(np.argmax(correlate(heard[behind:], probe, mode="valid", method="fft")))
        found = heard[at : at + len(wanted)]
        if len(found) < len(wanted):
            continue
        behind = at + len(wanted)
        error = int(np.abs(found - wanted).max())
        checked, exact, worst = checked + 1, exact + (error <= 1), max(worst, error)
    return checked, exact, worst


def measure_lips(browser, folder: Path, policy: str, seconds: float) -> dict:
    """Play a clip with flashes to a commentator that beeps; return beep − flash in ms, under one policy."""
    # 1) run the notebook
    folder.mkdir()
    make_flashes(folder / "flashes.mp4", seconds)
    cells = [FLASHES.format(policy=policy), FLASHES_RESULT]
    draws, stamps, sound = play_tapped(browser, folder, cells, folder / "beeps.json", seconds + 60)
    # 2) times of the flashes and beeps on the page's clock
    flashes_s = onsets(draws[:, 0], draws[:, 1] > 128)
    heard = np.frombuffer(base64.b64decode(sound["base64"]), np.int16)
    loud = np.abs(heard.astype(np.int32)) > 3000
    edges = np.flatnonzero(loud)
    starts = edges[np.diff(edges, prepend=-RATE) > RATE // 4]
    card_s = (sound["first"] + starts) / RATE
    beeps_s = np.asarray([s + median_difference(stamps, s) for s in card_s])
    # 3) the k-th beep is the k-th comment's; leave out a beep whose flash would come after the clip's end
    flash_of = [flash for flash, _ in json.loads((folder / "beeps.json").read_text())]
    pairs = [
        (b, flashes_s[flash]) for b, flash in zip(beeps_s, flash_of, strict=False) if flash < len(flashes_s)
    ]
    errors_ms = np.asarray([1000 * (beep_s - flash_s) for beep_s, flash_s in pairs])
    return {
        "median": round(float(np.median(np.abs(errors_ms))), 1),
        "p95": percentile_ms(np.abs(errors_ms), 95),
        "signed_median": round(float(np.median(errors_ms)), 1),
        "second_half_median": round(float(np.median(np.abs(errors_ms[len(errors_ms) // 2 :]))), 1),
        "beeps": len(errors_ms),
        "flashes_shown": len(flashes_s),
    }


def onsets(at_s: np.ndarray, on: np.ndarray) -> np.ndarray:
    """Return the times at which `on` (N,) changes from False to True; `at_s` (N,) are the observations' times."""
    return at_s[1:][on[1:] & ~on[:-1]]


def median_difference(stamps: np.ndarray, card_s: float) -> float:
    """Return page clock − sound card clock at `card_s`: the median of the stamps (N, 2) within 15 s of it."""
    near = stamps[np.abs(stamps[:, 0] - card_s) < 15]
    return float(np.median(near[:, 1] - near[:, 0]))
