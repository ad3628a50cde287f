"""Encode and decode JPEG pictures in memory, for pages and servers."""

from __future__ import annotations

import numpy as np


def encode_jpeg(image: np.ndarray, quality: int = 80) -> bytes:
    """Encode (H, W, 3) uint8 RGB as a JPEG of `quality` 1–100. Raise cv2.error for other shapes and types."""
    import cv2

    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def decode_jpeg(data: bytes) -> np.ndarray | None:
    """Decode a JPEG to (H, W, 3) uint8 RGB; None where the data is no picture."""
    import cv2

    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
