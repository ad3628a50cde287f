"""Ask the model itself whether there is something to say: one forward pass on the inference worker, timed.

deciding.py holds the rules. A pass that fails, hangs or gives no number costs its cycle, never the session.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from commentator_lib.clock import Worker
from commentator_lib.commentary.deciding import ModelRule, checked, worth_saying
from commentator_lib.commentary.generation import NoAnswer
from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentRequest, Judgement
from commentator_lib.errors import named_first_line
from commentator_lib.media import Frame
from commentator_lib.runs.record import CycleRecord
from commentator_lib.settings import Settings


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to ask for a comment; if not, the outcome and the reason with which the cycle is logged."""

    speak: bool
    outcome: str = "unchanged"
    reason: str = ""


class Judging:
    """Measures what the model's rules need; keeps the last comment and the frames on which it was said."""

    def __init__(self, *, settings: Settings, commentator: Commentator, worker: Worker) -> None:
        self.settings = settings
        self._commentator = commentator
        self._worker = worker
        self._clock = asyncio.get_running_loop()
        self._task: asyncio.Task[float] | None = None
        self._text = ""
        self._frames: Sequence[Frame] = ()
        self._then: tuple[str, float] | None = (
            None  # the prompt, and the perplexity of the text on those frames
        )

    def said(self, text: str, frames: Sequence[Frame]) -> None:
        """Note what was said of these frames; with "..." the comment before holds for them too."""
        if self.settings.speak_when != "perplexity":
            self._text, frames = "", ()  # frames are large: they are kept for this rule only
        elif text.strip() != NOTHING_TO_SAY:
            self._text = text.strip()
        self._frames, self._then = frames, None

    def cancel(self) -> None:
        """End the present pass, because the run ends."""
        if self._task:
            self._task.cancel()

    async def decide(
        self, rule: ModelRule, record: CycleRecord, request: CommentRequest, last_comment: str
    ) -> Verdict:
        """Return the verdict on `request`; the pass's time and number go into the record.

        For perplexity the number is the ratio now ÷ then. Where nothing was said yet, no pass is needed: speak. The
        first pass after a comment is two, as it also measures the comment on its own frames.
        """
        if rule == "perplexity" and not self._text:
            return Verdict(True)
        started_s = self._clock.time()
        task = self._task = asyncio.ensure_future(self._measure(rule, request, last_comment))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()  # does nothing to one that is done
            self._task = None
        record.decide_pass_s = self._clock.time() - started_s
        if task.cancelled():
            return Verdict(False, "stale", "the session was stopped")
        if (error := task.exception()) is not None:
            known = isinstance(error, NoAnswer)
            return Verdict(False, "failed", str(error) if known else named_first_line(error))
        record.decided_value = task.result()
        settings = self.settings
        return Verdict(
            worth_saying(rule, task.result(), settings.speak_threshold, settings.perplexity_factor)
        )

    async def _measure(self, rule: ModelRule, request: CommentRequest, last_comment: str) -> float:
        if rule != "perplexity":
            return await self._pass(rule, request, last_comment)
        if self._then is None or self._then[0] != request.prompt:
            on_its_own = dataclasses.replace(request, frames=self._frames)
            self._then = request.prompt, await self._pass(rule, on_its_own, self._text)
        return await self._pass(rule, request, self._text) / self._then[1]

    async def _pass(self, rule: ModelRule, request: CommentRequest, comment: str) -> float:
        """Return the number of one pass. Raise NoAnswer after `inference_timeout_s`, ValueError for a bad number."""
        timeout_s = self.settings.inference_timeout_s
        late = NoAnswer(f"the commentator gave no number for {rule} within {timeout_s:g} s")
        # 1) The pass.
        asked_s = self._clock.time()
        call = asyncio.ensure_future(self._worker.call(self._commentator.judge, request, rule, comment))
        try:
            await asyncio.wait({call}, timeout=timeout_s)
            if not call.done():
                raise late
            given = call.result()
        finally:
            call.cancel()
        # 2) A commentator with a cost model is charged what it says, not what it took.
        if isinstance(given, Judgement) and given.cost_s is not None:
            if given.cost_s > timeout_s:
                await asyncio.sleep(timeout_s)
                raise late
            await asyncio.sleep(max(0.0, asked_s + given.cost_s - self._clock.time()))
        # 3) Its number.
        if given is None:
            raise NoAnswer(f"the commentator gives no number for {rule}")
        return checked(rule, float(given.value if isinstance(given, Judgement) else given))
