"""How the baseline commentator says things: sentence templates, and the little grammar that they need.

They are kept apart from the detection, so that a sentence can be checked by reading it. Each kind of fact has several
wordings, all true of the same evidence, since a line that is heard twice in a minute sounds like a machine.
"""

from __future__ import annotations

from collections.abc import Sequence

_PLURALS = {"person": "people", "bus": "buses", "couch": "couches"}
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
# What a sentence can be about, each with its wordings. All wordings are true of the same evidence.
TEMPLATES = {
    "shot": [
        "New shot: {things}.",
        "A cut, and now {things}.",
        "The picture changes to {things}.",
        "Next shot, with {things}.",
        "Another view: {things}.",
        "A new view: {things}.",
        "Cut to {things}.",
        "A different view, with {things}.",
    ],
    "bare shot": [
        "The picture cuts to something else.",
        "A cut to another shot.",
        "A different shot now.",
        "A new scene.",
        "The picture changes.",
        "Next view, somewhere else.",
        "One more cut.",
        "Another scene now.",
    ],
    "scene": [
        "There {is} {things}.",
        "In the picture: {things}.",
        "Here {is} {things}.",
        "I can see {things}.",
        "The picture shows {things}.",
        "We have {things}.",
        "I make out {things}.",
        "In view: {things}.",
    ],
    "more": [
        "There {is} also {things}.",
        "Also in view: {things}.",
        "I can also make out {things}.",
        "And here {is} {things}.",
        "Beside that, {things}.",
        "Look, {things} too.",
        "Further, {things}.",
        "And then {things}.",
    ],
    "count": [
        "I count {things} now.",
        "Now I can see {things}.",
        "I make out {things} now.",
        "By now I see {things}.",
        "That makes {things}.",
        "I find {things} now.",
        "Counting again: {things}.",
        "There are signs of {things}.",
    ],
    "arrive": [
        "{Thing} comes into view {where}.",
        "{Thing} appears {where}.",
        "Now {thing} shows up {where}.",
        "Here comes {thing} {where}.",
        "{Thing} enters {where}.",
        "{Thing} can now be seen {where}.",
        "Look {where}: {thing}.",
        "And now {thing} {where}.",
    ],
    "gone": [
        "The {name} is no longer in view.",
        "The {name} is out of view.",
        "I no longer see the {name}.",
        "No more sign of the {name}.",
        "The {name} cannot be seen now.",
        "I have lost the {name}.",
        "The {name} drops out of view.",
        "Without the {name} now.",
    ],
    "gone many": [
        "The {name} are no longer in view.",
        "I no longer see the {name}.",
        "The {name} are out of view.",
        "No more sign of the {name}.",
        "I have lost the {name}.",
        "The {name} cannot be seen now.",
        "The {name} drop out of view.",
        "Without the {name} now.",
    ],
    "sideways": [
        "{Thing} moves to the {way}.",
        "{Thing} is moving {way}.",
        "{Thing} heads to the {way}.",
        "{Thing} goes {way}.",
        "Off to the {way}: {thing}.",
        "{Thing} drifts {way}.",
        "{Thing} makes for the {way}.",
        "To the {way} goes {thing}.",
    ],
    "closer": [
        "{Thing} comes closer.",
        "{Thing} is getting closer.",
        "{Thing} grows larger in the picture.",
        "Nearer now: {thing}.",
        "{Thing} approaches.",
        "{Thing} looms larger.",
        "{Thing} fills more of the picture.",
        "{Thing} draws near.",
    ],
    "stir": [
        "Something just moved {where}.",
        "Movement {where} just now.",
        "Something stirred {where}.",
        "A movement {where}.",
        "I saw something move {where}.",
        "There was motion {where}.",
        "Something is happening {where}.",
        "A brief motion {where}.",
    ],
    "camera": [
        "The camera moves {way}.",
        "The view swings to the {way}.",
        "The camera turns {way}.",
        "The picture pans {way}.",
        "We swing {way}.",
        "The view slides to the {way}.",
        "Panning {way} now.",
        "The camera follows to the {way}.",
    ],
    "text": [
        'On screen it says "{text}".',
        'The text "{text}" is on screen.',
        'I can read "{text}".',
        '"{text}", it says in the picture.',
        'It reads "{text}".',
        'Written there: "{text}".',
        'The words are "{text}".',
        'There it says "{text}".',
    ],
}


def article(name: str) -> str:
    """Return a noun with its indefinite article.

    >>> article("animal"), article("car")
    ('an animal', 'a car')
    """
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def plural(name: str) -> str:
    """Return the plural of a noun."""
    return _PLURALS.get(name, name + "s")


def quantity(name: str, count: int, maybe_more: bool = False) -> str:
    """Return a number of things in words; `maybe_more`: there are signs of others.

    >>> quantity("person", 2), quantity("car", 2, True), quantity("car", 9)
    ('two people', 'at least two cars', 'several cars')
    """
    if count == 1:
        return article(name)
    if count not in NUMBERS:
        return f"several {plural(name)}"
    return f"{'at least ' if maybe_more else ''}{NUMBERS[count]} {plural(name)}"


def side(x: float) -> str:
    """Return where a place is, in words; `x` in fractions of the picture's width."""
    return "on the left" if x < 0.38 else "on the right" if x > 0.62 else "in the middle"


def join(phrases: Sequence[str]) -> str:
    """Return phrases as a list in a sentence: "a, b and c"."""
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
