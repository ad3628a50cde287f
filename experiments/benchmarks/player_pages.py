"""What bench_player's measurements share: a page with tap.js in it, waiting for a file, processor time."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

from experiments.tools.browser import ROOT, Server, jupyter_lab, open_notebook, run_all, write_notebook

TAP = (ROOT / "experiments" / "tools" / "tap.js").read_text(encoding="utf-8")


def say(line: str) -> None:
    """Print progress on stderr."""
    print(line, file=sys.stderr, flush=True)


def open_page(browser, server: Server, notebook: str):
    """Return a page in a new browser context that shows the notebook, with tap.js running in it."""
    context = browser.new_context(
        viewport={"width": 1500, "height": 1200}, permissions=["camera", "microphone"]
    )
    context.add_init_script(TAP)
    page = context.new_page()
    open_notebook(page, server, notebook)
    return page


def wait_for_file(path: Path, seconds: float) -> None:
    """Wait until a file exists. Raise RuntimeError where it does not appear within `seconds`."""
    give_up = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > give_up:
            raise RuntimeError(f"{path.name} was not written within {seconds:g} s")
        time.sleep(0.2)


def play_tapped(browser, folder: Path, cells: list[str], result: Path, seconds: float):
    """Run a notebook of these cells in a page until it has written `result`.

    Return what tap.js saw: draws (N, 2), stamps (M, 2), and the sound.
    """
    write_notebook(folder / "player.ipynb", cells)
    with jupyter_lab(folder) as server:
        page = open_page(browser, server, "player.ipynb")
        page.evaluate("window.tap.watch = true")
        run_all(page)
        wait_for_file(result, seconds)
        seen = [np.asarray(page.evaluate(f"window.tap.{name}")) for name in ("draws", "stamps")]
        sound = page.evaluate("window.tap.sound()")
        page.context.close()
    return *seen, sound


class ProcessLoad:
    """Measures the processor time of the kernel, the server and the browser from `begin` to `end`.

    `end` returns each as a share of one core.
    """

    def __init__(self, server_pid: int) -> None:
        self._server_pid = server_pid

    def _read(self) -> dict[str, float]:
        import psutil

        server = psutil.Process(self._server_pid)
        kernels = [p for p in server.children(recursive=True) if "ipykernel" in " ".join(p.cmdline())]
        browser = [
            p for p in psutil.Process(os.getpid()).children(recursive=True) if "chrom" in p.name().lower()
        ]

        def used(processes) -> float:
            total = 0.0
            for process in processes:
                try:
                    times = process.cpu_times()
                except psutil.NoSuchProcess:  # a helper of the browser that has ended
                    continue
                total += times.user + times.system
            return total

        return {"kernel": used(kernels), "server": used([server]), "browser": used(browser)}

    def begin(self) -> None:
        self._from_s, self._before = time.monotonic(), self._read()

    def end(self) -> dict[str, float]:
        elapsed_s, after = time.monotonic() - self._from_s, self._read()
        return {k: round((after[k] - self._before[k]) / elapsed_s, 3) for k in after}


def percentile_ms(values: np.ndarray, percentile: float) -> float:
    """Return a percentile of milliseconds (N,), to 0.1 ms."""
    return round(float(np.percentile(values, percentile)), 1)
