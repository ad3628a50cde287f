"""The control panel without a browser: what its controls do to a session, and the notebooks."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from commentator_lib.settings import SettingsError, live_settings, load_settings
from tests.conftest import Hangs, Says, ToneVoice, make_clip

pytestmark = pytest.mark.realtime

control_panel = pytest.importorskip(
    "commentator_lib.notebook.control_panel", reason="needs the extra notebooks"
)
ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def clip(tmp_path):
    return str(make_clip(tmp_path / "c.mp4", frames=50))


@pytest.fixture
def panels():
    made = []

    def make(source, commentator=None, **more):
        settings = load_settings(environment={}, change_threshold=0, delay_init_s=0.5, pause_s=0.1)
        more.setdefault("runs_dir", None)
        commentator = commentator or Says("All is well here.", cost_s=0.1)
        made.append(
            control_panel.ControlPanel(source, settings, commentator=commentator, voice=ToneVoice(), **more)
        )
        return made[-1]

    yield make
    for panel in made:
        if panel.session is not None:
            panel.session.stop()


def line(panel):
    return panel._controls.message.value


def until(condition):
    give_up = time.monotonic() + LIMIT_S
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.02)
    assert condition()


def test_start_returns_at_once_and_the_end_is_reported(panels, clip, tmp_path):
    panel = panels(clip, runs_dir=tmp_path / "runs")
    output = panel.when_over(lambda run: run.log.cycles, lambda run: 1 / 0, lambda run: "after the fault")
    session = panel.start()
    assert panel.running and panel._controls.start.disabled and not panel._controls.stop.disabled
    assert panel.wait(LIMIT_S)
    assert not panel.running and not panel._controls.start.disabled and panel._controls.stop.disabled
    assert "Ended. Log:" in line(panel) and str(session.log.folder) in line(panel)
    table, fault, text = output.outputs
    assert "heard_text" in table["data"]["text/html"]
    assert "ZeroDivisionError" in fault["text"] and "after the fault" in text["data"]["text/plain"]
    again = panel.when_over(lambda run: "drawn at once")
    assert "drawn at once" in str(again.outputs)


def test_each_start_is_a_run_of_its_own(panels, clip, tmp_path):
    panel = panels(clip, runs_dir=tmp_path / "runs")
    for _ in range(2):
        panel.start()
        assert panel.wait(LIMIT_S)
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_second_start_while_it_runs_is_refused(panels, clip):
    panel = panels(clip, duration_s=30)
    panel.start()
    with pytest.raises(SettingsError, match="stop it first"):
        panel.start()
    panel.stop()
    assert panel.wait(LIMIT_S)


def test_controls_reach_the_run_that_is_going_on(panels, clip):
    panel = panels(clip, duration_s=30)
    panel.start()
    panel._controls.sliders["pause_s"].value = 2.0
    panel._controls.sliders["speech_max_new_tokens"].value = 99
    panel._controls.sliders["frame_stride"].value = 3
    panel._controls.sliders["change_threshold"].value = 1.5
    panel._controls.policy.value = "serial"
    panel._controls.speech.value = False
    panel._controls.profile.value = "nature"
    s = panel.session.settings
    assert (s.pause_s, s.speech_max_new_tokens, s.frame_stride, s.change_threshold) == (2.0, 99, 3, 1.5)
    assert (s.policy, s.speech, s.profile) == ("serial", False, "nature") and panel.settings == s
    panel.update(pause_s=0.4)
    assert panel._controls.sliders["pause_s"].value == 0.4 and panel.session.settings.pause_s == 0.4


def test_controls_turned_before_the_start_hold_for_the_run(panels, clip):
    panel = panels(clip)
    panel._controls.sliders["pause_s"].value = 1.7
    assert panel.start().settings.pause_s == 1.7


def test_question_is_asked_at_once_and_an_empty_one_gives_the_floor_back(panels, clip):
    says = Says("All is well here.", cost_s=0.05)
    panel = panels(clip, says, duration_s=30)
    panel.start()
    until(lambda: says.prompts)
    panel.ask("Who wears the hat?")
    until(lambda: any("Who wears the hat?" in p for p in says.prompts))
    panel.ask("")
    until(lambda: "Who wears the hat?" not in says.prompts[-1])


def test_slider_ranges_are_the_settings_own(panels, clip):
    panel = panels(clip)
    assert (panel._controls.sliders["pause_s"].min, panel._controls.sliders["pause_s"].max) == (0, 5)
    assert (
        panel._controls.sliders["speech_max_new_tokens"].min,
        panel._controls.sliders["speech_max_new_tokens"].max,
    ) == (
        64,
        512,
    )
    assert (panel._controls.sliders["frame_stride"].min, panel._controls.sliders["frame_stride"].max) == (
        1,
        4,
    )


def test_every_control_of_a_setting_may_be_used_while_it_runs(panels, clip):
    assert set(panels(clip)._controls.of_settings) <= live_settings()


def test_every_control_is_labelled(panels, clip):
    import ipywidgets

    def below(widget):
        for child in getattr(widget, "children", ()):
            yield child
            yield from below(child)

    for widget in below(panels(clip)):
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
def test_source_that_cannot_be_opened_is_one_line(panels, source, said):
    panel = panels(source)
    panel._start_in_background()
    until(lambda: said in line(panel))
    assert 'role="alert"' in line(panel) and panel.player.message == ""
    until(lambda: not panel._controls.start.disabled)
    with pytest.raises(Exception, match=said):
        panel.start()


def test_words_of_others_are_not_taken_for_markup(panels):
    panel = panels("<img src=x onerror=alert(1)>.mp4")
    panel._start_in_background()
    until(lambda: "no such file" in line(panel))
    assert "<img" not in line(panel)


def test_settings_are_saved_and_loaded_in_mid_run(panels, clip, tmp_path):
    panel = panels(clip, duration_s=30)
    panel._controls.file.value = str(tmp_path / "s.toml")
    panel._try(panel.save)
    panel.start()
    panel._controls.sliders["pause_s"].value = 3.0
    panel._try(panel.load)
    assert panel.session.settings.pause_s == 0.1 and panel._controls.sliders["pause_s"].value == 0.1
    (tmp_path / "s.toml").write_text("paus_s = 1.0\n")
    panel._try(panel.load)
    assert "did you mean pause_s" in line(panel) and panel.settings.pause_s == 0.1
    panel._controls.file.value = str(tmp_path / "no" / "s.toml")
    panel._try(panel.save)
    assert "cannot write" in line(panel)


def test_run_that_breaks_says_why(panels, clip):
    class Breaks(Says):
        def warm_up(self):
            raise RuntimeError("no weights")

    panel = panels(clip, Breaks("x"))
    panel.start()
    assert panel.wait(LIMIT_S)
    assert "RuntimeError: no weights" in line(panel) and panel.player.message == "RuntimeError: no weights"


def test_stop_returns_at_once_whatever_the_commentator_does(panels, clip):
    class HangsInside(Hangs):
        inside = threading.Event()

        def comment(self, request):
            self.inside.set()
            yield from super().comment(request)

    hangs = HangsInside()
    panel = panels(clip, hangs, duration_s=30)
    try:
        panel.start()
        assert hangs.inside.wait(LIMIT_S)
        panel.stop()
        assert panel.running  # it has not waited for the run's end
        assert panel.wait(LIMIT_S)
    finally:
        hangs.release.set()


def test_it_leaves_no_thread(panels, clip):
    panel = panels(clip)
    panel.start()
    assert panel.wait(LIMIT_S)
    until(
        lambda: (
            not {t.name for t in threading.enumerate()}
            & {"panel", "panel start", "page sender", "commentary"}
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
    while not panel.session.status.frames_shown > 200:
        time.sleep(0.1)
    panel.stop()
    assert panel.wait(120)
    output = next(o for o, _ in panel._reports)
    kinds = [sorted(o["data"]) for o in output.outputs]
    assert ["text/html" in k for k in kinds] == [True, False, False, False], output.outputs
    assert ["image/png" in k for k in kinds] == [False, True, True, True], output.outputs
    assert len(session.log.samples) >= 5 and {"cycle", "sync_error_s"} <= set(session.log.cycles.columns)
    """
    notebook.cells.append(nbformat.v4.new_code_cell("\n".join(row[4:] for row in check.splitlines())))
    client = NotebookClient(
        notebook, timeout=250, kernel_name="python3", resources={"metadata": {"path": tmp_path / "notebooks"}}
    )
    client.execute()
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "cycles.parquet").exists()
