"""Pictures as video files hold them (yuv420p), from what a source gives, without a way through RGB.

yuv420p: a plane of brightness, 16–235, and two of colour with half the width and height. Sizes are even.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from commentator_lib.video_writer import BT709, conversion_of

if TYPE_CHECKING:
    import av

_BLACK = (16, 128, 128)
_FULL_RANGE = 2  # FFmpeg's number for brightness that reaches from 0 to 255


def planes(picture: av.VideoFrame) -> list[np.ndarray]:
    """Return the three planes of a yuv420p picture, (H, W), (H/2, W/2) twice, uint8, sharing its memory."""
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]  # pyright: ignore
        for plane in picture.planes
    ]


def copy_picture(picture: av.VideoFrame) -> av.VideoFrame:
    """Return a yuv420p picture with memory of its own; a decoder still needs that of the picture it gave."""
    import av

    copy = av.VideoFrame(picture.width, picture.height, "yuv420p")
    for to, of in zip(planes(copy), planes(picture), strict=True):
        np.copyto(to, of)
    return copy


class PictureFitter:
    """Fits pictures into one size, with black bars where their shape is another.

    The colours are left as those of `like`, a decoded picture, or BT.709; of a picture with others, or of RGB, they are
    converted.
    """

    def __init__(self, width_px: int, height_px: int, like: av.VideoFrame | None = None) -> None:
        self._width_px, self._height_px = width_px, height_px
        self._colorspace = BT709 if like is None else like.colorspace
        self._conversion = conversion_of(self._colorspace)
        self._black: av.VideoFrame | None = None

    def fitted(self, picture: av.VideoFrame | np.ndarray | None) -> av.VideoFrame:
        """Return a yuv420p picture of that size, not to be changed: it may be `picture` itself. None gives black.

        Takes what FFmpeg decoded, or (H, W, 3) uint8 RGB.
        """
        if picture is None:
            self._black = self._black or self._bars()
            return self._black
        # 1) The largest even size of that shape.
        picture = self._convertible(picture)
        scale = min(self._width_px / picture.width, self._height_px / picture.height)
        width = min(self._width_px, max(2, round(picture.width * scale / 2) * 2))
        height = min(self._height_px, max(2, round(picture.height * scale / 2) * 2))
        scaled = picture.reformat(
            width=width,
            height=height,
            format="yuv420p",
            dst_colorspace=self._conversion,
            interpolation="AREA" if scale < 1 else "BILINEAR",
        )
        # 2) In the middle of black.
        if (width, height) == (self._width_px, self._height_px):
            return scaled
        canvas = self._bars()
        left, top = (self._width_px - width) // 4 * 2, (self._height_px - height) // 4 * 2
        for k, (to, of) in enumerate(zip(planes(canvas), planes(scaled), strict=True)):
            x, y = (left, top) if k == 0 else (left // 2, top // 2)
            to[y : y + of.shape[0], x : x + of.shape[1]] = of
        return canvas

    def _convertible(self, picture: av.VideoFrame | np.ndarray) -> av.VideoFrame:
        """Return the picture, or its RGB where its colours are not those of the others."""
        import av

        if not isinstance(picture, np.ndarray):
            full_range = picture.color_range == _FULL_RANGE or picture.format.name.startswith("yuvj")
            if not full_range and picture.colorspace == self._colorspace:
                return picture
            picture = picture.to_ndarray(format="rgb24")
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")

    def _bars(self) -> av.VideoFrame:
        import av

        canvas = av.VideoFrame(self._width_px, self._height_px, "yuv420p")
        for plane, value in zip(planes(canvas), _BLACK, strict=True):
            plane[:] = value
        return canvas
