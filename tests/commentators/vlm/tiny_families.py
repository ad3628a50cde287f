"""Each family of image-text models at tiny size: its config, its processor's files, its marks of a picture.

The files are the published ones, `preprocessor_config.json` and `processor_config.json`; only sizes are small. A family
that needs a newer transformers says from which version on. Longer than other files, since it is a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.commentators.vlm import tiny_configs as configs
from tests.commentators.vlm.tiny_configs import GRIDS, PATCH_PX, QWEN_MARKS, TILE_PX

_SQUARE = {"height": TILE_PX, "width": TILE_PX}


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


_IDEFICS_TOKENS = (
    ("<fake_token_around_image>", ""),
    ("<global-img>", ""),
    ("<end_of_utterance>", ""),
    *((f"<row_{row}_col_{column}>", "") for row in range(1, 4) for column in range(1, 4)),
)
_IDEFICS3_PICTURES = {
    "size": {"longest_edge": 96},
    "max_image_size": {"longest_edge": TILE_PX},
    "do_image_splitting": True,
}
_CROPPED = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": TILE_PX},
    "crop_size": _SQUARE,
}
_LLAVA = {
    "processor_class": "LlavaProcessor",
    "patch_size": PATCH_PX,
    "vision_feature_select_strategy": "default",
    "num_additional_image_tokens": 1,
}
_PIXTRAL_PICTURES = {
    "image_processor_type": "PixtralImageProcessor",
    "size": {"longest_edge": 256},
    "patch_size": {"height": PATCH_PX, "width": PATCH_PX},
}
_PIXTRAL_TOKENS = (("[IMG_BREAK]", ""), ("[IMG_END]", ""))
_PIXTRAL_PROCESSOR = {
    "processor_class": "PixtralProcessor",
    "patch_size": PATCH_PX,
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
_QWEN_TOKENS = tuple((f"<|{name}|>", "") for name in QWEN_MARKS)
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
        configs.idefics2,
        {
            "image_processor_type": "Idefics2ImageProcessor",
            "size": {"shortest_edge": 16, "longest_edge": TILE_PX},
        },
        {"processor_class": "Idefics2Processor", "image_seq_len": 4},
        "<image>",
        tokens=_IDEFICS_TOKENS,
    ),
    "idefics3": Family(
        configs.idefics3,
        {"image_processor_type": "Idefics3ImageProcessor", **_IDEFICS3_PICTURES},
        {"processor_class": "Idefics3Processor", "image_seq_len": 4},
        "<image>",
        tokens=_IDEFICS_TOKENS,
    ),
    "smolvlm": Family(
        lambda ids: configs.idefics3(ids, "smolvlm"),
        {
            "image_processor_type": "SmolVLMImageProcessor",
            **_IDEFICS3_PICTURES,
            "video_sampling": {"fps": 1, "max_frames": 8, "video_size": {"longest_edge": TILE_PX}},
        },
        {"processor_class": "SmolVLMProcessor", "image_seq_len": 4},
        "<image>",
        tokens=_IDEFICS_TOKENS,
        packages=("num2words",),
        new_packages=("torchvision",),
    ),
    "llava": Family(configs.llava, _CROPPED, _LLAVA, "<image>"),
    "llava_next": Family(
        configs.llava_next,
        {**_CROPPED, "image_processor_type": "LlavaNextImageProcessor", "image_grid_pinpoints": GRIDS},
        {**_LLAVA, "processor_class": "LlavaNextProcessor"},
        "<image>",
    ),
    "llava_onevision": Family(
        configs.llava_onevision,
        {
            "image_processor_type": "LlavaOnevisionImageProcessor",
            "size": _SQUARE,
            "image_grid_pinpoints": [[32, 32], *GRIDS],
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
    "vipllava": Family(configs.vipllava, _CROPPED, _LLAVA, "<image>"),
    "pixtral": Family(
        configs.pixtral, _PIXTRAL_PICTURES, _PIXTRAL_PROCESSOR, "[IMG]", tokens=_PIXTRAL_TOKENS
    ),
    "mistral3": Family(
        configs.mistral3,
        _PIXTRAL_PICTURES,
        {**_PIXTRAL_PROCESSOR, "spatial_merge_size": 2},
        "[IMG]",
        tokens=_PIXTRAL_TOKENS,
    ),
    "aya_vision": Family(
        configs.aya_vision,
        _CUT_TO_PATCHES,
        {
            "processor_class": "AyaVisionProcessor",
            "patch_size": PATCH_PX,
            "img_size": TILE_PX,
            "downsample_factor": 2,
        },
        "<|IMG_PATCH|>",
        mark="<image>",
        tokens=(("<image>", ""), ("<|START_OF_IMG|>", ""), ("<|END_OF_IMG|>", "")),
    ),
    "gemma3": Family(
        configs.gemma3,
        {"image_processor_type": "Gemma3ImageProcessor", "size": _SQUARE},
        {"processor_class": "Gemma3Processor", "image_seq_length": 4},
        "<image_soft_token>",
        mark="<start_of_image>",
        tokens=_GEMMA_TOKENS,
    ),
    "aria": Family(
        configs.aria,
        {"image_processor_type": "AriaImageProcessor", "max_image_size": 980, "min_image_size": 336},
        {"processor_class": "AriaProcessor", "size_conversion": {"490": 4, "980": 4}},
        "<image>",
        tokens=(("<image>", "image_token"),),
    ),
    "mllama": Family(
        configs.mllama,
        {"image_processor_type": "MllamaImageProcessor", "size": _SQUARE, "max_image_tiles": 4},
        {"processor_class": "MllamaProcessor"},
        "<|image|>",
    ),
    "llama4": Family(
        configs.llama4,
        {"image_processor_type": "Llama4ImageProcessorFast", "size": _SQUARE, "max_patches": 16},
        {"processor_class": "Llama4Processor", "patch_size": PATCH_PX, "pixel_shuffle_ratio": 0.5},
        "<|patch|>",
        mark="<|image|>",
        tokens=tuple(
            (f"<|{name}|>", "")
            for name in ("image", "image_start", "image_end", "tile_x_separator", "tile_y_separator")
        ),
        packages=("torchvision",),
    ),
    "qwen2_vl": Family(
        configs.qwen2_vl,
        _QWEN_PICTURES,
        {"processor_class": "Qwen2VLProcessor"},
        "<|image_pad|>",
        mark=_QWEN_MARK,
        tokens=_QWEN_TOKENS,
        tokenizer_class="Qwen2Tokenizer",
        new_packages=("torchvision",),
    ),
    "qwen2_5_vl": Family(
        configs.qwen2_5_vl,
        _QWEN_PICTURES,
        {"processor_class": "Qwen2_5_VLProcessor"},
        "<|image_pad|>",
        mark=_QWEN_MARK,
        tokens=_QWEN_TOKENS,
        tokenizer_class="Qwen2Tokenizer",
        new_packages=("torchvision",),
    ),
    "qwen3_vl": Family(
        configs.qwen3_vl,
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
        configs.qwen3_5,
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
        configs.internvl,
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
        configs.glm4v,
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
        configs.cohere2_vision,
        {**_CUT_TO_PATCHES, "image_processor_type": "Cohere2VisionImageProcessorFast", "patch_size": 2},
        {"processor_class": "Cohere2VisionProcessor"},
        "<|IMG_PATCH|>",
        tokens=_COHERE_TOKENS,
        since=(4, 56),
        packages=("torchvision",),
    ),
    "minicpmv4_6": Family(
        configs.minicpmv,
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
        configs.lfm2_vl,
        {
            "image_processor_type": "Lfm2VlImageProcessorFast",
            "do_image_splitting": True,
            "tile_size": TILE_PX,
            "encoder_patch_size": PATCH_PX,
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
        configs.deepseek_vl,
        {"image_processor_type": "DeepseekVLImageProcessor", "size": _SQUARE},
        {"processor_class": "DeepseekVLProcessor", "num_image_tokens": 16},
        "<image_placeholder>",
        tokens=(("<image_placeholder>", "image_token"),),
        since=(4, 54),
    ),
    "ovis2": Family(
        configs.ovis2,
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
        configs.gemma4,
        {
            "image_processor_type": "Gemma4ImageProcessor",
            "patch_size": PATCH_PX,
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
