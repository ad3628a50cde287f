"""Somebody's callback that fails is named once, and costs nothing else."""

from __future__ import annotations

import logging

import pytest

from commentator_lib.callbacks import Callback
from commentator_lib.commentators.base import Loading
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.players.headless import HeadlessPlayer
from commentator_lib.runs.reader import load_run, read_shown
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.watching.base import Watcher


def fails(*_given):
    raise ValueError("rtsp://me:secret@cam is mine")


def a_run(folder, **more):
    commentator = more.pop("commentator", None) or ScriptedCommentator(
        ["It moves."], CostModel(0.5, 0, 1.5, 0, 0.2), "tone"
    )
    settings = Settings(change_threshold=0.0, commentator="scripted")
    return LiveSession(
        "synthetic:5", settings, commentator=commentator, mode="what-if", run_dir=folder, **more
    ).run()


def test_first_fault_is_told_with_its_place_and_further_ones_are_not(capsys, caplog):
    told = []
    call = Callback("on_caption", fails, told.append)
    with caplog.at_level(logging.WARNING, "commentator_lib"):
        for k in range(3):
            call(k)
    (line,) = told
    assert line.startswith("on_caption failed in ") and "test_callbacks.py, line " in line
    assert "ValueError" in line and "secret" not in line
    assert capsys.readouterr().err == f"commentator: {line}\n" and len(caplog.records) == 1


def test_a_callback_of_none_does_nothing():
    assert Callback("on_caption", None)(1, 2) is None


def test_callback_that_fails_costs_neither_recording_nor_player_nor_loop(tmp_path, capsys):
    seen = []
    player = HeadlessPlayer(on_drawn=fails, on_sounded=fails, on_caption=lambda *given: seen.append(given))
    player.name = "mine"
    session = a_run(tmp_path / "run", on_caption=fails, on_drawn=fails, players=[player])
    whole = a_run(tmp_path / "whole")
    assert session.log.header["frames_shown"] == whole.log.header["frames_shown"] == player.frames_drawn > 100
    run, other = load_run(tmp_path / "run"), load_run(tmp_path / "whole")
    assert run.events == other.events and len(seen) == sum(e["kind"] == "caption" for e in run.events) > 0
    assert (read_shown(run.folder) == read_shown(other.folder)).all()
    assert run.header["finished"] and run.header["error"] is None and other.header["notes"] == []
    notes = run.header["notes"]
    assert sorted(note.split(" ")[0] for note in notes) == ["on_caption", "on_drawn"]
    err = capsys.readouterr().err
    assert err.count("on_caption failed") == 1 and err.count("on_sounded failed") == 1


class TellsNonsense(Watcher):
    """Reports what is no event."""

    name = "nonsense"

    def __init__(self, told):
        self.told = told

    def look(self, frame):
        return self.told


@pytest.mark.parametrize("told", [[None], 5, ["goal"], [{"kind": "goal"}]])
def test_watcher_that_reports_nonsense_is_switched_off(told, tmp_path):
    session = a_run(tmp_path / "run", watchers=[TellsNonsense(told)])
    (note,) = session.log.header["notes"]
    assert note.startswith("watcher nonsense is switched off: TypeError")
    assert session.log.header["error"] is None and session.log.header["outcomes"]["spoken"] > 0


class Loads(ScriptedCommentator):
    """Tells how its loading gets on."""

    def warm_up(self):
        if self.on_loading is not None:
            self.on_loading(Loading("half", 0.5))


def test_listener_to_loading_that_fails_does_not_stop_the_loading(tmp_path):
    commentator = Loads(["It moves."], CostModel(0.5, 0, 1.5, 0, 0.2), "tone")
    commentator.on_loading = fails
    session = a_run(tmp_path / "run", commentator=commentator)
    assert session.log.header["outcomes"]["spoken"] > 0 and commentator.on_loading is fails
