"""The notebook cells that bench_player runs, and the commentators that speak in them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from commentator_lib.commentators.base import Commentator, CommentChunk, CommentRequest
from commentator_lib.media import AudioChunk

SPEAKER = """
from commentator_lib import LiveSession, load_settings
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.players.browser import LivePlayer
import json, pathlib

LINES = ["The left winger takes it on his chest and turns.", "A long ball, far too long, and the keeper has it.",
         "Corner from the right. It is headed away."]
player = LivePlayer()
commentator = ScriptedCommentator(LINES, CostModel(1.0, 0.15, 4.0), sound=None, seed=1)
session = LiveSession("clip.mp4", load_settings(change_threshold=0), commentator=commentator, players=[player],
                      run_dir="run").start()
player
"""

SPEAKER_RESULT = """
session.wait()
player.draws.to_csv("draws.csv", index=False)
pages = {k: p.counts for k, p in player.pages.items()}
pathlib.Path("result.json").write_text(json.dumps({"pages": pages, "held_back": player.held_back_frames}))
"""

FLASHES = """
from commentator_lib import LiveSession, load_settings
from commentator_lib.players.browser import LivePlayer
from experiments.benchmarks.player_cells import FlashCaller
player = LivePlayer()
commentator = FlashCaller()
session = LiveSession("flashes.mp4", load_settings(change_threshold=0, pause_s=0.5, policy="{policy}"),
                      commentator=commentator, players=[player], run_dir="run-{policy}").start()
player
"""

FLASHES_RESULT = """
import json, pathlib
session.wait()
pathlib.Path("beeps.part").write_text(json.dumps(commentator.beeps))
pathlib.Path("beeps.part").rename("beeps.json")
"""

CAMERA = """
from commentator_lib.notebook.control_panel import ControlPanel
panel = ControlPanel("browser camera", runs_dir=None)
session = panel.start()
panel
"""

CAMERA_RESULT = """
import json, pathlib, time
time.sleep({seconds})
session = panel.session
source = session.source
rows = session.log.samples
pathlib.Path("camera.json").write_text(json.dumps({{
    "arrivals": list(source.arrivals), "captured": rows.frames_captured.tolist(), "at_s": rows.at_s.tolist(),
    "problem": source.problem}}))
panel.stop()
"""

BUTTONS = """
from commentator_lib import load_settings
from commentator_lib.notebook.control_panel import ControlPanel
from experiments.benchmarks.player_cells import NotesPrompts
commentator = NotesPrompts()
panel = ControlPanel("clip.mp4", load_settings(change_threshold=0, pause_s=0.2), commentator=commentator, runs_dir=None)
session = panel.start()
panel
"""

BUSY = """
import json, pathlib, time
pathlib.Path("busy").write_text("")
until = time.monotonic() + {seconds}
while time.monotonic() < until:
    {work}
pathlib.Path("prompts.json").write_text(json.dumps(commentator.asked))
"""


class FlashCaller(Commentator):
    """A commentator that beeps at the next flash of the clip of `make_flashes`, whose times it knows.

    Its sound starts when its newest frame is on the screen, so the beep comes as many seconds into the sound as the
    next flash comes after that frame.
    """

    name = "flash caller"
    may_repeat = True
    flash_every_s, first_flash_s, flash_s, beep_s = 1.7, 1.0, 0.2, 0.1

    def __init__(self) -> None:
        self._rng = np.random.default_rng(7)
        # for each beep: the number of its flash, and the seconds from the newest frame to it
        self.beeps: list[tuple[int, float]] = []

    def warm_up(self) -> None:
        pass

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:

        newest_s = request.frames[-1].pts_s
        flash = max(0, int(np.ceil((newest_s + 0.1 - self.first_flash_s) / self.flash_every_s)))
        ahead_s = self.first_flash_s + flash * self.flash_every_s - newest_s
        self.beeps.append((flash, ahead_s))
        samples = np.zeros(round(24_000 * (ahead_s + self.beep_s + 0.2)), np.float32)
        at = round(24_000 * ahead_s)
        t = np.arange(round(24_000 * self.beep_s)) / 24_000
        samples[at : at + len(t)] = 0.5 * np.cos(2 * np.pi * 1000 * t)
        cost_s = max(0.2, self._rng.normal(1.0, 0.15))
        yield CommentChunk("A flash, and a beep.", AudioChunk(samples, 24_000), 6, cost_s)


class NotesPrompts(Commentator):
    """A commentator that plays a tone of `tone_s` seconds each time; `asked` lists (Unix time in seconds, prompt)."""

    name = "notes prompts"
    may_repeat = True

    def __init__(self, tone_s: float = 4.0) -> None:
        self.tone_s = tone_s
        self.asked: list[tuple[float, str]] = []

    def warm_up(self) -> None:
        pass

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        self.asked.append((time.time(), request.prompt))
        t = np.arange(round(24_000 * self.tone_s)) / 24_000
        tone = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
        yield CommentChunk("On and on it goes.", AudioChunk(tone, 24_000), 6, 0.3)
