"""Secrets in URLs, in texts that quote them and in FFmpeg's options are hidden; harmless names stay as they are."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from commentator_lib.redact import redact_options, redact_text, redact_url

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        # user and password
        ("rtsp://me:s3cr3t@10.0.0.2/cam", "rtsp://***@10.0.0.2/cam"),
        ("rtsp://me:pa/s3cr3t@host/cam", "rtsp://***@host/cam"),
        ("rtsp://me:p@s/s3cr3t?w#d:x@10.0.0.2:554/cam", "rtsp://***"),
        ("rtsp://me:s3cr3t@ret@10.0.0.2/cam@4", "rtsp://***@10.0.0.2/cam@4"),
        ("rtsp://me:12/s3cr3t@cam/x", "rtsp://***@cam/x"),
        ("rtsp://me:?s3cr3t@cam/x", "rtsp://***@cam/x"),
        ("rtsp://first.last:#s3cr3t@cam/x", "rtsp://***@cam/x"),
        ("rtsp://:s3cr3t@cam/x", "rtsp://***@cam/x"),
        ("rtsp://s3cr3t@cam", "rtsp://***@cam"),
        ("rtsp://s3cr3t@", "rtsp://***@"),
        ("https://s3/cr3t:s3cr3t@example.org/x", "https://***@example.org/x"),
        ("https://tok/s3cr3t@example.org/x", "https://***@example.org/x"),
        ("rtsp://me:a s3cr3t b@host/x", "rtsp://***@host/x"),
        ("rtsp://me:pa%2F%40s3cr3t@host/x", "rtsp://***@host/x"),
        ("RTSP://Me:s3cr3t@Host/x", "RTSP://***@Host/x"),
        ("rtsp://me:s3cr3t@[fe80::1%25eth0]:554/x", "rtsp://***@[fe80::1%25eth0]:554/x"),
        ("rtsp://me:s3cr3t@bücher.example/x", "rtsp://***@bücher.example/x"),
        ("rtsp://me:s3cr3t:10.0.0.2/cam", "rtsp://me:***/cam"),
        # the query and the fragment
        ("https://h.org/a/clip.mp4?token=s3cr3t&x=s3cr3t", "https://h.org/a/clip.mp4?token=***&x=***"),
        ("https://h.org/clip.mp4?s3cr3t", "https://h.org/clip.mp4?***"),
        ("https://h.org/clip.mp4?s3cr3t=", "https://h.org/clip.mp4?***"),
        ("https://h.org/clip.mp4?s3cr3t==&x", "https://h.org/clip.mp4?***&***"),
        ("https://h.org/clip.mp4?x=1#s3cr3t", "https://h.org/clip.mp4?x=***#***"),
        ("https://h.org/x;sid=s3cr3t/clip.mp4", "https://h.org/x;sid=***/clip.mp4"),
        ("srt://h:9000?passphrase=s3cr3t&mode=caller", "srt://h:9000?passphrase=***&mode=***"),
        ("srt://h:9000?streamid=#!::u=me,s=s3cr3t", "srt://h:9000?***#***"),
        # the stream key
        ("rtmp://h/live/s3cr3t", "rtmp://h/live/***"),
        ("RTMPS://h:443/live/inst/s3cr3t?x=s3cr3t", "RTMPS://h:443/live/***?***"),
        ("rtmp://h/s3cr3t", "rtmp://h/***"),
        ("rtmp://me:s3cr3t@[::1]/live/s3cr3t", "rtmp://***@[::1]/live/***"),
        # a URL in another one, or behind something else
        ("http://proxy.org/http://me:s3cr3t@h/x?k=s3cr3t", "http://proxy.org/http://***@h/x?k=***"),
        ("my.cams:Cam:rtsp://me:s3cr3t@h/x", "my.cams:Cam:rtsp://***@h/x"),
        ("concat:http://a/1|http://me:s3cr3t@h/2", "concat:http://a/1|http://***@h/2"),
    ],
)
def test_secrets_in_a_url_are_hidden_and_the_rest_is_shown(url, shown):
    assert redact_url(url) == shown and redact_url(shown) == redact_text(shown) == shown
    for text in (f"{url} cannot be opened", f"'{url}': refused", f"see {url}, or http://me:s3cr3t@h/x."):
        assert SECRET not in redact_text(text)
        assert redact_text(redact_text(text)) == redact_text(text)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "https://example.org/a/b/clip.mp4",
            "http://example.org:8080/clip.mp4",
            "rtsp://10.0.0.2:554/cam/1",
        ),
        *("https://example.org/@user/clip.mp4", "http://127.0.0.1:8000/@x/me@home.mp4", "http://a/b@c"),
        *("rtsp://[::1]:8554/cam", "udp://239.0.0.1:1234", "srt://h:9000", "rtsp://h/live/front"),
        *("file:///home/me/a?b=1#2.mp4", "/dev/video0", "0", "12:30.mp4", "a@b.mp4", "C:\\clips\\a.mp4"),
        *("my.cams:Cam:front", "synthetic:60", "demo", "", "folder/key=1.mp4"),
    ],
)
def test_harmless_names_stay_as_they_are(name):
    assert redact_url(name) == name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such file: me:s3cr3t@10.0.0.2/cam", "no such file: ***@10.0.0.2/cam"),
        ("no such file: rtsp:/me:s3cr3t@cam/x", "no such file: ***@cam/x"),
        ("refused: passphrase=s3cr3t, mode=caller", "refused: passphrase=***, mode=caller"),
        ("{'Authorization': 'x', stream_key = 's3cr3t x'}", "{'Authorization': 'x', stream_key = ***}"),
        ("Cookie: a=s3cr3t; b=2\nnext line", "Cookie: ***\nnext line"),
        ("Authorization: Bearer s3cr3t", "Authorization: ***"),
        (
            "http://me:s3cr3t@a/x is lost, http://b/y?k=s3cr3t too",
            "http://***@a/x is lost, http://b/y?k=*** too",
        ),
        ("rtsp://me:pa s3cr3t@h/x is lost", "rtsp://***@h/x is lost"),
    ],
)
def test_secrets_in_a_text_are_hidden(text, shown):
    assert redact_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "ValueError: no such file: 12:30.mp4",
            "speak_when=first-token asks",
            "see https://example.org/help.",
        ),
        *("set OPENAI_API_KEY in the environment", "write to me@example.org", "max_new_tokens=5 is too few"),
        *("settings.py:12: wrong", "the model at http://127.0.0.1:8000/v1 does not answer", "key frames: 3"),
    ],
)
def test_harmless_texts_stay_as_they_are(text):
    assert redact_text(text) == text


def test_values_of_options_are_shown_where_they_are_harmless():
    options = (
        "rtsp_transport=udp headers=Authorization:s3cr3t s3cr3t http_proxy=http://me:s3cr3t@h cookies=s3cr3t"
    )
    assert redact_options(options) == "rtsp_transport=udp headers=*** *** http_proxy=*** cookies=***"
    assert redact_options("s3cr3t== =s3cr3t") == "*** ***" and redact_options("") == ""


def test_no_place_of_a_url_shows_what_is_put_there():
    random.seed(1)
    alphabet = "ab1/?#@:&=;%.,+-_~!$*'()[]"
    hosts = ("camera", "example.org", "10.0.0.2", "[::1]", "localhost")
    for k, (host, port, path) in enumerate(
        itertools.product(hosts, ("", ":554"), ("", "/", "/cam", "/a/b.mp4"))
    ):
        for _ in range(50):
            around = ["".join(random.choices(alphabet, k=random.randint(0, 4))) for _ in range(2)]
            password = f"{around[0]}s3cr3t{around[1]}"
            scheme = ("rtsp", "http", "rtmp", "SRT")[k % 4]
            url = f"{scheme}://me:{password}@{host}{port}{path}"
            assert SECRET not in redact_url(url), url
            assert SECRET not in redact_text(f"it says '{url}': no"), url
            for user in ("", "me:pw@", "me@", "me:p/w@", "me:1?2@"):
                for more in (
                    f"?{around[0]}=s3cr3t" + re.sub("[&;]", "", around[1]),
                    "?token=" + re.sub("[&;]", "", password),
                    f"#{password}",
                    ";a=" + re.sub("[/;?#]", "", password),
                ):
                    query = f"{scheme}://{user}{host}{port}{path}{more}"
                    assert SECRET not in redact_url(query), query
                    assert SECRET not in redact_text(f"it says '{query}': no"), query
                key = f"rtmp://{user}{host}{port}/live/{password}"
                assert SECRET not in redact_url(key), key
            assert redact_url(redact_url(url)) == redact_url(url), url
