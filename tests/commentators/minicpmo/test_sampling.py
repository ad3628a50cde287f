"""How tokens are sampled, and which words were said at which time."""

from __future__ import annotations

import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.speaker import count_said_tokens

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo import sampling, talker  # noqa: E402
from commentator_lib.commentators.minicpmo.sequence import PlainSequence  # noqa: E402


def test_the_penalty_looks_back_as_the_models_loop_does():
    counts = (0, 11, 128, 139, 140, 141, 151)
    assert [sampling.penalty_start(n) for n in counts] == [0, 0, 0, 3, 3, 13, 23]
    assert [int(sampling.penalty_start(torch.tensor([n]))) for n in counts] == [0, 0, 0, 3, 3, 13, 23]
    logits = torch.tensor([2.0, -2.0, 1.0])
    said = torch.tensor([0, 1, 0, 2, 2])  # the last two are left from another comment
    assert sampling.penalise(logits, said, torch.tensor([3]), 2.0).tolist() == [1.0, -4.0, 1.0]
    assert sampling.penalise(logits, said, torch.tensor([0]), 2.0).tolist() == logits.tolist()
    said = torch.zeros(300, dtype=torch.long)
    said[200:] = 1
    assert sampling.penalise(logits, said, torch.tensor([290]), 2.0).tolist() == [1.0, -4.0, 1.0]
    said[:170] = 2  # before the window of 280 − 128
    assert sampling.penalise(logits, said, torch.tensor([290]), 2.0).tolist() == [1.0, -4.0, 0.5]
    said[:150] = 2
    said[150:] = 1
    assert sampling.penalise(logits, said, torch.tensor([290]), 2.0).tolist() == [2.0, -4.0, 1.0]


def noise(width, count, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return [torch.empty(width).exponential_(generator=rng) for _ in range(count)]


def test_sampling_keeps_to_top_k_and_top_p():
    logits = torch.tensor([3.0, 2.9, 0.0, -9.0])
    sampled = {int(sampling.pick(logits, sampling.Sampling(1.0, top_p=0.6), n)) for n in noise(4, 200)}
    assert sampled == {0, 1}  # the second begins at 0.52, the third at 0.97
    sampled = {int(sampling.pick(logits, sampling.Sampling(1.0, top_p=1.0), n)) for n in noise(1, 20)}
    assert sampled == {0}


def test_samples_are_as_frequent_as_they_are_likely():
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    sampled = [int(sampling.pick(logits, sampling.Sampling(1.0, top_p=1.0), n)) for n in noise(3, 4000)]
    shares = [sampled.count(k) / len(sampled) for k in range(3)]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    likeliest = talker.TalkerSampling(top_p=1.0, at_least=3)
    sampled = [int(talker.pick(logits, likeliest, n)) for n in noise(3, 4000)]
    assert [sampled.count(k) / len(sampled) for k in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_the_talkers_sampling_is_that_of_transformers_warpers():
    from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

    rng = torch.Generator().manual_seed(1)
    for spread in (0.1, 1.0, 3.0, 9.0):
        logits = torch.randn(200, generator=rng) * spread
        kept = TopPLogitsWarper(0.85, min_tokens_to_keep=3)(None, logits[None])
        kept = TopKLogitsWarper(25, min_tokens_to_keep=3)(None, kept)
        ranked = logits.argsort(descending=True)[:25]
        possible = set()
        for place in range(25):  # noise that would sample this rank if it may be sampled at all
            wanted = torch.full((25,), 1e30)
            wanted[place] = 1e-30
            possible.add(int(talker.pick(logits, talker.TalkerSampling(), wanted)))
        allowed = set(torch.isfinite(kept[0]).nonzero().flatten().tolist())
        assert possible == allowed and allowed <= set(ranked.tolist())
    logits = torch.tensor([2.0, -2.0, 2.0])
    said = torch.tensor([0, 0, 1, 2, 2])
    assert talker.penalise(logits, said, torch.tensor([3]), 2.0).tolist() == [0.5, -4.0, 2.0]
    said = torch.cat([torch.tensor([2]), torch.zeros(16, dtype=torch.long)])
    assert talker.penalise(logits, said, torch.tensor([17]), 2.0).tolist() == [2.0 / 2**16, -2.0, 2.0]


def test_a_talker_with_another_kind_of_attention_is_refused(loaded):
    class Other:
        attention_type = "sliding_recompute"

    with pytest.raises(CommentatorError, match="speech=false"):
        talker.Talker(Other(), PlainSequence(loaded.engine.loaded.model.tts.model))


@pytest.mark.parametrize(
    ("spans", "position", "reached"),
    [
        ([], 10, 0),
        ([(10, 5)], 0, 0),
        ([(10, 5)], 40, 5),  # still growing: taken for 80
        ([(10, 100), (4, 0)], 50, 5),
        ([(10, 100), (4, 0)], 100, 10),
        ([(10, 100), (4, 40)], 120, 12),
        ([(10, 0), (4, 40)], 20, 12),  # a chunk that was not said at all
        ([(10, 100)], -3, 0),
    ],
)
def test_words_are_reached_as_their_sound_is(spans, position, reached):
    assert count_said_tokens(spans, position) == max(0, reached)
