"""Run `generate` of transformers as an iterator of tokens that can be closed between two of them.

A loop over the model's forward would have to know each model's cache and inputs, which change from version to version.
So `generate` itself runs in a thread: it hands over each token as it is picked, and asks after each whether to stop.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_END = object()


class Generation:
    """One run of a model's `generate` in a thread of its own: its streamer and its stopping criterion in one.

    `generate(streamer=…, stopping_criteria=…, **options)` is called once. Times in seconds.
    """

    def __init__(self, generate: Callable[..., Any]) -> None:
        self._generate: Callable[..., Any] | None = generate
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._error: BaseException | None = None
        self._prompt_came = False
        self._times_s: list[float] = []  # of the start and of each token
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def prefill_s(self) -> float:
        """Seconds from the start to the first token; 0 before it came."""
        return self._times_s[1] - self._times_s[0] if len(self._times_s) > 1 else 0.0

    @property
    def decode_s(self) -> float:
        """Seconds from the first token to the newest."""
        return self._times_s[-1] - self._times_s[1] if len(self._times_s) > 1 else 0.0

    def tokens(self, timeout_s: float | None, **options: Any) -> Generator[int]:
        """Yield token ids as they come; errors of `generate` are raised here, after the tokens before them.

        Closing the iterator stops `generate` at its next token and waits for that. Raise TimeoutError when no token
        comes for `timeout_s` seconds; None waits for ever.
        """
        self._times_s.append(time.perf_counter())
        self._thread = threading.Thread(target=self._run, args=(options,), name="generation", daemon=True)
        self._thread.start()
        wait_s = timeout_s
        try:
            while True:
                try:
                    token = self._queue.get(timeout=timeout_s)
                except queue.Empty:
                    wait_s = 0.0  # long enough was waited already
                    raise TimeoutError(f"the model gave no token for {timeout_s:g} s") from None
                if token is _END:
                    break
                yield token
            if self._error is not None:
                raise self._error
        finally:
            self.cancel(wait_s)
            self._error = None  # its traceback holds the tensors

    def cancel(self, timeout_s: float | None) -> None:
        """Stop at the next token, and wait for the thread to end, `timeout_s` at most; None waits for ever."""
        self._cancelled.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self, options: dict[str, Any]) -> None:
        try:
            if self._generate is not None:
                self._generate(streamer=self, stopping_criteria=[self], **options)
        except BaseException as error:  # of any kind: `tokens` raises it where it is read
            self._error = error
        finally:
            self._generate = None  # frees the inputs, even if the iterator is not read to its end
            self._queue.put(_END)

    # What `generate` calls, in its thread

    def put(self, ids: torch.Tensor) -> None:
        """Take, as a streamer, the prompt (1, n) first, then each token (1,)."""
        if self._prompt_came:
            self._times_s.append(time.perf_counter())
            for token in ids.reshape(-1).tolist():
                self._queue.put(token)
        self._prompt_came = True

    def end(self) -> None:
        """Do nothing, as a streamer: the end of the thread marks the end."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        """Return, as a stopping criterion, whether to stop: (1,) bool; `input_ids` (1, n)."""
        return input_ids.new_full((len(input_ids),), self._cancelled.is_set()).bool()
