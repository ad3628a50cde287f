"""Checks of the machine, its browser, and the parts that are tried out."""

from __future__ import annotations

from commentator_lib.checks.browser import browser_line, find_browser, jupyter_line
from commentator_lib.checks.line import CheckLine
from commentator_lib.checks.machine import machine_lines, read_machine
from commentator_lib.checks.names import names_line, names_lines
from commentator_lib.checks.parts import ocr_line, try_baseline, try_ffmpeg, try_line, try_voice
from tests.checks.conftest import GB, without


def test_memory_and_disk():
    memory, disk = machine_lines(8 * GB, 16 * GB, 100 * GB, 1 * GB)
    assert memory.ok is disk.ok is True and not memory.fix and not disk.fix
    assert "8.0 GB of 16.0 GB" in memory.found and "100.0 GB" in disk.found
    memory, disk = machine_lines(1 * GB, 16 * GB, GB // 2, 1 * GB)
    assert memory.ok is disk.ok is False
    assert "display_buffer_mb" in memory.fix and "--out" in disk.fix
    memory, _ = machine_lines(None, None, GB, GB)
    assert memory.ok is False and "psutil" in memory.found and memory.fix


def test_this_machine_is_read(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    available, total, free = read_machine()
    assert 0 < available <= total and free > 0
    without(monkeypatch, "psutil")
    assert read_machine()[:2] == (None, None)


def test_browser(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert find_browser() is None
    assert browser_line(None).ok is None and "browser tests" in browser_line(None).fix
    for name in ("google-chrome", "chromium"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert browser_line(find_browser()).found.endswith(name)
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "google-chrome"))
    assert find_browser().endswith("google-chrome")


def test_jupyter():
    assert jupyter_line("4.6").ok is True and jupyter_line(None).ok is None
    assert "[notebooks]" in jupyter_line(None).fix


def test_whatever_an_attempt_raises_is_its_finding():
    def broken():
        raise OSError("libx.so.1: cannot open shared object file\nand more")

    line = try_line("embedded voice", broken, "install it")
    assert line == CheckLine(
        False, "embedded voice", "OSError: libx.so.1: cannot open shared object file", "install it"
    )
    assert try_line("x", lambda: "works", "a fix") == CheckLine(True, "x", "works", "")


def test_a_silent_voice_is_a_fault(monkeypatch):
    import numpy as np

    from commentator_lib.media import AudioChunk
    from commentator_lib.voices.hibari import HibariVoice

    monkeypatch.setattr(
        HibariVoice, "speak", lambda self, text: [AudioChunk(np.zeros(2400, np.float32), 24_000)]
    )
    line = try_line("embedded voice", try_voice, "a fix")
    assert line.ok is False and "its sound is silent" in line.found
    monkeypatch.setattr(HibariVoice, "speak", lambda self, text: [])
    assert try_line("embedded voice", try_voice, "a fix").ok is False


def test_ocr_that_misreads_fails_and_missing_ocr_is_not_needed(monkeypatch):
    import commentator_lib.commentators.baseline.text as eye_text

    monkeypatch.setattr(eye_text, "ocr_installed", lambda: True)
    monkeypatch.setattr(eye_text, "rapidocr_reader", lambda: lambda image: [("GOAT", 0.9)])
    line = ocr_line()
    assert line.ok is False and "GOAT" in line.found and line.fix
    monkeypatch.setattr(eye_text, "ocr_installed", lambda: False)
    assert ocr_line() == CheckLine(None, "OCR", "not installed", "pip install rapidocr")


def test_the_baseline_without_its_model_and_ffmpeg_without_an_encoder(monkeypatch, tmp_path):
    import av

    import commentator_lib.commentators.baseline.detector as detector

    monkeypatch.setattr(detector, "MODELS", tmp_path)
    assert "ssdlite" in try_line("baseline", try_baseline, "a fix").found

    def no_codec(name, mode):
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(av.codec, "Codec", no_codec)
    line = try_line("video and sound", try_ffmpeg, "a fix")
    assert line.ok is False and "libx264" in line.found


def test_names_are_told_with_where_they_come_from():
    line = names_line("voices", {"hibari": "built in", "owl": "owls 1.2 (owls:Owl)", "hare": "built in"})
    assert line == CheckLine(True, "voices", "hibari, hare (built in); owl (owls 1.2 (owls:Owl))")
    lines = {line.what: line.found for line in names_lines()}
    assert list(lines) == ["commentators", "voices", "sources", "watchers"]
    assert (
        "baseline, minicpmo, minicpmo-duplex, vlm, openai, realtime, scripted (built in)"
        in lines["commentators"]
    )
    assert "hibari" in lines["voices"] and "synthetic" in lines["sources"]
