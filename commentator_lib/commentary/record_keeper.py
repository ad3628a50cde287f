"""The records of cycles: begun with the frames that are looked at, completed with what was heard, and logged."""

from __future__ import annotations

import asyncio

from commentator_lib.commentary.comment import Comment, State
from commentator_lib.media import Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.pacing.policy import Slot
from commentator_lib.players.playback_clock import CommentPlayback
from commentator_lib.runs.log import RunLog
from commentator_lib.runs.record import CycleRecord
from commentator_lib.scene import SceneChange
from commentator_lib.settings import Settings


class RecordKeeper:
    """Begins, completes and logs records. Times in them are relative to `epoch_s`.

    `last_heard_to_s` is when the last sound ended, since the epoch; None before the first.
    """

    def __init__(self, *, delay: PictureDelay, log: RunLog, epoch_s: float) -> None:
        self.last_heard_to_s: float | None = None
        self._delay = delay
        self._log = log
        self._epoch_s = epoch_s
        self._clock = asyncio.get_running_loop()

    def begin(
        self,
        cycle: int,
        trigger: str,
        slot: Slot,
        frames: list[Frame],
        change: SceneChange,
        settings: Settings,
        now: float,
    ) -> CycleRecord:
        """Return the record of a cycle that begins at clock time `now` and looks at `frames`, oldest first."""
        return CycleRecord(
            cycle=cycle,
            trigger=trigger,
            policy=settings.policy,
            frames=len(frames),
            frame_first_index=frames[0].index,
            frame_last_index=frames[-1].index,
            frame_oldest_age_s=now - frames[0].captured_at_s,
            frame_newest_age_s=now - frames[-1].captured_at_s,
            frame_newest_captured_s=frames[-1].captured_at_s - self._epoch_s,
            change_mean=change.mean,
            change_block=change.block,
            change_compensated=change.compensated,
            decide_s=now - self._epoch_s,
            slot_s=slot.hear_at_s - self._epoch_s,
            pause_s=settings.pause_s,
            delay_wanted_s=self._delay.wanted_s,
            delay_applied_s=self._delay.applied_s,
        )

    def finish(self, comment: Comment, playback: CommentPlayback) -> None:
        """End a comment that was heard or cut: complete its record and log it."""
        now = self._clock.time()
        record = comment.record
        outcome = comment.end()
        reason = {State.FAILED: comment.problem, State.HEARD: comment.reason}.get(
            comment.state, comment.broken_off
        )
        record.speech_s = comment.goal_s
        record.heard_text = (
            comment.text_up_to(comment.goal_s) if comment.has_sound else record.text or comment.text
        )
        if comment.state is not State.DROPPED:
            self._measure_heard(comment, playback, now)
        record.discarded_tokens = _discarded_tokens(comment)
        self.log_end(record, outcome, reason)

    def _measure_heard(self, comment: Comment, playback: CommentPlayback, now: float) -> None:
        """Record when it was heard, and how far that is from its picture and from the comment before."""
        record = comment.record
        from_s = comment.start_s
        if comment.has_sound:
            from_s = playback.heard_from_s(now) or comment.start_s
        to_s = playback.end_s(now) if comment.has_sound else max(from_s, now)
        record.heard_from_s = from_s - self._epoch_s
        record.heard_to_s = to_s - self._epoch_s
        # In sync is a comment that starts while the picture shows what it is about: from its first evidence on screen
        # (an event's) to its newest frame (of all others the only one).
        due_s = self._delay.due_of(comment.captured_s)
        evidence_due_s = self._delay.due_of(comment.evidence_s)
        record.sync_error_s = from_s - min(max(from_s, evidence_due_s), due_s)
        record.on_screen_captured_s = comment.captured_s + (from_s - due_s) - self._epoch_s
        record.delay_wanted_s = self._delay.wanted_s
        record.delay_applied_s = due_s - comment.captured_s
        if not comment.has_sound:
            return
        record.underruns = int(to_s - from_s > comment.goal_s + 0.02)
        if self.last_heard_to_s is not None:
            record.gap_before_s = record.heard_from_s - self.last_heard_to_s
            record.shortfall_s = max(0.0, record.gap_before_s - (record.pause_s or 0.0))
        self.last_heard_to_s = record.heard_to_s

    def log_end(self, record: CycleRecord, outcome: str, reason: str = "") -> None:
        """Log a cycle that is over, whether anything of it was heard or not."""
        record.outcome, record.reason = outcome, reason
        record.done_s = self._clock.time() - self._epoch_s
        self._log.cycle(record)


def _discarded_tokens(comment: Comment) -> int:
    """Return how many of its output tokens were not heard."""
    record = comment.record
    if comment.state is State.DROPPED:
        return record.output_tokens
    if comment.state is not State.CUT:
        return record.discarded_tokens
    words = max(1, len(record.text.split()))
    share = min(1.0, len(record.heard_text.split()) / words)
    return round(record.output_tokens * (1 - share))
