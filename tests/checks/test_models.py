"""Checks of checkpoints, voices and model servers, complete and broken ones."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

import commentator_lib.checks.checkpoint as checkpoint_module
from commentator_lib.checks.checkpoint import read_checkpoint, voice_lines
from commentator_lib.checks.server import ask_server, server_line
from tests.checks.conftest import settings, without
from tests.commentators.minicpmo.checkpoint_files import make_assets, make_checkpoint, tone, write_wav


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
        assert checkpoint is None and line.ok is (False if needed else None) and words in line.fix


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
    assert checkpoint is None and line.ok is False and "a run downloads" in line.fix
    repository = tmp_path / "models--someone--model-awq"
    folder = make_checkpoint(repository / "snapshots" / "0a1b")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0a1b")
    checkpoint, line = read_checkpoint(chosen)
    assert checkpoint.folder == folder and line.ok is True
    assert asked == [{"local_files_only": True}] * 2


def test_a_hub_id_without_the_hub_s_client(monkeypatch):
    monkeypatch.setattr(checkpoint_module, "find_spec", lambda name: None)
    without(monkeypatch, "huggingface_hub")
    assert (
        "pip install" in read_checkpoint(settings(commentator="minicpmo", model_path="someone/model"))[1].fix
    )


def test_checkpoint_of_a_server_is_its_own_affair():
    assert read_checkpoint(settings(commentator="openai", model_path="some-model"))[1].ok is None


def test_voice_files_and_recording(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    chosen = settings(commentator="minicpmo", model_path=str(folder))
    checkpoint, _ = read_checkpoint(chosen)
    [files] = voice_lines(chosen, checkpoint)
    assert files.ok is False and "flow.pt" in files.fix
    assert voice_lines(chosen.changed(speech=False), checkpoint)[0].ok is None
    assets = make_assets(folder / "assets")
    files, recording = voice_lines(chosen, checkpoint)
    assert files.ok is True and recording.ok is False and "reference_audio_path" in recording.fix
    write_wav(assets / "HT_ref_audio.wav", [tone(2.5, 16_000)], 16_000)
    assert [line.ok for line in voice_lines(chosen, checkpoint)] == [True, True]
    assert "2.5 s" in voice_lines(chosen, checkpoint)[1].found
    long = write_wav(tmp_path / "long.wav", [tone(20, 16_000)], 16_000)
    recording = voice_lines(chosen.changed(reference_audio_path=str(long)), checkpoint)[1]
    assert recording.ok is True and "long.wav, 1" in recording.found  # its first 13 to 15 s are used
    assert [line.ok for line in voice_lines(chosen, None)] == [None]


def test_files_that_may_not_be_read_are_a_finding(monkeypatch, tmp_path):
    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied", "config.json")

    folder = make_checkpoint(tmp_path / "model")
    chosen = settings(commentator="minicpmo", model_path=str(folder))
    checkpoint, _ = read_checkpoint(chosen)
    for name in ("inspect_checkpoint", "find_assets"):
        monkeypatch.setattr(checkpoint_module, name, refuse)
    assert "Permission denied" in read_checkpoint(chosen)[1].fix
    assert [line.ok for line in voice_lines(chosen, checkpoint)] == [False]


@pytest.fixture
def server():
    """Yield (the server's address, its next answer as [status, body], the headers and paths of its requests)."""
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
    assert line.ok is True and "model-0, model-1, model-2 and 2 more" in line.found and not line.fix
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
        assert line.ok is not_right and str(status) in line.found and "/v1" in line.fix
    answer[:] = [401, b"{}"]
    without_key, with_key = (server_line(url, True, needed, has_key) for has_key in (False, True))
    assert without_key.ok is not_right and "OPENAI_API_KEY" in without_key.fix
    assert with_key.ok is True and "wants a key" in with_key.found


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v1", "nothing", "http://[", "ftp://127.0.0.1/", "http://:x/"]
)
def test_server_that_does_not_answer(url):
    pytest.importorskip("httpx")
    assert ask_server(url)[0] is None
    assert server_line(url, True, True, False).ok is False
    line = server_line(url, True, False, False)
    assert line.ok is None and "does not answer" in line.found and line.fix


def test_server_is_not_asked_without_httpx_and_passwords_are_not_shown():
    def never(url):
        raise AssertionError("asked")

    line = server_line("http://x", False, True, False, never)
    assert line.ok is None and "[openai]" in line.fix
    line = server_line("http://me:secret@host/v1?key=hidden", True, True, False, lambda url: (200, "m"))
    assert line.ok is True and "host" in line.found
    assert "secret" not in line.found and "hidden" not in line.found
