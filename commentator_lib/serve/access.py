"""Who is answered: the Host, the Origin and the token of every request, before any route sees it.

- **Host**: a loopback address, "localhost" or a name that was given. A web page elsewhere reaches this server through
  its user's browser by a name of its own that leads here; that name is refused.
- **Origin**: what a page of another origin asks for is refused, also a plain GET by an image or a script element. There
  is no CORS.
- **Token**: in the header `Authorization` (Bearer, or Basic with the token as the password, which players can send), or
  in the cookie that a link was exchanged for. The cookie holds a keyed hash and not the token. The link `/?token=…`
  works for all who have it; one of `one_time_link` works once, within ten minutes. Both leave the address at once.
  `OPEN_PATHS` need no token.

On loopback a token is not needed unless one is given: only programs of this machine reach it, and the two rules above
keep web pages out.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
import urllib.parse
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from commentator_lib.hosts import is_accepted_host

COOKIE = "commentator"
LINK_VALID_S = 600.0
# Answered without the token: that the process lives, and whether it is ready, for who watches over it.
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
# What players open by its address: they ask their user for a password where they are told that Basic is taken. The page
# is not told so: a browser's own question would stand before its words.
_FOR_PLAYERS = ("/live", "/api/mjpeg", "/api/audio-stream")
_MOST_LINKS = 100
_NO_TOKEN = "Open the link that was printed where the server was started, or send its token."


@dataclass(slots=True)
class Access:
    """Who is answered. `token` None: whoever reaches this server. `hosts`: its names beside the loopback ones."""

    token: str | None = None
    hosts: frozenset[str] = frozenset()
    is_https: bool = False
    _links: dict[str, float] = field(
        default_factory=dict
    )  # one-time code -> valid until, by the monotonic clock

    def one_time_link(self) -> str:
        """Return the path of a link that lets one viewer in, once, within `LINK_VALID_S`."""
        now = time.monotonic()
        self._links = {code: until for code, until in self._links.items() if until > now}
        while len(self._links) >= _MOST_LINKS:
            del self._links[next(iter(self._links))]
        code = secrets.token_urlsafe(24)
        self._links[code] = now + LINK_VALID_S
        return f"/?token={code}"

    def takes_link(self, code: str) -> bool:
        """Return whether a link's code lets in; one that works once is used up by that."""
        if self.token is not None and _same(code, self.token):
            return True
        for known, until in list(self._links.items()):
            if _same(code, known):
                del self._links[known]
                return until > time.monotonic()
        return False

    def cookie(self) -> str:
        """Return the cookie's value: a hash that is keyed with the token."""
        return hmac.new((self.token or "").encode(), b"commentator's page", "sha256").hexdigest()

    def has_token(self, headers: dict[str, str]) -> bool:
        """Return whether a request's headers have the token, or its cookie."""
        if self.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(given.strip(), self.token):
            return True
        if scheme.lower() == "basic" and _same(_password(given), self.token):
            return True
        return _same(_cookie(headers.get("cookie", "")), self.cookie())


def _same(given: str, wanted: str) -> bool:
    """Compare two secrets in a time that does not depend on how much of them is equal."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode())


def _password(given: str) -> str:
    try:
        return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def is_foreign(headers: dict[str, str]) -> bool:
    """Return whether a request was made by a page of another origin; a link that a user follows was not.

    `headers` by their names in lower case. A proxy before this server may have taken HTTPS off, so the scheme of an
    origin may be either.
    """
    if (origin := headers.get("origin")) is not None:
        scheme, _, host = origin.strip().lower().partition("://")
        return scheme not in ("http", "https") or host != headers.get("host", "").strip().lower()
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not is_link


class Guard:
    """ASGI middleware that answers only those whom `access` lets in, and puts the safety headers on every answer."""

    def __init__(self, app: Any, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        link = _link_code(scope)
        if not is_accepted_host(headers.get("host", ""), self._access.hosts):
            await refuse(scope, send, 403, "This server is not known by that name (--allow-host adds one).")
        elif is_foreign(headers):
            await refuse(scope, send, 403, "A page of another origin may not ask this.")
        elif link is not None and not (self._access.token is None or self._access.takes_link(link)):
            await refuse(scope, send, 401, _NO_TOKEN)
        elif link is not None:
            await self._sign_in(send)
        elif scope["path"] not in OPEN_PATHS and not self._access.has_token(headers):
            await refuse(scope, send, 401, _NO_TOKEN)
        else:
            await self._app(scope, receive, _with_safety_headers(send))

    async def _sign_in(self, send: Any) -> None:
        """Exchange a link's token for the cookie, and go on to the address without it.

        Not by a redirect: where the link was followed from another site, a browser would not send the cookie along.
        """
        body = b'<!doctype html><meta http-equiv="refresh" content="0; url=/"><title>Live commentary</title>'
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            *_SAFETY_HEADERS,
        ]
        if self._access.token is not None:
            secure = "; Secure" if self._access.is_https else ""
            cookie = f"{COOKIE}={self._access.cookie()}; Path=/; HttpOnly; SameSite=Strict{secure}"
            headers.append((b"set-cookie", cookie.encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _link_code(scope: dict[str, Any]) -> str | None:
    """Return the token in the query of the page's address, None where there is none."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
        return None
    found = urllib.parse.parse_qs(scope["query_string"].decode("latin-1")).get("token")
    return found[0] if found else None


_SAFETY_HEADERS = [
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]


def _with_safety_headers(send: Any) -> Any:
    """Return a `send` that adds the safety headers that an answer has not set itself."""

    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            added = [(name, value) for name, value in _SAFETY_HEADERS if name not in given]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending


async def refuse(scope: dict[str, Any], send: Any, status: int, words: str) -> None:
    """Answer a request, or the handshake of a WebSocket, with a status and one line: JSON, or HTML for people."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": words})
            return
        kind = "websocket.http.response"
    wants_page = any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
    if wants_page and kind == "http.response":
        content_type = b"text/html; charset=utf-8"
        body = f"<!doctype html><html lang=en><title>Live commentary</title><p>{words}</html>".encode()
    else:
        content_type, body = b"application/json", ('{"detail": "' + words + '"}').encode()
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        *_SAFETY_HEADERS,
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
        if scope["path"].startswith(_FOR_PLAYERS):
            headers.append((b"www-authenticate", b'Basic realm="Live commentary", charset="UTF-8"'))
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
