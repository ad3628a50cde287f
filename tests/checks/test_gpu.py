"""Checks of the GPU, with simulated answers of the driver and of PyTorch."""

from __future__ import annotations

import sys
import types

import pytest

import commentator_lib.checks.gpu as gpu_module
from commentator_lib.checks.gpu import Gpu, gpu_line, gpu_memory_line, graphs_lines, needs_gpu, read_gpu
from commentator_lib.commentators.minicpmo.checkpoint import PUBLISHED_BF16
from commentator_lib.runs import meters
from tests.checks.conftest import GB, settings, without


def fake_torch(monkeypatch, available=True, cuda="12.8", hip=None, memory=(20 * GB, 24 * GB), error=None):
    def mem_get_info():
        if error:
            raise error
        return memory

    torch = types.ModuleType("torch")
    torch.__version__ = "2.11.0"
    torch.version = types.SimpleNamespace(cuda=cuda, hip=hip)
    torch.cuda = types.SimpleNamespace(
        is_available=lambda: available,
        get_device_name=lambda: "Card 9",
        mem_get_info=mem_get_info,
        get_device_capability=lambda: (8, 9),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)


def fake_driver(monkeypatch, memory_error=False):
    class NVMLError(Exception):
        pass

    def memory(handle):
        if memory_error:
            raise NVMLError("Not Supported")
        return types.SimpleNamespace(free=3 * GB, total=4 * GB)

    pynvml = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlDeviceGetName=lambda handle: "Driver's Card",
        nvmlSystemGetDriverVersion=lambda: "570.1",
        nvmlDeviceGetMemoryInfo=memory,
    )
    monkeypatch.setattr(meters, "nvml_device", lambda: (pynvml, "handle"))


@pytest.fixture
def no_driver(monkeypatch):
    monkeypatch.setattr(meters, "nvml_device", lambda: None)


def test_gpu_that_driver_and_pytorch_see(monkeypatch):
    fake_driver(monkeypatch)
    fake_torch(monkeypatch)
    gpu = read_gpu()
    assert gpu == Gpu("Card 9", "570.1", True, "2.11.0", "CUDA 12.8", True, 20 * GB, 24 * GB, "", (8, 9))
    line = gpu_line(gpu, True)
    assert line.ok is True and not line.fix
    assert line.found == "Card 9, driver 570.1, PyTorch 2.11.0 for CUDA 12.8"


def test_gpu_that_only_the_driver_sees(monkeypatch):
    fake_driver(monkeypatch)
    fake_torch(monkeypatch, available=False, cuda=None)
    gpu = read_gpu()
    assert (gpu.name, gpu.free_bytes, gpu.usable) == ("Driver's Card", 3 * GB, False)
    assert "for processors only" in gpu_line(gpu, True).fix and gpu_line(gpu, True).ok is False
    assert gpu_line(gpu, False).ok is None
    fake_torch(monkeypatch, available=False)
    assert "driver that is new enough for CUDA 12.8" in gpu_line(read_gpu(), True).fix
    without(monkeypatch, "torch")
    gpu = read_gpu()
    assert gpu.torch == "" and "no PyTorch" in gpu_line(gpu, True).found
    assert "pip install" in gpu_line(gpu, True).fix


def test_what_cuda_graphs_need():
    gpu = Gpu(name="Card 9", torch="2.11.0", built_for="CUDA 12.8", usable=True)
    (line,) = graphs_lines(gpu, True, True)
    assert line.ok and "CUDA graphs" in line.found
    (line,) = graphs_lines(gpu, False, False)
    assert line.ok is None and "many times slower" in line.found
    assert line.fix == "pip install triton; install a C compiler (gcc), which Triton needs"
    assert graphs_lines(gpu, True, False)[0].fix.startswith("install a C compiler")
    assert graphs_lines(Gpu(), True, True) == []


def test_gpu_without_nvml(monkeypatch, no_driver):
    fake_torch(monkeypatch, cuda=None, hip="6.4")
    gpu = read_gpu()
    assert (
        gpu.usable and gpu.driver == "" and gpu_line(gpu, True).found == "Card 9, PyTorch 2.11.0 for ROCm 6.4"
    )


@pytest.mark.parametrize("asked", [True, False])
def test_no_gpu(monkeypatch, no_driver, asked):
    monkeypatch.setattr(gpu_module, "find_spec", lambda name: object() if asked else None)
    fake_torch(monkeypatch, available=False, cuda=None)
    for minicpmo in (True, False):
        line = gpu_line(read_gpu(), minicpmo, minicpmo)
        assert line.ok is (False if minicpmo else None) and "no GPU seen" in line.found
        assert ("nvidia-ml-py" in line.found) is not asked
        assert "baseline" in line.fix and ("device=cpu" in line.fix) is minicpmo


def test_gpu_that_fails(monkeypatch, no_driver):
    fake_torch(monkeypatch, error=RuntimeError("CUDA error: out of memory\nCompile with ..."))
    gpu = read_gpu()
    line = gpu_line(gpu, True)
    assert (
        not gpu.usable and line.ok is False and "out of memory" in line.found and "Compile" not in line.found
    )
    assert line.fix
    torch = types.ModuleType("torch")  # half installed: without even a version
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert "AttributeError" in gpu_line(read_gpu(), True).found


def test_gpu_whose_memory_the_driver_does_not_count(monkeypatch):
    fake_driver(monkeypatch, memory_error=True)
    fake_torch(monkeypatch)
    gpu = read_gpu()
    assert gpu.usable and gpu.total_bytes == 24 * GB and gpu_line(gpu, True).ok is True
    fake_torch(monkeypatch, available=False)
    assert "Not Supported" in gpu_line(read_gpu(), True).found


def test_gpu_memory_says_what_fits():
    line = gpu_memory_line(Gpu(free_bytes=80 * GB, total_bytes=80 * GB), None, True, True)
    assert line.ok is True and "does not fit" not in line.found and not line.fix
    line = gpu_memory_line(Gpu(free_bytes=20 * GB, total_bytes=24 * GB), PUBLISHED_BF16, True, True)
    fit, not_fit = line.found.split("does not fit")
    assert "BF16 without speech (18.9 GB)" in fit and "AWQ INT4 with speech" in fit
    assert "BF16 with speech (22.4 GB)" in not_fit and "AWQ" not in not_fit
    assert line.ok is False and "speech=false" in line.fix and "end what else holds 4.0 GB" in line.fix
    line = gpu_memory_line(Gpu(free_bytes=4 * GB, total_bytes=4 * GB), None, True, False)
    assert line.ok is None and "nothing" in line.found and "commentator=vlm" in line.fix
    line = gpu_memory_line(Gpu(), None, True, True)
    assert line.ok is None and "22.4 GB" in line.found


def test_who_needs_a_gpu():
    assert needs_gpu(settings(commentator="minicpmo"))
    assert not needs_gpu(settings(commentator="minicpmo", device="cpu"))
    assert not needs_gpu(settings(commentator="vlm")) and needs_gpu(
        settings(commentator="vlm", device="cuda")
    )
    assert not needs_gpu(settings())
