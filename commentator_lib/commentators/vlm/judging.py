"""One forward pass of an image-text model that writes nothing: what it makes of a request, or of a comment on it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.plain_text import without_marks
from commentator_lib.commentators.probabilities import first_token_number, perplexity
from commentator_lib.commentators.vlm.loading import Loaded

if TYPE_CHECKING:
    from torch import Tensor

RULES = frozenset({"first-token", "perplexity", "yes-no"})


def measure(loaded: Loaded, request: CommentRequest, rule: str, last_comment: str) -> float | None:
    """Return the rule's number in one pass over the prompt, and over the comment after it for perplexity.

    None for another rule, and for perplexity without a comment.
    """
    tokenizer, inputs = loaded.processor.tokenizer, loaded.inputs(request)
    if rule != "perplexity":
        return first_token_number(rule, last_logits(loaded.model, inputs, 1)[-1], tokenizer)
    words = without_marks(last_comment, tokenizer)
    ids = tokenizer.encode(words, add_special_tokens=False, return_tensors="pt")  # (1, m)
    if ids.shape[1] == 0:
        return None
    ids = ids.to(inputs["input_ids"].device).long()
    # The token before each of the comment's gives its probability; the last one's own logits say what would follow.
    logits = last_logits(loaded.model, continued(inputs, ids), ids.shape[1] + 1)[:-1]  # (m, V)
    return perplexity(logits, ids[0])


def continued(inputs: dict[str, Any], ids: Tensor) -> dict[str, Any]:
    """Return a prompt's inputs with the tokens `ids` (1, m) after it.

    What has a value for each of the prompt's n tokens, (1, n), gets m more: 1 in the mask, 0 (text) elsewhere.
    """
    import torch

    shape = inputs["input_ids"].shape
    longer = dict(inputs)
    for name, value in inputs.items():
        if getattr(value, "shape", None) == shape:
            more = torch.ones_like(ids) if name == "attention_mask" else torch.zeros_like(ids)
            more = ids if name == "input_ids" else more
            longer[name] = torch.cat([value, more.to(value.dtype)], dim=1)
    return longer


def last_logits(model: Any, inputs: dict[str, Any], count: int) -> Tensor:
    """Return the logits (count, V) after each of the last `count` tokens."""
    import torch

    options: dict[str, Any] = {"use_cache": False}
    if "logits_to_keep" in inspect.signature(model.forward).parameters:  # else all of them are computed
        options["logits_to_keep"] = count
    with torch.inference_mode():
        return model(**inputs, **options).logits[0, -count:]
