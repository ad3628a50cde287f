"""Measures under other projects' names: the values are those that their published scripts printed on the same input.

Each test names script and commit. The inputs were made for it; the scripts are not part of this project. Beside them
stand a few cases that were worked by hand.
"""

from __future__ import annotations

import math
import random

import pytest

from commentator_lib.truth import soccernet, synchrony
from commentator_lib.truth.base import TimedEvent
from commentator_lib.truth.comments import Comment
from commentator_lib.truth.files import FORMATS
from commentator_lib.truth.livestar import livestar, mean_of
from commentator_lib.truth.proactive import Answer, last_answer, proactive_accuracy

EXACT = dict(rel=0, abs=1e-6)

# --- LiveStar: evaluate/eval_infer_result.py of github.com/yzy-bupt/LiveStar,
# commit e43b65dd0160ef8b601996edec8b3dab4bee3b80, match_predictions_to_gt_with_metrics

CAPTIONS = """clips/match_a.mp4
Timestamp: 00:00:02 Caption: The players walk out.
Timestamp: 00:00:09 Caption: Player 9 takes the kick-off.
Timestamp: 00:00:20 Caption: A pass to player 4 on the left.
Timestamp: 00:00:21 Caption: Player 4 shoots.
Timestamp: 00:00:40 Caption: The keeper holds the ball.
clips/match_b.mp4
Timestamp: 00:00:00 Caption: An empty pitch.
Timestamp: 00:00:05 Caption: It begins to rain.
Timestamp: 00:00:05 Caption: People open umbrellas.
Timestamp: 00:01:10 Caption: The players come back.
"""
SAID = """{"video_id": "match_a", "result": [["00:00:02", "Here they come."], ["00:00:04", "They wait."], \
["00:00:08", "Off we go."], ["00:00:12", "Long ball."], ["00:00:13", "Nice."], ["00:00:20", "Left wing."], \
["00:00:50", "Late word."]]}
{"video_id": "match_b", "result": [["00:00:01", "Nothing yet."], ["00:00:05", "Rain."], ["00:01:00", "Still rain."], \
["00:01:10", "Here they are."]]}
"""


def test_livestar():
    omnistar = FORMATS["omnistar"]
    truth, said = omnistar.read(CAPTIONS), omnistar.read(SAID)
    found = [
        livestar(
            [t.start_s for t in said.of_video(video).texts], [t.start_s for t in truth.of_video(video).texts]
        )
        for video in truth.videos
    ]
    rows = [(v.time_diff_s, v.redundancy, v.coverage) for v in [*found, mean_of(found)]]
    printed = [(4.2, 1.0, 0.6), (13.25, 1.0, 0.5), (8.725, 1.0, 0.55)]
    assert [x for row in rows for x in row] == pytest.approx([x for row in printed for x in row], **EXACT)


def test_livestar_counts_whole_seconds_and_both_ends():
    # Segments 3–3, 4–6; a comment at 6.9 s is one at 6 s.
    one = livestar([6.9], [3.2, 6.0])
    assert (one.time_diff_s, one.redundancy, one.coverage) == ((0 + 2) / 2, 0.5, 0.5)
    assert livestar([], [3.0, 6.0]).time_diff_s == (0 + 2) / 2
    assert math.isnan(livestar([1.0], []).coverage) and math.isnan(mean_of([]).time_diff_s)


# --- StreamingBench: src/data/count.py of github.com/THUNLP-MT/StreamingBench,
# commit 89299232c4cc1cc3721951173c5f107b48cf6877, --task proactive


def asked(at_s, text, asked_s=0.0):
    return TimedEvent("Proactive Output", at_s, (at_s - 2, at_s + 2), text=text, asked_s=asked_s)


def test_proactive_accuracy():
    answers = [
        (Answer(27, "It is 3 now."), asked(29, "3")),
        (Answer(31, "It is three."), asked(29, "3")),
        (Answer(93, "Goal"), asked(90, "Goal")),
        (Answer(88, "goal"), asked(90, "Goal")),
        (Answer(87, "Goal"), asked(90, "Goal")),
        (Answer(3690, "A Corner."), asked(3690, "Corner")),
    ]
    assert proactive_accuracy(answers) == pytest.approx((0.6666666666666666, 0.3333333333333333), **EXACT)
    assert all(math.isnan(x) for x in proactive_accuracy([]))


def test_the_comment_that_stands_for_the_answer():
    def said(at_s, text):
        return Comment(at_s, at_s + 1, at_s, at_s + 1, text)

    comments = [
        said(5, "Goal"),
        said(21, "A shot."),
        said(28, "Goal!"),
        said(30, "Goal again"),
        said(40, "Goal"),
    ]
    assert last_answer(comments, asked(29, "Goal", 20)) == Answer(28, "Goal!")
    assert last_answer(comments, asked(29, "Corner", 20)) == Answer(30, "Goal again")
    assert last_answer(comments, asked(10, "Goal", 6)) == Answer(None)
    assert proactive_accuracy([(Answer(None), asked(10, "Goal"))]) == (0.0, 0.0)


# --- SoccerNet: SoccerNet/Evaluation/ of github.com/SoccerNet/SoccerNet (the package SoccerNet 0.1.62),
# commit 6a393d46661ae0679cd15e7ad00ab98c6ca72493

# (half, milliseconds, label, visible) of two matches, and (half, milliseconds, label, confidence) of their detections
TRUTH = (
    [
        (1, 0, "Kick-off", True),
        (1, 61400, "Goal", True),
        (1, 65000, "Goal", False),
        (1, 120000, "Corner", True),
        (1, 180500, "Throw-in", True),
        (2, 10000, "Goal", True),
        (2, 50000, "Yellow card", True),
        (2, 52000, "Corner", False),
        (2, 8000000, "Foul", True),  # beyond the last frame that counts
        (2, 30000, "Somersault", True),  # no label of SoccerNet
    ],
    [
        (1, 1000, "Kick-off", True),
        (1, 300000, "Goal", True),
        (1, 331000, "Corner", True),
        (2, 0, "Kick-off", False),
    ],
)
DETECTIONS = (
    [
        (1, 900, "Kick-off", 0.9),
        (1, 60000, "Goal", 0.8),
        (1, 63000, "Goal", 0.8),
        (1, 66500, "Goal", 0.3),
        (1, 90000, "Goal", 0.95),
        (1, 121200, "Corner", 0.55),
        (1, 185000, "Throw-in", 0.4),
        (2, 12300, "Goal", 0.7),
        (2, 30000, "Yellow card", 0.2),
        (2, 50400, "Corner", 0.66),
        (2, 53000, "Corner", 0.6),
        (2, 7400000, "Foul", 0.5),
        (2, 31000, "Somersault", 0.9),
        (1, 60100, "Goal", 0.25),  # the same half second as the first: the later row counts
    ],
    [
        (1, 1500, "Kick-off", 1.0),
        (1, 297000, "Goal", 0.85),
        (1, 333000, "Corner", 0.1),
        (1, 360000, "Corner", 0.99),
        (2, 2600, "Kick-off", 0.35),
    ],
)


def halves(truth, detections):
    def events(rows, half, is_truth):
        for own, ms, label, value in rows:
            if own == half and is_truth:
                yield TimedEvent(label, ms / 1000, extra={"visibility": "visible" if value else "not shown"})
            elif own == half:
                yield TimedEvent(label, ms / 1000, confidence=value)

    return [
        (list(events(rows, half, True)), list(events(found, half, False)))
        for rows, found in zip(truth, detections, strict=True)
        for half in (1, 2)
    ]


@pytest.mark.parametrize(
    ("tolerances_s", "average", "visible", "unshown", "per_label"),
    [
        (  # metric="loose"
            soccernet.LOOSE_S,
            0.2827418570734078,
            0.27418570734078757,
            0.21095571095571097,
            {
                "Kick-off": 1.0,
                "Goal": 0.82892562,
                "Throw-in": 0.954545455,
                "Foul": 1.0,
                "Corner": 0.614049587,
                "Yellow card": 0.409090909,
            },
        ),
        (  # metric="tight"
            soccernet.TIGHT_S,
            0.1344919786096257,
            0.14795008912655971,
            0.08333333333333333,
            {"Kick-off": 0.681818182, "Goal": 0.220454545, "Foul": 1.0, "Corner": 0.384090909},
        ),
        (  # metric="at3"
            (3,),
            0.125668449197861,
            0.1408199643493761,
            0.049019607843137254,
            {"Kick-off": 0.636363636, "Goal": 0.181818182, "Foul": 1.0, "Corner": 0.318181818},
        ),
    ],
)
def test_spotting_map(tolerances_s, average, visible, unshown, per_label):
    """ActionSpotting.py, evaluate(…, version=2, framerate=2)."""
    found = soccernet.spotting_map(halves(TRUTH, DETECTIONS), tolerances_s)
    assert (found.average, found.visible, found.unshown) == pytest.approx(
        (average, visible, unshown), **EXACT
    )
    wanted = [per_label.get(label, 0.0) for label in soccernet.LABELS]
    assert found.per_label.tolist() == pytest.approx(wanted, **EXACT)


def random_match(rng):
    truth = [
        (
            rng.randint(1, 2),
            rng.randrange(0, 2_900_000),
            rng.choice(soccernet.LABELS),
            rng.choice(["visible", "visible", "not shown"]) == "visible",
        )
        for _ in range(60)
    ]
    found = [
        (half, max(0, ms + int(rng.gauss(0, 9000))), label, round(rng.random(), 4))
        for half, ms, label, _ in truth
        for _ in range(rng.randint(0, 3))
    ]
    found += [
        (
            rng.randint(1, 2),
            rng.randrange(0, 2_900_000),
            rng.choice(soccernet.LABELS),
            round(rng.random(), 4),
        )
        for _ in range(60)
    ]
    return truth, found


def test_spotting_map_of_four_random_matches():
    """Cases that were kept aside while the measure was written: ActionSpotting.py, evaluate, as above."""
    rng = random.Random(7)
    matches = [random_match(rng) for _ in range(4)]
    both = halves([truth for truth, _ in matches], [found for _, found in matches])
    for tolerances_s, printed in (
        (soccernet.LOOSE_S, (0.36723173642460055, 0.4335543694876709, 0.5453515683632704)),
        (soccernet.TIGHT_S, (0.05202988164239229, 0.07274062290985296, 0.08784467893779634)),
    ):
        found = soccernet.spotting_map(both, tolerances_s)
        assert (found.average, found.visible, found.unshown) == pytest.approx(printed, **EXACT)


def test_spotting_without_anything():
    assert soccernet.spotting_map([([], [])]).average == 0.0
    assert soccernet.spotting_map([([TimedEvent("Goal", 5.0)], [])]).average == 0.0
    alone = soccernet.spotting_map([([TimedEvent("Goal", 5.0)], [TimedEvent("Goal", 5.0)])], labels=("Goal",))
    assert alone.average == 1.0 and alone.per_label.tolist() == [1.0]


def test_dense_captions():
    """DenseVideoCaptioning.py, DVCEvaluator.evaluate_detection(0), its word scores left out."""
    found = soccernet.caption_precision_recall(
        [
            ([39.4, 40.4, 100.4], [10, 60, 200]),
            ([34.4, 35.4, 431.4], [5, 400]),
            ([0.4, 59.4, 61.4], [30]),
            ([], [30]),
        ]
    )
    assert found == pytest.approx((0.3333333333333333, 0.5416666666666666), **EXACT)
    assert soccernet.caption_precision_recall([([1.0], []), ([1.0], [2.0])]) == (1.0, 1.0)
    assert all(math.isnan(x) for x in soccernet.caption_precision_recall([([1.0], [])]))


# --- synchrony: no script was published; worked by hand


def test_synchrony_is_the_seen_share_of_speech():
    # Speech at 2–6 and 8–10 s, of which 3–5 and 9–12 s were seen: 3 of 6 s.
    assert synchrony.seen_share([(3, 5), (4, 5), (9, 12)], [(2, 6), (8, 10)]) == pytest.approx(0.5)
    assert synchrony.seen_share([(0, 20)], [(2, 6), (5, 9)]) == 1.0
    assert synchrony.seen_share([], [(2, 6)]) == 0.0 and math.isnan(synchrony.seen_share([(1, 2)], []))
