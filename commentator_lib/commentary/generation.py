"""Run the commentator for one comment: take its pieces as they come, with time-outs, and measure its memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator

from commentator_lib.clock import Worker, next_or_end
from commentator_lib.commentary.comment import Comment, StaleComment, State
from commentator_lib.commentary.speech import SpeechPiece
from commentator_lib.errors import named_first_line
from commentator_lib.runs.record import CycleRecord
from commentator_lib.settings import Settings


class NoAnswer(Exception):
    """A commentator did not answer in time; the message says for how long."""


class Generation:
    """Generates one comment after another on the inference worker; `comment` is the present one.

    `take(comment, piece)` is called for each piece that may be shown or heard; it raises StaleComment where the
    comment comes too late. `vram` reads the GPU memory in use, in bytes, or None; `torch_vram(reset)` is
    `meters.torch_vram_bytes`. Times in the record are relative to `epoch_s`.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        worker: Worker,
        take: Callable[[Comment, SpeechPiece], None],
        epoch_s: float,
        vram: Callable[[], int | None],
        torch_vram: Callable[[bool], tuple[int, int] | None],
    ) -> None:
        self.settings = settings
        self.comment: Comment | None = None
        self._worker = worker
        self._take = take
        self._epoch_s = epoch_s
        self._vram = vram
        self._torch_vram = torch_vram
        self._clock = asyncio.get_running_loop()
        self._task: asyncio.Task[bool] | None = None

    def overtake(self, trigger: str) -> None:
        """End what is being generated, for an urgent cycle."""
        if self.comment and not self.comment.ended:
            self.comment.overtake(trigger)
        self.cancel()

    def cancel(self) -> None:
        """End what is being generated, because the run ends."""
        if self._task:
            self._task.cancel()

    async def run(self, comment: Comment, pieces: Generator[SpeechPiece, None, None]) -> bool:
        """Take all pieces, until the end, a failure or `cancel`; return True when the comment was "...".

        The comment itself then says why it ended early, if it did.
        """
        self._measure_idle_memory(comment.record)
        task = asyncio.ensure_future(self._take_pieces(comment, pieces))
        self._task, self.comment = task, comment
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                task.cancel()
            self._task = self.comment = None
        comment.record.generated_s = self._clock.time() - self._epoch_s
        comment.complete()
        comment.record.text = comment.text
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._worker.submit(pieces.close)
        if not comment.ended:  # one that was dropped while it was generated has its reason
            if task.cancelled():
                comment.break_off("the session was stopped")
            elif isinstance(error, StaleComment):
                comment.break_off(str(error))
            elif error is not None:
                comment.report_problem(str(error) if isinstance(error, NoAnswer) else named_first_line(error))
        return not task.cancelled() and error is None and task.result()

    async def _take_pieces(self, comment: Comment, pieces: Generator[SpeechPiece, None, None]) -> bool:
        """Take pieces as they come; return True when the comment was "..."."""
        timeout_s = self.settings.inference_timeout_s
        news_s = self._clock.time()
        while True:
            # 1) Ask for the next piece. Each may take `timeout_s`, and so may all until something can be heard, and all
            # after that which bring nothing new.
            if self._clock.time() - news_s > timeout_s:
                raise NoAnswer(f"the commentator had nothing to show for {timeout_s:g} s")
            asked_s = self._clock.time()
            piece = await self._next_piece(pieces, timeout_s)
            if piece is None:
                return False
            # 2) A commentator with a cost model is charged what it says, not what it took.
            if piece.cost_s is not None and (left_s := asked_s + piece.cost_s - self._clock.time()) > 0:
                if piece.cost_s > timeout_s:
                    await asyncio.sleep(timeout_s)
                    raise NoAnswer(f"the commentator gave no answer for {timeout_s:g} s")
                await asyncio.sleep(left_s)
            # 3) Write down what it took, and hand it on.
            self._measure_peak_memory(comment.record)
            _count(comment.record, piece)
            if piece.problem:
                comment.report_problem(piece.problem)
            comment.reason = piece.reason or comment.reason
            if piece.silent:
                return True
            self._take(comment, piece)
            news = piece.text or piece.pcm is not None or piece.output_tokens
            if news and comment.state is not State.PREPARING:
                news_s = self._clock.time()

    async def _next_piece(
        self, pieces: Generator[SpeechPiece, None, None], timeout_s: float
    ) -> SpeechPiece | None:
        """Return the next piece, None after the last. Raise NoAnswer after `timeout_s`."""
        if not self._worker.takes_time:
            piece = await self._worker.call(next_or_end, pieces)
            return piece if isinstance(piece, SpeechPiece) else None  # else it is clock.END
        timeout = asyncio.timeout(timeout_s)
        try:
            async with timeout:
                piece = await self._worker.call(next_or_end, pieces)
        except TimeoutError:
            if not timeout.expired():  # the commentator's own
                raise
            raise NoAnswer(f"the commentator gave no answer for {timeout_s:g} s") from None
        return piece if isinstance(piece, SpeechPiece) else None  # else it is clock.END

    def _measure_idle_memory(self, record: CycleRecord) -> None:
        record.vram_idle_bytes = record.vram_peak_bytes = self._vram()
        record.torch_idle_bytes, record.torch_peak_bytes = self._torch_vram(True) or (None, None)

    def _measure_peak_memory(self, record: CycleRecord) -> None:
        """Record the peak of GPU memory: PyTorch's own, and the driver's at each piece, which misses short peaks."""
        if (used := self._vram()) is not None:
            record.vram_peak_bytes = max(used, record.vram_peak_bytes or 0)
        if (torch_vram := self._torch_vram(False)) is not None:
            record.torch_peak_bytes = torch_vram[1]


def _count(record: CycleRecord, piece: SpeechPiece) -> None:
    """Add a piece's tokens and stage times to the record."""
    if piece.stage_times is not None:
        record.set_stage_times(piece.stage_times)
    record.output_tokens += piece.output_tokens
    record.repeated_sentences += piece.repeated_sentences
    if piece.image_tokens is not None:
        record.image_tokens = piece.image_tokens
    if piece.prompt_tokens is not None:
        record.prompt_tokens = piece.prompt_tokens
