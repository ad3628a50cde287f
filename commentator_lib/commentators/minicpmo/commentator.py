"""MiniCPM-o 4.5 as a commentator: it sees the frames, hears them if asked, writes, and speaks while it still writes.

The model's own `chat()` gives text at the end. Its `streaming_generate()` writes ten tokens, speaks them, and only then
writes the next ten. Here the language model writes in the inference thread, token by token, and a second thread turns
the text into sound beside it, on a CUDA stream of its own.

Text is given out with the sound that says it, so that captions and the record of what was heard keep step with the
voice. Where the voice fails, only the sound is lost. A comment for which the GPU's memory does not suffice fails and
frees the caches, so that the next comment has that memory.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.commentators.base import Commentator, CommentatorError, CommentChunk, CommentRequest
from commentator_lib.commentators.minicpmo.preflight import check_and_make_loader, load_and_tell
from commentator_lib.commentators.minicpmo.speaker import SpokenPiece
from commentator_lib.commentators.minicpmo.stage_clock import StageClock
from commentator_lib.commentators.text_stream import TextStream
from commentator_lib.commentators.torch_tools import free_gpu
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from commentator_lib.commentators.minicpmo.engine import Engine
    from commentator_lib.commentators.minicpmo.loading import Loaded

    # what a Writer generates: a token, and the hidden state of the token before
    _Tokens = Generator[tuple[int | None, Tensor | None], None, None]

logger = logging.getLogger(__name__)

# Numbers of pictures for which the warm-up makes a comment each: those while a session's window fills.
_FIRST_COUNTS = 4
# Seconds of sound a picture in them, so that what is captured serves the sound of two to eight seconds of a window.
_FIRST_SOUND_S = 2
# What loading and building take of a start.
_BUILT_SHARE = 0.86


class MiniCPMOCommentator(Commentator):
    """The model that `settings` name.

    As a judge (`speak_when`) it can decide that a comment starts, not that one stops: see judging.py.

    Raise CommentatorError at once for what can be known without loading it: the checkpoint, the GPU, its memory, the
    voice's files. `load` replaces the loading of the checkpoint, for models that are not read from one; with `graphs`
    False no CUDA graphs are used.
    """

    judges = frozenset({"first-token", "perplexity", "yes-no"})

    def __init__(
        self, settings: Settings, load: Callable[[], Loaded] | None = None, graphs: bool = True
    ) -> None:
        self._settings = settings
        self._graphs = graphs
        self._load = load or check_and_make_loader(settings)
        self.name = f"minicpmo: {settings.model_path.rstrip('/').rsplit('/', 1)[-1] or 'made'}"
        self._engine: Engine | None = None
        self._captures_new_shapes = True
        self._told_of_room = False
        self._frame_size, self._seen_size = (448, 448), (0, 0)

    @property
    def has_voice(self) -> bool:
        """Whether it speaks itself: it was loaded with its voice, or will be."""
        return self._settings.speech if self._engine is None else self._engine.loaded.vocoder is not None

    @property
    def hears(self) -> bool:
        """Whether it listens to a request's sound: it was loaded with its audio encoder, or will be."""
        return self._settings.hear if self._engine is None else self._engine.hearing is not None

    @property
    def engine(self) -> Engine:
        """The parts that `warm_up` loaded. Raise RuntimeError before `warm_up` and after `close`."""
        if self._engine is None:
            raise RuntimeError("the model is not loaded: call warm_up first")
        return self._engine

    def expect_frames(self, width: int, height: int) -> None:
        """Note the size of the frames (pixels) that will come: `warm_up` makes its comments with it."""
        self._frame_size = width, height

    def warm_up(self) -> None:
        """Load the model and make short comments, so that the first comment is not slower than the others.

        Raise CommentatorError where the model cannot be loaded or the memory suffices for no comment.
        """
        import torch

        try:
            if self._engine is None:
                self._load_engine()
            if self._seen_size != self._frame_size:
                self._seen_size = self._frame_size
                self._make_first_comments()
        except (torch.OutOfMemoryError, MemoryError):
            self.close()
            raise CommentatorError(
                "the model fits into the GPU's memory, but not even a short comment fits beside it: "
                "end what else uses it, set speech=false, or take the AWQ INT4 checkpoint"
            ) from None

    def _load_engine(self) -> None:
        loaded = load_and_tell(self, self._load)
        from commentator_lib.commentators.minicpmo.engine import build_engine

        self._engine = build_engine(loaded, self._settings, self._graphs, self.say_loading)

    def _make_first_comments(self) -> None:
        """Make short comments on every number of pictures that a session's comments will see.

        The most pictures come first: that prompt is the longest, so the memory of its graph serves the others too. The
        last comment is spoken, when little else that is new takes memory beside it.
        """
        width, height = self._frame_size
        grey = Frame(0, 0.0, 0.0, np.full((height, width, 3), 127, np.uint8))
        most = self._settings.frames_per_inference
        counts = sorted({*range(1, min(most, _FIRST_COUNTS)), most}, reverse=True)
        for k, count in enumerate(counts):
            share = _BUILT_SHARE + (1 - _BUILT_SHARE) * k / len(counts)
            self.say_loading(f"first words, {k + 1} of {len(counts)}", share)
            speech = count == counts[-1]
            sound = _silence(count * _FIRST_SOUND_S) if self.hears else None
            for _ in self.comment(CommentRequest([grey] * count, "Say hello.", 12, speech, sound=sound)):
                pass

    def close(self) -> None:
        """Free the GPU; `warm_up` loads again."""
        self._engine = None
        self._seen_size = (0, 0)
        free_gpu()

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """Yield one comment; text that is spoken comes with its sound. Frames (H, W, 3) uint8 of any sizes.

        Raise MemoryError where the GPU's memory does not suffice for it; its caches are freed then.
        """
        import torch

        self.warm_up()
        problem = ""
        try:
            yield from self._comment(request)
            self._capture_new_shapes()
        except torch.OutOfMemoryError:
            # Raised below: this error refers to the call's stack frames, and they refer to the tensors.
            problem = "the GPU's memory did not suffice for this comment; its caches were freed"
        finally:
            if problem:
                free_gpu()
        if problem:
            raise MemoryError(problem)

    def judge(self, request: CommentRequest, rule: str, last_comment: str) -> float | None:
        """Return the rule's number in one prefill (judging.py). Raise MemoryError as `comment` does."""
        import torch

        from commentator_lib.commentators.minicpmo.judging import measure

        self.warm_up()
        with contextlib.suppress(torch.OutOfMemoryError):
            return measure(self.engine, request, rule, last_comment, self._settings.max_slice_nums)
        free_gpu()
        raise MemoryError("the GPU's memory did not suffice to judge this picture; its caches were freed")

    def _capture_new_shapes(self) -> None:
        """Capture what was new in this comment: its words are out, and its sound takes seconds to play."""
        from commentator_lib.commentators.minicpmo.engine import warn_of_slowness

        if not self._captures_new_shapes:
            return
        try:
            self.engine.capture_new_shapes()
        except RuntimeError as error:  # too little memory, for example; the comment itself was given
            self._captures_new_shapes = False
            warn_of_slowness("what was new in a comment", error)

    def _comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        from commentator_lib.commentators.minicpmo.prompt import embed_request

        engine = self.engine
        speech = request.speech and engine.speaker is not None
        clock = StageClock(engine.loaded.device)
        prompt = embed_request(engine, request, speech, self._settings.max_slice_nums, clock)
        started = CommentChunk("", image_tokens=prompt.image_tokens, prompt_tokens=prompt.tokens)
        needed = prompt.tokens + request.max_new_tokens
        fits = needed <= engine.room
        if not fits and engine.writer is not engine.plain_writer and not self._told_of_room:
            self._told_of_room = True
            logger.warning(
                "a comment needs %d positions and %d are recorded, so it runs slower: load the model with these "
                "settings, or lower frames_per_inference, max_slice_nums or text_max_new_tokens",
                needed,
                engine.room,
            )
        tokens = (engine.writer if fits else engine.plain_writer).generate(
            [prompt.embeds],
            max_new_tokens=request.max_new_tokens,
            stops=engine.stops,
            suppressed=engine.suppressed if speech else [],
        )
        tokens = clock.time_items(tokens, "prefill", "decode")
        with contextlib.closing(tokens):
            if speech:
                yield from self._speak(tokens, started, clock)
            else:
                yield from self._write(tokens, started, clock)

    def _write(self, tokens: _Tokens, started: CommentChunk, clock: StageClock) -> Iterator[CommentChunk]:
        """Yield text as it comes."""
        text = TextStream(self.engine.loaded.processor.tokenizer)
        yield started
        for token, _hidden in tokens:
            if token is not None:
                yield CommentChunk(text.push(token), None, 1)
        yield CommentChunk(text.rest(), stage_times=clock.times)

    def _speak(self, tokens: _Tokens, started: CommentChunk, clock: StageClock) -> Iterator[CommentChunk]:
        """Yield text with its sound, as the voice gets on; the voice works while the next tokens come."""
        import torch

        from commentator_lib.commentators.minicpmo.sampling import FIRST_TEXT_CHUNK, TEXT_CHUNK

        speaker = self.engine.speaker
        assert speaker is not None  # _comment has looked
        text = TextStream(self.engine.loaded.processor.tokenizer)
        ids: list[int] = []  # the comment's tokens
        hiddens: list[Tensor] = []  # their hidden states (1, 1, H); the last token's comes later
        sent = 0  # tokens that were handed to the voice
        given = 0  # tokens whose text was given out
        has_words = False  # "..." is never spoken

        def chunk_of(piece: SpokenPiece) -> CommentChunk:
            nonlocal given
            new, given = ids[given : piece.text_tokens], max(given, piece.text_tokens)
            sound = None if piece.samples is None else AudioChunk(piece.samples, speaker.rate_hz)
            return CommentChunk(text.push(*new), sound, problem=piece.problem)

        yield started
        # 1) take the first token before the voice's thread starts, which takes interpreter time too
        first = next(tokens)
        with speaker.comment(clock):
            for token, hidden in chain([first], tokens):
                # 2) hand a chunk of text to the voice whenever one is complete
                if hidden is not None:
                    hiddens.append(hidden)
                last = token is None
                waiting = len(hiddens) - sent
                chunk = TEXT_CHUNK if sent else FIRST_TEXT_CHUNK
                if waiting and (last or waiting % chunk == 0):
                    has_words = has_words or self._has_words(ids)
                    if has_words:
                        speaker.say(ids[sent : len(hiddens)], torch.cat(hiddens[sent:], dim=1), last)
                        if not sent:
                            speaker.wait_for_first_sound()
                        sent = len(hiddens)
                # 3) count the token, and give out what has been spoken, with its text
                if token is not None:
                    ids.append(token)
                    yield CommentChunk("", None, 1)
                for piece in speaker.ready():
                    yield chunk_of(piece)
            # 4) give out the rest of the speech
            if has_words:
                for piece in speaker.rest():
                    yield chunk_of(piece)
        # 5) give out text that was not spoken
        yield CommentChunk(text.push(*ids[given:]) + text.rest(), stage_times=clock.times)

    def _has_words(self, ids: list[int]) -> bool:
        """Return whether the text of these tokens has a letter or a digit."""
        text = self.engine.loaded.processor.tokenizer.decode(ids, skip_special_tokens=True)
        return any(c.isalnum() for c in text)


def _silence(seconds: float) -> AudioChunk:
    """Return silence at the rate that the model hears, 30 s of it at most."""
    from commentator_lib.commentators.minicpmo.hearing import LONGEST_S, RATE_HZ

    return AudioChunk(np.zeros(round(min(seconds, LONGEST_S) * RATE_HZ), np.float32), RATE_HZ)
