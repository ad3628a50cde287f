"""MiniCPM-o's commentator in a whole session in virtual time."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator
from commentator_lib.session import LiveSession
from commentator_lib.sources.synthetic import SyntheticSource
from tests.commentators.minicpmo.conftest import Short, replace_eyes, settings_for

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("real_vocoder_on_a_cpu")]


class Moves(SyntheticSource):
    """Pictures that change all the time."""

    def _schedule(self, rng, duration_s):
        return np.arange(int(duration_s) + 1) % len(self._pictures)


def run(commentator, settings, seconds=20, mode="replay"):
    session = LiveSession(Moves(seconds), settings, commentator=commentator, mode=mode)
    session.run()
    return session


@pytest.mark.slow
def test_a_whole_session_speaks_with_the_models_voice(checkpoints):
    settings = settings_for(checkpoints["bf16"], speech_max_new_tokens=64, change_threshold=0.0)
    commentator = Short(MiniCPMOCommentator(settings), 10)
    session = run(commentator, settings, 12)
    cycles = session.log.cycles
    spoken = cycles[cycles.outcome == "spoken"]
    assert len(spoken) >= 2 and not (cycles.outcome == "failed").any()
    assert (
        spoken.speech_s > 0.5
    ).sum() >= 2  # a talker with random weights may end a chunk before its first sound
    assert (spoken.image_tokens > 0).all() and (spoken.prefill_s > 0).all()
    assert commentator.inner._engine is None  # the session has closed it


@pytest.mark.slow
def test_a_session_goes_on_after_a_cycle_without_memory(checkpoints, monkeypatch):
    settings = settings_for(checkpoints["bf16"], change_threshold=0.0)
    inner = MiniCPMOCommentator(settings)
    inner.warm_up()
    calls = []

    def failing_once(whole):
        def sometimes(data):
            calls.append(1)
            if len(calls) == 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return whole(data)

        return sometimes

    replace_eyes(monkeypatch, inner.engine, failing_once)
    cycles = run(Short(inner, 10), settings, 15).log.cycles
    failed = cycles[cycles.outcome == "failed"]
    assert len(failed) == 1 and "memory did not suffice" in failed.iloc[0].reason
    assert (cycles.outcome == "spoken").sum() >= 2


@pytest.mark.slow
def test_a_session_lets_it_meet_the_size_of_the_frames_before_the_first_comment(checkpoints, monkeypatch):
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"], speech=False))
    sizes = []
    own = commentator._comment
    monkeypatch.setattr(
        commentator,
        "_comment",
        lambda request: sizes.append((len(request.frames), *request.frames[0].image.shape)) or own(request),
    )
    source = SyntheticSource(1.0)
    session = LiveSession(
        source, settings_for(checkpoints["bf16"], speech=False), commentator=commentator, mode="replay"
    )
    session.run()
    size = source.info.height, source.info.width, 3
    assert size != (448, 448, 3) and sizes[:4] == [(count, *size) for count in (4, 3, 2, 1)]
    assert sizes[4] == (1, *size)  # the session's first comment: its window has just begun to fill
    sizes.clear()
    commentator.expect_frames(64, 36)
    for _ in range(2):
        commentator.warm_up()
    assert sizes == [(count, 36, 64, 3) for count in (4, 3, 2, 1)]  # each size once
    commentator.close()
