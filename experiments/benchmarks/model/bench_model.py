"""What MiniCPM-o 4.5 costs on this machine, stage by stage: our loop, and beside it the model's own.

Why these quantities: a live commentary starts to speak after preprocessing, vision, prefill, ten tokens, a second
of audio tokens and a second of vocoder; each is a stage of its own with a limit of its own, and only the sum is
heard. A loop of our own must not be slower anywhere than the model's, and must say the same, or its numbers are
worth nothing.

  preprocess_ms, vision_ms, prefill_ms    frames to embeddings, embeddings to the first token; look_ms is their sum
  decode_ms                               a token, after the first; tokens_per_s is its inverse
  talker_ms, vocoder_ms                   an audio token (25 a second); a second of sound
  first_text_ms, first_sound_ms           from the frames
  speech_compute_s                        wall time of the comment for a second of its sound
  greedy_equal                            tokens that agree with the model's own, taken greedily, of how many
  vram_idle_bytes, vram_peak_bytes        by the driver; torch_* tensors, torch_reserved_* held, by PyTorch's count
  start                                   a fresh process, its weights on the disk, to the first comment's sound:
    imports_s, load_s, first_sound_s        Python and its packages; load, convert, record graphs, say hello; from the
                                            first comment's frames. to_first_sound_s is their sum
    weights_s                               of load_s: the checkpoint, before anything of it is converted
    read_bytes, disk_bytes                  the checkpoint's size; what came from a disk, by the kernel's count: far
                                            less says that the system still had the files in its memory

    python -m experiments.bench_model --checkpoint random --dtype bf16 --frames 4 --new-tokens 150 --json
    python -m experiments.bench_model --checkpoint random --dtype awq --compare seed --live 120
    python -m experiments.bench_model --checkpoint /models/MiniCPM-o-4_5-awq --live 120
    python -m experiments.bench_model --checkpoint /models/MiniCPM-o-4_5-awq --steps start speech

or, a start without published weights:

    python -m experiments.random_minicpmo /tmp/random-awq --dtype awq
    python -m experiments.bench_model --checkpoint /tmp/random-awq --steps start

`random` is the full published size with drawn weights: true times and memory, no sensible words, and a talker that
never ends by itself (so each text token gets eight audio tokens, 0.3 s, in our loop and in the model's). It needs
the model's own code, see MINICPMO_CODE_DIR in experiments/random_minicpmo.py. The last line on stdout is one JSON
object; with --json it is the only one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from commentator_lib.commentators.base import CommentatorError, CommentRequest
from commentator_lib.media import Frame
from commentator_lib.runs.meters import hardware, vram_used_bytes
from commentator_lib.settings import Settings, load_settings
from commentator_lib.sources.base import SourceInfo
from experiments.benchmarks.model.random_minicpmo import (
    NoModelCodeError,
    code_folder,
    folder_bytes,
    forget_files,
    is_random,
    load_random,
    recording,
    replace_speech_tokenizer,
    write_token2wav,
)

_PROMPT = "Describe what is happening in one or two sentences."
_AUDIO_PER_TEXT_TOKEN = 8
_TEXT_CHUNK = 10
# The model's own code goes first: our loop then joins its weights and replaces parts of its vocoder.
_OWN_STEPS = ("own_chat", "own_stream_text", "own_stream_speech")
_STEPS = (
    "start",
    *_OWN_STEPS,
    "text",
    "speech",
    "voice",
    "vocoder_error",
    "live",
    "vocoder_float16",
    "greedy_equal",
)
# What `--compare seed` runs: the way of the nerdpudding project, which is the model's own code, and ours.
_COMPARED = (*_OWN_STEPS, "text", "speech", "voice", "vocoder_error", "live")
# What an H100 could do if nothing but the weights' way from its memory counted (2.9 TB/s): name, BF16, INT4.
_LIMITS = {
    "decode_ms": {"bf16": 5.4, "awq": 1.7},
    "talker_ms": {"bf16": 0.25, "awq": 0.25},
}


def frames_of(count: int, width: int, height: int, seed: int) -> list[Frame]:
    """Random pictures: no two rounds see the same."""
    rng = np.random.default_rng(seed)
    return [
        Frame(k, k / 2, k / 2, rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for k in range(count)
    ]


def spread(values: list[float], digits: int = 2) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": round(float(np.median(values)), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def driver_bytes() -> int | None:
    """GPU memory in use, by the driver's count; None without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    used = vram_used_bytes()
    if used is None:  # no binding to ask the driver with
        free, total = torch.cuda.mem_get_info()
        used = total - free
    return used


class _DriverPeak:
    """The most that the driver has counted meanwhile, asked twenty times a second: what PyTorch gives back in between
    was taken all the same."""

    def __enter__(self) -> _DriverPeak:
        self.bytes = driver_bytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.bytes = max(self.bytes, driver_bytes())

    def __exit__(self, *_error) -> None:
        self._ended.set()
        self._thread.join()
        self.bytes = max(self.bytes, driver_bytes())


@contextmanager
def memory(into: dict[str, Any], name: str):
    """Idle and peak memory of what is done inside, added to `into`."""
    import torch

    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        into[f"{name}_torch_idle_bytes"] = torch.cuda.memory_allocated()
        into[f"{name}_torch_reserved_idle_bytes"] = torch.cuda.memory_reserved()
        into[f"{name}_vram_idle_bytes"] = driver_bytes()
    with _DriverPeak() if on_gpu else nullcontext() as peak:
        yield
    if on_gpu:
        torch.cuda.synchronize()
        into[f"{name}_torch_peak_bytes"] = torch.cuda.max_memory_allocated()
        into[f"{name}_torch_reserved_peak_bytes"] = torch.cuda.max_memory_reserved()
        into[f"{name}_vram_peak_bytes"] = peak.bytes


def process_s() -> float:
    """Seconds since this process began (Linux): psutil knows it to a whole second only."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def disk_bytes() -> int | None:
    """What this process had read from a disk, by the kernel's count; None where it does not count."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:  # not kept, or not shown in this container
        return None
    return int(dict(line.split(": ") for line in lines)["read_bytes"])


def synchronised_s() -> float:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Bench:
    """One loaded model and what is measured on it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from commentator_lib.commentators.minicpmo.checkpoint import inspect_checkpoint
        from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator
        from commentator_lib.commentators.minicpmo.preflight import check_and_make_loader
        from commentator_lib.commentators.weights import find_checkpoint

        self.arguments = arguments
        self.settings: Settings = load_settings(
            environment={},
            commentator="minicpmo",
            model_path="" if arguments.checkpoint == "random" else arguments.checkpoint,
            device="cuda" if arguments.device == "cuda" else "cpu",
            speech=not arguments.text_only,
            vocoder_float16=arguments.vocoder_float16,
        )
        load = None
        self.random, self.dtype = arguments.checkpoint == "random", arguments.dtype
        if not self.random:
            self.dtype = inspect_checkpoint(find_checkpoint(arguments.checkpoint)).quantization or "bf16"
        if not self.random and is_random(Path(arguments.checkpoint)):
            self.random = True
            replace_speech_tokenizer()
        if arguments.checkpoint == "random":
            code = code_folder(arguments.code)

            def load():
                return load_random(
                    code,
                    arguments.device,
                    arguments.dtype == "awq",
                    not arguments.text_only,
                    arguments.vocoder_float16,
                )

        # plain until what is the model's own has been measured
        self.quick = "start" in arguments.steps
        self.result: dict[str, Any] = {}
        self._own_mels: list[Any] = []
        if self.quick:
            self._imports_s = process_s()
            forget_files(Path(arguments.checkpoint))  # which is not the start's own time
            self._imported_s, self._disk_bytes = time.perf_counter(), disk_bytes()
            load = self._timed(check_and_make_loader(self.settings))
        self.commentator = MiniCPMOCommentator(self.settings, load, graphs=self.quick)
        if self.quick:
            return
        self._warm_up("load", "load_s", "plain")
        self._own_mels = self._mels() if self.speaks and "vocoder_error" in arguments.steps else []

    @property
    def speaks(self) -> bool:
        return not self.arguments.text_only

    def _hold_talker(self) -> None:
        if self.random and self.speaks:
            self.commentator.engine.speaker.talker.max_per_text_token = _AUDIO_PER_TEXT_TOKEN

    def quicken(self) -> None:
        """From the plain way to the recorded one, on the same loaded model."""
        from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator

        self.quick = True
        loaded = self.commentator.engine.loaded
        self.commentator = MiniCPMOCommentator(self.settings, lambda: loaded)
        self._warm_up("quick", "quicken_s", "our")

    def _warm_up(self, step: str, took: str, whose: str) -> None:
        """Make the commentator ready; the memory and time of that, and what then runs, go into the result."""
        with memory(self.result, step):
            started_s = synchronised_s()
            self.commentator.warm_up()
            self.result[took] = round(synchronised_s() - started_s, 1)
        self._warm(whose)

    def _warm(self, whose: str) -> None:
        """To be done once a commentator is ready."""
        self._hold_talker()
        self.result[f"{whose}_steps"] = type(self.commentator.engine.writer.sequence).__name__
        self.result[f"{whose}_layers"] = type(self.model.llm.model.layers[0].self_attn.q_proj).__name__

    def _timed(self, load: Callable[[], Any]) -> Callable[[], Any]:
        """The same loading; what it takes goes into the result."""

        def timed():
            started_s = synchronised_s()
            loaded = load()
            self.result["weights_s"] = round(synchronised_s() - started_s, 1)
            return loaded

        return timed

    @property
    def model(self):
        return self.commentator.engine.loaded.model

    def frames(self, seed: int) -> list[Frame]:
        return frames_of(self.arguments.frames, *self.arguments.size, seed)

    def measures(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Each step by its name."""
        given = self.arguments
        return {
            "start": self.start,
            "own_chat": lambda: self.own_text(given.own_tokens),
            "own_stream_text": lambda: self.own_stream(False, given.own_tokens),
            "own_stream_speech": lambda: self.own_stream(True, given.own_tokens),
            "text": lambda: self.ours(False, given.new_tokens),
            "speech": lambda: self.ours(True, given.speech_tokens),
            "voice": self.voice,
            "vocoder_error": self.vocoder_error,
            "live": lambda: self.live(given.live, given.live_tokens, given.live_clip),
            "vocoder_float16": self.vocoder_float16,
            # last: it may turn the model to float32
            "greedy_equal": lambda: self.greedy_equal(given.own_tokens),
        }

    def start(self) -> dict[str, Any]:
        """From this process's beginning to the first sound of its first comment, its weights on the disk."""
        folder = Path(self.arguments.checkpoint)
        out: dict[str, Any] = {
            "from": "disk",
            "read_bytes": folder_bytes(folder),
            "size": list(self.arguments.size),
            "imports_s": round(self._imports_s, 1),
        }
        request = CommentRequest(self.frames(0), _PROMPT, self.arguments.speech_tokens, self.speaks)
        self.commentator.expect_frames(*self.arguments.size)
        with memory(out, "start"):
            with memory(out, "load"):
                self.commentator.warm_up()
            ready_s = synchronised_s()
            out["load_s"] = round(ready_s - self._imported_s, 1)
            out["weights_s"] = self.result.pop("weights_s")
            if self._disk_bytes is not None:
                out["disk_bytes"] = disk_bytes() - self._disk_bytes
            self._warm("our")
            for chunk in self.commentator.comment(request):
                now_s = time.perf_counter()
                for what, there in (("text", chunk.text), ("sound", chunk.audio is not None)):
                    if there and f"first_{what}_s" not in out:
                        out[f"first_{what}_s"] = round(now_s - ready_s, 3)
                        out[f"to_first_{what}_s"] = round(now_s - self._imported_s + self._imports_s, 1)
                if chunk.problem:
                    raise RuntimeError(chunk.problem)
        return out

    # --- ours

    def ours(self, speech: bool, new_tokens: int) -> dict[str, Any]:
        """Comments through the library's own interface."""
        rows: list[dict[str, float]] = []
        out: dict[str, Any] = {}
        with memory(out, "cycle"):
            for seed in range(self.arguments.repeats + 1):
                request = CommentRequest(self.frames(seed), _PROMPT, new_tokens, speech)
                started_s = synchronised_s()
                first_text_s = first_sound_s = None
                tokens, sound_s, stages, text = 0, 0.0, None, ""
                for chunk in self.commentator.comment(request):
                    now_s = time.perf_counter() - started_s
                    if chunk.text and first_text_s is None:
                        first_text_s = now_s
                    if chunk.audio is not None:
                        first_sound_s = first_sound_s or now_s
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
                if seed:  # the first warms up
                    total_s = synchronised_s() - started_s
                    rows.append(_row(stages, tokens, sound_s, total_s, first_text_s, first_sound_s))
        for name in rows[0]:
            out[name] = spread([row[name] for row in rows])
        return out

    # --- the model's own

    def own_text(self, new_tokens: int) -> dict[str, Any]:
        """The model's `chat`, and its language model's `generate` as chat calls it, on the same embeddings."""
        import torch

        for name in ("get_audio_embedding", "get_audio_embedding_streaming"):
            setattr(self.model, name, lambda *_args, **_options: [])  # fails where no audio encoder is loaded
        chat_s, generate_ms = [], []
        out: dict[str, Any] = {}
        with memory(out, "chat"), torch.inference_mode():
            for seed in range(self.arguments.repeats + 1):
                messages = [{"role": "user", "content": [*_pictures(self.frames(seed)), _PROMPT]}]
                started_s = synchronised_s()
                self.model.chat(
                    msgs=messages,
                    max_new_tokens=new_tokens,
                    min_new_tokens=new_tokens,
                    num_beams=1,
                    do_sample=True,
                    max_slice_nums=1,
                    use_image_id=False,
                )
                chat_s.append(synchronised_s() - started_s)
                embeds = self.embeds(seed, speech=False)
                started_s = synchronised_s()
                self._generate(embeds, 1, min_new_tokens=1)
                one_s = synchronised_s() - started_s
                started_s = synchronised_s()
                self._generate(embeds, new_tokens, min_new_tokens=new_tokens)
                many_s = synchronised_s() - started_s
                generate_ms.append(1000 * (many_s - one_s) / (new_tokens - 1))
        out["total_s"] = spread(chat_s[1:])
        out["decode_ms"] = spread(generate_ms[1:])
        return out

    def _generate(self, embeds, new_tokens: int, **options):
        import torch

        greedy = options.pop("greedy", False)
        sampling = {} if greedy else {"top_p": 0.8, "top_k": 100, "temperature": 0.7}
        mask = torch.ones(embeds.shape[:2], dtype=torch.bool, device=embeds.device)
        return self.model.llm.generate(
            inputs_embeds=embeds,
            attention_mask=mask,
            pad_token_id=0,
            eos_token_id=self.commentator.engine.stops,
            num_beams=1,
            do_sample=not greedy,
            repetition_penalty=1.02,
            max_new_tokens=new_tokens,
            output_hidden_states=not greedy,
            return_dict_in_generate=True,
            **sampling,
            **options,
        )

    def own_stream(self, audio: bool, new_tokens: int) -> dict[str, Any]:
        """The model's `streaming_prefill` and `streaming_generate`; with sound its talker is held to as many
        audio tokens as ours, where weights are random."""
        first, total, per_token, sound, prefill = [], [], [], [], []
        out: dict[str, Any] = {}
        if audio:
            # a copy of what the model's own init would have made, for its own loop
            caches = self.commentator.engine.speaker.vocoder._caches
            self.model.token2wav_cache = {"flow_cache_base": caches[0], "hift_cache_base": caches[1]}
        with memory(out, "stream"), self._held_talker() as spent:
            for seed in range(self.arguments.repeats + 1):
                messages = [{"role": "user", "content": [*_pictures(self.frames(seed)), _PROMPT]}]
                started_s = synchronised_s()
                self.model.streaming_prefill(
                    session_id=f"bench {audio} {seed}",
                    msgs=messages,
                    max_slice_nums=1,
                    use_tts_template=True,
                    is_last_chunk=True,
                )
                prefilled_s = synchronised_s()
                first_s = None
                sound_s = 0.0
                for piece, _text in self.model.streaming_generate(
                    session_id=f"bench {audio} {seed}",
                    generate_audio=audio,
                    max_new_tokens=new_tokens,
                    do_sample=True,
                ):
                    first_s = first_s or time.perf_counter() - started_s
                    if audio and piece is not None:
                        sound_s += piece.shape[-1] / 24_000
                ended_s = synchronised_s()
                first.append(1000 * first_s)
                prefill.append(1000 * (prefilled_s - started_s))
                total.append(ended_s - started_s)
                per_token.append(1000 * (ended_s - prefilled_s) / new_tokens)
                sound.append(sound_s)
        out["preprocess_vision_prefill_ms"] = spread(prefill[1:])
        out["total_s"] = spread(total[1:])
        if audio:
            for name, seconds in spent.items():
                out[f"{name}_s_in_all"] = round(sum(seconds), 3)
            said_s = sum(sound)
            out["talker_ms"] = round(1000 * sum(spent["talker"]) / (25 * said_s), 2)
            out["vocoder_ms"] = round(1000 * sum(spent["vocoder"]) / said_s, 1)
            out["first_sound_ms"] = spread(first[1:])
            out["sound_s"] = spread(sound[1:])
            out["speech_compute_s"] = spread([t / s for t, s in zip(total[1:], sound[1:], strict=True)])
        else:
            out["first_text_ms"] = spread(first[1:])
            out["decode_ms"] = spread(per_token[1:])
        return out

    @contextmanager
    def _held_talker(self):
        """What the model's own talker and vocoder take, in seconds a call.

        A random talker does not end a chunk by itself: its own loop is given the bound that ours has.
        """
        module = sys.modules[_class_with(self.model, "streaming_generate").__module__]
        original = module.TTSStreamingGenerator
        bound = _AUDIO_PER_TEXT_TOKEN * _TEXT_CHUNK
        held = (bound,) if self.random else ()
        spent: dict[str, list[float]] = {"talker": [], "vocoder": []}

        class Held(original):
            def generate_with_buffer(self, condition, text_finished=False, *more):
                pieces = super().generate_with_buffer(condition, text_finished, *(held or more))
                while True:
                    started_s = synchronised_s()
                    try:
                        piece = next(pieces)
                    except StopIteration:
                        return
                    finally:
                        spent["talker"].append(synchronised_s() - started_s)
                    yield piece

        module.TTSStreamingGenerator = Held
        vocoder = getattr(self.model.tts, "audio_tokenizer", None)
        if vocoder is not None:
            own_stream = vocoder.stream

            def stream(*given, **options):
                started_s = synchronised_s()
                sound = own_stream(*given, **options)
                spent["vocoder"].append(synchronised_s() - started_s)
                return sound

            vocoder.stream = stream
        try:
            yield spent
        finally:
            module.TTSStreamingGenerator = original
            if vocoder is not None:
                del vocoder.stream

    # --- the same words

    def embeds(self, seed: int, speech: bool):
        from commentator_lib.commentators.minicpmo.prompt import embed_request
        from commentator_lib.commentators.minicpmo.stage_clock import StageClock

        engine = self.commentator.engine
        request = CommentRequest(self.frames(seed), _PROMPT, 1, speech)
        clock = StageClock(engine.loaded.device)
        return embed_request(engine, request, speech, self.settings.max_slice_nums, clock).embeds

    def greedy_equal(self, new_tokens: int) -> dict[str, Any]:
        """Whether our loop says what the model's own says.

        With random weights in half precision the two likeliest tokens are often exactly equal, and a GPU's argmax
        then gives either: the model's own loop differs from itself. So first the logits are compared, both made to
        say the same; then greedy tokens in float32, where there are no ties (BF16 only: AWQ's kernels are fp16).
        """
        import torch

        from commentator_lib.commentators.minicpmo.graphs import GraphPool
        from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence

        out: dict[str, Any] = {"logits": self._logits_apart(min(new_tokens, 40))}
        with torch.inference_mode():
            embeds = self.embeds(0, speech=False)
            once, again = (
                self._generate(embeds, new_tokens, greedy=True).sequences[0].tolist() for _ in range(2)
            )
        out["own_twice"] = _agree(once, again)
        if self.dtype == "bf16" or self.arguments.device == "cpu":
            engine = self.commentator.engine
            engine.writer = engine.plain_writer = engine.speaker = None
            engine.loaded.vocoder = engine.vision = None
            torch.cuda.empty_cache()  # their memory first
            self.model.float()
            torch.cuda.empty_cache()
            out["weights"] = "float32"
        model, lane = self.model.llm.model, GraphPool() if self.arguments.device == "cuda" else None
        out["plain"] = self._tokens_equal(PlainSequence(model), None, new_tokens)
        if not self.arguments.plain:
            out["written out"] = self._tokens_equal(LayeredSequence(model, 1024, lane), lane, new_tokens)
        return out

    def _logits_apart(self, steps: int) -> dict[str, Any]:
        """Largest differences of our logits from `generate`'s, over its own tokens; their spread beside them."""
        import torch

        from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence

        llm = self.model.llm
        with torch.inference_mode():
            embeds = self.embeds(0, speech=False)
            theirs = self._generate(embeds, steps, greedy=True, output_logits=True)
            out: dict[str, Any] = {"spread": round(float(theirs.logits[1].float().std()), 4), "steps": steps}
            sequences = {"plain": PlainSequence(llm.model)}
            if not self.arguments.plain:
                sequences["written out"] = LayeredSequence(llm.model, 1024)
            for name, sequence in sequences.items():
                apart = []
                sequence.take(embeds)
                for token, wanted in zip(theirs.sequences[0][:-1], theirs.logits[1:], strict=True):
                    hidden = sequence.take(llm.model.embed_tokens(token[None, None]))
                    apart.append(float((llm.lm_head(hidden)[0, 0].float() - wanted[0].float()).abs().max()))
                out[name] = max(apart)
        return out

    def _tokens_equal(self, sequence, lane, new_tokens: int) -> dict[str, Any]:
        import torch

        from commentator_lib.commentators.minicpmo.decode import Writer
        from commentator_lib.commentators.minicpmo.sampling import Sampling

        writer = Writer(
            self.model.llm, sequence, Sampling(temperature=0), max_tokens=new_tokens, graph_pool=lane
        )

        def ours(parts, suppressed, stops) -> list[int]:
            tokens = writer.generate(parts, max_new_tokens=new_tokens, stops=stops, suppressed=suppressed)
            return [token for token, _hidden in tokens if token is not None]

        embeds = self.embeds(0, speech=False)
        with torch.inference_mode():
            theirs = self._generate(embeds, new_tokens, greedy=True).sequences[0].tolist()
        mine = ours([embeds], [], self.commentator.engine.stops)
        return {
            "generate": _agree(mine, theirs),
            "streaming_generate_characters": _agree(*self._streamed_greedily(ours, new_tokens)),
        }

    def _streamed_greedily(self, ours, new_tokens: int) -> tuple[list[str], list[str]]:
        """Both as characters, since the model's stream gives text only; the prompt is taken in in its two parts."""
        import torch

        from commentator_lib.commentators.minicpmo.decode import token_ids

        tokenizer = self.commentator.engine.loaded.processor.tokenizer
        messages = [{"role": "user", "content": [*_pictures(self.frames(0)), _PROMPT]}]
        taken: list[Any] = []
        session = f"greedy {time.perf_counter()}"
        hook = self.model.llm.register_forward_pre_hook(
            lambda _module, _args, options: taken.append(options["inputs_embeds"]), with_kwargs=True
        )
        try:
            self.model.streaming_prefill(
                session_id=session,
                msgs=messages,
                max_slice_nums=1,
                use_tts_template=True,
                is_last_chunk=True,
            )
            with torch.inference_mode():
                pieces = [
                    text
                    for text, _last in self.model.streaming_generate(
                        session_id=session, generate_audio=False, max_new_tokens=new_tokens, do_sample=False
                    )
                ]
        finally:
            hook.remove()
        stops = token_ids(tokenizer, ("<|tts_eos|>", "<|im_end|>", "</s>"))
        tokens = ours(taken[:2], self.commentator.engine.suppressed, stops)
        return list(tokenizer.decode(tokens)), list("".join(pieces))

    # --- the voice

    def voice(self) -> dict[str, Any]:
        """Talker and vocoder each by itself: in a comment they run beside each other and the language model, and what
        one waits for another would be charged to it."""
        import torch

        speaker, device = self.commentator.engine.speaker, self.commentator.engine.loaded.device
        talker, vocoder = speaker.talker, speaker.vocoder
        width, numbers = self.model.llm.config.hidden_size, np.random.default_rng(1)
        dtype = self.model.tts.emb_text.weight.dtype
        talker_ms, vocoder_ms = [], []
        for seed in range(self.arguments.repeats + 1):
            torch.manual_seed(seed)
            talker.begin()
            for _ in range(2):
                ids = (
                    torch.randint(1000, (1, _TEXT_CHUNK), device=device)
                    % self.model.tts.emb_text.num_embeddings
                )
                hidden = torch.randn(1, _TEXT_CHUNK, width, device=device).to(dtype)
                started_s = synchronised_s()
                count = len(list(talker.say(ids, hidden, False)))
                took_s = synchronised_s() - started_s
            talker_ms.append(1000 * took_s / max(1, count))
            talker.capture_new_shapes()
            vocoder.begin()
            for token in numbers.integers(0, 6561, 135).tolist():
                started_s = synchronised_s()
                sound = vocoder.push(token % self.model.tts.config.num_audio_tokens)
                if sound is not None and len(sound) == 24_000:
                    vocoder_ms.append(1000 * (synchronised_s() - started_s))
            vocoder.begin()
        each = len(vocoder_ms) // len(talker_ms)
        return {"talker_ms": spread(talker_ms[1:]), "vocoder_ms": spread(vocoder_ms[each:])}

    def _mels(self) -> list[Any]:
        """The mel frames (1, 80, n) that the vocoder makes of drawn tokens, chunk by chunk; none of another vocoder."""
        vocoder = self.commentator.engine.speaker.vocoder
        flow = vocoder._token2wav.flow
        found: list[Any] = []
        if (own := getattr(flow, "inference_chunk", None)) is None:
            return found

        def kept(**given):
            mel, cache = own(**given)
            found.append(mel.float().cpu())
            return mel, cache

        flow.inference_chunk = kept
        try:
            vocoder.begin()
            for token in np.random.default_rng(1).integers(0, 6561, 120).tolist():
                vocoder.push(token)
            list(vocoder.finish())
        finally:
            del flow.inference_chunk
            vocoder.begin()
        return found

    def vocoder_error(self) -> dict[str, Any]:
        """How far our flow model's spectra are from its own: its mel frames are logarithms of a magnitude.

        A difference of 1 dB in a band is about what can be heard.
        """
        import torch

        if not self._own_mels:
            return {}
        own, ours = (torch.cat(mels, dim=2) for mels in (self._own_mels, self._mels()))
        apart_db = (ours - own).abs() * 20 / np.log(10)
        return {
            "rms_db": round(float(apart_db.square().mean().sqrt()), 4),
            "largest_db": round(float(apart_db.max()), 3),
            "own_spread_db": round(float(own.std()) * 20 / np.log(10), 2),
        }

    def vocoder_float16(self) -> dict[str, Any]:
        """Token2wav in half precision beside float32, on the same files, tokens and noise: its sound, time, memory.

        It runs by itself here, without the language model beside it.
        """
        import tempfile

        import torch

        from commentator_lib.commentators.minicpmo.loading import load_vocoder

        tokens = np.random.default_rng(1).integers(0, 6561, 100).tolist()
        self.commentator.engine.speaker = self.commentator.engine.loaded.vocoder = None
        out: dict[str, Any] = {}
        sounds = {}
        with tempfile.TemporaryDirectory() as folder:
            write_token2wav(Path(folder) / "token2wav")
            for name, half in (("float32", False), ("float16", True)):
                out[name] = {}
                self.model.tts.audio_tokenizer = None
                with memory(out[name], "vocoder"):
                    vocoder = load_vocoder(self.model, Path(folder), recording(), half)
                    took_s = []
                    for _ in range(2):  # the first warms up
                        vocoder.begin()
                        torch.manual_seed(0)
                        pieces = []
                        for token in tokens:
                            started_s = synchronised_s()
                            if (piece := vocoder.push(token)) is not None:
                                pieces.append(piece)
                                took_s.append(synchronised_s() - started_s)
                out[name]["vocoder_ms"] = spread([1000 * s for s in took_s[len(took_s) // 2 :]])
                sounds[name] = np.concatenate(pieces)
                del vocoder
        wanted, got = sounds["float32"], sounds["float16"]
        out["finite"] = bool(np.isfinite(got).all())
        out["signal_to_error_db"] = round(
            10 * float(np.log10((wanted**2).mean() / ((wanted - got) ** 2).mean())), 1
        )
        return out

    # --- live

    def live(self, seconds: float, comment_tokens: int, clip: str = "") -> dict[str, Any]:
        """A live run in real time, headless, on `clip` or on made pictures: no failed cycle, and memory that stays."""
        from commentator_lib.session import LiveSession

        settings = self.settings.changed(change_threshold=0.0, delay_init_s=0.6)
        kept = _Kept(self.commentator, comment_tokens)
        source = clip or _MovingPictures(seconds)
        session = LiveSession(source, settings, commentator=kept, voice=_NoVoice(), duration_s=seconds)
        session.run()
        cycles = session.log.cycles
        heard = cycles[cycles.heard_from_s.notna()]
        out: dict[str, Any] = {
            "seconds": seconds,
            "source": Path(session.source.info.spec).name,
            "delay_last_s": round(float(heard.delay_applied_s.iloc[-1]), 3) if len(heard) else None,
            "outcomes": session.log.header["outcomes"],
            "failed": int((cycles.outcome == "failed").sum()),
            "comments": len(heard),
            "notes": session.log.header.get("notes", []),
        }
        for column in ("first_sound_latency_s", "sync_error_s", "shortfall_s", "delay_applied_s", "speech_s"):
            values = heard[column].dropna().astype(float)
            if len(values):
                out[column] = {"median": round(values.median(), 3), "p95": round(values.quantile(0.95), 3)}
        for column in ("torch_idle_bytes", "torch_peak_bytes", "vram_peak_bytes"):
            values = cycles[column].dropna().astype(float)
            if len(values):
                out[column] = {
                    "first": int(values.iloc[0]),
                    "third": int(values.iloc[min(2, len(values) - 1)]),
                    "last": int(values.iloc[-1]),
                    "most": int(values.max()),
                }
        return out


class _Kept:
    """The commentator with a token cap, and without the end of a session closing it: there is more to measure."""

    def __init__(self, commentator, most_tokens: int) -> None:
        self._commentator, self._most_tokens = commentator, most_tokens
        self.name, self.has_voice = commentator.name, commentator.has_voice
        self.warm_up, self.expect_frames = commentator.warm_up, commentator.expect_frames

    def comment(self, request: CommentRequest):
        return self._commentator.comment(replace(request, max_new_tokens=self._most_tokens))


class _NoVoice:
    """The model speaks itself."""

    name = "none"
    sample_rate_hz = 24_000

    def warm_up(self) -> None:
        pass

    def speak(self, text: str):
        raise RuntimeError("the model's own voice was to speak")


class _MovingPictures:
    """A file's worth of pictures in which a square runs across a textured ground, 640×360 at 25 a second."""

    def __init__(self, duration_s: float) -> None:
        rng = np.random.default_rng(0)
        self._ground = rng.integers(0, 200, (360, 640, 3), dtype=np.uint8)
        self._count = int(duration_s * 25)
        self._index = 0
        self.problem = ""
        self.skipped = 0
        self.info = SourceInfo("synthetic: a moving square", 640, 360, 25.0, duration_s, live=False)

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        due = min(self._count, int(not_before_s * 25))
        self.skipped += max(0, due - self._index)
        self._index = max(self._index, due)
        if self._index >= self._count:
            return None
        image = self._ground.copy()
        x = (self._index * 6) % 540
        image[130:230, x : x + 100] = 255
        frame = Frame(self._index, self._index / 25, float("nan"), image)
        self._index += 1
        return frame

    def close(self) -> None:
        pass


def _row(stages, tokens, sound_s, total_s, first_text_s, first_sound_s) -> dict[str, float]:
    row = {f"{name}_ms": 1000 * getattr(stages, f"{name}_s") for name in ("preprocess", "vision", "prefill")}
    row["look_ms"] = row["preprocess_ms"] + row["vision_ms"] + row["prefill_ms"]
    row["decode_ms"] = 1000 * stages.decode_s / max(1, tokens - 1)
    row["tokens_per_s"] = max(1, tokens - 1) / stages.decode_s if stages.decode_s else 0.0
    row["tokens"] = float(tokens)
    row["total_s"] = total_s
    row["first_text_ms"] = 1000 * first_text_s
    if sound_s:
        row["talker_ms"] = 1000 * stages.talker_s / (25 * sound_s)
        row["vocoder_ms"] = 1000 * stages.vocoder_s / sound_s
        row["first_sound_ms"] = 1000 * first_sound_s
        row["sound_s"] = sound_s
        row["speech_compute_s"] = total_s / sound_s
    return row


def _agree(ours: list, theirs: list) -> dict[str, int]:
    """How many agree before the first that differs."""
    count = min(len(ours), len(theirs))
    same = next((k for k in range(count) if ours[k] != theirs[k]), count)
    return {"equal": same, "of": count}


def _pictures(frames: list[Frame]):
    from PIL import Image

    return [Image.fromarray(frame.image) for frame in frames]


def _class_with(model, name: str) -> type:
    return next(kind for kind in type(model).__mro__ if name in kind.__dict__)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", default="random", help="random, a checkpoint folder or a hub id")
    parser.add_argument("--code", default="", help="random: the folder with the model's own code")
    parser.add_argument(
        "--dtype", choices=("bf16", "awq"), default="bf16", help="random: which weights to make"
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--frames", type=int, default=4, help="pictures a comment sees")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(448, 448), metavar=("WIDTH", "HEIGHT"), help="pixels"
    )
    parser.add_argument(
        "--new-tokens", type=int, default=150, help="tokens of a comment that is only written"
    )
    parser.add_argument("--speech-tokens", type=int, default=50, help="tokens of a comment that is spoken")
    parser.add_argument(
        "--own-tokens", type=int, default=40, help="tokens of a comment by the model's own code"
    )
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count, after one that warms up")
    parser.add_argument("--text-only", action="store_true", help="without talker and vocoder")
    parser.add_argument("--plain", action="store_true", help="our loop without CUDA graphs")
    parser.add_argument("--vocoder-float16", action="store_true", help="Token2wav in half precision")
    parser.add_argument(
        "--live", type=float, default=0.0, metavar="SECONDS", help="and a live run of this length"
    )
    parser.add_argument(
        "--live-clip", default="", metavar="FILE", help="the video of that run; else a moving square"
    )
    parser.add_argument("--live-tokens", type=int, default=20, help="token cap of that run")
    parser.add_argument(
        "--steps",
        nargs="+",
        choices=_STEPS,
        help="which measures, of all; live needs --live too, start a checkpoint folder and none of the model's own",
    )
    parser.add_argument(
        "--compare",
        choices=("seed",),
        help="beside the nerdpudding project's way, which is the model's own code: what it takes, and a table",
    )
    parser.add_argument("--json", action="store_true", help="print the JSON line alone")
    given = parser.parse_args(arguments)
    compared = _COMPARED if given.compare else ()
    given.steps = {*compared, *(given.steps or ())} or {*_STEPS} - {"start"}
    if "start" in given.steps and ({*_OWN_STEPS, "vocoder_error"} & given.steps or given.plain):
        parser.error(
            "start measures the recorded way alone: without --compare, --plain and the model's own steps"
        )
    if given.live_clip and not Path(given.live_clip).is_file():
        parser.error(f"--live-clip wants a video file, and {given.live_clip} is none")
    if "start" in given.steps and not Path(given.checkpoint).is_dir():
        parser.error(f"start wants a checkpoint folder, and {given.checkpoint} is none")
    return given


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    given = parse(arguments)
    import torch
    import transformers

    if given.device == "cuda" and not torch.cuda.is_available():
        raise CommentatorError(
            "this benchmark needs a GPU, and PyTorch sees none; --device cpu for a tiny checkpoint"
        )
    bench = Bench(given)
    result: dict[str, Any] = {
        "checkpoint": given.checkpoint,
        "weights": "random" if bench.random else "as loaded",
        "dtype": bench.dtype,
        "gpu": torch.cuda.get_device_name() if given.device == "cuda" else None,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "hardware": hardware(),
        "frames": given.frames,
        "size": list(given.size),
    }

    measures = bench.measures()
    for name in _STEPS:
        speaks = name.endswith("speech") or name.startswith("vo")
        if name not in given.steps or (given.text_only and speaks) or (name == "live" and not given.live):
            continue
        if name == "vocoder_float16" and (given.checkpoint != "random" or given.device == "cpu"):
            continue
        if name not in _OWN_STEPS and not given.plain and not bench.quick:
            bench.quicken()
        started_s = time.perf_counter()
        result[name] = measures[name]()
        print(f"{name}: {time.perf_counter() - started_s:.1f} s", file=sys.stderr, flush=True)
        if not given.json:
            print(f"{name}: {json.dumps(result[name], indent=1)}", flush=True)
    result |= bench.result
    if given.compare and not given.json:
        print(comparison(result), flush=True)
    print(json.dumps(result), flush=True)
    return result


def comparison(result: dict[str, Any]) -> str:
    """The stages of the model's own code and of ours as a table, medians with the least and the most."""
    stages = [
        ("frames to first sound, ms", "own_stream_speech", "first_sound_ms", "speech", "first_sound_ms"),
        (
            "preprocessing, vision, prefill, ms",
            "own_stream_text",
            "preprocess_vision_prefill_ms",
            "text",
            "look_ms",
        ),
        ("decode, ms a token (generate)", "own_chat", "decode_ms", "text", "decode_ms"),
        ("decode, ms a token (streaming_generate)", "own_stream_text", "decode_ms", "text", "decode_ms"),
        ("talker, ms an audio token", "own_stream_speech", "talker_ms", "voice", "talker_ms"),
        ("Token2wav, ms a second of sound", "own_stream_speech", "vocoder_ms", "voice", "vocoder_ms"),
        (
            "speech, s of computing a second",
            "own_stream_speech",
            "speech_compute_s",
            "speech",
            "speech_compute_s",
        ),
    ]

    def shown(value) -> str:
        if isinstance(value, dict):
            return f"{value['median']:g} ({value['min']:g}–{value['max']:g})"
        return "" if value is None else f"{value:g}"

    rows = [("stage", "its own", "ours", "limit")]
    for name, own_step, own_key, our_step, our_key in stages:
        limit = _LIMITS.get(our_key, {}).get(result["dtype"])
        own, ours = result.get(own_step, {}).get(own_key), result.get(our_step, {}).get(our_key)
        rows.append((name, shown(own), shown(ours), shown(limit)))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


if __name__ == "__main__":
    try:
        main()
    except (CommentatorError, NoModelCodeError) as error:
        print(f"bench_model: {error}", file=sys.stderr)
        sys.exit(2)
