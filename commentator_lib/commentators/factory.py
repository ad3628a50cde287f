"""Make the commentator that the settings name: a built-in one, an installed one, or a class by its dotted name."""

from __future__ import annotations

from collections.abc import Callable

from commentator_lib.commentators.base import Commentator, CommentatorError, Loading
from commentator_lib.errors import named_first_line
from commentator_lib.plugins import PluginError, known_names, load_class
from commentator_lib.settings import Settings, SettingsError


def _baseline(settings: Settings) -> Commentator:
    from commentator_lib.commentators.baseline.commentator import BaselineCommentator

    return BaselineCommentator(seed=settings.seed)


def _minicpmo(settings: Settings) -> Commentator:
    from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator

    return MiniCPMOCommentator(settings)


def _minicpmo_duplex(settings: Settings) -> Commentator:
    from commentator_lib.commentators.minicpmo_duplex.commentator import MiniCPMODuplexCommentator

    return MiniCPMODuplexCommentator(settings)


def _vlm(settings: Settings) -> Commentator:
    from commentator_lib.commentators.vlm.commentator import VLMCommentator

    return VLMCommentator(settings)


def _openai(settings: Settings, api_key: str | None = None) -> Commentator:
    from commentator_lib.commentators.openai.commentator import OpenAICommentator

    return OpenAICommentator(settings, api_key=api_key)


def _realtime(settings: Settings, api_key: str | None = None) -> Commentator:
    from commentator_lib.commentators.realtime.commentator import RealtimeCommentator

    return RealtimeCommentator(settings, api_key=api_key)


def _scripted(settings: Settings) -> Commentator:
    from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator

    cost = CostModel(1.0, 0.15, 4.0, 1.0, 0.5)
    return ScriptedCommentator(cost=cost, sound="tone", seed=settings.seed)


# The built-in commentators. Their names are also in `settings.COMMENTATORS`, which checks what users write.
_BUILT_IN: dict[str, Callable[[Settings], Commentator]] = {
    "baseline": _baseline,
    "minicpmo": _minicpmo,
    "minicpmo-duplex": _minicpmo_duplex,
    "vlm": _vlm,
    "openai": _openai,
    "realtime": _realtime,
    "scripted": _scripted,
}


def known_commentators() -> dict[str, str]:
    """Return the name of every commentator that the settings may name → where it comes from."""
    return known_names("commentators", dict.fromkeys(_BUILT_IN, "built in"))


def load_commentator(
    settings: Settings,
    on_loading: Callable[[Loading], None] | None = None,
    api_key: str | None = None,
    size: tuple[int, int] = (640, 360),
) -> Commentator:
    """Return the commentator that the settings name, loaded and warmed up for frames of `size` (width, height).

    Give it to `LiveSession(…, commentator=…, keep_commentator=True)`, so that runs one after another load it once;
    `close` it when it is not needed any more. `on_loading` is called as it gets on, from any thread. Raise what
    `make_commentator` and `warm_up` raise.
    """
    if on_loading is not None:
        on_loading(Loading("looking for what it needs"))
    commentator = make_commentator(settings, api_key)
    commentator.on_loading = on_loading
    try:
        commentator.expect_frames(*size)
        commentator.warm_up()
    except BaseException:
        commentator.close()
        raise
    finally:
        commentator.on_loading = None
    return commentator


def make_commentator(settings: Settings, api_key: str | None = None) -> Commentator:
    """Return the commentator that the settings name.

    `api_key`: for openai and realtime, in place of the environment's OPENAI_API_KEY; all others ignore it.

    Faults that show without loading a model are raised here; `warm_up` loads the weights. Raise CommentatorError
    for one that this machine cannot run, SettingsError for a class that cannot be imported or is no Commentator.
    """
    if settings.commentator == "openai":
        return _openai(settings, api_key)
    if settings.commentator == "realtime":
        return _realtime(settings, api_key)
    make = _BUILT_IN.get(settings.commentator)
    if make is not None:
        return make(settings)
    try:
        return load_class(settings.commentator, "commentators", Commentator).from_settings(settings)
    except (CommentatorError, SettingsError):
        raise
    except PluginError as error:
        raise SettingsError(f"commentator: {error}") from None
    except Exception as error:  # code of others, which may fail in any way
        reason = named_first_line(error)
        raise SettingsError(f"commentator: {settings.commentator} cannot be made: {reason}") from error
