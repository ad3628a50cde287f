"""The microphone of the browser's camera: its sound comes, without gaps, at the time of the frames taken with it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.notebook.page.conftest import talking, until

# Reads a camera as a session does, and tells what is bright and what is loud at which media time.
READ = """
import ipywebrtc, json, pathlib, threading, time
import numpy as np
from commentator_lib.sources.browser_camera import BrowserCamera
camera = BrowserCamera(ipywebrtc.CameraStream(constraints={"audio": True, "video": True}), microphone=True, fps=60)
source = camera.source()
told = {"frames": [], "chunks": [], "loud": [], "wall": []}
def read():
    while (frame := source.read()) is not None:
        told["frames"].append([frame.pts_s, float(frame.image[::8, ::8].mean())])
        for chunk in source.read_sound():
            told["chunks"].append([chunk.from_s, len(chunk.samples), chunk.samples.shape[1]])
            told["wall"].append(time.time())
            loud = np.abs(chunk.samples[:, 0].astype(int)).reshape(-1)
            windows = loud[: len(loud) // 48 * 48].reshape(-1, 48).max(axis=1)  # of 1 ms
            told["loud"] += [chunk.from_s + k / 1000 for k in np.flatnonzero(windows > 1500)]
def tell():
    while True:
        part = pathlib.Path("told.part")
        part.write_text(json.dumps({**told, "problem": source.problem}))
        part.replace("told.json")
        time.sleep(0.25)
threading.Thread(target=read, daemon=True).start()
threading.Thread(target=tell, daemon=True).start()
from commentator_lib.players.browser import LivePlayer
LivePlayer()
"""
# A camera that flashes and beeps at the same moment, twice a second.
FLASH_AND_BEEP = """
navigator.mediaDevices.getUserMedia = async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
    const paint = canvas.getContext("2d");
    const context = new AudioContext();
    const out = context.createMediaStreamDestination();
    const tone = new OscillatorNode(context, { frequency: 1000 });
    const gate = new GainNode(context, { gain: 0 });
    tone.connect(gate).connect(out);
    tone.start();
    let next = context.currentTime + 1;
    const plan = () => (gate.gain.setValueAtTime(0.5, next), gate.gain.setValueAtTime(0, next + 0.15));
    plan();
    window.paintedLateS = []; // a busy machine draws the flash later than it beeps
    let white = false;
    const step = () => {
        const now = context.currentTime;
        const flash = now >= next && now < next + 0.15;
        if (flash && !white) window.paintedLateS.push(now - next);
        white = flash;
        paint.fillStyle = flash ? "white" : "black";
        paint.fillRect(0, 0, 320, 180);
        if (now > next + 0.2) (next += 0.5), plan();
        requestAnimationFrame(step);
    };
    step();
    return new MediaStream([...canvas.captureStream(60).getTracks(), ...out.stream.getTracks()]);
};
"""


def beginnings(times, apart_s=0.2):
    """Return the times that follow no other one within `apart_s`."""
    times = np.asarray(times)
    return times[np.diff(times, prepend=-1e9) > apart_s]


def check_sound(told):
    """Check that the chunks are stereo and follow each other at 48 kHz of the clock that the frames have."""
    from_s, counts, channels = np.array(told["chunks"]).T
    assert set(channels) == {2}
    ends = from_s + counts / 48_000
    print("chunks", len(counts), "seconds each", counts.mean() / 48_000)
    seams_s = np.abs(from_s[1:] - ends[:-1])
    print("largest seam, ms", 1000 * seams_s.max())
    # A busy machine loses some of its test device's sound; what comes after it has its right time all the same.
    assert np.median(seams_s) < 0.001 and np.count_nonzero(seams_s > 0.02) <= 2
    assert 0.08 < counts.mean() / 48_000 < 0.15
    # The first picture may come before the first sound: a graph of audio nodes takes a moment to begin.
    frames_s = told["frames"][-1][0] - max(told["frames"][0][0], from_s[0])
    assert counts.sum() / 48_000 == pytest.approx(frames_s, abs=0.5)
    assert from_s[0] < told["frames"][0][0] + 2.0


def test_beeps_of_the_browsers_test_device_arrive(lab, browser):
    with talking(lab, browser, [READ], permissions=("camera", "microphone")) as page:
        until(lambda: len(page.told()["chunks"]) > 70)
        told = page.told()
    check_sound(told)
    beeps = beginnings(told["loud"])
    print("beeps", np.round(beeps, 3))
    assert len(beeps) >= 6
    assert np.median(np.diff(beeps)) == pytest.approx(0.5, abs=0.05) or np.median(
        np.diff(beeps)
    ) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("processor", [True, False], ids=["track processor", "audio worklet"])
def test_what_happened_at_once_has_one_media_time(lab, browser, processor):
    """Browsers that are not of Chromium's family have no MediaStreamTrackProcessor in a page."""
    init = FLASH_AND_BEEP if processor else FLASH_AND_BEEP + "delete window.MediaStreamTrackProcessor;"
    with talking(lab, browser, [READ], init=init) as page:
        until(lambda: len(page.told()["chunks"]) > 100)
        told, painted_late_s = page.told(), page.evaluate("window.paintedLateS")
    check_sound(told)
    beeps = beginnings(told["loud"])
    pts, bright = np.array(told["frames"]).T
    flashes = beginnings(pts[bright > 128])
    assert len(flashes) >= 10
    late = [flash - beeps[np.abs(beeps - flash).argmin()] for flash in flashes[1:-1]]
    interval = np.median(np.diff(pts))
    print("flash after beep, ms:", np.round(1000 * np.array(late)), "frames each, ms:", 1000 * interval)
    print("drawn late, ms:", np.round(1000 * np.array(painted_late_s)))
    # A flash is seen in the next frame, half an interval later in the mean. A busy machine gives few frames.
    assert abs(np.median(late) - np.median(painted_late_s) - interval / 2) <= 0.04 + interval / 6
