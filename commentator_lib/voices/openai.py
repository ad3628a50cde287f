"""The voice of a speech server with OpenAI's interface: `POST …/audio/speech`, its sound played as it comes.

Asked for is raw PCM, 16 bits, which these servers send at 24 kHz; another rate is taken where the answer states one,
and a WAV file where it sends that. The key comes from VOICE_API_KEY, or from OPENAI_API_KEY where the voice's server is
the commentator's too: a key goes to no other server. It is in no setting, log or message.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from commentator_lib.media import AudioChunk
from commentator_lib.servers.client import content_type, describe, open_client
from commentator_lib.servers.login import (
    ServerSetupError,
    checked_key,
    hider,
    no_url,
    secrets_of,
    split_login,
)
from commentator_lib.settings import Settings
from commentator_lib.voices.base import Voice, VoiceError
from commentator_lib.voices.excitement import excitement
from commentator_lib.voices.trimming import StreamTrim
from commentator_lib.voices.wav import NoWav, SoundReader

KEY_VARIABLE = "VOICE_API_KEY"
_SHARED_KEY_VARIABLE = "OPENAI_API_KEY"
_RATE_HZ = 24_000
_RATE_HEADERS = ("x-sample-rate", "x-audio-sample-rate", "sample-rate", "x-audio-rate")
_LONGEST_REFUSAL_BYTES = 65_536
_LONGEST_SOUND_S = 120.0  # of one sentence: what goes on is no speech
_LEAST_PIECE_S = 0.04  # shorter pieces are joined
_NOTHING = np.zeros(0, np.float32)


def stated_rate_hz(headers: Any) -> int | None:
    """Return the sample rate that an answer's headers state, as in "audio/pcm; rate=16000"; None where they do not."""
    in_type = re.search(r"rate\s*=\s*\"?(\d+)", headers.get("content-type", ""), re.IGNORECASE)
    stated = [in_type[1]] if in_type else [headers[name] for name in _RATE_HEADERS if name in headers]
    for value in stated:
        if value.strip().isdigit() and 8_000 <= int(value) <= 192_000:
            return int(value)
    return None


def refusal_words(content: bytes) -> str:
    """Return what a server says of its refusal, in one line."""
    try:
        said = json.loads(content)
    except ValueError:
        said = content.decode("utf-8", "replace")
    for key in ("error", "detail", "message"):
        if isinstance(said, dict) and said.get(key):
            said = said[key]
    return " ".join(str(said).split()) or "it does not say why"


class OpenAIVoice(Voice):
    """The voice `voice_name` of the model `voice_model` at `voice_base_url`. Which languages it speaks is not known.

    Raise VoiceError for an invalid URL, and where httpx is not installed. No repr and no error shows the key.
    """

    name = "openai"
    sample_rate_hz = _RATE_HZ
    streams = True

    def __init__(self, settings: Settings) -> None:
        try:
            import httpx
        except ImportError:
            raise VoiceError(
                "voice=openai needs a package that is not here: pip install 'commentator-lib[openai]'"
            ) from None
        own = bool(settings.voice_base_url)
        setting = "voice_base_url" if own else "api_base_url"
        try:
            self._base, self._login = split_login(
                settings.voice_base_url or settings.api_base_url, setting, KEY_VARIABLE
            )
            httpx.URL(self._base)
            shares = not own or self._base == split_login(settings.api_base_url, setting, KEY_VARIABLE)[0]
        except httpx.InvalidURL:
            raise VoiceError(no_url(setting)) from None
        except ServerSetupError as error:
            raise VoiceError(str(error)) from None
        self._key_variables = (KEY_VARIABLE, *([_SHARED_KEY_VARIABLE] if shares else []))
        self._body: dict[str, Any] = {
            "model": settings.voice_model or "tts-1",
            "voice": settings.voice_name or "alloy",
            "response_format": "pcm",
        }
        self._speed = settings.voice_speed
        self._importance = 0
        self._timeout_s = settings.api_timeout_s
        self._shown = hider([])
        self._client: Any = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings)

    def set_importance(self, importance: int) -> None:
        self._importance = importance

    def warm_up(self) -> None:
        """Let the server say a word: it loads its model, and its rate is known. Raise VoiceError where it cannot."""
        for _ in self.speak("Ready."):
            pass

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def speak(self, text: str) -> Iterator[AudioChunk]:
        """Yield the sound as the server sends it. Raise VoiceError where it refuses, breaks off or sends no sound."""
        import httpx

        if not any(c.isalnum() for c in text):
            return
        speed = round(self._speed * excitement(self._importance)[0], 3)
        body = {**self._body, "input": text, **({"speed": speed} if speed != 1.0 else {})}
        client = self._connected()
        try:
            with client.stream("POST", f"{self._base}/audio/speech", json=body) as response:
                self._check(response)
                yield from self._sound_of(response)
        except httpx.HTTPError as error:
            raise VoiceError(self._shown(f"{self._base}: {describe(error, self._timeout_s)}")) from None
        except NoWav as error:
            raise VoiceError(self._shown(f"{self._base}: {error}")) from None

    def _sound_of(self, response: Any) -> Iterator[AudioChunk]:
        reader = SoundReader(stated_rate_hz(response.headers) or _RATE_HZ)
        trim, given_s, waiting = None, 0.0, AudioChunk(_NOTHING, _RATE_HZ)
        for packet in response.iter_bytes():
            sound = reader.push(packet)
            if sound is None:
                continue
            self.sample_rate_hz = sound.sample_rate_hz
            trim = trim or StreamTrim(sound.sample_rate_hz)
            waiting = AudioChunk(
                np.concatenate([waiting.samples, trim.push(sound.samples)]), sound.sample_rate_hz
            )
            if waiting.duration_s >= _LEAST_PIECE_S:
                yield waiting
                given_s += waiting.duration_s
                waiting = AudioChunk(_NOTHING, sound.sample_rate_hz)
            if given_s > _LONGEST_SOUND_S:
                raise VoiceError(f"{self._base} sends sound without an end")
        if trim is None:
            raise VoiceError(f"{self._base} sent no sound")
        rest = np.concatenate([waiting.samples, trim.end()])
        if len(rest):
            yield AudioChunk(rest, self.sample_rate_hz)

    def _check(self, response: Any) -> None:
        """Raise VoiceError for an answer that holds no sound."""
        status, kind = response.status_code, content_type(response)
        if status == 200 and (kind.startswith("audio/") or kind in ("", "application/octet-stream")):
            if kind in ("audio/mpeg", "audio/mp3", "audio/ogg", "audio/opus", "audio/aac", "audio/flac"):
                raise VoiceError(f"{self._base} sends {kind}, and was asked for pcm")
            return
        if response.is_redirect:
            raise VoiceError(
                f"{self._base} has moved (it answers {status}): set voice_base_url to where it is now"
            )
        content = b""
        for packet in response.iter_bytes():
            content += packet
            if len(content) >= _LONGEST_REFUSAL_BYTES:
                break
        said = refusal_words(content[:_LONGEST_REFUSAL_BYTES])
        if status == 200:
            raise VoiceError(self._shown(f"{self._base} sends {kind} and no sound: {said}"))
        fix = (
            f"; set {KEY_VARIABLE} in the environment to a key that it takes" if status in (401, 403) else ""
        )
        raise VoiceError(self._shown(f"the voice's server answered {status}: {said}") + fix)

    def _connected(self) -> Any:
        """Return the httpx client; the first call opens it. Raise VoiceError for an unusable key or proxy."""
        if self._client is None:
            variable = next((v for v in self._key_variables if os.environ.get(v, "").strip()), KEY_VARIABLE)
            try:
                key = checked_key(os.environ.get(variable, ""), variable)
                self._client = open_client(self._base, key, self._login, self._timeout_s)
            except ServerSetupError as error:
                raise VoiceError(str(error)) from None
            self._shown = hider(secrets_of(key, self._login))
        return self._client
