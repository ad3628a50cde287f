"""Servers that others wrote: a live commentary with each, on this machine, and whether a cycle fails.

A server of one's own, as the tests have them, does what its author thought of. So these are the real ones, each in an
environment of its own, with a tiny model of random weights: its words mean nothing, but the protocol, the cuts and the
refusals are the server's.

    transformers   `transformers serve` with a model that sees
    litellm        LiteLLM's proxy in front of it, behind a key; then a model whose own server is gone, which must fail
    llama          llama-cpp-python's server with a language model, which is sent the pictures and sees none

    python -m experiments.bench_servers --environments FOLDER [--seconds 30] [--only PART,PART]

FOLDER is outside the checkout and keeps what is installed there: about 2 GB; for llama a C++ compiler is needed. The
last line on stdout is one JSON object. The exit code is 1 if a cycle failed that was not to fail, or one that was to
fail did not.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer

from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.session import LiveSession
from commentator_lib.settings import load_settings
from experiments.benchmarks.player_pages import say
from experiments.benchmarks.source_servers import free_port
from experiments.errors import UserError
from experiments.tools.browser import ROOT
from experiments.tools.command_line import chosen_parts, help_text, new_app, run_app

PACKAGES = {
    "transformers": ("transformers[serving]", "torch", "torchvision", "pillow"),
    "litellm": ("litellm[proxy]",),
    "llama": ("llama-cpp-python[server]", "gguf"),
}
_STARTS_WITHIN_S = 300.0
_LONGEST_COMMENT = 128  # tokens; random weights know no end
_GONE_S = 8.0
app = new_app()


@app.command(help=help_text(__doc__))
def main(
    environments: Annotated[Path, typer.Option(help="Folder for the servers' environments.")],
    seconds: Annotated[float, typer.Option(help="Length of each commentary, s.")] = 30.0,
    only: Annotated[str, typer.Option(help=f"Which servers: {', '.join(PACKAGES)}.")] = ",".join(PACKAGES),
) -> None:
    parts = chosen_parts(only, tuple(PACKAGES))
    if environments.resolve().is_relative_to(ROOT):
        raise UserError("the environments belong outside the checkout: give another folder")
    measures: dict[str, Callable[[Path, Path, float], dict[str, Any]]] = {
        "transformers": measure_transformers,
        "litellm": measure_litellm,
        "llama": measure_llama,
    }
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            result[part] = measures[part](environments, Path(folder) / part, seconds)
            say(f"{part}: {json.dumps(result[part])}")
    print(json.dumps(result))
    if any(not row["right"] for row in result.values()):
        raise typer.Exit(1)


# --- environments and servers


def python_of(environments: Path, name: str) -> Path:
    """Return the Python of a server's environment, which is made at the first call."""
    folder = environments / name
    python, made = folder / "bin" / "python", folder / "made.txt"
    if not made.exists():
        say(f"{name}: installing {', '.join(PACKAGES[name])} into {folder} ...")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(["nice", python, *quiet, *PACKAGES[name]], check=False)
        if done.returncode:
            raise UserError(
                f"{name} cannot be installed here: see pip's lines above, or leave it out with --only"
            )
        made.write_text("\n".join(PACKAGES[name]) + "\n")
    return python


def version_of(python: Path, package: str) -> str:
    """Return the version of a package in an environment."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def draw(python: Path, kind: str, path: Path) -> Path:
    """Draw a model in a server's environment; return its path."""
    script = Path(__file__).with_name("server_models.py")
    subprocess.run(
        ["nice", python, script, kind, path], check=True, capture_output=True, cwd=path.parent.parent
    )
    return path


@contextlib.contextmanager
def served(command: Sequence[object], health: str, log: Path, **environment: str) -> Generator[None]:
    """Run a server until the block ends; it is ready once `health` answers. Raise UserError where it does not start."""
    log.parent.mkdir(parents=True, exist_ok=True)
    limits = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": str(log.parent / "hub")}
    with open(log, "wb") as file:
        server = subprocess.Popen(
            ["nice", *map(str, command)],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**os.environ, **limits, **environment},
        )
        try:
            until_s = time.monotonic() + _STARTS_WITHIN_S
            while not _answers(health):
                if server.poll() is not None or time.monotonic() > until_s:
                    last = log.read_text(errors="replace").strip().splitlines()[-1:]
                    raise UserError(f"{command[0]} did not start: {' '.join(last)}")
                time.sleep(0.5)
            yield
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0).status_code < 500
    except httpx.HTTPError:
        return False


# --- a commentary


def commentary(
    folder: Path, base_url: str, model: str, seconds: float, api_key: str | None = None
) -> dict[str, Any]:
    """Commentate in real time, in captions; return outcomes, reasons, and how soon the first words came, in s."""
    settings = load_settings(
        environment={},
        commentator="openai",
        api_base_url=base_url,
        model_path=model,
        api_retries=0,
        speech=False,
        text_max_new_tokens=_LONGEST_COMMENT,
        change_threshold=0.0,
        inference_interval_s=1.0,
        watchers=(),
        temperature=1.0,
    )
    commentator = OpenAICommentator(settings, api_key=api_key)
    source = "demo" if seconds > 3 else "synthetic:5"
    session = LiveSession(source, settings, commentator=commentator, duration_s=seconds, run_dir=folder).run()
    cycles = session.log.cycles
    waits_s = (cycles.first_text_s - cycles.infer_s).dropna()
    return {
        "cycles": dict(Counter(cycles.outcome)),
        "failures": sorted(set(cycles.reason[cycles.outcome == "failed"])),
        "first_words_s": round(float(np.median(waits_s)), 2) if len(waits_s) else None,
        "tokens": int(cycles.output_tokens.sum()),
        "prompt_tokens_counted": bool(cycles.prompt_tokens.notna().any()),
    }


def _is_well(row: dict[str, Any]) -> bool:
    return not row["failures"] and sum(row["cycles"].values()) >= 2


@contextlib.contextmanager
def _transformers_server(environments: Path, folder: Path) -> Generator[tuple[str, str]]:
    """Serve a drawn model with `transformers serve`; yield its base URL and the model's name."""
    python = python_of(environments, "transformers")
    folder.mkdir(parents=True, exist_ok=True)
    model = draw(python, "vlm", folder / "tiny")
    port = free_port()
    command = [python.with_name("transformers"), "serve", model, "--port", port, "--device", "cpu"]
    with served(
        [*command, "--host", "127.0.0.1"], f"http://127.0.0.1:{port}/health", folder / "transformers.log"
    ):
        yield f"http://127.0.0.1:{port}/v1", str(model)


def measure_transformers(environments: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """Commentate with `transformers serve`."""
    version = version_of(python_of(environments, "transformers"), "transformers")
    with _transformers_server(environments, folder) as (url, model):
        row = commentary(folder / "run", url, model, seconds)
    return {"version": version, "right": _is_well(row), **row}


def measure_litellm(environments: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """Commentate with LiteLLM's proxy in front of `transformers serve`, and with a model that is gone."""
    python, key = python_of(environments, "litellm"), f"sk-{secrets.token_hex(8)}"
    with ExitStack() as stack:
        url, model = stack.enter_context(_transformers_server(environments, folder))
        models = [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{model}", "api_base": base, "api_key": "none"},
            }
            for name, base in (("tiny", url), ("gone", f"http://127.0.0.1:{free_port()}/v1"))
        ]
        config = folder / "litellm.yaml"  # JSON is YAML
        config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": key}}))
        port = free_port()
        command = [python.with_name("litellm"), "--config", config, "--port", port, "--host", "127.0.0.1"]
        ready = f"http://127.0.0.1:{port}/health/readiness"
        stack.enter_context(served(command, ready, folder / "litellm.log"))
        row = commentary(folder / "run", f"http://127.0.0.1:{port}/v1", "tiny", seconds, key)
        gone = commentary(folder / "gone", f"http://127.0.0.1:{port}/v1", "gone", _GONE_S, key)
    all_failed = set(gone["cycles"]) <= {"failed"} and bool(gone["failures"])
    version = version_of(python, "litellm")
    return {"version": version, "right": _is_well(row) and all_failed, **row, "gone": gone}


def measure_llama(environments: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """Commentate with llama-cpp-python's server."""
    python = python_of(environments, "llama")
    folder.mkdir(parents=True, exist_ok=True)
    model = draw(python, "gguf", folder / "models" / "tiny.gguf")
    port = free_port()
    command = [python, "-m", "llama_cpp.server", "--model", model, "--host", "127.0.0.1", "--port", port]
    options = ["--model_alias", "tiny", "--n_ctx", "4096", "--n_threads", "1"]
    with served([*command, *options], f"http://127.0.0.1:{port}/v1/models", folder / "llama.log"):
        row = commentary(folder / "run", f"http://127.0.0.1:{port}/v1", "tiny", seconds)
    version = version_of(python, "llama-cpp-python")
    return {"version": version, "right": _is_well(row), **row}


if __name__ == "__main__":
    run_app(app, "bench_servers")
