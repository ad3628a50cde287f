"""Whole sessions in virtual time with actions during the run, and readings of their logs."""

from __future__ import annotations

from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource
from tests.conftest import Says, ToneVoice

LINE = "A red car comes in on the left."  # 8 words: 2 s of the tone voice


def outcomes(session):
    return list(session.log.cycles.outcome)


def heard(session):
    cycles = session.log.cycles
    return cycles[cycles.outcome == "spoken"]


class Cue:
    """A listener for drawn frames that calls `actions[t](session)` when the picture comes to second t."""

    def __init__(self, actions):
        self.actions = dict(actions)
        self.session = None

    def __call__(self, frame, due_s, drawn_s):
        for at_s in [t for t in self.actions if frame.captured_at_s >= t]:
            self.actions.pop(at_s)(self.session)


def acted(actions, duration_s=60.0, commentator=None, **more):
    """Run a what-if session in which `actions` happen at capture time plus the picture's delay; return it."""
    cue = Cue(actions)
    settings = {"change_threshold": 0.0, **more.pop("settings", {})}
    session = LiveSession(
        more.pop("source", None) or SyntheticSource(duration_s),
        Settings(**settings),
        commentator=commentator or Says(LINE),
        voice=more.pop("voice", None) or ToneVoice(),
        mode="what-if",
        on_drawn=cue,
        **more,
    )
    cue.session = session
    return session.run()
