"""Turn a request into the language model's input: pictures, sound and words as embeddings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.minicpmo.hearing import AUDIO_START, audio_placeholder
from commentator_lib.commentators.minicpmo.stage_clock import StageClock
from commentator_lib.commentators.plain_text import without_marks
from commentator_lib.errors import named_first_line

if TYPE_CHECKING:
    from torch import Tensor

    from commentator_lib.commentators.minicpmo.engine import Engine

logger = logging.getLogger(__name__)

_MAX_PROMPT_TOKENS = 8192
_PICTURE = "<image>./</image>"


class Prompt(NamedTuple):
    """The embeddings (1, n, H) of a request, and how many of its n tokens are pictures, their marks included.

    The tokens of its sound are among the n.
    """

    embeds: Tensor
    image_tokens: int

    @property
    def tokens(self) -> int:
        """How many tokens it has, n."""
        return self.embeds.shape[1]


def embed_request(
    engine: Engine, request: CommentRequest, speech: bool, max_slice_nums: int, clock: StageClock
) -> Prompt:
    """Return the request as embeddings. `speech`: in the form that the model was trained to speak in.

    A picture is cut into at most `max_slice_nums` slices. Frames of one size that are not cut are encoded by `vision`,
    all others by the model's own code. Sound that cannot be heard is left out, with a warning; where it is heard, the
    form is always the spoken one, as in the model's own `chat`. The stage "vision" counts for it too.
    """
    # 1) encode the pictures on the GPU; the sound follows them there, while the words are made here
    vision = engine.vision
    size = vision.common_size(request.frames, max_slice_nums) if vision is not None else None
    seen = None
    if vision is not None and size is not None:
        with clock.stage("vision", wait=False):
            seen = vision.encode(request.frames)  # (pictures · queries, H)
    heard = _hear(engine, request, clock)  # (m, H)
    # 2) put both into their places among the words
    text = _chat_text(engine.loaded.processor, request, speech, heard)
    if seen is None or size is None:
        return _embed_by_own_code(engine, request, text, heard, max_slice_nums, clock)
    return _embed_seen(engine, seen, size, text, heard, max_slice_nums, clock)


def _hear(engine: Engine, request: CommentRequest, clock: StageClock) -> Tensor | None:
    """Return the embeddings (m, H) of the request's sound; None without any, and after a warning where it fails."""
    if engine.hearing is None or request.sound is None:
        return None
    try:
        with clock.stage("vision", wait=False):
            return engine.hearing.encode(request.sound)
    except Exception as error:  # whatever it is, it costs the sound and not the comment
        logger.warning("this comment is made without its sound: %s", named_first_line(error))
    return None


def _embed_seen(
    engine: Engine,
    seen: Tensor,
    size: tuple[int, int],
    text: str,
    heard: Tensor | None,
    max_slice_nums: int,
    clock: StageClock,
) -> Prompt:
    """Return the prompt `text` with its pictures `seen` (pictures · queries, H), each of `size`, and its sound."""
    import torch

    model, processor, device = engine.loaded.model, engine.loaded.processor, engine.loaded.device
    with clock.stage("preprocess", wait=False):
        image = processor.image_processor.get_slice_image_placeholder(
            size, 0, max_slice_nums, use_image_id=False
        )
        ids, bounds, *_ = processor._convert(text.replace(_PICTURE, image), _MAX_PROMPT_TOKENS)
        at = _sound_place(processor.tokenizer, ids, heard)
        ids = ids[None].to(device, non_blocking=True)  # (1, n)
    with clock.stage("vision"), torch.inference_mode():
        places = torch.cat([torch.arange(start, end) for start, end in bounds])  # (pictures · queries,)
        embeds = model.llm.model.embed_tokens(ids)  # (1, n, H)
        embeds[0, places.to(embeds.device, non_blocking=True)] = seen.to(embeds.dtype)
        if heard is not None:
            embeds[0, at : at + len(heard)] = heard.to(embeds.dtype)
    return Prompt(embeds, _count_image_tokens(bounds))


def _embed_by_own_code(
    engine: Engine,
    request: CommentRequest,
    text: str,
    heard: Tensor | None,
    max_slice_nums: int,
    clock: StageClock,
) -> Prompt:
    import torch
    from PIL import Image

    model, processor = engine.loaded.model, engine.loaded.processor
    with clock.stage("preprocess"):
        pictures = [Image.fromarray(frame.image) for frame in request.frames]
        inputs = processor(
            [text],
            [pictures],
            [[]],
            None,
            max_slice_nums=max_slice_nums,
            use_image_id=False,
            return_tensors="pt",
            max_length=_MAX_PROMPT_TOKENS,
        ).to(engine.loaded.device)
    with clock.stage("vision"), torch.inference_mode():
        wanted = ("input_ids", "pixel_values", "tgt_sizes", "image_bound")
        embeds, _ = model.get_vllm_embedding({key: inputs[key] for key in wanted})  # (1, n, H)
        if heard is not None:
            at = _sound_place(processor.tokenizer, inputs["input_ids"][0], heard)
            embeds[0, at : at + len(heard)] = heard.to(embeds.dtype)
    return Prompt(embeds, _count_image_tokens(inputs["image_bound"][0]))


def _sound_place(tokenizer: Any, ids: Tensor, heard: Tensor | None) -> int:
    """Return where among the prompt's tokens (n,) the embeddings `heard` (m, H) begin; 0 without sound.

    It is the first sound of the prompt: what the words of a prompt say comes behind it.
    """
    if heard is None:
        return 0
    return int((ids == tokenizer.convert_tokens_to_ids(AUDIO_START)).nonzero()[0]) + 1


def _chat_text(processor: Any, request: CommentRequest, speech: bool, heard: Tensor | None = None) -> str:
    """Return the request as the model's chat template writes it, with a mark for each picture.

    The places of the sound's embeddings `heard` (m, H) come between the pictures and the words.
    """
    tokenizer = processor.tokenizer
    sound = [] if heard is None else [audio_placeholder(len(heard), tokenizer.unk_token)]
    role = without_marks(request.role, tokenizer)
    words = without_marks(request.task, tokenizer)
    content = "\n".join([*[_PICTURE] * len(request.frames), *sound, words])
    system = [{"role": "system", "content": role}] if role else []
    return processor.tokenizer.apply_chat_template(
        [*system, {"role": "user", "content": content}],
        tokenize=False,
        add_generation_prompt=True,
        use_tts_template=speech or heard is not None,
        enable_thinking=False,
    )


def _count_image_tokens(bounds: Any) -> int:
    """Return the tokens of all pictures; `bounds` (pictures, 2) are their first and last places, without the marks."""
    return sum(int(end - start) + 2 for start, end in bounds)
