"""Measure the model's own loops: `chat`, `generate`, `streaming_generate`."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from experiments.benchmarks.model.doubles import as_pictures
from experiments.benchmarks.model.gauges import memory, spread, synchronised_s
from experiments.benchmarks.model.loaded_model import (
    AUDIO_PER_TEXT_TOKEN,
    PROMPT,
    TEXT_CHUNK,
    LoadedModel,
)

if TYPE_CHECKING:
    from torch import Tensor


def measure_own_text(bench: LoadedModel, new_tokens: int) -> dict[str, Any]:
    """Measure the model's `chat`, and its language model's `generate` as chat calls it, on the same embeddings."""
    import torch

    # chat calls these, and they would fail: no audio encoder is loaded
    for name in ("get_audio_embedding", "get_audio_embedding_streaming"):
        setattr(bench.model, name, lambda *_args, **_options: [])
    chat_s: list[float] = []
    generate_ms: list[float] = []
    out: dict[str, Any] = {}
    with memory(out, "chat"), torch.inference_mode():
        for seed in range(bench.options.repeats + 1):
            # 1) the whole comment
            started_s = synchronised_s()
            bench.model.chat(
                msgs=own_messages(bench, seed),
                max_new_tokens=new_tokens,
                min_new_tokens=new_tokens,
                num_beams=1,
                do_sample=True,
                max_slice_nums=1,
                use_image_id=False,
            )
            chat_s.append(synchronised_s() - started_s)
            # 2) its tokens alone
            embeds = bench.embed(seed, speech=False)
            started_s = synchronised_s()
            generate(bench, embeds, 1, min_new_tokens=1)
            one_s = synchronised_s() - started_s
            started_s = synchronised_s()
            generate(bench, embeds, new_tokens, min_new_tokens=new_tokens)
            many_s = synchronised_s() - started_s
            generate_ms.append(1000 * (many_s - one_s) / (new_tokens - 1))
    out["total_s"] = spread(chat_s[1:])
    out["decode_ms"] = spread(generate_ms[1:])
    return out


def own_messages(bench: LoadedModel, seed: int) -> list[dict[str, Any]]:
    """Return a request in the form that the model's own code takes."""
    return [{"role": "user", "content": [*as_pictures(bench.make_frames(seed)), PROMPT]}]


def generate(
    bench: LoadedModel, embeds: Tensor, new_tokens: int, greedy: bool = False, **options: Any
) -> Any:
    """Return the result of transformers' `generate` for `embeds` (1, n, H): an object with `sequences` (1, tokens)."""
    import torch

    sampling: dict[str, Any] = {} if greedy else {"top_p": 0.8, "top_k": 100, "temperature": 0.7}
    mask = torch.ones(embeds.shape[:2], dtype=torch.bool, device=embeds.device)  # (1, n)
    return bench.model.llm.generate(
        inputs_embeds=embeds,
        attention_mask=mask,
        pad_token_id=0,
        eos_token_id=bench.engine.stops,
        num_beams=1,
        do_sample=not greedy,
        repetition_penalty=1.02,
        max_new_tokens=new_tokens,
        output_hidden_states=not greedy,
        return_dict_in_generate=True,
        **sampling,
        **options,
    )


def measure_own_stream(bench: LoadedModel, audio: bool, new_tokens: int) -> dict[str, Any]:
    """Measure the model's `streaming_prefill` and `streaming_generate`.

    Its talker, if random, is limited to as many audio tokens as ours.
    """
    # 1) measure
    rows: list[dict[str, float]] = []
    out: dict[str, Any] = {}
    if audio:
        # the caches that the model's own initialisation would have set, for its own loop
        caches = bench.speaker.vocoder._caches
        bench.model.token2wav_cache = {"flow_cache_base": caches[0], "hift_cache_base": caches[1]}
    with memory(out, "stream"), _bounded_talker(bench) as spent:
        for seed in range(bench.options.repeats + 1):
            rows.append(_measure_stream(bench, audio, seed, new_tokens))

    # 2) summarise
    def column(name: str) -> list[float]:
        return [row[name] for row in rows[1:]]  # the first one warms up

    out["preprocess_vision_prefill_ms"] = spread(column("prefill_ms"))
    out["total_s"] = spread(column("total_s"))
    if audio:
        for name, seconds in spent.items():
            out[f"{name}_s_in_all"] = round(sum(seconds), 3)
        said_s = sum(row["sound_s"] for row in rows)
        out["talker_ms"] = round(1000 * sum(spent["talker"]) / (25 * said_s), 2)
        out["vocoder_ms"] = round(1000 * sum(spent["vocoder"]) / said_s, 1)
        out["first_sound_ms"] = spread(column("first_ms"))
        out["sound_s"] = spread(column("sound_s"))
        pairs = zip(column("total_s"), column("sound_s"), strict=True)
        out["speech_compute_s"] = spread([total_s / sound_s for total_s, sound_s in pairs])
    else:
        out["first_text_ms"] = spread(column("first_ms"))
        out["decode_ms"] = spread(column("token_ms"))
    return out


def _measure_stream(bench: LoadedModel, audio: bool, seed: int, new_tokens: int) -> dict[str, float]:
    """Return the times of one comment by `streaming_prefill` and `streaming_generate`."""
    session = f"bench {audio} {seed}"
    messages = own_messages(bench, seed)
    started_s = synchronised_s()
    bench.model.streaming_prefill(
        session_id=session, msgs=messages, max_slice_nums=1, use_tts_template=True, is_last_chunk=True
    )
    prefilled_s = synchronised_s()
    first_s = float("nan")
    sound_s = 0.0
    pieces = bench.model.streaming_generate(
        session_id=session, generate_audio=audio, max_new_tokens=new_tokens, do_sample=True
    )
    for number, (piece, _text) in enumerate(pieces):
        if number == 0:
            first_s = time.perf_counter() - started_s
        if audio and piece is not None:
            sound_s += piece.shape[-1] / 24_000
    ended_s = synchronised_s()
    return {
        "first_ms": 1000 * first_s,
        "prefill_ms": 1000 * (prefilled_s - started_s),
        "total_s": ended_s - started_s,
        "token_ms": 1000 * (ended_s - prefilled_s) / new_tokens,
        "sound_s": sound_s,
    }


@contextmanager
def _bounded_talker(bench: LoadedModel) -> Generator[dict[str, list[float]]]:
    """Yield the seconds of each call of the model's own talker and vocoder within the block, as they come.

    A random talker does not end a chunk by itself, so the model's own loop gets the same limit as ours.
    """
    # 1) the talker: a subclass with the limit and a clock, in the module of the model's own code (it has no stubs)
    module: Any = sys.modules[_class_with(bench.model, "streaming_generate").__module__]
    original = module.TTSStreamingGenerator
    bound = (AUDIO_PER_TEXT_TOKEN * TEXT_CHUNK,) if bench.random else ()
    spent: dict[str, list[float]] = {"talker": [], "vocoder": []}

    class Bounded(original):
        def generate_with_buffer(self, condition, text_finished=False, *more):
            pieces = super().generate_with_buffer(condition, text_finished, *(bound or more))
            while True:
                started_s = synchronised_s()
                try:
                    piece = next(pieces)
                except StopIteration:
                    return
                finally:
                    spent["talker"].append(synchronised_s() - started_s)
                yield piece

    module.TTSStreamingGenerator = Bounded
    # 2) the vocoder: the same method with a clock
    vocoder = getattr(bench.model.tts, "audio_tokenizer", None)
    if vocoder is not None:
        own_stream = vocoder.stream

        def stream(*given, **options):
            started_s = synchronised_s()
            sound = own_stream(*given, **options)
            spent["vocoder"].append(synchronised_s() - started_s)
            return sound

        vocoder.stream = stream
    # 3) put both back at the end
    try:
        yield spent
    finally:
        module.TTSStreamingGenerator = original
        if vocoder is not None:
            del vocoder.stream


def _class_with(model: Any, name: str) -> type:
    """Return the class of `model`, or the base class, that defines `name`."""
    return next(kind for kind in type(model).__mro__ if name in kind.__dict__)
