"""The pictures of the scripted match show what its truth says."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentators.baseline.text import ocr_installed, readable_form
from tests.experiments.match_clip.conftest import change, draw, frame_of, score_region, write_script


@pytest.mark.slow
def test_frames_are_the_same_in_any_order_and_size_follows_the_arguments():
    script = write_script(20, 0)
    forwards = [draw(script, k) for k in range(0, 500, 41)]
    backwards = [draw(script, k) for k in reversed(range(0, 500, 41))][::-1]
    assert all(np.array_equal(one, other) for one, other in zip(forwards, backwards, strict=True))
    for width, height in ((128, 72), (64, 36), (640, 360), (320, 240)):
        image = draw(script, 100, width, height)
        assert image.shape == (height, width, 3) and image.dtype == np.uint8 and image.flags.c_contiguous


@pytest.mark.slow
def test_every_frame_of_a_match_can_be_drawn():
    script = write_script(120, 2)
    for index in range(0, script.frames, 7):
        draw(script, index, 128, 72)


@pytest.mark.slow
def test_the_picture_changes_hard_at_cuts_and_not_elsewhere():
    for seed in (0, 1):
        script = write_script(60, seed)
        cuts = {frame_of(cut) for cut in script.truth.of_kind("cut")}
        wiped = {k for k in range(script.frames) if script.wipe[max(0, k - 1) : k + 2].any()}
        crowd = {k for s in script.shots if s.kind == "crowd" for k in range(s.from_frame, s.to_frame)}
        hard = [change(draw(script, k), draw(script, k - 1)) for k in cuts - wiped]
        soft = []
        for k in range(1, script.frames, 5):
            if k not in cuts | wiped | crowd and not np.ptp(script.caption_of[k - 1 : k + 6]):
                soft.append(change(draw(script, k), draw(script, k - 1)))
        assert min(hard) > 30 > 20 > max(soft)


def test_a_wipe_covers_the_picture_at_its_cut():
    script = write_script(20, 0)
    shot = next(shot for shot in script.shots if shot.kind == "replay")
    for cut in (shot.from_frame, shot.to_frame):
        before, after = draw(script, cut - 1), draw(script, cut)
        assert before[40:, :].std(axis=(0, 1)).max() < 90 and change(before[60:], after[60:]) < 40
        assert script.wipe[cut - 1] < 0.5 < script.wipe[cut]
        assert not script.wipe[cut - 8] and not script.wipe[cut + 8]


@pytest.mark.slow
def test_the_score_in_the_picture_changes_with_the_scoreboard_event_alone():
    script = write_script(60, 1)
    boards = [frame_of(event) for event in script.truth.of_kind("scoreboard")]
    assert boards
    region, changes = score_region(script, 0), []
    for index in range(1, script.frames):
        if index % 10 and not any(abs(index - board) < 3 for board in boards):
            continue
        now = score_region(script, index)
        if not np.array_equal(now, region):
            changes.append(index)
        region = now
    assert changes == boards


def test_the_clock_runs_a_second_a_second():
    script = write_script(20, 0)
    clock = [draw(script, k, 640, 360)[14:40, 18:80] for k in (50, 74, 75, 99, 100)]
    same = [np.array_equal(one, other) for one, other in zip(clock, clock[1:], strict=False)]
    assert same == [True, False, True, False]


def test_the_banner_is_there_for_its_time():
    script = write_script(20, 1)
    goal = frame_of(script.truth.of_kind("goal")[0])
    colour = script.captions[int(script.caption_of[goal + 30])].colour
    corner = [
        tuple(draw(script, k, 640, 360)[275, 46]) == colour for k in (goal, goal + 14, goal + 16, goal + 120)
    ]
    assert corner == [False, False, True, True]


@pytest.mark.slow
@pytest.mark.skipif(not ocr_installed(), reason="needs the extra 'ocr'")
def test_a_reader_reads_banner_score_and_captions():
    from commentator_lib.commentators.baseline.text import rapidocr_reader

    read = rapidocr_reader()
    script = write_script(120, 2)

    def seen(index):
        return "".join(
            readable_form(text) for text, score in read(draw(script, index, 640, 360)) if score > 0.8
        )

    goal = next(
        g
        for g in script.truth.of_kind("goal")
        if script.shots[script.shot_of[frame_of(g) + 75]].kind != "crowd"
    )
    codes = script.truth.teams
    text = seen(frame_of(goal) + 75)
    assert "goal" in text and readable_form(goal.player) in text
    assert readable_form("{}{}{}{}".format(codes[0], *goal.score, codes[1])) in text
    assert "yellowcard" in (text := seen(frame_of(script.truth.of_kind("card")[0]) + 40)) or "redcard" in text
    assert "substitution" in seen(frame_of(script.truth.of_kind("substitution")[0]) + 40)
    replay = next(shot for shot in script.shots if shot.kind == "replay")
    assert "replay" in seen(replay.from_frame + 40)
