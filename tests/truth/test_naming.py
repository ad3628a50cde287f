"""Which words name an event, a score, or a kind that no list knows."""

from __future__ import annotations

import pytest

from commentator_lib.truth import naming


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Goal for the reds!", {"goal"}),
        ("GOAL RED 9", {"goal"}),
        ("She scores!", {"goal"}),
        ("It is in the back of the net.", {"goal"}),
        ("The goalkeeper takes the goal kick.", set()),
        ("A shot at goal, and the goal-line holds.", {"shot"}),
        ("New shot: two people.", {"cut"}),
        ("A close shot of the stand.", set()),
        ("He shoots from afar.", {"shot"}),
        ("A cut, and now a person on the left.", {"cut"}),
        ("The picture changes to a bus.", {"cut"}),
        ("He cuts inside from the wing.", set()),
        ('On screen it says "YELLOW CARD".', {"card"}),
        ("Number seven is booked.", {"card"}),
        ("Number four comes on for number nine, a substitution.", {"substitution"}),
        ("Corner for BLU.", {"corner"}),
        ("Into the top corner!", set()),
        ("And we are under way.", {"kick-off"}),
        ("The kick-off is next, after the goal.", {"kick-off", "goal"}),
        ("A free kick on the left.", set()),
        ("Still goalless, with nothing on.", set()),
        ("Something stirred in the middle.", set()),
    ],
)
def test_what_names_an_event(text, kinds):
    assert naming.kinds_named(text) == kinds


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("RED 1-0 BLU", [(1, 0)]),
        ("It is 2–1 now.", [(2, 1)]),
        ("3 - 2, says the board", [(3, 2)]),
        ("12:34 on the clock", []),
        ("the season 2025-26", []),
        ("on 3-4-5", []),
        ("1-0 and then 1-1.", [(1, 0), (1, 1)]),
        ("number 10", []),
    ],
)
def test_what_names_a_score(text, scores):
    assert naming.scores_named(text) == scores


@pytest.mark.parametrize(
    ("text", "kind", "named"),
    [
        ("Two throw-ins already.", "Throw-in", True),
        ("It goes out for a throw in", "Throw-in", True),
        ("They throw it in.", "Throw-in", False),
        ("GOAL for the reds!", "Goal", True),
        ("The goalkeeper has it.", "Goal", False),
        ("That is a yellow card.", "Yellow card", True),
        ("He shoots!", "Shots on target", True),
        ("Ball out of play.", "Ball out of play", True),
        ("Somersaults, two of them.", "somersault", True),
        ("A summersault.", "somersault", False),
        ("Anything", "->", False),
        ("It is 2–1 now.", "scoreboard", True),
        ("Look at the scoreboard.", "scoreboard", False),
    ],
)
def test_any_kind_is_named_by_its_own_words(text, kind, named):
    assert naming.names_kind(text, kind) is named
