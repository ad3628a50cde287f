"""CUDA graphs: a function's kernels recorded once and replayed as one, with no Python in between.

PyTorch's own helpers (make_graphed_callables, torch.compile's reduce-overhead) share one stream and one memory pool
for recording; two graphs of theirs cannot run at once, and here the voice runs beside the language model. So there
are two lanes: graphs of one lane share all that and never run at once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_WARM_RUNS = 2
_MOST_SHAPES = 8


class GraphPool:
    """Where graphs are recorded that never run at once: one stream, and one memory for what lies between their kernels.

    What a graph leaves in that memory must be copied before the next one of its lane is replayed. Graphs that may run
    at once need lanes of their own: a matrix product's workspace belongs to the stream that it was recorded on, and two
    that share one and run at once wait for each other for ever.
    """

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()


class Recording:
    """A recorded `run`. It keeps `run`, since the graph reads the memory of what `run` refers to."""

    def __init__(self, graph: torch.cuda.CUDAGraph, run: Callable[[], object]) -> None:
        self._run = run
        self.replay = graph.replay


def record(run: Callable[[], object], lane: GraphPool) -> Recording:
    """`run` as a CUDA graph of `lane`; it is run a few times before."""
    torch.cuda.synchronize()  # another graph of the lane may still be under way
    torch.cuda.empty_cache()  # or it would run beside what the same thing left when it was not yet recorded
    with torch.cuda.stream(lane.stream):
        for _ in range(_WARM_RUNS):
            run()
    lane.stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, lane.pool, lane.stream, capture_error_mode="thread_local"):
        run()
    torch.cuda.synchronize()
    return Recording(graph, run)


class Recorded:
    """`run(*tensors)`, which returns a tuple of tensors, by a graph for each set of shapes.

    New shapes are recorded while `lane` is set, at most 8 of them, and run as they are else. `tf32`: float32 products
    are recorded on tensor cores, with 10 bits of each factor.
    """

    def __init__(self, run: Callable[..., tuple[Tensor, ...]], tf32: bool = False) -> None:
        self._run = run
        self._tf32 = tf32
        self._graphs: dict[tuple, tuple] = {}
        self.lane: GraphPool | None = None

    @torch.inference_mode()
    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        key = tuple(tensor.shape for tensor in tensors)
        if key not in self._graphs:
            if self.lane is None or len(self._graphs) >= _MOST_SHAPES:
                return self._run(*tensors)
            self._graphs[key] = self._record(tensors, self.lane)
        graph, given, found = self._graphs[key]
        for static, tensor in zip(given, tensors, strict=True):
            static.copy_(tensor)
        graph.replay()
        return tuple(tensor.clone() for tensor in found)

    def _record(self, tensors: tuple[Tensor, ...], lane: GraphPool) -> tuple:
        given = [tensor.clone() for tensor in tensors]
        constants = _Constants()
        found: list[tuple[Tensor, ...]] = []

        def run() -> None:
            constants.begin()
            with constants:
                found[:] = [self._run(*given)]

        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self._tf32 else before)
        try:
            graph = record(run, lane)
        finally:
            torch.set_float32_matmul_precision(before)
        return graph, given, found[0]


class _Constants(TorchFunctionMode):
    """Lets code be recorded that was not written for it.

    What it copies from the host in each call is copied in the first one and kept: the same tables every time. And
    torch.istft, which asks the GPU whether its windows add up to anything, gives way to `istft`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Tensor] = []
        self._next = 0

    def begin(self) -> None:
        self._next = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is torch.istft:
            return istft(*args, **kwargs)
        if function is not torch.Tensor.to or args[0].device.type != "cpu":
            return function(*args, **kwargs)
        if self._next == len(self._kept):
            self._kept.append(function(*args, **kwargs))
        self._next += 1
        return self._kept[self._next - 1]


def istft(spectrum: Tensor, n_fft: int, hop_length: int, win_length: int, window: Tensor) -> Tensor:
    """torch.istft, centred, for a window as long as the transform: (B, n_fft/2 + 1, frames) complex to (B, samples)."""
    if win_length != n_fft:
        raise ValueError(f"a window of {win_length} for a transform of {n_fft}")
    pieces = torch.fft.irfft(spectrum, n=n_fft, dim=1) * window[:, None]
    weights = (window**2)[None, :, None].expand(1, n_fft, spectrum.shape[-1])
    length = n_fft + hop_length * (spectrum.shape[-1] - 1)
    summed, weight = (
        F.fold(part, (1, length), (1, n_fft), stride=(1, hop_length))[:, 0, 0] for part in (pieces, weights)
    )
    return (summed / weight)[:, n_fft // 2 : length - n_fft // 2]
