"""What a realtime model says, put together from its server's events: one response after another, and its decisions.

A response comes as words and sound in turn, a second at a time. It may begin at any time, also while nobody asks; the
commentator then finds it here. Nothing in this file knows a thread or a socket.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from commentator_lib.commentators.base import StageTimes
from commentator_lib.commentators.openai.received_sound import ReceivedSound, SoundError
from commentator_lib.commentators.realtime.protocol import ACK, CANCEL, OUTPUT_RATE_HZ, ServerEvent
from commentator_lib.media import AudioChunk

# Speech that nobody takes is kept for this long; a comment is far shorter.
_LONGEST_S = 120.0


@dataclass(slots=True)
class Response:
    """One response: what came of it and was not taken yet. `begun_s` is when its first word or sound came.

    `tokens`: how many of its text's tokens came and were not taken yet, None where that is not known. `note` and
    `times` are what the run log has of it: a remark, and the seconds of each stage.
    """

    id: str
    begun_s: float
    parts: deque[tuple[str, AudioChunk | None]] = field(default_factory=deque)
    ended: bool = False
    problem: str = ""  # why it ended before its end
    sound_problem: str = ""  # why its sound cannot be read; its words go on
    sound_s: float = 0.0  # of all its sound so far
    words: int = 0  # how many pieces of text came
    tokens: int | None = None
    note: str = ""
    times: StageTimes | None = None
    decoder: ReceivedSound = field(default_factory=ReceivedSound)
    transcript: bool | None = (
        None  # its words are a transcript, or text beside the sound; None before the first
    )

    def take_tokens(self) -> int:
        """Return how many tokens of its text are new, and count them as taken."""
        count, self.tokens = self.tokens or 0, 0
        return count


class Responses:
    """The responses of one session. Times are seconds on any one clock; not safe to use from two threads at once."""

    def __init__(self) -> None:
        self.current: Response | None = None  # the newest that was begun and not dropped
        self.listens = 0  # decisions to listen so far
        self.listen_note = ""  # what the run log has of the newest of them
        self.error = ""  # of the session, not yet raised
        self.closed = ""
        self.acknowledges = True  # until the server refuses it
        self.rate_hz = OUTPUT_RATE_HZ
        self._dropped: deque[str] = deque(maxlen=64)  # ids whose events are passed over
        self._mute = False  # the same for a response without an id

    def take(self, event: ServerEvent, now_s: float) -> None:
        """Take in an event that came at `now_s`."""
        if event.kind == "error":
            self._take_error(event)
        elif event.kind == "closed":
            self.closed = event.text
        elif event.kind in ("created", "updated"):
            self.rate_hz = event.rate_hz or self.rate_hz
        elif event.kind == "listen":
            self.listens += 1
            self._end(event.response_id)
        elif event.kind == "done":
            self._mute = False
            self._end(event.response_id, event.text if event.failed else "")
        elif event.kind in ("words", "sound", "speak"):
            self._take_output(event, now_s)

    def _take_error(self, event: ServerEvent) -> None:
        if event.about.startswith(ACK) or "playback_ack" in event.code:
            self.acknowledges = False
        elif not event.about.startswith(CANCEL):
            self.error = (
                f"{event.text}{f' ({event.code})' if event.code and event.code != event.text else ''}"
            )

    def _take_output(self, event: ServerEvent, now_s: float) -> None:
        if event.response_id in self._dropped or (self._mute and not event.response_id):
            return
        current = self.current
        if current is None or current.ended or (event.response_id and current.id != event.response_id):
            if current is not None:
                current.ended = True
            current = self.current = Response(event.response_id, now_s)
        if current.sound_s >= _LONGEST_S:
            return
        if event.kind == "sound":
            self._take_sound(current, event)
        elif event.kind == "words" and event.text:
            if current.transcript is None:
                current.transcript = event.spoken
            if current.transcript == event.spoken:  # else the same words come a second time
                current.words += 1
                current.parts.append((event.text, None))

    def _take_sound(self, current: Response, event: ServerEvent) -> None:
        if current.sound_problem:
            return
        try:
            rate_hz = event.rate_hz or self.rate_hz
            samples = current.decoder.push_base64(event.sound, rate_hz=rate_hz)
        except SoundError as error:
            current.sound_problem = f"voice: {error}"
            current.parts.append(("", None))
            return
        if len(samples):
            sound = AudioChunk(samples, current.decoder.layout.rate_hz)
            current.sound_s += sound.duration_s
            current.parts.append(("", sound))

    def _end(self, response_id: str, problem: str = "") -> None:
        current = self.current
        if current is not None and (not response_id or current.id in ("", response_id)) and not current.ended:
            current.ended, current.problem = True, problem

    def drop_current(self) -> str | None:
        """Pass over what is still to come of the current response; return its id, None where it has ended."""
        current, self.current = self.current, None
        if current is None or current.ended:
            return None
        if current.id:
            self._dropped.append(current.id)
        else:
            self._mute = True
        return current.id


def joined(parts: deque[tuple[str, AudioChunk | None]]) -> tuple[str, AudioChunk | None]:
    """Take all parts that are there and return them as one: their words, and their sound at one rate.

    Sound at another rate than the first's begins the next part.
    """
    texts: list[str] = []
    sounds: list[AudioChunk] = []
    while parts:
        text, sound = parts[0]
        if sound is not None and sounds and sound.sample_rate_hz != sounds[0].sample_rate_hz:
            break
        parts.popleft()
        texts.append(text)
        if sound is not None:
            sounds.append(sound)
    if not sounds:
        return "".join(texts), None
    samples = np.concatenate([sound.samples for sound in sounds])
    return "".join(texts), AudioChunk(samples, sounds[0].sample_rate_hz)
