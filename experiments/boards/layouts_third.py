"""A third set of boards to develop with, of football only: other orders of their parts, faint and small ones.

What the first two sets do not show: numbers outside of the names, a clock between the numbers, names far from their
numbers or below them, other texts next to the board, results of the first leg, marks that come, clocks without seconds,
digits that are larger than the names, and banners that cover the whole board.
"""

from __future__ import annotations

from experiments.boards.draw import WHITE, Canvas, Colour
from experiments.boards.fonts import Font
from experiments.boards.layout import Cell, Layout, row, wide_enough
from experiments.boards.script import Face

_BOLD, _PLAIN = Font("sans-bold"), Font("sans")
_TIGHT = Font("sans-bold", narrow=0.78)
_SERIF_TIGHT = Font("serif-bold", narrow=0.66)
_AILERON = Font("aileron", stroke=0.05)
_INK: Colour = (18, 20, 30)
_PAPER: Colour = (238, 240, 244)
_ROLL_FRAMES, _ZOOM_FRAMES = 12, 15
_LIT_FRAMES = 50


def _codes(face: Face, font: Font, digits: float) -> float:
    return wide_enough((face.teams[0].code, face.teams[1].code), font, digits)


def _changed(face: Face, side: int, within: int) -> bool:
    """Return whether the score of a side has changed within so many frames."""
    return face.since < within and face.before[side] not in ("", face.score[side])


def _outer_numbers(face: Face, scale: float) -> Canvas:
    """Numbers at both ends, codes inside, and the clock in the middle in a box of its own colour."""
    code = _codes(face, _AILERON, 18)
    canvas = Canvas(2 * 34 + 2 * code + 84, 32, scale)
    home, away = face.teams
    cells = [
        Cell(face.score[0], 34, home.colour, home.ink, _AILERON, 20, score=True),
        Cell(home.code, code, _PAPER, _INK, _AILERON, 18),
        Cell(face.clock, 84, (0, 92, 130), WHITE, _AILERON, 17),
        Cell(away.code, code, _PAPER, _INK, _AILERON, 18),
        Cell(face.score[1], 34, away.colour, away.ink, _AILERON, 20, score=True),
    ]
    row(canvas, 0, 0, 32, cells, face.ink)
    return canvas


def _clock_between(face: Face, scale: float) -> Canvas:
    """Code, number, clock, number, code on a bar with a gradient that shines through."""
    code = _codes(face, _BOLD, 17)
    canvas = Canvas(2 * code + 2 * 32 + 92, 34, scale)
    home, away = face.teams
    cells = [
        Cell(home.code, code, (20, 26, 60), WHITE, _BOLD, 17, opacity=0.85, fade=0.5),
        Cell(face.score[0], 32, (20, 26, 60), (255, 226, 110), _BOLD, 20, 0.5, 0.85, True, 0.5),
        Cell(face.clock, 92, (8, 10, 20), WHITE, _PLAIN, 16, opacity=0.9),
        Cell(face.score[1], 32, (20, 26, 60), (255, 226, 110), _BOLD, 20, 0.5, 0.85, True, 0.5),
        Cell(away.code, code, (20, 26, 60), WHITE, _BOLD, 17, opacity=0.85, fade=0.5),
    ]
    row(canvas, 0, 0, 34, cells, face.ink)
    return canvas


def _wide_rows(face: Face, scale: float) -> Canvas:
    """Two rows of one width: the name at the left, its number at the far right; the clock above, at the left."""
    canvas = Canvas(230, 84, scale)
    row(canvas, 0, 0, 24, [Cell(face.clock, 78, (150, 20, 40), WHITE, _BOLD, 14)])
    for side, team in enumerate(face.teams):
        y0 = 24 + 30 * side
        canvas.box(0, y0, 230, y0 + 29, _INK, 0.88)
        canvas.box(0, y0, 6, y0 + 29, team.colour)
        canvas.text(team.name, 16, y0 + 14.5, WHITE, _PLAIN, 16)
        canvas.text(face.score[side], 214, y0 + 14.5, WHITE, _BOLD, 19, 0.5, face.ink)
    return canvas


def _beside_the_channel(face: Face, scale: float) -> Canvas:
    """LIVE, clock, code, numbers with a colon, code, and the channel's own name with a number, all in one row."""
    code = _codes(face, _BOLD, 17)
    canvas = Canvas(58 + 76 + 2 * code + 66 + 12 + 120, 32, scale)
    home, away = face.teams
    cells = [
        Cell("LIVE", 58, (210, 20, 30), WHITE, _BOLD, 14),
        Cell(face.clock, 76, _PAPER, _INK, _PLAIN, 16),
        Cell(home.code, code, _INK, WHITE, _BOLD, 17),
        Cell(f"{face.score[0]}:{face.score[1]}", 66, _INK, (120, 240, 150), _BOLD, 20, score=True),
        Cell(away.code, code, _INK, WHITE, _BOLD, 17),
        Cell("", 12),
        Cell("SPORT 1 HD", 120, (20, 60, 160), WHITE, _TIGHT, 15),
    ]
    row(canvas, 0, 0, 32, cells, face.ink)
    return canvas


def _minutes(face: Face, scale: float) -> Canvas:
    """Three round plates with gaps: code and number, number and code, and a clock that shows minutes only."""
    code = _codes(face, _BOLD, 17) + 34
    canvas = Canvas(2 * code + 72, 32, scale)
    for side, team in enumerate(face.teams):
        x = side * (code + 6)
        canvas.pill(x, 0, x + code, 32, _PAPER, 10)
        name, number = (x + 12, x + code - 18) if side == 0 else (x + code - 12, x + 18)
        canvas.text(team.code, name, 16, _INK, _BOLD, 17, side)
        canvas.text(face.score[side], number, 16, (0, 110, 80), _BOLD, 20, 0.5, face.ink)
    canvas.pill(2 * code + 12, 3, 2 * code + 70, 29, (0, 110, 80), 10)
    canvas.text(f"{int(face.clock[:2])}'", 2 * code + 41, 16, WHITE, _BOLD, 16, 0.5)
    return canvas


def _faint(face: Face, scale: float) -> Canvas:
    """Grey text on a grey plate that shines through: little contrast all over."""
    code = _codes(face, _PLAIN, 18)
    canvas = Canvas(2 * code + 66 + 80, 32, scale)
    home, away = face.teams
    grey: Colour = (66, 70, 78)
    ink: Colour = (158, 162, 170)
    cells = [
        Cell(home.code, code, grey, ink, _BOLD, 18, opacity=0.9),
        Cell(f"{face.score[0]} - {face.score[1]}", 66, grey, ink, _BOLD, 20, opacity=0.9, score=True),
        Cell(away.code, code, grey, ink, _BOLD, 18, opacity=0.9),
        Cell(face.clock, 80, grey, ink, _BOLD, 17, opacity=0.9),
    ]
    row(canvas, 0, 0, 32, cells, face.ink)
    return canvas


def _tiny(face: Face, scale: float) -> Canvas:
    """A small board: clock, code, numbers with a dash, code, all in small letters on one plate."""
    code = _codes(face, _BOLD, 17)
    canvas = Canvas(66 + 2 * code + 56, 27, scale)
    home, away = face.teams
    cells = [
        Cell(face.clock, 66, (30, 34, 46), (200, 206, 220), _PLAIN, 16),
        Cell(home.code, code, (12, 14, 22), WHITE, _BOLD, 17),
        Cell(f"{face.score[0]}-{face.score[1]}", 56, (12, 14, 22), WHITE, _BOLD, 17, score=True),
        Cell(away.code, code, (12, 14, 22), WHITE, _BOLD, 17),
    ]
    row(canvas, 0, 0, 27, cells, face.ink)
    return canvas


def _large_digits(face: Face, scale: float) -> Canvas:
    """Digits twice as high as the names beside them, in cells that rise above the bar; the clock hangs below."""
    names = tuple(t.name.upper() for t in face.teams)
    name = wide_enough(names, _TIGHT, 13)
    canvas = Canvas(2 * name + 2 * 42, 64, scale)
    cells = [
        Cell(names[0], name, _INK, WHITE, _TIGHT, 13, 1.0, high=0.6),
        Cell(face.score[0], 42, (220, 30, 50), WHITE, _BOLD, 26, score=True),
        Cell(face.score[1], 42, (200, 24, 44), WHITE, _BOLD, 26, score=True),
        Cell(names[1], name, _INK, WHITE, _TIGHT, 13, 0.0, high=0.6),
    ]
    row(canvas, 0, 0, 42, cells, face.ink)
    row(canvas, name + 6, 43, 63, [Cell(face.clock, 72, _PAPER, _INK, _TIGHT, 14)])
    return canvas


def _names_below(face: Face, scale: float) -> Canvas:
    """Crest, numbers with a dash, crest; the names in small letters below; the clock behind them."""
    names = face.teams[0].name, face.teams[1].name
    name = wide_enough(names, _PLAIN, 12, least=84)
    canvas = Canvas(2 * name + 76, 58, scale)
    home, away = face.teams
    canvas.box(0, 0, 2 * name, 58, (10, 40, 60), 0.92)
    canvas.crest(name - 60, 19, 26, home.colour, WHITE, home.crest)
    canvas.crest(name + 60, 19, 26, away.colour, WHITE, away.crest)
    canvas.text(f"{face.score[0]} - {face.score[1]}", name, 19, WHITE, _BOLD, 22, 0.5, face.ink)
    canvas.text(names[0], name / 2, 46, (190, 210, 225), _PLAIN, 12, 0.5)
    canvas.text(names[1], 1.5 * name, 46, (190, 210, 225), _PLAIN, 12, 0.5)
    row(canvas, 2 * name, 0, 58, [Cell(face.clock, 76, (240, 190, 40), _INK, _BOLD, 17)])
    return canvas


def _aggregate(face: Face, scale: float) -> Canvas:
    """Clock, code, numbers with a dash, code; the sum of both legs in a smaller plate below."""
    code = _codes(face, _BOLD, 18)
    canvas = Canvas(76 + 2 * code + 72, 56, scale)
    home, away = face.teams
    cells = [
        Cell(face.clock, 76, (60, 20, 90), WHITE, _BOLD, 16),
        Cell(home.code, code, (26, 14, 44), WHITE, _BOLD, 18),
        Cell(f"{face.score[0]}-{face.score[1]}", 72, _PAPER, (60, 20, 90), _BOLD, 20, score=True),
        Cell(away.code, code, (26, 14, 44), WHITE, _BOLD, 18),
    ]
    row(canvas, 0, 0, 34, cells, face.ink)
    text = f"AGG {face.text('aggregate')}"
    row(canvas, 76 + code - 22, 36, 56, [Cell(text, 116, (60, 20, 90), WHITE, _PLAIN, 13)])
    return canvas


def _first_leg(face: Face, scale: float) -> Canvas:
    """Two rows: code, number, and in brackets the first leg's number; the clock on the left over both rows."""
    code = _codes(face, _BOLD, 17)
    canvas = Canvas(80 + code + 34 + 40, 60, scale)
    row(canvas, 0, 0, 60, [Cell(face.clock, 80, (16, 90, 70), WHITE, _BOLD, 17)])
    sums = face.text("aggregate", "3-2").split("-")
    for side, team in enumerate(face.teams):
        first = max(0, int(sums[side]) - int(face.score[side]))
        cells = [
            Cell(team.code, code, _PAPER, _INK, _BOLD, 17),
            Cell(face.score[side], 34, (16, 90, 70), WHITE, _BOLD, 20, score=True),
            Cell(f"({first})", 40, _PAPER, (90, 94, 104), _PLAIN, 15),
        ]
        row(canvas, 80, 30 * side, 30 * side + 29, cells, face.ink)
    return canvas


def _red_cards(face: Face, scale: float) -> Canvas:
    """Code, number, number, code, clock; after a while a red mark stands between code and number of a side."""
    code = _codes(face, _BOLD, 17) + 18
    canvas = Canvas(2 * code + 2 * 32 + 80, 32, scale)
    home, away = face.teams
    cells = [
        Cell(home.code, code, (24, 28, 38), WHITE, _BOLD, 17, 0.0),
        Cell(face.score[0], 32, (250, 210, 40), _INK, _BOLD, 20, score=True),
        Cell(face.score[1], 32, (250, 210, 40), _INK, _BOLD, 20, score=True),
        Cell(away.code, code, (24, 28, 38), WHITE, _BOLD, 17, 1.0),
        Cell(face.clock, 80, (60, 66, 82), WHITE, _TIGHT, 17),
    ]
    row(canvas, 0, 0, 32, cells, face.ink)
    if face.small:
        canvas.box(code - 14, 7, code - 4, 25, (224, 20, 30))
    return canvas


def _rolling(face: Face, scale: float) -> Canvas:
    """Narrow serif digits of a high score that roll when they change, one below the other; clock on top."""
    name = wide_enough(tuple(t.code for t in face.teams), _SERIF_TIGHT, 19, least=64)
    canvas = Canvas(name + 50, 88, scale)
    row(canvas, 0, 0, 24, [Cell(face.clock, name + 50, (236, 230, 214), _INK, _SERIF_TIGHT, 16)])
    for side, team in enumerate(face.teams):
        y0 = 25 + 32 * side
        canvas.box(0, y0, name + 50, y0 + 31, (70, 16, 30))
        canvas.text(team.code, 10, y0 + 15.5, (244, 236, 220), _SERIF_TIGHT, 19)
        roll = _changed(face, side, _ROLL_FRAMES)
        share = min(1.0, (face.since + 1) / _ROLL_FRAMES) if roll else 1.0
        for text, at in ((face.before[side], -share), (face.score[side], 1 - share)):
            if abs(at) < 0.6 and text:
                middle = y0 + 15.5 + 20 * at
                canvas.text(text, name + 30, middle, WHITE, _SERIF_TIGHT, 20, 0.5, 1 - abs(at))
    return canvas


def _zooming(face: Face, scale: float) -> Canvas:
    """Text with a shadow on a faint plate; a new number comes in large and shrinks, and is gold for a while."""
    code = _codes(face, _BOLD, 18)
    canvas = Canvas(2 * code + 100 + 84, 40, scale)
    canvas.box(0, 4, canvas.width_units, 36, (10, 14, 30), 0.4)
    parts = [(face.teams[0].code, code / 2, 18.0, WHITE), (face.teams[1].code, 1.5 * code + 100, 18.0, WHITE)]
    parts += [(":", code + 50, 18.0, WHITE), (face.clock, 2 * code + 142, 16.0, WHITE)]
    for side, x in ((0, code + 26), (1, code + 74)):
        lit = _changed(face, side, _LIT_FRAMES)
        zoom = 1 + max(0.0, 1 - face.since / _ZOOM_FRAMES) if lit else 1.0
        parts.append((face.score[side], x, 20 * zoom, (255, 210, 60) if lit else WHITE))
    for text, x, digits, ink in parts:
        canvas.text(text, x + 1.5, 21.5, (0, 0, 0), _BOLD, digits, 0.5, 0.7)
        canvas.text(text, x, 20, ink, _BOLD, digits, 0.5)
    return canvas


def _covered(face: Face, scale: float) -> Canvas:
    """Clock, crests, codes and numbers; before a new score a banner with the scorer covers all of it."""
    code = _codes(face, _TIGHT, 18)
    canvas = Canvas(74 + 2 * (code + 28) + 64, 34, scale)
    home, away = face.teams
    if face.goal:
        canvas.box(0, 0, canvas.width_units, 34, (240, 196, 30))
        canvas.text("GOAL  NORBEKO", canvas.width_units / 2, 17, _INK, _BOLD, 17, 0.5)
        return canvas
    row(canvas, 0, 0, 34, [Cell(face.clock, 74, _INK, WHITE, _TIGHT, 17)])
    canvas.box(74, 0, canvas.width_units, 34, (226, 230, 236))
    canvas.crest(90, 17, 24, home.colour, _INK, home.crest)
    canvas.text(home.code, 106, 17, _INK, _TIGHT, 18)
    for side, x in ((0, 74 + 28 + code + 16), (1, 74 + 28 + code + 48)):
        canvas.text(face.score[side], x, 17, (170, 20, 40), _BOLD, 20, 0.5)
    canvas.box(74 + 28 + code + 31, 8, 74 + 28 + code + 33, 26, (150, 154, 164))
    canvas.text(away.code, canvas.width_units - 30, 17, _INK, _TIGHT, 18, 1.0)
    canvas.crest(canvas.width_units - 15, 17, 24, away.colour, _INK, away.crest)
    return canvas


def _small_names(face: Face, scale: float) -> Canvas:
    """A strip below: name, crest, number, clock above, number, crest, name; it is gone while goals are shown again."""
    names = tuple(t.name for t in face.teams)
    name = wide_enough(names, _AILERON, 15)
    canvas = Canvas(2 * name + 150, 56, scale)
    middle = canvas.width_units / 2
    canvas.pill(0, 22, canvas.width_units, 56, (16, 22, 40), 12, 0.95)
    row(canvas, middle - 38, 0, 22, [Cell(face.clock, 76, (0, 150, 200), WHITE, _BOLD, 14)])
    for side, team in enumerate(face.teams):
        sign = 2 * side - 1
        canvas.text(names[side], middle + sign * 74, 39, WHITE, _AILERON, 15, 1.0 - side)
        canvas.crest(middle + sign * 54, 39, 22, team.colour, WHITE, team.crest)
        canvas.text(face.score[side], middle + sign * 22, 39, WHITE, _BOLD, 20, 0.5)
    return canvas


def _added_plate(face: Face, scale: float) -> Canvas:
    """Names that are not Latin on plates of the teams' colours; a plate with the added minutes comes after a while."""
    font = Font("unifont")
    code = wide_enough(tuple(t.code for t in face.teams), font, 18)
    canvas = Canvas(78 + 2 * code + 68, 56, scale)
    home, away = face.teams
    cells = [
        Cell(face.clock, 78, (24, 26, 34), WHITE, _BOLD, 16),
        Cell(home.code, code, home.colour, home.ink, font, 18),
        Cell(f"{face.score[0]} : {face.score[1]}", 68, WHITE, _INK, _BOLD, 20, score=True),
        Cell(away.code, code, away.colour, away.ink, font, 18),
    ]
    row(canvas, 0, 0, 33, cells, face.ink)
    if face.small:
        row(canvas, 0, 34, 56, [Cell(face.text("added", "+3"), 46, (240, 200, 20), _INK, _BOLD, 14)])
    return canvas


def _no_clock(face: Face, scale: float) -> Canvas:
    """Names and numbers on one line, "Harrow Vale 1  Redmoor 0", no clock at all, on a plate with a light gradient."""
    names = face.teams[0].name, face.teams[1].name
    name = wide_enough(names, _AILERON, 16)
    canvas = Canvas(2 * name + 2 * 30 + 16, 30, scale)
    cells: list[Cell] = []
    for side, text in enumerate(names):
        cells += [
            Cell(text, name, (236, 240, 230), (20, 60, 30), _AILERON, 16, fade=0.25),
            Cell(face.score[side], 30, (20, 60, 30), WHITE, _BOLD, 19, score=True),
            Cell("", 16),
        ]
    row(canvas, 0, 0, 30, cells[:-1], face.ink)
    return canvas


LAYOUTS = (
    Layout("outer_numbers", _outer_numbers, (0.5, 0.0), enter="top"),
    Layout("clock_between", _clock_between, (0.5, 0.02), enter="fade"),
    Layout("wide_rows", _wide_rows, (0.0, 0.02), enter="left"),
    Layout("beside_the_channel", _beside_the_channel, (0.03, 0.0), enter="fade"),
    Layout("minutes", _minutes, (0.0, 0.0), enter="left"),
    Layout("faint", _faint, (0.02, 0.02), enter="fade"),
    Layout("tiny", _tiny, (0.0, 0.0), enter="fade"),
    Layout("large_digits", _large_digits, (0.5, 0.0), enter="top"),
    Layout("names_below", _names_below, (1.0, 0.0), enter="right"),
    Layout("aggregate", _aggregate, (0.0, 0.0), enter="top"),
    Layout("first_leg", _first_leg, (0.0, 0.03), enter="left"),
    Layout("red_cards", _red_cards, (0.04, 0.0), enter="fade", shrinks=True),
    Layout("rolling", _rolling, (1.0, 0.02), enter="right", high=True),
    Layout("zooming", _zooming, (0.5, 0.0), enter="fade"),
    Layout("covered", _covered, (0.0, 0.0), enter="left", goal="within"),
    Layout("small_names", _small_names, (0.5, 1.0), enter="bottom", goal="away"),
    Layout("added_plate", _added_plate, (0.0, 0.0), names="chinese", enter="left", shrinks=True),
    Layout("no_clock", _no_clock, (0.0, 0.0), enter="fade", clock=False),
)
