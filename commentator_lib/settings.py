"""Settings: every setting with its unit, range and default.

Each setting is defined here only: the command line, the panel, TOML files, the environment, presets and the help
text all read it here. Each field has its group, its unit, and whether it may change while a session runs (`live`).
A misspelt name or a value out of range is refused in one line.

Priority, highest first: arguments, environment, settings file, preset, defaults. The environment names are
those of the nerdpudding project, so that its users can keep their environment.

Long because it is a table.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import warnings
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from commentator_lib.plugins import Kind, entry_point_names, is_dotted
from commentator_lib.presets import PRESETS as PRESETS
from commentator_lib.profiles import PROFILES
from commentator_lib.redact import redact_options, redact_url

# The built-in names; `commentators.factory`, `voices.factory` and `watching.factory` make them.
COMMENTATORS = ("baseline", "minicpmo", "minicpmo-duplex", "vlm", "openai", "realtime", "scripted")
VOICES = ("hibari", "piper", "espeak-ng", "openai")
WATCHERS = ("graphics", "shots", "sound", "motion")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")  # ISO 639, with a region or without
# Names of version 0.1; they are removed in the next version.
_OLD_COMMENTATORS = {"basic-eye": "baseline"}


class SettingsError(ValueError):
    """A setting is unknown, of the wrong type or out of range; one line that says how to fix it."""


def _field(group: str, default: Any, env: str, unit: str = "", *, live: bool, **limits: Any) -> Any:
    """Return a field of one group; `live`: it may be changed while a session runs. The line below describes it."""
    return Field(
        default,
        validation_alias=AliasChoices(env),
        json_schema_extra={"group": group, "unit": unit, "live": live},
        **limits,
    )


# For each group, the function that makes its fields; the groups' names are the headings in help texts.
_sight = partial(_field, "what it sees")
_source = partial(_field, "the source")
_watching = partial(_field, "what it notices")
_timing = partial(_field, "when it speaks")
_words = partial(_field, "what it says")
_delay = partial(_field, "how far the picture lags")
_model = partial(_field, "models")
_sound = partial(_field, "what is heard")
_run = partial(_field, "the run")


def _names_in(value: Any) -> Any:
    """Return a text of names parted by commas as a tuple of names; anything else as it is."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.strip("[]").replace('"', "").split(",") if name.strip())
    return value


class Settings(BaseSettings):
    """All settings. Make them with keyword arguments or `load_settings`; change them with `changed`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        case_sensitive=True,
        validate_default=True,
        use_attribute_docstrings=True,  # the line below a field is its description
    )

    capture_fps: float = _sight(2.0, "CAPTURE_FPS", "frames/s", live=True, ge=0.5, le=5)
    """frames per second that go into the model's window"""
    frames_per_inference: int = _sight(4, "FRAMES_PER_INFERENCE", "frames", live=True, ge=1, le=10)
    """frames that one comment sees"""
    frame_stride: int = _sight(2, "FRAME_STRIDE", "frames", live=True, ge=1, le=4)
    """take every n-th frame of the window, counted from the newest"""
    window_frames: int = _sight(32, "WINDOW_SIZE", "frames", live=True, ge=1, le=512)
    """length of the window; at least frames × stride"""
    max_slice_nums: int = _sight(1, "MAX_SLICE_NUMS", "tiles", live=False, ge=1, le=9)
    """most tiles into which a model cuts a picture; more tiles show more detail"""
    picture_max_px: int = _sight(1280, "PICTURE_MAX_PX", "pixels", live=False, ge=64, le=7680)
    """longer side of the picture; larger sources are scaled down at capture"""
    reconnect_for_s: float = _source(300.0, "RECONNECT_FOR", "s", live=False, ge=0, le=1e9)
    """how long a live source that is lost is opened again; 0 never"""
    stream_options: str = _source("", "STREAM_OPTIONS", live=False)
    """FFmpeg's options for a stream, NAME=VALUE with spaces between, such as rtsp_transport=udp headers='X-Key: 7'"""
    stream_login_file: str = _source("", "STREAM_LOGIN_FILE", live=False)
    """file with a stream's user:password, mode 0600; else STREAM_USER and STREAM_PASSWORD, in the environment alone"""
    image_fps: float = _source(25.0, "IMAGE_FPS", "pictures/s", live=False, gt=0, le=1000)
    """how fast pictures in files are shown"""
    watchers: Annotated[tuple[str, ...], BeforeValidator(_names_in)] = _watching(
        WATCHERS, "WATCHERS", live=False
    )
    """what notices events beside the commentator: graphics, shots, sound, motion, or your own package.module:Class"""
    watch_fps: float = _watching(5.0, "WATCH_FPS", "frames/s", live=False, ge=0.5, le=30)
    """frames per second that the watchers look at"""
    interrupt_importance: int = _watching(2, "INTERRUPT_IMPORTANCE", live=True, ge=0, le=4)
    """an event of this importance (0 to 3) or more cuts the comment being heard; 4 never cuts"""
    speak_when: Literal["change", "interval", "events", "first-token", "perplexity", "yes-no"] = _timing(
        "change", "SPEAK_WHEN", live=True
    )
    """what is worth a comment: enough change, every slot, events only, or what the model itself makes of it"""
    speak_threshold: float = _timing(0.5, "SPEAK_THRESHOLD", "probability", live=True, ge=0, le=1)
    """first-token: speak where "..." is less likely than this; yes-no: where yes is at least as likely"""
    perplexity_factor: float = _timing(1.03, "PERPLEXITY_FACTOR", "times", live=True, ge=1, le=10)
    """perplexity: speak where the last comment fits the new picture worse than before by more than this"""
    start_threshold: float = _timing(0.0, "START_THRESHOLD", "probability", live=False, ge=0, le=1)
    """minicpmo-duplex: begin to speak where speaking is at least this likely; 0: as the model's own sampling has it"""
    change_threshold: float = _timing(5.0, "CHANGE_THRESHOLD", "of 255", live=True, ge=0, le=50)
    """a cycle with less change than this is skipped; 0 never skips"""
    change_measure: Literal["mean", "block", "compensated"] = _timing(
        "compensated", "CHANGE_MEASURE", live=True
    )
    """which measure of change the threshold is compared with"""
    inference_interval_s: float = _timing(1.0, "INFERENCE_INTERVAL", "s", live=True, ge=0.5, le=10)
    """wait after a cycle in which nothing was spoken"""
    policy: Literal["playout", "serial"] = _timing("playout", "PACING_POLICY", live=True)
    """pacing: playout prepares a comment while the last is heard; serial waits for its end"""
    pause_s: float = _timing(1.0, "TTS_PAUSE_AFTER", "s", live=True, ge=0, le=5)
    """pause between two comments"""
    interrupt_threshold: float = _timing(0.0, "INTERRUPT_THRESHOLD", "of 255", live=True, ge=0, le=255)
    """compensated change from which a new event may cut the comment being heard; 0 never cuts"""
    stale_after_s: float = _timing(30.0, "STALE_AFTER", "s", live=True, ge=0, le=600)
    """a comment later than this behind its picture is dropped; 0 drops none"""
    inference_timeout_s: float = _timing(60.0, "INFERENCE_TIMEOUT", "s", live=True, gt=0, le=3600)
    """longest wait for the next piece of a comment"""
    commentator: str = _words("baseline", "COMMENTATOR", live=False)
    """the commentator: baseline, minicpmo, minicpmo-duplex, vlm, openai, realtime, scripted, or package.module:Class"""
    profile: str = _words("general", "COMMENTATOR_PROFILE", live=True)
    """prompt profile: general, sports, security, nature, descriptive"""
    instruction: str = _words("", "INSTRUCTION", live=True)
    """what to watch for; empty: the profile's own"""
    speech: bool = _words(True, "ENABLE_TTS", live=True)
    """speak the comments; false: text only"""
    voice: str = _words("hibari", "COMMENTATOR_VOICE", live=False)
    """the voice of commentators without their own: hibari, piper, espeak-ng, openai, or your package.module:Class"""
    voice_name: str = _words("", "VOICE_NAME", live=False)
    """which of its voices: piper's model file (.onnx), espeak-ng's or the server's name of one; empty: its default"""
    voice_speed: float = _words(1.0, "VOICE_SPEED", "times", live=False, ge=0.5, le=2)
    """how fast the voice speaks"""
    language: str = _words("", "COMMENTARY_LANGUAGE", live=False)
    """code of the language of the comments, such as en, de or zh; empty: the voice's"""
    speech_max_new_tokens: int = _words(150, "TTS_MAX_NEW_TOKENS", "tokens", live=True, ge=64, le=512)
    """longest comment with speech"""
    text_max_new_tokens: int = _words(512, "MAX_NEW_TOKENS", "tokens", live=True, ge=128, le=1024)
    """longest comment without speech"""
    delay_init_s: float = _delay(5.0, "STREAM_DELAY_INIT", "s", live=False, ge=0, le=15)
    """picture delay before the first comment is known; 0 switches it off"""
    delay_ema_alpha: float = _delay(0.2, "STREAM_DELAY_EMA_ALPHA", live=True, ge=0, le=1)
    """weight of a new latency in the serial policy's delay"""
    delay_quantile: float = _delay(0.95, "STREAM_DELAY_QUANTILE", live=True, gt=0, lt=1)
    """share of comments that are on time with the playout delay"""
    delay_margin_s: float = _delay(0.1, "STREAM_DELAY_MARGIN", "s", live=True, ge=0, le=5)
    """margin that the playout delay adds to the quantile of latencies"""
    delay_max_s: float = _delay(15.0, "STREAM_DELAY_MAX", "s", live=True, gt=0, le=60)
    """longest picture delay"""
    slew_max: float = _delay(0.1, "STREAM_DELAY_SLEW", "s/s", live=True, gt=0, le=0.5)
    """how fast the delay may change, as a share of real time"""
    display_buffer_mb: int = _delay(1024, "DISPLAY_BUFFER_MB", "MB", live=False, ge=16, le=65536)
    """memory for the delayed picture; beyond it old frames are dropped"""
    voice_volume: float = _sound(1.0, "VOICE_VOLUME", "of full", live=True, ge=0, le=1)
    """loudness of the voice in the player"""
    voice_muted: bool = _sound(False, "VOICE_MUTED", live=True)
    """silence the voice in the player"""
    programme_volume: float = _sound(1.0, "PROGRAMME_VOLUME", "of full", live=True, ge=0, le=1)
    """loudness of the programme's own sound in the player"""
    programme_muted: bool = _sound(False, "PROGRAMME_MUTED", live=True)
    """silence the programme's own sound in the player"""
    duck_db: float = _sound(12.0, "DUCK_DB", "dB", live=False, ge=0, le=60)
    """how much softer the programme is while a comment is heard"""
    sound_track: int = _sound(-1, "SOUND_TRACK", live=False, ge=-1, le=99)
    """which of a source's sound tracks is heard, counted from 0; -1: its default one"""
    hear: bool = _sound(False, "HEAR", live=False)
    """give the programme's sound to a commentator that can hear (minicpmo, minicpmo-duplex, openai, realtime)"""
    model_path: str = _model("", "MODEL_PATH", live=False)
    """checkpoint folder or hub id; for openai the server's name of the model"""
    device: Literal["auto", "cuda", "cpu"] = _model("auto", "DEVICE", live=False)
    """where a model runs; auto: on the GPU where there is one"""
    temperature: float = _model(0.7, "TEMPERATURE", live=False, ge=0, le=2)
    """how freely a model picks its words; 0 takes the likeliest"""
    assets_path: str = _model("", "ASSETS_PATH", live=False)
    """MiniCPM-o's assets folder, where the checkpoint and its neighbours have none"""
    reference_audio_path: str = _model("", "REF_AUDIO_PATH", live=False)
    """recording of the voice that MiniCPM-o imitates; empty: the one in its assets"""
    vocoder_float16: bool = _model(False, "TTS_FLOAT16", live=False)
    """run MiniCPM-o's vocoder in half precision"""
    api_base_url: str = _model("http://127.0.0.1:8000/v1", "OPENAI_BASE_URL", live=False)
    """address of the OpenAI-compatible server; its key comes from OPENAI_API_KEY"""
    api_timeout_s: float = _model(20.0, "API_TIMEOUT", "s", live=False, gt=0, le=600)
    """longest time without new words from that server"""
    api_speech: Literal["auto", "on", "off"] = _model("auto", "API_SPEECH", live=False)
    """speech of that server: auto asks once whether it speaks, off leaves it to the voice, on insists"""
    api_retries: int = _model(2, "API_RETRIES", "times", live=False, ge=0, le=10)
    """how often a request to that server is repeated"""
    voice_base_url: str = _model("", "VOICE_BASE_URL", live=False)
    """address of voice=openai, empty: api_base_url; its key comes from VOICE_API_KEY (for both: OPENAI_API_KEY)"""
    voice_model: str = _model("", "VOICE_MODEL", live=False)
    """that server's name of the model that speaks; empty: tts-1"""
    seed: int = _run(0, "SEED", live=False, ge=0)
    """seed of everything that is random"""

    def model_post_init(self, _context: Any) -> None:
        if (new := _OLD_COMMENTATORS.get(self.commentator)) is not None:
            warnings.warn(
                f"the commentator {self.commentator!r} is now called {new!r}; "
                "the old name is removed in the next version",
                DeprecationWarning,
                stacklevel=2,
            )
            object.__setattr__(self, "commentator", new)
        needed = self.frames_per_inference * self.frame_stride
        if self.window_frames < needed:
            raise SettingsError(
                f"window_frames is {self.window_frames}, but frames_per_inference × frame_stride is {needed}: "
                f"set window_frames to {needed} or more"
            )
        if self.profile not in PROFILES:
            raise SettingsError(f"profile {self.profile!r} is not known{_nearest(self.profile, PROFILES)}")
        if self.language and not _LANGUAGE.fullmatch(self.language):
            raise SettingsError(
                f"language {self.language!r} is no code of a language: write en, de, zh, pt-BR, …"
            )
        _check_name("commentator", self.commentator, COMMENTATORS, "commentators")
        _check_name("voice", self.voice, VOICES, "voices")
        for name in self.watchers:
            _check_name("watchers", name, WATCHERS, "watchers")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # load_settings joins the layers, with errors of its own

    @property
    def max_new_tokens(self) -> int:
        """The longest comment in tokens, with or without speech."""
        return self.speech_max_new_tokens if self.speech else self.text_max_new_tokens

    def changed(self, **changes: Any) -> Settings:
        """Return a copy with these settings changed. Raise SettingsError for bad ones."""
        return _build({**self.model_dump(), **changes})


def _check_name(field: str, name: str, built_in: tuple[str, ...], kind: Kind) -> None:
    """Raise SettingsError for a name that is neither built in, nor installed, nor that of a class."""
    if name not in built_in and not is_dotted(name) and name not in entry_point_names(kind):
        known = (*built_in, *entry_point_names(kind))
        raise SettingsError(f"{field} {name!r} is not known{_nearest(name, known)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known name, or all known names where none is near."""
    known = list(known)
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f": did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def env_name(field: str) -> str:
    """Return the environment variable of a setting."""
    alias = Settings.model_fields[field].validation_alias
    assert isinstance(alias, AliasChoices)  # every field is made by `_field`
    return str(alias.choices[0])


def _extra(field: str) -> dict[str, Any]:
    """Return what `_field` noted on a setting: its group, its unit, and whether it is live."""
    extra = Settings.model_fields[field].json_schema_extra
    assert isinstance(extra, dict)
    return extra


def setting_groups() -> dict[str, list[str]]:
    """Return the names of all settings by group, in the order of the help text."""
    groups: dict[str, list[str]] = {}
    for name in _names():
        groups.setdefault(str(_extra(name)["group"]), []).append(name)
    return groups


def live_settings() -> frozenset[str]:
    """Return the names of the settings that may be changed while a session runs."""
    return frozenset(name for name in _names() if _extra(name)["live"])


@cache
def _names() -> tuple[str, ...]:
    return tuple(Settings.model_fields)


def _build(values: dict[str, Any], origin: dict[str, str] | None = None) -> Settings:
    origin = origin or {}
    for name in values:
        if name not in Settings.model_fields:
            raise SettingsError(f"{_from(name, origin)}unknown setting {name!r}{_nearest(name, _names())}")
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # a rule about several settings
            raise SettingsError(str(first.get("ctx", {}).get("error", first["msg"]))) from None
        name = _field_of(str(first["loc"][0]))
        raise SettingsError(
            f"{_from(name, origin)}{name} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
            f" ({describe_range(name)}; default {Settings.model_fields[name].default!r})"
        ) from None


def _field_of(location: str) -> str:
    """Return the name of the setting that pydantic names by its alias."""
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
    """Return the settings from all layers: preset < TOML file < environment < arguments.

    `environment` defaults to the process's. Raise SettingsError for a file that cannot be read, an
    unknown name (with the nearest known one), a wrong type or a value out of range.
    """
    # 1) The file may name a preset, which an argument replaces.
    table = {} if file is None else _read_toml(Path(file))
    in_file = table.pop("preset", None)
    preset = in_file if preset is None else preset
    # 2) From the lowest layer to the highest, each over the one before; `origin` is for error messages.
    values: dict[str, Any] = {}
    if preset is not None:
        if str(preset).lower() not in PRESETS:
            raise SettingsError(f"unknown preset {preset!r}{_nearest(str(preset), PRESETS)}")
        values.update(PRESETS[str(preset).lower()])
    values.update(table)
    origin = dict.fromkeys(table, str(file))
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


def shown_settings(settings: Settings) -> dict[str, Any]:
    """Return all settings as they may be shown and logged: without the secrets in addresses and FFmpeg's options."""
    return {
        **settings.model_dump(),
        "api_base_url": redact_url(settings.api_base_url),
        "voice_base_url": redact_url(settings.voice_base_url),
        "stream_options": redact_options(settings.stream_options),
    }


def save_settings(settings: Settings, path: Path | str) -> None:
    """Write all settings to a TOML file that `load_settings` reads back. Raise SettingsError if it cannot.

    A file that holds secrets can be read by its owner alone.
    """
    import tomli_w

    path, values = Path(path), settings.model_dump()
    try:
        if values != shown_settings(settings):
            path.touch(mode=0o600)
            path.chmod(0o600)
        path.write_text(tomli_w.dumps(values), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"cannot write the settings file {path}: {error.strerror}") from None


def parse_assignment(text: str) -> tuple[str, str]:
    """Split `name=value` as given on a command line. Raise SettingsError without an equals sign."""
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"{text!r} is no setting: write name=value, for example pause_s=0.5")
    return name.strip(), value.strip()


def describe_range(name: str) -> str:
    """Return a setting's range and unit in words, for help and errors."""
    field = Settings.model_fields[name]
    parts = []
    for limit in field.metadata:
        for key, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if (value := getattr(limit, key, None)) is not None:
                parts.append(f"{sign} {value:g}")
    if get_origin(field.annotation) is Literal:
        parts.append(" or ".join(get_args(field.annotation)))
    elif not parts:
        is_list = get_origin(field.annotation) is tuple
        parts.append(
            "names, parted by commas" if is_list else "true or false" if field.annotation is bool else "text"
        )
    unit = _extra(name)["unit"]
    return " and ".join(parts) + (f", {unit}" if unit else "")
