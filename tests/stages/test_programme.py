"""The programme's sound through a whole session: in step with the picture, given to watchers and commentators."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.players.base import Player
from commentator_lib.sources.base import Source, SourceInfo
from commentator_lib.watching.base import Watcher
from tests.conftest import Says, what_if

R = PLAYBACK_RATE_HZ


class FlashesAndBeeps(Source):
    """A picture that flashes and a sound that beeps at each full second; the sound stops at `dies_at_s`."""

    def __init__(self, duration_s: float, dies_at_s: float = np.inf, sound_from_s: float = 0.0) -> None:
        self.info = SourceInfo("flashes", 64, 36, 25.0, duration_s, live=False, has_sound=True)
        self._index = 0
        self._sounded = round(sound_from_s * R)
        self._dies_at_s = dies_at_s

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        pts_s = self._index / 25
        if pts_s >= self.info.duration_s - 1e-9:
            return None
        self._index += 1
        return Frame(
            self._index - 1,
            pts_s,
            float("nan"),
            np.full((36, 64, 3), 240 if pts_s % 1 < 0.2 else 16, np.uint8),
        )

    def read_sound(self) -> list[AudioChunk]:
        if self._sounded / R > self._dies_at_s:
            raise OSError("the sound card was unplugged")
        until = self._index * (R // 25)
        if until <= self._sounded:
            return []
        t = np.arange(self._sounded, until) / R
        mono = (15_000 * np.sin(2 * np.pi * 1000 * t) * (t % 1 < 0.05)).astype(np.int16)
        chunk = AudioChunk(np.repeat(mono[:, None], 2, axis=1), R, self._sounded / R)
        self._sounded = until
        return [chunk]


class Ears(Player):
    """Keeps what it is given; fails at the piece numbered `fails_at`."""

    name = "ears"

    def __init__(self, lead_s: float = 0.0, fails_at: int = -1) -> None:
        self.lead_s = lead_s
        self.pieces: list[tuple[float, np.ndarray]] = []
        self.flashes: list[float] = []
        self._lit = False
        self._fails_at = fails_at

    def show(self, frame: Frame, due_at_s: float) -> None:
        lit = frame.image[0, 0, 0] > 128
        if lit and not self._lit:
            self.flashes.append(due_at_s)
        self._lit = lit

    def play_programme(self, pcm: AudioChunk, start_at_s: float) -> None:
        if len(self.pieces) == self._fails_at:
            raise OSError("no loudspeaker")
        assert pcm.samples.dtype == np.int16 and pcm.sample_rate_hz == R
        self.pieces.append((start_at_s, pcm.samples))

    def beeps(self) -> list[float]:
        line = np.zeros(round((self.pieces[-1][0] + 1) * R), np.int16)
        for at_s, samples in self.pieces:
            line[round(at_s * R) : round(at_s * R) + len(samples)] = samples[:, 0]
        loud = np.flatnonzero(np.abs(line.astype(int)) > 4000)
        return [float(n) / R for n in loud[np.diff(loud, prepend=-R) > R // 2]]


def errors_ms(ears: Ears) -> np.ndarray:
    """Return beep − flash of every flash, in ms."""
    beeps = np.asarray(ears.beeps())
    nearest = [beeps[np.argmin(np.abs(beeps - flash))] - flash for flash in ears.flashes]
    return 1000 * np.asarray(nearest)


def run(source: Source, ears: Ears, first_s=1.0, **settings):
    commentator = ScriptedCommentator(cost=CostModel(first_s, 0.0, 4.0, 0.5, 0.2))
    return what_if(source=source, players=[ears], commentator=commentator, settings=settings)


def test_flash_and_beep_are_together_at_rest():
    ears = Ears()
    session = run(FlashesAndBeeps(30.0), ears, delay_init_s=1.2)
    errors = np.abs(errors_ms(ears)[1:])
    assert len(errors) == 29 and np.median(errors) <= 5 and errors.max() <= 25
    assert session.log.header["programme_jumps"] == 0


@pytest.mark.parametrize("lead_s", [0.0, 0.25])
def test_flash_and_beep_stay_together_while_the_delay_falls_from_5_s(lead_s):
    ears = Ears(lead_s)
    session = run(
        FlashesAndBeeps(75.0), ears, first_s=0.2, delay_init_s=5.0, policy="serial", delay_ema_alpha=1.0
    )
    applied = [row["delay_applied_s"] for row in session.log.sample_rows if row["delay_applied_s"]]
    assert max(applied) > 2.0 and min(applied) < 0.6
    errors = np.abs(errors_ms(ears)[1:-1])
    assert session.log.header["programme_stretched_s"] > 10
    assert np.median(errors) <= 15 and np.percentile(errors, 95) <= 40


def test_pieces_are_sent_ahead_and_follow_each_other():
    ears = Ears(0.25)
    session = run(FlashesAndBeeps(20.0), ears)
    ends = [at_s + len(samples) / R for at_s, samples in ears.pieces]
    assert np.allclose(ends[:-1], [at_s for at_s, _ in ears.pieces[1:]], atol=1e-6)
    assert session.log.header["notes"] == []


def test_watchers_listen_and_hear_nothing_before_its_time():
    class Listener(Watcher):
        name = "listener"

        def __init__(self) -> None:
            self.heard_s, self.looked_s, self.ahead_s = 0.0, 0.0, 0.0

        def look(self, frame):
            self.looked_s = frame.pts_s
            return []

        def listen(self, sound):
            assert sound.samples.ndim == 1 and sound.samples.dtype == np.float32
            assert sound.from_s == pytest.approx(self.heard_s, abs=1e-6)
            self.heard_s = sound.from_s + sound.duration_s
            self.ahead_s = max(self.ahead_s, self.heard_s - self.looked_s)
            return []

    listener = Listener()
    what_if(source=FlashesAndBeeps(20.0), watchers=[listener])
    assert listener.heard_s == pytest.approx(20.0, abs=0.15)
    assert listener.ahead_s <= 0.35  # it looks five times a second


def test_a_commentator_that_hears_gets_the_sound_of_its_frames():
    class Hears(Says):
        hears = True

    commentator = Hears("All is well here today.")
    what_if(source=FlashesAndBeeps(20.0), commentator=commentator)
    for request in commentator.requests[2:]:
        span_s = request.frames[-1].pts_s - request.frames[0].pts_s
        sound = request.sound
        assert (
            sound.sample_rate_hz == 16_000 and sound.samples.dtype == np.float32 and sound.samples.ndim == 1
        )
        assert sound.duration_s == pytest.approx(span_s, abs=0.01) and sound.from_s == request.frames[0].pts_s
        # the beep of the second full second inside it stands where it was captured
        beep_s = np.ceil(sound.from_s + 0.1)
        at = round((beep_s - sound.from_s) * 16_000)
        assert np.abs(sound.samples[at + 80 : at + 700]).max() > 0.3
        assert np.abs(sound.samples[at - 900 : at - 80]).max() < 0.05
    deaf = Says("All is well here today.")
    what_if(source=FlashesAndBeeps(10.0), commentator=deaf)
    assert all(request.sound is None for request in deaf.requests)


def test_sound_that_starts_late_is_heard_at_its_time():
    ears = Ears()
    run(FlashesAndBeeps(20.0, sound_from_s=5.0), ears)
    errors = errors_ms(ears)[6:]
    assert np.abs(errors).max() <= 25


def test_a_source_whose_sound_dies_ends_with_its_reason_and_is_commented():
    ears = Ears()
    session = run(FlashesAndBeeps(20.0, dies_at_s=8.0), ears)
    assert "the sound card was unplugged" in session.log.header["source_problem"]
    assert session.log.header["outcomes"]["spoken"] > 0


def test_a_player_that_cannot_sound_is_dropped_and_the_run_goes_on():
    ears, others = Ears(fails_at=3), Ears()
    commentator = ScriptedCommentator(cost=CostModel(1.0, 0.0, 4.0, 0.5, 0.2))
    session = what_if(source=FlashesAndBeeps(15.0), players=[ears, others], commentator=commentator)
    assert any("no loudspeaker" in note for note in session.log.header["notes"])
    assert len(others.pieces) > 100


def test_memory_is_bounded_by_the_delay():
    from commentator_lib.sound.captured import CapturedSound

    sound = CapturedSound(45.0)
    for k in range(6000):  # ten minutes
        sound.push(np.zeros((4800, 2), np.int16), k * 0.1)
    assert sound.end - sound.first <= 45.2 * R
