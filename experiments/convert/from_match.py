"""The truth of a scripted match as timed text and events, so that it can take the place of others' data.

Each stretch of action is a text that lists what happens in it; the events stay events, of the same kinds.
"""

from __future__ import annotations

from pathlib import Path

from commentator_lib.truth.base import TimedEvent, TimedText, Timeline
from experiments.match_clip.events import Event, load_events


def read_match(path: Path) -> Timeline:
    """Return what an events file says of its clip. Raise EventsError where it cannot be used."""
    truth = load_events(path)
    video = path.name.removesuffix(".events.json")
    texts: list[TimedText] = []
    for stretch in truth.stretches:
        if stretch.kind == "action":
            inside = [event for event in truth.events if stretch.from_s <= event.t_s < stretch.to_s]
            said = ", ".join(_in_words(event) for event in inside) or "play"
            texts.append(TimedText(stretch.from_s, stretch.to_s, said, video))
    events = [TimedEvent(event.kind, event.t_s, video=video) for event in truth.events]
    return Timeline(texts, events)


def _in_words(event: Event) -> str:
    """Return an event as words: "goal by RED 9"; a change of the scoreboard with its score."""
    if event.score is not None and event.kind == "scoreboard":
        return f"{event.score[0]}–{event.score[1]}"
    who = " ".join(part for part in (event.team, event.player) if part)
    return f"{event.kind} by {who}" if who else event.kind
