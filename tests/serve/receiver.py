"""Receive a stream that is published to an address on loopback, and keep it: `python -m tests.serve.receiver URL FILE`.

It listens, writes what comes as Matroska, prints "up" before it listens and "receiving" once it has a picture, and ends
with the stream, or after `SECONDS` without anybody.
"""

from __future__ import annotations

import sys

import av

# So that what came is in the file when the process is killed.
_AT_ONCE = {"live": "1", "cluster_time_limit": "100", "flush_packets": "1"}
_LISTEN = {"rtmp": {"listen": "1"}, "rtsp": {"rtsp_flags": "listen", "listen_timeout": "60"}}


def main(address: str, path: str) -> int:
    print("up", flush=True)
    told = False
    try:
        with (
            av.open(address, options=_LISTEN[address.partition(":")[0]]) as stream,
            av.open(path, "w", container_options=_AT_ONCE) as file,
        ):
            copies = {s.index: file.add_stream_from_template(s) for s in stream.streams}
            for packet in stream.demux():
                if packet.dts is None:
                    continue
                if not told and packet.stream.type == "video":
                    told = True
                    print("receiving", flush=True)
                packet.stream = copies[packet.stream_index]
                file.mux(packet)
    except (av.FFmpegError, OSError) as error:  # how the end of a stream is told differs
        print(f"ended: {type(error).__name__}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
