"""What watchers know is told once, with the event first, and nothing is claimed that they do not know."""

from __future__ import annotations

import re

import pytest

from commentator_lib.commentators.baseline.match_names import (
    LONGEST_NAME,
    Who,
    change_of,
    clock_words,
    fixture_of,
    person_name,
    score_words,
    spoken_name,
    who_is,
)
from commentator_lib.commentators.baseline.match_talk import MatchTalk
from commentator_lib.commentators.baseline.phrasing import Phrasing
from commentator_lib.events import Event, Facts
from commentator_lib.truth.naming import kinds_named, scores_named
from tests.commentators.baseline.match_facts import (
    caption,
    goal_caption,
    happened,
    lines,
    new_talk,
    score,
    told,
)

SEEDS = range(10)


def fillers(talk: MatchTalk, facts: Facts, now_s: float) -> str:
    return " ".join(line.text for line in talk.fillers(facts, now_s))


# --- goals


@pytest.mark.parametrize("seed", SEEDS)
def test_a_goal_is_named_first_and_shortly_with_scorer_and_team(seed):
    [line] = lines(new_talk(seed), happened(goal_caption()), 11.0)
    first = re.split(r"(?<=[.!])\s", line.text)[0]
    assert line.importance == 3 and first.endswith("!") and kinds_named(first) == {"goal"}
    assert len(first.split()) <= 12 and len(line.text.split()) <= 14
    assert "Casteno" in line.text and "Redmoor Rovers" in line.text and not scores_named(line.text)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_score_completes_the_goal_of_a_caption(seed):
    talk = new_talk(seed)
    told(talk, happened(goal_caption()), 11.0)
    [line] = lines(talk, happened(score([2, 1], [1, 1])), 13.0)
    assert scores_named(line.text) == [(2, 1)] and not kinds_named(line.text)
    assert line.importance < 3 and len(line.text.split()) <= 10


@pytest.mark.parametrize("seed", SEEDS)
def test_the_caption_completes_the_goal_of_a_score(seed):
    talk = new_talk(seed)
    first = told(talk, happened(score([2, 1], [1, 1])), 13.0)
    assert kinds_named(first) == {"goal"} and scores_named(first) == [(2, 1)] and "Redmoor Rovers" in first
    second = told(talk, happened(goal_caption(at_s=18.0)), 19.0)
    assert "Casteno" in second and not kinds_named(second)
    assert told(talk, happened(goal_caption(at_s=19.0)), 20.0) == ""  # the same once more


def test_caption_and_score_in_one_comment_are_one_goal():
    [line] = lines(new_talk(), happened(goal_caption(), score([1, 2], [1, 1])), 13.0)
    assert scores_named(line.text) == [(1, 2)] and "Casteno" in line.text
    assert len(re.findall(r"goal|scored", line.text, re.IGNORECASE)) == 1


def test_the_next_goal_is_a_goal_again():
    talk = new_talk()
    told(talk, happened(goal_caption(), score([2, 1], [1, 1])), 13.0)
    assert "goal" in kinds_named(told(talk, happened(score([3, 1], [2, 1], at_s=40.0)), 41.0))
    assert "goal" in kinds_named(told(talk, happened(goal_caption(at_s=70.0)), 71.0))


def test_a_goal_that_nobody_heard_is_told_again_in_full():
    talk, goal = new_talk(), happened(goal_caption())
    assert "goal" in kinds_named(told(talk, goal, 11.0))
    assert "goal" in kinds_named(told(talk, goal, 14.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_correction_says_that_the_score_fell(seed):
    said = told(new_talk(seed), happened(score([1, 0], [2, 0], importance=2, correction=True)), 13.0)
    assert scores_named(said) == [(1, 0)] and len(said.split()) <= 12
    plain = told(new_talk(seed), happened(score([2, 0], [1, 0], importance=2, correction=True)), 13.0)
    assert scores_named(plain) == [(2, 0)] and not re.search("goal|back|drop|not", plain, re.IGNORECASE)


@pytest.mark.parametrize(
    "event",
    [
        score([58, 50], [55, 50], importance=2),
        score([58, 50], [57, 50], importance=1),
        score([3, 0], [0, 0]),
        score([1, 1], [0, 0]),
    ],
)
def test_baskets_and_larger_steps_are_no_goal(event):
    for seed in SEEDS:
        said = told(new_talk(seed), happened(event), 13.0)
        assert scores_named(said) == [tuple(event.facts["score"])] and not kinds_named(said), said


@pytest.mark.parametrize("reading", [["AD", 40], [1], [1, 2, 3], None, "2-1", [-1, 0], [1.5, 2]])
def test_what_is_no_score_of_two_numbers_is_not_said(reading):
    assert score_words(reading) == ""
    event = Event("score", 12.0, 12.5, 2, facts={"score": reading, "from": [0, 0]})
    assert not scores_named(told(new_talk(), happened(event, score=reading), 13.0))


def test_an_own_goal_names_no_scorer():
    said = told(new_talk(), happened(goal_caption("9 CASTENO (OG)")), 11.0)
    assert kinds_named(said) == {"goal"} and "Casteno" not in said


# --- cards, substitutions and the rest


@pytest.mark.parametrize(
    ("about", "line", "kind", "name"),
    [
        ("yellow card", "4 DARVIK  BLU", "card", "Darvik"),
        ("red card", "4 DARVIK  BLU", "card", "Darvik"),
        ("card", "4 DARVIK", "card", "Darvik"),
        ("substitution", "IN 26 PELLORI   OUT 8 OSTRELL", "substitution", "Pellori for Ostrell"),
        ("corner", "BLUEHAVEN CITY", "corner", "Bluehaven City"),
        ("kick-off", "", "kick-off", ""),
    ],
)
def test_captions_name_their_event_first_and_then_whom(about, line, kind, name):
    for seed in SEEDS:
        talk = new_talk(seed)
        said = told(talk, happened(caption(about, line, 20.0)), 21.0)
        first = re.split(r"(?<=[.!])\s", said)[0]
        assert kinds_named(first) == {kind} and kinds_named(said) == {kind} and name in said
        assert told(talk, happened(caption(about, line, 22.0)), 23.0) == ""  # another watcher's


def test_two_cards_of_two_players_are_two():
    talk = new_talk()
    assert "Darvik" in told(talk, happened(caption("yellow card", "4 DARVIK", 20.0)), 21.0)
    assert "Gorlan" in told(talk, happened(caption("yellow card", "6 GORLAN", 24.0)), 25.0)


@pytest.mark.parametrize("about", ["penalty", "free kick", "offside", "var", "half-time", "full-time"])
def test_other_captions_are_told(about):
    said = told(new_talk(), happened(caption(about, "", 20.0)), 21.0)
    assert said and not kinds_named(said)
    if about.endswith("-time"):
        assert scores_named(said) == [(1, 1)]


def test_the_first_whistle_after_a_goal_is_for_the_kick_off():
    talk = new_talk()
    whistle = lambda at_s: happened(Event("whistle", at_s, at_s + 0.3, 2), score=[2, 1])  # noqa: E731
    told(talk, happened(goal_caption(at_s=10.6)), 11.0)
    told(talk, happened(score((2, 1), (1, 1), at_s=14.0)), 14.5)
    assert kinds_named(told(talk, whistle(13.0), 14.9)) == set()  # before the board had changed
    assert kinds_named(told(talk, whistle(26.0), 26.4)) == {"kick-off"}
    assert kinds_named(told(talk, whistle(40.0), 40.4)) == set()


def test_a_whistle_after_a_goal_that_was_taken_back_is_none():
    talk = new_talk()
    told(talk, happened(score((2, 1), (1, 1), at_s=14.0)), 14.5)
    told(talk, happened(score((1, 1), (2, 1), at_s=20.0, correction=True)), 20.5)
    assert kinds_named(told(talk, happened(Event("whistle", 30.0, 30.3, 2)), 30.4)) == set()


def test_the_whistle_and_the_crowd_are_evidence_of_themselves_only():
    for kind in ("swell", "whistle"):
        assert not kinds_named(told(new_talk(), happened(Event(kind, 20.0, 20.5, 2)), 21.0))
    talk = new_talk()
    told(talk, happened(goal_caption()), 11.0)
    assert told(talk, happened(Event("swell", 11.0, 12.0, 2)), 13.0) == ""  # it is the goal's


def test_a_replay_is_a_replay_and_its_end_follows_its_beginning():
    talk = new_talk()
    over = Event("replay", 30.0, 30.0, 1, facts={"begins": False})
    assert told(talk, happened(over), 30.0) == ""
    begin = Event("replay", 20.0, 20.5, facts={"seen_s": 11.0})
    assert told(talk, happened(begin), 21.0)
    assert told(talk, happened(Event("replay", 20.4, 20.9, facts={"begins": True})), 21.4) == ""
    assert told(talk, happened(over), 30.0)
    assert told(talk, happened(Event("replay", 30.2, 30.2, facts={"ends": True})), 30.5) == ""


def test_what_is_only_seen_is_not_told_and_an_unknown_kind_is_told_plainly():
    for kind in ("cut", "dissolve", "wipe", "clock", "silence", "speech"):
        assert told(new_talk(), happened(Event(kind, 20.0, 20.5, 1)), 21.0) == ""
    assert "lap record" in told(new_talk(), happened(Event("lap_record", 20.0, 20.5, 1)), 21.0)
    assert told(new_talk(), happened(Event("lap_record", 20.0, 20.5, 0)), 21.0) == ""


def test_the_most_important_comes_first_and_leaves_no_room():
    events = (goal_caption(), Event("whistle", 10.0, 10.5, 2), caption("corner", "", 10.0))
    assert kinds_named(told(new_talk(), happened(*events), 11.0)) == {"goal"}
    two = lines(new_talk(), happened(*events[1:], Event("freeze", 10.0, 10.5)), 11.0)
    assert len(two) == 2


# --- the start, and nothing new


def test_the_opener_has_teams_score_and_clock_and_comes_once():
    for seed in SEEDS:
        talk = MatchTalk(Phrasing(seed))
        facts = Facts({"teams": ["RMA", "BRA"], "score": [0, 0], "clock": "34:10"})
        said = told(talk, facts, 1.0)
        assert "RMA" in said and "BRA" in said and scores_named(said) == [(0, 0)] and "34:10" in said
        assert not kinds_named(said) and told(talk, facts, 3.0) == ""


def test_the_opener_waits_for_the_teams_but_not_for_ever():
    talk, facts = MatchTalk(Phrasing(0)), Facts({"score": [0, 0]})
    assert told(talk, facts, 1.0) == "" and told(talk, facts, 4.0) == ""
    assert scores_named(told(talk, facts, 8.0)) == [(0, 0)]


def test_fillers_are_true_of_the_screen_rare_and_name_no_event():
    for standing in ([2, 1], [1, 2], [1, 1]):
        talk, said = new_talk(), []
        for second in range(1, 241):
            facts = happened(score=standing, clock=f"67:{second % 60:02d}")
            assert told(talk, facts, 0.5 + second) == ""
            said.append(fillers(talk, facts, 0.5 + second))
        told_now = [s for s in said if s]
        assert all(not kinds_named(s) and set(scores_named(s)) <= {tuple(standing)} for s in told_now)
        assert 6 <= sum(bool(scores_named(s)) for s in told_now) <= 13
        assert 3 <= sum("67:" in s for s in told_now) <= 4
        leaders = {"Redmoor Rovers": standing[0] > standing[1], "Bluehaven City": standing[1] > standing[0]}
        for team, leads in leaders.items():
            assert any(team in s for s in told_now) is leads


def test_no_filler_tells_the_old_score_right_after_a_goal():
    talk = new_talk()
    told(talk, happened(goal_caption()), 31.0)
    assert not scores_named(fillers(talk, happened(), 35.0))


def test_without_facts_nothing_is_said():
    talk = new_talk()
    assert told(talk, Facts(), 60.0) == "" and fillers(talk, Facts(), 99.0) == ""


def test_a_limit_of_words_is_kept():
    for most in range(12):
        assert (
            len(told(new_talk(), happened(goal_caption(), score([2, 1], [1, 1])), 13.0, most).split()) <= most
        )


# --- names are data


def test_names_are_quoted_as_read_without_marks_and_cut():
    assert spoken_name('"DAR\x07VIK"\n{x}') == "Dar Vik x"
    assert len(spoken_name("a" * 99)) == LONGEST_NAME
    assert spoken_name("BRA") == "BRA" and spoken_name("AC O'NEILL") == "AC O'Neill"
    for news in ("Corner United", "Goal", "2-1", "Shot", "Red Card"):
        assert spoken_name(news) == ""


@pytest.mark.parametrize(
    ("line", "heading", "who"),
    [
        ("9 Harlow 34'", "GOAL", Who("Harlow")),
        ("", "GOAL! HARLOW 90+3'", Who("Harlow")),
        ("GOAL", "HARLOW 34'", Who("Harlow")),
        ("12GORLAN BLUEHAVEN CITY", "GOAL", Who("Gorlan", 1)),
        ("4 DARVIK RED", "YELLOW CARD", Who("Darvik", 0)),
        ("BLUEHAVEN CITY", "CORNER", Who("", 1)),
        ("4 DARVIK BLUE", "YELLOW CARD", Who("Darvik", 1)),
        ("Harlow (assist Odell)", "GOAL", Who("Harlow")),
        ("Match statistics 34% of all 18", "GOAL", Who()),
        ("", "GOAL", Who()),
    ],
)
def test_who_a_caption_is_about(line, heading, who):
    assert who_is(line, heading, ["Redmoor Rovers", "Bluehaven City"], ["RED", "BLU"]) == who


def test_small_parsers():
    assert (
        change_of("OUT 8 OSTRELL IN 26 PELLORI")
        == change_of("Pellori on for Ostrell")
        == "Pellori for Ostrell"
    )
    assert change_of("IN 26 PELLORI") == "" and person_name("72% of 18") == ""
    assert fixture_of("REDMOOR ROVERS vs BLUEHAVEN CITY") == ("Redmoor Rovers", "Bluehaven City")
    assert fixture_of("Group stage") is None
    assert clock_words("90:00+3") == "90:00+3" and clock_words("12:75") == clock_words(None) == ""


def test_a_caption_is_quoted_only_where_it_names_no_event():
    said = told(new_talk(), happened(caption("", "Matchday twelve", 20.0, "League", 0)), 21.0)
    assert "League Matchday twelve" in said
    for text in ("Corners 4 2", "Result 2-1", "Top shots", "x " * 30, "VENATHLETIC"):
        assert told(new_talk(), happened(caption("", "", 20.0, text, 0)), 21.0) == ""
