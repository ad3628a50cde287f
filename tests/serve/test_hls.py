"""HLS: what a phone plays of it, that old segments go, and that it ends when nobody asks any more."""

import re
import threading

import av
import httpx
import numpy as np
import pytest

from commentator_lib.serve.feed import Feed
from commentator_lib.serve.hls import HlsOutput
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from tests.conftest import Says, ToneVoice
from tests.serve.conftest import LIMIT_S, ask, serving, until
from tests.serve.stamped import make_stamped_clip, pictures_of, sync_errors_s

pytestmark = pytest.mark.realtime


class Session:
    """A session of the stamped clip whose pictures and sound go to a feed; a context manager."""

    def __init__(self, folder, seconds=60):
        self.feed = Feed()
        self.session = LiveSession(
            str(make_stamped_clip(folder / "clip.mp4", seconds)),
            Settings(change_threshold=0.0, pause_s=0.3, watchers=(), delay_init_s=0.5),
            commentator=Says(*(f"This is sentence number {k}." for k in range(100)), cost_s=0.05),
            voice=ToneVoice(),
            players=[self.feed],
        )

    def __enter__(self):
        self.session.start()
        until(lambda: self.feed.latest() is not None, "a picture")
        return self

    def __exit__(self, *_):
        self.feed.close()
        self.session.stop()
        self.session.wait(LIMIT_S)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    with Session(tmp_path_factory.mktemp("hls")) as made:
        yield made


def app_of(hls):
    """Return an app with the routes of HLS alone."""
    from fastapi import FastAPI

    from commentator_lib.serve import hls as module

    app = FastAPI()
    app.include_router(module.router(hls))
    return app


def test_picture_sound_and_captions_are_played_together(session, tmp_path):
    hls = HlsOutput(session.feed)
    with serving(app_of(hls)) as host, httpx.Client(base_url=f"http://{host}", timeout=LIMIT_S) as client:

        def get(path):
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text)
            return answer

        # 1) The master playlist leads to a variant and to captions.
        master = get("/live.m3u8")
        assert master.headers["content-type"] == "application/vnd.apple.mpegurl"
        video = re.search(r"(?m)^live/\S+\.m3u8$", master.text)[0]
        captions = re.search(r'TYPE=SUBTITLES.*URI="(live/\S+?)"', master.text)[1]
        assert re.search(r'CODECS="avc1\.\w+,mp4a\.40\.2".*SUBTITLES="captions"', master.text)
        # 2) Take the segments as they come, until there are as many as the playlist holds and more.
        segments, cues = {}, ""

        def taken():
            nonlocal cues
            playlist = get(f"/{video}").text
            assert playlist.count("#EXTINF") <= 6
            for name in re.findall(r"(?m)^part_\d+\.ts$", playlist):
                if name not in segments:
                    segments[name] = get(f"/live/{name}").content
            for name in re.findall(r"(?m)^\S+\.vtt$", get(f"/{captions}").text):
                text = get(f"/live/{name}").text
                assert text.startswith("WEBVTT")
                if text not in cues:
                    cues += text
            return len(segments) >= 9

        until(taken, "nine segments")
        # 3) The old ones are gone.
        assert client.get(f"/live/{next(iter(segments))}").status_code == 404
        files = list(hls.folder.iterdir())
        assert len([f for f in files if f.suffix == ".ts"]) <= 9
        # 4) A player reads picture and sound, without an error, from the address itself.
        with av.open(f"http://{host}/live.m3u8", timeout=LIMIT_S) as played:
            assert {s.type for s in played.streams} >= {"video", "audio"}
            kinds = [
                type(f).__name__ for _, f in zip(range(60), played.decode(video=0, audio=0), strict=False)
            ]
        assert set(kinds) == {"VideoFrame", "AudioFrame"}
    hls.close()
    # 5) What came is in step, and the captions have their times in it.
    path = tmp_path / "received.ts"
    path.write_bytes(b"".join(segments.values()))
    errors = sync_errors_s(path)
    print(f"HLS: picture/sound error of {len(errors)} beeps: {1000 * np.abs(errors).max():.1f} ms at most")
    assert len(errors) >= 8 and np.abs(errors).max() <= 0.04
    found = re.findall(r"(\d\d):(\d\d)\.(\d{3}) --> (\d\d):(\d\d)\.(\d{3})\n(.+)", cues)
    assert len({words for *_, words in found}) >= 3
    assert all(re.fullmatch(r"This is sentence number \d+\.", words) for *_, words in found)
    end_s = pictures_of(path)[-1][0]
    for *times, _words in found:
        m1, s1, ms1, m2, s2, ms2 = map(int, times)
        from_s, to_s = 60 * m1 + s1 + ms1 / 1000, 60 * m2 + s2 + ms2 / 1000
        assert 0 <= from_s < to_s <= end_s + 2.5


def test_it_ends_when_nobody_asks_and_begins_again(session):
    hls = HlsOutput(session.feed, idle_s=1.0)
    for _ in range(2):
        hls.ask()
        until(lambda: hls.folder is not None, "it runs")
        folder = hls.folder
        until(lambda: hls._thread is None, "it has ended")
        assert not folder.exists()
    until(lambda: session.feed.subscribers == 0, "nothing is encoded")
    assert not [t for t in threading.enumerate() if t.name == "hls"]


def test_player_that_comes_before_the_first_picture_waits_for_it(tmp_path):
    session = Session(tmp_path, 20)
    runs = []
    hls = HlsOutput(session.feed, lambda: bool(runs))
    with serving(app_of(hls)) as host:
        assert httpx.get(f"http://{host}/live.m3u8", timeout=LIMIT_S).status_code == 503
        runs.append(session.session.start())
        answer = httpx.get(f"http://{host}/live.m3u8", timeout=LIMIT_S)
        hls.close()
    session.__exit__()
    # It comes within the time that is waited, or the machine was too busy for that: then the player asks again.
    assert answer.status_code == 200 or answer.headers["retry-after"] == "5"


def test_close_removes_the_folder(session):
    hls = HlsOutput(session.feed)
    hls.ask()
    until(lambda: hls.master() is not None, "a first segment")
    folder = hls.folder
    hls.close()
    assert not folder.exists() and hls._thread is None
    hls.ask()
    assert hls._thread is None


@pytest.mark.parametrize(
    "name", ["..%2Fsecret.ts", "part_1.mp4", "part_999999.ts", ".ts", "a" * 5000, "%00.ts"]
)
def test_no_other_file_is_given(session, name):
    hls = HlsOutput(session.feed)
    hls.ask()
    until(lambda: hls.folder is not None, "it runs")
    assert ask(app_of(hls), "GET", f"/live/{name}").status_code == 404
    hls.close()
