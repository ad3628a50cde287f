"""How the baseline commentator reads text on screen: the OCR extra as a function, and which readings may count.

OCR imagines words on textures, so a reading counts only above a score. reading.py, which knows the frames, adds the
rule that a text is said only when two frames gave the same reading.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np

# Reads a picture (H, W, 3) uint8 RGB: [(text, score in [0, 1])].
ReadText = Callable[[np.ndarray], list[tuple[str, float]]]
_TEXT_SCORE = 0.8
_SHORT_TEXT_SCORE = 0.9
_LONGEST_TEXT = 40


def readable_form(text: str) -> str:
    """Return what two readings of a text must agree on: its letters and digits, case-folded."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def believable(text: str, score: float) -> bool:
    """Return whether a reading may count at all.

    Only Latin letters and digits count: the embedded voice reads no other script, and on textures the OCR imagines
    Chinese characters. Short texts must score higher; long ones do not fit into a short sentence.
    """
    form = readable_form(text)
    if len(form) < 2 or len(text) > _LONGEST_TEXT:
        return False
    if not all(c.isdigit() or "LATIN" in unicodedata.name(c, "") for c in form):
        return False
    return score >= (_TEXT_SCORE if len(form) > 3 else _SHORT_TEXT_SCORE)


def rapidocr_reader() -> ReadText:
    """Load the OCR extra and return it as a function, on one thread. ImportError where rapidocr is not installed."""
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            "Det.limit_type": "max",
            "Det.limit_side_len": 640,  # with the defaults a frame takes four times as long
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

    def read(image: np.ndarray) -> list[tuple[str, float]]:
        # (H, W, 3) BGR; what comes back has another type for each choice of stages.
        result: Any = engine(
            np.ascontiguousarray(image[..., ::-1]), use_det=True, use_cls=False, use_rec=True
        )
        if result.txts is None:
            return []
        return [(str(t), float(s)) for t, s in zip(result.txts, result.scores, strict=True)]

    return read


def ocr_installed() -> bool:
    """Return whether the extra ocr is installed; it is not imported."""
    from importlib.util import find_spec

    return find_spec("rapidocr") is not None
