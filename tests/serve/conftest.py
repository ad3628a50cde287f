"""A broadcast with a commentator that costs nothing, its app, clients of it, and a server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time

import httpx
import pytest

from commentator_lib.serve.access import Access
from commentator_lib.serve.app import make_app
from commentator_lib.serve.broadcast import Broadcast
from commentator_lib.serve.running import listen, make_server
from commentator_lib.settings import Settings
from tests.conftest import Says, ToneVoice, make_clip

LIMIT_S = float(os.environ.get("PAGE_LIMIT_S", "120"))
TOKEN = "a-token-for-tests-0123"
HERE = "http://127.0.0.1:8765"


def until(condition, what=""):
    """Return what `condition` returns as soon as that is true."""
    give_up = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {LIMIT_S:g} s: {what or condition}")


@pytest.fixture(scope="package")
def clip(tmp_path_factory):
    return make_clip(
        tmp_path_factory.mktemp("clip") / "clip.mp4", frames=100, width=160, height=90, sound_s=4.0
    )


@contextlib.contextmanager
def broadcasting(folder, clip, **more):
    """Yield a broadcast of a clip that goes round, with a commentator that always has something to say."""
    settings = Settings(change_threshold=0.0, pause_s=0.3, watchers=(), **more.pop("settings", {}))
    commentator = Says(*(f"This is sentence number {k}." for k in range(1000)), cost_s=0.05)
    with Broadcast(
        str(clip),
        settings,
        runs_dir=folder / "runs",
        duration_s=600.0,
        commentator=commentator,
        voice=ToneVoice(),
        **more,
    ) as made:
        yield made


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory, clip):
    with broadcasting(tmp_path_factory.mktemp("broadcast"), clip) as made:
        yield made


@pytest.fixture
def idle(broadcast):
    """Return the broadcast, with no run going on before and after the test."""
    assert broadcast.stop(LIMIT_S)
    yield broadcast
    assert broadcast.stop(LIMIT_S)


@pytest.fixture(scope="module")
def app(broadcast):
    return make_app(broadcast, Access())


@pytest.fixture(scope="module")
def guarded(broadcast):
    """Return an app that wants a token."""
    return make_app(broadcast, Access(TOKEN, frozenset({"stage.example"})))


def ask(app, method, path, *, base=HERE, **more):
    """Return the app's answer to one request."""

    async def asking():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=base, timeout=LIMIT_S) as client:
            return await client.request(method, path, **more)

    return asyncio.run(asking())


@contextlib.contextmanager
def serving(app, port=0):
    """Serve an app on loopback, on a thread; yield its address."""
    listener = listen("127.0.0.1", port)
    server = make_server(app)
    thread = threading.Thread(target=lambda: server.run([listener]), daemon=True)
    thread.start()
    try:
        until(lambda: server.started, "the server")
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)
        listener.close()
    assert not thread.is_alive()
