"""What bench_player computes from its measurements; the measuring needs a browser and is not tested here."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.benchmarks.player_cells import FlashCaller
from experiments.benchmarks.player_clips import make_flashes
from experiments.benchmarks.player_sound import RATE, check_sound, onsets


def test_onsets_are_where_it_turns_on():
    at = np.arange(8) / 10
    on = np.array([0, 0, 1, 1, 0, 1, 0, 0], bool)
    assert onsets(at, on) == pytest.approx([0.2, 0.5])


def test_beep_lies_at_the_next_flash():
    caller = FlashCaller()
    for newest_s, flash in ((0.0, 0), (0.95, 1), (5.0, 3)):
        (chunk,) = caller.comment(SimpleNamespace(frames=[SimpleNamespace(pts_s=newest_s)]))
        at_s = np.flatnonzero(chunk.audio.samples)[0] / 24_000
        assert newest_s + at_s == pytest.approx(1.0 + 1.7 * flash, abs=0.001)
        assert caller.beeps[-1][0] == flash and chunk.cost_s >= 0.2


def test_clip_flashes_when_the_caller_says(tmp_path):
    from commentator_lib.sources.video import FileSource

    make_flashes(tmp_path / "f.mp4", 4.0)
    source = FileSource(tmp_path / "f.mp4")
    frames = list(iter(source.read, None))
    lit = np.array([frame.image[180, 320, 1] > 128 for frame in frames])
    assert onsets(np.array([f.pts_s for f in frames]), lit) == pytest.approx([1.0, 2.72], abs=0.041)


def write_run(folder, pieces):
    """Write a run folder with one comment, whose sound consists of these pieces of int16 samples."""
    events, at = [], 0
    for piece in pieces:
        events.append({"kind": "sound", "cycle": 1, "at_s": 0.0, "at_sample": at, "samples": len(piece)})
        at += len(piece)
    (folder / "voice.pcm").write_bytes(np.concatenate(pieces).tobytes())
    (folder / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))


def tap_sound(samples):
    """Return samples in the form in which tap.js gives the sound of a page."""
    return {"first": 0, "missing": [], "base64": base64.b64encode(samples.tobytes()).decode()}


def test_sound_is_compared_to_the_sample(tmp_path):
    rng = np.random.default_rng(3)
    voice = (3000 * rng.standard_normal(3 * RATE)).astype(np.int16)
    write_run(tmp_path, [voice[:RATE], voice[RATE:]])
    quiet = np.zeros(RATE, np.int16)
    assert check_sound(tmp_path, tap_sound(np.concatenate([quiet, voice, quiet]))) == (1, 1, 0)
    with_hole = np.concatenate([quiet, voice[:RATE], np.zeros(200, np.int16), voice[RATE:], quiet])
    checked, exact, worst = check_sound(tmp_path, tap_sound(with_hole))
    assert (checked, exact) == (1, 0) and worst > 1000
    assert check_sound(tmp_path, tap_sound(np.concatenate([quiet, voice[: 2 * RATE + 500]]))) == (0, 0, 0)
