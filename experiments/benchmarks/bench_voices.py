"""Let voices speak, and listen to them: how soon, how fast, which words are heard, and whether any is cut off.

Why: what is written is to be what is said. A caption cannot show whether "2–1" was read as a score, whether a mark of
Markdown was read aloud, or whether a word lost its end. So a recogniser that knows nothing of the text writes down what
it hears of the sound, as it would go to a player, and its words are compared with those that were meant.

How: each sentence goes through the library's own way from a commentator's text to 48 kHz. Word errors are the
least number of words replaced, left out and added, ÷ the words that were meant. The recogniser makes errors of
its own, so that sentences with marks are compared with the same ones written plainly. For `cuts`, comments in virtual
time are interrupted at random; a recogniser that is told the words finds where each ends, and a cut counts as one
within a word if it is more than 0.08 s from that word's ends. Times are of this machine, and of whatever else it does.

    python -m experiments.bench_voices [--only words,speed,cuts] [--voices hibari,piper,espeak-ng] [--held-out]

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import typer
from tqdm import tqdm

from commentator_lib.commentary.speech import speak_comment
from commentator_lib.commentators.base import Commentator, CommentChunk, CommentRequest
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame, to_float32
from commentator_lib.players.headless import HeadlessPlayer
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings, SettingsError
from commentator_lib.sound.recognition import RATE_HZ, recognise
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.voices.base import Voice
from commentator_lib.voices.factory import make_voice
from experiments.benchmarks.voice_sentences import HELD_OUT_MARKED, HELD_OUT_PLAIN, MARKED, PLAIN
from experiments.errors import UserError
from experiments.tools.command_line import chosen_parts, help_text, new_app, run_app

_PARTS = ("words", "speed", "cuts")
_VOICES = ("hibari", "piper", "espeak-ng")
_PAD_S = 0.2  # silence around a sentence, which the recogniser wants
_WITHIN_S = 0.08
_FADE = PLAYBACK_RATE_HZ // 20  # what is cut is faded out, by less than 0.05 s
# Spellings of the same sound.
_SPELT = {"metres": "meters", "kilometres": "kilometers", "harbour": "harbor", "grey": "gray"}


class _Says(Commentator):
    """Says one text, in chunks of five characters, as a model might."""

    name = "says"

    def __init__(self, text: str) -> None:
        self._text = text

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        for at in range(0, len(self._text), 5):
            yield CommentChunk(self._text[at : at + 5], None, 1)


def spoken(voice: Voice, text: str) -> np.ndarray:
    """Return what a player gets of a comment, int16 (N,) at 48 kHz. Raise UserError where the voice fails."""
    pieces = list(speak_comment(_Says(text), voice, CommentRequest([], "", 100)))
    if pieces[-1].problem:
        raise UserError(f"{voice.name}: {pieces[-1].problem}")
    return np.concatenate([np.zeros(0, np.int16), *(p.pcm for p in pieces if p.pcm is not None)])


def for_recogniser(pcm: np.ndarray) -> np.ndarray:
    """Return sound at 48 kHz as a recogniser takes it: float32 (N,) at 16 kHz, with silence around it."""
    import soxr

    pad = np.zeros(round(_PAD_S * RATE_HZ), np.float32)
    return np.concatenate(
        [pad, soxr.resample(to_float32(pcm), PLAYBACK_RATE_HZ, RATE_HZ).astype(np.float32), pad]
    )


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, each sound spelt in one way.

    >>> words_of("It's per cent, 25 Metres")
    ["it's", 'percent', '25', 'meters']
    """
    found: list[str] = re.findall(r"[a-z0-9']+", text.lower().replace("per cent", "percent"))
    return [_SPELT.get(word, word) for word in found if word]


def word_errors(meant: Sequence[str], heard: Sequence[str]) -> int:
    """Return the least number of words replaced, left out and added between two rows of words (Levenshtein 1966).

    >>> word_errors(["a", "red", "car"], ["the", "red", "red", "car"])
    2
    """
    row = list(range(len(heard) + 1))
    for i, word in enumerate(meant, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def listen(voice: Voice, texts: Sequence[tuple[str, str]], show: Callable[[str], None]) -> tuple[int, int]:
    """Let a voice say each (text, words that are meant); return (word errors, words). `show` gets a line an error."""
    errors = words = 0
    for text, meant in texts:
        heard = words_of(recognise(for_recogniser(spoken(voice, text))))
        wrong = word_errors(words_of(meant), heard)
        errors, words = errors + wrong, words + len(words_of(meant))
        if wrong:
            show(f"  {wrong} wrong: {text!r} was heard as {' '.join(heard)!r}")
    return errors, words


def measure_words(voice: Voice, held_out: bool) -> dict[str, Any]:
    """Return the share of word errors of plain sentences, of marked ones, and of those written plainly."""
    plain, marked = (HELD_OUT_PLAIN, HELD_OUT_MARKED) if held_out else (PLAIN, MARKED)
    lists = {
        "plain": [(text + ".", text) for text in plain],
        "with_marks": [(text, meant) for text, _, meant in marked],
        "same_written_plainly": [(text, meant) for _, text, meant in marked],
    }
    found: dict[str, Any] = {}
    for name, texts in lists.items():
        errors, words = listen(voice, texts, tqdm.write)
        found[name] = {
            "errors": errors,
            "words": words,
            "share": round(errors / words, 3),
            "sentences": len(texts),
        }
        tqdm.write(f"{voice.name}, {name}: {errors} of {words} words wrong ({errors / words:.1%})")
    return found


def measure_speed(voice: Voice) -> dict[str, Any]:
    """Return the time to the first sound of a sentence, median and 95th percentile, and seconds of sound a second."""
    first_s: list[float] = []
    sound_s = took_s = 0.0
    for text in PLAIN * 3:
        started_s = time.perf_counter()
        for k, piece in enumerate(voice.speak(text + ".")):
            if k == 0:
                first_s.append(time.perf_counter() - started_s)
            sound_s += piece.duration_s
        took_s += time.perf_counter() - started_s
    found = {
        "first_sound_median_s": round(float(np.median(first_s)), 4),
        "first_sound_p95_s": round(float(np.quantile(first_s, 0.95)), 4),
        "times_real_time": round(sound_s / took_s, 1),
        "sentences": len(first_s),
    }
    tqdm.write(f"{voice.name}: {found}")
    return found


# --- cuts


class _Keeps(HeadlessPlayer):
    """Keeps what it is sent and what it has played of each comment, int16 at 48 kHz, and each comment's words."""

    def __init__(self) -> None:
        super().__init__(on_sounded=self._sounded)
        self.sent: dict[int, list[np.ndarray]] = {}
        self.played: dict[int, list[np.ndarray]] = {}

    def play(self, pcm: AudioChunk, comment_id: int, start_at_s: float) -> None:
        self.sent.setdefault(comment_id, []).append(pcm.samples)
        super().play(pcm, comment_id, start_at_s)

    def _sounded(self, comment_id: int, samples: np.ndarray, _from_s: float) -> None:
        self.played.setdefault(comment_id, []).append(samples)


def word_times_s(pcm: np.ndarray, text: str) -> list[tuple[float, float]] | None:
    """Return (from, to) of each word in its sound (int16 at 48 kHz), by a recogniser that is told the words.

    None where it knows one of the words not, or cannot fit them to the sound.
    """
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL", bestpath=False)
    words = words_of(text)
    if any(decoder.lookup_word(word) is None for word in words):
        return None
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw((for_recogniser(pcm) * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    segments = decoder.seg()
    if segments is None:
        return None
    rate = 100.0  # frames a second
    spans = [
        (s.start_frame / rate - _PAD_S, (s.end_frame + 1) / rate - _PAD_S)
        for s in segments
        if re.sub(r"\(\d+\)", "", s.word) in words
    ]
    return spans if len(spans) == len(words) else None


def measure_cuts(voice: Voice, comments: int, seed: int) -> dict[str, Any]:
    """Return how often the beginning or the end of a comment was lost, and how many cuts are within a word."""
    rng = random.Random(seed)
    lines = [f"{text}." for text in PLAIN]
    player, said = _Keeps(), iter(range(10**9))
    next_cut_s = rng.uniform(3, 9)

    def cut_now_and_then(frame: Frame, _due_s: float, _drawn_s: float) -> None:
        nonlocal next_cut_s
        if frame.captured_at_s >= next_cut_s:
            next_cut_s += rng.uniform(3, 9)
            session.set_instruction(f"Watch for number {next(said)}")

    session = LiveSession(
        SyntheticSource(5.0 * comments, seed=seed),
        Settings(change_threshold=0.0, pause_s=0.5, delay_init_s=1.0),
        commentator=ScriptedCommentator(lines, CostModel(0.4, 0.1, 3.0, 0.0, 0.1), sound=None, seed=seed),
        voice=voice,
        players=[player],
        mode="what-if",
        on_drawn=cut_now_and_then,
    )
    session.run()
    rows = {
        row["cycle"]: row for row in session.log.cycle_rows if row["outcome"] in ("spoken", "interrupted")
    }
    lost_beginnings = lost_ends = cuts = within = unknown = 0
    off_s: list[float] = []
    for cycle, row in rows.items():
        sent, played = (
            np.concatenate(player.sent[cycle]),
            np.concatenate(player.played.get(cycle, [np.zeros(0, np.int16)])),
        )
        before_fade = max(0, len(played) - _FADE)
        lost_beginnings += not before_fade or not np.array_equal(played[:before_fade], sent[:before_fade])
        if row["outcome"] == "spoken":
            lost_ends += len(played) != len(sent)
            continue
        cuts += 1
        spans = word_times_s(sent, row["text"])
        if spans is None:
            unknown += 1
            continue
        at_s = len(played) / PLAYBACK_RATE_HZ
        depth_s = max((min(at_s - start, end - at_s) for start, end in spans), default=0.0)
        off_s.append(max(0.0, depth_s))
        within += depth_s > _WITHIN_S
    found = {
        "comments": len(rows),
        "beginnings_lost": lost_beginnings,
        "ends_lost": lost_ends,
        "cut": cuts,
        "cut_within_a_word": within,
        "cut_not_judged": unknown,
        "depth_in_word_median_s": round(float(np.median(off_s)), 3) if off_s else None,
        "depth_in_word_max_s": round(float(np.max(off_s)), 3) if off_s else None,
    }
    tqdm.write(f"{voice.name}: {found}")
    return found


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    only: Annotated[str, typer.Option(help="Parts: words, speed, cuts.")] = ",".join(_PARTS),
    voices: Annotated[
        str, typer.Option(help="Voices; those that are not installed are left out.")
    ] = ",".join(_VOICES),
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Use the sentences that were kept aside.")
    ] = False,
    comments: Annotated[int, typer.Option(min=1, help="Comments of the part cuts, about.")] = 140,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    parts, found = chosen_parts(only, _PARTS), {}
    for name in voices.split(","):
        try:
            voice = make_voice(Settings(voice=name.strip()))
        except SettingsError as error:
            tqdm.write(f"{name} is left out: {error}")
            continue
        voice.warm_up()
        measured: dict[str, Any] = {}
        if "words" in parts:
            measured["words"] = measure_words(voice, held_out)
        if "speed" in parts:
            measured["speed"] = measure_speed(voice)
        if "cuts" in parts:
            measured["cuts"] = measure_cuts(voice, comments, seed)
        voice.close()
        found[name.strip()] = measured
    print(json.dumps(found))


if __name__ == "__main__":
    run_app(app, "bench_voices")
