"""What viewers of `commentator serve` see, what they cost, and whether the commentary notices them.

Why these quantities: several people watch one run, each in a page of their own. The picture must reach all of them in
time; a viewer must not change what is said and when; and who plans a machine must know what one more viewer costs.

How: the server is a process of its own that shows match.mp4 (640×360, 25 frames/s, with sound) with the baseline
commentator and the embedded voice. The viewers join, the run is started over REST, and it ends by itself. The server's
processor time is the cost; the run's log has the commentary's own measures: seconds to the first sound, silence beyond
the pause, picture/sound error. Beside them stand those of the same run without a server. Two kinds of viewers:

    pages      pages in one Chromium, which sound; a frame counts when the page has drawn it
    protocol   the page's WebSocket protocol without a browser (serve_viewers.py); a frame counts when it came in time

A browser takes far more processor time than the server, so on a small machine pages measure the browser: the protocol's
viewers measure the server. `stuck` is a viewer that never reads, beside one that does. `end` is the time from SIGTERM
in mid-run, with four viewers, until the process has ended, its log written.

    python -m experiments.bench_serve --seconds 60
    python -m experiments.bench_serve --only protocol,stuck

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import numpy as np
import psutil
import typer

from commentator_lib.files import package_data
from commentator_lib.runs.meters import hardware
from commentator_lib.runs.reader import read_journal
from commentator_lib.session import LiveSession
from experiments.errors import UserError
from experiments.tools.browser import chromium
from experiments.tools.command_line import chosen_parts, help_text, new_app, run_app

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

PARTS = ("headless", "protocol", "pages", "stuck", "end")
MEASURES = ("first_sound_latency_s", "shortfall_s", "sync_error_s")
CLIP = package_data("clips") / "match.mp4"
_DRAWN = "document.querySelector('.live-player')?.dataset.drawn ?? 0"
_START_S, _LATE_S = 120.0, 120.0


@dataclass(slots=True)
class Served:
    """A server's process, its address and the folder of its runs."""

    process: subprocess.Popen[str]
    address: str
    runs: Path

    def get(self, path: str) -> dict[str, Any]:
        return httpx.get(f"http://{self.address}{path}", timeout=_START_S).raise_for_status().json()

    def start(self) -> None:
        """Start a run, and wait until its first frame is shown."""
        httpx.post(f"http://{self.address}/api/start", timeout=_START_S).raise_for_status()
        self.wait(lambda now: now["frames_shown"] > 0, _START_S)

    def wait(self, condition: Callable[[dict[str, Any]], bool], seconds: float) -> None:
        """Wait until the status meets a condition. Raise RuntimeError where it does not within `seconds`."""
        give_up = time.monotonic() + seconds
        while not condition(now := self.get("/api/status")):
            if time.monotonic() > give_up:
                raise RuntimeError(f"the server did not come so far: {now}")
            time.sleep(0.5)

    def processor_s(self) -> float:
        """Return the processor time that the process and its children have taken."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system + times.children_user + times.children_system

    def run_folder(self) -> Path:
        (folder,) = self.runs.iterdir()
        return folder


@contextlib.contextmanager
def serving(seconds: float) -> Generator[Served]:
    """Serve the clip from a process of its own; a run lasts `seconds`."""
    with tempfile.TemporaryDirectory() as temporary:
        runs = Path(temporary) / "runs"
        options = ["--port", "0", "--duration", str(seconds), "--runs-dir", str(runs), "--log-json"]
        command = [sys.executable, "-m", "commentator_lib", "serve", str(CLIP), *options]
        with open(Path(temporary) / "log", "w+", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                if "http://" not in line:
                    raise RuntimeError(f"the server did not start: {Path(log.name).read_text('utf-8')}")
                yield Served(process, line.split("http://")[1].strip().rstrip("/"), runs)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                finally:
                    process.kill()


# --- the commentary's own measures


def measures_of(folder: Path) -> dict[str, Any]:
    """Return how many comments a run's log has, and median and 95th percentile of each of `MEASURES`."""
    rows = [row for row in read_journal(folder / "cycles.jsonl") if row["outcome"] == "spoken"]
    result: dict[str, Any] = {"comments": len(rows)}
    for name in MEASURES:
        values = np.abs([row[name] for row in rows if row[name] is not None])
        quantiles = np.percentile(values, (50, 95)) if len(values) else (np.nan, np.nan)
        result |= {f"{name}_{q}": round(float(v), 3) for q, v in zip(("p50", "p95"), quantiles, strict=True)}
    return result


def headless(seconds: float) -> dict[str, Any]:
    """Run the clip in this process without a server; return the commentary's measures and the processor's share."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        before_s, began_s = sum(psutil.Process().cpu_times()[:2]), time.monotonic()
        LiveSession(str(CLIP), duration_s=seconds, run_dir=folder).run()
        share = (sum(psutil.Process().cpu_times()[:2]) - before_s) / (time.monotonic() - began_s)
        header = json.loads((folder / "run.json").read_text("utf-8"))
        return {
            "cores": round(share, 3),
            "frames_shown": header["frames_shown"],
            "frames_dropped": header["frames_dropped"],
            **measures_of(folder),
        }


# --- viewers


@contextlib.contextmanager
def protocol_viewers(served: Served, count: int) -> Generator[Callable[[], list[int]]]:
    """Let viewers without a browser join; yield what returns how many frames each had in time, and ends them."""
    if count == 0:
        yield list
        return
    command = [sys.executable, "-m", "experiments.benchmarks.serve_viewers", served.address, str(count)]
    viewers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end() -> list[int]:
        out, _ = viewers.communicate(timeout=_START_S)
        if viewers.returncode != 0:
            raise RuntimeError("a viewer was lost")
        return [viewer["in_time"] for viewer in json.loads(out.splitlines()[-1])]

    try:
        assert viewers.stdout is not None
        if viewers.stdout.readline() != "ready\n":
            raise RuntimeError("the viewers could not join")
        yield end
    finally:
        viewers.kill()
        viewers.wait()


@contextlib.contextmanager
def page_viewers(served: Served, count: int) -> Generator[Callable[[], list[int]]]:
    """Open pages in one Chromium, each in a window of its own; yield what returns how many frames each has drawn.

    Of the pages in one window, Chromium draws the one in front and holds back the others. And a page that Playwright
    has opened costs more than a viewer's: each message that it gets goes to Playwright as well. So these are opened
    beside it.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, chromium(playwright) as browser:
        pages = [
            UnseenPage(browser.new_browser_cdp_session(), f"http://{served.address}/") for _ in range(count)
        ]

        def read() -> list[int]:
            time.sleep(1.5)  # a page shows its counts once a second
            return [int(page.evaluate(_DRAWN)) for page in pages]

        def drawn() -> list[int]:
            before, now = read(), read()
            while now != before:
                before, now = now, read()
            return now

        yield drawn


class UnseenPage:
    """A page in a window and a profile of its own that Playwright does not follow, by Chromium's own protocol."""

    def __init__(self, session: CDPSession, address: str) -> None:
        self._session = session
        self._target = self._open(address)

    def _open(self, address: str) -> str:
        profile = self._session.send("Target.createBrowserContext")["browserContextId"]
        where = {
            "url": address,
            "browserContextId": profile,
            "newWindow": True,
            "width": 1070,
            "height": 760,
        }
        return self._session.send("Target.createTarget", where)["targetId"]

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answers: list[Any] = []
        self._session.once(
            "Target.receivedMessageFromTarget", lambda event: answers.append(json.loads(event["message"]))
        )
        own = self._session.send("Target.attachToTarget", {"targetId": self._target, "flatten": False})[
            "sessionId"
        ]
        asked = {"id": 1, "method": "Runtime.evaluate", "params": {"expression": expression}}
        self._session.send("Target.sendMessageToTarget", {"sessionId": own, "message": json.dumps(asked)})
        give_up = time.monotonic() + _START_S
        while not answers and time.monotonic() < give_up:
            self._session.send("Browser.getVersion")  # events come while something is asked
        self._session.send("Target.detachFromTarget", {"sessionId": own})
        return answers[0]["result"]["result"]["value"]


@contextlib.contextmanager
def stuck_viewer(served: Served) -> Generator[None]:
    """Let a viewer join that never reads."""
    host, _, port = served.address.partition(":")
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((host, int(port)))
        key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13"
        upgrade = f"Connection: Upgrade\r\nUpgrade: websocket\r\n{key}"
        line.sendall(f"GET /ws HTTP/1.1\r\nHost: {served.address}\r\n{upgrade}\r\n\r\n".encode())
        yield


def watched_run(
    seconds: float,
    count: int,
    viewers: Callable[[Served, int], contextlib.AbstractContextManager[Callable[[], list[int]]]],
    stuck: bool = False,
) -> dict[str, Any]:
    """Serve one run of `seconds` to `count` viewers; return what they saw, and what it cost."""
    with serving(seconds) as served, viewers(served, count) as seen, contextlib.ExitStack() as stack:
        if stuck:
            stack.enter_context(stuck_viewer(served))
        wanted = count + stuck
        served.wait(lambda now: now["viewers"] == wanted, _START_S)
        before_s, began_s = served.processor_s(), time.monotonic()
        served.start()
        served.wait(lambda now: not now["capture_running"], seconds + _LATE_S)
        used_s, passed_s = served.processor_s() - before_s, time.monotonic() - began_s
        counts = seen()
        places = served.get("/api/status")["viewers"]
        header = json.loads((served.run_folder() / "run.json").read_text("utf-8"))
        shown, captured = header["frames_shown"], header["frames_shown"] + header["frames_dropped"]
        result: dict[str, Any] = {
            "viewers": count,
            "cores": round(used_s / passed_s, 3),
            "frames_shown_share": round(shown / captured, 4),
            "viewer_frames_share": [round(n / shown, 4) for n in counts],
            "rss_bytes": psutil.Process(served.process.pid).memory_info().rss,
            **measures_of(served.run_folder()),
        }
        return result | ({"places_at_the_end": places} if stuck else {})


def ending(viewers: int = 4) -> dict[str, Any]:
    """Return how long the server takes from SIGTERM in mid-run to its end, and whether all was written.

    `end_processor_s` is its processor time meanwhile, which a busy machine changes little.
    """
    with serving(600) as served, protocol_viewers(served, viewers):
        served.start()
        served.wait(lambda now: now["cycle_count"] >= 2, _START_S)
        others_s, used_s, told_s = _children_s(), served.processor_s(), time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(60)
        seconds, processor_s = time.monotonic() - told_s, _children_s() - others_s - used_s
        header = json.loads((served.run_folder() / "run.json").read_text("utf-8"))
        written = header.get("finished", False) and (served.run_folder() / "cycles.parquet").exists()
    times = {"end_s": round(seconds, 2), "end_processor_s": round(processor_s, 2)}
    return {"viewers": viewers, **times, "written": bool(written)}


def _children_s() -> float:
    """Return the processor time of all child processes that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def said(name: str, row: dict[str, Any]) -> str:
    """Return a row in words."""
    words = [f"{name}: {row['cores']:.2f} cores"] if "cores" in row else [f"{name}: {row['end_s']:.1f} s"]
    if row.get("viewer_frames_share"):
        words.append(f"viewers had {min(row['viewer_frames_share']):.1%} of the frames or more")
    if "comments" in row:
        words.append(f"{row['comments']} comments, first sound {row['first_sound_latency_s_p50']:.2f} s")
        words.append(f"silence beyond the pause {row['shortfall_s_p50']:.2f} s")
        words.append(f"picture/sound error {row['sync_error_s_p50']:.3f} s (medians)")
    return ", ".join(words)


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    seconds: Annotated[float, typer.Option(help="Length of each run, s.")] = 60.0,
    counts: Annotated[str, typer.Option(help="How many viewers, parted by commas.")] = "1,4,16",
    only: Annotated[str, typer.Option(help=f"Parts to measure: {', '.join(PARTS)}.")] = ",".join(PARTS),
) -> None:
    if seconds < 10:
        raise UserError("give 10 seconds or more: a comment needs some")
    parts = chosen_parts(only, PARTS)
    try:
        numbers = sorted({int(text) for text in counts.split(",")})
    except ValueError:
        raise UserError(f"--counts is whole numbers with commas between, not {counts!r}") from None
    if numbers[0] < 1:
        raise UserError("--counts: each 1 or more")
    runs: dict[str, Callable[[], dict[str, Any]]] = {}
    if "headless" in parts:
        runs["headless"] = lambda: headless(seconds)
    if "protocol" in parts:
        for n in (0, *numbers):
            runs[f"protocol {n}"] = lambda n=n: watched_run(seconds, n, protocol_viewers)
    if "pages" in parts:
        for n in numbers:
            runs[f"pages {n}"] = lambda n=n: watched_run(seconds, n, page_viewers)
    if "stuck" in parts:
        runs["stuck"] = lambda: watched_run(seconds, 1, protocol_viewers, stuck=True)
    if "end" in parts:
        runs["end"] = ending
    result: dict[str, Any] = {}
    for name, measure in runs.items():
        load = os.getloadavg()[0]
        result[name] = {**measure(), "load_before": round(load, 1)}
        print(said(name, result[name]), file=sys.stderr, flush=True)
    if "protocol" in parts:
        alone, most = result["protocol 0"]["cores"], numbers[-1]
        result["cores_a_viewer"] = round((result[f"protocol {most}"]["cores"] - alone) / most, 4)
        print(f"{result['cores_a_viewer']:.4f} cores a viewer, with {most} of them", file=sys.stderr)
    machine = hardware()
    result |= {"seconds": seconds, "processor": machine["processor"], "machine_cores": machine["cores"]}
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_serve")
