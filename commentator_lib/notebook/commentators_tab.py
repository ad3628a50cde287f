"""The panel's tab "Commentator": states, loading with progress, the key of a server, and speech as a question."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from commentator_lib.checks.commentators import CommentatorState, commentator_states
from commentator_lib.commentators.base import Commentator, CommentatorError, Loading
from commentator_lib.commentators.factory import load_commentator, make_commentator
from commentator_lib.commentators.openai.login import KEY_VARIABLE
from commentator_lib.notebook.commentator_cards import commentator_cards, named_settings
from commentator_lib.notebook.panel_page import PanelPage
from commentator_lib.session import LiveSession
from commentator_lib.settings import COMMENTATORS, Settings
from commentator_lib.sound.recognition import find_recogniser, recognise
from commentator_lib.voices.openai import KEY_VARIABLE as VOICE_KEY_VARIABLE

_SPEECH_RATE_HZ = 16_000
_MOST_SPEECH_S = 15.0
# What a commentator is made from, beside the settings of its own fields: a change of one needs another loading.
_MADE_FROM = (
    "commentator",
    "device",
    "assets_path",
    "reference_audio_path",
    "vocoder_float16",
    "max_slice_nums",
)


class CommentatorsTab:
    """What the tab shows, a commentator that was loaded before its run, and a server's key.

    `given` is a commentator that the program handed over: then there is no choice. `show_controls(**changes)` shows
    what changed outside the tab.
    """

    def __init__(
        self, page: PanelPage, given: Commentator | None, show_controls: Callable[..., None]
    ) -> None:
        self._page, self._given, self._show_controls = page, given, show_controls
        self._states: Sequence[CommentatorState] = ()
        self._key = ""
        self._loaded: tuple[tuple[Any, ...], Commentator] | None = None
        self._settings: Settings | None = None
        self.recogniser = find_recogniser()

    def show(self, settings: Settings) -> None:
        """Let the page show the commentators with these settings."""
        self._settings = settings
        names = dict.fromkeys((*COMMENTATORS, settings.commentator))
        shown = commentator_cards(
            names, self._states, settings, bool(self._key), self._is_loaded(settings), not self._states
        )
        if self._given is not None:
            shown |= {"cards": [], "given": self._given.name}
        self._page.commentator_cards = shown

    def ask_states(self, settings: Settings) -> None:
        """Find out what this machine can run; takes a second."""
        self._states = commentator_states(settings, has_key=True if self._key else None)
        self.show(self._settings or settings)

    def why_no_answer(self, session: LiveSession | None, settings: Settings) -> str:
        """Return why questions are not answered by the present run, or else by the next; "" where they are."""
        name, able = settings.commentator, settings.commentator not in ("baseline", "scripted")
        if session is not None:
            name, able = session.log.header["commentator"], session.can_answer
        elif self._given is not None:
            name, able = self._given.name, self._given.answers_questions
        return (
            ""
            if able
            else f"The {name} commentator cannot answer questions: choose a model in the tab Commentator."
        )

    # --- loading

    def _made_from(self, settings: Settings) -> tuple[Any, ...]:
        names = (*_MADE_FROM, *named_settings(settings.commentator))
        return (*(getattr(settings, name) for name in names), self._key)

    def _is_loaded(self, settings: Settings) -> bool:
        return self._loaded is not None and self._loaded[0] == self._made_from(settings)

    def load(self, settings: Settings, say: Callable[[str], None]) -> None:
        """Load the commentator before its run, with progress. Raise CommentatorError where it cannot be."""
        if self._given is not None or self._is_loaded(settings):
            say("It is loaded.")
            return
        self.close()
        try:
            loaded = load_commentator(settings, on_loading=self.tell_loading, api_key=self._key or None)
        finally:
            self._show_controls(loading=None)
        self._loaded = (self._made_from(settings), loaded)
        self.show(settings)
        say(f"{loaded.name} is loaded.")

    def tell_loading(self, loading: Loading) -> None:
        """Show how far the loading has come."""
        self._show_controls(loading={"words": loading.words, "share": loading.share})

    def for_session(self, settings: Settings) -> dict[str, Any]:
        """Return the arguments that give a session its commentator. Raise CommentatorError where there is none."""
        if self._given is not None:
            return {"commentator": self._given}
        if self._is_loaded(settings) and self._loaded is not None:
            return {"commentator": self._loaded[1], "keep_commentator": True}
        self.close()  # a model that is loaded for nothing would leave no memory for this one
        return {"commentator": make_commentator(settings, self._key or None)}

    def close(self) -> None:
        """Forget a commentator that was loaded, and give its memory back."""
        if self._loaded is not None:
            self._loaded[1].close()
        self._loaded = None

    def take_key(self, key: str) -> None:
        """Keep a server's key in memory; it is shown nowhere. "" forgets it."""
        self._key = key.strip()

    def has_key(self) -> bool:
        """Return whether there is a server's key, here or in the environment."""
        names = (KEY_VARIABLE, VOICE_KEY_VARIABLE)
        return bool(self._key) or any(os.environ.get(name, "").strip() for name in names)

    # --- speech

    def recognise(self, recorded: bytes) -> str:
        """Return the words of speech that a page recorded (WebM or Ogg). Raise CommentatorError for none."""
        samples = decode_speech(recorded)
        words = recognise(samples) if len(samples) else ""
        if not words:
            raise CommentatorError("no words were understood: speak again, nearer to the microphone")
        return words


def decode_speech(recorded: bytes) -> np.ndarray:
    """Return recorded speech as float32 (N,) at 16 kHz, 15 s at most. Raise CommentatorError for what is no sound."""
    import av
    from av.error import FFmpegError

    resampler = av.AudioResampler("flt", "mono", _SPEECH_RATE_HZ)
    blocks: list[np.ndarray] = []
    try:
        with av.open(io.BytesIO(recorded)) as file:
            for frame in file.decode(audio=0):  # pyright: ignore[reportAttributeAccessIssue]
                blocks += [out.to_ndarray().ravel() for out in resampler.resample(frame)]
                if sum(map(len, blocks)) > _MOST_SPEECH_S * _SPEECH_RATE_HZ:
                    break
    except (FFmpegError, IndexError) as error:
        raise CommentatorError(f"the recorded speech cannot be read: {type(error).__name__}") from None
    sound = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return sound[: int(_MOST_SPEECH_S * _SPEECH_RATE_HZ)].astype(np.float32)
