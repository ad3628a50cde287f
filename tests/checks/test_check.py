"""`commentator check`: machines that nobody has are judged by facts given to it, this one is looked at once."""

from __future__ import annotations

import builtins
import http.server
import json
import os
import subprocess
import sys
import threading
import tomllib
import types
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

import commentator_lib.checks.check as module
from commentator_lib import cli
from commentator_lib.checks.check import (
    BASE,
    EXTRAS,
    CheckLine,
    Gpu,
    ask_server,
    browser_line,
    can_run,
    check,
    extra_line,
    find_browser,
    fits,
    format_lines,
    gpu_line,
    gpu_memory_line,
    graphs_lines,
    jupyter_line,
    lacking,
    libraries_line,
    machine_lines,
    needs_gpu,
    ocr_line,
    packages_line,
    parse_requirement,
    python_line,
    read_checkpoint,
    read_gpu,
    read_machine,
    read_requirements,
    read_versions,
    release,
    server_line,
    try_line,
    voice_lines,
)
from commentator_lib.commentators.minicpmo.checkpoint import PUBLISHED_BF16
from commentator_lib.settings import Settings, env_name, load_settings
from tests.commentators.minicpmo.checkpoint_files import make_assets, make_checkpoint, tone, write_wav

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GB = 1_000_000_000
RIGHT = {
    "torch": "2.11.0+cu128",
    "transformers": "4.51.3",
    "huggingface-hub": "0.36.2",
    "tokenizers": "0.21.4",
}


def settings(**changes):
    return load_settings(environment={}, **changes)


def requirements(*texts):
    return [parse_requirement(text)[1] for text in texts]


# Python and its packages


def test_python_must_be_new_enough():
    assert python_line((3, 11, 0), "Linux-6").ok and python_line((3, 14, 1), "x").ok
    old = python_line((3, 10, 14), "Linux-6")
    assert old.ok is False and "3.11" in old.mend and "3.10.14 on Linux-6" in old.found


def test_requirements_are_read_as_they_are_written():
    assert parse_requirement("av>=15") == ("", requirements("av >= 15")[0])
    extra, wanted = parse_requirement("huggingface_hub<1; extra == 'minicpmo'")
    assert (extra, wanted.name, wanted.versions) == ("minicpmo", "huggingface-hub", (("<", "1"),))
    assert parse_requirement("hibari-tts[fast]==0.2.1")[1].versions == (("==", "0.2.1"),)
    assert parse_requirement('torch (>=2.4,!=2.5.0) ; extra == "vlm"')[1].versions == (
        (">=", "2.4"),
        ("!=", "2.5.0"),
    )


def test_every_bound_of_the_project_is_understood():
    texts = [
        *PROJECT["dependencies"],
        *(t for group in PROJECT["optional-dependencies"].values() for t in group),
    ]
    for text in texts:
        wanted = parse_requirement(text)[1]
        sign, bound = wanted.versions[0]
        assert fits(bound, wanted) == (sign != "<")


@pytest.mark.parametrize(
    ("version", "wanted", "right"),
    [
        ("15.0", "av>=15", True),
        ("15", "av>=15.0.0", True),
        ("14.9.9", "av>=15", False),
        ("9.1", "av>=15", False),
        ("4.51.3", "t==4.51.3", True),
        ("4.51.30", "t==4.51.3", False),
        ("0.99", "h<1", True),
        ("1.0.0", "h<1", False),
        ("2.13.0+cpu", "torch>=2.4", True),
        ("1.0.0rc1", "h<1", False),
        ("1!2.0", "x>=3", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version, wanted, right):
    assert fits(version, requirements(wanted)[0]) is right


def test_what_has_no_number_is_older_than_everything():
    assert release("unknown") == () and lacking(requirements("a>=0.1"), {"a": "unknown"})


def test_packages_that_are_missing_or_old_are_named():
    wanted = {"": requirements("av>=15", "numpy>=1.26", "typer>=0.12")}
    line = packages_line(wanted, {"av": "14.2", "typer": "0.20"})
    assert line.ok is False and line.mend == "pip install commentator-lib"
    assert "av 14.2 (needs >=15)" in line.found and "numpy (not installed)" in line.found
    assert "typer" not in line.found
    right = packages_line(wanted, {"av": "18.1.0", "numpy": "2.4", "typer": "0.20"})
    assert right.ok is True and right.mend == "" and "av 18.1.0, numpy 2.4" in right.found


def test_a_project_that_is_not_installed_says_so(monkeypatch):
    def nothing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", nothing)
    monkeypatch.setattr(metadata, "version", nothing)
    assert read_requirements() == {} and read_versions(["av"]) == {}
    line = packages_line({}, {})
    assert line.ok is False and "not installed" in line.found and line.mend


@pytest.mark.parametrize("name", EXTRAS)
def test_extras_complete_and_not(name):
    wanted = {name: requirements("one>=2", "two<1")}
    assert extra_line(name, wanted, {"one": "2.1", "two": "0.9"}, False).ok is True
    for needed in (True, False):
        line = extra_line(name, wanted, {"one": "2.1", "two": "1.0"}, needed)
        assert line.ok is (False if needed else None)
        assert line.mend == f"pip install 'commentator-lib[{name}]'" and "two 1.0 (needs <1)" in line.found
    assert extra_line(name, {}, {}, True).ok is False


def test_this_project_s_own_requirements_are_found():
    found = read_requirements()
    assert set(EXTRAS) <= set(found) and {"av", "typer"} <= {r.name for r in found[""]}
    versions = read_versions(["av", "pydantic_settings", "no-such-package-here"])
    assert set(versions) == {"av", "pydantic-settings"} and versions["av"] == metadata.version("av")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"transformers": "5.2.0"}, "needs transformers 4.51"),
        ({"transformers": "4.50.0"}, "needs transformers 4.51"),
        ({"huggingface-hub": "1.2"}, "needs huggingface-hub below 1"),
        ({"torch": "2.3.1"}, "needs torch 2.4"),
        ({"torch": None}, "torch is missing"),
        ({"tokenizers": None}, "tokenizers is missing"),
    ],
)
def test_model_libraries(changes, words):
    installed = {name: version for name, version in {**RIGHT, **changes}.items() if version}
    for needed in (True, False):
        line = libraries_line(installed, needed)
        assert words in line.found and bool(line.mend) == bool(words)
        assert line.ok is (True if not words else False if needed else None)
    assert "minicpmo" in line.mend or not words


# The machine


def test_memory_and_disk():
    memory, disk = machine_lines(8 * GB, 16 * GB, 100 * GB, 1 * GB)
    assert memory.ok is disk.ok is True and not memory.mend and not disk.mend
    assert "8.0 GB of 16.0 GB" in memory.found and "100.0 GB" in disk.found
    memory, disk = machine_lines(1 * GB, 16 * GB, GB // 2, 1 * GB)
    assert memory.ok is disk.ok is False
    assert "display_buffer_mb" in memory.mend and "--out" in disk.mend
    memory, _ = machine_lines(None, None, GB, GB)
    assert memory.ok is False and "psutil" in memory.found and memory.mend


def without(monkeypatch, name):
    """As if a package were not installed."""
    real = builtins.__import__

    def refuse(wanted, *arguments, **more):
        if wanted.split(".")[0] == name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(wanted, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_this_machine_is_read(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    available, total, free = read_machine()
    assert 0 < available <= total and free > 0
    without(monkeypatch, "psutil")
    assert read_machine()[:2] == (None, None)


def test_browser(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert find_browser() is None
    assert browser_line(None).ok is None and "browser tests" in browser_line(None).mend
    for name in ("google-chrome", "chromium"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert browser_line(find_browser()).found.endswith(name)
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "google-chrome"))
    assert find_browser().endswith("google-chrome")


def test_jupyter():
    assert jupyter_line("4.6").ok is True and jupyter_line(None).ok is None
    assert "[notebooks]" in jupyter_line(None).mend


# What is tried out


def test_whatever_an_attempt_raises_is_its_finding():
    def broken():
        raise OSError("libx.so.1: cannot open shared object file\nand more")

    line = try_line("embedded voice", broken, "install it")
    assert line == CheckLine(
        False, "embedded voice", "OSError: libx.so.1: cannot open shared object file", "install it"
    )
    assert try_line("x", lambda: "works", "mend") == CheckLine(True, "x", "works", "")


def test_a_silent_voice_is_a_fault(monkeypatch):
    import numpy as np

    from commentator_lib.media import AudioChunk
    from commentator_lib.voices.hibari import HibariVoice

    monkeypatch.setattr(
        HibariVoice, "speak", lambda self, text: [AudioChunk(np.zeros(2400, np.float32), 24_000)]
    )
    line = try_line("embedded voice", module.try_voice, "mend")
    assert line.ok is False and "nothing was to be heard" in line.found
    monkeypatch.setattr(HibariVoice, "speak", lambda self, text: [])
    assert try_line("embedded voice", module.try_voice, "mend").ok is False


def test_ocr_that_misreads_fails_and_missing_ocr_is_not_needed(monkeypatch):
    import commentator_lib.commentators.baseline.text as eye_text

    monkeypatch.setattr(eye_text, "ocr_installed", lambda: True)
    monkeypatch.setattr(eye_text, "rapidocr_reader", lambda: lambda image: [("GOAT", 0.9)])
    line = ocr_line()
    assert line.ok is False and "GOAT" in line.found and line.mend
    monkeypatch.setattr(eye_text, "ocr_installed", lambda: False)
    assert ocr_line() == CheckLine(None, "OCR", "not installed", "pip install 'commentator-lib[ocr]'")


def test_eye_without_its_model_and_ffmpeg_without_an_encoder(monkeypatch, tmp_path):
    import av

    import commentator_lib.commentators.baseline.detector as detector

    monkeypatch.setattr(detector, "MODELS", tmp_path)
    assert "ssdlite" in try_line("baseline", module.try_eye, "mend").found

    def no_codec(name, mode):
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(av.codec, "Codec", no_codec)
    line = try_line("video and sound", module.try_ffmpeg, "mend")
    assert line.ok is False and "libx264" in line.found


# The GPU


def fake_torch(monkeypatch, available=True, cuda="12.8", hip=None, memory=(20 * GB, 24 * GB), error=None):
    def mem_get_info():
        if error:
            raise error
        return memory

    torch = types.ModuleType("torch")
    torch.__version__ = "2.11.0"
    torch.version = types.SimpleNamespace(cuda=cuda, hip=hip)
    torch.cuda = types.SimpleNamespace(
        is_available=lambda: available,
        get_device_name=lambda: "Card 9",
        mem_get_info=mem_get_info,
        get_device_capability=lambda: (8, 9),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)


def fake_driver(monkeypatch, memory_error=False):
    class NVMLError(Exception):
        pass

    def memory(handle):
        if memory_error:
            raise NVMLError("Not Supported")
        return types.SimpleNamespace(free=3 * GB, total=4 * GB)

    pynvml = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlDeviceGetName=lambda handle: "Driver's Card",
        nvmlSystemGetDriverVersion=lambda: "570.1",
        nvmlDeviceGetMemoryInfo=memory,
    )
    monkeypatch.setattr(module.meters, "_nvml_device", lambda: (pynvml, "handle"))


@pytest.fixture
def no_driver(monkeypatch):
    monkeypatch.setattr(module.meters, "_nvml_device", lambda: None)


def test_gpu_that_driver_and_pytorch_see(monkeypatch):
    fake_driver(monkeypatch)
    fake_torch(monkeypatch)
    gpu = read_gpu()
    assert gpu == Gpu("Card 9", "570.1", True, "2.11.0", "CUDA 12.8", True, 20 * GB, 24 * GB, "", (8, 9))
    line = gpu_line(gpu, True)
    assert line.ok is True and not line.mend
    assert line.found == "Card 9, driver 570.1, PyTorch 2.11.0 for CUDA 12.8"


def test_gpu_that_only_the_driver_sees(monkeypatch):
    fake_driver(monkeypatch)
    fake_torch(monkeypatch, available=False, cuda=None)
    gpu = read_gpu()
    assert (gpu.name, gpu.free_bytes, gpu.usable) == ("Driver's Card", 3 * GB, False)
    assert "for processors only" in gpu_line(gpu, True).mend and gpu_line(gpu, True).ok is False
    assert gpu_line(gpu, False).ok is None
    fake_torch(monkeypatch, available=False)
    assert "driver that is new enough for CUDA 12.8" in gpu_line(read_gpu(), True).mend
    without(monkeypatch, "torch")
    gpu = read_gpu()
    assert gpu.torch == "" and "no PyTorch" in gpu_line(gpu, True).found
    assert "pip install" in gpu_line(gpu, True).mend


def test_what_cuda_graphs_need():
    gpu = Gpu(name="Card 9", torch="2.11.0", built_for="CUDA 12.8", usable=True)
    (line,) = graphs_lines(gpu, True, True)
    assert line.ok and "CUDA graphs" in line.found
    (line,) = graphs_lines(gpu, False, False)
    assert line.ok is None and "many times slower" in line.found
    assert line.mend == "pip install triton; install a C compiler (gcc), which Triton needs"
    assert graphs_lines(gpu, True, False)[0].mend.startswith("install a C compiler")
    assert graphs_lines(Gpu(), True, True) == []


def test_gpu_without_nvml(monkeypatch, no_driver):
    fake_torch(monkeypatch, cuda=None, hip="6.4")
    gpu = read_gpu()
    assert (
        gpu.usable and gpu.driver == "" and gpu_line(gpu, True).found == "Card 9, PyTorch 2.11.0 for ROCm 6.4"
    )


@pytest.mark.parametrize("asked", [True, False])
def test_no_gpu(monkeypatch, no_driver, asked):
    monkeypatch.setattr(module, "find_spec", lambda name: object() if asked else None)
    fake_torch(monkeypatch, available=False, cuda=None)
    for minicpmo in (True, False):
        line = gpu_line(read_gpu(), minicpmo, minicpmo)
        assert line.ok is (False if minicpmo else None) and "no GPU seen" in line.found
        assert ("nvidia-ml-py" in line.found) is not asked
        assert "baseline" in line.mend and ("device=cpu" in line.mend) is minicpmo


def test_gpu_that_fails(monkeypatch, no_driver):
    fake_torch(monkeypatch, error=RuntimeError("CUDA error: out of memory\nCompile with ..."))
    gpu = read_gpu()
    line = gpu_line(gpu, True)
    assert (
        not gpu.usable and line.ok is False and "out of memory" in line.found and "Compile" not in line.found
    )
    assert line.mend
    torch = types.ModuleType("torch")  # half installed: without even a version
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert "AttributeError" in gpu_line(read_gpu(), True).found


def test_gpu_whose_memory_the_driver_does_not_count(monkeypatch):
    fake_driver(monkeypatch, memory_error=True)
    fake_torch(monkeypatch)
    gpu = read_gpu()
    assert gpu.usable and gpu.total_bytes == 24 * GB and gpu_line(gpu, True).ok is True
    fake_torch(monkeypatch, available=False)
    assert "Not Supported" in gpu_line(read_gpu(), True).found


def test_gpu_memory_says_what_fits():
    line = gpu_memory_line(Gpu(free_bytes=80 * GB, total_bytes=80 * GB), None, True, True)
    assert line.ok is True and "does not fit" not in line.found and not line.mend
    line = gpu_memory_line(Gpu(free_bytes=20 * GB, total_bytes=24 * GB), PUBLISHED_BF16, True, True)
    fit, not_fit = line.found.split("does not fit")
    assert "BF16 without speech (18.9 GB)" in fit and "AWQ INT4 with speech" in fit
    assert "BF16 with speech (22.4 GB)" in not_fit and "AWQ" not in not_fit
    assert line.ok is False and "speech=false" in line.mend and "end what else holds 4.0 GB" in line.mend
    line = gpu_memory_line(Gpu(free_bytes=4 * GB, total_bytes=4 * GB), None, True, False)
    assert line.ok is None and "nothing" in line.found and "commentator=vlm" in line.mend
    line = gpu_memory_line(Gpu(), None, True, True)
    assert line.ok is None and "22.4 GB" in line.found


def test_who_needs_a_gpu():
    assert needs_gpu(settings(commentator="minicpmo"))
    assert not needs_gpu(settings(commentator="minicpmo", device="cpu"))
    assert not needs_gpu(settings(commentator="vlm")) and needs_gpu(
        settings(commentator="vlm", device="cuda")
    )
    assert not needs_gpu(settings())


# Models, voices, servers


def test_checkpoint_that_is_whole(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    checkpoint, line = read_checkpoint(settings(commentator="minicpmo", model_path=str(folder)))
    assert (
        checkpoint.folder == folder and line.ok is True and "BF16" in line.found and str(folder) in line.found
    )
    checkpoint, line = read_checkpoint(settings(commentator="vlm", model_path=str(folder)))
    assert checkpoint is None and line.ok is True and "of weights in" in line.found
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert read_checkpoint(settings(commentator="vlm", model_path=str(folder)))[1].ok is False


@pytest.mark.parametrize("commentator", ["minicpmo", "baseline"])
def test_checkpoint_that_lacks_something(tmp_path, commentator):
    needed = commentator == "minicpmo"
    folder = make_checkpoint(tmp_path / "model")
    (folder / "utils.py").unlink()
    for path, words in (
        (str(folder), "utils.py"),
        (str(tmp_path / "nowhere" / "at" / "all"), "nowhere"),
        ("", "model_path"),
    ):
        checkpoint, line = read_checkpoint(settings(commentator=commentator, model_path=path))
        assert checkpoint is None and line.ok is (False if needed else None) and words in line.mend


def test_a_hub_id_is_looked_for_in_the_cache_and_never_downloaded(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    import huggingface_hub.constants  # the package loads it only when it is first used

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    real, asked = hub.snapshot_download, []

    def recorded(name, **options):
        asked.append(options)
        return real(name, **options)

    monkeypatch.setattr(hub, "snapshot_download", recorded)
    chosen = settings(commentator="minicpmo", model_path="someone/model-awq")
    checkpoint, line = read_checkpoint(chosen)
    assert checkpoint is None and line.ok is False and "a run downloads" in line.mend
    repository = tmp_path / "models--someone--model-awq"
    folder = make_checkpoint(repository / "snapshots" / "0a1b")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0a1b")
    checkpoint, line = read_checkpoint(chosen)
    assert checkpoint.folder == folder and line.ok is True
    assert asked == [{"local_files_only": True}] * 2


def test_a_hub_id_without_the_hub_s_client(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    without(monkeypatch, "huggingface_hub")
    assert (
        "pip install" in read_checkpoint(settings(commentator="minicpmo", model_path="someone/model"))[1].mend
    )


def test_checkpoint_of_a_server_is_its_own_affair():
    assert read_checkpoint(settings(commentator="openai", model_path="some-model"))[1].ok is None


def test_voice_files_and_recording(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    chosen = settings(commentator="minicpmo", model_path=str(folder))
    checkpoint, _ = read_checkpoint(chosen)
    [files] = voice_lines(chosen, checkpoint)
    assert files.ok is False and "flow.pt" in files.mend
    assert voice_lines(chosen.changed(speech=False), checkpoint)[0].ok is None
    assets = make_assets(folder / "assets")
    files, recording = voice_lines(chosen, checkpoint)
    assert files.ok is True and recording.ok is False and "reference_audio_path" in recording.mend
    write_wav(assets / "HT_ref_audio.wav", [tone(2.5, 16_000)], 16_000)
    assert [line.ok for line in voice_lines(chosen, checkpoint)] == [True, True]
    assert "2.5 s" in voice_lines(chosen, checkpoint)[1].found
    long = write_wav(tmp_path / "long.wav", [tone(20, 16_000)], 16_000)
    recording = voice_lines(chosen.changed(reference_audio_path=str(long)), checkpoint)[1]
    assert recording.ok is False and "20.0 s" in recording.mend
    assert [line.ok for line in voice_lines(chosen, None)] == [None]


def test_files_that_may_not_be_read_are_a_finding(monkeypatch, tmp_path):
    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied", "config.json")

    folder = make_checkpoint(tmp_path / "model")
    chosen = settings(commentator="minicpmo", model_path=str(folder))
    checkpoint, _ = read_checkpoint(chosen)
    for name in ("inspect_checkpoint", "find_assets"):
        monkeypatch.setattr(module, name, refuse)
    assert "Permission denied" in read_checkpoint(chosen)[1].mend
    assert [line.ok for line in voice_lines(chosen, checkpoint)] == [False]


@pytest.fixture
def server():
    """(its address, what it will answer: [status, body], the headers and paths it was asked with)."""
    answer: list = [200, b"{}"]
    asked: list = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, *_arguments):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}/v1", answer, asked
    running.shutdown()
    running.server_close()
    thread.join()


def test_server_that_answers(server, monkeypatch):
    pytest.importorskip("httpx")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-mine")
    url, answer, asked = server
    answer[1] = json.dumps({"data": [{"id": f"model-{k}"} for k in range(5)]}).encode()
    line = server_line(url + "/", True, True, True)
    assert line.ok is True and "model-0, model-1, model-2 and 2 more" in line.found and not line.mend
    assert asked[0][0] == "/v1/models"
    assert "sk-secret-of-mine" not in str(asked) + str(line)  # a key is neither sent nor shown


@pytest.mark.parametrize("needed", [True, False])
def test_server_that_answers_otherwise(server, needed):
    pytest.importorskip("httpx")
    url, answer, _ = server
    not_right = False if needed else None
    for status, body in ((404, b"{}"), (500, b""), (200, b"<html>"), (200, b"[]"), (200, b'{"data": [1]}')):
        answer[:] = [status, body]
        line = server_line(url, True, needed, False)
        assert line.ok is not_right and str(status) in line.found and "/v1" in line.mend
    answer[:] = [401, b"{}"]
    without_key, with_key = (server_line(url, True, needed, has_key) for has_key in (False, True))
    assert without_key.ok is not_right and "OPENAI_API_KEY" in without_key.mend
    assert with_key.ok is True and "wants a key" in with_key.found


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v1", "nothing", "http://[", "ftp://127.0.0.1/", "http://:x/"]
)
def test_server_that_does_not_answer(url):
    pytest.importorskip("httpx")
    assert ask_server(url)[0] is None
    assert server_line(url, True, True, False).ok is False
    line = server_line(url, True, False, False)
    assert line.ok is None and "does not answer" in line.found and line.mend


def test_server_is_not_asked_without_httpx_and_passwords_are_not_shown():
    def never(url):
        raise AssertionError("asked")

    line = server_line("http://x", False, True, False, never)
    assert line.ok is None and "[openai]" in line.mend
    line = server_line("http://me:secret@host/v1?key=hidden", True, True, False, lambda url: (200, "m"))
    assert line.ok is True and "host" in line.found
    assert "secret" not in line.found and "hidden" not in line.found


# All of it


def test_only_what_the_basic_eye_needs_decides():
    lines = [CheckLine(True, what, "") for what in BASE] + [
        CheckLine(False, "GPU", ""),
        CheckLine(None, "OCR", ""),
    ]
    assert can_run(lines)
    for k in range(len(BASE)):
        assert not can_run([*lines[:k], CheckLine(False, BASE[k], ""), *lines[k + 1 :]])


def test_table_wraps_and_keeps_its_columns():
    long = "one two three four five six seven eight nine ten " * 3
    lines = [
        CheckLine(True, "GPU", long),
        CheckLine(False, "embedded voice", "silent", long),
        CheckLine(None, "x", ""),
    ]
    table = format_lines(lines, width=60).splitlines()
    assert all(len(row) <= 60 and row == row.rstrip() for row in table)
    assert table[0].startswith("✓ GPU             one two") and table[1].startswith(" " * 18 + "nine")
    start = next(k for k, row in enumerate(table) if row.startswith("✗"))
    assert table[start] == "✗ embedded voice  silent" and table[start + 1].startswith(" " * 18 + "→ one")
    assert table[-1] == "– x"
    assert " ".join(table).count("ten") == 6


FAKED = {
    "read_requirements": lambda: {},
    "read_versions": lambda names: {},
    "read_machine": lambda: (None, None, 0),
    "read_gpu": lambda: Gpu(),
    "find_browser": lambda: None,
    "ask_server": lambda url: (None, "does not answer (Test)"),
}


def broken():
    raise ImportError("not here")


@pytest.mark.parametrize("commentator", ["baseline", "minicpmo", "vlm", "openai"])
def test_a_machine_with_nothing_is_told_how_to_mend_each_thing(monkeypatch, commentator):
    for name, fake in FAKED.items():
        monkeypatch.setattr(module, name, fake)
    for name in ("try_ffmpeg", "try_eye", "try_voice", "try_ocr"):
        monkeypatch.setattr(module, name, broken)
    lines = check(settings(commentator=commentator))
    assert not can_run(lines)
    assert all(line.mend for line in lines if line.ok is False)
    false = {line.what for line in lines if line.ok is False}
    assert {"packages", "memory", "disk", "video and sound", "baseline", "embedded voice"} <= false
    assert ("GPU" in false) == ("model libraries" in false) == (commentator == "minicpmo")
    assert ("checkpoint" in false) == (commentator in ("minicpmo", "vlm"))
    assert {f"extra {name}" for name in EXTRAS} & false == ({f"extra {commentator}"} - {"extra baseline"})


def cli_check(monkeypatch, lines, *arguments):
    monkeypatch.setattr(module, "check", lambda current: lines)
    for name in Settings.model_fields:
        monkeypatch.delenv(env_name(name), raising=False)
    return CliRunner().invoke(cli.app, ["check", *arguments])


def test_command_s_exit_code_and_table(monkeypatch):
    good = [CheckLine(True, "Python", "3.11"), CheckLine(False, "GPU", "none", "buy one")]
    done = cli_check(monkeypatch, good)
    assert done.exit_code == 0 and "✗ GPU     none" in done.stdout and "→ buy one" in done.stdout
    done = cli_check(monkeypatch, [CheckLine(False, "embedded voice", "silent", "mend it")], "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "can_run": False,
        "lines": [{"ok": False, "what": "embedded voice", "found": "silent", "mend": "mend it"}],
    }


ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in {env_name(f) for f in Settings.model_fields}}


def commentator(*arguments, cwd):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "commentator_lib", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**ENVIRONMENT, "PYTHONPATH": path, "OPENAI_API_KEY": "sk-secret-of-mine"},
    )


def test_this_machine_runs_the_basic_eye(tmp_path):
    done = commentator("check", "--json", "-s", "api_base_url=http://127.0.0.1:1/v1", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    lines = {line["what"]: line for line in found["lines"]}
    assert found["can_run"] is True and all(lines[what]["ok"] is True for what in BASE)
    assert {f"extra {name}" for name in EXTRAS} <= set(lines)
    assert {"GPU", "GPU memory", "memory", "disk", "checkpoint", "voice files", "OCR", "model server"} <= set(
        lines
    )
    assert "FFmpeg" in lines["video and sound"]["found"] and " s" in lines["embedded voice"]["found"]
    assert lines["checkpoint"]["ok"] is None
    assert "sk-secret-of-mine" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


def test_bad_settings_end_with_2(tmp_path):
    done = commentator("check", "-s", "pause=1", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean pause_s" in done.stderr and not done.stdout
    done = commentator("check", "--settings", "no.toml", cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
