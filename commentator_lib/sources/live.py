"""Live sources: drained from their opening on, stamped by their own clock, opened again when they are lost.

Three threads share a `LiveSource`. The keeper opens the source, and opens it again when it is lost. A drain for each
connection decodes what comes, at once, so that no backlog builds up anywhere. The session calls `read`, which takes
the next picture from a short queue. A drain whose connection has fallen silent cannot be interrupted; it is left
behind, and ends by itself at its time-out.

Long because all three work on one state under one lock; the arithmetic is in arrival.py.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.sources.arrival import ArrivalClock, BurstHold, Rhythm
from commentator_lib.sources.base import LiveStats, Source, SourceError, SourceInfo
from commentator_lib.sources.decoding import Pictures, seconds
from commentator_lib.sources.plain_reasons import plain_reason

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)

# Pictures that wait for the session: beyond so many seconds the oldest is left out.
_QUEUE_S = 0.5
# A source has settled once its anchor has not moved at once for so long; then its newest picture is given.
_SETTLED_S, _SETTLED_AT_MOST_S = 0.25, 2.0
# No picture for `_STALLED` intervals of the source's own: it is away, and after `_OUTAGE_S` that is written down. For
# `_LOST` intervals and at least `_LOST_S`: it is lost.
_STALLED, _STALLED_S, _OUTAGE_S = 3.0, 0.5, 1.0
_LOST, _LOST_S = 4.0, 5.0
# While the rhythm is not known yet, pictures are expected so often.
_UNKNOWN_RHYTHM_S = 6.0
# The first picture must come within this time of the opening.
_FIRST_PICTURE_S = 15.0
BACK_OFF_S = (0.25, 10.0)
# A try to open it again may take so long: a server that is just starting may never answer the first one.
_PATIENCE_S, _MORE_PATIENCE, _MOST_PATIENCE_S = 3.0, 1.5, 10.0
# Pictures that are later than this show that decoding cannot keep up: some are not decoded any more.
_LATE_S, _VERY_LATE_S, _ON_TIME_S = 0.4, 0.8, 0.1
# A source that gives what has been stored (HLS) is read so far ahead of its time.
_READ_AHEAD_S = 0.5
_SOUND_KEPT_S = 5.0
# A thread that waits for a connection is left behind after so long; it ends by itself at FFmpeg's time-out.
_LEFT_BEHIND_S = 1.0


@dataclass(slots=True)
class _Waiting:
    """A picture in the queue."""

    picture: av.VideoFrame
    connection: Pictures
    captured_s: float
    number: int


class LiveSource(Source):
    """A live source: `first` is its open connection. Raise SourceError where that gives no picture.

    `connect` opens it again within so many seconds, or raises SourceError; it is called from another thread each time
    that the source is lost, after 0.25 s at first and then less and less often, for `reconnect_for_s`. `clock` is the
    session's monotonic clock in seconds; `back_off_s` the shortest and the longest wait between two tries.
    """

    def __init__(
        self,
        first: Pictures,
        connect: Callable[[float], Pictures],
        reconnect_for_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        back_off_s: tuple[float, float] | None = None,
    ) -> None:
        self.outages: list[tuple[float, float, str]] = []
        self._connect = connect
        self._reconnect_for_s = reconnect_for_s
        self._clock = clock
        self._back_off_s = back_off_s or BACK_OFF_S
        self._jitter = random.Random(0)
        self._changed = threading.Condition()
        # What follows is guarded by `_changed`.
        self._queue: deque[_Waiting] = deque()
        self._sound: deque[AudioChunk] = deque()
        self._connection_number = 0
        self._reading = self._settling = self._closed = self._over = False
        self._lost_because = ""  # why the connection has ended
        self._away_because = ""  # why no picture has come since the last
        self._reopened, self._is_first = False, True  # the connection's first picture has not come
        self._outages_given = self._outages_shown = 0  # outages after which a picture was read, and was used
        self._last_arrival_s: float | None = None
        self._opened_s = clock()
        self._count = self._corrupt = self._reconnects = 0
        self._left_out = self._left_out_before = 0  # by all connections, and by those before the present one
        self._first_s: float | None = None  # clock time at which the media time is 0
        self._first_number = 0
        self._last_s = float("-inf")
        self._newest_captured_s: float | None = None
        self._level = 0
        self._arrivals, self._rhythm, self._hold = ArrivalClock(), Rhythm(), BurstHold()
        self._release_late_s = 0.0  # of a stored source: when its pictures are released, less their stamps
        # Drain it from now on, and wait for the first picture.
        self.info = SourceInfo(first.shown, 0, 0, first.fps, None, live=True, has_sound=first.has_sound)
        self.codec, self.transport = first.codec, first.transport
        self._keeper = threading.Thread(target=self._keep, args=(first,), name="source keeper", daemon=True)
        self._keeper.start()
        try:
            self._wait_for_first_picture(first.shown)
        except BaseException:
            self.close()
            raise

    def _wait_for_first_picture(self, shown: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._over or self._lost_because, _FIRST_PICTURE_S)
            if not self._queue:
                why = self._lost_because or f"nothing came for {_FIRST_PICTURE_S:g} s"
                raise SourceError(f"{shown} gives no picture: {why}")
            waiting = self._queue[-1]
        image, _ = waiting.connection.image(waiting.picture)  # meanwhile the backlog is drained
        height, width = image.shape[:2]
        info = self.info
        self.info = SourceInfo(info.spec, width, height, info.fps, None, live=True, has_sound=info.has_sound)

    # --- the keeper's thread

    def _keep(self, connection: Pictures) -> None:
        """Open the source again, each time that it is lost, until it is closed or given up."""
        while True:
            # 1) Let a thread drain the connection, until it is lost.
            number = self._begin(connection)
            drain = threading.Thread(
                target=self._drain, args=(connection, number), name="source drain", daemon=True
            )
            drain.start()
            with self._changed:
                while not (self._closed or self._over or self._lost_because):
                    self._changed.wait(0.1)
                    if silent_s := self._silent_s():
                        self._lost_because = f"nothing came for {silent_s:.0f} s"
                ended = self._closed or self._over
            if ended:
                drain.join(_LEFT_BEHIND_S)
                return
            with self._changed:
                self._connection_number += 1  # what that drain still gives is not taken any more
                why, lost_s = self._lost_because, self._last_arrival_s or self._clock()
                self._away_because = why
                self._changed.notify_all()
            logger.warning("source %s is lost: %s", self.info.spec, why)
            # 2) Open it again.
            again = self._open_again(lost_s)
            if again is None:
                return
            if again.is_stored and again.duration_s and not again.has_end:
                # A stream that has been finished meanwhile: what it holds is old.
                again.close()
                with self._changed:
                    self._over = True
                    self._changed.notify_all()
                return
            connection = again

    def _open_again(self, lost_s: float) -> Pictures | None:
        """Return a new connection; None once the source is closed or given up."""
        wait_s, patience_s = self._back_off_s[0], _PATIENCE_S
        until_s = lost_s + self._reconnect_for_s
        while True:
            with self._changed:
                left_s = max(0.0, until_s - self._clock())
                jitter = self._jitter.uniform(0.8, 1.2)
                self._changed.wait_for(lambda: self._closed, min(wait_s * jitter, left_s))
                if self._closed:
                    return None
                if self._clock() >= until_s:
                    away_s, why = self._clock() - lost_s, self._lost_because
                    tried = f" and did not come back within {away_s:.0f} s" if self._reconnect_for_s else ""
                    self.problem = f"the source was lost{tried}: {why}"
                    self.outages.append((lost_s, self._clock(), self._away_because))
                    self._over = True
                    self._changed.notify_all()
                    return None
            try:
                return self._connect(patience_s)
            except SourceError as error:
                with self._changed:
                    self._lost_because = str(error)
                logger.info("source: %s", error)
            wait_s = min(2 * wait_s, self._back_off_s[1])
            patience_s = min(_MORE_PATIENCE * patience_s, _MOST_PATIENCE_S)

    def _begin(self, connection: Pictures) -> int:
        """Note that a connection is open; return its number."""
        with self._changed:
            self._connection_number += 1
            self._left_out_before = self._left_out
            self._reopened = self._last_arrival_s is not None
            self._reconnects += self._reopened
            self._arrivals, self._hold, self._release_late_s = ArrivalClock(), BurstHold(), 0.0
            self._rhythm.outage()
            self._is_first = True
            self._lost_because = ""
            self._opened_s = self._clock()
            self._settling, self._level = not connection.is_stored, 0
            return self._connection_number

    def _silent_s(self) -> float:
        """Return for how long nothing has come, if that is too long for this source; else 0."""
        since_s = self._clock() - max(self._last_arrival_s or 0.0, self._opened_s)
        most_s = max(_LOST_S, _LOST * self._rhythm.longest_s(_UNKNOWN_RHYTHM_S))
        return since_s if since_s > most_s else 0.0

    # --- a drain's thread

    def _drain(self, connection: Pictures, number: int) -> None:
        """Take all pictures of a connection as they come; note why they end."""
        from av.error import FFmpegError

        why, failed = "it has ended", False
        try:
            for picture in connection.pictures():
                with self._changed:
                    if self._closed or number != self._connection_number:
                        return
                    self._take(picture, connection)
                if connection.is_stored and not self._wait_until_near(number, connection.has_end):
                    return
        except (FFmpegError, ValueError) as error:
            why, failed = plain_reason(error), True
        except Exception as error:  # code of others may fail in any way; the source is opened again
            logger.exception("a live source fails")
            why, failed = f"{type(error).__name__}: {error}", True
        finally:
            wanted = not failed and not self._closed and number == self._connection_number
            over = connection.has_end or (wanted and connection.has_ended())
            connection.close()
            with self._changed:
                if number == self._connection_number and over:
                    self._over, self.problem = True, f"the source breaks off: {why}" if failed else ""
                elif number == self._connection_number:
                    self._lost_because = why
                self._changed.notify_all()

    def _take(self, picture: av.VideoFrame, connection: Pictures) -> None:
        """Queue a picture that has arrived now, and the sound before it."""
        # 1) When it was captured.
        now_s = self._clock()
        stamp_s = seconds(picture.pts, picture.time_base)
        fresh = self._arrivals.offset_s is None
        captured_s = self._arrivals.captured_s(stamp_s, now_s)
        self._note_arrival(now_s)
        self._corrupt += bool(picture.is_corrupt)
        self._left_out = self._left_out_before + connection.left_out
        late_s = now_s - captured_s
        if connection.is_stored:
            # What comes at once was made long ago; the first of it is shown now, and the rest follows by its stamps.
            captured_s = self._released_s(stamp_s, now_s, fresh)
            offset_s = self._release_late_s
        else:
            self._hold.arrived(late_s, now_s)
            captured_s += self._hold.hold_s
            offset_s = (
                None if self._arrivals.offset_s is None else self._arrivals.offset_s + self._hold.hold_s
            )
            self._keep_up(late_s - self._hold.hold_s, connection)
        captured_s = max(captured_s, self._last_s + 1e-3)
        # 2) The sound that came with it, on the same clock.
        for chunk in connection.take_sound(0.0):
            if offset_s is not None:
                at_s = (chunk.from_s or 0.0) + offset_s
                self._sound.append(AudioChunk(chunk.samples, chunk.sample_rate_hz, at_s))
        kept = round(_SOUND_KEPT_S * PLAYBACK_RATE_HZ)
        while not self._reading and sum(len(chunk.samples) for chunk in self._sound) > kept:
            self._sound.popleft()
        # 3) Into the queue; before the session reads, only the newest stays.
        self._last_s = self._newest_captured_s = captured_s
        self._queue.append(_Waiting(picture, connection, captured_s, self._count))
        self._count += 1
        most_s = _QUEUE_S + self._hold.hold_s + (_READ_AHEAD_S if connection.is_stored else 0.0)
        while len(self._queue) > 1 and (
            captured_s - self._queue[0].captured_s > most_s
            or not (self._reading or connection.is_stored)
            or self._settling
        ):
            self._queue.popleft()
            self.skipped += 1
        self._changed.notify_all()

    def _note_arrival(self, now_s: float) -> None:
        """Note that a picture has come: the end of an outage, if there was one."""
        before_s, self._last_arrival_s = self._last_arrival_s, now_s
        if before_s is not None and (self._reopened or now_s - before_s > max(_OUTAGE_S, self._stall_s())):
            self.outages.append((before_s, now_s, self._away_because or "no picture came"))
            self._rhythm.outage()
        self._reopened, self._away_because = False, ""
        # The first one has waited for the opening: its time tells nothing of the rhythm.
        if not self._is_first:
            self._rhythm.arrived(now_s)
        self._is_first = False

    def _released_s(self, stamp_s: float | None, now_s: float, fresh: bool) -> float:
        """Return when a picture of a stored source is due: by its stamp from the first one on, later if it is late."""
        if stamp_s is None:
            return now_s
        if fresh:
            self._release_late_s = now_s - stamp_s
        due_s = stamp_s + self._release_late_s
        if due_s < now_s - _QUEUE_S or due_s > now_s + 60.0:
            self._release_late_s = now_s - stamp_s
            due_s = now_s
        return due_s

    def _keep_up(self, late_s: float, connection: Pictures) -> None:
        """Decode fewer pictures where decoding cannot keep up, so that their age does not grow."""
        level = self._level
        if late_s > _VERY_LATE_S:
            level = 2
        elif late_s > _LATE_S:
            level = max(level, 1)
        elif late_s < _ON_TIME_S:
            level = 0
        if level != self._level:
            self._level = level
            connection.decode_less(level)

    def _wait_until_near(self, number: int, has_end: bool) -> bool:
        """Wait until the newest picture of a stored source is nearly due; False where it is not wanted any more.

        One with an end is not read on before the session reads: nothing of it is lost.
        """
        with self._changed:
            while not self._closed and number == self._connection_number:
                ahead_s = self._last_s - _READ_AHEAD_S - self._clock()
                if ahead_s <= 0 and (self._reading or not has_end):
                    return True
                # It is not silent: it is made to wait.
                self._last_arrival_s = self._clock()
                self._changed.wait(min(max(ahead_s, 0.02), 0.2))
            return False

    # --- the session's thread

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        with self._changed:
            self._begin_reading()
            self._outages_shown = self._outages_given  # what was given before has been used
            while True:
                if self._closed or (self._over and not self._queue):
                    return None
                now_s = self._clock()
                if not self._queue:
                    self._changed.wait(0.5)
                elif self._settling and not self._has_settled(now_s):
                    self._changed.wait(0.05)
                elif (early_s := self._queue[0].captured_s - now_s) > 1e-3:
                    self._changed.wait(min(early_s, 0.5))
                else:
                    break
            self._settling = False
            waiting = self._queue.popleft()
            self._outages_given = len(self.outages)
            if self._first_s is None:
                self._first_s, self._first_number = waiting.captured_s, waiting.number
        image, self.decoded = waiting.connection.image(waiting.picture)
        first_s = self._first_s or 0.0
        return Frame(
            waiting.number - self._first_number, waiting.captured_s - first_s, waiting.captured_s, image
        )

    def _begin_reading(self) -> None:
        """Let a stored source with an end begin now: it has waited for the first call of `read`."""
        if self._reading:
            return
        self._reading = True
        if self._queue and self._queue[0].connection.has_end:
            waited_s = self._clock() - self._queue[0].captured_s
            self._release_late_s += waited_s
            self._last_s += waited_s
            for waiting in self._queue:
                waiting.captured_s += waited_s
            self._sound = deque(
                AudioChunk(chunk.samples, chunk.sample_rate_hz, (chunk.from_s or 0.0) + waited_s)
                for chunk in self._sound
            )
        self._changed.notify_all()

    def _has_settled(self, now_s: float) -> bool:
        """Return whether the age of the newest picture is known: what came as a backlog has come."""
        last_s = self._last_arrival_s or now_s
        settled = last_s - self._arrivals.settled_since_s >= _SETTLED_S or now_s - last_s >= _SETTLED_S
        return settled or now_s - self._opened_s >= _SETTLED_AT_MOST_S

    def read_sound(self) -> list[AudioChunk]:
        with self._changed:
            taken, self._sound = list(self._sound), deque()
        first_s = self._first_s or 0.0
        return [
            AudioChunk(chunk.samples, chunk.sample_rate_hz, (chunk.from_s or 0.0) - first_s)
            for chunk in taken
            if (chunk.from_s or 0.0) >= first_s - 1.0
        ]

    def _stall_s(self) -> float:
        """Return the time without a picture after which the source is away."""
        return max(_STALLED_S, _STALLED * self._rhythm.longest_s(_UNKNOWN_RHYTHM_S))

    @property
    def away(self) -> str:
        with self._changed:
            if self._over or self._closed or self._last_arrival_s is None:
                return ""
            since_s = self._clock() - self._last_arrival_s
            if self._lost_because:
                return f"lost for {since_s:.0f} s: {self._lost_because}"
            if since_s > self._stall_s():
                return f"no picture for {since_s:.0f} s"
            return "coming back" if len(self.outages) > self._outages_shown else ""

    @property
    def live(self) -> LiveStats:
        with self._changed:
            newest_s = self._newest_captured_s
            return LiveStats(
                newest_age_s=None if newest_s is None else max(0.0, self._clock() - newest_s),
                fps=self._rhythm.fps,
                dropped=self.skipped + self._left_out,
                corrupt=self._corrupt,
                reconnects=self._reconnects,
            )

    def interrupt(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self) -> None:
        self.interrupt()
        self._keeper.join(_LEFT_BEHIND_S)
