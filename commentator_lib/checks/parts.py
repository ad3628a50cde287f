"""Try parts out, since a package that is installed may still not load."""

from __future__ import annotations

from collections.abc import Callable

from commentator_lib.checks.line import CheckLine
from commentator_lib.errors import named_first_line


def try_line(what: str, attempt: Callable[[], str], fix: str) -> CheckLine:
    """Return a line that is ok if `attempt` returns what it found; an error that it raises becomes the finding."""
    try:
        return CheckLine(True, what, attempt())
    except Exception as error:  # a library may fail to load in any way
        return CheckLine(False, what, named_first_line(error), fix)


def try_ffmpeg() -> str:
    """Return PyAV's and FFmpeg's versions. Raise an error where an encoder of exported videos is missing."""
    import av
    import av.codec

    for encoder in ("libx264", "aac"):
        av.codec.Codec(encoder, "w")
    return f"PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info}"


def try_baseline() -> str:
    """Run the detector on a grey picture."""
    import numpy as np

    from commentator_lib.commentators.baseline.detector import Detector

    Detector().detect(np.full((64, 64, 3), 127, np.uint8))
    return "its detector looks"


def try_voice() -> str:
    """Let the embedded voice say a word. Raise RuntimeError when its sound is silent."""
    from commentator_lib.media import to_float32
    from commentator_lib.voices.hibari import HibariVoice

    chunks = list(HibariVoice().speak("Ready."))
    if not any(abs(to_float32(chunk.samples)).max(initial=0.0) > 0.01 for chunk in chunks):
        raise RuntimeError("it spoke, but its sound is silent")
    return f"hibari said a word of {sum(chunk.duration_s for chunk in chunks):.2f} s"


def ocr_line() -> CheckLine:
    """Check the OCR, which watchers and the baseline commentator read the screen with."""
    from commentator_lib.commentators.baseline.text import ocr_installed

    if not ocr_installed():
        return CheckLine(None, "OCR", "not installed", "pip install rapidocr")
    return try_line("OCR", try_ocr, "pip install --force-reinstall rapidocr")


def try_ocr() -> str:
    """Let the OCR read a word. Raise RuntimeError when it reads something else."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    from commentator_lib.commentators.baseline.text import rapidocr_reader

    picture = Image.new("RGB", (320, 120), "white")
    ImageDraw.Draw(picture).text((60, 30), "GOAL", fill="black", font=ImageFont.load_default(48))
    texts = [text for text, _score in rapidocr_reader()(np.asarray(picture))]
    if "GOAL" not in texts:
        raise RuntimeError(f"it read {texts} instead of GOAL")
    return "rapidocr read a word"
