"""Axes and words of a run's figure: scales, ticks at round numbers, lines and escaped texts as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

# The lanes' distance from the figure's left and right edge.
LEFT_PX, RIGHT_PX = 46, 12
_CHARACTER_PX = 6.3  # of text of 11 px, on average
_TIME_STEPS_S = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    28800,
    86400,
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to pixels: `low` lies at `start_px`, `high` at `end_px`."""

    low: float
    high: float
    start_px: float
    end_px: float

    def __call__(self, value: float) -> float:
        return self.start_px + (value - self.low) / (self.high - self.low) * (self.end_px - self.start_px)


def nice_ticks(low: float, high: float) -> list[float]:
    """Return two to five ticks at round numbers that enclose both values."""
    from matplotlib.ticker import MaxNLocator

    high = high if high > low else low + 1.0
    room = 0.06 * (high - low)  # so that nothing lies on the lane's edge
    low, high = low - room if low < 0 else low, high + room if high > 0 else high
    ticks = MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(t) for t in np.where(np.abs(ticks) < 1e-9 * (high - low), 0.0, ticks)]


def time_ticks(end_s: float, width_px: int) -> list[float]:
    most = width_px / 75
    step = next(
        (s for s in _TIME_STEPS_S if end_s / s <= most), 86400.0 * max(1.0, np.ceil(end_s / 86400 / most))
    )
    return [float(k * step) for k in range(int(end_s / step) + 1)]


def value_axis(ticks: Sequence[float], scale: Scale, time: Scale) -> list[str]:
    parts = []
    for tick in ticks:
        parts.append(line("grid", time.start_px, scale(tick), time.end_px, scale(tick)))
        parts.append(text("tick", time.start_px - 5, scale(tick) + 4, f"{tick:g}".replace("-", "−"), "end"))
    return parts


def time_axis(end_s: float, time: Scale, top: float, width_px: int) -> list[str]:
    ticks = time_ticks(end_s, width_px)
    whole = len(ticks) < 2 or ticks[1] >= 1
    parts = []
    for tick in ticks:
        at_edge = time(tick) > width_px - 22
        x, anchor = (width_px - 2.0, "end") if at_edge else (time(tick), "middle")
        parts.append(text("tick", x, top + 20, clock(tick, whole), anchor))
    unit = "h:min:s" if end_s >= 3600 else "min:s"
    name = f"time since the start, {unit}"
    parts.append(text("axis", time.start_px, top + 38, name))
    return parts


def clock(seconds: float, whole: bool = False) -> str:
    """Return a time as min:s with a tenth, or as h:min:s from an hour on.

    >>> clock(75.04), clock(75.04, whole=True), clock(4000)
    ('1:15.0', '1:15', '1:06:40')
    """
    if whole or seconds >= 3600:
        total = round(seconds)
        hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
        return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def nothing(word: str, time: Scale, y: float) -> str:
    return text("none", (time.start_px + time.end_px) / 2, y + 4, word, "middle")


def line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(name: str, x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def text_px(words: str) -> float:
    return len(words) * _CHARACTER_PX


def fitting(words: str, room_px: float) -> str:
    """Return words that are cut with an ellipsis where they would be wider than the room."""
    most = int(room_px / _CHARACTER_PX)
    if len(words) <= most:
        return words
    return f"{words[: max(0, most - 1)].rstrip()}…"
