"""The truth of a clip: it is written, read back, and refused for another clip."""

from __future__ import annotations

import json

import pytest

from experiments.match_clip.events import (
    Event,
    EventsError,
    Sound,
    Stretch,
    Truth,
    load_events,
    save_events,
    validate,
)

TRUTH = Truth(
    30.0,
    (Event("kick-off", 2.0, 1.0, "RED"), Event("scoreboard", 12.0, score=(1, 0))),
    (Stretch("action", 0.0, 18.0), Stretch("nothing", 18.0, 30.0)),
    ("RED", "BLU"),
    seed=3,
    sounds=(
        Sound("whistle", 1.4, 2.0, 6.0, "kick-off", 2.0),
        Sound("kick", 2.0, 2.1, 8.0, "kick-off", 2.0),
        Sound("kick", 4.0, 4.1),
    ),
)


@pytest.fixture
def saved(tmp_path):
    clip, events = tmp_path / "clip.mp4", tmp_path / "clip.events.json"
    clip.write_bytes(b"a clip")
    save_events(TRUTH, events, clip)
    return clip, events


def test_comes_back_as_it_was(saved):
    clip, events = saved
    assert load_events(events, clip) == load_events(events) == TRUTH
    assert [e.kind for e in TRUTH.of_kind("kick-off")] == ["kick-off"]
    kick_off, scoreboard = TRUTH.events
    assert [s.kind for s in TRUTH.sounds_of(kick_off)] == ["whistle", "kick"] and not TRUTH.sounds_of(
        scoreboard
    )


def test_kinds_of_other_sports_are_kept(saved, tmp_path):
    truth = Truth(9.0, (Event("slam dunk", 2.0),), (Stretch("action", 0.0, 9.0),))
    save_events(truth, tmp_path / "other.json", saved[0])
    assert load_events(tmp_path / "other.json").of_kind("slam dunk")[0].t_s == 2.0


def test_another_clip_is_refused(saved, tmp_path):
    _, events = saved
    other = tmp_path / "other.mp4"
    other.write_bytes(b"another clip")
    with pytest.raises(EventsError, match="another clip"):
        load_events(events, other)
    with pytest.raises(EventsError, match="cannot read the clip"):
        load_events(events, tmp_path / "none.mp4")


def changed(path, **changes):
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, **changes}))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 7}, "format 7"),
        ({"format_version": 1}, "format 1, this version reads 2"),  # files without sounds
        ({"sounds": [{"kind": "song", "from_s": 1.0, "to_s": 2.0}]}, "unknown kind 'song'"),
        ({"sounds": [{"kind": "roar", "from_s": 2.0, "to_s": 2.0}]}, "a roar from 2 to 2 s"),
        ({"sounds": [{"kind": "roar", "from_s": 2.0, "to_s": 31.0}]}, "of 30 s"),
        (
            {"sounds": [{"kind": "kick", "from_s": t, "to_s": 9.0} for t in (2.0, 1.0)]},
            "sounds are not in order",
        ),
        (
            {"sounds": [{"kind": "roar", "from_s": 2.0, "to_s": 4.0, "event": "goal"}]},
            "goal that is not there",
        ),
        ({"teams": None}, "damaged"),
        ({"events": [{"kind": "goal"}]}, "damaged"),
        ({"events": [{"kind": " ", "t_s": 1.0}]}, "without a kind at 1 s"),
        ({"events": [{"kind": "goal", "t_s": 31.0}]}, "outside"),
        ({"events": [{"kind": "goal", "t_s": 3.0}, {"kind": "shot", "t_s": 2.0}]}, "order of time"),
        ({"stretches": [{"kind": "action", "from_s": 0.0, "to_s": 9.0}]}, "end at 9 s"),
        ({"stretches": [{"kind": "action", "from_s": 1.0, "to_s": 30.0}]}, "gap"),
        ({"stretches": [{"kind": "sleep", "from_s": 0.0, "to_s": 30.0}]}, "'sleep'"),
    ],
)
def test_what_cannot_be_used(saved, changes, message):
    with pytest.raises(EventsError, match=message):
        load_events(changed(saved[1], **changes))


def test_missing_cut_off_or_no_table(tmp_path, saved):
    with pytest.raises(EventsError, match="cannot read the events file"):
        load_events(tmp_path / "none.json")
    text = saved[1].read_text()
    saved[1].write_text(text[: len(text) // 2])
    with pytest.raises(EventsError, match="damaged"):
        load_events(saved[1])
    saved[1].write_text("[]")
    with pytest.raises(EventsError, match="format None"):
        load_events(saved[1])


def test_a_truth_that_contradicts_itself_is_not_written(tmp_path, saved):
    with pytest.raises(EventsError):
        save_events(Truth(5.0, (Event("goal", 9.0),), ()), tmp_path / "bad.json", saved[0])
    assert not (tmp_path / "bad.json").exists()
    validate(TRUTH)
