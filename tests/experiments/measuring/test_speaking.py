"""Policies of when to speak: what the scripted commentator says and judges, and a run under each policy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commentator_lib.commentators.base import NOTHING_TO_SAY, CommentRequest
from commentator_lib.media import Frame
from commentator_lib.truth.speech import repetition
from experiments.match_clip.events import Event, Stretch, Truth
from experiments.measuring import analysis, run_plots, speaking
from experiments.measuring.speaking import POLICIES, Assumptions, Describer, reported_events, situations

TRUTH = Truth(
    60.0,
    (
        Event("shot", 10.0, 1.0, "RED", "9"),
        Event("goal", 11.0, 3.0, "RED", "9", (1, 0)),
        Event("corner", 30.0, 2.0, "BLU"),
    ),
    (Stretch("action", 0.0, 20.0), Stretch("nothing", 20.0, 40.0), Stretch("action", 40.0, 60.0)),
    ("RED", "BLU"),
)


def request(at_s):
    return CommentRequest([Frame(round(at_s * 12.5), at_s, at_s, np.zeros((36, 64, 3), np.uint8))], "", 100)


def test_a_situation_begins_with_each_stretch_and_each_event():
    found = situations(TRUTH)
    assert [s.from_s for s in found] == [0.0, 10.0, 11.0, 20.0, 30.0, 40.0]
    assert [s.worth for s in found] == [True, True, True, False, True, True]
    assert [s.in_action for s in found] == [True, True, True, False, False, True]
    assert found[2].sentence.startswith("Goal for RED, and")


def test_sentences_share_no_four_words():
    many = Truth(1000.0, (), tuple(Stretch("action", float(t), t + 10.0) for t in range(0, 1000, 10)))
    assert repetition([s.sentence for s in situations(many)]) == 0.0


def test_it_repeats_itself_where_nothing_is_new_and_is_quiet_where_nothing_goes_on():
    describer = Describer(TRUTH, Assumptions(quiet=1.0), 0)
    first, again, shot = (describer.line(request(t)) for t in (2.0, 5.0, 10.2))
    assert first == again != shot and shot.startswith("A shot by RED")
    assert describer.line(request(25.0)) == NOTHING_TO_SAY
    assert describer.line(request(31.0)).startswith("Corner for BLU")
    assert describer.line(request(33.0)) == NOTHING_TO_SAY
    assert Describer(TRUTH, Assumptions(quiet=0.0), 0).line(request(25.0)) != NOTHING_TO_SAY


@pytest.mark.parametrize("rule", ["first-token", "perplexity", "yes-no"])
def test_judgements_lie_as_far_apart_as_assumed(rule):
    """New and old are three standard deviations apart; of a ratio of perplexities each part has σ ÷ √2."""
    long = Truth(4000.0, (), (Stretch("action", 0.0, 2000.0), Stretch("action", 2000.0, 4000.0)))
    describer = Describer(long, Assumptions(), 1)
    describer.line(request(1.0))
    old, new = (
        np.array([describer.judgement(request(float(t)), rule, "") for t in range(start, start + 1500)])
        for start in (100, 2100)
    )
    if rule == "perplexity":
        old, new, wanted = np.log(old), np.log(new), 3.0 * np.sqrt(2)
    else:
        sign = -1 if rule == "first-token" else 1
        old, new, wanted = sign * np.log(old / (1 - old)), sign * np.log(new / (1 - new)), 3.0
    assert (new.mean() - old.mean()) / old.std() == pytest.approx(wanted, rel=0.1)
    assert describer.judgement(request(700.0), rule, "") == describer.judgement(request(700.0), rule, "")


def test_events_are_reported_late_and_not_all():
    many = Truth(
        4000.0, tuple(Event("shot", float(t)) for t in range(2000)), (Stretch("action", 0.0, 4000.0),)
    )
    found = reported_events(many, Assumptions(), 0)
    assert len(found) / 2000 == pytest.approx(0.9, abs=0.03)
    late = np.array([e.detected_s - e.at_s for e in found])
    assert late.min() > 0.19 and late.mean() == pytest.approx(1.0, abs=0.05)


@pytest.fixture(scope="module")
def rows():
    """Return a run of a minute under each policy, over pictures that flicker."""
    pictures = np.random.default_rng(0).integers(0, 255, (375, 36, 64, 3), dtype=np.uint8)
    return pd.DataFrame(
        [speaking.run_policy(policy, pictures, TRUTH, seed) for policy in POLICIES for seed in (0, 1)]
    )


@pytest.mark.slow
def test_every_policy_runs_in_virtual_time(rows):
    assert list(rows.when.unique()) == list(POLICIES)
    assert rows.speak_f1.between(0, 1).all() and rows.repetition.between(0, 1).all()
    asks = rows.when.isin(["first-token", "perplexity", "yes-no"])
    assert (rows.passes_per_min[asks] > 5).all() and (rows.passes_per_min[~asks] == 0).all()
    assert (rows.pass_share[asks] < 0.2).all() and (rows.pass_share[~asks] == 0).all()


@pytest.mark.slow
def test_asking_the_model_repeats_less_than_asking_for_a_comment_at_every_slot(rows):
    mean = rows.groupby("when").repetition.mean()
    assert all(mean[rule] < mean["interval"] for rule in ("first-token", "perplexity", "yes-no", "events"))
    assert (
        rows.comments_per_min[rows.when == "events"].max()
        < rows.comments_per_min[rows.when == "interval"].min()
    )


@pytest.mark.slow
def test_the_figure_shows_every_policy_with_its_spread_and_says_that_it_is_scripted(rows):
    table = analysis.by_setting(rows, ["when"], speaking.COLUMNS)
    figure = run_plots.speaking_figure(table, "Scripted commentator")
    ax = figure.axes[0]
    assert ax.get_xlabel() == "four-word runs said before, share" and ax.get_ylabel().startswith(
        "F1 of speaking"
    )
    legend = ax.get_legend()
    assert {text.get_text() for text in legend.get_texts()} == set(POLICIES)
    assert legend.get_title().get_text() == "mean and 95 % bootstrap interval, n = 2 runs"
    assert figure.get_suptitle().startswith("Scripted commentator: where the model is asked first, ")


@pytest.mark.slow
def test_policies_are_compared_on_scripted_matches():
    table = speaking.compare_policies((0,), (0,), 20.0)
    assert list(table.when) == list(POLICIES) and set(table["clip"]) == {0}
