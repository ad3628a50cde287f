"""What-if runs whose frames are known ahead: they say what they would say had each frame been read and shown."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.events import Event
from commentator_lib.scene import ClipPictures
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.base import Foreseen
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.stages import foreseen
from commentator_lib.watching.base import Watcher

# No frame of this rate comes at the very moment of something else.
FPS = 24000 / 1001
JOURNALS = ("cycles.jsonl", "samples.jsonl", "watch.jsonl", "events.jsonl", "shown.csv")


class Restless(SyntheticSource):
    """Synthetic pictures at that rate; without `ahead` its frames are known only when they are read."""

    def __init__(self, ahead: bool, duration_s: float = 90.0, seed: int = 3) -> None:
        super().__init__(duration_s, FPS, seed)
        self._ahead = ahead

    def foreseen(self) -> Foreseen | None:
        return super().foreseen() if self._ahead else None


class Clockwork(Watcher):
    """Reports an event now and then; remembers the frames that it was shown."""

    name = "clockwork"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def look(self, frame):
        self.seen.append(frame.index)
        if len(self.seen) % 70:
            return []
        return [Event("caption", frame.pts_s, frame.pts_s, 2, 0.9, {"text": "hello"})]


def run(ahead, folder=None, watchers=None, cost=(1.3, 0.3, 5.0, 1.5, 0.7), **settings):
    """Return a finished run's session, with its frames known ahead or not."""
    return LiveSession(
        Restless(ahead),
        Settings(commentator="scripted", **settings),
        commentator=ScriptedCommentator(cost=CostModel(*cost), seed=1),
        mode="what-if",
        run_dir=folder,
        watchers=watchers,
    ).run()


def journals(session):
    """Return what was logged in memory, and the counts in the header."""
    header = {k: v for k, v in session.log.header.items() if k.startswith("frames_") or k == "outcomes"}
    return list(session.log.cycle_rows), list(session.log.sample_rows), list(session.log.watch_rows), header


CASES = {
    "plain": {},
    "serial": {"policy": "serial"},
    "a threshold that skips cycles": {"change_threshold": 20.0, "change_measure": "mean"},
    "few frames": {"capture_fps": 0.7, "frames_per_inference": 3},
    "no delay": {"delay_init_s": 0.0},
    "a picture that starts before the first comment": {"delay_init_s": 0.4},
    "changes cut comments": {"interrupt_threshold": 5.0, "capture_fps": 4.0},
    "text alone": {"speech": False},
    "a commentator that is too slow": {"cost": (6.0, 2.0, 4.0, 1.0, 1.6), "delay_max_s": 4.0},
}


@pytest.mark.parametrize("case", CASES)
def test_the_log_is_the_same_as_with_every_frame_read(case):
    one, other = (run(ahead, **CASES[case]) for ahead in (True, False))
    assert len(one.log.cycle_rows) > 5
    assert journals(one) == journals(other)


def test_watchers_are_shown_the_same_frames_and_their_events_cut_the_same_comments():
    watchers = Clockwork(), Clockwork()
    one, other = (
        run(ahead, watchers=[watcher]) for ahead, watcher in zip((True, False), watchers, strict=True)
    )
    assert watchers[0].seen == watchers[1].seen and len(watchers[0].seen) > 400
    assert journals(one) == journals(other)
    assert any(row["outcome"] == "interrupted" for row in one.log.cycle_rows)


def test_the_files_of_a_run_are_the_same_to_the_byte(tmp_path):
    for name in ("synthetic:61", "read"):
        source = name if name != "read" else Unforeseen(61.0, 25.0)
        LiveSession(
            source,
            Settings(commentator="scripted"),
            commentator=ScriptedCommentator(cost=CostModel(1.3, 0.3, 5.0, 1.5, 0.7), seed=1),
            mode="what-if",
            run_dir=tmp_path / name.split(":")[0],
        ).run()
    for journal in set(JOURNALS) - {"samples.jsonl"}:  # each second of these comes with a frame
        one, other = ((tmp_path / name / journal).read_bytes() for name in ("synthetic", "read"))
        assert one == other, journal
        assert one or journal == "watch.jsonl"  # nobody watches


class Unforeseen(SyntheticSource):
    def foreseen(self):
        return None


def test_settings_that_change_in_mid_run_hold_from_then_on():
    """A change of the capture rate and of what cuts a comment, at the same cycle of both runs."""
    rows = []
    for ahead in (True, False):
        session: list[LiveSession] = []

        def line(_request, session=session, calls=[0]):  # noqa: B006 - counts the calls of one run
            calls[0] += 1
            if calls[0] == 3:
                session[0].update(capture_fps=5.0, interrupt_threshold=5.0, pause_s=0.2)
            return "One two three four five six seven eight nine ten eleven twelve."

        session.append(
            LiveSession(
                Restless(ahead),
                Settings(commentator="scripted", change_threshold=0.0),
                commentator=ScriptedCommentator(line, cost=CostModel(1.1, 0.2, 4.0, 0.5, 0.5)),
                mode="what-if",
            )
        )
        rows.append(journals(session[0].run()))
    assert rows[0] == rows[1]
    assert rows[0][0][-1]["pause_s"] == 0.2
    assert any(row["outcome"] == "interrupted" for row in rows[0][0])


def test_no_frame_is_made_that_nobody_looks_at(monkeypatch):
    made = []
    plain = foreseen.FramesAhead.frame
    monkeypatch.setattr(foreseen.FramesAhead, "frame", lambda self, k: made.append(k) or plain(self, k))
    session = run(True, change_threshold=0.0)
    frames = session.log.header["frames_captured"]
    assert frames == int(90 * FPS) and session.log.header["frames_shown"] == frames
    assert len(made) < frames / 4  # the window's two a second, and the newest at each look


def test_every_frame_is_read_where_somebody_looks_at_each(monkeypatch):
    monkeypatch.setattr(foreseen, "FramesAhead", None)  # not to be used
    drawn: list[int] = []
    LiveSession(
        SyntheticSource(5.0),
        Settings(commentator="scripted"),
        commentator=ScriptedCommentator(),
        mode="what-if",
        on_drawn=lambda frame, _due_s, _drawn_s: drawn.append(frame.index),
    ).run()
    assert drawn == list(range(125))


def test_a_class_that_reads_otherwise_is_read():
    class Half(SyntheticSource):
        def read(self, not_before_s=0.0):
            super().read(not_before_s)
            return super().read(not_before_s)

    session = LiveSession(
        Half(20.0),
        Settings(commentator="scripted"),
        commentator=ScriptedCommentator(),
        mode="what-if",
    ).run()
    assert session.log.header["frames_captured"] == 250


def test_a_stopped_run_ends():
    session = LiveSession(
        SyntheticSource(36_000.0),
        Settings(commentator="scripted"),
        commentator=ScriptedCommentator(cost=CostModel(1.0, 0.1, 4.0, 0.5, 0.5)),
        mode="what-if",
    ).start()
    session.stop()
    assert not session.running and session.log.header["stopped_early"]


def test_two_pictures_are_compared_once_however_often_they_are_asked_for():
    pictures = [np.full((36, 64, 3), level, np.uint8) for level in (0, 60, 200)]
    clip = ClipPictures(pictures)
    assert clip.change("mean", 1, 0) == 60.0 and clip.change("mean", 1, 1) == 0.0
    clip.pictures = []
    assert clip.change("mean", 1, 0) == 60.0
    assert clip.change("block", 1, 0) == 30.0  # of the features that are kept


def test_comment_is_logged_when_it_ends_and_not_at_the_next_look_at_the_player():
    spoken = run(True).log.cycles.query("outcome == 'spoken'")
    late_s = spoken.done_s - spoken.heard_to_s
    assert len(spoken) > 8 and late_s.median() == pytest.approx(0.0, abs=2e-6) and late_s.max() <= 0.01 + 2e-6
