"""Tests of what every source must do."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator
from typing import Any

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.adapt import adapt_source
from commentator_lib.sources.base import Source, SourceInfo, check_frame


class SourceConformance:
    """Subclass it and write `make`. At most `most_frames` are read from one source."""

    most_frames = 100

    def make(self) -> Any:
        """Return a new source, a Source or an object with its documented members; it must have a frame to give."""
        raise NotImplementedError

    def test_info_describes_it(self) -> None:
        with self._made() as source:
            info = source.info
            assert isinstance(info, SourceInfo)
            assert info.spec and "\n" not in info.spec
            assert info.width > 0 and info.height > 0 and 0 < info.fps < math.inf
            assert info.duration_s is None or info.duration_s > 0
            assert source.problem == "" and source.skipped == 0

    def test_frames_are_pictures_in_order(self) -> None:
        with self._made() as source:
            frames = list(self._frames(source))
            assert frames, "it must have a frame to give"
            for frame in frames:
                check_frame(frame)
                unstamped = math.isnan(frame.captured_at_s)
                assert unstamped or source.info.live, "the session says when a frame was captured"
            for before, after in zip(frames, frames[1:], strict=False):
                assert after.index > before.index and after.pts_s > before.pts_s

    def test_its_end_stays_its_end(self) -> None:
        with self._made() as source:
            if len(list(self._frames(source))) < self.most_frames:
                assert source.read() is None

    def test_frames_that_come_too_late_are_left_out(self) -> None:
        with self._made() as source:
            first = source.read()
            if source.info.live or first is None:
                return  # a live source may ignore what is asked for
            wanted_s = first.pts_s + 3.5 / source.info.fps
            frame = source.read(wanted_s)
            assert frame is None or frame.pts_s >= wanted_s - 1e-6
            assert source.skipped >= 0

    def test_its_sound_is_stereo_and_in_order(self) -> None:
        with self._made() as source:
            end_s, heard = -math.inf, False
            for _ in self._frames(source):
                for chunk in source.read_sound():
                    heard = True
                    assert chunk.samples.ndim == 2 and chunk.samples.shape[1] == 2, "samples are (N, 2)"
                    assert chunk.sample_rate_hz == PLAYBACK_RATE_HZ and chunk.from_s is not None
                    assert chunk.from_s > end_s - 0.1, (
                        "a piece must not begin before the one before has ended"
                    )
                    end_s = chunk.from_s + chunk.duration_s
            assert source.info.has_sound or not heard, "info.has_sound must say that it has sound"

    def test_it_may_be_interrupted_and_closed_at_any_time(self) -> None:
        with self._made() as source:
            source.interrupt()
        with self._made() as source:
            source.read()
            source.interrupt()

    def test_a_session_runs_on_it(self) -> None:
        source = adapt_source(self.make())
        session = LiveSession(
            _First(source, 50),
            Settings(commentator="scripted", change_threshold=0.0),
            commentator=ScriptedCommentator(cost=CostModel(0.1, 0.0, 0.5, 0.0, 0.1)),
            mode="live" if source.info.live else "what-if",
            duration_s=5.0,
        ).run()
        header = session.log.header
        assert header["source_problem"] == "" and header["notes"] == []
        assert header["frames_captured"] > 0

    @contextlib.contextmanager
    def _made(self) -> Generator[Source]:
        source = adapt_source(self.make())
        try:
            yield source
        finally:
            source.close()

    def _frames(self, source: Source) -> Iterator[Frame]:
        for _ in range(self.most_frames):
            frame = source.read()
            if frame is None:
                return
            yield frame


class _First(Source):
    """The first `count` frames of a source, whatever its length."""

    def __init__(self, inner: Source, count: int) -> None:
        self.info = inner.info
        self._inner = inner
        self._left = count

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        self._left -= 1
        return self._inner.read(not_before_s) if self._left >= 0 else None

    def read_sound(self) -> list[AudioChunk]:
        return self._inner.read_sound()

    def interrupt(self) -> None:
        self._inner.interrupt()

    def close(self) -> None:
        self._inner.close()
