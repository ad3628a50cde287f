"""stdout as a guest: a reader that leaves, a disk that is full, and encodings without most characters."""

from __future__ import annotations

import io
import os
import sys

import pytest

from commentator_lib import standard_streams
from commentator_lib.standard_streams import (
    GuestStream,
    as_printed,
    holds_unicode,
    output_problem,
    reader_left,
)


@pytest.fixture(autouse=True)
def streams_as_before(monkeypatch):
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        monkeypatch.setattr(sys, name, getattr(sys, name))


def prepared(monkeypatch, file, encoding="utf-8"):
    """Return stdout as the command line has it, onto a binary file."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    standard_streams.prepare_standard_streams()
    assert isinstance(sys.stdout, GuestStream)
    return sys.stdout


def test_reader_that_leaves_is_no_fault(monkeypatch):
    reads, writes = os.pipe()
    stdout = prepared(monkeypatch, os.fdopen(writes, "wb"))
    print("one line", flush=True)
    assert os.read(reads, 100) == b"one line\n" and not reader_left()
    os.close(reads)
    for _ in range(3):
        print("nobody reads this", flush=True)
    assert reader_left() and output_problem() == ""
    stdout.close()


def test_full_disk_is_kept_as_the_problem(monkeypatch):
    if not os.path.exists("/dev/full"):
        pytest.skip("a system without /dev/full")
    stdout = prepared(monkeypatch, open("/dev/full", "wb"))  # noqa: SIM115
    for _ in range(3):
        print("x" * 100_000, flush=True)
    assert output_problem() == os.strerror(28) and not reader_left()
    stdout.close()


@pytest.mark.parametrize(
    "encoding, printed",
    [
        ("ascii", 'yes no -> ... Lukasz: "Nino" fur 2:1 - ?? ??????.'),
        ("cp1252", "yes no -> … Lukasz: “Niño” für 2:1 – ?? ??????."),
        ("utf-8", "✓ ✗ → … Łukasz: “Niño” für 2:1 – 进球 שלום مرحبا."),
    ],
)
def test_characters_that_an_encoding_has_not_are_written_readably(monkeypatch, encoding, printed):
    held = io.BytesIO()
    stdout = prepared(monkeypatch, held, encoding)
    words = "✓ ✗ → … Łukasz: “Niño” für 2:1 – 进球 שלום مرحبا."
    if encoding != "utf-8":
        words = words.replace(" שלום مرحبا", " Привет")
    print(words, end="")
    stdout.flush()
    assert held.getvalue().decode(encoding) == printed
    assert as_printed(words) == printed and holds_unicode() == (encoding == "utf-8")


def test_half_a_character_is_printed_as_a_question_mark(monkeypatch):
    held = io.BytesIO()
    stdout = prepared(monkeypatch, held)
    print("a\ud83d name\udcff")
    stdout.flush()
    assert held.getvalue() == b"a? name?\n"


def test_streams_that_are_not_there_are_made(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # somebody's own: left as it is
    own = sys.stderr
    assert reader_left()
    monkeypatch.setattr(standard_streams, "open", lambda *_, **__: io.BytesIO(), raising=False)
    standard_streams.prepare_standard_streams()
    print("heard by nobody", flush=True)
    assert reader_left() and sys.stderr is own
