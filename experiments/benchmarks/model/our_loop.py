"""Measure the library's own loop: a start from the disk, comments, the talker alone and the vocoder alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from commentator_lib.commentators.base import CommentRequest, StageTimes
from experiments.benchmarks.model.doubles import random_sound
from experiments.benchmarks.model.gauges import disk_bytes, memory, spread, synchronised_s
from experiments.benchmarks.model.loaded_model import PROMPT, TEXT_CHUNK, LoadedModel
from experiments.benchmarks.model.random_minicpmo import folder_bytes


def measure_start(bench: LoadedModel) -> dict[str, Any]:
    """Measure from the start of this process, weights on the disk, to the first sound of the first comment."""
    options = bench.options
    out: dict[str, Any] = {
        "from": "disk",
        "read_bytes": folder_bytes(Path(options.checkpoint)),
        "size": list(options.size),
        "imports_s": round(bench.imports_s, 1),
    }
    request = CommentRequest(bench.make_frames(0), PROMPT, options.speech_tokens, bench.speaks)
    bench.commentator.expect_frames(*options.size)
    with memory(out, "start"):
        # 1) load
        with memory(out, "load"):
            bench.commentator.warm_up()
        ready_s = synchronised_s()
        out["load_s"] = round(ready_s - bench.imported_s, 1)
        out["weights_s"] = bench.result.pop("weights_s")
        read_bytes = disk_bytes()
        if bench.read_before_bytes is not None and read_bytes is not None:
            out["disk_bytes"] = read_bytes - bench.read_before_bytes
        bench.describe("our")
        # 2) the first comment
        for chunk in bench.commentator.comment(request):
            now_s = time.perf_counter()
            for kind, present in (("text", chunk.text), ("sound", chunk.audio is not None)):
                if present and f"first_{kind}_s" not in out:
                    out[f"first_{kind}_s"] = round(now_s - ready_s, 3)
                    out[f"to_first_{kind}_s"] = round(now_s - bench.imported_s + bench.imports_s, 1)
            if chunk.problem:
                raise RuntimeError(chunk.problem)
    return out


def measure_comments(
    bench: LoadedModel, speech: bool, new_tokens: int, sound_s: float = 0.0
) -> dict[str, Any]:
    """Measure comments through the library's own interface; the first one warms up and does not count.

    `sound_s`: seconds of the programme's sound in each request.
    """
    rows: list[dict[str, float]] = []
    out: dict[str, Any] = {}
    with memory(out, "cycle"):
        for seed in range(bench.options.repeats + 1):
            sound = random_sound(sound_s, seed) if sound_s else None
            request = CommentRequest(bench.make_frames(seed), PROMPT, new_tokens, speech, sound=sound)
            row = _measure_comment(bench, request, out)
            if seed:
                rows.append(row)
    for name in rows[0]:
        out[name] = spread([row[name] for row in rows])
    return out


def _measure_comment(bench: LoadedModel, request: CommentRequest, out: dict[str, Any]) -> dict[str, float]:
    """Return the times of one comment; add the tokens of its prompt to `out`. Raise RuntimeError where it fails."""
    started_s = synchronised_s()
    first_text_s = first_sound_s = float("nan")
    tokens, sound_s, text = 0, 0.0, ""
    stages = StageTimes()
    for chunk in bench.commentator.comment(request):
        now_s = time.perf_counter() - started_s
        if chunk.text and not text:
            first_text_s = now_s
        if chunk.audio is not None:
            first_sound_s = first_sound_s if sound_s else now_s
            sound_s += chunk.audio.duration_s
        tokens += chunk.output_tokens
        stages = chunk.stage_times or stages
        if chunk.prompt_tokens:
            out["prompt_tokens"], out["image_tokens"] = chunk.prompt_tokens, chunk.image_tokens
        if chunk.problem:
            raise RuntimeError(chunk.problem)
        text += chunk.text
    if len(set(text)) < 5:
        raise RuntimeError(f"the model says nothing but {text[:40]!r}")
    total_s = synchronised_s() - started_s
    return _row(stages, tokens, sound_s, total_s, first_text_s, first_sound_s)


def _row(
    stages: StageTimes,
    tokens: int,
    sound_s: float,
    total_s: float,
    first_text_s: float,
    first_sound_s: float,
) -> dict[str, float]:
    row = {f"{name}_ms": 1000 * getattr(stages, f"{name}_s") for name in ("preprocess", "vision", "prefill")}
    row["look_ms"] = row["preprocess_ms"] + row["vision_ms"] + row["prefill_ms"]
    decode_s = stages.decode_s or 0.0
    row["decode_ms"] = 1000 * decode_s / max(1, tokens - 1)
    row["tokens_per_s"] = max(1, tokens - 1) / decode_s if decode_s else 0.0
    row["tokens"] = float(tokens)
    row["total_s"] = total_s
    row["first_text_ms"] = 1000 * first_text_s
    if sound_s:
        row["talker_ms"] = 1000 * (stages.talker_s or 0.0) / (25 * sound_s)
        row["vocoder_ms"] = 1000 * (stages.vocoder_s or 0.0) / sound_s
        row["first_sound_ms"] = 1000 * first_sound_s
        row["sound_s"] = sound_s
        row["speech_compute_s"] = total_s / sound_s
    return row


def measure_voice(bench: LoadedModel) -> dict[str, Any]:
    """Measure the talker alone and the vocoder alone.

    Within a comment they share the GPU with each other and the language model, and their times include waiting.
    """
    import torch

    device = bench.engine.loaded.device
    talker, vocoder = bench.speaker.talker, bench.speaker.vocoder
    width, numbers = bench.model.llm.config.hidden_size, np.random.default_rng(1)
    dtype = bench.model.tts.emb_text.weight.dtype
    talker_ms: list[float] = []
    vocoder_ms: list[float] = []
    for seed in range(bench.options.repeats + 1):
        torch.manual_seed(seed)
        # 1) the talker: the second of two chunks
        talker.begin()
        took_s, count = 0.0, 0
        for _ in range(2):
            ids = (
                torch.randint(1000, (1, TEXT_CHUNK), device=device) % bench.model.tts.emb_text.num_embeddings
            )
            hidden = torch.randn(1, TEXT_CHUNK, width, device=device).to(dtype)
            started_s = synchronised_s()
            count = len(list(talker.say(ids, hidden, False)))
            took_s = synchronised_s() - started_s
        talker_ms.append(1000 * took_s / max(1, count))
        talker.capture_new_shapes()
        # 2) the vocoder: whole seconds
        vocoder.begin()
        for token in numbers.integers(0, 6561, 135).tolist():
            started_s = synchronised_s()
            sound = vocoder.push(token % bench.model.tts.config.num_audio_tokens)
            if sound is not None and len(sound) == 24_000:
                vocoder_ms.append(1000 * (synchronised_s() - started_s))
        vocoder.begin()
    each = len(vocoder_ms) // len(talker_ms)
    return {"talker_ms": spread(talker_ms[1:]), "vocoder_ms": spread(vocoder_ms[each:])}
