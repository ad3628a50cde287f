"""What is asked of an HTTP server beside what FFmpeg reads: a short text, and whether it can seek."""

from __future__ import annotations

import base64
import logging
import ssl
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import BaseHandler, HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

logger = logging.getLogger(__name__)

_MOST_BYTES = 1_000_000
_TIMEOUT_S = 10.0
_USER_AGENT = "Lavf/62"  # as FFmpeg, since some servers know only players


def is_web(url: str) -> bool:
    """Return whether a URL is one of HTTP."""
    return url.partition("://")[0].lower() in ("http", "https")


def read_text(url: str, options: Mapping[str, str]) -> tuple[str, str]:
    """Return a URL's text, and the URL that it came from after redirections.

    `options` are FFmpeg's for HTTP, as `user_agent` and `headers`. Raise OSError or ValueError where nothing comes.
    """
    with _open(url, options, {}) as response:
        text = response.read(_MOST_BYTES).decode("utf-8", "replace")
        came_from = response.geturl()
    return text, url if came_from == _without_user(url)[0] else came_from


def cannot_seek(url: str, options: Mapping[str, str]) -> bool:
    """Return whether an HTTP server answers, and gives a file only from its beginning."""
    try:
        with _open(url, options, {"Range": "bytes=1-1"}) as response:
            return response.status == 200
    except (OSError, ValueError) as error:
        logger.debug("cannot ask whether the server can seek: %s", error)
        return False


def request_of(address: str, options: Mapping[str, str]) -> Request:
    """Return a request for an address without a user, with the headers that FFmpeg's `options` ask for."""
    request = Request(
        address, headers={"User-Agent": options.get("user_agent", _USER_AGENT), "Accept": "*/*"}
    )
    if "referer" in options:
        request.add_header("Referer", options["referer"])
    # FFmpeg takes cookies as a server sets them: of "a=b; path=/" the name and the value are sent.
    cookies = [line.partition(";")[0].strip() for line in options.get("cookies", "").splitlines()]
    if any(cookies):
        request.add_header("Cookie", "; ".join(filter(None, cookies)))
    for line in options.get("headers", "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            request.add_header(name.strip(), value.strip())
    return request


def handlers_of(options: Mapping[str, str]) -> list[BaseHandler]:
    """Return what opens requests as FFmpeg's `options` ask for."""
    context = ssl.create_default_context()
    if options.get("tls_verify") != "1":  # like FFmpeg: most cameras have a certificate of their own making
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    proxy = options.get("http_proxy")
    proxies = [ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
    return [HTTPSHandler(context=context), _Redirects(), *proxies]


class _Redirects(HTTPRedirectHandler):
    """Follows redirects; to another server without the cookies and headers that were meant for the first one."""

    def redirect_request(self, *given: Any, **more: Any) -> Request | None:
        request, following = given[0], super().redirect_request(*given, **more)
        if following is not None and urlsplit(following.full_url)[:2] != urlsplit(request.full_url)[:2]:
            following.headers = {
                name: value for name, value in following.headers.items() if name in ("User-agent", "Accept")
            }
        return following


def _open(url: str, options: Mapping[str, str], headers: Mapping[str, str]) -> Any:
    address, user = _without_user(url)
    request = request_of(address, options)
    for name, value in headers.items():
        request.add_header(name, value)
    if user:
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    try:
        return build_opener(*handlers_of(options)).open(request, timeout=_TIMEOUT_S)
    except HTTPException as error:
        raise ValueError(f"no answer of HTTP: {error}") from None


def _without_user(url: str) -> tuple[str, str]:
    """Return a URL without user and password, and those: "me:secret"."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host, fragment="")), unquote(user) if at else ""
