"""Choose one variant of an HLS master playlist before FFmpeg opens it: FFmpeg would download a piece of each."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from commentator_lib.sources.web import is_web, read_text

logger = logging.getLogger(__name__)

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')
# Dolby Vision without a picture that other decoders understand.
_NOT_DECODED = ("dvh1", "dvhe", "dav1")
_SOUND_CODECS = ("mp4a", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac")
# FFmpeg's options that a playlist which was not fetched by FFmpeg would not hand on to the pieces.
_HANDED_ON = ("headers", "user_agent", "cookies", "referer", "http_proxy")


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant of a master playlist: its line of attributes, its URL, and what it is chosen by."""

    line: str
    url: str
    attributes: Mapping[str, str]

    @property
    def rank(self) -> tuple[bool, bool, int, bool, int]:
        """Return what the largest is found by: a picture, decodable, pixels, SDR, bits a second."""
        width, _, height = self.attributes.get("RESOLUTION", "").lower().partition("x")
        pixels = int(width) * int(height) if width.isdigit() and height.isdigit() else 0
        codecs = [
            name.strip().lower() for name in self.attributes.get("CODECS", "").split(",") if name.strip()
        ]
        seen = not codecs or not all(name.startswith(_SOUND_CODECS) for name in codecs)
        decoded = not any(name.startswith(_NOT_DECODED) for name in codecs)
        is_sdr = self.attributes.get("VIDEO-RANGE", "SDR") == "SDR"
        rate = self.attributes.get("BANDWIDTH", "")
        return seen, decoded, pixels, is_sdr, int(rate) if rate.isdigit() else 0


def is_playlist(url: str) -> bool:
    """Return whether a URL is that of a playlist by its name."""
    return "://" in url and url.partition("?")[0].lower().endswith((".m3u8", ".m3u"))


def opened_as(url: str, options: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return what FFmpeg shall open for a URL, of an HLS master its largest variant, and what else to tell `av.open`.

    `options` are FFmpeg's. What is no master, or cannot be read here, is left to FFmpeg as it is.
    """
    if not (is_web(url) and is_playlist(url)):
        return url, {}
    try:
        text, base_url = read_text(url, options)
        variant = largest_variant(text, base_url)
    except (OSError, ValueError) as error:
        logger.debug("the playlist is left to FFmpeg: %s", error)
        return url, {}
    if variant is None:
        return url, {}
    sound = renditions(text, base_url, variant.attributes.get("AUDIO", ""))
    if not sound:
        return variant.url, {}
    if any(name in options for name in _HANDED_ON):
        return url, {}
    # A master of its own: this variant, and the sound that belongs to it.
    master = "\n".join(["#EXTM3U", *sound, variant.line, variant.url, ""])
    encoded = base64.b64encode(master.encode()).decode()
    whitelist = "data,http,https,tcp,tls,crypto,httpproxy"
    how_to_open = {"format": "hls", "options": {**options, "protocol_whitelist": whitelist}}
    return f"data:application/vnd.apple.mpegurl;base64,{encoded}", how_to_open


def is_finished(url: str, options: Mapping[str, str]) -> bool:
    """Return whether a playlist, or the last one that a master lists, says that nothing follows in it."""
    try:
        text, base_url = _text_of(url, options)
        if "#EXT-X-STREAM-INF" in text:
            (name,) = [line for line in text.split("\n") if line.strip() and not line.startswith("#")][-1:]
            text, _ = _text_of(urljoin(base_url, name.strip()), options)
    except (OSError, ValueError) as error:
        logger.debug("cannot ask whether the playlist is finished: %s", error)
        return False
    return "#EXT-X-ENDLIST" in text


def _text_of(url: str, options: Mapping[str, str]) -> tuple[str, str]:
    """Return the text of a playlist, also of a master of our own, and where it lies. Raise OSError or ValueError."""
    if url.startswith("data:"):
        return base64.b64decode(url.partition(",")[2]).decode(), ""
    return read_text(url, options)


def largest_variant(text: str, base_url: str) -> Variant | None:
    """Return the largest variant of a master playlist; None where it is no master, or has variables."""
    if not text.lstrip("\ufeff \r\n").startswith("#EXTM3U") or "#EXT-X-DEFINE" in text:
        return None
    variants: list[Variant] = []
    line = ""
    for row in (row.strip() for row in text.splitlines()):
        if row.startswith("#EXT-X-STREAM-INF:"):
            line = row
        elif line and row and not row.startswith("#"):
            variants.append(Variant(line, urljoin(base_url, row), _attributes(line)))
            line = ""
    return max(variants, key=lambda variant: variant.rank, default=None)


def renditions(text: str, base_url: str, group: str) -> list[str]:
    """Return the lines of a master's sound that has a URL of its own and belongs to a group, with whole URLs."""
    found: list[str] = []
    for row in (row.strip() for row in text.splitlines()):
        attributes = _attributes(row)
        in_group = attributes.get("TYPE") == "AUDIO" and attributes.get("GROUP-ID") == group
        if row.startswith("#EXT-X-MEDIA:") and in_group and "URI" in attributes:
            whole = urljoin(base_url, attributes["URI"])
            found.append(row.replace(f'"{attributes["URI"]}"', f'"{whole}"'))
    return found


def _attributes(row: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(row.partition(":")[2])}
