"""The player in a real browser: what reaches the canvas and the loudspeaker, and when.

A widget that "plays smoothly" may still drop frames, draw them late or leave holes in the sound, and nobody
who looks at it can say by how much. So this opens JupyterLab in Chromium, runs notebooks as a person would,
and measures from outside the player (experiments/tools/tap.js): every draw on the canvas, and every sample that
went to the loudspeaker.

    drawn_share             frames of the source that a page has drawn
    draw_error              |drawn − due| of a frame, on the sound card's clock
    transport               kernel to page, from the encoded frame's sending to its arrival
    underruns               holes within a comment, as the player counts them; the samples are checked too
    lip_sync                |beep − flash|: a clip that flashes, a commentator that beeps at each flash
    camera_fps              frames a second from Chromium's fake camera into the loop
    button                  from a click to its effect, while a cell keeps the kernel busy: nothing is heard any
                            more (mute, stop), the commentator has the new instruction; and the run shown as ended

What is drawn is on the screen at its next turn, up to 17 ms later; the browser is headless and its sound card
a null one, so cables and screens are not in these numbers.

    python -m experiments.bench_player [--seconds 60] [--only frames,lips,camera,buttons]

Prints what it does on stderr, a table, and one JSON object as its last line.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from commentator_lib.checks.browser import find_browser
from commentator_lib.commentators.base import Commentator, CommentChunk
from experiments.tools.browser import (
    ALLOW_CAMERA,
    FAKE_CAMERA,
    ROOT,
    Server,
    chromium,
    jupyter_lab,
    open_notebook,
    run_all,
    write_notebook,
)

TAP = (ROOT / "experiments" / "tools" / "tap.js").read_text(encoding="utf-8")
RATE = 48_000
PARTS = ("frames", "lips", "camera", "buttons")
SIZES = {"640x360@25": (640, 360, 25), "1280x720@30": (1280, 720, 30)}

_SPEAKER = """
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
_SPEAKER_RESULT = """
session.wait()
player.draws.to_csv("draws.csv", index=False)
pages = {k: p.counts for k, p in player.pages.items()}
pathlib.Path("result.json").write_text(json.dumps({"pages": pages, "held_back": player.held_back_frames}))
"""
_FLASHES = """
from commentator_lib import LiveSession, load_settings
from commentator_lib.players.browser import LivePlayer
from experiments.benchmarks.bench_player import FlashCaller
player = LivePlayer()
commentator = FlashCaller()
session = LiveSession("flashes.mp4", load_settings(change_threshold=0, pause_s=0.5, policy="{policy}"),
                      commentator=commentator, players=[player], run_dir="run-{policy}").start()
player
"""
_FLASHES_RESULT = """
import json, pathlib
session.wait()
pathlib.Path("beeps.part").write_text(json.dumps(commentator.beeps))
pathlib.Path("beeps.part").rename("beeps.json")
"""
_CAMERA = """
from commentator_lib.notebook.control_panel import ControlPanel
desk = ControlPanel("browser camera", runs_dir=None)
session = desk.start()
desk
"""
_CAMERA_RESULT = """
import json, pathlib, time
time.sleep({seconds})
session = desk.session
source = session.source
rows = session.log.samples
pathlib.Path("camera.json").write_text(json.dumps({{
    "arrivals": list(source.arrivals), "captured": rows.frames_captured.tolist(), "at_s": rows.at_s.tolist(),
    "problem": source.problem}}))
desk.stop()
"""
_BUTTONS = """
from commentator_lib import load_settings
from commentator_lib.notebook.control_panel import ControlPanel
from experiments.benchmarks.bench_player import NotesPrompts
commentator = NotesPrompts()
desk = ControlPanel("clip.mp4", load_settings(change_threshold=0, pause_s=0.2), commentator=commentator, runs_dir=None)
session = desk.start()
desk
"""
_BUSY = """
import json, pathlib, time
pathlib.Path("busy").write_text("")
until = time.monotonic() + {seconds}
while time.monotonic() < until:
    {work}
pathlib.Path("prompts.json").write_text(json.dumps(commentator.asked))
"""


class FlashCaller(Commentator):
    """Beeps when a flash is on the screen. Its sound begins when the picture shows its newest frame, and it
    knows the clip: the beep lies as far into its sound as the next flash lies behind that frame."""

    name = "flash caller"
    flash_every_s, first_flash_s, flash_s, beep_s = 1.7, 1.0, 0.2, 0.1

    def __init__(self) -> None:
        self._rng = np.random.default_rng(7)
        self.beeps: list[
            tuple[int, float]
        ] = []  # the flash that each beep belongs to, and how far ahead it lay

    def warm_up(self) -> None:
        pass

    def comment(self, request):
        from commentator_lib.media import AudioChunk

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
    """Talks without end, and notes when it was asked what (Unix seconds, prompt)."""

    name = "notes prompts"

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []

    def warm_up(self) -> None:
        pass

    def comment(self, request):
        from commentator_lib.media import AudioChunk

        self.asked.append((time.time(), request.prompt))
        t = np.arange(24_000 * 4) / 24_000
        tone = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
        yield CommentChunk("On and on it goes.", AudioChunk(tone, 24_000), 6, 0.3)


def main(
    seconds: Annotated[float, typer.Option(help="Length of each measurement of frames, s.")] = 60.0,
    only: Annotated[str, typer.Option(help=f"Which parts: {', '.join(PARTS)}.")] = ",".join(PARTS),
) -> None:
    """Measure the player in Chromium; see the module's text."""
    parts = [part.strip() for part in only.split(",")]
    if unknown := set(parts) - set(PARTS):
        raise typer.BadParameter(f"unknown part {unknown.pop()!r}; known are {', '.join(PARTS)}")
    from playwright.sync_api import sync_playwright

    result: dict = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sync_playwright() as playwright, chromium(playwright, *FAKE_CAMERA, *ALLOW_CAMERA) as browser:
            if "frames" in parts:
                for label, size in SIZES.items():
                    result[label] = measure_frames(browser, folder / label.replace("@", "-"), size, seconds)
                    _say(f"{label}: {json.dumps(result[label])}")
            if "lips" in parts:
                result["lip_sync_ms"] = {}
                for policy in ("playout", "serial"):
                    lips = measure_lips(browser, folder / policy, policy, seconds)
                    result["lip_sync_ms"][policy] = lips
                    _say(f"lip-sync, {policy}: {json.dumps(lips)}")
            if "camera" in parts:
                result |= measure_camera(browser, folder / "camera", min(seconds, 20.0))
                _say(f"camera: {result['camera_fps']} fps, {json.dumps(result['camera_latency_ms'])} ms")
            if "buttons" in parts:
                result["button_each_ms"] = measure_buttons(browser, folder / "buttons")
                effects = ("mute", "stop", "instruction")
                result["button_ms"] = max(v[k] for v in result["button_each_ms"].values() for k in effects)
    print(json.dumps(result))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _open(browser, server: Server, notebook: str):
    context = browser.new_context(
        viewport={"width": 1500, "height": 1200}, permissions=["camera", "microphone"]
    )
    context.add_init_script(TAP)
    page = context.new_page()
    open_notebook(page, server, notebook)
    return page


def make_clip(path: Path, size: tuple[int, int, int], seconds: float) -> None:
    """The demo clips, over and over, scaled to `size` = (width, height, frames a second)."""
    import cv2

    from commentator_lib.sources.open import demo_clips
    from commentator_lib.sources.playlist import Playlist

    width, height, fps = size
    source = Playlist(demo_clips(), duration_s=2 * seconds)  # every frame once, at the new rate
    frames = (source.read() for _ in range(round(seconds * fps)))
    _encode(path, size, "18", (cv2.resize(frame.image, (width, height)) for frame in frames))
    source.close()


def make_flashes(path: Path, seconds: float, fps: int = 25) -> None:
    """Dark pictures with a flash of 0.2 s at FlashCaller's times."""

    def picture(k: int) -> np.ndarray:
        since_s = (k / fps + 1e-6 - FlashCaller.first_flash_s) % FlashCaller.flash_every_s
        lit = k / fps + 1e-6 >= FlashCaller.first_flash_s and since_s < FlashCaller.flash_s
        image = np.full((360, 640, 3), 240 if lit else 16, np.uint8)
        image[::40, :, 0] = k % 200
        return image

    _encode(path, (640, 360, fps), "10", (picture(k) for k in range(round(seconds * fps))))


def _encode(path: Path, size: tuple[int, int, int], crf: str, images: Iterator[np.ndarray]) -> None:
    """H.264 of (H, W, 3) uint8 RGB pictures."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=size[2], options={"preset": "ultrafast", "crf": crf})
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        for image in images:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)


def _wait_for(path: Path, seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > give_up:
            raise RuntimeError(f"{path.name} was not written within {seconds:g} s")
        time.sleep(0.2)


# --- frames and sound


def measure_frames(browser, folder: Path, size: tuple[int, int, int], seconds: float) -> dict:
    folder.mkdir()
    make_clip(folder / "clip.mp4", size, seconds)
    write_notebook(folder / "player.ipynb", [_SPEAKER, _SPEAKER_RESULT])
    with jupyter_lab(folder) as server:
        page = _open(browser, server, "player.ipynb")
        load = ProcessLoad(server.process.pid)
        run_all(page)
        page.wait_for_function("window.tap.draws.length > 0", timeout=60_000)
        load.begin()
        _wait_for(folder / "result.json", seconds + 60)
        used = load.end()
        draws = page.evaluate("window.tap.draws.length")
        sound = page.evaluate("window.tap.sound()")
        page.context.close()
    frames = round(seconds * size[2])
    table = np.genfromtxt(folder / "draws.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    error_ms = 1000 * np.abs(table["drawn_s"] - table["due_s"])
    transport_ms = 1000 * (table["received_s"] - table["sent_s"])
    told = json.loads((folder / "result.json").read_text())
    (counts,) = told["pages"].values()
    checked, exact, worst = check_sound(folder / "run", sound)
    return {
        "drawn_share": round(draws / frames, 4),
        "draw_error_p50_ms": _ms(error_ms, 50),
        "draw_error_p95_ms": _ms(error_ms, 95),
        "transport_p50_ms": _ms(transport_ms, 50),
        "transport_p95_ms": _ms(transport_ms, 95),
        "underruns": counts["underruns"],
        "frames_late": counts["late"],
        "frames_lost": counts["lost"],
        "frames_held_back": told["held_back"],
        "comments_checked": checked,
        "comments_sample_exact": exact,
        "worst_sample_error": worst,
        "cpu_core_share": used,
    }


def check_sound(run: Path, sound: dict) -> tuple[int, int, int]:
    """Compares each comment of the run log's recording with what went to the loudspeaker.

    Returns (comments found whole, of them equal to the sample, largest difference of int16 samples).
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
        _say(f"the tap itself missed blocks: {sound['missing']}")
    checked = exact = worst = 0
    for parts in pieces.values():
        wanted = np.concatenate(parts).astype(np.float32)
        probe = wanted[: 2 * RATE]
        # Where it lies in what was heard, by cross-correlation.
        from scipy.signal import correlate

        at = int(np.argmax(correlate(heard, probe, mode="valid", method="fft")))
        found = heard[at : at + len(wanted)]
        if len(found) < len(wanted):
            continue  # the end of the run cut it
        error = int(np.abs(found - wanted).max())
        checked, exact, worst = checked + 1, exact + (error <= 1), max(worst, error)
    return checked, exact, worst


class ProcessLoad:
    """Processor time of the kernel, the server and the browser between `begin` and `end`, in cores."""

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


def _ms(values: np.ndarray, percentile: float) -> float:
    return round(float(np.percentile(values, percentile)), 1)


# --- lip-sync


def measure_lips(browser, folder: Path, policy: str, seconds: float) -> dict:
    folder.mkdir()
    make_flashes(folder / "flashes.mp4", seconds)
    write_notebook(folder / "player.ipynb", [_FLASHES.format(policy=policy), _FLASHES_RESULT])
    with jupyter_lab(folder) as server:
        page = _open(browser, server, "player.ipynb")
        page.evaluate("window.tap.watch = true")
        run_all(page)
        _wait_for(folder / "beeps.json", seconds + 60)
        draws = np.asarray(page.evaluate("window.tap.draws"))
        stamps = np.asarray(page.evaluate("window.tap.stamps"))
        sound = page.evaluate("window.tap.sound()")
        page.context.close()
    flashes_s = onsets(draws[:, 0], draws[:, 1] > 128)
    heard = np.frombuffer(base64.b64decode(sound["base64"]), np.int16)
    loud = np.abs(heard.astype(np.int32)) > 3000
    edges = np.flatnonzero(loud)
    starts = edges[np.diff(edges, prepend=-RATE) > RATE // 4]
    card_s = (sound["first"] + starts) / RATE
    # The sound card's time to the page's: the median of what the browser said of the two, half a minute about.
    beeps_s = np.asarray([s + _median_difference(stamps, s) for s in card_s])
    # The k-th beep is the k-th comment's; one whose flash lies behind the clip's end has nothing to be early for.
    belongs = [flash for flash, _ in json.loads((folder / "beeps.json").read_text())]
    pairs = [
        (b, flashes_s[flash]) for b, flash in zip(beeps_s, belongs, strict=False) if flash < len(flashes_s)
    ]
    errors_ms = np.asarray([1000 * (beep_s - flash_s) for beep_s, flash_s in pairs])
    return {
        "median": round(float(np.median(np.abs(errors_ms))), 1),
        "p95": _ms(np.abs(errors_ms), 95),
        "signed_median": round(float(np.median(errors_ms)), 1),
        "second_half_median": round(float(np.median(np.abs(errors_ms[len(errors_ms) // 2 :]))), 1),
        "beeps": len(errors_ms),
        "flashes_shown": len(flashes_s),
    }


def onsets(at_s: np.ndarray, on: np.ndarray) -> np.ndarray:
    """Times at which a row of observations turns from off to on."""
    return at_s[1:][on[1:] & ~on[:-1]]


def _median_difference(stamps: np.ndarray, card_s: float) -> float:
    near = stamps[np.abs(stamps[:, 0] - card_s) < 15]
    return float(np.median(near[:, 1] - near[:, 0]))


# --- camera


def measure_camera(browser, folder: Path, seconds: float) -> dict:
    folder.mkdir()
    write_notebook(folder / "camera.ipynb", [_CAMERA, _CAMERA_RESULT.format(seconds=seconds)])
    with jupyter_lab(folder) as server:
        page = _open(browser, server, "camera.ipynb")
        run_all(page)
        _wait_for(folder / "camera.json", seconds + 60)
        page.context.close()
    told = json.loads((folder / "camera.json").read_text())
    if told["problem"]:
        raise RuntimeError(told["problem"])
    captured, at_s = np.asarray(told["captured"]), np.asarray(told["at_s"])
    going = np.flatnonzero(captured > 0)
    first = going[0] + 1  # the second in which it began is not whole
    fps = (captured[-1] - captured[first]) / (at_s[-1] - at_s[first])
    arrivals = np.asarray(told["arrivals"])
    latency_ms = 1000 * (arrivals[:, 1] - arrivals[:, 0])
    return {
        "camera_fps": round(float(fps), 1),
        "camera_latency_ms": {"median": _ms(latency_ms, 50), "p95": _ms(latency_ms, 95)},
    }


# --- buttons


def measure_buttons(browser, folder: Path) -> dict:
    """Click to effect in milliseconds, with a sleeping cell and with one that computes."""
    folder.mkdir()
    make_clip(folder / "clip.mp4", SIZES["640x360@25"], 45)
    result = {}
    for kind, work in (("sleeping cell", "time.sleep(0.1)"), ("computing cell", "sum(range(20_000))")):
        for left in ("busy", "prompts.json"):
            (folder / left).unlink(missing_ok=True)
        write_notebook(folder / "desk.ipynb", [_BUTTONS, _BUSY.format(seconds=14, work=work)])
        with jupyter_lab(folder) as server:
            page = _open(browser, server, "desk.ipynb")
            run_all(page)
            _wait_for(folder / "busy", 60)
            page.wait_for_function("window.tap.draws.length > 50", timeout=30_000)
            result[kind] = _press(page)
            _wait_for(folder / "prompts.json", 60)
            asked = json.loads((folder / "prompts.json").read_text())
            clicked_at = result[kind].pop("asked_unix_s")
            taken = [at for at, prompt in asked if "green hat" in prompt]
            result[kind]["instruction"] = round(1000 * (taken[0] - clicked_at), 1)
            page.context.close()
        _say(f"buttons, {kind}: {json.dumps(result[kind])}")
    return result


def _press(page) -> dict:
    """Mute, ask and stop, each when there is something to be heard."""
    page.wait_for_function(_LOUD_NOW, timeout=15_000)
    page.locator(".live-player .mute").click()
    page.wait_for_timeout(600)
    muted_ms = page.evaluate(_MUTED_AFTER)
    page.locator(".live-player .mute").click()
    page.get_by_label("Instruction").fill("Who wears the green hat?")
    page.get_by_role("button", name="Ask now", exact=True).click()
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
# From the click to the last sample above −60 dB, on the page's clock.
_MUTED_AFTER = """() => {
    const { blocks, stamps, clicks } = window.tap;
    const differences = stamps.slice(-50).map(([card, page]) => page - card).sort((a, b) => a - b);
    const difference = differences[differences.length >> 1];
    let last = 0;
    for (const [frame, samples] of blocks.slice(-800))
        samples.forEach((x, k) => { if (Math.abs(x) > 0.001) last = Math.max(last, (frame + k) / 48000); });
    return 1000 * (last + difference - clicks.at(-1)[0]);
}"""


if __name__ == "__main__":
    if find_browser() is None:
        print("bench_player: Chromium is needed; install it, or set CHROMIUM to its path", file=sys.stderr)
        sys.exit(2)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
