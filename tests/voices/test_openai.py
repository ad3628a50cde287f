"""The voice of a speech server: streams in odd cuts, WAV files, refusals, stalls; the key is never shown."""

from __future__ import annotations

import json
import struct
import threading

import numpy as np
import pytest

from commentator_lib.conformance import VoiceConformance
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.voices.base import VoiceError
from commentator_lib.voices.factory import make_voice
from tests.voices.speech_server import SECRET, Answer, cut, speech_server, tone, wav

pytest.importorskip("httpx")
SENTENCE = "Two red cars pass on the left."


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "VOICE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def voice_at(base, **settings):
    return make_voice(Settings(voice="openai", voice_base_url=base, api_timeout_s=5.0, **settings))


def sound_of(voice, text=SENTENCE):
    pieces = list(voice.speak(text))
    assert all(piece.samples.dtype == np.float32 for piece in pieces)
    return np.concatenate([piece.samples for piece in pieces]) if pieces else np.zeros(0, np.float32)


def level(samples):
    return float(np.sqrt(np.mean(np.square(samples))))


class TestConformance(VoiceConformance):
    sentence = SENTENCE

    @pytest.fixture(autouse=True)
    def server(self):
        with speech_server(
            lambda body: Answer(cut(tone(0.25 * len(body["input"].split())).tobytes(), [777, 1, 4096]))
        ) as (
            base,
            _,
        ):
            self.base = base
            yield

    def make(self):
        return voice_at(self.base)


def test_what_is_asked_for():
    with speech_server(Answer([tone().tobytes()])) as (base, requests):
        sound_of(voice_at(base, voice_name="nova", voice_model="kokoro", voice_speed=1.25))
        sound_of(voice_at(base))
    (first, headers, path), (second, *_) = requests
    assert path == "/v1/audio/speech" and "Authorization" not in headers
    assert first == {
        "model": "kokoro",
        "voice": "nova",
        "response_format": "pcm",
        "input": SENTENCE,
        "speed": 1.25,
    }
    assert (second["model"], second["voice"]) == ("tts-1", "alloy") and "speed" not in second


@pytest.mark.parametrize("sizes", [[1, 2, 3], [4801], [7, 1, 65_536], [100_000]])
def test_any_cut_gives_the_same_sound_without_its_silence(sizes):
    with speech_server(Answer(cut(tone().tobytes() + b"\x01", sizes))) as (base, _):
        voice = voice_at(base)
        found = sound_of(voice)
    assert voice.sample_rate_hz == 24_000
    assert len(found) / 24_000 == pytest.approx(0.66, abs=0.03)  # 0.03 s of silence are kept on either side
    assert level(found[1000:-1000]) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize(
    ("answer", "rate_hz"),
    [
        (Answer([tone(rate_hz=16_000).tobytes()], kind="audio/pcm; rate=16000"), 16_000),
        (Answer([tone(rate_hz=22_050).tobytes()], kind="audio/L16;channels=1;rate=22050"), 22_050),
        (
            Answer([tone(rate_hz=48_000).tobytes()], kind="application/octet-stream", X_Sample_Rate="48000"),
            48_000,
        ),
        (Answer([tone().tobytes()], kind="audio/pcm; rate=3"), 24_000),
        (Answer(cut(wav(tone(rate_hz=16_000), 16_000), [5, 17, 999]), kind="audio/wav"), 16_000),
        (Answer(cut(wav(tone(rate_hz=44_100), 44_100, channels=2), [1, 3001]), kind="audio/pcm"), 44_100),
    ],
)
def test_the_rate_is_the_one_that_the_server_states(answer, rate_hz):
    with speech_server(answer) as (base, _):
        voice = voice_at(base)
        pieces = list(voice.speak(SENTENCE))
    assert {piece.sample_rate_hz for piece in pieces} == {voice.sample_rate_hz} == {rate_hz}
    assert sum(piece.duration_s for piece in pieces) == pytest.approx(0.66, abs=0.03)


def test_a_wav_file_of_unknown_length_and_with_other_chunks():
    data = wav(tone(), 24_000)
    extra = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    streamed = data[:36] + extra + b"data\xff\xff\xff\xff" + data[44:]
    with speech_server(Answer(cut(streamed, [13]), kind="audio/wav")) as (base, _):
        assert len(sound_of(voice_at(base))) / 24_000 == pytest.approx(0.66, abs=0.03)


def test_sound_is_given_out_before_the_server_has_ended():
    go_on = threading.Event()
    half = tone(0.5).tobytes()
    answer = Answer([half, half], before=lambda k: k == 0 or go_on.wait(20))
    with speech_server(answer) as (base, _):
        speech = voice_at(base).speak(SENTENCE)
        first = next(speech)
        assert first.duration_s > 0.3 and not go_on.is_set()
        go_on.set()
        assert sum(piece.duration_s for piece in speech) > 0.4


def test_it_can_be_stopped_between_two_pieces():
    with speech_server(Answer([tone(0.5).tobytes()], closes=False)) as (base, requests):
        voice = voice_at(base)
        speech = voice.speak(SENTENCE)
        next(speech)
        speech.close()
        assert voice.speak(SENTENCE).__next__().duration_s > 0.3 and len(requests) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Answer([b'{"error": {"message": "no such voice"}}'], "application/json", 400),
            "answered 400: no such voice",
        ),
        (Answer([b'{"detail": "busy"}'], "application/json", 503), "answered 503: busy"),
        (Answer([b'{"error": "the model is not loaded"}'], "application/json"), "the model is not loaded"),
        (Answer([b"<html>hi</html>"], "text/html"), "sends text/html"),
        (Answer([], "audio/pcm"), "sent no sound"),
        (Answer([b"ID3"], "audio/mpeg"), "sends audio/mpeg"),
        (Answer([], "text/plain", 307, Location="/elsewhere"), "has moved"),
        (Answer([f"bad key {SECRET}".encode()], "text/plain", 401), "set VOICE_API_KEY"),
        (
            Answer([wav(tone(), 24_000)[:20] + b"\x07\x00" + wav(tone(), 24_000)[22:]], "audio/wav"),
            "of kind 7",
        ),
    ],
)
def test_what_is_no_sound_is_named_without_the_key(answer, words, monkeypatch):
    monkeypatch.setenv("VOICE_API_KEY", SECRET)
    with speech_server(answer) as (base, requests):
        voice = voice_at(base)
        with pytest.raises(VoiceError) as raised:
            list(voice.speak(SENTENCE))
    assert words in str(raised.value) and SECRET not in str(raised.value) and "\n" not in str(raised.value)
    assert requests[0][1]["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in repr(vars(voice))


def test_a_stall_ends_that_sentence_after_the_time_out():
    with speech_server(Answer([tone(0.5).tobytes()], closes=False)) as (base, _):
        voice = make_voice(Settings(voice="openai", voice_base_url=base, api_timeout_s=0.3))
        speech = voice.speak(SENTENCE)
        assert next(speech).duration_s > 0.3
        with pytest.raises(VoiceError, match=r"no answer for 0\.3 s"):
            list(speech)


def test_nobody_answers():
    with speech_server(Answer([])) as (base, _):
        pass
    with pytest.raises(VoiceError, match="cannot connect"):
        list(voice_at(base).speak(SENTENCE))


def test_the_commentators_key_goes_to_the_commentators_server_only(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with speech_server(Answer([tone().tobytes()])) as (base, requests):
        sound_of(voice_at(base))  # a server of its own
        sound_of(voice_at("", api_base_url=base))
        sound_of(voice_at(base, api_base_url=base))
    assert ["Authorization" in headers for _, headers, _ in requests] == [False, True, True]


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "http://host/v1?key=secret", "http://a:b@c@host/v1", "no url"]
)
def test_an_unusable_address_is_a_setting_and_not_shown(url):
    with pytest.raises(SettingsError, match="voice_base_url") as raised:
        voice_at(url)
    assert "secret" not in str(raised.value) and "a:b" not in str(raised.value)


def test_text_without_words_asks_nothing():
    with speech_server(Answer([tone().tobytes()])) as (base, requests):
        assert list(voice_at(base).speak("...")) == [] and json.dumps(requests) == "[]"
