"""The sentences above figures follow from the data, also where there is little of it; intervals of means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.measuring import analysis, sentences
from experiments.measuring.numbers import bootstrap_interval
from experiments.measuring.plot_parts import words


def table(**columns):
    """Return a table as from `by_setting`, with intervals of ± 0.05 around `dead_air_share`."""
    rows = pd.DataFrame(columns)
    return rows.assign(
        dead_air_share_low=rows.dead_air_share - 0.05, dead_air_share_high=rows.dead_air_share + 0.05
    )


def effect(**columns):
    return sentences.knob_effect(table(**columns), next(iter(columns)), ["dead_air_share"])


def test_what_a_knob_changes():
    assert effect(pause_s=[0.0, 5.0], dead_air_share=[0.1, 0.3]) == (
        "From pause 0 to 5 s dead air in action rises from 0.1 to 0.3"
    )
    assert "falls from 0.3 to 0.1" in effect(pause_s=[0.0, 5.0], dead_air_share=[0.3, 0.1])
    assert effect(policy=["serial", "playout"], dead_air_share=[0.3, 0.1]) == (
        "Dead air in action is 0.3 with serial and 0.1 with playout"
    )


def test_a_difference_within_the_intervals_is_none():
    assert effect(pause_s=[0.0, 5.0], dead_air_share=[0.1, 0.15]) == (
        "Pause: in none of 1 measures is the difference beyond the intervals"
    )
    assert effect(pause_s=[2.0], dead_air_share=[0.1]) == "One value of pause alone: nothing to compare"
    assert effect(pause_s=[1.0, 2.0], dead_air_share=[0.1, np.nan]).startswith("One value of pause alone")


def test_which_knob_moves_which_measure():
    rows = pd.DataFrame({"pause_s": [1, 1, 2, 2], "policy": list("abab"), "missed_3s": [0.1, 0.2, 0.5, 0.6]})
    rows = rows.assign(busy_share=[0.0, 1.0, 0.1, 1.1])
    assert sentences.strongest_knobs(rows, ["pause_s", "policy"], ["missed_3s", "busy_share"]) == (
        "The pause moves events missed most; the pacing policy moves computing most"
    )
    still = rows.assign(missed_3s=0.5)
    assert (
        sentences.strongest_knobs(still, ["pause_s"], ["missed_3s"])
        == "No setting moves any of these measures"
    )


def test_when_to_speak_without_the_rules_to_compare():
    rows = pd.DataFrame({"when": ["events"], "repetition": [0.1], "speak_f1": [0.5]})
    assert sentences.speaking(rows, "Scripted") == "Scripted: 1 rules of when to speak"


def test_slower_is_said_to_be_slower():
    assert sentences.times_as_fast({"AWQ": (100.0, 250.0)}, "First sound").endswith("2.5 times as slow")
    assert sentences.times_as_fast({}, "First sound") == "First sound: not measured"


def test_words_of_a_measure_have_no_unit():
    assert words("missed_3s") == "events missed" and words("dead_air_share") == "dead air in action"


# --- intervals of means


def test_an_interval_lies_within_the_values_and_holds_their_mean():
    rng = np.random.default_rng(3)
    values = rng.exponential(1.0, 12)
    low, high = bootstrap_interval(values)
    assert values.min() <= low < values.mean() < high <= values.max()
    assert low >= 0 > values.mean() - 2 * values.std()  # where mean − 2 σ is below 0


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    ends = [bootstrap_interval(rng.normal(5.0, 1.0, 30), draws=500, seed=k) for k in range(300)]
    assert np.mean([low <= 5.0 <= high for low, high in ends]) == pytest.approx(0.94, abs=0.04)


def test_of_one_value_there_is_no_interval():
    assert all(np.isnan(bootstrap_interval([1.0, np.nan])))
    assert bootstrap_interval([2.0, 2.0, np.nan]) == (2.0, 2.0)
    one = pd.DataFrame({"a": [1], "m": [0.5]})
    assert np.isnan(analysis.by_setting(one, ["a"], ["m"]).m_low[0])
    assert analysis.readable(one, "a", ["m"]).loc["m", 1] == "0.5 (1)"
