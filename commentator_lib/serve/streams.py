"""The streams of a feed over HTTP: text as server-sent events, MJPEG, one picture, and sound as PCM.

Routes and formats are those of the nerdpudding project, so that its page and its users' scripts work: words are sent as
they are heard, each addition as a message; the event `cycle_end` ends a comment, with JSON about it. Here the sound is
the whole mix in real time, with silence where there is none, and the single picture is the one on screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import StreamingResponse

from commentator_lib.media import PLAYBACK_RATE_HZ, to_int16, to_mono
from commentator_lib.runs.captions import added_words
from commentator_lib.serve.feed import Cycle, Feed, Item, Picture, Sound, Words
from commentator_lib.serve.limits import Places

KEEP_ALIVE_S = 15.0
# A still picture is sent again so often: browsers show a picture when the next one begins.
_STILL_EVERY_S = 1.0
# Pictures that wait for one viewer; a slow one loses the oldest.
_WAITING_PICTURES = 3
_BOUNDARY = "frame"
_NOT_KEPT = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_FULL: dict[int | str, dict[str, Any]] = {503: {"description": "All places for streams are taken."}}

Batches = AsyncGenerator[list[Item]]


def router(feed: Feed, places: Places) -> APIRouter:
    """Return the routes /api/stream, /api/mjpeg, /api/frame and /api/audio-stream; a stream takes one of `places`."""
    routes = APIRouter(tags=["streams"])

    @routes.get(
        "/api/stream", response_class=StreamingResponse, responses={200: _of("text/event-stream"), **_FULL}
    )
    async def stream() -> StreamingResponse:
        """Send the comments as server-sent events.

        A message without a name is what was added to the comment that is being heard; `cycle_end` has JSON about a
        cycle that is over: its frames, times (Unix time), delay (s) and text.
        """
        items = await _begun(_items(feed, places, KEEP_ALIVE_S, words=True))
        return StreamingResponse(_events(items), media_type="text/event-stream", headers=_NOT_KEPT)

    @routes.get(
        "/api/mjpeg",
        response_class=StreamingResponse,
        responses={200: _of("multipart/x-mixed-replace"), **_FULL},
    )
    async def mjpeg() -> StreamingResponse:
        """Send the delayed picture as JPEGs, as a camera does."""
        items = await _begun(_items(feed, places, _STILL_EVERY_S, pictures=_WAITING_PICTURES))
        media_type = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        return StreamingResponse(_parts(items), media_type=media_type, headers=_NOT_KEPT)

    @routes.get(
        "/api/frame",
        response_class=Response,
        responses={200: _of("image/jpeg"), 404: {"description": "Nothing was shown yet."}},
    )
    def frame() -> Response:
        """Return the picture that is on screen now, as a JPEG."""
        picture = feed.latest()
        if picture is None:
            raise HTTPException(404, "nothing was shown yet")
        return Response(picture.jpeg(), media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    @routes.get(
        "/api/audio-stream",
        response_class=StreamingResponse,
        responses={200: _of("application/octet-stream"), **_FULL},
    )
    async def audio_stream() -> StreamingResponse:
        """Send the mix of voice and programme in real time, without an end: 16 bits, little-endian, 48 kHz, mono."""
        items = await _begun(_items(feed, places, KEEP_ALIVE_S, sound=True))
        headers = {
            **_NOT_KEPT,
            "X-Audio-Rate": str(PLAYBACK_RATE_HZ),
            "X-Audio-Channels": "1",
            "X-Audio-Format": "s16le",
        }
        return StreamingResponse(_pcm(items), media_type="application/octet-stream", headers=headers)

    return routes


def _of(media_type: str) -> dict[str, Any]:
    return {"content": {media_type: {}}, "description": "The stream."}


# --- what goes out


async def _events(items: Batches) -> AsyncGenerator[str]:
    """Yield server-sent events; a comment line where nothing happened for a while."""
    growing = GrowingText()
    async with contextlib.aclosing(items):
        async for batch in items:
            if not batch:
                yield ": keepalive\n\n"
            for item in batch:
                if isinstance(item, Words) and (new := growing.added(item)):
                    yield "".join(f"data: {line}\n" for line in new.split("\n")) + "\n"
                elif isinstance(item, Cycle) and (about := cycle_end(item)) is not None:
                    yield f"event: cycle_end\ndata: {json.dumps(about)}\n\n"


async def _parts(items: Batches) -> AsyncGenerator[bytes]:
    """Yield JPEGs as the parts of a multipart stream; the last one again while the picture stands still."""
    picture: Picture | None = None
    async with contextlib.aclosing(items):
        async for batch in items:
            for item in batch or [picture]:
                if isinstance(item, Picture):
                    picture = item
                    jpeg = await asyncio.to_thread(picture.jpeg)
                    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    yield head.encode() + jpeg + b"\r\n"


async def _pcm(items: Batches) -> AsyncGenerator[bytes]:
    """Yield mono samples, 16 bits, little-endian."""
    async with contextlib.aclosing(items):
        async for batch in items:
            for item in batch:
                if isinstance(item, Sound):
                    yield to_int16(to_mono(item.samples)).astype("<i2").tobytes()


class GrowingText:
    """What was added to a comment: a player is told all words of it each time."""

    def __init__(self) -> None:
        self._comment_id: int | None = None
        self._seen = ""

    def added(self, words: Words) -> str:
        """Return what follows what was known of this comment, or all of it if its beginning has changed."""
        seen = self._seen if words.comment_id == self._comment_id else ""
        self._comment_id, self._seen = words.comment_id, words.text
        return added_words(words.text, seen)


def cycle_end(cycle: Cycle) -> dict[str, Any] | None:
    """Return what is told at the end of a cycle, None for one that asked nobody. Times are Unix time, in seconds."""
    row = cycle.row
    begun_s: float | None = row.get("infer_s")
    newest_s: float | None = row.get("frame_newest_captured_s")
    if begun_s is None or newest_s is None:
        return None
    ended_s: float = begun_s if row.get("generated_s") is None else row["generated_s"]
    oldest_s = min(newest_s, begun_s - (row.get("frame_oldest_age_s") or 0.0))
    delay_s: float | None = row.get("delay_applied_s")

    def unix(at_s: float) -> float:
        return round(cycle.unix_zero_s + at_s, 3)

    return {
        "type": "cycle_end",
        "cycle": row.get("cycle"),
        "frame_ids": [row.get("frame_first_index"), row.get("frame_last_index")],
        "oldest_frame_at": unix(oldest_s),
        "newest_frame_at": unix(newest_s),
        "inference_start": unix(begun_s),
        "inference_end": unix(ended_s),
        "inference_sec": round(ended_s - begun_s, 2),
        "latency_sec": round(ended_s - oldest_s, 2),
        "skipped": row.get("outcome") == "silent",
        "target_delay": None if delay_s is None else round(delay_s, 2),
        "outcome": row.get("outcome"),
        "text": row.get("heard_text") or "",
    }


# --- a subscription on the server's loop


async def _items(feed: Feed, places: Places, silence_s: float, **kinds: Any) -> Batches:
    """Yield [] once it is subscribed to `kinds`, then what comes, and [] where nothing came for `silence_s`.

    Raise FullError where no place is free.
    """
    loop, new = asyncio.get_running_loop(), asyncio.Event()

    def on_new() -> None:
        loop.call_soon_threadsafe(new.set)

    with places.one(), feed.subscribe(on_new, **kinds) as subscription:
        yield []
        while not subscription.closed:
            try:
                async with asyncio.timeout(silence_s):
                    await new.wait()
            except TimeoutError:
                yield []
                continue
            new.clear()
            if items := subscription.take():
                yield items


async def _begun(items: Batches) -> Batches:
    """Return `items`, subscribed. Raise FullError."""
    await anext(items)
    return items
