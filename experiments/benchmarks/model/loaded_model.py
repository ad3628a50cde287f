"""The loaded model on which the benchmark's steps are measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.media import Frame
from commentator_lib.settings import load_settings
from experiments.benchmarks.model.doubles import random_frames
from experiments.benchmarks.model.gauges import disk_bytes, memory, process_s, synchronised_s
from experiments.benchmarks.model.random_minicpmo import (
    code_folder,
    forget_files,
    is_random,
    load_random,
    replace_speech_tokenizer,
)

if TYPE_CHECKING:
    from torch import Tensor

    from commentator_lib.commentators.minicpmo.engine import Engine
    from commentator_lib.commentators.minicpmo.loading import Loaded
    from commentator_lib.commentators.minicpmo.speaker import Speaker

PROMPT = "Describe what is happening in one or two sentences."
AUDIO_PER_TEXT_TOKEN = 8
TEXT_CHUNK = 10


@dataclass(slots=True)
class Options:
    """The options of the command line; bench_model.py describes them."""

    checkpoint: str = "random"
    code: str = ""
    dtype: str = "bf16"
    device: str = "cuda"
    frames: int = 4
    size: tuple[int, int] = (448, 448)
    new_tokens: int = 150
    speech_tokens: int = 50
    own_tokens: int = 40
    repeats: int = 3
    text_only: bool = False
    plain: bool = False
    vocoder_float16: bool = False
    live: float = 0.0
    live_clip: str = ""
    live_tokens: int = 20
    steps: set[str] = field(default_factory=set)
    compare: str = ""
    json: bool = False


class LoadedModel:
    """One loaded model. `result` collects what loading took; `quick` says whether it runs with CUDA graphs.

    The step "start" loads the model with CUDA graphs, and counts from the start of the process; the step "hear" loads
    it with them, by `load_with_graphs`. For all other steps the model is loaded without them, until
    `enable_cuda_graphs`. `hear`: with its audio encoder.
    """

    def __init__(self, options: Options, hear: bool = False) -> None:
        from commentator_lib.commentators.minicpmo.checkpoint import inspect_checkpoint
        from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator
        from commentator_lib.commentators.minicpmo.preflight import check_and_make_loader
        from commentator_lib.commentators.weights import find_checkpoint

        self.options = options
        self.result: dict[str, Any] = {}
        self.own_mels: list[Tensor] = []
        # 1) settings, and what kind of weights these are
        self.settings = load_settings(
            environment={},
            commentator="minicpmo",
            model_path="" if options.checkpoint == "random" else options.checkpoint,
            device="cuda" if options.device == "cuda" else "cpu",
            speech=not options.text_only,
            vocoder_float16=options.vocoder_float16,
            hear=hear,
        )
        self.random, self.dtype = options.checkpoint == "random", options.dtype
        if not self.random:
            self.dtype = inspect_checkpoint(find_checkpoint(options.checkpoint)).quantization or "bf16"
        # 2) how to load it
        load: Callable[[], Loaded] | None = None
        if self.random:
            load = self._random_loader()
        elif is_random(Path(options.checkpoint)):
            self.random = True
            replace_speech_tokenizer()
        self.quick = bool({"start", "hear"} & options.steps)
        if "start" in options.steps:
            self.imports_s = process_s()
            forget_files(Path(options.checkpoint))  # its time does not count
            self.imported_s, self.read_before_bytes = time.perf_counter(), disk_bytes()
            load = self._timed(check_and_make_loader(self.settings))
        # 3) load it, unless the step "start" does
        self.commentator = MiniCPMOCommentator(self.settings, load, graphs=self.quick)
        if not self.quick:
            self._warm_up("load", "load_s", "plain")

    @property
    def engine(self) -> Engine:
        return self.commentator.engine

    @property
    def model(self) -> Any:
        """The model, an object of the checkpoint's own code."""
        return self.engine.loaded.model

    @property
    def speaker(self) -> Speaker:
        """The model's voice. Raise RuntimeError where it was loaded without one."""
        if (speaker := self.engine.speaker) is None:
            raise RuntimeError("the model was loaded without its voice")
        return speaker

    @property
    def speaks(self) -> bool:
        return not self.options.text_only

    def load_with_graphs(self) -> None:
        """Load the model with CUDA graphs, on a GPU; add its memory and time to the result."""
        self._warm_up("load", "load_s", "our")

    def enable_cuda_graphs(self) -> None:
        """Run the same loaded model with CUDA graphs from now on."""
        from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator

        self.quick = True
        loaded = self.engine.loaded
        self.commentator = MiniCPMOCommentator(self.settings, lambda: loaded)
        self._warm_up("quick", "quicken_s", "our")

    def describe(self, whose: str) -> None:
        """Limit a random talker, and add to the result which classes run. Call it when a commentator is ready."""
        if self.random and self.speaks:
            self.speaker.talker.max_per_text_token = AUDIO_PER_TEXT_TOKEN
        self.result[f"{whose}_steps"] = type(self.engine.writer.sequence).__name__
        self.result[f"{whose}_layers"] = type(self.model.llm.model.layers[0].self_attn.q_proj).__name__

    def make_frames(self, seed: int) -> list[Frame]:
        return random_frames(self.options.frames, *self.options.size, seed)

    def embed(self, seed: int, speech: bool) -> Tensor:
        """Return a prompt's embeddings (1, n, H)."""
        from commentator_lib.commentators.minicpmo.prompt import embed_request
        from commentator_lib.commentators.minicpmo.stage_clock import StageClock

        request = CommentRequest(self.make_frames(seed), PROMPT, 1, speech)
        clock = StageClock(self.engine.loaded.device)
        return embed_request(self.engine, request, speech, self.settings.max_slice_nums, clock).embeds

    def _warm_up(self, step: str, took: str, whose: str) -> None:
        """Warm up the commentator; add its memory and time, and which classes run, to the result."""
        with memory(self.result, step):
            started_s = synchronised_s()
            self.commentator.warm_up()
            self.result[took] = round(synchronised_s() - started_s, 1)
        self.describe(whose)

    def _random_loader(self) -> Callable[[], Loaded]:
        options = self.options
        code = code_folder(options.code)
        return lambda: load_random(
            code,
            options.device,
            options.dtype == "awq",
            not options.text_only,
            options.vocoder_float16,
            self.settings.hear,
        )

    def _timed(self, load: Callable[[], Loaded]) -> Callable[[], Loaded]:
        """Return `load` with its seconds added to the result as `weights_s`."""

        def timed() -> Loaded:
            started_s = synchronised_s()
            loaded = load()
            self.result["weights_s"] = round(synchronised_s() - started_s, 1)
            return loaded

        return timed
