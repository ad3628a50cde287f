"""A comment's request as the body of a chat completion."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.jpeg import encode_jpeg
from commentator_lib.media import Frame

_LONGER_SIDE_PX = 768
_JPEG_QUALITY = 85


def data_url(frame: Frame) -> str:
    """Return a frame as a JPEG in a data URL, its longer side at most 768 px. Raise cv2.error if it is no picture."""
    import cv2

    image = frame.image
    height, width = image.shape[:2]
    scale = _LONGER_SIDE_PX / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(image, _JPEG_QUALITY)).decode()}"


def build_messages(frames: Sequence[Frame], prompt: str) -> list[dict[str, Any]]:
    """Return one user message: the frames in their order, and the prompt after them."""
    images = [{"type": "image_url", "image_url": {"url": data_url(frame)}} for frame in frames]
    return [{"role": "user", "content": [*images, {"type": "text", "text": prompt}]}]


def build_body(model: str, request: CommentRequest, temperature: float) -> dict[str, Any]:
    """Return the request's body without `stream_options`, which not every server knows."""
    return {
        "model": model,
        "messages": build_messages(request.frames, request.prompt),
        "max_tokens": request.max_new_tokens,
        "temperature": temperature,
        "stream": True,
    }
