"""What happened in a clip, and when: the ground truth with which comments are compared.

An events file is stored with its clip and holds the clip's SHA-256, so that comments on one clip cannot be compared
with the truth of another one by mistake.

Times are media times in seconds from the clip's first frame.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commentator_lib.files import file_sha256, write_then_replace
from commentator_lib.truth.base import Stretch as Stretch
from experiments.errors import UserError

FORMAT_VERSION = 2
KINDS = ("kick-off", "shot", "goal", "card", "substitution", "corner", "cut", "scoreboard")
SOUND_KINDS = ("roar", "ooh", "swell", "whistle", "kick")


class EventsError(UserError):
    """An events file that cannot be used."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `t_s`."""

    kind: str  # one of KINDS in a scripted match; any other in a clip of somebody else
    t_s: float
    visible_s: float = 0.0  # for how long the picture shows it, from `t_s` on
    team: str = ""  # the code on the scoreboard
    player: str = ""
    score: tuple[int, int] | None = None  # (home, away) after a goal or a change of the scoreboard


@dataclass(frozen=True, slots=True)
class Sound:
    """Something that is heard from `from_s`, its first sample, to `to_s`.

    It belongs to the event of kind `event` at `event_s`: a roar to its goal, an "ooh" and the swell before it to their
    shot, a whistle to its kick-off or to the card that follows its foul, a kick to its shot, corner or kick-off. Other
    kicks belong to no event: "" and None.
    """

    kind: str  # one of SOUND_KINDS
    from_s: float
    to_s: float
    level_db: float = 0.0  # above the crowd's usual level, where it is loudest; a kick's: of its peak
    event: str = ""
    event_s: float | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """The ground truth of one clip.

    `events`, `stretches` and `sounds` are in order of time; the stretches cover the clip without gap or overlap.
    `sounds` is empty where the clip has none.
    """

    duration_s: float
    events: tuple[Event, ...]
    stretches: tuple[Stretch, ...]
    teams: tuple[str, str] = ("", "")
    seed: int = 0
    sounds: tuple[Sound, ...] = ()

    def of_kind(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def sounds_of(self, event: Event) -> list[Sound]:
        """Return the sounds that belong to an event, in order of time."""
        return [s for s in self.sounds if s.event == event.kind and s.event_s == event.t_s]


def validate(truth: Truth) -> None:
    """Raise EventsError where a truth is inconsistent."""
    times = [event.t_s for event in truth.events]
    if times != sorted(times):
        raise EventsError("its events are not in order of time")
    for event in truth.events:
        if not event.kind.strip():
            raise EventsError(f"it has an event without a kind at {event.t_s:g} s")
        if not 0 <= event.t_s <= truth.duration_s:
            raise EventsError(f"it has a {event.kind} at {event.t_s:g} s, outside its {truth.duration_s:g} s")
    edge_s = 0.0
    for stretch in truth.stretches:
        if stretch.kind not in ("action", "nothing"):
            raise EventsError(f"it has a stretch of unknown kind {stretch.kind!r}")
        if abs(stretch.from_s - edge_s) > 1e-6 or stretch.to_s <= stretch.from_s:
            raise EventsError(f"its stretches have a gap or an overlap at {edge_s:g} s")
        edge_s = stretch.to_s
    if truth.stretches and abs(edge_s - truth.duration_s) > 1e-6:
        raise EventsError(f"its stretches end at {edge_s:g} s of {truth.duration_s:g} s")
    _validate_sounds(truth)


def _validate_sounds(truth: Truth) -> None:
    if [s.from_s for s in truth.sounds] != sorted(s.from_s for s in truth.sounds):
        raise EventsError("its sounds are not in order of time")
    known = {(event.kind, event.t_s) for event in truth.events}
    for sound in truth.sounds:
        if sound.kind not in SOUND_KINDS:
            raise EventsError(f"it has a sound of unknown kind {sound.kind!r}")
        if not 0 <= sound.from_s < sound.to_s <= truth.duration_s:
            times = f"from {sound.from_s:g} to {sound.to_s:g} s of {truth.duration_s:g} s"
            raise EventsError(f"it has a {sound.kind} {times}")
        if sound.event and (sound.event, sound.event_s) not in known:
            raise EventsError(
                f"its {sound.kind} at {sound.from_s:g} s belongs to a {sound.event} that is not there"
            )


def save_events(truth: Truth, path: Path, clip: Path) -> None:
    """Write the truth of `clip` to `path`. Raise EventsError where it is inconsistent."""
    validate(truth)
    table = {
        "format_version": FORMAT_VERSION,
        "clip": {"file": clip.name, "sha256": file_sha256(clip)},
        **dataclasses.asdict(truth),
    }
    write_then_replace(path, json.dumps(table, indent=1, ensure_ascii=False) + "\n")


def load_events(path: Path | str, clip: Path | str | None = None) -> Truth:
    """Read an events file and return its truth.

    Raise EventsError where it cannot be used, or, if `clip` is given, where it belongs to another clip.
    """
    # 1) read the file
    path = Path(path)
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EventsError(f"cannot read the events file {path}: {error.strerror}") from None
    except ValueError as error:
        raise EventsError(f"{path} is damaged: {error}") from None
    if not isinstance(table, dict) or table.get("format_version") != FORMAT_VERSION:
        found = table.get("format_version") if isinstance(table, dict) else None
        raise EventsError(f"{path} is of format {found}, this version reads {FORMAT_VERSION}")
    # 2) check what it says
    try:
        truth = Truth(
            float(table["duration_s"]),
            tuple(_event(row) for row in table["events"]),
            tuple(Stretch(**row) for row in table["stretches"]),
            tuple(table["teams"]),
            int(table["seed"]),
            tuple(Sound(**row) for row in table["sounds"]),
        )
        validate(truth)
    except EventsError as error:
        raise EventsError(f"{path} cannot be used: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise EventsError(f"{path} is damaged: {type(error).__name__}: {error}") from None
    # 3) check that it belongs to the clip
    if clip is not None:
        try:
            digest = file_sha256(clip)
        except OSError as error:
            raise EventsError(f"cannot read the clip {clip}: {error.strerror}") from None
        if digest != table["clip"]["sha256"]:
            raise EventsError(
                f"{path} belongs to another clip than {clip}: their SHA-256 differ; "
                "make both again with `python -m experiments.match`"
            )
    return truth


def _event(row: dict[str, Any]) -> Event:
    score = row.get("score")
    values: dict[str, Any] = {**row, "score": tuple(score) if score is not None else None}
    return Event(**values)
