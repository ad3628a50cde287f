"""The REST interface: what it says, what it does, and what it refuses."""

from __future__ import annotations

import json

import pytest

from commentator_lib.profiles import PROFILES
from commentator_lib.serve.api import events_of
from tests.serve.conftest import ask, broadcasting, until

pytestmark = pytest.mark.realtime


def get(app, path, **more):
    answer = ask(app, "GET", f"/api/{path}", **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(app, path, content=None):
    answer = ask(app, "POST", f"/api/{path}", json=content)
    assert answer.status_code < 300, answer.text
    return answer.json()


def refused(app, path, content):
    """Return status and line of a refusal."""
    answer = ask(app, "POST", f"/api/{path}", json=content)
    line = answer.json()["detail"]
    assert isinstance(line, str) and "\n" not in line and "Traceback" not in line
    return answer.status_code, line


def test_a_run_is_started_told_of_and_stopped(app, idle, clip):
    before = get(app, "status")
    assert not before["capture_running"] and before["monitor_mode"] == "IDLE"
    assert post(app, "start") == {"status": "started", "source": str(clip)}
    assert refused(app, "start", {})[0] == 409
    now = until(lambda: (s := get(app, "status"))["cycle_count"] >= 2 and s)
    assert now["capture_running"] and now["model_loaded"] and now["monitor_mode"] == "ACTIVE"
    assert now["state"] == "running" and now["tts_enabled"] and now["commentator"]
    assert now["frames_captured"] >= now["frames_shown"] > 0 and now["now_s"] > 0
    assert post(app, "stop") == {"status": "stopped"}
    after = get(app, "status")
    assert not after["capture_running"] and after["state"] == "ended" and after["frames_buffered"] == 0
    folder = idle.session.log.folder
    assert json.loads((folder / "run.json").read_text())["outcomes"] and (folder / "cycles.parquet").exists()
    assert folder.name in [run["name"] for run in get(app, "runs")]
    assert post(app, "stop") == {"status": "stopped"}  # once more does nothing


def test_a_run_is_started_with_a_source_and_one_that_cannot_be_played_changes_nothing(app, idle, clip):
    for source in ("no such file.mp4", "", "\0", "x" * 5000, "rtsp://127.0.0.1:1/x", 7.5, ["a"], True):
        status, line = refused(app, "start", {"source": source})
        assert status in (400, 422), (source, line)
        assert not idle.running
    assert get(app, "source") == {"source": str(clip)}
    assert post(app, "start", {"source": str(clip)})["source"] == str(clip)
    assert idle.running


def test_secrets_of_a_source_are_told_to_nobody(app, idle):
    source = "rtsp://me:s3cr3t@127.0.0.1:1/cam"
    for path, content in (("source", {"source": source}), ("start", {"source": source})):
        assert "s3cr3t" not in refused(app, path, content)[1]
    assert "s3cr3t" not in json.dumps([get(app, "status"), get(app, "source"), get(app, "settings")])


def test_instruction_profile_and_settings_reach_the_run(app, idle):
    post(app, "start")
    assert post(app, "instruction", {"instruction": " Who wins? "})["instruction"] == "Who wins?"
    until(lambda: any("Who wins?" in p for p in idle.panel._commentators._given.prompts))
    assert get(app, "status")["instruction"] == "Who wins?"
    assert post(app, "instruction", {"instruction": ""})["instruction"] == ""
    assert get(app, "status")["instruction"] is None
    known = get(app, "profiles")
    assert set(known["profiles"]) == set(PROFILES) and known["active"] == "general"
    assert known["profiles"]["sports"] == {
        "label": PROFILES["sports"].label,
        "suggestion": PROFILES["sports"].instruction,
    }
    assert post(app, "profiles", {"profile": "sports"}) == {"status": "ok", "active": "sports"}
    assert idle.session.settings.profile == "sports" and get(app, "status")["active_profile"] == "sports"
    changed = post(app, "settings", {"pause_s": 0.9, "voice_volume": 0.5})
    assert changed["settings"]["pause_s"] == idle.session.settings.pause_s == 0.9
    assert idle.panel.player.voice_volume == 0.5
    post(app, "profiles", {"profile": "general"})
    post(app, "settings", {"pause_s": 0.3, "voice_volume": 1.0})


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("settings", {"pause_s": -1}, "pause_s"),
        ("settings", {"pause_s": "soon"}, "pause_s"),
        ("settings", {"pause_s": None}, "pause_s"),
        ("settings", {"no_such": 1}, "no_such"),
        ("settings", {"assets_path": "/etc"}, "assets_path"),
        ("settings", {"pause_s": 0.7, "seed": 3}, "seed"),
        ("settings", {"voice_volume": 7}, "voice_volume"),
        ("profiles", {"profile": "opera"}, "opera"),
        ("question", {"question": "Who?"}, "No run"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line_and_changes_nothing(app, idle, path, content, words):
    before = get(app, "settings")
    status, line = refused(app, path, content)
    assert status in (400, 409) and words in line
    assert get(app, "settings") == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("instruction", b""),
        ("instruction", b"{"),
        ("instruction", b"[]"),
        ("instruction", b'{"instruction": null}'),
        ("instruction", b'{"instruction": "\\ud800"}'),
        ("instruction", b'{"instruction": "' + b"x" * 2001 + b'"}'),
        ("instruction", b"\xff\xfe"),
        ("profiles", b'{"profile": 1}'),
        ("settings", b'{"voice_volume": "\\ud800"}'),
        ("settings", b'"x"'),
        ("settings", b"[" * 30_000),
        ("source", b'{"source": 1}'),
    ],
)
def test_a_body_that_is_none_is_refused_in_one_line(app, idle, path, body):
    answer = ask(app, "POST", f"/api/{path}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert isinstance(answer.json()["detail"], str) and len(answer.text) < 600


def test_events_have_their_facts_and_who_told_them():
    row = {"event": 0, "kind": "score", "at_s": 1.0, "detected_s": 1.5, "captured_s": 1.1, "importance": 3}
    rows = [
        {**row, "certainty": 0.9, "facts": '{"home": 1}'},
        {**row, "event": 1, "kind": "cut", "importance": 0, "certainty": None, "facts": "{}"},
        {"event": 0, "cycle": 4},
        {"event": 9, "cycle": 4},
    ]
    first, second = events_of(rows)
    assert first.facts == {"home": 1} and first.told_by == 4 and first.importance == 3
    assert second.kind == "cut" and second.told_by is None


def test_events_of_a_run_are_listed_from_where_one_left_off(app, idle):
    post(app, "start")
    until(lambda: idle.session.status.frames_shown)
    for k in range(5):
        idle.session.log._watch_row(
            {"event": k, "kind": "cut", "at_s": 0.0, "captured_s": 0.0, "facts": "{}"}
        )
    assert [event["event"] for event in get(app, "events")] == [0, 1, 2, 3, 4]
    assert [event["event"] for event in get(app, "events", params={"after": 2})] == [3, 4]
    assert [event["event"] for event in get(app, "events", params={"limit": 2})] == [3, 4]
    for wrong in ({"after": -2}, {"limit": 0}, {"limit": 10**30}, {"after": "x"}):
        assert ask(app, "GET", "/api/events", params=wrong).status_code == 422


def test_the_description_names_every_route_of_the_interface(app):
    described = ask(app, "GET", "/openapi.json").json()
    paths = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    both = ("profiles", "settings", "source")
    assert paths >= {f"{method} /api/{name}" for method in ("GET", "POST") for name in both}
    assert paths >= {f"GET /api/{name}" for name in ("status", "events", "runs")}
    assert paths >= {f"POST /api/{name}" for name in ("start", "stop", "instruction", "question")}


def test_the_description_says_what_may_be_refused_and_how_the_token_is_sent(app):
    described = ask(app, "GET", "/openapi.json").json()
    start = described["paths"]["/api/start"]["post"]
    assert set(start["responses"]) >= {"200", "400", "401", "403", "408", "409", "413", "422"}
    assert start["security"] == [{"HTTPBearer": []}]
    line = start["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert described["components"]["schemas"][line]["properties"]["detail"]["type"] == "string"


def test_who_adds_players_and_listeners_gets_each_session(tmp_path, clip):
    from tests.conftest import KeepsRows

    with broadcasting(tmp_path, clip) as made:
        player, sessions = KeepsRows(), []
        made.extra_players.append(player)
        made.on_session.append(sessions.append)
        for _ in range(2):
            made.panel.start()
            assert sessions[-1] is made.session
            until(lambda: any(kind == "cycle" for kind, _ in player.rows))
            player.rows.clear()
            assert made.stop(60)
        assert len(sessions) == 2 and len(set(map(id, sessions))) == 2
