"""Settings: every tunable with its unit, range and default.

One place says what a knob is; the command line, TOML files, the environment, presets and the help text are
all read off it. A module of constants with `os.getenv`, the obvious way, accepts a misspelt name and a
value out of range in silence.

Priority, highest first: arguments, environment, settings file, preset, defaults. The environment names are
those of the nerdpudding project, so that its users' set-ups go on working.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from commentator_lib.profiles import PROFILES


class SettingsError(ValueError):
    """A setting that is unknown, of the wrong type or out of range; one line that says how to mend it."""


def _field(default: Any, env: str, unit: str, text: str, **limits: Any) -> Any:
    return Field(
        default,
        validation_alias=AliasChoices(env),
        description=text,
        json_schema_extra={"unit": unit},
        **limits,
    )


class Settings(BaseSettings):
    """All tunables. Build with keyword arguments or `load_settings`; change with `changed`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, case_sensitive=True, validate_default=True
    )

    # what it sees
    capture_fps: float = _field(
        2.0, "CAPTURE_FPS", "frames/s", "frames a second that go into the model's window", ge=0.5, le=5
    )
    frames_per_inference: int = _field(
        4, "FRAMES_PER_INFERENCE", "frames", "frames that one comment sees", ge=1, le=10
    )
    frame_stride: int = _field(
        2,
        "FRAME_STRIDE",
        "frames",
        "take every n-th frame of the window, counted from the newest",
        ge=1,
        le=4,
    )
    window_frames: int = _field(
        32, "WINDOW_SIZE", "frames", "length of the window; at least frames × stride", ge=1, le=512
    )
    max_slice_nums: int = _field(
        1, "MAX_SLICE_NUMS", "tiles", "image detail of models that cut pictures into tiles", ge=1, le=9
    )
    picture_max_px: int = _field(
        1280,
        "PICTURE_MAX_PX",
        "pixels",
        "longer side of the picture; larger sources are scaled down at capture",
        ge=64,
        le=7680,
    )
    # when it speaks
    change_threshold: float = _field(
        5.0, "CHANGE_THRESHOLD", "of 255", "change below this skips the cycle; 0 never skips", ge=0, le=50
    )
    change_measure: Literal["mean", "block", "compensated"] = _field(
        "compensated", "CHANGE_MEASURE", "", "which measure of change the threshold is compared with"
    )
    inference_interval_s: float = _field(
        1.0, "INFERENCE_INTERVAL", "s", "wait after a cycle in which nothing was spoken", ge=0.5, le=10
    )
    policy: Literal["playout", "serial"] = _field(
        "playout",
        "PACING_POLICY",
        "",
        "pacing: playout prepares a comment while the last is heard; serial waits for its end",
    )
    pause_s: float = _field(1.0, "TTS_PAUSE_AFTER", "s", "breathing pause between two comments", ge=0, le=5)
    interrupt_threshold: float = _field(
        0.0,
        "INTERRUPT_THRESHOLD",
        "of 255",
        "compensated change from which a new event may cut the comment being heard; 0 never cuts",
        ge=0,
        le=255,
    )
    stale_after_s: float = _field(
        30.0,
        "STALE_AFTER",
        "s",
        "a comment later than this behind its picture is dropped; 0 drops none",
        ge=0,
        le=600,
    )
    inference_timeout_s: float = _field(
        60.0, "INFERENCE_TIMEOUT", "s", "longest wait for the next piece of a comment", gt=0, le=3600
    )
    # what it says
    commentator: str = _field(
        "baseline", "COMMENTATOR", "", "who comments: baseline, minicpmo, vlm, openai or scripted"
    )
    profile: str = _field("general", "COMMENTATOR_PROFILE", "", "prompt profile: " + ", ".join(PROFILES))
    instruction: str = _field("", "INSTRUCTION", "", "what to watch for; empty: the profile's own")
    speech: bool = _field(True, "ENABLE_TTS", "", "speak the comments; false: text only")
    voice: str = _field(
        "hibari", "COMMENTATOR_VOICE", "", "voice for commentators without one of their own: hibari"
    )
    speech_max_new_tokens: int = _field(
        150, "TTS_MAX_NEW_TOKENS", "tokens", "longest comment with speech", ge=64, le=512
    )
    text_max_new_tokens: int = _field(
        512, "MAX_NEW_TOKENS", "tokens", "longest comment without speech", ge=128, le=1024
    )
    # how far the picture lags
    delay_init_s: float = _field(
        5.0,
        "STREAM_DELAY_INIT",
        "s",
        "picture delay before the first comment is known; 0 switches it off",
        ge=0,
        le=15,
    )
    delay_ema_alpha: float = _field(
        0.2, "STREAM_DELAY_EMA_ALPHA", "", "weight of a new latency in the serial policy's delay", ge=0, le=1
    )
    delay_quantile: float = _field(
        0.95,
        "STREAM_DELAY_QUANTILE",
        "",
        "share of comments that the playout delay lets be on time",
        gt=0,
        lt=1,
    )
    delay_margin_s: float = _field(0.1, "STREAM_DELAY_MARGIN", "s", "added to that quantile", ge=0, le=5)
    delay_max_s: float = _field(15.0, "STREAM_DELAY_MAX", "s", "longest picture delay", gt=0, le=60)
    slew_max: float = _field(
        0.1,
        "STREAM_DELAY_SLEW",
        "s/s",
        "how fast the delay may change, as a share of real time",
        gt=0,
        le=0.5,
    )
    display_buffer_mb: int = _field(
        1024,
        "DISPLAY_BUFFER_MB",
        "MB",
        "memory for the delayed picture; beyond it old frames are dropped",
        ge=16,
        le=65536,
    )
    # real models
    model_path: str = _field(
        "", "MODEL_PATH", "", "checkpoint folder or hub id; for openai the server's name of the model"
    )
    device: Literal["auto", "cuda", "cpu"] = _field(
        "auto", "DEVICE", "", "where a model runs; auto: on the GPU where there is one"
    )
    temperature: float = _field(
        0.7, "TEMPERATURE", "", "how freely a model picks its words; 0 takes the likeliest", ge=0, le=2
    )
    assets_path: str = _field(
        "", "ASSETS_PATH", "", "MiniCPM-o's assets folder, where the checkpoint and its neighbours have none"
    )
    reference_audio_path: str = _field("", "REF_AUDIO_PATH", "", "recording of the voice to imitate")
    vocoder_float16: bool = _field(False, "TTS_FLOAT16", "", "vocoder in half precision")
    api_base_url: str = _field(
        "http://127.0.0.1:8000/v1", "OPENAI_BASE_URL", "", "OpenAI-compatible server; its key: OPENAI_API_KEY"
    )
    api_timeout_s: float = _field(
        20.0, "API_TIMEOUT", "s", "longest silence of that server before it is asked again", gt=0, le=600
    )
    api_retries: int = _field(2, "API_RETRIES", "times", "how often it is asked again", ge=0, le=10)
    # the run
    seed: int = _field(0, "SEED", "", "seed of everything that draws", ge=0)

    def model_post_init(self, _context: Any) -> None:
        if self.commentator in _OLD_COMMENTATORS:
            object.__setattr__(self, "commentator", _OLD_COMMENTATORS[self.commentator])
        needed = self.frames_per_inference * self.frame_stride
        if self.window_frames < needed:
            raise SettingsError(
                f"window_frames is {self.window_frames}, but frames_per_inference × frame_stride is {needed}: "
                f"set window_frames to {needed} or more"
            )
        for name, value, known in (
            ("profile", self.profile, list(PROFILES)),
            ("commentator", self.commentator, list(COMMENTATORS)),
            ("voice", self.voice, list(VOICES)),
        ):
            if value not in known:
                raise SettingsError(f"{name} {value!r} is not known{_nearest(value, known)}")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # load_settings puts the layers together, with errors of our own

    @property
    def max_new_tokens(self) -> int:
        return self.speech_max_new_tokens if self.speech else self.text_max_new_tokens

    def changed(self, **changes: Any) -> Settings:
        """A copy with these settings changed; SettingsError for bad ones."""
        return _build({**self.model_dump(), **changes})


COMMENTATORS = ("baseline", "minicpmo", "vlm", "openai", "scripted")
VOICES = ("hibari",)
# Names of version 0.1; they go with the next version.
_OLD_COMMENTATORS = {"basic-eye": "baseline"}

# The nerdpudding project's four presets.
_PRESET_KEYS = (
    "capture_fps",
    "frames_per_inference",
    "frame_stride",
    "window_frames",
    "change_threshold",
    "inference_interval_s",
    "speech_max_new_tokens",
    "pause_s",
)
PRESETS: dict[str, dict[str, Any]] = {
    "sentry": dict(zip(_PRESET_KEYS, (2.0, 4, 2, 32, 5.0, 1.0, 150, 1.0), strict=True)),
    "sniper": dict(zip(_PRESET_KEYS, (5.0, 4, 1, 48, 0.0, 0.5, 96, 0.5), strict=True)),
    "owl": dict(zip(_PRESET_KEYS, (4.0, 8, 2, 48, 1.0, 0.5, 120, 0.5), strict=True)),
    "beast": dict(zip(_PRESET_KEYS, (5.0, 10, 2, 64, 0.0, 0.5, 96, 0.3), strict=True)),
}


def _nearest(name: str, known: list[str]) -> str:
    """A hint at the nearest known name, or the whole list where none is near."""
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f": did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def env_name(field: str) -> str:
    """The environment variable of a setting."""
    return Settings.model_fields[field].validation_alias.choices[0]


@cache
def _names() -> tuple[str, ...]:
    return tuple(Settings.model_fields)


def _build(values: dict[str, Any], origin: dict[str, str] | None = None) -> Settings:
    origin = origin or {}
    for name in values:
        if name not in Settings.model_fields:
            raise SettingsError(
                f"{_from(name, origin)}unknown setting {name!r}{_nearest(name, list(_names()))}"
            )
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # a rule of ours about several settings
            raise SettingsError(str(first["ctx"]["error"])) from None
        name = _field_of(str(first["loc"][0]))
        raise SettingsError(
            f"{_from(name, origin)}{name} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
            f" ({describe_range(name)}; default {Settings.model_fields[name].default!r})"
        ) from None


def _field_of(location: str) -> str:
    """pydantic names a bad value by its alias; the user knows the field."""
    for name in _names():
        if location in (name, env_name(name)):
            return name
    return location


def _from(name: str, origin: dict[str, str]) -> str:
    return f"{origin[name]}: " if name in origin else ""


def load_settings(
    file: Path | str | None = None,
    preset: str | None = None,
    environment: dict[str, str] | None = None,
    **arguments: Any,
) -> Settings:
    """Settings from all layers: preset < TOML file < environment < arguments.

    `environment` defaults to the process's. Raises SettingsError for a file that cannot be read, an
    unknown name (with the nearest known one), a wrong type or a value out of range.
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    if file is not None:
        table = _read_toml(Path(file))
        preset = preset or table.pop("preset", None)
        table.pop("preset", None)
    else:
        table = {}
    if preset is not None:
        if str(preset).lower() not in PRESETS:
            raise SettingsError(f"unknown preset {preset!r}{_nearest(str(preset), list(PRESETS))}")
        values.update(PRESETS[str(preset).lower()])
    values.update(table)
    origin.update(dict.fromkeys(table, str(file)))
    environment = dict(os.environ) if environment is None else environment
    for name in _names():
        if (variable := env_name(name)) in environment:
            values[name] = environment[variable]
            origin[name] = f"environment {variable}"
    values.update(arguments)
    for name in arguments:
        origin.pop(name, None)
    return _build(values, origin)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def save_settings(settings: Settings, path: Path | str) -> None:
    """Write all settings to a TOML file that `load_settings` reads back. SettingsError if it cannot."""
    import tomli_w

    try:
        Path(path).write_text(tomli_w.dumps(settings.model_dump()), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"cannot write the settings file {path}: {error.strerror}") from None


def parse_assignment(text: str) -> tuple[str, str]:
    """`name=value` as given on a command line. SettingsError without an equals sign."""
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"{text!r} is no setting: write name=value, for example pause_s=0.5")
    return name.strip(), value.strip()


def describe_range(name: str) -> str:
    """A setting's range and unit in words, for help and errors."""
    field = Settings.model_fields[name]
    parts = []
    for limit in field.metadata:
        for key, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if (value := getattr(limit, key, None)) is not None:
                parts.append(f"{sign} {value:g}")
    if getattr(field.annotation, "__origin__", None) is Literal:
        parts.append(" or ".join(field.annotation.__args__))
    elif not parts:
        parts.append({bool: "true or false", str: "text"}.get(field.annotation, "any"))
    unit = (field.json_schema_extra or {}).get("unit", "")
    return " and ".join(parts) + (f", {unit}" if unit else "")
