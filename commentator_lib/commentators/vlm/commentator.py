"""Any image-text model that transformers loads, as a commentator: SmolVLM2, Qwen2.5-VL, Qwen3-VL and many more.

It has no voice of its own: the embedded one speaks each sentence as soon as it stands, so text must come token by
token, and a comment must end between two tokens when it is overtaken. `pipeline("image-text-to-text")`, the obvious
way, offers neither. A loop of our own over the model's forward would, but how a cache is laid out and what goes into
the next step differs from model to model and from version to version. So `generate` itself runs in a thread beside
this one: it hands over each token as it is picked, and asks after each whether to stop.

`generate` draws from the one random generator of the whole process, and within the top-k and top-p of the
checkpoint, which for Qwen2-VL leave nothing to draw. So tokens are drawn here, each comment from its own seed.

The code that a checkpoint brings along is never run: what transformers does not know itself is refused.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.commentators.base import (
    Commentator,
    CommentatorError,
    CommentChunk,
    CommentRequest,
    StageTimes,
)
from commentator_lib.commentators.text_stream import TextStream
from commentator_lib.commentators.torch_tools import free_gpu, out_of_memory, quietly
from commentator_lib.commentators.weights import bytes_text, find_checkpoint, first_sentence, loaded_bytes
from commentator_lib.media import Frame
from commentator_lib.settings import Settings

if TYPE_CHECKING:
    import torch

_INSTALL = "pip install 'commentator-lib[vlm]'"
_EXAMPLES = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct or Qwen/Qwen2.5-VL-3B-Instruct"
# Activations, the KV cache and the allocator's slack, as a share of the weights.
_WORKING_SHARE = 0.2
# What is drawn from, whatever the model; these are MiniCPM-o's.
_TOP_K = 100
_TOP_P = 0.8
_END = object()


class VLMCommentator(Commentator):
    """The model that `settings.model_path` names, on a GPU or a CPU.

    The constructor loads no weights. It raises CommentatorError, one line with its mend, for what can be told
    without them: packages, checkpoint, architecture, device, memory.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder, self._device = _check(settings)
        self.name = f"vlm: {settings.model_path.rstrip('/').rsplit('/', 1)[-1]}"
        self._loaded: _Loaded | None = None
        self._generation: _Generation | None = None
        self._comments = 0

    def warm_up(self) -> None:
        """Load the model and write two tokens, so that the first comment is not slower than the others.

        CommentatorError for a model that cannot be loaded, or that cannot be asked about a picture.
        """
        if self._loaded is not None:
            return
        grey = Frame(0, 0.0, 0.0, np.full((360, 640, 3), 127, np.uint8))
        problem = ""  # raised further down: tracebacks of these errors hold the model
        try:
            self._loaded = _load(self._folder, self._device, self._settings.max_slice_nums)
            for _ in self._comment(CommentRequest([grey], "Say hello.", 2), timeout_s=None):
                pass
        except CommentatorError as error:
            problem = str(error)
        except ImportError as error:
            problem = f"{self._folder} needs a package that is not here: {first_sentence(error)}; {_INSTALL}"
        except Exception as error:  # models and their files fail in all ways that libraries know
            if out_of_memory(error):
                problem = (
                    f"the memory is too small for {self._folder} ({first_sentence(error)}): end what else uses it, "
                    "or set model_path to a smaller model"
                )
            else:
                problem = (
                    f"{self._folder} cannot be run with transformers {sys.modules['transformers'].__version__} "
                    f"({type(error).__name__}: {first_sentence(error)}): download it again, or set model_path to a "
                    f"model such as {_EXAMPLES}"
                )
        self._comments = 0  # the same seed gives the same comments, also after `close`
        if problem:
            self.close()
            raise CommentatorError(problem)

    def close(self) -> None:
        """Free the model's memory; `warm_up` loads it again."""
        if self._generation is not None:
            self._generation.cancel(self._settings.inference_timeout_s)
        if self._loaded is not None:
            self._loaded = None
            free_gpu()

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """One comment, a token a chunk. Frames (H, W, 3) uint8 of any sizes.

        MemoryError, in one line, where the memory does not suffice for it: the next one finds it freed. TimeoutError
        where no token comes for `inference_timeout_s`. Errors of the model pass through.
        """
        self.warm_up()
        problem = ""
        try:
            yield from self._comment(request, self._settings.inference_timeout_s)
        except Exception as error:  # only those that say that memory is short are handled here
            if not out_of_memory(error):
                raise
            problem = first_sentence(error)
        if problem:  # not from inside: the error holds the frames of the call, and they hold the tensors
            free_gpu()
            raise MemoryError(
                f"the memory did not suffice for this comment ({problem}): its caches were freed; lower "
                "frames_per_inference or picture_max_px if it happens again"
            )

    def _comment(self, request: CommentRequest, timeout_s: float | None) -> Iterator[CommentChunk]:
        if self._generation is not None and self._generation.running:
            raise RuntimeError("the model is still busy with a comment that it did not end in time")
        loaded = self._loaded
        started_s = time.perf_counter()
        inputs = loaded.inputs(request)
        ids = inputs["input_ids"]
        image_token = loaded.image_token
        image_tokens = None if image_token is None else int((ids == image_token).sum())
        preprocess_s = time.perf_counter() - started_s
        yield CommentChunk("", None, 0, image_tokens=image_tokens, prompt_tokens=int(ids.shape[-1]))
        options: dict[str, Any] = {"max_new_tokens": request.max_new_tokens}
        if self._settings.temperature > 0:
            seed = comment_seed(self._settings.seed, self._comments)
            options["logits_processor"] = [_Draw(self._settings.temperature, seed, ids.device)]
        self._comments += 1
        generation = self._generation = _Generation(lambda **ours: loaded.model.generate(**inputs, **ours))
        text = TextStream(loaded.processor.tokenizer, loaded.end_tokens)
        with contextlib.closing(generation.tokens(timeout_s, **options)) as tokens:
            for token in tokens:
                yield CommentChunk(text.push(token), None, 1)
        times = StageTimes(
            preprocess_s=preprocess_s, prefill_s=generation.prefill_s, decode_s=generation.decode_s
        )
        yield CommentChunk(text.rest(), None, 0, stage_times=times)


# What is picked, and as what it is shown


def comment_seed(seed: int, comment: int) -> int:
    """The seed of the n-th comment: neighbouring seeds of a session share none of theirs, and a comment that is cut
    off changes nothing for those after it."""
    return (seed * 1_000_003 + comment) % 2**63


def draw(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    """One token id (1,), drawn from `logits` (V,) at `temperature` > 0 within the top k and the top p."""
    import torch

    values, ids = torch.topk(logits.float() / temperature, min(_TOP_K, logits.shape[-1]))
    probabilities = values.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    kept = probabilities.where(before <= _TOP_P, torch.zeros_like(probabilities))
    return ids.gather(0, torch.multinomial(kept, 1, generator=generator))


class _Draw:
    """A logits processor for `generate` that leaves one token to take: the drawn one."""

    def __init__(self, temperature: float, seed: int, device: torch.device) -> None:
        import torch

        self._temperature = temperature
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`scores` (1, V) as they are, and as they are left: 0 for the drawn token, −inf for all others."""
        only = scores.new_full(scores.shape, -math.inf)
        only[0, draw(scores[0], self._temperature, self._generator)] = 0.0
        return only


class _Generation:
    """One run of `generate` in a thread of its own: the streamer that takes its tokens, and its stop sign.

    `generate(streamer=…, stopping_criteria=…, **options)` is called once. Times in seconds.
    """

    def __init__(self, generate: Callable[..., Any]) -> None:
        self._generate = generate
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._error: BaseException | None = None
        self._prompt_came = False
        self._times_s: list[float] = []  # of the start and of each token
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def prefill_s(self) -> float:
        """From the start to the first token."""
        return self._times_s[1] - self._times_s[0] if len(self._times_s) > 1 else 0.0

    @property
    def decode_s(self) -> float:
        """From the first token to the last."""
        return self._times_s[-1] - self._times_s[1] if len(self._times_s) > 1 else 0.0

    def tokens(self, timeout_s: float | None, **options: Any) -> Iterator[int]:
        """Token ids as they come; what `generate` raises is raised here, after the tokens before it.

        Closing the iterator stops it at its next token and waits for that. TimeoutError when none comes for
        `timeout_s`; None waits for ever.
        """
        self._times_s.append(time.perf_counter())
        self._thread = threading.Thread(target=self._run, args=(options,), name="generation", daemon=True)
        self._thread.start()
        wait_s = timeout_s
        try:
            while True:
                try:
                    token = self._queue.get(timeout=timeout_s)
                except queue.Empty:
                    wait_s = 0.0  # it was waited for
                    raise TimeoutError(f"the model gave no token for {timeout_s:g} s") from None
                if token is _END:
                    break
                yield token
            if self._error is not None:
                raise self._error
        finally:
            self.cancel(wait_s)
            self._error = None  # its traceback holds the tensors

    def cancel(self, timeout_s: float | None) -> None:
        """Stop at the next token, and wait for the thread to end, `timeout_s` at most."""
        self._cancelled.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self, options: dict[str, Any]) -> None:
        try:
            self._generate(streamer=self, stopping_criteria=[self], **options)
        except BaseException as error:  # whatever it is, it belongs to the reader
            self._error = error
        finally:
            self._generate = None  # the inputs need not wait for the reader
            self._queue.put(_END)

    # What `generate` calls, in its thread

    def put(self, ids: torch.Tensor) -> None:
        """As a streamer: the prompt (1, n) first, then each token (1,)."""
        if self._prompt_came:
            self._times_s.append(time.perf_counter())
            for token in ids.reshape(-1).tolist():
                self._queue.put(token)
        self._prompt_came = True

    def end(self) -> None:
        """As a streamer: nothing, since the thread's end says it."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        """As a stopping criterion: whether to stop, (1,) bool; `input_ids` (1, n)."""
        return input_ids.new_full((len(input_ids),), self._cancelled.is_set()).bool()


# The loaded model


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model that is ready. `template` replaces the processor's own where it has none; `image_token` is the id
    that stands for pictures in a prompt, where the config tells it."""

    model: Any
    processor: Any
    template: str | None
    template_options: dict[str, Any]
    image_token: int | None
    end_tokens: frozenset[int]

    def inputs(self, request: CommentRequest) -> dict[str, Any]:
        """The request as the model's inputs on its device, floats in its precision; `input_ids` (1, n) among them."""
        from PIL import Image

        pictures = [{"type": "image", "image": Image.fromarray(frame.image)} for frame in request.frames]
        content = [*pictures, {"type": "text", "text": request.prompt}]
        inputs = self.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=self.template,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            **self.template_options,
        )
        return {name: self._placed(value) for name, value in inputs.items()}

    def _placed(self, value: Any) -> Any:
        if not hasattr(value, "is_floating_point"):
            return value  # not a tensor: some processors add lists of sizes
        return value.to(self.model.device, self.model.dtype if value.is_floating_point() else value.dtype)


def _load(folder: Path, device: str, max_tiles: int) -> _Loaded:
    """Load processor and model from `folder`. CommentatorError for what they lack; libraries' errors pass through."""
    import torch
    import transformers
    from transformers import AutoModelForImageTextToText, AutoProcessor

    # no code from the checkpoint, and nothing from the network: the files are all here
    own = {"trust_remote_code": False, "local_files_only": True}
    with quietly(progress_bars=False):
        processor = AutoProcessor.from_pretrained(folder, **own)
        template, in_use = _template(folder, processor)
        cut_into_tiles(processor, max_tiles)
        precision = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
        place: dict[str, Any] = {}
        if device == "cuda" and importlib.util.find_spec("accelerate") is not None:
            place["device_map"] = {"": device}  # straight onto the GPU, not through the main memory
        load = {precision: _dtype(device), "output_loading_info": True, **place, **own}
        try:
            model, info = AutoModelForImageTextToText.from_pretrained(
                folder, attn_implementation="sdpa", **load
            )
        except ValueError as error:
            if "scaled_dot_product_attention" not in str(error):
                raise
            model, info = AutoModelForImageTextToText.from_pretrained(folder, **load)
    if missing := sorted(info["missing_keys"]):
        raise CommentatorError(
            f"{folder} lacks {len(missing)} weights that the model needs, {missing[0]} among them: download it again"
        )
    model = model.to(torch.device(device)).eval() if not place else model.eval()
    image_token = getattr(model.config, "image_token_id", None)
    if image_token is None:
        image_token = getattr(model.config, "image_token_index", None)
    ends = _settle(model.generation_config, processor.tokenizer)
    thinking = {"enable_thinking": False} if "enable_thinking" in in_use else {}
    return _Loaded(model, processor, template, thinking, image_token, ends)


def _dtype(device: str) -> torch.dtype:
    """bfloat16 on a GPU that computes in it, float16 on older ones; CPUs are slow at both."""
    import torch

    if device == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability()[0] >= 8 else torch.float16


def _float_bytes(device: str) -> int:
    return 4 if device == "cpu" else 2


def _template(folder: Path, processor: Any) -> tuple[str | None, str]:
    """(what to hand to the processor as its chat template, or None where it has its own; the one in use)."""
    if getattr(processor, "image_processor", None) is None:
        raise CommentatorError(
            f"{folder} has no processor for pictures (preprocessor_config.json): half a download? download it again, "
            f"or set model_path to a model such as {_EXAMPLES}"
        )
    if own := getattr(processor, "chat_template", None):
        return None, str(own)
    if lent := getattr(processor.tokenizer, "chat_template", None):
        return lent, str(lent)
    raise CommentatorError(
        f"{folder} has no chat template, as models that were not trained to answer: set model_path to one that was "
        f"(…-Instruct, …-it), such as {_EXAMPLES}"
    )


def cut_into_tiles(processor: Any, max_tiles: int) -> None:
    """Have a processor that cuts pictures into tiles, as SmolVLM's does, make `max_tiles` of each at most, and the
    whole picture beside them. Nothing for one that does not, or not so: Qwen's goes by the picture's pixels alone.

    Its default, up to 17 a picture, makes thousands of tokens of four frames.
    """
    pictures = processor.image_processor
    if not hasattr(pictures, "do_image_splitting"):
        return
    per_side = math.isqrt(max_tiles)
    changes: dict[str, Any] = {"do_image_splitting": per_side > 1}
    tile_px = (getattr(pictures, "max_image_size", None) or {}).get("longest_edge")
    if per_side > 1 and tile_px:
        changes["size"] = type(pictures.size)(longest_edge=per_side * tile_px)
    for name, value in changes.items():
        setattr(pictures, name, value)
        copy = {"size": "image_size"}.get(name, name)  # SmolVLM's processor goes by copies of its own
        if hasattr(processor, copy):
            setattr(processor, copy, value)


def _settle(config: Any, tokenizer: Any) -> frozenset[int]:
    """Make of a model's generation config one that takes the likeliest token; the ids that end a text."""
    ends = config.eos_token_id if config.eos_token_id is not None else tokenizer.eos_token_id
    ends = [ends] if isinstance(ends, int) else list(ends or ())
    config.eos_token_id = ends or None
    if config.pad_token_id is None:
        config.pad_token_id = (
            tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (ends or [0])[0]
        )
    config.do_sample, config.num_beams, config.use_cache = False, 1, True
    config.temperature = config.top_p = config.top_k = None
    config.disable_compile = True  # minutes, again for each length of prompt
    return frozenset(ends)


# What can be told before loading


def _check(settings: Settings) -> tuple[Path, str]:
    """(checkpoint folder, "cuda" or "cpu"), once all is checked that can be checked without loading."""
    folder = find_checkpoint(settings.model_path)
    config = _read_config(folder)
    if problem := minicpmo_problem(config):
        raise CommentatorError(f"{folder} {problem}")
    half_bytes = loaded_bytes(folder, 2)  # names what is missing or cut off before minutes go into imports
    try:
        import torch
        from transformers import __version__ as version
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
        from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    except Exception as error:  # not there, or broken: builds that do not belong together raise of every kind
        raise CommentatorError(
            f"image-text models need PyTorch and transformers, which do not load ({first_sentence(error)}): {_INSTALL}"
        ) from None
    known, all_known = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES, CONFIG_MAPPING_NAMES
    if problem := architecture_problem(config, known, all_known, version):
        raise CommentatorError(f"{folder} {problem}")
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise CommentatorError(
            f"device=cuda, and PyTorch {torch.__version__} sees no GPU: set device=auto or cpu, or install a driver "
            "and PyTorch's build for CUDA"
        )
    needed = {"cuda": half_bytes, "cpu": loaded_bytes(folder, _float_bytes("cpu"))}
    needed = {place: round(count * (1 + _WORKING_SHARE)) for place, count in needed.items()}
    name = Path(settings.model_path).name
    if problem := memory_problem(
        name, device, needed, _memory("cuda") if device == "cuda" else None, _memory("cpu")
    ):
        raise CommentatorError(problem)
    return folder, device


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        if any(folder.glob("*.gguf")):
            raise CommentatorError(
                f"{folder} holds GGUF files, which are for llama.cpp: serve them with it and set commentator=openai"
            )
        raise CommentatorError(
            f"{folder} is no checkpoint, it has no config.json: set model_path to a folder that holds one, with the "
            "processor's and tokenizer's files and *.safetensors"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # also not UTF-8
        raise CommentatorError(
            f"{path} cannot be read as JSON ({first_sentence(error)}): download it again"
        ) from None
    if not isinstance(config, dict):
        raise CommentatorError(f"{path} is JSON, but no table of names and values: download it again")
    return config


def minicpmo_problem(config: dict[str, Any]) -> str:
    """ "" unless it is MiniCPM-o, which has a commentator of its own."""
    names = [config.get("model_type"), *(config.get("architectures") or ())]
    if any(str(name).lower() == "minicpmo" for name in names):
        return "is MiniCPM-o, which speaks with a voice of its own: set commentator=minicpmo"
    return ""


def architecture_problem(
    config: dict[str, Any], image_text_types: Collection[str], known_types: Collection[str], version: str
) -> str:
    """ "" for a model that this transformers runs on pictures and text; else what it is, and what to do."""
    model_type = str(config.get("model_type") or "")
    if model_type in image_text_types:
        return ""
    name = ", ".join(str(kind) for kind in config.get("architectures") or ()) or model_type
    if not name:
        return "has a config.json that names no model_type: download it again, or set model_path to another model"
    if model_type in known_types:
        return f"is {name}, which takes no pictures together with text: set model_path to a model such as {_EXAMPLES}"
    own_code = " (its own code is not run)" if config.get("auto_map") else ""
    return (
        f"is {name}, which transformers {version} does not know{own_code}: pip install -U transformers, or set "
        f"model_path to a model such as {_EXAMPLES}"
    )


def _memory(device: str) -> tuple[int, int]:
    """(free, all) bytes of the GPU's memory, or the machine's."""
    if device == "cuda":
        import torch

        free_bytes, total_bytes = torch.cuda.mem_get_info()
        return free_bytes, total_bytes
    import psutil

    memory = psutil.virtual_memory()
    return memory.available, memory.total


def memory_problem(
    name: str,
    device: str,
    needed_bytes: dict[str, int],
    gpu_bytes: tuple[int, int] | None,
    machine_bytes: tuple[int, int],
) -> str:
    """ "" where the model fits, else one line: what it needs, what is free, what would fit.

    `needed_bytes` by device, "cuda" and "cpu"; `gpu_bytes` and `machine_bytes` are (free, all); no GPU is None.
    """
    free_bytes, total_bytes = machine_bytes if device == "cpu" or gpu_bytes is None else gpu_bytes
    needed = needed_bytes[device]
    if needed <= free_bytes:
        return ""
    ways = []
    if needed <= total_bytes:
        who = " (nvidia-smi names it)" if device == "cuda" else ""
        ways.append(f"end what else holds {bytes_text(total_bytes - free_bytes)} of it{who}")
    if device == "cuda" and needed_bytes["cpu"] <= machine_bytes[0]:
        ways.append(f"set device=cpu (slow; {bytes_text(needed_bytes['cpu'])} of the machine's memory)")
    billions = free_bytes / (1 + _WORKING_SHARE) / _float_bytes(device) / 1e9
    ways.append(f"set model_path to a smaller model, of {billions:.1f} billion parameters at most")
    where = "GPU memory" if device == "cuda" else "memory"
    return (
        f"{name} needs {bytes_text(needed)} of {where}, and {bytes_text(free_bytes)} of {bytes_text(total_bytes)} is "
        f"free: {'; or '.join(ways)}; or commentator=openai with a server elsewhere"
    )
