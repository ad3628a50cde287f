"""Prompt profiles, and the prompt of one cycle.

Every prompt holds the rules that the loop relies on: one or two short sentences, only what is new, and exactly
"..." for nothing to say. What changes from cycle to cycle (the last comment, how much to say,
what to look for) comes after, so that a model can keep the fixed part in its cache.

The profiles and the order of the parts follow the nerdpudding project (MIT); the words are our own.
"""

from __future__ import annotations

from commentator_lib.commentators.base import NOTHING_TO_SAY
from commentator_lib.profiles import PROFILES, RULES

LENGTH_HINTS = {
    "minimal": "Very little has changed: a few words at most.",
    "brief": "Not much has changed: one short sentence.",
    "normal": "",
}


def carried_comment(last_comment: str) -> str:
    """Return the part of the last comment that goes into the next prompt: all of it, or "" where it was "..."."""
    text = last_comment.strip()
    return "" if text == NOTHING_TO_SAY else text


def build_prompt(profile: str, instruction: str, last_comment: str = "", intensity: str = "normal") -> str:
    """Return the prompt of one cycle; `intensity` is minimal, brief or normal.

    Raise KeyError for an unknown profile.
    """
    parts = [f"{PROFILES[profile].role} {RULES}"]
    if carried := carried_comment(last_comment):
        parts.append(f'You have just said: "{carried}"')
    if hint := LENGTH_HINTS[intensity]:
        parts.append(hint)
    parts.append(f"Watch for this: {instruction}")
    return "\n".join(parts)
