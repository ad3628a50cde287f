"""Find the files of MiniCPM-o's voice and read the recording that it imitates.

The voice needs a folder `token2wav/` with five files, and a short recording of one person speaking. Both are checked
without PyTorch and before the model is loaded, so a missing file is reported at once and in one line.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.checkpoint import BF16_HUB_ID, Checkpoint

logger = logging.getLogger(__name__)

TOKEN2WAV_FILES = ("campplus.onnx", "flow.pt", "flow.yaml", "hift.pt", "speech_tokenizer_v2_25hz.onnx")

REFERENCE_RATE_HZ = 16_000
SHORTEST_REFERENCE_S = 1.0
# Token2wav's attention buffer holds 1000 frames, 50 for each second. The recording, the 2 s of sound after it that are
# kept, and a chunk with its lookahead must fit into these 20 s.
LONGEST_REFERENCE_S = 15.0
# A longer recording is cut in the quietest moment of its last seconds before that, which is hardly within a word.
_CUT_WITHIN_S, _QUIET_S = 2.0, 0.05
QUIETEST_REFERENCE_DBFS = -50.0

_QUANTISED_SUFFIX = re.compile(r"([-_.](awq|gptq|int4|4bit|w4a16))+$", re.IGNORECASE)
_LFS_POINTER = b"version https://git-lfs"


def find_assets(checkpoint: Checkpoint, assets_path: str = "") -> Path:
    """Return the folder that holds token2wav/ with the voice's files.

    Search in `assets_path` if it is given; else in the checkpoint, then in the BF16 checkpoint beside it. Raise
    CommentatorError, which names the missing files and the folders that were searched.
    """
    if assets_path:
        given = Path(assets_path).expanduser()
        candidates = [given, given / "assets"]
    else:
        candidates = [
            folder / "assets"
            for folder in [checkpoint.folder, *find_unquantised_neighbours(checkpoint.folder)]
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


def find_unquantised_neighbours(folder: Path) -> list[Path]:
    """Return where the BF16 checkpoint would lie beside a quantized one; [] for a name without such an ending.

    It has the same name without the ending ("-awq"), as a folder or as the snapshots of a hub cache.
    """
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
    """Return whether there is a file that is neither empty nor a Git LFS pointer, which a clone without LFS leaves."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        start = file.read(len(_LFS_POINTER))
    return bool(start) and start != _LFS_POINTER


def find_reference_audio(assets: Path, reference_audio_path: str = "") -> Path:
    """Return the recording of the voice to imitate.

    It is `reference_audio_path` if that is given; else a wav file of the assets, preferably one that is called
    ref_audio. Raise CommentatorError where there is none.
    """
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
    """Return a recording, in any format that FFmpeg decodes, as float32 mono (N,) at 16 kHz, from -1 to 1.

    What is longer than 15 s is cut, with a warning: one of the two recordings that are published with the model is.
    Raise CommentatorError for a file that is missing or not sound, and for a recording that is shorter than 1 s or
    silent.
    """
    if not path.is_file():
        raise CommentatorError(f"no reference recording at {path}: set reference_audio_path to one")
    samples, rate_hz, duration_s = _decode(path)
    if duration_s < SHORTEST_REFERENCE_S:
        raise CommentatorError(
            f"the reference recording {path} is {duration_s:.1f} s long, too short to learn a voice from: give one of "
            "3 to 10 s"
        )
    if duration_s > LONGEST_REFERENCE_S:
        samples = cut_in_a_pause(samples, rate_hz, LONGEST_REFERENCE_S)
        logger.warning(
            "the reference recording %s is %.1f s long, and the voice has room for %.0f s: its first %.1f s are used",
            path,
            duration_s,
            LONGEST_REFERENCE_S,
            len(samples) / rate_hz,
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


def cut_in_a_pause(samples: np.ndarray, rate_hz: int, longest_s: float) -> np.ndarray:
    """Return the beginning of a recording (N,), at most `longest_s` long: up to the quietest moment of its last 2 s."""
    end = round(longest_s * rate_hz)
    window = max(1, round(_QUIET_S * rate_hz))
    tail = samples[max(0, end - round(_CUT_WITHIN_S * rate_hz)) : end].astype(np.float64)
    power = np.convolve(tail**2, np.ones(window), "valid")  # of each window of 50 ms
    return samples[: end - len(tail) + int(np.argmin(power)) + window // 2]


def _decode(path: Path) -> tuple[np.ndarray, int, float]:
    """Return (samples (N,) float32 mono, their rate in Hz, duration in s).

    A recording that is far too long is not decoded to its end; its duration is then what the file declares.
    """
    import av
    from av.error import FFmpegError

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
    except (FFmpegError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommentatorError(
            f"{path} cannot be decoded as sound ({reason}): set reference_audio_path to a wav, flac or mp3"
        ) from None
    samples = np.nan_to_num(np.concatenate([np.zeros(0, np.float32), *pieces]), posinf=1.0, neginf=-1.0)
    return samples, rate_hz, max(declared_s, len(samples) / rate_hz)
