"""What the FFmpeg that comes with PyAV can open; no address is asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache


@cache
def has_format(name: str) -> bool:
    """Return whether this FFmpeg reads a format, or has an input device, of that name."""
    from av import ContainerFormat

    try:
        return bool(ContainerFormat(name, "r"))
    except ValueError:
        return False


@cache
def has_protocol(scheme: str) -> bool:
    """Return whether this FFmpeg knows a URL's scheme."""
    import av
    from av.error import FFmpegError, ProtocolNotFoundError

    try:
        # With no protocol allowed, one that is known is refused before anything is sent.
        av.open(f"{scheme}://127.0.0.1:1/", options={"protocol_whitelist": "none"}).close()
    except ProtocolNotFoundError:
        return False
    except (FFmpegError, OSError, ValueError):
        return True
    return True


def known_protocols(schemes: Iterable[str]) -> list[str]:
    """Return those of some schemes that this FFmpeg knows."""
    return [scheme for scheme in schemes if has_protocol(scheme)]
