"""What a picture's colours mean where its file does not say so, and how those of HDR are shown on an SDR screen.

Numbers of matrices, primaries and transfers are those of ITU-T H.273, which FFmpeg uses, too.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import av

BT709, UNSPECIFIED, SMPTE170M, BT2020_NCL = 1, 2, 6, 9
_BT2020_PRIMARIES = 9
_PQ, _HLG = 16, 18
# What FFmpeg's scaler converts; BT.2020 with constant luminance, and ICtCp, are shown by the nearest that it knows.
_MATRICES = {BT709, 4, 5, SMPTE170M, 7, BT2020_NCL}
_NEAREST = {10: BT2020_NCL, 14: BT2020_NCL}
# From so many lines or columns on, a picture without a tag is HD.
_HD_LINES, _HD_COLUMNS = 720, 1280

# HDR reference white in cd/m², which becomes SDR white (ITU-R BT.2408), and the peak that still has detail.
_WHITE_NITS, _PEAK_NITS = 203.0, 1000.0
_PQ_MAX_NITS = 10_000.0
_HLG_SYSTEM_GAMMA = 1.2  # at a peak of 1000 cd/m²; ITU-R BT.2100
_SCREEN_GAMMA = 2.4  # ITU-R BT.1886
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593])
# Linear light from BT.2020 primaries to BT.709 ones; ITU-R BT.2407.
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
_CUBE_SIDE = 33


def matrix_of(tagged: int, width: int, height: int) -> int:
    """Return the matrix of a YUV picture: as `tagged`; without a (known) tag BT.709 for HD, else BT.601."""
    if tagged in _MATRICES:
        return tagged
    if tagged in _NEAREST:
        return _NEAREST[tagged]
    return BT709 if height >= _HD_LINES or width >= _HD_COLUMNS else SMPTE170M


def tag_colours(picture: av.VideoFrame) -> None:
    """Give a YUV picture without a tag the matrix that it is shown with: all who convert or copy it use the same."""
    if is_yuv(picture):
        picture.colorspace = matrix_of(int(picture.colorspace), picture.width, picture.height)


def is_yuv(picture: av.VideoFrame) -> bool:
    """Return whether a picture has one plane of brightness and two of colour, and no table of colours."""
    form = picture.format
    return not form.is_rgb and not form.has_palette and len(form.components) >= 3


def is_beyond_sdr(picture: av.VideoFrame) -> bool:
    """Return whether a picture's brightness or colours reach further than an SDR screen's: PQ, HLG or BT.2020."""
    transfer, primaries, matrix = _tags(picture)
    return transfer in (_PQ, _HLG) or primaries == _BT2020_PRIMARIES or matrix == BT2020_NCL


def _tags(picture: av.VideoFrame) -> tuple[int, int, int]:
    """Return transfer, primaries and matrix; older PyAV knows only the last."""
    transfer, primaries = (
        int(getattr(picture, name, UNSPECIFIED)) for name in ("color_trc", "color_primaries")
    )
    return transfer, primaries, int(picture.colorspace)


def to_sdr(rgb: np.ndarray, transfer: int, wide: bool) -> np.ndarray:
    """Return BT.709 RGB for an SDR screen, from RGB with a transfer (16 PQ, 18 HLG, others SDR); (N, 3), 0 to 1.

    `wide`: its primaries are BT.2020. Reference white becomes a little less than white, to leave room for highlights.
    """
    # 1) Light, where 1 is SDR white.
    if transfer == _PQ:
        light = _pq_to_nits(rgb) / _WHITE_NITS
    elif transfer == _HLG:
        light = _hlg_to_nits(rgb) / _WHITE_NITS
    else:
        light = np.clip(rgb, 0, 1) ** _SCREEN_GAMMA
    # 2) Less of what is too bright; the same for all three channels, so that hues stay.
    if transfer in (_PQ, _HLG):
        brightest = light.max(axis=-1, keepdims=True)
        light = light * (_rolled_off(brightest) / np.maximum(brightest, 1e-9))
    # 3) Primaries and transfer of the screen.
    if wide:
        light = light @ _BT2020_TO_BT709.T
    return np.clip(light, 0, 1) ** (1 / _SCREEN_GAMMA)


def _pq_to_nits(code: np.ndarray) -> np.ndarray:
    """Return the light in cd/m² of PQ code values from 0 to 1; SMPTE ST 2084."""
    root = np.clip(code, 0, 1) ** (1 / 78.84375)
    share = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return _PQ_MAX_NITS * share ** (1 / 0.1593017578125)


def _nits_to_pq(nits: np.ndarray | float) -> np.ndarray:
    """Return PQ code values of light in cd/m²; SMPTE ST 2084."""
    power = (np.maximum(nits, 0) / _PQ_MAX_NITS) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg_to_nits(code: np.ndarray) -> np.ndarray:
    """Return the light in cd/m² of HLG code values from 0 to 1, on a screen of 1000 cd/m²; ARIB STD-B67, BT.2100."""
    code = np.clip(code, 0, 1)
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    brightness = scene @ _BT2020_LUMA
    return _PEAK_NITS * scene * (brightness ** (_HLG_SYSTEM_GAMMA - 1))[..., None]


def _rolled_off(light: np.ndarray) -> np.ndarray:
    """Return light from 0 to the HDR peak as 0 to 1, untouched where it is dim; the curve of ITU-R BT.2390, 5.4.1."""
    peak = _nits_to_pq(_PEAK_NITS)
    white = _nits_to_pq(_WHITE_NITS) / peak
    code = np.minimum(_nits_to_pq(light * _WHITE_NITS) / peak, 1.0)
    knee = 1.5 * white - 0.5
    t = np.maximum(code - knee, 0) / (1 - knee)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * white
    )
    return _pq_to_nits(np.where(code < knee, code, bent) * peak) / _WHITE_NITS


class SdrConverter:
    """Shows HDR pictures as SDR: `to_sdr` in a table, which FFmpeg looks colours up in."""

    def __init__(self) -> None:
        self._form: tuple[Any, ...] = ()
        self._graph: Any = None

    def converted(self, picture: av.VideoFrame, width: int, height: int) -> np.ndarray:
        """Return a picture of PQ, HLG or BT.2020 as (height, width, 3) uint8 RGB."""
        transfer, primaries, matrix = _tags(picture)
        wide = primaries == _BT2020_PRIMARIES or (primaries == UNSPECIFIED and matrix == BT2020_NCL)
        form = (width, height, transfer, wide)
        if form != self._form:
            self._graph, self._form = _look_up_graph(*form), form
        rgb = picture.reformat(width=width, height=height, format="gbrp12le")
        rgb.pts = None
        self._graph.push(rgb)
        return self._graph.vpull().reformat(format="rgb24").to_ndarray()


def _look_up_graph(width: int, height: int, transfer: int, wide: bool) -> Any:
    """Return a filter graph that turns gbrp12le pictures of that size into SDR ones."""
    import av.filter

    steps = np.linspace(0, 1, _CUBE_SIDE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    cube = to_sdr(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer, wide)
    graph = av.filter.Graph()
    source = graph.add(
        "buffer", video_size=f"{width}x{height}", pix_fmt="gbrp12le", time_base="1/1000", pixel_aspect="1/1"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".cube") as file:  # read when the filter is made
        file.write(f"LUT_3D_SIZE {_CUBE_SIDE}\n")
        np.savetxt(file, cube, fmt="%.5f")
        file.flush()
        table = graph.add("lut3d", file=file.name)
    sink = graph.add("buffersink")
    graph.link_nodes(source, table, sink).configure()
    return graph
