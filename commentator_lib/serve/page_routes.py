"""The page, its files, and the WebSocket over which its widgets talk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse

from commentator_lib.runs.run_card import card_script_source
from commentator_lib.serve.broadcast import Broadcast
from commentator_lib.serve.limits import FullError
from commentator_lib.serve.viewer import Viewer, ViewerGone
from commentator_lib.serve.widget_hub import WidgetHub
from commentator_lib.serve.wire import WireError, unpack

logger = logging.getLogger(__name__)

_FOLDER = Path(__file__).parent
_TOO_SLOW, _BAD_DATA = 1008, 1007


def router(broadcast: Broadcast) -> APIRouter:
    """Return the routes of the page."""
    routes = APIRouter(include_in_schema=False)

    # Scripts, styles and connections of this server only. A widget's own code is loaded from a blob; a run's card is a
    # frame, whose one script is named here too.
    def policy(host: str) -> str:
        return (
            f"default-src 'none'; script-src 'self' blob: {card_script_source()}; style-src 'self' 'unsafe-inline'; "
            f"img-src 'self' data: blob:; media-src 'self' data: blob:; connect-src 'self' ws://{host} wss://{host}; "
            "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    @routes.get("/")
    def page(request: Request) -> FileResponse:
        headers = {"Content-Security-Policy": policy(request.headers["host"])}
        return FileResponse(_FOLDER / "page.html", media_type="text/html; charset=utf-8", headers=headers)

    @routes.get("/page.js")
    def script() -> FileResponse:
        return FileResponse(_FOLDER / "page.js", media_type="text/javascript; charset=utf-8")

    @routes.get("/page.css")
    def style() -> FileResponse:
        return FileResponse(_FOLDER / "page.css", media_type="text/css; charset=utf-8")

    @routes.websocket("/ws")
    async def widgets(socket: WebSocket) -> None:
        try:
            with broadcast.places.one():
                await socket.accept()
                await _show_widgets(broadcast, socket)
        except FullError as error:
            await socket.send_denial_response(JSONResponse({"detail": str(error)}, 503))

    return routes


async def _show_widgets(broadcast: Broadcast, socket: WebSocket) -> None:
    """Let one viewer take part until it leaves, or is too slow."""
    viewer = Viewer()
    hub = broadcast.hub
    hub.join(viewer)
    sending = asyncio.create_task(viewer.send_all(socket.send_bytes))
    receiving = asyncio.create_task(_receive_all(hub, viewer, socket))
    try:
        done, _ = await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await _end(task, socket)
    finally:
        sending.cancel()
        receiving.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)
        hub.leave(viewer)


async def _receive_all(hub: WidgetHub, viewer: Viewer, socket: WebSocket) -> None:
    while (given := await socket.receive())["type"] != "websocket.disconnect":
        if (data := given.get("bytes")) is None:
            raise WireError("text, where bytes were wanted")
        await hub.receive(viewer, *unpack(data))


async def _end(task: asyncio.Task[None], socket: WebSocket) -> None:
    """Close the connection for the reason for which a task has ended. Raise its error where it is a fault of ours."""
    try:
        task.result()
    except WebSocketDisconnect:
        return
    except ViewerGone as error:
        code, why = _TOO_SLOW, str(error)
        logger.info("a viewer was given up: %s", why)
    except WireError as error:
        code, why = _BAD_DATA, str(error)
    else:
        return  # it has left by itself
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # it may be gone already
        async with asyncio.timeout(1.0):
            await socket.close(code, why)
