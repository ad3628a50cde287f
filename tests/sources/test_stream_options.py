"""FFmpeg's options for a stream: how they are written, and that what they hold reaches the server, and no other."""

from __future__ import annotations

import pytest

from commentator_lib.redact import redact_options, split_options
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.open import open_source
from commentator_lib.sources.trying import transport_of
from tests.conftest import make_clip
from tests.sources.test_mjpeg import answer, head_of, jpeg, part
from tests.sources.test_plain_reasons import listening

OPTIONS = {
    "a header with a space": "headers='X-Key: s3cr3t'",
    "a cookie": "cookies=session=s3cr3t",
    "a cookie as servers set it": 'cookies="session=s3cr3t; path=/"',
    "a referer and an agent": "referer=s3cr3t user_agent='My Player 1.0'",
}


def test_values_with_spaces_stand_in_quotes():
    assert split_options("a=1 headers='X-Key: 7' b=\"it's\" c=x#y d=C:\\certs") == [
        *("a=1", "headers=X-Key: 7", "b=it's", "c=x#y", "d=C:\\certs")
    ]
    assert transport_of("rtsp://h/x", "user_agent='My Player' rtsp_transport=udp") == "rtsp, udp"


@pytest.mark.parametrize(
    ("options", "words"),
    [("headers='X: s3cr3t", "a quote has no end"), ("a=1 s3cr3t", "word 2 is not NAME=VALUE")],
)
def test_options_that_are_wrong_are_one_line_without_their_values(options, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_source("http://127.0.0.1:1/x", stream_options=options)
    assert "s3cr3t" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [*OPTIONS.values(), "timeout='1 s3cr3t'", 'fflags="a\' s3cr3t"', "headers='X: s3cr3t", "'s3cr3t'"],
)
def test_options_are_shown_without_what_may_be_secret(options):
    shown = redact_options(options)
    assert "s3cr3t" not in shown and redact_options(shown) == shown


def guarded(body, kind, asked):
    """Return what answers only those who bring the secret."""

    def serve(connection):
        head = head_of(connection)
        asked.append(head)
        if "s3cr3t" in head:
            answer(connection, kind=kind, body=body)
        else:
            answer(connection, "401 No", more='WWW-Authenticate: Basic realm="cam"\r\n')

    return serve


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("served", ["JPEG pictures", "a clip"])
def test_server_that_asks_for_a_header_or_a_cookie_gets_it(served, options, tmp_path):
    if served == "a clip":
        clip = make_clip(tmp_path / "c.ts", container="mpegts", width=320, height=180, noise=True, frames=50)
        body, kind = clip.read_bytes(), "video/mp2t"
    else:
        body, kind = part(jpeg(9)) * 9, "multipart/x-mixed-replace; boundary=frame"
    asked = []
    with listening(guarded(body, kind, asked)) as port:
        address = f"http://127.0.0.1:{port}/cam"
        with pytest.raises(SourceError, match="asks for a user name"):
            open_source(address, reconnect_for_s=0)
        asked.clear()
        source = open_source(address, reconnect_for_s=0, stream_options=options)
        assert source.read() is not None
        source.close()
    assert asked and all("s3cr3t" in head and "path=" not in head for head in asked)
    assert "My Player" not in options or all("User-Agent: My Player 1.0" in head for head in asked)


def test_what_is_meant_for_one_server_does_not_go_to_the_next():
    asked = []

    def elsewhere(connection):
        asked.append(head_of(connection))
        answer(connection, body=part(jpeg(9)) * 9)

    with listening(elsewhere) as port:

        def serve(connection):
            assert "s3cr3t" in head_of(connection)
            answer(connection, "302 Moved", more=f"Location: http://localhost:{port}/x\r\n")

        with listening(serve) as first:
            options = "headers='X-Key: s3cr3t' cookies=a=s3cr3t"
            source = open_source(f"http://127.0.0.1:{first}/", stream_options=options, reconnect_for_s=0)
            assert source.read() is not None
            source.close()
    assert asked and not any("s3cr3t" in head for head in asked)


def test_a_proxy_is_used():
    asked = []

    def proxy(connection):
        asked.append(head_of(connection))
        answer(connection, body=part(jpeg(9)) * 9)

    with listening(proxy) as port:
        options = f"http_proxy=http://127.0.0.1:{port}"
        source = open_source("http://camera.invalid/x", stream_options=options, reconnect_for_s=0)
        assert source.read() is not None
        source.close()
    assert asked[0].startswith("GET http://camera.invalid/x ")
