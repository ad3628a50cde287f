"""Captions as WebVTT, and their cues."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from commentator_lib.runs.captions import cues, write_srt, write_vtt


def test_vtt_names_the_commentator(run, tmp_path):
    count = write_vtt(run, tmp_path / "out.vtt")
    text = (tmp_path / "out.vtt").read_text()
    assert text.startswith("WEBVTT\n\n00:00:0") and text.count("<v scripted>") == count > 1
    assert "..." not in text


def test_srt_numbers_the_same_cues(run, tmp_path):
    count = write_srt(run, tmp_path / "out.srt")
    blocks = (tmp_path / "out.srt").read_text().strip().split("\n\n")
    assert len(blocks) == count == write_vtt(run, tmp_path / "out.vtt")
    times = [line for line in (tmp_path / "out.vtt").read_text().splitlines() if "-->" in line]
    for k, (block, time) in enumerate(zip(blocks, times, strict=True), start=1):
        number, when, words = block.split("\n")
        assert int(number) == k and when == time.replace(".", ",") and words == cues(run)[k - 1].text


def cues_of(*captions, heard_to_s):
    """Return the cues of one cycle whose captions are given as (time, all of the text so far)."""
    events = [{"kind": "caption", "cycle": 1, "at_s": at_s, "text": text} for at_s, text in captions]
    cycles = pd.DataFrame({"cycle": [1], "heard_to_s": [heard_to_s]})
    return cues(SimpleNamespace(cycles=cycles, events=events))


def test_short_growth_joins_the_cue_and_a_sentence_ends_it():
    found = cues_of((1.0, "A dog"), (1.5, "A dog runs."), (3.0, "A dog runs. It stops."), heard_to_s=5.0)
    assert [(c.from_s, c.to_s, c.text) for c in found] == [(1.0, 3.0, "A dog runs."), (3.0, 5.0, "It stops.")]


def test_long_text_is_divided_and_shares_its_time_by_length():
    text = " ".join(["word"] * 40)  # 199 characters: three cues of two lines
    found = cues_of((2.0, text), heard_to_s=12.0)
    assert len(found) == 3 and " ".join(c.text for c in found) == text
    assert all(len(c.text) <= 84 for c in found)
    assert found[0].from_s == 2.0 and found[-1].to_s == pytest.approx(12.0)
    lengths = [c.to_s - c.from_s for c in found]
    assert lengths[0] / lengths[2] == pytest.approx(len(found[0].text) / len(found[2].text))


def test_caption_without_sound_stays_long_enough_to_be_read():
    found = cues_of((1.0, "one two three four five six seven eight nine"), heard_to_s=float("nan"))
    assert [(c.from_s, c.to_s) for c in found] == [(1.0, 4.0)]
