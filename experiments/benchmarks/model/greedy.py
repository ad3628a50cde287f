"""Whether our loop gives the same tokens as the model's own loops, with greedy decoding."""

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
    """Return how many greedy tokens agree with the model's own, and how far apart the logits are.

    With random weights in half precision the two likeliest tokens often have exactly equal logits, and a GPU's argmax
    then gives either: the model's own loop differs from itself. So the logits are compared first, over the same
    tokens; then greedy tokens in float32, where there are no ties (BF16 only: AWQ's kernels compute in float16).
    """
    import torch

    from commentator_lib.commentators.minicpmo.graphs import GraphPool
    from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence

    # 1) compare the logits, and two runs of the model's own loop
    out: dict[str, Any] = {"logits": _compare_logits(bench, min(new_tokens, 40))}
    with torch.inference_mode():
        embeds = bench.embed(0, speech=False)
        once, again = (
            generate(bench, embeds, new_tokens, greedy=True).sequences[0].tolist() for _ in range(2)
        )
    out["own_twice"] = agreement(once, again)
    # 2) convert to float32, after freeing the memory of the parts that are no longer needed
    stops, suppressed = bench.engine.stops, bench.engine.suppressed
    if bench.dtype == "bf16" or bench.options.device == "cpu":
        engine: Any = bench.engine  # not used for comments from here on
        engine.writer = engine.plain_writer = engine.speaker = engine.vision = None
        engine.loaded.vocoder = None
        torch.cuda.empty_cache()
        bench.model.float()
        torch.cuda.empty_cache()
        out["weights"] = "float32"
    # 3) compare the tokens
    model, pool = bench.model.llm.model, GraphPool() if bench.options.device == "cuda" else None
    out["plain"] = _compare_tokens(bench, PlainSequence(model), None, new_tokens, stops, suppressed)
    if not bench.options.plain:
        layered = LayeredSequence(model, 1024, pool)
        out["written out"] = _compare_tokens(bench, layered, pool, new_tokens, stops, suppressed)
    return out


def _compare_logits(bench: LoadedModel, steps: int) -> dict[str, Any]:
    """Return the largest difference between our logits and `generate`'s over its tokens, and their std (`spread`)."""
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
    """Return on how many tokens ours agrees with `generate`, and on how many characters with `streaming_generate`."""
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
    """Return our characters and those of `streaming_generate`, which gives text and no tokens.

    Our loop gets the prompt in the same two parts as that loop.
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
    """Return the number of equal items before the first difference, and the length of the shorter list."""
    count = min(len(ours), len(theirs))
    same = next((k for k in range(count) if ours[k] != theirs[k]), count)
    return {"equal": same, "of": count}
