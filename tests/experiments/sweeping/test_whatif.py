"""What-if runs: costs from a file, tiny pictures, and a spotter that names only what its frames show."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from commentator_lib.commentary.prompts import LENGTH_HINTS, build_prompt
from commentator_lib.commentators.base import NOTHING_TO_SAY, CommentRequest
from commentator_lib.media import Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.truth import naming
from experiments.match_clip.events import KINDS, Event, Stretch, Truth
from experiments.measuring import metrics
from experiments.sweeping import whatif
from experiments.sweeping.costs import COSTS, CostError, TokenCost, load_cost, save_cost
from experiments.sweeping.whatif import Spotter, SpotterTraits, TinyMatch

COST = TokenCost("by hand", 66, 1.0, 0.001, 0.0, 0.5, 0.001, 0.2, 0.0, 0.3)
SURE = SpotterTraits(recognise=1.0, misread=0.0, quiet=1.0, median_tokens=20.0, tokens_sigma=0.0)
TRUTH = Truth(
    60.0,
    (Event("goal", 10.0, 3.0, "RED", "9", (1, 0)), Event("corner", 30.0, 2.0, "BLU")),
    (Stretch("action", 0.0, 20.0), Stretch("nothing", 20.0, 60.0)),
    ("RED", "BLU"),
)


def request(*times_s, cap=150, hint="normal"):
    image = np.zeros((36, 64, 3), np.uint8)
    frames = [Frame(round(t * 25), t, t, image) for t in times_s]
    return CommentRequest(frames, build_prompt("sports", "Follow the match.", "", hint), cap)


def words(spotter, *times_s, **more):
    """Return what the spotter says to frames of these times."""
    return "".join(c.text for c in spotter.comment(request(*times_s, **more))).strip()


# --- the spotter


def test_names_an_event_only_when_a_frame_shows_it():
    spotter = Spotter(TRUTH, COST, SURE)
    assert "goal" not in naming.kinds_named(words(spotter, 5.0, 9.9))
    assert "goal" not in naming.kinds_named(words(Spotter(TRUTH, COST, SURE), 13.5, 15.0))
    assert "goal" in naming.kinds_named(words(spotter, 9.0, 12.0))
    assert "goal" not in naming.kinds_named(words(spotter, 12.0, 12.5))  # an event is named once


def test_what_it_does_not_recognise_it_does_not_name():
    blind = SpotterTraits(recognise=0.0, misread=0.0)
    assert "goal" not in naming.kinds_named(words(Spotter(TRUTH, COST, blind), 10.5, 11.0))


def test_says_nothing_where_nothing_goes_on_and_something_where_it_does():
    spotter = Spotter(TRUTH, COST, SURE)
    assert words(spotter, 40.0) == NOTHING_TO_SAY
    assert words(spotter, 5.0) != NOTHING_TO_SAY
    assert "corner" in naming.kinds_named(words(spotter, 31.0))


def test_length_follows_the_cap_and_the_hint():
    talker = SpotterTraits(recognise=1.0, misread=0.0, median_tokens=300.0, tokens_sigma=0.0)
    count = len(words(Spotter(TRUTH, COST, talker), 5.0, cap=64).split())
    assert count == int(64 / whatif.TOKENS_PER_WORD)
    full = len(words(Spotter(TRUTH, COST, SURE), 5.0).split())
    brief = len(words(Spotter(TRUTH, COST, SURE), 5.0, hint="brief").split())
    least = len(words(Spotter(TRUTH, COST, SURE), 5.0, hint="minimal").split())
    assert least < brief < full
    assert set(LENGTH_HINTS) == set(whatif._HINT_SHARE)


def test_misreads_at_the_rate_that_is_set():
    traits = SpotterTraits(recognise=0.0, misread=0.3, quiet=1.0)
    quiet = Truth(10_000.0, (), (Stretch("nothing", 0.0, 10_000.0),), ("RED", "BLU"))
    spotter = Spotter(quiet, COST, traits)
    named = sum(bool(naming.kinds_named(words(spotter, float(t)))) for t in range(1000))
    assert 0.25 <= named / 1000 <= 0.35


def test_the_same_frame_gets_the_same_answer_whatever_came_before():
    half = SpotterTraits(recognise=0.5, misread=0.0)
    events = tuple(Event("shot", float(t), 1.0, "RED") for t in range(0, 200, 5))
    truth = Truth(200.0, events, (Stretch("action", 0.0, 200.0),), ("RED", "BLU"))
    once = Spotter(truth, COST, half, seed=3)
    after = Spotter(truth, COST, half, seed=3)
    for t in range(100):
        words(after, t + 0.5)
    assert words(once, 150.5) == words(after, 150.5) or "shot" in words(once, 150.5)
    named = [
        bool(naming.kinds_named(words(Spotter(truth, COST, half, seed=3), t + 0.5))) for t in range(0, 200, 5)
    ]
    assert 0.2 < np.mean(named) < 0.8


def test_its_words_fit_the_rule_that_judges_them():
    for kind in KINDS:
        event = Event(kind, 0.0, 1.0, "RED", "7", (2, 1))
        for k in range(20):
            text = Spotter._naming(event, random.Random(k))
            if kind == "scoreboard":
                assert naming.scores_named(text) == [(2, 1)] and not naming.kinds_named(text)
            else:
                assert naming.kinds_named(text) == {kind}, text
    for filler in whatif._FILLER:
        assert not naming.kinds_named(filler) and not naming.scores_named(filler), filler
    assert set(whatif._NAMING) == set(whatif._URGENCY) == set(KINDS)


def test_time_passes_as_the_cost_says():
    chunks = list(Spotter(TRUTH, COST, SURE).comment(request(4.0, 5.0)))
    tokens = sum(c.output_tokens for c in chunks)
    image = 2 * 66
    assert chunks[0].image_tokens == image and chunks[0].cost_s == pytest.approx(1.0 + 0.001 * image)
    assert sum(c.cost_s for c in chunks) == pytest.approx(0.5 + 0.001 * image + 0.2 * tokens)
    assert sum(c.audio.duration_s for c in chunks) == pytest.approx(0.3 * tokens, abs=0.01)
    assert re.sub(r"\s+", " ", "".join(c.text for c in chunks)).strip().endswith(".")


# --- the source


def test_tiny_match_plays_at_its_rate_and_reuses_its_pictures():
    pictures = np.zeros((25, 36, 64, 3), np.uint8)
    source = TinyMatch(pictures, 6.25, "match:0")
    frames = list(iter(source.read, None))
    assert len(frames) == 50 and source.info.duration_s == 4.0
    assert frames[0].image is frames[1].image and frames[2].image is not frames[1].image
    late = TinyMatch(pictures, 6.25, "match:0")
    assert late.read(2.0).pts_s == 2.0 and late.skipped == 25
    assert late.read(99.0) is None


def test_a_whole_run_in_virtual_time():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (375, 36, 64, 3), dtype=np.uint8)
    session = LiveSession(
        TinyMatch(pictures, 6.25, "match:0"),
        Settings(commentator="scripted", change_threshold=0.0),
        commentator=Spotter(TRUTH, COST, SURE),
        mode="what-if",
    ).run()
    row = metrics.measure(session.log.cycles, TRUTH)
    assert 0 <= row["corner_response_error_median_s"] <= 3
    # No comment had a frame of the goal: the frames of one end before it, those of the next begin after it.
    looks = session.log.cycles[session.log.cycles.infer_s.notna()]
    seen = (looks.decide_s - looks.frame_oldest_age_s <= 13.0) & (looks.frame_newest_captured_s >= 10.0)
    assert row["goal_recall_3s"] == 0.0 and not seen.any()
    assert row["false_triggers_per_min"] == 0 and row["image_tokens_per_min"] > 0
    assert session.log.header["commentator"] == "scripted spotter"


# --- costs


@pytest.mark.parametrize("path", sorted(COSTS.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_costs_can_be_read_and_say_where_they_are_from(path):
    cost = load_cost(path.stem)
    assert len(cost.source) > 80 and cost == load_cost(str(path))


def test_a_cost_comes_back_as_it_was(tmp_path):
    save_cost(COST, tmp_path / "cost.toml")
    assert load_cost(str(tmp_path / "cost.toml")) == COST


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("first_sound_s = ", "not valid TOML"),
        ("first_sound_s = 1.0", "missing or not known"),
        (None, "shipped are"),
    ],
)
def test_bad_cost_files(tmp_path, text, message):
    path = tmp_path / "cost.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CostError, match=message):
        load_cost(str(path))


def test_a_negative_cost_is_refused(tmp_path):
    save_cost(COST, path := tmp_path / "cost.toml")
    path.write_text(path.read_text().replace("first_sound_s = 1.0", "first_sound_s = -1.0"))
    with pytest.raises(CostError, match="not negative"):
        load_cost(str(path))


def test_samples_spread_as_they_should_and_never_end_before_they_sound():
    cost = TokenCost("by hand", 66, 1.0, 0.0, 0.2, 1.0, 0.0, 0.1, 0.3, 0.3)
    draws = np.array([cost.sample(random.Random(k), 0, 10) for k in range(2000)])
    assert draws[:, 0].mean() == pytest.approx(1.0, abs=0.02)
    assert draws[:, 0].std() == pytest.approx(0.2, abs=0.02)
    assert (draws[:, 1] >= draws[:, 0]).all() and draws.min() > 0


def test_a_cost_is_found_by_its_old_name_with_a_warning():
    from experiments.sweeping.costs import load_cost

    with pytest.warns(DeprecationWarning, match="baseline_epyc"):
        old = load_cost("basic_eye_epyc")
    assert old == load_cost("baseline_epyc")
