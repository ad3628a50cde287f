"""The boards that are held out for the final figure. Whoever works on a watcher must not look at them."""

from __future__ import annotations

from experiments.boards.draw import WHITE, Canvas, Colour
from experiments.boards.fonts import Font
from experiments.boards.layout import Cell, Layout, row, wide_enough
from experiments.boards.script import Face

_MODERN = Font("modern", stroke=0.03)
_STIX, _SERIF = Font("stix-bold"), Font("serif-bold", narrow=0.85)
_UNI, _RUBIK = Font("unifont"), Font("rubik")
_ITALIC = Font("sans-bold", narrow=0.78, slant=0.22)
_TALL = Font("sans-bold", narrow=0.62)
_CREAM: Colour = (250, 244, 226)
_BLACK: Colour = (10, 10, 12)
_WINE: Colour = (92, 12, 38)
_TEAL: Colour = (10, 84, 92)
_LIME: Colour = (196, 240, 60)
_SKY: Colour = (150, 208, 246)


def _codes(face: Face, font: Font, digits: float, room: float = 16.0) -> float:
    return wide_enough((face.teams[0].code, face.teams[1].code), font, digits, room)


def _names(face: Face, font: Font, digits: float, least: float = 0.0) -> float:
    return wide_enough((face.teams[0].name, face.teams[1].name), font, digits, least=least)


def _crest_between(face: Face, scale: float) -> Canvas:
    """Names, and the league's emblem between the two digits; the clock in a tab above."""
    name = _names(face, _MODERN, 16, 96)
    canvas = Canvas(2 * name + 132, 62, scale)
    middle = canvas.width_units / 2
    canvas.pill(middle - 40, 0, middle + 40, 34, _TEAL, 8)
    canvas.text(face.clock, middle, 12, WHITE, _MODERN, 14, 0.5)
    canvas.pill(0, 24, canvas.width_units, 62, _CREAM, 19)
    canvas.pill(middle - 66, 24, middle + 66, 62, _TEAL, 12)
    canvas.text(face.teams[0].name, name / 2, 43, _BLACK, _MODERN, 16, 0.5)
    canvas.text(face.teams[1].name, 1.5 * name + 132, 43, _BLACK, _MODERN, 16, 0.5)
    canvas.text(face.score[0], middle - 42, 43, _LIME, _MODERN, 21, 0.5, face.ink)
    canvas.crest(middle, 43, 30, (220, 190, 90), WHITE, 1)
    canvas.text(face.score[1], middle + 42, 43, _LIME, _MODERN, 21, 0.5, face.ink)
    return canvas


def _pills(face: Face, scale: float) -> Canvas:
    """Separate pills with gaps: code, digit, digit, code, and the clock as the last."""
    code = _codes(face, _UNI, 17, 26)
    widths = (code, 36, 36, code, 84)
    texts = (face.teams[0].code, face.score[0], face.score[1], face.teams[1].code, face.clock)
    backs = (face.teams[0].colour, WHITE, WHITE, face.teams[1].colour, (44, 46, 60))
    inks = (face.teams[0].ink, _WINE, _WINE, face.teams[1].ink, WHITE)
    canvas = Canvas(sum(widths) + 5 * 4, 32, scale)
    x = 0.0
    for k, (width, text, back, ink) in enumerate(zip(widths, texts, backs, inks, strict=True)):
        canvas.pill(x, 0, x + width, 32, back, 15 if k != 4 else 6, 0.95)
        digits, opacity = (20, face.ink) if k in (1, 2) else (16, 1.0)
        canvas.text(text, x + width / 2, 16, ink, _UNI, digits, 0.5, opacity)
        x += width + 5
    return canvas


def _slanted(face: Face, scale: float) -> Canvas:
    """Leaning cells with leaning text; the clock is the last of them."""
    code = _codes(face, _ITALIC, 18, 28)
    canvas = Canvas(2 * code + 84 + 90 + 16, 34, scale)
    cells = (
        (face.teams[0].code, code, face.teams[0].colour, face.teams[0].ink, 18),
        (f"{face.score[0]}-{face.score[1]}", 84, _LIME, _BLACK, 21),
        (face.teams[1].code, code, face.teams[1].colour, face.teams[1].ink, 18),
        (face.clock, 86, _BLACK, _LIME, 16),
    )
    x = 0.0
    for k, (text, width, back, ink, digits) in enumerate(cells):
        canvas.box(x, 0, x + width - 2, 34, back, 1.0, 12)
        opacity = face.ink if k == 1 else 1.0
        canvas.text(text, x + width / 2 + 5, 17, ink, _ITALIC, digits, 0.5, opacity)
        x += width
    return canvas


def _aggregate(face: Face, scale: float) -> Canvas:
    """Codes, the score, and the score over both legs in brackets behind it; the clock is under the codes."""
    code = _codes(face, _SERIF, 17)
    canvas = Canvas(2 * code + 72 + 76, 56, scale)
    canvas.box(0, 0, canvas.width_units, 33, _WINE, 0.96, 0.0, 0.35)
    cells = [
        Cell(face.teams[0].code, code, None, _CREAM, _SERIF, 17),
        Cell(f"{face.score[0]} - {face.score[1]}", 72, None, WHITE, _SERIF, score=True),
        Cell(face.teams[1].code, code, None, _CREAM, _SERIF, 17),
        Cell(f"({face.text('aggregate')})", 76, None, (226, 190, 120), _SERIF, 16, score=True),
    ]
    row(canvas, 0, 0, 33, cells, face.ink)
    row(canvas, 0, 34, 56, [Cell(face.clock, 72, _CREAM, _WINE, _SERIF, 14)])
    return canvas


def _chinese(face: Face, scale: float) -> Canvas:
    """Chinese names on both sides of a score with a dash; the clock stands above it, without a box."""
    name = _codes(face, _UNI, 18, 30)
    canvas = Canvas(2 * name + 76, 58, scale)
    middle = canvas.width_units / 2
    for dx, dy in ((1.2, 1.2), (-1, -1)):
        canvas.text(face.clock, middle + dx, 11 + dy, _BLACK, _UNI, 15, 0.5, 0.7)
    canvas.text(face.clock, middle, 11, WHITE, _UNI, 15, 0.5)
    canvas.box(0, 24, name, 58, face.teams[0].colour, 0.94, 0.0, 0.25)
    canvas.box(name, 24, name + 76, 58, _BLACK, 0.9)
    canvas.box(name + 76, 24, canvas.width_units, 58, face.teams[1].colour, 0.94, 0.0, 0.25)
    canvas.text(face.teams[0].name, name / 2, 41, face.teams[0].ink, _UNI, 18, 0.5)
    canvas.text(f"{face.score[0]} - {face.score[1]}", middle, 41, WHITE, _UNI, 20, 0.5, face.ink)
    canvas.text(face.teams[1].name, 1.5 * name + 76, 41, face.teams[1].ink, _UNI, 18, 0.5)
    return canvas


def _cross(face: Face, scale: float) -> Canvas:
    """Codes, a score with an x, the clock behind; dark text on a half transparent light bar."""
    code = _codes(face, _STIX, 18)
    canvas = Canvas(2 * code + 78 + 82, 32, scale)
    canvas.box(0, 0, canvas.width_units, 32, _SKY, 0.8)
    canvas.box(2 * code + 80, 5, 2 * code + 81.5, 27, _TEAL)
    cells = [
        Cell(face.teams[0].code, code, None, (10, 30, 70), _STIX, 18),
        Cell(f"{face.score[0]} x {face.score[1]}", 78, None, _BLACK, _STIX, 20, score=True),
        Cell(face.teams[1].code, code, None, (10, 30, 70), _STIX, 18),
        Cell(face.clock, 82, None, (10, 30, 70), _STIX, 18),
    ]
    row(canvas, 0, 0, 32, cells, face.ink)
    return canvas


def _no_clock(face: Face, scale: float) -> Canvas:
    """No clock at all: crests at the ends, names and a score with a dash, at the bottom."""
    name = _names(face, _TALL, 18, 60)
    canvas = Canvas(2 * name + 70 + 68, 36, scale)
    canvas.pill(0, 2, canvas.width_units, 34, (40, 22, 70), 6, 0.93)
    canvas.crest(18, 18, 28, face.teams[0].colour, face.teams[0].ink, face.teams[0].crest)
    canvas.text(face.teams[0].name, 34 + name / 2, 18, WHITE, _TALL, 17, 0.5)
    canvas.box(34 + name, 2, 34 + name + 70, 34, (255, 176, 30))
    canvas.text(f"{face.score[0]}–{face.score[1]}", 34 + name + 35, 18, _BLACK, _TALL, 22, 0.5, face.ink)
    canvas.text(face.teams[1].name, 104 + 1.5 * name, 18, WHITE, _TALL, 17, 0.5)
    canvas.crest(
        canvas.width_units - 18, 18, 28, face.teams[1].colour, face.teams[1].ink, face.teams[1].crest
    )
    return canvas


def _clock_middle(face: Face, scale: float) -> Canvas:
    """Wings with crest, name and digit on both sides of the clock, which is in the middle."""
    name = _names(face, _RUBIK, 14, 80)
    wing = 36 + name + 36
    canvas = Canvas(2 * wing + 88, 36, scale)
    canvas.pill(wing - 6, 0, wing + 94, 36, _LIME, 10)
    canvas.text(face.clock, wing + 44, 18, _BLACK, _UNI, 17, 0.5)
    for k, team in enumerate(face.teams):
        x0 = 0.0 if k == 0 else wing + 88
        canvas.box(x0, 3, x0 + wing, 33, (24, 26, 60), 0.96, 0.0, 0.3)
        crest, digit = (18, wing - 18) if k == 0 else (wing - 18, 18)
        canvas.crest(x0 + crest, 18, 26, team.colour, team.ink, team.crest)
        canvas.text(team.name, x0 + 36 + name / 2, 18, WHITE, _RUBIK, 14, 0.5)
        canvas.text(face.score[k], x0 + digit, 18, _LIME, _UNI, 21, 0.5, face.ink)
    return canvas


def _tall_cards(face: Face, scale: float) -> Canvas:
    """A card for each team: the code above a large digit; between them a narrow card with the clock."""
    canvas = Canvas(70 + 64 + 70 + 8, 62, scale)
    for k, team in enumerate(face.teams):
        x0 = 0 if k == 0 else 142
        canvas.pill(x0, 0, x0 + 70, 62, _CREAM, 5)
        canvas.box(x0, 4, x0 + 70, 24, team.colour)
        canvas.text(team.code, x0 + 35, 14, team.ink, _MODERN, 13, 0.5)
        canvas.text(face.score[k], x0 + 35, 43, _BLACK, _MODERN, 26, 0.5, face.ink)
    canvas.pill(74, 30, 138, 54, _BLACK, 5, 0.85)
    canvas.text(face.clock, 106, 42, _CREAM, _MODERN, 14, 0.5)
    return canvas


def _greek_rows(face: Face, scale: float) -> Canvas:
    """Two light rows with the digit before the Greek name; the clock stands on their right over both rows."""
    name = _names(face, _SERIF, 15, 84)
    canvas = Canvas(36 + name + 74, 58, scale)
    for k, team in enumerate(face.teams):
        y0 = 29 * k
        canvas.box(0, y0, 36, y0 + 28, team.colour)
        canvas.text(face.score[k], 18, y0 + 14, team.ink, _SERIF, 20, 0.5, face.ink)
        row(canvas, 36, y0, y0 + 28, [Cell(team.name, name, _CREAM, _BLACK, _SERIF, 15, 0.0)])
    canvas.box(36 + name, 0, canvas.width_units, 57, (30, 60, 110))
    canvas.text(face.clock, 36 + name + 37, 28, WHITE, _SERIF, 15, 0.5)
    return canvas


def _basketball(face: Face, scale: float) -> Canvas:
    """Two stacked rows with codes and points; period, clock and shot clock in a row below."""
    canvas = Canvas(164, 88, scale)
    for k, team in enumerate(face.teams):
        y0 = 32 * k
        canvas.box(0, y0, 98, y0 + 31, team.colour, 1.0, 0.0, 0.2)
        canvas.text(team.code, 12, y0 + 16, team.ink, _RUBIK, 18)
        canvas.box(98, y0, 164, y0 + 31, _BLACK)
        canvas.text(face.score[k], 131, y0 + 16, WHITE, _UNI, 20, 0.5, face.ink)
    cells = [
        Cell(
            face.text("period").replace("ST", "").replace("ND", "").replace("RD", "").replace("TH", "") + "Q",
            42,
            _CREAM,
            _BLACK,
            _UNI,
            14,
        ),
        Cell(face.clock.removeprefix("0"), 76, _CREAM, _BLACK, _UNI, 15),
        Cell(face.text("shot"), 46, _LIME, _BLACK, _UNI, 15),
    ]
    row(canvas, 0, 64, 88, cells)
    return canvas


def _tennis(face: Face, scale: float) -> Canvas:
    """Light rows at the bottom right: the points right behind the name, then the sets from left to right."""
    name = _names(face, _STIX, 17, 92)
    canvas = Canvas(name + 46 + 2 * 32, 60, scale)
    for k, team in enumerate(face.teams):
        cells = [
            Cell(team.name, name, _CREAM, _BLACK, _STIX, 17, 0.0),
            Cell(face.score[k], 46, (20, 110, 80), WHITE, _STIX, 20, score=True),
            Cell(face.text(f"sets{k}"), 32, _CREAM, (120, 110, 100), _STIX, 19),
            Cell(face.text(f"games{k}"), 32, _CREAM, _BLACK, _STIX, 19),
        ]
        row(canvas, 0, 30 * k, 30 * k + 29, cells, face.ink)
        if face.text("server") == str(k):
            canvas.box(0, 30 * k, 4, 30 * k + 29, (230, 120, 20))
    return canvas


def _cricket(face: Face, scale: float) -> Canvas:
    """A strip over the whole width at the bottom: runs/wickets after the code, overs in brackets, the target."""
    canvas = Canvas(800, 38, scale)
    canvas.box(0, 0, 800, 38, (244, 246, 250), 0.95)
    canvas.box(0, 0, 260, 38, (20, 60, 130), 1.0, 0.0, 0.25)
    canvas.text(face.teams[0].code, 24, 19, WHITE, _RUBIK, 18)
    canvas.text(f"{face.score[0]}/{face.score[1]}", 236, 19, _LIME, _UNI, 21, 1.0, face.ink)
    canvas.text(f"({face.text('overs')} ov)", 284, 19, (20, 60, 130), _UNI, 17)
    canvas.text(f"TARGET {face.text('target')}", 560, 19, _BLACK, _UNI, 15, 0.5)
    canvas.text(f"v {face.teams[1].code}", 770, 19, _BLACK, _RUBIK, 16, 1.0)
    return canvas


def _esports(face: Face, scale: float) -> Canvas:
    """Three boxes with gaps at the top: code and rounds on the left, the clock, rounds and code on the right."""
    canvas = Canvas(420, 40, scale)
    canvas.box(0, 4, 132, 36, (120, 20, 40), 0.85, 8)
    canvas.box(280, 4, 412, 36, (20, 80, 120), 0.85, 8)
    canvas.pill(166, 0, 254, 40, _BLACK, 12, 0.8)
    canvas.text(face.teams[0].code, 20, 20, WHITE, _MODERN, 17)
    canvas.text(face.score[0], 112, 20, WHITE, _MODERN, 22, 0.5, face.ink)
    canvas.text(face.clock.removeprefix("0"), 210, 20, WHITE, _MODERN, 18, 0.5)
    canvas.text(face.score[1], 308, 20, WHITE, _MODERN, 22, 0.5, face.ink)
    canvas.text(face.teams[1].code, 400, 20, WHITE, _MODERN, 17, 1.0)
    return canvas


LAYOUTS = (
    Layout("crest_between", _crest_between, (0.5, 0.0), enter="top"),
    Layout("pills", _pills, (1.0, 0.0), enter="fade"),
    Layout("slanted", _slanted, (0.05, 0.03), enter="left"),
    Layout("aggregate", _aggregate, (1.0, 0.02), enter="right"),
    Layout("chinese", _chinese, (0.5, 0.02), names="chinese", enter="top"),
    Layout("cross", _cross, (0.0, 0.0), enter="fade"),
    Layout("no_clock", _no_clock, (0.0, 1.0), enter="bottom", clock=False),
    Layout("clock_middle", _clock_middle, (0.5, 1.0), enter="bottom"),
    Layout("tall_cards", _tall_cards, (0.03, 0.02), enter="left"),
    Layout("greek_rows", _greek_rows, (1.0, 0.98), names="greek", enter="right"),
    Layout("basketball_rows", _basketball, (0.02, 0.02), "basketball", enter="left"),
    Layout("tennis_light", _tennis, (1.0, 0.97), "tennis", "players", enter="fade", clock=False),
    Layout(
        "cricket_strip", _cricket, (0.5, 1.0), "cricket", enter="bottom", margin=0.0, fill=1.0, clock=False
    ),
    Layout("esports_gaps", _esports, (0.5, 0.0), "esports", "esports", enter="fade", margin=0.03),
)
