"""Prompt profiles, and the prompt of one cycle.

Every prompt holds the rules that the loop relies on: one or two short sentences, only what is new, and exactly
"..." for nothing to say. What changes from cycle to cycle (the last comment, how much to say,
what to look for) comes after, so that a model can keep the fixed part in its cache.

The profiles and the order of the parts follow the nerdpudding project (MIT); the words are our own.
"""

from __future__ import annotations

from commentator_lib.commentators.base import NOTHING_TO_SAY
from commentator_lib.events import Event, Facts
from commentator_lib.profiles import PROFILES, RULES
from commentator_lib.voices.languages import base_code, language_name

LENGTH_HINTS = {
    "minimal": "Very little has changed: a few words at most.",
    "brief": "Not much has changed: one short sentence.",
    "normal": "",
}


_ANSWER = (
    "Answer that now in one or two short sentences, by what the pictures show, even if nothing has changed. "
    "If they do not show it, say so."
)


def carried_comment(last_comment: str) -> str:
    """Return the part of the last comment that goes into the next prompt: all of it, or "" where it was "..."."""
    text = last_comment.strip()
    return "" if text == NOTHING_TO_SAY else text


def facts_in_words(facts: Facts) -> str:
    """Return what the watchers know as a short block for the prompt, "" where they know nothing.

    What stands on the screen is data: it is quoted as plain words, without marks, quotes or line breaks.
    """
    on_screen, lines = facts.on_screen, []
    if "score" in on_screen:
        numbers = [str(n) for n in on_screen["score"]]
        teams = [plain(team) for team in on_screen.get("teams", [])]
        named = [" ".join(pair) for pair in zip(teams, numbers, strict=False)] if all(teams) and teams else []
        lines.append(f"score {', '.join(named or numbers)}")
    for key in ("clock", "period", "caption"):
        if value := plain(str(on_screen.get(key, ""))):
            lines.append(f"{key} {value}")
    if on_screen.get("replay"):
        lines.append("a replay is shown")
    parts = []
    if lines:
        parts.append(f"On the screen now (you may rely on it): {'; '.join(lines)}.")
    if happened := [words for event in facts.happened if (words := event_in_words(event))]:
        parts.append(f"This has just happened, say it first: {'; '.join(happened)}.")
    if "clock" in on_screen:
        parts.append("Do not say the time in every sentence.")
    return "\n".join(parts)


def event_in_words(event: Event) -> str:
    """Return an event in a few words for a prompt; "" for those that are only seen."""
    facts = event.facts
    if event.kind == "score":
        before, after = (" to ".join(str(n) for n in facts.get(key, [])) for key in ("from", "score"))
        what = "the score was corrected" if facts.get("correction") else "the score changed"
        return f"{what} from {before} to {after}"
    if event.kind == "caption":
        about = plain(str(facts.get("about", "")))
        return f"{about + ': ' if about else ''}the caption {plain(str(facts.get('text', '')))}"
    if event.kind == "replay":
        return "a replay begins" if facts.get("begins", True) else ""
    if event.kind in _KINDS_IN_WORDS:
        return _KINDS_IN_WORDS[event.kind]
    return plain(event.kind) if event.importance > 0 else ""


_KINDS_IN_WORDS = {
    "swell": "the crowd roars",
    "gasp": "the crowd gasps",
    "whistle": "the whistle is blown",
    "motion": "something moves fast",
    "freeze": "the picture stands still",
    "black": "the picture is black",
    "cut": "",
    "dissolve": "",
    "wipe": "",
    "clock": "",
    "silence": "",
    "speech": "",
}


def plain(text: str, longest: int = 80) -> str:
    """Return a text from outside as plain words: letters, digits and a few marks, on one line.

    >>> plain('GOAL <|im_end|> "now"\\n 2-1')
    'GOAL im_end now 2-1'
    """
    kept = "".join(c if c.isalnum() or c in " -–:.,'’+&/_" else " " for c in text)
    return " ".join(kept.split())[:longest]


def one_line(text: str) -> str:
    """Return what a user wrote on one line, without the marks that begin and end a model's special tokens and tags.

    >>> one_line("Who is <|im_end|> the red one?\\n</s>")
    'Who is im_end the red one? /s'
    """
    return " ".join("".join(" " if c in "<>|[]{}" or not c.isprintable() else c for c in text).split())


def role_and_rules(profile: str, language: str = "") -> str:
    """Return how every prompt of a run begins; the arguments are those of `build_prompt`."""
    parts = [f"{PROFILES[profile].role} {RULES}"]
    if language and base_code(language) != "en":
        parts.append(f"Speak {language_name(language)}, and nothing else.")
    return "\n".join(parts)


def build_prompt(
    profile: str,
    instruction: str,
    last_comment: str = "",
    intensity: str = "normal",
    facts: str = "",
    question: str = "",
    language: str = "",
) -> str:
    """Return the prompt of one cycle; `intensity` is minimal, brief or normal, `facts` what `facts_in_words` returns.

    `question`: what a viewer asks; it takes the instruction's place. `language`: the code of the one to speak; English
    is not asked for, since the prompt is English. Raise KeyError for an unknown profile.
    """
    parts = [role_and_rules(profile, language)]
    if carried := carried_comment(last_comment):
        parts.append(f'You have just said: "{carried}"')
    if hint := LENGTH_HINTS[intensity]:
        parts.append(hint)
    if facts:
        parts.append(facts)
    if question:
        asked = one_line(question).replace('"', "'")
        parts.append(f'A viewer asks: "{asked}"\n{_ANSWER}')
    else:
        parts.append(f"Watch for this: {instruction}")
    return "\n".join(parts)
