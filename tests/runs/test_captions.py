"""Captions as WebVTT, and their cues."""

from __future__ import annotations

from types import SimpleNamespace
from xml.etree import ElementTree

import pandas as pd
import pytest

from commentator_lib.runs.captions import cues, write_captions, write_srt, write_ttml, write_vtt
from commentator_lib.runs.line_breaks import columns
from tests.runs.scripts import SENTENCES


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
        number, when, *lines = block.split("\n")
        assert int(number) == k and when == time.replace(".", ",") and lines == cues(run)[k - 1].lines


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


def test_growth_without_spaces_is_joined_without_them():
    found = cues_of(
        (1.0, "白队"), (1.5, "白队进球"), (2.0, "白队进球。"), (3.0, "白队进球。快看！"), heard_to_s=5.0
    )
    assert [(c.from_s, c.text) for c in found] == [(1.0, "白队进球。"), (3.0, "快看！")]


def test_chinese_without_sound_is_shown_as_long_as_it_is_read():
    (cue,) = cues_of((1.0, "白队进球" * 9), heard_to_s=float("nan"))
    assert cue.to_s - cue.from_s == pytest.approx(36 / 9)


@pytest.mark.parametrize("script", SENTENCES)
def test_every_format_has_two_lines_at_most_and_all_words(script, run, tmp_path):
    text = SENTENCES[script] + " <b> & {x}"
    spoken = SimpleNamespace(
        folder=run.folder,
        header={"commentator": "A & B"},
        cycles=run.cycles.iloc[:1],
        events=[{"kind": "caption", "cycle": int(run.cycles.cycle.iloc[0]), "at_s": 2.0, "text": text}],
    )
    write_captions(spoken, tmp_path)
    vtt, srt = ((tmp_path / f"commentary.{end}").read_text(encoding="utf-8") for end in ("vtt", "srt"))
    vtt_cues = [block.split("\n")[1:] for block in vtt.strip().split("\n\n")[1:]]
    srt_cues = [block.split("\n")[2:] for block in srt.strip().split("\n\n")]
    unescaped = [
        [
            line.removeprefix("<v A & B>").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            for line in cue
        ]
        for cue in vtt_cues
    ]
    root = ElementTree.parse(tmp_path / "commentary.ttml").getroot()
    paragraphs = root.findall(".//{http://www.w3.org/ns/ttml}p")
    ttml_cues = [[p.text, *(br.tail for br in p)] for p in paragraphs]
    assert unescaped == srt_cues == ttml_cues
    assert all(len(cue) <= 2 and max(map(columns, cue)) <= 42 for cue in srt_cues)
    assert "".join("".join(cue) for cue in srt_cues).replace(" ", "") == text.replace(" ", "")
    turned = "{http://www.w3.org/ns/ttml#styling}direction"
    assert (paragraphs[0].get(turned) == "rtl") == (script in ("Arabic", "Hebrew"))


def test_ttml_has_the_times_of_webvtt_and_names_the_commentator(run, tmp_path):
    count = write_ttml(run, tmp_path / "out.ttml")
    write_vtt(run, tmp_path / "out.vtt")
    root = ElementTree.parse(tmp_path / "out.ttml").getroot()
    assert root.tag == "{http://www.w3.org/ns/ttml}tt"
    assert root.find(".//{http://www.w3.org/ns/ttml#metadata}name").text == "scripted"
    found = [f"{p.get('begin')} --> {p.get('end')}" for p in root.iter("{http://www.w3.org/ns/ttml}p")]
    times = [line for line in (tmp_path / "out.vtt").read_text().splitlines() if "-->" in line]
    assert found == times and len(found) == count
