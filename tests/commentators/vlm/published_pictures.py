"""How the processors of published checkpoints take pictures, where that differs from the tiny ones: sizes and tokens.

As transformers' defaults or the makers' configs give them, for one checkpoint a family. No weights are needed to count
a picture's tokens.
"""

from __future__ import annotations

from typing import Any

_SEEN_BY_QWEN_3 = {
    "patch_size": 16,
    "min_pixels": 65_536,
    "max_pixels": 16_777_216,
    "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216},
}
_SEEN_BY_QWEN_2 = {
    "min_pixels": 3136,
    "max_pixels": 12_845_056,
    "size": {"shortest_edge": 3136, "longest_edge": 12_845_056},
}
_LLAVA = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}


def _square(side_px: int) -> dict[str, Any]:
    return {"size": {"height": side_px, "width": side_px}}


# By family: (of preprocessor_config.json, of processor_config.json).
PUBLISHED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "idefics2": ({"size": {"shortest_edge": 378, "longest_edge": 980}}, {"image_seq_len": 64}),
    "idefics3": (
        {"size": {"longest_edge": 1456}, "max_image_size": {"longest_edge": 364}},
        {"image_seq_len": 169},
    ),
    "smolvlm": (
        {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}},
        {"image_seq_len": 64},
    ),
    "llava": (_LLAVA, {"patch_size": 14}),
    "llava_next": (
        {**_LLAVA, "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]},
        {"patch_size": 14},
    ),
    "llava_onevision": (
        {
            **_square(384),
            "image_grid_pinpoints": [[384 * r, 384 * c] for r in range(1, 7) for c in range(1, 7)],
        },
        {"num_image_tokens": 729},
    ),
    "vipllava": (_LLAVA, {"patch_size": 14}),
    "pixtral": (
        {"size": {"longest_edge": 1024}, "patch_size": {"height": 16, "width": 16}},
        {"patch_size": 16},
    ),
    "mistral3": (
        {"size": {"longest_edge": 1540}, "patch_size": {"height": 14, "width": 14}},
        {"patch_size": 14},
    ),
    "aya_vision": (_square(364), {"patch_size": 14, "img_size": 364}),
    "gemma3": (_square(896), {"image_seq_length": 256}),
    "aria": ({}, {"size_conversion": {"490": 128, "980": 256}}),
    "mllama": (_square(560), {}),
    "llama4": (_square(336), {"patch_size": 14}),
    "qwen2_vl": (_SEEN_BY_QWEN_2, {}),
    "qwen2_5_vl": (_SEEN_BY_QWEN_2, {}),
    "qwen3_vl": (_SEEN_BY_QWEN_3, {}),
    "qwen3_5": (_SEEN_BY_QWEN_3, {}),
    "internvl": (_square(448), {"image_seq_length": 256}),
    "glm4v": ({"size": {"shortest_edge": 12_544, "longest_edge": 9_633_792}}, {}),
    "cohere2_vision": ({**_square(512), "patch_size": 16}, {}),
    "minicpmv4_6": ({"scale_resolution": 448}, {}),
    "lfm2_vl": (
        {
            "tile_size": 512,
            "encoder_patch_size": 16,
            "min_image_tokens": 64,
            "max_image_tokens": 256,
            "max_num_patches": 1024,
            "max_pixels_tolerance": 2.0,
        },
        {},
    ),
    "deepseek_vl": (_square(384), {"num_image_tokens": 576}),
    "ovis2": (_square(448), {"image_seq_length": 256}),
    "gemma4": (
        {"patch_size": 16, "pooling_kernel_size": 3, "max_soft_tokens": 280},
        {"image_seq_length": 280},
    ),
}
