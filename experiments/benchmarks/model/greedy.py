"""Whether our loop says what the model's own loops say, taken greedily."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from experiments.benchmarks.model.loaded_model import LoadedModel
from experiments.benchmarks.model.own_loop import generate, own_messages

if TYPE_CHECKING:
    from torch import Tensor

    from commentator_lib.commentators.minicpmo.graphs import GraphPool
    from commentator_lib.commentators.minicpmo.sequence import CachedSequence

    # (parts of the prompt, suppressed ids, stop ids) -> token ids
    _Ours = Callable[[list[Tensor], list[int], list[int]], list[int]]


def measure_greedy_equality(bench: LoadedModel, new_tokens: int) -> dict[str, Any]:
    """Return how many greedy tokens agree with the model's own, and how far the logits are apart.

    With random weights in half precision the two likeliest tokens are often exactly equal, and a GPU's argmax then
    gives either: the model's own loop differs from itself. So first the logits are compared, while both say the same;
    then greedy tokens in float32, where there are no ties (BF16 only: AWQ's kernels compute in float16).
    """
    import torch

    from commentator_lib.commentators.minicpmo.graphs import GraphPool
    from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence

    # 1) logits, and the model's own loop beside itself
    out: dict[str, Any] = {"logits": _compare_logits(bench, min(new_tokens, 40))}
    with torch.inference_mode():
        embeds = bench.embed(0, speech=False)
        once, again = (
            generate(bench, embeds, new_tokens, greedy=True).sequences[0].tolist() for _ in range(2)
        )
    out["own_twice"] = agreement(once, again)
    # 2) float32, once what is no longer needed has given up its memory
    stops, suppressed = bench.engine.stops, bench.engine.suppressed
    if bench.dtype == "bf16" or bench.options.device == "cpu":
        engine: Any = bench.engine  # it comments no more
        engine.writer = engine.plain_writer = engine.speaker = engine.vision = None
        engine.loaded.vocoder = None
        torch.cuda.empty_cache()
        bench.model.float()
        torch.cuda.empty_cache()
        out["weights"] = "float32"
    # 3) tokens
    model, pool = bench.model.llm.model, GraphPool() if bench.options.device == "cuda" else None
    out["plain"] = _compare_tokens(bench, PlainSequence(model), None, new_tokens, stops, suppressed)
    if not bench.options.plain:
        layered = LayeredSequence(model, 1024, pool)
        out["written out"] = _compare_tokens(bench, layered, pool, new_tokens, stops, suppressed)
    return out


def _compare_logits(bench: LoadedModel, steps: int) -> dict[str, Any]:
    """Return the largest differences of our logits from `generate`'s, over its own tokens, and the logits' spread."""
    import torch

    from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence

    llm = bench.model.llm
    with torch.inference_mode():
        embeds = bench.embed(0, speech=False)  # (1, n, H)
        theirs = generate(bench, embeds, steps, greedy=True, output_logits=True)
        out: dict[str, Any] = {"spread": round(float(theirs.logits[1].float().std()), 4), "steps": steps}
        sequences: dict[str, CachedSequence] = {"plain": PlainSequence(llm.model)}
        if not bench.options.plain:
            sequences["written out"] = LayeredSequence(llm.model, 1024)
        for name, sequence in sequences.items():
            apart = []
            sequence.take(embeds)
            for token, wanted in zip(theirs.sequences[0][:-1], theirs.logits[1:], strict=True):
                hidden = sequence.take(llm.model.embed_tokens(token[None, None]))  # (1, 1, H)
                logits = llm.lm_head(hidden)[0, 0]  # (V,)
                apart.append(float((logits.float() - wanted[0].float()).abs().max()))
            out[name] = max(apart)
    return out


def _compare_tokens(
    bench: LoadedModel,
    sequence: CachedSequence,
    pool: GraphPool | None,
    new_tokens: int,
    stops: list[int],
    suppressed: list[int],
) -> dict[str, Any]:
    """Return how many tokens of `generate`, and characters of `streaming_generate`, ours agree with."""
    import torch

    from commentator_lib.commentators.minicpmo.decode import Writer
    from commentator_lib.commentators.minicpmo.sampling import Sampling

    writer = Writer(
        bench.model.llm, sequence, Sampling(temperature=0), max_tokens=new_tokens, graph_pool=pool
    )

    def ours(parts: list[Tensor], suppressed: list[int], stops: list[int]) -> list[int]:
        tokens = writer.generate(parts, max_new_tokens=new_tokens, stops=stops, suppressed=suppressed)
        return [token for token, _hidden in tokens if token is not None]

    embeds = bench.embed(0, speech=False)
    with torch.inference_mode():
        theirs = generate(bench, embeds, new_tokens, greedy=True).sequences[0].tolist()
    return {
        "generate": agreement(ours([embeds], [], stops), theirs),
        "streaming_generate_characters": agreement(*_stream_greedily(bench, ours, new_tokens, suppressed)),
    }


def _stream_greedily(
    bench: LoadedModel, ours: _Ours, new_tokens: int, suppressed: list[int]
) -> tuple[list[str], list[str]]:
    """Return our characters and those of `streaming_generate`, which gives text only.

    The prompt is taken in in the two parts in which that loop takes it in.
    """
    import torch

    from commentator_lib.commentators.minicpmo.decode import token_ids

    tokenizer = bench.engine.loaded.processor.tokenizer
    taken: list[Tensor] = []
    session = f"greedy {time.perf_counter()}"
    hook = bench.model.llm.register_forward_pre_hook(
        lambda _module, _args, options: taken.append(options["inputs_embeds"]), with_kwargs=True
    )
    try:
        bench.model.streaming_prefill(
            session_id=session,
            msgs=own_messages(bench, 0),
            max_slice_nums=1,
            use_tts_template=True,
            is_last_chunk=True,
        )
        with torch.inference_mode():
            stream = bench.model.streaming_generate(
                session_id=session, generate_audio=False, max_new_tokens=new_tokens, do_sample=False
            )
            pieces = [text for text, _last in stream]
    finally:
        hook.remove()
    stops = token_ids(tokenizer, ("<|tts_eos|>", "<|im_end|>", "</s>"))
    tokens = ours(taken[:2], suppressed, stops)
    return list(tokenizer.decode(tokens)), list("".join(pieces))


def agreement(ours: list, theirs: list) -> dict[str, int]:
    """Return how many are equal before the first that differs, and of how many."""
    count = min(len(ours), len(theirs))
    same = next((k for k in range(count) if ours[k] != theirs[k]), count)
    return {"equal": same, "of": count}
