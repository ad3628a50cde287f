"""Everything that runs for a comment: the loaded model, its vision, its hearing, its writer, its voice.

On a GPU all parts are captured as CUDA graphs. A part that cannot be captured (no Triton, no C compiler, layers of
another architecture) runs slower without them, after a warning.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from commentator_lib.commentators.minicpmo.decode import Writer, stop_ids, suppressed_ids
from commentator_lib.commentators.minicpmo.graphs import GraphPool
from commentator_lib.commentators.minicpmo.hearing import LONGEST_S, Hearing
from commentator_lib.commentators.minicpmo.loading import Loaded
from commentator_lib.commentators.minicpmo.memory import compact
from commentator_lib.commentators.minicpmo.sampling import Sampling
from commentator_lib.commentators.minicpmo.sequence import CachedSequence, LayeredSequence, PlainSequence
from commentator_lib.commentators.minicpmo.shrink import shrink_awq_model
from commentator_lib.commentators.minicpmo.speaker import Speaker
from commentator_lib.commentators.minicpmo.talker import Talker
from commentator_lib.commentators.minicpmo.vision import Vision
from commentator_lib.commentators.torch_tools import free_gpu
from commentator_lib.settings import Settings

logger = logging.getLogger(__name__)

# What reading a checkpoint takes of a start.
READ_SHARE = 0.5
# Positions for which a captured step has room: prompt and comment, at least and at most, in multiples of a step; and a
# comment's speech (80 s). A longer prompt runs without graphs, and a longer speech ends.
_LEAST_ROOM, _MOST_ROOM, _ROOM_STEP = 1024, 8192, 256
_SPEECH_ROOM = 2048
# Tokens of a picture's tile with its marks, of the words around the pictures (80 to 190 with this project's profiles,
# and an instruction of a few lines), and of a second that is heard.
_TILE_TOKENS, _WORD_TOKENS, _SOUND_TOKENS_PER_S = 66, 256, 10
# Prompts are captured once for each multiple of this many positions, chunks of text likewise (10 tokens, 1 or 2 signs).
# A session's prompts are longer than the one that warms up, by its role, its rules and the last comment: 80 to 190
# tokens with the profiles of this project. So the next 4 multiples are captured ahead.
_PROMPT_BUCKET, _PROMPTS_AHEAD = 64, 4
_TEXT_BUCKET = 12
_MAX_TEXT_TOKENS = 8192

_Part = TypeVar("_Part")
_Make = Callable[[CachedSequence, GraphPool | None], _Part]


@dataclass(slots=True)
class Engine:
    """A model that is ready to comment.

    `writer` has room for `room` positions; `plain_writer`, without graphs, takes longer prompts (both may be the same).
    `vision` is None where the model's own code encodes pictures, `hearing` where the model is not to hear or
    cannot, `speaker` where it does not speak.
    """

    loaded: Loaded
    stops: list[int]
    suppressed: list[int]
    writer: Writer
    plain_writer: Writer
    room: int
    vision: Vision | None = None
    hearing: Hearing | None = None
    speaker: Speaker | None = None

    def capture_new_shapes(self) -> None:
        """Capture graphs for shapes that were new in the last comment. Raise RuntimeError where that fails."""
        for part in (self.writer, self.vision, self.hearing, self.speaker):
            if part is not None:
                part.capture_new_shapes()


def prompt_room(settings: Settings) -> int:
    """Return for how many positions a prompt and its comment are recorded with these settings, a multiple of 256.

    >>> prompt_room(Settings(frames_per_inference=4)), prompt_room(Settings(frames_per_inference=10, speech=False))
    (1024, 1536)
    """
    tiles = settings.max_slice_nums + (settings.max_slice_nums > 1)  # and the whole picture beside its tiles
    heard_s = min(settings.window_frames / settings.capture_fps, LONGEST_S) if settings.hear else 0.0
    needed = settings.frames_per_inference * tiles * _TILE_TOKENS + _WORD_TOKENS + settings.max_new_tokens
    needed += round(heard_s * _SOUND_TOKENS_PER_S)
    return min(max(_LEAST_ROOM, math.ceil(needed / _ROOM_STEP) * _ROOM_STEP), _MOST_ROOM)


def build_engine(
    loaded: Loaded,
    settings: Settings,
    graphs: bool,
    say: Callable[[str, float | None], None] = lambda _words, _share: None,
) -> Engine:
    """Build the engine of a loaded model. With `graphs`, on a GPU, use CUDA graphs and shrink 4-bit weights.

    `say(words, share)`: as `Commentator.say_loading`. Raise CommentatorError for a voice that cannot be loaded,
    torch.OutOfMemoryError for too little memory.
    """
    model, tokenizer = loaded.model, loaded.processor.tokenizer
    use_graphs = graphs and loaded.device.type == "cuda"
    # The voice runs at the same time as the language model, so it needs a pool of its own; all other parts share one.
    pool, voice_pool = (GraphPool(), GraphPool()) if use_graphs else (None, None)
    # 1) shrink 4 bits, before anything refers to the weights
    if loaded.device.type == "cuda":
        say("moving to the GPU", READ_SHARE)
    shrunk = use_graphs and shrink_awq_model(model)
    # 2) vision and hearing
    vision = None
    if graphs and Vision.supports(model, loaded.processor):
        vision = Vision(model, loaded.processor.image_processor, pool)
    hearing = _build_hearing(loaded, pool) if settings.hear else None
    # 3) the language model's loop
    sampling = Sampling(temperature=settings.temperature)
    generator = torch.Generator(loaded.device).manual_seed(settings.seed)

    def make_writer(sequence: CachedSequence, pool: GraphPool | None) -> Writer:
        if shrunk and pool:
            compact([model])  # all weights are converted and joined by now, and nothing is captured yet
        return Writer(
            model.llm, sequence, sampling, max_tokens=_MAX_TEXT_TOKENS, generator=generator, graph_pool=pool
        )

    if use_graphs:
        say("recording graphs", 0.58)
    room = prompt_room(settings)
    plain_writer = make_writer(PlainSequence(model.llm.model), None)
    writer = pool and make_captured(make_writer, model.llm.model, pool, room, _PROMPT_BUCKET, _PROMPTS_AHEAD)
    # 4) the voice, once the language model is small: its loading needs more memory than it keeps
    free_gpu()
    if loaded.make_vocoder is not None:
        say("loading the voice", 0.68)
    loaded.load_voice()
    speaker = _build_speaker(loaded, settings, voice_pool)
    free_gpu()
    return Engine(
        loaded,
        stop_ids(tokenizer),
        suppressed_ids(tokenizer),
        writer or plain_writer,
        plain_writer,
        room,
        vision,
        hearing,
        speaker,
    )


def _build_hearing(loaded: Loaded, pool: GraphPool | None) -> Hearing | None:
    if not Hearing.supports(loaded.model, loaded.processor):
        logger.warning("the model was loaded without an audio encoder that is known here: it hears nothing")
        return None
    return Hearing(loaded.model, loaded.processor.audio_processor, pool)


def _build_speaker(loaded: Loaded, settings: Settings, pool: GraphPool | None) -> Speaker | None:
    if loaded.vocoder is None:
        return None
    tts = loaded.model.tts
    if pool:
        try:
            loaded.vocoder.enable_cuda_graphs(pool)
        except RuntimeError as error:
            warn_of_slowness("the vocoder", error)
    generator = torch.Generator(loaded.device).manual_seed(settings.seed + 1)

    def make_talker(sequence: CachedSequence, pool: GraphPool | None) -> Talker:
        return Talker(tts, sequence, generator, graph_pool=pool)

    talker = pool and make_captured(make_talker, tts.model, pool, _SPEECH_ROOM, _TEXT_BUCKET)
    return Speaker(talker or make_talker(PlainSequence(tts.model), None), loaded.vocoder, loaded.device)


def make_captured(
    make: _Make[_Part], model: Any, pool: GraphPool, length: int, bucket: int, ahead: int = 0
) -> _Part | None:
    """Return what `make` makes of the layers of `model` and CUDA graphs; None, after a warning, where it fails."""
    try:
        return make(LayeredSequence(model, length, pool, bucket, ahead), pool)
    except (
        Exception
    ) as error:  # no Triton, no C compiler or one that it cannot use, layers of another architecture
        warn_of_slowness(type(model).__name__, error)
        return None


def warn_of_slowness(what: str, error: Exception) -> None:
    """Warn that `what` runs without CUDA graphs, and why."""
    warnings.warn(
        f"no CUDA graphs for {what}, so it runs slower: {type(error).__name__}: {str(error)[:300]}",
        stacklevel=3,
    )
