"""One commentary cycle after another: decide, infer, speak. This file puts the parts together.

A comment that is being heard has a task of its own (delivery.py), while the loop already prepares the next one
(turns.py, generation.py): otherwise the listener would wait through every inference. What was really heard is kept
apart from what was generated. All waiting is on the event loop's clock, so that the same code runs live and in
virtual time.

The loop knows no thread, model, widget or file: workers, players and the log are given to it. Everything here
runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from commentator_lib.buffers import SlidingWindow
from commentator_lib.clock import Worker
from commentator_lib.commentary.asking import comment_request, judged_request
from commentator_lib.commentary.comment import Comment, State
from commentator_lib.commentary.deciding import MODEL_RULES, WORTH_A_COMMENT, worth_a_cycle
from commentator_lib.commentary.delivery import Delivery
from commentator_lib.commentary.event_queue import EventQueue, Noticed
from commentator_lib.commentary.generation import Generation
from commentator_lib.commentary.judging import Judging, Verdict
from commentator_lib.commentary.language import spoken_language
from commentator_lib.commentary.questions import NOTHING_SAID, Question, Questions, cannot_answer
from commentator_lib.commentary.record_keeper import RecordKeeper
from commentator_lib.commentary.repeats import RecentComments
from commentator_lib.commentary.speech import UNSPOKEN, heard_sentences, speak_comment, whole_sentences
from commentator_lib.commentary.turns import Turns
from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentRequest
from commentator_lib.errors import named_first_line
from commentator_lib.events import Event, Facts
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.pacing.delay import PictureDelay
from commentator_lib.pacing.policy import Slot
from commentator_lib.players.base import PlayerGroup
from commentator_lib.profiles import PROFILES
from commentator_lib.runs.log import RunLog
from commentator_lib.runs.record import CycleRecord
from commentator_lib.scene import SceneChange, SceneTracker, chosen, intensity
from commentator_lib.settings import Settings
from commentator_lib.sound.voice_level import VoiceLevel
from commentator_lib.voices.base import Voice

logger = logging.getLogger(__name__)


class CommentaryLoop:
    """Runs cycles until stopped, or until the source is over and everything was heard.

    `on_screen` returns what the watchers see, `sound_of` what was heard while frames were captured, `vram` the GPU
    memory in use in bytes; `torch_vram` is `meters.torch_vram_bytes`. The log counts from `epoch_s`. `note(words)` is
    told once what is wrong with the run as a whole.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        window: SlidingWindow,
        scene: SceneTracker,
        delay: PictureDelay,
        commentator: Commentator,
        voice: Voice | None,
        players: PlayerGroup,
        worker: Worker,
        log: RunLog,
        epoch_s: float = 0.0,
        on_screen: Callable[[], Mapping[str, Any]] = dict,
        sound_of: Callable[[list[Frame]], AudioChunk | None] = lambda _frames: None,
        away: Callable[[], str] = str,
        to_be_shown: Callable[[], Iterable[Frame]] = tuple,
        vram: Callable[[], int | None] = lambda: None,
        torch_vram: Callable[[bool], tuple[int, int] | None] = lambda _reset: None,
        note: Callable[[str], None] = lambda _words: None,
    ) -> None:
        # 1) What changes while it runs, and the parts that it is given.
        self.settings = settings
        self.profile = settings.profile
        self.instruction: str | None = settings.instruction or PROFILES[settings.profile].instruction
        self.cycles = 0
        self._window = window
        self._scene = scene
        self._delay = delay
        self._commentator = commentator
        self._voice = voice
        self._playback = players.playback
        self._worker = worker
        self._looks_on = True  # the commentator is shown each frame, until that fails
        self._epoch_s = epoch_s
        self._on_screen, self._sound_of = on_screen, sound_of
        self._level = VoiceLevel()
        self._language = spoken_language(settings, voice if not commentator.has_voice else None)
        self._recent = RecentComments()
        self._note = note
        self._unspoken_noted = False
        self._events = EventQueue()
        self._questions = Questions(log.question)
        self._log = log
        self._clock = asyncio.get_running_loop()
        self._keeper = RecordKeeper(delay=delay, log=log, epoch_s=epoch_s)
        # 2) What makes a comment heard, what generates it, and what decides when the next one may start.
        self._delivery = Delivery(
            settings=settings,
            delay=delay,
            players=players,
            keeper=self._keeper,
            epoch_s=epoch_s,
            on_start=self._begun,
            on_end=self._heard,
            on_fault=self.stop,
        )
        self._generation = Generation(
            settings=settings,
            worker=worker,
            take=self._delivery.take,
            epoch_s=epoch_s,
            vram=vram,
            torch_vram=torch_vram,
        )
        self._judging = Judging(settings=settings, commentator=commentator, worker=worker)
        self._turns = Turns(
            settings=settings,
            window=window,
            delay=delay,
            playback=players.playback,
            delivery=self._delivery,
            generation=self._generation,
            events=self._events,
            questions=self._questions,
            away=away,
            to_be_shown=to_be_shown,
        )

    # --- called from outside, on the loop's thread

    def set_instruction(self, text: str | None) -> None:
        """Take a new focus: a cycle starts at once, without the last comment's words.

        With None or an empty text no cycle starts until the next instruction.
        """
        text = (text or "").strip() or None
        if text == self.instruction:
            return
        self.instruction = text
        self._turns.idle = text is None
        if text:
            self._start_afresh("instruction")
        self._turns.wake()

    def ask(self, number: int, text: str) -> None:
        """Take a viewer's question: a cycle starts at once to answer it; then the instruction is followed again.

        While an event at least as important is being told, the question waits for its end.
        """
        question = Question(number, text, self._now_s())
        if not self._commentator.answers_questions:
            self._questions.refuse(question, cannot_answer(self._commentator))
            return
        self._questions.ask(question)
        if self._turns.question_must_wait():
            self._turns.wake()
        else:
            self._start_afresh("question")

    def set_profile(self, name: str) -> None:
        """Switch the prompt profile. Raise KeyError for an unknown one.

        The instruction changes to the new profile's, unless the user has set one.
        """
        follows = self.instruction == PROFILES[self.profile].instruction
        new = PROFILES[name]
        self.profile = name
        if follows:
            self.instruction = new.instruction
        self._start_afresh("profile")

    def apply(self, settings: Settings) -> None:
        """Use these settings from the next cycle on."""
        for part in (self, self._turns, self._generation, self._delivery, self._judging):
            part.settings = settings
        self._delay.configure(
            settings.policy,
            settings.delay_max_s,
            settings.slew_max,
            settings.delay_ema_alpha,
            settings.delay_quantile,
            settings.delay_margin_s,
        )
        self._turns.wake()

    def frame_arrived(self) -> None:
        """Note that a frame has come into the window."""
        if self._looks_on and (newest := self._window.newest) is not None:
            self._show(newest)
        self._turns.frame_arrived()

    def scene_changed(self, compensated: float) -> None:
        """Note by how much (0–255) a frame of the window changed in the last second; much may cut what is heard."""
        self._turns.scene_changed(compensated)

    def event_noticed(self, event: Event, captured_s: float) -> None:
        """Take an event whose first evidence was captured at clock time `captured_s`; it may cut what is heard."""
        number = self._log.noticed(event, captured_s - self._epoch_s)
        self._events.add([Noticed(number, event, captured_s)])
        self._turns.event_noticed(event.importance)

    def source_returned(self) -> None:
        """Note that a source that was away gives pictures again: a cycle starts with the next, on nothing older."""
        self._window.clear()
        self._start_afresh("source")

    def source_ended(self) -> None:
        """Note that no more frames will come."""
        self._turns.source_ended()

    def stop(self) -> None:
        """End the loop now: what is being heard is cut at the next step and logged."""
        self._turns.stop()
        self._generation.cancel()
        self._judging.cancel()

    def _start_afresh(self, trigger: str) -> None:
        """Start a cycle at once, without the last comment's words and with the scene counted as new."""
        self._delivery.last_text = ""
        self._recent = RecentComments()
        self._scene.forget()
        self._turns.interrupt(trigger)

    # --- one cycle after another

    async def run(self) -> None:
        """Run cycles until stopped, or until the source is over and everything was heard."""
        try:
            while (slot := await self._turns.next_slot()) is not None:
                await self._cycle(slot)
        finally:
            if self._turns.stopped:
                self._delivery.cut_all("the session was stopped")
            try:
                await self._delivery.drain()
            finally:
                self._questions.end(self._now_s())

    async def _cycle(self, slot: Slot) -> None:
        # 1) Look: the frames of this cycle, and how much has changed.
        now = self._clock.time()
        settings = self.settings
        trigger, in_turn = self._turns.take_trigger(), self._turns.in_turn
        on_screen_then = self._turns.frame_for(slot) if trigger == "slot" else None
        frames = self._window.take(settings.frames_per_inference, settings.frame_stride, on_screen_then)
        newest = frames[-1]
        # The delay also learns from how late this begins, where a longer one would have helped; else nothing would
        # keep it from growing where the commentator is too slow at any delay.
        late = trigger == "slot" and not self._turns.can_be_in_time(slot)
        seen_s = now if late and on_screen_then is not None else newest.captured_at_s
        change = self._scene.measure()
        self._turns.commented_frame = newest.index
        self.cycles += 1
        record = self._keeper.begin(self.cycles, trigger, slot, frames, change, settings, now)
        # 2) Decide.
        if not await self._worth_asking(record, frames, change):
            self._turns.retry_later()
            return
        now = self._clock.time()
        # 3) Ask. A question has a cycle of its own: events wait for the next.
        question = self._questions.think(self.cycles, now - self._epoch_s) if trigger == "question" else None
        record.question = question.number if question else None
        noticed = () if question else self._events.take(now)
        facts = Facts(dict(self._on_screen()), tuple(n.event for n in noticed))
        record.events = " ".join(n.event.kind for n in noticed)
        record.importance = noticed[0].event.importance if noticed else None
        last_text = self._delivery.text_to_carry(trigger, newest.captured_at_s)
        brief = settings.speech and not question
        record.intensity = intensity(change.mean, last_text) if brief else "normal"
        words = (self.profile, self.instruction or "", last_text, record.intensity)
        asked = question.text if question else ""
        sound = self._sound_of(frames)
        request = comment_request(frames, facts, settings, *words, sound, asked, self.cycles, self._language)
        record.prompt_characters = len(request.prompt)
        record.infer_s = now - self._epoch_s
        self._scene.mark_inference()
        cuts = bool(noticed) and noticed[0].event.importance >= settings.interrupt_importance
        comment = Comment(record, newest.captured_at_s, noticed, cuts, in_turn, seen_s=seen_s)
        await self._comment(comment, request)

    async def _worth_asking(self, record: CycleRecord, frames: list[Frame], change: SceneChange) -> bool:
        """Return whether the commentator is asked; a cycle that ends here is logged."""
        # 1) What needs no model.
        settings, rule = self.settings, self.settings.speak_when
        measured = chosen(change, settings.change_measure)
        waiting = self._events.importance(self._clock.time())
        if worth_a_cycle(record.trigger, measured, settings.change_threshold, rule, waiting):
            return True
        if rule not in MODEL_RULES:
            self._keeper.log_end(record, "unchanged")
            return False
        # 2) The model; an event that came meanwhile is a reason too.
        last_text, facts = self._delivery.last_text, Facts(dict(self._on_screen()))
        length = intensity(change.mean, last_text) if settings.speech else "normal"
        words = (self.profile, self.instruction or "", last_text, length)
        request = judged_request(
            rule, frames, facts, settings, *words, self._sound_of(frames), self._language
        )
        verdict = await self._judging.decide(rule, record, request, last_text)
        overtaken = self._turns.take_trigger()
        waiting = self._events.importance(self._clock.time())
        speak = verdict.speak or worth_a_cycle(record.trigger, 0.0, math.inf, rule, waiting)
        if speak and overtaken == "slot" and not self._turns.stopped:
            return True
        # 3) What a user asked meanwhile, or an important event, starts a cycle of its own.
        if overtaken != "slot":
            self._turns.interrupt(overtaken)
            verdict = verdict if verdict.reason else Verdict(False, reason=f"overtaken by a new {overtaken}")
        self._keeper.log_end(record, verdict.outcome, verdict.reason)
        return False

    async def _comment(self, comment: Comment, request: CommentRequest) -> None:
        """Generate a comment to its end, its failure or an interruption; then hand it over."""
        record = comment.record
        voice, importance = self._voice, comment.importance
        pieces = speak_comment(
            self._commentator,
            voice,
            request,
            request.speech,
            importance,
            self._level,
            self._said_before(comment),
        )
        silent = await self._generation.run(comment, pieces)
        self._note_unspoken(comment)
        # Something of it is heard or shown: its own task finishes it.
        if comment.state is not State.PREPARING:
            if record.text:
                if not comment.ended and not self._commentator.may_repeat:
                    self._recent.said(comment.id, whole_sentences(record.text))
                self._delivery.last_text = record.text
                self._judging.said(record.text, request.frames)
            if not comment.has_sound:
                self._turns.retry_later()
            self._playback.wake()
            return
        if silent:
            record.text = NOTHING_TO_SAY
            if (
                not record.repeated_sentences
            ):  # else the model is to know what it said, and not to say it again
                self._delivery.last_text = NOTHING_TO_SAY
            self._judging.said(NOTHING_TO_SAY, request.frames)
        if not comment.broken_off:
            self._turns.retry_later()
        outcome = comment.end(silent)
        if comment.state is State.FAILED:
            self._delivery.last_text = ""  # what is carried on may be what it failed at, for ever
        reason = {State.SILENT: comment.reason, State.DROPPED: comment.broken_off}.get(
            comment.state, comment.problem
        )
        record.discarded_tokens = record.output_tokens
        self._keeper.log_end(record, outcome, reason)
        if comment.state is State.DROPPED:
            self._events.add(comment.noticed)
        self._close_question(comment)

    def _said_before(self, comment: Comment) -> tuple[str, ...] | None:
        """Return the sentences that this comment is not to say again; None where it may say anything.

        An answer may repeat what was said, and so may what is told of an event: another goal is news.
        """
        tells = comment.record.question is not None or comment.event_importance >= WORTH_A_COMMENT
        return None if self._commentator.may_repeat or tells else self._recent.sentences

    def _note_unspoken(self, comment: Comment) -> None:
        """Say once in a run that the voice cannot read what the commentator writes."""
        if comment.reason.startswith(UNSPOKEN) and not self._unspoken_noted:
            self._unspoken_noted = True
            self._note(f"voice: {comment.reason}")
            logger.warning("comment %d is %s", comment.id, comment.reason)

    def _show(self, frame: Frame) -> None:
        """Let the commentator look at a frame between the cycles; one that fails is shown no more of them."""
        try:
            self._commentator.see(frame)
        except Exception as error:  # code of others: it costs no more than this
            self._looks_on = False
            logger.warning("%s looks on no more: %s", self._commentator.name, named_first_line(error))

    def _now_s(self) -> float:
        """Return the seconds since the run's start."""
        return self._clock.time() - self._epoch_s

    def _begun(self, comment: Comment) -> None:
        """Note that a comment is begun to be heard or shown: a question that it answers is answered."""
        self._questions.answered(comment.id, self._now_s())

    def _close_question(self, comment: Comment) -> None:
        """Note what became of a question whose comment ended before it was heard; a stop leaves it to the run's end."""
        if comment.state is State.SILENT:
            self._questions.answered(comment.id, self._now_s(), NOTHING_SAID)
        elif comment.overtaken:
            self._questions.ask_again(comment.id, self._now_s(), comment.broken_off)
        elif not self._turns.stopped:
            self._questions.failed(comment.id, self._now_s(), comment.record.reason)

    def _heard(self, comment: Comment) -> None:
        """Note that a comment is over: its events are told if some of it was heard, else they wait again."""
        if not self._commentator.may_repeat:
            self._recent.said(comment.id, heard_sentences(comment.record.text, comment.record.heard_text))
        if comment.record.heard_text and comment.state is not State.DROPPED:
            self._log.told([n.number for n in comment.noticed], comment.id)
        else:
            self._events.add(comment.noticed)
        self._close_question(comment)
        self._worker.submit(_tell_heard, self._commentator, comment.id, comment.goal_s)
        self._turns.wake()


def _tell_heard(commentator: Commentator, number: int, heard_s: float) -> None:
    """Tell a commentator how much of its comment was heard; its fault costs nothing but a line."""
    try:
        commentator.heard(number, heard_s)
    except Exception as error:
        logger.warning("%s was not told what was heard: %s", commentator.name, named_first_line(error))
