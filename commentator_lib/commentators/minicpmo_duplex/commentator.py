"""MiniCPM-o 4.5 in duplex as a commentator: the model itself decides when to speak, on a GPU of this machine.

How a cycle meets the session stands in realtime/deciding.py: a cycle asks what the model has decided, "..." while it
listens. So set `speak_when=interval`, and `hear=true` for it to hear the programme; without it, it hears silence.

Each run has a session of its own. A second that fails costs one comment, which says why, even where nobody was asking
then; the next one begins a session without the memory of before.

What it cannot do: the prompt's facts, events and last comment do not reach the model, since a session takes its
instructions once (a new instruction begins a new session); the programme's sound comes with the cycles; words that were
cut stay in the model's memory as if they had been heard.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from commentator_lib.commentators.base import CommentatorError, CommentChunk, CommentRequest
from commentator_lib.commentators.minicpmo.preflight import check_and_make_loader, load_and_tell
from commentator_lib.commentators.minicpmo_duplex.session import DuplexSession
from commentator_lib.commentators.realtime.deciding import DecidingCommentator, Session
from commentator_lib.commentators.realtime.protocol import RealtimeError
from commentator_lib.commentators.torch_tools import free_gpu
from commentator_lib.settings import Settings

if TYPE_CHECKING:
    from commentator_lib.commentators.minicpmo.loading import Loaded
    from commentator_lib.commentators.minicpmo_duplex.model import DuplexModel

_BUILT_SHARE = 0.86


class MiniCPMODuplexCommentator(DecidingCommentator):
    """The model that `settings` name, in duplex. It always has its audio encoder.

    Raise CommentatorError at once for what can be known without loading it, as `MiniCPMOCommentator` does. `load`
    replaces the loading of the checkpoint; with `graphs` False no CUDA graphs are used.
    """

    def __init__(
        self, settings: Settings, load: Callable[[], Loaded] | None = None, graphs: bool = True
    ) -> None:
        super().__init__()
        self._settings, self._graphs = settings, graphs
        self._load = load or check_and_make_loader(settings.changed(hear=True))
        self.name = f"minicpmo-duplex: {settings.model_path.rstrip('/').rsplit('/', 1)[-1] or 'made'}"
        self.hears = settings.hear
        self._model: DuplexModel | None = None
        self._frame_size, self._seen_size = (448, 448), (0, 0)
        self._instructions = ""
        self._finalizer: weakref.finalize | None = None

    @property
    def has_voice(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]  as in the base class of both
        """Whether it speaks itself: it was loaded with its voice, or will be."""
        return self._settings.speech if self._model is None else self._model.voice is not None

    @property
    def model(self) -> DuplexModel:
        """The parts that `warm_up` loaded. Raise RuntimeError before `warm_up` and after `close`."""
        if self._model is None:
            raise RuntimeError("the model is not loaded: call warm_up first")
        return self._model

    def expect_frames(self, width: int, height: int) -> None:
        """Note the size of the frames (pixels) that will come: `warm_up` runs its seconds with it."""
        self._frame_size = width, height

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """Yield what the model says now, as in the base class; a session that has failed raises
        RealtimeError here, once, and the next call opens another.
        """
        try:
            yield from super().comment(request)
        except RealtimeError:
            if self._session is not None and self._session.responses.closed:
                self._close_session()
            raise

    def warm_up(self) -> None:
        """Load the model and run seconds of every kind, so that the first that counts is not slower than the others.

        End the session of the run before: in virtual time this run's frames would be older than its last ones.
        Raise CommentatorError where the model cannot be loaded, or the memory suffices for no second.
        """
        import torch

        self._close_session()
        try:
            if self._model is None:
                self._load_model()
            if self._seen_size != self._frame_size:
                from commentator_lib.commentators.minicpmo_duplex.build import run_first_units

                self.say_loading("first seconds", _BUILT_SHARE)
                run_first_units(self.model, self._frame_size)
                self._seen_size = self._frame_size
        except (torch.OutOfMemoryError, MemoryError):
            self.close()
            raise CommentatorError(
                "the model fits into the GPU's memory, but not even a second in duplex fits beside it: "
                "end what else uses it, set speech=false, or take the AWQ INT4 checkpoint"
            ) from None

    def close(self) -> None:
        """End the session and free the GPU; `warm_up` loads again."""
        self._said.clear()
        self._close_session()
        self._model = None
        self._seen_size = (0, 0)
        free_gpu()

    def _load_model(self) -> None:
        loaded = load_and_tell(self, self._load)
        from commentator_lib.commentators.minicpmo_duplex.build import build_model

        self._model = build_model(loaded, self._settings, self._graphs, self.say_loading)

    def _open_session(self, instructions: str) -> Session:
        session = self._session  # one that has failed says so in this comment
        if session is None or instructions != self._instructions:
            self.warm_up()
            session = self._session = DuplexSession(self.model, instructions)
            self._finalizer = weakref.finalize(self, session.close)
            self._instructions = instructions
        return session

    def _close_session(self) -> None:
        if self._finalizer is not None:
            self._finalizer()  # closes it, once
        self._session = self._finalizer = None
