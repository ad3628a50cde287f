"""Start kernels as JupyterLab's server does, send each its first requests, and count those that do not answer.

    python -m experiments.bench_starts --starts 200

Prints JSON: how many were started, how many hung (no answer within 20 s of the kernel's start), and how long the first
answers took, from the start of the process on: half and 95 % of the kernels that answered took at most p50_s and p95_s.
Two kernels at a time are started, so that a second one disturbs the first, as in a real server.
"""

from __future__ import annotations

import asyncio
import json
import queue
import tempfile
import time
from typing import Annotated, Any

import numpy as np
import typer

from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

_AT_ONCE = 2
_LIMIT_S = 20.0
# What JupyterLab sends before a notebook can be used: who are you, which widgets are there, and the first cell.
_FIRST_CODE = "1 + 1"


def summary(seconds: list[float | None]) -> dict[str, Any]:
    """Return the numbers of all starts; None stands for one that hung."""
    answered = [s for s in seconds if s is not None]
    p50_s, p95_s = np.percentile(answered, [50, 95]) if answered else (None, None)
    return {
        "starts": len(seconds),
        "hangs": len(seconds) - len(answered),
        "p50_s": None if p50_s is None else round(float(p50_s), 3),
        "p95_s": None if p95_s is None else round(float(p95_s), 3),
    }


async def time_starts(starts: int, limit_s: float = _LIMIT_S, at_once: int = _AT_ONCE) -> list[float | None]:
    """Start so many kernels, `at_once` side by side; return the seconds until each had answered, None if it hung."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

    turns = asyncio.Semaphore(at_once)
    with tempfile.TemporaryDirectory(prefix="starts-") as folder:
        # This Python's own kernel, whatever else the user has installed.
        manager = AsyncMappingKernelManager(
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]), connection_dir=folder
        )

        async def one() -> float | None:
            async with turns:
                return await _time_start(manager, limit_s)

        return list(await asyncio.gather(*(one() for _ in range(starts))))


async def _time_start(manager: Any, limit_s: float) -> float | None:
    """Start one kernel, ask, and end it. Return the seconds until all was answered, None after `limit_s`."""
    begun_s = time.monotonic()
    kernel_id = await manager.start_kernel(kernel_name="python3")
    client = manager.get_kernel(kernel_id).client()
    # Requests are sent at once, before the kernel has bound its sockets: they are what may be left unread.
    client.start_channels(shell=True, iopub=True, stdin=False, hb=False, control=True)
    try:
        waiting = {client.kernel_info(), client.comm_info(), client.execute(_FIRST_CODE)}
        while waiting:
            left_s = begun_s + limit_s - time.monotonic()
            reply = await client.get_shell_msg(timeout=max(0.0, left_s))
            waiting.discard(reply["parent_header"].get("msg_id"))
        return time.monotonic() - begun_s
    except queue.Empty:
        return None
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(kernel_id, now=True)


app = new_app()


@app.command(help=help_text(__doc__))
def main(starts: Annotated[int, typer.Option(help="How many kernels to start.")] = 200) -> None:
    if starts < 1:
        raise UserError("--starts must be 1 or more")
    print(json.dumps(summary(asyncio.run(time_starts(starts)))))


if __name__ == "__main__":
    run_app(app, "bench_starts")
