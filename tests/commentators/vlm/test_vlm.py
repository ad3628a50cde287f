"""Image-text models as commentators: tiny ones of several architectures, streamed, cancelled, broken in every way."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.torch_tools import out_of_memory
from commentator_lib.media import Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from tests.commentators.test_weights import the_only_line
from tests.commentators.vlm.tiny_vlm import KINDS, TEMPLATE, lacking, make_checkpoint
from tests.conftest import Pictures, ToneVoice, gpu_bytes, still
from tests.test_session import eventually

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from commentator_lib.commentators.vlm import commentator as module  # noqa: E402
from commentator_lib.commentators.vlm.commentator import (  # noqa: E402
    VLMCommentator,
    architecture_problem,
    comment_seed,
    draw,
    memory_problem,
    minicpmo_problem,
)

ROOT = Path(__file__).resolve().parents[3]
NEW = int(transformers.__version__.split(".")[0]) >= 5
IMAGE_SIGN = {"Qwen2_5_VLProcessor": "<|image_pad|>"}
SENTENCES = "The ball flies over everyone. A keeper falls down slowly."
COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
FRAMES = [Frame(k, k / 2, k / 2, np.full((36, 64, 3), colour, np.uint8)) for k, colour in enumerate(COLOURS)]


def request(max_new_tokens=40, frames=FRAMES, prompt="What is new?"):
    return CommentRequest(frames, prompt, max_new_tokens)


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks)


def generating():
    return [thread.name for thread in threading.enumerate() if thread.name == "generation"]


@pytest.fixture(scope="module", autouse=True)
def libraries_are_no_garbage():
    """Each close collects garbage; without this it would look through two large libraries every time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Checkpoint folders, each made once."""
    made: dict[tuple, Path] = {}

    def find(kind="idefics3", **options):
        if package := lacking(kind):
            pytest.skip(f"transformers {transformers.__version__} wants {package} for {kind}")
        key = (kind, *sorted(options.items()))
        if key not in made:
            made[key] = make_checkpoint(tmp_path_factory.mktemp("vlm") / kind, kind, **options)
        return made[key]

    return find


@pytest.fixture
def commentator(checkpoint):
    """Commentators over made checkpoints, closed at the end; `settings` go to Settings."""
    made = []

    def make(kind="idefics3", settings=(), **options):
        folder = checkpoint(kind, **options)
        chosen = Settings(
            commentator="vlm",
            model_path=str(folder),
            **{"temperature": 0.0, "device": "cpu", **dict(settings)},
        )
        made.append(VLMCommentator(chosen))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def copied(checkpoint, tmp_path):
    """A copy of a checkpoint, to be broken."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in checkpoint().iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def settings(folder, **more):
    return Settings(**{"commentator": "vlm", "model_path": str(folder), "device": "cpu", **more})


def warm_up(folder, **more):
    VLMCommentator(settings(folder, **more)).warm_up()


def in_one_go(folder, max_new_tokens):
    """(prompt's tokens, pictures' tokens, new ids, their text), greedily, without any of our code."""
    from PIL import Image

    processor = transformers.AutoProcessor.from_pretrained(folder)
    for owner in (processor.image_processor, processor):
        if hasattr(owner, "do_image_splitting"):
            owner.do_image_splitting = False
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    content = [{"type": "image", "image": Image.fromarray(frame.image)} for frame in FRAMES]
    content.append({"type": "text", "text": "What is new?"})
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    ids = inputs["input_ids"]
    out = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)[0, ids.shape[1] :]
    sign = processor.tokenizer.convert_tokens_to_ids(IMAGE_SIGN.get(processor.__class__.__name__, "<image>"))
    pictures = int((ids == sign).sum())
    text = processor.tokenizer.decode(out, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return ids.shape[1], pictures, out.tolist(), text


# What comes of it


@pytest.mark.parametrize("kind", KINDS)
def test_streamed_text_is_what_generate_gives_in_one_go(checkpoint, commentator, kind):
    prompt_tokens, image_tokens, ids, text = in_one_go(checkpoint(kind), 40)
    chunks = list(commentator(kind).comment(request()))
    assert text_of(chunks) == text and len(text) > 10
    assert sum(chunk.output_tokens for chunk in chunks) == len(ids)
    assert (chunks[0].prompt_tokens, chunks[0].image_tokens) == (prompt_tokens, image_tokens)
    assert image_tokens >= 3 and all(chunk.image_tokens is None for chunk in chunks[1:])
    assert [chunk.output_tokens for chunk in chunks] == [0, *[1] * len(ids), 0]
    assert all(chunk.audio is None for chunk in chunks)
    stages = {k: s for k, s in dataclasses.asdict(chunks[-1].stage_times).items() if s is not None}
    assert list(stages) == ["preprocess_s", "prefill_s", "decode_s"] and min(stages.values()) > 0
    assert generating() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_comment_ends_where_the_model_ends_it(commentator, kind):
    """The end token counts and is not shown; a character of two tokens comes whole."""
    chunks = list(commentator(kind, says="The café has opened.").comment(request()))
    assert [c.text for c in chunks if c.text] == ["The", " ", "c", "a", "f", "é", " has", " opened."]
    assert sum(chunk.output_tokens for chunk in chunks) == 10  # é is two of them, and the end is one


def test_no_more_tokens_than_asked_for(commentator):
    made = commentator()
    for most in (1, 7):
        assert sum(chunk.output_tokens for chunk in made.comment(request(most))) == most


def test_the_model_is_asked_with_frames_from_oldest_to_newest_and_then_the_text(commentator):
    made = commentator()
    made.warm_up()
    processor, asked = made._loaded.processor, []
    real = processor.apply_chat_template

    def recorded(messages, **options):
        asked.append((messages, options))
        return real(messages, **options)

    processor.apply_chat_template = recorded
    list(made.comment(request(2)))
    [([message], options)] = asked
    assert message["role"] == "user" and options["add_generation_prompt"] is True
    *pictures, words = message["content"]
    assert [part["type"] for part in pictures] == ["image"] * 3
    assert [part["image"].getpixel((0, 0)) for part in pictures] == COLOURS
    assert words == {"type": "text", "text": "What is new?"}


def test_what_it_sees_makes_what_it_says(commentator):
    made = commentator()
    assert text_of(made.comment(request())) != text_of(made.comment(request(frames=FRAMES[::-1])))


def test_no_frames_are_a_question_all_the_same(commentator):
    chunks = list(commentator().comment(request(5, frames=[])))
    assert chunks[0].image_tokens == 0 and sum(chunk.output_tokens for chunk in chunks) == 5


def test_pictures_are_not_counted_where_the_config_names_no_token_for_them(commentator):
    made = commentator()
    made.warm_up()
    made._loaded = replace(made._loaded, image_token=None)
    first = next(made.comment(request(2)))
    assert first.image_tokens is None and first.prompt_tokens > 0


@pytest.mark.parametrize("tiles, image_tokens", [(1, 4), (3, 4), (4, 4 * 5), (9, 4 * 7)])
@pytest.mark.parametrize("kind", ["idefics3", "smolvlm"])
def test_pictures_are_cut_into_no_more_tiles_than_set(commentator, kind, tiles, image_tokens):
    """Four tokens a tile, and four for the whole: 64×36 makes 2×2 tiles of two a side, 3×2 of three."""
    made = commentator(kind, {"max_slice_nums": tiles})
    assert next(made.comment(request(1, FRAMES[:1]))).image_tokens == image_tokens


def test_a_processor_that_does_not_cut_is_left_alone(commentator):
    made = commentator("llava", {"max_slice_nums": 9})
    assert next(made.comment(request(1, FRAMES[:1]))).image_tokens == 16


# Drawing


def test_the_same_seed_draws_the_same_comments(commentator):
    def three(seed):
        made = commentator(settings={"temperature": 1.0, "seed": seed})
        return [text_of(made.comment(request())) for _ in range(3)]

    first = three(0)
    assert len(set(first)) == 3
    torch.rand(5)  # the process's generator has nothing to do with it
    assert three(0) == first
    assert not set(three(1)) & set(first)


def test_drawing_leaves_the_process_s_generator_alone(commentator):
    made = commentator(settings={"temperature": 1.0})
    made.warm_up()
    before = torch.random.get_rng_state()
    list(made.comment(request()))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_comment_that_is_cut_off_does_not_change_the_next(commentator):
    whole = commentator(settings={"temperature": 1.0})
    texts = [text_of(whole.comment(request())) for _ in range(2)]
    cut = commentator(settings={"temperature": 1.0})
    chunks = cut.comment(request())
    begun = [next(chunks) for _ in range(4)]
    chunks.close()
    assert texts[0].startswith(text_of(begun)) and text_of(cut.comment(request())) == texts[1]


def test_a_cold_model_takes_the_likeliest(commentator):
    cold = commentator(settings={"temperature": 1e-4})
    assert text_of(cold.comment(request())) == text_of(commentator().comment(request()))


def test_the_checkpoint_s_own_way_of_drawing_does_not_count(copied, checkpoint):
    own = {
        "do_sample": True,
        "temperature": 3.0,
        "top_k": 1,
        "top_p": 0.001,
        "num_beams": 2,
        "eos_token_id": 2,
    }
    (copied / "generation_config.json").write_text(json.dumps(own))

    def text(folder, temperature):
        return text_of(VLMCommentator(settings(folder, temperature=temperature)).comment(request()))

    assert text(copied, 0) == text(checkpoint(), 0) != text(copied, 1) == text(checkpoint(), 1)


def test_draw_follows_the_probabilities_within_the_top():
    """exp(logits) is 8, 4, 2, 1, … of 15.875: the top 0.8 holds 12.7 of it, and ends within the third."""
    logits = torch.log(torch.tensor([1.0, 8.0, 0.5, 4.0, 0.25, 2.0, 0.125]))
    generator = torch.Generator().manual_seed(0)
    drawn = np.bincount([int(draw(logits, 1.0, generator)) for _ in range(3000)], minlength=7) / 3000
    assert np.abs(drawn - np.array([0, 8, 0, 4, 0, 2, 0]) / 14).max() < 0.03
    assert list(np.flatnonzero(drawn)) == [1, 3, 5]
    hot = {int(draw(logits, 5.0, generator)) for _ in range(3000)}
    assert {0, 1, 3, 5} < hot
    assert int(draw(logits.half(), 1e-4, generator)) == 1


def test_seeds_of_comments_do_not_meet():
    seeds = {comment_seed(seed, comment) for seed in range(50) for comment in range(1000)}
    assert len(seeds) == 50_000 and all(0 <= comment_seed(2**70, k) < 2**63 for k in range(3))


# Cancelling, failing, hanging


def count_calls(model, stop_at=None, error=None):
    """Count the model's forward calls; the n-th raises `error`."""
    calls = []

    def before(*_):
        calls.append(1)
        if len(calls) == stop_at:
            raise type(error)(*error.args)  # a new one, which nobody else holds

    return calls, model.register_forward_pre_hook(before)


def test_closing_the_iterator_stops_the_model_between_two_tokens(commentator):
    made = commentator()
    made.warm_up()
    calls, _ = count_calls(made._loaded.model)
    chunks = made.comment(request(1000))
    for _ in range(4):
        next(chunks)
    assert generating() == ["generation"]
    chunks.close()
    assert generating() == [] and 3 <= len(calls) < 1000
    stopped_at = len(calls)
    assert text_of(made.comment(request(5))) and len(calls) == stopped_at + 5


def test_an_iterator_that_is_dropped_stops_the_model_too(commentator):
    made = commentator()
    chunks = made.comment(request(1000))
    next(chunks), next(chunks)
    del chunks
    gc.collect()
    assert generating() == []


def test_an_iterator_that_is_closed_before_its_first_token_starts_nothing(commentator):
    made = commentator()
    made.warm_up()
    calls, _ = count_calls(made._loaded.model)
    chunks = made.comment(request())
    next(chunks)
    chunks.close()
    assert calls == [] and generating() == []


def test_an_error_of_the_model_reaches_the_reader_after_the_tokens_before_it(commentator):
    made = commentator()
    made.warm_up()
    _, hook = count_calls(made._loaded.model, 4, ArithmeticError("the fourth step broke"))
    chunks = []
    with pytest.raises(ArithmeticError, match="the fourth step broke"):
        for chunk in made.comment(request()):
            chunks.append(chunk)
    assert sum(chunk.output_tokens for chunk in chunks) == 3 and generating() == []
    hook.remove()
    assert len(list(made.comment(request(5)))) == 7


OUT_OF_MEMORY = {
    "GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total …"),
    "CPU": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"
    ),
    "Python": MemoryError(),
}


@pytest.mark.parametrize("kind", OUT_OF_MEMORY)
@pytest.mark.parametrize("step", [1, 3])
def test_out_of_memory_is_one_line_and_the_next_comment_finds_the_memory_freed(commentator, kind, step):
    made = commentator()
    made.warm_up()
    _, hook = count_calls(made._loaded.model, step, OUT_OF_MEMORY[kind])
    kept = []

    def keep(_model, _arguments, named):
        kept.append(weakref.ref(next(v for v in named.values() if torch.is_tensor(v))))

    keeper = made._loaded.model.register_forward_pre_hook(keep, with_kwargs=True, prepend=True)
    with pytest.raises(MemoryError, match="did not suffice") as caught:
        list(made.comment(request()))
    line = str(caught.value)
    assert "\n" not in line and "frames_per_inference" in line and caught.value.__context__ is None
    del caught
    gc.collect()
    assert kept and all(reference() is None for reference in kept)
    hook.remove()
    keeper.remove()
    assert len(list(made.comment(request(5)))) == 7


def test_out_of_memory_before_the_model_runs_is_the_same(commentator):
    made = commentator()
    made.warm_up()

    def too_big(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    made._loaded.processor.apply_chat_template = too_big
    with pytest.raises(MemoryError, match="CUDA out of memory"):
        list(made.comment(request()))


def test_what_is_no_lack_of_memory():
    assert not out_of_memory(RuntimeError("shapes do not fit")) and not out_of_memory(
        OSError("out of memory")
    )
    assert out_of_memory(RuntimeError("CUDA error: out of memory"))


def test_a_model_that_hangs_is_given_up_and_left_alone_until_it_returns(commentator):
    made = commentator(settings={"inference_timeout_s": 0.1})
    made.warm_up()
    release = threading.Event()
    hook = made._loaded.model.register_forward_pre_hook(lambda *_: None if release.wait(60) else None)
    with pytest.raises(TimeoutError, match="no token for 0.1 s"):
        list(made.comment(request()))
    assert generating() == ["generation"]
    with pytest.raises(RuntimeError, match="still busy"):
        list(made.comment(request()))
    release.set()
    assert eventually(lambda: generating() == [])
    hook.remove()
    assert len(list(made.comment(request(5)))) == 7


# Loading and freeing


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
    """Also what is stored in half precision."""
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
        assert module._dtype("cuda") == dtype


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
    from commentator_lib.commentators.weights import tensor_bytes

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


# What stands against it, before loading


def with_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def lose_a_shard(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def only_gguf(folder):
    (folder / "config.json").unlink()
    (folder / "model-Q4_K_M.gguf").write_bytes(b"GGUF")


BROKEN = {
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json"),
    "GGUF": (only_gguf, "set commentator=openai"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), "cannot be read as JSON"),
    "not UTF-8": (lambda f: (f / "config.json").write_bytes(b"\xff"), "cannot be read as JSON"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), "no table of names"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "lacks weights"),
    "cut off": (cut_off, "is cut off"),
    "half a download": (lose_a_shard, "1 of 2 weight files are missing"),
    "text model": (
        lambda f: with_config(f, model_type="qwen2", architectures=["Qwen2ForCausalLM"]),
        "is Qwen2ForCausalLM, which takes no pictures",
    ),
    "speech model": (lambda f: with_config(f, model_type="whisper", architectures=None), "is whisper"),
    "unknown": (lambda f: with_config(f, model_type="moonvlm", architectures=["MoonVLM"]), "is MoonVLM"),
    "nameless": (lambda f: with_config(f, model_type=None, architectures=None), "names no model_type"),
    "MiniCPM-o": (
        lambda f: with_config(f, model_type="minicpmo", architectures=["MiniCPMO"]),
        "commentator=minicpmo",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_checkpoint_that_is_none_is_named_at_once(copied, kind):
    change, words = BROKEN[kind]
    change(copied)
    line = the_only_line(VLMCommentator, settings(copied))
    assert words in line and str(copied) in line


@pytest.mark.parametrize("path, words", [("", "set model_path"), ("/no/such/folder", "is not there")])
def test_no_checkpoint(path, words):
    assert words in the_only_line(VLMCommentator, Settings(commentator="vlm", model_path=path))


def test_architectures():
    known, all_known = {"smolvlm"}, {"smolvlm", "qwen2"}

    def problem(**config):
        return architecture_problem(config, known, all_known, "4.51.3")

    assert problem(model_type="smolvlm") == ""
    assert "takes no pictures" in problem(model_type="qwen2") and "-U" not in problem(model_type="qwen2")
    unknown = problem(model_type="qwen3_vl", architectures=["Qwen3VLForConditionalGeneration"])
    assert (
        "is Qwen3VLForConditionalGeneration, which transformers 4.51.3 does not know: pip install -U"
        in unknown
    )
    own_code = problem(model_type="internvl_chat", auto_map={"AutoModel": "modeling.InternVL"})
    assert "its own code is not run" in own_code and "its own code" not in unknown
    assert "names no model_type" in problem()
    assert minicpmo_problem({"architectures": ["MiniCPMO"]}) and not minicpmo_problem(
        {"model_type": "minicpmv"}
    )
    assert not minicpmo_problem({})


def test_no_gpu(checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    line = the_only_line(VLMCommentator, settings(checkpoint(), device="cuda"))
    assert "sees no GPU" in line and "device=auto or cpu" in line
    assert VLMCommentator(settings(checkpoint(), device="auto"))._device == "cpu"


def test_packages_that_are_missing_or_broken(checkpoint, monkeypatch):
    folder = checkpoint()
    monkeypatch.setitem(sys.modules, "transformers.models.auto.modeling_auto", None)
    line = the_only_line(VLMCommentator, settings(folder))
    assert "PyTorch and transformers" in line and line.endswith("pip install 'commentator-lib[vlm]'")


def test_too_little_memory(checkpoint, monkeypatch):
    """Stored in half precision, 4 bytes a number on a CPU and 2 on a GPU, and a fifth to work in."""
    folder = checkpoint(half=True)
    stored = module.loaded_bytes(folder, 2)
    monkeypatch.setattr(module, "_memory", lambda device: (round(stored * 2.3), 10 * stored))
    line = the_only_line(VLMCommentator, settings(folder))
    assert line.startswith(f"{folder.name} needs ") and "set model_path to a smaller model" in line
    monkeypatch.setattr(module, "_memory", lambda device: (round(stored * 2.5), 10 * stored))
    VLMCommentator(settings(folder))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    free = {"cuda": stored, "cpu": 10 * stored}
    monkeypatch.setattr(module, "_memory", lambda device: (free[device], 10 * stored))
    assert "set device=cpu" in the_only_line(VLMCommentator, settings(folder, device="auto"))
    free["cuda"] = round(1.3 * stored)
    assert VLMCommentator(settings(folder, device="auto"))._device == "cuda"


GB = 10**9
MEMORY = {
    "fits": ("cuda", {"cuda": 5 * GB, "cpu": 10 * GB}, (6 * GB, 8 * GB), (8 * GB, 16 * GB), (), ()),
    "GPU is in use": (
        "cuda",
        {"cuda": 7 * GB, "cpu": 14 * GB},
        (6 * GB, 8 * GB),
        (8 * GB, 16 * GB),
        (
            "needs 7.0 GB of GPU memory, and 6.0 GB of 8.0 GB is free",
            "end what else holds 2.0 GB",
            "nvidia-smi",
            "2.5 billion parameters",
            "commentator=openai",
        ),
        ("device=cpu",),
    ),
    "GPU is too small": (
        "cuda",
        {"cuda": 9 * GB, "cpu": 18 * GB},
        (8 * GB, 8 * GB),
        (20 * GB, 32 * GB),
        ("set device=cpu (slow; 18.0 GB", "3.3 billion"),
        ("end what else",),
    ),
    "machine is too small": (
        "cpu",
        {"cuda": 9 * GB, "cpu": 18 * GB},
        None,
        (12 * GB, 16 * GB),
        ("needs 18.0 GB of memory", "2.5 billion"),
        ("GPU", "nvidia", "end what else", "device=cpu"),
    ),
    "machine is in use": (
        "cpu",
        {"cuda": 7 * GB, "cpu": 14 * GB},
        None,
        (12 * GB, 16 * GB),
        ("end what else holds 4.0 GB of it;",),
        (),
    ),
}


@pytest.mark.parametrize("kind", MEMORY)
def test_what_would_fit(kind):
    device, needed, gpu, machine, said, unsaid = MEMORY[kind]
    line = memory_problem("some-vl", device, needed, gpu, machine)
    assert bool(line) == bool(said) and "\n" not in line
    assert all(words in line for words in said) and not any(words in line for words in unsaid)


def test_a_session_without_it_imports_none_of_it():
    code = (
        "import sys, commentator_lib.session, commentator_lib.commentators.vlm.commentator; "
        "print({'torch', 'transformers', 'PIL.Image', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


# What stands against it, at loading


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


def run_command(folder, tmp_path):
    command = [sys.executable, "-m", "commentator_lib", "run", "demo", "-d", "2", "-s", "commentator=vlm"]
    return subprocess.run(
        [*command, "-s", "device=cpu", "-s", f"model_path={folder}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("when", ["before loading", "at loading"])
def test_the_command_line_says_it_in_one_line_and_ends_with_2(copied, tmp_path, when):
    (copied / ("config.json" if when == "before loading" else "chat_template.json")).unlink()
    done = run_command(copied, tmp_path)
    words = {"before loading": "it has no config.json", "at loading": "has no chat template"}[when]
    said = [line for line in done.stderr.splitlines() if line.startswith("commentator: ")]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert len(said) == 1 and words in said[0] and done.stderr.rstrip().endswith(said[0])


# On a GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu(commentator, kind):
    before = gpu_bytes()
    made = commentator(kind, {"device": "auto", "temperature": 0.7}, says=SENTENCES)
    chunks = list(made.comment(request()))
    assert (
        text_of(chunks) == SENTENCES
        and min(s for s in dataclasses.asdict(chunks[-1].stage_times).values() if s is not None) > 0
    )
    weights = next(made._loaded.model.parameters())
    assert weights.device.type == "cuda" and weights.dtype == module._dtype("cuda")
    del weights
    assert torch.cuda.memory_allocated() > before
    made.close()
    assert gpu_bytes() == before


# In a session


def session(made, duration_s=6.0, mode="replay", voice=None, **more):
    chosen = {"change_threshold": 0.0, "pause_s": 0.2, **more}
    return LiveSession(
        Pictures(duration_s, still), Settings(**chosen), commentator=made, voice=voice, mode=mode
    )


def test_a_session_in_which_the_embedded_voice_speaks_its_sentences(commentator):
    made = commentator(says=SENTENCES)
    run = session(made, 8.0).run()
    spoken = run.log.cycles[run.log.cycles.outcome == "spoken"]
    assert len(spoken) >= 1 and set(spoken.text) == {SENTENCES} and set(spoken.heard_text) == {SENTENCES}
    row = spoken.iloc[0]
    assert row.speech_s > 2 and row.output_tokens == len(SENTENCES.split()) + 1
    assert row.image_tokens == 4 * row.frames and row.prompt_tokens > row.image_tokens
    assert row.preprocess_s > 0 and row.prefill_s > 0 and row.decode_s > 0
    assert row.first_sound_s < row.generated_s  # the first sentence sounds before the second was spoken
    assert run.log.header["commentator"] == made.name and made._loaded is None and generating() == []


def test_a_comment_without_memory_is_one_failed_row_and_the_session_goes_on(commentator):
    made = commentator(says=SENTENCES)
    made.warm_up()
    count_calls(
        made._loaded.model, 3, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    )
    rows = session(made, 8.0, voice=ToneVoice()).run().log.cycles
    assert list(rows.outcome[:2]) == ["failed", "spoken"] and "did not suffice" in rows.reason[0]
    assert rows.output_tokens[0] == 2


def test_a_session_that_is_stopped_in_mid_comment_leaves_no_thread(commentator):
    made = commentator(settings={"temperature": 1.0})
    made.warm_up()
    calls, _ = count_calls(made._loaded.model)
    run = session(made, 60.0, "live", ToneVoice(), text_max_new_tokens=1024, speech=False).start()
    assert eventually(lambda: len(calls) > 5)
    run.stop()
    assert not run.running and generating() == [] and made._loaded is None
    assert run.log.header["stopped_early"] and not run.log.header["notes"]
