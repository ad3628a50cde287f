"""Boards and captions drawn over moving pictures: what is reported, when, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.media import Frame
from commentator_lib.watching.graphics import GraphicsWatcher
from tests.watching.conftest import background, board, frames, put, reported


def game(changes=(), first=(0, 0), hidden=lambda s: False, teams=("HAV", "NYM")):
    """Return a drawing of a board whose score changes at given seconds."""

    def draw(image, at_s):
        if hidden(at_s):
            return
        score = first
        for when_s, after in changes:
            score = after if at_s >= when_s else score
        board(image, score, 1500 + int(at_s), teams)

    return draw


def test_a_goal_is_reported_once_with_what_the_board_says():
    (event,) = reported(GraphicsWatcher(), frames(game([(6.0, (0, 1))]), 10.0), "score")
    assert event.facts["score"] == [0, 1] and event.facts["from"] == [0, 0]
    assert event.facts["teams"] == ["HAV", "NYM"] and event.facts["clock"].startswith("25:0")
    assert event.at_s == pytest.approx(6.0, abs=0.21) and event.detected_s - event.at_s <= 1.0
    assert event.importance == 3 and not event.facts["correction"]


def test_joining_at_a_score_is_no_event_and_stands_on_screen():
    watcher = GraphicsWatcher()
    assert reported(watcher, frames(game(first=(2, 1)), 6.0), "score") == []
    shown = watcher.on_screen()
    assert shown["score"] == [2, 1] and shown["teams"] == ["HAV", "NYM"] and shown["clock"].startswith("25:0")


@pytest.mark.slow
def test_a_goal_that_is_taken_back_is_a_correction():
    draw = game([(5.0, (1, 0)), (9.0, (0, 0))])
    first, second = reported(GraphicsWatcher(), frames(draw, 13.0), "score")
    assert not first.facts["correction"] and second.facts["correction"] and second.facts["score"] == [0, 0]


@pytest.mark.slow
def test_the_score_is_kept_while_the_board_is_hidden():
    watcher = GraphicsWatcher()
    draw = game([(7.0, (1, 0))], hidden=lambda s: 5.0 <= s < 10.0)
    (event,) = reported(watcher, frames(draw, 14.0), "score")
    assert event.facts["score"] == [1, 0] and 9.9 <= event.at_s <= 10.5


@pytest.mark.slow
def test_a_replay_with_the_board_of_its_time_changes_nothing():
    def draw(image, at_s):
        replayed = 9.0 <= at_s < 14.0
        seconds = 1500 + int(at_s) - (8 if replayed else 0)
        board(image, (0, 0) if at_s < 6.0 or (replayed and at_s < 13) else (1, 0), seconds)

    watcher = GraphicsWatcher()
    events = reported(watcher, frames(draw, 18.0))
    assert [e.facts["score"] for e in events if e.kind == "score"] == [[1, 0]]
    assert [e.facts["begins"] for e in events if e.kind == "replay"] == [True, False]


@pytest.mark.slow
def test_the_period_is_reported_when_it_changes():
    def draw(image, at_s):
        board(image, (0, 0), 1500 + int(at_s))
        image[16:46, 280:330] = (16, 24, 60)
        put(image, "1ST" if at_s < 6 else "2ND", 284, 37)

    watcher = GraphicsWatcher()
    (event,) = reported(watcher, frames(draw, 9.0), "period")
    assert event.facts["period"] == "2ND" and 5.9 <= event.at_s <= 7.0
    assert watcher.on_screen()["period"] == "2ND"


@pytest.mark.slow
def test_another_match_on_the_same_place_changes_nothing():
    def draw(image, at_s):
        other = int(at_s / 4) % 2 and at_s > 6
        board(
            image, (3, 2) if other else (0, 0), 1500 + int(at_s), ("LUN", "TOR") if other else ("HAV", "NYM")
        )

    assert reported(GraphicsWatcher(), frames(draw, 16.0), "score") == []


@pytest.mark.slow
def test_numbers_of_the_picture_are_no_score():
    def draw(image, at_s):
        put(image, "1:1", round(40 + 40 * at_s) % 500, 200, 1.0)  # on a hoarding, moving with the camera
        put(image, "10", round(300 + 50 * np.sin(at_s)), 260, 1.2)  # on a shirt

    assert reported(GraphicsWatcher(), frames(draw, 8.0), "score") == []


def banner(image, heading, line):
    image[270:340, 40:420] = (90, 20, 140)
    put(image, heading, 56, 300, 1.0)
    put(image, line, 56, 330, 0.7)


def test_a_caption_is_reported_with_its_parts_and_what_it_is_about():
    def draw(image, at_s):
        if 3.0 <= at_s < 7.0:
            banner(image, "GOAL", "9 NORBEKO")

    (event,) = reported(GraphicsWatcher(), frames(draw, 8.0), "caption")
    assert event.facts["about"] == "goal" and event.importance == 3
    assert event.facts["heading"] == "GOAL" and "NORBEKO" in event.facts["line"]
    assert 2.9 <= event.at_s <= 3.6 and event.detected_s <= 4.6


@pytest.mark.slow
def test_a_caption_under_a_fixed_camera_is_seen_and_a_hoarding_is_not():
    def draw(image, at_s):
        put(image, "FIRNIX BANK", 200, 220, 1.0)
        if at_s >= 6.0:
            banner(image, "YELLOW CARD", "4 OSTRELL")

    (event,) = reported(GraphicsWatcher(), frames(draw, 10.0, moving=lambda s: False), "caption")
    assert event.facts["about"] == "yellow card" and "FIRNIX" not in event.facts["text"]


def test_a_replay_is_one_from_its_label_until_the_label_goes():
    def draw(image, at_s):
        if 3.0 <= at_s < 7.0:
            image[14:44, 480:620] = (190, 20, 40)
            put(image, "REPLAY", 492, 37, 0.8)

    watcher = GraphicsWatcher()
    begins, ends = reported(watcher, frames(draw, 9.0), "replay")
    assert begins.facts["begins"] and not ends.facts["begins"]
    assert 2.9 <= begins.at_s <= 3.6 and 6.9 <= ends.at_s <= 7.6
    assert "replay" not in watcher.on_screen()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(400, 224), (360, 640), (1280, 720)])
def test_pictures_of_other_sizes(size):
    (event,) = reported(GraphicsWatcher(), frames(game([(5.0, (1, 0))]), 8.0, size=size), "score")
    assert event.facts["score"] == [1, 0]


@pytest.mark.slow
def test_a_source_that_jumps_back_begins_again():
    watcher = GraphicsWatcher()
    pictures = list(frames(game([(4.0, (1, 0))]), 6.0))
    assert len(reported(watcher, pictures, "score")) == 1
    assert len(reported(watcher, pictures, "score")) == 1


@pytest.mark.slow
def test_a_board_that_flickers_reports_no_more_than_what_happened():
    draw = game([(6.0, (1, 0))], hidden=lambda s: int(s * 5) % 3 == 0)
    events = reported(GraphicsWatcher(), frames(draw, 12.0), "score")
    assert [e.facts["score"] for e in events] in ([], [[1, 0]])


@pytest.mark.slow
def test_two_clocks_and_one_that_stands():
    def draw(image, at_s):
        board(image, (0, 0) if at_s < 6 else (1, 0), 1500)  # stands
        image[300:330, 500:600] = (0, 0, 0)
        put(image, f"14:{int(at_s):02d}", 506, 322)

    events = reported(GraphicsWatcher(), frames(draw, 10.0), "score")
    assert [e.facts["score"] for e in events] == [[1, 0]]


def test_no_graphics_and_tiny_pictures_report_nothing():
    assert reported(GraphicsWatcher(), frames(lambda image, s: None, 6.0)) == []
    tiny = [Frame(k, k / 5, k / 5, background(k, width=64, height=36)) for k in range(20)]
    assert reported(GraphicsWatcher(), tiny) == []


@pytest.mark.slow
def test_a_banner_that_grows_beside_a_cut_is_reported_whole_and_not_before_it_is_there():
    def draw(image, at_s):
        if 3.0 <= at_s < 8.0:
            share = min(1.0, (at_s - 2.9) / 0.5)  # it moves in from the left
            whole = image.copy()
            banner(whole, "SUBSTITUTION", "IN 26 PELLORI  OUT 8 OSTRELL")
            right = round(40 + 380 * share)
            image[270:340, 40:right] = whole[270:340, 40:right]

    still = frames(draw, 9.0, moving=lambda s: s < 2.8)  # the camera stands from just before the banner on
    (event,) = reported(GraphicsWatcher(), still, "caption")
    assert event.facts["about"] == "substitution"
    assert "PELLORI" in event.facts["text"] and "OSTRELL" in event.facts["text"]
    assert 2.9 <= event.at_s <= 3.7 and event.detected_s <= 4.6


@pytest.mark.slow
@pytest.mark.parametrize("word", ["GOAL", "LUN"])
def test_a_goal_is_read_while_a_word_for_it_covers_the_names_but_not_another_match(word):
    def draw(image, at_s):
        covered = 7.0 <= at_s < 12.0
        teams = (word, word) if covered else ("HAV", "NYM")
        board(
            image,
            (0, 0) if at_s < 7.0 or (word == "LUN" and not covered) else (1, 0),
            1500 + int(at_s),
            teams,
        )

    events = reported(GraphicsWatcher(), frames(draw, 14.0), "score")
    assert [e.facts["score"] for e in events] == ([[1, 0]] if word == "GOAL" else [])
    assert all(e.detected_s <= 9.0 for e in events)


@pytest.mark.slow
def test_a_board_that_shrinks_to_codes_keeps_its_score():
    def draw(image, at_s):
        if at_s < 7.0:
            image[16:46, 20:440] = (16, 24, 60)
            put(image, f"25:{int(at_s):02d}", 26, 37)
            put(image, "HARROW VALE", 110, 37)
            put(image, "0-0", 275, 37)
            put(image, "NYMARK", 330, 37)
        elif at_s >= 9.0:
            board(image, (1, 0), 1500 + int(at_s), x=30)

    (event,) = reported(GraphicsWatcher(), frames(draw, 15.0), "score")
    assert event.facts["score"] == [1, 0] and event.facts["from"] == [0, 0]
    assert event.detected_s <= 12.5


@pytest.mark.slow
def test_a_board_that_is_first_seen_while_it_celebrates_is_read_when_its_names_are_back():
    def draw(image, at_s):
        teams = ("GOAL", "!") if at_s < 5.0 else ("HAV", "NYM")
        board(image, (0, 0) if at_s < 9.0 else (1, 0), 1500 + int(at_s), teams)

    (event,) = reported(GraphicsWatcher(), frames(draw, 12.0), "score")
    assert event.facts["score"] == [1, 0] and event.facts["teams"] == ["HAV", "NYM"]
