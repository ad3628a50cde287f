"""/healthz and /readyz: answered without the token, without a word about what is watched."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from commentator_lib.serve.access import Access
from commentator_lib.serve.app import make_app
from commentator_lib.serve.broadcast import Broadcast
from commentator_lib.serve.health import readiness_of
from commentator_lib.settings import Settings
from tests.conftest import Raises, ToneVoice
from tests.serve.conftest import TOKEN, ask, until


def session(state="running", running=True, shown=5, away="", cycles=(), error=None, problem="", header=None):
    """Return what a session in some state has to say."""

    def wait(_timeout_s):
        if error is not None:
            raise error
        return not running

    return SimpleNamespace(
        running=running,
        status=SimpleNamespace(state=state, frames_shown=shown),
        source=SimpleNamespace(away=away),
        log=SimpleNamespace(cycle_rows=list(cycles), problem=problem, header=header or {}),
        wait=wait,
    )


SECRET = "rtsp://me:s3cret@camera/ is away"
FAILED = [{"outcome": "failed", "reason": SECRET}]


@pytest.mark.parametrize(
    ("given", "ready", "reason"),
    [
        (None, True, "idle"),
        (session(), True, "running"),
        (session(state="draining"), True, "running"),
        (session(running=False, state="ended"), True, "idle"),
        (session(state="starting", shown=0), False, "the commentator is being loaded"),
        (session(shown=0), False, "no picture was shown yet"),
        (session(away=SECRET), False, "the source is away"),
        (session(cycles=FAILED), False, "every comment so far failed"),
        (session(cycles=[*FAILED, {"outcome": "spoken", "reason": ""}]), True, "running"),
        (session(running=False, error=RuntimeError(SECRET)), False, "the last run ended with a fault"),
        (session(running=False, problem=SECRET), False, "the last run ended with a fault"),
        (session(running=False, header={"source_problem": SECRET}), False, "the last run ended with a fault"),
        (session(running=False, cycles=FAILED), False, "the last run ended with a fault"),
    ],
)
def test_ready_means_that_there_is_something_to_see_or_to_start(given, ready, reason):
    found = readiness_of(given)
    assert (found.ready, found.reason) == (ready, reason)


def test_who_watches_over_the_server_needs_no_token_but_its_name(guarded, broadcast):
    for path in ("/healthz", "/readyz"):
        for headers in ({}, {"authorization": "Bearer wrong"}):
            answer = ask(guarded, "GET", path, headers=headers)
            assert answer.status_code == 200
            assert TOKEN not in answer.text and "clip" not in answer.text
        assert ask(guarded, "GET", path, headers={"host": "evil.example"}).status_code == 403
        assert ask(guarded, "POST", path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 405
    assert ask(guarded, "GET", "/healthz").json() == {"status": "ok"}


def test_a_run_is_ready_once_its_first_picture_was_shown(idle, app):
    assert ask(app, "GET", "/readyz").json() == {"ready": True, "reason": "idle"}
    idle.panel.start()
    until(lambda: ask(app, "GET", "/readyz").json() == {"ready": True, "reason": "running"})
    assert idle.session.status.frames_shown
    assert idle.stop(60)
    assert ask(app, "GET", "/readyz").json() == {"ready": True, "reason": "idle"}


def test_a_run_all_of_whose_comments_fail_is_not_ready(tmp_path, clip):
    settings = Settings(change_threshold=0.0, pause_s=0.3, watchers=())
    with Broadcast(
        str(clip),
        settings,
        runs_dir=tmp_path / "runs",
        duration_s=600.0,
        commentator=Raises(RuntimeError(SECRET)),
        voice=ToneVoice(),
    ) as made:
        app = make_app(made, Access())
        made.panel.start()
        answer = until(
            lambda: (a := ask(app, "GET", "/readyz")).json()["reason"].startswith("every comment") and a
        )
        assert answer.status_code == 503 and "s3cret" not in answer.text
        assert made.stop(60)
        answer = ask(app, "GET", "/readyz")
        assert (answer.status_code, answer.json()["reason"]) == (503, "the last run ended with a fault")
