"""Any OpenAI-compatible server with eyes as a commentator: vLLM, Ollama, llama.cpp, a hosted one.

This is also the way beyond one machine: the model stands on a server, and this one captures, paces and
speaks. httpx, and not the openai package: what is needed is one request whose answer is read as it comes,
cancelled between two words and asked again by our own rules; the package brings retries and time-outs of its
own that would hide both. The stream is taken apart here too, from bytes: httpx's own lines also end at
U+2028 and U+0085, which may stand in the middle of a comment.

The key comes from the environment variable OPENAI_API_KEY alone and is in no setting, log or message; what a
server says is cleaned of it before it is shown. A name and password in the URL are sent instead of the key
and hidden in the same way. It has no voice: the embedded one speaks sentence by sentence as the text arrives.
"""

from __future__ import annotations

import base64
import difflib
import email.utils
import ipaddress
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from commentator_lib.commentators.base import (
    Commentator,
    CommentatorError,
    CommentChunk,
    CommentRequest,
    StageTimes,
)
from commentator_lib.media import Frame
from commentator_lib.settings import Settings

KEY_VARIABLE = "OPENAI_API_KEY"
_LONGER_SIDE_PX = 768
_JPEG_QUALITY = 85
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 20.0
# A wait between two tries is cut into slices of this length at most, and can be cancelled between them.
_SLICE_S = 0.25
# What may be over in a moment: too many requests, and a server that starts, restarts or is overrun.
_PASSING = {429, 500, 502, 503, 504}
_WARM_UP_S = 10.0
# An event holds a few words; what grows beyond this is no stream of a chat. Refusals are shorter still.
_LONGEST_EVENT_BYTES = 1_000_000
_LONGEST_REFUSAL_BYTES = 65_536
_LONGEST_MESSAGE = 300
# Below this a "key" is a placeholder such as "-" or "x", and hiding it would blot out the message.
_SHORTEST_SECRET = 4
_DONE = "[DONE]"
_NO_URL = "api_base_url is no http or https URL: for example http://127.0.0.1:8000/v1"


class OpenAIServerError(Exception):
    """A request that came to nothing; one line.

    `passing` says that it may be over in a moment; `wait_s` is what the server asked to be left alone for.
    """

    def __init__(self, message: str, passing: bool = False, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.passing, self.wait_s = passing, wait_s


class OpenAICommentator(Commentator):
    """The model `model_path` on the server `api_base_url`.

    `sleep` waits between two tries, in seconds; `draw` gives the random share of such a wait, from 0 to 1. It
    is not seeded: all clients of one server would come back at the same moment.

    Raises CommentatorError for a URL that cannot be one, and where httpx is not installed.
    """

    def __init__(
        self,
        settings: Settings,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        try:
            import httpx
        except ImportError:
            raise CommentatorError(
                "commentator=openai needs a package that is not here: pip install 'commentator-lib[openai]'"
            ) from None
        # The settings themselves are not kept: their URL may hold a password.
        self._base, self._login = split_login(settings.api_base_url)
        try:
            httpx.URL(self._base)
        except httpx.InvalidURL:
            raise CommentatorError(_NO_URL) from None
        self._model = settings.model_path
        self._temperature = settings.temperature
        self._retries = settings.api_retries
        self._timeout_s = settings.api_timeout_s
        self._sleep, self._draw = sleep, draw
        self._asks_usage = True
        self._shown = hider([])
        self._client: Any = None

    @property
    def name(self) -> str:
        return f"openai: {self._model or self._base}"

    def warm_up(self) -> None:
        """Ask for the server's models and find ours among them.

        Raises CommentatorError where nothing answers, the key is missing or refused, or the model is not
        there.
        """
        import httpx

        client = self._connected()
        try:
            answer = client.get(f"{self._base}/models", timeout=min(_WARM_UP_S, self._timeout_s))
        except httpx.HTTPError as error:
            said = self._shown(self._in_words(error))
            raise CommentatorError(
                f"nothing answers at {self._base} ({said}): start the server, or set api_base_url"
            ) from None
        status, content = answer.status_code, answer.content
        if status in (401, 403):
            said = self._shown(server_message(content))
            raise CommentatorError(f"{self._base} answers {status}: {said}; {self._key_mend()}")
        if answer.is_redirect:
            raise CommentatorError(
                f"{self._base} has moved (it answers {status}): set api_base_url to where it is now"
            )
        try:
            self._model = choose_model(self._model, model_names(status, content), self._base)
        except CommentatorError as error:  # it holds names of the server's, which may be anything
            raise CommentatorError(self._shown(str(error))) from None

    def close(self) -> None:
        """Close the connections; `warm_up` and `comment` open them again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """One comment as its words come.

        Every packet of the server gives a chunk, if only an empty one, so that it can be cancelled while the
        model thinks.

        The last chunk has `prompt_tokens`, the tokens that were not counted yet, and `stage_times` of the try
        that succeeded: "preprocess" until the pictures are JPEGs, "prefill" from sending to the first token,
        "decode" from there to the end, the listener's own pauses included.

        Asked again only while no word has come. Raises OpenAIServerError in the end.
        """
        started_s = time.perf_counter()
        body = build_body(self._model, request, self._temperature)
        preprocess_s = time.perf_counter() - started_s
        tries = counted = 0
        while True:
            answer = _Answer()
            try:
                yield from self._ask(body, answer)
                break
            except OpenAIServerError as error:
                counted += answer.counted
                if answer.usage_refused and self._asks_usage:
                    self._asks_usage = False
                    wait_s = None
                elif answer.words or not error.passing or tries >= self._retries:
                    raise OpenAIServerError(self._shown(str(error))) from None
                else:
                    wait_s = backoff_s(tries, error.wait_s, self._draw())
                    tries += 1
            for slice_s in [] if wait_s is None else slices_s(wait_s):
                self._sleep(slice_s)
                yield CommentChunk("")  # the comment can be cancelled here
        counted += answer.counted
        times = StageTimes(preprocess_s=preprocess_s, prefill_s=answer.prefill_s, decode_s=answer.decode_s)
        left = max(0, (answer.completion_tokens or 0) - counted)
        yield CommentChunk("", None, left, prompt_tokens=answer.prompt_tokens, stage_times=times)

    def _ask(self, body: dict[str, Any], answer: _Answer) -> Iterator[CommentChunk]:
        """One try; what is found out goes into `answer`."""
        import httpx

        if self._asks_usage:
            body = {**body, "stream_options": {"include_usage": True}}
        client = self._connected()
        asked_s = time.perf_counter()
        try:
            with client.stream("POST", f"{self._base}/chat/completions", json=body) as response:
                if response.status_code != 200:
                    raise self._refusal(response, answer)
                if (kind := _kind(response)) in ("text/html", "application/json"):
                    raise OpenAIServerError(
                        f"{self._base} answered with {kind} and not with a stream: is api_base_url right?"
                    )
                for data in sse_events(response.iter_bytes()):
                    if data == _DONE:
                        answer.ended = True
                        break
                    yield answer.take(parse_event(data), asked_s) if data else CommentChunk("")
        except httpx.HTTPError as error:
            # After "finish_reason" only the token counts can have been lost, and no word.
            if not answer.finish_reason:
                passing = isinstance(error, _passing_errors())
                raise OpenAIServerError(f"{self._base}: {self._in_words(error)}", passing) from None
        if not (answer.ended or answer.finish_reason):
            raise OpenAIServerError(f"{self._base} broke off in mid-answer", passing=True)
        if rest := answer.thought.rest():
            answer.words = True
            yield CommentChunk(rest)
        answer.end(asked_s)
        if answer.counted and not answer.words and answer.finish_reason == "length":
            raise OpenAIServerError(
                f"the model spent all its {body['max_tokens']} tokens on thinking and said nothing: "
                "switch its thinking off at the server, or raise speech_max_new_tokens (text_max_new_tokens)"
            )

    def _connected(self) -> Any:
        """The httpx client. CommentatorError for a key or proxies that cannot be sent to anybody."""
        import httpx

        if self._client is not None:
            return self._client
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise CommentatorError(f"{KEY_VARIABLE} holds characters that no key has: set it anew")
        login = self._login
        self._shown = hider(secrets_of(key, login))
        try:
            self._client = httpx.Client(
                timeout=httpx.Timeout(self._timeout_s),
                auth=(login.user, login.password) if login else None,
                headers={"Authorization": f"Bearer {key}"} if key and not login else {},
                trust_env=not is_loopback(self._base),  # a proxy cannot reach what listens on this machine
            )
        except (ImportError, ValueError, httpx.InvalidURL):  # their words may hold the proxy's password
            raise CommentatorError(
                "the proxy that the environment names cannot be used (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY): "
                "unset it, or for a SOCKS proxy pip install 'httpx[socks]'"
            ) from None
        return self._client

    def _refusal(self, response: Any, answer: _Answer) -> OpenAIServerError:
        status, content = response.status_code, beginning(response.iter_bytes(), _LONGEST_REFUSAL_BYTES)
        answer.usage_refused = refuses_usage(status, content)
        said = f"the server answered {status}: {server_message(content)}"
        if status in (401, 403):
            said += f"; {self._key_mend()}"
        wait_s = retry_after_s(response.headers.get("retry-after", ""), time.time())
        return OpenAIServerError(said, status in _PASSING, wait_s)

    def _key_mend(self) -> str:
        if self._login:
            return "mend the name and password in api_base_url"
        return f"set {KEY_VARIABLE} in the environment to a key that it takes"

    def _in_words(self, error: Exception) -> str:
        import httpx

        if isinstance(error, httpx.TimeoutException):
            return f"no answer for {self._timeout_s:g} s (api_timeout_s)"
        if isinstance(error, httpx.ConnectError):
            return f"cannot connect, {error}"
        if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
            return "broke off in mid-answer"
        return type(error).__name__


def _passing_errors() -> tuple[type[Exception], ...]:
    import httpx

    return httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError


def _kind(response: Any) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


# --- the stream


def parse_sse_line(line: str) -> str | None:
    """The data of one line of server-sent events; None for comments, blank lines and other fields."""
    return line[5:].strip() if line.startswith("data:") else None


def sse_events(packets: Iterable[bytes]) -> Iterator[str]:
    """The data of each event in a stream of bytes, however they are cut; "" for a packet that completes none.

    An event of several data lines comes in one piece. The last one needs no blank line behind it, but one
    that was cut short is left out. OpenAIServerError for an event of more than a megabyte.
    """
    held, data = b"", []
    for packet in packets:
        lines = (held + packet).splitlines(keepends=True)  # bytes: at \n, \r and \r\n, and nowhere else
        # A lone \r at the end may be the first half of \r\n.
        held = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        completed = False
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            found = parse_sse_line(text)
            if data and (not text or found == _DONE):
                yield "\n".join(data)
                completed, data = True, []
            if found == _DONE:  # nothing comes after it: its blank line need not be waited for
                yield found
                return
            if found:
                data.append(found)
        if len(held) + sum(map(len, data)) > _LONGEST_EVENT_BYTES:
            raise OpenAIServerError("the server sent an event that does not end: is it a stream of a chat?")
        if not completed:
            yield ""
    found = parse_sse_line(held.decode("utf-8", "replace").rstrip("\r\n"))
    if found and found != _DONE:
        data.append(found)
    if data and _is_whole(rest := "\n".join(data)):
        yield rest
    if found == _DONE:
        yield found


def _is_whole(data: str) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a streamed chat. `reasoning`: the model thought, and its thoughts are nothing to say."""

    content: str = ""
    reasoning: bool = False
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def parse_event(data: str) -> Event:
    """An event's data. OpenAIServerError for bad JSON, JSON that is no chat's, and an error of the server."""
    try:
        event = json.loads(data)
    except ValueError:
        raise OpenAIServerError(f"the server sent bad JSON in its stream: {data}") from None
    try:
        if error := event.get("error"):
            code = error.get("code") if isinstance(error, dict) else None
            said = server_message(data.encode("utf-8", "replace"))
            raise OpenAIServerError(f"the server failed in mid-answer: {said}", code in _PASSING)
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
    """A token count; None for what is none, since a count is no reason to lose a comment."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


class ThoughtFilter:
    """Text without a <think>…</think> in front, as reasoning models send it, however it is cut."""

    def __init__(self) -> None:
        self._held = ""
        self._past = False

    def push(self, text: str) -> str:
        """What may be said of the text so far, beyond what was given before."""
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


@dataclass(slots=True)
class _Answer:
    """What has come of one try."""

    thought: ThoughtFilter = field(default_factory=ThoughtFilter)
    counted: int = 0  # tokens told so far, one a delta
    words: bool = False
    ended: bool = False
    finish_reason: str = ""
    usage_refused: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prefill_s: float | None = None
    decode_s: float = 0.0

    def take(self, event: Event, asked_s: float) -> CommentChunk:
        """The chunk that an event comes to; `asked_s` is when the request was sent."""
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
        whole_s = time.perf_counter() - asked_s
        if self.prefill_s is None:
            self.prefill_s = whole_s
        self.decode_s = whole_s - self.prefill_s


# --- asking again


def backoff_s(tries: int, asked_s: float | None, draw: float) -> float:
    """Seconds before the next try: what the server asked for, else doubling from 0.5, half of it drawn.

    20 s at most; `draw` is from 0 to 1. The drawn half keeps many clients from coming back together.
    """
    if asked_s is not None:
        return min(asked_s, _LONGEST_WAIT_S)
    return min(_FIRST_WAIT_S * 2**tries, _LONGEST_WAIT_S) * (0.5 + 0.5 * draw)


def slices_s(wait_s: float) -> list[float]:
    """A wait cut into equal slices of 0.25 s at most, in seconds; at least one."""
    count = max(1, math.ceil(wait_s / _SLICE_S - 1e-9))
    return [wait_s / count] * count


def retry_after_s(value: str, now_s: float) -> float | None:
    """Seconds that a Retry-After header asks for; None where it asks for none.

    `now_s` is the Unix time: the header may name a date.
    """
    try:
        wait_s = float(value)
    except ValueError:
        try:
            wait_s = email.utils.parsedate_to_datetime(value).timestamp() - now_s
        except (ValueError, TypeError):  # TypeError: Python 3.11 for an empty value
            return None
    return max(0.0, wait_s) if math.isfinite(wait_s) else None


# --- what a server says


def beginning(packets: Iterable[bytes], longest_bytes: int) -> bytes:
    """The first bytes of a body, and no more of it than one packet beyond."""
    content = b""
    for packet in packets:
        content += packet
        if len(content) >= longest_bytes:
            break
    return content[:longest_bytes]


def refuses_usage(status: int, content: bytes) -> bool:
    """Whether a refusal is for `stream_options`, which older servers do not know."""
    return status in (400, 422) and (b"stream_options" in content or b"include_usage" in content)


def server_message(content: bytes) -> str:
    """What a server says of its refusal, in one line."""
    try:
        said = json.loads(content)
        said = said.get("error", said)
        said = said.get("message", said) if isinstance(said, dict) else said
    except (ValueError, AttributeError):
        said = content.decode("utf-8", "replace")
    return " ".join(str(said).split()) or "it does not say why"


def model_names(status: int, content: bytes) -> list[str] | None:
    """The names in a server's list of models; None where it gives no such list."""
    try:
        return [str(entry["id"]) for entry in json.loads(content)["data"]] if status == 200 else None
    except (ValueError, KeyError, TypeError):
        return None


def choose_model(wanted: str, there: Sequence[str] | None, base: str) -> str:
    """The model to ask for; `there` None: the server gives no list.

    CommentatorError where the server lacks it, or where there is a choice to be made.
    """
    if not wanted:
        if there and len(there) == 1:
            return there[0]
        known = "it does not list its models" if there is None else f"it has {', '.join(there[:8]) or 'none'}"
        raise CommentatorError(f"set model_path=NAME to a model of {base}: {known}")
    # Ollama lists "name:latest" and takes "name" for it.
    if there is None or wanted in there or f"{wanted}:latest" in there:
        return wanted
    near = difflib.get_close_matches(wanted, there, n=8, cutoff=0.0)
    raise CommentatorError(
        f"{base} has no model {wanted}; it has {', '.join(near) or 'none'}: set model_path=NAME"
    )


# --- what nobody may see


@dataclass(frozen=True, slots=True)
class Login:
    """The name and password of a URL; they stand in no repr."""

    user: str = field(repr=False)
    password: str = field(repr=False)


def split_login(url: str) -> tuple[str, Login | None]:
    """(the URL without name, password and closing slash, those two or None).

    CommentatorError, without the URL, for what is no http(s) URL, for one with a query (a key in it would
    stand in logs), and for a password whose own @ or / hides where it ends.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for what is no port
    except ValueError:
        raise CommentatorError(_NO_URL) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommentatorError(_NO_URL)
    if parts.query or parts.fragment:
        raise CommentatorError(
            f"api_base_url must end before the ? or #: a key belongs into the environment as {KEY_VARIABLE}"
        )
    if url.count("@") > 1 or "@" in parts.path:
        raise CommentatorError("api_base_url: write @ as %40 and / as %2F within a name or password")
    host = parts.netloc.rpartition("@")[2]
    login = Login(unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return urlunsplit((parts.scheme, host, parts.path, "", "")).rstrip("/"), login


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def secrets_of(key: str, login: Login | None) -> list[str]:
    """All that must not be shown, in every form in which it is sent."""
    if login is None:
        return [key]
    basic = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return [key, login.password or login.user, quote(login.password or login.user, safe=""), basic]


def hider(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that makes one printable line of at most 300 characters of a text, its secrets hidden.

    Hidden first and cut then, so that no half of one is left. What is shorter than 4 characters is no secret.
    """
    found = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def shown(text: str) -> str:
        for secret in found:
            text = text.replace(secret, "***")
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…"

    return shown


# --- the request


def data_url(frame: Frame) -> str:
    """A frame as a JPEG in a data URL, its longer side at most 768 px. ValueError if it cannot be written."""
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


def build_messages(frames: Sequence[Frame], prompt: str) -> list[dict[str, Any]]:
    """One user message: the frames in their order, and the prompt after them."""
    images = [{"type": "image_url", "image_url": {"url": data_url(frame)}} for frame in frames]
    return [{"role": "user", "content": [*images, {"type": "text", "text": prompt}]}]


def build_body(model: str, request: CommentRequest, temperature: float) -> dict[str, Any]:
    """The request without `stream_options`, which not every server knows."""
    return {
        "model": model,
        "messages": build_messages(request.frames, request.prompt),
        "max_tokens": request.max_new_tokens,
        "temperature": temperature,
        "stream": True,
    }
