"""What the viewer of a LivePlayer sets of its sound: a fader and a mute each for the programme and for the voice."""

from __future__ import annotations

import warnings
from typing import Any

import traitlets

# Also the names of the settings that they are saved as.
SOUND_TRAITS = ("programme_volume", "programme_muted", "voice_volume", "voice_muted")
# Version 0.2 had only the voice: old name -> new name.
_OLD_NAMES = {"volume": "voice_volume", "muted": "voice_muted"}


def _new_name(old: str, stacklevel: int) -> str:
    """Return what an old name is called now, with a DeprecationWarning."""
    new = _OLD_NAMES[old]
    warnings.warn(
        f"LivePlayer.{old} is now called {new}; the old name is removed in the next version",
        DeprecationWarning,
        stacklevel=stacklevel + 1,
    )
    return new


def _renamed(old: str) -> property:
    """Return a property that reads and writes the trait that an old name stands for."""

    def read(self: SoundTraits) -> Any:
        return getattr(self, _new_name(old, 2))

    def write(self: SoundTraits, value: Any) -> None:
        setattr(self, _new_name(old, 2), value)

    return property(read, write, doc=f"The old name of `{_OLD_NAMES[old]}`.")


class SoundTraits(traitlets.HasTraits):
    """Volumes from 0 to 1, and mutes, that hold for all pages of a player.

    `volume` and `muted` are the names that version 0.2 had for those of the voice.
    """

    programme_volume = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True)
    programme_muted = traitlets.Bool(False).tag(sync=True)
    voice_volume = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True)
    voice_muted = traitlets.Bool(False).tag(sync=True)

    volume = _renamed("volume")
    muted = _renamed("muted")

    def __init__(self, **traits: Any) -> None:
        for old in _OLD_NAMES.keys() & traits.keys():
            traits[_new_name(old, 3)] = traits.pop(old)
        super().__init__(**traits)
