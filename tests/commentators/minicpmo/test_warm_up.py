"""Warming up and closing: what is loaded and freed, and what happens with too little memory."""

from __future__ import annotations

import gc
import re
import tempfile
import time
import weakref

import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator
from tests.commentators.minicpmo.conftest import request, settings_for, sound_s, text_of

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = pytest.mark.usefixtures("real_vocoder_on_a_cpu")


@pytest.mark.slow
def test_memory_that_suffices_for_no_comment_at_all_is_told_at_the_start(checkpoints, monkeypatch):
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"]))

    def too_much(*_args):
        raise torch.OutOfMemoryError("CUDA out of memory")
        yield

    monkeypatch.setattr(commentator, "_comment", too_much)
    with pytest.raises(CommentatorError, match="speech=false"):
        commentator.warm_up()
    assert commentator._engine is None


@pytest.mark.slow
def test_closing_frees_the_model_and_warming_up_loads_it_again(checkpoints):

    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"]))
    commentator.warm_up()
    model = weakref.ref(commentator.engine.loaded.model)
    commentator.close()
    gc.collect()
    assert model() is None
    assert sum(c.output_tokens for c in commentator.comment(request(5))) == 5
    commentator.close()


@pytest.mark.slow
def test_no_temporary_file_is_left_behind(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"]))
    list(commentator.comment(request(5)))
    commentator.close()
    assert [path.name for path in tmp_path.iterdir() if path.suffix in {".wav", ".tmp"}] == []
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.mark.slow
def test_without_its_voice_the_embedded_one_speaks(checkpoints):
    settings = settings_for(checkpoints["bf16"], speech=False)
    commentator = MiniCPMOCommentator(settings)
    commentator.warm_up()
    assert not commentator.has_voice and not hasattr(commentator.engine.loaded.model, "tts")
    assert sound_s(commentator.comment(request(8))) == 0
    commentator.close()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["_load_engine", "_comment"])
def test_too_little_memory_for_a_first_word_is_one_line_and_leaves_nothing_behind(
    checkpoints, monkeypatch, where
):
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"], speech=False))

    def too_large(*_request):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(commentator, where, too_large)
        with pytest.raises(
            CommentatorError, match="not even a short comment fits beside it: .* speech=false"
        ):
            commentator.warm_up()
    assert commentator._engine is None
    commentator.warm_up()
    assert text_of(list(commentator.comment(request(speech=False))))
    commentator.close()


@pytest.mark.slow
def test_loading_tells_its_stages_in_their_order(checkpoints):
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"]))
    told = []
    commentator.on_loading = told.append
    commentator.warm_up()
    words = [loading.words for loading in told]
    stages = [
        "starting PyTorch",
        "reading",
        "loading the voice",
        "first words, 1 of 4",
        "first words, 4 of 4",
    ]
    places = [next(k for k, said in enumerate(words) if said.startswith(stage)) for stage in stages]
    assert places == sorted(places) and re.search(r"reading \d+\.\d of \d+\.\d MB", " ".join(words))
    shares = [loading.share for loading in told]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] < 1
    told.clear()
    started_s = time.perf_counter()
    commentator.warm_up()  # it is loaded: nothing is left to do
    assert told == [] and time.perf_counter() - started_s < 0.1
    commentator.close()
