"""config.json of each family of image-text models at tiny size: the published layout, with its text and vision models.

Longer than other files, since it is a list: one short function a family.
"""

from __future__ import annotations

from typing import Any

PAD, START, END = range(3)
_HIDDEN = 64
TILE_PX = 32  # of a tile
PATCH_PX = 8
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
    "image_size": TILE_PX,
    "patch_size": PATCH_PX,
}
_CLIP = {**_VISION, "model_type": "clip_vision_model"}
_SIGLIP = {**_VISION, "model_type": "siglip_vision_model", "vision_use_head": False}
_PIXTRAL = {**_VISION, "model_type": "pixtral", "head_dim": 16}
# Sections of the rotary positions for time, height and width: half a head's 32 numbers.
_MROPE = {"type": "mrope", "rope_type": "mrope", "mrope_section": [4, 6, 6], "rope_theta": 10_000.0}


def text(ids: dict[str, int], model_type: str = "llama", **more: Any) -> dict[str, Any]:
    """Return a text model's config."""
    return {**_TEXT, "model_type": model_type, "vocab_size": len(ids), **more}


def idefics3(ids: dict[str, int], model_type: str = "idefics3") -> dict[str, Any]:
    return {
        "model_type": model_type,
        "scale_factor": 2,
        "image_token_id": ids["<image>"],
        "pad_token_id": PAD,
        "text_config": text(ids),
        "vision_config": _VISION,
    }


def idefics2(ids: dict[str, int]) -> dict[str, Any]:
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


def llava(ids: dict[str, int], model_type: str = "llava", **more: Any) -> dict[str, Any]:
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


GRIDS = [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96], [96, 96]]


def llava_next(ids: dict[str, int]) -> dict[str, Any]:
    return llava(ids, "llava_next", image_grid_pinpoints=GRIDS)


def llava_onevision(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "llava_onevision",
        "image_token_index": ids["<image>"],
        "video_token_index": ids["<video>"],
        "image_grid_pinpoints": [[32, 32], *GRIDS],
        "vision_aspect_ratio": "anyres_max_9",
        "vision_feature_select_strategy": "full",
        "vision_feature_layer": -1,
        "text_config": text(ids, "qwen2"),
        "vision_config": _SIGLIP,
    }


def vipllava(ids: dict[str, int]) -> dict[str, Any]:
    two_layers = {**_CLIP, "num_hidden_layers": 2}
    return {
        "model_type": "vipllava",
        "image_token_index": ids["<image>"],
        "image_seq_length": 16,
        "vision_feature_layers": [-2, -1],
        "text_config": text(ids),
        "vision_config": two_layers,
    }


def pixtral(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "llava",
        "image_token_index": ids["[IMG]"],
        "vision_feature_select_strategy": "full",
        "vision_feature_layer": -1,
        "text_config": text(ids, "mistral", sliding_window=None),
        "vision_config": {**_PIXTRAL, "image_size": 256},
    }


def mistral3(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "mistral3",
        "image_token_index": ids["[IMG]"],
        "spatial_merge_size": 2,
        "vision_feature_layer": -1,
        "text_config": text(ids, "mistral", sliding_window=None),
        "vision_config": {**_PIXTRAL, "image_size": 256},
    }


def aya_vision(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "aya_vision",
        "image_token_index": ids["<|IMG_PATCH|>"],
        "vision_feature_select_strategy": "full",
        "vision_feature_layer": -1,
        "downsample_factor": 2,
        "text_config": text(ids, "cohere2"),
        "vision_config": _SIGLIP,
    }


def gemma3(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "gemma3",
        "mm_tokens_per_image": 4,
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
        "text_config": text(ids, "gemma3_text", sliding_window=512),
        "vision_config": _SIGLIP,
    }


def aria(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "aria",
        "image_token_index": ids["<image>"],
        "vision_feature_layer": -1,
        "projector_patch_to_query_dict": {"196": 4, "49": 4},
        "text_config": text(ids, "aria_text", moe_num_experts=2, moe_topk=1, moe_num_shared_experts=1),
        "vision_config": {**_VISION, "model_type": "idefics3_vision", "image_size": 980, "patch_size": 70},
    }


def mllama(ids: dict[str, int]) -> dict[str, Any]:
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


def llama4(ids: dict[str, int]) -> dict[str, Any]:
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


QWEN_MARKS = ("image_pad", "video_pad", "vision_start", "vision_end")


def _qwen(ids: dict[str, int], model_type: str, flat: bool, **vision: Any) -> dict[str, Any]:
    named = {name: ids[f"<|{name}|>"] for name in QWEN_MARKS}
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


def qwen2_vl(ids: dict[str, int]) -> dict[str, Any]:
    return _qwen(ids, "qwen2_vl", True, embed_dim=32, hidden_size=_HIDDEN, mlp_ratio=1)


def qwen2_5_vl(ids: dict[str, int]) -> dict[str, Any]:
    window = {"window_size": 56, "fullatt_block_indexes": [0]}
    return _qwen(
        ids, "qwen2_5_vl", True, hidden_size=32, intermediate_size=32, out_hidden_size=_HIDDEN, **window
    )


def qwen3_vl(ids: dict[str, int]) -> dict[str, Any]:
    more = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    sizes = {"hidden_size": 32, "intermediate_size": 32, "out_hidden_size": _HIDDEN}
    config = _qwen(ids, "qwen3_vl", False, **sizes, **more)
    config["text_config"]["rope_parameters"] = {**_MROPE, "rope_type": "default", "mrope_interleaved": True}
    config["text_config"].pop("rope_scaling")
    return config


def qwen3_5(ids: dict[str, int]) -> dict[str, Any]:
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


def internvl(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "internvl",
        "image_token_id": ids["<IMG_CONTEXT>"],
        "image_seq_length": 4,
        "downsample_ratio": 0.5,
        "text_config": text(ids, "qwen2"),
        "vision_config": {**_VISION, "model_type": "internvl_vision"},
    }


def glm4v(ids: dict[str, int]) -> dict[str, Any]:
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


def cohere2_vision(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "cohere2_vision",
        "image_token_id": ids["<|IMG_PATCH|>"],
        "downsample_factor": 2,
        "alignment_intermediate_size": 64,
        "text_config": text(ids, "cohere2"),
        "vision_config": _SIGLIP,
    }


def minicpmv(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "minicpmv4_6",
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "image_size": 56,
        "insert_layer_id": 0,
        "text_config": _qwen3_5_text(ids),
        "vision_config": {**_VISION, "num_hidden_layers": 2, "image_size": 112, "patch_size": 14},
    }


def lfm2_vl(ids: dict[str, int]) -> dict[str, Any]:
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


def deepseek_vl(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "deepseek_vl",
        "image_token_id": ids["<image_placeholder>"],
        "text_config": text(ids),
        "vision_config": _SIGLIP,
    }


def ovis2(ids: dict[str, int]) -> dict[str, Any]:
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


def gemma4(ids: dict[str, int]) -> dict[str, Any]:
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
