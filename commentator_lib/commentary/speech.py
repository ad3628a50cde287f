"""Text and sound of one comment: sentence streaming, and the "..." rule.

A comment arrives as tokens. Waiting for its end before speaking, the obvious way, costs the whole
generation; so each sentence is spoken as soon as it is complete, or, where the commentator has a voice of
its own, its sound passes through as it comes.

"..." means nothing to say. It is shown nowhere and never spoken: speech models make babble of it. What a
comment will be is not known from its first tokens, so text and sound are held back until more than five
characters stand (the rule of the nerdpudding project), or until the comment has ended.

A voice that fails takes only the sound: the text goes on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentRequest, StageTimes
from commentator_lib.media import PlaybackResampler
from commentator_lib.voices.base import Voice

HOLD_BACK_CHARACTERS = 5
# A comment of ten thousand words would hold the floor for an hour; one that never ends, for ever.
MAX_COMMENT_CHARACTERS = 1200
MAX_COMMENT_SOUND_S = 120.0
MAX_COMMENT_CHUNKS = 5000
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+(?=\S)|\n+")
_LONGEST_SENTENCE = 240


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """What a comment has grown by: `text` as it may be shown, `pcm` int16 (N,) at 48 kHz that belongs to it.

    `output_tokens` were generated for it. `last` stands on the one closing piece; its `silent` says that
    the comment was "...", `problem` what the voice failed with, if it did. The cost, the tokens of
    the request and the stages' times are CommentChunk's.
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
    """Text as it may be shown: control and formatting characters become spaces, line ends stay."""
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else " " for c in text)


def is_nothing(text: str) -> bool:
    """Whether a whole comment says nothing: empty, or dots and no letter or digit at all."""
    stripped = text.strip()
    return stripped == NOTHING_TO_SAY or not any(c.isalnum() for c in stripped)


def split_sentences(text: str) -> tuple[list[str], str]:
    """(complete sentences, the rest). A sentence is complete once the next one has begun.

    One that grows past 240 characters is cut at the last space before.
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
    commentator: Commentator, voice: Voice | None, request: CommentRequest, speech: bool = True
) -> Iterator[SpeechPiece]:
    """One comment as pieces that may be shown and heard; blocking, for the inference thread.

    `voice` speaks for a commentator that has no voice of its own; `speech` False: text only. Closing the
    iterator closes the commentator's. Every chunk of the commentator gives at least one piece, so that the
    caller can cancel between any two tokens. Errors of the commentator pass through; those of the voice
    do not.
    """
    text = ""  # all of the comment so far
    unspoken = ""  # of it, what the voice has still to say
    held_text = ""  # not shown yet
    held_pcm: list[np.ndarray] = []
    released = False
    own_voice = commentator.has_voice
    sound_s = 0.0
    problem = ""
    by_text = not speech or voice is None  # nothing waits for whole sentences
    resampler = PlaybackResampler()

    def say(sentence: str) -> list[np.ndarray]:
        nonlocal problem
        if not speech or voice is None or problem or not any(c.isalnum() for c in sentence):
            return []
        try:
            parts = [resampler.push(chunk) for chunk in voice.speak(sentence)]
        except Exception as error:  # a voice may fail in any way; the text must go on
            problem = f"voice: {type(error).__name__}: {error}"
            return []
        if not any(part.any() for part in parts):
            problem = f"voice: no sound for {sentence[:40]!r}"
            return []
        return parts

    def sound(parts: list[np.ndarray]) -> np.ndarray | None:
        parts = [p for p in parts if len(p)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else None

    chunks = commentator.comment(request)
    try:
        for count, chunk in enumerate(chunks, start=1):
            new_text = clean(chunk.text)[: MAX_COMMENT_CHARACTERS - len(text)]
            text += new_text
            unspoken += new_text
            held_text += new_text
            problem = problem or chunk.problem
            if chunk.audio is not None and speech and not problem:
                own_voice = True
                sound_s += chunk.audio.duration_s
                try:
                    held_pcm.append(resampler.push(chunk.audio))
                except Exception as error:  # as above: its sound is broken, its text is not
                    problem = f"voice: {type(error).__name__}: {error}"
            full = (
                len(text) >= MAX_COMMENT_CHARACTERS
                or sound_s >= MAX_COMMENT_SOUND_S
                or count >= MAX_COMMENT_CHUNKS
            )
            released = released or len(text.strip()) > HOLD_BACK_CHARACTERS and not is_nothing(text)
            costs = {
                "output_tokens": chunk.output_tokens,
                "cost_s": chunk.cost_s,
                "image_tokens": chunk.image_tokens,
                "prompt_tokens": chunk.prompt_tokens,
                "stage_times": chunk.stage_times,
            }
            if not released:
                yield SpeechPiece(**costs)
            elif own_voice or by_text:
                yield SpeechPiece(held_text, sound(held_pcm), **costs)
                held_text, held_pcm = "", []
            else:
                # The cost belongs to the chunk, so it is charged before the voice gets to work.
                sentences, unspoken = split_sentences(unspoken)
                yield SpeechPiece(**costs)
                for sentence in sentences:
                    yield SpeechPiece(sentence + " ", sound(say(sentence)))
                held_text = ""
            if full:
                break
        if is_nothing(text):
            yield SpeechPiece(last=True, silent=True)
            return
        if own_voice or by_text:
            tail = held_pcm if problem else [*held_pcm, resampler.flush()]
            yield SpeechPiece(held_text, sound(tail), last=True, problem=problem)
            return
        sentences, rest = split_sentences(unspoken)
        for sentence in [*sentences, rest.strip()]:
            if sentence:
                yield SpeechPiece(sentence + " ", sound(say(sentence)))
        yield SpeechPiece("", sound([] if problem else [resampler.flush()]), last=True, problem=problem)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
