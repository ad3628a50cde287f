"""Serve one panel as a page: a kernel with the panel, and a web server for all who have the link."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commentator_lib.hosts import accepted_hosts, is_any_address, shown_host
from commentator_lib.notebook.page.panel_kernel import PanelError, PanelKernel

logger = logging.getLogger(__name__)

# The packages whose widgets the panel shows, and what loads them.
_EXTENSIONS = (
    "@voila-dashboards/widgets-manager8",
    "@jupyter-widgets/jupyterlab-manager",
    "anywidget",
    "jupyter-webrtc",
)
_KERNEL_ID = r"([0-9a-f-]{36})"
_PING_MS = 30_000


async def serve(
    source: str,
    settings: Mapping[str, Any],
    *,
    runs_dir: Path | str,
    ip: str = "127.0.0.1",
    port: int = 8866,
    hosts: tuple[str, ...] = (),
    duration_s: float | None = None,
    start: bool = False,
    browser: bool = False,
) -> None:
    """Serve the panel until SIGINT or SIGTERM; then everything is written. Raise PanelError, and OSError for the port.

    `ip` is the address to listen on; `port` 0 takes a free one. `hosts` are further names by which pages may be asked
    for. `browser`: open the page. The link, with its token, is printed once the page can be opened.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # 1) The address, before anything that takes long.
    sockets, port = _listen(ip, port)
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        kernel = PanelKernel(folder)
        try:
            # 2) The panel, unless Ctrl-C comes first.
            making = asyncio.create_task(
                kernel.start(source, settings, runs_dir=runs_dir, duration_s=duration_s, start=start)
            )
            if not await _first(making, stop):
                return
            # 3) The server.
            token = secrets.token_urlsafe(24)
            application = make_application(kernel, making.result(), token, accepted_hosts(ip, hosts))
            from tornado.httpserver import HTTPServer

            server = HTTPServer(application)
            server.add_sockets(sockets)
            sockets = []  # the server closes them
            link = f"http://{shown_host(ip)}:{port}/?token={token}"
            print(f"Live commentary: {link}\nCtrl-C ends it.", flush=True)
            if browser:
                webbrowser.open(link)
            # 4) Until the end.
            while not stop.is_set():
                if not await kernel.is_alive():
                    raise PanelError("the panel's process has ended; start the page again")
                await _first(asyncio.create_task(asyncio.sleep(1)), stop)
            server.stop()
        finally:
            for one in sockets:
                one.close()
            await kernel.end()


async def _first(task: asyncio.Task[Any], stop: asyncio.Event) -> bool:
    """Wait for `task`; return False, and cancel it, if `stop` is set first. Raise what the task raises."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task in done:
        task.result()
        return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False


def _listen(ip: str, port: int) -> tuple[list[socket.socket], int]:
    from tornado.netutil import bind_sockets

    sockets = bind_sockets(port, None if is_any_address(ip) else ip)
    return sockets, sockets[0].getsockname()[1]


def make_application(kernel: PanelKernel, output: dict[str, Any], token: str, hosts: set[str]) -> Any:
    """Return the tornado Application that serves the panel whose `output` PanelKernel.start has returned."""
    from jupyter_server.auth.authorizer import AllowAllAuthorizer
    from jupyter_server.auth.identity import IdentityProvider
    from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
    from tornado.web import Application

    from commentator_lib.notebook.page import handlers

    # The token itself signs people in, and the cookie after that; SameSite keeps it from other sites' requests.
    identity = IdentityProvider(token=token, cookie_options={"samesite": "Lax"})
    pages = [
        (r"/", handlers.PageHandler, {"page": _page(kernel.kernel_id, output)}),
        (rf"/api/kernels/{_KERNEL_ID}", handlers.ModelHandler),
        (rf"/api/kernels/{_KERNEL_ID}/channels", handlers.MessagesHandler),
        (r"/files/no-formulas\.js", handlers.NoFormulasHandler),
        (r"/files/static/(.*)", handlers.FileHandler, {"path": _static_paths()}),
        (r"/files/extensions/(.*)", handlers.FileHandler, {"path": _extension_paths()}),
        (r"/files/themes/(.*)", handlers.FileHandler, {"path": [str(_voila_data() / "themes")]}),
        (r".*", handlers.NothingHandler),
    ]
    return Application(
        pages,
        base_url="/",
        cookie_secret=secrets.token_bytes(32),
        xsrf_cookies=True,
        allow_remote_access=False,
        accepted_hosts=hosts,
        identity_provider=identity,
        authorizer=AllowAllAuthorizer(identity_provider=identity),
        kernel_manager=kernel.manager,
        kernel_websocket_connection_class=ZMQChannelsWebsocketConnection,
        ws_ping_interval=_PING_MS,
        ws_ping_timeout=_PING_MS,
        log_function=_log_request,
    )


def _log_request(handler: Any) -> None:
    """Log a request without its query, which may hold the token."""
    request = handler.request
    logger.debug("%s %s %s", handler.get_status(), request.method, request.path)


# --- the page, and the files that Voila brings for it


def _page(kernel_id: str, output: dict[str, Any]) -> str:
    config = {
        "appUrl": "",
        "baseUrl": "/",
        "fullStaticUrl": "/files/static",
        "fullLabextensionsUrl": "/files/extensions",
        "themesUrl": "/files/themes",
        "kernelId": kernel_id,
        "fullMathjaxUrl": "/files/no-formulas.js",  # else another server is asked for it
        "mathjaxConfig": "",
        "progressiveRendering": False,
        "terminalsAvailable": False,
        "federated_extensions": _extensions(),
    }
    text = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    return text.replace("{{config}}", _json(config)).replace("{{output}}", _json(output))


def _json(value: Any) -> str:
    """Return JSON that may stand in a script element."""
    return json.dumps(value).replace("<", "\\u003c")


def _static_paths() -> list[str]:
    from voila.paths import collect_static_paths

    return collect_static_paths(["voila", "nbconvert"], "lab")


def _extension_paths() -> list[str]:
    from voila.utils import get_voila_labextensions_path

    return get_voila_labextensions_path()


def _voila_data() -> Path:
    from voila.utils import get_data_dir

    return Path(get_data_dir())


def _extensions() -> list[dict[str, Any]]:
    """Return what the page loads: each package's name and files, as JupyterLab's own pages name them."""
    from jupyterlab_server.config import get_page_config

    found = get_page_config(_extension_paths(), logger=logger)["federated_extensions"]
    wanted = [extension for extension in found if extension["name"] in _EXTENSIONS]
    if missing := set(_EXTENSIONS) - {extension["name"] for extension in wanted}:
        raise PanelError(
            f"not installed in {sys.prefix}: {', '.join(sorted(missing))}; reinstall the extra 'notebooks'"
        )
    return wanted
