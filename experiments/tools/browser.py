"""Start a notebook server and a real browser, for benchmarks and tests of what a page does.

Autoplay rules, throttled tabs, decoders and sound cards are part of the browser; a simulated page has none of them.
So benchmarks and tests start JupyterLab on loopback, in their own home directory, and use them through
Chromium as a person would: open the notebook, choose Run All Cells, look, click.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commentator_lib.checks.browser import find_browser
from experiments.errors import UserError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

ROOT = Path(__file__).resolve().parents[2]

_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
FAKE_CAMERA = ["--use-fake-device-for-media-stream=fps=30"]
ALLOW_CAMERA = ["--use-fake-ui-for-media-stream"]
_PYTHON = (sys.executable, "-m")
_START_S = 120.0
_STOP_S = 20.0


@dataclass(frozen=True)
class Server:
    """A running server; its notebooks are in `folder`."""

    folder: Path
    port: int
    token: str
    log: Path
    process: subprocess.Popen[bytes]

    def url(self, notebook: str) -> str:
        return f"http://127.0.0.1:{self.port}/lab/tree/{notebook}?token={self.token}&reset"


def _environment(home: Path, runtime: str, *packages: Path) -> dict[str, str]:
    """Return the environment of a server that shares no directory with the user's own, and uses `home` instead.

    `packages` come first on Python's path. Kernels listen on sockets in `runtime`, whose path must be short: a socket's
    may have 107 characters.
    """
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA")}
    own["JUPYTER_RUNTIME_DIR"] = runtime
    own["IPYTHONDIR"] = str(home / "ipython")
    home.mkdir(parents=True, exist_ok=True)
    python_path = [*map(str, packages), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **own, "HOME": str(home), "PYTHONPATH": os.pathsep.join(filter(None, python_path))}


def _ask_no_questions(home: Path) -> None:
    """Answer JupyterLab's question whether it may fetch news; without an answer a dialog opens."""
    notices = home / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    notices.mkdir(parents=True, exist_ok=True)
    (notices / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(folder: Path, command: Callable[[int, str], list[str]]) -> Generator[Server]:
    """Run `command(port, token)` in `folder`, a server on loopback, until the block ends.

    It gets a home directory of its own in the folder's parent, and imports what the folder has. Raise RuntimeError with
    the end of its log if it does not start.
    """
    port, token = _free_port(), secrets.token_hex(16)
    with _serving(
        folder, command(port, token), port, token, home=folder.parent / f"{folder.name}.home"
    ) as server:
        yield server


@contextlib.contextmanager
def _serving(folder: Path, command: list[str], port: int, token: str, home: Path) -> Generator[Server]:
    """Run a server until the block ends. Raise RuntimeError with the end of its log if it does not start."""
    runtime = tempfile.TemporaryDirectory(prefix="jupyter-")
    environment = _environment(home, runtime.name, folder)
    log_path = home / "server.log"
    with open(log_path, "ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        give_up = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            if process.poll() is not None or time.monotonic() > give_up:
                end = log_path.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{command[0]} did not start:\n{end}")
            time.sleep(0.05)
        yield Server(folder, port, token, log_path, process)
    finally:
        _stop(process)
        runtime.cleanup()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and what has started it, which are a process group of their own; wait until all are gone."""
    give_up = time.monotonic() + _STOP_S
    with contextlib.suppress(ProcessLookupError):  # that is the aim
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < give_up:
            process.poll()  # a process that has ended stays in its group until it is waited for
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


@contextlib.contextmanager
def jupyter_lab(folder: Path) -> Generator[Server]:
    """Serve `folder` with JupyterLab on loopback, behind a token."""
    port, token = _free_port(), secrets.token_hex(16)
    command = [
        *_PYTHON,
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",
        "--allow-root",
        f"--ServerApp.root_dir={folder}",
        "--KernelManager.transport=ipc",
        "--KernelManager.shutdown_wait_time=1",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    _ask_no_questions(folder / ".home")
    with _serving(folder, command, port, token, home=folder / ".home") as server:
        yield server


@contextlib.contextmanager
def chromium(playwright: Playwright, *more_flags: str) -> Generator[Browser]:
    """Run a headless browser with a new profile. Raise UserError where Chromium is not installed.

    `playwright` is what `sync_playwright()` yields; a thread can have only one.
    """
    path = find_browser()
    if path is None:
        raise UserError("Chromium is not installed; set CHROMIUM to its path")
    # Playwright mutes the browser; the sound clock of a muted page runs as usual.
    browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS, *more_flags])
    try:
        yield browser
    finally:
        browser.close()


def write_notebook(path: Path, cells: list[str]) -> None:
    """Write a notebook of code cells."""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


_CONTEXT = "window.jupyterapp?.shell?.currentWidget?.sessionContext"
_IDLE = f"{_CONTEXT}?.isReady && {_CONTEXT}.session?.kernel?.status === 'idle'"
_BEGUN = f"""() => {_CONTEXT}?.session?.kernel?.status === 'busy'
    || [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some((p) => /\\d/.test(p.textContent))"""


def open_notebook(page: Page, server: Server, notebook: str) -> None:
    """Open a notebook in JupyterLab and wait until its kernel is idle."""
    page.goto(server.url(notebook), timeout=1000 * _START_S)
    page.wait_for_function(_IDLE, timeout=1000 * _START_S)


def run_all(page: Page) -> None:
    """Run all cells through the Run menu and wait until the first one has started."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(_BEGUN, timeout=1000 * _START_S)


def restart_kernel(page: Page) -> None:
    """Restart the kernel of the open notebook and wait until it is idle again."""
    page.evaluate(f"{_CONTEXT}.session.kernel.restart()")  # a promise: Playwright waits for it
    page.wait_for_function(_IDLE, timeout=1000 * _START_S)


def end_kernels(server: Server) -> None:
    """End all kernels of a server, also those whose page is closed."""
    for session in _ask(server, "GET", "/api/sessions"):
        _ask(server, "DELETE", f"/api/sessions/{session['id']}")


def _ask(server: Server, method: str, path: str) -> Any:
    """Send a request to the server's REST API and return its JSON answer, None where it is empty."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        headers={"Authorization": f"token {server.token}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=_START_S) as answer:
        body = answer.read()
    return json.loads(body) if body else None
