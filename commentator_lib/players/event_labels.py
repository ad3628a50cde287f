"""Words for events as a page shows them: a short label for a chip, a long one for a tooltip.

What a watcher read in the picture is data from outside: it comes out on one line, without control marks, and short.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SHORT_CHARACTERS, LONG_CHARACTERS = 24, 100


def short_label(row: Mapping[str, Any]) -> str:
    """Return a label of at most 24 characters for the row of an event: what has happened, not what kind it is of.

    >>> short_label({"kind": "score", "facts": '{"score": [2, 1]}'})
    '2-1'
    >>> short_label({"kind": "caption", "facts": '{"about": "goal", "text": "GOAL 9 Harlow"}'})
    'GOAL'
    """
    kind, facts = _kind_of(row), _facts_of(row)
    label = kind
    if kind == "score":
        label = _score_of(facts) or kind
    elif kind == "caption":
        about = _words(facts.get("about")).upper()
        label = about or _words(facts.get("heading")) or _words(facts.get("text")) or kind
    elif kind == "replay":
        label = "replay over" if _is_over(facts) else kind
    elif kind == "whistle":
        label = f"{kind}{_times_of(facts)}"
    elif kind == "swell":
        label = "crowd"
    return _cut(label, SHORT_CHARACTERS)


def long_label(row: Mapping[str, Any]) -> str:
    """Return a label of at most 100 characters for the row of an event: its kind and the main fact of it.

    >>> long_label({"kind": "score", "facts": '{"score": [2, 1], "teams": ["HAR", "LEI"], "clock": "67:12"}'})
    'score 2-1, HAR – LEI, 67:12'
    >>> long_label({"kind": "cut", "facts": '{"length_s": 4.2}'})
    'cut after 4.2 s'
    """
    kind, facts = _kind_of(row), _facts_of(row)
    if kind == "score":
        label = _score_in_full(facts)
    elif kind == "caption":
        text = _words(facts.get("text")) or f"{_words(facts.get('heading'))} {_words(facts.get('line'))}"
        label = f"{kind} {text}"
    elif kind == "replay":
        label = "replay over" if _is_over(facts) else kind
    elif kind == "whistle":
        label = f"{kind}{_times_of(facts)}{_measure(facts, 'length_s', ', {:.1f} s')}"
    elif kind == "swell":
        label = f"{kind} of the crowd{_measure(facts, 'rise_db', ', {:+.0f} dB')}"
    elif kind == "clock":
        label = f"{kind} {_words(facts.get('state'))} {_words(facts.get('clock'))}"
    elif kind in ("cut", "dissolve", "wipe"):
        label = f"{kind}{_measure(facts, 'length_s', ' after {:.1f} s')}"
    else:
        label = f"{kind} {_first_fact(facts)}"
    return _cut(label.strip(), LONG_CHARACTERS)


def _kind_of(row: Mapping[str, Any]) -> str:
    return _words(row.get("kind")).replace("_", " ") or "event"


def _facts_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a row; none where its text holds no object of JSON."""
    try:
        facts = json.loads(row.get("facts") or "{}")
    except (ValueError, TypeError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _score_of(facts: Mapping[str, Any]) -> str:
    """Return a score as "2-1", "" where it is not known."""
    score = facts.get("score")
    return "-".join(_words(n) for n in score[:4]) if isinstance(score, list) else ""


def _score_in_full(facts: Mapping[str, Any]) -> str:
    score, teams = _score_of(facts), facts.get("teams")
    corrected = "corrected to " if facts.get("correction") is True and score else ""
    names = [name for n in teams[:2] if (name := _words(n))] if isinstance(teams, list) else []
    more = [" – ".join(names) if len(names) == 2 else "", _words(facts.get("clock"))]
    return ", ".join(filter(None, [f"score {corrected}{score}".strip(), *more]))


def _is_over(facts: Mapping[str, Any]) -> bool:
    return facts.get("begins") is False or facts.get("ends") is True


def _times_of(facts: Mapping[str, Any]) -> str:
    blasts = facts.get("blasts")
    return f" ×{blasts}" if isinstance(blasts, int) and blasts > 1 else ""


def _measure(facts: Mapping[str, Any], key: str, form: str) -> str:
    """Return a number of the facts in this form, "" where there is none."""
    value = facts.get(key)
    return form.format(value) if _is_number(value) else ""


def _first_fact(facts: Mapping[str, Any]) -> str:
    """Return the first fact that can be said in a few words."""
    for key, value in facts.items():
        if isinstance(value, str) and (words := _words(value)):
            return words
        if _is_number(value):
            return f"{_words(key)} {value:g}"
    return ""


def _is_number(value: Any) -> bool:
    """Return whether a value is a number that can be written out."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _words(value: Any) -> str:
    """Return a text or a number as words on one line, "" for anything else."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return ""
    text = str(value)[: 4 * LONG_CHARACTERS]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _cut(text: str, longest: int) -> str:
    """Return a text that is cut with an ellipsis where it is too long."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
