"""The commentators, voices, sources and watchers that can be named, including those of installed packages."""

from __future__ import annotations

from collections.abc import Mapping

from commentator_lib.checks.line import CheckLine
from commentator_lib.commentators.factory import known_commentators
from commentator_lib.sources.open import known_sources
from commentator_lib.voices.factory import known_voices
from commentator_lib.watching.factory import known_watchers


def names_line(what: str, known: Mapping[str, str]) -> CheckLine:
    """Return the line about one kind of part: each name with where it comes from.

    >>> names_line("voices", {"hibari": "built in", "owl": "owls 1.2 (owls:Owl)"}).found
    'hibari (built in); owl (owls 1.2 (owls:Owl))'
    """
    by_origin: dict[str, list[str]] = {}
    for name, origin in known.items():
        by_origin.setdefault(origin, []).append(name)
    found = "; ".join(f"{', '.join(names)} ({origin})" for origin, names in by_origin.items())
    return CheckLine(True, what, found)


def names_lines() -> list[CheckLine]:
    """Return a line for each kind of part."""
    return [
        names_line("commentators", known_commentators()),
        names_line("voices", known_voices()),
        names_line("sources", known_sources()),
        names_line("watchers", known_watchers()),
    ]
