"""The process behind the page: one kernel that holds one panel, for as long as the page is served.

The panel runs in a process of its own, so that a busy commentator does not make the web server wait. Pages talk with it
by the messages of its widgets and by no others: nobody who looks at the page can send it code.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import queue
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config import Config

# What a page needs for its widgets. A request to run code, to interrupt or to end the kernel is not among them.
PAGE_MESSAGES = ["comm_open", "comm_close", "comm_msg", "comm_info_request", "kernel_info_request"]
_WIDGET = "application/vnd.jupyter.widget-view+json"
_START_S = 120.0
_STOP_S = 3.5

_MAKE_PANEL = """
import json
from commentator_lib.notebook.control_panel import ControlPanel
from commentator_lib.settings import load_settings
_given = json.loads({given!r})
panel = ControlPanel(
    _given["source"], load_settings(**_given["settings"]), duration_s=_given["duration_s"],
    runs_dir=_given["runs_dir"], page=True,
)
if _given["start"]:
    panel.start()
"""
_END_PANEL = """
panel.close()
if panel.session is not None:
    panel.wait()
"""


class PanelError(RuntimeError):
    """The panel could not be made; the text says why."""


class PanelKernel:
    """A kernel with a panel. `await start(…)` returns the output that shows the panel, `await end()` writes everything.

    `manager` is what jupyter_server's websockets need; `kernel_id` is the kernel's name there.
    """

    def __init__(self, connection_dir: Path | str) -> None:
        """Use `connection_dir` for the kernel's sockets: a folder of this user alone, with a short path."""
        # Sockets in a folder rather than on TCP ports, which every user of the machine could reach.
        sockets = {} if os.name == "nt" else {"KernelManager": {"transport": "ipc"}}
        self.manager = AsyncMappingKernelManager(
            config=Config(sockets),
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # this Python; the user may have others
            connection_dir=str(connection_dir),
            allowed_message_types=PAGE_MESSAGES,
            buffer_offline_messages=False,  # else pictures pile up while nobody watches
            cull_idle_timeout=0,
        )
        self.kernel_id = ""
        self._client: Any = None

    async def start(
        self,
        source: str,
        settings: Mapping[str, Any],
        *,
        runs_dir: Path | str,
        duration_s: float | None = None,
        start: bool = False,
    ) -> dict[str, Any]:
        """Start the kernel, make the panel, and return its output as in a notebook. Raise PanelError.

        `settings` are names and values for `load_settings`. `start`: the run begins at once.
        """
        # 1) The kernel; one that has died stays dead.
        self.kernel_id = await self.manager.start_kernel(kernel_name="python3")
        kernel = self.manager.get_kernel(self.kernel_id)
        kernel.autorestart = False
        kernel.stop_restarter()
        # 2) The panel. What the kernel sends to all is not listened to: it would pile up here.
        self._client = kernel.client()
        self._client.start_channels(shell=True, iopub=False, stdin=False, hb=False, control=False)
        given = {
            "source": source,
            "settings": dict(settings),
            "runs_dir": str(runs_dir),
            "duration_s": duration_s,
            "start": start,
        }
        model_id = await self._run(_MAKE_PANEL.format(given=json.dumps(given)), "panel.model_id", _START_S)
        # 3) What a notebook's cell would hold.
        view = {"version_major": 2, "version_minor": 0, "model_id": model_id}
        return {"output_type": "display_data", "data": {_WIDGET: view}, "metadata": {}}

    async def _run(self, code: str, expression: str, limit_s: float) -> str:
        """Run code in the kernel; return the expression as text after that. Raise PanelError with an error's line."""
        asked = self._client.execute(
            code,
            silent=True,
            store_history=False,
            allow_stdin=False,
            user_expressions={"wanted": f"str({expression})"},
        )
        give_up = time.monotonic() + limit_s
        while True:
            try:
                reply = await self._client.get_shell_msg(timeout=max(0.0, give_up - time.monotonic()))
            except queue.Empty:
                raise PanelError(f"the panel's process did not answer within {limit_s:g} s") from None
            if reply["parent_header"].get("msg_id") == asked:
                break
        content = reply["content"]
        if content["status"] != "ok":
            raise PanelError(f"{content.get('ename')}: {content.get('evalue')}")
        return ast.literal_eval(content["user_expressions"]["wanted"]["data"]["text/plain"])

    async def is_alive(self) -> bool:
        """Return whether the kernel's process is there."""
        return self.kernel_id in self.manager and await self.manager.is_alive(self.kernel_id)

    async def end(self) -> None:
        """End the run and wait until it is written, at most 3.5 s; then end the kernel."""
        if self._client is not None and await self.is_alive():
            # A panel that hangs, or was never made, cannot be ended so; every finished row of a log is on disk anyhow.
            with contextlib.suppress(PanelError):
                await self._run(_END_PANEL, "None", _STOP_S)
            self._client.stop_channels()
        if self.kernel_id in self.manager:
            await self.manager.shutdown_kernel(self.kernel_id, now=True)
