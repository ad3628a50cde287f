"""JPEG pictures over HTTP as cameras send them: right, wrong, and one at a time. The servers listen on loopback."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import itertools
import re
import threading
import time

import numpy as np
import psutil
import pytest
from PIL import Image

from commentator_lib.sources.base import SourceError
from commentator_lib.sources.jpeg_cutter import PictureCutter
from commentator_lib.sources.live import LiveSource
from commentator_lib.sources.mjpeg import (
    MjpegPictures,
    SnapshotPictures,
    measured_fps,
    next_wait_s,
    open_mjpeg,
)
from tests.sources.test_plain_reasons import listening

TYPE = "multipart/x-mixed-replace; boundary=frame"


def jpeg(level, size=(64, 48), **options):
    """Return a picture as JPEG, all of it as bright as `level`, which tells it from others."""
    data = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(data, "jpeg", **options)
    return data.getvalue()


def noisy(seed, side=96):
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(
        data, "jpeg"
    )
    return data.getvalue()


def with_thumbnail(level):
    """Return a picture with another whole JPEG inside, as cameras put a thumbnail into the head."""
    inner, outer = jpeg(255, (16, 16)), jpeg(level)
    segment = b"Exif\0\0" + inner
    return outer[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + outer[2:]


def part(data, boundary=b"--frame", kind=b"image/jpeg", length=True, line=b"\r\n"):
    head = [boundary, *([b"Content-Type: " + kind] if kind else [])]
    if length is not False:
        head.append(b"Content-Length: %d" % (len(data) if length is True else length))
    return line.join([*head, b"", data, b""])


LEVELS = (20, 60, 100, 140, 180, 220)

# How the parts look → a function from a picture's brightness to its part.
LOOKS = {
    "as it should be": lambda n: part(jpeg(n)),
    "no length": lambda n: part(jpeg(n), length=False),
    "a length that is too short": lambda n: part(jpeg(n), length=100),
    "a length that is too long": lambda n: part(jpeg(n), length=10**6),
    "line feeds alone": lambda n: part(jpeg(n), line=b"\n"),
    "no type": lambda n: part(jpeg(n), kind=b""),
    "type of another name": lambda n: part(jpeg(n), kind=b"image/jpg"),
    "octets": lambda n: part(jpeg(n), kind=b"application/octet-stream"),
    "another boundary than the one announced": lambda n: part(jpeg(n), boundary=b"--other"),
    "a boundary without dashes": lambda n: part(jpeg(n), boundary=b"frame"),
    "a boundary with four dashes": lambda n: part(jpeg(n), boundary=b"----frame"),
    "no boundary": jpeg,
    "garbage between": lambda n: b"\0\xff\xd8\x01 noise \xff\xd9\r\n" + part(jpeg(n)) + b"\0" * 999,
    "a picture inside": lambda n: part(with_thumbnail(n), length=False),
    "progressive": lambda n: part(jpeg(n, progressive=True), length=False),
    "restart markers": lambda n: part(jpeg(n, restart_marker_blocks=1), length=False),
    "no end": lambda n: part(jpeg(n)[:-2], length=False),
    "text between": lambda n: (
        part(b"level=\xff\xd8\xff\xe0\x00\x04 %d" % n, kind=b"text/plain") + part(jpeg(n))
    ),
    "sound between": lambda n: part(b"\xff\xd8\xff" * 300, kind=b"audio/basic") + part(jpeg(n)),
    "padding before markers": lambda n: part(
        jpeg(n).replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1), length=False
    ),
}


def levels_of(pictures):
    return [round(float(np.mean(np.asarray(Image.open(io.BytesIO(data)))))) for data in pictures]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("piece", [1, 7, 1000, 10**7])
def test_pictures_are_cut_out_whatever_stands_around_them_and_however_they_come(look, piece):
    sent = b"".join(LOOKS[look](level) for level in LEVELS) + b"\r\n--frame\r\n" + jpeg(0)
    cutter, found = PictureCutter(), []
    for at in range(0, len(sent), piece):
        found += cutter.cut(sent[at : at + piece])
    assert np.allclose(levels_of(found), [*LEVELS, 0], atol=2)


def test_picture_is_there_with_its_last_byte():
    cutter, data = PictureCutter(), noisy(0)
    assert cutter.cut(part(data)[: -len(b"\r\n") - 1]) == []
    assert cutter.cut(data[-1:]) == [data]


def test_cutter_keeps_nothing_of_what_is_no_picture():
    cutter = PictureCutter()
    for _ in range(50):
        assert cutter.cut(b"no picture here " * 1000) == []
    assert len(cutter._data) < 10_000
    assert cutter.cut(part(jpeg(50))) == [jpeg(50)]


def test_large_picture_in_small_pieces_is_looked_through_once():
    data = noisy(1, 1500)
    cutter, found, begun_s = PictureCutter(), [], time.process_time()
    for at in range(0, len(data), 1400):  # as a network brings it
        found += cutter.cut(data[at : at + 1400])
    assert found == [data] and len(data) > 1_000_000
    assert time.process_time() - begun_s < 1.0


def test_rate_by_the_median_interval():
    assert measured_fps([0, 0.1, 0.2, 0.3, 0.31], 25.0) == 10.0
    assert measured_fps([], 25.0) < 2 and measured_fps([0.0], 25.0) < 2


def test_server_of_single_pictures_is_asked_more_often_while_they_change():
    waits = list(itertools.accumulate([True] * 9, next_wait_s, initial=1.0))
    assert waits[-1] == 0.2 and waits == sorted(waits, reverse=True)
    waits = list(itertools.accumulate([False] * 9, next_wait_s, initial=0.2))
    assert waits[-1] == 5.0 and waits == sorted(waits)


# --- against servers


def head_of(connection):
    """Return a request's text."""
    text = b""
    while b"\r\n\r\n" not in text:
        piece = connection.recv(4096)
        if not piece:
            return ""
        text += piece
    return text.decode("latin-1")


def answer(connection, status="200 OK", kind=TYPE, more="", body=b""):
    connection.sendall(
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{more}\r\n".encode() + body
    )


def camera(look=LOOKS["as it should be"], every_s=0.05, count=200, kind=TYPE):
    """Return what sends `count` pictures, each brighter than the one before, and ends."""

    def serve(connection):
        head_of(connection)
        answer(connection, kind=kind)
        for k in range(count):
            connection.sendall(look(k % 256))
            time.sleep(every_s)

    return serve


@contextlib.contextmanager
def opened(serve, path="cam", login="", **more):
    with listening(serve) as port:
        found = open_mjpeg(f"http://{login}127.0.0.1:{port}/{path}", **more)
        try:
            yield found
        finally:
            if found is not None:
                found.close()


def first_levels(found, count):
    taken = itertools.islice(found.pictures(), count)
    return [round(float(found.image(picture)[0].mean())) for picture in taken]


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/x-mixed-replace; boundary=--frame",
        'multipart/x-mixed-replace;boundary="frame"',
        "multipart/x-mixed-replace",
        "Multipart/X-Mixed-Replace; boundary=other",
        "video/x-motion-jpeg",
    ],
)
@pytest.mark.parametrize("look", ["as it should be", "no length", "a boundary without dashes", "no boundary"])
def test_camera_is_read_whatever_its_boundary(kind, look):
    with opened(camera(LOOKS[look], kind=kind)) as found:
        assert isinstance(found, MjpegPictures) and found.shown.startswith("http://127.0.0.1:")
        levels = first_levels(found, 10)
    assert np.allclose(np.diff(levels), 1, atol=1.01) and levels[-1] > levels[0]


@pytest.mark.realtime
def test_rate_is_measured_and_the_first_picture_is_the_newest():
    with opened(camera(every_s=0.1)) as found:
        assert found.fps == pytest.approx(10, rel=0.15)
        assert 3 <= first_levels(found, 1)[0] <= 7
    with opened(camera(every_s=2.0, count=3)) as found:
        assert found.fps < 2


def test_pictures_have_no_time_stamps_and_are_made_smaller():
    with opened(camera(lambda n: part(jpeg(n, (320, 160)))), max_px=100) as found:
        picture = next(found.pictures())
        assert picture.pts is None
        image, decoded = found.image(picture)
        assert image.shape == (50, 100, 3) and decoded is picture
        found.wants_images = False
        assert found.image(picture)[0].size == 0


def test_damaged_pictures_are_left_out_and_many_end_the_source():
    bad = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xda\x00\x04ab123\xff\xd9"
    with opened(camera(lambda n: part(bad) + part(jpeg(n)), every_s=0.01)) as found:
        assert len(first_levels(found, 5)) == 5
    with (
        opened(
            camera(lambda n: part(bad), every_s=0.01, count=3000)
        ) as found,  # those that wait are left out
        pytest.raises(ValueError, match="cannot be decoded"),
    ):
        list(found.pictures())


def test_of_pictures_that_wait_only_the_newest_is_decoded():
    with opened(camera(every_s=0.01, count=100)) as found:
        pictures = found.pictures()
        next(pictures)
        time.sleep(0.5)
        level = float(found.image(next(pictures))[0].mean())
        assert level > 30 and found.left_out > 20


def test_chunked_answer():
    def serve(connection):
        head_of(connection)
        answer(connection, more="Transfer-Encoding: chunked\r\n")
        for k in range(60):
            data = part(noisy(k))
            for piece in (data[:50], data[50:]):
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(0.01)

    with opened(serve) as found:
        assert len(first_levels(found, 20)) == 20


def test_camera_that_breaks_off_in_a_chunk_says_so():
    def serve(connection):
        head_of(connection)
        answer(connection, more="Transfer-Encoding: chunked\r\n")
        connection.sendall(b"fff\r\n" + part(jpeg(9)))

    with opened(serve) as found, pytest.raises(ValueError, match="."):
        list(found.pictures())


def test_end_of_the_answer_is_the_end_of_the_pictures():
    with opened(camera(count=3, every_s=0.0)) as found:
        assert len(list(found.pictures())) >= 1


@pytest.mark.realtime
def test_wait_for_a_silent_camera_ends_by_its_time_out():
    def serve(connection):
        head_of(connection)
        answer(connection, body=part(jpeg(9)))
        time.sleep(4)

    with opened(serve, timeout_s=(2.0, 0.5)) as found:
        pictures, begun_s = found.pictures(), time.monotonic()
        next(pictures)
        with pytest.raises(ValueError, match="nothing came in time"):
            next(pictures)
        assert time.monotonic() - begun_s < 2


@pytest.mark.realtime
def test_one_picture_for_each_request():
    asked = []

    def serve(connection):
        asked.append(head_of(connection))
        answer(connection, kind="image/jpeg", body=jpeg(10 * len(asked)))

    with opened(serve, "snap.jpg?a=1") as found:
        assert isinstance(found, SnapshotPictures)
        begun_s = time.monotonic()
        assert np.allclose(first_levels(found, 4), [10, 20, 30, 40], atol=2)
    assert 0.5 <= time.monotonic() - begun_s < 3 and all("GET /snap.jpg?a=1 " in text for text in asked)


def test_server_of_single_pictures_that_fails_says_so():
    asked = []

    def serve(connection):
        asked.append(head_of(connection))
        if len(asked) == 1:
            answer(connection, kind="image/jpeg", body=jpeg(10))
        else:
            answer(connection, "503 Busy")

    with opened(serve) as found, pytest.raises(ValueError, match="fault of its own .503"):
        list(found.pictures())


@pytest.mark.parametrize("kind", ["text/html", "video/mp4", "application/vnd.apple.mpegurl", "image/png"])
def test_what_is_no_camera_is_left_to_ffmpeg(kind):
    def serve(connection):
        head_of(connection)
        answer(connection, kind=kind, body=b"<html>")

    with opened(serve) as found:
        assert found is None


def basic(connection):
    """Ask for me:pa/ss@1, by the basic method."""
    wanted = base64.b64encode(b"me:pa/ss@1").decode()
    if f"Authorization: Basic {wanted}" in head_of(connection):
        answer(connection, body=b"".join(part(jpeg(9)) for _ in range(9)))
    else:
        answer(connection, "401 No", more='WWW-Authenticate: Basic realm="cam"\r\n')


def digest(connection):
    """Ask for me:pa/ss@1, by the digest method."""
    request = head_of(connection)
    given = dict(
        re.findall(r'(\w+)="?([^",\r]+)"?', request.partition("Authorization: Digest ")[2].split("\r\n")[0])
    )
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()  # noqa: E731
    first, second = md5("me:cam:pa/ss@1"), md5(f"GET:{given.get('uri')}")
    answered = md5(":".join([first, "n1", given.get("nc", ""), given.get("cnonce", ""), "auth", second]))
    if given.get("response") == answered:
        answer(connection, body=b"".join(part(jpeg(9)) for _ in range(9)))
    else:
        answer(connection, "401 No", more='WWW-Authenticate: Digest realm="cam", nonce="n1", qop="auth"\r\n')


@pytest.mark.parametrize("ask", [basic, digest])
def test_password(ask, login="me:pa%2Fss%401@"):
    with opened(ask, login=login) as found:
        assert first_levels(found, 3) == [9] and "ss" not in found.shown.split("127")[0]
    for wrong, words in (("me:wrong@", "wrong password"), ("", "asks for a user name and a password")):
        with pytest.raises(SourceError, match=words) as caught:
            with opened(ask, login=wrong):
                pass
        assert "\n" not in str(caught.value)


def test_redirect_is_followed_and_the_password_stays_with_its_server():
    seen = []

    def elsewhere(connection):
        seen.append(head_of(connection))
        answer(connection, body=part(jpeg(9)) * 5)

    with listening(elsewhere) as port:

        def serve(connection):
            if "Authorization" in head_of(connection):
                answer(connection, "302 Moved", more=f"Location: http://localhost:{port}/x\r\n")
            else:
                answer(connection, "401 No", more='WWW-Authenticate: Basic realm="cam"\r\n')

        with opened(serve, login="me:secret@") as found:
            assert first_levels(found, 2) == [9]
    assert len(seen) == 1 and "Authorization" not in seen[0]


def test_errors_of_opening_are_one_line():
    def gone(connection):
        head_of(connection)
        answer(connection, "404 No")

    with pytest.raises(SourceError, match=r"cannot be opened \(not found \(404\)\)"), opened(gone):
        pass
    with pytest.raises(SourceError, match="refused"):
        open_mjpeg("http://127.0.0.1:1/x")
    with pytest.raises(SourceError, match="no such host"):
        open_mjpeg("http://camera.invalid/x")
    done = threading.Event()
    with listening(lambda connection: done.wait(5)) as port:
        with pytest.raises(SourceError, match="nothing came for 1 s"):
            open_mjpeg(f"http://127.0.0.1:{port}/x", timeout_s=(0.6, 1.0))
        done.set()


@pytest.mark.realtime
def test_live_source_over_it_gives_fresh_pictures_and_leaves_nothing_behind():
    fds, threads = psutil.Process().num_fds(), threading.active_count()
    with listening(camera(lambda n: part(jpeg(n)), every_s=0.05, count=400)) as port:

        def connect(_patience_s=10.0):
            found = open_mjpeg(f"http://127.0.0.1:{port}/")
            assert found is not None
            return found

        source = LiveSource(connect(), connect, 0.0)
        frames = [source.read() for _ in range(20)]
        assert all(frame is not None for frame in frames)
        assert time.monotonic() - frames[-1].captured_at_s < 0.6
        assert source.live.fps == pytest.approx(20, rel=0.3)
        source.close()
    end_s = time.monotonic() + 5
    while threading.active_count() > threads or psutil.Process().num_fds() > fds:
        assert time.monotonic() < end_s
        time.sleep(0.05)
