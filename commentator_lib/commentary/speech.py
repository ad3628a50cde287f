"""Text and sound of one comment: sentence streaming, and the "..." rule.

A comment arrives as tokens; waiting for all of them would delay the voice by the whole generation. So each sentence
is spoken as soon as it is complete. Where the commentator has a voice of its own, its sound passes through as it
comes.

"..." means nothing to say. It is never shown and never spoken: speech models turn it into noise. The first tokens do
not tell whether a comment will be "...", so text and sound are held back until there are more than five characters
(the rule of the nerdpudding project), or until the comment has ended.

This file decides what is shown and what is spoken of each sentence. Shown is the text without Markdown (markup.py);
spoken is how it is read aloud (aloud.py). A sentence that one of the last comments has said is left out (repeats.py).
Where sound and text come together, from a commentator with a voice of its own, no sentence can be cut out of the sound:
there, and where text is only shown, a comment is left out as a whole, if it is word for word what was said. Until that
is seen it is held back, which costs a comment that begins like an earlier one the time of those words.

Where a voice fails, only the sound is lost: the text goes on. So does a text in letters that the voice cannot read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from commentator_lib.commentary.aloud import read_aloud
from commentator_lib.commentary.markup import MarkupStripper
from commentator_lib.commentary.repeats import Repeats, begins_like
from commentator_lib.commentators.base import (
    NOTHING_TO_SAY,
    Commentator,
    CommentChunk,
    CommentRequest,
    StageTimes,
)
from commentator_lib.errors import named_first_line
from commentator_lib.media import PLAYBACK_RATE_HZ, PlaybackResampler
from commentator_lib.runs.record import SAID_BEFORE
from commentator_lib.sound.voice_level import VoiceLevel
from commentator_lib.voices.base import Voice
from commentator_lib.voices.languages import names_of, unreadable

HOLD_BACK_CHARACTERS = 5
_FLAG_TAGS = map(chr, range(0xE0020, 0xE0080))
_KEPT = frozenset(("\n", "\u200c", "\u200d", "\u200e", "\u200f", "\u061c", *_FLAG_TAGS))
UNSPOKEN = "shown, not spoken"  # how the reason begins of a comment that the voice cannot read
# Limits of one comment: ten thousand words would be spoken for an hour, and a comment without an end for ever.
MAX_COMMENT_CHARACTERS = 1200
MAX_COMMENT_SOUND_S = 120.0
MAX_COMMENT_CHUNKS = 5000
_SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"'”’»)\]]*\s+(?=\S)|(?<=[。！？])[\"'”’」』）)\]]*\s*(?=[^\s\"'”’」』）)\]])|\n+"
)
# A full stop after these ends no sentence; nor does one after a single capital, "J. Smith".
_NO_END = re.compile(
    r"(?:\b(?:vs?|[Nn]o|[Nn]r|approx|incl|e\.g|i\.e|[Dd]r|[Mm]rs?|[Mm]s|[Ss]t|[Pp]rof|[Gg]en|[Cc]apt)|(?<![\w.])[A-Z])\."
)
_LONGEST_SENTENCE = 240
# So many letters a second are said, until a streaming voice has shown its own pace.
_LETTERS_PER_S = 14.0


@dataclass(slots=True)  # not frozen: a comment has dozens, and each would take three times as long to make
class SpeechPiece:
    """The next part of a comment: `text` as it may be shown, and `pcm`, its sound, int16 (N,) at 48 kHz.

    `output_tokens` were generated for it. Exactly one piece, the closing one, has `last`; its `silent` says that
    the comment was "..." or was said before, its `problem` what the voice failed with, if it did, and its
    `repeated_sentences` how many were left out because they were said before. Costs, the tokens of the
    request, the times of the stages and the `reason` are those of the CommentChunk.
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
    reason: str = ""
    repeated_sentences: int = 0


def clean(text: str) -> str:
    """Return the text as it may be shown: control and formatting characters become spaces, line ends stay.

    So do joiners, which Persian, Indian scripts and emoji are written with, and the direction marks of one character.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in _KEPT or unicodedata.category(c)[0] != "C" else " " for c in text)


def is_nothing(text: str) -> bool:
    """Return whether a whole comment says nothing: it is empty, or has dots but no letter or digit."""
    stripped = text.strip()
    return stripped == NOTHING_TO_SAY or not any(c.isalnum() for c in stripped)


def split_sentences(text: str) -> tuple[list[str], str]:
    """Return (complete sentences, the rest). A sentence is complete once the next one has begun.

    A full stop after an abbreviation ("vs.", "No. 9"), or before a small letter, ends none. A sentence that grows past
    240 characters is cut at the last space before.
    """
    sentences, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        if _is_inside(text, match):
            continue
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


def _is_inside(text: str, match: re.Match[str]) -> bool:
    """Return whether what looks like a sentence's end is a full stop of an abbreviation, or before a small letter."""
    stop = match.start()
    if text[stop - 1 : stop] != "." or "\n" in match[0] or match[0].strip():
        return False
    end = match.end()
    small = text[end : end + 1].islower() and not text.endswith("..", 0, stop)
    found = _NO_END.search(text, max(0, stop - 8), stop)
    return small or (found is not None and found.end() == stop)


def whole_sentences(text: str) -> list[str]:
    """Return all sentences of a whole text, the last one too."""
    sentences, rest = split_sentences(text)
    return [*sentences, rest.strip()] if rest.strip() else sentences


def heard_sentences(text: str, heard_text: str) -> list[str]:
    """Return the sentences of a comment that were heard; of one that was cut the words until there."""
    left, heard = len(heard_text.split()), []
    for sentence in whole_sentences(text):
        words = sentence.split()[:left]
        left -= len(words)
        heard.append(" ".join(words))
    return heard


def speak_comment(
    commentator: Commentator,
    voice: Voice | None,
    request: CommentRequest,
    speech: bool = True,
    importance: int = 0,
    level: VoiceLevel | None = None,
    before: Sequence[str] | None = None,
) -> Generator[SpeechPiece, None, None]:
    """Yield one comment as pieces that may be shown and heard; blocking, for the inference thread.

    `voice` speaks for a commentator that has no voice of its own, as befits the comment's `importance` (0 to 3);
    `speech` False: text only. `level` brings the sound to a steady loudness; None leaves it as it is. `before`: the
    sentences of the last comments, which are not said again; None: anything may be. Closing the
    iterator closes the commentator's. Every chunk of the commentator gives at least one piece, so that the
    caller can cancel between any two tokens. Errors of the commentator pass through; those of the voice
    do not.
    """
    comment = _GrowingComment(voice, commentator.has_voice, speech, level, before)
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

    def __init__(
        self,
        voice: Voice | None,
        own_voice: bool,
        speech: bool,
        level: VoiceLevel | None,
        before: Sequence[str] | None,
    ) -> None:
        self._speech = speech
        self._voice = voice if speech else None
        self._own_voice = own_voice
        self._resampler = PlaybackResampler()
        self._level = level
        if level is not None:
            level.begin()
        self._before = before or ()
        self._repeats = None if before is None else Repeats(before)
        self._repeated = ""  # the first sentence that was left out
        self._repeated_sentences = 0
        self._left_out = False  # the last sentence was left out
        self._markup = MarkupStripper()
        self._received = 0  # characters
        self._text = ""  # all of it so far
        self._held_text = ""  # not given out yet
        self._held_pcm: list[np.ndarray] = []  # likewise; each int16 (N,)
        self._unspoken = ""  # what the embedded voice has still to say
        self._released = False  # it is known that it says something
        self._said = False  # some of it was given out
        self._chunks = 0
        self._sound_s = 0.0
        self._letters_per_s = _LETTERS_PER_S
        self._problem = ""
        self._reason = ""

    @property
    def is_full(self) -> bool:
        """Whether it is as long as a comment may become."""
        return (
            self._received >= MAX_COMMENT_CHARACTERS
            or self._sound_s >= MAX_COMMENT_SOUND_S
            or self._chunks >= MAX_COMMENT_CHUNKS
        )

    @property
    def _passes_through(self) -> bool:
        return self._own_voice or self._voice is None

    def take(self, chunk: CommentChunk) -> None:
        """Add a chunk's text and sound to what is held back."""
        self._chunks += 1
        text = clean(chunk.text)[: MAX_COMMENT_CHARACTERS - self._received]
        self._received += len(text)
        self._add(self._markup.push(text))
        self._problem = self._problem or chunk.problem
        if chunk.audio is not None and self._speech and not self._problem:
            self._own_voice = True
            self._sound_s += chunk.audio.duration_s
            try:
                self._held_pcm.append(self._levelled(self._resampler.push(chunk.audio)))
            except Exception as error:  # the sound is broken, the text is not
                self._problem = f"voice: {named_first_line(error)}"
        if not self._released:
            enough = len(self._text.strip()) > HOLD_BACK_CHARACTERS and not is_nothing(self._text)
            self._released = enough and not self._may_be_repeat()

    def _add(self, text: str) -> None:
        self._text += text
        self._held_text += text
        self._unspoken += text

    def _may_be_repeat(self) -> bool:
        """Return whether a comment that passes through may still become, as a whole, what was said before."""
        return self._passes_through and bool(self._before) and begins_like(self._text, self._before)

    def pieces_of(self, chunk: CommentChunk) -> Iterator[SpeechPiece]:
        """Yield what may be shown and heard after this chunk, together with the chunk's own costs."""
        if not self._released:
            yield _piece(chunk)
        elif self._passes_through:
            self._said = True
            yield _piece(chunk, self._held_text, _joined(self._held_pcm))
            self._held_text, self._held_pcm = "", []
        else:
            sentences, self._unspoken = split_sentences(self._unspoken)
            yield _piece(chunk)  # carries the chunk's cost, which is charged before the voice starts
            for sentence in sentences:
                yield from self._spoken(sentence)
            self._held_text = ""

    def last_pieces(self) -> Iterator[SpeechPiece]:
        """Yield what is left once no more chunks come; the last one has `last`."""
        self._add(self._markup.rest())
        if is_nothing(self._text):
            yield SpeechPiece(last=True, silent=True)
            return
        if self._passes_through:
            if not self._said and self._is_repeat():
                said, count = self._text.strip(), len(whole_sentences(self._text))
                yield SpeechPiece(last=True, silent=True, reason=_said_before(said), repeated_sentences=count)
                return
            pcm = _joined([*self._held_pcm, *self._resampled_rest()])
            yield SpeechPiece(self._held_text, pcm, last=True, problem=self._problem)
            return
        for sentence in whole_sentences(self._unspoken):
            yield from self._spoken(sentence)
        if not self._said:
            reason, count = _said_before(self._repeated), self._repeated_sentences
            yield SpeechPiece(last=True, silent=True, reason=reason, repeated_sentences=count)
            return
        rest = _joined(self._resampled_rest())
        yield SpeechPiece(
            "",
            rest,
            last=True,
            problem=self._problem,
            reason=self._reason,
            repeated_sentences=self._repeated_sentences,
        )

    def _is_repeat(self) -> bool:
        """Return whether the comment as a whole is what was said before."""
        if self._repeats is None:
            return False
        known = Repeats(self._before)
        return all(
            known.is_repeat(sentence) or not _has_words(sentence) for sentence in whole_sentences(self._text)
        )

    def _resampled_rest(self) -> list[np.ndarray]:
        if self._problem:
            return []
        rest = [self._levelled(self._resampler.flush())]
        return rest if self._level is None else [*rest, self._level.flush()]

    def _levelled(self, pcm: np.ndarray) -> np.ndarray:
        return pcm if self._level is None else self._level.push(pcm)

    def _spoken(self, sentence: str) -> Iterator[SpeechPiece]:
        """Yield a sentence as it is shown with its sound; nothing where it was said before.

        What stands beside a sentence without words of its own, such as an emoji, goes the way of the one before it.
        """
        if _has_words(sentence):
            self._left_out = self._repeats is not None and self._repeats.is_repeat(sentence)
            self._repeated_sentences += self._left_out
        if self._left_out:
            self._repeated = self._repeated or sentence
            return
        self._said = True
        shown = sentence + _gap_after(sentence)
        languages = self._voice.languages if self._voice is not None else ()
        aloud = read_aloud(sentence, languages[0] if languages else "en")
        script = unreadable(aloud, languages)
        if self._voice is None or self._problem or not aloud:
            yield SpeechPiece(shown)
        elif script:
            self._reason = f"{UNSPOKEN}: {script}, and {self._voice.name} speaks {names_of(languages)}"
            yield SpeechPiece(shown)
        elif self._voice.streams:
            yield from self._streamed(self._voice, shown, aloud)
        else:
            sound = list(self._sound_of(self._voice, aloud))
            yield SpeechPiece(shown, None if self._problem else _joined(sound))

    def _sound_of(self, voice: Voice, aloud: str) -> Iterator[np.ndarray]:
        """Yield the voice's sound of a sentence, int16 at 48 kHz, as it comes; its failure is the comment's problem."""
        sounds = False
        speech = voice.speak(aloud)
        try:
            for chunk in speech:
                pcm = self._levelled(self._resampler.push(chunk))
                sounds = sounds or bool(chunk.samples.any())
                yield pcm
        except Exception as error:  # a voice may fail in any way; the text must go on
            self._problem = f"voice: {named_first_line(error)}"
            return
        finally:
            close = getattr(speech, "close", None)
            if close is not None:
                close()
        if not sounds:
            self._problem = f"voice: no sound for {aloud[:40]!r}"

    def _streamed(self, voice: Voice, shown: str, aloud: str) -> Iterator[SpeechPiece]:
        """Yield a sentence piece by piece as its sound comes, each with as many words as it is likely to say.

        The voice does not tell which words a piece says: they are dealt out at the pace that it has shown so far. The
        first piece goes out at once; each other one waits for the next, so that the last has all words that are left.
        """
        words: list[str] = re.findall(r"\S+\s*", shown)
        dealt, sound_s = 0, 0.0
        waiting: np.ndarray | None = None

        def deal(pcm: np.ndarray, last: bool) -> SpeechPiece:
            nonlocal dealt, sound_s
            sound_s += len(pcm) / PLAYBACK_RATE_HZ
            first = dealt
            while dealt < len(words) and (last or dealt + 1 < len(words)):
                if not last and len("".join(words[: dealt + 1])) > sound_s * self._letters_per_s + 1:
                    break
                dealt += 1
            return SpeechPiece("".join(words[first:dealt]), pcm if len(pcm) else None)

        for pcm in self._sound_of(voice, aloud):
            if sound_s == 0.0 and len(pcm):
                yield deal(pcm, last=False)
                continue
            if waiting is not None and len(waiting):
                yield deal(waiting, last=False)
            waiting = pcm
        yield deal(np.zeros(0, np.int16) if waiting is None else waiting, last=True)
        if sound_s > 0.5 and not self._problem:
            self._letters_per_s = len(shown) / sound_s


def _gap_after(sentence: str) -> str:
    """Return what parts a sentence from the next: a line's end where it has no mark of its own, like a list's item."""
    end = sentence.rstrip("\"'”’»)]」』）")[-1:]
    if end in tuple("。！？"):
        return ""
    return " " if end in tuple(".!?…") else "\n"


def _has_words(sentence: str) -> bool:
    return any(c.isalnum() for c in sentence)


def _said_before(sentence: str) -> str:
    """Return as a reason that a sentence was said in the last comments."""
    return f"{SAID_BEFORE}: {sentence[:60]!r}"


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
        reason=chunk.reason,
    )


def _joined(parts: list[np.ndarray]) -> np.ndarray | None:
    """Return all parts, each int16 (N,), as one; None where there is no sound in them."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return None
    return np.concatenate(parts) if len(parts) > 1 else parts[0]
