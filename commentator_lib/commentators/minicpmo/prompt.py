"""Turn a request into the language model's input: pictures and words as embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.minicpmo.stage_clock import StageClock

if TYPE_CHECKING:
    from torch import Tensor

    from commentator_lib.commentators.minicpmo.engine import Engine
    from commentator_lib.commentators.minicpmo.vision import Vision

_MAX_PROMPT_TOKENS = 8192
_PICTURE = "<image>./</image>"


class Prompt(NamedTuple):
    """The embeddings (1, n, H) of a request, and how many of its n tokens are pictures, their marks included."""

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
    all others by the model's own code.
    """
    vision = engine.vision
    size = vision.common_size(request.frames, max_slice_nums) if vision is not None else None
    if vision is None or size is None:
        return _embed_by_own_code(engine, request, speech, max_slice_nums, clock)
    return _embed_by_vision(engine, vision, size, request, speech, max_slice_nums, clock)


def _embed_by_vision(
    engine: Engine,
    vision: Vision,
    size: tuple[int, int],
    request: CommentRequest,
    speech: bool,
    max_slice_nums: int,
    clock: StageClock,
) -> Prompt:
    import torch

    model, processor, device = engine.loaded.model, engine.loaded.processor, engine.loaded.device
    # 1) encode the pictures on the GPU, and meanwhile turn the words into tokens here
    with clock.stage("vision", wait=False):
        seen = vision.encode(request.frames)  # (pictures · queries, H)
    with clock.stage("preprocess", wait=False):
        image = processor.image_processor.get_slice_image_placeholder(
            size, 0, max_slice_nums, use_image_id=False
        )
        text = _chat_text(processor, request, speech).replace(_PICTURE, image)
        ids, bounds, *_ = processor._convert(text, _MAX_PROMPT_TOKENS)
        ids = ids[None].to(device, non_blocking=True)  # (1, n)
    # 2) put the pictures into their places among the words
    with clock.stage("vision"), torch.inference_mode():
        places = torch.cat([torch.arange(start, end) for start, end in bounds])  # (pictures · queries,)
        embeds = model.llm.model.embed_tokens(ids)  # (1, n, H)
        embeds[0, places.to(embeds.device, non_blocking=True)] = seen.to(embeds.dtype)
    return Prompt(embeds, _count_image_tokens(bounds))


def _embed_by_own_code(
    engine: Engine, request: CommentRequest, speech: bool, max_slice_nums: int, clock: StageClock
) -> Prompt:
    import torch
    from PIL import Image

    model, processor = engine.loaded.model, engine.loaded.processor
    with clock.stage("preprocess"):
        pictures = [Image.fromarray(frame.image) for frame in request.frames]
        inputs = processor(
            [_chat_text(processor, request, speech)],
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
    return Prompt(embeds, _count_image_tokens(inputs["image_bound"][0]))


def _chat_text(processor: Any, request: CommentRequest, speech: bool) -> str:
    """Return the request as the model's chat template writes it, with a mark for each picture."""
    content = "\n".join([_PICTURE] * len(request.frames) + [request.prompt])
    return processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=False,
        add_generation_prompt=True,
        use_tts_template=speech,
        enable_thinking=False,
    )


def _count_image_tokens(bounds: Any) -> int:
    """Return the tokens of all pictures; `bounds` (pictures, 2) are their first and last places, without the marks."""
    return sum(int(end - start) + 2 for start, end in bounds)
