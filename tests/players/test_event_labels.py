"""What chips and tooltips say of events, also where a watcher's facts are strange."""

from __future__ import annotations

import json

import pytest

from commentator_lib.players.event_labels import LONG_CHARACTERS, SHORT_CHARACTERS, long_label, short_label

KEYS = ("score", "teams", "clock", "about", "heading", "line", "text", "begins", "length_s", "rise_db")


def row(kind, **facts):
    return {"event": 0, "kind": kind, "facts": json.dumps(facts, ensure_ascii=False)}


@pytest.mark.parametrize(
    ("event", "short", "long"),
    [
        (row("score", score=[2, 1], teams=["HAR", "LEI"]), "2-1", "score 2-1, HAR – LEI"),
        (row("score", score=[40, "AD"], teams=["", ""]), "40-AD", "score 40-AD"),
        (row("score", score=[2, 0], correction=True, clock="9:01"), "2-0", "score corrected to 2-0, 9:01"),
        (row("score"), "score", "score"),
        (row("caption", about="goal", text="GOAL 9 Harlow"), "GOAL", "caption GOAL 9 Harlow"),
        (row("caption", about="", heading="Round 12", line="Day 2"), "Round 12", "caption Round 12 Day 2"),
        (row("caption"), "caption", "caption"),
        (row("replay", begins=True), "replay", "replay"),
        (row("replay", seen_s=12.5), "replay", "replay"),
        (row("replay", begins=False), "replay over", "replay over"),
        (row("replay", ends=True), "replay over", "replay over"),
        (row("whistle", length_s=0.62, blasts=1), "whistle", "whistle, 0.6 s"),
        (row("whistle", blasts=3), "whistle ×3", "whistle ×3"),
        (row("swell", rise_db=9.3), "crowd", "swell of the crowd, +9 dB"),
        (row("motion", where="left", strength=8.1), "motion", "motion left"),
        (row("cut", length_s=4.25), "cut", "cut after 4.2 s"),
        (row("wipe"), "wipe", "wipe"),
        (row("clock", clock="45:00", state="stopped"), "clock", "clock stopped 45:00"),
        (row("door_bell", rings=2), "door bell", "door bell rings 2"),
        (row("door_bell", loud=True, who=None, at=["gate"]), "door bell", "door bell"),
        ({"kind": "black"}, "black", "black"),
        ({}, "event", "event"),
    ],
)
def test_labels(event, short, long):
    assert (short_label(event), long_label(event)) == (short, long)


@pytest.mark.parametrize("facts", ["", "{", "[1]", "null", "[" * 100_000, None, 5])
def test_facts_that_are_no_object_are_left_out(facts):
    event = {"kind": "score", "facts": facts}
    assert (short_label(event), long_label(event)) == ("score", "score")


@pytest.mark.parametrize("kind", ["score", "caption", "replay", "whistle", "swell", "clock", "cut", "motion"])
@pytest.mark.parametrize("value", [None, True, [], {}, [[1], {}], "x", -1, 1e300, 10**400, float("nan")])
def test_facts_of_another_type_raise_no_error(kind, value):
    event = row(kind, **dict.fromkeys(KEYS, value))
    assert 0 < len(short_label(event)) <= SHORT_CHARACTERS
    assert 0 < len(long_label(event)) <= LONG_CHARACTERS


def test_text_from_the_picture_is_one_short_line_without_control_marks():
    text = "<b>GOAL</b>\n\u202eevil\u0007\u2028" + "long " * 5_000
    event = row("caption", heading=text, text=text)
    assert short_label(event) == "<b>GOAL</b> evil long l…" and len(short_label(event)) == SHORT_CHARACTERS
    assert long_label(event).startswith("caption <b>GOAL</b> evil long") and long_label(event)[-1] == "…"
    assert len(long_label(event)) <= LONG_CHARACTERS
    assert len(short_label(row("k" * 500))) == SHORT_CHARACTERS
