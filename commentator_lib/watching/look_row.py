"""Keep a row of looks with what is measured between them: each step, and how far along others a look lies."""

from __future__ import annotations

import numpy as np

from commentator_lib.watching.looks import Look
from commentator_lib.watching.transitions import Mixture, difference, is_dissolve, mixture

_KEPT = 26  # looks


class LookRow:
    """The newest looks of one shot, the oldest first, and the difference of each to the one before it."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.steps: list[float] = []  # 0–255
        self._products = np.zeros((_KEPT + 1, _KEPT + 1))  # scalar products of the looks' tiny pictures

    def add(self, look: Look) -> None:
        """Add the newest look; the oldest one is dropped where there are too many."""
        if len(self.looks) == _KEPT:
            self._drop(1)
        vector = look.tiny.ravel()
        self.steps.append(difference(self.looks[-1], look) if self.looks else 0.0)
        self.looks.append(look)
        k = len(self.looks) - 1
        self._products[k, : k + 1] = [float(vector @ other.tiny.ravel()) for other in self.looks]
        self._products[: k + 1, k] = self._products[k, : k + 1]

    def keep_from(self, at_s: float) -> None:
        """Forget the looks before `at_s`."""
        self._drop(sum(look.at_s < at_s - 1e-9 for look in self.looks))
        if self.steps:
            self.steps[0] = 0.0

    def _drop(self, count: int) -> None:
        del self.looks[:count], self.steps[:count]
        self._products = np.roll(self._products, (-count, -count), axis=(0, 1))

    def before(self, at_s: float) -> Look:
        """Return the last look before `at_s`; the first one where there is none."""
        return next((look for look in reversed(self.looks) if look.at_s < at_s - 1e-9), self.looks[0])

    def seconds(self, first: int, last: int) -> float:
        """Return the seconds from one look to another."""
        return self.looks[last].at_s - self.looks[first].at_s

    def apart_rms(self, first: int, last: int) -> float:
        """Return the root mean square of the difference of two looks, 0–255."""
        g = self._products
        square = float(g[first, first] + g[last, last] - 2 * g[first, last])
        return float(np.sqrt(max(square, 0.0) / self.looks[first].tiny.size))

    def mixed(self, first: int, last: int) -> Mixture:
        """Return how the looks between two others are mixed of them."""
        return mixture(self._products, first, last)

    def dissolves(self, first: int, last: int) -> bool:
        """Return whether one look goes over into another by mixtures of the two."""
        return is_dissolve(self.mixed(first, last))

    def share(self, first: int, last: int, look: int) -> float:
        """Return how far along the way from `first` to `last` another look is: 0 at the first, 1 at the last."""
        g = self._products
        apart = g[first, first] + g[last, last] - 2 * g[first, last]
        along = g[look, last] - g[look, first] - g[first, last] + g[first, first]
        return float(along / max(apart, 1e-6))
