"""Languages and scripts: which letters a language is written in, and whether a voice can read a text.

A text's script is seen from its letters. Languages that share a script are not told apart: a sentence of ten words is
too short for that to be sure, and a voice of another Latin language still reads it in some way.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

# Languages by their codes (ISO 639), and those that are written in other letters than Latin. "CJK" are Chinese
# characters, in the words of Unicode's names.
# fmt: off
_NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian",
    "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan", "cmn": "Chinese", "cs": "Czech", "cy": "Welsh", "da": "Danish",
    "de": "German", "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian",
    "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician", "gu": "Gujarati",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "kn": "Kannada",
    "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam", "mr": "Marathi",
    "ms": "Malay", "nb": "Norwegian", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "pa": "Punjabi",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "yue": "Cantonese",
    "zh": "Chinese",
}
_SCRIPTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("be", "bg", "kk", "ky", "mk", "mn", "ru", "tg", "tt", "uk"), ("CYRILLIC",)),
    "sr": ("CYRILLIC", "LATIN"),
    "el": ("GREEK",), "hy": ("ARMENIAN",), "ka": ("GEORGIAN",),
    **dict.fromkeys(("ar", "fa", "ps", "sd", "ug", "ur"), ("ARABIC",)),
    **dict.fromkeys(("he", "iw", "yi"), ("HEBREW",)),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), ("DEVANAGARI",)),
    **dict.fromkeys(("as", "bn"), ("BENGALI",)),
    "am": ("ETHIOPIC",), "gu": ("GUJARATI",), "kn": ("KANNADA",), "km": ("KHMER",), "lo": ("LAO",),
    "ml": ("MALAYALAM",), "my": ("MYANMAR",), "or": ("ORIYA",), "pa": ("GURMUKHI",), "si": ("SINHALA",),
    "ta": ("TAMIL",), "te": ("TELUGU",), "th": ("THAI",),
    **dict.fromkeys(("cmn", "hak", "wuu", "yue", "zh"), ("CJK",)),
    "ja": ("CJK", "HIRAGANA", "KATAKANA"),
    "ko": ("HANGUL", "CJK"),
}
_SCRIPT_WORDS = {"CJK": "Chinese characters", "HIRAGANA": "Japanese characters", "KATAKANA": "Japanese characters"}
# fmt: on


def base_code(code: str) -> str:
    """Return a language's code without its region: "pt-BR" and "pt_BR" are "pt"."""
    return code.replace("_", "-").partition("-")[0].lower()


def language_name(code: str) -> str:
    """Return a language's English name; where it is not known, its code in words.

    >>> language_name("de-AT"), language_name("xx")
    ('German', "the language with the code 'xx'")
    """
    return _NAMES.get(base_code(code)) or f"the language with the code {code!r}"


def scripts_in(text: str) -> Counter[str]:
    """Return how many letters of each script a text has; scripts are named as Unicode names them.

    >>> scripts_in("Go, 皇马!")
    Counter({'LATIN': 2, 'CJK': 2})
    """
    counts: Counter[str] = Counter()
    for character in text:
        if character.isalpha():
            name = unicodedata.name(character, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
            counts[name.partition(" ")[0].partition("-")[0]] += 1
    return counts


def scripts_of(languages: Sequence[str]) -> frozenset[str]:
    """Return the scripts in which languages are written."""
    return frozenset(script for code in languages for script in _SCRIPTS.get(base_code(code), ("LATIN",)))


def unreadable(text: str, languages: Sequence[str]) -> str:
    """Return in words what a text is written in, where a voice of these languages cannot read most of its letters.

    "" where it can, where the text has no letters, and where the voice's languages are not known.

    >>> unreadable("一个红色的球", ["en"]), unreadable("Goal for 皇马!", ["en"]), unreadable("一个", [])
    ('Chinese characters', '', '')
    """
    counts, known = scripts_in(text), scripts_of(languages)
    foreign = Counter({script: n for script, n in counts.items() if script not in known})
    if not languages or 2 * foreign.total() <= counts.total():
        return ""
    script = foreign.most_common(1)[0][0]
    return _SCRIPT_WORDS.get(script, f"{script.capitalize()} letters")


def names_of(languages: Sequence[str], most: int = 4) -> str:
    """Return languages in words, for messages: the first `most` of them.

    >>> names_of(["en", "de"]), names_of([])
    ('English, German', 'any language')
    """
    names = list(dict.fromkeys(_NAMES.get(base_code(code), code) for code in languages))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "any language"
