"""Comments that are cancelled, that fail, that hang, and that run out of memory."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from tests.commentators.vlm.conftest import (
    count_calls,
    generating,
    request,
    text_of,
)
from tests.test_session import eventually

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def test_closing_the_iterator_stops_the_model_between_two_tokens(commentator):
    made = commentator()
    made.warm_up()
    calls, _ = count_calls(made._loaded.model)
    chunks = made.comment(request(1000))
    for _ in range(4):
        next(chunks)
    assert generating() == ["generation"]
    chunks.close()
    assert generating() == [] and 3 <= len(calls) < 1000
    stopped_at = len(calls)
    assert text_of(made.comment(request(5))) and len(calls) == stopped_at + 5


def test_an_iterator_that_is_dropped_stops_the_model_too(commentator):
    made = commentator()
    chunks = made.comment(request(1000))
    next(chunks), next(chunks)
    del chunks
    gc.collect()
    assert generating() == []


def test_an_iterator_that_is_closed_before_its_first_token_starts_nothing(commentator):
    made = commentator()
    made.warm_up()
    calls, _ = count_calls(made._loaded.model)
    chunks = made.comment(request())
    next(chunks)
    chunks.close()
    assert calls == [] and generating() == []


def test_an_error_of_the_model_reaches_the_reader_after_the_tokens_before_it(commentator):
    made = commentator()
    made.warm_up()
    _, hook = count_calls(made._loaded.model, 4, ArithmeticError("the fourth step broke"))
    chunks = []
    with pytest.raises(ArithmeticError, match="the fourth step broke"):
        for chunk in made.comment(request()):
            chunks.append(chunk)
    assert sum(chunk.output_tokens for chunk in chunks) == 3 and generating() == []
    hook.remove()
    assert len(list(made.comment(request(5)))) == 7


OUT_OF_MEMORY = {
    "GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total …"),
    "CPU": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"
    ),
    "Python": MemoryError(),
}


@pytest.mark.parametrize("kind", OUT_OF_MEMORY)
@pytest.mark.parametrize("step", [1, 3])
def test_out_of_memory_is_one_line_and_the_next_comment_finds_the_memory_freed(commentator, kind, step):
    made = commentator()
    made.warm_up()
    _, hook = count_calls(made._loaded.model, step, OUT_OF_MEMORY[kind])
    kept = []

    def keep(_model, _arguments, named):
        kept.append(weakref.ref(next(v for v in named.values() if torch.is_tensor(v))))

    keeper = made._loaded.model.register_forward_pre_hook(keep, with_kwargs=True, prepend=True)
    with pytest.raises(MemoryError, match="did not suffice") as caught:
        list(made.comment(request()))
    line = str(caught.value)
    assert "\n" not in line and "frames_per_inference" in line and caught.value.__context__ is None
    del caught
    gc.collect()
    assert kept and all(reference() is None for reference in kept)
    hook.remove()
    keeper.remove()
    assert len(list(made.comment(request(5)))) == 7


def test_out_of_memory_before_the_model_runs_is_the_same(commentator):
    made = commentator()
    made.warm_up()

    def too_big(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    made._loaded.processor.apply_chat_template = too_big
    with pytest.raises(MemoryError, match="CUDA out of memory"):
        list(made.comment(request()))


def test_a_model_that_hangs_is_given_up_and_left_alone_until_it_returns(commentator):
    made = commentator(settings={"inference_timeout_s": 0.1})
    made.warm_up()
    release = threading.Event()
    hook = made._loaded.model.register_forward_pre_hook(lambda *_: (release.wait(60), None)[1])
    with pytest.raises(TimeoutError, match="no token for 0.1 s"):
        list(made.comment(request()))
    assert generating() == ["generation"]
    with pytest.raises(RuntimeError, match="still busy"):
        list(made.comment(request()))
    release.set()
    assert eventually(lambda: generating() == [])
    hook.remove()
    assert len(list(made.comment(request(5)))) == 7
