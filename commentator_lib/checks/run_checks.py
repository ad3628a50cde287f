"""Check what this machine can run, line by line, with a fix for each fault.

A list of versions is not enough: a package that is installed may still not load, and PyTorch may not see a GPU that
the driver sees. So the voice speaks, the detector looks, the OCR reads and the checkpoint's files are opened.
Reading the machine (`read_…`, `try_…`, `ask_…`) is kept apart from judging it (`…_line`), so that tests can judge
any machine.

A missing part raises no error here: it becomes a line of the result.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable

from commentator_lib.checks.browser import browser_line, find_browser, jupyter_line
from commentator_lib.checks.checkpoint import read_checkpoint, voice_lines
from commentator_lib.checks.commentators import commentator_states, state_lines
from commentator_lib.checks.gpu import gpu_line, gpu_memory_line, graphs_lines, needs_gpu, read_gpu
from commentator_lib.checks.line import CheckLine
from commentator_lib.checks.machine import machine_lines, read_machine
from commentator_lib.checks.names import names_lines
from commentator_lib.checks.packages import (
    EXTRAS,
    LIBRARIES,
    extra_line,
    libraries_line,
    packages_line,
    python_line,
    read_requirements,
    read_versions,
)
from commentator_lib.checks.parts import ocr_line, try_baseline, try_ffmpeg, try_line, try_voice
from commentator_lib.checks.server import ask_server, server_line, speech_lines
from commentator_lib.checks.voices import voice_state_lines
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.memory_budget import can_shrink, kernel_tools
from commentator_lib.commentators.realtime.protocol import http_base
from commentator_lib.settings import Settings

# What the baseline commentator and its voice need.
BASE = ("Python", "packages", "video and sound", "baseline", "embedded voice")


def run_checks(settings: Settings) -> list[CheckLine]:
    """Check everything, in the order in which things are needed. Takes some seconds.

    Raise nothing for what is missing.
    """
    requirements = read_requirements()
    installed = read_versions({r.name for rs in requirements.values() for r in rs} | set(LIBRARIES))
    minicpmo = settings.commentator in ("minicpmo", "minicpmo-duplex")
    gpu = read_gpu()
    shrink = gpu.usable and can_shrink(gpu.capability)
    checkpoint, where = read_checkpoint(settings)
    of_server = settings.commentator in ("openai", "realtime")
    server = server_line(
        _server_address(settings),
        "httpx" in installed,
        of_server,
        bool(os.environ.get("OPENAI_API_KEY")),
        ask_server,
    )
    return [
        python_line(sys.version_info[:3], platform.platform()),
        packages_line(requirements, installed),
        *(extra_line(name, requirements, installed, settings.commentator == name) for name in EXTRAS),
        *machine_lines(*read_machine(), settings.display_buffer_mb * 1_000_000),
        try_line("video and sound", try_ffmpeg, "pip install --force-reinstall av"),
        try_line("baseline", try_baseline, "pip install --force-reinstall onnxruntime commentator-lib"),
        try_line("embedded voice", try_voice, "pip install --force-reinstall 'hibari-tts[fast]'"),
        ocr_line(),
        libraries_line(installed, minicpmo),
        gpu_line(gpu, needs_gpu(settings), minicpmo),
        *graphs_lines(gpu, *kernel_tools()),
        gpu_memory_line(gpu, checkpoint, settings.speech, minicpmo and needs_gpu(settings), shrink),
        where,
        *voice_lines(settings, checkpoint),
        server,
        *speech_lines(settings, server.ok is True),
        *state_lines(commentator_states(settings), settings.commentator),
        *voice_state_lines(settings),
        *names_lines(),
        jupyter_line(installed.get("jupyterlab")),
        browser_line(find_browser()),
    ]


def _server_address(settings: Settings) -> str:
    """Return the http(s) address of the server; one that cannot be made out is returned as it is, and fails there."""
    try:
        return http_base(settings.api_base_url)
    except (CommentatorError, ValueError):
        return settings.api_base_url


def can_run(lines: Iterable[CheckLine]) -> bool:
    """Return whether the baseline commentator can see and its voice can speak."""
    return not any(line.ok is False and line.what in BASE for line in lines)
