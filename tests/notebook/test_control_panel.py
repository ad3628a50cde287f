"""The desk without a browser: what its controls do to a session, and the notebook that stands on it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from commentator_lib.settings import SettingsError, load_settings
from tests.conftest import Hangs, Says, ToneVoice, make_clip

desk_module = pytest.importorskip(
    "commentator_lib.notebook.control_panel", reason="needs the extra notebooks"
)
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def clip(tmp_path):
    return str(make_clip(tmp_path / "c.mp4", frames=50))


@pytest.fixture
def desks():
    made = []

    def make(source, commentator=None, **more):
        settings = load_settings(environment={}, change_threshold=0, delay_init_s=0.5, pause_s=0.1)
        more.setdefault("runs_dir", None)
        commentator = commentator or Says("All is well here.", cost_s=0.1)
        made.append(
            desk_module.ControlPanel(source, settings, commentator=commentator, voice=ToneVoice(), **more)
        )
        return made[-1]

    yield make
    for desk in made:
        if desk.session is not None:
            desk.session.stop()


def line(desk):
    return desk._message.value


def until(condition, seconds=10.0):
    give_up = time.monotonic() + seconds
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.02)
    assert condition()


def test_start_returns_at_once_and_the_end_is_reported(desks, clip, tmp_path):
    desk = desks(clip, runs_dir=tmp_path / "runs")
    output = desk.when_over(lambda run: run.log.cycles, lambda run: 1 / 0, lambda run: "after the fault")
    session = desk.start()
    assert desk.running and desk._start.disabled and not desk._stop.disabled
    assert desk.wait(30)
    assert not desk.running and not desk._start.disabled and desk._stop.disabled
    assert "Ended. Log:" in line(desk) and str(session.log.folder) in line(desk)
    table, fault, text = output.outputs
    assert "heard_text" in table["data"]["text/html"]
    assert "ZeroDivisionError" in fault["text"] and "after the fault" in text["data"]["text/plain"]
    again = desk.when_over(lambda run: "drawn at once")
    assert "drawn at once" in str(again.outputs)


def test_each_start_is_a_run_of_its_own(desks, clip, tmp_path):
    desk = desks(clip, runs_dir=tmp_path / "runs")
    for _ in range(2):
        desk.start()
        assert desk.wait(30)
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_second_start_while_it_runs_is_refused(desks, clip):
    desk = desks(clip, duration_s=30)
    desk.start()
    with pytest.raises(SettingsError, match="stop it first"):
        desk.start()
    desk.stop()
    assert desk.wait(20)


def test_knobs_reach_the_run_that_is_going_on(desks, clip):
    desk = desks(clip, duration_s=30)
    desk.start()
    desk._sliders["pause_s"].value = 2.0
    desk._sliders["speech_max_new_tokens"].value = 99
    desk._sliders["frame_stride"].value = 3
    desk._sliders["change_threshold"].value = 1.5
    desk._policy.value = "serial"
    desk._speech.value = False
    desk._profile.value = "nature"
    s = desk.session.settings
    assert (s.pause_s, s.speech_max_new_tokens, s.frame_stride, s.change_threshold) == (2.0, 99, 3, 1.5)
    assert (s.policy, s.speech, s.profile) == ("serial", False, "nature") and desk.settings == s
    desk.update(pause_s=0.4)
    assert desk._sliders["pause_s"].value == 0.4 and desk.session.settings.pause_s == 0.4


def test_knobs_turned_before_the_start_hold_for_the_run(desks, clip):
    desk = desks(clip)
    desk._sliders["pause_s"].value = 1.7
    assert desk.start().settings.pause_s == 1.7


def test_question_is_asked_at_once_and_an_empty_one_gives_the_floor_back(desks, clip):
    says = Says("All is well here.", cost_s=0.05)
    desk = desks(clip, says, duration_s=30)
    desk.start()
    until(lambda: says.prompts)
    desk.ask("Who wears the hat?")
    until(lambda: any("Who wears the hat?" in p for p in says.prompts))
    desk.ask("")
    until(lambda: "Who wears the hat?" not in says.prompts[-1])


def test_slider_ranges_are_the_settings_own(desks, clip):
    desk = desks(clip)
    assert (desk._sliders["pause_s"].min, desk._sliders["pause_s"].max) == (0, 5)
    assert (desk._sliders["speech_max_new_tokens"].min, desk._sliders["speech_max_new_tokens"].max) == (
        64,
        512,
    )
    assert (desk._sliders["frame_stride"].min, desk._sliders["frame_stride"].max) == (1, 4)


def test_every_control_is_labelled(desks, clip):
    import ipywidgets

    def below(widget):
        for child in getattr(widget, "children", ()):
            yield child
            yield from below(child)

    for widget in below(desks(clip)):
        if isinstance(widget, ipywidgets.Button | ipywidgets.ValueWidget) and not isinstance(
            widget, ipywidgets.HTML
        ):
            assert widget.description.strip(), widget


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "no source"),
        ("nowhere.mp4", "no such file"),
        ("ftp://x/y", "unknown scheme"),
        (".", "is a folder"),
    ],
)
def test_source_that_cannot_be_opened_is_one_line(desks, source, said):
    desk = desks(source)
    desk._start_pressed()
    until(lambda: said in line(desk))
    assert 'role="alert"' in line(desk) and desk.player.message == ""
    until(lambda: not desk._start.disabled)
    with pytest.raises(Exception, match=said):
        desk.start()


def test_words_of_others_are_not_taken_for_markup(desks):
    desk = desks("<img src=x onerror=alert(1)>.mp4")
    desk._start_pressed()
    until(lambda: "no such file" in line(desk))
    assert "<img" not in line(desk)


def test_settings_are_saved_and_loaded_in_mid_run(desks, clip, tmp_path):
    desk = desks(clip, duration_s=30)
    desk._file.value = str(tmp_path / "s.toml")
    desk._try(desk.save)
    desk.start()
    desk._sliders["pause_s"].value = 3.0
    desk._try(desk.load)
    assert desk.session.settings.pause_s == 0.1 and desk._sliders["pause_s"].value == 0.1
    (tmp_path / "s.toml").write_text("paus_s = 1.0\n")
    desk._try(desk.load)
    assert "did you mean pause_s" in line(desk) and desk.settings.pause_s == 0.1
    desk._file.value = str(tmp_path / "no" / "s.toml")
    desk._try(desk.save)
    assert "cannot write" in line(desk)


def test_run_that_breaks_says_why(desks, clip):
    class Breaks(Says):
        def warm_up(self):
            raise RuntimeError("no weights")

    desk = desks(clip, Breaks("x"))
    desk.start()
    assert desk.wait(20)
    assert "RuntimeError: no weights" in line(desk) and desk.player.message == "RuntimeError: no weights"


def test_stop_returns_at_once_whatever_the_commentator_does(desks, clip):
    hangs = Hangs()
    desk = desks(clip, hangs, duration_s=30)
    try:
        desk.start()
        until(lambda: desk.session.status.state == "running")
        before = time.monotonic()
        desk.stop()
        assert time.monotonic() - before < 1.0
        assert desk.wait(20)
    finally:
        hangs.release.set()


def test_it_leaves_no_thread(desks, clip):
    desk = desks(clip)
    desk.start()
    assert desk.wait(30)
    until(
        lambda: (
            not {t.name for t in threading.enumerate()} & {"desk", "desk start", "page sender", "commentary"}
        )
    )


# --- the notebooks


def test_there_are_notebooks():
    assert [n.stem for n in NOTEBOOKS] == ["01_live_demo", "02_tuning_sweep", "03_benchmarks"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.stem)
def test_notebook_is_stored_without_outputs_and_equals_its_script(notebook):
    import jupytext
    import nbformat

    stored = nbformat.read(notebook, as_version=4)
    for cell in stored.cells:
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None
    script = jupytext.read(notebook.with_suffix(".py"))
    assert [(c.cell_type, c.source) for c in stored.cells] == [(c.cell_type, c.source) for c in script.cells]
    stripped = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", str(notebook)], capture_output=True, text=True
    )
    assert stripped.returncode == 0, stripped.stdout


def test_live_demo_runs_top_to_bottom_without_a_page_and_draws_its_plots(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / "notebooks" / "01_live_demo.ipynb", as_version=4)
    (tmp_path / "notebooks").mkdir()
    check = """
    import time
    while not desk.session.status.frames_shown > 200:
        time.sleep(0.1)
    desk.stop()
    assert desk.wait(60)
    output = next(o for o, _ in desk._reports)
    kinds = [sorted(o["data"]) for o in output.outputs]
    assert ["text/html" in k for k in kinds] == [True, False, False, False], output.outputs
    assert ["image/png" in k for k in kinds] == [False, True, True, True], output.outputs
    assert len(session.log.samples) >= 5 and {"cycle", "sync_error_s"} <= set(session.log.cycles.columns)
    """
    notebook.cells.append(nbformat.v4.new_code_cell("\n".join(row[4:] for row in check.splitlines())))
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path / "notebooks"}}
    )
    client.execute()
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "cycles.parquet").exists()
