"""Cases of `bench_words`: what is shown and what is spoken of a model's words, what is not said again, and voices.

Whole sessions in virtual time, with a commentator that writes like a model and a voice that notes what it is given.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from commentator_lib.commentators.base import Commentator, CommentChunk, CommentRequest
from commentator_lib.media import AudioChunk
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.voices.base import Voice
from commentator_lib.voices.openai import OpenAIVoice


class _Writes(Commentator):
    """Writes these replies one after another, in chunks of `cut` characters."""

    name = "writes"
    has_cost_model = True

    def __init__(self, *replies: str, cut: int = 3) -> None:
        self._replies, self._cut, self._k = replies, cut, 0
        self.prompts: list[str] = []

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        reply = self._replies[self._k % len(self._replies)]
        self._k += 1
        self.prompts.append(request.prompt)
        for at in range(0, len(reply), self._cut):
            yield CommentChunk(reply[at : at + self._cut], None, 1, 0.3 if at == 0 else 0.01)


class _Notes(Voice):
    """An English voice that notes what it is to say, and gives a tone of 0.2 s for each word."""

    name = "notes"
    sample_rate_hz = 24_000
    languages = ("en",)

    def __init__(self, languages: tuple[str, ...] = ("en",)) -> None:
        self.languages = languages
        self.spoken: list[str] = []

    def speak(self, text: str) -> Iterator[AudioChunk]:
        self.spoken.append(text)
        t = np.arange(4800 * len(text.split())) / 24_000
        yield AudioChunk((0.2 * np.sin(2 * np.pi * 300 * t)).astype(np.float32), 24_000)


def _run(commentator: Commentator, voice: Voice, seconds: float = 20.0, **settings: Any) -> LiveSession:
    return LiveSession(
        SyntheticSource(seconds),
        Settings(change_threshold=0.0, **settings),
        commentator=commentator,
        voice=voice,
        mode="what-if",
    ).run()


def _rows(session: LiveSession) -> list[dict[str, Any]]:
    return list(session.log.cycle_rows)


def _shown(reply: str, **settings: Any) -> tuple[str, list[str], list[dict[str, Any]]]:
    """Return (what is shown of a reply, what is spoken of it, the run's rows)."""
    voice = _Notes()
    session = _run(_Writes(reply), voice, 5.0, **settings)
    rows = _rows(session)
    return " ".join(rows[0]["text"].split()) if rows else "", voice.spoken, rows


def _differs(found: object, wanted: object) -> str:
    return "" if found == wanted else f"{found!r} and not {wanted!r}"


def _same_sentence(_folder: Path) -> str:
    rows = _rows(_run(_Writes("The ball is red."), _Notes()))
    said = sum(row["outcome"] == "spoken" for row in rows)
    unexplained = [row for row in rows[1:] if row["outcome"] != "silent" or not row["reason"]]
    return f"said {said} times, {len(unexplained)} rows unexplained" if said != 1 or unexplained else ""


def _nearly_the_same(_folder: Path) -> str:
    voice = _Notes()
    _run(_Writes("A red ball rolls over the grass.", "The red ball is rolling over the grass!"), voice)
    return _differs(voice.spoken, ["A red ball rolls over the grass."])


def _another_score(_folder: Path) -> str:
    voice = _Notes()
    _run(_Writes("It is 1–0.", "It is 2–0."), voice, 12.0)
    return _differs(voice.spoken[:2], ["It is 1 to 0.", "It is 2 to 0."])


def _left_and_right(_folder: Path) -> str:
    lines = ["A man comes in on the left.", "A man comes in on the right."]
    voice = _Notes()
    _run(_Writes(*lines), voice, 12.0)
    return _differs(voice.spoken[:2], lines)


def _repeat_within_a_comment(_folder: Path) -> str:
    shown, spoken, _ = _shown("Goal! What a goal! Goal! ⚽")
    return _differs((shown, spoken), ("Goal! What a goal!", ["Goal!", "What a goal!"]))


def _said_again_as_text(_folder: Path) -> str:
    rows = _rows(_run(_Writes("The ball is red."), _Notes(), speech=False))
    return _differs([row["outcome"] for row in rows], ["spoken", *["silent"] * (len(rows) - 1)])


def _markdown(_folder: Path) -> str:
    shown, spoken, _ = _shown(
        "**Goal!** The *striker* scores ⚽🔥.\n\n- Player: `No. 9`\n- Score: 2–1\n## Replay\n"
    )
    return _differs(
        (shown, spoken),
        (
            "Goal! The striker scores ⚽🔥. Player: No. 9 Score: 2–1 Replay",
            ["Goal!", "The striker scores.", "Player: number 9.", "Score: 2 to 1.", "Replay."],
        ),
    )


def _half_a_mark(_folder: Path) -> str:
    captions: list[str] = []
    LiveSession(
        SyntheticSource(5.0),
        Settings(change_threshold=0.0, speech=False),
        commentator=_Writes("**Goal** by [nine](https://x.org/a)!", cut=1),
        mode="what-if",
        on_caption=lambda _cycle, text, _final, _at_s: captions.append(text),
    ).run()
    marked = [text for text in captions if re.search(r"[*\[\]()]|https", text)]
    return f"a caption read {marked[0]!r}" if marked else _differs(captions[-1:], ["Goal by nine!"])


def _no_markdown(_folder: Path) -> str:
    text = "5 * 3 is 15, snake_case, #9 and [the keeper] wait, x < y."
    return _differs(_shown(text)[0], text)


def _cut_off_mark(_folder: Path) -> str:
    return _differs(_shown("The keeper saves **with his")[0], "The keeper saves with his")


def _table(_folder: Path) -> str:
    shown, spoken, _ = _shown("| Team | Goals |\n|---|---|\n| Halden | 2 |\n")
    return _differs((shown, spoken), ("Team · Goals Halden · 2", ["Team, Goals.", "Halden, 2."]))


def _clock_and_units(_folder: Path) -> str:
    _, spoken, _ = _shown("BRA vs. GER at 67:12, from 25 m & 90 km/h, see https://x.org/a.")
    return _differs(
        spoken,
        ["B R A versus G E R at 67 minutes 12, from 25 metres and 90 kilometres an hour, see x dot org."],
    )


def _emoji_alone(_folder: Path) -> str:
    voice = _Notes()
    rows = _rows(_run(_Writes("⚽🔥🎉"), voice, 5.0))
    failed = [row["reason"] for row in rows if row["outcome"] == "failed"]
    return failed[0] if failed else _differs(voice.spoken, [])


def _abbreviations(_folder: Path) -> str:
    _, spoken, _ = _shown("No. 9 passes to J. Smith. There are 5 min. left.")
    return _differs(spoken, ["number 9 passes to J. Smith.", "There are 5 minutes left."])


def _chinese(_folder: Path) -> str:
    lines = ["一个红色的球滚过绿色的草地。", "球员跑向球门，观众们都站了起来。"]
    voice = _Notes()
    session = _run(_Writes(*lines), voice, 12.0)
    rows, notes = _rows(session), session.log.header["notes"]
    if failed := [row for row in rows if row["outcome"] == "failed"]:
        return f"{len(failed)} of {len(rows)} failed: {failed[0]['reason']}"
    if voice.spoken or {row["text"] for row in rows} - {*lines, "..."}:
        return f"spoken: {voice.spoken}, shown: {[row['text'] for row in rows]}"
    return "" if len(notes) == 1 and "speaks English" in notes[0] else f"the notes are {notes}"


def _chinese_asked_for(_folder: Path) -> str:
    commentator = _Writes("一个红色的球。")
    session = _run(commentator, _Notes(), 5.0, language="zh")
    notes = session.log.header["notes"]
    asked = "Speak Chinese" in commentator.prompts[0]
    return (
        "" if asked and notes and "English and not Chinese" in notes[0] else f"asked: {asked}, notes: {notes}"
    )


def _voice_of_that_language(_folder: Path) -> str:
    voice = _Notes(("zh",))
    commentator = _Writes("比分2–1。")
    session = _run(commentator, voice, 5.0)
    if session.log.header["notes"] or "Speak Chinese" not in commentator.prompts[0]:
        return f"notes {session.log.header['notes']}, prompt {commentator.prompts[0][-60:]!r}"
    return _differs(voice.spoken, ["比分2 比 1。"])


def _mixed_scripts(_folder: Path) -> str:
    shown, spoken, rows = _shown("A goal for 皇马! 观众站了起来。")
    failed = [row for row in rows if row["outcome"] == "failed"]
    return _differs((shown, spoken, failed), ("A goal for 皇马! 观众站了起来。", ["A goal for 皇马!"], []))


class _SpeechHandler(BaseHTTPRequestHandler):
    """A speech server in odd cuts; refuses the second request, in words that hold the key."""

    count = 0

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).count += 1
        bad = type(self).count == 3
        tone = (0.3 * np.sin(np.arange(12_000) / 9) * 32767).astype("<i2").tobytes() + b"\0"
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        body = json.dumps({"error": {"message": f"no credit for {key}"}}).encode() if bad else tone
        self.send_response(402 if bad else 200)
        self.send_header("Content-Type", "application/json" if bad else "audio/pcm")
        self.end_headers()
        for at in range(0, len(body), 1001):
            self.wfile.write(body[at : at + 1001])


def _speech_server(_folder: Path) -> str:
    import os

    key = "sk-case-0123456789"
    handler = type("Handler", (_SpeechHandler,), {"count": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    before = os.environ.get("VOICE_API_KEY")
    os.environ["VOICE_API_KEY"] = key
    try:
        base = f"http://127.0.0.1:{server.server_address[1]}/v1"
        voice = OpenAIVoice(Settings(voice="openai", voice_base_url=base, api_timeout_s=5.0))
        lines = [f"Player number {k} has the ball." for k in range(20)]
        rows = _rows(_run(_Writes(*lines), voice, 12.0))
    finally:
        if before is None:
            del os.environ["VOICE_API_KEY"]
        else:
            os.environ["VOICE_API_KEY"] = before
        server.shutdown()
        server.server_close()
    failed = [row for row in rows if row["outcome"] == "failed"]
    spoken = [row for row in rows if row["speech_s"] > 0.3]
    if key in str(rows):
        return "the key is in the log"
    if len(failed) != 1 or "no credit for ***" not in failed[0]["reason"]:
        return f"{len(failed)} failed: {[row['reason'] for row in failed]}"
    return "" if len(spoken) >= 2 and len(spoken) == len(rows) - 1 else f"{len(spoken)} of {len(rows)} spoken"


CASES: dict[str, Callable[[Path], str]] = {
    "same_sentence": _same_sentence,
    "nearly_the_same_sentence": _nearly_the_same,
    "another_score_is_news": _another_score,
    "left_and_right_differ": _left_and_right,
    "repeat_within_a_comment": _repeat_within_a_comment,
    "same_sentence_as_text": _said_again_as_text,
    "markdown": _markdown,
    "half_a_mark": _half_a_mark,
    "no_markdown": _no_markdown,
    "mark_that_is_cut_off": _cut_off_mark,
    "table": _table,
    "clock_units_address": _clock_and_units,
    "emoji_alone": _emoji_alone,
    "abbreviations": _abbreviations,
    "chinese": _chinese,
    "chinese_asked_for": _chinese_asked_for,
    "voice_of_that_language": _voice_of_that_language,
    "mixed_scripts": _mixed_scripts,
    "speech_server": _speech_server,
}
