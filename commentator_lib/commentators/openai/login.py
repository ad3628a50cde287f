"""The address and login of the commentator's server; their rules are in servers/login.py.

The key comes from the environment variable OPENAI_API_KEY, or from whoever makes the commentator.
"""

from __future__ import annotations

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.servers import login as servers_login
from commentator_lib.servers.login import Login as Login
from commentator_lib.servers.login import ServerSetupError, no_url
from commentator_lib.servers.login import hider as hider
from commentator_lib.servers.login import is_loopback as is_loopback
from commentator_lib.servers.login import secrets_of as secrets_of

KEY_VARIABLE = "OPENAI_API_KEY"
NO_URL = no_url("api_base_url")


def split_login(url: str) -> tuple[str, Login | None]:
    """Return what `servers.login.split_login` does. Raise CommentatorError, without the URL, for an unusable one."""
    try:
        return servers_login.split_login(url, "api_base_url", KEY_VARIABLE)
    except ServerSetupError as error:
        raise CommentatorError(str(error)) from None
