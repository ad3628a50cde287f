"""Any OpenAI-compatible server that takes pictures as a commentator: vLLM, Ollama, llama.cpp, a hosted one.

With it the model may run on another machine, while this one captures, paces and speaks. It uses httpx and not the
openai package: it needs one request whose answer is read as it comes, can be cancelled between two words, and is
repeated by the rules of retry.py. The package has retries and time-outs of its own, which would hide both.

It has no voice: the embedded one speaks sentence by sentence as the text arrives.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from commentator_lib.commentators.base import (
    Commentator,
    CommentatorError,
    CommentChunk,
    CommentRequest,
    StageTimes,
)
from commentator_lib.commentators.openai.answers import Answer, parse_event
from commentator_lib.commentators.openai.client import (
    content_type,
    describe,
    key_reader,
    may_pass,
    open_client,
    read_key,
)
from commentator_lib.commentators.openai.judging import (
    RULES,
    NoLogprobs,
    first_token_chances,
    judging_body,
    number_of,
)
from commentator_lib.commentators.openai.login import (
    KEY_VARIABLE,
    NO_URL,
    hider,
    secrets_of,
    split_login,
)
from commentator_lib.commentators.openai.messages import build_body, has_sound, without_sound
from commentator_lib.commentators.openai.models import choose_model, model_names
from commentator_lib.commentators.openai.refusals import (
    PASSING,
    OpenAIServerError,
    beginning,
    refuses_sound,
    refuses_usage,
    server_message,
)
from commentator_lib.commentators.openai.retry import backoff_s, retry_after_s, slices_s
from commentator_lib.commentators.openai.stream import DONE, sse_events
from commentator_lib.media import Frame
from commentator_lib.settings import Settings

logger = logging.getLogger(__name__)

_WARM_UP_S = 10.0
_LONGEST_REFUSAL_BYTES = 65_536
_LONGEST_WARNING = 300  # characters of what the server said


class OpenAICommentator(Commentator):
    """The model `model_path` on the server `api_base_url`.

    `sleep` waits between two tries, in seconds; `random_share` gives the random share of such a wait, from 0 to 1.
    It is not seeded, so that the clients of one server do not all come back at the same moment.

    `api_key` replaces the environment's OPENAI_API_KEY; no text and no repr of this object shows it.

    With the setting `hear` it is given the programme's sound, and sends it until the server refuses it.

    Raise CommentatorError for an invalid URL, and where httpx is not installed.
    """

    judges = RULES

    def __init__(
        self,
        settings: Settings,
        sleep: Callable[[float], None] = time.sleep,
        random_share: Callable[[], float] = random.random,
        api_key: str | None = None,
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
            raise CommentatorError(NO_URL) from None
        self._model = settings.model_path
        self._temperature = settings.temperature
        self._retries = settings.api_retries
        self._timeout_s = settings.api_timeout_s
        self._sleep, self._random_share = sleep, random_share
        self._key_is_given = bool(api_key and api_key.strip())
        self._read_key = key_reader(api_key) if api_key and api_key.strip() else read_key
        self._asks_usage = True
        self.hears = self._sends_sound = settings.hear
        self._speak_when = settings.speak_when
        self._shown = hider([])
        self._client: Any = None

    @property
    def name(self) -> str:
        """The commentator's name in logs: its kind and its model, or its server while the model is not known."""
        return f"openai: {self._model or self._base}"

    def warm_up(self) -> None:
        """Ask for the server's models and find the one of the settings among them.

        Raise CommentatorError where nothing answers, the key is missing or refused, the model is not there, or
        `speak_when` needs probabilities and the server gives none.
        """
        import httpx

        client = self._connected()
        self.say_loading("asking the server", 0.0)
        try:
            answer = client.get(f"{self._base}/models", timeout=min(_WARM_UP_S, self._timeout_s))
        except httpx.HTTPError as error:
            said = self._shown(describe(error, self._timeout_s))
            raise CommentatorError(
                f"nothing answers at {self._base} ({said}): start the server, or set api_base_url"
            ) from None
        status, content = answer.status_code, answer.content
        if status in (401, 403):
            said = self._shown(server_message(content))
            raise CommentatorError(f"{self._base} answers {status}: {said}; {self._key_fix()}")
        if answer.is_redirect:
            raise CommentatorError(
                f"{self._base} has moved (it answers {status}): set api_base_url to where it is now"
            )
        try:
            self._model = choose_model(self._model, model_names(status, content), self._base)
        except CommentatorError as error:  # it holds names from the server, which may contain anything
            raise CommentatorError(self._shown(str(error))) from None
        if self._speak_when in RULES:
            self.say_loading("first words", 0.5)
            self._try_judging()

    def _try_judging(self) -> None:
        """Raise CommentatorError where the server gives no probabilities; other errors may pass."""
        grey = Frame(0, 0.0, 0.0, np.full((64, 64, 3), 127, np.uint8))
        try:
            self.judge(CommentRequest([grey], "Say hello.", 1), "first-token", "")
        except NoLogprobs as error:
            raise CommentatorError(f"{self._base}: {error}") from None
        except OpenAIServerError as error:
            logger.info("the server did not answer for %s: %s", self._speak_when, error)

    def close(self) -> None:
        """Close the connections; `warm_up` and `comment` open them again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """Yield one comment, its words as they come.

        Every packet of the server gives a chunk, which may be empty, so that the comment can be cancelled while the
        model thinks.

        The last chunk has `prompt_tokens`, the tokens that were not counted yet, and `stage_times` of the try
        that succeeded: "preprocess" until the pictures are JPEGs, "prefill" from sending to the first token,
        "decode" from there to the end, including the pauses of the reader of these chunks.

        The request is repeated only while no word has come, and once without its sound where the server refuses sound:
        later requests leave it out. Raise OpenAIServerError where the last try fails.
        """
        # 1) Make JPEGs of the pictures, and a WAV of the sound.
        started_s = time.perf_counter()
        body = build_body(self._model, request, self._temperature, self._sends_sound)
        preprocess_s = time.perf_counter() - started_s
        # 2) Send the request, and repeat it while no word has come.
        tries = counted = 0
        while True:
            answer = Answer()
            try:
                yield from self._ask(body, answer)
                break
            except OpenAIServerError as error:
                counted += answer.counted
                if answer.usage_refused and self._asks_usage:
                    self._asks_usage = False
                    wait_s = None
                elif answer.sound_refused and has_sound(body):
                    body, wait_s = self._leave_out_sound(body, error), None
                elif answer.words or not error.passing or tries >= self._retries:
                    raise OpenAIServerError(self._shown(str(error))) from None
                else:
                    wait_s = backoff_s(tries, error.wait_s, self._random_share())
                    tries += 1
                    said = self._shown(str(error))
                    logger.info("the server is asked again in %.1f s, retry %d: %s", wait_s, tries, said)
            for slice_s in [] if wait_s is None else slices_s(wait_s):
                self._sleep(slice_s)
                yield CommentChunk("")  # the comment can be cancelled here
        # 3) Report the times, and the tokens that were not counted yet.
        counted += answer.counted
        times = StageTimes(preprocess_s=preprocess_s, prefill_s=answer.prefill_s, decode_s=answer.decode_s)
        left = max(0, (answer.completion_tokens or 0) - counted)
        yield CommentChunk("", None, left, prompt_tokens=answer.prompt_tokens, stage_times=times)

    def _leave_out_sound(self, body: dict[str, Any], error: OpenAIServerError) -> dict[str, Any]:
        """Send no sound from now on; return the body without it."""
        self._sends_sound = False
        said = self._shown(str(error))[:_LONGEST_WARNING]
        logger.warning("%s takes no sound, and is sent none from now on: %s", self._base, said)
        return without_sound(body)

    def judge(self, request: CommentRequest, rule: str, last_comment: str) -> float | None:
        """Return the rule's number by the first token's probabilities (judging.py), in one request without sound.

        It is not repeated: the next slot asks again. Raise OpenAIServerError where it fails.
        """
        import httpx

        body = judging_body(self._model, request)
        try:
            response = self._connected().post(f"{self._base}/chat/completions", json=body)
        except httpx.HTTPError as error:
            said = self._shown(describe(error, self._timeout_s))
            raise OpenAIServerError(f"{self._base}: {said}") from None
        if response.status_code != 200:
            said = server_message(response.content[:_LONGEST_REFUSAL_BYTES])
            raise OpenAIServerError(self._shown(f"the server answered {response.status_code}: {said}"))
        return number_of(rule, first_token_chances(response.content))

    def _ask(self, body: dict[str, Any], answer: Answer) -> Iterator[CommentChunk]:
        """Send the request once; keep what the server tells in `answer`."""
        import httpx

        if self._asks_usage:
            body = {**body, "stream_options": {"include_usage": True}}
        client = self._connected()
        asked_s = time.perf_counter()
        try:
            # 1) Take the stream's events one by one.
            with client.stream("POST", f"{self._base}/chat/completions", json=body) as response:
                if response.status_code != 200:
                    raise self._refusal(response, answer)
                if (kind := content_type(response)) in ("text/html", "application/json"):
                    raise OpenAIServerError(
                        f"{self._base} answered with {kind} and not with a stream: is api_base_url right?"
                    )
                for data in sse_events(response.iter_bytes()):
                    if data == DONE:
                        answer.ended = True
                        break
                    yield answer.take(parse_event(data), asked_s) if data else CommentChunk("")
        except httpx.HTTPError as error:
            # After "finish_reason" no words can be lost, only the token counts.
            if not answer.finish_reason:
                passing = may_pass(error)
                raise OpenAIServerError(
                    f"{self._base}: {describe(error, self._timeout_s)}", passing
                ) from None
        # 2) Check that the stream is complete and has words.
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
        """Return the httpx client; the first call opens it. Raise CommentatorError for an unusable key or proxy."""
        if self._client is None:
            key = self._read_key()
            self._shown = hider(secrets_of(key, self._login))
            self._client = open_client(self._base, key, self._login, self._timeout_s)
        return self._client

    def _refusal(self, response: Any, answer: Answer) -> OpenAIServerError:
        status, content = response.status_code, beginning(response.iter_bytes(), _LONGEST_REFUSAL_BYTES)
        answer.usage_refused = refuses_usage(status, content)
        answer.sound_refused = refuses_sound(status, content)
        said = f"the server answered {status}: {server_message(content)}"
        if status in (401, 403):
            said += f"; {self._key_fix()}"
        wait_s = retry_after_s(response.headers.get("retry-after", ""), time.time())
        return OpenAIServerError(said, status in PASSING, wait_s)

    def _key_fix(self) -> str:
        if self._login:
            return "correct the name and password in api_base_url"
        if self._key_is_given:
            return "give a key that it takes"
        return f"set {KEY_VARIABLE} in the environment to a key that it takes"
