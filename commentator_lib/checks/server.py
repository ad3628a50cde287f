"""The model server that the settings name."""

from __future__ import annotations

from collections.abc import Callable

from commentator_lib.checks.line import DISTRIBUTION, CheckLine, state
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.openai.models import model_names
from commentator_lib.redact import redact_url
from commentator_lib.settings import Settings

_SERVER_TIMEOUT_S = 1.0
_SPEECH_TIMEOUT_S = 10.0


def ask_models(base_url: str) -> tuple[int | None, list[str] | None, str]:
    """Return (HTTP status of the server's list of models; their names; why there is no answer).

    The status is None without an answer, the names are None where it gives no list. The request carries no key, so
    that no key is shown or sent to the wrong server. A refusal is an answer too.
    """
    import httpx

    try:
        answer = httpx.get(f"{base_url.rstrip('/')}/models", timeout=_SERVER_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return None, None, f"does not answer ({type(error).__name__})"
    return answer.status_code, model_names(answer.status_code, answer.content), ""


def ask_server(base_url: str) -> tuple[int | None, str]:
    """Return (what `ask_models` has as the status, the result in words)."""
    status, names, problem = ask_models(base_url)
    if status is None:
        return None, problem
    names = names or []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return status, ", ".join(names[:3]) + more


def server_line(
    base_url: str, has_httpx: bool, needed: bool, has_key: bool, ask: Callable = ask_server
) -> CheckLine:
    """Check the model server by `ask(base_url)`, which returns what `ask_server` returns."""
    what = "model server"
    if not has_httpx:
        return CheckLine(None, what, "not asked without httpx", f"pip install '{DISTRIBUTION}[openai]'")
    shown = redact_url(base_url).split("?")[0]
    status, words = ask(base_url)
    if status is None:
        fix = "start one, or set api_base_url; only commentator=openai needs it"
        return CheckLine(state(False, needed), what, f"{shown} {words}", fix)
    if status in (401, 403):
        fix = "" if has_key else "set OPENAI_API_KEY in the environment"
        found = f"{shown} answers and wants a key, which is {'set' if has_key else 'not set'}"
        return CheckLine(state(has_key, needed), what, found, fix)
    if status != 200 or not words:
        found = f"{shown} answers with HTTP status {status} and no list of models"
        return CheckLine(state(False, needed), what, found, "set api_base_url; it usually ends in /v1")
    return CheckLine(True, what, f"{shown} has {words}")


def ask_speech(settings: Settings) -> str:
    """Return whether the server speaks, in a few words, after the short answer that every run asks it for.

    Take 10 s at most. Raise CommentatorError where a run could not begin with this server.
    """
    from commentator_lib.commentators.openai.commentator import OpenAICommentator

    timeout_s = min(_SPEECH_TIMEOUT_S, settings.api_timeout_s)
    commentator = OpenAICommentator(settings.changed(api_timeout_s=timeout_s))
    try:
        commentator.warm_up()
        return commentator.speech.in_words()
    finally:
        commentator.close()


def speech_lines(
    settings: Settings, answers: bool, ask: Callable[[Settings], str] = ask_speech
) -> list[CheckLine]:
    """Check the speech of the server by `ask`, where it `answers` and a run would hear it: one line, or none."""
    if not answers or settings.commentator != "openai" or not settings.speech or settings.api_speech == "off":
        return []
    what = "server's speech"
    try:
        return [CheckLine(True, what, f"speaks: {ask(settings)}")]
    except CommentatorError as error:
        return [CheckLine(False, what, str(error), "set api_base_url, model_path and OPENAI_API_KEY")]
