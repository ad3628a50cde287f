"""Requests that a server refuses or breaks off, and the reasons that it gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

# HTTP statuses that may be over in a moment: too many requests, and a server that starts, restarts or is overloaded.
PASSING = {429, 500, 502, 503, 504}

# What the refusals of servers and models that take no sound have in their words.
_NO_SOUND = re.compile(rb"audio|content[ _-]?(type|part)|unsupported|not supported", re.IGNORECASE)


class OpenAIServerError(Exception):
    """A request that failed; one line.

    `passing`: it may be over in a moment. `wait_s`: for how long the server asked not to be asked again.
    """

    def __init__(self, message: str, passing: bool = False, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.passing, self.wait_s = passing, wait_s


def beginning(packets: Iterable[bytes], longest_bytes: int) -> bytes:
    """Return the first bytes of a body; read no more of it than one packet beyond."""
    content = b""
    for packet in packets:
        content += packet
        if len(content) >= longest_bytes:
            break
    return content[:longest_bytes]


def refuses_usage(status: int, content: bytes) -> bool:
    """Return whether a refusal is for `stream_options`, which older servers do not know."""
    return status in (400, 422) and (b"stream_options" in content or b"include_usage" in content)


def refuses_sound(status: int, content: bytes) -> bool:
    """Return whether a refusal may be for `input_audio`, which not every server and model takes."""
    return status in (400, 422) and _NO_SOUND.search(content) is not None


def server_message(content: bytes) -> str:
    """Return what a server says of its refusal, in one line."""
    try:
        said = json.loads(content)
        said = said.get("error", said)
        said = said.get("message", said) if isinstance(said, dict) else said
    except (ValueError, AttributeError):
        said = content.decode("utf-8", "replace")
    return " ".join(str(said).split()) or "it does not say why"
