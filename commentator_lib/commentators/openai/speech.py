"""Speech from the server: sound in a chat's stream beside the words, in the three dialects that are met.

- (a) vLLM-Omni: an event with `modality: "audio"`, whose delta's content is base64 of a small WAV file; newer ones add
  `audio_metadata` (format, sample_rate_hz, frame_count, channels) to the choice.
- (b) SGLang-omni, Qwen's own: `delta.audio.data`, with a format or without.
- (c) OpenAI: `delta.audio.data` and `delta.audio.transcript`, and no content.

Which server speaks shows only when it is asked: many take `modalities` and ignore it. So the short answer that the
commentator asks for before a run anyway, to learn how the model thinks, is asked for with sound. That makes it no
request more, and is why `api_speech` is auto by default.

What is shown is what is heard: words wait for their sound. Servers do not say which words a piece of sound speaks, and
most write far ahead of it; so each piece takes the words that fit its seconds, at the pace of the answers before. Where
no sound comes the words are given at the answer's end, and the embedded voice speaks them. Sound that comes all at once
at the end costs the time until then; that is said once.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from commentator_lib.commentators.base import CommentChunk
from commentator_lib.commentators.openai.messages import NO_THINKING
from commentator_lib.commentators.openai.received_sound import ReceivedSound, SoundError
from commentator_lib.media import AudioChunk

logger = logging.getLogger(__name__)

Mode = Literal["auto", "on", "off"]
Dialect = Literal["", "audio events", "delta.audio", "delta.audio with a transcript"]

AUDIO_EVENTS = "audio"  # the modality of events whose content is sound
TEMPLATE = "chat_template_kwargs"
# Without its template for speech MiniCPM-o sends silence.
_TEMPLATE_VALUES = {"use_tts_template": True, **NO_THINKING[TEMPLATE]}
# OpenAI's own models speak only with a voice and a format that are named.
_VOICE_AND_FORMAT = {"voice": "alloy", "format": "pcm16"}

# Below this (about −55 dBFS) sound is silence; speech is thirty times as loud.
_QUIET = 0.0018
_KEPT_BEFORE_S = 0.03
# A longer piece of sound is cut, so that its words are shown as they are heard.
_LONGEST_PIECE_S = 1.0
# The pace of speech in characters a second before anything was heard: 150 English words a minute. A wide character,
# such as a Chinese one, takes as long as three and a half of those.
_FIRST_PACE = 15.0
_WIDE_CHARACTER = 3.5
_PACES = (5.0, 40.0)
# The loop holds a comment back until it has more than five characters: it might be "...".
_FIRST_CHARACTERS = 6
_MISSES = 2

# What the refusals of servers and models without speech have in their words.
_NO_SPEECH = re.compile(rb"audio|modalit|speech|voice|chat_template_kwargs", re.IGNORECASE)
_WORDS = re.compile(
    r"[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]\s*|\S+?(?=[\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff])|\S+\s*|\s+"
)


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of one event of a chat: `data` is base64; the rest is what the server states, if it does."""

    data: str = ""
    transcript: str = ""
    kind: str = ""
    rate_hz: int | None = None
    channels: int | None = None
    dialect: Dialect = ""


def sound_in(event: Mapping[str, Any]) -> Sound | None:
    """Return the sound of an event of a stream, or of a whole answer; None where it has none.

    Where it is in the content (dialect a), that content is no words.
    """
    choices = event.get("choices") or []
    for choice in choices:
        delta = choice.get("delta") or choice.get("message") or {}
        stated = _stated(choice, delta, event)
        if event.get("modality") == AUDIO_EVENTS and isinstance(delta.get("content"), str):
            return Sound(delta["content"], "", *stated, "audio events") if delta["content"] else None
        audio = delta.get("audio")
        if isinstance(audio, dict):
            data, transcript = _text(audio.get("data")), _text(audio.get("transcript"))
            if data or transcript:
                dialect: Dialect = "delta.audio with a transcript" if transcript else "delta.audio"
                return Sound(data, transcript, *stated, dialect)
    return None


def _stated(*places: Any) -> tuple[str, int | None, int | None]:
    """Return (format, sample rate in Hz, channels) that a server states beside its sound, the first of each."""
    kind, rate_hz, channels = "", None, None
    for place in places:
        for table in (place.get("audio_metadata"), place.get("audio")):
            if isinstance(table, dict):
                kind = kind or _text(table.get("format"))
                rate_hz = rate_hz or _number(table.get("sample_rate_hz")) or _number(table.get("sample_rate"))
                channels = channels or _number(table.get("channels"))
    return kind, rate_hz, channels


def refuses_speech(status: int, content: bytes) -> bool:
    """Return whether a refusal may be for the sound that was asked for, which most servers and models do not have."""
    return status in (400, 422, 501) and _NO_SPEECH.search(content) is not None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return (
        int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
    )


class Pace:
    """How fast a server's voice speaks, in characters a second; learnt from every answer that was heard whole."""

    def __init__(self) -> None:
        self.characters_per_s = _FIRST_PACE
        self._known = False

    def learn(self, text: str, seconds: float) -> None:
        """Note that a text took so many seconds to speak; what no voice does is passed over."""
        if seconds < 1.0 or not _PACES[0] <= weight(text) / seconds <= _PACES[1]:
            return
        new = weight(text) / seconds
        self.characters_per_s = (self.characters_per_s + new) / 2 if self._known else new
        self._known = True


def weight(text: str) -> float:
    """Return how long a text is to speak, in characters of a language like English."""
    return sum(_WIDE_CHARACTER if unicodedata.east_asian_width(c) in "WF" else 1.0 for c in text)


class WaitingWords:
    """Words that wait for their sound."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waiting = ""
        self._given = 0.0  # weight of the words given out
        self._sounded_s = 0.0
        self.text = ""  # all of it so far

    def add(self, text: str) -> None:
        """Add words that the server wrote."""
        self.text += text
        self._waiting += text

    def take(self, seconds: float) -> str:
        """Return the words that the next `seconds` of sound speak; a word that may still grow waits."""
        self._sounded_s += seconds
        budget = self._pace.characters_per_s * self._sounded_s
        words = _WORDS.findall(self._waiting)
        if words and not words[-1][-1].isspace() and weight(words[-1]) == len(words[-1]):
            words.pop()
        taken = ""
        for word in words:
            enough = self._given > 0 or len(taken.strip()) >= _FIRST_CHARACTERS
            if enough and self._given + weight(taken) + weight(word) / 2 > budget:
                break
            taken += word
        self._given += weight(taken)
        self._waiting = self._waiting[len(taken) :]
        return taken

    def rest(self) -> str:
        """Return all words that still wait."""
        rest, self._waiting = self._waiting, ""
        return rest


class ServerSpeech:
    """What is known of a server's speech, from answer to answer.

    `speaks`: None while that is not known. `mode` is the setting `api_speech`.
    """

    def __init__(self, mode: Mode) -> None:
        self.mode: Mode = mode
        self.speaks: bool | None = False if mode == "off" else None
        self.dialect: Dialect = ""
        self.rate_hz = 0
        self.pace = Pace()
        self._extra: dict[str, Any] = {}
        self._missed = 0
        self._late_said = False

    def know_model(self, model: str) -> None:
        """Note the model's name on the server: MiniCPM-o is asked with its template for speech."""
        if re.search(r"minicpm[-_]?o", model, re.IGNORECASE):
            self._extra[TEMPLATE] = _TEMPLATE_VALUES

    @property
    def may_speak(self) -> bool:
        """Whether it speaks, or that is still to be found out."""
        return self.speaks is not False

    @property
    def asks(self) -> bool:
        """Whether comments are asked for with sound: where it is known to speak, or is to speak in any case."""
        return self.speaks is True or (self.mode == "on" and self.may_speak)

    def parameters(self) -> dict[str, Any]:
        """Return what a request adds in order to be answered with sound."""
        return {"modalities": ["text", "audio"], **self._extra}

    def ask_otherwise(self, refusal: str) -> bool:
        """Change what is asked for after a refusal (its words), or silence (""); False where nothing is left to try."""
        name, value = ("audio", _VOICE_AND_FORMAT) if refusal else (TEMPLATE, _TEMPLATE_VALUES)
        if name in self._extra or (refusal and not re.search(r"\baudio\b", refusal, re.IGNORECASE)):
            return False
        self._extra[name] = value
        return True

    def refused(self) -> None:
        """Note that the server takes no such request: the embedded voice speaks."""
        self.speaks = False

    def learn(self, answer: SpokenAnswer, words: bool, server: str) -> None:
        """Note what an answer has told that came to its end; say once what it means.

        `words`: it has some to speak. `server`: its name in logs.
        """
        if answer.sounded:
            self._missed = 0
            self.dialect, self.rate_hz = answer.dialect, answer.rate_hz
            if not self.speaks:
                self.speaks = True
                logger.info("%s speaks: %s", server, self.in_words())
            if answer.late and not self._late_said:
                self._late_said = True
                logger.warning(
                    "%s sends its sound when all words are written: comments wait for it; with api_speech=off the "
                    "embedded voice would speak sentence by sentence",
                    server,
                )
        elif words:
            self._missed += 1
            if self.speaks is None or self._missed >= _MISSES:
                why = "silence" if answer.silent else "no sound"
                logger.info("%s sends %s: the embedded voice speaks what it writes", server, why)
                self.refused()

    def in_words(self) -> str:
        """Return whether it speaks, and how, in a few words."""
        if self.speaks:
            rate = f"{self.rate_hz / 1000:g} kHz"
            return f"yes, {rate}, {self.dialect}"
        return "not known" if self.speaks is None else "text only"


class SpokenAnswer:
    """One answer's words and sound, put together: each piece of sound with its words.

    `sounded`: something was to be heard. `silent`: sound came, and none of it was to be heard. `late`: all of it came
    after the last word was written, in one piece.
    """

    def __init__(self, speech: ServerSpeech) -> None:
        self._speech = speech
        self._words = WaitingWords(speech.pace)
        self._decoder = ReceivedSound()
        self._failed = ""
        self._pieces = 0
        self._sounded_s = 0.0
        self._words_after = False  # words came after the first sound
        self.sounded = self.silent = False
        self.dialect: Dialect = ""

    @property
    def text(self) -> str:
        """All words so far."""
        return self._words.text

    @property
    def rate_hz(self) -> int:
        """The sample rate of its sound in Hz."""
        return self._decoder.layout.rate_hz

    @property
    def late(self) -> bool:
        return self.sounded and self._pieces == 1 and not self._words_after and self._sounded_s > 1.0

    def push(self, chunk: CommentChunk, sound: Sound | None) -> Iterator[CommentChunk]:
        """Yield what may be heard and shown after a chunk of words and the sound that came with it."""
        self._words.add(chunk.text)
        self._words_after = self._words_after or (self.sounded and bool(chunk.text.strip()))
        if sound is not None:
            self.dialect = sound.dialect if sound.transcript else self.dialect or sound.dialect
        if sound is None or not sound.data or self._failed:
            through = bool(self._failed) and not self.sounded
            yield replace(chunk, text=self._words.rest() if through else "")
            return
        try:
            samples = self._decoder.push_base64(sound.data, sound.kind, sound.rate_hz, sound.channels)
        except SoundError as error:
            yield self._fail(chunk, str(error))
            return
        yield replace(chunk, text="")
        yield from self._pieces_of(samples)

    def _fail(self, chunk: CommentChunk, problem: str) -> CommentChunk:
        """Go on without sound: where none was heard yet the embedded voice speaks, else the sound has failed."""
        self._failed = problem
        if self.sounded:
            return replace(chunk, text="", problem=f"voice: {problem}")
        logger.warning("the embedded voice speaks: %s", problem)
        return replace(chunk, text=self._words.rest())

    def _pieces_of(self, samples: np.ndarray) -> Iterator[CommentChunk]:
        """Yield sound (N,), without the silence before its first, in pieces with their words."""
        if not self.sounded:
            loud = np.flatnonzero(np.abs(samples) > _QUIET)
            self.silent = self.silent or len(samples) > 0
            if not len(loud):
                return
            self.sounded, self.silent = True, False
            samples = samples[max(0, int(loud[0]) - round(_KEPT_BEFORE_S * self.rate_hz)) :]
        self._pieces += len(samples) > 0
        count = max(1, round(len(samples) / (_LONGEST_PIECE_S * self.rate_hz)))
        for part in np.array_split(samples, count) if len(samples) else []:
            seconds = len(part) / self.rate_hz
            self._sounded_s += seconds
            yield CommentChunk(self._words.take(seconds), AudioChunk(part, self.rate_hz))

    def end(self, chunk: CommentChunk) -> Iterator[CommentChunk]:
        """Yield what is left once the answer has ended; `chunk` holds its last words."""
        self._words.add(chunk.text)
        if self.sounded and not self._failed:
            self._speech.pace.learn(self.text.strip(), self._sounded_s)
        yield replace(chunk, text=self._words.rest())
