"""The wordings of a match: enough of them, each names its event and no other, and no two say the same words."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from commentator_lib.commentators.baseline.match_events import CAPTION_KINDS
from commentator_lib.commentators.baseline.match_memory import phrases_of
from commentator_lib.commentators.baseline.match_names import names_news
from commentator_lib.commentators.baseline.match_words import MATCH_TEMPLATES
from commentator_lib.commentators.baseline.phrasing import Phrasing
from commentator_lib.commentators.baseline.words import TEMPLATES
from commentator_lib.truth.naming import kinds_named, scores_named

SLOTS = {
    "team": "Redmoor Rovers",
    "home": "Redmoor Rovers",
    "away": "Bluehaven City",
    "player": "Casteno",
    "score": "2-1",
    "clock": "67:12",
    "where": "on the left",
    "text": "Matchday twelve",
    "name": "lap record",
    "one": "light blue",
    "other": "yellow",
}
# What each kind of wording must name, in the words of commentator_lib/truth/naming.py; all others name nothing.
NAMES = {
    "goal": "goal",
    "yellow card": "card",
    "red card": "card",
    "card": "card",
    "substitution": "substitution",
    "corner": "corner",
    "kick-off": "kick-off",
    "gasp": "shot",
    "whistle for kick-off": "kick-off",
}
# Kinds that the rule does not know: a word that each wording must hold.
HOLDS = {
    "penalty": "penalty",
    "half-time": "half-time",
    "full-time": "full-time",
    "free kick": "free kick",
    "offside": "offside",
    "var": "video|monitor|screen",
    "replay": "replay|again|once more|second look|one more",
    "replay over": "replay|live|now",
    "swell": "crowd|roar|noise|stands",
    "whistle": "whistle",
}
WAYS = [way for ways in MATCH_TEMPLATES.values() for way in ways]


@pytest.mark.parametrize("table", [TEMPLATES, MATCH_TEMPLATES])
def test_each_thing_has_at_least_eight_wordings(table):
    assert {kind: len(set(ways)) for kind, ways in table.items() if len(set(ways)) < 8} == {}


def test_no_kind_of_a_match_hides_one_of_the_picture():
    assert not set(TEMPLATES) & set(MATCH_TEMPLATES)
    assert set(MATCH_TEMPLATES) >= CAPTION_KINDS


@pytest.mark.parametrize("kind", MATCH_TEMPLATES)
def test_a_wording_names_its_event_and_no_other(kind):
    for way in MATCH_TEMPLATES[kind]:
        said = way.format(**SLOTS)
        assert kinds_named(said) == ({NAMES[kind]} if kind in NAMES else set()), said
        assert scores_named(said) == ([(2, 1)] if "{score}" in way else []), said
        assert re.search(HOLDS.get(kind, ""), said, re.IGNORECASE), said
        assert said[-1] in ".!" and "{" not in said


def test_every_wording_of_a_new_shot_names_the_cut():
    slots = {"things": "two cars", "is": "are"}
    for kind in ("shot", "bare shot"):
        for way in TEMPLATES[kind]:
            assert kinds_named(way.format(**slots)) == {"cut"}, way


@pytest.mark.parametrize("kind", ["swell", "whistle", "freeze", "black", "motion"])
def test_a_noise_or_a_picture_is_evidence_of_nothing_more(kind):
    assert not any(names_news(way.format(**SLOTS)) for way in MATCH_TEMPLATES[kind])


def test_what_may_not_be_quoted_is_what_the_measure_takes_for_an_event():
    quotes = [
        "Corners 4 2",
        "New shot",
        "2 – 1",
        "Booked",
        "kicks off",
        "Substitutes",
        "comes on for",
        "12:30",
        "Shotton",
    ]
    for text in [*quotes, *(way.format(**SLOTS) for way in WAYS)]:
        measured = bool(kinds_named(text) or scores_named(text))
        assert names_news(text) >= measured, text
    assert not names_news("Northgate United") and not names_news("Shotton 12:30")


def test_wordings_of_one_kind_share_no_four_words_but_names():
    names = (
        "opener",
        "free kick",
        "motion",
        "goal by for",
        "filler kits",
    )  # two names beside each other, or a place of three words
    for kind, ways in MATCH_TEMPLATES.items():
        shared = Counter(gram for way in ways for gram in phrases_of(way.format(**SLOTS)))
        again = [gram for gram, count in shared.items() if count > 1]
        assert kind in names or not again, (kind, again)


@pytest.mark.parametrize("seed", range(4))
def test_a_wording_comes_back_only_after_all_others(seed):
    phrasing = Phrasing(seed)
    for kind, ways in MATCH_TEMPLATES.items():
        said = []
        for _ in range(3 * len(ways)):
            said.append(phrasing.sentence(kind, SLOTS))
            phrasing.remember(kind, said[-1])
        for start in range(0, len(said), len(ways)):
            assert len(set(said[start : start + len(ways)])) == len(ways), kind
