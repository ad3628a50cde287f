"""Cases of `bench_words`: OpenAI-compatible servers with one odd habit each, and what becomes of their words."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.refusals import OpenAIServerError
from commentator_lib.media import Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import load_settings

DONE = b"data: [DONE]\n\n"
# Seconds that a connection waits for its next request at most: a case that fails must not leave a thread behind.
_LONGEST_S = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request is answered: a stream of packets, each sent at once."""

    packets: Iterable[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def event(delta: Mapping[str, Any], **choice: Any) -> bytes:
    """Return a piece of a streamed chat as it is sent."""
    body = {"choices": [{"index": 0, "delta": dict(delta), **choice}]}
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def said(*texts: str) -> list[bytes]:
    """Return texts as pieces of a streamed chat, with its end."""
    return [*(event({"content": text}) for text in texts), event({}, finish_reason="stop"), DONE]


def refused(status: int, body: Any) -> Reply:
    """Return a refusal with a JSON body."""
    return Reply([json.dumps(body).encode()], status, {"Content-Type": "application/json"})


@contextlib.contextmanager
def chat_server(reply: Callable[[dict[str, Any]], Reply]) -> Generator[str]:
    """Serve one model, "m", on loopback; yield the base URL. `reply` answers each request for a chat by its body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _LONGEST_S

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send(Reply([b'{"data": [{"id": "m"}]}'], headers={"Content-Type": "application/json"}))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send(reply(asked))

        def send(self, answer: Reply) -> None:
            self.send_response(answer.status)
            for name, value in {"Content-Type": "text/event-stream", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for packet in answer.packets:
                self.wfile.write(packet)
                self.wfile.flush()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


WORDS = "A red ball rolls over the green grass."
PIECES = ("A red ", "ball ", "rolls over ", "the green grass.")
_SECRET = "sk-that-nobody-may-see"


@dataclass(frozen=True, slots=True)
class Said:
    """What came of one comment: its pieces, why it is not whole, and its error."""

    pieces: tuple[str, ...]
    reason: str = ""
    error: str = ""

    @property
    def text(self) -> str:
        """All its words."""
        return "".join(self.pieces)


def _commentator(url: str, **changes: Any) -> OpenAICommentator:
    given: dict[str, Any] = {"commentator": "openai", "api_base_url": url, "api_retries": 0, **changes}
    return OpenAICommentator(load_settings(None, None, {}, **given), sleep=lambda _s: None)


def _comments(reply: Callable[[dict[str, Any]], Reply], count: int = 2, **changes: Any) -> list[Said]:
    """Return what comes of comments by a server, one after another, the first one with a cold commentator."""
    results: list[Said] = []
    frame = Frame(0, 0.0, 0.0, np.full((36, 64, 3), 90, np.uint8))
    with chat_server(reply) as url:
        commentator = _commentator(url, **changes)
        commentator.warm_up()
        for _ in range(count):
            pieces: list[str] = []
            reason = error = ""
            try:
                for chunk in commentator.comment(CommentRequest([frame], "What happens?", 99)):
                    pieces += [chunk.text] if chunk.text else []
                    reason = chunk.reason or reason
            except OpenAIServerError as fault:
                error = str(fault)
            results.append(Said(tuple(pieces), reason, error))
        commentator.close()
    return results


def _is_trial(asked: Mapping[str, Any]) -> bool:
    """Return whether a request is not one of `_comments`, but what a commentator finds out before the first."""
    return asked["messages"][-1]["content"][-1]["text"] != "What happens?"


def _one_by_one(packets: Iterable[bytes]) -> list[bytes]:
    """Return a stream's bytes, each in a packet of its own."""
    return [bytes([byte]) for byte in b"".join(packets)]


def says(packets: Iterable[bytes], words: str = WORDS) -> Callable[[Path], str]:
    """Return a case: a server that always streams these packets is heard to say `words`, however they are cut."""
    sent = list(packets)

    def check(_folder: Path) -> str:
        for cut in (sent, [b"".join(sent)], _one_by_one(sent)):
            for number, said_ in enumerate(_comments(lambda _asked, cut=cut: Reply(cut))):
                if (said_.text.strip(), said_.error) != (words, ""):
                    return f"comment {number + 1} of {len(cut)} packets: {said_.error or said_.text!r}"
        return ""

    return check


def is_silent(packets: Iterable[bytes], reason: str) -> Callable[[Path], str]:
    """Return a case: a session with such a server is silent, its log says why, and goes on."""
    sent = list(packets)

    def check(folder: Path) -> str:
        rows = _cycles(lambda _asked: Reply(sent), folder)
        if len(rows) < 2:
            return f"{len(rows)} cycles"
        for row in rows:
            if row["outcome"] != "silent" or reason not in row["reason"] or row["heard_text"]:
                return f"cycle {row['cycle']} is {row['outcome']}: {row['reason']!r}, {row['heard_text']!r}"
        return ""

    return check


def _cycles(
    reply: Callable[[dict[str, Any]], Reply], folder: Path, seconds: float = 12.0, **changes: Any
) -> list[dict[str, Any]]:
    """Return the rows of a session of captions only, in virtual time, with a server."""
    with chat_server(reply) as url:
        settings = load_settings(
            environment={},
            commentator="openai",
            api_base_url=url,
            speech=False,
            change_threshold=0.0,
            inference_interval_s=2.0,
            watchers=(),
            **changes,
        )
        source = f"synthetic:{seconds:g}"
        session = LiveSession(source, settings, mode="replay", run_dir=folder / "run").run()
    return list(session.log.cycle_rows)


def _refuses(refusals: Sequence[tuple[str, Reply]], kept: Sequence[str] = ()) -> Callable[[Path], str]:
    """Return a case: a server that refuses a parameter while it is sent works after these refusals, for good."""

    def check(_folder: Path) -> str:
        refused = 0
        last: dict[str, Any] = {}

        def reply(asked: dict[str, Any]) -> Reply:
            nonlocal refused, last
            for name, refusal in refusals:
                if name in asked:
                    refused += 1
                    return refusal
            last = asked
            return Reply(said(*PIECES))

        results = _comments(reply)
        if any(result.text != WORDS for result in results):
            return "; ".join(result.error or result.text for result in results)
        if refused > len(refusals):
            return f"{refused} requests were refused"
        missing = [name for name in kept if name not in last]
        return f"no {missing} was sent" if missing else ""

    return check


def _moved(status: int, location: str, told: str) -> Callable[[Path], str]:
    """Return a case: a server that has moved is told to have, where to, and without a secret."""

    def check(_folder: Path) -> str:
        reply = Reply(status=status, headers={"Location": location, "Content-Type": "text/plain"})
        (result,) = _comments(lambda _asked: reply, 1)
        right = told in result.error and _SECRET not in result.error
        return "" if right else result.error or "no error"

    return check


def pings_after_words(folder: Path) -> str:
    """A proxy keeps a dead stream alive: that cycle ends after `api_timeout_s`, the next begins, the run ends."""

    def reply(asked: dict[str, Any]) -> Reply:
        return Reply(_then_pings(said("A red ball rolls. The dog runs. ")[:1], 30.0))

    began_s = time.monotonic()
    rows = _cycles(reply, folder, seconds=6.0, api_timeout_s=1.0, api_retries=0)
    took_s = time.monotonic() - began_s
    ended = [row for row in rows if "no new words for 1 s" in row["reason"]]
    if len(ended) < 2:
        return f"{len(rows)} cycles: {[row['reason'] for row in rows][:3]}"
    if not any(row["text"].startswith("A red ball rolls.") for row in ended):
        return "the words before the pings were lost"
    return "" if took_s < 25 else f"the run took {took_s:.0f} s"


def _then_pings(packets: Iterable[bytes], longest_s: float) -> Generator[bytes]:
    yield from packets
    until_s = time.monotonic() + longest_s
    while time.monotonic() < until_s:
        yield b": ping\n\n"
        time.sleep(0.05)


def only_pings(_folder: Path) -> str:
    """No word ever comes: the comment ends after `api_timeout_s`."""
    (result,) = _comments(lambda _asked: Reply(_then_pings([], 15.0)), 1, api_timeout_s=1.0)
    return "" if "no new words for 1 s" in result.error else result.error or result.text


def words_do_not_wait(_folder: Path) -> str:
    """On a plain server the first words come before the answer has ended, in the first comment too."""
    heard = threading.Event()

    def packets() -> Generator[bytes]:
        yield from said(*PIECES)[:2]
        yield from [] if heard.wait(10) else [b"data: {waited in vain}\n\n"]
        yield from said(*PIECES)[2:]

    def reply(asked: dict[str, Any]) -> Reply:
        return Reply(said("Hello.") if _is_trial(asked) else packets())

    frame = Frame(0, 0.0, 0.0, np.zeros((36, 64, 3), np.uint8))
    text = ""
    with chat_server(reply) as url:
        commentator = _commentator(url)
        commentator.warm_up()
        for chunk in commentator.comment(CommentRequest([frame], "What happens?", 99)):
            text += chunk.text
            if text:
                heard.set()
        commentator.close()
    return "" if text == WORDS else text


def bare_thought_of_a_loading_server(_folder: Path) -> str:
    """The trial told nothing, and only the end of the thought is marked: it is not said in the first comment either."""
    bare = said("Let me look at the frames", ". It is a ball.\n", "</think>", "\n\n", *PIECES)

    def reply(asked: dict[str, Any]) -> Reply:
        return refused(503, {"error": "loading"}) if _is_trial(asked) else Reply(bare)

    results = _comments(reply)
    return next((result.error or result.text for result in results if result.text != WORDS), "")


def thought_cut_at_its_length(_folder: Path) -> str:
    """Only the end of a thought is marked, and a comment is cut before it: nothing is said, and the reason named."""
    cut = [event({"content": "Let me look at it. "}), event({}, finish_reason="length"), DONE]

    def reply(asked: dict[str, Any]) -> Reply:
        return Reply(said("It is grey.", "</think>", "Hello.") if _is_trial(asked) else cut)

    (result,) = _comments(reply, 1)
    return "" if not result.text and "on thinking" in result.error else result.error or result.text


def cut_at_its_length(folder: Path) -> str:
    """A comment that was cut at its longest is said, and its row says so."""
    numbers = itertools.count()

    def reply(_asked: dict[str, Any]) -> Reply:
        text = f"Ball number {next(numbers)} rolls over the"
        return Reply([event({"content": text}), event({}, finish_reason="length"), DONE])

    rows = _cycles(reply, folder)
    said_ = [row for row in rows if row["outcome"] == "spoken"]
    wrong = [row for row in said_ if not row["reason"].startswith("cut off at its ")]
    return "" if len(said_) >= 2 and not wrong else f"{[(row['outcome'], row['reason']) for row in rows][:3]}"


def echoed_placeholder(folder: Path) -> str:
    """A model says its own placeholders, and its server refuses prompts that hold them: the next comment is well."""
    numbers = itertools.count()

    def reply(asked: dict[str, Any]) -> Reply:
        prompt = asked["messages"][-1]["content"][-1]["text"]
        if "<|image_pad|>" in prompt or "<image>" in prompt:
            return refused(
                400, {"error": {"message": "the number of placeholders is not that of the pictures"}}
            )
        return Reply(said(f"Picture {next(numbers)}: <|image_pad|>", " and <image>./</image>", " of a ball."))

    rows = _cycles(reply, folder)
    wrong = [row for row in rows if row["outcome"] != "spoken" or "<" in row["heard_text"]]
    return (
        ""
        if len(rows) >= 3 and not wrong
        else f"{[(r['outcome'], r['reason'] or r['heard_text']) for r in rows][:4]}"
    )


def _says_at_once(refusal: Reply, told: str) -> Callable[[Path], str]:
    """Return a case: a failure that will recur is told once on the terminal, and the exit code is 3."""

    def check(folder: Path) -> str:
        with chat_server(lambda _asked: refusal) as url:
            chosen = ["commentator=openai", f"api_base_url={url}", "change_threshold=0", "speech=false"]
            arguments = ["run", "synthetic:8", "--no-video", "--mode", "replay", "--out", str(folder)]
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "commentator_lib",
                    *arguments,
                    *(w for c in chosen for w in ("-s", c)),
                ],
                capture_output=True,
                text=True,
                timeout=120,
                env={**os.environ, "OPENAI_API_KEY": _SECRET},
            )
        lines = [line for line in done.stderr.replace("\r", "\n").splitlines() if told in line]
        if done.returncode != 3:
            return f"exit code {done.returncode}: {done.stderr[-200:]}"
        if _SECRET in done.stderr + done.stdout:
            return "the key is shown"
        return "" if len(lines) == 2 and "comment 1 failed" in lines[0] else f"told {len(lines)} times"

    return check


def _no_parameter(name: str, words: str = "is not known here") -> Reply:
    return refused(400, {"error": {"message": f"{name} {words}", "param": name}})


def _extra(name: str) -> Reply:
    fault = {
        "type": "extra_forbidden",
        "loc": ["body", name],
        "msg": "Extra inputs are not permitted",
        "input": 1,
    }
    return refused(422, {"detail": [fault]})


def _json_answer(_folder: Path) -> str:
    """A server that does not stream sends its answer whole."""
    whole = {"choices": [{"message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}]}
    reply = Reply([json.dumps(whole).encode()], headers={"Content-Type": "application/json; charset=utf-8"})
    results = _comments(lambda _asked: reply)
    return next((result.error or result.text for result in results if result.text != WORDS), "")


_PLAIN = said(*PIECES)
_TOOL = {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "look", "arguments": "{}"}}]}
_HARMONY = (
    "<|channel|>analysis<|message|>A ball, I",
    " think.<|end|><|start|>assist",
    "ant<|channel|>final<|message|>",
)
_NEWER = [
    ("max_tokens", _no_parameter("max_tokens", "is not known here, use max_completion_tokens")),
    ("temperature", _no_parameter("temperature", "cannot be changed here")),
]

CASES: dict[str, Callable[[Path], str]] = {
    # how a stream is written
    "plain": says(_PLAIN),
    "CRLF": says([packet.replace(b"\n", b"\r\n") for packet in _PLAIN]),
    "CR": says([packet.replace(b"\n", b"\r") for packet in _PLAIN]),
    "byte order mark": says([b"\xef\xbb\xbf" + _PLAIN[0], *_PLAIN[1:]]),
    "no blank line at the end": says([b"".join(_PLAIN[:-1]).rstrip()]),
    "comments and other fields": says([b": hi\n\nevent: chunk\nid: 7\nretry: 9\n" + _PLAIN[0], *_PLAIN[1:]]),
    "letters of several bytes": says(said("進球 ¡gol! ", "🎉 Tooor!"), "進球 ¡gol! 🎉 Tooor!"),
    "whole answer as JSON": _json_answer,
    "parts": says([event({"content": [{"type": "text", "text": WORDS}]}), *said()]),
    "parts with thoughts": says(
        [event({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}), *_PLAIN]
    ),
    "thoughts apart": says([event({"reasoning_content": "hm"}), event({"reasoning": "so"}), *_PLAIN]),
    "words do not wait": words_do_not_wait,
    # thoughts and marks in the words
    "thought tags": says(said("<think>", "\nlet me see\n", "</think>", "\n\n", *PIECES)),
    "thought closing tag only": says(said("Let me look", ". It is a ball.\n", "</think>", "\n\n", *PIECES)),
    "thought closing tag only, loading server": bare_thought_of_a_loading_server,
    "thought cut at its length": thought_cut_at_its_length,
    "thinking, reflection": says(said("<thinking>a<reflection>b</reflection>c</thinking>", *PIECES)),
    "namespace": says(said("<seed:think>a", "</seed:think>", *PIECES, "<seed:eos>")),
    "square brackets": says(said("[THINK]a", "[/THINK]", *PIECES)),
    "bare square bracket": says(said("So, a ball.", "[/THINK]", *PIECES)),
    "triangles": says(said("◁think▷a", "◁/think▷", *PIECES)),
    "begin of thought": says(said("<|begin_of_thought|>a<|end_of_thought|>", *PIECES, "<|end_of_solution|>")),
    "channels": says(said(*_HARMONY, *PIECES, "<|return|>")),
    "channels without their marks": says(said("analysisA ball, I think.", "assistantfinal", *PIECES)),
    "one-sided channel": says(said("<|channel>thought\nhm<channel|>", *PIECES, "<turn|>")),
    "template tokens": says(said(*PIECES, "<|im_end|>", "<end_of_utterance>")),
    "full-width tokens": says(said("<｜Assistant｜>", *PIECES, "<｜end▁of▁sentence｜>")),
    "turns": says(
        said("<|im_start|>assistant\n", *PIECES, "<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>")
    ),
    "answer tags": says(said("<think>a</think><answer>", *PIECES, "</answer>")),
    "no tags": says(said("a <3 heart, x < y, ", "1 <2> and [1]"), "a <3 heart, x < y, 1 <2> and [1]"),
    "echoed placeholder": echoed_placeholder,
    # why there are no words
    "refusal": is_silent(
        [event({"refusal": "That I will not."}), event({}, finish_reason="content_filter"), DONE],
        "the model refuses: That I will not.",
    ),
    "content filter": is_silent([event({}, finish_reason="content_filter"), DONE], "content filter"),
    "tool calls": is_silent(
        [event(_TOOL), event({}, finish_reason="tool_calls"), DONE],
        "the model called look instead of speaking",
    ),
    "tool call in the text": is_silent(said('<tool_call>{"name": "look"}', "</tool_call>"), "called a tool"),
    "nothing": is_silent(said(), "no words"),
    "cut at its length": cut_at_its_length,
    "pings after words": pings_after_words,
    "pings only": only_pings,
    # what a server refuses
    "newer parameters": _refuses(_NEWER, ["max_completion_tokens", "stream_options"]),
    "a list of faults": _refuses([("stream_options", _extra("stream_options"))], ["max_tokens"]),
    "refused in words": _refuses(
        [("temperature", refused(400, {"detail": "does not support parameters: ['temperature']"}))],
        ["max_tokens", "stream_options"],
    ),
    "refused as text": _refuses(
        [("stream_options", Reply([b"unknown field `stream_options`, expected one of"], 422))],
        ["temperature"],
    ),
    "moved": _moved(307, "/v2/chat/completions", "/v2"),
    "moved with a key": _moved(
        308, f"https://me:{_SECRET}@h.example/v1/chat/completions?k={_SECRET}", "https://h.example/v1"
    ),
    "refused key": _says_at_once(
        refused(401, {"error": {"message": f"no such key {_SECRET}"}}), "no such key ***"
    ),
    "no such model": _says_at_once(
        refused(404, {"error": {"message": "model m is not here"}}), "model m is not here"
    ),
    "refused pictures": _says_at_once(
        refused(400, {"error": {"message": "m takes no image_url"}}), "takes no image_url"
    ),
}
