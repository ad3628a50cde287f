"""The browser's camera in JupyterLab: frames, rooms, and every way in which it ends."""

from __future__ import annotations

from experiments.tools.browser import FAKE_CAMERA, chromium
from tests.notebook.page.conftest import (
    button,
    drawn,
    status,
    tab,
    talking,
    until,
)
from tests.notebook.page.test_panel import TELLS

CAMERA = """
import json, pathlib, statistics, threading, time
from commentator_lib.notebook.control_panel import ControlPanel
panel = ControlPanel("browser camera", runs_dir=None)
session = panel.start()
def tell():
    while True:
        part = pathlib.Path("told.part")
        under_way_s = [arrived - taken for taken, arrived in list(session.source.arrivals)[-60:]]
        part.write_text(json.dumps({"captured": session.status.frames_captured, "running": session.running,
                                    "problem": session.source.problem, "at": time.time(),
                                    "under_way_s": statistics.mean(under_way_s) if under_way_s else None}))
        part.replace("told.json")
        time.sleep(0.25)
threading.Thread(target=tell, daemon=True).start()
panel
"""
# Keeps the streams that the page opens, so that a test can pull the plug.
KEEP_STREAMS = """
window.streams = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await open(wanted);
    window.streams.push(stream);
    return stream;
};
"""


def check_rate(page, seconds):
    """Check that the camera's frames come at half their rate at least, or as fast as two under way at a time can."""
    until(lambda: page.told()["captured"] > 20)
    first = page.told()
    page.wait_for_timeout(1000 * seconds)
    second = page.told()
    fps = (second["captured"] - first["captured"]) / (second["at"] - first["at"])
    assert fps >= 0.5 * min(30, 1 / second["under_way_s"])


def test_browser_camera_comes_through_and_its_light_goes_off(lab, browser):
    with talking(lab, browser, [CAMERA], init=KEEP_STREAMS) as page:
        check_rate(page, 4)
        until(lambda: drawn(page) > 25)
        button(page, "Stop").click()
        until(lambda: not page.told()["running"])
        until(
            lambda: page.evaluate(
                "window.streams.flatMap((s) => s.getTracks()).every((t) => t.readyState === 'ended')"
            )
        )
        button(page, "Start").click()
        until(lambda: "ended" not in status(page) and drawn(page) > 50, "the camera again")
        button(page, "Stop").click()


PLAYER_OF_NOBODY = "from commentator_lib.players.browser import LivePlayer\nLivePlayer()"
ROOM = """
import ipywebrtc
camera = ipywebrtc.CameraStream(constraints={"video": True, "audio": False})
near = ipywebrtc.WebRTCRoomLocal(room="r", stream=camera, nickname="near")
far = ipywebrtc.WebRTCRoomLocal(room="r", nickname="far")
def work():
    while not far.streams:
        time.sleep(0.1)
    globals()["panel"] = ControlPanel("browser camera", camera=far.streams[0], runs_dir=None)
    globals()["session"] = panel.start()
    tell()
"""


def test_camera_of_a_room_comes_through(lab, browser):
    """Both ends of the connection are in one page here; a room between machines needs a server that connects them."""
    head, rest = CAMERA.split("panel = ControlPanel")
    tell = rest[rest.index("def tell") : rest.index("threading.Thread")]
    cell = head + tell + ROOM + "threading.Thread(target=work, daemon=True).start()\n" + PLAYER_OF_NOBODY
    with talking(lab, browser, [cell]) as page:
        check_rate(page, 3)


def test_camera_that_is_unplugged_ends_the_run_with_its_reason(lab, browser):
    with talking(lab, browser, [CAMERA], init=KEEP_STREAMS) as page:
        until(lambda: page.told()["captured"] > 20)
        page.evaluate("window.streams[0].getVideoTracks()[0].dispatchEvent(new Event('ended'))")
        until(lambda: not page.told()["running"])
        assert page.told()["problem"] == "the camera was unplugged or switched off"
        page.wait_for_selector("[role=alert]:has-text('unplugged')")


def test_browser_that_refuses_the_camera_is_one_line(lab, playwright):
    with (
        chromium(playwright, *FAKE_CAMERA) as browser,
        talking(lab, browser, [CAMERA], permissions=()) as page,
    ):
        page.wait_for_selector("[role=alert]:has-text('refused the camera')")
        until(lambda: not page.told()["running"])
        assert "NotAllowedError" in page.told()["problem"]
        page.errors.clear()  # ipywebrtc closes a camera that it never had


def test_camera_is_gone_over_to_in_mid_run_and_left_again(lab, browser):
    with talking(lab, browser, [TELLS]) as page:
        until(lambda: drawn(page) > 10)
        body = tab(page, "Source")
        body.get_by_role("button", name="Camera", exact=True).click()
        button(page, "Use this page's camera").click()
        until(lambda: "browser camera" in status(page), "the camera")
        until(lambda: page.evaluate("document.querySelector('.stage canvas').height") == 360, "its picture")
        seen = drawn(page)
        until(lambda: drawn(page) > seen + 20, "it moves")
        assert page.told()["running"]
        body.get_by_role("button", name="Match", exact=True).click()
        until(lambda: "match.mp4" in status(page), "the match")
        assert page.told()["running"]
