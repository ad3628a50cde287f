"""What each family of image-text models needs at tiny size: its config, its processor's files, its marks of a picture.

The layout is the published one: a config with its text model and its vision model, `preprocessor_config.json`,
`processor_config.json`. Only sizes are small. A family that needs a newer transformers says from which version on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PAD, START, END = range(3)
_HIDDEN = 64
_PX = 32  # of a tile
_PATCH = 8
_TEXT = {
    "model_type": "llama",
    "hidden_size": _HIDDEN,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 4096,
    "bos_token_id": START,
    "eos_token_id": END,
    "pad_token_id": PAD,
}
_VISION = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": _PX,
    "patch_size": _PATCH,
}
_SQUARE = {"height": _PX, "width": _PX}
_CLIP = {**_VISION, "model_type": "clip_vision_model"}
_SIGLIP = {**_VISION, "model_type": "siglip_vision_model", "vision_use_head": False}
_PIXTRAL = {**_VISION, "model_type": "pixtral", "head_dim": 16}
# Sections of the rotary positions for time, height and width: half a head's 32 numbers.
_MROPE = {"type": "mrope", "rope_type": "mrope", "mrope_section": [4, 6, 6], "rope_theta": 10_000.0}


@dataclass(frozen=True)
class Family:
    """One architecture at tiny size.

    `config(ids)` is config.json's content, `ids` the vocabulary as {token: id}; `mark` stands for a picture in the
    template, `image_token` for a piece of one in the prompt; `tokens` are special tokens beyond these, by the name that
    the tokenizer has for them, or "" for none.
    """

    config: Callable[[dict[str, int]], dict[str, Any]]
    pictures: dict[str, Any]
    processor: dict[str, Any]
    image_token: str
    mark: str = ""  # "" for the image token itself
    tokens: tuple[tuple[str, str], ...] = ()
    tokenizer_class: str = "PreTrainedTokenizerFast"
    since: tuple[int, int] = (4, 51)
    packages: tuple[str, ...] = ()  # that its processor imports
    new_packages: tuple[str, ...] = ()  # the same, from transformers 5 on
    video: dict[str, Any] = field(default_factory=dict)

    @property
    def specials(self) -> list[str]:
        """Return the special tokens of this family's tokenizer beyond start, end and padding."""
        return list(dict.fromkeys([self.image_token, *(token for token, _ in self.tokens)]))

    @property
    def named_tokens(self) -> dict[str, str]:
        """Return the special tokens that the tokenizer has a name for, as {name: token}."""
        return {name: token for token, name in self.tokens if name}


def text(ids: dict[str, int], model_type: str = "llama", **more: Any) -> dict[str, Any]:
    """Return a text model's config."""
    return {**_TEXT, "model_type": model_type, "vocab_size": len(ids), **more}


def _idefics3(ids: dict[str, int], model_type: str = "idefics3") -> dict[str, Any]:
    return {
        "model_type": model_type,
        "scale_factor": 2,
        "image_token_id": ids["<image>"],
        "pad_token_id": PAD,
        "text_config": text(ids),
        "vision_config": _VISION,
    }


def _idefics2(ids: dict[str, int]) -> dict[str, Any]:
    perceiver = {
        "resampler_n_latents": 4,
        "resampler_depth": 1,
        "resampler_n_heads": 2,
        "resampler_head_dim": 16,
    }
    return {
        "model_type": "idefics2",
        "image_token_id": ids["<image>"],
        "text_config": text(ids, "mistral", sliding_window=None),
        "vision_config": _VISION,
        "perceiver_config": {**perceiver, "num_key_value_heads": 2, "hidden_size": _HIDDEN},
    }


def _llava(ids: dict[str, int], model_type: str = "llava", **more: Any) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "image_token_index": ids["<image>"],
        "image_seq_length": 16,
        "vision_feature_select_strategy": "default",
        "vision_feature_layer": -1,
        "text_config": text(ids),
        "vision_config": _CLIP,
        **more,
    }


_GRIDS = [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96], [96, 96]]


def _llava_next(ids: dict[str, int]) -> dict[str, Any]:
    return _llava(ids, "llava_next", image_grid_pinpoints=_GRIDS)


def _llava_onevision(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "llava_onevision",
        "image_token_index": ids["<image>"],
        "video_token_index": ids["<video>"],
        "image_grid_pinpoints": [[32, 32], *_GRIDS],
        "vision_aspect_ratio": "anyres_max_9",
        "vision_feature_select_strategy": "full",
        "vision_feature_layer": -1,
        "text_config": text(ids, "qwen2"),
        "vision_config": _SIGLIP,
    }


def _vipllava(ids: dict[str, int]) -> dict[str, Any]:
    two_layers = {**_CLIP, "num_hidden_layers": 2}
    return {
        "model_type": "vipllava",
        "image_token_index": ids["<image>"],
        "image_seq_length": 16,
        "vision_feature_layers": [-2, -1],
        "text_config": text(ids),
        "vision_config": two_layers,
    }


def _pixtral(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "llava",
        "image_token_index": ids["[IMG]"],
        "vision_feature_select_strategy": "full",
        "vision_feature_layer": -1,
        "text_config": text(ids, "mistral", sliding_window=None),
        "vision_config": {**_PIXTRAL, "image_size": 256},
    }


def _mistral3(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "mistral3",
        "image_token_index": ids["[IMG]"],
        "spatial_merge_size": 2,
        "vision_feature_layer": -1,
        "text_config": text(ids, "mistral", sliding_window=None),
        "vision_config": {**_PIXTRAL, "image_size": 256},
    }


def _aya_vision(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "aya_vision",
        "image_token_index": ids["<|IMG_PATCH|>"],
        "vision_feature_select_strategy": "full",
        "vision_feature_layer": -1,
        "downsample_factor": 2,
        "text_config": text(ids, "cohere2"),
        "vision_config": _SIGLIP,
    }


def _gemma3(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "gemma3",
        "mm_tokens_per_image": 4,
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
        "text_config": text(ids, "gemma3_text", sliding_window=512),
        "vision_config": _SIGLIP,
    }


def _aria(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "aria",
        "image_token_index": ids["<image>"],
        "vision_feature_layer": -1,
        "projector_patch_to_query_dict": {"196": 4, "49": 4},
        "text_config": text(ids, "aria_text", moe_num_experts=2, moe_topk=1, moe_num_shared_experts=1),
        "vision_config": {**_VISION, "model_type": "idefics3_vision", "image_size": 980, "patch_size": 70},
    }


def _mllama(ids: dict[str, int]) -> dict[str, Any]:
    ratios = [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]]
    words = text(ids, "mllama_text_model", cross_attention_layers=[1])
    words["rope_scaling"] = {"rope_type": "default", "type": "default", "rope_theta": 10_000.0}
    return {
        "model_type": "mllama",
        "image_token_index": ids["<|image|>"],
        "text_config": words,
        "vision_config": {
            **{name: size for name, size in _VISION.items() if name != "num_attention_heads"},
            "attention_heads": 2,
            "num_global_layers": 1,
            "intermediate_layers_indices": [0],
            "vision_output_dim": 64,
            "max_num_tiles": 4,
            "supported_aspect_ratios": ratios,
        },
    }


def _llama4(ids: dict[str, int]) -> dict[str, Any]:
    experts = {"num_local_experts": 2, "num_experts_per_tok": 1, "intermediate_size_mlp": 64}
    return {
        "model_type": "llama4",
        "boi_token_index": ids["<|image_start|>"],
        "eoi_token_index": ids["<|image_end|>"],
        "image_token_index": ids["<|patch|>"],
        "text_config": text(
            ids, "llama4_text", **experts, interleave_moe_layer_step=1, attention_chunk_size=8192
        ),
        "vision_config": {
            **_VISION,
            "intermediate_size": 128,
            "vision_output_dim": 64,
            "projector_input_dim": 64,
            "projector_output_dim": 64,
            "pixel_shuffle_ratio": 0.5,
        },
    }


_QWEN_IDS = ("image_pad", "video_pad", "vision_start", "vision_end")


def _qwen(ids: dict[str, int], model_type: str, flat: bool, **vision: Any) -> dict[str, Any]:
    named = {name: ids[f"<|{name}|>"] for name in _QWEN_IDS}
    words = text(ids, f"{model_type}_text", rope_scaling=_MROPE)
    if flat:  # as in the checkpoints of the first two
        words.pop("model_type")
    return {
        "image_token_id": named["image_pad"],
        "video_token_id": named["video_pad"],
        "vision_start_token_id": named["vision_start"],
        "vision_end_token_id": named["vision_end"],
        "vision_config": {"depth": 1, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2, **vision},
        **(words if flat else {"text_config": words}),
        "model_type": model_type,
    }


def _qwen2_vl(ids: dict[str, int]) -> dict[str, Any]:
    return _qwen(ids, "qwen2_vl", True, embed_dim=32, hidden_size=_HIDDEN, mlp_ratio=1)


def _qwen2_5_vl(ids: dict[str, int]) -> dict[str, Any]:
    window = {"window_size": 56, "fullatt_block_indexes": [0]}
    return _qwen(
        ids, "qwen2_5_vl", True, hidden_size=32, intermediate_size=32, out_hidden_size=_HIDDEN, **window
    )


def _qwen3_vl(ids: dict[str, int]) -> dict[str, Any]:
    more = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    sizes = {"hidden_size": 32, "intermediate_size": 32, "out_hidden_size": _HIDDEN}
    config = _qwen(ids, "qwen3_vl", False, **sizes, **more)
    config["text_config"]["rope_parameters"] = {**_MROPE, "rope_type": "default", "mrope_interleaved": True}
    config["text_config"].pop("rope_scaling")
    return config


def _qwen3_5(ids: dict[str, int]) -> dict[str, Any]:
    sizes = {"hidden_size": 32, "intermediate_size": 32, "out_hidden_size": _HIDDEN}
    config = _qwen(ids, "qwen3_5", False, **sizes, num_position_embeddings=64)
    config["text_config"] = _qwen3_5_text(ids)
    return config


def _qwen3_5_text(ids: dict[str, int]) -> dict[str, Any]:
    linear = {"linear_num_key_heads": 2, "linear_num_value_heads": 2}
    linear |= {"linear_key_head_dim": 16, "linear_value_head_dim": 16}
    rope = {**_MROPE, "rope_type": "default", "mrope_interleaved": True, "partial_rotary_factor": 1.0}
    layers = ["linear_attention", "full_attention"]
    return text(ids, "qwen3_5_text", rope_parameters=rope, layer_types=layers, **linear)


def _internvl(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "internvl",
        "image_token_id": ids["<IMG_CONTEXT>"],
        "image_seq_length": 4,
        "downsample_ratio": 0.5,
        "text_config": text(ids, "qwen2"),
        "vision_config": {**_VISION, "model_type": "internvl_vision"},
    }


def _glm4v(ids: dict[str, int]) -> dict[str, Any]:
    vision = {
        "depth": 1,
        "num_heads": 2,
        "hidden_size": 32,
        "intermediate_size": 32,
        "out_hidden_size": _HIDDEN,
    }
    rope = {
        "rope_type": "default",
        "rope_theta": 10_000.0,
        "mrope_section": [2, 3, 3],
        "partial_rotary_factor": 0.5,
    }
    return {
        "model_type": "glm4v",
        "image_token_id": ids["<|image|>"],
        "video_token_id": ids["<|video|>"],
        "image_start_token_id": ids["<|begin_of_image|>"],
        "image_end_token_id": ids["<|end_of_image|>"],
        "video_start_token_id": ids["<|begin_of_video|>"],
        "video_end_token_id": ids["<|end_of_video|>"],
        "text_config": text(ids, "glm4v_text", rope_parameters=rope),
        "vision_config": {**vision, "image_size": 336, "patch_size": 14},
    }


def _cohere2_vision(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "cohere2_vision",
        "image_token_id": ids["<|IMG_PATCH|>"],
        "downsample_factor": 2,
        "alignment_intermediate_size": 64,
        "text_config": text(ids, "cohere2"),
        "vision_config": _SIGLIP,
    }


def _minicpmv(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "minicpmv4_6",
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "image_size": 56,
        "insert_layer_id": 0,
        "text_config": _qwen3_5_text(ids),
        "vision_config": {**_VISION, "num_hidden_layers": 2, "image_size": 112, "patch_size": 14},
    }


def _lfm2_vl(ids: dict[str, int]) -> dict[str, Any]:
    layers = {"layer_types": ["conv", "full_attention"], "block_multiple_of": 8}
    return {
        "model_type": "lfm2_vl",
        "image_token_id": ids["<image>"],
        "projector_hidden_size": 64,
        "text_config": text(ids, "lfm2", **layers),
        "vision_config": {
            **{name: size for name, size in _VISION.items() if name != "image_size"},
            "model_type": "siglip2_vision_model",
            "num_patches": 64,
            "vision_use_head": False,
        },
    }


def _deepseek_vl(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "deepseek_vl",
        "image_token_id": ids["<image_placeholder>"],
        "text_config": text(ids),
        "vision_config": _SIGLIP,
    }


def _ovis2(ids: dict[str, int]) -> dict[str, Any]:
    indicators = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
    return {
        "model_type": "ovis2",
        "image_token_id": ids["<IMG_ATOM>"],
        "visual_indicator_token_ids": [ids[token] for token in indicators],
        "vocab_size": len(ids),
        "hidden_size": _HIDDEN,
        "text_config": text(ids, "qwen2"),
        "vision_config": {
            **_VISION,
            "vocab_size": 64,
            "hidden_stride": 2,
            "num_visual_indicator_tokens": 5,
            "rms_norm_eps": 1e-5,
        },
    }


def _gemma4(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "gemma4",
        "boi_token_id": ids["<start_of_image>"],
        "eoi_token_id": ids["<end_of_image>"],
        "image_token_id": ids["<image_soft_token>"],
        "text_config": text(
            ids,
            "gemma4_text",
            sliding_window=512,
            layer_types=["sliding_attention", "full_attention"],
            global_head_dim=32,
            vocab_size_per_layer_input=len(ids),
            hidden_size_per_layer_input=8,
        ),
        "vision_config": {
            **{name: size for name, size in _VISION.items() if name != "image_size"},
            "model_type": "gemma4_vision",
            "num_key_value_heads": 2,
            "head_dim": 16,
            "position_embedding_size": 64,
            "pooling_kernel_size": 2,
        },
        "audio_config": None,
    }


_IDEFICS_TOKENS = (
    ("<fake_token_around_image>", ""),
    ("<global-img>", ""),
    ("<end_of_utterance>", ""),
    *((f"<row_{row}_col_{column}>", "") for row in range(1, 4) for column in range(1, 4)),
)
_IDEFICS3_PICTURES = {
    "size": {"longest_edge": 96},
    "max_image_size": {"longest_edge": _PX},
    "do_image_splitting": True,
}
_CROPPED = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": _PX},
    "crop_size": _SQUARE,
}
_LLAVA = {
    "processor_class": "LlavaProcessor",
    "patch_size": _PATCH,
    "vision_feature_select_strategy": "default",
    "num_additional_image_tokens": 1,
}
_PIXTRAL_PICTURES = {
    "image_processor_type": "PixtralImageProcessor",
    "size": {"longest_edge": 256},
    "patch_size": {"height": _PATCH, "width": _PATCH},
}
_PIXTRAL_TOKENS = (("[IMG_BREAK]", ""), ("[IMG_END]", ""))
_PIXTRAL_PROCESSOR = {
    "processor_class": "PixtralProcessor",
    "patch_size": _PATCH,
    "image_token": "[IMG]",
    "image_break_token": "[IMG_BREAK]",
    "image_end_token": "[IMG_END]",
}
_CUT_TO_PATCHES = {
    "image_processor_type": "GotOcr2ImageProcessor",
    "size": _SQUARE,
    "crop_to_patches": False,
    "max_patches": 12,
    "min_patches": 1,
}
_QWEN_PICTURES = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "min_pixels": 28 * 28,
    "max_pixels": 4 * 28 * 28,
    "size": {"shortest_edge": 28 * 28, "longest_edge": 4 * 28 * 28},
}
_QWEN_TOKENS = tuple((f"<|{name}|>", "") for name in _QWEN_IDS)
_QWEN_MARK = "<|vision_start|><|image_pad|><|vision_end|>"
_GEMMA_TOKENS = (
    ("<start_of_image>", "boi_token"),
    ("<end_of_image>", "eoi_token"),
    ("<image_soft_token>", "image_token"),
)
_COHERE_TOKENS = (
    ("<|START_OF_IMG|>", "boi_token"),
    ("<|END_OF_IMG|>", "eoi_token"),
    ("<|IMG_LINE_BREAK|>", "img_line_break_token"),
    ("<|IMG_PATCH|>", "image_token"),
)

FAMILIES: dict[str, Family] = {
    "idefics2": Family(
        _idefics2,
        {
            "image_processor_type": "Idefics2ImageProcessor",
            "size": {"shortest_edge": 16, "longest_edge": _PX},
        },
        {"processor_class": "Idefics2Processor", "image_seq_len": 4},
        "<image>",
        tokens=_IDEFICS_TOKENS,
    ),
    "idefics3": Family(
        _idefics3,
        {"image_processor_type": "Idefics3ImageProcessor", **_IDEFICS3_PICTURES},
        {"processor_class": "Idefics3Processor", "image_seq_len": 4},
        "<image>",
        tokens=_IDEFICS_TOKENS,
    ),
    "smolvlm": Family(
        lambda ids: _idefics3(ids, "smolvlm"),
        {
            "image_processor_type": "SmolVLMImageProcessor",
            **_IDEFICS3_PICTURES,
            "video_sampling": {"fps": 1, "max_frames": 8, "video_size": {"longest_edge": _PX}},
        },
        {"processor_class": "SmolVLMProcessor", "image_seq_len": 4},
        "<image>",
        tokens=_IDEFICS_TOKENS,
        packages=("num2words",),
        new_packages=("torchvision",),
    ),
    "llava": Family(_llava, _CROPPED, _LLAVA, "<image>"),
    "llava_next": Family(
        _llava_next,
        {**_CROPPED, "image_processor_type": "LlavaNextImageProcessor", "image_grid_pinpoints": _GRIDS},
        {**_LLAVA, "processor_class": "LlavaNextProcessor"},
        "<image>",
    ),
    "llava_onevision": Family(
        _llava_onevision,
        {
            "image_processor_type": "LlavaOnevisionImageProcessor",
            "size": _SQUARE,
            "image_grid_pinpoints": [[32, 32], *_GRIDS],
        },
        {
            "processor_class": "LlavaOnevisionProcessor",
            "num_image_tokens": 16,
            "vision_feature_select_strategy": "full",
        },
        "<image>",
        tokens=(("<video>", ""),),
        new_packages=("torchvision",),
    ),
    "vipllava": Family(_vipllava, _CROPPED, _LLAVA, "<image>"),
    "pixtral": Family(_pixtral, _PIXTRAL_PICTURES, _PIXTRAL_PROCESSOR, "[IMG]", tokens=_PIXTRAL_TOKENS),
    "mistral3": Family(
        _mistral3,
        _PIXTRAL_PICTURES,
        {**_PIXTRAL_PROCESSOR, "spatial_merge_size": 2},
        "[IMG]",
        tokens=_PIXTRAL_TOKENS,
    ),
    "aya_vision": Family(
        _aya_vision,
        _CUT_TO_PATCHES,
        {
            "processor_class": "AyaVisionProcessor",
            "patch_size": _PATCH,
            "img_size": _PX,
            "downsample_factor": 2,
        },
        "<|IMG_PATCH|>",
        mark="<image>",
        tokens=(("<image>", ""), ("<|START_OF_IMG|>", ""), ("<|END_OF_IMG|>", "")),
    ),
    "gemma3": Family(
        _gemma3,
        {"image_processor_type": "Gemma3ImageProcessor", "size": _SQUARE},
        {"processor_class": "Gemma3Processor", "image_seq_length": 4},
        "<image_soft_token>",
        mark="<start_of_image>",
        tokens=_GEMMA_TOKENS,
    ),
    "aria": Family(
        _aria,
        {"image_processor_type": "AriaImageProcessor", "max_image_size": 980, "min_image_size": 336},
        {"processor_class": "AriaProcessor", "size_conversion": {"490": 4, "980": 4}},
        "<image>",
        tokens=(("<image>", "image_token"),),
    ),
    "mllama": Family(
        _mllama,
        {"image_processor_type": "MllamaImageProcessor", "size": _SQUARE, "max_image_tiles": 4},
        {"processor_class": "MllamaProcessor"},
        "<|image|>",
    ),
    "llama4": Family(
        _llama4,
        {"image_processor_type": "Llama4ImageProcessorFast", "size": _SQUARE, "max_patches": 16},
        {"processor_class": "Llama4Processor", "patch_size": _PATCH, "pixel_shuffle_ratio": 0.5},
        "<|patch|>",
        mark="<|image|>",
        tokens=tuple(
            (f"<|{name}|>", "")
            for name in ("image", "image_start", "image_end", "tile_x_separator", "tile_y_separator")
        ),
        packages=("torchvision",),
    ),
    "qwen2_vl": Family(
        _qwen2_vl,
        _QWEN_PICTURES,
        {"processor_class": "Qwen2VLProcessor"},
        "<|image_pad|>",
        mark=_QWEN_MARK,
        tokens=_QWEN_TOKENS,
        tokenizer_class="Qwen2Tokenizer",
        new_packages=("torchvision",),
    ),
    "qwen2_5_vl": Family(
        _qwen2_5_vl,
        _QWEN_PICTURES,
        {"processor_class": "Qwen2_5_VLProcessor"},
        "<|image_pad|>",
        mark=_QWEN_MARK,
        tokens=_QWEN_TOKENS,
        tokenizer_class="Qwen2Tokenizer",
        new_packages=("torchvision",),
    ),
    "qwen3_vl": Family(
        _qwen3_vl,
        _QWEN_PICTURES,
        {"processor_class": "Qwen3VLProcessor"},
        "<|image_pad|>",
        mark=_QWEN_MARK,
        tokens=_QWEN_TOKENS,
        tokenizer_class="Qwen2Tokenizer",
        since=(4, 57),
        packages=("torchvision",),
        video={"video_processor_type": "Qwen3VLVideoProcessor"},
    ),
    "qwen3_5": Family(
        _qwen3_5,
        _QWEN_PICTURES,
        {"processor_class": "Qwen3VLProcessor"},
        "<|image_pad|>",
        mark=_QWEN_MARK,
        tokens=_QWEN_TOKENS,
        tokenizer_class="Qwen2Tokenizer",
        since=(5, 3),
        packages=("torchvision",),
        video={"video_processor_type": "Qwen3VLVideoProcessor"},
    ),
    "internvl": Family(
        _internvl,
        _CUT_TO_PATCHES,
        {"processor_class": "InternVLProcessor", "image_seq_length": 4},
        "<IMG_CONTEXT>",
        tokens=(
            ("<img>", "start_image_token"),
            ("</img>", "end_image_token"),
            ("<IMG_CONTEXT>", "context_image_token"),
            ("<video>", "video_token"),
        ),
        since=(4, 52),
        packages=("torchvision",),
        video={"video_processor_type": "InternVLVideoProcessor", "size": _SQUARE},
    ),
    "glm4v": Family(
        _glm4v,
        {**_QWEN_PICTURES, "image_processor_type": "Glm4vImageProcessor"},
        {"processor_class": "Glm4vProcessor"},
        "<|image|>",
        mark="<|begin_of_image|><|image|><|end_of_image|>",
        tokens=(
            ("<|video|>", "video_token"),
            ("<|image|>", "image_token"),
            *((f"<|{which}_of_{what}|>", "") for which in ("begin", "end") for what in ("image", "video")),
        ),
        since=(4, 53),
        packages=("torchvision",),
        video={"video_processor_type": "Glm4vVideoProcessor"},
    ),
    "cohere2_vision": Family(
        _cohere2_vision,
        {**_CUT_TO_PATCHES, "image_processor_type": "Cohere2VisionImageProcessorFast", "patch_size": 2},
        {"processor_class": "Cohere2VisionProcessor"},
        "<|IMG_PATCH|>",
        tokens=_COHERE_TOKENS,
        since=(4, 56),
        packages=("torchvision",),
    ),
    "minicpmv4_6": Family(
        _minicpmv,
        {
            "image_processor_type": "MiniCPMV4_6ImageProcessor",
            "scale_resolution": 56,
            "patch_size": 14,
            "max_slice_nums": 9,
        },
        {"processor_class": "MiniCPMV4_6Processor"},
        "<|image_pad|>",
        tokens=(
            ("<|image_pad|>", "image_token"),
            ("<|video_pad|>", "video_token"),
            ("<image>", "image_start_token"),
            ("</image>", "image_end_token"),
            ("<slice>", "slice_start_token"),
            ("</slice>", "slice_end_token"),
            ("<image_id>", "image_id_start_token"),
            ("</image_id>", "image_id_end_token"),
        ),
        since=(5, 7),
        packages=("torchvision",),
        video={"video_processor_type": "MiniCPMV4_6VideoProcessor"},
    ),
    "lfm2_vl": Family(
        _lfm2_vl,
        {
            "image_processor_type": "Lfm2VlImageProcessorFast",
            "do_image_splitting": True,
            "tile_size": _PX,
            "encoder_patch_size": _PATCH,
            "downsample_factor": 2,
            "min_tiles": 2,
            "max_tiles": 10,
            "min_image_tokens": 1,
            "max_image_tokens": 4,
            "max_num_patches": 64,
            "max_pixels_tolerance": 1.0,
        },
        {"processor_class": "Lfm2VlProcessor"},
        "<image>",
        tokens=(
            ("<|image_start|>", ""),
            ("<|image_end|>", ""),
            ("<|img_thumbnail|>", ""),
            *((f"<|img_row_{row}_col_{column}|>", "") for row in range(1, 4) for column in range(1, 4)),
        ),
        since=(4, 57),
        packages=("torchvision",),
    ),
    "deepseek_vl": Family(
        _deepseek_vl,
        {"image_processor_type": "DeepseekVLImageProcessor", "size": _SQUARE},
        {"processor_class": "DeepseekVLProcessor", "num_image_tokens": 16},
        "<image_placeholder>",
        tokens=(("<image_placeholder>", "image_token"),),
        since=(4, 54),
    ),
    "ovis2": Family(
        _ovis2,
        {**_CUT_TO_PATCHES, "image_processor_type": "Ovis2ImageProcessor", "crop_to_patches": True},
        {"processor_class": "Ovis2Processor", "image_seq_length": 4},
        "<IMG_ATOM>",
        mark="<image>",
        tokens=(
            ("<image>", ""),
            *((f"<IMG_{name}>", "") for name in ("START", "GRID", "COL", "ROW", "END")),
        ),
        since=(4, 56),
    ),
    "gemma4": Family(
        _gemma4,
        {
            "image_processor_type": "Gemma4ImageProcessor",
            "patch_size": _PATCH,
            "pooling_kernel_size": 2,
            "max_soft_tokens": 70,
        },
        {"processor_class": "Gemma4Processor", "image_seq_length": 70},
        "<image_soft_token>",
        tokens=(
            *_GEMMA_TOKENS,
            ("<video_soft_token>", "video_token"),
            ("<audio_soft_token>", "audio_token"),
            ("<start_of_audio>", "boa_token"),
            ("<end_of_audio>", "eoa_token"),
        ),
        since=(5, 5),
        packages=("torchvision",),
        video={"video_processor_type": "Gemma4VideoProcessor"},
    ),
}
