"""Build the parts of a model in duplex from a loaded checkpoint, and run its first seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.engine import make_captured, warn_of_slowness
from commentator_lib.commentators.minicpmo.graphs import GraphPool
from commentator_lib.commentators.minicpmo.hearing import Hearing
from commentator_lib.commentators.minicpmo.loading import Loaded
from commentator_lib.commentators.minicpmo.memory import compact
from commentator_lib.commentators.minicpmo.sequence import CachedSequence, PlainSequence
from commentator_lib.commentators.minicpmo.shrink import shrink_awq_model
from commentator_lib.commentators.minicpmo.token2wav import CHUNK_TOKENS
from commentator_lib.commentators.minicpmo.vision import Vision
from commentator_lib.commentators.minicpmo.vocoder import FIRST_TOKENS
from commentator_lib.commentators.minicpmo_duplex.decoder import UnitDecoder, Window
from commentator_lib.commentators.minicpmo_duplex.hearing import UNIT_SAMPLES, StreamingHearing
from commentator_lib.commentators.minicpmo_duplex.model import DuplexModel
from commentator_lib.commentators.minicpmo_duplex.tokens import (
    MAX_UNIT_TOKENS,
    SAMPLING,
    duplex_tokens,
)
from commentator_lib.commentators.minicpmo_duplex.voice import TurnSound, TurnTalker, TurnVoice
from commentator_lib.commentators.torch_tools import free_gpu
from commentator_lib.media import Frame
from commentator_lib.settings import Settings

# Positions of a picture's tile with its marks, and of a second's sound and marks.
_TILE_TOKENS, _SOUND_TOKENS = 66, 16
_ROOM_STEP = 256
# Positions of a turn's speech, 80 s: a longer turn goes on without its beginning.
_SPEECH_ROOM = 4096
# A second's embeddings are captured once for each multiple of so many positions, a second's words likewise.
_UNIT_BUCKET, _TEXT_BUCKET = 16, 4
# Seconds that are run before the first that counts; in them all lengths of a second's words occur.
_FIRST_WORDS = range(0, MAX_UNIT_TOKENS - 1, _TEXT_BUCKET)


def decoder_room(window: Window, max_slice_nums: int) -> int:
    """Return for how many positions the language model needs room: the window and one second, a multiple of 256.

    >>> decoder_room(Window(), 1)
    4352
    """
    tiles = max_slice_nums + (max_slice_nums > 1)
    unit = tiles * _TILE_TOKENS + _SOUND_TOKENS + MAX_UNIT_TOKENS
    return math.ceil((window.high + unit) / _ROOM_STEP) * _ROOM_STEP


def build_model(
    loaded: Loaded,
    settings: Settings,
    graphs: bool,
    say: Callable[[str, float | None], None] = lambda _words, _share: None,
    window: Window | None = None,
) -> DuplexModel:
    """Build the parts of a loaded model. With `graphs`, on a GPU, use CUDA graphs and shrink 4-bit weights.

    `say(words, share)`: as `Commentator.say_loading`. Raise CommentatorError for a checkpoint that was not made for it
    and for a voice that cannot be loaded, torch.OutOfMemoryError for too little memory.
    """
    model, processor = loaded.model, loaded.processor
    tokens = duplex_tokens(processor.tokenizer)
    if not Hearing.supports(model, processor):
        raise CommentatorError(
            "the checkpoint has no audio encoder that is known here, and in duplex the model hears: "
            "take commentator=minicpmo"
        )
    window = window or Window()
    use_graphs = graphs and loaded.device.type == "cuda"
    pool = GraphPool() if use_graphs else None
    # 1) shrink 4 bits, before anything refers to the weights
    shrunk = use_graphs and shrink_awq_model(model)
    # 2) eyes and ears
    vision = (
        Vision(model, processor.image_processor, pool)
        if graphs and Vision.supports(model, processor)
        else None
    )
    hearing = StreamingHearing(model, processor.audio_processor, pool)
    # 3) the language model
    sampling = replace(SAMPLING, temperature=settings.temperature)
    generator = torch.Generator(loaded.device).manual_seed(settings.seed)

    def make_decoder(sequence: CachedSequence, pool: GraphPool | None) -> UnitDecoder:
        if shrunk and pool:
            compact([model])  # all weights are converted and joined by now, and nothing is captured yet
        return UnitDecoder(model.llm, sequence, tokens, sampling, window, generator, pool)

    say("recording graphs", 0.58)
    room = decoder_room(window, settings.max_slice_nums)
    decoder = pool and make_captured(make_decoder, model.llm.model, pool, room, _UNIT_BUCKET)
    decoder = decoder or make_decoder(PlainSequence(model.llm.model), None)
    # 4) the voice
    free_gpu()
    say("loading the voice", 0.68)
    loaded.load_voice()
    voice = _build_voice(loaded, settings, pool)
    free_gpu()
    return DuplexModel(
        loaded,
        decoder,
        hearing,
        tokens,
        vision,
        voice,
        settings.start_threshold,
        settings.max_slice_nums,
    )


def _build_voice(loaded: Loaded, settings: Settings, pool: GraphPool | None) -> TurnVoice | None:
    if loaded.vocoder is None:
        return None
    tts, lengths = loaded.model.tts, None
    if pool:
        try:
            loaded.vocoder.enable_cuda_graphs(pool, (CHUNK_TOKENS, FIRST_TOKENS))
            lengths = (FIRST_TOKENS, CHUNK_TOKENS)
        except RuntimeError as error:
            warn_of_slowness("the vocoder", error)
    generator = torch.Generator(loaded.device).manual_seed(settings.seed + 1)

    def make_talker(sequence: CachedSequence, pool: GraphPool | None) -> TurnTalker:
        return TurnTalker(tts, sequence, generator, pool)

    talker = pool and make_captured(make_talker, tts.model, pool, _SPEECH_ROOM, _TEXT_BUCKET)
    return TurnVoice(
        talker or make_talker(PlainSequence(tts.model), None), TurnSound(loaded.vocoder, lengths)
    )


@torch.inference_mode()
def run_first_units(model: DuplexModel, size: tuple[int, int]) -> None:
    """Run seconds of every kind with pictures of `size` (width, height), and capture what was new in them.

    Raise RuntimeError, torch.OutOfMemoryError among others, where something cannot be captured.
    """
    width, height = size
    grey = Frame(0, 0.0, 0.0, np.full((height, width, 3), 127, np.uint8))
    silence = np.zeros(UNIT_SAMPLES, np.float32)
    captures = model.loaded.device.type == "cuda"
    for number in range(1 + captures):
        # 1) seconds with and without a picture
        model.begin("Say hello.")
        for frames in ([grey], [], [grey]) if captures else ([grey],):
            model.unit(frames, silence)
        # 2) words of every length, at the start of a turn and later
        if model.voice is not None and captures:
            hidden = torch.zeros(
                MAX_UNIT_TOKENS, model.decoder.width, device=model.loaded.device, dtype=model.dtype
            )
            for count in _FIRST_WORDS:
                model.voice.begin()
                for _ in range(2):
                    model.voice.talker.say([0] * count, hidden[:count], may_end=False)
        if number == 0:
            model.capture_new_shapes()
