"""Any OpenAI-compatible server that takes pictures as a commentator: vLLM, Ollama, llama.cpp, a hosted one.

With it the model may run on another machine, while this one captures, paces and speaks. It uses httpx and not the
openai package: it needs one request whose answer is read as it comes, can be cancelled between two words, and is
repeated by the rules of retry.py. The package has retries and time-outs of its own, which would hide both.

It has no voice: the embedded one speaks sentence by sentence as the text arrives.

What a server refuses, and how its model marks its thoughts, is found out by one short request in `warm_up`, and
remembered. A template that opens the thought in the prompt leaves only its end in the answer: a model that was found
to do so has its words held back until then; one that was not found to, has them said as they come. Where the request
told nothing (the server was still loading, or the model rambled), each comment is held back until its end, until one
has told.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Set
from enum import Enum
from typing import Any

import numpy as np

from commentator_lib.commentators.base import (
    Commentator,
    CommentatorError,
    CommentChunk,
    CommentRequest,
    StageTimes,
)
from commentator_lib.commentators.openai.answers import Answer, is_whole_answer, parse_event
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
from commentator_lib.commentators.openai.messages import (
    SYSTEM_MESSAGE,
    build_body,
    has_role,
    has_sound,
    without_refused,
    without_sound,
)
from commentator_lib.commentators.openai.models import choose_model, model_names
from commentator_lib.commentators.openai.refusals import (
    PASSING,
    OpenAIServerError,
    beginning,
    moved_to,
    refused_parameter,
    refuses_sound,
    refuses_system,
    server_message,
)
from commentator_lib.commentators.openai.retry import backoff_s, retry_after_s, slices_s
from commentator_lib.commentators.openai.speech import ServerSpeech, SpokenAnswer, refuses_speech
from commentator_lib.commentators.openai.stream import (
    DONE,
    LONGEST_EVENT_BYTES,
    LONGEST_SOUND_BYTES,
    sse_events,
)
from commentator_lib.commentators.thoughts import ThoughtFilter
from commentator_lib.media import Frame
from commentator_lib.settings import Settings

logger = logging.getLogger(__name__)

_WARM_UP_S = 10.0
_LONGEST_REFUSAL_BYTES = 65_536
_LONGEST_WARNING = 300  # characters of what the server said
_PAGE = "/chat/completions"
# Parameters that are never left out, and those that have another name on newer servers.
_NEEDED = {"model", "messages"}
_NEW_NAMES = {"max_tokens": "max_completion_tokens"}
_TRIAL_ROLE = "You are a commentator."
_TRIAL_TOKENS = 512  # a model that thinks about "Say hello." has thought by then


class _Thoughts(Enum):
    """What is known of a model's thoughts in its words."""

    UNKNOWN = "unknown"
    MARKED = "marked"  # it marks them, or has none
    BARE = "bare"  # only their end is marked


class OpenAICommentator(Commentator):
    """The model `model_path` on the server `api_base_url`.

    `sleep` waits between two tries, in seconds; `random_share` gives the random share of such a wait, from 0 to 1.
    It is not seeded, so that the clients of one server do not all come back at the same moment.

    `api_key` replaces the environment's OPENAI_API_KEY; no text and no repr of this object shows it.

    With the setting `hear` it is given the programme's sound, and sends it until the server refuses it. `speech` is
    what is known of the server's own speech; where it has none, the embedded voice speaks.

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
        self._refused: dict[str, str] = {}  # parameters that the server does not take → their other name
        self._thoughts = _Thoughts.UNKNOWN
        self._rambles = False
        self.hears = self._sends_sound = settings.hear
        self.speech = ServerSpeech(settings.api_speech)
        self._spoken = settings.speech  # the run begins with speech
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
            raise CommentatorError(self._shown(self._moved(answer, "/models")))
        try:
            self._model = choose_model(self._model, model_names(status, content), self._base)
        except CommentatorError as error:  # it holds names from the server, which may contain anything
            raise CommentatorError(self._shown(str(error))) from None
        self.say_loading("first words", 0.5)
        self.speech.know_model(self._model)
        if self._thoughts is _Thoughts.UNKNOWN or (self._spoken and self.speech.speaks is None):
            for _ in self._try_out():
                pass
        if self.speech.mode == "on" and self._spoken and self.speech.speaks is False:
            raise CommentatorError(f"{self._base} does not speak: set api_speech to auto or off")
        if self._speak_when in RULES:
            self._try_judging()

    def _try_out(self) -> Iterator[CommentChunk]:
        """Ask for a short answer to a grey picture: what the server refuses, how the model thinks, whether it speaks.

        Yield empty chunks while it comes. It takes 10 s at most; a failure is no fault yet, since it may pass.
        """
        request = CommentRequest([_grey()], f"{_TRIAL_ROLE}\nSay hello.", _TRIAL_TOKENS, role=_TRIAL_ROLE)
        body = build_body(self._model, request, self._temperature)
        longest_s = min(_WARM_UP_S, self._timeout_s)
        until_s = time.monotonic() + longest_s
        while True:
            answer, refusal, ended = self._new_answer(self._spoken and self.speech.may_speak), "", True
            try:
                for _ in self._ask_adapted({**body, **self._speech_parameters(answer)}, answer):
                    yield CommentChunk("")
                    if answer.reasoning or answer.thought.thought or time.monotonic() > until_s:
                        ended = False
                        break
            except OpenAIServerError as error:
                refusal = self._shown(str(error))
                if not answer.speech_refused:
                    logger.info("the first words did not come whole: %s", refusal)
                    if not answer.counted:
                        return
                    ended = False
                    break
            if not self._ask_speech_otherwise(answer, refusal, ended):
                break
        self._learn_speech(answer, ended, answer.counted > 0)
        self._learn(answer, answer.quiet_s > longest_s / 2)
        self._rambles = answer.finish_reason == "length"

    def _ask_speech_otherwise(self, answer: Answer, refusal: str, ended: bool) -> bool:
        """Return whether the server is to be asked in another way, after an answer without speech or a `refusal`."""
        silent = ended and answer.spoken is not None and answer.spoken.silent
        if answer.spoken is None or not (refusal or silent):
            return False
        if self.speech.ask_otherwise(refusal):
            return True
        if refusal:
            logger.info("%s is asked for words alone: %s", self.name, refusal)
            self.speech.refused()
        return bool(refusal)

    def _speech_parameters(self, answer: Answer) -> dict[str, Any]:
        """Return what a request adds for an answer with sound."""
        return {} if answer.spoken is None else self.speech.parameters()

    def _learn_speech(self, answer: Answer, ended: bool, words: bool) -> None:
        """Note whether the server speaks; `ended`: all of the answer came; `words`: it has some to speak."""
        if answer.spoken is not None and (ended or answer.spoken.sounded):
            self.speech.learn(answer.spoken, words, self.name)

    def _learn(self, answer: Answer, stalled: bool = False) -> None:
        """Note how the model marks its thoughts, once an answer has told: ended, or `stalled` after its words."""
        if answer.thought.bare:
            if self._thoughts is not _Thoughts.BARE:
                logger.info("%s marks only the end of its thoughts: its words are held until then", self.name)
            self._thoughts = _Thoughts.BARE
        elif self._thoughts is _Thoughts.UNKNOWN:
            ended = answer.finish_reason != "length" and (answer.finish_reason or answer.ended or stalled)
            if answer.reasoning or answer.thought.thought or (ended and answer.counted):
                self._thoughts = _Thoughts.MARKED

    def _new_answer(self, speech: bool) -> Answer:
        """Return an answer of which nothing has come yet; `speech`: it is asked for with sound."""
        spoken = SpokenAnswer(self.speech) if speech else None
        return Answer(ThoughtFilter(holds=self._thoughts is not _Thoughts.MARKED), spoken)

    def _try_judging(self) -> None:
        """Raise CommentatorError where the server gives no probabilities; other errors may pass."""
        try:
            self.judge(CommentRequest([_grey()], "Say hello.", 1), "first-token", "")
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
            answer = self._new_answer(request.speech and self.speech.asks)
            try:
                yield from self._ask_adapted({**body, **self._speech_parameters(answer)}, answer)
                yield from self._finish(answer, request.max_new_tokens)
                break
            except OpenAIServerError as error:
                counted += answer.counted
                if answer.sound_refused and has_sound(body):
                    body, wait_s = self._leave_out_sound(body, error), None
                elif answer.speech_refused:
                    logger.info("%s is asked for words alone: %s", self.name, self._shown(str(error)))
                    self.speech.refused()
                    wait_s = None
                elif answer.words or not error.passing or tries >= self._retries:
                    if not answer.thought.holds:  # what is held may be a thought
                        yield from answer.waiting()
                    raise OpenAIServerError(self._shown(str(error))) from None
                else:
                    wait_s = backoff_s(tries, error.wait_s, self._random_share())
                    tries += 1
                    said = self._shown(str(error))
                    logger.info("the server is asked again in %.1f s, retry %d: %s", wait_s, tries, said)
            for slice_s in [] if wait_s is None else slices_s(wait_s):
                self._sleep(slice_s)
                yield CommentChunk("")  # the comment can be cancelled here
        # 3) Report the times, the tokens that were not counted yet, and why there are no words, or not all.
        counted += answer.counted
        times = StageTimes(preprocess_s=preprocess_s, prefill_s=answer.prefill_s, decode_s=answer.decode_s)
        left = max(0, (answer.completion_tokens or 0) - counted)
        reason = self._shown(answer.reason(request.max_new_tokens))
        yield CommentChunk(
            "", None, left, prompt_tokens=answer.prompt_tokens, stage_times=times, reason=reason
        )

    def _finish(self, answer: Answer, most_tokens: int) -> Iterator[CommentChunk]:
        """Yield what was held back of an answer that has ended. Raise OpenAIServerError where it was all thought."""
        cut = answer.finish_reason == "length"
        # An answer that was cut while it was held may be a thought that did not end: then the server is asked once.
        if cut and answer.thought.holds and self._thoughts is _Thoughts.UNKNOWN and not self._rambles:
            yield from self._try_out()
        if not (cut and answer.thought.holds and self._thoughts is _Thoughts.BARE):
            yield from answer.rest()
        words = answer.spoken is not None and any(c.isalnum() for c in answer.spoken.text)
        self._learn_speech(answer, True, words)
        self._learn(answer)
        if answer.counted and not answer.words and cut:
            raise OpenAIServerError(
                f"the model spent all its {most_tokens} tokens on thinking and said nothing: "
                "switch its thinking off at the server, or raise speech_max_new_tokens (text_max_new_tokens)"
            )

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
        while True:
            sent = without_refused(body, self._refused)
            try:
                response = self._connected().post(f"{self._base}{_PAGE}", json=sent)
            except httpx.HTTPError as error:
                said = self._shown(describe(error, self._timeout_s))
                raise OpenAIServerError(f"{self._base}: {said}") from None
            content = response.content[:_LONGEST_REFUSAL_BYTES]
            if response.status_code == 200:
                return number_of(rule, first_token_chances(response.content))
            refused = _refused_part(response.status_code, content, sent, {"logprobs"})
            said = self._shown(f"the server answered {response.status_code}: {server_message(content)}")
            if not refused:
                raise OpenAIServerError(said)
            self._leave_out(refused, said)

    def _ask_adapted(self, body: dict[str, Any], answer: Answer) -> Iterator[CommentChunk]:
        """Send the request without what the server refuses; learn that from its refusals."""
        body = {**body, "stream_options": {"include_usage": True}}
        while True:
            sent = without_refused(body, self._refused)
            try:
                yield from self._ask(sent, answer)
                return
            except OpenAIServerError as error:
                if not answer.refused_parameter:
                    raise
                self._leave_out(answer.refused_parameter, self._shown(str(error)))
                answer.refused_parameter = ""

    def _leave_out(self, name: str, said: str) -> None:
        """Send a parameter under its newer name from now on, or not at all."""
        instead = _NEW_NAMES.get(name, "")
        self._refused[name] = instead
        if name == "stream":
            self._refused["stream_options"] = ""  # means nothing without it
        done = f"is sent {instead} in its place" if instead else "is sent none"
        logger.warning(
            "%s takes no %s, and %s from now on: %s", self._base, name, done, said[:_LONGEST_WARNING]
        )

    def _ask(self, body: dict[str, Any], answer: Answer) -> Iterator[CommentChunk]:
        """Send the request once; keep what the server tells in `answer`."""
        import httpx

        client = self._connected()
        asked_s = time.perf_counter()
        news_s = time.monotonic()
        try:
            # 1) Take the stream's events one by one. A packet without news, such as a proxy's ping, is no answer.
            with client.stream("POST", f"{self._base}{_PAGE}", json=body) as response:
                if response.status_code != 200:
                    raise self._refusal(response, answer, body)
                for data in self._events(response, answer):
                    if data == DONE:
                        answer.ended = True
                        break
                    event = parse_event(data) if data else None
                    answer.quiet_s = time.monotonic() - news_s
                    if event and event.is_news:
                        news_s, answer.quiet_s = time.monotonic(), 0.0
                    elif answer.quiet_s > self._timeout_s:
                        if answer.finish_reason:
                            break  # only the token counts did not come
                        raise OpenAIServerError(
                            f"{self._base}: no new words for {self._timeout_s:g} s (api_timeout_s)",
                            passing=True,
                        )
                    yield from answer.chunks(event, asked_s) if event else [CommentChunk("")]
        except httpx.HTTPError as error:
            # After "finish_reason" no words can be lost, only the token counts; of speech the sound can.
            if not answer.finish_reason or (answer.spoken is not None and answer.spoken.sounded):
                passing = may_pass(error)
                raise OpenAIServerError(
                    f"{self._base}: {describe(error, self._timeout_s)}", passing
                ) from None
        # 2) Check that the answer is complete.
        if not (answer.ended or answer.finish_reason):
            raise OpenAIServerError(f"{self._base} broke off in mid-answer", passing=True)
        answer.end(asked_s)

    def _events(self, response: Any, answer: Answer) -> Iterator[str]:
        """Yield the events of a stream; a whole answer as JSON, from a server that does not stream, is one."""
        kind = content_type(response)
        longest_bytes = LONGEST_EVENT_BYTES if answer.spoken is None else LONGEST_SOUND_BYTES
        if kind == "application/json":
            content = beginning(response.iter_bytes(), longest_bytes)
            if is_whole_answer(content):
                yield content.decode("utf-8-sig", "replace")
                yield DONE
                return
        if kind in ("text/html", "application/json"):
            raise OpenAIServerError(
                f"{self._base} answered with {kind} and not with a stream: is api_base_url right?"
            )
        yield from sse_events(response.iter_bytes(), longest_bytes)

    def _connected(self) -> Any:
        """Return the httpx client; the first call opens it. Raise CommentatorError for an unusable key or proxy."""
        if self._client is None:
            key = self._read_key()
            self._shown = hider(secrets_of(key, self._login))
            self._client = open_client(self._base, key, self._login, self._timeout_s)
        return self._client

    def _refusal(self, response: Any, answer: Answer, sent: Mapping[str, Any]) -> OpenAIServerError:
        status = response.status_code
        if response.is_redirect:
            return OpenAIServerError(self._moved(response, _PAGE))
        content = beginning(response.iter_bytes(), _LONGEST_REFUSAL_BYTES)
        answer.refused_parameter = _refused_part(status, content, sent)
        answer.sound_refused = refuses_sound(status, content)
        answer.speech_refused = answer.spoken is not None and refuses_speech(status, content)
        said = f"the server answered {status}: {server_message(content)}"
        if status in (401, 403):
            said += f"; {self._key_fix()}"
        wait_s = retry_after_s(response.headers.get("retry-after", ""), time.time())
        return OpenAIServerError(said, status in PASSING, wait_s)

    def _moved(self, response: Any, page: str) -> str:
        """Return that the server has moved, and where to."""
        to = moved_to(response.headers.get("location", ""), f"{self._base}{page}", page)
        where = f"to {to}" if to else "and does not say where to"
        fix = "set api_base_url to that" if to else "set api_base_url to where it is now"
        return f"{self._base} has moved {where} (it answers {response.status_code}): {fix}"

    def _key_fix(self) -> str:
        if self._login:
            return "correct the name and password in api_base_url"
        if self._key_is_given:
            return "give a key that it takes"
        return f"set {KEY_VARIABLE} in the environment to a key that it takes"


def _refused_part(status: int, content: bytes, sent: Mapping[str, Any], kept: Set[str] = frozenset()) -> str:
    """Return which part of the body `sent` a refusal is for, "" for none: SYSTEM_MESSAGE, or a parameter not `kept`."""
    if has_role(sent) and refuses_system(status, content):
        return SYSTEM_MESSAGE
    return refused_parameter(status, content, sent.keys() - _NEEDED - kept)


def _grey() -> Frame:
    """Return a small grey picture, for requests that only try out a server."""
    return Frame(0, 0.0, 0.0, np.full((64, 64, 3), 127, np.uint8))
