"""Faults of stepaudio2's Token2wav and of what it uses, fixed in memory and only where they show.

- `torchaudio.load` cannot read WAV files without TorchCodec from version 2.9 on;
- its attention buffers are made for far more steps and seconds than a comment needs;
- in half precision `set_stream_cache` fails.
"""

from __future__ import annotations

import contextlib
import tempfile
import wave
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_buffer_registration_hook

from commentator_lib.commentators.minicpmo.assets import REFERENCE_RATE_HZ

CHUNK_TOKENS = 25
LOOKAHEAD_TOKENS = 3
# Steps of the flow model from noise to sound.
FLOW_STEPS = 10
_MEL_FRAMES_PER_TOKEN = 2
# What Token2wav keeps of the sound behind it, in mel frames (50 a second).
_KEPT_FRAMES = 100
# The flow model's buffers by name, with the number of dimensions of those whose first dimension are the steps.
_BUFFERS = {"att_cache_buffer": 6, "cnn_cache_buffer": 5}


def let_torchaudio_read_wav() -> None:
    """Make `torchaudio.load` read WAV files by soundfile where it cannot read them itself.

    Raise OSError or RuntimeError for a torchaudio that does not load, ImportError where soundfile is missing.
    """
    import torchaudio  # pyright: ignore[reportMissingImports]  in the extra minicpmo only

    with tempfile.TemporaryDirectory() as folder:
        probe = write_wav(Path(folder) / "probe.wav", np.zeros(160, np.float32))
        try:
            torchaudio.load(str(probe))
            return
        except (ImportError, RuntimeError, OSError):
            pass  # this is the fault; it is fixed below
    import soundfile  # pyright: ignore[reportMissingImports]  in the extra minicpmo only

    def load(path, *_args, **_options):
        samples, rate_hz = soundfile.read(str(path), dtype="float32", always_2d=True)
        return torch.from_numpy(samples.T.copy()), rate_hz  # (channels, N)

    torchaudio.load = load


def write_wav(path: Path, samples: np.ndarray) -> Path:
    """Write float32 mono samples (N,) at 16 kHz as 16-bit WAV; return `path`."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(REFERENCE_RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def make_stream_caches(token2wav: Any, path: str) -> Any:
    """Return the caches that Token2wav makes of the reference recording at `path`: dicts of tensors.

    In half precision `set_stream_cache` fails, since it gives the float32 speaker vector and mel frames to float16
    layers; `stream` runs under autocast. So it is run under the same autocast.
    """
    with torch.inference_mode():
        try:
            return token2wav.set_stream_cache(path)
        except RuntimeError as error:
            if not getattr(token2wav, "float16", False) or "dtype" not in str(error):
                raise
            device = next(token2wav.flow.parameters()).device
            with torch.amp.autocast(device.type, dtype=torch.float16):
                return token2wav.set_stream_cache(path)


@contextlib.contextmanager
def shrink_flow_buffers(reference_s: float) -> Generator[None]:
    """Give a Token2wav that is made inside attention buffers for a comment after a recording of `reference_s` seconds.

    Its own buffers are made for 16 steps and 20 s, 2.1 GB in float32. 10 steps are taken, and 2 s are kept behind the
    recording: 0.7 GB for a recording of 6 s.
    """
    chunk = _MEL_FRAMES_PER_TOKEN * (CHUNK_TOKENS + LOOKAHEAD_TOKENS)
    frames = round(reference_s * CHUNK_TOKENS * _MEL_FRAMES_PER_TOKEN) + _KEPT_FRAMES + 2 * chunk

    def cut(_module: nn.Module, name: str, buffer: Tensor) -> Tensor | None:
        if name not in _BUFFERS or buffer is None:
            return None
        if buffer.ndim == _BUFFERS[name]:
            buffer = buffer[:FLOW_STEPS]
        return (buffer[..., :frames, :] if name == "att_cache_buffer" else buffer).clone()

    # PyTorch's stub says that the hook returns None; by its documentation it may return another buffer.
    hook = register_module_buffer_registration_hook(cut)  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        hook.remove()


def take_buffers(decoder: Any) -> list[tuple[nn.Module, str, torch.Size]]:
    """Free the flow decoder's buffers; return (module, name, shape) of each."""
    taken = []
    for part in (decoder, decoder.estimator):
        for name in _BUFFERS:
            if (buffer := getattr(part, name, None)) is not None:
                taken.append((part, name, buffer.shape))
                setattr(part, name, torch.zeros(0))
    return taken
