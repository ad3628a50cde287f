"""A server's address and login, and how its secrets are kept out of logs and messages.

A key comes from an environment variable, or from whoever makes the client. It is in no setting, log or message; it is
removed from a server's answers before they are shown. A name and password in the URL are sent instead of the key and
hidden in the same way.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit, urlunsplit

_LONGEST_MESSAGE = 300
# A shorter "key" is a placeholder such as "-" or "x", and hiding it would make messages unreadable.
_SHORTEST_SECRET = 4


class ServerSetupError(Exception):
    """A server's address, login or proxy cannot be used; one line that says why, without any secret."""


@dataclass(frozen=True, slots=True)
class Login:
    """The name and password of a URL; no repr shows them."""

    user: str = field(repr=False)
    password: str = field(repr=False)


def no_url(setting: str) -> str:
    """Return that the value of this setting is no address of a server."""
    return f"{setting} is no http or https URL: for example http://127.0.0.1:8000/v1"


def split_login(url: str, setting: str, key_variable: str) -> tuple[str, Login | None]:
    """Return (the URL without name, password and closing slash; its login, or None).

    Raise ServerSetupError, without the URL but with the name of its `setting`, for what is no http(s) URL, for one with
    a query (a key in it would appear in logs), and for a password with an unescaped @ or /, whose end cannot be found.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for what is no port
    except ValueError:
        raise ServerSetupError(no_url(setting)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ServerSetupError(no_url(setting))
    if parts.query or parts.fragment:
        raise ServerSetupError(
            f"{setting} must end before the ? or #: a key belongs into the environment as {key_variable}"
        )
    if url.count("@") > 1 or "@" in parts.path:
        raise ServerSetupError(f"{setting}: write @ as %40 and / as %2F within a name or password")
    host = parts.netloc.rpartition("@")[2]
    login = Login(unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return urlunsplit((parts.scheme, host, parts.path, "", "")).rstrip("/"), login


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def secrets_of(key: str, login: Login | None) -> list[str]:
    """Return the secrets that must not be shown, in every form in which they are sent."""
    if login is None:
        return [key]
    basic = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return [key, login.password or login.user, quote(login.password or login.user, safe=""), basic]


def hider(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function that turns a text into one printable line of at most 300 characters, its secrets hidden.

    They are hidden before the line is cut, so that no part of one is left. Texts shorter than 4 characters are not
    secret.
    """
    found = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def shown(text: str) -> str:
        for secret in found:
            text = text.replace(secret, "***")
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…"

    return shown


def checked_key(key: str, what: str) -> str:
    """Return a key without the space around it. Raise ServerSetupError, which calls it `what`, for an unusable one."""
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise ServerSetupError(f"{what} holds characters that no key has: set it anew")
    return key
