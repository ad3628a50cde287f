"""Feed: the run as a broadcaster sends it: the delayed picture, the mix of voice and programme, and the words.

It is a player of the session. What it is given goes out to any number of subscribers when it is due, and a moment
(`HOLD_S`) later: a word may come at the very instant at which it is to be heard, and the programme must be turned down
before it. Picture, sound and words are held back equally, so they stay together, and each carries the clock time at
which it was due: what is muxed is exact whatever the machine does.

A thread gives it out while somebody subscribes; without a subscriber nothing is mixed or encoded. Between two runs the
last picture stands and the sound is silence, so that streams go on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from commentator_lib.errors import named_first_line
from commentator_lib.jpeg import encode_jpeg
from commentator_lib.media import AudioChunk, Frame, to_int16
from commentator_lib.players.base import Player
from commentator_lib.players.playback_clock import PlaybackClock
from commentator_lib.sound.live_mix import LiveMix

logger = logging.getLogger(__name__)

HOLD_S = 0.2
_TICK_S = 0.02
_MIX_EVERY_S = 0.04  # mixing in larger pieces costs less
# After a pause of the whole program the sound goes on at the present.
_LATEST_S = 1.5
# Pictures come ahead of their time by the lead of the slowest player, far less than these.
_PENDING_PICTURES, _PENDING_WORDS = 100, 500
# What waits for one subscriber: twenty seconds of sound, and the words of some minutes.
_WAITING_SOUNDS, _WAITING_WORDS = 500, 200
_DUCK_DB, _FPS = 12.0, 25.0


@dataclass(slots=True, eq=False)
class Picture:
    """A picture that was due at clock time `at_s`: `image` is (H, W, 3) uint8 RGB."""

    at_s: float
    image: np.ndarray
    _jpeg: bytes = b""
    _encoding: threading.Lock = field(default_factory=threading.Lock)

    def jpeg(self) -> bytes:
        """Return it as a JPEG, which is made once for all who ask."""
        with self._encoding:
            self._jpeg = self._jpeg or encode_jpeg(self.image)
            return self._jpeg


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A piece of the mix, (N, 2) int16 at 48 kHz; the first sample is heard at clock time `at_s`."""

    at_s: float
    samples: np.ndarray


@dataclass(frozen=True, slots=True)
class Words:
    """All words of a comment that were heard by clock time `at_s`; `final`: no more will come.

    `voice_end_s`: when the sound that was known of then ends; None where the comment has none.
    """

    at_s: float
    comment_id: int
    text: str
    final: bool
    voice_end_s: float | None


@dataclass(frozen=True, slots=True)
class Cycle:
    """A row "cycle" of the run log, written at clock time `at_s`; `unix_zero_s` is the row's zero as Unix time."""

    at_s: float
    row: dict[str, Any]
    unix_zero_s: float


Item = Picture | Sound | Words | Cycle


class Subscription:
    """What waits for one subscriber, a context manager. Each kind has a bound, beyond which the oldest is lost.

    `lost_pictures`, `lost_sounds` and `lost_words` count what was; `closed`: nothing more will come.
    """

    def __init__(
        self, feed: Feed, pictures: int, sound: bool, words: bool, on_new: Callable[[], None]
    ) -> None:
        self.wants_sound = sound
        self.closed = False
        self.lost_pictures = self.lost_sounds = self.lost_words = 0
        self._feed, self._on_new = feed, on_new
        self._lock = threading.Lock()
        self._pictures: deque[Picture] = deque(maxlen=pictures)
        self._sounds: deque[Sound] = deque(maxlen=_WAITING_SOUNDS if sound else 0)
        self._words: deque[Words | Cycle] = deque(maxlen=_WAITING_WORDS if words else 0)

    def take(self) -> list[Item]:
        """Return what waits, by the time at which it was due."""
        with self._lock:
            items: list[Item] = [*self._pictures, *self._words, *self._sounds]
            for waiting in (self._pictures, self._words, self._sounds):
                waiting.clear()
        return sorted(items, key=lambda item: item.at_s)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self._feed.unsubscribe(self)

    # --- for the feed

    def give(self, item: Item) -> bool:
        """Take an item of any kind; return whether it is wanted."""
        with self._lock:
            if isinstance(item, Picture):
                self.lost_pictures += _append(self._pictures, item)
                return bool(self._pictures.maxlen)
            if isinstance(item, Sound):
                self.lost_sounds += _append(self._sounds, item)
                return bool(self._sounds.maxlen)
            self.lost_words += _append(self._words, item)
            return bool(self._words.maxlen)

    def wake(self) -> None:
        """Tell the subscriber that there is something new."""
        try:
            self._on_new()
        except Exception as error:  # a loop that was closed; others must get theirs
            logger.debug("a subscriber is gone: %s", named_first_line(error))
            self.closed = True


def _append(waiting: deque, item: Item) -> bool:
    """Add an item; return whether another was lost by that."""
    is_full = bool(waiting.maxlen) and len(waiting) == waiting.maxlen
    waiting.append(item)
    return is_full


class Feed(Player):
    """A Player for real time, which gives what is due to its subscribers; see the module.

    `clock` is the session loop's clock in seconds. One feed serves one session at a time, and any number after each
    other: `attach` raises RuntimeError in virtual time and while another session uses it. `close` ends all streams.
    """

    name = "feed"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.fps = _FPS  # of the source
        self.commentator = ""
        self.jumps = 0  # times when sound was left out because the program stood still
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._subscriptions: list[Subscription] = []
        self._thread: threading.Thread | None = None
        self._attached = self._closed = False
        self._epoch_s = 0.0
        self._latest: Picture | None = None
        self._pictures: deque[Picture] = deque(maxlen=_PENDING_PICTURES)
        self._words: deque[Words | Cycle] = deque(maxlen=_PENDING_WORDS)
        self._mix = LiveMix(_DUCK_DB)
        self._mixed_to_s: float | None = None  # None: nobody listens

    # --- Player, on the session's loop

    def attach(self, playback: PlaybackClock) -> None:
        if abs(asyncio.get_running_loop().time() - self.clock()) > 1.0:
            raise RuntimeError("a feed is real time: it cannot follow a run in virtual time")
        with self._lock:
            if self._attached:
                raise RuntimeError("this feed shows another session: stop it first")
            self._attached = True

    def detach(self) -> None:
        with self._lock:
            self._attached = False
            self._mix.stop(self.clock())

    def show(self, frame: Frame, due_at_s: float) -> None:
        with self._lock:
            self._pictures.append(Picture(due_at_s, frame.image))
            self._advance(self.clock() - HOLD_S)

    def play(self, pcm: AudioChunk, comment_id: int, start_at_s: float) -> None:
        with self._lock:
            self._mix.play(to_int16(pcm.samples), comment_id, start_at_s, self.clock())

    def play_programme(self, pcm: AudioChunk, start_at_s: float) -> None:
        with self._lock:
            self._mix.play_programme(to_int16(pcm.samples), start_at_s, self.clock())

    def caption(self, comment_id: int, text: str, final: bool) -> None:
        with self._lock:
            voice_end_s = self._mix.voice_end_s(comment_id)
            self._words.append(Words(self.clock(), comment_id, text, final, voice_end_s))

    def cut(self, comment_id: int, at_heard_s: float) -> None:
        with self._lock:
            self._mix.cut(comment_id, at_heard_s, self.clock())

    def log_row(self, kind: str, row: dict[str, Any]) -> None:
        with self._lock:
            if kind == "run":
                self._epoch_s = float(row.get("epoch_s", 0.0))
                self._mix.duck_db = float(row.get("duck_db", _DUCK_DB))
                self.fps = float(row.get("fps") or _FPS)
                self.commentator = str(row.get("commentator", ""))
            elif kind == "cycle":
                now_s = self.clock()
                self._words.append(Cycle(now_s, row, time.time() - now_s + self._epoch_s))

    # --- subscribers, on any thread

    @property
    def subscribers(self) -> int:
        """How many take something at present."""
        with self._lock:
            return len(self._subscriptions)

    def latest(self) -> Picture | None:
        """Return the picture on screen; None where none was shown yet."""
        with self._lock:
            self._advance(self.clock() - HOLD_S)
            return self._latest

    def subscribe(
        self, on_new: Callable[[], None], *, pictures: int = 0, sound: bool = False, words: bool = False
    ) -> Subscription:
        """Return a subscription, which gets the picture on screen at once.

        `pictures`: how many may wait for it, 0 for none. `on_new()` is called from another thread when there is
        something to take, and at the end; it must return at once.
        """
        subscription = Subscription(self, pictures, sound, words, on_new)
        with self._lock:
            if self._closed:
                subscription.closed = True
                return subscription
            self._advance(self.clock() - HOLD_S)
            self._subscriptions.append(subscription)
            if self._latest is not None and subscription.give(self._latest):
                subscription.wake()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="feed", daemon=True)
                self._thread.start()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Give nothing more to a subscription."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
            subscription.closed = True
            self._wake.set()

    def close(self) -> None:
        """End all streams, and the thread soon; nobody can subscribe any more."""
        with self._lock:
            self._closed = True
            ended, self._subscriptions = self._subscriptions, []
            self._wake.set()
        for subscription in ended:
            subscription.closed = True
            subscription.wake()

    # --- its thread

    def _work(self) -> None:
        while True:
            self._wake.wait(_TICK_S)
            with self._lock:
                self._wake.clear()
                if not self._subscriptions:
                    self._thread, self._mixed_to_s = None, None
                    return
                self._step(self.clock() - HOLD_S)

    def _step(self, until_s: float) -> None:
        """Give out what is due before `until_s`."""
        self._advance(until_s)
        if not any(s.wants_sound for s in self._subscriptions):
            self._mixed_to_s = None
            return
        if self._mixed_to_s is None or until_s - self._mixed_to_s > _LATEST_S:
            self.jumps += self._mixed_to_s is not None
            self._mix.begin(until_s)
        elif until_s - self._mixed_to_s < _MIX_EVERY_S:
            return
        self._mixed_to_s = until_s
        at_s, mixed = self._mix.render(until_s)
        if len(mixed):
            self._give([Sound(at_s, to_int16(mixed))])

    def _advance(self, until_s: float) -> None:
        """Give out the pictures and the words that are due before `until_s`."""
        items: list[Item] = []
        while self._pictures and self._pictures[0].at_s <= until_s:
            self._latest = self._pictures.popleft()
            items.append(self._latest)
        while self._words and self._words[0].at_s <= until_s:
            items.append(self._words.popleft())
        self._give(items)

    def _give(self, items: list[Item]) -> None:
        if not items:
            return
        for subscription in list(self._subscriptions):
            if sum(subscription.give(item) for item in items):
                subscription.wake()
            if subscription.closed:
                self._subscriptions.remove(subscription)
