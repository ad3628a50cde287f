"""A realtime server in duplex as a commentator: the model itself decides when to speak.

The server is told what was really heard of each response, since a model that remembers words that nobody heard goes on
from them.

What this interface cannot do yet: the prompt's facts, events and last comment do not reach the model, since a session
takes its instructions once (a new instruction opens a new session); the programme's sound comes with the cycles, so
while a comment is heard the model hears silence and gets that sound afterwards, up to five seconds of it.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.openai.client import key_reader, open_client, read_key
from commentator_lib.commentators.openai.login import (
    KEY_VARIABLE,
    Login,
    hider,
    is_loopback,
    secrets_of,
    split_login,
)
from commentator_lib.commentators.openai.models import choose_model, model_names
from commentator_lib.commentators.realtime.connection import Connection, connect
from commentator_lib.commentators.realtime.deciding import DecidingCommentator, Session
from commentator_lib.commentators.realtime.protocol import (
    RealtimeError,
    http_base,
    realtime_url,
    session_update,
)
from commentator_lib.commentators.realtime.responses import Response
from commentator_lib.settings import Settings

logger = logging.getLogger(__name__)

_OPEN_S = 10.0


class RealtimeCommentator(DecidingCommentator):
    """The model `model_path` on the realtime server beside `api_base_url`.

    `api_key` replaces the environment's OPENAI_API_KEY; no text and no repr of this object shows it.
    `reference_audio_path` is the voice that the model imitates, where it needs one. With `hear` it hears the programme.

    Raise CommentatorError for an invalid URL, a recording that is not there, and where a package is missing.
    """

    _timeout_hint = " (api_timeout_s): is it a server in duplex?"

    def __init__(self, settings: Settings, api_key: str | None = None) -> None:
        _check_packages()
        super().__init__()
        # The settings themselves are not kept: their URL may hold a password.
        self._base, self._login = split_login(http_base(settings.api_base_url))
        self._model = settings.model_path
        self._temperature = settings.temperature
        self._timeout_s = settings.api_timeout_s
        self._speech = settings.speech
        self._voice_wav = _read_voice(settings.reference_audio_path)
        self._key_is_given = bool(api_key and api_key.strip())
        self._read_key = key_reader(api_key) if api_key and api_key.strip() else read_key
        self.hears = settings.hear
        self._hide: Callable[[str], str] = hider([])
        self._instructions = ""
        self._finalizer: weakref.finalize | None = None

    @property
    def name(self) -> str:
        """The commentator's name in logs: its kind and its model, or its server while the model is not known."""
        return f"realtime: {self._model or self._base}"

    def warm_up(self) -> None:
        """End the session of the run before, find the model and open a session for a moment.

        Raise CommentatorError where nothing answers, the key is missing or refused, the model is not there, or the
        server opens no session.
        """
        self._close_session()
        self.say_loading("asking the server", 0.0)
        self._find_model()
        self.say_loading("opening a session", 0.5)
        try:
            connection = self._open("Comment on what you see.")
        except RealtimeError as error:
            raise CommentatorError(self._shown(f"{realtime_url(self._base)}: {error}")) from None
        if not connection.duplex:
            logger.warning(
                "%s does not say that it is in duplex: it may never speak by itself", realtime_url(self._base)
            )
        self._close_session()

    def close(self) -> None:
        """Close the session; `warm_up` and `comment` open another."""
        self._said.clear()
        self._close_session()

    # --- the session

    def _shown(self, text: str) -> str:
        return self._hide(text)

    def _note_voice(self, response: Response) -> None:
        """Leave the speaking to the embedded voice once the server turns out to send words alone."""
        if self.has_voice and response.words and response.sound_s == 0:
            logger.warning("%s sends words without sound: the embedded voice speaks them", self._base)
            self.has_voice = False

    def _open_session(self, instructions: str) -> Session:
        connection = self._session
        if (
            connection is None
            or connection.responses.closed
            or instructions != self._instructions
            or connection.responses.error
        ):
            connection = self._open(instructions)
        return connection

    def _open(self, instructions: str) -> Connection:
        """Open a session in place of the present one. Raise RealtimeError, its secrets hidden, where there is none."""
        self._close_session()
        key = self._read_key()
        self._hide = hider(secrets_of(key, self._login))
        url = realtime_url(self._base)
        try:
            headers = _headers(key, self._login)
            socket = connect(url, headers, is_loopback(self._base), min(_OPEN_S, self._timeout_s))
        except RealtimeError as error:
            words = self._shown(str(error))
            fix = f"; {self._key_fix()}" if " 401" in words or " 403" in words else ""
            raise RealtimeError(f"{words}{fix}") from None
        session = session_update(self._model, instructions, self._speech, self._temperature, self._voice_wav)
        connection = Connection(socket, session, self._hide)
        self._session, self._instructions = connection, instructions
        self._finalizer = weakref.finalize(self, connection.close)
        end_s = time.monotonic() + min(_OPEN_S, self._timeout_s)
        with connection.changed:
            while not connection.opened.is_set():
                self._check(connection)
                if not connection.changed.wait(max(0.0, end_s - time.monotonic())):
                    break
            self._check(connection)
        if not connection.opened.is_set():
            self._close_session()
            raise RealtimeError("the server opened no session in time")
        return connection

    def _close_session(self) -> None:
        if self._finalizer is not None:
            self._finalizer()  # closes it, once
        self._session = self._finalizer = None

    def _find_model(self) -> None:
        """Set the model to ask for. Raise CommentatorError where that is not known, or nothing answers."""
        import httpx

        key = self._read_key()
        self._hide = hider(secrets_of(key, self._login))
        with open_client(self._base, key, self._login, min(_OPEN_S, self._timeout_s)) as client:
            try:
                answer = client.get(f"{self._base}/models")
            except httpx.HTTPError as error:
                said = self._shown(f"{type(error).__name__}: {error}")
                raise CommentatorError(
                    f"nothing answers at {self._base} ({said}): start the server, or set api_base_url"
                ) from None
        if answer.status_code in (401, 403):
            raise CommentatorError(f"{self._base} answers {answer.status_code}; {self._key_fix()}")
        try:
            self._model = choose_model(
                self._model, model_names(answer.status_code, answer.content), self._base
            )
        except CommentatorError as error:  # it holds names from the server, which may contain anything
            raise CommentatorError(self._shown(str(error))) from None

    def _key_fix(self) -> str:
        if self._login:
            return "correct the name and password in api_base_url"
        if self._key_is_given:
            return "give a key that it takes"
        return f"set {KEY_VARIABLE} in the environment to a key that it takes"


def _check_packages() -> None:
    from importlib.util import find_spec

    if find_spec("httpx") is None or find_spec("websockets") is None:
        raise CommentatorError(
            "commentator=realtime needs packages that are not here: pip install 'commentator-lib[openai]'"
        )


def _read_voice(path: str) -> bytes | None:
    if not path.strip():
        return None
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise CommentatorError(f"reference_audio_path {path}: {error.strerror}") from None


def _headers(key: str, login: Login | None) -> dict[str, str]:
    """Return the headers that log in: a name and password of the URL go before the key."""
    if login is not None:
        import base64

        basic = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
        return {"Authorization": f"Basic {basic}"}
    return {"Authorization": f"Bearer {key}"} if key else {}
