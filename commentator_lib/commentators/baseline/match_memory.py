"""What was said of a match, so that nothing is told twice, and what was learned of it: the teams' full names."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from commentator_lib.events import Event

# A goal's caption and the change of the score are one event where they are so near to each other. The score follows its
# caption soon; a caption with the scorer may wait until the celebration is over.
_SCORE_NEAR_S, _CAPTION_AFTER_SCORE_S = 10.0, 20.0
_SAME_S = 10.0  # the same news of two watchers
_COMMENTS_APART = 5  # a phrase may come back after so many comments
_PHRASE_WORDS = 4


@dataclass(slots=True)
class GoalTold:
    """A goal that was told: the source times of its evidence, None for what has not come yet, and its scorer."""

    caption_s: float | None = None
    score_s: float | None = None
    scorer: str = ""
    over: bool = False  # play has begun again since


def of_one_goal(caption_s: float, score_s: float) -> bool:
    """Return whether a goal's caption and a change of the score, at these source times in s, may be one event."""
    return -_SCORE_NEAR_S <= caption_s - score_s <= _CAPTION_AFTER_SCORE_S


def phrases_of(text: str) -> set[tuple[str, ...]]:
    """Return every four words in a row, in lower case and without punctuation."""
    words = re.findall(r"[\w'–-]+", text.lower())
    return {tuple(words[k : k + _PHRASE_WORDS]) for k in range(len(words) - _PHRASE_WORDS + 1)}


@dataclass(slots=True)
class MatchMemory:
    """What was said since the source began. `said_s` holds when something was last said, by its name, in s."""

    goals: list[GoalTold] = field(default_factory=list)
    said_s: dict[str, float] = field(default_factory=dict)
    fixture: tuple[str, str] | None = None  # full names of home and away, from a caption
    opened: bool = False
    since_s: float | None = None  # when a match was first seen
    _told: deque[tuple[str, str, float]] = field(default_factory=lambda: deque(maxlen=32))
    _comments: deque[str] = field(default_factory=lambda: deque(maxlen=_COMMENTS_APART))
    _comment: str = ""

    # --- events

    def tell_again(self, event: Event) -> None:
        """Forget that an event was told: it comes a second time where nobody heard the first telling."""
        for goal in self.goals:
            if event.kind == "score" and goal.score_s == event.at_s:
                goal.score_s = None
            if event.kind != "score" and goal.caption_s == event.at_s:
                goal.caption_s, goal.scorer = None, ""
        self.goals = [g for g in self.goals if g.caption_s is not None or g.score_s is not None]
        about = str(event.facts.get("about", "")) or event.kind
        kept = [told for told in self._told if (told[0], told[2]) != (about, event.at_s)]
        self._told = deque(kept, maxlen=32)

    def goal_of(self, caption_s: float | None, score_s: float | None) -> GoalTold | None:
        """Return the goal, already told, to which a caption or a change of the score at these source times belongs."""
        for goal in reversed(self.goals):
            if caption_s is not None and goal.caption_s is None and goal.score_s is not None:
                if of_one_goal(caption_s, goal.score_s):
                    return goal
            if score_s is not None and goal.score_s is None and goal.caption_s is not None:
                if of_one_goal(goal.caption_s, score_s):
                    return goal
            if score_s is None and caption_s is not None and goal.caption_s is not None:
                if abs(caption_s - goal.caption_s) <= _SAME_S:
                    return goal
        return None

    def told_before(self, about: str, who: str, at_s: float) -> bool:
        """Return whether the same was told of the same source time, or the same with a name and now without one."""
        return any(
            about == told and abs(at_s - told_s) <= _SAME_S and who in ("", name)
            for told, name, told_s in self._told
        )

    def note_told(self, about: str, who: str, at_s: float) -> None:
        """Note that something was told of the source time `at_s`."""
        self._told.append((about, who, at_s))

    # --- words

    def begin_comment(self) -> None:
        """Close the comment before, and begin a new one."""
        if self._comment:
            self._comments.append(self._comment)
        self._comment = ""

    def add_words(self, sentence: str) -> None:
        """Note a sentence of the comment that is being said."""
        self._comment = f"{self._comment} {sentence}".strip()

    def repeats(self, sentence: str) -> bool:
        """Return whether a sentence would bring back four words in a row that one of the last comments had."""
        new = phrases_of(f"{self._comment} {sentence}")
        return any(new & phrases_of(comment) for comment in self._comments)
