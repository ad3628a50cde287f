"""Which commentators can be chosen, quickly and in one plain line each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.metadata import EntryPoint

import pytest

import commentator_lib.checks.commentators as module
from commentator_lib import plugins
from commentator_lib.checks.commentators import commentator_states, gpu_seen, state_lines
from commentator_lib.runs import meters
from tests.checks.conftest import requirements, settings
from tests.conftest import serve

EXTRAS = {"": ["av"], "minicpmo": ["torch>=2"], "vlm": ["torch>=2"], "openai": ["httpx"]}
INSTALLED = {"av": "15.0", "torch": "2.9", "httpx": "0.28"}


@pytest.fixture
def machine(monkeypatch):
    """Return a function that simulates a machine: its packages and whether a GPU is seen; no server is asked."""

    def simulate(installed=INSTALLED, gpu=True, server=(None, None, "")):
        wanted = {extra: requirements(*lines) for extra, lines in EXTRAS.items()}
        monkeypatch.setattr(module, "read_requirements", lambda: wanted)
        monkeypatch.setattr(module, "read_versions", lambda names: dict(installed))
        monkeypatch.setattr(module, "gpu_seen", lambda: gpu)
        monkeypatch.setattr(module, "ask_models", lambda url: server)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    return simulate


def state_of(name, **changes):
    return next(s for s in commentator_states(settings(**changes)) if s.name == name)


def test_every_commentator_has_a_state_and_one_plain_line(machine):
    machine({}, gpu=False)
    states = commentator_states(settings())
    names = ["baseline", "minicpmo", "minicpmo-duplex", "vlm", "openai", "realtime", "scripted"]
    assert [s.name for s in states][:7] == names
    for s in states:
        assert s.words and "\n" not in s.words and bool(s.fix) == (s.state != "ready")


def test_missing_extra_is_told_with_its_command(machine):
    machine({"av": "15.0"})
    for name in ("minicpmo", "vlm", "openai"):
        s = state_of(name)
        assert s.state == "needs a package"
        assert s.words == f"needs the extra {name}: pip install 'commentator-lib[{name}]'"
    assert state_of("baseline").state == state_of("scripted").state == "ready"
    machine({**INSTALLED, "torch": "1.9"})
    assert state_of("vlm").state == "needs a package"
    machine({})
    assert state_of("baseline").state == "needs a package"


def test_gpu_is_asked_for_before_packages_that_would_be_of_no_use(machine):
    machine({}, gpu=False)
    assert (state_of("minicpmo").state, state_of("minicpmo").words) == ("no GPU", "no GPU was found")
    assert state_of("vlm").state == "needs a package"
    machine(gpu=False)
    assert state_of("minicpmo", device="cpu").state == "no model"
    assert state_of("vlm", device="cuda").state == "no GPU" and state_of("vlm").state == "no model"


def test_model_that_is_not_chosen_not_there_or_of_another_kind(machine, tmp_path):
    machine()
    for name in ("minicpmo", "vlm"):
        assert state_of(name).words == "no model is chosen"
        gone = state_of(name, model_path=str(tmp_path / "gone"))
        assert gone.state == "no model" and "gone" in gone.words
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "minicpmo"}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    found = state_of("vlm", model_path=str(tmp_path))
    assert found.state == "no model" and "set commentator=minicpmo" in found.words


def test_checkpoint_that_is_there_is_ready(machine, tmp_path):
    machine()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "idefics3"}))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(2_000_000))
    found = state_of("vlm", model_path=str(tmp_path))
    assert found.state == "ready" and found.words.startswith("ready: 2.0 MB of weights in ")


@pytest.mark.parametrize(
    ("server", "changes", "state", "words"),
    [
        ((None, None, ""), {}, "no server", "no server answers at http://127.0.0.1:8000/v1"),
        ((401, None, ""), {}, "no server", "wants a key"),
        ((404, None, ""), {}, "no server", "HTTP status 404"),
        ((200, ["a", "b"], ""), {}, "no model", "a, b"),
        ((200, ["a", "b"], ""), {"commentator": "openai", "model_path": "c"}, "no model", "has no model c"),
        ((200, ["a", "b"], ""), {"commentator": "openai", "model_path": "b"}, "ready", "ready: b at http"),
        ((200, ["a"], ""), {"model_path": "/a/checkpoint"}, "ready", "ready: a at http"),
        ((None, None, ""), {"api_base_url": "http://me:s3cr3t@h/v1"}, "no server", "http://***@h/v1"),
    ],
)
def test_server(machine, server, changes, state, words):
    machine(server=server)
    found = state_of("openai", **changes)
    assert found.state == state and words in found.words and "s3cr3t" not in found.words + found.fix


def test_key_that_is_given_makes_a_closed_server_ready(machine, monkeypatch):
    machine(server=(401, None, ""))
    given = commentator_states(settings(), has_key=True)
    assert next(s for s in given if s.name == "openai").state == "ready"
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert state_of("openai").state == "ready"


def test_server_that_hangs_is_not_waited_for(monkeypatch):
    def hangs(handler):
        time.sleep(4)

    with serve(hangs) as address:
        started_s = time.perf_counter()
        assert state_of("openai", api_base_url=f"{address}/v1").state in ("no server", "needs a package")
        assert time.perf_counter() - started_s < 3


def test_commentators_of_other_packages_and_the_own_class_are_among_them(machine, monkeypatch):
    machine()
    point = EntryPoint("haiku", "haiku_commentary:Haiku", "commentator_lib.commentators")
    monkeypatch.setattr(plugins, "entry_point_names", lambda kind: {"haiku": point})
    found = {s.name: s for s in commentator_states(settings(commentator="nowhere.at:All"))}
    assert found["haiku"].state == "ready" and "haiku_commentary:Haiku" in found["haiku"].words
    assert found["nowhere.at:All"].state == "needs a package"
    own = {s.name: s for s in commentator_states(settings(commentator="tests.conftest:Says"))}
    assert own["tests.conftest:Says"].state == "ready"


def test_a_check_that_fails_is_a_line_and_no_error(machine, monkeypatch):
    machine()

    def broken():
        raise OSError("no /dev here")

    monkeypatch.setattr(module, "gpu_seen", broken)
    found = state_of("minicpmo")
    assert found.state == "needs a package" and "no /dev here" in found.words


def test_states_are_lines_of_the_check(machine):
    machine({"av": "15.0"}, gpu=False)
    lines = {line.what: line for line in state_lines(commentator_states(settings(commentator="vlm")), "vlm")}
    assert lines["commentator baseline"].ok is True
    assert lines["commentator vlm"].ok is False and lines["commentator minicpmo"].ok is None
    assert lines["commentator minicpmo"].found == "no GPU was found"


def test_gpu_is_seen_by_its_driver_where_that_can_be_asked(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    for device in (("pynvml", "handle"), None):
        monkeypatch.setattr(meters, "nvml_device", lambda device=device: device)
        assert gpu_seen() is (device is not None)


def test_no_model_library_is_imported_and_it_is_quick(tmp_path):
    code = (
        "import sys, time, commentator_lib.checks.commentators as c\n"
        "from commentator_lib.settings import Settings\n"
        "s = Settings(api_base_url='http://127.0.0.1:1/v1', model_path=sys.argv[1]); t = time.perf_counter()\n"
        "c.commentator_states(s)\n"
        "print(time.perf_counter() - t, 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    took_s, torch, transformers = done.stdout.split()
    assert (torch, transformers) == ("False", "False") and float(took_s) < 2, done.stderr
