"""Run watchers alone over a source, as fast as they go: what `commentator watch` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from commentator_lib.events import Event
from commentator_lib.media import Frame
from commentator_lib.sources.base import Source, check_frame
from commentator_lib.watching.base import Watcher


def watched_frames(source: Source, watch_fps: float) -> Iterator[Frame]:
    """Yield the frames of a source that watchers look at, `watch_fps` a second of media time. Raise ImageError."""
    next_s = float("-inf")
    last_s = float("-inf")
    while (frame := source.read(0.0)) is not None:
        check_frame(frame)
        if frame.pts_s < last_s:  # the source has jumped back
            next_s = frame.pts_s
        last_s = frame.pts_s
        if frame.pts_s < next_s - 1e-6:
            continue
        base_s = next_s if frame.pts_s - next_s < 1.0 / watch_fps else frame.pts_s
        next_s = base_s + 1.0 / watch_fps
        yield frame


def watch(
    source: Source,
    watchers: Sequence[Watcher],
    watch_fps: float = 5.0,
    on_failure: Callable[[Watcher, Exception], None] | None = None,
    on_frame: Callable[[Frame], None] = lambda _: None,
) -> Iterator[Event]:
    """Yield the events of a source, in the order in which they are reported.

    A watcher that raises an error is switched off, and `on_failure` is called; without it, the error passes through.
    `on_frame` is called for each frame that was looked at.
    """
    active = list(watchers)
    for frame in watched_frames(source, watch_fps):
        for watcher in list(active):
            try:
                events = watcher.look(frame)
            except Exception as error:  # code of others, which may fail in any way
                if on_failure is None:
                    raise
                active.remove(watcher)
                on_failure(watcher, error)
                continue
            yield from events
        on_frame(frame)
