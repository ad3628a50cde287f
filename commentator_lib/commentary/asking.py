"""What a commentator is asked: the frames, and a prompt made of the last comment, the facts and the instruction."""

from __future__ import annotations

from collections.abc import Sequence

from commentator_lib.commentary.deciding import ModelRule, judged_prompt
from commentator_lib.commentary.prompts import build_prompt, facts_in_words, role_and_rules
from commentator_lib.commentators.base import CommentRequest
from commentator_lib.events import Facts
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.settings import Settings


def comment_request(
    frames: Sequence[Frame],
    facts: Facts,
    settings: Settings,
    profile: str,
    instruction: str,
    last_text: str,
    length: str,
    sound: AudioChunk | None = None,
    question: str = "",
    number: int = 0,
    language: str = "",
) -> CommentRequest:
    """Return the request for a comment, or for the answer to `question`, in the language of a code.

    `length` is minimal, brief or normal; `sound` and `number`: as CommentRequest has them.
    """
    prompt = build_prompt(profile, instruction, last_text, length, facts_in_words(facts), question, language)
    standing = build_prompt(profile, instruction, language=language)
    limit = settings.max_new_tokens
    role = role_and_rules(profile, language)
    return CommentRequest(frames, prompt, limit, settings.speech, facts, sound, standing, number, role)


def judged_request(
    rule: ModelRule,
    frames: Sequence[Frame],
    facts: Facts,
    settings: Settings,
    profile: str,
    instruction: str,
    last_text: str,
    length: str,
    sound: AudioChunk | None = None,
    language: str = "",
) -> CommentRequest:
    """Return the request with which a model is asked for a rule of its own whether to speak."""
    prompt = judged_prompt(rule, profile, instruction, last_text, length, facts_in_words(facts), language)
    role = role_and_rules(profile, language)
    role = role if prompt.startswith(role) else ""  # a question about the frames has none
    return CommentRequest(frames, prompt, 1, settings.speech, facts, sound, role=role)
