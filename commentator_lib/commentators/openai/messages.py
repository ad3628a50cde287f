"""A comment's request as the body of a chat completion: pictures, sound and words."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping
from typing import Any

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.plain_text import without_likely_marks
from commentator_lib.jpeg import encode_jpeg
from commentator_lib.media import AudioChunk, Frame, to_int16

# No thoughts: a live comment has no time for them. Servers that know no templates refuse this, and are sent none then.
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}

# How the role's place is called among what a server refuses.
SYSTEM_MESSAGE = "system message"
_LONGER_SIDE_PX = 768
_JPEG_QUALITY = 85
# Shorter sound is not sent: it says nothing, and servers refuse it.
_SHORTEST_SOUND_S = 0.1


def data_url(frame: Frame) -> str:
    """Return a frame as a JPEG in a data URL, its longer side at most 768 px. Raise cv2.error if it is no picture."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg_of(frame)).decode()}"


def jpeg_of(frame: Frame) -> bytes:
    """Return a frame as a JPEG, its longer side at most 768 px. Raise cv2.error if it is no picture."""
    import cv2

    image = frame.image
    height, width = image.shape[:2]
    scale = _LONGER_SIDE_PX / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return encode_jpeg(image, _JPEG_QUALITY)


def to_wav(sound: AudioChunk) -> bytes:
    """Return sound (N,) float32 in [-1, 1] or int16, mono, as a WAV file of 16 bits at its own sample rate."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sound.sample_rate_hz)
        writer.writeframes(to_int16(sound.samples).astype("<i2").tobytes())
    return file.getvalue()


def sound_parts(sound: AudioChunk | None) -> list[dict[str, Any]]:
    """Return the sound (N,) mono as the parts of a message: one, or none where there is less than 0.1 s of it."""
    if sound is None or sound.duration_s < _SHORTEST_SOUND_S:
        return []
    data = base64.b64encode(to_wav(sound)).decode()
    return [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]


def build_messages(request: CommentRequest, send_sound: bool = False) -> list[dict[str, Any]]:
    """Return the role as a system message, and one user message: frames, what was heard with them, the task.

    Servers keep what they computed of the beginning of a request, so what stays the same comes first. Without a role
    there is no system message. What looks like a control token in the prompt is taken apart: some servers make a token
    of it.
    """
    images = [{"type": "image_url", "image_url": {"url": data_url(frame)}} for frame in request.frames]
    sound = sound_parts(request.sound if send_sound else None)
    words = {"type": "text", "text": without_likely_marks(request.task)}
    role = without_likely_marks(request.role)
    system = [{"role": "system", "content": role}] if role else []
    return [*system, {"role": "user", "content": [*images, *sound, words]}]


def has_sound(body: dict[str, Any]) -> bool:
    """Return whether a request's body holds sound."""
    return any(part["type"] == "input_audio" for part in body["messages"][-1]["content"])


def without_sound(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request's body with its sound left out; the body itself is not changed."""
    *system, message = body["messages"]
    kept = [part for part in message["content"] if part["type"] != "input_audio"]
    return {**body, "messages": [*system, {**message, "content": kept}]}


def has_role(body: Mapping[str, Any]) -> bool:
    """Return whether a request's body holds a system message."""
    return body["messages"][0]["role"] == "system"


def with_role_in_task(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's body with its system message before the user's words; it is not changed itself."""
    system, message = body["messages"]
    *others, words = message["content"]
    words = {**words, "text": f"{system['content']}\n{words['text']}"}
    return {**body, "messages": [{**message, "content": [*others, words]}]}


def build_body(
    model: str, request: CommentRequest, temperature: float, send_sound: bool = False
) -> dict[str, Any]:
    """Return the request's body without `stream_options`, which not every server knows.

    The request's sound is part of it with `send_sound` only.
    """
    return {
        "model": model,
        "messages": build_messages(request, send_sound),
        "max_tokens": request.max_new_tokens,
        "temperature": temperature,
        "stream": True,
        **NO_THINKING,
    }


def without_refused(body: Mapping[str, Any], refused: Mapping[str, str]) -> dict[str, Any]:
    """Return a request's body without the parameters that the server has `refused`, the first refused first.

    `refused` has for each the name that is sent in its place, "" for none; SYSTEM_MESSAGE stands for the role's place.
    """
    left = dict(body)
    if SYSTEM_MESSAGE in refused and has_role(left):
        left = with_role_in_task(left)
    for name, instead in refused.items():
        if name in left:
            value = left.pop(name)
            if instead:
                left[instead] = value
    return left
