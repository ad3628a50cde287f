"""How much one client may take: the size of a request's body, and the places for viewers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

from commentator_lib.serve.access import refuse

MOST_BODY_BYTES = 64_000
BODY_WITHIN_S = 10.0
MOST_VIEWERS = 64


class FullError(RuntimeError):
    """All places are taken; the answer is 503."""


class Places:
    """So many viewers at a time: pages, and those who take a stream."""

    def __init__(self, most: int = MOST_VIEWERS) -> None:
        self.most = most
        self.taken = 0

    @contextlib.contextmanager
    def one(self) -> Generator[None]:
        """Hold a place. Raise FullError where none is free. Called on the server's loop."""
        if self.taken >= self.most:
            raise FullError(f"all {self.most} places for viewers are taken")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class BodyLimit:
    """ASGI middleware that reads a request's body whole, refusing one that is too long (413) or too slow (408)."""

    def __init__(self, app: Any, most_bytes: int = MOST_BODY_BYTES) -> None:
        self._app, self._most_bytes = app, most_bytes

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"content-length", b"0")
        too_long = f"A body of more than {self._most_bytes} bytes is not taken."
        if not given.isdigit() or int(given) > self._most_bytes:
            await refuse(scope, send, 413, too_long)
            return
        body, is_whole = b"", False
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                while not is_whole:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    is_whole = not message.get("more_body", False)
                    if len(body) > self._most_bytes:
                        await refuse(scope, send, 413, too_long)
                        return
        except TimeoutError:
            await refuse(scope, send, 408, "The body did not come in time.")
            return
        is_given = False

        async def receive_again() -> dict[str, Any]:
            nonlocal is_given
            if is_given:
                return await receive()
            is_given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_again, send)
