"""A secret of any kind, anywhere in a source's name or its options, is shown and stored nowhere."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import stat

import pytest

from commentator_lib import cli
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.notebook.control_panel import ControlPanel
from commentator_lib.players.browser import LivePlayer
from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.reader import load_run
from commentator_lib.runs.report import format_table, summary
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings, load_settings, save_settings
from commentator_lib.sources.base import Source, SourceError, SourceInfo
from commentator_lib.sources.open import open_source
from tests.conftest import KeepsRows, ToneVoice, make_clip, serve

SECRET = "s3cr3t"  # no part of any name here
# Nobody listens on port 1.
REFUSED = {
    "password": "rtsp://me:s3cr3t@127.0.0.1:1/cam",
    "password with a slash": "rtsp://me:pa/s3cr3t@127.0.0.1:1/cam",
    "password with all": "rtsp://me:a/b?c#d@e:s3cr3t@127.0.0.1:1/cam",
    "password, encoded": "http://me:%2F%40s3cr3t@127.0.0.1:1/a.mp4",
    "password alone": "rtsp://:s3cr3t@127.0.0.1:1/cam",
    "user alone": "http://s3cr3t@127.0.0.1:1/a.mp4",
    "upper case": "RTSP://Me:s3cr3t@127.0.0.1:1/cam",
    "IPv6": "rtsp://me:s3cr3t@[::1]:1/cam",
    "no host": "rtsp://me:s3cr3t@",
    "query": "http://127.0.0.1:1/a.mp4?token=s3cr3t&x=1#frag",
    "query without a name": "http://127.0.0.1:1/a.mp4?s3cr3t",
    "fragment": "http://127.0.0.1:1/a.mp4#s3cr3t",
    "stream key": "rtmp://127.0.0.1:1/live/s3cr3t",
    "stream key, encrypted": "RTMPS://127.0.0.1:1/live/s3cr3t",
    "passphrase": "srt://127.0.0.1:1?passphrase=s3cr3ts3cr3t&streamid=s3cr3t",
    "no such protocol": "ftpx://me:s3cr3t@127.0.0.1/a",
    "no scheme": "me:s3cr3t@127.0.0.1/cam",
    "half a scheme": "rtsp:/me:s3cr3t@127.0.0.1/cam",
    "HLS": "http://me:s3cr3t@127.0.0.1:1/a.m3u8?key=s3cr3t",
    "another's class": "tests.test_secrets:Refuses:rtsp://me:s3cr3t@h/x",
    "another's class with words": "tests.test_secrets:Refuses:password=s3cr3t",
}
OPTIONS = {
    "headers": "headers=Authorization:s3cr3t",
    "headers of several words": "headers=Cookie: s3cr3t",
    "cookies": "rtsp_transport=tcp cookies=s3cr3t",
    "a URL": "http_proxy=http://me:s3cr3t@127.0.0.1:1",
    "no option": "s3cr3t",
    "password": "password=s3cr3t",
}


class Refuses:
    """A class of somebody else that shows what it was given."""

    def __init__(self, text):
        raise OSError(f"{text} refuses: cannot open {text!r}")


class Tells(Source):
    """A source of somebody else whose name, outages and fault tell everything."""

    def __init__(self):
        self.info = SourceInfo("rtsp://me:s3cr3t@h/x", 64, 36, 25.0, None, live=True)
        self._index = 0

    def read(self, not_before_s=0.0):
        raise OSError("rtsp://me:s3cr3t@h/x?token=s3cr3t is gone, password=s3cr3t")

    @property
    def away(self):
        return "rtsp://me:s3cr3t@h/x does not answer"

    @property
    def outages(self):
        return [(0.0, 1.0, "http://h/x?token=s3cr3t")]


def run_command(*arguments, cwd, monkeypatch):
    """Return exit code and all that `commentator` prints."""
    monkeypatch.chdir(cwd)
    monkeypatch.setattr("sys.argv", ["commentator", *arguments])
    monkeypatch.setattr(cli, "_raise_on_ctrl_c", lambda: None)
    out = io.StringIO()
    logger = logging.getLogger("commentator_lib")
    handlers, level = list(logger.handlers), logger.level
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            cli.main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        for handler in logger.handlers:
            if handler not in handlers:
                handler.close()
        logger.handlers[:] = handlers
        logger.setLevel(level)
    return code, out.getvalue()


def assert_nowhere(folder, *texts):
    """Assert that no file below a folder, nor any text, holds the secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
    for text in texts:
        assert SECRET not in str(text)
    return {path.name for path in files}


def chain(error):
    """Return the texts of an error and of all that it is said to come from, as a traceback shows them."""
    while error is not None:
        yield f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_url_shows_no_secret(tmp_path, monkeypatch, caplog, kind):
    caplog.set_level(logging.DEBUG, logger="commentator_lib")
    options = ["--set", "reconnect_for_s=0", "--set", "commentator=scripted", "--log-file", "log", "-vv"]
    code, printed = run_command("run", REFUSED[kind], *options, cwd=tmp_path, monkeypatch=monkeypatch)
    assert code == 2 and "commentator: " in printed
    assert_nowhere(tmp_path, printed, caplog.text)
    with pytest.raises(SourceError) as caught:
        open_source(REFUSED[kind], reconnect_for_s=0)
    assert_nowhere(tmp_path, *chain(caught.value))


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_that_are_refused_show_no_secret(tmp_path, monkeypatch, caplog, kind):
    caplog.set_level(logging.DEBUG, logger="commentator_lib")
    setting = ["--set", f"stream_options={OPTIONS[kind]}"]
    more = ["--set", "commentator=scripted", "--log-file", "log", "-vv"]
    code, printed = run_command(
        "run", "rtsp://127.0.0.1:1/x", *setting, *more, cwd=tmp_path, monkeypatch=monkeypatch
    )
    assert code == 2
    assert_nowhere(tmp_path, printed, caplog.text)
    code, printed = run_command("settings", *setting, cwd=tmp_path, monkeypatch=monkeypatch)
    assert code == 0 and "stream_options = " in printed and SECRET not in printed


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return the port of a server that gives one stream under any path, below /closed for a password."""
    path = make_clip(
        tmp_path_factory.mktemp("served") / "c.ts",
        frames=100,
        container="mpegts",
        noise=True,
        width=160,
        height=90,
    )
    data = path.read_bytes()

    def respond(handler):
        if handler.path == "/closed/cam.ts" and not handler.headers.get("Authorization"):
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
            handler.send_header("Content-Length", "0")
            return handler.end_headers()
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data)

    with serve(respond) as address:
        yield int(address.rpartition(":")[2])


SERVED = {
    "password": ("http://me:s3cr3t@127.0.0.1:{port}/closed/cam.ts", ""),
    "token": ("http://127.0.0.1:{port}/cam.ts?token=s3cr3t", ""),
    "header": ("http://127.0.0.1:{port}/cam.ts", "headers=X-Key:s3cr3t"),
    "another's source": (Tells, ""),
}


@pytest.mark.realtime
@pytest.mark.parametrize("kind", SERVED)
def test_run_of_a_served_source_shows_and_stores_no_secret(tmp_path, caplog, capfd, server, kind):
    caplog.set_level(logging.DEBUG, logger="commentator_lib")
    given, options = SERVED[kind]
    source = given.format(port=server) if isinstance(given, str) else given()
    keeps, page = KeepsRows(), LivePlayer()
    session = LiveSession(
        source,
        Settings(
            change_threshold=0.0,
            commentator="scripted",
            reconnect_for_s=0,
            stream_options=options,
            pause_s=0.2,
        ),
        commentator=ScriptedCommentator(cost=CostModel(0.1, 0.0, 0.6, 0.0, 0.1), sound="tone"),
        voice=ToneVoice(),
        players=[keeps, page],
        run_dir=tmp_path / "run",
    ).run()
    run = load_run(tmp_path / "run")
    assert session.log.header["source_problem"]
    if kind != "another's source":
        write_mp4(run, tmp_path / "out.mp4")
    page_state = json.dumps(page.get_state(), default=str) + str(vars(page))
    printed = capfd.readouterr()
    names = assert_nowhere(
        tmp_path,
        *(caplog.text, printed.out, printed.err, keeps.rows, page_state, json.dumps(session.log.header)),
        *(session.source.info, format_table(summary(run)), session.log.samples.to_json()),
    )
    assert {"run.json", "samples.parquet", "cycles.jsonl"} <= names
    assert ("source.mkv" in names) == (kind != "another's source")
    if kind != "another's source":
        assert "127.0.0.1" in run.header["source"][0] and "/cam.ts" in run.header["source"][0]


@pytest.mark.realtime
def test_source_that_was_given_up_is_exit_code_1_and_one_line(tmp_path, monkeypatch, server):
    code, printed = run_command(
        *("run", f"http://127.0.0.1:{server}/cam.ts?token=s3cr3t", "--no-video", "--text-only"),
        *("--set", "commentator=scripted", "--set", "reconnect_for_s=0"),
        cwd=tmp_path,
        monkeypatch=monkeypatch,
    )
    lines = [line for line in printed.splitlines() if "commentator: the source was given up: " in line]
    assert code == 1 and len(lines) == 1, printed
    assert_nowhere(tmp_path, printed)


def test_page_of_the_panel_holds_no_secret(tmp_path):
    settings = Settings(commentator="scripted")
    panel = ControlPanel("rtsp://me:s3cr3t@127.0.0.1:1/cam", settings=settings, runs_dir=tmp_path)
    try:
        for _ in range(2):  # the second start has the password still
            panel._try(panel.start)
            state = json.dumps([widget.get_state() for widget in (panel, panel.player)], default=str)
            assert SECRET not in state and "rtsp://***@127.0.0.1:1/cam" in state
            # What the page shows stands for the whole address.
            assert SECRET in panel._sources.resolve(panel.player.controls["source"])
        assert panel._sources.resolve("demo") == "demo"
    finally:
        panel.close()


def test_saved_settings_keep_a_secret_for_their_owner_alone(tmp_path):
    settings = Settings(stream_options="cookies=s3cr3t")
    (tmp_path / "a.toml").write_text("")
    (tmp_path / "a.toml").chmod(0o644)
    for name in ("a.toml", "b.toml"):
        save_settings(settings, tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert load_settings(tmp_path / name).stream_options == "cookies=s3cr3t"
