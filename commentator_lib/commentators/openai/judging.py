"""What a model on a server makes of a request, from the logarithms of probabilities that a chat completion may carry.

One token is asked for, with the likeliest tokens in its place (`top_logprobs`, 20 at most by the API). So a probability
counts only what is among them. A model that thinks before it answers begins with its thoughts, and cannot be judged
by its first token. Perplexity would need the probabilities of given words, which the API does not have.
"""

from __future__ import annotations

import json
import math
from typing import Any

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.openai.messages import NO_THINKING, build_messages
from commentator_lib.commentators.openai.refusals import OpenAIServerError
from commentator_lib.profiles import NOTHING_TO_SAY

RULES = frozenset({"first-token", "yes-no"})
_TOP = 20


class NoLogprobs(OpenAIServerError):
    """The server answered without probabilities."""


def judging_body(model: str, request: CommentRequest) -> dict[str, Any]:
    """Return the request's body: one token, and the likeliest ones in its place.

    The temperature is 1, since some servers give the probabilities from which they sample.
    """
    return {
        "model": model,
        "messages": build_messages(request),
        "max_tokens": 1,
        "temperature": 1.0,
        "logprobs": True,
        "top_logprobs": _TOP,
        **NO_THINKING,
    }


def first_token_chances(content: bytes) -> dict[str, float]:
    """Return the probabilities of the likeliest first tokens, by their text without spaces around it.

    Raise NoLogprobs where the answer, a chat completion, has none; OpenAIServerError where it is something else.
    """
    try:
        choice = json.loads(content)["choices"][0]
    except (ValueError, LookupError, TypeError):
        raise OpenAIServerError("the server sent JSON that is no chat's, or no JSON") from None
    chances: dict[str, float] = {}
    try:
        for entry in choice["logprobs"]["content"][0]["top_logprobs"]:
            text = str(entry["token"]).strip()
            chances[text] = chances.get(text, 0.0) + math.exp(min(0.0, float(entry["logprob"])))
    except (LookupError, TypeError, ValueError):
        chances = {}
    if not chances:
        raise NoLogprobs(
            "the server gives no probabilities (logprobs) of its tokens: set speak_when to change, interval or events"
        )
    return chances


def number_of(rule: str, chances: dict[str, float]) -> float | None:
    """Return the rule's number, a probability; None for a rule that is not answered.

    Raise OpenAIServerError where neither yes nor no is among the likeliest first tokens.
    """
    if rule == "first-token":
        # a tokenizer may part "..." into dots
        return min(1.0, sum(chances.get(text, 0.0) for text in (NOTHING_TO_SAY, "…", "..", ".")))
    if rule != "yes-no":
        return None
    yes, no = (sum(p for text, p in chances.items() if text.lower() == word) for word in ("yes", "no"))
    if yes + no <= 0:
        raise OpenAIServerError(
            "the model's answer begins with neither yes nor no: set speak_when to first-token"
        )
    return yes / (yes + no)
