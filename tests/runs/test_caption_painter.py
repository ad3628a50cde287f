"""Captions in the picture: every script with its own letters, inside the picture, and never a box."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from matplotlib import font_manager

from commentator_lib.runs import fonts, text_shaping
from commentator_lib.runs.caption_painter import CaptionPainter
from commentator_lib.runs.fonts import FontBook, font_advice, font_book, missing_characters
from commentator_lib.runs.line_breaks import caption_parts, is_right_to_left
from commentator_lib.runs.text_shaping import shaped
from tests.runs.scripts import SENTENCES


def picture(width, height, value=90):
    image = np.full((height, width, 3), value, np.uint8)
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")


@pytest.fixture
def only_own_fonts(monkeypatch):
    """A machine without any font but those of this package and of matplotlib."""
    own = FontBook([face.path for face in font_book()._own], [])
    for module in (fonts, text_shaping):
        monkeypatch.setattr(module, "font_book", lambda: own)
    shaped.cache_clear()
    yield own
    shaped.cache_clear()


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (320, 180), (360, 640)])
@pytest.mark.parametrize("script", SENTENCES)
def test_every_script_is_drawn_in_two_lines_within_the_picture(script, size):
    painter = CaptionPainter(*size, "baseline")
    for part in caption_parts(SENTENCES[script]):
        size_px, lines = painter.laid_out(part)
        assert 1 <= len(lines) <= 2
        assert "".join(lines).replace(" ", "").endswith(part.replace(" ", ""))
        for line in lines:
            found = shaped(line, is_right_to_left(part))
            assert found.width * size_px <= 0.92 * size[0]
            drawn = [glyph for glyph in found.glyphs if glyph.number]
            assert len(drawn) == len(found.glyphs)  # glyph 0 is the box
        top, pixels = painter.draw(part)
        assert top + len(pixels) <= size[1]
        white = pixels[..., 0] > 0.5
        assert white.sum() > 20 and not white[0].any() and not white[-1].any()
        assert not white[:, 0].any() and not white[:, -1].any()


def letters_from_left(line, alphabet):
    """Return the letters of `alphabet` that a shaped line shows, from left to right; a space for any other."""
    alone = {(shaped(c).glyphs[0].face, shaped(c).glyphs[0].number): c for c in alphabet}
    placed = sorted(line.glyphs, key=lambda glyph: glyph.x)
    return "".join(alone.get((glyph.face, glyph.number), " ") for glyph in placed)


def test_arabic_letters_join_and_numbers_beside_them_keep_their_order():
    assert len({glyph.number for glyph in shaped("ععع").glyphs} | {shaped("ع").glyphs[0].number}) == 4
    assert letters_from_left(shaped("د 12 د"), "د12") == "د 12 د"
    assert letters_from_left(shaped("د!"), "د!")[-1] == "د"


def test_hebrew_with_a_latin_name_keeps_the_order_of_reading():
    assert letters_from_left(shaped("אב AB גד"), "אבגדAB") == "דג AB בא"


def test_marks_stand_on_their_letters():
    assert len(shaped("क्षि").glyphs) < len("क्षि")  # a joined letter
    _, vowel, tone = shaped("ที่").glyphs
    assert tone.number != shaped("ท่").glyphs[1].number or tone.y > vowel.y  # above the vowel, not in it
    assert shaped("ที่").width == pytest.approx(shaped("ท").width)


def test_letters_that_no_font_has_leave_the_caption_to_the_subtitle_track(only_own_fonts):
    painter = CaptionPainter(320, 180, "somebody")
    given = picture(320, 180)
    assert painter.painted(given, "Goal by 田中!") is given
    assert painter.painted(given, "Goal by Tanaka!") is not given


def test_emoji_that_no_font_has_are_left_out(only_own_fonts):
    assert shaped("Goal 🎉!").glyphs == shaped("Goal !").glyphs
    assert shaped("1️⃣").glyphs == shaped("1").glyphs


def test_advice_names_a_package_for_what_is_missing(only_own_fonts):
    missing = missing_characters(["球进了 🎉", "Goal", "球"])
    assert missing == ["球", "进", "了", "🎉"]
    said = font_advice(missing)
    assert "fonts-noto-cjk" in said and "fonts-noto-color-emoji" in said and "subtitle track only" in said
    assert "left out" in font_advice(["🎉"]) and font_advice([]) == ""
    assert missing_characters(["a\x00\n\u200d\ufe0f\u200f"]) == []


def test_package_has_letters_for_the_scripts_it_promises(only_own_fonts):
    for script in ("Arabic", "Hebrew", "Thai", "Hindi", "Tamil", "Bengali", "Russian", "Greek", "English"):
        assert missing_characters([SENTENCES[script]]) == [], script


def test_chinese_characters_are_drawn_in_the_way_of_the_text_s_language():
    faces = {language: font_book().face_for("直", language) for language in ("zh", "ja")}
    if any("CJK" not in face.path.name and "Noto" not in face.path.name for face in faces.values()):
        pytest.skip("a machine with other fonts for Chinese characters")
    assert faces["zh"] != faces["ja"]


def test_emoji_are_seen_in_colour():
    coloured = font_book().face_for("🎉")
    if coloured is None or "olor" not in coloured.path.name:
        pytest.skip("no font with coloured emoji: apt install fonts-noto-color-emoji")
    painter = CaptionPainter(320, 180, "x")
    seen = painter.painted(picture(320, 180), "🎉🎉").to_ndarray(format="rgb24").astype(int)
    assert np.ptp(seen[130:], axis=2).max() > 60
    plain = painter.painted(picture(320, 180), "Goal").to_ndarray(format="rgb24").astype(int)
    assert np.ptp(plain, axis=2).max() < 12


def test_fonts_that_cannot_be_read_are_passed_over(tmp_path):
    (tmp_path / "NotoBroken.ttf").write_bytes(b"no font" * 50)
    (tmp_path / "NotoBroken.ttc").write_bytes(b"ttcf\0\1\0\0\0\0\0\2" + b"\xff" * 50)
    book = FontBook(
        [], [*tmp_path.iterdir(), tmp_path / "gone.ttf", *(face.path for face in font_book()._own)]
    )
    assert book.face_for("A").path == font_book()._own[0].path


def test_machine_s_fonts_are_found():
    assert {Path(path) for path in font_manager.findSystemFonts()} <= set(font_book()._others)
    assert font_book().face_for("球", "zh") is not None  # the test extra brings one
