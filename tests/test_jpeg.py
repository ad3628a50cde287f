"""JPEG in memory: colours survive, damaged data is no picture."""

from __future__ import annotations

import numpy as np

from commentator_lib.jpeg import decode_jpeg, encode_jpeg


def test_jpeg_keeps_the_colours():
    import cv2

    image = np.zeros((32, 32, 3), np.uint8)
    image[:] = (200, 40, 90)
    data = encode_jpeg(image)
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(back.astype(int) - image).max() < 8
    assert np.abs(decode_jpeg(data).astype(int) - image).max() < 8


def test_damaged_data_is_no_picture():
    assert decode_jpeg(b"") is None and decode_jpeg(b"no picture") is None
