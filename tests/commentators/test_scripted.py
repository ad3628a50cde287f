"""The scripted commentator: its lines, its costs, its sound."""

from __future__ import annotations

import random

import numpy as np
import pytest

from commentator_lib.commentators.base import Commentator, CommentRequest
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator

REQUEST = CommentRequest([], "", 150)


def comments_of(count=400, **more):
    commentator = ScriptedCommentator(cost=CostModel(1.3, 0.2, 6.0, 1.5, 0.75), **more)
    return [list(commentator.comment(REQUEST)) for _ in range(count)]


def test_costs_have_the_means_and_spreads_asked_for():
    assert isinstance(ScriptedCommentator(), Commentator)
    comments = comments_of()
    first = [c[0].cost_s for c in comments]
    speech = [sum(x.audio.duration_s for x in c if x.audio) for c in comments]
    assert np.mean(first) == pytest.approx(1.3, abs=0.05) and np.std(first) == pytest.approx(0.2, abs=0.03)
    assert np.mean(speech) == pytest.approx(6.0, abs=0.25) and np.std(speech) == pytest.approx(1.5, abs=0.2)
    whole = [sum(x.cost_s for x in c) for c in comments]
    assert np.allclose(whole, np.array(first) + 0.75 * np.array(speech), atol=0.02)


def test_seed_decides():
    def costs(seed):
        return [[x.cost_s for x in c] for c in comments_of(5, seed=seed)]

    assert costs(1) == costs(1) != costs(2)


def test_text_is_whole_and_kept_to_the_cap():
    line = "A red car comes in on the left."
    assert "".join(x.text for x in ScriptedCommentator([line]).comment(REQUEST)) == line
    short = ScriptedCommentator(cost=CostModel(1, 0, 60, 0, 0))
    words = "".join(x.text for x in short.comment(CommentRequest([], "", 64))).split()
    assert len(words) * 1.3 <= 64


@pytest.mark.parametrize("speech_s", [0.3, 3.0, 44.0, 60.0])
@pytest.mark.parametrize("cap", [64, 150, 512])
def test_tokens_are_kept_to_the_cap_however_it_is_cut(cap, speech_s):
    chunks = list(ScriptedCommentator(cost=CostModel(1, 0, speech_s)).comment(CommentRequest([], "", cap)))
    words = "".join(x.text for x in chunks).split()
    assert sum(x.output_tokens for x in chunks) == round(1.3 * len(words)) <= cap


@pytest.mark.parametrize("line", ["Goal!", "  two   spaces ", "a b c d e f g h i j k l m n o p"])
@pytest.mark.parametrize(("sound", "speech_s"), [("tone", 0.4), ("silence", 7.3), ("tone", 2.5)])
def test_sound_is_as_long_as_the_speech_and_the_text_is_whole(line, sound, speech_s):
    chunks = list(ScriptedCommentator([line], CostModel(1, 0, speech_s), sound).comment(REQUEST))
    assert "".join(x.text for x in chunks) == line
    heard_s = sum(x.audio.duration_s for x in chunks if x.audio)
    assert heard_s == pytest.approx(speech_s, abs=len(chunks) / 24_000)
    assert all(x.audio is None or x.audio.samples.dtype == np.float32 for x in chunks)


def test_samples_are_never_below_a_tenth_of_the_mean():
    rng = random.Random(0)
    samples = [CostModel(1.0, 5.0, 4.0, 20.0).sample(rng) for _ in range(500)]
    assert min(f for f, _ in samples) == 0.1 and min(s for _, s in samples) == 0.4


def test_text_only_has_no_sound():
    chunks = list(ScriptedCommentator(["Goal!"], sound=None).comment(REQUEST))
    assert all(x.audio is None for x in chunks) and "".join(x.text for x in chunks) == "Goal!"


def test_nothing_to_say_has_no_sound():
    (chunk,) = ScriptedCommentator(["..."], CostModel(0.4)).comment(REQUEST)
    assert (chunk.text, chunk.audio, chunk.cost_s) == ("...", None, 0.4)


def test_lines_may_depend_on_what_is_seen():
    commentator = ScriptedCommentator(lambda request: request.prompt.upper())
    assert "".join(x.text for x in commentator.comment(CommentRequest([], "goal", 9))) == "GOAL"
