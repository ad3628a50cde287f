"""Cases of `bench_words`: servers that speak, each in its way, and whether what is heard is what is shown.

Each server writes its words faster than it speaks them and sends its sound in its own dialect. A case is right where
the sound that comes out is the sound that went in, at the rate that was stated, the words are all there once, and each
piece of sound comes with its words.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import wave
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from commentator_lib.commentary.speech import speak_comment
from commentator_lib.commentators.base import CommentChunk, CommentRequest
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.refusals import OpenAIServerError
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.settings import load_settings
from commentator_lib.voices.base import Voice
from experiments.benchmarks.words_servers import DONE, Reply, chat_server, event, refused, said

WORDS = ("The red team ", "passes to the left, ", "and the keeper ", "catches the ball. ", "The crowd roars.")
TEXT = "".join(WORDS)
RATE_HZ = 24_000
_PACE = 15.0  # characters a second: an everyday voice
_CUT_BYTES = 1001  # odd: in the middle of a sample


def speech_of(text: str, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Return a stand-in for a text's speech, int16 (N,): a tone with a wobble, as long as the text is to speak."""
    at_s = np.arange(round(len(text) / _PACE * rate_hz)) / rate_hz
    return (9000 * np.sin(2 * np.pi * 220 * at_s + 3 * np.sin(2 * np.pi * 3 * at_s))).astype("<i2")


def wav_of(pcm: np.ndarray, rate_hz: int = RATE_HZ) -> bytes:
    """Return samples, int16 (N,) or (N, 2), as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(pcm.shape[1] if pcm.ndim == 2 else 1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(pcm.astype("<i2").tobytes())
    return file.getvalue()


def audio_event(data: bytes, **choice: Any) -> bytes:
    """Return sound as vLLM-Omni sends it: an event whose content is no words."""
    text = base64.b64encode(data).decode()
    body = {"modality": "audio", "choices": [{"index": 0, "delta": {"content": text}, **choice}]}
    return f"data: {json.dumps(body)}\n\n".encode()


def delta_audio(data: bytes, **more: Any) -> bytes:
    """Return sound as a delta's `audio`."""
    return event({"audio": {"id": "audio-1", "data": base64.b64encode(data).decode(), **more}})


def asks_for_sound(body: Mapping[str, Any]) -> bool:
    """Return whether a request is to be answered with sound."""
    return "audio" in (body.get("modalities") or [])


# --- the dialects: packets of one answer


def wav_events(rate_hz: int = RATE_HZ) -> Iterator[bytes]:
    """Words, and behind them the same words as small WAV files."""
    yield from (event({"content": words}) for words in WORDS)
    yield event({}, finish_reason="stop")
    yield from (audio_event(wav_of(speech_of(words, rate_hz), rate_hz)) for words in WORDS)
    yield DONE


def wav_events_in_turn() -> Iterator[bytes]:
    """Words and their sound in turn."""
    for words in WORDS:
        yield event({"content": words})
        yield audio_event(wav_of(speech_of(words)))
    yield from (event({}, finish_reason="stop"), DONE)


def stated_pcm(rate_hz: int = 16_000) -> Iterator[bytes]:
    """Bare samples, whose layout stands in `audio_metadata`."""
    yield from (event({"content": words}) for words in WORDS)
    for words in WORDS:
        pcm = speech_of(words, rate_hz)
        metadata = {"format": "pcm", "sample_rate_hz": rate_hz, "frame_count": len(pcm), "channels": 1}
        yield audio_event(pcm.tobytes(), audio_metadata=metadata)
    yield DONE


def delta_pcm() -> Iterator[bytes]:
    """`delta.audio` of bare samples at 24 kHz."""
    for words in WORDS:
        yield event({"content": words})
        yield delta_audio(speech_of(words).tobytes(), format="pcm16")
    yield from (event({}, finish_reason="stop"), DONE)


def transcripts() -> Iterator[bytes]:
    """`delta.audio` with a transcript, and no content: as OpenAI's own models."""
    yield event({"role": "assistant", "content": None, "audio": {"id": "audio-1", "transcript": ""}})
    yield from (event({"audio": {"id": "audio-1", "transcript": words}}) for words in WORDS)
    yield from (delta_audio(speech_of(words).tobytes()) for words in WORDS)
    yield event({"audio": {"id": "audio-1", "expires_at": 1}})
    yield from (event({}, finish_reason="stop"), DONE)


def all_at_the_end() -> Iterator[bytes]:
    """All sound as one WAV file, once all words are written."""
    yield from (event({"content": words}) for words in WORDS)
    yield event({}, finish_reason="stop")
    yield audio_event(wav_of(speech_of(TEXT)))
    yield DONE


def cut_anywhere() -> Iterator[bytes]:
    """One WAV file without a stated end, cut in mid-header and in mid-sample."""
    yield from (event({"content": words}) for words in WORDS)
    file = bytearray(wav_of(speech_of(TEXT)))
    file[40:44] = struct.pack("<I", 0xFFFFFFFF)
    for start in [0, 21, *range(1021, len(file), _CUT_BYTES)]:
        end = {0: 21, 21: 1021}.get(start, start + _CUT_BYTES)
        yield audio_event(bytes(file[start:end]))
    yield DONE


def header_once() -> Iterator[bytes]:
    """A WAV header with the first piece alone, bare samples after it."""
    yield from (event({"content": words}) for words in WORDS)
    for number, words in enumerate(WORDS):
        pcm = speech_of(words)
        yield audio_event(pcm.tobytes() if number else wav_of(pcm))
    yield DONE


def stereo() -> Iterator[bytes]:
    """The same sound on two channels."""
    yield from (event({"content": words}) for words in WORDS)
    for words in WORDS:
        pcm = speech_of(words)
        yield audio_event(wav_of(np.stack([pcm, pcm], axis=1)))
    yield DONE


def whole_answer() -> Iterator[bytes]:
    """An answer that is not streamed: words in the first choice, sound in the second."""
    data = base64.b64encode(wav_of(speech_of(TEXT))).decode()
    choices = [
        {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "audio": {"data": data}}, "finish_reason": "stop"},
    ]
    yield json.dumps({"choices": choices}).encode()


# --- what becomes of them


class Tone(Voice):
    """Stands for the embedded voice: as long as the text is to speak, but lower than any server's."""

    name = "tone"
    sample_rate_hz = RATE_HZ

    def __init__(self) -> None:
        self.said: list[str] = []

    def speak(self, text: str) -> Iterator[AudioChunk]:
        self.said.append(text)
        yield AudioChunk(np.full(round(len(text) / _PACE * RATE_HZ), 0.05, np.float32), RATE_HZ)


def commentator_for(url: str, **changes: Any) -> OpenAICommentator:
    """Return a commentator of this server that has found out whether it speaks."""
    given: dict[str, Any] = {"commentator": "openai", "api_base_url": url, "api_retries": 0, **changes}
    commentator = OpenAICommentator(load_settings(environment={}, **given))
    commentator.warm_up()
    return commentator


def a_request(speech: bool = True) -> CommentRequest:
    """Return a request for a comment on three pictures."""
    frames = [Frame(k, k, k, np.full((36, 64, 3), 60 * k, np.uint8)) for k in range(3)]
    return CommentRequest(frames, "What happens?", 200, speech)


def heard_fault(
    packets: Callable[[], Iterable[bytes]], rate_hz: int = RATE_HZ, headers: Mapping[str, str] | None = None
) -> str:
    """Return what is wrong with two comments of a server that answers in this way, "" for nothing."""
    asked: list[dict[str, Any]] = []

    def reply(body: dict[str, Any]) -> Reply:
        asked.append(body)
        return Reply(packets() if asks_for_sound(body) else said(*WORDS), headers=headers or {})

    with chat_server(reply) as url:
        commentator = commentator_for(url)
        try:
            if not commentator.speech.speaks:
                return f"its speech was not found: {commentator.speech.in_words()}"
            for _ in range(2):
                if fault := chunks_fault(list(commentator.comment(a_request())), rate_hz):
                    return fault
        finally:
            commentator.close()
    return "" if all(asks_for_sound(body) for body in asked) else "it was asked for words alone"


def chunks_fault(chunks: list[CommentChunk], rate_hz: int = RATE_HZ) -> str:
    """Return what is wrong with a comment's chunks: its words, its sound, or that they do not belong together."""
    text = "".join(chunk.text for chunk in chunks)
    if text != TEXT:
        return f"its words are {text!r}"
    sounds = [chunk.audio for chunk in chunks if chunk.audio is not None]
    if {sound.sample_rate_hz for sound in sounds} != {rate_hz}:
        return f"its rates are {sorted({sound.sample_rate_hz for sound in sounds})}, not {rate_hz} Hz"
    heard = np.concatenate([sound.samples for sound in sounds]) if sounds else np.zeros(0)
    sent = np.concatenate([speech_of(words, rate_hz) for words in WORDS]).astype(np.float32) / 32768
    if len(sent) - len(heard) > 0.05 * rate_hz or not np.allclose(
        heard, sent[len(sent) - len(heard) :], atol=1e-4
    ):
        whole = speech_of(TEXT, rate_hz).astype(np.float32) / 32768
        if not np.allclose(heard, whole[len(whole) - len(heard) :], atol=1e-4):
            return f"its sound is another: {len(heard)} samples, not {len(sent)}"
    shown, seconds = "", 0.0
    for chunk in chunks:
        if chunk.audio is None:
            continue
        off_s = len(shown) / _PACE - seconds
        if not -1.5 <= off_s <= 1.5:
            return f"words are shown {off_s:+.1f} s beside their sound"
        shown, seconds = shown + chunk.text, seconds + chunk.audio.duration_s
    return ""


def _dialect(
    packets: Callable[[], Iterable[bytes]], rate_hz: int = RATE_HZ, kind: str = "text/event-stream"
) -> Callable[[Path], str]:
    return lambda _folder: heard_fault(packets, rate_hz, {"Content-Type": kind})


def _no_speech(reply: Callable[[dict[str, Any]], Reply]) -> str:
    """Return what is wrong where a server does not speak after all: the embedded voice is to speak, all of it."""
    with chat_server(reply) as url:
        commentator, voice = commentator_for(url), Tone()
        try:
            for _ in range(2):
                pieces = list(speak_comment(commentator, voice, a_request()))
                text = " ".join("".join(piece.text for piece in pieces).split())
                if text != TEXT:
                    return f"its words are {text!r}"
                if not any(piece.pcm is not None for piece in pieces) or any(
                    piece.problem for piece in pieces
                ):
                    return "the embedded voice did not speak"
        finally:
            commentator.close()
    return "" if " ".join(voice.said) == f"{TEXT} {TEXT}" else f"the embedded voice said {voice.said}"


def _refuses(_folder: Path) -> str:
    def reply(body: dict[str, Any]) -> Reply:
        if asks_for_sound(body):
            return refused(400, {"error": {"message": "this model has no audio output"}})
        return Reply(said(*WORDS))

    return _no_speech(reply)


def _ignores(_folder: Path) -> str:
    return _no_speech(lambda _body: Reply(said(*WORDS)))


def _silent(_folder: Path) -> str:
    def packets() -> Iterator[bytes]:
        yield from (event({"content": words}) for words in WORDS)
        yield audio_event(wav_of(np.zeros(RATE_HZ, np.int16)))
        yield DONE

    return _no_speech(lambda body: Reply(packets() if asks_for_sound(body) else said(*WORDS)))


def _falls_silent(_folder: Path) -> str:
    """The server speaks when it is tried, and then no more."""
    tried: list[bool] = []

    def reply(body: dict[str, Any]) -> Reply:
        tried.append(True)
        return Reply(wav_events() if asks_for_sound(body) and len(tried) == 1 else said(*WORDS))

    return _no_speech(reply)


def _with_template(_folder: Path) -> str:
    """Silence without MiniCPM-o's template, under a name that does not tell; speech with it."""

    def reply(body: dict[str, Any]) -> Reply:
        if (body.get("chat_template_kwargs") or {}).get("use_tts_template"):
            return Reply(wav_events())
        return Reply(
            [*(event({"content": w}) for w in WORDS), audio_event(wav_of(np.zeros(999, np.int16))), DONE]
        )

    with chat_server(reply) as url:
        commentator = commentator_for(url)
        fault = chunks_fault(list(commentator.comment(a_request())))
        commentator.close()
    return fault


def _wants_a_voice(_folder: Path) -> str:
    def reply(body: dict[str, Any]) -> Reply:
        if "audio" not in body:
            return refused(
                400, {"error": {"message": "Missing required parameter: 'audio'.", "param": "audio"}}
            )
        return Reply(transcripts())

    with chat_server(reply) as url:
        commentator = commentator_for(url)
        fault = chunks_fault(list(commentator.comment(a_request())))
        commentator.close()
    return fault


def _interrupted(_folder: Path) -> str:
    """The comment is cancelled in mid-sound, and the next one is whole."""
    with chat_server(lambda _body: Reply(wav_events_in_turn())) as url:
        commentator = commentator_for(url)
        try:
            comment = cast(Generator[CommentChunk], commentator.comment(a_request()))
            while next(comment).audio is None:
                pass
            comment.close()
            return chunks_fault(list(commentator.comment(a_request())))
        finally:
            commentator.close()


def _breaks_off(_folder: Path) -> str:
    """The connection ends in mid-sound: an error, and what came before it is heard and shown."""
    count: list[int] = []

    def reply(_body: dict[str, Any]) -> Reply:
        count.append(1)
        packets = list(wav_events_in_turn())
        return Reply(packets if len(count) == 1 else packets[:4])

    with chat_server(reply) as url:
        commentator = commentator_for(url)
        chunks: list[CommentChunk] = []
        try:
            for chunk in commentator.comment(a_request()):
                chunks.append(chunk)
        except OpenAIServerError as error:
            text = "".join(chunk.text for chunk in chunks)
            heard_s = sum(chunk.audio.duration_s for chunk in chunks if chunk.audio is not None)
            right = text == "".join(WORDS[:2]) and abs(heard_s - len(text) / _PACE) < 0.1
            return "" if right and "broke off" in str(error) else f"{text!r}, {heard_s:.1f} s: {error}"
        finally:
            commentator.close()
    return "it was not noticed"


def _no_base64(_folder: Path) -> str:
    """Sound that cannot be read costs the sound, and the embedded voice speaks the words."""
    broken = event({"audio": {"data": "~ this is no sound ~"}})

    def reply(body: dict[str, Any]) -> Reply:
        if body["messages"][-1]["content"][-1]["text"] == "Say hello.":
            return Reply(wav_events())
        return Reply([event({"content": WORDS[0]}), broken, *said(*WORDS[1:])])

    return _no_speech(reply)


def _without_speech(_folder: Path) -> str:
    """A run without speech asks for words alone."""
    asked: list[dict[str, Any]] = []

    def reply(body: dict[str, Any]) -> Reply:
        asked.append(body)
        return Reply(said(*WORDS))

    with chat_server(reply) as url:
        commentator = commentator_for(url, speech=False)
        text = "".join(chunk.text for chunk in commentator.comment(a_request(speech=False)))
        commentator.close()
    if any("modalities" in body for body in asked):
        return "it asked for sound"
    return "" if text == TEXT else f"its words are {text!r}"


CASES: dict[str, Callable[[Path], str]] = {
    "small WAV files in events of their own": _dialect(wav_events),
    "small WAV files, words and sound in turn": _dialect(wav_events_in_turn),
    "a WAV file at 16 kHz": _dialect(lambda: wav_events(16_000), 16_000),
    "a WAV file at 44.1 kHz": _dialect(lambda: wav_events(44_100), 44_100),
    "bare samples, stated beside them": _dialect(stated_pcm, 16_000),
    "delta.audio": _dialect(delta_pcm),
    "delta.audio with a transcript": _dialect(transcripts),
    "all sound at the end": _dialect(all_at_the_end),
    "cut anywhere": _dialect(cut_anywhere),
    "a header once": _dialect(header_once),
    "stereo": _dialect(stereo),
    "an answer that is not streamed": _dialect(whole_answer, kind="application/json"),
    "silence without its template": _with_template,
    "a voice must be named": _wants_a_voice,
    "interrupted": _interrupted,
    "breaks off in mid-sound": _breaks_off,
    "sound that is none": _no_base64,
    "speech refused": _refuses,
    "speech not known": _ignores,
    "silence for ever": _silent,
    "falls silent after the trial": _falls_silent,
    "a run without speech": _without_speech,
}
