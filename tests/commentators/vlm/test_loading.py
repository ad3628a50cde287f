"""Loading and freeing image-text models, and faults that only loading shows."""

from __future__ import annotations

import dataclasses
import gc
import json
import weakref

import pytest

from commentator_lib.commentators.vlm.commentator import VLMCommentator
from commentator_lib.commentators.vlm.loading import float_type
from commentator_lib.commentators.weights import tensor_bytes
from tests.commentators.test_weights import the_only_line
from tests.commentators.vlm.conftest import (
    SENTENCES,
    count_calls,
    generating,
    in_one_go,
    request,
    settings,
    text_of,
    warm_up,
    with_config,
)
from tests.commentators.vlm.tiny_vlm import KINDS, TEMPLATE, lacking
from tests.conftest import gpu_bytes

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

NEW = int(transformers.__version__.split(".")[0]) >= 5


def test_close_frees_the_model_and_warm_up_loads_it_again(commentator):
    made = commentator(settings={"temperature": 1.0})
    first = text_of(made.comment(request()))  # loads by itself
    model = weakref.ref(made._loaded.model)
    made.close()
    gc.collect()
    assert model() is None
    made.close()
    made.warm_up()
    again = made._loaded.model
    made.warm_up()
    assert made._loaded.model is again and text_of(made.comment(request())) == first


def test_close_and_a_lack_of_memory_give_back_what_the_gpu_s_allocator_keeps(commentator, monkeypatch):
    made = commentator()
    made.warm_up()
    emptied = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(made._loaded is not None))
    count_calls(made._loaded.model, 2, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(MemoryError):
        list(made.comment(request()))
    assert emptied == [True]
    made.close()
    assert emptied == [True, False]
    made.close()
    assert emptied == [True, False]


def test_close_stops_a_comment_that_is_still_being_written(commentator):
    made = commentator()
    chunks = made.comment(request(1000))
    for _ in range(3):
        next(chunks)
    made.close()
    assert generating() == []
    assert sum(chunk.output_tokens for chunk in chunks) < 1000  # what had come by then


def test_the_constructor_loads_no_weights(checkpoint, monkeypatch):
    def loaded(*_, **__):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(transformers.AutoModelForImageTextToText, "from_pretrained", loaded)
    made = VLMCommentator(settings(f"{checkpoint()}/"))
    assert made.name == f"vlm: {checkpoint().name}"
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_cpu_computes_in_float32_with_sdpa(commentator, kind):
    """This holds for checkpoints in half precision too."""
    made = commentator(kind, half=True)
    made.warm_up()
    model = made._loaded.model
    assert {weights.dtype for weights in model.parameters()} == {torch.float32} and not model.training
    assert model.config._attn_implementation == "sdpa"


def test_pictures_come_in_the_model_s_precision(commentator):
    made = commentator()
    made.warm_up()
    made._loaded.model.to(torch.bfloat16)
    inputs = made._loaded.inputs(request())
    assert inputs["pixel_values"].dtype == torch.bfloat16 and inputs["input_ids"].dtype == torch.int64


def test_a_gpu_computes_in_bfloat16_where_it_can(monkeypatch):
    for capability, dtype in (((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda capability=capability: capability)
        assert float_type("cuda") == dtype


def test_a_model_that_does_not_take_sdpa_is_loaded_without(commentator, monkeypatch):
    real = transformers.AutoModelForImageTextToText.from_pretrained
    asked = []

    def picky(folder, **options):
        asked.append(options.get("attn_implementation"))
        if asked[-1] == "sdpa":
            raise ValueError(
                "It does not support an attention through torch.nn.functional.scaled_dot_product_attention"
            )
        return real(folder, **options)

    monkeypatch.setattr(transformers.AutoModelForImageTextToText, "from_pretrained", picky)
    assert len(list(commentator().comment(request(5)))) == 7 and asked == ["sdpa", None]


def test_one_matrix_for_words_in_and_out_is_not_taken_for_a_missing_one(checkpoint, commentator):
    folder = checkpoint("qwen2_5_vl" if not lacking("qwen2_5_vl") else "idefics3", tied=True)
    assert "lm_head.weight" not in tensor_bytes(folder)
    *_, text = in_one_go(folder, 20)
    assert text_of(VLMCommentator(settings(folder, temperature=0)).comment(request(20))) == text


def test_transformers_is_quiet_while_it_loads_and_afterwards_as_before(commentator, monkeypatch):
    from transformers.utils import logging

    def state():
        return logging.get_verbosity(), logging.is_progress_bar_enabled()

    during = []
    for loader in (transformers.AutoProcessor, transformers.AutoModelForImageTextToText):
        real = loader.from_pretrained

        def recorded(*arguments, real=real, **options):
            during.append(state())
            return real(*arguments, **options)

        monkeypatch.setattr(loader, "from_pretrained", recorded)
    before = state()
    commentator().warm_up()
    assert state() == before and during == [(logging.ERROR, False)] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_loading_and_commenting_say_nothing_on_the_terminal(commentator, capfd, kind):
    made = commentator(kind)
    capfd.readouterr()
    list(made.comment(request(5)))
    assert capfd.readouterr() == ("", "")


def test_a_template_of_the_tokenizer_s_own_serves(copied, checkpoint):
    template = json.loads((copied / "chat_template.json").read_text())["chat_template"]
    (copied / "chat_template.json").unlink()
    config = json.loads((copied / "tokenizer_config.json").read_text())
    (copied / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}))
    lent, own = (VLMCommentator(settings(f, temperature=0)) for f in (copied, checkpoint()))
    assert text_of(lent.comment(request())) == text_of(own.comment(request()))


def test_a_model_that_would_think_first_is_told_not_to(commentator):
    thinking = TEMPLATE + "{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}"
    plain, hasty = commentator(), commentator(template=thinking)
    counts = [next(made.comment(request(1))).prompt_tokens for made in (plain, hasty)]
    assert (
        hasty._loaded.template_options == {"enable_thinking": False} and plain._loaded.template_options == {}
    )
    if NEW:  # templates that know the word came with it
        assert counts[0] == counts[1]


def lose_a_tensor(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("layers.1.mlp.up_proj.weight"))
    tensors.pop(lost)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def without_pictures_in_the_template(folder):
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE.replace("IMAGE", "")}))


LOADING = {
    "no template": (lambda f: (f / "chat_template.json").unlink(), "has no chat template"),
    "blind template": (without_pictures_in_the_template, "cannot be run with transformers"),
    "broken template": (
        lambda f: (f / "chat_template.json").write_text('{"chat_template": "{% if"}'),
        "cannot be",
    ),
    "no processor": (
        lambda f: [(f / name).unlink() for name in ("preprocessor_config.json", "processor_config.json")],
        "",
    ),
    "no tokenizer": (
        lambda f: [(f / name).unlink() for name in ("tokenizer.json", "tokenizer_config.json")],
        "",
    ),
    "a tensor is missing": (lose_a_tensor, "lacks 1 weights"),
    "another shape": (lambda f: with_config(f, scale_factor=4), "cannot be run with transformers"),
}


@pytest.mark.parametrize("kind", LOADING)
def test_what_only_loading_tells_is_one_line_too(copied, kind):
    change, words = LOADING[kind]
    change(copied)
    made = VLMCommentator(settings(copied))
    line = the_only_line(made.warm_up)
    assert words in line and str(copied) in line and made._loaded is None and generating() == []
    assert the_only_line(made.warm_up) == line


def test_packages_that_a_processor_wants(checkpoint, monkeypatch):
    folder = checkpoint()

    def wants(*_, **__):
        raise ImportError(
            "\nIts video processor requires the Torchvision library. Check out the\ninstructions"
        )

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", wants)
    line = the_only_line(warm_up, folder)
    assert "requires the Torchvision library; pip install 'commentator-lib[vlm]'" in line


def test_memory_that_does_not_suffice_for_loading(checkpoint, monkeypatch):
    def too_big(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(transformers.AutoModelForImageTextToText, "from_pretrained", too_big)
    line = the_only_line(warm_up, checkpoint())
    assert "the memory is too small" in line and "smaller model" in line


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu(commentator, kind):
    before = gpu_bytes()
    made = commentator(kind, {"device": "auto", "temperature": 0.7}, says=SENTENCES)
    chunks = list(made.comment(request()))
    times = [s for s in dataclasses.asdict(chunks[-1].stage_times).values() if s is not None]
    assert text_of(chunks) == SENTENCES and min(times) > 0
    weights = next(made._loaded.model.parameters())
    assert weights.device.type == "cuda" and weights.dtype == float_type("cuda")
    del weights
    assert torch.cuda.memory_allocated() > before
    made.close()
    assert gpu_bytes() == before


def test_loading_tells_its_stages_in_their_order(commentator):
    made, told = commentator(), []
    made.on_loading = told.append
    made.warm_up()
    words = [loading.words for loading in told]
    assert words[0].startswith("reading 0.0 of ") and words[0].endswith(" MB") and words[-1] == "first words"
    shares = [loading.share for loading in told]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 0.9
    made.warm_up()
    assert len(told) == len(words)


# Templates with and without a place for a system message; all write the turns of users and pictures alike.
_PARTS = "{% for part in m.content %}{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}{% endfor %}"
_TURN = "<|start|>{{ m.role }}:" + _PARTS + "<|end|>\n"
_NO_SYSTEM = {
    "refuses it": "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + _TURN,
    "leaves it out": "{% if m.role == 'user' %}" + _TURN + "{% endif %}",
    "writes the list": "{% if m.role == 'system' %}{{ m.content }}{% else %}" + _TURN + "{% endif %}",
}


@pytest.mark.parametrize("turn", [None, *_NO_SYSTEM], ids=str)
def test_the_role_is_a_system_message_where_the_template_has_a_place_for_it(commentator, turn):
    template = TEMPLATE if turn is None else "{% for m in messages %}" + _NO_SYSTEM[turn] + "{% endfor %}"
    made = commentator(template=template)
    made.warm_up()
    loaded, role = made._loaded, "You are a commentator."
    asked = dataclasses.replace(request(), prompt=f"{role}\nWhat is new?", role=role)
    text = loaded.processor.tokenizer.decode(loaded.inputs(asked)["input_ids"][0])
    assert loaded.takes_system == (turn is None) and text.count(role) == 1
    before, _, after = text.partition("user:")
    assert role in (before if turn is None else after) and "What is new?" in after
    assert after.index("What is new?") > (0 if turn is None else after.index(role))
