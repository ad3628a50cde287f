"""The GPU, its driver, PyTorch on it, and what fits into its memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from commentator_lib.checks.line import DISTRIBUTION, CheckLine, state
from commentator_lib.commentators.minicpmo.checkpoint import PUBLISHED_AWQ, PUBLISHED_BF16, Checkpoint
from commentator_lib.commentators.minicpmo.memory_budget import explain_missing_memory, needed_bytes
from commentator_lib.commentators.weights import bytes_text
from commentator_lib.errors import first_line, named_first_line
from commentator_lib.runs import meters
from commentator_lib.settings import Settings


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first GPU, as the driver and PyTorch describe it.

    `name` and `driver` are "" where they are unknown. `driver_asked`: nvidia-ml-py is installed, so the driver could
    be asked. `torch` is PyTorch's version, "" where it is missing; `built_for` is "CUDA 12.8", "ROCm 6.4", or ""
    for a build for processors only. `usable`: PyTorch can compute on it.
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
    """Return what the driver and PyTorch report about the first GPU; import PyTorch if it is installed."""
    return Gpu(
        **{**_by_driver(), **_by_torch()}
    )  # PyTorch's values win: a model runs on the GPU that PyTorch sees


def _by_driver() -> dict:
    device = meters.nvml_device()
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
    except pynvml.NVMLError as error:  # GPUs that share the processor's memory have no memory count
        return {**seen, "problem": f"the driver does not tell all about it ({first_line(error)})"}
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
    except (
        Exception
    ) as error:  # a broken PyTorch, a full or a faulty GPU: each raises an error of its own kind
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            return {}
        problem = f"PyTorch fails with {named_first_line(error)}"
        return {**seen, "usable": False, "problem": problem}


def needs_gpu(settings: Settings) -> bool:
    """Return whether these settings need a GPU: minicpmo, in duplex too, unless `device` is cpu, vlm if it is cuda."""
    if settings.commentator in ("minicpmo", "minicpmo-duplex"):
        return settings.device != "cpu"
    return settings.commentator == "vlm" and settings.device == "cuda"


def gpu_line(gpu: Gpu, needed: bool, minicpmo: bool = False) -> CheckLine:
    """Check whether PyTorch can compute on the GPU; the fix depends on what is missing."""
    none = "no GPU seen" + ("" if gpu.driver_asked else " (without nvidia-ml-py the driver cannot be asked)")
    driver = f"driver {gpu.driver}" if gpu.driver else ""
    found = ", ".join(filter(None, [gpu.name or none, driver, _torch_text(gpu), gpu.problem]))
    if gpu.usable:
        return CheckLine(True, "GPU", found)
    if gpu.problem:
        fix = "restart the machine, or install driver and PyTorch again"
    elif gpu.name and not gpu.torch:
        fix = f"pip install '{DISTRIBUTION}[minicpmo]' or '{DISTRIBUTION}[vlm]'"
    elif gpu.name and not gpu.built_for:
        fix = "install PyTorch's build for CUDA: this one is for processors only"
    elif gpu.name:
        fix = f"install a driver that is new enough for {gpu.built_for}, or a PyTorch built for an older one"
    else:
        slow = "; device=cpu also runs the model, but far below real time" if minicpmo else ""
        fix = (
            "commentator=baseline needs none and commentator=openai uses a server's; for an NVIDIA GPU install its "
            f"driver and nvidia-ml-py{slow}"
        )
    return CheckLine(state(False, needed), "GPU", found, fix)


def _torch_text(gpu: Gpu) -> str:
    if not gpu.torch:
        return "" if gpu.problem else "no PyTorch"
    return f"PyTorch {gpu.torch} for {gpu.built_for or 'processors only'}"


def graphs_lines(gpu: Gpu, triton: bool, compiler: bool) -> list[CheckLine]:
    """Check whether MiniCPM-o runs as CUDA graphs on this GPU; nothing where there is none that it could use."""
    if not gpu.usable or not gpu.built_for.startswith("CUDA"):
        return []
    lacking = [
        *([] if triton else ["pip install triton"]),
        *([] if compiler else ["install a C compiler (gcc), which Triton needs"]),
    ]
    if lacking:
        found = "no CUDA graphs for MiniCPM-o: it runs without them, many times slower"
        return [CheckLine(None, "MiniCPM-o's speed", found, "; ".join(lacking))]
    return [CheckLine(True, "MiniCPM-o's speed", "Triton and a C compiler are here: it runs as CUDA graphs")]


def gpu_memory_line(
    gpu: Gpu, checkpoint: Checkpoint | None, speech: bool, needed: bool, shrink: bool = False
) -> CheckLine:
    """Check the free memory, and say which of MiniCPM-o's checkpoints fit into it.

    The need is that of `checkpoint`, or of the published AWQ checkpoint where it is None. `shrink`: 4-bit weights
    take less memory on this GPU.
    """
    what = "GPU memory"
    published = [(c, spoken) for c in (PUBLISHED_BF16, PUBLISHED_AWQ) for spoken in (True, False)]
    if gpu.free_bytes is None or gpu.total_bytes is None:
        return CheckLine(None, what, f"unknown; MiniCPM-o takes {_sizes(published, shrink)}")
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
    return CheckLine(state(not problem, needed), what, found, problem)


def _sizes(variants: Iterable[tuple[Checkpoint, bool]], shrink: bool) -> str:
    return ", ".join(
        f"{checkpoint.label} {'with' if speech else 'without'} speech "
        f"({bytes_text(needed_bytes(checkpoint, speech, shrink))})"
        for checkpoint, speech in variants
    )
