"""What MiniCPM-o makes of a request in one prefill: its first token, yes against no, a comment's perplexity."""

from __future__ import annotations

import dataclasses
import math

import pytest

from commentator_lib.commentators.minicpmo import commentator as commentator_module
from commentator_lib.settings import load_settings
from tests.commentators.minicpmo.conftest import replace_eyes, request, settings_for, text_of
from tests.commentators.minicpmo.tiny_minicpmo import make_checkpoint

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo.prompt import embed_request  # noqa: E402
from commentator_lib.commentators.minicpmo.stage_clock import StageClock  # noqa: E402

WORDS = "The ball flies."
pytestmark = pytest.mark.usefixtures("real_vocoder_on_a_cpu")


def embedded(made, speech=False):
    clock = StageClock(torch.device("cpu"))
    return embed_request(made.engine, request(speech=speech), speech, 1, clock).embeds  # (1, n, H)


def logits_after(made, embeds):
    """Return the logits (V,) after the embeddings (1, n, H), by the model's own modules."""
    llm = made.engine.loaded.model.llm
    with torch.inference_mode():
        return llm(inputs_embeds=embeds).logits[0, -1].float()


def first_ids(made, *texts):
    """Return the ids with which these texts begin, without that of a space alone, with which anything begins."""
    tokenizer = made.engine.loaded.processor.tokenizer
    ids = {tokenizer.encode(text, add_special_tokens=False)[0] for text in texts}
    return sorted(number for number in ids if tokenizer.decode([number]).strip())


@pytest.mark.parametrize("speech", [False, True])
def test_silence_has_the_probability_of_the_models_own_logits(loaded, speech):
    chances = logits_after(loaded, embedded(loaded, speech)).softmax(-1)
    ids = first_ids(loaded, "...", " ...", "…")
    assert loaded.judge(request(speech=speech), "first-token", "") == pytest.approx(
        float(chances[ids].sum()), rel=1e-3
    )


def test_yes_is_weighed_against_no_in_the_written_form(loaded):
    chances = logits_after(loaded, embedded(loaded)).softmax(-1)
    yes = float(chances[first_ids(loaded, "yes", "Yes", "YES", " yes", " Yes")].sum())
    no = float(chances[first_ids(loaded, "no", "No", "NO", " no", " No")].sum())
    for speech in (False, True):
        value = loaded.judge(request(speech=speech), "yes-no", "")
        assert value == pytest.approx(yes / (yes + no), rel=1e-3)
    assert loaded.judge(request(), "another", "") is None


def test_perplexity_is_over_the_words_of_the_comment_only(loaded):
    tokenizer, llm = loaded.engine.loaded.processor.tokenizer, loaded.engine.loaded.model.llm
    ids = torch.tensor(tokenizer.encode(WORDS, add_special_tokens=False))
    embeds, costs = embedded(loaded), []
    for token in ids:
        costs.append(-float(logits_after(loaded, embeds).log_softmax(-1)[token]))
        with torch.inference_mode():
            embeds = torch.cat([embeds, llm.model.embed_tokens(token[None, None])], dim=1)
    value = loaded.judge(request(speech=False), "perplexity", WORDS)
    assert value == pytest.approx(math.exp(sum(costs) / len(costs)), rel=1e-3) and value > 1
    assert (
        loaded.judge(request(), "perplexity", "A") > 1 and loaded.judge(request(), "perplexity", "") is None
    )


def test_judging_writes_nothing_and_leaves_the_next_comment_as_it_was(loaded):
    before = text_of(list(loaded.comment(request(8, speech=False))))
    for rule in sorted(loaded.judges):
        assert math.isfinite(loaded.judge(request(), rule, WORDS))
    assert text_of(list(loaded.comment(request(8, speech=False)))) == before


def test_a_longer_prompt_takes_the_writer_without_graphs(loaded, monkeypatch):
    writer = dataclasses.replace(loaded.engine, writer=None)  # fails if it is used
    monkeypatch.setattr(loaded, "_engine", writer)
    long = dataclasses.replace(request(), prompt="again " * 1100)
    assert 0 <= loaded.judge(long, "first-token", "") <= 1


def test_too_little_memory_is_one_line_and_frees_what_was_held(loaded, monkeypatch):
    freed = []
    monkeypatch.setattr(commentator_module, "free_gpu", lambda: freed.append(True))
    with monkeypatch.context() as patch:

        def too_much(_data):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        replace_eyes(patch, loaded.engine, lambda _whole: too_much)
        with pytest.raises(MemoryError, match="did not suffice to judge"):
            loaded.judge(request(), "yes-no", "")
    assert freed and 0 <= loaded.judge(request(), "yes-no", "") <= 1


def test_a_model_in_four_bits_judges_too(checkpoints):
    made = commentator_module.MiniCPMOCommentator(settings_for(checkpoints["awq"], speech=False))
    try:
        for rule in sorted(made.judges):
            assert math.isfinite(made.judge(request(speech=False), rule, WORDS))
    finally:
        made.close()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["bf16", "awq"])
def test_on_a_gpu_graphs_change_no_number_and_judging_no_comment(tmp_path, kind):
    """The numbers before and after the prompt's graph is captured, and of the writer without graphs."""
    folder = make_checkpoint(tmp_path / kind, awq=kind == "awq", width=128)
    settings = load_settings(
        environment={}, commentator="minicpmo", model_path=str(folder), temperature=0.0, speech=False
    )
    made = commentator_module.MiniCPMOCommentator(settings)
    asked = request(12, speech=False)
    before = text_of(list(made.comment(asked)))
    numbers = []
    for _ in range(2):
        numbers.append([made.judge(asked, rule, WORDS) for rule in sorted(made.judges)])
        assert text_of(list(made.comment(asked))) == before  # which captures what was new
    plain = dataclasses.replace(made.engine, writer=made.engine.plain_writer)
    made._engine = plain
    numbers.append([made.judge(asked, rule, WORDS) for rule in sorted(made.judges)])
    assert numbers[0] == pytest.approx(numbers[1], rel=0.02)
    assert numbers[1] == pytest.approx(numbers[2], rel=0.05)
    made.close()
