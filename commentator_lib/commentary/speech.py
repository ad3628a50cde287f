"""Text and sound of one comment: sentence streaming, and the "..." rule.

A comment arrives as tokens; waiting for all of them would delay the voice by the whole generation. So each sentence
is spoken as soon as it is complete. Where the commentator has a voice of its own, its sound passes through as it
comes.

"..." means nothing to say. It is never shown and never spoken: speech models turn it into noise. The first tokens do
not tell whether a comment will be "...", so text and sound are held back until there are more than five characters
(the rule of the nerdpudding project), or until the comment has ended.

Where a voice fails, only the sound is lost: the text goes on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from commentator_lib.commentators.base import (
    NOTHING_TO_SAY,
    Commentator,
    CommentChunk,
    CommentRequest,
    StageTimes,
)
from commentator_lib.errors import named_first_line
from commentator_lib.media import PlaybackResampler
from commentator_lib.sound.voice_level import VoiceLevel
from commentator_lib.voices.base import Voice

HOLD_BACK_CHARACTERS = 5
# Limits of one comment: ten thousand words would be spoken for an hour, and a comment without an end for ever.
MAX_COMMENT_CHARACTERS = 1200
MAX_COMMENT_SOUND_S = 120.0
MAX_COMMENT_CHUNKS = 5000
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+(?=\S)|\n+")
_LONGEST_SENTENCE = 240


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """The next part of a comment: `text` as it may be shown, and `pcm`, its sound, int16 (N,) at 48 kHz.

    `output_tokens` were generated for it. Exactly one piece, the closing one, has `last`; its `silent` says that
    the comment was "...", and its `problem` what the voice failed with, if it did. Costs, the tokens of the
    request and the times of the stages are those of the CommentChunk.
    """

    text: str = ""
    pcm: np.ndarray | None = None
    output_tokens: int = 0
    cost_s: float | None = None
    image_tokens: int | None = None
    prompt_tokens: int | None = None
    stage_times: StageTimes | None = None
    last: bool = False
    silent: bool = False
    problem: str = ""


def clean(text: str) -> str:
    """Return the text as it may be shown: control and formatting characters become spaces, line ends stay."""
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else " " for c in text)


def is_nothing(text: str) -> bool:
    """Return whether a whole comment says nothing: it is empty, or has dots but no letter or digit."""
    stripped = text.strip()
    return stripped == NOTHING_TO_SAY or not any(c.isalnum() for c in stripped)


def split_sentences(text: str) -> tuple[list[str], str]:
    """Return (complete sentences, the rest). A sentence is complete once the next one has begun.

    A sentence that grows past 240 characters is cut at the last space before.
    """
    sentences, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        if text[start : match.start()].strip():
            sentences.append(text[start : match.end()].strip())
        start = match.end()
    rest = text[start:]
    while len(rest) > _LONGEST_SENTENCE:
        cut = rest.rfind(" ", 0, _LONGEST_SENTENCE)
        cut = cut if cut > 0 else _LONGEST_SENTENCE
        sentences.append(rest[:cut].strip())
        rest = rest[cut:].lstrip()
    return sentences, rest


def speak_comment(
    commentator: Commentator,
    voice: Voice | None,
    request: CommentRequest,
    speech: bool = True,
    importance: int = 0,
    level: VoiceLevel | None = None,
) -> Generator[SpeechPiece, None, None]:
    """Yield one comment as pieces that may be shown and heard; blocking, for the inference thread.

    `voice` speaks for a commentator that has no voice of its own, as befits the comment's `importance` (0 to 3);
    `speech` False: text only. `level` brings the sound to a steady loudness; None leaves it as it is. Closing the
    iterator closes the commentator's. Every chunk of the commentator gives at least one piece, so that the
    caller can cancel between any two tokens. Errors of the commentator pass through; those of the voice
    do not.
    """
    comment = _GrowingComment(voice, commentator.has_voice, speech, level)
    if voice is not None:
        voice.set_importance(max(0, importance))
    chunks = commentator.comment(request)
    try:
        for chunk in chunks:
            comment.take(chunk)
            yield from comment.pieces_of(chunk)
            if comment.is_full:
                break
        yield from comment.last_pieces()
    finally:
        close = getattr(chunks, "close", None)  # an iterator that is no generator may have none
        if close is not None:
            close()


class _GrowingComment:
    """The text and sound of a comment so far, and how much of them was already given out as pieces.

    Where the commentator has a voice of its own, or nothing is spoken, text and sound pass through as they come.
    Else the embedded voice speaks sentence by sentence.
    """

    def __init__(self, voice: Voice | None, own_voice: bool, speech: bool, level: VoiceLevel | None) -> None:
        self._speech = speech
        self._voice = voice if speech else None
        self._own_voice = own_voice
        self._resampler = PlaybackResampler()
        self._level = level
        if level is not None:
            level.begin()
        self._text = ""  # all of it so far
        self._held_text = ""  # not given out yet
        self._held_pcm: list[np.ndarray] = []  # likewise; each int16 (N,)
        self._unspoken = ""  # what the embedded voice has still to say
        self._released = False  # it is known that it says something
        self._chunks = 0
        self._sound_s = 0.0
        self._problem = ""

    @property
    def is_full(self) -> bool:
        """Whether it is as long as a comment may become."""
        return (
            len(self._text) >= MAX_COMMENT_CHARACTERS
            or self._sound_s >= MAX_COMMENT_SOUND_S
            or self._chunks >= MAX_COMMENT_CHUNKS
        )

    @property
    def _passes_through(self) -> bool:
        return self._own_voice or self._voice is None

    def take(self, chunk: CommentChunk) -> None:
        """Add a chunk's text and sound to what is held back."""
        self._chunks += 1
        text = clean(chunk.text)[: MAX_COMMENT_CHARACTERS - len(self._text)]
        self._text += text
        self._held_text += text
        self._unspoken += text
        self._problem = self._problem or chunk.problem
        if chunk.audio is not None and self._speech and not self._problem:
            self._own_voice = True
            self._sound_s += chunk.audio.duration_s
            try:
                self._held_pcm.append(self._levelled(self._resampler.push(chunk.audio)))
            except Exception as error:  # the sound is broken, the text is not
                self._problem = f"voice: {named_first_line(error)}"
        enough = len(self._text.strip()) > HOLD_BACK_CHARACTERS and not is_nothing(self._text)
        self._released = self._released or enough

    def pieces_of(self, chunk: CommentChunk) -> Iterator[SpeechPiece]:
        """Yield what may be shown and heard after this chunk, together with the chunk's own costs."""
        if not self._released:
            yield _piece(chunk)
        elif self._passes_through:
            yield _piece(chunk, self._held_text, _joined(self._held_pcm))
            self._held_text, self._held_pcm = "", []
        else:
            sentences, self._unspoken = split_sentences(self._unspoken)
            yield _piece(chunk)  # carries the chunk's cost, which is charged before the voice starts
            for sentence in sentences:
                yield self._spoken(sentence)
            self._held_text = ""

    def last_pieces(self) -> Iterator[SpeechPiece]:
        """Yield what is left once no more chunks come; the last one has `last`."""
        if is_nothing(self._text):
            yield SpeechPiece(last=True, silent=True)
            return
        if self._passes_through:
            pcm = _joined([*self._held_pcm, *self._resampled_rest()])
            yield SpeechPiece(self._held_text, pcm, last=True, problem=self._problem)
            return
        sentences, rest = split_sentences(self._unspoken)
        for sentence in [*sentences, rest.strip()]:
            if sentence:
                yield self._spoken(sentence)
        yield SpeechPiece("", _joined(self._resampled_rest()), last=True, problem=self._problem)

    def _resampled_rest(self) -> list[np.ndarray]:
        if self._problem:
            return []
        rest = [self._levelled(self._resampler.flush())]
        return rest if self._level is None else [*rest, self._level.flush()]

    def _levelled(self, pcm: np.ndarray) -> np.ndarray:
        return pcm if self._level is None else self._level.push(pcm)

    def _spoken(self, sentence: str) -> SpeechPiece:
        return SpeechPiece(sentence + " ", _joined(self._say(sentence)))

    def _say(self, sentence: str) -> list[np.ndarray]:
        """Return the embedded voice's sound of a sentence; none where the voice fails or has failed before."""
        if self._voice is None or self._problem or not any(c.isalnum() for c in sentence):
            return []
        try:
            parts = [self._levelled(self._resampler.push(chunk)) for chunk in self._voice.speak(sentence)]
        except Exception as error:  # a voice may fail in any way; the text must go on
            self._problem = f"voice: {named_first_line(error)}"
            return []
        if not any(part.any() for part in parts):
            self._problem = f"voice: no sound for {sentence[:40]!r}"
            return []
        return parts


def _piece(chunk: CommentChunk, text: str = "", pcm: np.ndarray | None = None) -> SpeechPiece:
    """Return a piece with the costs of the chunk that it comes from."""
    return SpeechPiece(
        text,
        pcm,
        output_tokens=chunk.output_tokens,
        cost_s=chunk.cost_s,
        image_tokens=chunk.image_tokens,
        prompt_tokens=chunk.prompt_tokens,
        stage_times=chunk.stage_times,
    )


def _joined(parts: list[np.ndarray]) -> np.ndarray | None:
    """Return all parts, each int16 (N,), as one; None where there is no sound in them."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return None
    return np.concatenate(parts) if len(parts) > 1 else parts[0]
