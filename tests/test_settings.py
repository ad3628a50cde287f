"""Settings: names, ranges, layers, files, and errors that help."""

from __future__ import annotations

import math

import pytest

from commentator_lib.presets import PRESET_WORDS
from commentator_lib.settings import (
    PRESETS,
    Settings,
    SettingsError,
    describe_range,
    env_name,
    live_settings,
    load_settings,
    parse_assignment,
    save_settings,
    setting_groups,
)

# name in the environment, value, our name, our value, the default
SEED = [
    ("ENABLE_TTS", "false", "speech", False, True),  # off by default there
    ("TTS_MAX_NEW_TOKENS", "96", "speech_max_new_tokens", 96, 150),
    ("TTS_PAUSE_AFTER", "0.5", "pause_s", 0.5, 1.0),
    ("MAX_NEW_TOKENS", "256", "text_max_new_tokens", 256, 512),
    ("INFERENCE_INTERVAL", "2", "inference_interval_s", 2.0, 1.0),
    ("CHANGE_THRESHOLD", "0", "change_threshold", 0.0, 5.0),
    ("FRAMES_PER_INFERENCE", "8", "frames_per_inference", 8, 4),
    ("FRAME_STRIDE", "1", "frame_stride", 1, 2),
    ("CAPTURE_FPS", "4.0", "capture_fps", 4.0, 2.0),
    ("MAX_SLICE_NUMS", "2", "max_slice_nums", 2, 1),
    ("STREAM_DELAY_INIT", "0", "delay_init_s", 0.0, 5.0),
    ("STREAM_DELAY_EMA_ALPHA", "0.5", "delay_ema_alpha", 0.5, 0.2),
    ("WINDOW_SIZE", "64", "window_frames", 64, 32),
    ("MODEL_PATH", "/m", "model_path", "/m", ""),
    ("REF_AUDIO_PATH", "/r.wav", "reference_audio_path", "/r.wav", ""),
    ("TTS_FLOAT16", "true", "vocoder_float16", True, False),
]


@pytest.mark.parametrize(("variable", "text", "name", "value", "default"), SEED)
def test_environment_names_of_the_seed(variable, text, name, value, default):
    assert getattr(load_settings(environment={}), name) == default
    assert getattr(load_settings(environment={variable: text}), name) == value


RANGES = {
    "speech_max_new_tokens": (64, 512),
    "pause_s": (0, 5),
    "text_max_new_tokens": (128, 1024),
    "inference_interval_s": (0.5, 10),
    "change_threshold": (0, 50),
    "frames_per_inference": (1, 10),
    "frame_stride": (1, 4),
    "capture_fps": (0.5, 5),
    "max_slice_nums": (1, 9),
    "delay_init_s": (0, 15),
    "delay_ema_alpha": (0, 1),
}


@pytest.mark.parametrize("name", RANGES)
def test_both_ends_of_each_range(name):
    low, high = RANGES[name]
    step = 1 if isinstance(low, int) and Settings.model_fields[name].annotation is int else 0.01
    for good in (low, high):
        assert getattr(load_settings(environment={}, window_frames=512, **{name: good}), name) == good
    for bad in (low - step, high + step):
        with pytest.raises(SettingsError, match=name):
            load_settings(environment={}, window_frames=512, **{name: bad})


NUMBERS = [n for n, f in Settings.model_fields.items() if f.annotation in (int, float)]


def limits_of(name):
    """Return (limit, the side beyond it, whether the limit itself is allowed) of one setting, read from the model."""
    for limit in Settings.model_fields[name].metadata:
        for key, side, allowed in (("ge", -1, True), ("gt", -1, False), ("le", 1, True), ("lt", 1, False)):
            if (value := getattr(limit, key, None)) is not None:
                yield value, side, allowed


def beside(name, value, side):
    """Return the next value of the setting's type on that side."""
    if Settings.model_fields[name].annotation is int:
        return value + side
    return math.nextafter(value, side * math.inf)


@pytest.mark.parametrize("name", NUMBERS)
def test_each_limit_of_the_model_holds_and_not_a_step_beyond(name):
    limits = list(limits_of(name))
    assert limits, f"{name} has no range"
    # Room for any number of frames, except where the window itself is at its lower limit.
    others = {"frames_per_inference": 1, "frame_stride": 1, "window_frames": 512}
    for value, side, allowed in limits:
        good, bad = (value, beside(name, value, side)) if allowed else (beside(name, value, -side), value)
        assert getattr(load_settings(environment={}, **{**others, name: good}), name) == good
        with pytest.raises(SettingsError, match=f"^{name} = ") as caught:
            load_settings(environment={}, **{**others, name: bad})
        assert describe_range(name) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NUMBERS)
def test_nonsense_is_refused_by_every_number(name):
    for bad in ("two", "", math.inf, math.nan):
        with pytest.raises(SettingsError) as caught:
            load_settings(environment={}, **{name: bad})
        assert name in str(caught.value) and "\n" not in str(caught.value) and "default" in str(caught.value)


def test_presets_are_the_seeds():
    def values(preset):
        s = load_settings(preset=preset, environment={})
        return (
            s.capture_fps,
            s.frames_per_inference,
            s.frame_stride,
            s.window_frames,
            s.change_threshold,
            s.inference_interval_s,
            s.speech_max_new_tokens,
            s.pause_s,
        )

    assert values("Sentry") == (2, 4, 2, 32, 5.0, 1.0, 150, 1.0)
    assert values("Sniper") == (5, 4, 1, 48, 0, 0.5, 96, 0.5)
    assert values("Owl") == (4, 8, 2, 48, 1.0, 0.5, 120, 0.5)
    assert values("Beast") == (5, 10, 2, 64, 0, 0.5, 96, 0.3)


def test_every_preset_has_one_plain_sentence_and_settings_that_may_change_while_a_session_runs():
    assert list(PRESETS) == ["calm", "balanced", "dense", "sentry", "sniper", "owl", "beast"]
    assert list(PRESET_WORDS) == list(PRESETS)
    for name, words in PRESET_WORDS.items():
        assert words.endswith(".") and "\n" not in words and len(words) < 100
        assert PRESETS[name].keys() <= live_settings()


def test_balanced_is_the_defaults_and_calm_and_dense_lie_on_either_side():
    calm, balanced, dense = (load_settings(preset=n, environment={}) for n in ("calm", "balanced", "dense"))
    assert balanced == load_settings(environment={})
    for name in ("pause_s", "change_threshold", "inference_interval_s"):
        assert getattr(calm, name) > getattr(balanced, name) > getattr(dense, name)
    assert calm.speech_max_new_tokens < balanced.speech_max_new_tokens
    assert dense.capture_fps * dense.frames_per_inference > 2 * balanced.capture_fps


def test_layers(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text('preset = "owl"\npause_s = 2.0\nframe_stride = 3\n')
    s = load_settings(file, environment={"TTS_PAUSE_AFTER": "3.0", "FRAME_STRIDE": "1"}, frame_stride=4)
    assert (s.capture_fps, s.pause_s, s.frame_stride) == (4.0, 3.0, 4)


def test_saved_settings_come_back(tmp_path):
    s = load_settings(environment={}, preset="beast", profile="sports", speech=False)
    save_settings(s, tmp_path / "s.toml")
    assert load_settings(tmp_path / "s.toml", environment={}) == s


def test_every_value_that_was_saved_comes_back(tmp_path):
    """All fields away from their defaults, strings with what TOML must escape."""
    values = {name: next(iter(limits_of(name)))[0] for name in NUMBERS}
    values |= {n: beside(n, v, 1) for n, v in values.items() if not next(iter(limits_of(n)))[2]}
    values |= {"window_frames": 8, "frames_per_inference": 2, "frame_stride": 4, "seed": 2**40}
    values |= {n: not f.default for n, f in Settings.model_fields.items() if f.annotation is bool}
    values |= {"instruction": 'say "Tor!"\n\\ü\t', "profile": "nature", "policy": "serial"}
    s = load_settings(environment={}, **values)
    save_settings(s, tmp_path / "s.toml")
    assert load_settings(tmp_path / "s.toml", environment={}).model_dump() == s.model_dump()
    assert all(getattr(s, n) == v for n, v in values.items())


def test_file_gives_way_to_environment_and_environment_to_arguments(tmp_path):
    (tmp_path / "s.toml").write_text("pause_s = 2.0\n")
    layers = [({}, None, {}, 0.3), ({}, "s.toml", {}, 2.0), ({"TTS_PAUSE_AFTER": "3"}, "s.toml", {}, 3.0)]
    layers.append(({"TTS_PAUSE_AFTER": "3"}, "s.toml", {"pause_s": 4.0}, 4.0))
    for environment, file, arguments, pause_s in layers:
        path = file and tmp_path / file
        assert load_settings(path, "beast", environment=environment, **arguments).pause_s == pause_s


def test_preset_given_replaces_the_files(tmp_path):
    (tmp_path / "s.toml").write_text('preset = "owl"\n')
    assert load_settings(tmp_path / "s.toml", "sniper", environment={}).capture_fps == 5.0


@pytest.mark.parametrize("preset", ["snipe", "", "hawk"])
def test_unknown_preset_is_one_line_with_the_known_ones(preset):
    with pytest.raises(SettingsError, match="unknown preset .*sniper") as caught:
        load_settings(preset=preset, environment={})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("pause", "pause_s"),
        ("capture_fp", "capture_fps"),
        ("frame_strde", "frame_stride"),
        ("Pause_S", "pause_s"),
    ],
)
def test_misspelt_setting_names_the_nearest(given, hint):
    with pytest.raises(SettingsError, match=f"did you mean {hint}"):
        load_settings(environment={}, **{given: 1})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"window_frames": 7}, "set window_frames to 8 or more"),
        ({"profile": "sport"}, "did you mean sports"),
        ({"commentator": "base_line"}, "did you mean baseline"),
        ({"voice": "xyz"}, "known are hibari"),
        ({"policy": "parallel"}, "playout or serial"),
        ({"speech": "loud"}, "true or false"),
    ],
)
def test_errors_say_how_to_fix_it(values, words):
    with pytest.raises(SettingsError, match=words) as caught:
        load_settings(environment={}, **values)
    assert "\n" not in str(caught.value)


def test_bad_value_names_where_it_came_from(tmp_path):
    (tmp_path / "s.toml").write_text("pause_s = 99\n")
    with pytest.raises(SettingsError, match="s.toml: pause_s"):
        load_settings(tmp_path / "s.toml", environment={})
    with pytest.raises(SettingsError, match="environment TTS_PAUSE_AFTER: pause_s"):
        load_settings(environment={"TTS_PAUSE_AFTER": "x"})


@pytest.mark.parametrize("content", ["pause_s = ", "\x00\xff", "[a]\nb = 1"])
def test_bad_settings_file(tmp_path, content):
    (tmp_path / "s.toml").write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "s.toml", environment={})
    assert "\n" not in str(caught.value)


def test_settings_file_that_is_not_there_or_cannot_be_written(tmp_path):
    with pytest.raises(SettingsError, match="cannot read"):
        load_settings(tmp_path / "no.toml", environment={})
    with pytest.raises(SettingsError, match="cannot read"):
        load_settings(tmp_path, environment={})
    with pytest.raises(SettingsError, match="cannot write"):
        save_settings(Settings(), tmp_path / "no" / "s.toml")
    with pytest.raises(SettingsError, match="cannot write .*: Is a directory$"):
        save_settings(Settings(), tmp_path)


def test_changed_is_a_checked_copy():
    s = Settings()
    assert s.changed(pause_s=0.0).pause_s == 0.0 and s.pause_s == 1.0
    with pytest.raises(SettingsError):
        s.changed(pause_s=9)


def test_every_setting_has_text_range_and_environment_name():
    names = [env_name(n) for n in Settings.model_fields]
    assert len(set(names)) == len(names)
    for name, field in Settings.model_fields.items():
        assert field.description and describe_range(name), name


def test_assignments():
    assert parse_assignment(" pause_s = 0.5") == ("pause_s", "0.5")
    assert parse_assignment("instruction=a=b") == ("instruction", "a=b")
    with pytest.raises(SettingsError, match="name=value"):
        parse_assignment("pause_s")


def test_token_cap_follows_speech():
    assert Settings().max_new_tokens == 150 and Settings(speech=False).max_new_tokens == 512


def test_each_setting_is_in_one_group_and_says_whether_it_is_live():
    groups = setting_groups()
    names = [name for group in groups.values() for name in group]
    assert names == list(Settings.model_fields)
    assert list(groups) == [
        "what it sees",
        "the source",
        "what it notices",
        "when it speaks",
        "what it says",
        "how far the picture lags",
        "what is heard",
        "models",
        "the run",
    ]
    for field in Settings.model_fields.values():
        assert isinstance(field.json_schema_extra["live"], bool)


def test_what_a_session_is_built_from_is_fixed():
    fixed = set(Settings.model_fields) - live_settings()
    assert fixed == {
        *("voice_name", "voice_speed", "language", "voice_base_url", "voice_model"),
        *("commentator", "voice", "seed", "picture_max_px", "display_buffer_mb", "delay_init_s"),
        *("watchers", "watch_fps", "duck_db", "sound_track", "hear", "reconnect_for_s", "stream_options"),
        *("stream_login_file", "image_fps"),
        *("model_path", "reference_audio_path", "vocoder_float16", "max_slice_nums", "device", "temperature"),
        *("assets_path", "api_base_url", "api_speech", "api_timeout_s", "api_retries", "start_threshold"),
    }


def test_old_name_of_the_baseline_goes_on_working_with_one_warning():
    with pytest.warns(DeprecationWarning, match="'basic-eye' is now called 'baseline'") as told:
        assert load_settings(environment={"COMMENTATOR": "basic-eye"}).commentator == "baseline"
    assert len(told) == 1
