"""The REST interface: status, start, stop, instruction, profiles, settings, source, events, runs.

The routes /api/status, start, stop, instruction and profiles are those of the nerdpudding project (MIT), with the same
fields and meaning and more of them, so that what was written for its server works here too. What is asked for acts on
the same panel as the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field, JsonValue

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.errors import named_first_line
from commentator_lib.files import encodable
from commentator_lib.notebook.earlier_runs import list_runs
from commentator_lib.notebook.pacing_fields import PAGE_SETTINGS, allowed_changes
from commentator_lib.players.page_sound import SOUND_TRAITS
from commentator_lib.profiles import PROFILES
from commentator_lib.redact import redact_text, redact_url
from commentator_lib.runs.record import RunLogError
from commentator_lib.serve.broadcast import Broadcast
from commentator_lib.settings import SettingsError, live_settings, shown_settings
from commentator_lib.sources.base import SourceError

_STOP_WITHIN_S = 20.0
_MOST_WORDS = 2000
_MOST_EVENTS = 1000
_USER_ERRORS = (SettingsError, SourceError, CommentatorError, RunLogError)

_T = TypeVar("_T")


class Problem(BaseModel):
    """Why a request was refused, in one line."""

    detail: str


class Status(BaseModel):
    """The state of the commentary. Times in seconds of the run's clock; 0 before the first start."""

    model_loaded: bool = Field(description="whether a run's commentator is loaded")
    capture_running: bool = Field(description="whether a run is going on")
    monitor_mode: str = Field(description="ACTIVE while a run is going on, else IDLE")
    instruction: str | None = Field(
        description="what the commentator watches for; null: what its profile says"
    )
    cycle_count: int = Field(description="cycles of this run, or of the last")
    frames_buffered: int = Field(description="pictures that were captured and are still to be shown")
    tts_enabled: bool = Field(description="whether comments are spoken")
    active_profile: str
    state: str = Field(description="idle, starting, running, draining or ended")
    source: str = Field(description="without secrets")
    commentator: str
    now_s: float
    delay_s: float = Field(description="how far the picture lags behind the source")
    frames_captured: int
    frames_shown: int
    frames_dropped: int
    viewers: int = Field(description="places that are taken: pages, and those who take a stream")
    most_viewers: int = Field(description="so many places there are")
    pages: int = Field(description="pages that are open")
    said: str = Field(description="what the panel says: a fault, or how far it is")


class StartRequest(BaseModel):
    """What to start with; without a source, the one that is chosen."""

    source: str | int | None = Field(None, description="a clip, a URL, a camera or its number, demo")


class Started(BaseModel):
    status: str = "started"
    source: str


class Stopped(BaseModel):
    status: str = Field("stopped", description="stopped; stopping, where the run needs longer to end")


class InstructionRequest(BaseModel):
    """What to watch for from now on; "" for what the profile says."""

    instruction: str = Field(max_length=_MOST_WORDS)


class Instructed(BaseModel):
    status: str = "ok"
    instruction: str


class QuestionRequest(BaseModel):
    question: str = Field(max_length=_MOST_WORDS)


class Asked(BaseModel):
    status: str = "ok"
    question: int | None = Field(description="its number in the run")


class ProfileWords(BaseModel):
    label: str
    suggestion: str = Field(description="what it watches for unless an instruction says otherwise")


class Profiles(BaseModel):
    active: str
    profiles: dict[str, ProfileWords]


class ProfileRequest(BaseModel):
    profile: str


class ProfileChosen(BaseModel):
    status: str = "ok"
    active: str


class SettingsAnswer(BaseModel):
    settings: dict[str, Any] = Field(description="all settings, without secrets")
    changeable: list[str] = Field(description="those that may be changed here")
    live: list[str] = Field(
        description="those that a run which is going on takes over; the others wait for the next"
    )


class Source(BaseModel):
    source: str = Field(max_length=_MOST_WORDS, description="a clip, a URL, a camera or its number, demo")


class Event(BaseModel):
    """Something that a watcher noticed. Times in seconds: `at_s` of the source, the others since the run's start."""

    event: int = Field(description="its number in the run")
    kind: str
    at_s: float | None
    detected_s: float | None
    captured_s: float | None
    importance: int
    certainty: float | None
    facts: dict[str, Any]
    told_by: int | None = Field(description="the cycle that told it; null: none so far")


class Run(BaseModel):
    name: str = Field(description="its folder's name")
    title: str
    words: str


_CLIENT_ERROR: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "What was asked for is wrong; nothing has changed."},
    409: {"model": Problem, "description": "Not while a run is going on, or only then."},
}
_TOKEN = HTTPBearer(auto_error=False, description="The server's token, where it wants one.")


def router(broadcast: Broadcast) -> APIRouter:
    """Return the routes of the REST interface."""
    # The token is in the description for clients that are made from it; `access` has checked it before.
    routes = APIRouter(prefix="/api", responses=_CLIENT_ERROR, dependencies=[Depends(_TOKEN)])
    panel = broadcast.panel

    @routes.get("/status")
    def status() -> Status:
        """The state of the commentary."""
        return status_of(broadcast)

    @routes.post("/start")
    def start(wanted: StartRequest | None = None) -> Started:
        """Start a run; 409 while one is going on."""
        if panel.running:
            raise HTTPException(409, "A run is going on. Stop it first.")
        if wanted is not None and wanted.source is not None:
            name = str(wanted.source)
            tried(lambda: panel.use(name))
        tried(panel.start)
        return Started(source=panel.source)

    @routes.post("/stop")
    def stop() -> Stopped:
        """End the run, and wait until it is written."""
        return Stopped(status="stopped" if broadcast.stop(_STOP_WITHIN_S) else "stopping")

    @routes.post("/instruction")
    def instruction(wanted: InstructionRequest) -> Instructed:
        """Let the commentator watch for something."""
        tried(lambda: panel.instruct(wanted.instruction))
        return Instructed(instruction=panel.settings.instruction)

    @routes.post("/question", status_code=202)
    def question(wanted: QuestionRequest) -> Asked:
        """Ask about what is seen; the answer is a comment of its own."""
        if not panel.running:
            raise HTTPException(409, "No run is going on that could answer. Start one first.")
        return Asked(question=tried(lambda: panel.ask(wanted.question)))

    @routes.get("/profiles")
    def profiles() -> Profiles:
        """The kinds of commentary, and which is active."""
        known = {
            name: ProfileWords(label=one.label, suggestion=one.instruction) for name, one in PROFILES.items()
        }
        return Profiles(active=panel.settings.profile, profiles=known)

    @routes.post("/profiles")
    def profile(wanted: ProfileRequest) -> ProfileChosen:
        """Choose a kind of commentary."""
        tried(lambda: panel.update(profile=wanted.profile))
        return ProfileChosen(active=panel.settings.profile)

    @routes.get("/settings")
    def settings() -> SettingsAnswer:
        """All settings."""
        changeable = sorted(PAGE_SETTINGS | set(SOUND_TRAITS))
        return SettingsAnswer(
            settings=shown_settings(panel.settings), changeable=changeable, live=sorted(live_settings())
        )

    @routes.post("/settings")
    def change_settings(changes: dict[str, JsonValue]) -> SettingsAnswer:
        """Change settings: an object of names and values. All are taken, or none."""
        of_sound = {name: changes[name] for name in changes.keys() & set(SOUND_TRAITS)}
        others = {name: value for name, value in changes.items() if name not in of_sound}
        tried(lambda: panel.update(**allowed_changes(others), **of_sound))
        return settings()

    @routes.get("/source")
    def source() -> Source:
        """The source of this run, or of the next; secrets in its address are left out."""
        return Source(source=panel.source)

    @routes.post("/source")
    def choose_source(wanted: Source) -> Source:
        """Take another source, also in mid-run; 400 where it cannot be played, and nothing changes."""
        tried(lambda: panel.use(wanted.source))
        return source()

    @routes.get("/events")
    def events(
        after: int = Query(-1, ge=-1, le=10**9, description="only events with a larger number"),
        limit: int = Query(100, ge=1, le=_MOST_EVENTS, description="the newest so many"),
    ) -> list[Event]:
        """What the watchers noticed in this run, or in the last, the oldest first."""
        session = broadcast.session
        rows = list(session.log.watch_rows) if session is not None else []
        return [event for event in events_of(rows) if event.event > after][-limit:]

    @routes.get("/runs")
    def runs() -> list[Run]:
        """The newest runs that are kept, the newest first."""
        found = list_runs(broadcast.runs_dir, lambda folder: "") if broadcast.runs_dir is not None else []
        return [Run(**{name: encodable(row[name]) for name in ("name", "title", "words")}) for row in found]

    return routes


def tried(action: Callable[[], _T]) -> _T:
    """Return what `action` returns. What it refuses is answered with 400 and its line."""
    try:
        return action()
    except _USER_ERRORS as error:
        line = str(error)
    except (RuntimeError, OSError, ValueError) as error:  # of libraries that were given what a client made up
        line = named_first_line(error)
    raise HTTPException(400, encodable(redact_text(line)))


def status_of(broadcast: Broadcast) -> Status:
    """Return the state of a broadcast now."""
    panel, session = broadcast.panel, broadcast.session
    settings = panel.settings
    now = session.status if session is not None else None
    captured, shown, dropped = (
        (now.frames_captured, now.frames_shown, now.frames_dropped) if now is not None else (0, 0, 0)
    )
    running = broadcast.running
    return Status(
        model_loaded=running and now is not None and now.state != "starting",
        capture_running=running,
        monitor_mode="ACTIVE" if running else "IDLE",
        instruction=settings.instruction or None,
        cycle_count=now.cycles if now is not None else 0,
        frames_buffered=max(0, captured - shown - dropped) if running else 0,
        tts_enabled=settings.speech,
        active_profile=settings.profile,
        state=now.state if now is not None else "idle",
        source=panel.source,
        commentator=redact_url(settings.commentator),
        now_s=now.now_s if now is not None else 0.0,
        delay_s=now.delay_s if now is not None else 0.0,
        frames_captured=captured,
        frames_shown=shown,
        frames_dropped=dropped,
        viewers=broadcast.places.taken,
        most_viewers=broadcast.places.most,
        pages=len(broadcast.hub.viewers),
        said=encodable(panel.said),
    )


def events_of(rows: list[dict[str, Any]]) -> list[Event]:
    """Return the events in rows of a run's watch log, the oldest first."""
    events: dict[int, Event] = {}
    for row in rows:
        number = int(row["event"])
        if "kind" not in row:
            if number in events:
                events[number].told_by = int(row["cycle"])
            continue
        events[number] = Event(
            event=number,
            kind=row["kind"],
            at_s=row.get("at_s"),
            detected_s=row.get("detected_s"),
            captured_s=row.get("captured_s"),
            importance=int(row.get("importance", 1)),
            certainty=row.get("certainty"),
            facts=json.loads(row.get("facts") or "{}"),
            told_by=None,
        )
    return list(events.values())
