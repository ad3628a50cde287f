"""Text on screen: it is said after two equal readings, and readings are rare."""

from __future__ import annotations

import cv2
import pytest

from tests.commentators.baseline.conftest import (
    clip,
    frames_of,
    new_baseline,
    run,
    say,
)


def reader(*readings):
    """Return an OCR function that gives these readings one after another, then nothing."""
    turns = iter(readings)
    return lambda image: next(turns, [])


def test_text_read_once_is_not_named_and_twice_is(loaded):
    frames = frames_of(clip("bigbuckbunny.mp4"))
    once = new_baseline(loaded, ocr=True, read_text=reader([("TAXI", 0.95)], [("TAXL", 0.95)]))
    assert "TAX" not in say(once, frames[0:7:2])
    twice = new_baseline(loaded, ocr=True, read_text=reader([("TAXI", 0.95)], [("Taxi.", 0.9)]))
    assert "TAXI" in say(twice, frames[0:7:2]).upper()


def test_text_on_a_single_frame_waits_for_another(loaded):
    frames = frames_of(clip("bigbuckbunny.mp4"))
    baseline = new_baseline(loaded, ocr=True, read_text=lambda image: [("KENYA 2-1", 0.97)])
    assert "KENYA" not in say(baseline, frames[:1])
    later = say(baseline, frames[6:8])
    assert '"KENYA 2-1"' in later
    assert not any("KENYA" in say(baseline, [f]) for f in frames[8:])  # said once


def test_a_second_text_is_named_soon_after_the_first(loaded):
    frames = frames_of(list(clip("carphone_pristine.mp4")))
    shown = {0: "ONE", 1: "TWO"}
    baseline = new_baseline(loaded, ocr=True, read_text=lambda image: [(shown[now], 0.99)])
    now = 0
    assert '"ONE"' in say(baseline, frames[0:2])
    now = 1
    assert '"TWO"' in say(baseline, frames[6:8])


@pytest.mark.slow
def test_doubtful_or_foreign_or_long_readings_do_not_count(loaded):
    frames = frames_of(clip("bigbuckbunny.mp4"))
    for text, score in (("TAXI", 0.6), ("出租车", 0.99), ("I", 0.99), ("a" * 60, 0.99), ("--", 0.99)):
        baseline = new_baseline(loaded, ocr=True, read_text=lambda image, r=(text, score): [r])
        assert text not in say(baseline, frames[0:7:2]) + say(baseline, frames[7:10])


@pytest.mark.slow
def test_reading_is_rare(loaded):
    calls = []

    def read(image):
        calls.append(1)
        return []

    baseline = new_baseline(loaded, ocr=True, read_text=read)
    run(baseline, frames_of(clip("bikes.mp4")), every_s=0.5)
    assert 2 <= len(calls) <= 4  # ten seconds, one reading in three


@pytest.mark.slow
def test_real_ocr_reads_a_caption(loaded):
    pytest.importorskip("rapidocr")
    pictures = [x.copy() for x in clip("bigbuckbunny.mp4")[:4]]
    for picture in pictures:
        cv2.rectangle(picture, (20, 20), (300, 70), (0, 0, 0), -1)
        cv2.putText(picture, "KENYA 2-1", (30, 58), 0, 1.2, (255, 255, 255), 2, cv2.LINE_AA)
    assert '"KENYA 2-1"' in say(new_baseline(loaded, ocr=True), frames_of(pictures))
