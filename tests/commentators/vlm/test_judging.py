"""What an image-text model makes of a request in one forward pass: tiny models of several architectures."""

from __future__ import annotations

import math

import pytest

from commentator_lib.commentators.vlm.judging import continued, last_logits
from commentator_lib.media import Frame
from tests.commentators.vlm.conftest import FRAMES, count_calls, generating, request, text_of
from tests.commentators.vlm.tiny_vlm import KINDS

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

WORDS = "The ball flies."


def parts(made):
    """Return (the model, its tokenizer, the inputs of the tests' request)."""
    made.warm_up()
    return made._loaded.model, made._loaded.processor.tokenizer, made._loaded.inputs(request())


def whole_logits(model, inputs):
    """Return the logits (n, V) after each token, by the model's own forward."""
    with torch.inference_mode():
        return model(**inputs).logits[0].float()


@pytest.mark.parametrize("kind", KINDS)
def test_the_likeliest_first_token_is_the_one_that_is_written(commentator, kind):
    made = commentator(kind)
    model, tokenizer, inputs = parts(made)
    first = int(last_logits(model, inputs, 1)[-1].argmax())
    with torch.inference_mode():
        assert first == int(model.generate(**inputs, max_new_tokens=1)[0, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_those_of_the_models_own_logits(commentator, kind):
    made = commentator(kind)
    model, tokenizer, inputs = parts(made)
    chances = whole_logits(model, inputs)[-1].softmax(-1)
    dots = [tokenizer.encode(t, add_special_tokens=False)[0] for t in ("...", "…")]
    assert made.judge(request(), "first-token", "") == pytest.approx(float(chances[dots].sum()), rel=1e-4)
    yes, no = (
        float(chances[[tokenizer.encode(t, add_special_tokens=False)[0] for t in words]].sum())
        for words in (("yes", "Yes"), ("no", "No"))
    )
    assert made.judge(request(), "yes-no", "") == pytest.approx(yes / (yes + no), rel=1e-4)
    assert made.judge(request(), "another", "") is None


@pytest.mark.parametrize("kind", KINDS)
def test_perplexity_is_over_the_words_of_the_comment_only(commentator, kind):
    """Each word's probability is that of the prompt and the words before it, token by token."""
    made = commentator(kind)
    model, tokenizer, inputs = parts(made)
    ids = tokenizer.encode(WORDS, add_special_tokens=False, return_tensors="pt")
    costs = []
    for k in range(ids.shape[1]):
        logits = whole_logits(model, continued(inputs, ids[:, :k]))[-1]
        costs.append(-float(logits.log_softmax(-1)[ids[0, k]]))
    value = made.judge(request(), "perplexity", WORDS)
    assert value == pytest.approx(math.exp(sum(costs) / len(costs)), rel=1e-3) and value > 1
    assert made.judge(request(), "perplexity", "") is None


def test_each_number_takes_one_pass_and_nothing_is_written(commentator):
    made = commentator()
    model, _, _ = parts(made)
    before = text_of(made.comment(request(8)))
    calls, hook = count_calls(model)
    for rule in made.judges:
        made.judge(request(), rule, WORDS)
    hook.remove()
    assert len(calls) == len(made.judges) == 3 and generating() == []
    assert text_of(made.comment(request(8))) == before


def test_what_a_model_would_say_surprises_it_least(commentator):
    made = commentator(says="The ball flies over everyone.")
    said, other = (
        made.judge(request(), "perplexity", t) for t in ("The ball flies over everyone.", "ball The over")
    )
    assert 1 < said < other / 2


def test_a_model_that_says_nothing_is_silent_and_one_that_says_yes_says_yes(commentator):
    """The tokens of these tokenizers are single characters: "..." begins with a dot, yes with y."""
    assert commentator(says=". x").judge(request(), "first-token", "") > 0.9
    assert commentator(says="B x").judge(request(), "first-token", "") < 0.1
    assert commentator(says="Y x").judge(request(), "yes-no", "") > 0.9
    assert commentator(says="n x").judge(request(), "yes-no", "") < 0.1


def test_frames_change_the_number(commentator):
    made = commentator()
    dark = [Frame(f.index, f.pts_s, f.captured_at_s, f.image // 4) for f in FRAMES]
    numbers = [made.judge(request(frames=frames), "perplexity", WORDS) for frames in (FRAMES, dark, FRAMES)]
    assert numbers[0] == numbers[2] != numbers[1]


def test_a_pass_for_which_the_memory_does_not_suffice_is_one_line(commentator):
    made = commentator()
    model, _, _ = parts(made)
    _, hook = count_calls(model, 1, RuntimeError("CUDA out of memory. Tried to allocate 2 GiB."))
    with pytest.raises(MemoryError, match="did not suffice for judging this picture") as caught:
        made.judge(request(), "first-token", "")
    hook.remove()
    assert "\n" not in str(caught.value) and 0 <= made.judge(request(), "first-token", "") <= 1
