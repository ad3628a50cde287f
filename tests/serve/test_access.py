"""Who is answered: every route, without the token, with a wrong one, under a foreign name, for a foreign page."""

from __future__ import annotations

import base64
import re
import socket

import pytest
from starlette.routing import WebSocketRoute
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from commentator_lib.serve import access as access_module
from commentator_lib.serve.access import COOKIE, LINK_VALID_S, OPEN_PATHS, Access, is_foreign
from commentator_lib.serve.app import make_app
from tests.serve.conftest import HERE, LIMIT_S, TOKEN, ask, serving

WRONG = TOKEN[:-1] + "x"
BAD_NAMES = (
    "evil.example",
    "evil.example:8765",
    "127.0.0.1.evil.example",
    "192.168.1.1",
    "",
    "localhost.evil.example",
)


def routes(app, websocket):
    """Yield method and path of all routes, also of those that are included."""
    found = list(app.routes)
    while found:
        route = found.pop()
        found += getattr(getattr(route, "original_router", None) or getattr(route, "app", None), "routes", [])
        path = getattr(route, "path", None)
        if path is None or isinstance(route, WebSocketRoute) != websocket:
            continue
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield method, re.sub(r"{[^}]*}", "x", path)


def test_the_walk_over_the_routes_finds_all_of_them(guarded):
    found = set(routes(guarded, websocket=False))
    described = guarded.openapi()["paths"]
    for path, methods in described.items():
        for method in methods:
            assert (method.upper(), re.sub(r"{[^}]*}", "x", path)) in found
    assert {("GET", "/"), ("GET", "/page.js"), ("GET", "/openapi.json")} <= found
    assert set(routes(guarded, websocket=True)) == {("GET", "/ws")}


def test_no_route_answers_without_the_token_or_with_a_wrong_one(guarded):
    for method, path in routes(guarded, websocket=False):
        if path in OPEN_PATHS:
            continue
        basic = base64.b64encode(f"me:{WRONG}".encode()).decode()
        for headers in (
            {},
            {"authorization": f"Bearer {WRONG}"},
            {"authorization": "Bearer"},
            {"authorization": TOKEN},
            {"authorization": f"Basic {basic}"},
            {"authorization": "Basic %%%"},
            {"cookie": f"{COOKIE}={WRONG}"},
            {"cookie": f"{COOKIE}={TOKEN}"},
            {"cookie": f"{COOKIE}="},
            {"x-token": TOKEN},
        ):
            answer = ask(guarded, method, path, headers=headers)
            assert answer.status_code == 401, (method, path, headers)
            schemes = [h.partition(" ")[0] for h in answer.headers.get_list("www-authenticate")]
            is_for_players = path.startswith(("/live", "/api/mjpeg", "/api/audio-stream"))
            assert schemes == (["Bearer", "Basic"] if is_for_players else ["Bearer"]), path
            assert "set-cookie" not in answer.headers
        for link in (f"?token={WRONG}", "?token=", f"?token={TOKEN}x"):
            assert ask(guarded, method, path + link).status_code == 401, (method, path, link)


def test_no_route_answers_under_a_foreign_name_or_for_a_foreign_page(guarded, app):
    signed = {"authorization": f"Bearer {TOKEN}"}
    for method, path in routes(guarded, websocket=False):
        for one in (guarded, app):  # also where no token is needed
            for host in BAD_NAMES:
                answer = ask(one, method, path, headers={**signed, "host": host})
                assert answer.status_code == 403, (method, path, host)
            for headers in (
                {"origin": "http://evil.example"},
                {"origin": "null"},
                {"origin": "http://127.0.0.1:1"},
                {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
                {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
                {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
            ):
                answer = ask(one, method, path, headers={**signed, **headers})
                assert answer.status_code == 403, (method, path, headers)
                assert "access-control-allow-origin" not in answer.headers


def test_the_websocket_is_as_closed_as_the_rest(guarded, app):
    wanted_token = [
        ({}, 401),
        ({"Authorization": f"Bearer {WRONG}"}, 401),
        ({"Cookie": f"{COOKIE}={WRONG}"}, 401),
    ]
    signed = {"Authorization": f"Bearer {TOKEN}"}
    for one, more in ((guarded, wanted_token), (app, [])):
        with serving(one) as address:
            for _, path in routes(one, websocket=True):
                for headers, status in (
                    *more,
                    ({**signed, "Origin": "http://evil.example"}, 403),
                    ({**signed, "Origin": "null"}, 403),
                    ({**signed, "Origin": f"http://localhost:{int(address[-5:]) % 100 + 1}"}, 403),
                ):
                    with (
                        pytest.raises(InvalidStatus) as refused,
                        connect(f"ws://{address}{path}", additional_headers=headers),
                    ):
                        pass
                    assert refused.value.response.status_code == status, (path, headers)
                host, _, port = address.partition(":")
                with (
                    pytest.raises(InvalidStatus) as refused,
                    socket.create_connection((host, int(port))) as reached,
                    connect(f"ws://evil.example{path}", sock=reached, additional_headers=signed),
                ):
                    pass
                assert refused.value.response.status_code == 403
                with connect(
                    f"ws://{address}{path}", additional_headers={**signed, "Origin": f"http://{address}"}
                ) as taken:
                    assert taken.recv(LIMIT_S)


def test_the_token_is_taken_from_header_cookie_and_link(guarded):
    basic = base64.b64encode(f":{TOKEN}".encode()).decode()
    for headers in ({"authorization": f"Bearer {TOKEN}"}, {"authorization": f"basic {basic}"}):
        assert ask(guarded, "GET", "/api/status", headers=headers).status_code == 200
    for host in ("localhost:1", "127.0.0.1", "[::1]:8765", "stage.example", "STAGE.example:8765"):
        headers = {"authorization": f"Bearer {TOKEN}", "host": host}
        assert ask(guarded, "GET", "/api/status", headers=headers).status_code == 200
    answer = ask(guarded, "GET", f"/?token={TOKEN}")
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200 and "url=/" in answer.text and TOKEN not in answer.text
    assert (
        "HttpOnly" in cookie
        and "SameSite=Strict" in cookie
        and "Secure" not in cookie
        and TOKEN not in cookie
    )
    pair = cookie.split(";")[0]
    page = ask(guarded, "GET", "/", headers={"cookie": f"other=1; {pair}"})
    assert (
        page.status_code == 200 and "<title>Live commentary</title>" in page.text and TOKEN not in page.text
    )
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert ask(guarded, "GET", f"/?token={TOKEN}", headers=followed).status_code == 200


def test_a_one_time_link_lets_in_once(guarded):
    made = ask(guarded, "POST", "/api/link", headers={"authorization": f"Bearer {TOKEN}"}).json()
    assert made["valid_for_s"] == LINK_VALID_S and TOKEN not in made["link"]
    first = ask(guarded, "GET", made["link"])
    assert first.status_code == 200 and "set-cookie" in first.headers
    assert ask(guarded, "GET", made["link"]).status_code == 401


def test_a_one_time_link_ends_and_there_are_not_more_of_them_than_a_hundred(monkeypatch):
    now_s = 0.0
    monkeypatch.setattr(access_module.time, "monotonic", lambda: now_s)
    access = Access(TOKEN)
    codes = [access.one_time_link().partition("=")[2] for _ in range(150)]
    assert not access.takes_link(codes[0]) and access.takes_link(codes[149])
    now_s = LINK_VALID_S + 1
    assert not access.takes_link(codes[148])


def test_a_person_reads_why_there_is_no_answer(guarded):
    answer = ask(guarded, "GET", "/", headers={"accept": "text/html,*/*"})
    assert answer.status_code == 401 and answer.headers["content-type"].startswith("text/html")
    assert "Open the link that was printed" in answer.text
    assert "Open the link that was printed" in ask(guarded, "GET", "/").json()["detail"]


def test_https_makes_the_cookie_secure(broadcast):
    answer = ask(make_app(broadcast, Access(TOKEN, is_https=True)), "GET", f"/?token={TOKEN}")
    assert "Secure" in answer.headers["set-cookie"]


def test_without_a_token_who_reaches_this_machine_is_answered(app):
    assert ask(app, "GET", "/api/status").status_code == 200
    answer = ask(app, "GET", "/?token=old")
    assert answer.status_code == 200 and "set-cookie" not in answer.headers
    own = {"origin": HERE, "sec-fetch-site": "same-origin"}
    assert ask(app, "POST", "/api/instruction", json={"instruction": ""}, headers=own).status_code == 200


def test_every_answer_has_the_safety_headers(app, guarded):
    for answer in (ask(app, "GET", "/"), ask(app, "GET", "/nowhere"), ask(guarded, "GET", "/")):
        for name, value in (("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff")):
            assert answer.headers[name] == value
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store" and "server" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/redoc",
        "/page.html",
        "/../pyproject.toml",
        "/%2e%2e/pyproject.toml",
        "/widget_hub.py",
        "/api",
    ],
)
def test_nothing_else_can_be_reached(app, path):
    assert ask(app, "GET", path).status_code == 404


def test_pages_of_the_same_origin_and_scripts_are_no_strangers():
    assert not is_foreign({"host": "127.0.0.1:8765"})
    assert not is_foreign({"host": "live.example", "origin": "https://live.example"})  # behind a proxy
    assert is_foreign({"host": "live.example", "origin": "ftp://live.example"})
    assert is_foreign({"host": "live.example:80", "origin": "http://live.example:81"})
    assert is_foreign({"host": "live.example", "origin": "live.example"})
