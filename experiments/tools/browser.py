"""A notebook server and a browser, for what can only be tried in a real page.

A player that was only tried against a fake page has not been tried: autoplay rules, throttled tabs, decoders
and sound cards are the browser's own. So the benchmarks and tests start JupyterLab or Voila on loopback, in a
home of its own, and use it with Chromium as a person would: open the notebook, Run All, look, click.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
_START_S = 60.0


def find_chromium() -> str | None:
    """The path of Chromium or Chrome; None where there is none. CHROMIUM names another."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Server:
    """A running server; notebooks lie in `folder`."""

    folder: Path
    port: int
    token: str
    log: Path
    process: subprocess.Popen

    def url(self, notebook: str) -> str:
        return f"http://127.0.0.1:{self.port}/lab/tree/{notebook}?token={self.token}&reset"


def _home(folder: Path) -> dict[str, str]:
    """The environment of a server that shares nothing with the user's own."""
    home = folder / ".home"
    notices = home / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    notices.mkdir(parents=True, exist_ok=True)
    (notices / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')  # else it asks
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    own["IPYTHONDIR"] = str(home / "ipython")
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, **own, "HOME": str(home), "PYTHONPATH": python_path}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _serving(folder: Path, command: list[str], port: int, token: str) -> Iterator[Server]:
    """Run a server until the block ends. RuntimeError with the end of its log if it does not come up."""
    log_path = folder / ".home" / "server.log"
    environment = _home(folder)
    with open(log_path, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        give_up = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            if process.poll() is not None or time.monotonic() > give_up:
                end = log_path.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{command[0]} did not start:\n{end}")
            time.sleep(0.2)
        yield Server(folder, port, token, log_path, process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextlib.contextmanager
def jupyter_lab(folder: Path) -> Iterator[Server]:
    """JupyterLab on loopback over `folder`, behind a token."""
    port, token = _free_port(), secrets.token_hex(16)
    command = [
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
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with _serving(folder, command, port, token) as server:
        yield server


@contextlib.contextmanager
def voila(folder: Path, notebook: str) -> Iterator[Server]:
    """One notebook as a page, on loopback."""
    port = _free_port()
    command = ["voila", notebook, "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}"]
    with _serving(folder, command, port, "") as server:
        yield server


@contextlib.contextmanager
def chromium(playwright, *more_flags: str) -> Iterator:
    """A headless browser with a fresh profile; `playwright` is what `sync_playwright()` gives, of which a thread
    can have one only. RuntimeError where Chromium is not installed."""
    path = find_chromium()
    if path is None:
        raise RuntimeError("Chromium is not installed; set CHROMIUM to its path")
    # Playwright mutes by itself; a muted page's sound clock runs all the same.
    browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS, *more_flags])
    try:
        yield browser
    finally:
        browser.close()


def write_notebook(path: Path, cells: list[str]) -> None:
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


_KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
_IDLE = f"{_KERNEL}?.status === 'idle'"
_BEGUN = f"""() => {_KERNEL}?.status === 'busy'
    || [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some((p) => /\\d/.test(p.textContent))"""


def start_kernel(server: Server, notebook: str) -> None:
    """Start a notebook's kernel and wait until it answers; the page that opens the notebook then finds it.

    A page that starts its kernel itself now and then waits for its first answer in vain: the server asks before
    the kernel listens (jupyter-server 2.21, about one start in twenty).
    """
    from jupyter_client import BlockingKernelClient

    about = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": "python3"}}
    kernel_id = _ask(server, "/api/sessions", about)["kernel"]["id"]
    connection = server.folder / ".home" / "runtime" / f"kernel-{kernel_id}.json"
    client = BlockingKernelClient(connection_file=str(connection))
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=_START_S)
    finally:
        client.stop_channels()


def _ask(server: Server, path: str, body: dict) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        json.dumps(body).encode(),
        {"Authorization": f"token {server.token}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def open_notebook(page, server: Server, notebook: str) -> None:
    """Open it in JupyterLab and wait until its kernel is idle."""
    start_kernel(server, notebook)
    page.goto(server.url(notebook), timeout=60_000)
    page.wait_for_function(_IDLE, timeout=60_000)
    page.wait_for_timeout(1500)  # a person's moment; see run_all for what befalls who is faster


def run_all(page) -> None:
    """All cells, through the Run menu.

    A message to a kernel that is just making a subshell now and then lies in its queue until the next one comes
    (ipykernel 7.3, about one start in twenty): then it is given a nudge, and after that a restart.
    """
    for _ in range(4):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        for _ in range(2):
            with contextlib.suppress(Exception):  # Playwright's own time-out
                page.wait_for_function(_BEGUN, timeout=3000)
                return
            page.evaluate(f"() => void {_KERNEL}.requestKernelInfo()")
        page.evaluate(f"{_KERNEL}.restart()")
        page.wait_for_function(_IDLE, timeout=60_000)
    raise RuntimeError("the cells were not run")
