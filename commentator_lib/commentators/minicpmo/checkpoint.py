"""What can be told about a MiniCPM-o 4.5 checkpoint and its voice before a minute is spent on loading it.

The obvious way, to load it and see, takes a minute and 18 GB to find out that a file of the voice is missing,
and then says so in a traceback from the middle of a library. So everything here reads names, JSON and the
headers of weight files, and imports neither PyTorch nor transformers: `commentator check` runs it on machines
that have neither.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.weights import bytes_text, tensor_bytes

BF16_HUB_ID = "openbmb/MiniCPM-o-4_5"
AWQ_HUB_ID = "openbmb/MiniCPM-o-4_5-awq"

TOKEN2WAV_FILES = ("campplus.onnx", "flow.pt", "flow.yaml", "hift.pt", "speech_tokenizer_v2_25hz.onnx")

# The first word of a tensor's name says which part of the model it belongs to.
_PART_OF = {
    "llm": "llm",
    "vpm": "vision",
    "resampler": "resampler",
    "tts": "talker",
    "apm": "audio_encoder",
    "audio_projection_layer": "audio_encoder",
    "audio_avg_pooler": "audio_encoder",
}
PARTS = ("llm", "vision", "resampler", "talker", "audio_encoder", "other")

# Activations of vision and prefill, the KV cache of a prompt with ten frames, and the allocator's slack.
TEXT_WORKING_BYTES = 1_500_000_000
# Token2wav: 0.7 GB of weights in fp32, the rest its caches and the convolutions' workspace. With the weights and
# the above this comes to 22.4 GB in BF16, where 20.7 GiB (22.2 GB) was the peak measured.
TOKEN2WAV_BYTES = 2_800_000_000

REFERENCE_RATE_HZ = 16_000
SHORTEST_REFERENCE_S = 1.0
# Token2wav's attention buffer holds 1000 frames at 50 a second: the recording, the 2 s of sound behind it that it
# keeps, and a chunk with its lookahead must fit into these 20 s.
LONGEST_REFERENCE_S = 15.0
QUIETEST_REFERENCE_DBFS = -50.0

_QUANTISED_SUFFIX = re.compile(r"([-_.](awq|gptq|int4|4bit|w4a16))+$", re.IGNORECASE)
_OTHER_MODULE = re.compile(r"^\s*from \.(\w+) import", re.MULTILINE)
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that has all its files. `quantization` is "" or "awq"; `part_bytes` has the weights' bytes of
    each of PARTS as they are stored."""

    folder: Path
    quantization: str
    bits: int
    group_size: int
    part_bytes: dict[str, int]

    @property
    def dtype(self) -> str:
        """What it computes in: AWQ's kernels know float16 only."""
        return "float16" if self.quantization == "awq" else "bfloat16"

    @property
    def label(self) -> str:
        return "AWQ INT4" if self.quantization == "awq" else "BF16"


# The published ones, from their shape: two bytes a parameter; in AWQ the language model's layers (6946 million)
# take 4 bits a parameter and 20 for each group of 128, its embedding and head stay as they are.
_SHARED_PART_BYTES = {
    "vision": 836_000_000,
    "resampler": 178_000_000,
    "talker": 696_000_000,
    "audio_encoder": 614_000_000,
    "other": 0,
}
PUBLISHED_BF16 = Checkpoint(Path(BF16_HUB_ID), "", 16, 0, {"llm": 16_378_000_000, **_SHARED_PART_BYTES})
PUBLISHED_AWQ = Checkpoint(Path(AWQ_HUB_ID), "awq", 4, 128, {"llm": 6_095_000_000, **_SHARED_PART_BYTES})


def inspect_checkpoint(folder: Path) -> Checkpoint:
    """What the checkpoint in `folder` is. CommentatorError, one line with its mend, for a folder that holds no
    checkpoint, another model's, half of one, or a quantization that is not AWQ with 4 bits."""
    folder = Path(folder)
    config = _read_config(folder)
    _check_architecture(folder, config)
    quantization, bits, group_size = _quantization(folder, config)
    _check_text_files(folder)
    _check_code(folder, config)
    part_bytes = dict.fromkeys(PARTS, 0)
    for name, size_bytes in tensor_bytes(folder).items():
        part_bytes[part_of(name)] += size_bytes
    if not any(part_bytes.values()):
        raise CommentatorError(
            f"{folder} has no weights in safetensors files, as the published checkpoints have: "
            f"set model_path to {BF16_HUB_ID} or {AWQ_HUB_ID}"
        )
    return Checkpoint(folder, quantization, bits, group_size, part_bytes)


def part_of(tensor: str) -> str:
    """Which of PARTS a tensor belongs to.

    >>> part_of("llm.model.layers.0.mlp.up_proj.qweight")
    'llm'
    """
    return _PART_OF.get(tensor.split(".", 1)[0], "other")


def _read_config(folder: Path) -> dict:
    if not (folder / "config.json").is_file():
        if any(folder.glob("*.gguf")):
            raise CommentatorError(
                f"{folder} holds GGUF files, which are for llama.cpp: serve them with it and set commentator=openai, "
                f"or set model_path to {BF16_HUB_ID} or {AWQ_HUB_ID}"
            )
        raise CommentatorError(
            f"{folder} is no checkpoint, it has no config.json: a checkpoint folder holds config.json, the model's .py "
            "files, tokenizer_config.json, preprocessor_config.json, vocab.json with merges.txt (or tokenizer.json) "
            "and *.safetensors"
        )
    return _read_json(folder / "config.json")


def _read_json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # also not UTF-8
        raise CommentatorError(f"{path} cannot be read as JSON ({error}): download it again") from None
    if not isinstance(found, dict):
        raise CommentatorError(f"{path} is JSON, but no table of names and values: download it again")
    return found


def _check_architecture(folder: Path, config: dict) -> None:
    kinds = [str(kind) for kind in config.get("architectures") or []]
    model_type = str(config.get("model_type") or "")
    if model_type.lower() != "minicpmo" and not any(kind.lower() == "minicpmo" for kind in kinds):
        name = ", ".join(kinds) or model_type or "a model without a name"
        if _sees_pictures(config, [*kinds, model_type]):
            mend = "set commentator=vlm, which runs image-text models"
        else:
            mend = f"set model_path to {BF16_HUB_ID} or {AWQ_HUB_ID}"
        raise CommentatorError(f"{folder} is {name} and not MiniCPM-o 4.5: {mend}")
    version = str(config.get("version") or "4.5")
    if version.startswith(("1", "2", "3")):
        raise CommentatorError(
            f"{folder} is MiniCPM-o {version}, whose code is another: set model_path to {BF16_HUB_ID} or {AWQ_HUB_ID}"
        )


def _sees_pictures(config: dict, names: list[str]) -> bool:
    """Whether it is a model of pictures and text, as far as its config tells."""
    known = ("imagetexttotext", "vision2seq", "vlm", "llava", "minicpmv", "_vl", "vlfor")
    return "vision_config" in config or any(word in name.lower() for name in names for word in known)


def _quantization(folder: Path, config: dict) -> tuple[str, int, int]:
    """(method, bits, group size); ("", 16, 0) where nothing is quantized."""
    stated = config.get("quantization_config")
    if not stated:
        return "", 16, 0
    stated = stated if isinstance(stated, dict) else {"quant_method": stated}
    method = str(stated.get("quant_method") or "an unnamed method").lower()
    if method != "awq":
        raise CommentatorError(
            f"{folder} is quantized by {method}, and only AWQ is known here: "
            f"set model_path to {AWQ_HUB_ID} or to {BF16_HUB_ID}"
        )
    bits = stated.get("bits", stated.get("w_bit"))
    if bits != 4:
        raise CommentatorError(
            f"{folder} is AWQ with {bits if bits is not None else 'an unknown number of'} bits, and only 4 are known "
            f"here: set model_path to {AWQ_HUB_ID}"
        )
    group_size = stated.get("group_size", stated.get("q_group_size", 128))
    if not isinstance(group_size, int):
        raise CommentatorError(
            f"{folder}/config.json: group_size is {group_size!r} and should be a number, as 128"
        )
    return "awq", 4, group_size


def _check_text_files(folder: Path) -> None:
    wanted = ["tokenizer_config.json", "preprocessor_config.json"]
    if not (folder / "tokenizer.json").is_file():
        wanted += ["vocab.json", "merges.txt"]
    _refuse_half(folder, [name for name in wanted if not (folder / name).is_file()])


def _check_code(folder: Path, config: dict) -> None:
    """The model's own Python files: those that auto_map names, and those that they import."""
    for wanted in ("AutoConfig", "AutoModel"):
        if not (isinstance(config.get("auto_map"), dict) and config["auto_map"].get(wanted)):
            raise CommentatorError(
                f"{folder}/config.json names no code for {wanted} (auto_map): the published checkpoint's does, "
                f"download it again ({BF16_HUB_ID})"
            )
    waiting = set(_mapped_modules(config))
    for name in ("tokenizer_config.json", "preprocessor_config.json"):
        waiting |= set(_mapped_modules(_read_json(folder / name)))
    seen: set[str] = set()
    missing = []
    while waiting:
        module = waiting.pop()
        seen.add(module)
        path = folder / f"{module}.py"
        if path.is_file():
            code = path.read_text(encoding="utf-8", errors="replace")
            waiting |= set(_OTHER_MODULE.findall(code)) - seen
        else:
            missing.append(path.name)
    _refuse_half(folder, sorted(missing))


def _mapped_modules(config: dict) -> Iterator[str]:
    """The modules of an auto_map: {"AutoModel": "module.Class"}, or a list of such names and nulls."""
    auto_map = config.get("auto_map")
    for value in auto_map.values() if isinstance(auto_map, dict) else ():
        for reference in value if isinstance(value, list) else [value]:
            if (
                isinstance(reference, str) and "--" not in reference
            ):  # "owner/name--module.Class" lies elsewhere
                yield reference.rsplit(".", 1)[0]


def _refuse_half(folder: Path, missing: list[str]) -> None:
    if missing:
        raise CommentatorError(
            f"{folder} lacks {', '.join(missing)}: half a download; download the checkpoint again"
        )


def find_assets(checkpoint: Checkpoint, assets_path: str = "") -> Path:
    """The folder that holds token2wav/ with the voice's files: the given one, else the checkpoint's own, else that
    of the BF16 checkpoint beside it. CommentatorError names the files that are missing and where was looked."""
    if assets_path:
        given = Path(assets_path).expanduser()
        candidates = [given, given / "assets"]
    else:
        candidates = [
            folder / "assets" for folder in [checkpoint.folder, *unquantised_neighbours(checkpoint.folder)]
        ]
    for folder in candidates:
        if not _missing_voice_files(folder):
            return folder
    for folder in candidates:
        if (folder / "token2wav").is_dir():
            raise CommentatorError(
                f"{folder}/token2wav lacks {', '.join(_missing_voice_files(folder))} (missing, empty or a Git LFS "
                f"pointer): copy assets/ of {BF16_HUB_ID} again, or set speech=false"
            )
    looked = f"{candidates[0]}" if assets_path else ", ".join(str(folder) for folder in candidates)
    raise CommentatorError(
        f"the voice needs token2wav/ with {', '.join(TOKEN2WAV_FILES)}, which is not in {looked}: copy assets/ of "
        f"{BF16_HUB_ID} into the checkpoint, or set assets_path to it, or speech=false"
    )


def unquantised_neighbours(folder: Path) -> list[Path]:
    """Where the BF16 checkpoint would lie beside a quantized one: the same name without its ending, as a folder or
    as the snapshots of a hub cache."""
    folder = folder.absolute()
    repository = folder.parent.parent
    cached = folder.parent.name == "snapshots" and repository.name.startswith("models--")
    quantised = repository if cached else folder
    neighbour = quantised.with_name(_QUANTISED_SUFFIX.sub("", quantised.name) or quantised.name)
    if neighbour == quantised:
        return []
    return sorted((neighbour / "snapshots").glob("*")) if cached else [neighbour]


def _missing_voice_files(assets: Path) -> list[str]:
    return [name for name in TOKEN2WAV_FILES if not _has_content(assets / "token2wav" / name)]


def _has_content(path: Path) -> bool:
    """Whether there is a file with more in it than a Git LFS pointer, which a clone without LFS leaves."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        start = file.read(len(_LFS_POINTER))
    return bool(start) and start != _LFS_POINTER


def find_reference_audio(assets: Path, reference_audio_path: str = "") -> Path:
    """The recording of the voice to imitate: the given one, else a wav of the assets, first one that is called
    ref_audio. CommentatorError where there is none."""
    if reference_audio_path:
        return Path(reference_audio_path).expanduser()
    recordings = [path for path in assets.rglob("*") if path.suffix.lower() == ".wav" and path.is_file()]
    if not recordings:
        raise CommentatorError(
            f"{assets} holds no wav to take the voice from: set reference_audio_path to a recording of "
            f"{SHORTEST_REFERENCE_S:.0f} to {LONGEST_REFERENCE_S:.0f} s of one person speaking"
        )
    return min(
        recordings, key=lambda path: ("ref_audio" not in path.name.lower(), len(path.parts), path.name)
    )


def read_reference_audio(path: Path) -> np.ndarray:
    """A recording as float32 mono (N,) at 16 kHz, whatever FFmpeg can decode. CommentatorError for a file that is
    missing or not sound, and for a recording that is shorter than 1 s, longer than 15 s, or silent."""
    if not path.is_file():
        raise CommentatorError(f"no reference recording at {path}: set reference_audio_path to one")
    samples, rate_hz, duration_s = _decode(path)
    length = f"the reference recording {path} is {duration_s:.1f} s long"
    if duration_s < SHORTEST_REFERENCE_S:
        raise CommentatorError(f"{length}, too short to know a voice by: give one of 3 to 10 s")
    if duration_s > LONGEST_REFERENCE_S:
        raise CommentatorError(
            f"{length}, and the voice can hold {LONGEST_REFERENCE_S:.0f} s beside what it says: cut it to 3 to 10 s"
        )
    level_dbfs = 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20)
    if level_dbfs < QUIETEST_REFERENCE_DBFS:
        raise CommentatorError(
            f"the reference recording {path} is silent ({level_dbfs:.0f} dBFS): give one with a voice in it"
        )
    if rate_hz != REFERENCE_RATE_HZ:
        import soxr

        samples = soxr.resample(samples, rate_hz, REFERENCE_RATE_HZ)
    return np.ascontiguousarray(samples, dtype=np.float32)


def _decode(path: Path) -> tuple[np.ndarray, int, float]:
    """(samples (N,) float32 mono, their rate in Hz, duration in s). What is far too long is not decoded to its end;
    its duration is then what the file declares."""
    import av

    pieces: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise CommentatorError(f"{path} has no sound in it: set reference_audio_path to a recording")
            stream = container.streams.audio[0]
            if stream.codec_context is None or not stream.rate:
                raise ValueError("FFmpeg has no decoder for it")
            declared_s = (container.duration or 0) / av.time_base
            rate_hz = int(stream.rate)
            floats = av.AudioResampler(format="fltp")  # not to mono: its mix is 3 dB louder than the mean
            for frame in container.decode(stream):
                pieces += [piece.to_ndarray().mean(axis=0) for piece in floats.resample(frame)]
                if sum(map(len, pieces)) > 2 * LONGEST_REFERENCE_S * rate_hz:
                    break
            else:
                declared_s = 0.0
                pieces += [piece.to_ndarray().mean(axis=0) for piece in floats.resample(None)]
    except (av.error.FFmpegError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommentatorError(
            f"{path} cannot be decoded as sound ({reason}): set reference_audio_path to a wav, flac or mp3"
        ) from None
    samples = np.nan_to_num(np.concatenate([np.zeros(0, np.float32), *pieces]), posinf=1.0, neginf=-1.0)
    return samples, rate_hz, max(declared_s, len(samples) / rate_hz)


def kernel_tools() -> tuple[bool, bool]:
    """Whether Triton is here, and a C compiler, which it needs."""
    return find_spec("triton") is not None, any(map(shutil.which, ("cc", "gcc", "clang")))


def can_slim(capability: tuple[int, int]) -> bool:
    """Whether slim.py can make 4 bits smaller on an NVIDIA GPU of this compute capability."""
    return capability >= (8, 0) and all(kernel_tools())


def needed_bytes(checkpoint: Checkpoint, speech: bool, slim: bool = False) -> int:
    """GPU memory that it takes: the weights that are loaded (never the audio encoder, the talker with speech only)
    and what it works in.

    `slim`: on a GPU for which slim.py makes 4 bits smaller (`can_slim`). There the vocoder comes when the tables of the
    embeddings have gone, and finds room in what they took: 8.5 GB at most were measured, an empty CUDA context not
    counted.
    """
    left_out = {"audio_encoder"} if speech else {"audio_encoder", "talker"}
    weights = sum(size for part, size in checkpoint.part_bytes.items() if part not in left_out)
    beside = speech and not (slim and checkpoint.quantization)
    return weights + TEXT_WORKING_BYTES + (TOKEN2WAV_BYTES if beside else 0)


def memory_problem(
    checkpoint: Checkpoint, speech: bool, free_bytes: int, total_bytes: int, slim: bool = False
) -> str:
    """ "" where it fits into the GPU's free memory, else one line: what it needs, what there is, what would fit."""
    needed = needed_bytes(checkpoint, speech, slim)
    if needed <= free_bytes:
        return ""
    ways = []
    if needed <= total_bytes:
        ways.append(f"end what else holds {bytes_text(total_bytes - free_bytes)} of it (nvidia-smi names it)")
    silent = needed_bytes(checkpoint, False, slim)
    if speech and silent <= free_bytes:
        ways.append(f"set speech=false ({bytes_text(silent)})")
    awq_silent, awq_speaking = (needed_bytes(PUBLISHED_AWQ, spoken, slim) for spoken in (False, True))
    if not checkpoint.quantization and awq_silent <= free_bytes:
        and_with = f", {bytes_text(awq_speaking)} with" if speech and awq_speaking <= free_bytes else ""
        ways.append(
            f"take the AWQ INT4 checkpoint, {AWQ_HUB_ID} (about {bytes_text(awq_silent)} without speech{and_with})"
        )
    ways = ways or [
        "set commentator=vlm with a smaller model, commentator=openai with a server elsewhere, or commentator=baseline"
    ]
    return (
        f"MiniCPM-o in {checkpoint.label} {'with' if speech else 'without'} speech needs {bytes_text(needed)} of GPU "
        f"memory, and {bytes_text(free_bytes)} of {bytes_text(total_bytes)} is free: {'; or '.join(ways)}"
    )
