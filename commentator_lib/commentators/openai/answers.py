"""Turn the events of a streamed chat into pieces of a comment: words, thoughts, token counts, times."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from commentator_lib.commentators.base import CommentChunk
from commentator_lib.commentators.openai.refusals import PASSING, OpenAIServerError, server_message


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a streamed chat. `reasoning`: it holds thoughts, which are not to be said."""

    content: str = ""
    reasoning: bool = False
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def parse_event(data: str) -> Event:
    """Return an event's content. Raise OpenAIServerError for bad JSON, JSON of no chat, and an error of the server."""
    try:
        event = json.loads(data)
    except ValueError:
        raise OpenAIServerError(f"the server sent bad JSON in its stream: {data}") from None
    try:
        if error := event.get("error"):
            code = error.get("code") if isinstance(error, dict) else None
            said = server_message(data.encode("utf-8", "replace"))
            raise OpenAIServerError(f"the server failed in mid-answer: {said}", code in PASSING)
        choice = (event.get("choices") or [{}])[0]
        delta = choice.get("delta") or {}
        usage = event.get("usage") or {}
        return Event(
            _text(delta.get("content")),
            bool(delta.get("reasoning_content") or delta.get("reasoning")),
            _text(choice.get("finish_reason")),
            _count(usage.get("prompt_tokens")),
            _count(usage.get("completion_tokens")),
        )
    except (AttributeError, TypeError, KeyError):
        raise OpenAIServerError(f"the server sent JSON that is no chat's: {data}") from None


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise TypeError("no text")


def _count(value: Any) -> int | None:
    """Return a token count, None for a value that is no count: a wrong count must not cost a comment."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


class ThoughtFilter:
    """Removes a <think>…</think> at the start of a text, which reasoning models send, however the text is cut."""

    def __init__(self) -> None:
        self._held = ""
        self._past = False

    def push(self, text: str) -> str:
        """Return the text that may be said now and was not returned before."""
        if self._past:
            return text
        self._held += text
        stripped = self._held.lstrip()
        if "<think>".startswith(stripped[:7]) and len(stripped) < 7:
            return ""
        if stripped.startswith("<think>"):
            _, closed, after = stripped.partition("</think>")
            if not closed:
                return ""
            self._held = after.lstrip()
            if not self._held:
                return ""
        self._past = True
        return self._held

    def rest(self) -> str:
        """Return the text that was held back as the possible start of a thought."""
        return "" if self._past or self._held.lstrip().startswith("<think>") else self._held


@dataclass(slots=True)
class Answer:
    """What one try has received so far."""

    thought: ThoughtFilter = field(default_factory=ThoughtFilter)
    counted: int = 0  # tokens counted in chunks so far, one a delta
    words: bool = False
    ended: bool = False
    finish_reason: str = ""
    usage_refused: bool = False
    sound_refused: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prefill_s: float | None = None
    decode_s: float = 0.0

    def take(self, event: Event, asked_s: float) -> CommentChunk:
        """Take in an event and return its chunk; `asked_s` is when the request was sent."""
        self.finish_reason = event.finish_reason or self.finish_reason
        if event.prompt_tokens is not None:
            self.prompt_tokens = event.prompt_tokens
        if event.completion_tokens is not None:
            self.completion_tokens = event.completion_tokens
        if not (event.content or event.reasoning):
            return CommentChunk("")
        if self.prefill_s is None:
            self.prefill_s = time.perf_counter() - asked_s
        self.counted += 1
        text = self.thought.push(event.content)
        self.words = self.words or bool(text)
        return CommentChunk(text, None, 1)

    def end(self, asked_s: float) -> None:
        """Record the times once the stream has ended; `asked_s` is when the request was sent."""
        whole_s = time.perf_counter() - asked_s
        if self.prefill_s is None:
            self.prefill_s = whole_s
        self.decode_s = whole_s - self.prefill_s
