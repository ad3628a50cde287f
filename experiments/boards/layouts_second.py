"""More boards to develop with, of football only: those that move, flash, shrink, and give way to a goal.

What the layouts of development do not show: digits that slide, flip or flash when they change, thin and slanted ones,
boards of which parts are replaced while a goal is celebrated, second clocks, boards above a ticker.
"""

from __future__ import annotations

from experiments.boards.draw import WHITE, Canvas, Colour
from experiments.boards.fonts import Font
from experiments.boards.layout import Cell, Layout, row, wide_enough
from experiments.boards.script import Face

_BOLD, _PLAIN = Font("sans-bold"), Font("sans")
_TIGHT = Font("sans-bold", narrow=0.72)
_THIN = Font("modern")
_LEANING = Font("aileron", slant=0.2, stroke=0.05)
_SERIF = Font("stix-bold")
_INK: Colour = (16, 18, 28)
_PAPER: Colour = (236, 238, 242)
_SLIDE_FRAMES = 10
_FLASH_FRAMES = 60
_BLINK_FRAMES = 6
_NAME_FRAMES = 90


def _changed(face: Face, side: int, within: int) -> bool:
    """Return whether the score of a side has changed within so many frames."""
    return face.since < within and face.before[side] not in ("", face.score[side])


def _sliding_cell(
    canvas: Canvas, face: Face, side: int, box: tuple[float, float, float, float], ink: Colour, font: Font
) -> None:
    """Write a side's number; a new one slides in from below and pushes the old one out."""
    x0, y0, x1, y1 = box
    middle = (y0 + y1) / 2
    if not _changed(face, side, _SLIDE_FRAMES):
        canvas.text(face.score[side], (x0 + x1) / 2, middle, ink, font, 20, 0.5)
        return
    share = (face.since + 1) / (_SLIDE_FRAMES + 1)
    inner = Canvas(x1 - x0, y1 - y0, canvas.scale)  # what slides is cut off at the cell's edges
    for text, y in ((face.before[side], 0.5 - share), (face.score[side], 1.5 - share)):
        inner.text(text, (x1 - x0) / 2, y * (y1 - y0), ink, font, 20, 0.5)
    rgb, left, top = canvas.colour, round(x0 * canvas.scale), round(y0 * canvas.scale)
    high = min(inner.alpha.shape[0], rgb.shape[0] - top)
    wide = min(inner.alpha.shape[1], rgb.shape[1] - left)
    alpha = inner.alpha[:high, :wide, None]
    part = rgb[top : top + high, left : left + wide]
    part[:] = part * (1 - alpha) + inner.colour[:high, :wide] * alpha


def _codes(face: Face, font: Font, digits: float) -> float:
    return wide_enough((face.teams[0].code, face.teams[1].code), font, digits)


def _flash_cells(face: Face, scale: float) -> Canvas:
    """Light codes, score in dark cells, clock behind; the cell of a new number blinks in the opposite colours."""
    code = _codes(face, _TIGHT, 19)
    canvas = Canvas(2 * code + 2 * 32 + 78, 34, scale)
    home, away = face.teams
    cells: list[Cell] = [Cell(home.code, code, _PAPER, _INK, _TIGHT, 19)]
    for side in (0, 1):
        blinks = _changed(face, side, _FLASH_FRAMES) and face.since // _BLINK_FRAMES % 2 == 0
        back, ink = ((255, 220, 40), _INK) if blinks else ((40, 44, 60), WHITE)
        cells.append(Cell(face.score[side], 32, back, ink, _BOLD, 20))
    cells += [Cell(away.code, code, _PAPER, _INK, _TIGHT, 19), Cell(face.clock, 78, _INK, WHITE, _PLAIN, 16)]
    row(canvas, 0, 0, 34, cells)
    return canvas


def _slide_thin(face: Face, scale: float) -> Canvas:
    """Thin digits that slide, between long names, on a dark bar that shines through; the clock before them."""
    name = wide_enough(tuple(t.name for t in face.teams), _THIN, 17)
    canvas = Canvas(72 + 2 * name + 60, 32, scale)
    canvas.box(0, 0, canvas.width_units, 32, (8, 10, 26), 0.78)
    canvas.text(face.clock, 36, 16, (190, 220, 255), _THIN, 17, 0.5)
    canvas.text(face.teams[0].name, 72 + name - 6, 16, WHITE, _THIN, 17, 1.0)
    middle = 72 + name + 30
    for side, x in ((0, middle - 28), (1, middle + 2)):
        _sliding_cell(canvas, face, side, (x, 0, x + 26, 32), WHITE, _THIN)
    canvas.text("-", middle, 16, WHITE, _THIN, 17, 0.5)
    canvas.text(face.teams[1].name, 72 + name + 66, 16, WHITE, _THIN, 17)
    return canvas


def _goal_within(face: Face, scale: float) -> Canvas:
    """Crests, codes and score on a bar, the clock in front; "GOAL" lies over the bar before a new score."""
    code = _codes(face, _BOLD, 17)
    canvas = Canvas(76 + 2 * (code + 30) + 72, 34, scale)
    home, away = face.teams
    row(canvas, 0, 0, 34, [Cell(face.clock, 76, _PAPER, _INK, _BOLD, 16)])
    canvas.box(76, 0, canvas.width_units, 34, (0, 60, 90), 1.0, 0.0, 0.25)
    if face.goal:
        canvas.box(76, 0, canvas.width_units, 34, (230, 190, 20))
        canvas.text("GOAL !  GOAL !", (76 + canvas.width_units) / 2, 17, _INK, _BOLD, 20, 0.5)
        return canvas
    canvas.crest(92, 17, 24, home.colour, WHITE, home.crest)
    canvas.text(home.code, 108, 17, WHITE, _BOLD, 17)
    canvas.text(f"{face.score[0]} - {face.score[1]}", 76 + 30 + code + 36, 17, WHITE, _BOLD, 20, 0.5)
    canvas.text(away.code, canvas.width_units - 32, 17, WHITE, _BOLD, 17, 1.0)
    canvas.crest(canvas.width_units - 16, 17, 24, away.colour, WHITE, away.crest)
    return canvas


def _goal_away(face: Face, scale: float) -> Canvas:
    """Two rows of code and number on the teams' colours, and the clock beside them, at the lower left."""
    code = _codes(face, _BOLD, 18)
    canvas = Canvas(8 + code + 34 + 74, 64, scale)
    for side, team in enumerate(face.teams):
        y0 = 32 * side
        canvas.box(0, y0, 8, y0 + 31, team.colour)
        cells = [
            Cell(team.code, code, _INK, WHITE, _BOLD, 18),
            Cell(face.score[side], 34, team.colour, team.ink, _BOLD, 20),
        ]
        row(canvas, 8, y0, y0 + 31, cells)
    row(canvas, 42 + code, 0, 31, [Cell(face.clock, 74, (60, 64, 80), WHITE, _PLAIN, 16)])
    return canvas


def _name_flash(face: Face, scale: float) -> Canvas:
    """Codes on the teams' colours around a light score; the name of the side that scores gives way to "GOAL"."""
    code = max(_codes(face, _BOLD, 18), wide_enough(("GOAL",), _BOLD, 18))
    canvas = Canvas(2 * code + 72 + 74, 34, scale)
    cells: list[Cell] = []
    for side, team in enumerate(face.teams):
        scores = _changed(face, side, _NAME_FRAMES)
        back, ink = (team.ink, team.colour) if scores else (team.colour, team.ink)
        cells.append(Cell("GOAL" if scores else team.code, code, back, ink, _BOLD, 18))
    score = Cell(f"{face.score[0]}-{face.score[1]}", 72, WHITE, _INK, _BOLD, 20)
    clock = Cell(face.clock, 74, _INK, WHITE, _TIGHT, 17)
    row(canvas, 0, 0, 34, [cells[0], score, cells[1], clock], face.ink)
    return canvas


def _leaning(face: Face, scale: float) -> Canvas:
    """Slanted cells and slanted text, clock behind, at the top right."""
    code = _codes(face, _LEANING, 18) + 8
    canvas = Canvas(2 * code + 2 * 36 + 90 + 10, 32, scale)
    home, away = face.teams
    parts: tuple[tuple[str, float, Colour, Colour, float], ...] = (
        (home.code, code, (24, 24, 70), WHITE, 18),
        (face.score[0], 36, (230, 40, 80), WHITE, 20),
        (face.score[1], 36, (230, 40, 80), WHITE, 20),
        (away.code, code, (24, 24, 70), WHITE, 18),
        (face.clock, 88, (220, 224, 232), _INK, 15),
    )
    x = 0.0
    for k, (text, width, back, ink, digits) in enumerate(parts):
        canvas.box(x, 0, x + width - 2, 32, back, 0.94, 9.0)
        opacity = face.ink if k in (1, 2) else 1.0
        canvas.text(text, x + width / 2 + 3, 16, ink, _LEANING, digits, 0.5, opacity)
        x += width
    return canvas


def _grows(face: Face, scale: float) -> Canvas:
    """Names above each other with their numbers in cells, clock on top; a row for the scorer comes below."""
    name = wide_enough(tuple(t.name for t in face.teams), _PLAIN, 16, least=100)
    wide = name + 34
    canvas = Canvas(wide, 108, scale)
    row(canvas, 0, 0, 24, [Cell(face.clock, wide, (180, 20, 40), WHITE, _BOLD, 14)])
    for side, team in enumerate(face.teams):
        y0 = 24 + 30 * side
        lit = _changed(face, side, _FLASH_FRAMES)
        cells = [
            Cell(team.name, name, _PAPER, _INK, _PLAIN, 16, 0.0),
            Cell(face.score[side], 34, (180, 20, 40) if lit else _INK, WHITE, _BOLD, 20),
        ]
        row(canvas, 0, y0, y0 + 29, cells)
    if face.since < _NAME_FRAMES:
        row(canvas, 0, 84, 108, [Cell(f"NORBEKO {face.clock[:2]}'", wide, (50, 54, 66), WHITE, _PLAIN, 13)])
    return canvas


def _second_clock(face: Face, scale: float) -> Canvas:
    """The clock stands at 90:00; a second one beside it counts the time added. Names, numbers with a colon."""
    code = _codes(face, _TIGHT, 18)
    canvas = Canvas(74 + 2 * code + 68 + 66, 34, scale)
    minutes, seconds = int(face.clock[:2]) - 90, face.clock[3:]
    cells = [
        Cell("90:00", 74, (10, 70, 50), WHITE, _TIGHT, 17),
        Cell(face.teams[0].code, code, (230, 244, 236), _INK, _TIGHT, 18),
        Cell(f"{face.score[0]} : {face.score[1]}", 68, (10, 110, 70), WHITE, _BOLD, 20, score=True),
        Cell(face.teams[1].code, code, (230, 244, 236), _INK, _TIGHT, 18),
        Cell(f"+{minutes:02d}:{seconds}", 66, (230, 180, 30), _INK, _TIGHT, 14),
    ]
    row(canvas, 0, 0, 34, cells, face.ink)
    return canvas


def _four_three(face: Face, scale: float) -> Canvas:
    """An old board: serif letters with a shadow on a blue bar that shines through, far from the edge."""
    name = wide_enough(tuple(t.name for t in face.teams), _SERIF, 18)
    canvas = Canvas(2 * name + 70, 62, scale)
    canvas.box(0, 0, canvas.width_units, 32, (20, 40, 140), 0.6)
    canvas.box(name, 34, name + 70, 60, (20, 40, 140), 0.6)
    texts = (
        (face.teams[0].name, name - 8, 16, 1.0, WHITE),
        (f"{face.score[0]}-{face.score[1]}", name + 35, 16, 0.5, (255, 236, 90)),
        (face.teams[1].name, name + 78, 16, 0.0, WHITE),
        (face.clock, name + 35, 47, 0.5, WHITE),
    )
    for text, x, y, align, ink in texts:
        canvas.text(text, x + 1.5, y + 1.5, (0, 0, 0), _SERIF, 18, align, 0.8)
        canvas.text(text, x, y, ink, _SERIF, 18, align)
    return canvas


def _over_ticker(face: Face, scale: float) -> Canvas:
    """A bar above a ticker: clock, names in capitals, numbers in cells of the teams' colours side by side."""
    name = wide_enough(tuple(t.name.upper() for t in face.teams), _TIGHT, 16)
    canvas = Canvas(2 * name + 2 * 32 + 70, 30, scale)
    home, away = face.teams
    cells = [
        Cell(face.clock, 70, (70, 20, 90), WHITE, _BOLD, 15),
        Cell(home.name.upper(), name, (24, 18, 40), WHITE, _TIGHT, 16, 1.0),
        Cell(face.score[0], 32, home.colour, home.ink, _BOLD, 20, score=True),
        Cell(face.score[1], 32, away.colour, away.ink, _BOLD, 20, score=True),
        Cell(away.name.upper(), name, (24, 18, 40), WHITE, _TIGHT, 16, 0.0),
    ]
    row(canvas, 0, 0, 30, cells, face.ink)
    return canvas


def _thin_small(face: Face, scale: float) -> Canvas:
    """Small thin text on a bar that shines through a good deal: code, number, code, number, clock."""
    code = _codes(face, _PLAIN, 18)
    canvas = Canvas(2 * (code + 24) + 84, 30, scale)
    canvas.box(0, 0, canvas.width_units, 30, (0, 0, 0), 0.55)
    x = 0.0
    for side, team in enumerate(face.teams):
        canvas.text(team.code, x + code / 2, 15, WHITE, _PLAIN, 18, 0.5)
        canvas.text(face.score[side], x + code + 10, 15, WHITE, _PLAIN, 20, 0.5, face.ink)
        x += code + 24
    canvas.text(face.clock, x + 44, 15, (235, 235, 235), _PLAIN, 18, 0.5)
    return canvas


def _shrinks(face: Face, scale: float) -> Canvas:
    """Names, score in one cell and clock; after a while it is smaller, with codes in place of the names."""
    if face.small:
        names, size = (face.teams[0].code, face.teams[1].code), 0.8 * scale
    else:
        names, size = (face.teams[0].name, face.teams[1].name), scale
    name = wide_enough(names, _BOLD, 17)
    canvas = Canvas(2 * name + 76 + 76, 34, size)
    cells = [
        Cell(face.clock, 76, (0, 120, 200), WHITE, _BOLD, 16),
        Cell(names[0], name, (10, 24, 50), WHITE, _BOLD, 17),
        Cell(f"{face.score[0]} - {face.score[1]}", 76, WHITE, (10, 24, 50), _BOLD, 20, score=True),
        Cell(names[1], name, (10, 24, 50), WHITE, _BOLD, 17),
    ]
    row(canvas, 0, 0, 34, cells, face.ink)
    return canvas


def _upright(face: Face, scale: float) -> Canvas:
    """A column at the right edge: code above number, twice, and the clock below; digits slide."""
    code = max(_codes(face, _BOLD, 17), 78.0)
    canvas = Canvas(code, 138, scale)
    for side, team in enumerate(face.teams):
        y0 = 56 * side
        row(canvas, 0, y0, y0 + 24, [Cell(team.code, code, team.colour, team.ink, _BOLD, 16)])
        canvas.box(0, y0 + 24, code, y0 + 54, _INK, 0.95)
        _sliding_cell(canvas, face, side, (code / 2 - 20, y0 + 24, code / 2 + 20, y0 + 54), WHITE, _BOLD)
    row(canvas, 0, 114, 138, [Cell(face.clock, code, _PAPER, _INK, _PLAIN, 15)])
    return canvas


LAYOUTS = (
    Layout("flash_cells", _flash_cells, (0.0, 0.0), enter="top"),
    Layout("slide_thin", _slide_thin, (0.5, 0.0), enter="fade"),
    Layout("goal_within", _goal_within, (0.02, 0.02), enter="left", goal="within"),
    Layout("goal_away", _goal_away, (0.0, 1.0), enter="left", goal="away"),
    Layout("name_flash", _name_flash, (0.04, 0.0), enter="left"),
    Layout("leaning", _leaning, (1.0, 0.0), enter="right"),
    Layout("grows", _grows, (0.0, 0.02), enter="fade"),
    Layout("second_clock", _second_clock, (0.0, 0.0), enter="top", late=True),
    Layout("four_three", _four_three, (0.2, 0.08), enter="fade"),
    Layout("over_ticker", _over_ticker, (0.5, 0.92), enter="bottom", ticker=True),
    Layout("thin_small", _thin_small, (0.02, 0.0), enter="fade"),
    Layout("shrinks", _shrinks, (0.0, 0.0), enter="left", shrinks=True),
    Layout("upright", _upright, (1.0, 0.3), enter="right"),
)
