"""From a comment's first sound until it was heard: its start, the room that a cut makes, and its captions.

Each comment that is being heard has a task of its own, which shows its captions and completes its record, while the
loop prepares the next comment.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from functools import partial

from commentator_lib.commentary.comment import Comment, StaleComment, State
from commentator_lib.commentary.record_keeper import RecordKeeper
from commentator_lib.commentary.speech import SpeechPiece
from commentator_lib.commentary.word_ends import word_ends
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.pacing.policy import LEAST_HEARD_S, cut_position, start_of_comment
from commentator_lib.players.base import PlayerGroup
from commentator_lib.players.playback_clock import CommentPlayback
from commentator_lib.settings import Settings

# The foreseen end of a comment moves when a player stalls, so a task that waits for it checks again this often where
# one may.
LOOK_AGAIN_S = 0.5
_LONG_S = 60.0
# A caption may come this many seconds before its word: too little to be seen.
_CAPTION_EARLY_S = 0.02


class Delivery:
    """All comments that are ready or being heard, in `comments` by their ids.

    `last` is the newest comment with sound that was not dropped; `last_text` goes into the next prompt.
    `on_start(comment)` is called when a comment is begun to be heard or shown, `on_end(comment)` after it, and
    `on_fault()` when a fault of the program ends the attending of one.
    Times in the records are relative to `epoch_s`.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        delay: PictureDelay,
        players: PlayerGroup,
        keeper: RecordKeeper,
        epoch_s: float,
        on_start: Callable[[Comment], None],
        on_end: Callable[[Comment], None],
        on_fault: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.comments: dict[int, Comment] = {}
        self.last: Comment | None = None
        self.last_text = ""
        self._delay = delay
        self._players = players
        self._keeper = keeper
        self._epoch_s = epoch_s
        self._on_start = on_start
        self._on_end = on_end
        self._on_fault = on_fault
        self._clock = asyncio.get_running_loop()
        self._attending: dict[int, asyncio.Task[None]] = {}

    def playback(self, comment: Comment) -> CommentPlayback:
        """Return what the playback clock knows of a comment."""
        return self._players.playback.track(comment.id)

    def previous_end_s(self, now: float) -> float | None:
        """Return the clock time at which the last sound ends or ended; None when there was none."""
        if self.last is not None and not self.last.ended:
            return self.playback(self.last).end_s(now)
        heard_to_s = self._keeper.last_heard_to_s
        return None if heard_to_s is None else heard_to_s + self._epoch_s

    def heard_by(self, comment: Comment, when_s: float) -> str:
        """Return the words of a comment that will have been heard at clock time `when_s`, when the next one cuts it."""
        now = self._clock.time()
        return comment.text_up_to(self.playback(comment).heard_s(now) + max(0.0, when_s - now))

    def text_to_carry(self, trigger: str, captured_s: float) -> str:
        """Return the last comment for the next prompt: all of it, or what will have been heard if it is cut.

        `captured_s`: the clock time of the newest frame of the next comment.
        """
        if trigger in ("change", "event") and self.last is not None and not self.last.ended:
            return self.heard_by(self.last, self._delay.due_of(captured_s))
        return self.last_text

    # --- its first sound

    def take(self, comment: Comment, piece: SpeechPiece) -> None:
        """Take a piece that was just generated; start the comment if this is the first that can be heard or shown.

        Raise StaleComment where it comes too late to be heard.
        """
        seconds = 0.0 if piece.pcm is None else len(piece.pcm) / PLAYBACK_RATE_HZ
        if piece.text and comment.record.first_text_s is None:
            comment.record.first_text_s = self._clock.time() - self._epoch_s
        offset_s = comment.sent_s
        if piece.text or seconds:
            ends = partial(word_ends, piece.text, piece.pcm) if piece.pcm is not None and seconds else tuple
            comment.add(piece.text, seconds, ends)
        # Sound starts a comment; where there is none, its text does: at once in text mode, at the end
        # where a voice should have spoken and did not.
        shown_only = comment.pieces and not seconds and (not self.settings.speech or piece.last)
        if comment.state is State.PREPARING and (seconds or shown_only):
            self._begin(comment, has_sound=seconds > 0)
        if piece.pcm is not None and seconds:
            sound = AudioChunk(piece.pcm, PLAYBACK_RATE_HZ)
            self._players.play(sound, comment.id, comment.start_s + offset_s)
        self._players.playback.wake()

    def _begin(self, comment: Comment, has_sound: bool) -> None:
        """Decide when a comment whose first sound is ready is heard. Raise StaleComment where that is too late."""
        # 1) The delay learns from the latency; the picture for which this comment may wait stays due when it was.
        now = self._clock.time()
        comment.record.first_sound_s = now - self._epoch_s
        comment.record.first_sound_latency_s = now - comment.captured_s
        latency_s = now - max(comment.captured_s, comment.seen_s)
        self._delay.observe(latency_s, now, keep_until_s=comment.captured_s)
        # 2) Only an urgent comment need not wait for the end of the one before, and the pause.
        not_before_s = now
        if not comment.urgent and (end_s := self.previous_end_s(now)) is not None:
            not_before_s = end_s + self.settings.pause_s
        # 3) Its start, if that is soon enough after its picture.
        due_s = self._delay.due_of(comment.evidence_s)
        start_s = start_of_comment(self.settings.policy, now, due_s, not_before_s, self._delay.off)
        if self.settings.stale_after_s > 0 and start_s - due_s > self.settings.stale_after_s:
            raise StaleComment(f"ready {start_s - due_s:.1f} s behind its picture")
        # 4) An urgent comment cuts the one that is being heard.
        if self.last is not None and comment.urgent and not self.last.ended:
            start_s = self._make_room(self.last, start_s, now)
        # 5) From here on a task attends it.
        comment.begin(start_s, has_sound)
        if has_sound:
            self.last = comment
        self.comments[comment.id] = comment
        task = asyncio.ensure_future(self._attend(comment))
        task.add_done_callback(self._attended)
        self._attending[comment.id] = task

    def _make_room(self, last: Comment, start_s: float, now: float) -> float:
        """Cut the comment being heard where the urgent one starts; return the start, moved to the end of a word."""
        position_s = self.playback(last).heard_s(now) + (start_s - now)
        earliest_s = max(LEAST_HEARD_S, cut_position(position_s))
        cut_s = last.word_end_after(earliest_s) or earliest_s
        if cut_s >= last.goal_s:
            return max(start_s, self.previous_end_s(now) or now)
        last.break_off("cut for something more important")
        self._cut(last, cut_s)
        return start_s + (cut_s - position_s)

    # --- early ends

    def _cut(self, comment: Comment, at_heard_s: float) -> None:
        comment.cut(at_heard_s)
        self._players.cut(comment.id, at_heard_s)

    def drop_waiting(self, trigger: str) -> None:
        """Drop every comment of which nothing was heard yet, for an urgent cycle."""
        now = self._clock.time()
        for comment in self.comments.values():
            waiting = comment.start_s > now and not comment.ended
            if waiting and self.playback(comment).heard_s(now) == 0:
                comment.overtake(trigger)
                self._cut(comment, 0.0)
        heard = [c for c in self.comments.values() if c.has_sound and c.cut_s != 0.0]
        self.last = heard[-1] if heard else None

    def cut_all(self, reason: str) -> None:
        """End all comments at the next step of their sound."""
        now = self._clock.time()
        for comment in self.comments.values():
            if comment.ended:
                continue
            cut_s = cut_position(self.playback(comment).heard_s(now))
            if not comment.generated or cut_s < comment.goal_s:
                comment.break_off(reason)
                self._cut(comment, cut_s)

    async def drain(self) -> None:
        """Wait until every comment was heard to its end or its cut; raise the fault of a task that has failed."""
        while self._attending:
            await asyncio.wait(set(self._attending.values()))
            for task in [t for t in self._attending.values() if t.done()]:
                with contextlib.suppress(asyncio.CancelledError):
                    task.result()

    # --- until it was heard

    async def _attend(self, comment: Comment) -> None:
        """Show each piece's words when its sound is heard; finish the record when all was heard."""
        shown = 0
        sound, playback = self.playback(comment), self._players.playback
        while True:
            now = self._clock.time()
            position_s = _position_s(comment, sound, now)
            if position_s is not None:
                if comment.state is State.READY:
                    comment.start_sounding()
                    self._on_start(comment)
                shown = self._show_captions(comment, shown, position_s)
            if _is_over(comment, shown, position_s):
                break
            wait_s = _wait_s(comment, shown, position_s, now)
            await playback.wait_change(min(LOOK_AGAIN_S, wait_s) if playback.may_stall else wait_s)
        self._finish(comment)

    def _attended(self, task: asyncio.Task[None]) -> None:
        """End the run where a comment's task failed by a fault of the program; `drain` raises the fault."""
        if not task.cancelled() and task.exception() is not None:
            self._on_fault()

    def _show_captions(self, comment: Comment, shown: int, position_s: float) -> int:
        """Show the words of each piece whose sound was reached, from piece `shown` on; return how many are shown."""
        pieces = comment.pieces
        while shown < len(pieces):
            offset_s = pieces[shown].offset_s
            if position_s < offset_s - _CAPTION_EARLY_S or offset_s > comment.goal_s:
                break
            shown += 1
            final = comment.generated and not any(piece.text.strip() for piece in pieces[shown:])
            text = " ".join("".join([piece.text for piece in pieces[:shown]]).split())
            if text:
                self._players.caption(comment.id, text, final)
        return shown

    def _finish(self, comment: Comment) -> None:
        """Log a comment that was heard or cut, and forget the comments that are over."""
        self._keeper.finish(comment, self.playback(comment))
        if comment.cut_s is not None and self.last_text == comment.record.text:
            self.last_text = comment.record.heard_text
        self.comments = {k: c for k, c in self.comments.items() if not c.ended or c is self.last}
        self._attending.pop(comment.id, None)
        oldest = min((c.id for c in self.comments.values() if not c.ended), default=comment.id)
        self._players.playback.forget_before(oldest)
        self._on_end(comment)


def _position_s(comment: Comment, sound: CommentPlayback, now: float) -> float | None:
    """Return the seconds of a comment that were heard, None before its first sound.

    For text without sound, return the seconds since it was shown.
    """
    if now < comment.start_s - 1e-6:
        return None
    if not comment.has_sound:
        return now - comment.start_s
    heard_s = sound.heard_s(now)
    return heard_s if heard_s > 0 or sound.begun(now) else None


def _is_over(comment: Comment, shown: int, position_s: float | None) -> bool:
    """Return whether nothing is left to do for a comment of which `shown` pieces are shown."""
    if comment.cut_s == 0.0:
        return True
    if not comment.generated or position_s is None or position_s < comment.goal_s - 1e-6:
        return False
    return shown >= len(comment.pieces) or comment.cut_s is not None or not comment.has_sound


def _wait_s(comment: Comment, shown: int, position_s: float | None, now: float) -> float:
    """Return the seconds until a comment needs its task again, if playback goes on without a stall.

    A change of which the task is told may come before; where nothing else can matter, a minute serves.
    """
    if position_s is None:
        left_s = comment.start_s - now
        return max(0.01, left_s) if left_s > 0 else 0.05
    all_shown = shown >= len(comment.pieces)
    if not comment.has_sound or (all_shown and not comment.generated):
        return _LONG_S  # only its next text or sound can matter, and that wakes the task
    left_s = math.inf
    if comment.generated and (goal_s := comment.goal_s) > position_s:
        left_s = goal_s - position_s
    if not all_shown and (offset_s := comment.pieces[shown].offset_s) > position_s:
        left_s = min(left_s, offset_s - position_s)
    return max(0.01, left_s) if left_s < math.inf else 0.05
