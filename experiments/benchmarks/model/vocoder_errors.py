"""How far our vocoder's sound differs from the model's own, and half precision from float32."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.benchmarks.model.gauges import memory, spread, synchronised_s
from experiments.benchmarks.model.loaded_model import LoadedModel
from experiments.benchmarks.model.random_minicpmo import recording, write_token2wav

if TYPE_CHECKING:
    from torch import Tensor

    from commentator_lib.commentators.minicpmo.vocoder import Vocoder


def record_mels(bench: LoadedModel) -> list[Tensor]:
    """Return the mel frames that the vocoder computes from random tokens: one (1, 80, n) tensor for each chunk.

    Return [] for a vocoder that is not stepaudio2's.
    """
    vocoder = bench.speaker.vocoder
    flow: Any = vocoder._token2wav.flow  # stepaudio2's, or a tiny one of the tests
    mels: list[Tensor] = []
    if (own := getattr(flow, "inference_chunk", None)) is None:
        return mels

    def inference_chunk(**given):
        mel, cache = own(**given)
        mels.append(mel.float().cpu())
        return mel, cache

    flow.inference_chunk = inference_chunk
    try:
        vocoder.begin()
        for token in np.random.default_rng(1).integers(0, 6561, 120).tolist():
            vocoder.push(token)
        list(vocoder.finish())
    finally:
        del flow.inference_chunk
        vocoder.begin()
    return mels


def measure_vocoder_error(bench: LoadedModel) -> dict[str, Any]:
    """Return how far our flow model's spectra differ from the model's own, in dB (mel frames are log magnitudes).

    A listener can hear a difference of about 1 dB in a band. Return {} where its own spectra were not recorded.
    """
    import torch

    if not bench.own_mels:
        return {}
    own, ours = (torch.cat(mels, dim=2) for mels in (bench.own_mels, record_mels(bench)))  # (1, 80, n) each
    apart_db = (ours - own).abs() * 20 / np.log(10)
    return {
        "rms_db": round(float(apart_db.square().mean().sqrt()), 4),
        "largest_db": round(float(apart_db.max()), 3),
        "own_spread_db": round(float(own.std()) * 20 / np.log(10), 2),
    }


def measure_half_precision(bench: LoadedModel) -> dict[str, Any]:
    """Compare Token2wav in half precision and in float32 on the same files, tokens and noise: sound, time, memory.

    The language model does not run meanwhile.
    """
    from commentator_lib.commentators.minicpmo.loading import load_vocoder

    engine: Any = bench.engine  # not used for speech from here on
    engine.speaker = engine.loaded.vocoder = None
    out: dict[str, Any] = {}
    sounds = {}
    with tempfile.TemporaryDirectory() as folder:
        write_token2wav(Path(folder) / "token2wav")
        for name, half in (("float32", False), ("float16", True)):
            out[name] = {}
            bench.model.tts.audio_tokenizer = None
            with memory(out[name], "vocoder"):
                vocoder = load_vocoder(bench.model, Path(folder), recording(), half)
                sounds[name], took_s = _vocode_twice(vocoder)
            out[name]["vocoder_ms"] = spread([1000 * s for s in took_s[len(took_s) // 2 :]])
            del vocoder
    wanted, got = sounds["float32"], sounds["float16"]
    out["finite"] = bool(np.isfinite(got).all())
    out["signal_to_error_db"] = round(
        10 * float(np.log10((wanted**2).mean() / ((wanted - got) ** 2).mean())), 1
    )
    return out


def _vocode_twice(vocoder: Vocoder) -> tuple[np.ndarray, list[float]]:
    """Return the sound (N,) of the second of two passes, and the seconds of every chunk of both; the first warms up."""
    import torch

    tokens = np.random.default_rng(1).integers(0, 6561, 100).tolist()
    pieces: list[np.ndarray] = []
    took_s: list[float] = []
    for _ in range(2):
        vocoder.begin()
        torch.manual_seed(0)
        pieces = []
        for token in tokens:
            started_s = synchronised_s()
            if (piece := vocoder.push(token)) is not None:
                pieces.append(piece)
                took_s.append(synchronised_s() - started_s)
    return np.concatenate(pieces), took_s
