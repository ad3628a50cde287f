"""Each format: what is read from a made example, that it is recognised, and that what is written comes back."""

from __future__ import annotations

import json

import pytest

from commentator_lib.truth.base import TimedEvent, TimedText, Timeline, TruthError
from commentator_lib.truth.files import FORMATS, read_truth, recognise, write_truth
from commentator_lib.truth.formats.parsing import clock, clock_s
from tests.truth import examples
from tests.truth.examples import ALL, WRITTEN


def read(name):
    form, content = ALL[name]
    return FORMATS[form].read(content)


@pytest.mark.parametrize("name", ALL)
def test_a_format_is_told_by_its_content(name):
    form, content = ALL[name]
    assert recognise(content).name == form


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_format_writes_comes_back_byte_by_byte(name, tmp_path):
    form, content = WRITTEN[name]
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(content.encode())
    timeline, found = read_truth(first)
    write_truth(timeline, second, found)
    assert found.name == form
    assert second.read_bytes() == first.read_bytes()


def test_every_format_has_an_example_and_every_writer_one_that_comes_back():
    assert {form for form, _ in ALL.values()} == set(FORMATS)
    assert {form for form, _ in WRITTEN.values()} == {f.name for f in FORMATS.values() if f.write}


def texts(name):
    return [(t.video, t.start_s, t.end_s, t.text) for t in read(name).texts]


def test_captions():
    found = read("WebVTT").texts
    assert [(t.start_s, t.end_s) for t in found] == [(1.0, 3.5), (4.0, 6.25), (3600.0, 3602.0)]
    assert found[0].text == "Player 9 takes the kick-off, and passes to player 4."
    assert found[1].text == "Fish & chips <for> two."
    assert dict(found[1].extra) == {"id": "second", "settings": "align:start position:10%"}
    assert found[0].extra["voice"] == "Commentator"
    assert texts("SubRip")[1] == ("", 3600.0, 3602.0, "“Tooor!” ⚽ Ein Treffer.")


def test_notes_and_styles_of_webvtt_are_no_captions():
    notes = (
        "WEBVTT - made\n\nNOTE\n00:01.000 --> 00:02.000\n\nSTYLE\n::cue { }\n\n00:03.000 --> 00:04.000\nGo.\n"
    )
    (only,) = FORMATS["webvtt"].read(notes).texts
    assert (only.start_s, only.text) == (3.0, "Go.")
    assert FORMATS["webvtt"].read(notes.replace("\n", "\r\n")).texts[0].text == "Go."


def test_live_sports():
    assert texts("LiveSports CSV") == [
        ("match_a", 31.83, 65.887, 'Player 9, and "what a run" it is.'),
        ("match_b", 3.5, 9.0, "They walk in."),
        ("match_a", 60.1, 70.0, "The shot"),  # nothing was said: its title
    ]
    assert read("LiveSports CSV").videos == ["match_a", "match_b"]
    assert read("LiveSports CSV").texts[0].extra["event_id"] == "14"


def test_words_of_live_whisperx():
    assert texts("text_stream") == [
        ("0", 16.8, 16.9, "all"),
        ("0", 16.9, 17.25, "over"),
        ("1", 2.0, 2.4, "again"),
    ]
    assert texts("Live-WhisperX conversations")[1:] == [
        ("a.mp4", 16.9, 17.25, "over"),
        ("b.mp4", 2.0, 2.4, "again"),
    ]


def test_soccernet():
    assert texts("Labels-caption.json") == [
        ("1", 31.5, 31.5, "[PLAYER] ([TEAM]) is booked."),
        ("2", 2762.0, 2762.0, "A goal by [PLAYER]."),
    ]
    labels = read("Labels-v2.json")
    assert [(e.video, e.t_s, e.kind) for e in labels.events] == [
        ("1", 0.412, "Kick-off"),
        ("1", 727.404, "Throw-in"),
        ("2", 60.0, "Somersault"),
    ]
    assert labels.events[1].extra["visibility"] == "not shown" and labels.extra["gameDate"]
    assert [e.confidence for e in read("results_spotting.json").events] == [0.006630070507526398, 0.5]
    assert texts("SoccerNet-Echoes")[1] == ("", 3.0, 8.240000000000002, " ¡Qué  pase!")
    without = examples.LABELS_V2.replace('"position": "727404", ', "")
    assert FORMATS["soccernet-spotting"].read(without).events[1].t_s == 727.0


def test_ovo_bench():
    found = read("OVO-Bench").events
    assert [(e.kind, e.t_s, e.window_s, e.text, e.asked_s) for e in found] == [
        ("EPM", 215.0, None, "player 9", 215.0),
        ("CRR", 308.0, None, "A pass.", 297.0),
        ("cross the laces", 25.0, (25.0, 30.0), "", None),
        ("pull", 31.0, (31.0, 49.5), "", None),
        ("jumping", 6.0, (6.0, 8.0), "", None),
        ("jumping", 20.0, (20.0, 21.0), "", None),
    ]
    assert found[2].video == "made/b.mp4" and found[0].extra["gt"] == 1


def test_streaming_bench():
    (event,) = read("StreamingBench").events
    assert (event.t_s, event.window_s, event.asked_s, event.text) == (29.0, (27.0, 31.0), 20.0, "3")
    assert event.video == "./videos/made_17.mp4"


def test_omnistar_and_omni_duplex():
    assert texts("OmniStar")[1:] == [
        ("match_a", 69.0, 69.0, "Player 9 takes the kick-off."),
        ("match_b", 3600.0, 3600.0, "It rains: nobody plays."),
    ]
    assert texts("OmniStar result")[0] == ("match_a", 2.0, 2.0, "Here they are.")
    assert texts("Omni-DuplexEval")[1] == ("", 9.0, 9.875, "¡Gol!")
    assert texts("Omni-DuplexEval, points") == [
        ("", 4.2, 4.2, "Player 9 has the ball."),
        ("", 9.0, 9.0, "Goal!"),
    ]


def test_a_scripted_match():
    assert texts("a scripted match") == [
        ("match", 2.0, 12.0, "shot by RED 9, goal, 1–0"),
        ("match", 20.0, 30.0, "play"),
    ]
    found = [(e.video, e.kind, e.t_s) for e in read("a scripted match").events]
    assert found == [("match", "shot", 4.0), ("match", "goal", 5.0), ("match", "scoreboard", 6.5)]


# --- from one format to another


@pytest.mark.parametrize(
    "form", [f.name for f in FORMATS.values() if f.write and f.name != "soccernet-spotting"]
)
def test_captions_become_any_format_of_text(form):
    captions = read("WebVTT")
    again = FORMATS[form].read(FORMATS[form].write(captions))
    exact = form != "omnistar"
    assert [t.start_s for t in again.texts] == [
        t.start_s if exact else int(t.start_s) for t in captions.texts
    ]
    assert [" ".join(t.text.split()) for t in again.texts] == [
        " ".join(t.text.split()) for t in captions.texts
    ]


def test_a_point_in_time_is_shown_until_the_next_one():
    points = Timeline([TimedText(t, t, f"at {t}") for t in (1.0, 2.0, 9.0)])
    assert [(t.start_s, t.end_s) for t in FORMATS["srt"].read(FORMATS["srt"].write(points)).texts] == [
        (1.0, 2.0),
        (2.0, 4.0),
        (9.0, 11.0),
    ]


def test_events_are_written_as_text_by_what_is_to_be_said():
    (cue,) = FORMATS["webvtt"].read(FORMATS["webvtt"].write(read("StreamingBench"))).texts
    assert (cue.start_s, cue.end_s, cue.text) == (29.0, 31.0, "3")
    (first, *_) = (
        FORMATS["omni-duplex"].read(FORMATS["omni-duplex"].write(read("Labels-v2.json").of_video("1"))).texts
    )
    assert (first.start_s, first.text) == (0.412, "Kick-off")


def test_kinds_of_the_workbench_get_the_names_of_soccernet_and_others_stay():
    events = [TimedEvent("goal", 61.25, confidence=0.75), TimedEvent("slam dunk", 5.0)]
    table = json.loads(FORMATS["soccernet-spotting"].write(Timeline(events=events)))
    assert table["predictions"] == [
        {"gameTime": "1 - 0:05", "label": "slam dunk", "position": "5000", "half": "1", "confidence": "1.0"},
        {"gameTime": "1 - 1:01", "label": "Goal", "position": "61250", "half": "1", "confidence": "0.75"},
    ]


@pytest.mark.parametrize(
    ("name", "to", "message"),
    [
        ("WebVTT", "soccernet-spotting", "holds no events"),
        ("LiveSports CSV", "webvtt", "speaks of 2 videos.*'match_a', 'match_b'"),
        ("LiveSports CSV", "soccernet-caption", "speaks of 2 videos"),
        ("WebVTT", "ovo-bench", "ovo-bench is read only"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(name, to, message, tmp_path):
    with pytest.raises(TruthError, match=message):
        write_truth(read(name), tmp_path / "out", FORMATS[to])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:07", 7.0), ("1:02:03.5", 3723.5), ("00:00:01,250", 1.25), ("90:00", 5400.0)]
)
def test_clocks(text, seconds):
    assert clock_s(text) == seconds
    assert clock_s(clock(seconds)) == seconds


@pytest.mark.parametrize("text", ["7", "1:2:3", "-0:01", "a:bc", "00:00:01.1234", ""])
def test_what_is_no_clock(text):
    with pytest.raises(TruthError, match="no time"):
        clock_s(text)
