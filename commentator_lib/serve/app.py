"""The ASGI app: all routes, behind the access rules and the limits."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from commentator_lib.files import encodable
from commentator_lib.serve import api, health, hls, metrics, page_routes, streams
from commentator_lib.serve.access import LINK_VALID_S, Access, Guard
from commentator_lib.serve.broadcast import Broadcast
from commentator_lib.serve.limits import BodyLimit, FullError

# What every route may answer: `access` and `limits` refuse before it is asked.
_REFUSED: dict[int | str, str] = {
    401: "The token is missing or wrong.",
    403: "A foreign Host or Origin.",
    408: "The body did not come in time.",
    413: "The body is too long.",
    422: "What was sent is not what is described.",
}


class Link(BaseModel):
    link: str = Field(description="the path of the page, for one viewer, once")
    valid_for_s: float


def make_app(broadcast: Broadcast, access: Access) -> FastAPI:
    """Return the app that serves `broadcast` to those whom `access` lets in.

    Its description is at /openapi.json; there is no page of documentation, which would load scripts from elsewhere.
    """
    app = FastAPI(
        title="Live commentary",
        version=version("commentator-lib"),
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        responses={
            status: {"model": api.Problem, "description": words} for status, words in _REFUSED.items()
        },
    )
    # Middleware that is added later is asked earlier: first the guard, then the body's limit.
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, access=access)
    app.add_exception_handler(RequestValidationError, _refuse_invalid)
    app.add_exception_handler(FullError, _refuse_full)

    @app.post("/api/link")
    def link() -> Link:
        """Make a link that lets one viewer in, once; who has the token may pass it on."""
        return Link(link=access.one_time_link(), valid_for_s=LINK_VALID_S)

    for router in (
        page_routes.router(broadcast),
        api.router(broadcast),
        health.router(broadcast),
        metrics.router(broadcast),
        streams.router(broadcast.feed, broadcast.places),
        hls.router(broadcast.hls),
    ):
        app.include_router(router)
    return app


async def _refuse_invalid(_request: Request, error: Any) -> JSONResponse:
    """Say in one line what is wrong with a request."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"detail": encodable(f"{where}: {first['msg']}")[:500]}, 422)


async def _refuse_full(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 503)
