"""Run the server: its address, its token, its certificate, and its end within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import logging
import os
import secrets
import signal
import socket
import ssl
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from commentator_lib.hosts import accepted_hosts, is_any_address, is_loopback, shown_host
from commentator_lib.serve.access import Access
from commentator_lib.serve.app import make_app
from commentator_lib.serve.broadcast import Broadcast
from commentator_lib.settings import SettingsError

TOKEN_VARIABLE = "COMMENTATOR_TOKEN"
_SHORTEST_TOKEN = 16
# A run that is ended has this long to write what it has, and a connection to close.
_WRITTEN_WITHIN_S = 4.0
_CLOSED_WITHIN_S = 1
# What writes a run's tables; it takes half a second to load, which the end does not have.
_NEEDED_AT_THE_END = ("pandas", "pyarrow.parquet")
# A page sends files in parts of 1 MB; connections that only wait are ended.
_MOST_MESSAGE_BYTES = 2_000_000
_MOST_CONNECTIONS = 512
_INTERRUPTED = 130


def find_token(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """Return the token of a file or of the environment, None where none is given. Raise SettingsError for a bad one."""
    token = environment.get(TOKEN_VARIABLE)
    where = f"the environment variable {TOKEN_VARIABLE}"
    if file is not None:
        where = str(file)
        try:
            token = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise SettingsError(f"cannot read the token file {file}: {reason}") from None
    if token is not None and (len(token) < _SHORTEST_TOKEN or not token.isascii() or " " in token):
        raise SettingsError(
            f"the token in {where} is no good: {_SHORTEST_TOKEN} or more ASCII characters without spaces"
        )
    return token


def listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; port 0 takes a free one. Raise SettingsError where it cannot."""
    any_address = is_any_address(address)
    try:
        (family, kind, protocol, _, place), *_ = socket.getaddrinfo(
            "0.0.0.0" if any_address and address != "::" else address, port, type=socket.SOCK_STREAM
        )
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(place)
            found.listen(128)
        except BaseException:
            found.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            reason = "the port is in use; --port 0 takes a free one"
        raise SettingsError(f"cannot listen on {shown_host(address)}:{port}: {reason}") from None
    return found


@contextlib.contextmanager
def _certificate(
    is_https: bool, certificate: Path | None, key: Path | None, names: set[str]
) -> Generator[tuple[Path, Path] | None]:
    """Yield the paths of certificate and key, None without HTTPS. Raise SettingsError for bad ones."""
    if (certificate is None) != (key is None):
        raise SettingsError(
            "--certificate and --key belong together: give both, or --https for a self-made one"
        )
    with contextlib.ExitStack() as stack:
        if certificate is None or key is None:
            if not is_https:
                yield None
                return
            from commentator_lib.serve.certificate import write_certificate

            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="commentator-")))
            certificate, key = write_certificate(folder, names)
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SettingsError(f"cannot use {certificate} with {key}: {reason}") from None
        yield certificate, key


def serve(
    broadcast: Broadcast,
    listener: socket.socket,
    *,
    address: str,
    token: str | None,
    allowed_hosts: tuple[str, ...] = (),
    is_https: bool = False,
    certificate: Path | None = None,
    key: Path | None = None,
    start: bool = False,
    browser: bool = False,
) -> bool:
    """Serve a broadcast until SIGINT or SIGTERM, then end its run. Return whether all of it was written in time.

    `listener` is what `listen` has returned for `address`. Beyond loopback a token is made where none is given. `start`
    begins a run at once; `browser` opens the page. Raise SettingsError for a certificate that cannot be used, and what
    ControlPanel.start raises.
    """
    for name in _NEEDED_AT_THE_END:
        importlib.import_module(name)
    hosts = accepted_hosts(address, allowed_hosts)
    is_made = token is None and (is_any_address(address) or not is_loopback(address))
    if is_made:
        token = secrets.token_urlsafe(24)
    names = {"localhost", "127.0.0.1", "::1", *hosts} - {""}
    with _certificate(is_https, certificate, key, names) as files:
        access = Access(token, frozenset(hosts), is_https=files is not None)
        link = f"{'https' if files else 'http'}://{shown_host(address)}:{listener.getsockname()[1]}/"
        if is_made:
            link += f"?token={token}"
        server = make_server(make_app(broadcast, access), files)
        return asyncio.run(_serve(broadcast, server, listener, link, start, browser))


def _is_fault(record: logging.LogRecord) -> bool:
    """Return whether a line of uvicorn's log tells a fault: what it says of a refusal and of our end is none."""
    return not record.getMessage().endswith(
        ("returned without completing handshake.", "timeout graceful shutdown exceeded")
    )


def make_server(app: Any, files: tuple[Path, Path] | None = None) -> Any:
    """Return the uvicorn Server for an app; with `files`, the paths of certificate and key, it speaks HTTPS."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None]:
            yield  # a signal must end the run too: `serve` takes it

    logging.getLogger("uvicorn.error").addFilter(_is_fault)
    config = uvicorn.Config(
        app,
        log_config=None,  # the library's log is set up by the command
        log_level="warning",  # lines of the level INFO have addresses with their queries
        access_log=False,  # a request's line may hold a token
        ws="websockets-sansio",
        ws_max_size=_MOST_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # pictures do not get smaller by it
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_CLOSED_WITHIN_S,
        ssl_certfile=files and files[0],
        ssl_keyfile=files and files[1],
    )
    return Server(config)


async def _serve(
    broadcast: Broadcast, server: Any, listener: socket.socket, link: str, start: bool, browser: bool
) -> bool:
    # 1) A first signal ends everything properly, a second one at once.
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def end() -> None:
        if ended.is_set():
            os._exit(_INTERRUPTED)
        ended.set()
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    # 2) The server, and the run.
    serving = asyncio.create_task(server.serve([listener]))
    stopping = asyncio.create_task(ended.wait())
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if start:
            starting = _on_a_thread(broadcast.panel.start)
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
        print(f"Live commentary: {link}\nCtrl-C ends it.", flush=True)
        if browser:
            webbrowser.open(link)
        await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # 3) The end: the run is written while the connections are closed.
        stopping.cancel()
        server.should_exit = True
        is_written = await _on_a_thread(lambda: broadcast.close(_WRITTEN_WITHIN_S))
        await serving
    return is_written


def _on_a_thread(act: Callable[[], Any]) -> asyncio.Future[Any]:
    """Run `act` on a thread of its own, which the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    result = loop.create_future()

    def tell(set_to: Callable[[Any], None], value: Any) -> None:
        if not result.done():
            set_to(value)

    def main() -> None:
        try:
            told, value = result.set_result, act()
        except BaseException as error:  # whoever waits gets it
            told, value = result.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, told, value)

    threading.Thread(target=main, name="serve", daemon=True).start()
    return result
