"""CUDA graphs: the kernels of a function, captured once and then replayed together, with no Python in between.

PyTorch's own helpers (make_graphed_callables, torch.compile's reduce-overhead) share one stream and one memory pool
for all graphs, so two of their graphs cannot run at once. Here the voice runs beside the language model: each of the
two has a GraphPool, and only the graphs of one pool share a stream and memory.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_WARM_RUNS = 2
_MAX_SHAPES = 16


class GraphPool:
    """One stream, and one memory for what lies between kernels, shared by graphs that never run at once.

    What a graph leaves in that memory must be copied before the next graph of the pool is replayed. Graphs that may run
    at once need a pool each: a matrix product's workspace belongs to the stream on which it was captured, and two
    graphs that share a workspace and run at once wait for each other forever.
    """

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()
        self.handle = torch.cuda.graph_pool_handle()


class CapturedGraph:
    """The captured kernels of `run`. It keeps `run`, since the graph reads the memory of what `run` refers to."""

    def __init__(self, graph: torch.cuda.CUDAGraph, run: Callable[[], object]) -> None:
        self._run = run
        self.replay = graph.replay


def capture_graph(run: Callable[[], object], graph_pool: GraphPool) -> CapturedGraph:
    """Capture `run` as a CUDA graph of `graph_pool`, after running it a few times.

    Raise RuntimeError, torch.OutOfMemoryError among others, where it cannot be captured.
    """
    torch.cuda.synchronize()  # another graph of the pool may still be running
    torch.cuda.empty_cache()  # else the memory that `run` used before its capture stays allocated beside the graph's
    with torch.cuda.stream(graph_pool.stream):
        for _ in range(_WARM_RUNS):
            run()
    graph_pool.stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, graph_pool.handle, graph_pool.stream, capture_error_mode="thread_local"):
        run()
    torch.cuda.synchronize()
    return CapturedGraph(graph, run)


class GraphedFunction:
    """`run(*tensors)`, which returns a tuple of tensors, replayed from a CUDA graph for each set of input shapes.

    While `graph_pool` is set, new shapes are captured, at most 16 of them; all other calls run without a graph. `tf32`:
    float32 products are captured on tensor cores, with 10 bits of each factor.
    """

    def __init__(self, run: Callable[..., tuple[Tensor, ...]], tf32: bool = False) -> None:
        self._run = run
        self._tf32 = tf32
        # input shapes -> the graph, the tensors that it reads, the tensors that it writes
        self._graphs: dict[tuple, tuple[CapturedGraph, list[Tensor], tuple[Tensor, ...]]] = {}
        self.graph_pool: GraphPool | None = None

    @torch.inference_mode()
    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return what `run` returns, as tensors of their own."""
        key = tuple(tensor.shape for tensor in tensors)
        if key not in self._graphs:
            if self.graph_pool is None or len(self._graphs) >= _MAX_SHAPES:
                return self._run(*tensors)
            self._graphs[key] = self._capture(tensors, self.graph_pool)
        graph, inputs, outputs = self._graphs[key]
        for static, tensor in zip(inputs, tensors, strict=True):
            static.copy_(tensor)
        graph.replay()
        return tuple(tensor.clone() for tensor in outputs)

    def _capture(
        self, tensors: tuple[Tensor, ...], graph_pool: GraphPool
    ) -> tuple[CapturedGraph, list[Tensor], tuple[Tensor, ...]]:
        inputs = [tensor.clone() for tensor in tensors]
        constants = _HostConstants()
        outputs: list[tuple[Tensor, ...]] = []

        def run() -> None:
            constants.begin()
            with constants:
                outputs[:] = [self._run(*inputs)]

        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self._tf32 else before)
        try:
            graph = capture_graph(run, graph_pool)
        finally:
            torch.set_float32_matmul_precision(before)
        return graph, inputs, outputs[0]


class _HostConstants(TorchFunctionMode):
    """Makes code capturable that was not written for it.

    A copy from the host cannot be captured. Tensors that the code copies to the GPU in each call are the same tables
    every time: the copies of the first call are kept and given to the later ones. torch.istft, which asks the GPU
    whether its windows sum to more than zero, is replaced by `istft`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Tensor] = []
        self._next = 0

    def begin(self) -> None:
        """Start a new call of the code."""
        self._next = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.istft:
            return istft(*args, **kwargs)
        if func is not torch.Tensor.to or args[0].device.type != "cpu":
            return func(*args, **kwargs)
        if self._next == len(self._kept):
            self._kept.append(func(*args, **kwargs))
        self._next += 1
        return self._kept[self._next - 1]


def istft(spectrum: Tensor, n_fft: int, hop_length: int, win_length: int, window: Tensor) -> Tensor:
    """Return torch.istft (centred) of a complex `spectrum` (B, n_fft/2 + 1, frames): samples (B, hop · (frames − 1)).

    `window` (n_fft,). Raise ValueError for a window that is shorter than the transform.
    """
    if win_length != n_fft:
        raise ValueError(f"a window of {win_length} for a transform of {n_fft}")
    pieces = torch.fft.irfft(spectrum, n=n_fft, dim=1) * window[:, None]  # (B, n_fft, frames)
    weights = (window**2)[None, :, None].expand(1, n_fft, spectrum.shape[-1])  # (1, n_fft, frames)
    length = n_fft + hop_length * (spectrum.shape[-1] - 1)
    # overlap and add: (B, length) and (1, length)
    summed, weight = (
        F.fold(part, (1, length), (1, n_fft), stride=(1, hop_length))[:, 0, 0] for part in (pieces, weights)
    )
    return (summed / weight)[:, n_fft // 2 : length - n_fft // 2]
