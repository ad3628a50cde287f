"""Send a picture with the time in it, and a tone, as a live stream in real time.

python -m experiments.tools.clock_stream udp://127.0.0.1:PORT [--seconds 60] [--fps 25] [--size 640x360]
python -m experiments.tools.clock_stream folder/live.m3u8 --segment 4

A name that ends with .m3u8 is written as HLS, with segments of that many seconds, three of them listed; anything else
is sent as MPEG-TS. It prints "up" with the first picture.

python -m experiments.tools.clock_stream udp://127.0.0.1:PORT --copy FILE

sends a file's packets as they are, at their times, so that large pictures need not be encoded while they are sent.
"""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Annotated

import av
import numpy as np
import typer

from experiments.tools.command_line import help_text, new_app, run_app
from experiments.tools.time_code import ClockPicture

_RATE_HZ, _BLOCK = 48_000, 1024
app = new_app()


@app.command(help=help_text(__doc__))
def main(
    to: Annotated[str, typer.Argument(help="Where to send it.")],
    seconds: Annotated[float, typer.Option(help="How long, s.")] = 60.0,
    fps: Annotated[int, typer.Option(help="Pictures a second.")] = 25,
    size: Annotated[str, typer.Option(help="Width x height, pixels.")] = "640x360",
    segment: Annotated[int, typer.Option(help="Length of a segment of HLS, s.")] = 4,
    sound: Annotated[bool, typer.Option(help="A soft tone beside the picture.")] = False,
    copy: Annotated[str, typer.Option(help="A file to send, as it is.")] = "",
) -> None:
    if copy:
        _send_copy(to, copy)
        return
    width, height = (int(n) for n in size.split("x"))
    hls = {
        "hls_time": str(segment),
        "hls_list_size": "3",
        "hls_flags": "delete_segments+omit_endlist+temp_file",
    }
    is_hls = to.endswith(".m3u8")
    with av.open(to, "w", format="hls" if is_hls else "mpegts", options=hls if is_hls else {}) as out:
        # 1) The streams.
        video = out.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        every = fps * segment if is_hls else 2 * fps
        video.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(every)}
        tone = out.add_stream("aac", rate=_RATE_HZ, layout="mono") if sound else None
        # 2) One picture after another, each at its time, and the sound up to there.
        picture, began_s, sent = ClockPicture(width, height), time.monotonic(), 0
        for k in range(round(seconds * fps)):
            time.sleep(max(0.0, began_s + k / fps - time.monotonic()))
            planes = np.frombuffer(picture.i420(), np.uint8).reshape(height * 3 // 2, width)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = k, Fraction(1, fps)
            out.mux(video.encode(frame))
            while tone is not None and sent / _RATE_HZ < (k + 1) / fps:
                wave = 0.05 * np.sin(2 * np.pi * 440 * (sent + np.arange(_BLOCK)) / _RATE_HZ)
                part = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
                part.sample_rate, part.pts, part.time_base = _RATE_HZ, sent, Fraction(1, _RATE_HZ)
                out.mux(tone.encode(part))
                sent += _BLOCK
            if k == 0:
                print("up", flush=True)


def _send_copy(to: str, path: str) -> None:
    """Send a file's packets at their times."""
    began_s: float | None = None
    with av.open(path) as given, av.open(to, "w", format="mpegts") as out:
        source = given.streams.video[0]
        video = out.add_stream_from_template(source)
        for packet in given.demux(source):
            if packet.dts is None or packet.time_base is None:
                continue
            due_s = float(packet.dts * packet.time_base)
            if began_s is None:
                began_s = time.monotonic() - due_s
                print("up", flush=True)
            time.sleep(max(0.0, began_s + due_s - time.monotonic()))
            packet.stream = video
            out.mux(packet)


if __name__ == "__main__":
    run_app(app, "clock_stream")
