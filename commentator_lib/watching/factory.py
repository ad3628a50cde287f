"""Make the watchers that the settings name: built-in ones, installed ones, or classes by their dotted names."""

from __future__ import annotations

from collections.abc import Callable

from commentator_lib.errors import named_first_line
from commentator_lib.plugins import PluginError, known_names, load_class
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.watching.base import Watcher


def _graphics(settings: Settings) -> Watcher:
    from commentator_lib.watching.graphics import GraphicsWatcher

    return GraphicsWatcher.from_settings(settings)


def _shots(settings: Settings) -> Watcher:
    from commentator_lib.watching.shots import ShotsWatcher

    return ShotsWatcher.from_settings(settings)


def _sound(settings: Settings) -> Watcher:
    from commentator_lib.watching.sound import SoundWatcher

    return SoundWatcher.from_settings(settings)


def _motion(settings: Settings) -> Watcher:
    from commentator_lib.watching.motion import MotionWatcher

    return MotionWatcher.from_settings(settings)


# The built-in watchers. Their names are also in `settings.WATCHERS`, which checks what users write.
_BUILT_IN: dict[str, Callable[[Settings], Watcher]] = {
    "graphics": _graphics,
    "shots": _shots,
    "sound": _sound,
    "motion": _motion,
}


def known_watchers() -> dict[str, str]:
    """Return the name of every watcher that the settings may name → where it comes from."""
    return known_names("watchers", dict.fromkeys(_BUILT_IN, "built in"))


def make_watchers(settings: Settings) -> list[Watcher]:
    """Return the watchers that the settings name, in their order.

    Raise SettingsError for a class that cannot be imported or is no Watcher.
    """
    return [_make(name, settings) for name in settings.watchers]


def _make(name: str, settings: Settings) -> Watcher:
    make = _BUILT_IN.get(name)
    if make is not None:
        return make(settings)
    try:
        return load_class(name, "watchers", Watcher).from_settings(settings)
    except PluginError as error:
        raise SettingsError(f"watchers: {error}") from None
    except Exception as error:  # code of others, which may fail in any way
        raise SettingsError(f"watchers: {name} cannot be made: {named_first_line(error)}") from error
