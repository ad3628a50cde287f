"""bench_sound in a browser: the programme's sound and the picture of a page, measured from outside the player."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from experiments.benchmarks.player_pages import play_tapped
from experiments.benchmarks.player_sound import RATE, median_difference, onsets
from experiments.benchmarks.sound_clips import errors_ms, make_flashing_clip, starts_s, summary

# A commentator that answers at once and says nothing aloud; with policy serial and alpha 1 the delay follows it.
CELL = """
from commentator_lib import LiveSession, load_settings
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.players.browser import LivePlayer
player = LivePlayer()
commentator = ScriptedCommentator(["Nothing is said aloud here."], CostModel(0.25, 0.0, 0.5), seed=1)
settings = load_settings(change_threshold=0, speech=False, watchers=(), {settings})
session = LiveSession("clip.mp4", settings, commentator=commentator, players=[player], run_dir="run").start()
player
"""
RESULT = """
import json, pathlib
session.wait()
(page,) = player.pages.values()
header = {k: session.log.header[k] for k in ("programme_jumps", "programme_stretched_s")}
saved = {"counts": page.counts, "header": header,
         "delays": [r["delay_applied_s"] for r in session.log.sample_rows if r["delay_applied_s"]]}
pathlib.Path("result.part").write_text(json.dumps(saved))
pathlib.Path("result.part").rename("result.json")
"""
REST = "delay_init_s=0.8, policy='serial', delay_ema_alpha=0.0"
FALLS = "delay_init_s=5.0, policy='serial', delay_ema_alpha=1.0"


def _play(browser, folder: Path, seconds: float, settings: str, size: tuple[int, int, int]):
    """Play the flashing clip; return (draws (N, 2), stamps (M, 2), sound, saved result)."""
    folder.mkdir()
    make_flashing_clip(folder / "clip.mp4", seconds, size)
    cells, result = [CELL.format(settings=settings), RESULT], folder / "result.json"
    draws, stamps, sound = play_tapped(browser, folder, cells, result, seconds + 90)
    return draws, stamps, sound, json.loads(result.read_text())


def measure_step(browser, folder: Path, seconds: float, falls: bool) -> dict:
    """Return beep − flash in a page, in ms; `falls`: while the delay falls from 5 s, else at rest."""
    draws, stamps, sound, saved = _play(browser, folder, seconds, FALLS if falls else REST, (640, 360, 25))
    heard = np.frombuffer(base64.b64decode(sound["base64"]), np.int16)
    card_s = sound["first"] / RATE + starts_s(heard, 4000)
    beeps_s = np.asarray([s + median_difference(stamps, s) for s in card_s])
    flashes_s = onsets(draws[:, 0], draws[:, 1] > 128)
    delays = saved["delays"]
    return {
        **summary(errors_ms(flashes_s, beeps_s)),
        "flashes": len(flashes_s),
        "delay_from_s": round(max(delays), 2),
        "delay_to_s": round(min(delays), 2),
        **saved["header"],
        "programme_underruns": saved["counts"].get("programme_underruns", 0),
    }


def measure_gaps(browser, folder: Path, seconds: float) -> dict:
    """Play 1280×720 at 30 frames/s; return the underruns, and the silent stretches in what the page sounded."""
    _, _, sound, saved = _play(browser, folder, seconds, REST, (1280, 720, 30))
    heard = np.frombuffer(base64.b64decode(sound["base64"]), np.int16)
    sounding = np.flatnonzero(heard)
    inner = heard[sounding[0] : sounding[-1] + 1]
    # noise is never zero for long: a run of zeros is a gap
    zeros = np.diff(np.flatnonzero(np.r_[True, inner != 0, True]))
    return {
        "programme_underruns": saved["counts"].get("programme_underruns", 0),
        "gaps_over_1_ms": int(np.sum(zeros > RATE // 1000)),
        "heard_s": round(len(inner) / RATE, 2),
        "frames_late": saved["counts"]["late"],
        **saved["header"],
    }
