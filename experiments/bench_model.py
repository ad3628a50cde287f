"""What MiniCPM-o 4.5 costs on this machine, stage by stage: our loop, and beside it the model's own.

Why these quantities: a live commentary starts to speak after preprocessing, vision, prefill, ten tokens, a second
of audio tokens and a second of vocoder; each is a stage of its own with a limit of its own, and only the sum is
heard. A loop of our own must not be slower anywhere than the model's, and must say the same, or its numbers are
worth nothing.

  preprocess_ms, vision_ms, prefill_ms    frames to embeddings, embeddings to the first token
  decode_ms                               a token, after the first; tokens_per_s is its inverse
  talker_ms, vocoder_ms                   an audio token (25 a second); a second of sound
  first_text_ms, first_sound_ms           from the frames
  speech_compute_s                        wall time of the comment for a second of its sound
  greedy_equal                            tokens that agree with the model's own, taken greedily, of how many
  vram_idle_bytes, vram_peak_bytes        by the driver; torch_* by PyTorch's own count

    python -m experiments.bench_model --checkpoint random --dtype bf16 --frames 4 --new-tokens 150 --json
    python -m experiments.bench_model --checkpoint /models/MiniCPM-o-4_5-awq --live 120

`random` is the full published size with drawn weights: true times and memory, no sensible words, and a talker that
never ends by itself (so each text token gets eight audio tokens, 0.3 s, in our loop and in the model's). It needs
the model's own code, see MINICPMO_CODE_DIR in experiments/random_minicpmo.py. The last line on stdout is one JSON
object; with --json it is the only one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from commentator_lib.capture import SourceInfo
from commentator_lib.commentators.base import CommentatorError, CommentRequest
from commentator_lib.config import Settings, load_settings
from commentator_lib.media import Frame
from commentator_lib.meters import hardware
from experiments.random_minicpmo import NoModelCodeError, code_folder, load_random, write_token2wav

_PROMPT = "Describe what is happening in one or two sentences."
_AUDIO_PER_TEXT_TOKEN = 8
_TEXT_CHUNK = 10
_STEPS = (
    "text", "own_chat", "own_stream_text", "speech", "own_stream_speech", "live", "vocoder_float16", "greedy_equal",
)  # fmt: skip


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
    free, total = torch.cuda.mem_get_info()
    return total - free


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
        into[f"{name}_vram_idle_bytes"] = driver_bytes()
    yield
    if on_gpu:
        torch.cuda.synchronize()
        into[f"{name}_torch_peak_bytes"] = torch.cuda.max_memory_allocated()
        into[f"{name}_vram_peak_bytes"] = driver_bytes()  # PyTorch keeps what it once took: this is the peak


def synchronised_s() -> float:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Bench:
    """One loaded model and what is measured on it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator

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

        self.commentator = MiniCPMOCommentator(self.settings, load, graphs=not arguments.plain)
        self.result: dict[str, Any] = {}
        with memory(self.result, "load"):
            started_s = synchronised_s()
            self.commentator.warm_up()
            self.result["load_s"] = round(synchronised_s() - started_s, 1)
        if arguments.checkpoint == "random" and not arguments.text_only:
            self.commentator._speaker._talker._most_per_text_token = _AUDIO_PER_TEXT_TOKEN

    @property
    def model(self):
        return self.commentator._loaded.model

    def frames(self, seed: int) -> list[Frame]:
        return frames_of(self.arguments.frames, *self.arguments.size, seed)

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
                tokens, sound_s, stages = 0, 0.0, {}
                for chunk in self.commentator.comment(request):
                    now_s = time.perf_counter() - started_s
                    if chunk.text and first_text_s is None:
                        first_text_s = now_s
                    if chunk.audio is not None:
                        first_sound_s = first_sound_s or now_s
                        sound_s += chunk.audio.duration_s
                    tokens += chunk.output_tokens
                    stages = dict(chunk.stage_s or stages)
                    if chunk.prompt_tokens:
                        out["prompt_tokens"], out["image_tokens"] = chunk.prompt_tokens, chunk.image_tokens
                    if chunk.problem:
                        raise RuntimeError(chunk.problem)
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
                    msgs=messages, max_new_tokens=new_tokens, min_new_tokens=new_tokens, num_beams=1,
                    do_sample=True, max_slice_nums=1, use_image_id=False,
                )  # fmt: skip
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
            inputs_embeds=embeds, attention_mask=mask, pad_token_id=0, eos_token_id=self.commentator._stops,
            num_beams=1, do_sample=not greedy, repetition_penalty=1.02, max_new_tokens=new_tokens,
            output_hidden_states=not greedy, return_dict_in_generate=True, **sampling, **options,
        )  # fmt: skip

    def own_stream(self, audio: bool, new_tokens: int) -> dict[str, Any]:
        """The model's `streaming_prefill` and `streaming_generate`; with sound its talker is held to as many
        audio tokens as ours, where weights are random."""
        first, total, per_token, sound, prefill = [], [], [], [], []
        out: dict[str, Any] = {}
        if audio:
            # a copy of what the model's own init would have made, for its own loop
            caches = self.commentator._speaker._vocoder._caches
            self.model.token2wav_cache = {"flow_cache_base": caches[0], "hift_cache_base": caches[1]}
        with memory(out, "stream"), self._held_talker():
            for seed in range(self.arguments.repeats + 1):
                messages = [{"role": "user", "content": [*_pictures(self.frames(seed)), _PROMPT]}]
                started_s = synchronised_s()
                self.model.streaming_prefill(
                    session_id=f"bench {audio} {seed}", msgs=messages, max_slice_nums=1, use_tts_template=True,
                    is_last_chunk=True,
                )  # fmt: skip
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
            out["first_sound_ms"] = spread(first[1:])
            out["sound_s"] = spread(sound[1:])
            out["speech_compute_s"] = spread([t / s for t, s in zip(total[1:], sound[1:], strict=True)])
        else:
            out["first_text_ms"] = spread(first[1:])
            out["decode_ms"] = spread(per_token[1:])
        return out

    @contextmanager
    def _held_talker(self):
        """A random talker does not end a chunk by itself: give the model's own loop the bound that ours has."""
        if self.arguments.checkpoint != "random":
            yield
            return
        module = sys.modules[_class_with(self.model, "streaming_generate").__module__]
        original = module.TTSStreamingGenerator

        class Held(original):
            def generate_with_buffer(self, condition, text_finished=False):
                return super().generate_with_buffer(
                    condition, text_finished, _AUDIO_PER_TEXT_TOKEN * _TEXT_CHUNK
                )

        module.TTSStreamingGenerator = Held
        try:
            yield
        finally:
            module.TTSStreamingGenerator = original

    # --- the same words

    def embeds(self, seed: int, speech: bool):
        from commentator_lib.commentators.minicpmo.commentator import _StageClock

        clock = _StageClock(self.commentator._loaded.device)
        request = CommentRequest(self.frames(seed), _PROMPT, 1, speech)
        return self.commentator._look(request, speech, clock)[1]

    def greedy_equal(self, new_tokens: int) -> dict[str, Any]:
        """Whether our loop says what the model's own says.

        With random weights in half precision the two likeliest tokens are often exactly equal, and a GPU's argmax
        then gives either: the model's own loop differs from itself. So first the logits are compared, both made to
        say the same; then greedy tokens in float32, where there are no ties (BF16 only: AWQ's kernels are fp16).
        """
        import torch

        out: dict[str, Any] = {"logits": self._logits_apart(min(new_tokens, 40))}
        with torch.inference_mode():
            embeds = self.embeds(0, speech=False)
            once, again = (
                self._generate(embeds, new_tokens, greedy=True).sequences[0].tolist() for _ in range(2)
            )
        out["own_twice"] = _agree(once, again)
        steps = self.commentator._steps
        if self.arguments.dtype == "bf16" or self.arguments.device == "cpu":
            self.model.float()
            out["weights"] = "float32"
            if type(steps).__name__ == "GraphSequence":
                self.commentator._steps = self.commentator._speaker = steps = None  # their memory first
                torch.cuda.empty_cache()
                steps = self.commentator._recorded(self.model.llm.model, 1024)
        for name, sequence in (("plain", self.commentator._plain), ("default", steps)):
            out[name] = self._tokens_equal(sequence, new_tokens)
        return out

    def _logits_apart(self, steps: int) -> dict[str, Any]:
        """Largest differences of our logits from `generate`'s, over its own tokens; their spread beside them."""
        import torch

        from commentator_lib.commentators.minicpmo.decode import take

        llm = self.model.llm
        with torch.inference_mode():
            embeds = self.embeds(0, speech=False)
            theirs = self._generate(embeds, steps, greedy=True, output_logits=True)
            out: dict[str, Any] = {"spread": round(float(theirs.logits[1].float().std()), 4), "steps": steps}
            for name, sequence in (("plain", self.commentator._plain), ("default", self.commentator._steps)):
                sequence.begin()
                take(llm, sequence, embeds)
                apart = []
                for token, wanted in zip(theirs.sequences[0][:-1], theirs.logits[1:], strict=True):
                    logits, _ = take(llm, sequence, llm.model.embed_tokens(token[None, None]))
                    apart.append(float((logits - wanted[0].float()).abs().max()))
                out[name] = max(apart)
        return out

    def _tokens_equal(self, sequence, new_tokens: int) -> dict[str, Any]:
        import torch

        from commentator_lib.commentators.minicpmo.decode import Sampling, generate

        def ours(parts, suppressed, stops) -> list[int]:
            tokens = generate(
                self.model.llm, sequence, parts, max_new_tokens=new_tokens, stops=stops, suppressed=suppressed,
                sampling=Sampling(temperature=0),
            )  # fmt: skip
            return [token for token, _hidden in tokens if token is not None]

        embeds = self.embeds(0, speech=False)
        with torch.inference_mode():
            theirs = self._generate(embeds, new_tokens, greedy=True).sequences[0].tolist()
        mine = ours([embeds], [], self.commentator._stops)
        return {
            "generate": _agree(mine, theirs),
            "streaming_generate_characters": _agree(*self._streamed_greedily(ours, new_tokens)),
        }

    def _streamed_greedily(self, ours, new_tokens: int) -> tuple[list[str], list[str]]:
        """Both as characters, since the model's stream gives text only; the prompt is taken in in its two parts."""
        import torch

        from commentator_lib.commentators.minicpmo.decode import token_ids

        tokenizer = self.commentator._loaded.processor.tokenizer
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
        tokens = ours(taken[:2], self.commentator._suppressed, stops)
        return list(tokenizer.decode(tokens)), list("".join(pieces))

    # --- the vocoder in half precision

    def vocoder_float16(self) -> dict[str, Any]:
        """Token2wav in half precision beside float32, on the same files, tokens and noise: its sound, time, memory.

        It runs by itself here, without the language model beside it.
        """
        import tempfile
        from pathlib import Path

        import torch

        from commentator_lib.commentators.minicpmo.loading import load_vocoder

        tokens = np.random.default_rng(1).integers(0, 6561, 100).tolist()
        voice = np.random.default_rng(0).normal(0, 0.05, 6 * 16_000).astype(np.float32)
        self.commentator._speaker = self.commentator._loaded.vocoder = None
        out: dict[str, Any] = {}
        sounds = {}
        with tempfile.TemporaryDirectory() as folder:
            write_token2wav(Path(folder) / "token2wav")
            for name, half in (("float32", False), ("float16", True)):
                out[name] = {}
                self.model.tts.audio_tokenizer = None
                with memory(out[name], "vocoder"):
                    vocoder = load_vocoder(self.model, Path(folder), voice, half)
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

    def live(self, seconds: float, comment_tokens: int) -> dict[str, Any]:
        """A live run in real time on moving pictures, headless: no failed cycle, and memory that stays."""
        from commentator_lib.session import LiveSession

        settings = self.settings.changed(change_threshold=0.0, delay_init_s=3.0)
        kept = _Kept(self.commentator, comment_tokens)
        session = LiveSession(_MovingPictures(seconds), settings, commentator=kept, voice=_NoVoice())
        session.run()
        cycles = session.log.cycles
        heard = cycles[cycles.heard_from_s.notna()]
        out: dict[str, Any] = {
            "seconds": seconds,
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
                    "last": int(values.iloc[-1]),
                    "most": int(values.max()),
                }
        return out


class _Kept:
    """The commentator with a token cap, and without the end of a session closing it: there is more to measure."""

    def __init__(self, commentator, most_tokens: int) -> None:
        self._commentator, self._most_tokens = commentator, most_tokens
        self.name, self.has_voice = commentator.name, commentator.has_voice
        self.warm_up = commentator.warm_up

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
        self.info = SourceInfo("made: a moving square", 640, 360, 25.0, duration_s, live=False)

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
    row = {f"{name}_ms": 1000 * stages[name] for name in ("preprocess", "vision", "prefill")}
    row["decode_ms"] = 1000 * stages["decode"] / max(1, tokens - 1)
    row["tokens_per_s"] = max(1, tokens - 1) / stages["decode"] if stages["decode"] else 0.0
    row["tokens"] = float(tokens)
    row["total_s"] = total_s
    row["first_text_ms"] = 1000 * first_text_s
    if sound_s:
        row["talker_ms"] = 1000 * stages["talker"] / (25 * sound_s)
        row["vocoder_ms"] = 1000 * stages["vocoder"] / sound_s
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
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count, after one that warms up")
    parser.add_argument("--text-only", action="store_true", help="without talker and vocoder")
    parser.add_argument("--plain", action="store_true", help="our loop without CUDA graphs")
    parser.add_argument("--vocoder-float16", action="store_true", help="Token2wav in half precision")
    parser.add_argument(
        "--live", type=float, default=0.0, metavar="SECONDS", help="and a live run of this length"
    )
    parser.add_argument("--live-tokens", type=int, default=20, help="token cap of that run")
    parser.add_argument(
        "--steps",
        nargs="+",
        choices=_STEPS,
        default=list(_STEPS),
        help="which measures, of all; live needs --live too",
    )
    parser.add_argument("--json", action="store_true", help="print the JSON line alone")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    given = parse(arguments)
    if given.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise CommentatorError(
                "this benchmark needs a GPU, and PyTorch sees none; --device cpu for a tiny checkpoint"
            )
    import torch
    import transformers

    bench = Bench(given)
    result: dict[str, Any] = {
        "checkpoint": given.checkpoint,
        "weights": "random" if given.checkpoint == "random" else "as loaded",
        "dtype": given.dtype,
        "gpu": torch.cuda.get_device_name() if given.device == "cuda" else None,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "hardware": hardware(),
        "frames": given.frames,
        "size": list(given.size),
        "our_steps": type(bench.commentator._steps).__name__,
        "layers": type(bench.model.llm.model.layers[0].self_attn.q_proj).__name__,
        **bench.result,
    }

    measures = {
        "text": lambda: bench.ours(False, given.new_tokens),
        "own_chat": lambda: bench.own_text(given.new_tokens),
        "own_stream_text": lambda: bench.own_stream(False, given.new_tokens),
        "speech": lambda: bench.ours(True, given.speech_tokens),
        "own_stream_speech": lambda: bench.own_stream(True, given.speech_tokens),
        "live": lambda: bench.live(given.live, given.live_tokens),
        "vocoder_float16": bench.vocoder_float16,
        "greedy_equal": lambda: bench.greedy_equal(
            given.new_tokens
        ),  # last: it may turn the model to float32
    }
    for name in _STEPS:
        speaks = name.endswith("speech") or name.startswith("vocoder")
        if name not in given.steps or (given.text_only and speaks) or (name == "live" and not given.live):
            continue
        if name == "vocoder_float16" and (given.checkpoint != "random" or given.device == "cpu"):
            continue
        started_s = time.perf_counter()
        result[name] = measures[name]()
        print(f"{name}: {time.perf_counter() - started_s:.1f} s", file=sys.stderr, flush=True)
        if not given.json:
            print(f"{name}: {json.dumps(result[name], indent=1)}", flush=True)
    print(json.dumps(result), flush=True)
    return result


if __name__ == "__main__":
    try:
        main()
    except (CommentatorError, NoModelCodeError) as error:
        print(f"bench_model: {error}", file=sys.stderr)
        sys.exit(2)
