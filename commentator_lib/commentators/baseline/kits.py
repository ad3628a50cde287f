"""The colours of the two sides' shirts, where they are plain: few colours, seen again and again on a green pitch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

# Share of the picture that is pitch in a shot that is wide enough to count shirts in.
_LEAST_PITCH = 0.3
# Sizes of a player in a wide shot, as shares of the picture's height, and how slender one is.
_HEIGHT, _SLENDER = (0.035, 0.25), (1.2, 4.5)
# The shirt: the part of a player's height from here to there.
_SHIRT = (0.2, 0.5)
# Hue in degrees up to which a colour has its name, for colours that are strong enough; the pitch's has none.
_HUES = (
    *((14, "red"), (40, "orange"), (70, "yellow"), (165, ""), (215, "light blue"), (255, "blue")),
    *((295, "purple"), (335, "pink"), (361, "red")),
)
_WEAK_SATURATION, _DARK, _BRIGHT = 0.25, 0.25, 0.62
# Shirts that must have been seen, and the least shares of both colours together and of the rarer one.
_LEAST_SHIRTS, _LEAST_SHARES = 30, (0.72, 0.2)


def colour_name(rgb: Sequence[float] | np.ndarray) -> str:
    """Return the plain name of a colour (red, green, blue; 0–255), "" where it has none or is the pitch's.

    >>> colour_name((200, 30, 30)), colour_name((245, 240, 240)), colour_name((120, 120, 125))
    ('red', 'white', '')
    """
    red, green, blue = (float(value) / 255 for value in rgb)
    most, least = max(red, green, blue), min(red, green, blue)
    spread = most - least
    if most < _DARK:
        return "black"
    if spread / most < _WEAK_SATURATION:
        return "white" if least > _BRIGHT else ""
    if most == red:
        hue = 60 * ((green - blue) / spread % 6)
    elif most == green:
        hue = 60 * ((blue - red) / spread + 2)
    else:
        hue = 60 * ((red - green) / spread + 4)
    return next(name for limit, name in _HUES if hue < limit)


def shirt_colours(image: np.ndarray) -> list[str]:
    """Return the names of the colours of the shirts in a wide shot of a pitch, (H, W, 3) uint8; else nothing."""
    import cv2

    # 1) The pitch, with the players in it.
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    green = cv2.inRange(hsv, np.array((33, 60, 40)), np.array((85, 255, 255)))
    if np.count_nonzero(green) < _LEAST_PITCH * green.size:
        return []
    height = image.shape[0]
    size = max(3, round(0.12 * height) | 1)
    pitch = cv2.morphologyEx(green, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    # 2) What stands on it: slender, and as high as a player.
    standing = cv2.morphologyEx(cv2.subtract(pitch, green), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(standing)
    names = []
    for k in range(1, count):
        left, top, wide, high, area = (int(value) for value in stats[k])
        if not _HEIGHT[0] * height <= high <= _HEIGHT[1] * height:
            continue
        if not _SLENDER[0] <= high / wide <= _SLENDER[1] or area < 0.3 * wide * high:
            continue
        # 3) The colour of its upper part.
        rows = slice(top + round(_SHIRT[0] * high), top + max(1, round(_SHIRT[1] * high)))
        mine = labels[rows, left : left + wide] == k
        if np.count_nonzero(mine) >= 6:
            names.append(colour_name(np.median(image[rows, left : left + wide][mine], axis=0)))
    return names


class Kits:
    """Counts shirts over the looks of a match; `sides` are the two colours once they are plain."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def look(self, image: np.ndarray) -> None:
        """Count the shirts in a picture, (H, W, 3) uint8."""
        self._seen.update(shirt_colours(image))

    @property
    def sides(self) -> tuple[str, str] | None:
        """The colours of the two sides, the more frequent first; None where they are not plain."""
        total = sum(self._seen.values())
        (first, most), (second, less) = [*self._seen.most_common(2), ("", 0), ("", 0)][:2]
        together, rarer = _LEAST_SHARES
        if total < _LEAST_SHIRTS or not first or not second or most + less < together * total:
            return None
        return (first, second) if less >= rarer * total else None
