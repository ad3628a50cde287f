"""The control panel without a browser: what its page's actions do to a session, and the notebooks."""

from __future__ import annotations

import gc
import io
import subprocess
import threading
import time
import weakref
import zipfile
from pathlib import Path

import pytest

from commentator_lib.settings import load_settings
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
        panel.close()


def act(panel, action, **arguments):
    """Do what a page asks for."""
    message = {"kind": "do", "page": "p", "action": action, "arguments": arguments}
    panel.player._from_page(panel.player, message, [])


def said(panel):
    return panel.player.controls["said"]["text"]


def wrong(panel):
    return panel.player.controls["said"]["wrong"]


def until(condition):
    give_up = time.monotonic() + LIMIT_S
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.02)
    assert condition()


def test_start_returns_at_once_and_the_end_is_reported(panels, clip, tmp_path):
    panel = panels(clip, runs_dir=tmp_path / "runs")
    output = panel.when_over(lambda run: run.log.cycles, lambda run: 1 / 0, lambda run: "after the fault")
    session = panel.start()
    assert panel.running and panel.player.controls["running"]
    assert panel.wait(LIMIT_S)
    assert not panel.running and not panel.player.controls["running"]
    assert "Ended. Log:" in said(panel) and str(session.log.folder) in said(panel) and not wrong(panel)
    table, fault, text = output.outputs
    assert "heard_text" in table["data"]["text/html"]
    assert "ZeroDivisionError" in fault["text"] and "after the fault" in text["data"]["text/plain"]
    again = panel.when_over(lambda run: "drawn at once")
    assert "drawn at once" in str(again.outputs)


def test_run_that_has_ended_has_a_card_a_report_and_a_still(panels, clip, tmp_path):
    panel = panels(clip, runs_dir=tmp_path / "runs")
    session = panel.start()
    assert panel.wait(LIMIT_S)
    assert panel.player.card.startswith("<!") and "svg" in panel.player.card
    assert (session.log.folder / "report.html").is_file() and (session.log.folder / "still.jpg").is_file()
    (row,) = panel.player.earlier_runs
    assert row["name"] == session.log.folder.name and row["still"].startswith("data:image/jpeg")
    panel.start()
    assert panel.player.card == ""  # the card of before says nothing of this run
    panel.stop()


def test_each_start_is_a_run_of_its_own(panels, clip, tmp_path):
    panel = panels(clip, runs_dir=tmp_path / "runs")
    for _ in range(2):
        panel.start()
        assert panel.wait(LIMIT_S)
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_start_while_it_runs_returns_the_session_that_is_going_on(panels, clip):
    panel = panels(clip, duration_s=30)
    session = panel.start()
    assert panel.start() is session
    panel.stop()
    assert panel.wait(LIMIT_S)


def test_new_panel_takes_over_so_that_one_commentary_goes_on(panels, clip):
    first = panels(clip, duration_s=30)
    old = first.start()
    until(lambda: old.status.frames_shown > 2)
    second = panels(clip, duration_s=30)
    until(lambda: not old.running)
    new = second.start()
    assert new.running and not old.running
    assert first.player.comm is None  # no page shows it any more
    second.stop()
    assert second.wait(LIMIT_S)


def open_and_close(clip, runs):
    """Make a panel, close it, and return a weak reference to it."""
    settings = load_settings(environment={}, delay_init_s=0.5)
    panel = control_panel.ControlPanel(clip, settings, commentator=Says("x"), runs_dir=None)
    panel.when_over(lambda run: "x")
    until(lambda: panel.player.source_cards[1].get("still"))
    if runs:
        panel.start()
        assert panel.wait(LIMIT_S)
    panel.close()
    return weakref.ref(panel)


@pytest.mark.parametrize("runs", [False, True], ids=["never started", "after a run"])
def test_closed_panel_leaves_no_widget_behind(clip, runs):
    import ipywidgets

    registered = ipywidgets.widgets.widget._instances
    before = set(registered)
    gone = open_and_close(clip, runs)
    assert set(registered) - before == set()
    until(lambda: gc.collect() is not None and gone() is None)


def test_controls_reach_the_run_that_is_going_on(panels, clip):
    panel = panels(clip, duration_s=30)
    panel.start()
    act(panel, "update", pause_s=2.0)
    act(panel, "update", speech_max_new_tokens=99, frame_stride=3, change_threshold=1.5)
    act(panel, "update", policy="serial", speech=False, profile="nature")
    s = panel.session.settings
    assert (s.pause_s, s.speech_max_new_tokens, s.frame_stride, s.change_threshold) == (2.0, 99, 3, 1.5)
    assert (s.policy, s.speech, s.profile) == ("serial", False, "nature") and panel.settings == s
    panel.update(pause_s=0.4)
    field = next(f for f in panel.player.pacing["fields"] if f["name"] == "pause_s")
    assert field["value"] == 0.4 and field["changed"] and panel.session.settings.pause_s == 0.4
    act(panel, "reset")
    assert panel.session.settings.pause_s == 0.1 and panel.session.settings.policy == "playout"


def test_page_changes_only_what_it_has_controls_of(panels, clip):
    panel = panels(clip)
    act(panel, "update", display_buffer_mb=16)
    assert wrong(panel) and "no control of display_buffer_mb" in said(panel)
    act(panel, "format the disk")
    assert wrong(panel) and "unknown action" in said(panel)


def test_value_out_of_range_is_one_line_on_the_picture(panels, clip):
    panel = panels(clip)
    act(panel, "update", pause_s=99)
    assert wrong(panel) and "pause_s" in said(panel) and "\n" not in said(panel)
    assert panel.player.message == said(panel) and panel.player.message_wrong
    act(panel, "update", pause_s=1.0)
    panel.say("All is well.")
    assert panel.player.message == "" and not panel.player.message_wrong


def test_controls_turned_before_the_start_hold_for_the_run(panels, clip):
    panel = panels(clip)
    act(panel, "update", pause_s=1.7)
    assert panel.start().settings.pause_s == 1.7


def test_preset_is_taken_at_once_and_shown(panels, clip):
    panel = panels(clip, duration_s=30)
    panel.start()
    act(panel, "preset", name="sniper")
    assert panel.session.settings.pause_s == 0.5 and panel.player.pacing["preset"] == "sniper"
    assert not any(field["changed"] for field in panel.player.pacing["fields"])
    act(panel, "preset", name="nonsense")
    assert wrong(panel) and "unknown preset" in said(panel)


def test_question_is_answered_once_and_the_instruction_is_followed_again(panels, clip):
    says = Says("All is well here.", cost_s=0.05)
    panel = panels(clip, says, duration_s=30)
    act(panel, "ask", text="Who?")
    assert wrong(panel) and "no run is going on" in said(panel)
    panel.start()
    until(lambda: says.prompts)
    act(panel, "instruct", text="the hat")
    until(lambda: "the hat" in says.prompts[-1])
    act(panel, "ask", text="Who wears the hat?")
    until(lambda: any("Who wears the hat?" in p for p in says.prompts))
    until(lambda: "Who wears the hat?" not in says.prompts[-1])
    until(lambda: panel.player._memory.shown()["questions"][-1]["state"] == "answered")
    act(panel, "instruct", text="")
    until(lambda: "the hat" not in says.prompts[-1])


def test_commentator_that_cannot_answer_says_so_before(clip):
    panel = control_panel.ControlPanel(clip, load_settings(environment={}), runs_dir=None)
    try:
        assert "baseline commentator cannot answer" in panel.player.controls["whyNoAnswer"]
        panel.choose_commentator("openai")
        assert panel.player.controls["whyNoAnswer"] == ""
    finally:
        panel.close()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("", "no source"),
        ("nowhere.mp4", "no such file"),
        ("ftp://x/y", "unknown scheme"),
        (".", "is a folder"),
    ],
)
def test_source_that_cannot_be_opened_is_one_line_on_the_picture(panels, source, line):
    panel = panels(source)
    act(panel, "start")
    until(lambda: line in said(panel))
    assert wrong(panel) and line in panel.player.message and panel.player.message_wrong
    until(lambda: not panel.player.controls["running"])
    with pytest.raises(Exception, match=line):
        panel.start()


def test_source_is_checked_before_it_is_taken(panels, clip, tmp_path):
    panel = panels(clip)
    act(panel, "source", name=str(tmp_path / "none.mp4"))
    until(lambda: "no such file" in said(panel))
    assert panel.player.controls["source"] == clip
    act(panel, "source", name="match")
    until(lambda: "640 × 360 pixels" in said(panel))
    assert panel.player.controls["source"] == "match" and "with sound" in said(panel)


def test_another_source_is_gone_over_to_in_mid_run(panels, tmp_path):
    first, second = (str(make_clip(tmp_path / f"{name}.mp4", frames=200)) for name in "ab")
    panel = panels(first)
    panel.start()
    until(lambda: panel.session.status.frames_shown > 5)
    act(panel, "source", name=str(tmp_path / "none.mp4"))
    until(lambda: "no such file" in said(panel))
    assert panel.running
    act(panel, "source", name=second)
    until(lambda: panel.session.source.info.spec == second and "64 × 36 pixels" in said(panel))
    until(lambda: panel.session.log.header.get("later_sources") or panel.session.status.frames_captured > 250)
    panel.stop()
    assert panel.wait(LIMIT_S)
    assert panel.session.log.header["later_sources"] == [second]


def test_secret_of_an_address_stays_in_the_kernel(panels):
    panel = panels("rtsp://me:s3cr3t@127.0.0.1:1/x")
    assert "s3cr3t" not in str(panel.player.get_state())
    assert panel._sources.resolve(panel.player.controls["source"]) == "rtsp://me:s3cr3t@127.0.0.1:1/x"


def test_key_of_a_server_is_shown_nowhere(clip):
    panel = control_panel.ControlPanel(
        clip, load_settings(environment={}, commentator="openai"), runs_dir=None
    )
    try:
        act(panel, "key", key="sk-very-hidden")
        assert panel.player.commentator_cards["keySet"]
        assert "very-hidden" not in str(panel.player.get_state()) and "very-hidden" not in repr(panel)
    finally:
        panel.close()


def test_file_is_taken_part_by_part_under_a_safe_name(panels, clip, tmp_path):
    panel = panels("demo", runs_dir=tmp_path / "runs")
    data = Path(clip).read_bytes()
    half = len(data) // 2
    for part, (piece, last) in enumerate(((data[:half], False), (data[half:], True))):
        arguments = {"upload": 1, "part": part, "last": last, "name": "../../my clip.mp4"}
        message = {"kind": "do", "page": "p", "action": "upload", "arguments": arguments}
        panel.player._from_page(panel.player, message, [memoryview(piece)])
    until(lambda: "64 × 36 pixels" in said(panel))
    taken = tmp_path / "runs" / "uploads" / "my clip.mp4"
    assert taken.read_bytes() == data and panel.player.controls["source"] == str(taken)
    act(panel, "upload", upload=2, part=1, last=True, name="late.mp4")
    assert wrong(panel) and "without its beginning" in said(panel)


def test_settings_are_saved_and_loaded_in_mid_run(panels, clip, tmp_path):
    panel = panels(clip, duration_s=30)
    path = str(tmp_path / "s.toml")
    act(panel, "save", path=path)
    panel.start()
    act(panel, "update", pause_s=3.0)
    act(panel, "load", path=path)
    assert panel.session.settings.pause_s == 0.1
    (tmp_path / "s.toml").write_text("paus_s = 1.0\n")
    act(panel, "load", path=path)
    assert "did you mean pause_s" in said(panel) and panel.settings.pause_s == 0.1
    act(panel, "save", path=str(tmp_path / "no" / "s.toml"))
    assert "cannot write" in said(panel)


def test_page_for_others_neither_saves_nor_loads_settings(panels, clip, tmp_path):
    panel = panels(clip, page=True)
    act(panel, "save", path=str(tmp_path / "s.toml"))
    assert wrong(panel) and not (tmp_path / "s.toml").exists() and not panel.player.pacing["files"]


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "VOICE_API_KEY", ""])
def test_page_for_others_sends_no_key_to_another_server(panels, clip, monkeypatch, variable):
    for name in ("OPENAI_API_KEY", "VOICE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    page = panels(clip, page=True)
    act(page, "update", api_base_url="http://127.0.0.1:1/v1")
    assert page.settings.api_base_url == "http://127.0.0.1:1/v1"  # there is no key yet
    if variable:
        monkeypatch.setenv(variable, "sk-of-mine")
    else:
        act(page, "key", key="sk-of-mine")
    act(page, "update", api_base_url="http://evil.example/v1", pause_s=3.0)
    assert wrong(page) and "another server would get it" in said(page) and "sk-of-mine" not in said(page)
    assert page.settings.api_base_url == "http://127.0.0.1:1/v1" and page.settings.pause_s != 3.0
    act(page, "update", api_base_url="http://127.0.0.1:1/v1", pause_s=3.0)
    assert page.settings.pause_s == 3.0
    if not variable:
        act(page, "key", key="")
        act(page, "update", api_base_url="http://127.0.0.1:2/v1")
        assert page.settings.api_base_url == "http://127.0.0.1:2/v1"
    own = panels(clip)
    act(own, "update", api_base_url="http://127.0.0.1:3/v1")
    assert own.settings.api_base_url == "http://127.0.0.1:3/v1"  # a notebook is its user's own


def test_faders_of_the_player_are_saved_with_the_settings_and_loaded(panels, clip, tmp_path):
    panel = panels(clip, duration_s=30)
    path = str(tmp_path / "s.toml")
    panel.start()
    panel.player.set_state({"programme_volume": 0.4, "voice_muted": True})  # as a page does
    heard = (panel.settings.programme_volume, panel.settings.voice_muted)
    assert heard == (0.4, True) and panel.session.settings.programme_volume == 0.4
    act(panel, "save", path=path)
    assert "programme_volume = 0.4" in (tmp_path / "s.toml").read_text()
    panel.player.programme_volume, panel.player.voice_muted = 1.0, False
    assert panel.settings.programme_volume == 1.0
    act(panel, "load", path=path)
    assert (panel.player.programme_volume, panel.player.voice_muted) == (0.4, True)
    panel.update(programme_muted=True)
    assert panel.player.programme_muted


def test_browser_camera_with_microphone_opens_a_stream_with_sound(panels):
    for name, microphone in (("browser camera", False), ("browser camera with microphone", True)):
        panel = panels(name)
        panel.start()
        camera, stream = panel._sources._own
        assert stream.constraints["audio"] is microphone and camera.microphone is microphone
        assert panel.session.source.info.has_sound is microphone
        panel.stop()
        assert panel.wait(LIMIT_S)


def test_run_that_breaks_says_why(panels, clip):
    class Breaks(Says):
        def warm_up(self):
            raise RuntimeError("no weights")

    panel = panels(clip, Breaks("x"))
    panel.start()
    assert panel.wait(LIMIT_S)
    assert "RuntimeError: no weights" in said(panel) and "RuntimeError: no weights" in panel.player.message


def test_commentator_is_loaded_before_the_run_and_kept_after_it(clip, monkeypatch):
    from commentator_lib.notebook import commentators_tab

    class Loads(Says):
        warmed = closed_model = 0

        def warm_up(self):
            Loads.warmed += 1

        def close(self):
            Loads.closed_model += 1

    def load(settings, on_loading=None, api_key=None):
        on_loading(commentators_tab.Loading("reading 1.0 of 2.0 GB", 0.5))
        assert panel.player.controls["loading"] == {"words": "reading 1.0 of 2.0 GB", "share": 0.5}
        return Loads("All is well here.", cost_s=0.1)

    monkeypatch.setattr(commentators_tab, "load_commentator", load)
    panel = control_panel.ControlPanel(
        clip, load_settings(environment={}, delay_init_s=0.5), voice=ToneVoice(), runs_dir=None
    )
    try:
        act(panel, "warm up")
        until(lambda: "is loaded" in said(panel))
        assert panel.player.commentator_cards["loaded"] and panel.player.controls["loading"] is None
        for _ in range(2):
            panel.start()
            assert panel.wait(LIMIT_S)
        assert Loads.closed_model == 0
        panel.choose_commentator("scripted")
        assert not panel.player.commentator_cards["loaded"]
        panel.start()
        assert Loads.closed_model == 1  # its memory is given back before another is made
        panel.stop()
        assert panel.wait(LIMIT_S)
    finally:
        panel.close()


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
            not [
                t.name for t in threading.enumerate() if t.name.split()[0] in ("panel", "commentary", "page")
            ]
        )
    )


# --- films and files of runs


def sent_file(panel, monkeypatch, action, **arguments):
    """Return the bytes of the file that an action sends, and the messages that carried it."""
    messages = []
    monkeypatch.setattr(
        panel.player, "send", lambda content, buffers=None: messages.append((content, buffers))
    )
    until(
        lambda: not [t for t in threading.enumerate() if t.name == f"panel {action}"]
    )  # one of a kind at a time
    act(panel, action, **arguments)
    until(
        lambda: any(c["kind"] == "film" and c["part"] == c["parts"] - 1 for c, _ in messages) or wrong(panel)
    )
    films = [(c, b) for c, b in messages if c["kind"] == "film"]
    return b"".join(b[0] for _, b in films), [c for c, _ in films]


def test_run_is_played_saved_compared_and_a_moment_of_it_is_seen_again(panels, clip, tmp_path, monkeypatch):
    panel = panels(clip, runs_dir=tmp_path / "runs", duration_s=4)
    names = []
    for _ in range(2):
        names.append(panel.start().log.folder.name)
        assert panel.wait(LIMIT_S)
    film, messages = sent_file(panel, monkeypatch, "play", run=names[0])
    assert (
        film[4:8] == b"ftyp"
        and {c["what"] for c in messages} == {"run"}
        and {c["page"] for c in messages} == {"p"}
    )
    moment, _ = sent_file(panel, monkeypatch, "moment", at_s=3.0, words="goal")
    assert moment[4:8] == b"ftyp" and len(moment) < len(film) + 20_000
    captions, _ = sent_file(panel, monkeypatch, "download", run=names[0], what="captions")
    with zipfile.ZipFile(io.BytesIO(captions)) as forms:
        assert sorted(name.rsplit(".", 1)[1] for name in forms.namelist()) == ["srt", "ttml", "vtt"]
    archive, _ = sent_file(panel, monkeypatch, "download", run=names[0], what="log")
    assert archive[:2] == b"PK"
    compared = []
    monkeypatch.setattr(panel.player, "send", lambda content, buffers=None: compared.append(content))
    act(panel, "compare", runs=names)
    until(lambda: any(c["kind"] == "compared" for c in compared))
    message = next(c for c in compared if c["kind"] == "compared")
    assert message["titles"] == names and all(len(row) == 3 for row in message["rows"])


@pytest.mark.parametrize("name", ["../../etc", "no-such-run", "a/b", ""])
def test_page_cannot_name_a_folder_outside_the_runs(panels, clip, tmp_path, name):
    panel = panels(clip, runs_dir=tmp_path / "runs")
    act(panel, "download", run=name, what="log")
    until(lambda: "there is no run" in said(panel))
    assert wrong(panel)


# --- the notebooks


def test_there_are_notebooks():
    assert [n.stem for n in NOTEBOOKS] == ["01_live_demo", "02_tuning_sweep", "03_benchmarks"]


def committed(notebook):
    """Return a notebook as git has it, since `make lab` leaves outputs on the disk; without git, that of the disk."""
    name = notebook.relative_to(ROOT).as_posix()
    done = subprocess.run(["git", "show", f":{name}"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else notebook.read_text("utf-8")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.stem)
def test_notebook_is_stored_without_outputs_and_equals_its_script(notebook):
    import jupytext
    import nbformat

    stored = nbformat.reads(committed(notebook), as_version=4)
    for cell in stored.cells:
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None
    script = jupytext.read(notebook.with_suffix(".py"))
    assert [(c.cell_type, c.source) for c in stored.cells] == [(c.cell_type, c.source) for c in script.cells]


def test_live_demo_runs_top_to_bottom_without_a_page_and_keeps_its_report(tmp_path):
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
    session = panel.session
    assert "svg" in panel.player.card and (session.log.folder / "report.html").is_file()
    assert len(session.log.samples) >= 5 and {"cycle", "sync_error_s"} <= set(session.log.cycles.columns)
    """
    notebook.cells.append(nbformat.v4.new_code_cell("\n".join(row[4:] for row in check.splitlines())))
    client = NotebookClient(
        notebook, timeout=250, kernel_name="python3", resources={"metadata": {"path": tmp_path / "notebooks"}}
    )
    client.execute()
    (run,) = (p for p in (tmp_path / "runs").iterdir() if (p / "run.json").exists())
    assert (run / "cycles.parquet").exists()
