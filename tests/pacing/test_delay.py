"""Delay: EMA, quantile target, slew, and the times given to frames."""

from __future__ import annotations

import random

import numpy as np
import pytest

from commentator_lib.pacing.delay import PictureDelay, ema, playout_target, quantile, slewed


def delay(policy="playout", init_s=5.0, max_s=15.0, slew_max=0.1, alpha=0.2, q=0.95, margin_s=0.1):
    return PictureDelay(policy, init_s, max_s, slew_max, alpha, q, margin_s)


def test_ema_by_hand():
    assert ema(5.0, 1.0, 0.2) == pytest.approx(4.2)
    assert ema(4.2, 1.0, 0.2) == pytest.approx(3.56)
    assert ema(5.0, 1.0, 0.0) == 5.0
    assert ema(5.0, 1.0, 1.0) == 1.0


@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("count", [1, 2, 5, 50])
def test_quantile_is_numpys(q, count):
    values = np.random.default_rng(count).normal(size=count)
    assert quantile(list(values), q) == pytest.approx(np.quantile(values, q))


def test_target_stretches_a_short_history_only():
    assert playout_target([1.0], 0.95, 0.1) == pytest.approx(1.0 * (1 + 0.25 * 0.95) + 0.1)
    assert playout_target([1.0] * 20, 0.95, 0.1) == pytest.approx(1.1)


def test_target_lets_its_share_be_on_time():
    rng = random.Random(1)
    history = [rng.gauss(1.3, 0.2) for _ in range(50)]
    target = playout_target(history, 0.95, 0.1)
    late = sum(rng.gauss(1.3, 0.2) > target for _ in range(10_000)) / 10_000
    assert late < 0.05


def test_slew_is_bounded_and_arrives():
    assert slewed(5.0, 1.0, 1.0, 0.1) == pytest.approx(4.9)
    assert slewed(1.0, 5.0, 1.0, 0.1) == pytest.approx(1.1)
    assert slewed(1.0, 1.05, 1.0, 0.1) == 1.05
    assert slewed(1.0, 2.0, -3.0, 0.1) == 1.0


def test_serial_follows_the_ema_from_the_first_value():
    d = delay("serial")
    for latency in (1.0, 1.0):
        d.observe(latency, 0.0)
    assert d.wanted_s == pytest.approx(3.56)


def test_playout_starts_from_the_first_latency_when_nothing_was_shown_yet():
    d = delay()
    assert d.applied_s == 5.0
    d.observe(1.0, 0.0)
    assert d.applied_s == d.wanted_s == pytest.approx(playout_target([1.0], 0.95, 0.1))


def test_frames_that_wait_already_are_shown_too():
    d = delay()
    d.first_frame(10.0)
    d.observe(0.5, 13.0)
    assert d.applied_s == 3.0 and d.wanted_s < 1.0
    foreseen = d.due_of(11.0)  # before any frame was shown
    assert d.due(10.0) == 13.0 and d.due(11.0) == pytest.approx(13.9) == foreseen


def test_once_a_picture_was_shown_the_delay_only_slews():
    d = delay()
    d.due(0.0)
    d.observe(1.0, 0.0)
    assert d.applied_s == 5.0
    assert d.due(1.0) == pytest.approx(1.0 + 4.9)


def test_serial_never_jumps_to_the_first_latency():
    d = delay("serial")
    d.observe(1.0, 0.0)
    assert d.applied_s == 5.0


def test_no_delay_stays_none():
    d = delay(init_s=0.0)
    d.observe(3.0, 0.0)
    assert d.off and d.wanted_s == d.applied_s == 0.0
    assert d.due(7.0) == 7.0


def test_delay_is_capped():
    d = delay(max_s=2.0)
    assert d.applied_s == 2.0
    d.observe(40.0, 0.0)
    assert d.wanted_s == 2.0


def test_picture_never_runs_faster_or_slower_than_the_slew():
    rng = random.Random(3)
    d = delay()
    due = []
    for k in range(5000):
        due.append(d.due(k / 25))
        if k % 40 == 0:
            d.observe(rng.uniform(0.2, 6.0), 0.0)
    speed = np.diff(due) * 25
    assert speed.min() >= 0.9 - 1e-9 and speed.max() <= 1.1 + 1e-9
    assert speed.min() < 0.95 and speed.max() > 1.05  # it did move


def test_prediction_holds_when_nothing_new_is_observed():
    d = delay()
    d.due(0.0)
    d.observe(1.0, 0.0)
    foreseen = d.due_of(3.0)
    for k in range(1, 76):
        last = d.due(k / 25)
    assert last == pytest.approx(foreseen)


def test_times_given_are_remembered():
    d = delay()
    given = {k / 25: d.due(k / 25) for k in range(200)}
    d.observe(1.0, 0.0)
    for captured_s, due_s in given.items():
        assert d.due_of(captured_s) == due_s


def test_policy_can_change_in_mid_stream():
    d = delay("serial")
    d.due(0.0)
    d.observe(2.0, 0.0)
    d.configure("playout", 15.0, 0.1, 0.2, 0.95, 0.1)
    assert d.wanted_s == pytest.approx(playout_target([2.0], 0.95, 0.1))
    assert d.applied_s == 5.0


def test_a_frame_that_is_waited_for_stays_due_while_a_later_one_follows_the_new_delay():
    picture = delay()
    picture.first_frame(0.0)
    picture.observe(4.0, 4.0)  # the picture starts with a delay of 4 s and more
    for k in range(100):
        picture.due(k / 25)
    waited_for_s, later_s = 6.0, 8.0
    before_s, free_s = picture.due_of(waited_for_s), picture.due_of(later_s)
    for _ in range(20):
        picture.observe(1.0, 8.0, keep_until_s=waited_for_s)
    assert picture.due_of(waited_for_s) == pytest.approx(before_s)
    assert picture.due_of(later_s) == pytest.approx(picture.due_of(waited_for_s) + 2.0 - 0.1 * 2.0)
    assert picture.due_of(later_s) < free_s
    due_s = picture.due_all([k / 25 for k in range(100, 201)])
    assert due_s[50] == pytest.approx(before_s) and due_s[100] == pytest.approx(picture.due_of(later_s))
