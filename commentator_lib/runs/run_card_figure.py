"""Draw a run's figure as SVG: lanes over one time axis, for a wide and for a narrow page.

Colours are CSS classes (run_card.css), so that one drawing serves light and dark pages. What a model, a watcher or a
user wrote is escaped. Each bar and mark has its words in a <title>, so that a saved figure tells them too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from commentator_lib.runs.run_card_axes import (
    LEFT_PX,
    RIGHT_PX,
    Scale,
    clock,
    fitting,
    line,
    nice_ticks,
    nothing,
    text,
    text_px,
    time_axis,
    time_ticks,
    value_axis,
)
from commentator_lib.runs.run_card_data import CardData, Change, Mark, Series

# Widths in px at which the figure is drawn; a page shows the one that fits better.
WIDTHS_PX = (860, 500)
_TITLE_PX, _GAP_PX, _AXIS_PX = 20, 10, 47


@dataclass(frozen=True, slots=True)
class Lane:
    """A stripe of the figure: its title with unit and n, its height, its keys, and what draws it at a top."""

    title: str
    height_px: int
    keys: Sequence[tuple[str, str]]  # (drawing of 12 px, word)
    draw: Callable[[float], list[str]]


def figure_svg(data: CardData, width_px: int, small_print: str, summary: str) -> str:
    """Return the figure as an <svg> element `width_px` wide; `summary` is what a screen reader says of it."""
    time = Scale(0.0, data.end_s, LEFT_PX, width_px - RIGHT_PX)
    lanes = [lane for lane in _lanes(data, time) if lane is not None]
    title_px = [_TITLE_PX if _fits(lane, width_px) else 2 * _TITLE_PX - 4 for lane in lanes]
    height = sum(title_px) + sum(lane.height_px + _GAP_PX for lane in lanes) + _AXIS_PX
    # 1) The lanes, one below the other.
    parts, top = [], 0.0
    for lane, above_px in zip(lanes, title_px, strict=True):
        parts += _title(lane, top, top + above_px - _TITLE_PX, width_px)
        top += above_px
        bottom = top + lane.height_px
        parts += [
            (
                f'<rect class="lane" x="{LEFT_PX}" y="{top:g}" width="{time.end_px - LEFT_PX:g}" '
                f'height="{lane.height_px}"/>'
            )
        ]
        parts += [line("grid", time(t), top, time(t), bottom) for t in time_ticks(data.end_s, width_px)]
        parts += lane.draw(top)
        top = bottom + _GAP_PX
    # 2) The axis below them, changes through all of them, and the small print.
    lanes_end = top - _GAP_PX
    parts += time_axis(data.end_s, time, lanes_end, width_px)
    parts += [
        f"{line('change', time(c.at_s), _TITLE_PX, time(c.at_s), lanes_end)[:-2]}>{_hint(c)}</line>"
        for c in data.changes
    ]
    parts.append(text("small", width_px - RIGHT_PX, height - 4, fitting(small_print, width_px - 30), "end"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="figure" role="img" aria-label="{escape(summary)}" '
        f'viewBox="0 0 {width_px} {height:g}" data-left="{time.start_px:g}" data-right="{time.end_px:g}" '
        f'data-top="0" data-bottom="{lanes_end:g}" font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )


# --- lanes


def _lanes(data: CardData, time: Scale) -> list[Lane | None]:
    small_error = not len(data.error.values) or float(np.abs(data.error.values).max()) < 1.0
    unit, factor = ("ms", 1000.0) if small_error else ("s", 1.0)
    return [
        Lane(f"Changes of settings (n = {data.changed})", 16, (), lambda top: _change_flags(data, time, top))
        if data.changes
        else None,
        Lane(
            f"Comments heard (n = {data.comments}{_drawn(data.comments, len(data.bars), 'groups')})",
            26,
            _comment_keys(data),
            lambda top: _bars(data, time, top),
        ),
        Lane(
            f"Events on screen, by importance (n = {data.events}{_drawn(data.events, len(data.marks), 'drawn')})",
            32,
            _event_keys(data.marks),
            lambda top: _marks(data, time, top),
        ),
        _line_lane(
            "Picture delay, s",
            [("delay", data.delay), ("wanted", data.wanted)],
            time,
            76,
            (("delay", "applied"), ("wanted", "wanted")),
        ),
        _point_lane(f"Comment after its picture, {unit}", data.error, factor, time, 76),
        _line_lane("Memory, MB", [("memory", _scaled(data.memory, 1e-6))], time, 52),
        _line_lane("GPU memory, GB", [("memory", _scaled(data.gpu_memory, 1e-9))], time, 52)
        if data.gpu_memory.count
        else None,
    ]


def _drawn(count: int, drawn: int, word: str) -> str:
    return f", {drawn} {word}" if drawn < count else ""


def _scaled(series: Series, factor: float) -> Series:
    return Series(series.at_s, series.values * factor, series.count)


def _comment_keys(data: CardData) -> list[tuple[str, str]]:
    words = {"spoken": "whole", "interrupted": "cut short", "failed": "failed"}
    found = [
        (_swatch(outcome), word)
        for outcome, word in words.items()
        if any(_bar_class(bar.outcome) == outcome for bar in data.bars)
    ]
    return [*found, (_cross(6, 6), "failed unheard")] if data.failures else found


def _swatch(name: str) -> str:
    return f'<rect class="bar {name}" x="0" y="1" width="12" height="10" rx="2"/>'


def _bar_class(outcome: str) -> str:
    return outcome if outcome in ("spoken", "interrupted", "failed") else "spoken"


def _bars(data: CardData, time: Scale, top: float) -> list[str]:
    if not data.bars and not data.failures:
        return [nothing("nothing was heard", time, top + 13)]
    parts = []
    for bar in data.bars:
        left = time(bar.from_s)
        width = max(1.5, time(bar.to_s) - left - 0.5)
        words = escape(f"{clock(bar.from_s)} – {clock(bar.to_s)}  {bar.words}")
        parts.append(
            f'<rect class="bar {_bar_class(bar.outcome)}" x="{left:.1f}" y="{top + 4:g}" width="{width:.1f}" '
            f'height="18" rx="2"><title>{words}</title></rect>'
        )
        if bar.outcome == "interrupted":  # told by shape too: an edge where it was cut
            parts.append(line("cut", left + width, top + 1, left + width, top + 25))
    parts += [f"<g>{_cross(time(f.at_s), top + 13)}{_hint(f)}</g>" for f in data.failures]
    return parts


def _cross(x: float, y: float) -> str:
    return f'<path class="cross" d="M{x - 4:.1f} {y - 4:g}l8 8m0 -8l-8 8"/>'


def _event_keys(marks: Sequence[Mark]) -> list[tuple[str, str]]:
    seen = sorted({mark.importance for mark in marks})
    keys = [(_mark(k, 6, 6, True), str(k)) for k in seen]
    return [*keys, (_mark(seen[-1], 6, 6, False), "not told")] if not all(m.told for m in marks) else keys


def _mark(importance: int, x: float, y: float, told: bool) -> str:
    """Return the sign of an event: its shape and size say how important it is, its filling that it was told."""
    shape = (
        f"M{x - 2:.1f} {y - 4:g}h4v8h-4z",  # a small upright bar
        f"M{x - 4:.1f} {y:g}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",  # a circle
        f"M{x:.1f} {y - 6:g}l6 6l-6 6l-6 -6z",  # a diamond
        f"M{x:.1f} {y - 7:g}l7 12.5h-14z",  # a triangle
    )[importance]
    return f'<path class="event e{importance} {"told" if told else "untold"}" d="{shape}"/>'


def _marks(data: CardData, time: Scale, top: float) -> list[str]:
    if not data.marks:
        return [nothing("none", time, top + 16)]
    parts, taken_to = [], 0.0
    # The important ones lie on top.
    for mark in sorted(data.marks, key=lambda m: m.importance):
        x = time(mark.at_s)
        words = escape(f"{clock(mark.at_s)}  {mark.words}{'' if mark.told else ' (not told)'}")
        parts.append(f"<g>{_mark(mark.importance, x, top + 22, mark.told)}<title>{words}</title></g>")
    # What the most important were called, where there is room.
    for mark in data.marks:
        if mark.importance < 2 or not mark.label:
            continue
        x, half = time(mark.at_s), text_px(mark.label) / 2
        x = min(max(x, time.start_px + half), time.end_px - half)
        if x - half > taken_to:
            parts.append(text("label", x, top + 10, mark.label, "middle"))
            taken_to = x + half + 4
    return parts


def _change_flags(data: CardData, time: Scale, top: float) -> list[str]:
    """Return the words of the changes, each at its line, where there is room before the next."""
    parts, at_px = [], [time(change.at_s) for change in data.changes]
    for k, (change, x) in enumerate(zip(data.changes, at_px, strict=True)):
        room = next((later for later in at_px[k + 1 :] if later > x), time.end_px) - x - 8
        before = x - (at_px[k - 1] if k else time.start_px) - 8
        if room < 45 and k == len(at_px) - 1 and before >= 45:
            parts.append(text("label", x - 4, top + 12, fitting(change.words, before), "end"))
        elif room >= 45 and before > -8:  # one of several at the same moment has the words
            parts.append(text("label", x + 4, top + 12, fitting(change.words, room)))
    return parts


def _line_lane(
    title: str,
    lines: Sequence[tuple[str, Series]],
    time: Scale,
    height_px: int,
    keys: Sequence[tuple[str, str]] = (),
) -> Lane:
    count = lines[0][1].count
    most = max((float(series.values.max()) for _, series in lines if len(series.values)), default=0.0)
    ticks = nice_ticks(0.0, most)
    drawn = [(f'<path class="line {name}" d="M0 6h12"/>', word) for name, word in keys] if count else []

    def draw(top: float) -> list[str]:
        if not any(series.count for _, series in lines):
            return [nothing("not measured", time, top + height_px / 2)]
        scale = Scale(ticks[0], ticks[-1], top + height_px, top)
        parts = value_axis(ticks, scale, time)
        for name, series in reversed(lines):
            points = [
                f"{time(t):.1f} {scale(v):.1f}" for t, v in zip(series.at_s, series.values, strict=True)
            ]
            if len(points) == 1:
                x, y = points[0].split()
                parts.append(f'<circle class="dot {name}" cx="{x}" cy="{y}" r="2.5"/>')
            elif points:
                parts.append(f'<path class="line {name}" d="M{"L".join(points)}"/>')
        return parts

    return Lane(f"{title} (n = {count})", height_px, drawn, draw)


def _point_lane(title: str, series: Series, factor: float, time: Scale, height_px: int) -> Lane:
    values = series.values * factor
    low, high = (min(0.0, float(values.min())), max(0.0, float(values.max()))) if len(values) else (0.0, 0.0)
    low, high = (0.0 if -low < 0.02 * high else low), (0.0 if high < -0.02 * low else high)  # next to nothing
    ticks = nice_ticks(low, high)

    def draw(top: float) -> list[str]:
        if not len(values):
            return [nothing("not measured", time, top + height_px / 2)]
        scale = Scale(ticks[0], ticks[-1], top + height_px, top)
        parts = [
            *value_axis(ticks, scale, time),
            line("zero", time.start_px, scale(0.0), time.end_px, scale(0.0)),
        ]
        parts += [
            f'<circle class="dot error" cx="{time(t):.1f}" cy="{scale(v):.1f}" r="3.2"/>'
            for t, v in zip(series.at_s, values, strict=True)
        ]
        return parts

    return Lane(f"{title} (n = {series.count})", height_px, (), draw)


# --- titles and hints


def _fits(lane: Lane, width_px: int) -> bool:
    """Return whether a lane's title and its keys fit beside each other."""
    keys_px = sum(_key_px(word) for _, word in lane.keys)
    return LEFT_PX + 7.4 * len(lane.title) + keys_px <= width_px - RIGHT_PX


def _key_px(word: str) -> float:
    return 1.05 * text_px(word) + 27


def _title(lane: Lane, top: float, keys_top: float, width_px: int) -> list[str]:
    """Return a lane's title at the left, and its keys at the right, each at its top."""
    parts = [text("title", LEFT_PX, top + 15, lane.title)]
    right = width_px - RIGHT_PX - sum(_key_px(word) for _, word in lane.keys)
    for sign, word in lane.keys:
        parts.append(f'<g transform="translate({right + 10:g} {keys_top + 5:g})">{sign}</g>')
        parts.append(text("key", right + 27, keys_top + 15, word))
        right += _key_px(word)
    return parts


def _hint(change: Change) -> str:
    return f"<title>{escape(f'{clock(change.at_s)}  {change.words}')}</title>"
