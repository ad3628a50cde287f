"""Tests of what every watcher must do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.events import LEAST_IMPORTANCE, MOST_IMPORTANCE, Event
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.watching.base import Watcher


class WatcherConformance:
    """Subclass it and write `make`."""

    seconds = 3.0  # of made pictures and sound that it is shown

    def make(self) -> Watcher:
        """Return a new watcher."""
        raise NotImplementedError

    def test_it_has_a_name(self) -> None:
        watcher = self.make()
        assert isinstance(watcher, Watcher)
        assert watcher.name and "\n" not in watcher.name

    def test_it_looks_at_pictures_of_any_size(self) -> None:
        for width, height in ((64, 36), (400, 224), (360, 640), (1, 1)):
            watcher = self.make()
            for frame in _pictures(self.seconds, width, height):
                _check_events(watcher.look(frame))
            _check_facts(watcher.on_screen())
            watcher.close()

    def test_it_looks_at_large_pictures(self) -> None:
        watcher = self.make()
        for frame in _pictures(0.6, 3840, 2160):
            _check_events(watcher.look(frame))
        watcher.close()

    def test_it_listens_to_sound_of_any_rate(self) -> None:
        for rate_hz, dtype in ((8_000, np.int16), (24_000, np.float32), (48_000, np.int16)):
            watcher = self.make()
            for sound in _sounds(self.seconds, rate_hz, dtype):
                _check_events(watcher.listen(sound))
            _check_facts(watcher.on_screen())
            watcher.close()

    def test_same_pictures_give_the_same_events_after_a_reset(self) -> None:
        watcher = self.make()
        first = [_values(e) for f in _pictures(self.seconds, 320, 180) for e in watcher.look(f)]
        watcher.reset()
        second = [_values(e) for f in _pictures(self.seconds, 320, 180) for e in watcher.look(f)]
        watcher.close()
        assert first == second

    def test_a_source_that_jumps_back_is_no_error(self) -> None:
        watcher = self.make()
        frames = list(_pictures(self.seconds, 320, 180))
        for frame in (*frames, *frames[: len(frames) // 2]):
            _check_events(watcher.look(frame))
        watcher.close()

    def test_a_session_runs_with_it(self) -> None:
        session = LiveSession(
            SyntheticSource(6.0, seed=1),
            Settings(change_threshold=0.0, delay_init_s=1.0),
            commentator=ScriptedCommentator(["Two cars."], CostModel(0.2, 0.0, 1.0, 0.0, 0.1), sound=None),
            watchers=[self.make()],
            mode="what-if",
        ).run()
        assert session.log.header["notes"] == []
        assert "spoken" in set(session.log.cycles.outcome)


def _pictures(seconds: float, width: int, height: int) -> Iterator[Frame]:
    """Yield five made frames a second, (height, width, 3): a texture that moves, with one cut in the middle."""
    rng = np.random.default_rng(0)
    scenes = rng.integers(0, 256, (2, 9, 16, 3), dtype=np.uint8)
    count = max(2, round(seconds * 5))
    rows, columns = np.arange(height) * 9 // height, np.arange(width) * 16 // width
    for k in range(count):
        scene = np.roll(scenes[int(k >= count // 2)], k, axis=1)
        yield Frame(k, k / 5, k / 5, np.ascontiguousarray(scene[rows][:, columns]))


def _sounds(seconds: float, rate_hz: int, dtype: type) -> Iterator[AudioChunk]:
    """Yield made sound in pieces of 0.1 s: noise, with a tone in its second half."""
    rng = np.random.default_rng(0)
    count = rate_hz // 10
    for k in range(round(seconds * 10)):
        t = (np.arange(count) + k * count) / rate_hz
        samples = 0.05 * rng.standard_normal(count) + (k > seconds * 5) * 0.3 * np.sin(2 * np.pi * 700 * t)
        given = (samples * 32767).astype(np.int16) if dtype is np.int16 else samples.astype(np.float32)
        yield AudioChunk(given, rate_hz, k / 10 if k % 2 else None)


def _values(event: Event) -> tuple[object, ...]:
    return event.kind, event.at_s, event.detected_s, event.importance, dict(event.facts)


def _check_events(events: list[Event]) -> None:
    assert isinstance(events, list)
    for event in events:
        assert isinstance(event, Event)
        assert event.kind and "\n" not in event.kind
        assert LEAST_IMPORTANCE <= event.importance <= MOST_IMPORTANCE
        assert 0.0 <= event.certainty <= 1.0
        assert event.at_s <= event.detected_s + 1e-6
        _check_facts(event.facts)


def _check_facts(facts: Mapping[str, Any]) -> None:
    json.dumps(dict(facts))
