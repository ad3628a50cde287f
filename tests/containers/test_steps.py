"""What the Dockerfile does, done without Docker in a clean prefix: each RUN, entry point, health check, end.

It downloads about 400 MB, so it runs where it is asked for:

    CONTAINER_STEPS=1 python -m pytest tests/containers/test_steps.py -s

What differs from an image: this machine's Python and system libraries, and its user.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.containers.dockerfile import arguments, instructions

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(
        not os.environ.get("CONTAINER_STEPS"), reason="downloads 400 MB: set CONTAINER_STEPS=1"
    ),
]

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"
# Of the 1.2 GB that the image may have, this leaves 150 MB to the base image (docs/containers.md).
MOST_BYTES = 1_050_000_000
# Docker and Compose kill a container that has not ended by then.
ENDS_WITHIN_S = 10
TOKEN = "a-token-for-the-steps-0123"


def tracked(source):
    """Return the files that COPY would take for a source: of the checkout, those that git knows."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", source],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Run the Dockerfile's steps in order; return (the prefix, the folder of the state)."""
    root = tmp_path_factory.mktemp("image")
    folder = root / "src"
    environment = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "COMMENTATOR")
    }
    # "python" is the base image's; the one that runs this test is in an environment of its own.
    (root / "bin").mkdir()
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (root / "bin" / "python").symlink_to(base)
    environment["PATH"] = f"{root / 'bin'}:{environment['PATH']}"
    for keyword, argument in instructions(DOCKERFILE):
        if keyword == "ARG":
            name, _, value = argument.partition("=")
            environment[name] = f"{root}{value}"
        elif keyword == "WORKDIR" and argument.startswith("/"):
            folder.mkdir(parents=True)
        elif keyword == "COPY" and not argument.startswith("--from"):
            *sources, _target = argument.split()
            for name in (name for source in sources for name in tracked(source)):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        elif keyword == "RUN":
            if os.geteuid() != 0:
                argument = argument.replace("-o 10001 -g 10001", "")
            print(f"RUN {argument}", flush=True)
            subprocess.run(["/bin/sh", "-c", argument], cwd=folder, env=environment, check=True, timeout=2000)
    return Path(environment["PREFIX"]), Path(environment["STATE"])


def test_it_is_small_and_holds_no_compiler_no_pip_and_no_model_framework(built):
    prefix, state = built
    sizes = {path: path.lstat().st_size for path in prefix.rglob("*") if not path.is_dir()}
    print(f"{sum(sizes.values()) / 1e6:.0f} MB in {len(sizes)} files")
    assert sum(sizes.values()) < MOST_BYTES
    assert state.is_dir()
    names = {path.name for path in (prefix / "bin").iterdir()}
    assert "commentator" in names and not names & {"pip", "cc", "gcc", "clang", "ld"}
    packages = {path.name for path in prefix.glob("lib/*/site-packages/*")}
    assert not packages & {"torch", "pip", "pytest", "jupyterlab"}


def test_all_modules_load_with_what_was_installed(built):
    prefix, state = built
    code = (
        "import importlib, pkgutil, commentator_lib as c\n"
        "for m in pkgutil.walk_packages(c.__path__, 'commentator_lib.'):\n"
        "    if m.name.startswith(('commentator_lib.serve', 'commentator_lib.voices', 'commentator_lib.sources')):\n"
        "        importlib.import_module(m.name)\n"
    )
    done = subprocess.run([prefix / "bin" / "python", "-c", code], cwd=state, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_entry_point_serves_is_healthy_and_ends_with_everything_written(built, tmp_path):
    prefix, state = built
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    (entry,) = (json.loads(argument) for argument in arguments(DOCKERFILE, "ENTRYPOINT"))
    (command,) = (json.loads(argument) for argument in arguments(DOCKERFILE, "CMD"))
    command = ["127.0.0.1" if word == "0.0.0.0" else word for word in command]
    (check,) = (
        json.loads(words)
        for argument in arguments(DOCKERFILE, "HEALTHCHECK")
        for words in re.findall(r"CMD (\[.*\])", argument)
    )
    environment = {
        "PATH": f"{prefix / 'bin'}:/usr/bin:/bin",
        "HOME": str(state),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "COMMENTATOR_TOKEN": TOKEN,
    }
    out, log = tmp_path / "out", tmp_path / "log"
    with out.open("wb") as to_out, log.open("wb") as to_log:
        server = subprocess.Popen(
            [*entry, *command, "--port", port], cwd=state, env=environment, stdout=to_out, stderr=to_log
        )
    try:
        # 1) healthy by the image's own check, ready, and closed to who has no token
        give_up = time.monotonic() + 600

        def wait_for(condition, what):
            while not condition():
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < give_up, what + log.read_text()
                time.sleep(0.5)

        checking = [word.replace("8765", port) for word in check]
        wait_for(
            lambda: subprocess.run(checking, env=environment, capture_output=True).returncode == 0, "health"
        )
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: httpx.get(f"{address}/readyz", timeout=60).json()["reason"] == "running", "readyz")
        assert httpx.get(f"{address}/metrics", timeout=60).status_code == 401
        signed = {"Authorization": f"Bearer {TOKEN}"}
        wait_for(
            lambda: (
                'cycles_total{outcome="spoken"} 0.0'
                not in httpx.get(f"{address}/metrics", headers=signed, timeout=60).text
            ),
            "a comment",
        )
        # 2) the end, as `docker stop` asks for it
        told_s = time.monotonic()
        server.send_signal(signal.SIGTERM)
        status = server.wait(ENDS_WITHIN_S)
        print(f"SIGTERM to the end: {time.monotonic() - told_s:.1f} s")
    finally:
        server.kill()
        server.wait()
    assert status == 130, log.read_text()
    (run,) = (state / "runs").iterdir()
    assert json.loads((run / "run.json").read_text())["finished"] is True
    assert (run / "cycles.parquet").exists()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines and all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert TOKEN not in log.read_text() + out.read_text()
