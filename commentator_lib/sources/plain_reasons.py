"""Say in plain words why a source cannot be opened or read, instead of FFmpeg's and the system's own."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import urllib.error
from collections.abc import Callable
from urllib.parse import urlsplit

_NO_ANSWER = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ETIMEDOUT}
_CUT_OFF = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}
_OTHER_SERVICE = "another service answers there, or what it sends is no video"
# What stands for itself, by the system's error number.
_BY_NUMBER = {
    errno.ECONNREFUSED: "refused: nothing listens on that port",
    errno.ENOENT: "not found",
    errno.EBUSY: "another program holds it",
    errno.EADDRINUSE: "another program receives there already",
    errno.EADDRNOTAVAIL: "that address is not one of this machine",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ENODEV: "there is no such device",
    errno.ENXIO: "there is no such device",
    errno.ENOTTY: "it is no such device",
    errno.EISDIR: "it is a folder",
    errno.ESPIPE: "the server cannot seek",
    errno.EMFILE: "this program has too many files open",
    errno.ENOMEM: "there is not enough memory",
}
# FFmpeg's own errors, by the names of PyAV's classes: they have no number of the system.
_BY_CLASS = {
    "ProtocolNotFoundError": "no such protocol in this FFmpeg",
    "DemuxerNotFoundError": "this FFmpeg cannot read this kind",
    "DecoderNotFoundError": "this FFmpeg cannot decode this kind",
    "StreamNotFoundError": "not found",
}
_HTTP_STATUS = {
    "HTTPBadRequestError": 400,
    "HTTPUnauthorizedError": 401,
    "HTTPForbiddenError": 403,
    "HTTPNotFoundError": 404,
    "HTTPTooManyRequestsError": 429,
}


def plain_reason(
    error: BaseException, opening_s: float | None = None, resolves: Callable[[str], bool] | None = None
) -> str:
    """Return in a few plain words why something failed; never an address, which may hold a secret.

    `opening_s` is for how long the opening was tried; None if it was open already. `resolves` tells whether a host's
    name is known, for errors that do not; the system is asked by default.

    >>> plain_reason(ConnectionRefusedError(111, "Connection refused"))
    'refused: nothing listens on that port'
    """
    # 1) What wraps another error.
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        inner = error.reason
        return plain_reason(inner, opening_s, resolves) if isinstance(inner, Exception) else str(inner)
    # 2) Answers of a server, and what is no answer at all.
    kind, number = type(error).__name__, getattr(error, "errno", None)
    address = str(getattr(error, "filename", None) or "")
    status = error.code if isinstance(error, urllib.error.HTTPError) else _HTTP_STATUS.get(kind)
    if status is not None:
        return http_reason(status, bool(_user_of(address)))
    if kind == "HTTPOtherClientError":
        return "the server refuses it"
    if kind == "HTTPServerError":
        return "the server has a fault of its own (5xx)"
    if kind == "ExitError" or (isinstance(error, TimeoutError) and number is None):
        return _silence(opening_s)
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(error, (ssl.SSLError, http.client.HTTPException)):
        return _OTHER_SERVICE
    # 3) Errors with a name or number of their own.
    if kind in _BY_CLASS:
        return _BY_CLASS[kind]
    if number in _NO_ANSWER:
        return "nobody answers"
    if kind == "EOFError" and opening_s is None:
        return "it has ended"
    if number in _CUT_OFF or kind == "EOFError":
        return "the connection was cut off" if opening_s is None else f"it hung up: {_OTHER_SERVICE}"
    if isinstance(error, OSError) and number in _BY_NUMBER:
        return _BY_NUMBER[number]
    # 4) Errors that FFmpeg has for everything else.
    if kind == "InvalidDataError" or number == errno.EIO:
        return _unclear(address, kind, opening_s, resolves or _resolves)
    return (getattr(error, "strerror", None) or str(error)).strip().rstrip(".") or kind


def http_reason(status: int, has_login: bool) -> str:
    """Return what a server's status means; `has_login` tells whether a user name was sent."""
    if status in (401, 407):
        return (
            f"wrong password ({status})"
            if has_login
            else f"it asks for a user name and a password ({status})"
        )
    if status in (404, 410):
        return f"not found ({status})"
    if status == 403:
        return "the server refuses it (403)"
    if status == 429:
        return "the server is asked too often (429)"
    if status >= 500:
        return f"the server has a fault of its own ({status})"
    return f"the server refuses it ({status})"


def _silence(opening_s: float | None) -> str:
    return "nothing came in time" if opening_s is None else f"nothing came for {opening_s:.0f} s"


# FFmpeg's RTSP reader says "invalid data" when nothing has come; an answer is there sooner than this.
_WAITED_S = 2.0


def _unclear(address: str, kind: str, opening_s: float | None, resolves: Callable[[str], bool]) -> str:
    """Return the reason behind "Invalid data" and "Input/output error", which stand for many."""
    if "://" not in address:
        return "its data is damaged, or no video" if kind == "InvalidDataError" else "it cannot be read"
    try:
        scheme, host = urlsplit(address).scheme, urlsplit(address).hostname
    except ValueError:
        return "that is no address"
    if opening_s is None:
        return "what comes is damaged"
    if kind != "InvalidDataError" and host and not resolves(host):
        return "no such host"
    if opening_s >= _WAITED_S and scheme.startswith("rtsp"):
        return _silence(opening_s)
    return _OTHER_SERVICE


def _user_of(address: str) -> str:
    before_at, at, _ = address.partition("://")[2].rpartition("@")
    return before_at if at else ""


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False
