"""User name and password of a stream: out of its URL, from the environment, or from a file that is one's own."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from commentator_lib.sources.base import SourceError

_SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps")


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password; neither is shown when it is printed."""

    user: str = field(repr=False)
    password: str = field(repr=False)


def split_login(url: str) -> tuple[str, Login | None]:
    """Return a URL without its user and password, and those.

    >>> split_login("rtsp://me:pa/ss@10.0.0.2/cam")[0]
    'rtsp://10.0.0.2/cam'
    """
    scheme, colon, rest = url.partition("://")
    authority = rest[: min((k for k in map(rest.find, "/?#") if k >= 0), default=len(rest))]
    if "@" in authority:
        info, rest = authority.rpartition("@")[0], rest[authority.rindex("@") + 1 :]
    elif "@" in rest and not _is_host(authority):
        # What stands there is no host with its port, but the beginning of a password with one of "/?#" in it.
        info, _, rest = rest.partition("@")
    else:
        return url, None
    user, _, password = info.partition(":")
    return f"{scheme}{colon}{rest}", Login(unquote(user), unquote(password))


def _is_host(authority: str) -> bool:
    """Return whether a text can be a host, with or without a port."""
    host, colon, port = authority.rpartition(":")
    return authority.startswith("[") or not colon or not host or not port or port.isdigit()


def with_login(url: str, login: Login | None) -> str:
    """Return a URL without a user and password with those of `login`."""
    if login is None:
        return url
    scheme, colon, rest = url.partition("://")
    return f"{scheme}{colon}{quote(login.user, safe='')}:{quote(login.password, safe='')}@{rest}"


def find_login(login_file: str = "", environment: Mapping[str, str] | None = None) -> Login | None:
    """Return the login of a file, else of STREAM_USER and STREAM_PASSWORD; None without. Raise SourceError.

    The file holds `user:password`, or each on a line of its own, and must be readable by its owner alone.
    """
    environment = os.environ if environment is None else environment
    if login_file:
        return _read_login(Path(login_file).expanduser())
    user, password = environment.get("STREAM_USER", ""), environment.get("STREAM_PASSWORD", "")
    if password and not user:
        raise SourceError("STREAM_PASSWORD is set, and STREAM_USER is not: set both")
    return Login(user, password) if user else None


def _read_login(path: Path) -> Login:
    try:
        with open(path, encoding="utf-8") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise SourceError(f"others may read the login file {path}: chmod 600 {path}")
            lines = file.read(4096).strip().splitlines()
    except OSError as error:
        raise SourceError(f"cannot read the login file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"the login file {path} is no text") from None
    if len(lines) == 1 and ":" in lines[0]:
        lines = lines[0].split(":", 1)
    if len(lines) != 2:
        raise SourceError(f"the login file {path} must hold user:password, or each on a line of its own")
    return Login(lines[0].strip(), lines[1].strip())


def address_with_login(url: str, login_file: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Return a stream's URL as FFmpeg takes it: with its own user and password, escaped, or with those given apart.

    Raise SourceError for a login file that cannot be used.
    """
    if url.partition("://")[0].lower() not in _SCHEMES:
        return url
    bare, login = split_login(url)
    return with_login(bare, login or find_login(login_file, environment))
