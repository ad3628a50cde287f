"""What the commands show: tables on a terminal, plain lines in a pipe, and the library's log."""

from __future__ import annotations

import logging
import re
import sys
import time
from types import SimpleNamespace

import pytest
import typer

from commentator_lib import terminal
from commentator_lib.logs import show_log
from commentator_lib.settings import Settings
from commentator_lib.sources.base import LiveStats, Source, SourceInfo


@pytest.fixture
def library_log():
    """Return the library's logger; restore it when the test has ended."""
    logger = logging.getLogger("commentator_lib")
    handlers, level = list(logger.handlers), logger.level
    yield logger
    for handler in set(logger.handlers) - set(handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


@pytest.fixture(params=[80, 40])
def terminal_width(request, monkeypatch):
    """Make stdout look like a terminal of that many columns."""
    monkeypatch.setattr(terminal, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(request.param))
    return request.param


def test_log_is_quiet_by_default(library_log, capsys):
    show_log(0, None)
    logging.getLogger("commentator_lib.session").error("nobody asked")
    assert capsys.readouterr() == ("", "")


def test_verbose_once_shows_what_happens_and_twice_the_details(library_log, capsys):
    show_log(1, None)
    logger = logging.getLogger("commentator_lib.session")
    logger.info("run begins")
    logger.debug("delay 2.5 s")
    out, err = capsys.readouterr()
    assert out == "" and "INFO commentator_lib.session: run begins" in err and "delay" not in err
    library_log.handlers.pop()
    show_log(2, None)
    logger.debug("delay 2.5 s")
    assert "DEBUG commentator_lib.session: delay 2.5 s" in capsys.readouterr().err


def test_log_file_is_written_and_added_to(library_log, tmp_path, capsys):
    (tmp_path / "log.txt").write_text("before\n")
    show_log(0, tmp_path / "log.txt")
    logging.getLogger("commentator_lib.session").info("run begins")
    before, line = (tmp_path / "log.txt").read_text().splitlines()
    assert before == "before" and line.endswith("INFO commentator_lib.session: run begins")
    assert capsys.readouterr() == ("", "")
    with pytest.raises(typer.BadParameter, match="cannot write the log file .*No such file"):
        show_log(0, tmp_path / "no" / "log.txt")


def test_no_password_reaches_the_log(library_log, tmp_path):
    show_log(0, tmp_path / "log.txt")
    try:
        raise OSError("rtsp://me:s3cret@10.0.0.2/cam cannot be opened")
    except OSError:
        logging.getLogger("commentator_lib.sources").exception("http://me:s3cret@host/ failed")
    written = (tmp_path / "log.txt").read_text()
    assert "s3cret" not in written and "http://***@host/" in written and "rtsp://***@10.0.0.2/cam" in written


def test_tables_are_no_wider_than_the_terminal(terminal_width, capsys):
    terminal.print_settings(Settings())
    terminal.print_sources()
    terminal.print_table([("[red]", "markup stays as it is: [bold]")], "title", styles=("bold",))
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= terminal_width
    assert any("[red]" in line for line in lines) and any("title" in line for line in lines)
    assert terminal_width < 60 or sum(line.split()[:1] == ["frames_per_inference"] for line in lines) == 1


def test_pipe_gets_plain_lines(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not sys.stdout.isatty()
    terminal.print_settings(Settings().changed(pause_s=0.5))
    terminal.print_sources()
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\npause_s = 0.5 (default 1.0)\n" in out and "\ninstalled clips:\n" in out


class Camera(Source):
    """A source that says how it does."""

    info = SourceInfo("camera", 64, 36, 25.0, None, live=True)

    def read(self, not_before_s=0.0):
        return None


def test_state_of_a_live_source_in_the_status_line():
    camera = Camera()
    assert terminal.source_state(camera) == []
    camera.live = LiveStats(0.0624, 24.97, 3, 2, 1)
    assert terminal.source_state(camera) == ["62 ms old", "25.0 fps", "2 damaged", "opened again 1 time"]
    camera.away = "lost for 3 s: rtsp://me:secret@cam refused"
    (said,) = terminal.source_state(camera)
    assert said.startswith("no picture: lost for 3 s") and "secret" not in said


def test_bar_is_redrawn_while_the_source_is_away_and_the_picture_stands_still(monkeypatch, capsys):
    class Camera(Source):
        away = "no picture for 3 s"

        def read(self, not_before_s=0.0):
            return None

    class Stands:
        """A session whose picture goes on for three steps, and then stands still."""

        source, left, log = Camera(), 9, SimpleNamespace(cycle_rows=[])
        status = SimpleNamespace(shown_s=0.0, duration_s=9.0, delay_s=1.0, frames_dropped=0)

        def start(self):
            pass

        def wait(self, _timeout_s):
            time.sleep(0.06)
            self.left -= 1
            self.status.shown_s = min(9.0 - self.left, 3.0)
            return self.left < 0

    make = terminal.make_progress_bar

    def seldom(*given):
        bar = make(*given)
        bar.mininterval = 0.05
        return bar

    monkeypatch.setattr(terminal, "make_progress_bar", seldom)
    assert terminal.run_with_progress(Stands(), lambda: None) is False
    assert capsys.readouterr().err.count("no picture for 3 s") >= 7
