"""The boards to develop with. Those of layouts_heldout.py are for the final figure only: do not tune to them."""

from __future__ import annotations

from experiments.boards.draw import WHITE, Canvas, Colour
from experiments.boards.fonts import Font
from experiments.boards.layout import Cell, Layout, row, wide_enough
from experiments.boards.script import Face

_BOLD, _PLAIN, _NARROW = Font("sans-bold"), Font("sans"), Font("sans-bold", narrow=0.8)
_AILERON = Font("aileron", stroke=0.04)
_MONO = Font("mono-bold", narrow=0.92)
_NAVY: Colour = (14, 20, 48)
_BLUE: Colour = (34, 48, 104)
_INK: Colour = (18, 22, 34)
_PAPER: Colour = (240, 242, 246)
_GOLD: Colour = (255, 226, 110)


def _codes(face: Face, font: Font, digits: float) -> float:
    return wide_enough((face.teams[0].code, face.teams[1].code), font, digits)


def _corner_dash(face: Face, scale: float) -> Canvas:
    """Clock, then code, score with a dash, code, on one dark bar."""
    code = _codes(face, _BOLD, 18)
    canvas = Canvas(80 + 2 * code + 74, 34, scale)
    home, away = face.teams
    x = row(canvas, 0, 0, 34, [Cell(face.clock, 80, _BLUE, digits=17)])
    row(
        canvas,
        x,
        0,
        34,
        [
            Cell(home.code, code, _NAVY, digits=18),
            Cell(f"{face.score[0]} - {face.score[1]}", 74, _NAVY, _GOLD, score=True),
            Cell(away.code, code, _NAVY, digits=18),
        ],
        face.ink,
    )
    canvas.box(x, 30, x + code, 34, home.colour)
    canvas.box(x + code + 74, 30, x + 2 * code + 74, 34, away.colour)
    return canvas


def _cells_no_dash(face: Face, scale: float) -> Canvas:
    """Clock first, codes on the teams' colours, and two light cells with the score and nothing between them."""
    code = _codes(face, _AILERON, 17)
    canvas = Canvas(78 + 2 * code + 2 * 28, 32, scale)
    home, away = face.teams
    cells = [
        Cell(face.clock, 78, _INK, font=_AILERON, digits=16, opacity=0.92),
        Cell(home.code, code, home.colour, home.ink, _AILERON, 17),
        Cell(face.score[0], 28, _PAPER, _INK, _AILERON, score=True),
        Cell(face.score[1], 28, _PAPER, _INK, _AILERON, score=True),
        Cell(away.code, code, away.colour, away.ink, _AILERON, 17),
    ]
    row(canvas, 0, 0, 32, cells, face.ink)
    return canvas


def _clock_below(face: Face, scale: float) -> Canvas:
    """Codes and a score with a colon; the clock in a box of its own under the score."""
    code = _codes(face, _NARROW, 18)
    canvas = Canvas(2 * code + 70, 60, scale)
    home, away = face.teams
    cells = [
        Cell(home.code, code, _PAPER, _INK, _NARROW, 18, fade=0.15),
        Cell(f"{face.score[0]}:{face.score[1]}", 70, (168, 24, 40), WHITE, _BOLD, score=True),
        Cell(away.code, code, _PAPER, _INK, _NARROW, 18, fade=0.15),
    ]
    row(canvas, 0, 0, 34, cells, face.ink)
    row(canvas, code, 36, 60, [Cell(face.clock, 70, _INK, font=_NARROW, digits=15)])
    return canvas


def _long_names(face: Face, scale: float) -> Canvas:
    """Long names on both sides of two score cells, and the clock behind them, at the top right."""
    names = face.teams[0].name, face.teams[1].name
    name = wide_enough(names, _NARROW, 14)
    canvas = Canvas(2 * name + 2 * 30 + 72, 32, scale)
    home, away = face.teams
    cells = [
        Cell(home.name, name, (28, 32, 40), WHITE, _NARROW, 14, align=1.0, opacity=0.9),
        Cell(face.score[0], 30, (0, 150, 130), WHITE, _BOLD, score=True),
        Cell(face.score[1], 30, (0, 130, 112), WHITE, _BOLD, score=True),
        Cell(away.name, name, (28, 32, 40), WHITE, _NARROW, 14, align=0.0, opacity=0.9),
        Cell(face.clock, 72, _PAPER, _INK, _PLAIN, 15),
    ]
    row(canvas, 0, 0, 32, cells, face.ink)
    return canvas


def _title_bar(face: Face, scale: float) -> Canvas:
    """The competition's name in a thin bar above; below it codes, score and clock."""
    code = _codes(face, _BOLD, 17)
    canvas = Canvas(2 * code + 66 + 74, 52, scale)
    home, away = face.teams
    canvas.box(0, 0, canvas.width_units, 18, (86, 24, 120), 1.0, 0.0, 0.3)
    title = face.text("title", "PREMIER CUP")
    canvas.text(title, canvas.width_units / 2, 9, WHITE, Font("sans"), 10, align=0.5)
    cells = [
        Cell(home.code, code, _INK, digits=17),
        Cell(f"{face.score[0]}-{face.score[1]}", 66, _GOLD, _INK, score=True),
        Cell(away.code, code, _INK, digits=17),
        Cell(face.clock, 74, (58, 62, 76), digits=16, font=_NARROW),
    ]
    row(canvas, 0, 18, 52, cells, face.ink)
    return canvas


def _stacked(face: Face, scale: float) -> Canvas:
    """Two rows with crest, name and score, and the clock in a third."""
    name = wide_enough(tuple(team.name for team in face.teams), _PLAIN, 15, least=90)
    canvas = Canvas(34 + name + 34, 84, scale)
    for k, team in enumerate(face.teams):
        y0 = 30 * k
        canvas.box(0, y0, 34 + name, y0 + 29, _NAVY, 0.95)
        canvas.crest(18, y0 + 14.5, 22, team.colour, WHITE, team.crest)
        row(
            canvas,
            32,
            y0,
            y0 + 29,
            [
                Cell(team.name, name + 2, None, WHITE, _PLAIN, 15, 0.0),
                Cell(face.score[k], 34, _BLUE, score=True),
            ],
            face.ink,
        )
    row(canvas, 0, 60, 84, [Cell(face.clock, 34 + name + 34, _PAPER, _INK, _BOLD, 14)])
    return canvas


def _strip(face: Face, scale: float) -> Canvas:
    """A strip over the whole width at the bottom: names, score with an upright stroke, clock."""
    canvas = Canvas(860, 36, scale)
    canvas.box(0, 0, 860, 36, (12, 14, 20), 0.85)
    canvas.box(0, 0, 860, 2.5, (220, 30, 60))
    home, away = face.teams
    canvas.box(60, 8, 66, 30, home.colour)
    canvas.box(794, 8, 800, 30, away.colour)
    canvas.text(home.name.upper(), 376, 19, WHITE, _PLAIN, 17, 1.0)
    canvas.text(away.name.upper(), 484, 19, WHITE, _PLAIN, 17, 0.0)
    canvas.text(f"{face.score[0]} | {face.score[1]}", 430, 19, _GOLD, _BOLD, 20, 0.5, face.ink)
    canvas.text(face.clock, 726, 19, (200, 210, 230), _PLAIN, 16, 0.5)
    return canvas


def _transparent(face: Face, scale: float) -> Canvas:
    """Text with a shadow and no box; a mark of the half before the clock."""
    code = _codes(face, _BOLD, 19)
    canvas = Canvas(2 * code + 70 + 160, 32, scale)
    half = "1H" if face.clock < "45:00" else "2H"
    texts = (
        (face.teams[0].code, code / 2, 1.0),
        (f"{face.score[0]} - {face.score[1]}", code + 35, face.ink),
        (face.teams[1].code, 1.5 * code + 70, 1.0),
        (f"{half}  {face.clock}", 2 * code + 70 + 82, 1.0),
    )
    for text, x, opacity in texts:
        for dx, dy in ((1.5, 1.5), (-1, 1), (1, -1), (-1, -1)):
            canvas.text(text, x + dx, 16 + dy, (10, 12, 18), _BOLD, 19, 0.5, 0.6 * opacity)
        canvas.text(text, x, 16, WHITE, _BOLD, 19, 0.5, opacity)
    return canvas


def _added_time(face: Face, scale: float) -> Canvas:
    """The clock, the minutes to be added in a second cell, then codes and score."""
    code = _codes(face, _MONO, 16)
    canvas = Canvas(82 + 42 + 2 * code + 2 * 30 + 10, 34, scale)
    home, away = face.teams
    cells = [
        Cell(face.clock, 82, (30, 34, 44), font=_MONO, digits=16),
        Cell(face.text("added", "+3"), 42, (220, 170, 20), _INK, _MONO, 15),
        Cell(home.code, code, _PAPER, _INK, _MONO, 16),
        Cell(face.score[0], 30, _PAPER, (150, 20, 40), _MONO, score=True),
        Cell("", 10, _PAPER),
        Cell(face.score[1], 30, _PAPER, (150, 20, 40), _MONO, score=True),
        Cell(away.code, code, _PAPER, _INK, _MONO, 16),
    ]
    row(canvas, 0, 0, 34, cells, face.ink)
    return canvas


def _cyrillic(face: Face, scale: float) -> Canvas:
    """Cyrillic codes beside crests, a score with a spaced colon, and the clock before them in a lower box."""
    code = _codes(face, _BOLD, 17)
    canvas = Canvas(70 + 2 * (code + 28) + 68, 34, scale)
    home, away = face.teams
    row(canvas, 0, 5, 29, [Cell(face.clock, 70, (20, 96, 60), font=_PLAIN, digits=14)])
    canvas.box(70, 0, canvas.width_units, 34, (232, 236, 232), 0.96, 0.0, 0.12)
    canvas.crest(87, 17, 24, home.colour, _INK, home.crest)
    canvas.text(home.code, 104, 17, _INK, _BOLD, 17)
    middle = 70 + 28 + code + 34
    canvas.text(f"{face.score[0]} : {face.score[1]}", middle, 17, (20, 96, 60), _BOLD, 20, 0.5, face.ink)
    canvas.text(away.code, canvas.width_units - 34, 17, _INK, _BOLD, 17, 1.0)
    canvas.crest(canvas.width_units - 17, 17, 24, away.colour, _INK, away.crest)
    return canvas


def _basketball(face: Face, scale: float) -> Canvas:
    """A wide bar at the bottom: names and points from both sides, period, clock and shot clock in the middle."""
    name = wide_enough(tuple(team.name for team in face.teams), _NARROW, 15, least=90)
    canvas = Canvas(2 * name + 2 * 58 + 176, 36, scale)
    home, away = face.teams
    cells = [
        Cell(home.name.upper(), name, home.colour, home.ink, _NARROW, 14),
        Cell(face.score[0], 58, _INK, WHITE, _BOLD, score=True),
        Cell(face.text("period"), 50, _BLUE, WHITE, _PLAIN, 13),
        Cell(face.clock.removeprefix("0"), 84, _BLUE, WHITE, _BOLD, 16),
        Cell(face.text("shot"), 42, (180, 30, 30), WHITE, _BOLD, 15),
        Cell(face.score[1], 58, _INK, WHITE, _BOLD, score=True),
        Cell(away.name.upper(), name, away.colour, away.ink, _NARROW, 14),
    ]
    row(canvas, 0, 0, 36, cells, face.ink)
    return canvas


def _tennis(face: Face, scale: float) -> Canvas:
    """Two rows: server's mark, name, games of the first set, games of this set, points."""
    name = wide_enough(tuple(team.name for team in face.teams), _BOLD, 15, least=90)
    canvas = Canvas(20 + name + 2 * 30 + 42, 62, scale)
    for k, team in enumerate(face.teams):
        cells = [
            Cell("", 20, _NAVY),
            Cell(team.name, name, _NAVY, WHITE, _BOLD, 15, 0.0),
            Cell(face.text(f"sets{k}"), 30, _NAVY, (170, 180, 210), _PLAIN, 18),
            Cell(face.text(f"games{k}"), 30, _BLUE, WHITE, _BOLD, 18),
            Cell(face.score[k], 42, _GOLD, _INK, _BOLD, 18, score=True),
        ]
        row(canvas, 0, 31 * k, 31 * k + 30, cells, face.ink)
        if face.text("server") == str(k):
            canvas.pill(7, 31 * k + 11, 15, 31 * k + 19, (220, 240, 60), 4)
    return canvas


def _cricket(face: Face, scale: float) -> Canvas:
    """A bar at the bottom left: code, runs-wickets, overs, and the speed of the ball."""
    canvas = Canvas(70 + 110 + 118 + 120, 36, scale)
    cells = [
        Cell(face.teams[0].code, 70, face.teams[0].colour, face.teams[0].ink, _BOLD, 18),
        Cell(f"{face.score[0]}-{face.score[1]}", 110, _INK, WHITE, _BOLD, score=True),
        Cell(f"OVERS {face.text('overs')}", 118, _BLUE, WHITE, _NARROW, 15),
        Cell(f"{face.text('speed')} km/h", 120, (60, 66, 80), WHITE, _NARROW, 15),
    ]
    row(canvas, 0, 0, 36, cells, face.ink)
    return canvas


def _esports(face: Face, scale: float) -> Canvas:
    """The top middle: names, rounds won on both sides of the round's clock, number of the round below it."""
    name = wide_enough(tuple(team.name for team in face.teams), _AILERON, 15, least=110)
    canvas = Canvas(2 * name + 2 * 46 + 84, 50, scale)
    cells = [
        Cell(face.teams[0].name, name, (30, 60, 110), WHITE, _AILERON, 15, 1.0, 0.8, high=0.8),
        Cell(face.score[0], 46, (50, 110, 200), WHITE, _BOLD, 20, score=True),
        Cell(face.clock.removeprefix("0"), 84, (16, 18, 26), WHITE, _BOLD, 19, opacity=0.9),
        Cell(face.score[1], 46, (210, 130, 40), WHITE, _BOLD, 20, score=True),
        Cell(face.teams[1].name, name, (110, 66, 24), WHITE, _AILERON, 15, 0.0, 0.8, high=0.8),
    ]
    row(canvas, 0, 0, 32, cells, face.ink)
    middle = canvas.width_units / 2
    canvas.box(middle - 42, 32, middle + 42, 50, (16, 18, 26), 0.7)
    canvas.text(f"ROUND {face.text('round')}", middle, 41, (200, 204, 214), _PLAIN, 11, 0.5)
    return canvas


LAYOUTS = (
    Layout("corner_dash", _corner_dash, (0.0, 0.0), enter="left"),
    Layout("cells_no_dash", _cells_no_dash, (0.02, 0.02), enter="fade"),
    Layout("clock_below", _clock_below, (0.03, 0.0), enter="top"),
    Layout("long_names", _long_names, (1.0, 0.0), names="long", enter="right"),
    Layout("title_bar", _title_bar, (0.0, 0.03), enter="left"),
    Layout("stacked", _stacked, (0.02, 0.03), enter="left"),
    Layout("strip", _strip, (0.5, 1.0), enter="bottom", margin=0.0, fill=1.0),
    Layout("transparent", _transparent, (0.04, 0.02), enter="fade"),
    Layout("added_time", _added_time, (0.5, 0.0), enter="top", late=True),
    Layout("cyrillic", _cyrillic, (0.0, 0.02), names="cyrillic", enter="fade"),
    Layout("basketball_bar", _basketball, (0.5, 0.97), "basketball", enter="bottom"),
    Layout("tennis_rows", _tennis, (0.0, 0.95), "tennis", "players", enter="left", clock=False),
    Layout("cricket_bar", _cricket, (0.0, 0.97), "cricket", enter="bottom", clock=False),
    Layout("esports_top", _esports, (0.5, 0.0), "esports", "esports", enter="top", margin=0.02),
)
