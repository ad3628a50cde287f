"""MiniCPM-o's own voice, in a thread beside the language model: text tokens in, sound out.

The thread turns each chunk of text into audio tokens (talker.py) and these into sound (vocoder.py), on a CUDA stream of
its own, while the language model writes the next chunk.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from commentator_lib.commentators.minicpmo.stage_clock import StageClock
from commentator_lib.errors import named_first_line

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from commentator_lib.commentators.minicpmo.talker import Talker
    from commentator_lib.commentators.minicpmo.vocoder import Vocoder

# The audio tokens that a text token is expected to take (0.3 s), for a chunk that is still being spoken.
_TYPICAL_PER_TEXT_TOKEN = 8


@dataclass(frozen=True, slots=True)
class SpokenPiece:
    """A piece of sound, float32 (N,) at 24 kHz, and how many tokens of the comment's text are said at its end.

    `problem` is why the voice failed; then `samples` is None.
    """

    text_tokens: int
    samples: np.ndarray | None
    problem: str = ""


class _TextChunk(NamedTuple):
    """Text for the voice's thread. `ready` is when its tensors are ready on the GPU; None on a CPU."""

    ids: list[int]
    hidden: Tensor  # (1, n, H)
    last: bool
    ready: torch.cuda.Event | None


def count_said_tokens(spans: list[tuple[int, int]], position: int) -> int:
    """Return how many text tokens have been said after `position` audio tokens.

    `spans` has one (text tokens, audio tokens) for each chunk of text. The last chunk may still be growing: it is taken
    to be at least as long as chunks usually are. Within a chunk the words are spread evenly.
    """
    said = 0
    for number, (texts, audios) in enumerate(spans, start=1):
        complete = number < len(spans)
        length = audios if complete else max(audios, texts * _TYPICAL_PER_TEXT_TOKEN)
        if position < length:
            return said + texts * max(0, position) // length
        said += texts
        position -= length
    return said


class Speaker:
    """Talker and vocoder, in a new thread for each comment, which ends with the comment."""

    rate_hz = 24_000

    def __init__(self, talker: Talker, vocoder: Vocoder, device: torch.device) -> None:
        import torch

        self.talker, self.vocoder = talker, vocoder
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def capture_new_shapes(self) -> None:
        """Capture graphs for lengths of chunks that are new, between two comments."""
        self.talker.capture_new_shapes()

    @contextlib.contextmanager
    def comment(self, clock: StageClock) -> Generator[Speaker]:
        """Start the voice of one comment; at the end of the block it is cancelled and its thread has ended.

        Inside, `say` hands over text, and `ready` and `rest` give what was spoken of it.
        """
        self._inbox: queue.SimpleQueue[_TextChunk | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[SpokenPiece | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._begun = threading.Event()  # the first sound is there, or the voice waits for more text
        self._over = False
        thread = threading.Thread(target=self._run, args=(clock,), name="speech", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._cancelled.set()
            self._inbox.put(None)
            thread.join()

    def say(self, ids: list[int], hidden: Tensor, last: bool) -> None:
        """Hand over a chunk of text: its tokens, and the language model's hidden states (1, n, H) after each.

        `last` ends the comment.
        """
        ready = None
        if self._stream is not None:
            import torch

            # the voice's stream must wait until these tensors are computed
            ready = torch.cuda.Event()
            ready.record()
        self._inbox.put(_TextChunk(ids, hidden, last, ready))

    def wait_for_first_sound(self) -> None:
        """Wait until the first sound is there, the first chunk of text gives none, or the voice has failed.

        The language model has seconds for its next chunk then, and beside it the voice takes half as long again.
        """
        self._begun.wait()

    def ready(self) -> Iterator[SpokenPiece]:
        """Yield what has been spoken by now, without waiting."""
        with contextlib.suppress(queue.Empty):
            yield from iter(lambda: self._next(wait=False), None)

    def rest(self) -> Iterator[SpokenPiece]:
        """Yield what is still to come, and wait for it; call it after the last chunk of text was handed over."""
        yield from iter(lambda: self._next(wait=True), None)

    def _next(self, wait: bool) -> SpokenPiece | None:
        """Return the next piece; None, also when it is called again, when there will be no more."""
        if not self._over:
            piece = self._outbox.get(wait)
            self._over = piece is None
            return piece
        return None

    def _run(self, clock: StageClock) -> None:
        """The thread: speak; put every failure into the outbox, and at the end None."""
        import torch

        try:
            with torch.cuda.stream(self._stream) if self._stream else contextlib.nullcontext():
                self._speak(clock)
        except Exception as error:  # a voice may fail in any way; the text must go on
            self._outbox.put(SpokenPiece(0, None, f"voice: {named_first_line(error)[:200]}"))
        finally:
            self._outbox.put(None)
            self._begun.set()

    def _speak(self, clock: StageClock) -> None:
        """Turn chunks of text into sound until the last one, or until the comment is cancelled."""
        import torch

        self.talker.begin()
        self.vocoder.begin()
        spans: list[tuple[int, int]] = []  # (text tokens, audio tokens) of each chunk
        last = False
        while not last and (job := self._inbox.get()) is not None:
            # 1) wait for the chunk's tensors
            ids, hidden, last, ready = job
            if ready is not None and self._stream is not None:
                self._stream.wait_event(ready)
                hidden.record_stream(self._stream)
            spans.append((len(ids), 0))
            # 2) audio tokens, and sound whenever there are enough of them
            tokens = self.talker.say(torch.tensor([ids], device=hidden.device), hidden, last)
            for token in clock.time_items(tokens, "talker", "talker"):
                if self._cancelled.is_set():
                    return
                spans[-1] = (len(ids), spans[-1][1] + 1)
                with clock.stage("vocoder"):
                    samples = self.vocoder.push(token)
                if samples is not None:
                    said = count_said_tokens(spans, self.vocoder.spoken_tokens)
                    self._outbox.put(SpokenPiece(said, samples))
                    self._begun.set()
            self._begun.set()
        if self._cancelled.is_set():
            return
        # 3) the rest of the sound
        with clock.stage("vocoder"):
            rest = list(self.vocoder.finish())
        for samples in rest:
            self._outbox.put(SpokenPiece(sum(texts for texts, _ in spans), samples))
