"""Watch the shots of a programme: cuts, dissolves, wipes, freezes, black pictures and replays.

Kinds of event: "cut", "dissolve" and "wipe" (importance 0), "freeze", "black" and "replay" (importance 1). The facts of
the first three hold `length_s`, how long the shot before was. `replay` holds `seen_s`, when it was seen before, or
`ends`: True where the wipe that began it closes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from commentator_lib.events import Event
from commentator_lib.media import Frame
from commentator_lib.watching.base import Watcher
from commentator_lib.watching.borders import Border, BorderFinder
from commentator_lib.watching.looks import LEAST_APART_S, Look, look_at
from commentator_lib.watching.replays import ReplayFinder
from commentator_lib.watching.standing import FreezeFinder, is_black

_BLACK_S = 0.15
_PAIR_S = (1.5, 20.0)  # how far apart the two wipes around a replay are
_SAME_COVER = 0.7  # share of colours that two equal wipes have in common


class ShotsWatcher(Watcher):
    """Reports how shots follow each other. The parts that decide are in borders.py, standing.py and replays.py."""

    name = "shots"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: the source has jumped back, or another one follows."""
        self._last_s: float | None = None
        self._shot_from_s: float | None = None
        self._first_shot = True  # its beginning was not seen, so its length is not known
        self._borders = BorderFinder()
        self._freezes = FreezeFinder()
        self._replays = ReplayFinder()
        self._black_from_s: float | None = None
        self._black_told = False
        self._wipes: deque[Border] = deque(maxlen=2)
        self._replay = False

    def look(self, frame: Frame) -> list[Event]:
        """Look at a frame; return the events that are certain now."""
        # 1) Leave out what comes too soon; start again where the source has jumped back.
        if self._last_s is not None:
            if frame.pts_s < self._last_s - 1e-6:
                self.reset()
            elif frame.pts_s - self._last_s < LEAST_APART_S:
                return []
        look = look_at(frame)
        self._last_s = look.at_s
        if self._shot_from_s is None:
            self._shot_from_s = look.at_s
        # 2) A black picture ends a shot.
        events = self._watch_black(look)
        if self._black_from_s is not None:
            return events
        # 3) A border between two shots.
        for border in self._borders.push(look):
            events += self._take_border(border, look.at_s)
        # 4) A picture that stands, and one that was shown before.
        since_s = self._freezes.push(look)
        if since_s is not None:
            events.append(Event("freeze", since_s, look.at_s))
        seen_s = self._replays.push(look)
        if seen_s is not None:
            self._replay = True
            facts = {"seen_s": round(seen_s, 2)}
            events.append(Event("replay", self._shot_from_s, look.at_s, certainty=0.9, facts=facts))
        return events

    def on_screen(self) -> Mapping[str, Any]:
        """Return `shot_s`, the seconds since the last cut, and `replay` while one is shown."""
        if self._last_s is None or self._shot_from_s is None:
            return {}
        shown: dict[str, Any] = {"shot_s": round(max(0.0, self._last_s - self._shot_from_s), 2)}
        if self._replay:
            shown["replay"] = True
        return shown

    def _watch_black(self, look: Look) -> list[Event]:
        """Return the event of a black picture once it has stayed for a moment."""
        if not is_black(look):
            if self._black_from_s is not None and self._black_told:
                self._start_shot(look.at_s)
            self._black_from_s, self._black_told = None, False
            return []
        if self._black_from_s is None:
            self._black_from_s = look.at_s
        if self._black_told or look.at_s - self._black_from_s < _BLACK_S:
            return []
        self._black_told = True
        self._borders.forget()
        self._replay = False
        return [Event("black", self._black_from_s, look.at_s)]

    def _start_shot(self, at_s: float) -> None:
        self._shot_from_s, self._first_shot, self._replay = at_s, False, False
        self._freezes.start_shot(at_s)
        self._replays.start_shot(at_s)

    def _take_border(self, border: Border, now_s: float) -> list[Event]:
        """Return the events of a border between two shots."""
        # 1) The border itself.
        facts: dict[str, Any] = {}
        if not self._first_shot and self._shot_from_s is not None:
            facts["length_s"] = round(max(0.0, border.from_s - self._shot_from_s), 2)
        events = [Event(border.kind, border.from_s, now_s, importance=0, facts=facts)]
        self._start_shot(border.to_s)
        # 2) The second of two equal wipes closes a replay.
        if border.cover is None:
            return events
        before = self._wipes[-1] if self._wipes else None
        self._wipes.append(border)
        if (
            before is None
            or before.cover is None
            or not _PAIR_S[0] <= border.from_s - before.to_s <= _PAIR_S[1]
        ):
            return events
        if float(sum(map(min, before.cover, border.cover))) >= _SAME_COVER:
            self._wipes.clear()  # the next one opens another replay
            events.append(Event("replay", border.from_s, now_s, certainty=0.8, facts={"ends": True}))
        return events
