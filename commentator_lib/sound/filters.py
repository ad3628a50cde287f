"""A chain of FFmpeg's sound filters as a stream: samples in, samples out, with the filters' memory kept."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from commentator_lib.media import to_float32


class SoundFilter:
    """Applies filters, as FFmpeg writes them ("atempo=1.05"), to a stream of sound of one rate.

    Samples are (N,) for one channel, and (N, channels) for more. `metadata` is what the filters noted last.
    Raise av.FFmpegError for a chain that FFmpeg does not know.
    """

    def __init__(self, chain: str, rate_hz: int, channels: int = 1) -> None:
        from av.filter import Graph

        self.metadata: Mapping[str, str] = {}
        self._rate_hz, self._channels = rate_hz, channels
        self._pushed = 0
        self._layout = "mono" if channels == 1 else "stereo" if channels == 2 else f"{channels}c"
        self._graph = Graph()
        source = self._graph.add_abuffer(
            sample_rate=rate_hz, format="flt", layout=self._layout, time_base=Fraction(1, rate_hz)
        )
        self._filters = []
        last = source
        for one in chain.split(","):
            name, _, arguments = one.partition("=")
            made = self._graph.add(name, arguments or None)
            self._filters.append((name, made))
            last.link_to(made)
            last = made
        form = self._graph.add("aformat", f"sample_fmts=flt:channel_layouts={self._layout}")
        sink = self._graph.add("abuffersink")
        last.link_to(form)
        form.link_to(sink)
        self._graph.configure()

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Return the float32 samples that are final after these; may be empty."""
        import av

        if len(samples) == 0:
            return self._pull()
        flat = np.ascontiguousarray(to_float32(samples)).reshape(1, -1)  # (1, N × channels), interleaved
        frame = av.AudioFrame.from_ndarray(flat, format="flt", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = (
            self._rate_hz,
            self._pushed,
            Fraction(1, self._rate_hz),
        )
        self._pushed += len(samples)
        self._graph.push(frame)
        return self._pull()

    def flush(self) -> np.ndarray:
        """Return what the filters still hold; nothing may be pushed after this."""
        self._graph.push(None)
        return self._pull()

    def command(self, filter_name: str, name: str, value: str) -> None:
        """Change an option of a filter while sound passes through. Raise KeyError where the chain has no such one."""
        dict(self._filters)[filter_name].process_command(name, value)

    def _pull(self) -> np.ndarray:
        from av.error import BlockingIOError, EOFError

        parts = []
        while True:
            try:
                frame = self._graph.pull()
            except (BlockingIOError, EOFError):
                break
            self.metadata = dict(frame.metadata) or self.metadata
            parts.append(frame.to_ndarray().reshape(-1, self._channels))
        out = np.concatenate(parts) if parts else np.zeros((0, self._channels), np.float32)
        return out[:, 0] if self._channels == 1 else out
