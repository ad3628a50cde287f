"""What of a checkpoint differs from the published one is known from its config and its headers alone."""

from __future__ import annotations

import copy

import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.checkpoint import inspect_checkpoint
from commentator_lib.commentators.minicpmo.known_model import (
    differences,
    language_layer_shapes,
    layout_problem,
    talker_problem,
)
from commentator_lib.commentators.weights import StoredTensor
from experiments.benchmarks.model.random_config import FULL
from tests.commentators.minicpmo.checkpoint_files import AWQ, make_checkpoint

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


def stored(shapes):
    return [StoredTensor(name, "BF16", shape, 0) for name, shape in shapes.items()]


def test_the_drawn_configuration_is_the_published_one():
    assert differences(FULL) == [] and talker_problem(FULL) == ""


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("num_hidden_layers",), 28, "num_hidden_layers 28 (36)"),
        (("vision_config", "patch_size"), 16, "vision_config.patch_size 16 (14)"),
        (("tts_config", "num_audio_tokens"), 4096, "tts_config.num_audio_tokens 4096 (6562)"),
        (("tie_word_embeddings",), True, "tie_word_embeddings True (False)"),
    ],
)
def test_what_differs_is_named_with_the_published_value(path, value, words):
    config = copy.deepcopy(FULL)
    place = config
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert differences(config) == [words]


@pytest.mark.parametrize(
    "config", [{}, {"vision_config": None}, {"tts_config": "none"}, {"hidden_size": None}]
)
def test_what_a_config_leaves_out_is_no_difference(config):
    assert differences(config) == [] and talker_problem(config) == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [("condition_type", "hidden"), ("normalize_projected_hidden", False), ("projector_type", "minicpm")],
)
def test_a_talker_of_another_kind_is_named(key, value):
    assert f"{key} {value!r}" in talker_problem({"tts_config": {**FULL["tts_config"], key: value}})


@pytest.mark.parametrize("group_size", [0, 32])
def test_tensors_as_the_config_says_are_right(group_size):
    shapes = language_layer_shapes(SMALL, group_size)
    assert len(shapes) == 2 * 7 * (3 if group_size else 1)
    assert layout_problem(stored(shapes), SMALL, group_size) == ""
    assert layout_problem([], {}, group_size) == ""  # a config that says nothing


def test_gemv_that_calls_itself_gemm_is_found_by_its_shapes():
    gemv = {}
    for name, (ins, outs) in language_layer_shapes(SMALL, 32).items():
        full = outs * 8 if name.endswith("qweight") else outs
        gemv[name] = (full, ins // 8) if name.endswith("qweight") else (outs, ins)
    assert "of another shape than AutoAWQ's GEMM layout" in layout_problem(stored(gemv), SMALL, 32)


def test_a_layer_that_is_missing_is_named():
    shapes = language_layer_shapes(SMALL, 0)
    del shapes["llm.model.layers.1.mlp.up_proj.weight"]
    assert "lacks 1 of the 14 tensors" in layout_problem(stored(shapes), SMALL, 0)


def test_a_checkpoint_tells_its_differences_and_a_wrong_layout_is_refused(tmp_path):
    found = inspect_checkpoint(make_checkpoint(tmp_path / "a", query_num=32))
    assert found.differences == ("query_num 32 (64)",)
    with pytest.raises(CommentatorError, match="lacks 42 of the 42 tensors"):
        inspect_checkpoint(make_checkpoint(tmp_path / "b", {**AWQ, "group_size": 32}, **SMALL))
