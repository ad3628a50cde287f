"""Measure what it costs that the model hears: memory, and the time to first text and first sound."""

from __future__ import annotations

from typing import Any

from commentator_lib.commentators.torch_tools import free_gpu
from experiments.benchmarks.model.loaded_model import LoadedModel
from experiments.benchmarks.model.our_loop import measure_comments

SOUND_S = 4.0


def measure_hearing(deaf: LoadedModel) -> dict[str, Any]:
    """Measure comments of a model without its audio encoder, then of the same model loaded again with it.

    The second is measured without sound and with SOUND_S seconds of it. `deaf` is a model that is not loaded
    yet. The ratios and differences say hear=true against hear=false; memory in bytes, with the driver's and
    PyTorch's counts of gauges.py.
    """
    options = deaf.options
    out: dict[str, Any] = {"sound_s": SOUND_S}
    hearing = LoadedModel(options, hear=True)
    for name, bench, sounds in (("deaf", deaf, [0.0]), ("hearing", hearing, [0.0, SOUND_S])):
        bench.load_with_graphs()
        for sound_s in sounds:
            key = name if sound_s == sounds[-1] else f"{name}_without_sound"
            tokens = options.speech_tokens if bench.speaks else options.new_tokens
            out[key] = measure_comments(bench, bench.speaks, tokens, sound_s)
        out[f"{name}_load"] = bench.result
        bench.commentator.close()
        free_gpu()
    return out | compare_hearing(out["deaf"], out["hearing"])


def compare_hearing(deaf: dict[str, Any], hearing: dict[str, Any]) -> dict[str, float]:
    """Return the ratios of the median times of two results of `measure_comments`, and the bytes added.

    >>> compare_hearing({"first_text_ms": {"median": 20.0}}, {"first_text_ms": {"median": 25.0}})
    {'first_text_ratio': 1.25}
    """
    ratios = {
        f"{name}_ratio": round(hearing[f"{name}_ms"]["median"] / deaf[f"{name}_ms"]["median"], 3)
        for name in ("first_text", "first_sound")
        if f"{name}_ms" in deaf
    }
    more = {
        f"more_{name}": hearing[f"cycle_{name}"] - deaf[f"cycle_{name}"]
        for name in ("torch_idle_bytes", "torch_peak_bytes", "vram_idle_bytes", "vram_peak_bytes")
        if f"cycle_{name}" in deaf
    }
    return ratios | more
