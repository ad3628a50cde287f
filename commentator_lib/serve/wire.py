"""Messages of widgets as bytes on a WebSocket.

A message is JSON and any number of buffers: four bytes with the length of the JSON (unsigned, little endian), the JSON
(UTF-8), and the buffers one after another. The JSON is an object whose "buffers" lists the buffers' lengths in bytes.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import Any

_LENGTH = struct.Struct("<I")


class WireError(ValueError):
    """Bytes that are no message."""


def pack(message: dict[str, Any], buffers: Sequence[Any] = ()) -> bytes:
    """Return a message and its buffers as bytes. A number that is not finite becomes null, as JSON has none."""
    parts = [bytes(buffer) for buffer in buffers]
    message = {**message, "buffers": [len(part) for part in parts]}
    try:
        text = json.dumps(message, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(message), allow_nan=False, separators=(",", ":"))
    head = text.encode()
    return b"".join((_LENGTH.pack(len(head)), head, *parts))


def unpack(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Return the message in `data` and its buffers. Raise WireError for anything else."""
    if len(data) < _LENGTH.size:
        raise WireError("too short")
    at = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    try:
        message = json.loads(data[_LENGTH.size : at])
        lengths = message["buffers"]
        buffers: list[bytes] = []
        for length in lengths:
            if type(length) is not int or length < 0:
                raise WireError("the length of a buffer is no number")
            buffers.append(data[at : at + length])
            at += length
    except (ValueError, TypeError, KeyError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise WireError("no message of a widget") from None
    if at != len(data):
        raise WireError("its buffers are not as long as it says")
    return message, buffers


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
