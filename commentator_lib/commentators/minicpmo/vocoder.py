"""Turn audio tokens into sound: MiniCPM-o's Token2wav, second by second, in the voice of a recording.

The model's own `init_token2wav_cache` leaves a temporary file behind on every call, and its streaming loop is part of
its text loop. So the Token2wav object is called directly; token2wav.py fixes its faults.

A chunk is 25 tokens (1 s) and looks 3 tokens ahead; three tokens of silence come first, as in the model's own loop.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from commentator_lib.commentators.minicpmo.flow import FlowSolver
from commentator_lib.commentators.minicpmo.graphs import GraphedFunction, GraphPool
from commentator_lib.commentators.minicpmo.memory import compact
from commentator_lib.commentators.minicpmo.token2wav import (
    CHUNK_TOKENS,
    LOOKAHEAD_TOKENS,
    make_stream_caches,
    take_buffers,
    write_wav,
)

SAMPLE_RATE_HZ = 24_000
# The first chunk is short, so that the voice begins early: 0.4 s, and the next is ready before it is over.
FIRST_TOKENS = 10
SILENCE_TOKEN = 4218
# After this many chunks all caches have reached their final length.
_CHUNKS_UNTIL_STEADY = 4
_PADDING_SAMPLES = 3840


def clone(cache: Any) -> Any:
    """Return a copy of nested dicts, lists and tuples of tensors."""
    if torch.is_tensor(cache):
        return cache.clone()
    if isinstance(cache, dict):
        return {key: clone(value) for key, value in cache.items()}
    if isinstance(cache, list | tuple):
        return type(cache)(clone(value) for value in cache)
    return cache


def tensors_in(cache: Any) -> list[Tensor]:
    """Return the tensors of nested dicts, lists and tuples."""
    if torch.is_tensor(cache):
        return [cache]
    parts = cache.values() if isinstance(cache, dict) else cache
    return [tensor for part in parts for tensor in tensors_in(part)]


class Vocoder:
    """Sound of one comment after another, in the voice of `reference` (N,) float32 mono at 16 kHz.

    Call `begin` before each comment. `token2wav` has the interface of stepaudio2's Token2wav:
    `set_stream_cache(path)`, `stream(...)`, `stream_cache`, `hift_cache_dict`.
    """

    def __init__(self, token2wav: Any, reference: np.ndarray) -> None:
        self._token2wav = token2wav
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):  # it prints
            path = write_wav(Path(folder) / "reference.wav", reference)
            caches = make_stream_caches(token2wav, str(path))
        token2wav.audio_tokenizer = None  # half a gigabyte, needed for the recording only
        self._caches: Any = clone(caches)  # they are views of the buffers that the next chunk is written into

    @torch.inference_mode()
    def enable_cuda_graphs(
        self, graph_pool: GraphPool, first_tokens: Sequence[int] = (FIRST_TOKENS,)
    ) -> None:
        """Replace Token2wav's encoder, flow and HiFT by versions captured in `graph_pool`.

        `first_tokens`: the lengths that a first chunk may have; all others have 25 tokens.

        Only for parts that are known: those of stepaudio2, in float32. Raise what PyTorch raises where they cannot be
        captured; then everything is as before.
        """
        token2wav, cache = self._token2wav, self._caches[0]
        if not _can_be_captured(token2wav):
            return
        # 1) free what is no longer needed: there is no room for it beside the graphs
        flow, hift, own_cache = token2wav.flow, token2wav.hift, cache["estimator_att_cache"]
        device = own_cache.device
        token2wav.stream_cache = None
        buffers = take_buffers(flow.decoder)
        cache["estimator_att_cache"] = own_cache = own_cache.cpu()
        own_encode = flow.encoder.forward_chunk
        encode = GraphedFunction(
            lambda xs, cnn, att: own_encode(xs=xs, last_chunk=False, cnn_cache=cnn, att_cache=att), tf32=True
        )
        speak = GraphedFunction(hift)
        try:
            # 2) put the new parts into place and capture them
            solver = FlowSolver(flow.decoder, token2wav.n_timesteps, own_cache)
            compact([flow, hift, solver.blocks], tensors_in(self._caches))
            flow.decoder.forward_chunk = solver
            flow.encoder.forward_chunk = _replace_forward_chunk(own_encode, encode)
            token2wav.hift = speak
            cache["estimator_att_cache"] = solver.reference_places
            self._capture_all_shapes([solver.graphed, encode, speak], graph_pool, first_tokens)
        except Exception:
            # 3) on failure put the old parts back
            for part in (flow.decoder, flow.encoder):
                vars(part).pop("forward_chunk", None)
            with torch.inference_mode(False):
                flow.decoder.to(device)
            for part, name, shape in buffers:
                setattr(part, name, torch.zeros(shape, device=device, dtype=own_cache.dtype))
            token2wav.hift, cache["estimator_att_cache"] = hift, own_cache.to(device)
            self.begin()
            raise
        torch.cuda.empty_cache()  # else the next small tensor would keep the freed memory allocated

    def _capture_all_shapes(
        self, parts: list[GraphedFunction], graph_pool: GraphPool, first_tokens: Sequence[int]
    ) -> None:
        """Speak comments in which all lengths of chunk and cache occur, and capture them.

        Their last chunk is as long as a last chunk can be, so that any other last chunk can be padded to it.
        """
        for part in parts:
            part.graph_pool = graph_pool
        for first in first_tokens:
            self.begin()
            for count in (first, *[CHUNK_TOKENS] * _CHUNKS_UNTIL_STEADY):
                self.sound([SILENCE_TOKEN] * (count + LOOKAHEAD_TOKENS), last=False)
            self.sound([SILENCE_TOKEN] * (CHUNK_TOKENS + LOOKAHEAD_TOKENS - 1), last=True)
        for part in parts:
            part.graph_pool = None
        self.begin()

    def begin(self) -> None:
        """Forget the comment before."""
        self._token2wav.stream_cache, self._token2wav.hift_cache_dict = clone(self._caches)
        self._tokens: list[int] = [SILENCE_TOKEN] * LOOKAHEAD_TOKENS
        self._empty = True
        # audio tokens that are sound by now; below 0 for the silence in front
        self.spoken_tokens = -LOOKAHEAD_TOKENS

    def push(self, token: int) -> np.ndarray | None:
        """Add an audio token; return sound, float32 (N,) at 24 kHz, once there is enough for a chunk, else None.

        The first chunk is 0.4 s, the others are 1 s.
        """
        self._tokens.append(token)
        self._empty = False
        wanted = FIRST_TOKENS if self.spoken_tokens < 0 else CHUNK_TOKENS
        if len(self._tokens) < wanted + LOOKAHEAD_TOKENS:
            return None
        first = self.spoken_tokens < 0
        sound = self.sound(self._tokens, last=False)
        self._tokens = self._tokens[wanted:]
        self.spoken_tokens += wanted
        return _trim_padding(sound) if first else sound

    def finish(self) -> Iterator[np.ndarray]:
        """Yield the rest of the comment, float32 (N,) at 24 kHz, if there is any."""
        if not self._empty:
            yield self.sound(self._tokens, last=True)
        self._tokens = []

    def sound(self, tokens: list[int], last: bool) -> np.ndarray:
        """Return the sound, float32 (N,) at 24 kHz, of a chunk of audio tokens; `last` ends the comment.

        A chunk that is not the last looks ahead: its last 3 tokens begin the next one too.
        """
        with torch.inference_mode():
            samples = self._token2wav.stream(list(tokens), None, last_chunk=last, return_waveform=True)
        return np.ascontiguousarray(np.asarray(samples, dtype=np.float32).reshape(-1))


def _trim_padding(sound: np.ndarray) -> np.ndarray:
    """Return a first chunk without the silence that Token2wav puts in front of it for its overlap."""
    heard = np.flatnonzero(sound)
    return sound[min(heard[0], _PADDING_SAMPLES) :] if len(heard) else sound


def _can_be_captured(token2wav: Any) -> bool:
    """Return whether the inner parts are those that can be replaced: stepaudio2's flow and HiFT, in float32."""
    estimator = getattr(getattr(getattr(token2wav, "flow", None), "decoder", None), "estimator", None)
    blocks = getattr(estimator, "blocks", None)
    return (
        not getattr(token2wav, "float16", False)
        and blocks is not None
        and all(hasattr(blocks[0], name) for name in ("attn", "conv", "mlp", "norm3", "adaLN_modulation"))
        and hasattr(token2wav.flow.encoder, "forward_chunk")
        and hasattr(token2wav, "hift")
    )


def _replace_forward_chunk(own: Callable[..., tuple], graphed: GraphedFunction) -> Callable[..., tuple]:
    """Return the encoder's new `forward_chunk`: `own` for a comment's last chunk, of any length, else `graphed`."""

    def forward_chunk(
        xs: Tensor, last_chunk: bool = False, cnn_cache: Any = None, att_cache: Any = None
    ) -> tuple:
        if last_chunk:
            return own(xs=xs, last_chunk=True, cnn_cache=cnn_cache, att_cache=att_cache)
        return graphed(xs, cnn_cache, att_cache)

    return forward_chunk
