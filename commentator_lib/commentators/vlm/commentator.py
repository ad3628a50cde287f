"""Any image-text model that transformers loads, as a commentator: SmolVLM2, Qwen2.5-VL, Qwen3-VL and many more.

It has no voice of its own: the embedded one speaks each sentence as soon as it is complete. So text must come token by
token, and a comment that is overtaken must end between two tokens. `pipeline("image-text-to-text")` can do neither, so
`generation.Generation` runs the model's `generate` in a thread.

The code that a checkpoint brings along is never run: what transformers does not know itself is refused.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from commentator_lib.commentators.base import (
    Commentator,
    CommentatorError,
    CommentChunk,
    CommentRequest,
    StageTimes,
)
from commentator_lib.commentators.reading_weights import telling_bytes_read
from commentator_lib.commentators.text_stream import TextStream
from commentator_lib.commentators.torch_tools import free_gpu, out_of_memory
from commentator_lib.commentators.vlm.checking import check_before_loading
from commentator_lib.commentators.vlm.faults import loading_problem
from commentator_lib.commentators.vlm.generation import Generation
from commentator_lib.commentators.vlm.judging import RULES, measure
from commentator_lib.commentators.vlm.loading import Loaded, load
from commentator_lib.commentators.vlm.sampling import Sampler, comment_seed
from commentator_lib.commentators.weights import first_sentence, weight_files
from commentator_lib.media import Frame
from commentator_lib.settings import Settings

# What reading the weights takes of all loading.
_READ_SHARE = 0.9


class VLMCommentator(Commentator):
    """The model that `settings.model_path` names, on a GPU or a CPU.

    The constructor loads no weights. It raises CommentatorError, one line with a fix, for faults that show without
    them: packages, checkpoint, architecture, device, memory.
    """

    judges = RULES

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder, self._device = check_before_loading(settings)
        self.name = f"vlm: {settings.model_path.rstrip('/').rsplit('/', 1)[-1]}"
        self._loaded: Loaded | None = None
        self._generation: Generation | None = None
        self._comments = 0

    def warm_up(self) -> None:
        """Load the model and write two tokens, so that the first comment is not slower than the others.

        Raise CommentatorError for a model that cannot be loaded, or that cannot be asked about a picture.
        """
        if self._loaded is not None:
            return
        grey = Frame(0, 0.0, 0.0, np.full((360, 640, 3), 127, np.uint8))
        problem = ""  # raised below: the tracebacks of these errors refer to the model
        try:
            files = weight_files(self._folder) if self.on_loading is not None else []
            with telling_bytes_read(files, self.say_loading, _READ_SHARE):
                self._loaded = load(self._folder, self._device, self._settings.max_slice_nums)
            self.say_loading("first words", _READ_SHARE)
            for _ in self._comment(CommentRequest([grey], "Say hello.", 2), timeout_s=None):
                pass
        except CommentatorError as error:
            problem = str(error)
        except Exception as error:  # models and their files fail with any error that a library can raise
            problem = loading_problem(self._folder, error, sys.modules["transformers"].__version__)
        self._comments = 0  # the same seed gives the same comments, also after `close`
        if problem:
            self.close()
            raise CommentatorError(problem)

    def close(self) -> None:
        """Free the model's memory; `warm_up` loads it again."""
        if self._generation is not None:
            self._generation.cancel(self._settings.inference_timeout_s)
        if self._loaded is not None:
            self._loaded = None
            free_gpu()

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """Write one comment, a token a chunk. Frames (H, W, 3) uint8 of any sizes.

        Raise MemoryError, in one line, where the memory does not suffice for it, once it is freed for the next one;
        TimeoutError where no token comes for `inference_timeout_s`. Errors of the model pass through.
        """
        self.warm_up()
        problem = ""
        try:
            yield from self._comment(request, self._settings.inference_timeout_s)
        except Exception as error:  # only those that say that memory is short are handled here
            if not out_of_memory(error):
                raise
            problem = first_sentence(error)
        if problem:
            raise self._no_memory("this comment", problem)

    def judge(self, request: CommentRequest, rule: str, last_comment: str) -> float | None:
        """Return the rule's number in one forward pass (judging.py). Raise MemoryError as `comment` does."""
        self.warm_up()
        self._must_not_be_busy()
        assert self._loaded is not None  # `warm_up` comes first
        try:
            return measure(self._loaded, request, rule, last_comment)
        except Exception as error:  # as above
            if not out_of_memory(error):
                raise
            problem = first_sentence(error)
        raise self._no_memory("judging this picture", problem)

    def _no_memory(self, what: str, problem: str) -> MemoryError:
        """Free the memory and return the error to raise.

        Call it after the block that caught the first error, which refers to the call's stack frames, and they refer
        to the tensors.
        """
        free_gpu()
        return MemoryError(
            f"the memory did not suffice for {what} ({problem}): its caches were freed; lower "
            "frames_per_inference or picture_max_px if it happens again"
        )

    def _must_not_be_busy(self) -> None:
        if self._generation is not None and self._generation.running:
            raise RuntimeError("the model is still busy with a comment that it did not end in time")

    def _comment(self, request: CommentRequest, timeout_s: float | None) -> Iterator[CommentChunk]:
        self._must_not_be_busy()
        loaded = self._loaded
        assert loaded is not None  # `warm_up` comes first
        # 1) Frames and prompt become the model's inputs.
        started_s = time.perf_counter()
        inputs = loaded.inputs(request)
        ids = inputs["input_ids"]
        image_token = loaded.image_token
        image_tokens = None if image_token is None else int((ids == image_token).sum())
        preprocess_s = time.perf_counter() - started_s
        yield CommentChunk("", None, 0, image_tokens=image_tokens, prompt_tokens=int(ids.shape[-1]))
        # 2) The model writes, token by token.
        options: dict[str, Any] = {"max_new_tokens": request.max_new_tokens}
        if self._settings.temperature > 0:
            seed = comment_seed(self._settings.seed, self._comments)
            options["logits_processor"] = [Sampler(self._settings.temperature, seed, ids.device)]
        self._comments += 1
        generation = self._generation = Generation(lambda **ours: loaded.model.generate(**inputs, **ours))
        text = TextStream(loaded.processor.tokenizer, loaded.end_tokens)
        with contextlib.closing(generation.tokens(timeout_s, **options)) as tokens:
            for token in tokens:
                yield CommentChunk(text.push(token), None, 1)
        times = StageTimes(
            preprocess_s=preprocess_s, prefill_s=generation.prefill_s, decode_s=generation.decode_s
        )
        yield CommentChunk(text.rest(), None, 0, stage_times=times)
