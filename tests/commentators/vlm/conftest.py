"""Tiny checkpoints, made once, and commentators over them."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.vlm.commentator import VLMCommentator
from commentator_lib.media import Frame
from commentator_lib.settings import Settings
from tests.commentators.vlm.tiny_vlm import lacking, make_checkpoint

torch = pytest.importorskip("torch")


def declare_torchvision_s_operators() -> bool:
    """Let torchvision be imported where its compiled part, which is built for CUDA, does not load beside a PyTorch for
    the CPU: it only lacks the declarations of two operators, and processors of pictures use neither. Return whether
    that was needed."""
    if importlib.util.find_spec("torchvision") is None:
        return False
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        importlib.import_module("torchvision")
        _kept.append(library)  # the declarations go with it
        return True
    return False


_kept: list = []
TORCHVISION_DECLARED = declare_torchvision_s_operators()
transformers = pytest.importorskip("transformers")

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
    """Exclude the loaded libraries from garbage collection, which each close runs: it would take seconds each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Return a function that returns a checkpoint's folder; each checkpoint is made once."""
    made: dict[tuple, Path] = {}

    def find(kind="idefics3", **options):
        if wanted := lacking(kind):
            pytest.skip(f"transformers {transformers.__version__}: {kind} wants {wanted}")
        key = (kind, *sorted(options.items()))
        if key not in made:
            made[key] = make_checkpoint(tmp_path_factory.mktemp("vlm") / kind, kind, **options)
        return made[key]

    return find


@pytest.fixture
def commentator(checkpoint):
    """Return a function that makes commentators over tiny checkpoints; all are closed at the end."""
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
    """Return a function that copies a checkpoint, so that a test can break the copy."""
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
    """Return (prompt's tokens, pictures' tokens, new ids, their text), greedily, by transformers alone."""
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


def count_calls(model, stop_at=None, error=None):
    """Count the model's forward calls; the call number `stop_at` raises `error`."""
    calls = []

    def before(*_):
        calls.append(1)
        if len(calls) == stop_at:
            raise type(error)(*error.args)  # a new one, to which nothing else refers

    return calls, model.register_forward_pre_hook(before)


def with_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
