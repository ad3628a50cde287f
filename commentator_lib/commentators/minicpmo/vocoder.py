"""Sound from audio tokens: MiniCPM-o's Token2wav, second by second, in the voice of a recording.

The model's own `init_token2wav_cache` leaves a temporary file behind on every call, its streaming loop is
tied to its own text loop, and its half-precision mode fails. So the vocoder object is driven directly; what
is mended is mended on the loaded object, and only where the fault shows.

A chunk is 25 tokens (1 s) and looks 3 tokens ahead; three tokens of silence come first, as in the model's
own loop.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

SAMPLE_RATE_HZ = 24_000
REFERENCE_RATE_HZ = 16_000
CHUNK_TOKENS = 25
LOOKAHEAD_TOKENS = 3
_SILENCE_TOKEN = 4218
_MEL_FRAMES_PER_TOKEN = 2
# What Token2wav keeps of the sound behind it, in mel frames (50 a second).
_KEPT_FRAMES = 100


def soundfile_reads_for_torchaudio() -> None:
    """Let `torchaudio.load` read WAV files where it cannot: from 2.9 on it wants TorchCodec for that."""
    import torchaudio

    with tempfile.TemporaryDirectory() as folder:
        probe = write_wav(Path(folder) / "probe.wav", np.zeros(160, np.float32))
        try:
            torchaudio.load(str(probe))
            return
        except (ImportError, RuntimeError, OSError):
            pass  # the fault that is mended below
    import soundfile

    def load(path, *_args, **_options):
        samples, rate_hz = soundfile.read(str(path), dtype="float32", always_2d=True)
        return torch.from_numpy(samples.T.copy()), rate_hz

    torchaudio.load = load


def write_wav(path: Path, samples: np.ndarray) -> Path:
    """Write float32 mono samples (N,) at 16 kHz as 16-bit WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(REFERENCE_RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def clone(cache):
    """A copy of nested containers of tensors."""
    if torch.is_tensor(cache):
        return cache.clone()
    if isinstance(cache, dict):
        return {key: clone(value) for key, value in cache.items()}
    if isinstance(cache, list | tuple):
        return type(cache)(clone(value) for value in cache)
    return cache


class Vocoder:
    """Sound of one comment after another, in the voice of `reference` (N,) float32 mono at 16 kHz.

    `token2wav` has the interface of stepaudio2's Token2wav: `set_stream_cache(path)`, `stream(...)`,
    `stream_cache`, `hift_cache_dict`.
    """

    def __init__(self, token2wav, reference: np.ndarray) -> None:
        self._token2wav = token2wav
        _trim_buffers(token2wav, len(reference) / REFERENCE_RATE_HZ)
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):  # it prints
            path = write_wav(Path(folder) / "reference.wav", reference)
            self._caches = clone(_stream_caches(token2wav, str(path)))
        self.begin()

    def begin(self) -> None:
        """Forget the comment before."""
        self._token2wav.stream_cache, self._token2wav.hift_cache_dict = clone(self._caches)
        self._tokens: list[int] = [_SILENCE_TOKEN] * LOOKAHEAD_TOKENS
        self._empty = True

    def push(self, token: int) -> np.ndarray | None:
        """Add a token; a second of sound, float32 (N,) at 24 kHz, when one is full."""
        self._tokens.append(token)
        self._empty = False
        if len(self._tokens) < CHUNK_TOKENS + LOOKAHEAD_TOKENS:
            return None
        sound = self._sound(self._tokens, last=False)
        self._tokens = self._tokens[CHUNK_TOKENS:]
        return sound

    def finish(self) -> Iterator[np.ndarray]:
        """The rest of the comment."""
        if not self._empty:
            yield self._sound(self._tokens, last=True)
        self._tokens = []

    def _sound(self, tokens: list[int], last: bool) -> np.ndarray:
        with torch.inference_mode():
            samples = self._token2wav.stream(list(tokens), None, last_chunk=last, return_waveform=True)
        return np.ascontiguousarray(np.asarray(samples, dtype=np.float32).reshape(-1))


def _stream_caches(token2wav, path: str):
    """What the reference recording leaves in the vocoder's caches.

    In half precision `set_stream_cache` fails: it hands the float32 speaker vector and mel frames to layers
    that were halved, where `stream` runs under autocast. It is run under the same autocast then.
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


def _trim_buffers(token2wav, reference_s: float) -> None:
    """Cut the flow model's attention buffer to what a comment can use.

    It is made for 16 steps and 20 s; 10 steps are taken, and what is kept behind the prompt is 2 s. In float32
    that comes to 0.7 GB instead of 2.1 for a prompt of 6 s.
    """
    decoder = getattr(getattr(token2wav, "flow", None), "decoder", None)
    buffer = getattr(decoder, "att_cache_buffer", None)
    if buffer is None or buffer.ndim != 6:
        return
    steps = token2wav.n_timesteps
    chunk = _MEL_FRAMES_PER_TOKEN * (CHUNK_TOKENS + LOOKAHEAD_TOKENS)
    frames = round(reference_s * CHUNK_TOKENS * _MEL_FRAMES_PER_TOKEN) + _KEPT_FRAMES + 2 * chunk
    decoder.att_cache_buffer = buffer[:steps, :, :, :, :frames].clone()
    decoder.cnn_cache_buffer = decoder.cnn_cache_buffer[:steps].clone()
