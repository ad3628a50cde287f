"""Turn the events of a streamed chat into pieces of a comment: words, token counts, times, and why it says nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from commentator_lib.commentators.base import CommentChunk
from commentator_lib.commentators.openai.refusals import PASSING, OpenAIServerError, server_message
from commentator_lib.commentators.openai.speech import AUDIO_EVENTS, Sound, SpokenAnswer, sound_in
from commentator_lib.commentators.thoughts import ThoughtFilter

_THOUGHT_PARTS = {"thinking", "reasoning", "reasoning_content", "thought"}


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a streamed chat. `reasoning`: it holds thoughts, which are not to be said.

    `refusal`: why the model will not answer, in its words. `tool`: it calls a tool; the name of that, else "a tool".
    """

    content: str = ""
    reasoning: bool = False
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    refusal: str = ""
    tool: str = ""
    sound: Sound | None = None

    @property
    def is_news(self) -> bool:
        """Whether the model has said, thought or done anything with it."""
        said = self.content or self.reasoning or self.refusal or self.tool or self.finish_reason
        return bool(said) or self.sound is not None


def parse_event(data: str) -> Event:
    """Return an event's content. Raise OpenAIServerError for bad JSON, JSON of no chat, and an error of the server.

    A whole answer, which a server that does not stream sends, is taken as one event.
    """
    try:
        event = json.loads(data)
    except ValueError:
        raise OpenAIServerError(f"the server sent bad JSON in its stream: {data}") from None
    try:
        if error := event.get("error") or (event.get("object") == "error" and event):
            code = error.get("code") if isinstance(error, dict) else None
            said = server_message(data.encode("utf-8", "replace"))
            raise OpenAIServerError(f"the server failed in mid-answer: {said}", code in PASSING)
        choice = (event.get("choices") or [{}])[0]
        delta = choice.get("delta") or choice.get("message") or {}
        usage = event.get("usage") or {}
        sound = sound_in(event)
        of_sound = event.get("modality") == AUDIO_EVENTS  # then its content is no words
        content, thinks, refusal = _content(None if of_sound else delta.get("content"))
        return Event(
            content,
            thinks or any(bool(delta.get(name)) for name in ("reasoning_content", "reasoning", "thinking")),
            _text(choice.get("finish_reason")),
            _count(usage.get("prompt_tokens")),
            _count(usage.get("completion_tokens")),
            _text(delta.get("refusal")) or refusal,
            _tool(delta),
            sound,
        )
    except (AttributeError, TypeError, KeyError):
        raise OpenAIServerError(f"the server sent JSON that is no chat's: {data}") from None


def is_whole_answer(content: bytes) -> bool:
    """Return whether a body is a chat's whole answer, as it comes without streaming."""
    try:
        return "message" in json.loads(content)["choices"][0]
    except (ValueError, LookupError, TypeError):
        return False


def _content(value: Any) -> tuple[str, bool, str]:
    """Return (the words, whether there are thoughts, a refusal) of a content: a text, a part, or a list of parts."""
    if not isinstance(value, dict | list):
        return _text(value), False, ""
    words, thinks, refusals = "", False, ""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, str):
            words += part
            continue
        kind = part.get("type") or "text"
        if kind in _THOUGHT_PARTS:
            thinks = True
        elif kind == "refusal":
            refusals += _text(part.get("refusal"))
        elif kind in ("text", "output_text"):
            text = part.get("text")
            words += _text(text.get("value") if isinstance(text, dict) else text)
    return words, thinks, refusals


def _tool(delta: dict[str, Any]) -> str:
    """Return the name of the tool that an event calls, "a tool" for one without a name, "" for none."""
    calls = [
        *(delta.get("tool_calls") or []),
        *([{"function": call}] if (call := delta.get("function_call")) else []),
    ]
    return _text((calls[0].get("function") or {}).get("name")) or "a tool" if calls else ""


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise TypeError("no text")


def _count(value: Any) -> int | None:
    """Return a token count, None for a value that is no count: a wrong count must not cost a comment."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


@dataclass(slots=True)
class Answer:
    """What one try has received so far. `spoken`: its words with its sound, where sound was asked for."""

    thought: ThoughtFilter = field(default_factory=ThoughtFilter)
    spoken: SpokenAnswer | None = None
    transcribed: bool | None = None  # its words are the transcript of its sound; None before the first
    counted: int = 0  # tokens counted in chunks so far, one a delta
    words: bool = False
    reasoning: bool = False  # the server keeps thoughts apart from words
    ended: bool = False
    finish_reason: str = ""
    refusal: str = ""
    tool: str = ""
    quiet_s: float = 0.0  # since the last news
    refused_parameter: str = ""  # for which the server has refused the request
    sound_refused: bool = False
    speech_refused: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prefill_s: float | None = None
    decode_s: float = 0.0

    def take(self, event: Event, asked_s: float) -> CommentChunk:
        """Take in an event and return its chunk; `asked_s` is when the request was sent."""
        self.finish_reason = event.finish_reason or self.finish_reason
        self.refusal += event.refusal
        self.tool = self.tool or event.tool
        self.reasoning = self.reasoning or event.reasoning
        if event.prompt_tokens is not None:
            self.prompt_tokens = event.prompt_tokens
        if event.completion_tokens is not None:
            self.completion_tokens = event.completion_tokens
        content = self._words_of(event)
        if not (content or event.reasoning):
            return CommentChunk("")
        if self.prefill_s is None:
            self.prefill_s = time.perf_counter() - asked_s
        self.counted += 1
        text = self.thought.push(content)
        self.words = self.words or bool(text)
        return CommentChunk(text, None, 1)

    def _words_of(self, event: Event) -> str:
        """Return an event's words: its content, or the transcript of its sound where there is no other."""
        transcript = event.sound.transcript if event.sound is not None else ""
        if self.transcribed is None and (event.content or transcript):
            self.transcribed = not event.content
        return transcript if self.transcribed else event.content

    def chunks(self, event: Event, asked_s: float) -> Iterable[CommentChunk]:
        """Take in an event and return what may be shown and heard now; `asked_s` is when the request was sent."""
        chunk = self.take(event, asked_s)
        return [chunk] if self.spoken is None else self.spoken.push(chunk, event.sound)

    def rest(self) -> Iterable[CommentChunk]:
        """Return what was held back, once the stream has ended."""
        rest = self.thought.rest()
        self.words = self.words or bool(rest)
        chunk = CommentChunk(rest)
        return [chunk] if self.spoken is None else self.spoken.end(chunk)

    def waiting(self) -> Iterable[CommentChunk]:
        """Return the words that waited for their sound, where no more will come."""
        return [] if self.spoken is None else self.spoken.end(CommentChunk(""))

    def end(self, asked_s: float) -> None:
        """Record the times once the stream has ended; `asked_s` is when the request was sent."""
        whole_s = time.perf_counter() - asked_s
        if self.prefill_s is None:
            self.prefill_s = whole_s
        self.decode_s = whole_s - self.prefill_s

    def reason(self, most_tokens: int) -> str:
        """Return why it has no words, or not all of them; "" where it ended well. `most_tokens`: what was allowed."""
        if self.refusal.strip():
            return f"the model refuses: {self.refusal.strip()}"
        if self.finish_reason == "content_filter":
            return "the server's content filter " + ("broke it off" if self.words else "let nothing through")
        if self.tool or self.thought.called or self.finish_reason in ("tool_calls", "function_call"):
            if not self.words:
                return f"the model called {self.tool or 'a tool'} instead of speaking"
        elif self.finish_reason == "length":
            return f"cut off at its {most_tokens} tokens"
        elif not self.words:
            thought = self.reasoning or self.thought.thought
            return "the model thought and said nothing" if thought else "the server sent no words"
        return ""
