"""The httpx client for a server, and its errors in words."""

from __future__ import annotations

from typing import Any

from commentator_lib.servers.login import Login, ServerSetupError, is_loopback


def open_client(base: str, key: str, login: Login | None, timeout_s: float) -> Any:
    """Return an httpx client that sends the login, else the key. Raise ServerSetupError for an unusable proxy."""
    import httpx

    try:
        return httpx.Client(
            timeout=httpx.Timeout(timeout_s),
            auth=(login.user, login.password) if login else None,
            headers={"Authorization": f"Bearer {key}"} if key and not login else {},
            trust_env=not is_loopback(base),  # a proxy cannot reach what listens on this machine
        )
    except (ImportError, ValueError, httpx.InvalidURL):  # their words may hold the proxy's password
        raise ServerSetupError(
            "the proxy that the environment names cannot be used (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY): "
            "unset it, or for a SOCKS proxy pip install 'httpx[socks]'"
        ) from None


def content_type(response: Any) -> str:
    """Return the kind of an answer's body, such as "text/html"; "" where it names none."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def may_pass(error: Exception) -> bool:
    """Return whether an error of httpx may be over in a moment."""
    import httpx

    return isinstance(error, httpx.TimeoutException | httpx.NetworkError | httpx.RemoteProtocolError)


def describe(error: Exception, timeout_s: float, setting: str = "api_timeout_s") -> str:
    """Return what an error of httpx means, in words; `setting` holds the time-out."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return f"no answer for {timeout_s:g} s ({setting})"
    if isinstance(error, httpx.ConnectError):
        return f"cannot connect, {error}"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return "broke off in mid-answer"
    return type(error).__name__
