"""How a sentence is read aloud: what an eye takes in at once, written out in words.

"67:12" is a match clock to a viewer and no word to a voice. Numbers themselves stay digits, since every voice reads
digits in its own language; what stands between and around them is written out. English has all of it; other
languages have what can be said of a score, a clock, a shirt's number and a match in one word each; what a voice reads
by itself (ordinals, per cent, decimals) stays.

Emoji are not read: "soccer ball, fire" is no commentary.
"""

from __future__ import annotations

import re

from commentator_lib.voices.languages import base_code

# By language: between the two numbers of a score, minutes of a clock, before a shirt's number, between two sides.
_WORDS: dict[str, tuple[str, str, str, str]] = {
    "en": ("to", "minutes", "number", "versus"),
    "de": ("zu", "Minuten", "Nummer", "gegen"),
    "fr": ("à", "minutes", "numéro", "contre"),
    "es": ("a", "minutos", "número", "contra"),
    "it": ("a", "minuti", "numero", "contro"),
    "pt": ("a", "minutos", "número", "contra"),
    "nl": ("tegen", "minuten", "nummer", "tegen"),
    "sv": ("", "minuter", "nummer", "mot"),
    "da": ("", "minutter", "nummer", "mod"),
    "zh": ("比", "分", "号", "对"),
}
_OTHER = ("", ":", "", "–")
_WEB = re.compile(r"\b(?:https?://|www\.)([^\s/?#<>]+)[^\s<>]*?(?=[.,;:!?)\]]*(?:\s|$))", re.IGNORECASE)
_TAG_CHARACTERS = re.compile("[\U000e0000-\U000e007f]")  # of the flags of England, Scotland and Wales
_KEYCAP = re.compile("([0-9])\ufe0f?\u20e3")
_DASH = "[-\u2010-\u2015\u2212]"
# A score, and no date, formation, telephone number or part of a word.
_SCORE = re.compile(
    rf"(?<![A-Za-z0-9_.,{_DASH[1:-1]}])(\d{{1,3}}) ?{_DASH} ?(\d{{1,3}})(?![A-Za-z0-9_]|[.,]\d|{_DASH}\d)"
)
_COLON_SCORE = re.compile(r"(?<![A-Za-z0-9_.:])(\d{1,2}) ?: ?(\d)(?![A-Za-z0-9_:]|\.\d)")
_LONG_CLOCK = re.compile(r"(?<![A-Za-z0-9_.:])(\d{1,2}):([0-5]\d):([0-5]\d)(?![A-Za-z0-9_:])")
_CLOCK = re.compile(
    r"(?<![A-Za-z0-9_.:])(\d{1,3}):([0-5]\d)(?![A-Za-z0-9_:])(?! ?(?:[ap]\.?m\b|o'clock|Uhr))", re.IGNORECASE
)
_MINUTE = re.compile(r"(?<![\w'’])(\d{1,3})(?:\+(\d{1,2}))?['’′](?![\w'’\"])")
_ADDED = re.compile(r"(?<![\w.])(\d{1,3}) ?\+ ?(\d{1,2})(?=(?:st|nd|rd|th)?\b)")
_NUMBER_SIGN = re.compile(r"(?:\b[Nn]o\.|№|#|\b[Nn]r\.)[ \u00a0]?(?=\d)")
_VERSUS = re.compile(r"(?<=[\w)] )(?:vs?\.?)(?= [A-Z0-9\u00c0-\U0010ffff])|\bvs\.?(?=\s)")
# A team's code has two or three capitals; longer ones, TAXI or EXIT, are words, and so are these.
_CODE = re.compile(r"\b[A-Z]{2,3}\b")
_CODES_AND = re.compile(r"\b([A-Z]{1,3})&([A-Z]{1,3})\b")
_SHORT_WORDS = frozenset(
    re.findall(
        r"\w+",
        "AH ALL AM AN AND ANY ARE AS AT BAD BE BIG BUT BY CAN DO EH FOR FUN GET GO GOT HA HAS HE HER HEY HIM HIS HIT "
        "HOT HOW I IF IN IS IT ITS LET MAN MAY ME MEN MR MRS MS MY NEW NO NOT NOW OF OFF OH OK OLD ON ONE OR OUR OUT "
        "PM PUT RAN RED RUN SAW SAY SEE SHE SHY SO THE TO TOO TOP TRY TWO UP USE WAS WAY WE WHO WHY WIN WON WOW YES "
        "YET YOU",
    )
)
_MONEY = re.compile(r"([$£€¥])\s?(\d+(?:,\d{3})*)(?:\.(\d{1,2}))?\s?(k|m|bn|thousand|million|billion)?(?!\w)")
_COINS = {"$": "dollars", "£": "pounds", "€": "euros", "¥": "yen"}
_SCALES = {"k": "thousand", "m": "million", "bn": "billion"}
# By what is written after a number: one and several of it. Ambiguous ones ("in", "s", "g" and a bare "h") are left out.
_UNITS = {
    "km/h": ("kilometre an hour", "kilometres an hour"),
    "kph": ("kilometre an hour", "kilometres an hour"),
    "mph": ("mile an hour", "miles an hour"),
    "m/s": ("metre a second", "metres a second"),
    "km": ("kilometre", "kilometres"),
    "m": ("metre", "metres"),
    "cm": ("centimetre", "centimetres"),
    "mm": ("millimetre", "millimetres"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    "yds": ("yard", "yards"),
    "kg": ("kilogram", "kilograms"),
    "min": ("minute", "minutes"),
    "mins": ("minute", "minutes"),
    "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
    "%": ("per cent", "per cent"),
}
_UNIT_NAMES = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_UNIT = re.compile(
    rf"(?<![\w.,])(\d+(?:,\d{{3}})*(?:\.\d+)?)([ \u00a0-]?)({_UNIT_NAMES})(?![\w/])(\.(?=\s+[a-z0-9,;]))?"
)
_ABBREVIATIONS = (
    (re.compile(r"\be\.\s?g\.,?", re.IGNORECASE), "for example"),
    (re.compile(r"\bi\.\s?e\.,?", re.IGNORECASE), "that is"),
    (re.compile(r"\betc\.", re.IGNORECASE), "et cetera"),
    (re.compile(r"\b(?:approx|ca)\.", re.IGNORECASE), "about"),
    (re.compile(r"\bincl\.", re.IGNORECASE), "including"),
    (re.compile(r"\bmin\.(?=\s+[a-z0-9])"), "minutes"),
    (re.compile(r"\bsec\.(?=\s+[a-z0-9])"), "seconds"),
    (re.compile(r"\bw/\s?(?=\w)"), "with "),
    (re.compile(r"(?<=\w)\s*&\s*(?=\w)"), " and "),
    (re.compile(r"(?<=\d)\s*[*×]\s*(?=\d)"), " times "),
    (re.compile(r"(?<=\d)\s+\+\s+(?=\d)"), " plus "),
    (re.compile(r"(?<=\d)\s*=\s*(?=\d)"), " equals "),
    (re.compile(r"(?<=[A-Za-z])/(?=[A-Za-z])"), " "),
)


def read_aloud(text: str, language: str = "en") -> str:
    """Return a sentence as a voice of this language is to read it; "" where nothing of it can be read.

    >>> read_aloud("FCB lead 2–1 at 67:12 ⚽")
    'F C B lead 2 to 1 at 67 minutes 12.'
    >>> read_aloud("Bayern führt 2:1 in der 67. Minute", "de")
    'Bayern führt 2 zu 1 in der 67. Minute.'
    """
    code = base_code(language) or "en"
    shouted = _is_shouted(text)
    # 1) What no language reads: emoji and addresses.
    text = without_emoji(_KEYCAP.sub(r"\1", text))
    text = _WEB.sub(lambda m: m[1].replace(".", " dot " if code == "en" else " . "), text)
    # 2) Scores, clocks and numbers.
    to, minutes, number, versus = _WORDS.get(code, _OTHER)
    text = _LONG_CLOCK.sub(lambda m: f"{60 * int(m[1]) + int(m[2])}:{m[3]}", text)
    text = _CLOCK.sub(lambda m: f"{m[1]} {minutes}" + ("" if m[2] == "00" else f" {int(m[2])}"), text)
    between = f" {to} " if to else ", "
    text = _SCORE.sub(rf"\1{between}\2", text)
    text = _COLON_SCORE.sub(rf"\1{between}\2", text)
    text = _VERSUS.sub(versus, text)
    text = _NUMBER_SIGN.sub(f"{number} " if number else "", text)
    if code == "en":
        text = _in_english(text)
    # 3) Codes letter by letter, and what is left of signs.
    if not shouted:
        text = _CODE.sub(lambda m: m[0] if m[0] in _SHORT_WORDS else " ".join(m[0]), text)
    text = re.sub(r"(?<=\w)_+(?=\w)", " ", text)
    text = re.sub(r"[*_`#~^\\{}<>|=@]+", " ", text)
    text = re.sub(r"\s*[·•→⇒➜]+\s*", ", ", text)
    text = " ".join(text.split())
    if not any(c.isalnum() for c in text):
        return ""
    text = re.sub(r" +([.,;:!?])", r"\1", text)
    return (
        f"{text}." if text[-1].isalnum() and text[-1].isascii() else text
    )  # voices end a sentence by its full stop


def without_emoji(text: str) -> str:
    """Return a text without emoji; what is a letter, a digit or a mark of writing stays."""
    if text.isascii():
        return text
    import emoji

    return emoji.replace_emoji(_TAG_CHARACTERS.sub("", text), " ")


def _in_english(text: str) -> str:
    text = _MINUTE.sub(lambda m: f"{m[1]} plus {m[2]} minutes" if m[2] else f"{m[1]} minutes", text)
    text = _ADDED.sub(r"\1 plus \2", text)
    text = _MONEY.sub(_money, text)
    text = _UNIT.sub(lambda m: f"{m[1]} {_UNITS[m[3]][m[1] != '1' and m[2] != '-']}", text)
    text = _CODES_AND.sub(lambda m: f"{' '.join(m[1])} and {' '.join(m[2])}", text)  # AT&T
    for pattern, words in _ABBREVIATIONS:
        text = pattern.sub(words, text)
    return text


def _money(match: re.Match[str]) -> str:
    coin, whole, cents, scale = _COINS[match[1]], match[2], match[3], match[4]
    if scale:
        return f"{whole}{'.' + cents if cents else ''} {_SCALES.get(scale, scale)} {coin}"
    named = coin.removesuffix("s") if whole == "1" and not cents else coin
    return f"{whole} {named}" + (f" {int(cents)}" if cents and int(cents) else "")


def _is_shouted(text: str) -> bool:
    """Return whether a text is written in capitals throughout, so that its short words are no codes."""
    words = re.findall(r"[^\W\d_]{2,}", text)
    return len(words) > 2 and all(word.isupper() for word in words)
