"""The files of the scripted match are complete, and its command prints what it wrote."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from commentator_lib.sources.video import FileSource
from experiments.match_clip import match
from experiments.match_clip.events import EventsError, load_events
from experiments.tools.command_line import run_app
from tests.experiments.match_clip.conftest import change, draw, write_script

pytestmark = pytest.mark.slow


@pytest.mark.slow
def test_the_clip_is_what_the_script_says(rendered):
    folder, clip, truth = rendered
    assert clip.parent == folder and clip.name == f"match-144p-20s-seed5-v{match.RENDER_VERSION}.mp4"
    assert truth == write_script(20, 5).truth == load_events(match.events_path(clip), clip)
    source = FileSource(clip)
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    assert (source.info.width, source.info.height, source.info.fps) == (256, 144, 25.0)
    assert len(frames) == 500 and not source.problem
    assert [frame.pts_s for frame in frames[:3]] == pytest.approx([0, 0.04, 0.08])
    for index in (0, 123, 400):
        assert change(frames[index].image, draw(write_script(20, 5), index)) < 8
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".mp4"]


@pytest.mark.slow
def test_two_renders_are_the_same_file(rendered, tmp_path):
    _, clip, _ = rendered
    again = tmp_path / "again.mp4"
    match.render(match.write_script(20, 5), again, 144)
    assert again.read_bytes() == clip.read_bytes()


def test_a_clip_that_is_there_is_not_rendered_again(rendered, monkeypatch):
    folder, clip, truth = rendered
    monkeypatch.setattr(match, "render", lambda *_, **__: pytest.fail("rendered again"))
    assert match.match_clip(20, 5, 144, folder) == (clip, truth)


def draw_black_frames(monkeypatch):
    """Draw black frames, which take no time, in tests of files only."""
    monkeypatch.setattr(
        match, "draw", lambda script, index, width, height: np.zeros((height, width, 3), np.uint8)
    )


@pytest.mark.slow
def test_events_of_another_clip_are_not_believed(rendered, monkeypatch, tmp_path):
    draw_black_frames(monkeypatch)
    _, clip, _ = rendered
    other, _ = match.match_clip(20, 6, 144, tmp_path)
    with pytest.raises(EventsError, match="SHA-256"):
        load_events(match.events_path(clip), other)
    # If the events file of another clip has the right name, both files are rendered again.
    match.events_path(other).write_bytes(match.events_path(clip).read_bytes())
    again, truth = match.match_clip(20, 6, 144, tmp_path)
    assert truth.seed == load_events(match.events_path(again), again).seed == 6


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_render_leaves_nothing_that_looks_whole(tmp_path, monkeypatch, stopped_by):
    def stops(script, index, width, height):
        if index == 100:
            raise stopped_by
        return np.zeros((height, width, 3), np.uint8)

    monkeypatch.setattr(match, "draw", stops)
    with pytest.raises(stopped_by):
        match.match_clip(20, 0, 144, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_render_killed_before_its_events_is_made_again(tmp_path, monkeypatch):
    draw_black_frames(monkeypatch)
    clip, truth = match.match_clip(20, 0, 144, tmp_path)
    match.events_path(clip).unlink()
    assert match.match_clip(20, 0, 144, tmp_path) == (clip, truth)
    assert match.events_path(clip).exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(match.MatchError, match="cannot write"):
        match.match_clip(20, 0, 144, tmp_path / "file")


@pytest.mark.parametrize("height", [143, 145, 142, 1082, 0])
def test_a_height_that_cannot_be_made(tmp_path, height):
    with pytest.raises(match.MatchError, match=f"{height} px"):
        match.match_clip(20, 0, height, tmp_path)


def run_command(monkeypatch, *arguments) -> int:
    """Run `python -m experiments.match` with these arguments in this process; return the exit code."""
    monkeypatch.setattr(sys, "argv", ["match", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run_app(match.app, "match")
    return int(ended.value.code)


def test_the_command_prints_paths_and_events(rendered, capsys, monkeypatch):
    folder, clip, truth = rendered
    arguments = ["--seconds", "20", "--seed", "5", "--height", "144", "--out", str(folder)]
    assert run_command(monkeypatch, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [str(clip), str(match.events_path(clip))]
    assert len(lines) == 3 + len(truth.events) and "goal" in "".join(lines)
    drawn = []
    monkeypatch.setattr(match, "render", lambda script, clip, height, progress: drawn.append(clip))
    assert run_command(monkeypatch, *arguments, "--force") == 0
    assert drawn == [clip]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seconds", "19"],
        ["--seconds", "nan"],
        ["--height", "145"],
        ["--height", "2000"],
        ["--seed", "-1"],
        ["--seconds", "long"],
        ["--colour"],
    ],
)
def test_bad_values_are_one_line_and_exit_code_2(arguments, capsys, monkeypatch, tmp_path):
    code = run_command(monkeypatch, "--out", tmp_path, *arguments)
    out, err = capsys.readouterr()
    assert code == 2 and not out
    assert err.startswith("match: ") and err.count("\n") == 1 and arguments[-1] in err


def test_help_names_units_and_defaults():
    done = subprocess.run(
        [sys.executable, "-m", "experiments.match", "--help"], capture_output=True, text=True, check=True
    )
    for words in ("--seconds", "default: 120", "px", "default: 360", "default: 0", "data/made"):
        assert words in done.stdout
