"""Say what watchers know of a match: events first, an opener at the start, and fillers that a viewer could check.

The path of a fact: `match_names` (what was read, made fit for a sentence) → `match_events` (what can be said of it) →
`match_sayings` (what of that is new, by `match_memory`) → `match_words` (how it is put).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from commentator_lib.commentators.baseline.kits import Kits
from commentator_lib.commentators.baseline.match_events import Choice, Phrase, Scene, is_match, scene_of
from commentator_lib.commentators.baseline.match_memory import MatchMemory
from commentator_lib.commentators.baseline.match_names import fixture_of
from commentator_lib.commentators.baseline.match_sayings import (
    Moment,
    Saying,
    fillers,
    opener,
    opener_due,
    partner_of,
    saying_of,
)
from commentator_lib.commentators.baseline.phrasing import Phrasing
from commentator_lib.events import MOST_IMPORTANCE, Facts

MOST_WORDS = 20  # of a comment with news in it
_MOST_WORDS_FIRST = 12  # of the first sentence on an event
_MOST_TOLD = 2  # events of less than the most importance


class Line(NamedTuple):
    """What is said of one event, in one sentence or a few: its importance (0 to 3) and the words."""

    importance: int
    text: str


class MatchTalk:
    """Says what watchers know, in the wordings of `phrasing`, and remembers what was said.

    For each comment ask for `news` first; then `fillers` where there is nothing else. All times are on the clock of the
    frames, in seconds. Show the pictures of a match to `kits`.
    """

    def __init__(self, phrasing: Phrasing) -> None:
        self.kits = Kits()
        self._phrasing = phrasing
        self._memory = MatchMemory()
        self._moment = Moment(Scene(), self._memory, 0.0)

    def knows_match(self, facts: Facts) -> bool:
        """Return whether the facts are those of a match: a score or teams are known."""
        return is_match(facts.on_screen) or bool(facts and self._memory.fixture)

    def news(self, facts: Facts, now_s: float, max_words: int = MOST_WORDS) -> Iterator[Line]:
        """Begin a comment: yield what has just happened, the most important first, or an opener at the start.

        What is yielded counts as said. All that is most important is told; else two things at most.
        """
        # 1) Tell the events, each together with the other evidence of the same one.
        self._begin(facts, now_s)
        happened, left, told, highest = facts.happened, min(max_words, MOST_WORDS), 0, -1
        done: set[int] = set()
        for k, event in enumerate(happened):
            enough = told and (highest >= MOST_IMPORTANCE or told >= _MOST_TOLD or event.importance < 1)
            if k in done or (enough and event.importance < MOST_IMPORTANCE):
                continue
            partner = partner_of(happened, k)
            done |= {k} if partner is None else {k, partner}
            saying = saying_of(event, None if partner is None else happened[partner], self._moment)
            line = self._say(saying, left) if saying else None
            if line is not None:
                left, told, highest = left - len(line.text.split()), told + 1, max(highest, line.importance)
                yield line
        # 2) Open the match, where nothing came first.
        if not told and self.knows_match(facts) and opener_due(self._moment):
            line = self._say(opener(self._moment), left)
            if line is not None:
                yield line

    def fillers(self, facts: Facts, now_s: float, max_words: int = MOST_WORDS) -> Iterator[Line]:
        """Yield one thing that a viewer could check, said seldom, or nothing where none is due."""
        if not facts:
            return
        for saying in fillers(self._moment, self.kits.sides):
            line = self._say(saying, max_words)
            if line is not None:
                self._memory.said_s["filler"] = now_s
                yield line
                return

    def heard(self, sentence: str) -> None:
        """Note a sentence that the commentator adds to the comment."""
        self._memory.add_words(sentence)

    def repeats(self, sentence: str) -> bool:
        """Return whether a sentence would bring back a phrase of the last comments."""
        return self._memory.repeats(sentence)

    def _begin(self, facts: Facts, now_s: float) -> None:
        """Take in the facts of a new comment."""
        memory, on_screen = self._memory, _with_teams(facts)
        memory.begin_comment()
        # 1) Learn the teams' full names.
        for event in facts.happened:
            fixture = fixture_of(str(event.facts.get("text", ""))) if event.kind == "caption" else None
            if fixture is not None and (memory.fixture is None or scene_of(on_screen, fixture).fits):
                memory.fixture = fixture
        # 2) Take what came before and comes again as not told: nobody heard it.
        for event in facts.happened:
            memory.tell_again(event)
        self._moment = Moment(scene_of(on_screen, memory.fixture), memory, now_s)
        if memory.since_s is None and self.knows_match(facts):
            memory.since_s = now_s

    def _say(self, saying: Saying, max_words: int) -> Line | None:
        """Return the words of a saying and note them as said; None where they do not fit into `max_words`."""
        # 1) Of each choice the fullest way that fits. The first must be said.
        said: list[tuple[Phrase, str]] = []
        left = max_words
        for k, choice in enumerate(saying.choices):
            found = self._fitting(choice, left if k else min(left, _MOST_WORDS_FIRST))
            if found is None and k == 0:
                return None
            if found is not None:
                said.append(found)
                left -= len(found[1].split())
        # 2) Note it.
        times, now_s = self._memory.said_s, self._moment.now_s
        for (kind, slots), sentence in said:
            self._phrasing.remember(kind, sentence)
            times |= {slot: now_s for slot in ("score", "clock") if slot in slots}
            if kind in ("replay", "replay over", "caption"):
                times[kind] = now_s
        saying.note()
        text = " ".join(sentence for _, sentence in said)
        self._memory.add_words(text)
        return Line(saying.importance, text)

    def _fitting(self, choice: Choice, max_words: int) -> tuple[Phrase, str] | None:
        """Return the first way of a choice that has at most so many words, and its sentence."""
        for phrase in choice:
            sentence = self._phrasing.sentence(*phrase)
            if len(sentence.split()) <= max_words:
                return phrase, sentence
        return None


def _with_teams(facts: Facts) -> dict[str, Any]:
    """Return what stands on the screen, with the teams of a change of the score where the screen has none."""
    teams = next((e.facts["teams"] for e in facts.happened if e.kind == "score" and "teams" in e.facts), ())
    return {"teams": teams} | dict(facts.on_screen)
