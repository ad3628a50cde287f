"""The key and the httpx client of the commentator's server; what they share with other clients is in servers/."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.openai.login import KEY_VARIABLE, Login
from commentator_lib.servers import client
from commentator_lib.servers.client import content_type as content_type
from commentator_lib.servers.client import describe as describe
from commentator_lib.servers.client import may_pass as may_pass
from commentator_lib.servers.login import ServerSetupError, checked_key


def read_key() -> str:
    """Return the key of the environment, "" for none. Raise CommentatorError for one that cannot be sent."""
    return _checked_key(os.environ.get(KEY_VARIABLE, ""), KEY_VARIABLE)


def key_reader(key: str) -> Callable[[], str]:
    """Return a function that returns this key: it lies in no attribute, which a repr or a log of them would show.

    Raise CommentatorError for a key that cannot be sent.
    """
    checked = _checked_key(key, "the given key")
    return lambda: checked


def _checked_key(key: str, what: str) -> str:
    try:
        return checked_key(key, what)
    except ServerSetupError as error:
        raise CommentatorError(str(error)) from None


def open_client(base: str, key: str, login: Login | None, timeout_s: float) -> Any:
    """Return an httpx client that sends the login, else the key. Raise CommentatorError for an unusable proxy."""
    try:
        return client.open_client(base, key, login, timeout_s)
    except ServerSetupError as error:
        raise CommentatorError(str(error)) from None
