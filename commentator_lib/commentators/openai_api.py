"""Any OpenAI-compatible server with eyes as a commentator: vLLM, Ollama, llama.cpp, a hosted one.

This is also the way beyond one machine: the model stands on a server, and this one captures, paces and speaks. httpx,
and not the openai package: what is needed is one request whose answer is read as it comes, cancelled between two words
and asked again by our own rules; the package brings retries and time-outs of its own that would hide both.

The key comes from the environment variable OPENAI_API_KEY alone and is in no setting, log or message. It has no voice:
the embedded one speaks sentence by sentence as the text arrives.
"""

from __future__ import annotations

import base64
import difflib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from commentator_lib.commentators.base import CommentatorError, CommentChunk, CommentRequest
from commentator_lib.config import Settings
from commentator_lib.media import Frame

KEY_VARIABLE = "OPENAI_API_KEY"
_LONGER_SIDE_PX = 768
_JPEG_QUALITY = 85
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 20.0
# What may be over in a moment: too many requests, and a server that starts, restarts or is overrun.
_PASSING = {429, 500, 502, 503, 504}
_WARM_UP_S = 10.0
_SLICE_S = 0.25


class OpenAIServerError(Exception):
    """A request that came to nothing; one line. `wait_s` is what the server asked to be left alone for."""

    def __init__(self, message: str, passing: bool = False, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.passing, self.wait_s = passing, wait_s


class OpenAICommentator:
    """The model `model_path` on the server `api_base_url`. CommentatorError for a URL that cannot be one.

    `sleep` waits between two tries, in seconds.
    """

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        try:
            import httpx
        except ImportError:
            raise CommentatorError(
                "commentator=openai needs a package that is not here: pip install 'commentator-lib[openai]'"
            ) from None
        self._settings = settings
        self._sleep = sleep
        self._random = random.Random(settings.seed)
        base, self._login = split_login(settings.api_base_url)
        self._base = base.rstrip("/")
        self._model = settings.model_path
        self._counts_usage = True
        self._timeout = httpx.Timeout(settings.api_timeout_s)
        self._client: Any = None

    @property
    def name(self) -> str:
        return f"openai: {self._model or self._base}"

    def warm_up(self) -> None:
        """Ask for the server's models. CommentatorError where it does not answer, refuses, or lacks the model."""
        import httpx

        try:
            timeout_s = min(_WARM_UP_S, self._settings.api_timeout_s)
            answer = self._connected().get(f"{self._base}/models", timeout=timeout_s)
        except httpx.HTTPError as error:
            raise CommentatorError(
                f"nothing answers at {self._base} ({type(error).__name__}): start the server, or set api_base_url"
            ) from None
        if answer.status_code in (401, 403):
            raise CommentatorError(
                f"{self._base} wants a key, or another one: set {KEY_VARIABLE} in the environment"
            )
        self._model = choose_model(self._model, model_names(answer.status_code, answer.content), self._base)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self):
        import httpx

        if self._client is None:
            key = os.environ.get(KEY_VARIABLE, "")
            self._client = httpx.Client(
                timeout=self._timeout, auth=self._login,
                headers={"Authorization": f"Bearer {key}"} if key and not self._login else {},
            )  # fmt: skip
        return self._client

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """One comment as its words come. Asked again only while none has come; OpenAIServerError in the end."""
        started_s = time.perf_counter()
        body = build_body(self._model, request, self._settings.temperature)
        preprocess_s = time.perf_counter() - started_s
        tries = 0
        while True:
            stream = _Stream(self._counts_usage)
            try:
                yield from self._ask(body, stream)
                break
            except OpenAIServerError as error:
                if stream.refused_usage and self._counts_usage:
                    self._counts_usage = False
                    continue
                if stream.words or not error.passing or tries >= self._settings.api_retries:
                    raise
                wait_s = backoff_s(tries, error.wait_s, self._random.random())
                for _ in range(max(1, round(wait_s / _SLICE_S))):
                    self._sleep(min(wait_s, _SLICE_S))
                    yield CommentChunk("")  # the comment can be cancelled here
                tries += 1
        stages = {"preprocess": preprocess_s, "prefill": stream.first_s, "decode": stream.rest_s}
        yield CommentChunk("", None, stream.tokens_left(), prompt_tokens=stream.prompt_tokens, stage_s=stages)

    def _ask(self, body: dict[str, Any], stream: _Stream) -> Iterator[CommentChunk]:
        import httpx

        if self._counts_usage:
            body = {**body, "stream_options": {"include_usage": True}}
        asked_s = time.perf_counter()
        try:
            with self._connected().stream("POST", f"{self._base}/chat/completions", json=body) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _refusal(answer, stream)
                for line in answer.iter_lines():
                    if (text := stream.take(line)) is None:
                        break
                    if text:
                        if not stream.chunks:
                            stream.first_s = time.perf_counter() - asked_s
                        stream.chunks += 1
                        stream.words = True
                        yield CommentChunk(text, None, 1)
                else:
                    raise OpenAIServerError(f"{self._base} broke off in mid-answer", passing=True)
        except httpx.HTTPError as error:
            # the error's own text may hold the URL; its kind says enough
            raise OpenAIServerError(f"{self._base}: {_in_words(error)}", passing=True) from None
        if rest := stream.hidden_thought.rest():
            stream.chunks += 1
            yield CommentChunk(rest, None, 1)
        stream.rest_s = time.perf_counter() - asked_s - stream.first_s


def _in_words(error: Exception) -> str:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return "no answer in time (api_timeout_s)"
    if isinstance(error, httpx.ConnectError):
        return "the connection was refused"
    if isinstance(error, httpx.RemoteProtocolError):
        return "broke off in mid-answer"
    return type(error).__name__


def _refusal(answer, stream: _Stream) -> OpenAIServerError:
    status, said = answer.status_code, server_message(answer.content)
    stream.refused_usage = status == 400 and "stream_options" in said
    wait = answer.headers.get("retry-after", "")
    if status in (401, 403):
        said = f"set {KEY_VARIABLE} in the environment"
    return OpenAIServerError(
        f"the server answered {status}: {said}", status in _PASSING, float(wait) if wait.isdecimal() else None
    )


class _Stream:
    """What has come of one answer."""

    def __init__(self, counts_usage: bool) -> None:
        self.counts_usage = counts_usage
        self.hidden_thought = ThoughtFilter()
        self.chunks = 0
        self.words = False
        self.refused_usage = False
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None
        self.first_s = self.rest_s = 0.0

    def take(self, line: str) -> str | None:
        """Text of one line of the stream; "" where it has none, None at its end. OpenAIServerError for bad JSON."""
        data = sse_data(line)
        if data is None:
            return ""
        if data == "[DONE]":
            return None
        try:
            event = json.loads(data)
            if event.get("error"):
                raise OpenAIServerError(f"the server broke off: {str(event['error'])[:200]}", passing=True)
            if usage := event.get("usage"):
                self.prompt_tokens = usage.get("prompt_tokens")
                self.completion_tokens = usage.get("completion_tokens")
            choices = event.get("choices") or []
            content = (choices[0].get("delta") or {}).get("content") if choices else ""
        except (ValueError, AttributeError, TypeError, KeyError, IndexError):
            raise OpenAIServerError(
                f"the server sent no JSON of a chat: {data[:80]!r}", passing=True
            ) from None
        return self.hidden_thought.push(content or "")

    def tokens_left(self) -> int:
        """What the tokens that were counted, one a piece, fall short of the server's own count."""
        return max(0, (self.completion_tokens or 0) - self.chunks)


class ThoughtFilter:
    """Text without a <think>…</think> in front, as reasoning models send it, however it is cut."""

    def __init__(self) -> None:
        self._held = ""
        self._past = False

    def push(self, text: str) -> str:
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
        """What was held back for the start of a thought that was none."""
        return "" if self._past or self._held.lstrip().startswith("<think>") else self._held


def sse_data(line: str) -> str | None:
    """The data of one line of server-sent events; None for comments, blank lines and other fields."""
    return line[5:].strip() if line.startswith("data:") else None


def backoff_s(tries: int, asked_s: float | None, draw: float) -> float:
    """Seconds before the next try: what the server asked for, else doubling from 0.5, half of it drawn (0 to 1).

    20 s at most. The drawn half keeps many clients from coming back together.
    """
    if asked_s is not None:
        return min(asked_s, _LONGEST_WAIT_S)
    return min(_FIRST_WAIT_S * 2**tries, _LONGEST_WAIT_S) * (0.5 + 0.5 * draw)


def server_message(content: bytes) -> str:
    """What a server says of its refusal, in one line."""
    try:
        said = json.loads(content)
        said = said.get("error", said)
        said = said.get("message", said) if isinstance(said, dict) else said
    except (ValueError, AttributeError):
        said = content[:200].decode("utf-8", "replace")
    return " ".join(str(said).split())[:200]


def model_names(status: int, content: bytes) -> list[str]:
    """The names in a server's list of models; [] where it has no such list."""
    try:
        return [str(entry["id"]) for entry in json.loads(content)["data"]] if status == 200 else []
    except (ValueError, KeyError, TypeError):
        return []


def choose_model(wanted: str, there: list[str], base: str) -> str:
    """The model to ask for. CommentatorError where the server lacks it, or where there is a choice to be made."""
    if not wanted:
        if len(there) == 1:
            return there[0]
        known = f"it has {', '.join(there[:8])}" if there else "it does not list its models"
        raise CommentatorError(f"set model_path to the name of a model of {base}: {known}")
    if there and wanted not in there:
        near = difflib.get_close_matches(wanted, there, n=8, cutoff=0.0)
        raise CommentatorError(f"{base} has no model {wanted}; it has {', '.join(near)}")
    return wanted


def split_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """(the URL without name and password, those two or None). CommentatorError for what is no http(s) URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommentatorError("api_base_url is no http or https URL: for example http://127.0.0.1:8000/v1")
    host = parts.netloc.rpartition("@")[2]
    login = (parts.username, parts.password or "") if parts.username else None
    return urlunsplit((parts.scheme, host, parts.path, parts.query, "")), login


def data_url(frame: Frame) -> str:
    """A frame as a JPEG in a data URL, its longer side at most 768 px."""
    import cv2

    image = frame.image
    height, width = image.shape[:2]
    scale = _LONGER_SIDE_PX / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError(f"a frame of {width}×{height} cannot be written as JPEG")
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def build_body(model: str, request: CommentRequest, temperature: float) -> dict[str, Any]:
    """The request: one user message with the frames, oldest first, and the prompt after them."""
    images = [{"type": "image_url", "image_url": {"url": data_url(frame)}} for frame in request.frames]
    return {
        "model": model,
        "messages": [{"role": "user", "content": [*images, {"type": "text", "text": request.prompt}]}],
        "max_tokens": request.max_new_tokens,
        "temperature": temperature,
        "stream": True,
    }
