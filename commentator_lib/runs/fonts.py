"""Find a font that has a character: those that come with the package first, then those of this machine.

A character that no font has would be drawn as a box, which says nothing. So it is asked for before anything is drawn.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wcwidth import iter_graphemes, wcwidth

from commentator_lib.files import package_data
from commentator_lib.runs.line_breaks import han_language

logger = logging.getLogger(__name__)

# Packages that carry fonts for `pip install commentator-lib[fonts]`: Chinese, Japanese and Korean.
_FONT_PACKAGES = ("justmytype_intl_cjk",)
# A name with one of these is another cut of a plain font.
_OTHER_CUT = re.compile(
    "bold|italic|oblique|light|thin|black|medium|condensed|narrow|mono|serif|display|looped|ui|lastresort",
    re.I,
)
_EMOJI_FONT = re.compile("emoji|emj", re.I)
# How each language's cut is called in the names of fonts for Chinese characters.
_CUTS = {"zh": ("SC", "CN"), "ja": ("JP",), "ko": ("KR",)}
UNITS = 4096  # of a font, per its size
_MOST_FACES = 16  # of one font file

# What draws nothing by itself, so that no font needs it: format characters and variation selectors.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0001-\U000e01ef]")
_SCRIPT_FONTS = (
    (re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef]"), "fonts-noto-cjk"),
    (re.compile("[\U00020000-\U000323af]"), "fonts-noto-cjk"),
)


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a font file; a collection (.ttc) has several."""

    path: Path
    index: int = 0


class FontBook:
    """Chooses a face for each character; `own` are those that are asked first, in this order, then `others`."""

    def __init__(self, own: Iterable[Path], others: Iterable[Path]) -> None:
        self._own = [Face(path) for path in own]
        self._others = list(others)
        self._faces: dict[str, list[Face]] = {}
        self._chosen: dict[tuple[str, str, Face | None], Face | None] = {}

    def face_for(self, character: str, language: str = "", before: Face | None = None) -> Face | None:
        """Return a face that has a character (a grapheme, so one or more code points), None where none has.

        `language` chooses among the cuts of Chinese characters. What is no letter, such as a space or a mark, stays
        with the face `before` it, where that has it.
        """
        leaves = is_plain(character) or is_emoji(character) or (before is not None and _is_emoji_font(before))
        if leaves or before is None or not has_character(before, character):
            before = None
        key = character, language, before
        if key not in self._chosen:
            self._chosen[key] = before or next(
                (face for face in self._by_preference(character, language) if has_character(face, character)),
                None,
            )
        return self._chosen[key]

    def _by_preference(self, character: str, language: str) -> Iterator[Face]:
        if is_emoji(character):
            yield from filter(_is_emoji_font, self._all(""))
        # The general font draws Latin; those of one script draw theirs better than it does.
        right_to_left = unicodedata.bidirectional(character[0]) in ("R", "AL")
        yield from self._own[::-1] if right_to_left else self._own
        yield from self._all(language)

    def _all(self, language: str) -> list[Face]:
        """Return all faces of other fonts, the cut for the language first."""
        if language not in self._faces:
            faces = [face for path in self._others for face in _faces_of(path)]
            wanted = _CUTS.get(language, ())
            self._faces[language] = (
                sorted(faces, key=lambda face: not _is_cut(face, wanted)) if wanted else faces
            )
        return self._faces[language]


def is_plain(character: str) -> bool:
    """Return whether a character (a grapheme) is a letter or a number, without which a word cannot be read."""
    return unicodedata.category(character[0])[0] in "LN" and not is_emoji(character)


def is_emoji(character: str) -> bool:
    """Return whether a character (a grapheme) is meant to be seen as a small coloured picture."""
    first = character[0]
    if "\ufe0f" in character or "\U0001f1e6" <= first <= "\U0001f1ff":
        return True
    return unicodedata.category(first) == "So" and wcwidth(first) == 2


def has_character(face: Face, character: str) -> bool:
    """Return whether a face has all code points of a character (a grapheme)."""
    font = font_of(face)
    visible = _INVISIBLE.sub("", unicodedata.normalize("NFC", character))
    return font is not None and all(font.get_nominal_glyph(ord(c)) for c in visible)


@functools.cache
def harfbuzz() -> Any:
    """Return the module uharfbuzz, whose names no type checker knows."""
    return importlib.import_module("uharfbuzz")


@functools.cache
def font_of(face: Face) -> Any:
    """Return HarfBuzz's font of a face in its regular weight; None for a file that is no font."""
    hb = harfbuzz()
    try:
        font = hb.Font(hb.Face(hb.Blob.from_file_path(str(face.path)), face.index))
    except (OSError, hb.HarfBuzzError):
        logger.debug("no font: %s", face.path, exc_info=True)
        return None
    font.scale = (UNITS, UNITS)
    font.set_variations({"wght": 400.0})  # what a variable font begins with may be its thinnest
    return font


def _is_emoji_font(face: Face) -> bool:
    return _EMOJI_FONT.search(face.path.name) is not None


def _faces_of(path: Path) -> list[Face]:
    """Return the faces of a font file."""
    if path.suffix.lower() not in (".ttc", ".otc"):
        return [Face(path)]
    with path.open("rb") as file:
        head = file.read(12)  # "ttcf", the version, and the number of faces
    return [Face(path, k) for k in range(min(_MOST_FACES, int.from_bytes(head[8:12], "big")))]


def _is_cut(face: Face, names: tuple[str, ...]) -> bool:
    """Return whether a face's family has one of these words in its name, as in "Noto Sans CJK JP"."""
    font = font_of(face)
    name_id = harfbuzz().OTNameIdPredefined.FONT_FAMILY
    family = "" if font is None else font.face.get_name(name_id) or ""
    return any(family.endswith(name) or f"{name} " in family for name in names)


@functools.cache
def font_book() -> FontBook:
    """Return the fonts of this package and this machine."""
    import matplotlib

    latin = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    return FontBook([latin, *sorted(package_data("fonts").glob("*.ttf"))], _installed())


def _installed() -> list[Path]:
    """Return the font files of this machine and of the packages that carry some, the plain ones first."""
    from matplotlib import font_manager

    found = {Path(path) for path in font_manager.findSystemFonts()}
    for package in _FONT_PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            found |= set(Path(folder).rglob("*.ttf"))

    def rank(path: Path) -> tuple[int, bool, int, str]:
        name = path.name
        return len(_OTHER_CUT.findall(name)), "noto" not in name.lower(), len(name), str(path)

    return sorted(found, key=rank)


def missing_characters(texts: Iterable[str]) -> list[str]:
    """Return the characters in texts that no font has, each once, in their order."""
    book = font_book()
    missing: dict[str, None] = {}
    for text in texts:
        language = han_language(text)
        for character in iter_graphemes(text):
            visible = _INVISIBLE.sub("", character).strip()
            if (
                visible
                and unicodedata.category(visible[0])[0] != "C"
                and not book.face_for(character, language)
            ):
                missing[character] = None
    return list(missing)


def font_advice(missing: Iterable[str]) -> str:
    """Return one line that says which characters no font has, and what to install; "" for none."""
    missing = list(missing)
    if not missing:
        return ""
    packages = sorted({_package_for(character) for character in missing})
    pip = ", or pip install commentator-lib[fonts]" if "fonts-noto-cjk" in packages else ""
    shown = "".join(missing[:12]) + ("…" if len(missing) > 12 else "")
    fate = "they are left out of the captions in the picture"
    if any(map(is_plain, missing)):
        fate = "captions with these letters are in the subtitle track only, not in the picture"
    return f"no installed font has {shown}: {fate}; install {', '.join(packages)} (Debian's names){pip}"


def _package_for(character: str) -> str:
    """Return Debian's package with a font for a character."""
    if is_emoji(character):
        return "fonts-noto-color-emoji"
    found = (package for script, package in _SCRIPT_FONTS if script.match(character))
    return next(found, "fonts-noto-core")
