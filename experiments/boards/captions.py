"""What broadcasts lay over their pictures beside the board: captions, tickers, labels, commercials.

Each function returns an overlay: it draws over a picture what belongs to a frame.
"""

from __future__ import annotations

import numpy as np

from experiments.boards.clip import Overlay
from experiments.boards.draw import WHITE, Canvas, Colour, text_units
from experiments.boards.fonts import Font
from experiments.boards.script import FPS, clock_text

_BOLD, _PLAIN = Font("sans-bold"), Font("sans")
_DARK: Colour = (20, 24, 44)
_SHEETS: tuple[tuple[Colour, Colour], ...] = (
    ((250, 220, 60), (140, 20, 40)),
    ((20, 90, 160), (255, 255, 255)),
    ((240, 240, 236), (30, 120, 70)),
    ((30, 26, 30), (255, 170, 60)),
)


def _panel(text: str, scale: float, back: Colour, ink: Colour, font: Font, digits: float) -> Canvas:
    canvas = Canvas(text_units(text, font, digits) + 24, digits * 1.9, scale)
    canvas.box(0, 0, canvas.width_units, canvas.height_units, back, 0.95)
    canvas.text(text, 12, canvas.height_units / 2, ink, font, digits)
    return canvas


def label(
    text: str,
    at: tuple[float, float],
    frames: tuple[int, int],
    *,
    back: Colour = _DARK,
    ink: Colour = WHITE,
    digits: float = 16.0,
) -> Overlay:
    """Return a text in a box from one frame up to another; `at` is its top left, as shares of the picture."""
    canvases: dict[float, Canvas] = {}

    def draw(image: np.ndarray, frame: int) -> None:
        if frames[0] <= frame < frames[1]:
            scale = image.shape[0] / 400
            canvas = canvases.setdefault(scale, _panel(text, scale, back, ink, _BOLD, digits))
            canvas.lay_over(image, at[0] * image.shape[1], at[1] * image.shape[0])

    return draw


def captions(
    texts: tuple[str, ...], first: int, each: int, gap: int, at: tuple[float, float]
) -> tuple[Overlay, ...]:
    """Return captions one after another: the first begins at a frame, each lasts so many, with a gap between them."""
    starts = [first + k * (each + gap) for k in range(len(texts))]
    return tuple(label(text, at, (start, start + each)) for text, start in zip(texts, starts, strict=True))


def ticker(texts: tuple[str, ...], units_a_second: float = 45.0) -> Overlay:
    """Return a band at the bottom through which texts move to the left."""
    line = "     •     ".join(texts)
    wide = text_units(line, _PLAIN, 14)
    bands: dict[float, Canvas] = {}

    def draw(image: np.ndarray, frame: int) -> None:
        scale = image.shape[0] / 360
        if scale not in bands:
            band = Canvas(wide + 20, 26, scale)
            band.text(line, 0, 13, WHITE, _PLAIN, 14)
            bands[scale] = band
        top = image.shape[0] - round(26 * scale)
        image[top:] = image[top:] // 6 + np.array((16, 20, 40), np.uint8)
        x = 500.0 - (frame / FPS * units_a_second) % (wide + 500)
        bands[scale].lay_over(image, x * scale, top)

    return draw


def clock_label(
    start_s: float, rate: float, at: tuple[float, float], before: str = "", after: str = ""
) -> Overlay:
    """Return a running clock in a box, with a text before and after it."""

    def draw(image: np.ndarray, frame: int) -> None:
        text = f"{before}{clock_text(max(0.0, start_s + rate * frame / FPS))}{after}"
        canvas = _panel(text, image.shape[0] / 400, _DARK, WHITE, _BOLD, 16)
        canvas.lay_over(image, at[0] * image.shape[1], at[1] * image.shape[0])

    return draw


def time_code(start_s: int, at: tuple[float, float]) -> Overlay:
    """Return a burnt-in time code with frames: 10:02:11:05."""

    def draw(image: np.ndarray, frame: int) -> None:
        seconds, part = divmod(frame, FPS)
        seconds += start_s
        text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{part:02d}"
        canvas = _panel(text, image.shape[0] / 400, (0, 0, 0), WHITE, Font("mono-bold"), 14)
        canvas.lay_over(image, at[0] * image.shape[1], at[1] * image.shape[0])

    return draw


def commercials(spots: tuple[tuple[str, str], ...], frames: tuple[int, int]) -> Overlay:
    """Return commercials that cover the picture: each a large text and a smaller one that drifts below it."""
    each = (frames[1] - frames[0]) / len(spots)

    def draw(image: np.ndarray, frame: int) -> None:
        if not frames[0] <= frame < frames[1]:
            return
        number = min(len(spots) - 1, int((frame - frames[0]) / each))
        large, small = spots[number]
        back, ink = _SHEETS[number % len(_SHEETS)]
        height, width = image.shape[:2]
        light = np.linspace(1.0, 0.75, width, dtype=np.float32)[None, :, None]
        image[:] = (np.asarray(back, np.float32) * light).astype(np.uint8)
        scale = height / 360
        canvas = Canvas(width / scale, height / scale, scale)
        middle = canvas.width_units / 2
        canvas.text(large, middle, 150, ink, _BOLD, 58, 0.5, most=canvas.width_units - 60)
        drift = 40 * np.sin(frame / FPS)
        canvas.text(small, middle + drift, 250, ink, _PLAIN, 22, 0.5, most=canvas.width_units - 120)
        canvas.lay_over(image, 0, 0)

    return draw
