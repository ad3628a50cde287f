"""What the panel's tab "Commentator" shows: each commentator with its state, and the fields that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from commentator_lib.profiles import PROFILES
from commentator_lib.redact import redact_url
from commentator_lib.settings import Settings

# Setting, label, words of help. A key is no setting: it is kept apart, and never shown again.
_FIELDS = {
    "minicpmo": (
        ("model_path", "Folder of the model", "a folder with MiniCPM-o 4.5, in BF16 or as AWQ INT4"),
    ),
    "minicpmo-duplex": (
        ("model_path", "Folder of the model", "a folder with MiniCPM-o 4.5, in BF16 or as AWQ INT4"),
    ),
    "vlm": (("model_path", "Model", "a folder, or a name on the model hub"),),
    "openai": (
        ("api_base_url", "Address of the server", "usually ends in /v1"),
        ("model_path", "Model", "its name on the server; empty: the first that it has"),
    ),
    "realtime": (
        ("api_base_url", "Address of the server", "usually ends in /v1"),
        ("model_path", "Model", "its name on the server; empty: the first that it has"),
        ("reference_audio_path", "Voice", "a recording that the model imitates, where it needs one"),
    ),
}
_WORDS = {
    "baseline": "Built in: sees motion, cuts, a few kinds of object and words; understands nothing. Runs everywhere.",
    "minicpmo": "MiniCPM-o 4.5 with its own streaming voice, on one GPU.",
    "minicpmo-duplex": "MiniCPM-o 4.5 on one GPU, which decides itself each second whether it speaks.",
    "vlm": "A vision-language model of transformers, here.",
    "openai": "A model behind an OpenAI-compatible server.",
    "realtime": "A model on a realtime server, which decides itself when to speak.",
    "scripted": "For experiments: says prepared sentences.",
}


def named_settings(name: str) -> tuple[str, ...]:
    """Return the settings that the fields of a commentator show."""
    return tuple(setting for setting, _, _ in _FIELDS.get(name, ()))


def commentator_cards(
    names: Iterable[str],
    states: Sequence[Any],
    settings: Settings,
    key_set: bool,
    loaded: bool,
    checking: bool,
) -> dict[str, Any]:
    """Return what the tab shows. `states` are what `commentator_states` returns; those still unknown are missing."""
    known = {state.name: state for state in states}
    cards = []
    for name in names:
        state = known.get(name)
        fields = [
            {"name": setting, "label": label, "help": words, "value": _shown(setting, settings)}
            for setting, label, words in _FIELDS.get(name, ())
        ]
        cards.append(
            {
                "name": name,
                "words": _WORDS.get(name, "An installed commentator."),
                "state": state.state if state else ("being checked" if checking else ""),
                "found": state.words if state else "",
                "fix": state.fix if state else "",
                "fields": fields,
                "takesKey": name in ("openai", "realtime"),
            }
        )
    return {
        "cards": cards,
        "chosen": settings.commentator,
        "keySet": key_set,
        "loaded": loaded,
        "profile": settings.profile,
        "profiles": [{"name": name, "label": profile.label} for name, profile in PROFILES.items()],
        "instruction": settings.instruction,
        "speech": settings.speech,
        "hear": settings.hear,
    }


def _shown(setting: str, settings: Settings) -> str:
    value = str(getattr(settings, setting))
    return redact_url(value) if setting == "api_base_url" else value
