"""The log as JSON: one object a line, whatever a message says, without secrets."""

from __future__ import annotations

import json
import logging
import warnings
from datetime import UTC, datetime

import pytest

from commentator_lib.logs import show_log


@pytest.fixture
def all_logs():
    """Give back the handlers and levels of the root logger and the library's."""
    loggers = [logging.getLogger(), logging.getLogger("commentator_lib")]
    before = [(list(one.handlers), one.level) for one in loggers]
    yield
    logging.captureWarnings(False)
    for one, (handlers, level) in zip(loggers, before, strict=True):
        for handler in [handler for handler in one.handlers if handler not in handlers]:
            one.removeHandler(handler)
            handler.close()
        one.setLevel(level)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_each_line_is_an_object_with_the_time_in_utc(all_logs, capsys, tmp_path):
    show_log(0, tmp_path / "log.txt", as_json=True)
    before = datetime.now(UTC)
    logging.getLogger("commentator_lib.session").info("two\nlines, “quoted” and %d %%", 5)
    logging.getLogger("commentator_lib.session").debug("too much")
    out, err = capsys.readouterr()
    assert out == "" and err == (tmp_path / "log.txt").read_text()
    (line,) = lines(err)
    assert line.keys() == {"time", "level", "logger", "message"}
    assert line["message"] == "two\nlines, “quoted” and 5 %" and line["level"] == "INFO"
    assert line["time"].endswith("Z") and line["logger"] == "commentator_lib.session"
    at = datetime.fromisoformat(line["time"])
    assert at.utcoffset().total_seconds() == 0 and abs((at - before).total_seconds()) < 60


def test_half_a_character_is_written_as_ascii(all_logs):
    before = logging.getLogger().handlers[:]
    show_log(0, None, as_json=True)
    (handler,) = (one for one in logging.getLogger().handlers if one not in before)
    text = handler.format(
        logging.makeLogRecord({"msg": "half \ud800", "levelname": "INFO"})
    )  # pytest keeps logged ones
    assert text.isascii() and json.loads(text)["message"] == "half \ud800"


def test_other_packages_and_warnings_write_objects_too(all_logs, capsys):
    show_log(0, None, as_json=True)
    logging.getLogger("uvicorn.error").error("a fault")
    logging.getLogger("uvicorn.error").info("quiet")
    warnings.warn("an old name", DeprecationWarning, stacklevel=1)
    found = lines(capsys.readouterr().err)
    assert [line["logger"] for line in found] == ["uvicorn.error", "py.warnings"]


def test_no_password_is_written_in_a_message_or_a_traceback(all_logs, capsys):
    show_log(0, None, as_json=True)
    try:
        raise OSError("rtsp://me:s3cret@10.0.0.2/cam cannot be opened")
    except OSError:
        logging.getLogger("commentator_lib.sources").exception(
            "http://me:s3cret@host/?token=t0ps3cret failed"
        )
    text = capsys.readouterr().err
    (line,) = lines(text)
    assert "s3cret" not in text
    assert line["error"].startswith("Traceback") and "OSError: rtsp://" in line["error"]
