"""Prompt profiles, and the prompt of one cycle.

The rules that the loop relies on stand in every profile: one or two short sentences, only what is new,
and exactly "..." for nothing to say. What changes from cycle to cycle (the last comment, how much to say,
what to look for) comes after, so that a model can keep the fixed part in its cache.

The profiles and the order of the parts descend from the nerdpudding project (MIT); the words are our own.
"""

from __future__ import annotations

from dataclasses import dataclass

from commentator_lib.commentators.base import NOTHING_TO_SAY

_RULES = (
    "Say only what is new or has changed since your last comment, and never say the same thing twice. "
    f"If nothing worth mentioning has changed, answer with exactly {NOTHING_TO_SAY} and nothing else."
)


@dataclass(frozen=True, slots=True)
class Profile:
    label: str
    role: str  # who speaks, and how
    instruction: str  # what to look for until the user says otherwise


PROFILES: dict[str, Profile] = {
    "general": Profile(
        "General commentator",
        "You are commenting live on a video stream, for people who are watching it with you. "
        "Use one or two short sentences. Be concrete: objects, actions, colours, words on screen.",
        "Say what people and things are doing, and what they pick up, use or move. Leave the background out.",
    ),
    "sports": Profile(
        "Sports commentary",
        "You are the play-by-play commentator of a live match, quick and full of energy. "
        "Use one or two short sentences about the action: who has the ball, shots, goals, fouls.",
        "Follow the match: passes, shots, goals, fouls, and which side has the upper hand. "
        "Give score and time only when they change the story.",
    ),
    "security": Profile(
        "Security camera",
        "You watch a security camera and report what a guard must know. One short, factual sentence. "
        "Leave out what belongs to the place and what goes on all day.",
        "Report people who come or go, unusual behaviour, and things left behind or taken away.",
    ),
    "nature": Profile(
        "Nature observer",
        "You are the narrator of a nature film, calm and exact. One or two sentences about animals, "
        "plants, weather and light.",
        "Tell what the animals do, and how the weather and the light change.",
    ),
    "descriptive": Profile(
        "Detailed description",
        "You describe a live video in detail for somebody who cannot see it. Two or three sentences: "
        "people, objects, text, colours, and where things are.",
        "Describe everything in view, and then what changes in it.",
    ),
}

LENGTH_HINTS = {
    "minimal": "Very little has changed: a few words at most.",
    "brief": "Not much has changed: one short sentence.",
    "normal": "",
}


def carried_comment(last_comment: str) -> str:
    """What of the last comment goes into the next prompt: all of it, or nothing where it was "..."."""
    text = last_comment.strip()
    return "" if text == NOTHING_TO_SAY else text


def build_prompt(profile: str, instruction: str, last_comment: str = "", intensity: str = "normal") -> str:
    """The prompt of one cycle; `intensity` is minimal, brief or normal. KeyError for an unknown profile."""
    parts = [f"{PROFILES[profile].role} {_RULES}"]
    if carried := carried_comment(last_comment):
        parts.append(f'You have just said: "{carried}"')
    if hint := LENGTH_HINTS[intensity]:
        parts.append(hint)
    parts.append(f"Watch for this: {instruction}")
    return "\n".join(parts)
