"""The meters: processor, memory, and a GPU's memory by its driver's count and by PyTorch's."""

from __future__ import annotations

import sys
import types

import pytest

from commentator_lib.runs import meters


def test_process_meter_reads():
    share, rss = meters.ProcessMeter().read()
    assert share >= 0 and 1e7 < rss < 1e11
    machine = meters.hardware()
    assert machine["cores"] >= 1 and machine["memory_bytes"] > 1e8


@pytest.fixture
def fresh_meter():
    meters.nvml_device.cache_clear()
    yield
    meters.nvml_device.cache_clear()


def nvml(monkeypatch, fails=False, old=False):
    """Install a double of pynvml, with its names and types; `old`: for a driver before version 510."""

    class NVMLError(Exception):
        pass

    def init():
        if fails:
            raise NVMLError("driver not loaded")

    def memory(_handle, version=None):
        if version is not None and old:
            raise NVMLError("Function Not Found")
        return types.SimpleNamespace(used=8_600_000_000 if version is None else 8_000_000_000)

    fake = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=init,
        nvmlDeviceGetHandleByIndex=lambda k: k,
        nvmlMemory_v2=2,
        nvmlDeviceGetMemoryInfo=memory,
        nvmlDeviceGetName=lambda handle: "Some GPU",
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)


@pytest.mark.parametrize(("old", "used"), [(False, 8_000_000_000), (True, 8_600_000_000)])
def test_gpu_memory_by_the_drivers_count(fresh_meter, monkeypatch, old, used):
    nvml(monkeypatch, old=old)
    assert meters.vram_used_bytes() == used and meters.hardware()["gpu"] == "Some GPU"


def test_no_driver_or_no_binding_is_no_gpu(fresh_meter, monkeypatch):
    nvml(monkeypatch, fails=True)
    assert meters.vram_used_bytes() is None
    meters.nvml_device.cache_clear()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert meters.vram_used_bytes() is None


def test_torchs_own_count_of_memory_is_read_only_where_it_holds_a_gpu(monkeypatch):
    resets = []
    cuda = types.SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        reset_peak_memory_stats=lambda: resets.append(1),
        memory_allocated=lambda: 11,
        max_memory_allocated=lambda: 17,
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    assert meters.torch_vram_bytes() == (11, 17) and not resets
    assert meters.torch_vram_bytes(reset_peak=True) == (11, 17) and resets
    cuda.is_initialized = lambda: False
    assert meters.torch_vram_bytes() is None
    monkeypatch.delitem(sys.modules, "torch")
    assert meters.torch_vram_bytes() is None


def test_freed_memory_is_given_back(monkeypatch):
    trimmed = []
    monkeypatch.setattr(meters, "_malloc_trim", lambda: trimmed.append)
    monkeypatch.setattr(meters.sys, "platform", "linux")
    meters.give_back_freed_memory()
    assert trimmed == [0]
    monkeypatch.setattr(meters, "_malloc_trim", lambda: None)  # another C library
    meters.give_back_freed_memory()
    assert trimmed == [0]
