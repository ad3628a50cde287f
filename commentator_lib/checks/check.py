"""What this machine can run, line by line, and how to mend what it cannot.

Not a list of versions, the obvious way: a package that is installed may still not load, and a GPU that the
driver sees may be one that PyTorch does not. So the voice is made to speak, the detector to look, the OCR to read
and the checkpoint's files are opened. Reading the machine (`read_…`, `try_…`, `ask_…`) is kept apart from judging it
(`…_line`), so that tests can judge machines that nobody has.

Nothing here raises for something that is missing: that is what it is asked about.
"""

from __future__ import annotations

import operator
import os
import platform
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from commentator_lib.checks.browser import find_browser
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.assets import (
    REFERENCE_RATE_HZ,
    find_assets,
    find_reference_audio,
    read_reference_audio,
)
from commentator_lib.commentators.minicpmo.checkpoint import (
    PUBLISHED_AWQ,
    PUBLISHED_BF16,
    Checkpoint,
    inspect_checkpoint,
)
from commentator_lib.commentators.minicpmo.memory_budget import (
    can_shrink,
    explain_missing_memory,
    kernel_tools,
    needed_bytes,
)
from commentator_lib.commentators.weights import bytes_text, find_checkpoint, tensor_bytes, weight_files
from commentator_lib.redact import redact_url
from commentator_lib.runs import meters
from commentator_lib.settings import Settings

DISTRIBUTION = "commentator-lib"
EXTRAS = ("notebooks", "ocr", "minicpmo", "vlm", "openai", "cluster")
# What the baseline commentator and its voice cannot do without.
BASE = ("Python", "packages", "video and sound", "baseline", "embedded voice")

_OLDEST_PYTHON = (3, 11)
_LIBRARIES = ("torch", "transformers", "huggingface-hub", "tokenizers")
# What the loop, the eye and the voice take beside the delayed picture.
_BASE_MEMORY_BYTES = 1_000_000_000
# Room for the log, the recording of a stream and the exported video of a run.
_LEAST_DISK_BYTES = 2_000_000_000
_SERVER_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One thing looked at. `ok` None: it is not there, or not right, and not needed as the settings are;
    `mend` says how to get it all the same."""

    ok: bool | None
    what: str
    found: str
    mend: str = ""


def check(settings: Settings) -> list[CheckLine]:
    """All lines, in the order in which things are needed. Takes some seconds; never raises for what is missing."""
    requirements = read_requirements()
    installed = read_versions({r.name for rs in requirements.values() for r in rs} | set(_LIBRARIES))
    minicpmo = settings.commentator == "minicpmo"
    gpu = read_gpu()
    shrink = gpu.usable and can_shrink(gpu.capability)
    checkpoint, where = read_checkpoint(settings)
    return [
        python_line(sys.version_info[:3], platform.platform()),
        packages_line(requirements, installed),
        *(extra_line(name, requirements, installed, settings.commentator == name) for name in EXTRAS),
        *machine_lines(*read_machine(), settings.display_buffer_mb * 1_000_000),
        try_line("video and sound", try_ffmpeg, "pip install --force-reinstall av"),
        try_line("baseline", try_eye, "run from a checkout with data/models, where onnxruntime is installed"),
        try_line("embedded voice", try_voice, "pip install --force-reinstall 'hibari-tts[fast]'"),
        ocr_line(),
        libraries_line(installed, minicpmo),
        gpu_line(gpu, needs_gpu(settings), minicpmo),
        *graphs_lines(gpu, *kernel_tools()),
        gpu_memory_line(gpu, checkpoint, settings.speech, minicpmo and needs_gpu(settings), shrink),
        where,
        *voice_lines(settings, checkpoint),
        server_line(
            settings.api_base_url,
            "httpx" in installed,
            settings.commentator == "openai",
            bool(os.environ.get("OPENAI_API_KEY")),
            ask_server,
        ),
        jupyter_line(installed.get("jupyterlab")),
        browser_line(find_browser()),
    ]


def can_run(lines: Iterable[CheckLine]) -> bool:
    """Whether the baseline commentator can see and its voice can speak."""
    return not any(line.ok is False and line.what in BASE for line in lines)


def format_lines(lines: Sequence[CheckLine], width: int = 110) -> str:
    """A table for people: ✓ works, ✗ does not, – not needed; what, found, and below it the mend after an arrow."""
    column = max(len(line.what) for line in lines)
    indent = " " * (column + 4)
    text_width = max(40, width) - len(indent)
    rows = []
    for line in lines:
        sign = {True: "✓", False: "✗", None: "–"}[line.ok]
        texts = _wrapped(line.found, text_width) or [""]
        if line.mend:
            first, *rest = _wrapped(line.mend, text_width - 2)
            texts += [f"→ {first}", *(f"  {text}" for text in rest)]
        rows.append(f"{sign} {line.what:<{column}}  {texts[0]}".rstrip())
        rows += [indent + text for text in texts[1:]]
    return "\n".join(rows)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)


def _state(works: bool, needed: bool) -> bool | None:
    return True if works else (False if needed else None)


# Python and its packages


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package by its normal name, and its versions as ((operator, version), …)."""

    name: str
    versions: tuple[tuple[str, str], ...]


_OPERATORS: dict[str, Callable] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    ">": operator.gt,
}


def parse_requirement(text: str) -> tuple[str, Requirement]:
    """(its extra or "", the requirement) of a line of package metadata.

    Not with the package `packaging`: it may itself be what is missing.

    >>> parse_requirement('Voila[all]>=0.5.7,<1; extra == "notebooks"')
    ('notebooks', Requirement(name='voila', versions=(('>=', '0.5.7'), ('<', '1'))))
    """
    wanted, _, marker = text.partition(";")
    extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
    name = re.match(r"\s*([\w.-]+)", wanted)
    versions = re.findall(r"(==|!=|>=|<=|<|>)\s*([\w.+!]+)", wanted)
    return extra[1] if extra else "", Requirement(normal_name(name[1] if name else wanted), tuple(versions))


def normal_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def release(version: str) -> tuple[int, ...]:
    """A version's numbers, without what comes after them and without zeros at the end.

    >>> release("2.13.0+cpu")
    (2, 13)
    """
    numbers = [int(n) for n in re.findall(r"\d+", (re.match(r"[\d.]+", version) or [""])[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def fits(version: str, requirement: Requirement) -> bool:
    return all(_OPERATORS[sign](release(version), release(bound)) for sign, bound in requirement.versions)


def lacking(requirements: Iterable[Requirement], installed: Mapping[str, str]) -> list[str]:
    """What is missing or of the wrong version, in words."""
    words = []
    for r in requirements:
        wanted = ",".join(sign + bound for sign, bound in r.versions)
        if r.name not in installed:
            words.append(f"{r.name} (not installed)")
        elif not fits(installed[r.name], r):
            words.append(f"{r.name} {installed[r.name]} (needs {wanted})")
    return words


def read_requirements() -> dict[str, list[Requirement]]:
    """Requirements by extra, "" for the base; empty where the project itself is not installed as a package."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[Requirement]] = {}
    for line in lines:
        extra, requirement = parse_requirement(line)
        found.setdefault(extra, []).append(requirement)
    return found


def read_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed, by normal name."""
    found = {}
    for name in names:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if version:  # None where an interrupted pip has left an empty folder
            found[normal_name(name)] = version
    return found


def python_line(version: tuple[int, ...], system: str) -> CheckLine:
    ok = tuple(version[:2]) >= _OLDEST_PYTHON
    mend = "" if ok else "install Python 3.11 or newer and make a new environment with it"
    return CheckLine(ok, "Python", f"{'.'.join(map(str, version))} on {system}", mend)


def packages_line(
    requirements: Mapping[str, Sequence[Requirement]], installed: Mapping[str, str]
) -> CheckLine:
    base = requirements.get("", [])
    if not base:
        return CheckLine(
            False, "packages", f"{DISTRIBUTION} is not installed as a package", f"pip install {DISTRIBUTION}"
        )
    if faults := lacking(base, installed):
        return CheckLine(False, "packages", f"lacks {', '.join(faults)}", f"pip install {DISTRIBUTION}")
    return CheckLine(True, "packages", _versions((r.name for r in base), installed))


def _versions(names: Iterable[str], installed: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {installed[name]}" for name in names if name in installed)


def extra_line(
    name: str, requirements: Mapping[str, Sequence[Requirement]], installed: Mapping[str, str], needed: bool
) -> CheckLine:
    wanted = requirements.get(name, [])
    what, mend = f"extra {name}", f"pip install '{DISTRIBUTION}[{name}]'"
    if not wanted:
        return CheckLine(_state(False, needed), what, "not known to the installed package", mend)
    if faults := lacking(wanted, installed):
        return CheckLine(_state(False, needed), what, f"lacks {', '.join(faults)}", mend)
    return CheckLine(True, what, _versions((r.name for r in wanted), installed))


def libraries_line(installed: Mapping[str, str], needed: bool) -> CheckLine:
    """Whether the model libraries are those that MiniCPM-o's code is written for."""
    faults = [f"{name} is missing" for name in _LIBRARIES if name not in installed]
    for name, fine, wanted in (
        ("torch", lambda v: v >= (2, 4), "2.4 or newer"),
        ("transformers", lambda v: v[:2] == (4, 51), "4.51"),
        ("huggingface-hub", lambda v: v < (1,), "below 1"),
    ):
        if name in installed and not fine(release(installed[name])):
            faults.append(f"MiniCPM-o needs {name} {wanted}")
    found = "; ".join(filter(None, [_versions(_LIBRARIES, installed), *faults]))
    mend = f"pip install '{DISTRIBUTION}[minicpmo]'" if faults else ""
    return CheckLine(_state(not faults, needed), "model libraries", found, mend)


# The machine


def read_machine() -> tuple[int | None, int | None, int]:
    """Bytes: (memory available, memory in all, disk free here); None where psutil is missing."""
    disk_free = shutil.disk_usage(".").free
    try:
        import psutil
    except ImportError:
        return None, None, disk_free
    memory = psutil.virtual_memory()
    return memory.available, memory.total, disk_free


def machine_lines(
    available_bytes: int | None, total_bytes: int | None, disk_free_bytes: int, display_buffer_bytes: int
) -> list[CheckLine]:
    if available_bytes is None or total_bytes is None:
        memory = CheckLine(False, "memory", "not known without psutil", f"pip install {DISTRIBUTION}")
    else:
        needed = display_buffer_bytes + _BASE_MEMORY_BYTES
        ok = available_bytes >= needed
        found = f"{bytes_text(available_bytes)} of {bytes_text(total_bytes)} free"
        mend = f"end other programs, or set display_buffer_mb lower: up to {bytes_text(needed)} is used"
        memory = CheckLine(ok, "memory", found, "" if ok else mend)
    ok = disk_free_bytes >= _LEAST_DISK_BYTES
    mend = "" if ok else "free some, or leave runs elsewhere with --out"
    return [memory, CheckLine(ok, "disk", f"{bytes_text(disk_free_bytes)} free here", mend)]


def browser_line(path: str | None) -> CheckLine:
    if path:
        return CheckLine(True, "browser", path)
    return CheckLine(
        None,
        "browser",
        "no Chromium or Chrome",
        "only the browser tests need one: install Chromium, or set CHROMIUM",
    )


def jupyter_line(version: str | None) -> CheckLine:
    if version:
        return CheckLine(True, "JupyterLab", version)
    return CheckLine(None, "JupyterLab", "not installed", f"pip install '{DISTRIBUTION}[notebooks]'")


# What is tried out


def try_line(what: str, attempt: Callable[[], str], mend: str) -> CheckLine:
    """A line that is right when `attempt` gives what it found; whatever it raises is the fault."""
    try:
        return CheckLine(True, what, attempt())
    except Exception as error:  # a library may fail to load in any way, and that is the finding
        return CheckLine(False, what, f"{type(error).__name__}: {_first_line(error)}", mend)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def try_ffmpeg() -> str:
    """PyAV's and FFmpeg's versions, once the encoders of exported videos are there."""
    import av

    for encoder in ("libx264", "aac"):
        av.codec.Codec(encoder, "w")
    return f"PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info}"


def try_eye() -> str:
    """Let the detector look at a grey picture."""
    import numpy as np

    from commentator_lib.commentators.baseline.detector import Detector

    Detector().detect(np.full((64, 64, 3), 127, np.uint8))
    return "its detector looks"


def try_voice() -> str:
    """Let the embedded voice say a word; RuntimeError when it is silent."""
    from commentator_lib.media import to_float32
    from commentator_lib.voices.hibari import HibariVoice

    chunks = list(HibariVoice().speak("Ready."))
    if not any(abs(to_float32(chunk.samples)).max(initial=0.0) > 0.01 for chunk in chunks):
        raise RuntimeError("it spoke, and nothing was to be heard")
    return f"hibari said a word of {sum(chunk.duration_s for chunk in chunks):.2f} s"


def ocr_line() -> CheckLine:
    from commentator_lib.commentators.baseline.text import ocr_installed

    if not ocr_installed():
        return CheckLine(None, "OCR", "not installed", f"pip install '{DISTRIBUTION}[ocr]'")
    return try_line("OCR", try_ocr, f"pip install --force-reinstall '{DISTRIBUTION}[ocr]'")


def try_ocr() -> str:
    """Let the OCR read a word; RuntimeError when it cannot."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    from commentator_lib.commentators.baseline.text import rapidocr_reader

    picture = Image.new("RGB", (320, 120), "white")
    ImageDraw.Draw(picture).text((60, 30), "GOAL", fill="black", font=ImageFont.load_default(48))
    texts = [text for text, _score in rapidocr_reader()(np.asarray(picture))]
    if "GOAL" not in texts:
        raise RuntimeError(f"it read {texts} where GOAL stands")
    return "rapidocr read a word"


# The GPU


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first GPU, as the driver and PyTorch tell of it.

    `name` and `driver` are "" where none is named; the driver can be asked where nvidia-ml-py is installed
    (`driver_asked`). `torch` is PyTorch's version, "" where it is missing; `built_for` is "CUDA 12.8", "ROCm 6.4",
    or "" for a build for processors only. `usable`: PyTorch can compute on it.
    """

    name: str = ""
    driver: str = ""
    driver_asked: bool = True
    torch: str = ""
    built_for: str = ""
    usable: bool = False
    free_bytes: int | None = None
    total_bytes: int | None = None
    problem: str = ""
    capability: tuple[int, int] = (0, 0)


def read_gpu() -> Gpu:
    """What the driver and PyTorch say of the first GPU; PyTorch is imported where it is installed."""
    return Gpu(**{**_by_driver(), **_by_torch()})  # PyTorch last: a model will get the GPU that it sees


def _by_driver() -> dict:
    device = meters._nvml_device()
    if device is None:
        return {"driver_asked": find_spec("pynvml") is not None}
    pynvml, handle = device
    seen: dict = {"name": "a GPU"}
    try:
        seen |= {
            "name": str(pynvml.nvmlDeviceGetName(handle)),
            "driver": str(pynvml.nvmlSystemGetDriverVersion()),
        }
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError as error:  # GPUs that share the processor's memory have no count of their own
        return {**seen, "problem": f"the driver does not tell all about it ({_first_line(error)})"}
    return {**seen, "free_bytes": int(memory.free), "total_bytes": int(memory.total)}


def _by_torch() -> dict:
    seen: dict = {}
    try:
        import torch

        versions = {"CUDA": torch.version.cuda, "ROCm": getattr(torch.version, "hip", None)}
        built_for = next((f"{kind} {version}" for kind, version in versions.items() if version), "")
        seen |= {"torch": torch.__version__, "built_for": built_for}
        if not torch.cuda.is_available():
            return seen
        seen |= {"usable": True, "name": torch.cuda.get_device_name()}
        seen |= {"capability": torch.cuda.get_device_capability()}
        free, total = torch.cuda.mem_get_info()  # what loading a model will ask
        return {**seen, "free_bytes": free, "total_bytes": total}
    except Exception as error:  # a broken PyTorch, a full or a faulty GPU: each says so in its own way
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            return {}
        problem = f"PyTorch fails with {type(error).__name__}: {_first_line(error)}"
        return {**seen, "usable": False, "problem": problem}


def needs_gpu(settings: Settings) -> bool:
    """MiniCPM-o runs on a CPU only when it is told to; other image-text models do so by themselves."""
    if settings.commentator == "minicpmo":
        return settings.device != "cpu"
    return settings.commentator == "vlm" and settings.device == "cuda"


def gpu_line(gpu: Gpu, needed: bool, minicpmo: bool = False) -> CheckLine:
    none = "no GPU seen" + ("" if gpu.driver_asked else " (without nvidia-ml-py the driver cannot be asked)")
    driver = f"driver {gpu.driver}" if gpu.driver else ""
    found = ", ".join(filter(None, [gpu.name or none, driver, _torch_text(gpu), gpu.problem]))
    if gpu.usable:
        return CheckLine(True, "GPU", found)
    if gpu.problem:
        mend = "restart the machine, or install driver and PyTorch again"
    elif gpu.name and not gpu.torch:
        mend = f"pip install '{DISTRIBUTION}[minicpmo]' or '{DISTRIBUTION}[vlm]'"
    elif gpu.name and not gpu.built_for:
        mend = "install PyTorch's build for CUDA: this one is for processors only"
    elif gpu.name:
        mend = f"install a driver that is new enough for {gpu.built_for}, or a PyTorch built for an older one"
    else:
        slow = "; device=cpu runs the model all the same, far below real time" if minicpmo else ""
        mend = (
            "commentator=baseline needs none and commentator=openai uses a server's; for an NVIDIA GPU install its "
            f"driver and nvidia-ml-py{slow}"
        )
    return CheckLine(_state(False, needed), "GPU", found, mend)


def _torch_text(gpu: Gpu) -> str:
    if not gpu.torch:
        return "" if gpu.problem else "no PyTorch"
    return f"PyTorch {gpu.torch} for {gpu.built_for or 'processors only'}"


def graphs_lines(gpu: Gpu, triton: bool, compiler: bool) -> list[CheckLine]:
    """Whether MiniCPM-o runs as CUDA graphs on this GPU; nothing where there is none that it could use."""
    if not gpu.usable or not gpu.built_for.startswith("CUDA"):
        return []
    lacking = [
        *([] if triton else ["pip install triton"]),
        *([] if compiler else ["install a C compiler (gcc), which Triton needs"]),
    ]
    if lacking:
        found = "no CUDA graphs for MiniCPM-o: it runs all the same, many times slower"
        return [CheckLine(None, "MiniCPM-o's speed", found, "; ".join(lacking))]
    return [CheckLine(True, "MiniCPM-o's speed", "Triton and a C compiler are here: it runs as CUDA graphs")]


def gpu_memory_line(
    gpu: Gpu, checkpoint: Checkpoint | None, speech: bool, needed: bool, shrink: bool = False
) -> CheckLine:
    """Free and total, and what of MiniCPM-o fits into it: the checkpoint that is set, else the published ones.

    `shrink`: 4 bits take less here (minicpmo/shrink.py).
    """
    what = "GPU memory"
    published = [(c, spoken) for c in (PUBLISHED_BF16, PUBLISHED_AWQ) for spoken in (True, False)]
    if gpu.free_bytes is None or gpu.total_bytes is None:
        return CheckLine(None, what, f"none to be read; MiniCPM-o takes {_sizes(published, shrink)}")
    fitting = [(c, spoken) for c, spoken in published if needed_bytes(c, spoken, shrink) <= gpu.free_bytes]
    found = (
        f"{bytes_text(gpu.free_bytes)} of {bytes_text(gpu.total_bytes)} free; of MiniCPM-o fits: "
        f"{_sizes(fitting, shrink) or 'nothing'}"
    )
    if left := [pair for pair in published if pair not in fitting]:
        found += f"; does not fit: {_sizes(left, shrink)}"
    problem = explain_missing_memory(
        checkpoint or PUBLISHED_AWQ, speech, gpu.free_bytes, gpu.total_bytes, shrink
    )
    return CheckLine(_state(not problem, needed), what, found, problem)


def _sizes(variants: Iterable[tuple[Checkpoint, bool]], shrink: bool) -> str:
    return ", ".join(
        f"{checkpoint.label} {'with' if speech else 'without'} speech "
        f"({bytes_text(needed_bytes(checkpoint, speech, shrink))})"
        for checkpoint, speech in variants
    )


# Models, voices, servers


def find_here(model_path: str) -> Path:
    """As find_checkpoint, but a hub id is looked for in the hub's cache only: a check downloads nothing."""
    if Path(model_path).expanduser().exists() or find_spec("huggingface_hub") is None:
        return find_checkpoint(model_path)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model_path, local_files_only=True))
    except Exception:  # no hub id, or no copy of it: the client has an error for each
        raise CommentatorError(
            f"{model_path} is no folder here, and the hub's cache has no copy of it: set model_path to a checkpoint "
            "folder or a hub id (org/name), which a run downloads"
        ) from None


def read_checkpoint(settings: Settings) -> tuple[Checkpoint | None, CheckLine]:
    """The MiniCPM-o checkpoint that model_path names, if it does, and the line about it."""
    what = "checkpoint"
    needed = settings.commentator in ("minicpmo", "vlm")
    if settings.commentator == "openai":
        return None, CheckLine(None, what, "it is the server's")
    if not settings.model_path:
        mend = "set model_path to a checkpoint folder, or to a hub id (org/name)"
        return None, CheckLine(_state(False, needed), what, "no model_path is set", mend)
    try:
        folder = find_here(settings.model_path)
        if settings.commentator == "vlm":
            tensor_bytes(folder)  # names a weight file that is cut off
            weights = bytes_text(sum(path.stat().st_size for path in weight_files(folder)))
            return None, CheckLine(True, what, f"{weights} of weights in {folder}")
        checkpoint = inspect_checkpoint(folder)
    except (CommentatorError, OSError) as error:
        return None, CheckLine(_state(False, needed), what, settings.model_path, str(error))
    weights = bytes_text(sum(checkpoint.part_bytes.values()))
    return checkpoint, CheckLine(True, what, f"MiniCPM-o in {checkpoint.label}, {weights}, in {folder}")


def voice_lines(settings: Settings, checkpoint: Checkpoint | None) -> list[CheckLine]:
    """MiniCPM-o's own voice: its files and the recording that it imitates."""
    files, recording = "voice files", "reference recording"
    needed = settings.commentator == "minicpmo" and settings.speech
    if checkpoint is None:
        return [CheckLine(None, files, "they belong to a MiniCPM-o checkpoint, and none was found")]
    try:
        assets = find_assets(checkpoint, settings.assets_path)
    except (CommentatorError, OSError) as error:
        return [CheckLine(_state(False, needed), files, "not complete", str(error))]
    lines = [CheckLine(True, files, str(assets / "token2wav"))]
    try:
        path = find_reference_audio(assets, settings.reference_audio_path)
        duration_s = len(read_reference_audio(path)) / REFERENCE_RATE_HZ
    except (CommentatorError, OSError) as error:
        return [*lines, CheckLine(_state(False, needed), recording, "none that can be used", str(error))]
    return [*lines, CheckLine(True, recording, f"{path}, {duration_s:.1f} s")]


def ask_server(base_url: str) -> tuple[int | None, str]:
    """(HTTP status of the server's list of models, or None without an answer; what came of it in words).

    It is asked without a key, so that none can be shown or sent astray: an answer that wants one is an answer.
    """
    import httpx

    try:
        answer = httpx.get(f"{base_url.rstrip('/')}/models", timeout=_SERVER_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return None, f"does not answer ({type(error).__name__})"
    try:
        names = [str(model["id"]) for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        names = []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return answer.status_code, ", ".join(names[:3]) + more


def server_line(
    base_url: str, has_httpx: bool, needed: bool, has_key: bool, ask: Callable = ask_server
) -> CheckLine:
    what = "model server"
    if not has_httpx:
        return CheckLine(None, what, "not asked without httpx", f"pip install '{DISTRIBUTION}[openai]'")
    shown = redact_url(base_url).split("?")[0]
    status, words = ask(base_url)
    if status is None:
        mend = "start one, or set api_base_url; only commentator=openai needs it"
        return CheckLine(_state(False, needed), what, f"{shown} {words}", mend)
    if status in (401, 403):
        mend = "" if has_key else "set OPENAI_API_KEY in the environment"
        found = f"{shown} answers and wants a key, which is {'set' if has_key else 'not set'}"
        return CheckLine(_state(has_key, needed), what, found, mend)
    if status != 200 or not words:
        found = f"{shown} answers with HTTP status {status} and no list of models"
        return CheckLine(_state(False, needed), what, found, "set api_base_url; it usually ends in /v1")
    return CheckLine(True, what, f"{shown} has {words}")
