"""One prefill of MiniCPM-o that writes nothing: what it makes of a request, or of a comment on it.

This decides whether a comment starts, and cannot decide when one stops: the probability of the model's token for
listening is about 2e-5 while it speaks, even when it is talked over (vllm-omni#5644).
"""

from __future__ import annotations

import torch

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.minicpmo.engine import Engine
from commentator_lib.commentators.minicpmo.prompt import embed_request
from commentator_lib.commentators.minicpmo.stage_clock import StageClock
from commentator_lib.commentators.plain_text import without_marks
from commentator_lib.commentators.probabilities import first_token_number, perplexity


@torch.inference_mode()
def measure(
    engine: Engine, request: CommentRequest, rule: str, last_comment: str, max_slice_nums: int
) -> float | None:
    """Return the rule's number in one prefill of the prompt, and of the comment after it for perplexity.

    First-token uses the form of the prompt in which the comment would be written: another one where it is spoken. None
    for another rule, and for perplexity without a comment.
    """
    # 1) The prompt, as for a comment.
    tokenizer, device = engine.loaded.processor.tokenizer, engine.loaded.device
    speech = request.speech and engine.speaker is not None and rule != "yes-no"
    prompt = embed_request(engine, request, speech, max_slice_nums, StageClock(device))
    words = without_marks(last_comment, tokenizer) if rule == "perplexity" else ""
    ids: list[int] = tokenizer.encode(words, add_special_tokens=False)
    if rule == "perplexity" and not ids:
        return None
    # 2) The logits after the prompt (1, V), and after each of the comment's tokens but the last (m, V).
    tokens = torch.tensor(ids, dtype=torch.long, device=device)  # (m,)
    embeds = prompt.embeds  # (1, n, H)
    if len(ids) > 1:
        words = engine.loaded.model.llm.model.embed_tokens(tokens[None, :-1])  # (1, m - 1, H)
        embeds = torch.cat([embeds, words.to(embeds.dtype)], dim=1)
    writer = engine.writer if embeds.shape[1] <= engine.room else engine.plain_writer
    logits = writer.last_logits(embeds, max(1, len(ids)))
    # 3) The number.
    return perplexity(logits, tokens) if ids else first_token_number(rule, logits[-1], tokenizer)
