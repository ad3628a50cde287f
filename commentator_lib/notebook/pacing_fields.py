"""What the panel's tab "Pacing" shows: presets, and a slider for each setting of the pace with its own range.

Also which settings a page may change at all.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from commentator_lib.presets import PRESET_WORDS, PRESETS
from commentator_lib.settings import Settings, SettingsError, describe_range

# Setting, label, step.
_SLIDERS = (
    ("pause_s", "Pause after a comment", 0.1),
    ("speech_max_new_tokens", "Longest comment", 1),
    ("change_threshold", "Change worth a comment", 0.5),
    ("inference_interval_s", "Look again after", 0.5),
    ("frame_stride", "Frame stride", 1),
    ("frames_per_inference", "Frames per comment", 1),
    ("interrupt_importance", "Events that interrupt", 1),
)
_CHOICES = (("policy", "Pacing policy"), ("speak_when", "Speak when"))
PACING_SETTINGS = frozenset(name for name, *_ in (*_SLIDERS, *_CHOICES))
# The settings of which the whole page has controls.
PAGE_SETTINGS = PACING_SETTINGS | {"profile", "speech", "hear", "model_path", "api_base_url"}
LABELS = {name: label for name, label, *_ in (*_SLIDERS, *_CHOICES)}


def pacing_fields(settings: Settings, base: Settings, takes_paths: bool) -> dict[str, Any]:
    """Return what the tab shows; a value that differs from that in `base` is marked as changed.

    `takes_paths`: whether settings may be saved to a file and loaded from one.
    """
    return {
        "presets": [{"name": name, "words": PRESET_WORDS[name]} for name in PRESETS],
        "preset": chosen_preset(settings),
        "fields": [
            *(_slider(name, label, step, settings, base) for name, label, step in _SLIDERS),
            *(_choice(name, label, settings, base) for name, label in _CHOICES),
        ],
        "files": takes_paths,
    }


def allowed_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes of settings of which the page has controls. Raise SettingsError for others."""
    if others := changes.keys() - PAGE_SETTINGS:
        raise SettingsError(f"the page has no control of {', '.join(sorted(others))}")
    return changes


def preset_values(name: str) -> dict[str, Any]:
    """Return the value of every setting that some preset sets: the preset's own, or else the default."""
    every = {key for values in PRESETS.values() for key in values}
    defaults = {key: Settings.model_fields[key].default for key in every}
    return {**defaults, **PRESETS[name]}


def chosen_preset(settings: Settings) -> str:
    """Return the name of the preset whose values the settings have; "" where there is none."""
    for name in PRESETS:
        if all(getattr(settings, key) == value for key, value in preset_values(name).items()):
            return name
    return ""


def _described(name: str, label: str, settings: Settings, base: Settings) -> dict[str, Any]:
    field = Settings.model_fields[name]
    value = getattr(settings, name)
    return {
        "name": name,
        "label": label,
        "value": value,
        "base": getattr(base, name),
        "changed": value != getattr(base, name),
        "help": f"{field.description} ({describe_range(name)}; default {field.default})",
        "unit": (field.json_schema_extra or {}).get("unit", ""),  # type: ignore[union-attr]
    }


def _slider(name: str, label: str, step: float, settings: Settings, base: Settings) -> dict[str, Any]:
    limits = Settings.model_fields[name].metadata
    low = next(m.ge for m in limits if hasattr(m, "ge"))
    high = next(m.le for m in limits if hasattr(m, "le"))
    return {**_described(name, label, settings, base), "min": low, "max": high, "step": step}


def _choice(name: str, label: str, settings: Settings, base: Settings) -> dict[str, Any]:
    kind = Settings.model_fields[name].annotation
    options = list(get_args(kind)) if get_origin(kind) is Literal else []
    return {**_described(name, label, settings, base), "options": options}
