"""An RTSP camera on loopback that shows the time, by GStreamer. It runs with Debian's own Python:

    /usr/bin/python3 experiments/tools/rtsp_camera.py PORT [--fps 25] [--size 640x360] [--seconds 600]
        [--user NAME --password WORD] [--sound-only]

Debian's packages: python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,bad,ugly}. The address is
rtsp://127.0.0.1:PORT/cam. It prints "up" once it listens, and ends by itself after `--seconds`.
"""

from __future__ import annotations

import argparse
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402
from time_code import ClockPicture  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("port")
parser.add_argument("--fps", type=int, default=25)
parser.add_argument("--size", default="640x360")
parser.add_argument("--seconds", type=int, default=600)
parser.add_argument("--user")
parser.add_argument("--password")
parser.add_argument("--sound-only", action="store_true")
given = parser.parse_args()
width, height = (int(n) for n in given.size.split("x"))

PICTURE = (
    "( appsrc name=source is-live=true format=time do-timestamp=true block=true "
    f"caps=video/x-raw,format=I420,width={width},height={height},framerate={given.fps}/1 ! queue "
    "! x264enc tune=zerolatency speed-preset=ultrafast bitrate=4000 key-int-max=50 "
    "! rtph264pay config-interval=1 name=pay0 pt=96 )"
)
SOUND = "( audiotestsrc is-live=true ! audioconvert ! alawenc ! rtppcmapay name=pay0 pt=8 )"


class Cameras(GstRtspServer.RTSPMediaFactory):
    """One camera that all viewers share."""

    def __init__(self):
        super().__init__()
        self.set_shared(True)

    def do_create_element(self, _url):
        return Gst.parse_launch(SOUND if given.sound_only else PICTURE)

    def do_configure(self, media):
        if given.sound_only:
            return
        source, watched = media.get_element().get_by_name("source"), threading.Event()
        watched.set()
        media.connect("unprepared", lambda _media: watched.clear())
        threading.Thread(target=self._push, args=(source, watched), daemon=True).start()

    @staticmethod
    def _push(source, watched):
        picture, began_s, count = ClockPicture(width, height), time.monotonic(), 0
        while watched.is_set():
            if source.emit("push-buffer", Gst.Buffer.new_wrapped(picture.i420())) != Gst.FlowReturn.OK:
                return
            count += 1
            time.sleep(max(0.0, began_s + count / given.fps - time.monotonic()))


Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(given.port)
cameras = Cameras()
server.get_mount_points().add_factory("/cam", cameras)
if given.user:
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    door = GstRtspServer.RTSPAuth()
    door.add_basic(GstRtspServer.RTSPAuth.make_basic(given.user, given.password), token)
    server.set_auth(door)
    rights = GstRtspServer.RTSPPermissions()
    rights.add_permission_for_role("viewer", "media.factory.access", True)
    rights.add_permission_for_role("viewer", "media.factory.construct", True)
    cameras.set_permissions(rights)
server.attach(None)
loop = GLib.MainLoop()
GLib.timeout_add_seconds(given.seconds, loop.quit)
print("up", flush=True)
loop.run()
