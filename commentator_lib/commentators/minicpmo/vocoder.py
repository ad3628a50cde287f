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
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_buffer_registration_hook

from commentator_lib.commentators.minicpmo.flow import FlowSolver
from commentator_lib.commentators.minicpmo.graphs import GraphPool, Recorded
from commentator_lib.commentators.minicpmo.memory import compact

SAMPLE_RATE_HZ = 24_000
REFERENCE_RATE_HZ = 16_000
CHUNK_TOKENS = 25
# The first chunk is short, so that the voice begins early: 0.4 s, and the next is there before it is over.
FIRST_TOKENS = 10
LOOKAHEAD_TOKENS = 3
# Steps of the flow model from noise to sound.
FLOW_STEPS = 10
_SILENCE_TOKEN = 4218
_MEL_FRAMES_PER_TOKEN = 2
# What Token2wav keeps of the sound behind it, in mel frames (50 a second).
_KEPT_FRAMES = 100
# After so many chunks all caches have the length that they keep.
_CHUNKS_UNTIL_STEADY = 4
_PADDING_SAMPLES = 3840
# The flow model's buffers: those with so many dimensions have the steps as the first.
_BUFFERS = {"att_cache_buffer": 6, "cnn_cache_buffer": 5}


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


def tensors_in(cache) -> list[Tensor]:
    """The tensors of nested containers."""
    if torch.is_tensor(cache):
        return [cache]
    parts = cache.values() if isinstance(cache, dict) else cache
    return [tensor for part in parts for tensor in tensors_in(part)]


class Vocoder:
    """Sound of one comment after another, in the voice of `reference` (N,) float32 mono at 16 kHz; `begin` before each.

    `token2wav` has the interface of stepaudio2's Token2wav: `set_stream_cache(path)`, `stream(...)`,
    `stream_cache`, `hift_cache_dict`.
    """

    def __init__(self, token2wav, reference: np.ndarray) -> None:
        self._token2wav = token2wav
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):  # it prints
            path = write_wav(Path(folder) / "reference.wav", reference)
            caches = _stream_caches(token2wav, str(path))
        token2wav.audio_tokenizer = None  # half a gigabyte, and only for the recording
        self._caches = clone(caches)  # they are views of what the next chunk is written into

    @torch.inference_mode()
    def quicken(self, lane: GraphPool) -> None:
        """Replace Token2wav's inner parts by ones recorded on `lane`, where they are known: float32 stepaudio2.

        Raises what PyTorch raises where they cannot be recorded; then all is as before.
        """
        token2wav, cache = self._token2wav, self._caches[0]
        if not _is_known(token2wav):
            return
        flow, hift, own_cache = token2wav.flow, token2wav.hift, cache["estimator_att_cache"]
        device = own_cache.device
        # What nothing will use any more goes first: there is no room for it beside what is recorded.
        token2wav.stream_cache = None
        buffers = _take_buffers(flow.decoder)
        cache["estimator_att_cache"] = own_cache = own_cache.cpu()
        own_encode = flow.encoder.forward_chunk
        encode = Recorded(
            lambda xs, cnn, att: own_encode(xs=xs, last_chunk=False, cnn_cache=cnn, att_cache=att), tf32=True
        )
        speak = Recorded(hift)
        try:
            solver = FlowSolver(flow.decoder, token2wav.n_timesteps, own_cache)
            compact([flow, hift, solver.blocks], tensors_in(self._caches))
            flow.decoder.forward_chunk = solver
            flow.encoder.forward_chunk = _of_encoder(own_encode, encode)
            token2wav.hift = speak
            cache["estimator_att_cache"] = solver.reference_places
            self._meet_all_shapes([solver.recorded, encode, speak], lane)
        except Exception:
            for part in (flow.decoder, flow.encoder):
                vars(part).pop("forward_chunk", None)
            with torch.inference_mode(False):
                flow.decoder.to(device)
            for part, name, shape in buffers:
                setattr(part, name, torch.zeros(shape, device=device, dtype=own_cache.dtype))
            token2wav.hift, cache["estimator_att_cache"] = hift, own_cache.to(device)
            self.begin()
            raise
        torch.cuda.empty_cache()  # or the next small tensor would keep their room

    def _meet_all_shapes(self, parts: list[Recorded], lane: GraphPool) -> None:
        """Speak a comment in which all lengths of chunk and cache occur, and record them.

        Its rest is as long as a rest can be, so that there is a graph that any other rest fits into.
        """
        self.begin()
        for part in parts:
            part.lane = lane
        for _ in range(FIRST_TOKENS + (_CHUNKS_UNTIL_STEADY + 1) * CHUNK_TOKENS - 1):
            self.push(_SILENCE_TOKEN)
        list(self.finish())
        for part in parts:
            part.lane = None
        self.begin()

    def begin(self) -> None:
        """Forget the comment before."""
        self._token2wav.stream_cache, self._token2wav.hift_cache_dict = clone(self._caches)
        self._tokens: list[int] = [_SILENCE_TOKEN] * LOOKAHEAD_TOKENS
        self._empty = True
        self.spoken_tokens = -LOOKAHEAD_TOKENS  # the silence in front

    def push(self, token: int) -> np.ndarray | None:
        """Add a token; sound, float32 (N,) at 24 kHz, when there is enough for a chunk: a short one, then seconds."""
        self._tokens.append(token)
        self._empty = False
        wanted = FIRST_TOKENS if self.spoken_tokens < 0 else CHUNK_TOKENS
        if len(self._tokens) < wanted + LOOKAHEAD_TOKENS:
            return None
        first = self.spoken_tokens < 0
        sound = self._sound(self._tokens, last=False)
        self._tokens = self._tokens[wanted:]
        self.spoken_tokens += wanted
        return _without_padding(sound) if first else sound

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


def _without_padding(sound: np.ndarray) -> np.ndarray:
    """A first chunk without the silence that Token2wav puts in front of it for the overlap that it holds back."""
    heard = np.flatnonzero(sound)
    return sound[min(heard[0], _PADDING_SAMPLES) :] if len(heard) else sound


def _is_known(token2wav) -> bool:
    """Whether the inner parts are those that can be replaced: stepaudio2's flow and HiFT, in float32."""
    estimator = getattr(getattr(getattr(token2wav, "flow", None), "decoder", None), "estimator", None)
    blocks = getattr(estimator, "blocks", None)
    return (
        not getattr(token2wav, "float16", False)
        and blocks is not None
        and all(hasattr(blocks[0], name) for name in ("attn", "conv", "mlp", "norm3", "adaLN_modulation"))
        and hasattr(token2wav.flow.encoder, "forward_chunk")
        and hasattr(token2wav, "hift")
    )


def _of_encoder(own: Callable[..., tuple], recorded: Recorded) -> Callable[..., tuple]:
    """The encoder's `forward_chunk`: a comment's last chunk, of any length, the own way, all others recorded."""

    def forward_chunk(xs, last_chunk=False, cnn_cache=None, att_cache=None):
        if last_chunk:
            return own(xs=xs, last_chunk=True, cnn_cache=cnn_cache, att_cache=att_cache)
        return recorded(xs, cnn_cache, att_cache)

    return forward_chunk


@contextlib.contextmanager
def small_buffers(reference_s: float) -> Iterator[None]:
    """A Token2wav that is made meanwhile gets attention buffers for a comment after a recording of so many seconds.

    Its own are made for 16 steps and 20 s, 2.1 GB in float32; 10 steps are taken, and what is kept behind the recording
    is 2 s: 0.7 GB for one of 6 s.
    """
    chunk = _MEL_FRAMES_PER_TOKEN * (CHUNK_TOKENS + LOOKAHEAD_TOKENS)
    frames = round(reference_s * CHUNK_TOKENS * _MEL_FRAMES_PER_TOKEN) + _KEPT_FRAMES + 2 * chunk

    def cut(_module: nn.Module, name: str, buffer: Tensor) -> Tensor | None:
        if name not in _BUFFERS or buffer is None:
            return None
        if buffer.ndim == _BUFFERS[name]:
            buffer = buffer[:FLOW_STEPS]
        return (buffer[..., :frames, :] if name == "att_cache_buffer" else buffer).clone()

    hook = register_module_buffer_registration_hook(cut)
    try:
        yield
    finally:
        hook.remove()


def _take_buffers(decoder) -> list[tuple[nn.Module, str, torch.Size]]:
    """Free the flow model's buffers; where they were, and their shapes."""
    taken = []
    for part in (decoder, decoder.estimator):
        for name in _BUFFERS:
            if (buffer := getattr(part, name, None)) is not None:
                taken.append((part, name, buffer.shape))
                setattr(part, name, torch.zeros(0))
    return taken
