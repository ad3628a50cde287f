"""How many tiles a picture becomes: one setting, `max_slice_nums`, for families that each have their own way.

Most families cut a large picture into tiles of one size and add the whole picture beside them; a picture then costs as
many tokens as its tiles. Their image processors name the limit differently, so it is found by the attributes that they
have, not by a list of models. Families that cut nothing and take a picture at its own size, such as Qwen's and
Pixtral's, are known by what their processor makes of a larger picture; theirs are scaled down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

# The side of a tile for families without tiles, in pixels: MiniCPM-V's and InternVL's own.
TILE_PX = 448
# Some processors have defaults of their own for these, which go before the image processor's attributes.
_ALSO_SAID_AT_CALLS = frozenset(
    {
        "crop_to_patches",
        "max_patches",
        "min_patches",
        "do_pan_and_scan",
        "pan_and_scan_max_num_crops",
        "split_image",
    }
)


@dataclass(frozen=True, slots=True)
class TileLimits:
    """What keeps a picture to a number of tiles.

    `options` are attributes of the image processor; pictures are scaled down to `most_pixels` (width × height) and to
    `longest_px` (the longer side), None for no such limit.
    """

    options: dict[str, Any] = field(default_factory=dict)
    most_pixels: int | None = None
    longest_px: int | None = None

    @property
    def call_options(self) -> dict[str, Any]:
        """Return the options that have to be repeated at each call of the processor."""
        return {name: value for name, value in self.options.items() if name in _ALSO_SAID_AT_CALLS}

    def scaled(self, picture: Image) -> Image:
        """Return the picture, scaled down where it is larger than the limits; its shape stays."""
        width, height = picture.size
        share = 1.0
        if self.most_pixels is not None:
            share = min(share, math.sqrt(self.most_pixels / (width * height)))
        if self.longest_px is not None:
            share = min(share, self.longest_px / max(width, height))
        if share >= 1.0:
            return picture
        from PIL import Image

        size = max(1, int(width * share)), max(1, int(height * share))
        return picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def limit_tiles(processor: Any, config: Any, max_tiles: int) -> TileLimits:
    """Let a processor make at most `max_tiles` tiles of a picture, and the whole picture beside them if it adds that.

    Change the processor, and the model's `config` where that has a copy. Return what is to be done for each picture.
    """
    pictures = processor.image_processor
    limits = tile_limits(pictures, max_tiles)
    if not limits.options and limits.longest_px is None and grows_with_the_picture(pictures):
        limits = TileLimits(most_pixels=max_tiles * TILE_PX**2)
    for name, value in limits.options.items():
        setattr(pictures, name, value)
        copy = {"size": "image_size"}.get(name, name)  # SmolVLM's processor goes by copies of its own
        if hasattr(processor, copy):
            setattr(processor, copy, value)
        if name == "image_grid_pinpoints" and hasattr(config, name):  # the model counts the tiles again
            setattr(config, name, value)
    return limits


def tile_limits(pictures: Any, max_tiles: int) -> TileLimits:
    """Return what limits an image processor's tiles, by the attributes that it has; nothing for one without tiles."""
    cuts = max_tiles > 1
    if hasattr(pictures, "max_slice_nums"):  # MiniCPM-V
        return TileLimits({"max_slice_nums": max_tiles})
    if hasattr(
        pictures, "crop_to_patches"
    ):  # InternVL, Aya and Command A Vision, GOT-OCR, Ovis, DeepSeek-OCR
        fewest = min(getattr(pictures, "min_patches", 1), max_tiles)
        return TileLimits({"crop_to_patches": cuts, "max_patches": max_tiles, "min_patches": fewest})
    if hasattr(pictures, "resize_to_max_canvas"):  # Llama 4
        return TileLimits({"max_patches": max_tiles})
    if hasattr(pictures, "do_pan_and_scan"):  # Gemma 3
        return TileLimits({"do_pan_and_scan": cuts, "pan_and_scan_max_num_crops": max_tiles})
    if hasattr(pictures, "split_resolutions"):  # Aria
        return TileLimits(
            {"split_image": cuts, "split_resolutions": _within(pictures.split_resolutions, max_tiles)}
        )
    if hasattr(pictures, "image_grid_pinpoints"):  # LLaVA-NeXT, LLaVA-OneVision, Granite Vision
        return TileLimits({"image_grid_pinpoints": _within(pictures.image_grid_pinpoints, max_tiles)})
    if hasattr(pictures, "do_image_splitting"):
        return TileLimits(_splitting(pictures, max_tiles))
    if hasattr(pictures, "max_num_tiles"):  # PerceptionLM
        return TileLimits(
            {"max_num_tiles": max_tiles, "vision_input_type": "thumb+tile" if cuts else "vanilla"}
        )
    if hasattr(pictures, "max_crops"):  # Molmo
        return TileLimits({"max_crops": max_tiles})
    if hasattr(pictures, "max_image_tiles"):  # Llama 3.2: its weights know a tile by its place among so many
        tiles = min(max_tiles, pictures.max_image_tiles)
        return TileLimits(longest_px=math.isqrt(tiles) * _entry(pictures.size, "width"))
    return TileLimits()


def grows_with_the_picture(pictures: Any) -> bool:
    """Return whether an image processor makes more of a picture with more pixels: by trying it, on two grey ones."""
    from PIL import Image

    small, large = (
        _count(pictures(images=[Image.new("RGB", (side, side), "grey")], return_tensors="pt")["pixel_values"])
        for side in (TILE_PX, 2 * TILE_PX)
    )
    return large > small


def _splitting(pictures: Any, max_tiles: int) -> dict[str, Any]:
    """Return the options of those that say whether they split: LFM2-VL, Idefics and SmolVLM.

    By default SmolVLM makes up to 17 tiles a picture, so that four frames become thousands of tokens.
    """
    if hasattr(pictures, "max_tiles"):
        fewest = min(getattr(pictures, "min_tiles", 1), max_tiles)
        return {"do_image_splitting": max_tiles > 1, "max_tiles": max_tiles, "min_tiles": fewest}
    per_side = math.isqrt(max_tiles)
    options: dict[str, Any] = {"do_image_splitting": per_side > 1}
    tile_px = _entry(getattr(pictures, "max_image_size", None) or {}, "longest_edge")
    if per_side > 1 and tile_px:
        options["size"] = type(pictures.size)(longest_edge=per_side * tile_px)
    return options


def _within(resolutions: Any, max_tiles: int) -> list[list[int]]:
    """Return the resolutions [height, width] of at most so many tiles, a single tile where all have more.

    >>> _within([[336, 672], [672, 672], [1008, 336]], 3), _within([[336, 672]], 1)
    ([[336, 672], [1008, 336]], [[336, 336]])
    """
    tile_px = min(min(resolution) for resolution in resolutions)
    kept = [list(resolution) for resolution in resolutions if math.prod(resolution) <= max_tiles * tile_px**2]
    return kept or [[tile_px, tile_px]]


def _entry(size: Any, name: str) -> int:
    """Return an entry of a size, which is a table or has attributes, by version; 0 where it has none."""
    value = size.get(name) if isinstance(size, dict) else getattr(size, name, None)
    return int(value or 0)


def _count(values: Any) -> int:
    """Return how many numbers there are in a tensor, or in a list of tensors."""
    return values.numel() if hasattr(values, "numel") else sum(_count(value) for value in values)
