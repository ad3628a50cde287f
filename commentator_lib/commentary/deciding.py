"""When it is worth to ask the commentator: pure decisions, each a policy that can be measured against the others.

change: enough has changed since the last comment. interval: at every slot. events: only where a watcher noticed
something. What a user asks, and an event, are always worth a comment.

Three more ask the model itself, in one forward pass that writes nothing (judging.py; its number is `Judgement`):

- first-token: a comment that says nothing is "..."; it is not asked for where that is likely to be its first token.
- perplexity: the last comment is tried on the new frames. Where they surprise the model no more than those on which it
  was said, it still holds, and nothing is said. The rule and its factor of 1.03 are LiveStar's (arXiv 2511.05299),
  which needs no training for it.
- yes-no: the model is asked whether there is something new to say, and yes is weighed against no.

They decide whether a comment starts, never when one stops: in MiniCPM-o the probability of the token for listening is
about 2e-5 while it speaks, even when it is talked over (vllm-omni#5644).
"""

from __future__ import annotations

import math
from typing import Literal

from commentator_lib.commentary.prompts import build_prompt, carried_comment

ModelRule = Literal["first-token", "perplexity", "yes-no"]
SpeakWhen = Literal["change", "interval", "events", "first-token", "perplexity", "yes-no"]
MODEL_RULES: tuple[ModelRule, ...] = ("first-token", "perplexity", "yes-no")

# From this importance on, an event is worth a comment of its own.
WORTH_A_COMMENT = 1
QUESTION = "Is there something new to say about the newest picture? Answer yes or no."


def worth_a_cycle(
    trigger: str, change: float, threshold: float, speak_when: SpeakWhen = "change", importance: int = -1
) -> bool:
    """Return whether the commentator is asked.

    `trigger` is what started the cycle; one that a slot started needs a reason: `change` of at least `threshold` since
    the last inference, or an event that waits (`importance`, -1 for none). All others need none. Under MODEL_RULES
    a slot has no reason of its own: `worth_saying` decides there.
    """
    if trigger != "slot" or speak_when == "interval" or importance >= WORTH_A_COMMENT:
        return True
    return speak_when == "change" and change >= threshold


def worth_saying(rule: ModelRule, value: float, threshold: float = 0.5, factor: float = 1.03) -> bool:
    """Return whether the model's number is a reason to ask for a comment.

    `value` for first-token: the probability (0 to 1) of "..." as the first token; for yes-no: of yes against no; both
    are compared with `threshold`. For perplexity: the last comment's perplexity now ÷ when it was said, with `factor`.
    """
    if rule == "first-token":
        return value < threshold
    if rule == "yes-no":
        return value >= threshold
    return value > factor


def checked(rule: ModelRule, value: float) -> float:
    """Return a model's number as it was given. Raise ValueError for one that the rule cannot have, such as NaN."""
    good = value > 0 if rule == "perplexity" else 0 <= value <= 1
    if not (good and math.isfinite(value)):
        wanted = "a perplexity above 0" if rule == "perplexity" else "a probability from 0 to 1"
        raise ValueError(f"the commentator's number for {rule} is {value:g}, and not {wanted}")
    return value


def judged_prompt(
    rule: ModelRule,
    profile: str,
    instruction: str,
    last_comment: str,
    intensity: str,
    facts: str,
    language: str = "",
) -> str:
    """Return the prompt of a rule's forward pass; the arguments are those of `build_prompt`.

    For first-token it is a comment's own. For perplexity it leaves out the last comment, which the model would repeat
    from it whatever the frames show, and all that differs from cycle to cycle. For yes-no it ends with a question.
    """
    if rule == "first-token":
        return build_prompt(profile, instruction, last_comment, intensity, facts, language=language)
    if rule == "perplexity":
        return build_prompt(profile, instruction, language=language)
    carried = carried_comment(last_comment)
    parts = [f'You have just said: "{carried}"'] if carried else []
    return "\n".join([*parts, *filter(None, [facts]), f"Watch for this: {instruction}", QUESTION])
