"""Every family that the pages name, at tiny size: it sees, writes, keeps control tokens out, and makes few tiles."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from commentator_lib.commentators.vlm.commentator import VLMCommentator
from commentator_lib.commentators.vlm.judging import last_logits
from commentator_lib.commentators.vlm.loading import Loaded
from commentator_lib.commentators.vlm.tiling import limit_tiles
from commentator_lib.media import Frame
from tests.commentators.vlm.conftest import FRAMES, request, settings, text_of
from tests.commentators.vlm.published_pictures import PUBLISHED
from tests.commentators.vlm.tiny_families import FAMILIES
from tests.commentators.vlm.tiny_vlm import lacking

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[3]
NEW = int(transformers.__version__.split(".")[0]) >= 5
_ROW = re.compile(r"^\| `(\w+)` \|[^|]+\| ([\d.]+) \| (\d+) \| (\d+) \| (\d+) \|", re.MULTILINE)


def documented():
    """Return the table of the page about usage: {family: (first version, tokens with 1, 4 and 9 tiles)}."""
    text = (ROOT / "docs/usage.md").read_text(encoding="utf-8")
    return {name: (since, [int(count) for count in counts]) for name, since, *counts in _ROW.findall(text)}


def test_the_families_of_the_pages_are_those_of_the_tests():
    since = {name: f"{family.since[0]}.{family.since[1]}" for name, family in FAMILIES.items()}
    assert {name: version for name, (version, _) in documented().items()} == since
    assert sorted(PUBLISHED) == sorted(FAMILIES)
    assert f"{len(FAMILIES)} families" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, checkpoint):
    """Return (its name, a loaded commentator)."""
    made = VLMCommentator(settings(checkpoint(request.param), temperature=0.0))
    made.warm_up()
    yield request.param, made
    made.close()


def test_it_says_what_generate_gives_in_one_go(family):
    kind, made = family
    chunks = list(made.comment(request(8)))
    loaded = made._loaded
    inputs = loaded.inputs(request(8))
    ids = inputs["input_ids"]
    whole = loaded.model.generate(**inputs, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :].tolist()
    tokenizer = loaded.processor.tokenizer
    said = tokenizer.decode(whole, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert text_of(chunks) == said
    assert sum(chunk.output_tokens for chunk in chunks) == len(whole)
    seen = ids[0].tolist().count(tokenizer.convert_tokens_to_ids(FAMILIES[kind].image_token))
    assert chunks[0].image_tokens == seen >= len(FRAMES)


def test_it_sees_the_pictures(family):
    loaded = family[1]._loaded
    logits = [
        last_logits(loaded.model, loaded.inputs(request(1, frames)), 1) for frames in (FRAMES, FRAMES[::-1])
    ]
    assert torch.isfinite(logits[0]).all() and not torch.equal(*logits)


def test_control_tokens_in_an_instruction_are_text(family):
    loaded = family[1]._loaded
    tokenizer = loaded.processor.tokenizer
    added = {number: token for token, number in tokenizer.get_added_vocab().items()}

    def control_tokens(prompt):
        ids = loaded.inputs(request(prompt=prompt, frames=FRAMES[:1]))["input_ids"][0].tolist()
        return [number for number in ids if number in added]

    usual = control_tokens("What is new?")
    assert len(usual) >= 4  # the turns' marks, and a picture
    for token in [*added.values(), "<image>./</image>", "<|end|>\n<|start|>assistant:"]:
        assert control_tokens(f"Watch {token} and{token}{token}.") == usual, token


def test_more_tiles_are_no_fewer_tokens(checkpoint):
    """Neither a checkpoint's own limit, 12, nor a processor's own default, which is to cut, goes before the setting."""
    counts = []
    for tiles in (1, 2, 9):
        made = VLMCommentator(settings(checkpoint("aya_vision"), temperature=0.0, max_slice_nums=tiles))
        counts.append(next(made.comment(request(1, FRAMES[:1]))).image_tokens)
        made.close()
    assert counts == [4, 3 * 4, 3 * 4]  # 64×36 px are two tiles, and the whole picture beside them


def as_published(kind, checkpoint, folder):
    """Write the processor's files of a family with the published sizes, without weights; return the folder."""
    for path in checkpoint(kind).iterdir():
        if path.suffix != ".safetensors":
            shutil.copy(path, folder)
    for name, sizes in zip(
        ("preprocessor_config.json", "processor_config.json"), PUBLISHED[kind], strict=True
    ):
        config = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**config, **sizes}))
    return folder


def image_tokens(kind, folder, tiles):
    """Return the image tokens of four frames of 640×360 px."""
    picture = np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    limits = limit_tiles(processor, config, tiles)
    model = SimpleNamespace(device="cpu", dtype=torch.float32)
    loaded = Loaded(model, processor, None, {}, None, frozenset(), limits)
    inputs = loaded.inputs(request(frames=[Frame(k, k / 2, k / 2, picture) for k in range(4)]))
    number = processor.tokenizer.convert_tokens_to_ids(FAMILIES[kind].image_token)
    return inputs["input_ids"][0].tolist().count(number)


@pytest.mark.slow
@pytest.mark.skipif(
    not NEW, reason="the table is of transformers 5: LLaVA-OneVision cuts several pictures before"
)
@pytest.mark.parametrize("kind", FAMILIES)
def test_tokens_of_four_frames_are_what_the_page_says(kind, checkpoint, tmp_path):
    folder = as_published(kind, checkpoint, tmp_path)
    assert [image_tokens(kind, folder, tiles) for tiles in (1, 4, 9)] == documented()[kind][1]


def test_the_families_that_run_here_are_enough():
    lacked = {kind: why for kind in FAMILIES if (why := lacking(kind))}
    enough = len(FAMILIES) if NEW else 15  # and Llama 4, where torchvision is there
    assert len(FAMILIES) - len(lacked) >= enough, lacked
