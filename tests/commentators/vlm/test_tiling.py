"""How many tiles a picture becomes, by the attributes of image processors."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from PIL import Image

from commentator_lib.commentators.vlm.tiling import TILE_PX, TileLimits, grows_with_the_picture, tile_limits

torch = pytest.importorskip("torch")

GRIDS = [[336, 672], [672, 336], [672, 672], [1008, 336]]
PROCESSORS = {
    "MiniCPM-V": (dict(max_slice_nums=9), {"max_slice_nums": 1}, {"max_slice_nums": 4}),
    "InternVL": (
        dict(crop_to_patches=True, max_patches=12, min_patches=2),
        {"crop_to_patches": False, "max_patches": 1, "min_patches": 1},
        {"crop_to_patches": True, "max_patches": 4, "min_patches": 2},
    ),
    "Llama 4": (dict(max_patches=16, resize_to_max_canvas=False), {"max_patches": 1}, {"max_patches": 4}),
    "Gemma 3": (
        dict(do_pan_and_scan=None),
        {"do_pan_and_scan": False, "pan_and_scan_max_num_crops": 1},
        {"do_pan_and_scan": True, "pan_and_scan_max_num_crops": 4},
    ),
    "LLaVA-NeXT": (
        dict(image_grid_pinpoints=GRIDS),
        {"image_grid_pinpoints": [[336, 336]]},
        {"image_grid_pinpoints": GRIDS},
    ),
    "Aria": (
        dict(split_resolutions=[(490, 980), (980, 2450)], split_image=False),
        {"split_image": False, "split_resolutions": [[490, 490]]},
        {"split_image": True, "split_resolutions": [[490, 980]]},
    ),
    "LFM2-VL": (
        dict(do_image_splitting=True, max_tiles=10, min_tiles=2),
        {"do_image_splitting": False, "max_tiles": 1, "min_tiles": 1},
        {"do_image_splitting": True, "max_tiles": 4, "min_tiles": 2},
    ),
    "Idefics 2": (
        dict(do_image_splitting=False),
        {"do_image_splitting": False},
        {"do_image_splitting": True},
    ),
    "SmolVLM": (
        dict(do_image_splitting=True, max_image_size={"longest_edge": 512}, size={"longest_edge": 2048}),
        {"do_image_splitting": False},
        {"do_image_splitting": True, "size": {"longest_edge": 1024}},
    ),
    "PerceptionLM": (
        dict(max_num_tiles=36, vision_input_type="thumb+tile"),
        {"max_num_tiles": 1, "vision_input_type": "vanilla"},
        {"max_num_tiles": 4, "vision_input_type": "thumb+tile"},
    ),
    "Molmo": (dict(max_crops=8), {"max_crops": 1}, {"max_crops": 4}),
    "CLIP": (dict(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}), {}, {}),
    # Patches of 14 px are no tiles.
    "Kimi": (dict(max_patches=16_384, patch_size=14), {}, {}),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_limit_of_each_kind_of_processor(name):
    attributes, one, four = PROCESSORS[name]
    pictures = SimpleNamespace(**attributes)
    assert tile_limits(pictures, 1) == TileLimits(one) and tile_limits(pictures, 4) == TileLimits(four)


@pytest.mark.parametrize("tiles, longest_px", [(1, 560), (3, 560), (4, 1120), (9, 1120)])
def test_llama_3_2_gets_pictures_that_fit_into_so_many_tiles(tiles, longest_px):
    pictures = SimpleNamespace(max_image_tiles=4, size={"height": 560, "width": 560})
    assert tile_limits(pictures, tiles) == TileLimits(longest_px=longest_px)


def test_what_a_processor_has_a_default_for_is_said_at_each_call():
    limits = tile_limits(SimpleNamespace(crop_to_patches=True, max_patches=12), 2)
    assert limits.call_options == limits.options
    assert tile_limits(SimpleNamespace(image_grid_pinpoints=GRIDS), 2).call_options == {}


def test_pictures_are_scaled_down_only_and_keep_their_shape():
    picture = Image.new("RGB", (1280, 720))
    assert TileLimits().scaled(picture) is picture
    assert TileLimits(most_pixels=1280 * 720).scaled(picture) is picture
    assert TileLimits(longest_px=640).scaled(picture).size == (640, 360)
    width, height = TileLimits(most_pixels=TILE_PX**2).scaled(picture).size
    assert width * height <= TILE_PX**2 < (width + 2) * (height + 2)
    assert width / height == pytest.approx(16 / 9, rel=0.01)
    assert TileLimits(most_pixels=4, longest_px=100).scaled(Image.new("RGB", (4000, 1))).size == (100, 1)


def test_a_processor_that_takes_pictures_at_their_own_size_is_found_by_trying():
    def at_their_size(images, return_tensors):
        return {"pixel_values": [torch.zeros(3, *image.size[::-1]) for image in images]}

    def at_one_size(images, return_tensors):
        return {"pixel_values": torch.zeros(len(images), 3, 336, 336)}

    assert grows_with_the_picture(at_their_size) and not grows_with_the_picture(at_one_size)
