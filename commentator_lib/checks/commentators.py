"""Which commentators can be chosen on this machine, and what the others lack: one plain line for each.

`commentator check` tries the parts out, which takes seconds. This looks quickly, in less than 2 s, for somebody who is
about to choose: packages by their metadata, the GPU by its driver, the checkpoint by its files. No model library is
imported, and nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from commentator_lib.checks.checkpoint import read_checkpoint
from commentator_lib.checks.gpu import needs_gpu
from commentator_lib.checks.line import DISTRIBUTION, CheckLine, state
from commentator_lib.checks.packages import Requirement, lacking, read_requirements, read_versions
from commentator_lib.checks.server import ask_models
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.factory import known_commentators
from commentator_lib.commentators.openai.models import choose_model
from commentator_lib.commentators.realtime.protocol import http_base
from commentator_lib.errors import named_first_line
from commentator_lib.redact import redact_url
from commentator_lib.runs import meters
from commentator_lib.settings import Settings

Readiness = Literal["ready", "needs a package", "no GPU", "no model", "no server"]

# So long the server is waited for, its name's look-up included.
_LONGEST_ASK_S = 1.5


@dataclass(frozen=True, slots=True)
class CommentatorState:
    """Whether a commentator can be chosen: `words` say it in one line, `fix` what to do where it cannot."""

    name: str
    state: Readiness
    words: str
    fix: str = ""


def commentator_states(settings: Settings, has_key: bool | None = None) -> list[CommentatorState]:
    """Return the state of every commentator that can be named, those of other packages and the chosen one included.

    `has_key`: whether a key for the server of `openai` and `realtime` is given; None looks into the environment. Takes
    less than 2 s; raise nothing.
    """
    requirements = read_requirements()
    installed = read_versions({r.name for rs in requirements.values() for r in rs})
    has_key = bool(os.environ.get("OPENAI_API_KEY", "").strip()) if has_key is None else has_key
    ask = cache(_asked)  # two commentators may name the same server
    judges: dict[str, Callable[[], CommentatorState]] = {
        "baseline": lambda: _baseline(requirements, installed),
        "minicpmo": lambda: _minicpmo(settings.changed(commentator="minicpmo"), requirements, installed),
        "minicpmo-duplex": lambda: _minicpmo(
            settings.changed(commentator="minicpmo-duplex"), requirements, installed
        ),
        "vlm": lambda: _vlm(settings.changed(commentator="vlm"), requirements, installed),
        "openai": lambda: _of_server("openai", settings, installed, has_key, ask),
        "realtime": lambda: _of_server("realtime", settings, installed, has_key, ask),
        "scripted": lambda: CommentatorState("scripted", "ready", "ready: says given lines, for benchmarks"),
    }
    known = known_commentators()
    names = list(known) + ([settings.commentator] if settings.commentator not in known else [])
    states: list[CommentatorState] = []
    for name in names:
        judge = judges.get(name, lambda name=name: _of_others(name, known.get(name)))
        try:
            states.append(judge())
        except (
            Exception
        ) as error:  # a damaged installation may fail in any way, and the others are still told
            words = f"cannot be checked: {named_first_line(error)}"
            states.append(CommentatorState(name, "needs a package", words, f"pip install {DISTRIBUTION}"))
    return states


def state_lines(states: Sequence[CommentatorState], chosen: str) -> list[CheckLine]:
    """Return the states as lines of `commentator check`; `chosen` is the commentator of the settings."""
    return [
        CheckLine(state(s.state == "ready", s.name == chosen), f"commentator {s.name}", s.words, s.fix)
        for s in states
    ]


def _baseline(
    requirements: Mapping[str, Sequence[Requirement]], installed: Mapping[str, str]
) -> CommentatorState:
    if lacking(requirements.get("", []), installed):
        fix = f"pip install {DISTRIBUTION}"
        return CommentatorState("baseline", "needs a package", f"lacks packages: {fix}", fix)
    return CommentatorState("baseline", "ready", "ready: needs no GPU and no model")


def _minicpmo(
    settings: Settings, requirements: Mapping[str, Sequence[Requirement]], installed: Mapping[str, str]
) -> CommentatorState:
    if needs_gpu(settings) and not gpu_seen():  # before its packages: they would be of no use
        fix = "choose baseline, vlm, or openai with a server that has a GPU"
        return CommentatorState(settings.commentator, "no GPU", "no GPU was found", fix)
    lacks = _needs_extra("minicpmo", requirements, installed)
    return replace(lacks, name=settings.commentator) if lacks else _model_state(settings)


def _vlm(
    settings: Settings, requirements: Mapping[str, Sequence[Requirement]], installed: Mapping[str, str]
) -> CommentatorState:
    if needs_gpu(settings) and not gpu_seen():
        return CommentatorState("vlm", "no GPU", "no GPU was found", "set device=auto or cpu")
    return _needs_extra("vlm", requirements, installed) or _model_state(settings)


def _needs_extra(
    name: str, requirements: Mapping[str, Sequence[Requirement]], installed: Mapping[str, str]
) -> CommentatorState | None:
    """Return the state of a commentator whose extra is not installed; None where it is."""
    wanted, fix = requirements.get(name, []), f"pip install '{DISTRIBUTION}[{name}]'"
    if wanted and not lacking(wanted, installed):
        return None
    return CommentatorState(name, "needs a package", f"needs the extra {name}: {fix}", fix)


def _model_state(settings: Settings) -> CommentatorState:
    """Return the state of a commentator with a checkpoint, whose packages and GPU are there."""
    name = settings.commentator
    if not settings.model_path.strip():
        fix = "set model_path to a checkpoint folder, or to a hub id (org/name)"
        return CommentatorState(name, "no model", "no model is chosen", fix)
    _checkpoint, line = read_checkpoint(settings)
    problem = (line.fix or line.found) if not line.ok else _wrong_kind(settings)
    if problem:
        return CommentatorState(
            name, "no model", problem, "set model_path to a checkpoint folder or a hub id"
        )
    return CommentatorState(name, "ready", f"ready: {line.found}")


def _wrong_kind(settings: Settings) -> str:
    """Return why a complete checkpoint is none for vlm; "" where it may be one, and for all others."""
    if settings.commentator != "vlm":
        return ""
    from commentator_lib.checks.checkpoint import find_without_download
    from commentator_lib.commentators.vlm.checking import minicpmo_problem, read_config

    folder = find_without_download(settings.model_path)
    try:
        problem = minicpmo_problem(read_config(folder))
    except CommentatorError as error:
        return str(error)
    return f"{folder} {problem}" if problem else ""


def _of_server(
    name: Literal["openai", "realtime"],
    settings: Settings,
    installed: Mapping[str, str],
    has_key: bool,
    ask: Callable[[str], tuple[int | None, list[str] | None]],
) -> CommentatorState:
    """Return the state of a server. Its model counts as chosen only where its commentator is the chosen one."""
    wanted = ("httpx",) if name == "openai" else ("httpx", "websockets")
    if any(package not in installed for package in wanted):
        fix = f"pip install '{DISTRIBUTION}[openai]'"
        return CommentatorState(name, "needs a package", f"needs the extra openai: {fix}", fix)
    try:
        base = http_base(settings.api_base_url) if name == "realtime" else settings.api_base_url
    except CommentatorError as error:
        return CommentatorState(name, "no server", str(error), "set api_base_url; it usually ends in /v1")
    shown = redact_url(base).split("?")[0]
    status, names = ask(base)
    if status is None:
        fix = "start one, or set api_base_url"
        return CommentatorState(name, "no server", f"no server answers at {shown}", fix)
    if status in (401, 403):
        if has_key:
            return CommentatorState(name, "ready", f"ready: {shown} answers, and a key is given")
        fix = "set OPENAI_API_KEY in the environment, or give a key"
        return CommentatorState(name, "no server", f"the server at {shown} wants a key", fix)
    if names is None and status != 200:
        fix = "set api_base_url; it usually ends in /v1"
        return CommentatorState(name, "no server", f"{shown} answers with HTTP status {status}", fix)
    try:
        model = choose_model(settings.model_path if settings.commentator == name else "", names, shown)
    except CommentatorError as error:
        fix = "set model_path to one of the server's models"
        return CommentatorState(name, "no model", str(error), fix)
    return CommentatorState(name, "ready", f"ready: {model} at {shown}")


def _asked(base_url: str) -> tuple[int | None, list[str] | None]:
    """Return what `ask_models` returns; (None, None) where it takes too long."""
    answers: list[tuple[int | None, list[str] | None]] = []
    thread = threading.Thread(target=lambda: answers.append(ask_models(base_url)[:2]), daemon=True)
    thread.start()
    thread.join(_LONGEST_ASK_S)
    return answers[0] if answers else (None, None)


def _of_others(name: str, origin: str | None) -> CommentatorState:
    """Return the state of another package's commentator (`origin`: where it comes from), or of a class by its name.

    Its code is not imported.
    """
    if origin is not None:
        return CommentatorState(name, "ready", f"ready: from {origin}")
    package = name.partition(":")[0].partition(".")[0]
    if find_spec(package) is None:
        fix = "install it, or correct the name"
        return CommentatorState(name, "needs a package", f"there is no package {package} here", fix)
    return CommentatorState(name, "ready", f"ready: your own class {name}")


def gpu_seen() -> bool:
    """Return whether a GPU shows: by its driver, or where nvidia-ml-py is missing by its device files."""
    if find_spec("pynvml") is not None:
        return meters.nvml_device() is not None
    devices = Path("/dev")
    if devices.is_dir():
        return any(devices.glob("nvidia[0-9]*")) or any((devices / name).exists() for name in ("kfd", "dxg"))
    return shutil.which("nvidia-smi") is not None
