"""Carry a stream from standard input to its target, without decoding it: a process for one connection of `publish`.

A process of its own, because FFmpeg connects while it holds Python's lock: a server that does not answer would stop
the whole session. It is told where to on its first line, as JSON, and not on its command line, which other users of
the machine can read. Then comes Matroska. It writes "up" once the target takes data, and why it ends where that was a
fault; its exit status is 0 at the end of the stream.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

_READ_BYTES = 2048  # at once: a read waits until it has them all

# The muxers' own options.
_OPTIONS = {
    "rtsp": {"rtsp_transport": "tcp"},
    "flv": {"flvflags": "no_duration_filesize"},
    "mpegts": {"flush_packets": "1"},
}


def carry(stream: BinaryIO, address: str, muxer: str, on_up: Callable[[], None]) -> None:
    """Mux a Matroska stream again for an address, from its first key picture on; call `on_up` when that was taken.

    Raise OSError or av.FFmpegError.
    """
    import av

    options = {"fpsprobesize": "0", "analyzeduration": "500000"}
    source = av.open(stream, "r", format="matroska", options=options, buffer_size=_READ_BYTES)
    target = av.open(address, "w", format=muxer, container_options=_OPTIONS[muxer])
    with source, target:
        copies = {s.index: target.add_stream_from_template(s) for s in source.streams}
        begun = is_up = False
        for packet in source.demux():
            if packet.dts is None:
                continue
            begun = begun or (packet.is_keyframe and packet.stream.type == "video")
            if begun:
                packet.stream = copies[packet.stream_index]
                target.mux(packet)
                if not is_up:
                    is_up = True
                    on_up()


def main() -> int:
    """Read what is to be done, do it, and return the exit status."""
    from av.error import FFmpegError

    from commentator_lib.sources.plain_reasons import plain_reason

    began_s: float | None = time.monotonic()

    def on_up() -> None:
        nonlocal began_s
        began_s = None
        print("up", flush=True)

    told = json.loads(sys.stdin.buffer.readline())
    try:
        carry(sys.stdin.buffer, told["address"], told["muxer"], on_up)
    except (OSError, FFmpegError) as error:
        opening_s = None if began_s is None else time.monotonic() - began_s
        print(plain_reason(error, opening_s), flush=True)
        return 1
    except KeyboardInterrupt:  # the session has got it too, and ends this stream
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
