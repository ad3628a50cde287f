"""How long each stage of a comment takes: preprocess, vision, prefill, decode, talker, vocoder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar

from commentator_lib.commentators.base import MODEL_STAGES, StageTimes

if TYPE_CHECKING:
    import torch

_Item = TypeVar("_Item")


class StageClock:
    """Seconds spent in each of MODEL_STAGES since the clock was made. The stages of voice and model overlap."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(MODEL_STAGES, 0.0)
        self._on_gpu = device.type == "cuda"

    @property
    def times(self) -> StageTimes:
        """The seconds by now, as a comment's last chunk gives them."""
        return StageTimes.from_mapping(self.seconds)

    @contextlib.contextmanager
    def stage(self, name: str, wait: bool = True) -> Generator[None]:
        """Add the time spent inside to the stage `name`.

        At its end the GPU is waited for, else the next stage would be charged for its work. With `wait` False the GPU
        works on while the next stage runs.
        """
        started_s = time.perf_counter()
        try:
            yield
            if wait and self._on_gpu:
                import torch

                torch.cuda.current_stream().synchronize()
        finally:
            self.seconds[name] += time.perf_counter() - started_s

    def time_items(
        self, items: Generator[_Item, None, None], first: str, later: str
    ) -> Generator[_Item, None, None]:
        """Yield the same items; charge the time of the first one to stage `first`, of the others to `later`.

        The items themselves must wait for the GPU.
        """
        name = first
        with contextlib.closing(items):
            while True:
                started_s = time.perf_counter()
                try:
                    item = next(items)
                except StopIteration:
                    return
                finally:
                    self.seconds[name] += time.perf_counter() - started_s
                name = later
                yield item
