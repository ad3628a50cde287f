"""How much later the first sound of a server that streams speech is heard for having passed through this library.

Why this quantity: the time to first sound decides how far the picture lags. What the server and its model need for it
is theirs; what is read, decoded, put together with its words, resampled to 48 kHz and levelled here is ours.

How: a server on loopback, in a process of its own, answers each request with words, waits as a model would, and then
sends its sound in each of the dialects; it writes down when the first byte of sound left it. Three ends are measured
against that moment: a bare client that only reads bytes (the network and the two processes alone), the commentator's
first chunk with sound, and the first piece of 48 kHz sound as the commentary loop gets it. The order is mixed, so that
all see the same machine; so the differences of one run compare them.

    python -m experiments.bench_server_speech [--count 60] [--first-sound-s 0.15]

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import httpx
import numpy as np
import typer

from commentator_lib.commentary.speech import speak_comment
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.sound.voice_level import VoiceLevel
from experiments.benchmarks.words_servers import DONE, Reply, chat_server, event
from experiments.benchmarks.words_speech import (
    WORDS,
    a_request,
    audio_event,
    commentator_for,
    delta_audio,
    speech_of,
    wav_of,
)
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

app = new_app()
DIALECTS: dict[str, Callable[[np.ndarray], bytes]] = {
    "audio events": lambda pcm: audio_event(wav_of(pcm)),
    "delta.audio": lambda pcm: delta_audio(pcm.tobytes()),
    "delta.audio with a transcript": lambda pcm: delta_audio(pcm.tobytes(), transcript=""),
}
ENDS = ("bare client", "commentator", "48 kHz")


def _serve(dialect: str, first_sound_s: float, ready: Any, sent: Any, stop: Any) -> None:
    """Serve until `stop`; put the moment at which each answer's first sound left into `sent`."""

    def packets() -> Iterator[bytes]:
        transcribed = dialect.endswith("transcript")
        for words in WORDS:
            yield event({"audio": {"transcript": words}} if transcribed else {"content": words})
        time.sleep(first_sound_s)
        for number, words in enumerate(WORDS):
            data = DIALECTS[dialect](speech_of(words))
            if number == 0:
                sent.put(time.perf_counter())
            yield data
        yield DONE

    with chat_server(lambda _body: Reply(packets())) as url:
        ready.put(url)
        stop.wait()


def _bare_client(url: str) -> float:
    """Return when a client that only reads bytes has the first sound; the mark of each dialect is in its bytes."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    held = b""
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("POST", f"{url}/chat/completions", json=body) as response,
    ):
        for packet in response.iter_bytes():
            held += packet
            if b'"modality": "audio"' in held or b'"data": "' in held:
                return time.perf_counter()
    raise UserError("the server sent no sound")


def _commentator(commentator: OpenAICommentator) -> float:
    """Return when the commentator gives its first sound."""
    at_s = 0.0
    for chunk in commentator.comment(a_request()):
        if chunk.audio is not None and not at_s:
            at_s = time.perf_counter()
    return at_s


def _playback(commentator: OpenAICommentator, level: VoiceLevel) -> float:
    """Return when the first sound at 48 kHz is there for the player."""
    at_s = 0.0
    for piece in speak_comment(commentator, None, a_request(), level=level):
        if piece.pcm is not None and not at_s:
            at_s = time.perf_counter()
    return at_s


def measure(dialect: str, count: int, first_sound_s: float) -> dict[str, list[float]]:
    """Return for each end by how many ms its first sound is later than the server's first byte of it, `count` times."""
    context = multiprocessing.get_context("spawn")
    ready, sent, stop = context.Queue(), context.Queue(), context.Event()
    process = context.Process(target=_serve, args=(dialect, first_sound_s, ready, sent, stop), daemon=True)
    process.start()
    late_ms: dict[str, list[float]] = {end: [] for end in ENDS}
    try:
        url = ready.get(timeout=60)
        commentator = commentator_for(url)
        if not commentator.speech.speaks:
            raise UserError(f"{dialect}: the server's speech was not found")
        sent.get(timeout=60)  # of the trial
        level = VoiceLevel()  # as a run has one
        measures = {
            "bare client": lambda: _bare_client(url),
            "commentator": lambda: _commentator(commentator),
            "48 kHz": lambda: _playback(commentator, level),
        }
        order = [end for end in ENDS for _ in range(count)]
        random.Random(0).shuffle(order)
        for end in order:
            heard_s = measures[end]()
            late_ms[end].append(1000 * (heard_s - sent.get(timeout=60)))
        commentator.close()
    finally:
        stop.set()
        process.join(10)
    return late_ms


@app.command(help=help_text(__doc__))
def main(
    count: Annotated[int, typer.Option(help="Answers for each dialect and end.", min=5)] = 60,
    first_sound_s: Annotated[float, typer.Option(help="Seconds from words to sound.", min=0.0)] = 0.15,
) -> None:
    result: dict[str, Any] = {"count": count, "first_sound_s": first_sound_s}
    print(f"ms from the server's first byte of sound, median (95 %), {count} answers each")
    for dialect in DIALECTS:
        late_ms = measure(dialect, count, first_sound_s)
        of_bare = np.median(late_ms["bare client"])
        row = {
            end: {
                "median_ms": round(float(np.median(values)), 2),
                "p95_ms": round(float(np.percentile(values, 95)), 2),
                "over_bare_client_ms": round(float(np.median(values) - of_bare), 2),
            }
            for end, values in late_ms.items()
        }
        result[dialect] = row
        shown = "  ".join(f"{end} {at['median_ms']:.1f} ({at['p95_ms']:.1f})" for end, at in row.items())
        print(f"{dialect:32} {shown}", flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_server_speech")
