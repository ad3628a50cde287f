"""A commentator whose model decides by itself when to speak: what a cycle asks of its session, and what comes back.

Every other commentator is asked for a comment and gives one. Here a session goes on beside the run: the model gets a
picture and a second of sound each second, decides after each whether it listens or speaks, and its speech comes back at
the speed at which it is heard. A cycle asks what it has decided: "..." while it listens, else its words and sound until
it listens again. So set `speak_when=interval`: with `change` a still picture would keep its speech from being heard.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from functools import partial

from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentChunk, CommentRequest
from commentator_lib.commentators.realtime.protocol import RealtimeError
from commentator_lib.commentators.realtime.responses import Response, Responses, joined
from commentator_lib.commentators.realtime.units import Units
from commentator_lib.media import AudioChunk, Frame

_SLICE_S = 0.2  # so often a comment that waits can be cancelled
_WORDS_WAIT_S = 0.05  # a server sends the words of a piece right behind its sound
# A response that nobody took for this long is about pictures that are past.
_STALE_S = 2.5
# A source that is away for this long costs the model nothing.
_IDLE_S = 10.0
_REMEMBERED = 32  # comments whose end is still to be told


class Session(ABC):
    """A model that lives beside the comments, second by second. Write `cancel` and `acknowledge`.

    `changed` is notified whenever something came; hold it to read `responses`, and for `is_idle` and `_units`.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.responses = Responses()
        self._units = Units()
        self._seen_s = float("-inf")  # when `see` was called last

    def see(self, frame: Frame) -> None:
        """Take a frame for the next unit, if it is newer than those before; return at once."""
        with self.changed:
            self._units.see(frame)
            self._seen_s = time.monotonic()

    def hear(self, frames: Sequence[Frame], sound: AudioChunk) -> None:
        """Take the sound from the oldest frame to the newest, at 16 kHz, for the next units."""
        with self.changed:
            self._units.hear(frames, sound)

    def is_idle(self, now_s: float) -> bool:
        """Return whether nothing was to be seen for a while at `now_s`, by the monotonic clock: then the units stop."""
        return now_s - self._seen_s > _IDLE_S

    @abstractmethod
    def cancel(self) -> None:
        """End the current response, if it has not ended; what still comes of it is passed over."""

    @abstractmethod
    def acknowledge(self, response: Response, heard_s: float) -> None:
        """Note how much of a response was heard, once no more of it will be."""


class DecidingCommentator(Commentator):
    """A model in a session of its own, which decides when to speak. Write `_open_session`.

    `_session`: the open session, None where there is none. `_timeout_s`: the longest time without a decision or words.
    """

    has_voice = True  # until it turns out to send words alone
    answers_questions = False  # a session in duplex takes sound and pictures, no text
    _timeout_s = 20.0
    _timeout_hint = ""  # what comes behind that time in an error

    def __init__(self) -> None:
        self._session: Session | None = None
        self._said: OrderedDict[int, tuple[Session, Response]] = OrderedDict()

    @abstractmethod
    def _open_session(self, instructions: str) -> Session:
        """Return the open session with these instructions; one with others, or one that is over, is opened anew.

        Raise RealtimeError where none can be opened.
        """

    def _shown(self, text: str) -> str:
        """Return a text without the secrets that it may hold."""
        return text

    def see(self, frame: Frame) -> None:
        if (session := self._session) is not None:
            session.see(frame)

    def heard(self, number: int, heard_s: float) -> None:
        said = self._said.pop(number, None)
        if said is not None and said[0] is self._session:
            said[0].acknowledge(said[1], heard_s)

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """Yield what the model says now, or "..." when it decides to listen.

        While it decides, empty chunks come, so that the comment can be cancelled; a response that is cancelled is ended
        in the session too. Raise RealtimeError where the session fails or decides nothing for a long time.
        """
        # 1) The session, with what is new.
        session = self._open_session(request.standing or request.prompt)
        with session.changed:
            listens = session.responses.listens
        session.see(request.frames[-1])
        if self.hears and request.sound is not None:
            session.hear(request.frames, request.sound)
        # 2) What it decides.
        try:
            response = yield from self._decision(session, listens)
        except RealtimeError:
            session.cancel()  # what came before the error is not said in the next comment
            raise
        if response is None:
            yield CommentChunk(NOTHING_TO_SAY, None, 1, reason=session.responses.listen_note)
            return
        # 3) What it says.
        self._said[request.number] = (session, response)
        while len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        finished = False
        try:
            yield from self._words_and_sound(session, response)
            finished = True
            self._note_voice(response)
        finally:
            if not finished and session.responses.current is response:
                session.cancel()

    def _decision(self, session: Session, listens: int) -> Generator[CommentChunk, None, Response | None]:
        """Wait until the model speaks, or has listened more often than `listens`; return its response, if any."""
        began_s = time.monotonic()
        responses = session.responses
        while True:
            now_s = time.monotonic()
            with session.changed:
                self._check(session)
                current = responses.current
                stale = current is not None and now_s - current.begun_s > _STALE_S
                if current is not None and not stale and (current.parts or not current.ended):
                    return current
                if responses.listens > listens:
                    return None
            if stale:
                session.cancel()  # it began while nobody asked, and is about pictures that are past
            if now_s - began_s > self._timeout_s:
                raise RealtimeError(
                    f"the model neither spoke nor listened for {self._timeout_s:g} s{self._timeout_hint}"
                )
            yield CommentChunk("")
            with session.changed:
                if responses.listens == listens and responses.current is current:
                    session.changed.wait(_SLICE_S)

    def _words_and_sound(self, session: Session, response: Response) -> Iterator[CommentChunk]:
        """Yield a response's words with their sound until it ends."""
        last_s = time.monotonic()
        while True:
            with session.changed:
                self._check(session)
                if not response.parts and not response.ended:
                    session.changed.wait(_SLICE_S)
                if response.parts:
                    session.changed.wait_for(partial(_has_words, response), _WORDS_WAIT_S)
                text, sound = joined(response.parts)
                ended = response.ended and not response.parts
                problem, sound_problem = response.problem, response.sound_problem
                tokens = response.take_tokens() if response.tokens is not None else int(bool(text))
                note, times = (response.note, response.times) if ended else ("", None)
            if text or sound is not None:
                last_s = time.monotonic()
            yield CommentChunk(text, sound, tokens, stage_times=times, problem=sound_problem, reason=note)
            if ended and problem:
                raise RealtimeError(self._shown(f"the response ended early: {problem}"))
            if ended:
                return
            if time.monotonic() - last_s > self._timeout_s:
                raise RealtimeError(
                    f"the model stopped in mid-answer for {self._timeout_s:g} s{self._timeout_hint}"
                )

    def _note_voice(self, response: Response) -> None:
        """Note of a response that has ended whether it had a voice."""

    def _check(self, session: Session) -> None:
        """Raise RealtimeError for an error in the session, and where it is over."""
        responses = session.responses
        error, responses.error = responses.error, ""
        if error or responses.closed:
            raise RealtimeError(self._shown(error or responses.closed))


def _has_words(response: Response) -> bool:
    """Return whether words of it are here, or no more will come."""
    return response.ended or any(text for text, _ in response.parts)
