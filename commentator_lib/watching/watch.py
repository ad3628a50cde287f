"""Run watchers alone over a source, as fast as they go: what `commentator watch` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from commentator_lib.events import Event
from commentator_lib.media import AudioChunk, Frame, to_mono
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
    `on_frame` is called for each frame that was looked at. Sound is listened to up to that frame.
    """
    active = list(watchers)
    waiting: list[AudioChunk] = []

    def report(watcher: Watcher, call: Callable[[], list[Event]]) -> list[Event]:
        if watcher not in active:
            return []
        try:
            return call()
        except Exception as error:  # code of others, which may fail in any way
            if on_failure is None:
                raise
            active.remove(watcher)
            on_failure(watcher, error)
            return []

    for frame in watched_frames(source, watch_fps):
        waiting += source.read_sound()
        while waiting and (waiting[0].from_s or 0.0) + waiting[0].duration_s <= frame.pts_s + 1e-6:
            chunk = waiting.pop(0)
            piece = AudioChunk(to_mono(chunk.samples), chunk.sample_rate_hz, chunk.from_s)
            for watcher in watchers:
                yield from report(watcher, partial(watcher.listen, piece))
        for watcher in watchers:
            yield from report(watcher, partial(watcher.look, frame))
        on_frame(frame)
