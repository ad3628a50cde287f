"""What runs leave in memory: nothing that grows, with a player for each or with one panel for all."""

from __future__ import annotations

import subprocess
import sys

import pytest

from experiments.tools.browser import ROOT

# Six live runs in one process; each prints the memory after it, in MB. The models that read text are loaded once a
# process and stay; on a busy machine that may fall into the second run, so they are loaded before the first.
LOAD = """
import numpy as np
from commentator_lib.watching.ocr import TextReader
TextReader().find_lines(np.zeros((360, 640, 3), np.uint8))
"""
PLAYERS = (
    LOAD
    + """
import psutil
from commentator_lib import LiveSession, load_settings
from commentator_lib.players.browser import LivePlayer
for _ in range(6):
    player = LivePlayer()
    session = LiveSession("demo", load_settings(), players=[player], duration_s=5.0).start()
    session.wait()
    player.close()
    print(psutil.Process().memory_info().rss / 1e6, flush=True)
"""
)
PANEL = (
    LOAD
    + """
import psutil
from commentator_lib.notebook.control_panel import ControlPanel
panel = ControlPanel("demo", duration_s=5.0, runs_dir=None)
for _ in range(6):
    panel.start()
    panel.wait()
    print(psutil.Process().memory_info().rss / 1e6, flush=True)
"""
)
# Run All again and again: each time a new panel, which closes the one before.
PANELS = (
    LOAD
    + """
import psutil
from commentator_lib.notebook.control_panel import ControlPanel
for _ in range(6):
    panel = ControlPanel("demo", duration_s=5.0, runs_dir=None)
    panel.start()
    panel.wait()
    print(psutil.Process().memory_info().rss / 1e6, flush=True)
"""
)


@pytest.mark.realtime
@pytest.mark.parametrize("runs", [PLAYERS, PANEL, PANELS], ids=["players", "one panel", "a panel each"])
def test_six_runs_take_no_more_memory_than_the_first(runs):
    done = subprocess.run([sys.executable, "-c", runs], capture_output=True, text=True, cwd=ROOT, timeout=280)
    assert done.returncode == 0, done.stderr
    after_mb = [float(line) for line in done.stdout.split()]
    print([round(mb) for mb in after_mb])
    assert len(after_mb) == 6
    # A busy machine moves each by some tens of MB: which threads run together decides where pictures lie.
    assert min(after_mb[3:]) < 1.2 * max(after_mb[:2]), after_mb
