"""Live sources: how old their picture is, and whether they come back.

A commentary on a picture that is old without anyone knowing is wrong. So real servers on loopback show the time in
their picture, the source is opened and left alone for as long as a model loads, and then the age of every picture is
read from the picture itself. OpenCV's `read` is measured beside it in the same run.

    rtsp, mjpeg, udp    age of the first picture after the warm-up, and of those that follow
    hls                 segments of 2, 4 and 10 s: share of the time that the picture stood still, how far behind
    kills               an RTSP camera killed and started again at random times, while a session runs
    faults              a camera that is stopped (SIGSTOP) for 20 s; 5% of UDP packets lost; corrupted bytes
    large               3840×2160 at 60 frames/s over UDP: frames are dropped, and age must not grow
    hours               memory over eight hours of virtual time, sampled from hour 1 on
    soak                memory of a session whose camera is killed, restarted and stopped at random (20 minutes; only
                        if it is asked for); grown: median of the last third less that of the first, after minute 3

    python -m experiments.bench_sources [--seconds 20] [--warm-up 20] [--only PART,PART]

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import typer

from commentator_lib.sources.open import open_source
from experiments.benchmarks.player_pages import say
from experiments.benchmarks.source_faults import (
    measure_faults,
    measure_hours,
    measure_kills,
    measure_soak,
    milliseconds,
)
from experiments.benchmarks.source_servers import (
    clock_stream,
    file_server,
    free_port,
    mjpeg_camera,
    rtsp_camera,
    wait_for_segments,
)
from experiments.errors import UserError
from experiments.tools.command_line import chosen_parts, help_text, new_app, run_app
from experiments.tools.time_code import ClockPicture, age_s

PARTS = ("rtsp", "mjpeg", "udp", "hls", "kills", "faults", "large", "hours", "soak")
SEGMENTS_S = (2, 4, 10)
app = new_app()


@app.command(help=help_text(__doc__))
def main(
    seconds: Annotated[float, typer.Option(help="Length of each measurement, s, at least 10.")] = 20.0,
    warm_up: Annotated[float, typer.Option(help="Time from opening to the first read, s.")] = 20.0,
    kills: Annotated[int, typer.Option(help="How often the camera is killed.")] = 10,
    minutes: Annotated[float, typer.Option(help="Length of the soak, min.")] = 20.0,
    only: Annotated[str, typer.Option(help=f"Which parts: {', '.join(PARTS)}.")] = ",".join(PARTS[:-1]),
) -> None:
    parts = chosen_parts(only, PARTS)
    if seconds < 10:
        raise UserError("give 10 seconds or more")
    measures: dict[str, Callable[[Path], dict[str, Any]]] = {
        "rtsp": lambda _folder: measure_rtsp(seconds, warm_up),
        "mjpeg": lambda _folder: measure_mjpeg(seconds, warm_up),
        "udp": lambda _folder: measure_udp(seconds, warm_up),
        "hls": lambda folder: measure_hls(folder, max(seconds, 40.0)),
        "kills": lambda folder: measure_kills(folder, kills),
        "faults": lambda _folder: measure_faults(seconds),
        "large": lambda folder: measure_large(folder, seconds),
        "hours": lambda folder: measure_hours(folder, 8.0),
        "soak": lambda folder: measure_soak(folder, minutes),
    }
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for part in parts:
            result[part] = measures[part](Path(name))
            say(f"{part}: {json.dumps(result[part])}")
    print(json.dumps(result))


def _ages(
    address: str, seconds: float, warm_up_s: float, options: str = "", width: int = 640
) -> dict[str, Any]:
    """Open a source, leave it alone, and read it; return the ages of its pictures in ms."""
    began_s = time.monotonic()
    source = open_source(address, stream_options=options)
    opened_s = time.monotonic() - began_s
    try:
        time.sleep(warm_up_s)
        skipped = source.live.dropped if source.live else 0
        ages, until_s = [], time.monotonic() + seconds
        while time.monotonic() < until_s and (frame := source.read()) is not None:
            ages.append(age_s(frame.image, width))
        stats = source.live
    finally:
        source.close()
    return {
        "opened_s": round(opened_s, 2),
        "skipped_in_warm_up": skipped,
        "first_age_ms": milliseconds(ages[0]),
        "age_p50_ms": milliseconds(np.percentile(ages, 50)),
        "age_p95_ms": milliseconds(np.percentile(ages, 95)),
        "age_last_ms": milliseconds(ages[-1]),
        "pictures": len(ages),
        "fps": round(stats.fps or 0.0, 2) if stats else None,
        "dropped": stats.dropped - skipped if stats else None,
        "corrupt": stats.corrupt if stats else None,
    }


def _opencv_ages(address: str, seconds: float) -> dict[str, Any]:
    """Return the ages that OpenCV's `read` gives, in ms: read from its opening on, without a warm-up."""
    import cv2

    capture = cv2.VideoCapture(address)
    ages, until_s = [], time.monotonic() + seconds
    while time.monotonic() < until_s:
        ok, image = capture.read()
        if not ok:
            break
        ages.append(age_s(image))
    capture.release()
    # its first seconds show what it has read while it opened
    settled = ages[len(ages) // 3 :]
    return {
        "opencv_age_p50_ms": milliseconds(np.percentile(settled, 50)) if settled else None,
        "opencv_pictures": len(ages),
    }


def measure_rtsp(seconds: float, warm_up_s: float) -> dict[str, Any]:
    """Return the ages of an RTSP camera's pictures."""
    port = free_port()
    with rtsp_camera(port):
        address = f"rtsp://127.0.0.1:{port}/cam"
        return {**_ages(address, seconds, warm_up_s), **_opencv_ages(address, seconds)}


def measure_mjpeg(seconds: float, warm_up_s: float) -> dict[str, Any]:
    """Return the ages of an MJPEG camera's pictures."""
    with mjpeg_camera() as address:
        return {**_ages(address, seconds, warm_up_s), **_opencv_ages(address, seconds)}


def measure_udp(seconds: float, warm_up_s: float) -> dict[str, Any]:
    """Return the ages of pictures that come as MPEG-TS over UDP."""
    port = free_port()
    address = f"udp://127.0.0.1:{port}"
    with clock_stream(address, "--seconds", str(2 * seconds + warm_up_s + 30)):
        return {**_ages(address, seconds, warm_up_s), **_opencv_ages(address, seconds)}


def measure_hls(folder: Path, seconds: float) -> dict[str, Any]:
    """Return, for each length of segments, how long the picture stood still and how far behind it was."""
    result: dict[str, Any] = {}
    for segment_s in SEGMENTS_S:
        live_folder = folder / f"hls-{segment_s}"
        live_folder.mkdir()
        playlist = live_folder / "live.m3u8"
        length_s = seconds + 6 * segment_s + 20
        sender = clock_stream(str(playlist), "--segment", str(segment_s), "--seconds", str(length_s))
        with sender, file_server(live_folder) as address:
            wait_for_segments(playlist, 3)
            result[f"{segment_s}s"] = _stillness(f"{address}/live.m3u8", seconds, segment_s)
    result["still_share"] = max(row["still_share"] for row in result.values())
    return result


def _stillness(address: str, seconds: float, segment_s: float) -> dict[str, Any]:
    source = open_source(address)
    shown_s, drawn_s, ages = [], [], []
    try:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and (frame := source.read()) is not None:
            shown_s.append(time.monotonic())
            ages.append(age_s(frame.image))
            drawn_s.append(time.time() - ages[-1])
    finally:
        source.close()
    shown, drawn = np.asarray(shown_s), np.asarray(drawn_s)
    gaps = np.diff(shown)
    # a picture stands still where the next comes later than three intervals after it
    still_s = float(np.sum(gaps[gaps > 3 / 25] - 1 / 25))
    skips = np.diff(drawn)
    return {
        "still_share": round(still_s / (shown[-1] - shown[0]), 4),
        "longest_still_s": round(float(gaps.max()), 3),
        "skipped_s": round(float(np.sum(skips[skips > 3 / 25] - 1 / 25)), 3),
        "behind_segments": round(float(np.percentile(ages, 95)) / segment_s, 2),
        "pictures": len(ages),
    }


def measure_large(folder: Path, seconds: float) -> dict[str, Any]:
    """Return the ages of pictures of 3840×2160 at 60 frames/s, in the first and in the last third."""
    # 1) Encode it beforehand: picture k shows k / 60 s.
    path, port = folder / "large.ts", free_port()
    size, fps = (3840, 2160), 60
    picture = ClockPicture(*size)
    with av.open(str(path), "w", format="mpegts") as out:
        video = out.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.options = {"preset": "ultrafast", "g": str(fps)}
        for k in range(round(seconds * fps)):
            planes = np.frombuffer(picture.i420(k / fps), np.uint8).reshape(size[1] * 3 // 2, size[0])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = k, Fraction(1, fps)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    # 2) Send it, and read it as fast as it can be read. The first pictures tell when 0 was.
    address = f"udp://127.0.0.1:{port}?buffer_size=8000000"
    with clock_stream(address, "--copy", str(path)):
        source = open_source(address, reconnect_for_s=0)
        late_s: list[tuple[float, float]] = []
        while (frame := source.read()) is not None:
            now_s = time.time()
            late_s.append((now_s, age_s(frame.image, size[0], now_s)))
        stats = source.live
        source.close()
    at_s, ages = np.asarray(late_s).T
    ages -= ages.min()  # against the earliest
    third = len(ages) // 3
    return {
        "pictures": len(ages),
        "read_fps": round(len(ages) / (at_s[-1] - at_s[0]), 1),
        "age_beyond_earliest_p50_ms_first_third": milliseconds(np.percentile(ages[:third], 50)),
        "age_beyond_earliest_p50_ms_last_third": milliseconds(np.percentile(ages[-third:], 50)),
        "dropped": stats.dropped if stats else None,
    }


if __name__ == "__main__":
    run_app(app, "bench_sources")
