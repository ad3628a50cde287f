"""How much one client may take: bodies, places, time."""

from __future__ import annotations

import asyncio

import pytest

from commentator_lib.serve.limits import BODY_WITHIN_S, MOST_BODY_BYTES, BodyLimit, FullError, Places
from tests.conftest import virtually
from tests.serve.conftest import ask


def test_a_body_that_is_too_long_is_not_taken(app):
    for body in (b"x" * (MOST_BODY_BYTES + 1), b"x" * 1_000_000):
        assert ask(app, "POST", "/api/settings", content=body).status_code == 413

    async def parts():
        for _ in range(MOST_BODY_BYTES // 1000 + 1):
            yield b"x" * 1000

    assert ask(app, "POST", "/api/settings", content=parts()).status_code == 413
    headers = {"content-length": "many"}
    assert ask(app, "POST", "/api/settings", content=b"{}", headers=headers).status_code == 413
    longest = b'{"instruction": "' + b"x" * 2000 + b'"}' + b" " * (MOST_BODY_BYTES - 2019)
    assert len(longest) == MOST_BODY_BYTES
    headers = {"content-type": "application/json"}
    assert ask(app, "POST", "/api/instruction", content=longest, headers=headers).status_code == 200
    assert ask(app, "POST", "/api/instruction", json={"instruction": ""}).status_code == 200


async def echo(scope, receive, send):
    message = await receive()
    assert not message["more_body"]
    body = message["body"]
    after = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    assert not after.done()  # the body comes once; after that only the end of the connection
    after.cancel()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def answer_to(parts, pause_s):
    """Return status and body of what `echo` answers to a body that comes in parts."""

    async def main():
        sent, left = [], list(parts)

        async def receive():
            if not left:
                await asyncio.Event().wait()
            await asyncio.sleep(pause_s)
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        async def send(message):
            sent.append(message)

        begun_s = asyncio.get_running_loop().time()
        await BodyLimit(echo)({"type": "http", "headers": []}, receive, send)
        return sent[0]["status"], sent[1]["body"], asyncio.get_running_loop().time() - begun_s

    return virtually(main)


def test_a_body_in_parts_arrives_whole():
    assert answer_to([b"a", b"", b"bc"], 0.1)[:2] == (200, b"abc")
    assert answer_to([b""], 0.0)[:2] == (200, b"")


def test_a_body_that_does_not_come_ends_the_request():
    status, _, seconds = answer_to([b"a"] * 100, 1.0)
    assert status == 408 and seconds == pytest.approx(BODY_WITHIN_S)


def test_a_client_that_goes_away_in_its_body_is_not_answered():
    async def main():
        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            raise AssertionError(message)

        await BodyLimit(echo)({"type": "http", "headers": []}, receive, send)

    virtually(main)


def test_places_are_given_back():
    places = Places(2)
    with places.one(), places.one():
        with pytest.raises(FullError, match="all 2 places"), places.one():
            pass
        assert places.taken == 2
    with pytest.raises(ZeroDivisionError), places.one():
        raise ZeroDivisionError
    assert places.taken == 0
