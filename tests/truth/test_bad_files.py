"""Bad input: every fault is one line that names the place, and nothing is written."""

from __future__ import annotations

import json
import random

import pytest

from commentator_lib.truth import files
from commentator_lib.truth.base import TruthError
from commentator_lib.truth.files import read_truth, write_truth
from tests.truth import examples
from tests.truth.examples import ALL


def refused(path, **more):
    """Return the one line with which a file is refused."""
    with pytest.raises(TruthError) as caught:
        read_truth(path, **more)
    line = str(caught.value)
    assert "\n" not in line and str(path) in line
    return line


@pytest.fixture
def made(tmp_path):
    def make(content):
        path = tmp_path / "made"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.mark.parametrize("name", ALL)
def test_a_file_cut_anywhere_is_refused_or_holds_rows_of_the_whole(name, made):
    """At no place does half a file raise anything else, or give a time that the whole file does not have."""
    form, content = ALL[name]
    whole = files.FORMATS[form].read(content)
    times = {t.start_s for t in whole.texts} | {e.t_s for e in whole.events}
    refusals = 0
    for end in range(0, len(content) - 2, 7):
        try:
            part, _ = read_truth(made(content[:end]), form)
        except TruthError as error:
            refusals += 1
            assert "\n" not in str(error)
        else:
            found = [*(t.start_s for t in part.texts), *(e.t_s for e in part.events)]
            assert set(found) <= times and len(found) <= len(whole.texts) + len(whole.events)
    assert refusals > len(content) / 7 * (0.5 if content[0] in "[{" else 0.02)


@pytest.mark.parametrize("name", ALL)
def test_a_file_with_a_wrong_character_anywhere_is_read_or_refused(name, made):
    """What is read has times that can be, whatever a character was replaced by."""
    form, content = ALL[name]
    rng = random.Random(name)
    for _ in range(150):
        place = rng.randrange(len(content))
        wrong = rng.choice('0123456789-+.,:;"{}[]\\\n\r\t ²٣éxNe\u2028') * rng.choice((1, 1, 1, 30, 5000))
        try:
            timeline, _ = read_truth(
                made(content[:place] + wrong + content[place + 1 :]), rng.choice((None, form))
            )
        except TruthError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
        else:
            times = [*(t.end_s for t in timeline.texts), *(e.t_s for e in timeline.events)]
            assert all(0 <= time_s < 1e6 for time_s in times)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "format is not recognised"),
        ("a,b,c\n1,2,3\n", "format is not recognised; name one of webvtt, srt, livesports"),
        ("{}", "format is not recognised"),
        ("[[", "damaged or cut off"),
        ("WEBVTT\n", "neither text nor events"),
        ("WEBVTT\n\n00:02.000 --> 00:0\nGo.\n", "line 3: '00:0' is no time"),
        ("WEBVTT\n\n00:02.000 --> 00:04.000\n", "line 3: the cue at 2 s has no text"),
        ("WEBVTT\n\nname\n\n", "line 3: 'name' has no times"),
        ("1\n00:00:01,000 --> 00:00:02,000\nGo.\n\nnoise\nmore\n", "line 5: a number"),
        ('{"segments": {"0": [1, 2]}}', r"segment 0 is '\[1, 2\]'"),
        ('{"segments": {"0": ["x", 2, "a"]}}', "segment 0: 'x' is no number"),
        ('{"segments": {"0": [NaN, 2, "a"]}}', "at nan s: that is no time"),
        ('{"segments": {"0": [1, Infinity, "a"]}}', "at inf s: that is no time"),
        ('{"segments": {"0": [-1, 2, "a"]}}', "at -1 s: that is no time"),
        ('{"type": "text_stream", "text_stream": [[1, 2, "a"]]}\n{"no": 1}\n', "line 2 has no 'text_stream'"),
        ('{"type": "text_stream", "text_stream": [[1, 2, "a"]]}\n{"text_str', "line 2 is damaged or cut off"),
        ('{"video_id": "a", "begin": "soon", "end": 2, "pred": "x"}\n', "line 1: 'soon' is no number"),
        ('{"video_id": 7, "begin": 1, "end": 2, "pred": "x"}\n', "line 1: video_id is '7'"),
        (
            '{"predictions": [{"gameTime": "half past", "label": "Goal"}]}',
            "predictions 1: gameTime is 'half past'",
        ),
        ('{"predictions": [{"gameTime": "1 - 0:01", "label": ""}]}', "predictions 1 has an empty label"),
        ("x.mp4\nTimestamp: 00:00:01 Caption: a\nTimestamp: 1\n", "line 3 is neither a video nor"),
        ("x.mp4\nTimestamp: 0:1:2:3 Caption: a\n", "line 2: '0:1:2:3' is no time"),
        (
            '[{"id": 1, "task": "SSR", "video": "a", "all_steps": ["b"], "start_time": [], "end_time": [2]}]',
            "task 1 has 1 things, 0 starts and 1 ends",
        ),
        ('[{"id": 1, "task": "CRR", "video": "a", "ask_time": 1}]', "task 1 has no 'clue_time'"),
        ('[{"sentence": "a", "start": 1, "end": 2}, 7]', "sentence 2 is no object"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nCaf\xe9\n", "line 4 is not UTF-8.*iconv -f CP1252"),
        (examples.WEBVTT.encode("utf-16"), "it is UTF-16; make it UTF-8 first: iconv"),
        (examples.WEBVTT.encode("utf-16-be"), "no text, or UTF-16 without its mark"),
        ("[" * 100_000, "damaged or cut off"),
    ],
)
def test_a_bad_file_is_one_line(content, message, made):
    path = made(content)
    with pytest.raises(TruthError, match=message):
        read_truth(path)
    refused(path)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (
            "video_id,start,end,event_asr_text",
            "a,1,2,x",
            "columns 'video_id', 'start', 'end', 'event_asr_text'; video_id",
        ),
        ("video_id,begin,end", "a,1,2", "one of event_asr_text, pred, event_title are needed"),
        ("video_id,begin,end,pred", "a,1", "line 2 has another number of columns"),
        ("video_id,begin,end,pred", "a,1,2,x,y", "line 2 has another number of columns"),
        ("video_id,begin,end,pred", 'a,1,2,"x', "line 2 is damaged or cut off"),
        ("video_id,begin,end,pred", "a,1,,x", "line 2: '' is no number"),
        ("video_id,begin,end,pred", "a,1,2,", "line 2 has no text"),
    ],
)
def test_wrong_columns(header, row, message, made):
    with pytest.raises(TruthError, match=message):
        read_truth(made(f"{header}\n{row}\n"), "livesports")


def cues(*spans):
    return "WEBVTT\n\n" + "\n\n".join(f"00:{a:06.3f} --> 00:{b:06.3f}\nword" for a, b in spans) + "\n"


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        (
            [(1, 3), (2.5, 4)],
            r"text 2 \('word'\) overlaps: it starts at 2.5 s, the text before it ends at 3 s",
        ),
        ([(5, 6), (1, 2)], "text 2 .* runs backwards: it starts at 1 s, the text before it at 5 s"),
        ([(3, 2)], "text 1 .* ends at 2 s, before its start at 3 s"),
    ],
)
def test_times_that_overlap_or_run_backwards(spans, message, made):
    with pytest.raises(TruthError, match=message):
        read_truth(made(cues(*spans)))


def test_times_beyond_the_clip(made):
    assert "text 2 ('word') is at 9 s, beyond the clip's 5 s" in refused(
        made(cues((1, 2), (3, 9))), clip_s=5.0
    )
    assert (
        len(read_truth(made(cues((1, 2), (3, 5.5))), clip_s=5.0)[0].texts) == 2
    )  # a container's length is not exact
    assert "beyond the clip's 60 s" in refused(made(examples.LABELS_V2), clip_s=60.0)


def test_rounding_and_other_videos_are_no_overlap(made):
    words = [[1.0, 2.0004, "a"], [2.0, 3.0, "b"]]
    lines = [json.dumps({"type": "text_stream", "text_stream": words})] * 2
    assert len(read_truth(made("\n".join(lines)))[0].texts) == 4
    assert (
        len(read_truth(made(examples.LIVESPORTS_CSV))[0].texts) == 3
    )  # published events overlap, in any order


def test_a_byte_order_mark_is_no_text(made):
    for name in ("WebVTT", "LiveSports CSV", "SoccerNet-Echoes"):
        form, content = ALL[name]
        timeline, found = read_truth(made(b"\xef\xbb\xbf" + content.encode()))
        assert found.name == form and timeline == files.FORMATS[form].read(content)


def test_what_is_no_file_or_of_no_known_format(tmp_path, made):
    assert "no such file" in refused(tmp_path / "none.vtt")
    assert "it is no file" in refused(tmp_path)
    assert "unknown format 'tapes'; known are webvtt" in refused(made(examples.SRT), name="tapes")
    assert "does not begin with WEBVTT" in refused(made(examples.SRT), name="webvtt")


def test_a_file_of_ten_million_rows_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "many.vtt"
    with open(path, "wb") as file:
        file.truncate(400_000_000)  # of ten million cues of forty bytes; no disk is used
    monkeypatch.setattr(type(path), "read_bytes", lambda self: pytest.fail("it was read"))
    assert "400 MB, and 16 MB are the most; cut it into parts" in refused(path)


def test_an_existing_file_is_kept(tmp_path):
    timeline = files.FORMATS["srt"].read(examples.SRT)
    path = tmp_path / "out.vtt"
    path.write_text("mine")
    with pytest.raises(TruthError, match="exists already; --force replaces it"):
        write_truth(timeline, path, files.FORMATS["webvtt"])
    assert path.read_text() == "mine"
    write_truth(timeline, path, files.FORMATS["webvtt"], replace=True)
    assert path.read_text().startswith("WEBVTT") and list(tmp_path.iterdir()) == [path]
    with pytest.raises(TruthError, match="cannot be written: No such file"):
        write_truth(timeline, tmp_path / "none" / "out.vtt", files.FORMATS["webvtt"])
