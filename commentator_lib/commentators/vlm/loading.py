"""Load a checkpoint with transformers, and turn a request into the model's inputs.

The code that a checkpoint brings along is never run: what transformers does not know itself is refused.
"""

from __future__ import annotations

import importlib.util
import inspect
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commentator_lib.commentators.base import CommentatorError, CommentRequest
from commentator_lib.commentators.plain_text import without_marks
from commentator_lib.commentators.torch_tools import quietly
from commentator_lib.commentators.vlm.tiling import TileLimits, limit_tiles
from commentator_lib.commentators.weights import first_sentence

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

EXAMPLES = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct or Qwen/Qwen2.5-VL-3B-Instruct"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready.

    `template` is used where the processor has none of its own; `image_token` is the id that stands for pictures in a
    prompt, None where the config does not tell it; `tiles` is how far a picture is taken apart.
    `takes_system`: its template has a place for a system message.
    """

    model: Any
    processor: Any
    template: str | None
    template_options: dict[str, Any]
    image_token: int | None
    end_tokens: frozenset[int]
    tiles: TileLimits
    takes_system: bool = False

    def inputs(self, request: CommentRequest) -> dict[str, Any]:
        """Return the request as the model's inputs, `input_ids` (1, n) among them.

        They lie on its device, floats in its precision.
        """
        from PIL import Image

        frames = [self.tiles.scaled(Image.fromarray(frame.image)) for frame in request.frames]
        pictures = [{"type": "image", "image": frame} for frame in frames]
        tokenizer = self.processor.tokenizer
        role = without_marks(request.role, tokenizer) if self.takes_system else ""
        words = without_marks(request.task if role else request.prompt, tokenizer)
        content = [*pictures, {"type": "text", "text": words}]
        system = [system_message(role)] if role else []
        apply = self.processor.apply_chat_template
        options = dict(self.template_options)
        if self.tiles.call_options:
            for_pictures = {"images_kwargs": self.tiles.call_options}
            nested = (
                "processor_kwargs" in inspect.signature(apply).parameters
            )  # newer versions want them apart
            options |= {"processor_kwargs": for_pictures} if nested else for_pictures
        inputs = apply(
            [*system, {"role": "user", "content": content}],
            chat_template=self.template,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            **options,
        )
        return {name: self._placed(value) for name, value in inputs.items()}

    def _placed(self, value: Any) -> Any:
        if not hasattr(value, "is_floating_point"):
            return value  # not a tensor: some processors add lists of sizes
        return value.to(self.model.device, self.model.dtype if value.is_floating_point() else value.dtype)


def load(folder: Path, device: str, max_tiles: int) -> Loaded:
    """Load processor and model from `folder`. Raise CommentatorError for what they lack; other errors pass through."""
    import torch
    import transformers
    from transformers.models.auto.modeling_auto import AutoModelForImageTextToText
    from transformers.models.auto.processing_auto import AutoProcessor

    # No code from the checkpoint, and nothing from the network: the files are all here.
    own = {"trust_remote_code": False, "local_files_only": True}
    with quietly(progress_bars=False):
        # 1) The processor, with a chat template.
        processor = AutoProcessor.from_pretrained(folder, **own)
        template, in_use = _chat_template(folder, processor)
        # 2) The weights, with the fast attention where the model has it.
        precision = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
        place: dict[str, Any] = {}
        if device == "cuda" and importlib.util.find_spec("accelerate") is not None:
            place["device_map"] = {"": device}  # straight onto the GPU, not through the main memory
        load = {precision: float_type(device), "output_loading_info": True, **place, **own}
        try:
            model, info = AutoModelForImageTextToText.from_pretrained(
                folder, attn_implementation="sdpa", **load
            )
        except ValueError as error:
            if "scaled_dot_product_attention" not in str(error):
                raise
            model, info = AutoModelForImageTextToText.from_pretrained(folder, **load)
        # 3) No more tiles than set.
        tiles = limit_tiles(processor, model.config, max_tiles)
    if missing := sorted(info["missing_keys"]):
        raise CommentatorError(
            f"{folder} lacks {len(missing)} weights that the model needs, {missing[0]} among them: download it again"
        )
    # 4) Where it computes, and how it ends.
    model = model.to(torch.device(device)).eval() if not place else model.eval()
    image_token = getattr(model.config, "image_token_id", None)
    if image_token is None:
        image_token = getattr(model.config, "image_token_index", None)
    _complete_llama4(model)
    ends = _take_likeliest(model.generation_config, processor.tokenizer)
    thinking = {"enable_thinking": False} if "enable_thinking" in in_use else {}
    system = takes_system(processor, template)
    return Loaded(model, processor, template, thinking, image_token, ends, tiles, system)


def system_message(words: str) -> dict[str, Any]:
    """Return a system message in the form that all processors of pictures know, a list of parts."""
    return {"role": "system", "content": [{"type": "text", "text": words}]}


def takes_system(processor: Any, template: str | None) -> bool:
    """Return whether a chat template writes what a system message says: some refuse it, some leave it out."""
    words = "Be brief."
    user = {"role": "user", "content": [{"type": "text", "text": "Hello."}]}
    try:
        text = processor.apply_chat_template(
            [system_message(words), user], chat_template=template, tokenize=False
        )
    except Exception as error:  # a template is a program, and raises what it likes
        logger.info("the chat template takes no system message: %s", first_sentence(error))
        return False
    return words in text and f"'{words}'" not in text  # not the list of parts as Python writes it


def float_type(device: str) -> torch.dtype:
    """Return bfloat16 for a GPU that computes in it, float16 for an older one; float32 for CPUs, slow at both."""
    import torch

    if device == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability()[0] >= 8 else torch.float16


def float_bytes(device: str) -> int:
    """Return the bytes of a number in `float_type`."""
    return 4 if device == "cpu" else 2


def _chat_template(folder: Path, processor: Any) -> tuple[str | None, str]:
    """Return (what to hand to the processor as its chat template, or None where it has its own; the one in use)."""
    if getattr(processor, "image_processor", None) is None:
        raise CommentatorError(
            f"{folder} has no processor for pictures (preprocessor_config.json): half a download? download it again, "
            f"or set model_path to a model such as {EXAMPLES}"
        )
    if own := getattr(processor, "chat_template", None):
        return None, str(own)
    if lent := getattr(processor.tokenizer, "chat_template", None):
        return lent, str(lent)
    raise CommentatorError(
        f"{folder} has no chat template, as models that were not trained to answer: set model_path to one that was "
        f"(…-Instruct, …-it), such as {EXAMPLES}"
    )


def _complete_llama4(model: Any) -> None:
    """Let Llama 4 of transformers 5 run: it asks its text model's output for `image_outputs`, which that never has."""
    if model.config.model_type != "llama4":
        return

    def add(_module: Any, _inputs: Any, output: Any) -> None:
        if not hasattr(output, "image_outputs"):
            output.image_outputs = None

    model.language_model.register_forward_hook(add)


def _take_likeliest(config: Any, tokenizer: Any) -> frozenset[int]:
    """Change a model's generation config so that it takes the likeliest token; return the ids that end a text."""
    ends = config.eos_token_id if config.eos_token_id is not None else tokenizer.eos_token_id
    ends = [ends] if isinstance(ends, int) else list(ends or ())
    config.eos_token_id = ends or None
    if config.pad_token_id is None:
        config.pad_token_id = (
            tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (ends or [0])[0]
        )
    config.do_sample, config.num_beams, config.use_cache = False, 1, True
    config.temperature = config.top_p = config.top_k = None
    config.disable_compile = True  # minutes, again for each length of prompt
    return frozenset(ends)
