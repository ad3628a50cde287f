"""Whether the server lives, and whether it is ready to show, for programs that watch over it.

Both routes are answered without the token, so that a container's health check needs none. So they say nothing of the
source, the words or a fault's text: that is in /api/status, behind the token.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from commentator_lib.runs.faults import lasting_failure
from commentator_lib.serve.broadcast import Broadcast
from commentator_lib.session import LiveSession


class Health(BaseModel):
    status: str = Field("ok", description="ok: the process lives and answers")


class Readiness(BaseModel):
    ready: bool
    reason: str = Field(description="what it waits for, or what is wrong; idle or running where it is ready")


def router(broadcast: Broadcast) -> APIRouter:
    """Return the routes /healthz and /readyz."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz")
    async def healthz() -> Health:
        """Say that the process lives."""
        return Health(status="ok")

    @routes.get(
        "/readyz",
        responses={503: {"model": Readiness, "description": "Loading, without a picture, or failed."}},
    )
    def readyz() -> JSONResponse:
        """Say whether there is something to see: a run that shows pictures, or an idle server that can start one."""
        found = readiness_of(broadcast.session)
        return JSONResponse(found.model_dump(), 200 if found.ready else 503)

    return routes


def readiness_of(session: LiveSession | None) -> Readiness:
    """Return whether a session (None: none was started yet) is ready to be shown, and why not."""
    if session is None:
        return Readiness(ready=True, reason="idle")
    if not session.running:
        has_failed = _ended_with_a_fault(session)
        return Readiness(
            ready=not has_failed, reason="the last run ended with a fault" if has_failed else "idle"
        )
    status = session.status
    if status.state == "starting":
        return Readiness(ready=False, reason="the commentator is being loaded")
    if not status.frames_shown:
        return Readiness(ready=False, reason="no picture was shown yet")
    if session.source.away:
        return Readiness(ready=False, reason="the source is away")
    if lasting_failure(session.log.cycle_rows):
        return Readiness(ready=False, reason="every comment so far failed")
    return Readiness(ready=True, reason="running")


def _ended_with_a_fault(session: LiveSession) -> bool:
    try:
        session.wait(0)
    except Exception:  # what broke the run was logged and is on the page; here it is one of the answers
        return True
    log = session.log
    problem = log.problem or log.header.get("source_problem") or lasting_failure(log.cycle_rows)
    return bool(problem)
