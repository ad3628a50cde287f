"""Make whole pictures of interlaced ones, whose odd and even lines were taken one after the other."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)


class Deinterlacer:
    """Takes decoded pictures in order, and gives as many, in order, with their own times.

    Pictures that are not flagged as interlaced pass untouched, and until the first flagged one without delay; from then
    on each is given when the next has come, since FFmpeg's bwdif looks at both neighbours.
    """

    def __init__(self) -> None:
        self._graph: Any = None
        self._form: tuple[Any, ...] = ()
        self._time_base = Fraction(1)

    def push(self, picture: av.VideoFrame) -> list[av.VideoFrame]:
        """Return the pictures that are ready now that this one has come."""
        from av.error import FFmpegError

        time_base = picture.time_base or Fraction(1)
        form = (picture.width, picture.height, picture.format.name, time_base)
        form += (int(picture.colorspace), int(picture.color_range))
        ready: list[av.VideoFrame] = []
        if self._graph is not None and form != self._form:
            ready = self.flush()
        if self._graph is None:
            if not picture.interlaced_frame or self._form == form:
                return [*ready, picture]
            self._form, self._time_base = form, time_base
            try:
                self._graph = _graph(*form)
            except (FFmpegError, ValueError) as error:  # too small: bwdif needs 3 columns and 4 lines
                logger.info("pictures are shown with their two fields: %s", error)
                return [*ready, picture]
        self._graph.push(picture)
        return ready + self._pulled()

    def flush(self) -> list[av.VideoFrame]:
        """Return what is still waiting, at the end or before pictures of another kind."""
        if self._graph is None:
            return []
        self._graph.push(None)
        ready = self._pulled()
        self._graph, self._form = None, ()
        return ready

    def _pulled(self) -> list[av.VideoFrame]:
        from av.error import BlockingIOError, EOFError

        ready: list[av.VideoFrame] = []
        while True:
            try:
                picture = self._graph.vpull()
            except (BlockingIOError, EOFError):
                return ready
            # The filter counts fields, two to a picture.
            scale = (picture.time_base or self._time_base) / self._time_base
            if picture.pts is not None:
                picture.pts = round(picture.pts * scale)
            picture.duration = round(picture.duration * scale)
            picture.time_base = self._time_base
            ready.append(picture)


def _graph(
    width: int, height: int, pix_fmt: str, time_base: Fraction, colorspace: int, color_range: int
) -> Any:
    import av.filter

    graph = av.filter.Graph()
    source = graph.add(
        "buffer",
        video_size=f"{width}x{height}",
        pix_fmt=pix_fmt,
        time_base=str(time_base),
        pixel_aspect="1/1",
        colorspace=str(colorspace),
        range=str(color_range),
    )
    graph.link_nodes(
        source, graph.add("bwdif", mode="send_frame", deint="interlaced"), graph.add("buffersink")
    ).configure()
    return graph
