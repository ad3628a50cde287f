"""The messages of a realtime server in duplex: JSON events over a WebSocket, as vLLM-Omni documents them.

The names are OpenAI's realtime API, with additions for a model that decides by itself when to speak (`response.speak`,
`response.listen`), for pictures beside the sound (`video_frames`) and for what was really heard (`playback.ack`). Older
servers use the names of that API's beta; both are read. What is not known is passed over.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import numpy as np

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.media import to_int16

INPUT_RATE_HZ = 16_000
OUTPUT_RATE_HZ = 24_000
# How the ids of our events begin: an error names the event that it is about.
APPEND, ACK, CANCEL = "append", "ack", "cancel"

Kind = Literal["created", "updated", "speak", "listen", "words", "sound", "done", "error", "closed", "other"]

_KINDS: dict[str, Kind] = {
    "session.created": "created",
    "session.updated": "updated",
    "response.speak": "speak",
    "response.listen": "listen",
    "response.output_audio_transcript.delta": "words",
    "response.audio_transcript.delta": "words",
    "response.output_text.delta": "words",
    "response.text.delta": "words",
    "response.output_audio.delta": "sound",
    "response.audio.delta": "sound",
    "response.done": "done",
    "error": "error",
    "session.closed": "closed",
    "session.expired": "closed",
    "session.replaced": "closed",
}
_LONGEST_REASON = 300


class RealtimeError(Exception):
    """A realtime server failed, or sent what cannot be read; one line."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of the server, as far as it matters here.

    `text` is new words, or what the server says of an error or an end. `sound` is base64 of 16-bit mono PCM at
    `rate_hz`, or where that is None at the session's rate. `about` is the id of our event that an error is about.
    `duplex`, of a session that was created: it has said that its model decides when to speak.
    """

    kind: Kind
    response_id: str = ""
    text: str = ""
    sound: str = ""
    rate_hz: int | None = None
    code: str = ""
    about: str = ""
    spoken: bool = False  # the words are a transcript of the sound, and no text beside it
    failed: bool = False  # a response that ended before its end
    duplex: bool = False


def read_event(message: str | bytes) -> ServerEvent:
    """Return a message's event. Raise RealtimeError for what is no event."""
    try:
        event = json.loads(message)
        name = event["type"]
        kind = _KINDS.get(name, "other")
        response = _table(event.get("response"))
        response_id = _text(event.get("response_id")) or _text(response.get("id"))
        if kind == "error":
            return _read_error(event)
        if kind == "closed":
            return ServerEvent(kind, text=f"{name}: {_text(event.get('reason')) or 'no reason given'}")
        if kind in ("created", "updated"):
            session = _table(event.get("session"))
            duplex = bool(session.get("capabilities"))
            return ServerEvent(kind, rate_hz=_output_rate_hz(session), duplex=duplex)
        if kind == "sound":
            rate_hz = event.get("sample_rate_hz") or event.get("sample_rate")
            return ServerEvent(kind, response_id, sound=_text(event.get("delta")), rate_hz=_rate(rate_hz))
        if kind == "words":
            spoken = "transcript" in name
            return ServerEvent(kind, response_id, text=_text(event.get("delta")), spoken=spoken)
        if kind == "done":
            status = _text(response.get("status")) or "completed"
            details = _table(response.get("status_details"))
            error = _table(details.get("error"))
            said = _text(details.get("reason")) or _text(error.get("message")) or _text(error.get("code"))
            failed = status not in ("completed", "incomplete", "in_progress")
            return ServerEvent(
                kind, response_id, text=f"{status}{': ' + said if said else ''}", failed=failed
            )
        return ServerEvent(kind, response_id)
    except (ValueError, TypeError, KeyError, AttributeError):
        shown = message if isinstance(message, str) else message.decode("utf-8", "replace")
        raise RealtimeError(f"the server sent what is no event: {shown[:_LONGEST_REASON]}") from None


def _read_error(event: dict[str, Any]) -> ServerEvent:
    """Return an error, which lies in a table or, before the session, in a bare text."""
    error = event.get("error")
    table = error if isinstance(error, dict) else {}
    code = _text(table.get("code")) or _text(event.get("code"))
    said = (
        _text(table.get("message")) or (error if isinstance(error, str) else "") or code or "no reason given"
    )
    return ServerEvent("error", text=said, code=code, about=_text(table.get("event_id")))


def _output_rate_hz(session: dict[str, Any]) -> int | None:
    output = _table(_table(session.get("audio")).get("output"))
    return _rate(output.get("sample_rate_hz")) or _rate(_table(output.get("format")).get("rate"))


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _rate(value: Any) -> int | None:
    return (
        int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
    )


def session_update(
    model: str, instructions: str, speech: bool, temperature: float, voice_wav: bytes | None = None
) -> dict[str, Any]:
    """Return the event that opens a session; `voice_wav` is a recording of the voice to speak with, as a WAV file.

    The model alone decides when to speak (`turn_detection` null), is not stopped by what it hears, and remembers of its
    own words those that were heard.
    """
    session: dict[str, Any] = {
        "model": model,
        "modalities": ["audio", "text"] if speech else ["text"],
        "instructions": instructions,
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "sample_rate_hz": INPUT_RATE_HZ,
        "audio": {
            "input": {"sample_rate_hz": INPUT_RATE_HZ},
            "output": {"sample_rate_hz": OUTPUT_RATE_HZ},
        },
        "turn_detection": None,
        "overlap_policy": "listen_only",
        "playback_commit_policy": "ack_only",
        "temperature": temperature,
        "extra_body": {"auto_response": True, "force_listen_count": 0},
    }
    if voice_wav is not None:
        session["ref_audio"] = "data:audio/wav;base64," + base64.b64encode(voice_wav).decode()
    return {"type": "session.update", "event_id": "session", "session": session}


def append(number: int, samples: np.ndarray, jpegs: list[bytes]) -> dict[str, Any]:
    """Return unit `number` of a session: sound (N,), float32 or int16, mono at 16 kHz, and the pictures of its time."""
    event: dict[str, Any] = {
        "type": "input_audio_buffer.append",
        "event_id": f"{APPEND}-{number}",
        "audio": base64.b64encode(to_int16(samples).astype("<i2").tobytes()).decode(),
        "input_audio_format": "pcm16",
        "sample_rate_hz": INPUT_RATE_HZ,
        "duration_ms": round(1000 * len(samples) / INPUT_RATE_HZ),
    }
    if jpegs:
        event["video_frames"] = [base64.b64encode(jpeg).decode() for jpeg in jpegs]
    return event


def acknowledge(response_id: str, heard_s: float, cut: bool) -> dict[str, Any]:
    """Return that the first `heard_s` seconds of a response were heard; `cut`: and no more of it will be."""
    heard_ms = round(1000 * heard_s)
    event: dict[str, Any] = {
        "type": "playback.ack",
        "event_id": f"{ACK}-{response_id}",
        "response_id": response_id,
        "played_ms": heard_ms,
        "committed_ms": heard_ms,
    }
    return {**event, "truncate": True} if cut else event


def cancel(response_id: str) -> dict[str, Any]:
    """Return the event that ends a response, the present one for ""."""
    event = {"type": "response.cancel", "event_id": f"{CANCEL}-{response_id}"}
    return {**event, "response_id": response_id} if response_id else event


def close_session() -> dict[str, Any]:
    """Return the event that ends a session."""
    return {"type": "session.close"}


def http_base(url: str) -> str:
    """Return the http(s) address beside a realtime server's, with the name and password that it may hold.

    `url` is the address of an OpenAI-compatible server, http(s) or ws(s), with or without /realtime?duplex=1 behind it.
    Raise CommentatorError for one with another query: a key in it would appear in logs.

    >>> http_base("ws://127.0.0.1:8099/v1/realtime?duplex=1")
    'http://127.0.0.1:8099/v1'
    """
    parts = urlsplit(url)
    if [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if name != "duplex"]:
        raise CommentatorError(
            "api_base_url: only duplex=1 may stand behind the ?: a key belongs into the environment as OPENAI_API_KEY"
        )
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    path = parts.path.rstrip("/").removesuffix("/realtime")
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def realtime_url(base: str) -> str:
    """Return the address of the realtime server beside an http(s) address without name and password.

    >>> realtime_url("https://example.org/v1")
    'wss://example.org/v1/realtime?duplex=1'
    """
    parts = urlsplit(base)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, f"{parts.path}/realtime", "duplex=1", ""))
