"""Turn the programme's sound into the language model's embeddings: mel frames, encoder, projection.

The model's own code pads every sound to 30 s, computes the mel frames on the CPU, builds its attention's mask
row by row, and launches each kernel from Python. Here a sound is padded to the next 2 s, and on a GPU each
such length is one CUDA graph, from the samples on. The numbers are the same: an encoded moment attends to its
own second and to those before it, so what is padded behind the sound, and masked, changes nothing.

The method is that of the model's own code (get_audio_embedding of MiniCPM-o 4.5), after Radford et al.,
"Robust Speech Recognition via Large-Scale Weak Supervision" (2022): 100 mel frames a second, 50 states, 10
embeddings.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from commentator_lib.commentators.minicpmo.graphs import CapturedGraph, GraphPool, capture_graph
from commentator_lib.media import AudioChunk, to_float32

RATE_HZ = 16_000
# The encoder has learnt positions for so many seconds; of a longer sound the end is heard.
LONGEST_S = 30
AUDIO_START, AUDIO_END = "<|audio_start|>", "<|audio_end|>"
_HOP_SAMPLES = 160  # from one mel frame to the next
_STATES_PER_S = 50  # the second convolution halves the mel frames
_BUCKET_FRAMES = 200  # mel frames to whose multiples a sound is padded: 2 s
# Silent frames behind a sound, so that the last mel frames' windows end in silence, as in padded 30 s.
_TAIL_FRAMES = 3


def count_embeddings(samples: int, pool_step: int = 5) -> int:
    """Return how many embeddings a sound of so many samples at 16 kHz becomes; 0 for less than 0.08 s.

    >>> count_embeddings(4 * 16_000)
    40
    """
    mel_frames = -(-samples // _HOP_SAMPLES)
    return (mel_frames + 1) // 2 // pool_step


def audio_placeholder(embeddings: int, unknown_token: str) -> str:
    """Return the text that keeps the places of so many embeddings, between the marks of a sound."""
    return AUDIO_START + unknown_token * embeddings + AUDIO_END


def prepare_samples(sound: AudioChunk) -> np.ndarray:
    """Return the sound's last 30 s as float32 (N,) without NaN.

    Raise ValueError unless it is mono at 16 kHz.
    """
    if sound.sample_rate_hz != RATE_HZ:
        raise ValueError(f"the sound is at {sound.sample_rate_hz} Hz, and the model hears {RATE_HZ} Hz")
    if sound.samples.ndim != 1:
        raise ValueError(f"the sound has the shape {sound.samples.shape}, and the model hears mono, (N,)")
    return np.nan_to_num(to_float32(sound.samples[-LONGEST_S * RATE_HZ :]), posinf=1.0, neginf=-1.0)


class LogMel:
    """What the checkpoint's feature extractor computes, a WhisperFeatureExtractor, as a function on `device`.

    On the CPU the same products took 3 to 54 ms for 4 s of sound within a comment, on 16 cores, and 1.4 ms
    alone.
    """

    def __init__(self, extractor: Any, device: torch.device) -> None:
        self._window = torch.hann_window(extractor.n_fft, device=device)
        filters = np.asarray(extractor.mel_filters.T, np.float32)
        self._filters = torch.from_numpy(filters).contiguous().to(device)  # (80, n_fft / 2 + 1)
        # the extractor of MiniCPM-o can have a fixed floor; log10 of power, both
        self._has_fixed_floor = not getattr(extractor, "dynamic_log_norm", True)
        self._range = float(getattr(extractor, "dynamic_range_db", 8.0))
        self._floor = float(getattr(extractor, "log_floor_db", -10.0))

    def log10(self, samples: Tensor) -> Tensor:
        """Return log10 of the mel frames' power (80, N / 160) of samples (N,) float32; N is a multiple of 160."""
        fft = len(self._window)
        spectrum = torch.stft(samples, fft, _HOP_SAMPLES, window=self._window, return_complex=True)
        power = spectrum[:, :-1].abs() ** 2  # (n_fft / 2 + 1, N / 160)
        return (self._filters @ power).clamp(min=1e-10).log10()  # (80, N / 160)

    def __call__(self, samples: Tensor) -> Tensor:
        """Return the log-mel frames (80, N / 160) of samples (N,) float32; N is a multiple of 160."""
        log = self.log10(samples)
        log = log.clamp(min=self._floor) if self._has_fixed_floor else log.maximum(log.amax() - self._range)
        return (log + 4) / 4


def can_attend(states: int, length: Tensor, chunk: int) -> Tensor:
    """Return which of the states (n, n) bool each one (row) attends to, of the first `length` (1,).

    A state attends to its own chunk of `chunk` states and to all chunks before it.
    """
    place = torch.arange(states, device=length.device)  # (n,)
    return (place // chunk <= place[:, None] // chunk) & (place < length)


class Hearing:
    """The audio encoder of `model`. `extractor` is the checkpoint's feature extractor.

    With a `graph_pool` it is captured as CUDA graphs, one for each multiple of 2 s; a length that is new runs
    without one until `capture_new_shapes` is called.
    """

    def __init__(self, model: Any, extractor: Any, graph_pool: GraphPool | None = None) -> None:
        self._model, self._graph_pool = model, graph_pool
        self._pool_step = int(model.config.audio_pool_step)
        self._chunk = int(model.config.audio_chunk_length * _STATES_PER_S)
        self._device, self._dtype = model.apm.conv1.weight.device, model.apm.conv1.weight.dtype
        self._log_mel = LogMel(extractor, self._device)
        # mel frames -> the graph, the samples and the number of frames that it reads, what it writes
        self._graphs: dict[int, tuple[CapturedGraph, Tensor, Tensor, Tensor]] = {}
        self._new_shapes: set[int] = set()

    @staticmethod
    def supports(model: Any, processor: Any) -> bool:
        """Return whether the model was loaded with Whisper's encoder, its processor with an extractor."""
        layers = getattr(getattr(model, "apm", None), "layers", None)
        return (
            layers is not None
            and hasattr(layers[0].self_attn, "out_proj")
            and hasattr(model, "audio_projection_layer")
            and hasattr(model, "audio_avg_pooler")
            and getattr(model.config, "audio_chunk_length", 0) > 0
            and getattr(getattr(processor, "audio_processor", None), "hop_length", 0) == _HOP_SAMPLES
            and hasattr(processor.audio_processor, "mel_filters")
        )

    @torch.inference_mode()
    def encode(self, sound: AudioChunk) -> Tensor | None:
        """Return the embeddings (n, H) of a sound, of its last 30 s; None where it is too short to be heard.

        Raise ValueError for sound that is not mono at 16 kHz.
        """
        samples = prepare_samples(sound)
        embeddings = count_embeddings(len(samples), self._pool_step)
        if not embeddings:
            return None
        count = -(-len(samples) // _HOP_SAMPLES)  # mel frames
        frames = -(-count // _BUCKET_FRAMES) * _BUCKET_FRAMES
        if frames in self._graphs:
            graph, inputs, length, outputs = self._graphs[frames]
            _fill(inputs, samples, length, count)
            graph.replay()
            return outputs[:embeddings].clone()
        self._new_shapes.add(frames)
        inputs, length = self._make_inputs(frames)
        _fill(inputs, samples, length, count)
        return self._run(inputs, length)[:embeddings]

    @torch.inference_mode()
    def capture_new_shapes(self) -> None:
        """Capture graphs for lengths that are new, between two comments."""
        new_shapes, self._new_shapes = self._new_shapes, set()
        if self._graph_pool is None:
            return
        # the largest first, so that the memory of its graph serves the others too
        for frames in sorted(new_shapes, reverse=True):
            inputs, length = self._make_inputs(frames)
            outputs: list[Tensor] = []
            graph = capture_graph(partial(self._run_into, outputs, inputs, length), self._graph_pool)
            self._graphs[frames] = graph, inputs, length, outputs[0]

    def _make_inputs(self, frames: int) -> tuple[Tensor, Tensor]:
        """Return room for the samples of so many mel frames and the tail (N,), and for their number (1,)."""
        return (
            torch.zeros((frames + _TAIL_FRAMES) * _HOP_SAMPLES, device=self._device),
            torch.full((1,), frames, dtype=torch.long, device=self._device),
        )

    def _run_into(self, outputs: list[Tensor], samples: Tensor, length: Tensor) -> None:
        outputs[:] = [self._run(samples, length)]

    def _run(self, samples: Tensor, length: Tensor) -> Tensor:
        """Return embeddings (frames / 2 / pool step, H) of `samples` (N,), made by `_make_inputs`.

        Of their mel frames `length` (1,) count.
        """
        apm, model = self._model.apm, self._model
        mel = self._log_mel(samples)[None, :, :-_TAIL_FRAMES]  # (1, 80, frames)
        counts = torch.arange(mel.shape[2], device=mel.device) < length  # (frames,)
        # behind the sound are zeros before each convolution, as where it ends there
        x = F.gelu(apm.conv1((mel * counts).to(self._dtype))) * counts  # (1, D, frames)
        x = F.gelu(apm.conv2(x)).transpose(1, 2)  # (1, n, D) from here on
        x = x + apm.embed_positions.weight[: x.shape[1]]
        attends = can_attend(x.shape[1], (length + 1) // 2, self._chunk)
        for layer in apm.layers:
            x = x + _attend(layer.self_attn, layer.self_attn_layer_norm(x), attends)
            x = feed_forward(layer, x)
        return to_embeddings(model, x)


def _fill(inputs: Tensor, samples: np.ndarray, length: Tensor, count: int) -> None:
    """Write samples (N,) to the beginning of `inputs`, zeros behind them, and `count` into `length` (1,)."""
    inputs[: len(samples)] = torch.from_numpy(samples)
    inputs[len(samples) :] = 0
    length.fill_(count)


def feed_forward(layer: Any, x: Tensor) -> Tensor:
    """Return what the second half of one of Whisper's layers makes of x (1, n, D)."""
    x = x + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(x))))
    if x.dtype == torch.float16:  # too large for it in some layers of Whisper
        x = x.clamp(-65_504, 65_504)
    return x


def to_embeddings(model: Any, x: Tensor) -> Tensor:
    """Return the language model's embeddings (n / pool step, H) of the encoder's states x (1, n, D)."""
    x = model.audio_projection_layer(model.apm.layer_norm(x))  # (1, n, H)
    return model.audio_avg_pooler(x.transpose(1, 2)).transpose(1, 2)[0]


def project_heads(attention: Any, x: Tensor) -> tuple[Tensor, ...]:
    """Return query, key and value (1, heads, n, D / heads) of Whisper's attention for x (1, n, D)."""
    return tuple(
        project(x).unflatten(2, (attention.num_heads, -1)).transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )


def _attend(attention: Any, x: Tensor, attends: Tensor) -> Tensor:
    """Return Whisper's attention on x (1, n, D) by PyTorch's fused kernel.

    `attends` (n, n) bool has a row for each query.
    """
    query, key, value = project_heads(attention, x)
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=attends)
    return attention.out_proj(attended.transpose(1, 2).flatten(2))  # (1, n, D)
