"""MiniCPM-o in duplex on the tests' own tiny model: what a cycle gets, what is forgotten, what is cancelled."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentatorError, StageTimes
from commentator_lib.media import AudioChunk, Frame
from tests.commentators.minicpmo.conftest import frames, only_own_code, sound_s, text_of
from tests.commentators.minicpmo.duplex_parts import (
    let_seconds_pass_faster,
    says,
    settings_for,
    threads,
    wait_until,
)

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.base import CommentRequest  # noqa: E402
from commentator_lib.commentators.factory import make_commentator  # noqa: E402
from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.commentator import MiniCPMODuplexCommentator  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.hearing import StreamingHearing  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.model import Unit  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.session import DuplexSession, take_unit  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.tokens import (  # noqa: E402
    PENALTY_WINDOW,
    SAMPLING,
    bans_of,
    duplex_tokens,
    pick_token,
)
from commentator_lib.commentators.realtime.protocol import RealtimeError  # noqa: E402
from commentator_lib.commentators.realtime.responses import Responses  # noqa: E402
from tests.commentators.minicpmo.tiny_parts import decoder  # noqa: E402

pytestmark = only_own_code
SECOND = np.zeros(16_000, np.float32)


@pytest.fixture(scope="module")
def duplex(checkpoints):
    """Return a commentator that is loaded and warmed up, shared by the tests that leave it intact."""
    commentator = MiniCPMODuplexCommentator(settings_for(checkpoints["bf16"]))
    commentator.warm_up()
    yield commentator
    commentator.close()


@pytest.fixture
def model(duplex):
    duplex._close_session()
    duplex.model.begin("Watch the dog.")
    yield duplex.model
    vars(duplex.model.decoder).pop("pick", None)
    duplex.model._threshold = 0.0


@pytest.fixture
def faster(monkeypatch):
    let_seconds_pass_faster(monkeypatch)


def request(number=1, standing="Watch the dog.", **more):
    return CommentRequest(frames(2), "What happens?", 99, standing=standing, number=number, **more)


# --- one second after another


def test_a_turn_goes_through_its_seconds_with_words_and_sound(model):
    says(
        model,
        ("listen",),
        ("speak", "a dog ", "chunk_end"),
        ("go_on", "runs", "chunk_end"),
        ("go_on", ".", "turn_end", "chunk_end"),
    )
    units = [model.unit(frames(1), SECOND) for _ in range(5)]
    assert [unit.listens for unit in units] == [True, False, False, False, True]
    assert [unit.text for unit in units] == ["", "a dog ", "runs", ".", ""]
    assert [unit.ends_turn for unit in units] == [False, False, False, True, False]
    assert [None if unit.sound is None else len(unit.sound) >= 24_000 for unit in units] == [
        None, True, True, True, None,
    ]  # fmt: skip
    assert [unit.number for unit in units] == [1, 2, 3, 4, 5]
    assert all(unit.times.prefill_s > 0 for unit in units) and units[1].times.talker_s > 0


def test_a_turn_that_ends_before_it_listens_is_said(model):
    says(model, ("speak", "a dog", "turn_end", "listen"), ("listen",))
    spoken, silent = (model.unit([], SECOND) for _ in range(2))
    assert not spoken.listens and spoken.ends_turn and spoken.text == "a dog" and spoken.sound.size
    assert silent.listens


def test_a_second_ends_after_twenty_tokens(model):
    says(model, ("speak", "a" * 30))
    unit = model.unit([], SECOND)
    assert unit.text == "a" * 18 and not unit.ends_turn


def test_cancelling_ends_the_turn_with_its_second(model):
    says(model, ("speak", "a dog", "chunk_end"), ("speak", "a cat", "chunk_end"))
    assert model.unit([], SECOND).text == "a dog"
    before = model.decoder.used
    cancelled = model.unit([], SECOND, cancel=True)
    assert cancelled.listens and cancelled.sound is None and cancelled.text == ""
    # <unit>, ten of sound, the turn's end, <|listen|>, </unit>
    assert model.decoder.used - before == 14
    assert model.unit([], SECOND).text == "a cat"


@pytest.mark.parametrize(("share", "speaks"), [(0.99, True), (1.01, False)])
def test_the_threshold_decides_whether_a_turn_begins(model, share, speaks):
    likely = model.unit(frames(1), SECOND, cancel=True).speak_probability
    assert 0 < likely < 1
    model.begin("Watch the dog.")
    model._threshold = min(1.0, likely * share)
    says(model, ("a", "chunk_end"))  # what is picked behind the decision
    unit = model.unit(frames(1), SECOND)
    assert unit.speak_probability == pytest.approx(likely, abs=1e-5) and unit.listens is not speaks


@torch.inference_mode()
def test_in_mid_turn_it_may_not_listen():
    tokens = duplex_tokens(NamesOnly())
    logits = torch.zeros(100)
    logits[tokens.listen] = 50
    assert int(pick(logits, tokens)[0]) == tokens.listen
    made = made_decoder(tokens)
    made._logits.copy_(logits)
    made.draw(in_turn=True)
    assert int(made._token) == tokens.go_on
    made.draw(in_turn=False)
    assert int(made._token) == tokens.listen


def test_what_is_forgotten_keeps_the_memory_and_the_instructions(model):
    from commentator_lib.commentators.minicpmo_duplex.decoder import Window

    kept, window = model.decoder._kept, model.decoder._window
    assert kept > 10
    model.decoder._window = Window(kept + 100, kept + 50)
    try:
        says(model)
        used = [model.unit(frames(1), SECOND).used for _ in range(30)]
    finally:
        model.decoder._window = window
    assert max(used) <= kept + 100 and model.decoder.forgotten >= 20
    assert model.decoder.sequence._cache.get_seq_length() == used[-1]


# --- parts


class NamesOnly:
    """A tokenizer that has every token."""

    unk_token_id = None
    bad_token_ids = (7,)

    def __init__(self, lacks=()):
        self._known, self._lacks = {}, lacks

    def convert_tokens_to_ids(self, name):
        return None if name in self._lacks else self._known.setdefault(name, 10 + len(self._known))


def made_decoder(tokens):
    from types import SimpleNamespace

    from commentator_lib.commentators.minicpmo_duplex.decoder import UnitDecoder

    layers = decoder("qwen3")
    llm = SimpleNamespace(model=layers, lm_head=torch.nn.Linear(layers.norm.weight.shape[0], 100, bias=False))
    return UnitDecoder(llm, PlainSequence(layers), tokens, SAMPLING)


def pick(logits, tokens, recent=(), **changes):
    from dataclasses import replace

    ring = torch.full((PENALTY_WINDOW,), 100)
    ring[: len(recent)] = torch.tensor(recent, dtype=torch.long)
    noise = torch.ones(21)
    return pick_token(
        logits, ring, bans_of(tokens, 100, logits.device), tokens, replace(SAMPLING, **changes), noise
    )


def test_penalties_and_bans_are_those_of_a_second():
    tokens = duplex_tokens(NamesOnly())
    logits = torch.zeros(100)
    logits[[7, 60, 61]] = torch.tensor([9.0, 5.0, 4.9])
    assert int(pick(logits, tokens, temperature=0.0)[0]) == 60  # 7 is bad
    assert int(pick(logits, tokens, recent=[60], temperature=0.0)[0]) == 61
    logits[tokens.turn_end] = 5.2  # divided by 1.1
    assert int(pick(logits, tokens, temperature=0.0)[0]) == 60
    logits[tokens.chunk_end] = 9.5
    token, ends = pick(logits, tokens, temperature=0.0)
    assert int(token) == tokens.chunk_end and bool(ends)


def test_a_tokenizer_without_duplex_is_named():
    with pytest.raises(CommentatorError, match=r"no <\|listen\|>") as caught:
        duplex_tokens(NamesOnly(lacks=("<|listen|>",)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["plain", "layered"])
@torch.inference_mode()
def test_what_is_kept_moves_up_to_the_places_before_it(kind):
    layers = decoder("qwen3")
    sequence = PlainSequence(layers) if kind == "plain" else LayeredSequence(layers, 64)
    width = layers.norm.weight.shape[0]
    embeds = torch.randn(1, 30, width, generator=torch.Generator().manual_seed(1))
    sequence.take(embeds)
    keys = keys_of(sequence, 30)
    sequence.forget(5, 8)
    moved = keys_of(sequence, 22)
    # in the first layer a key hangs on its own embedding and place alone
    sequence.begin()
    sequence.take(torch.cat([embeds[:, :5], embeds[:, 13:]], dim=1))
    assert torch.allclose(moved, keys_of(sequence, 22), atol=1e-5)
    assert not torch.allclose(moved[:, 5:], keys[:, 13:], atol=1e-3)
    assert sequence.take(embeds[:, :1]).shape == (1, 1, width)
    for start, count in ((0, 0), (-1, 2), (20, 9)):
        with pytest.raises(ValueError, match="were taken in"):
            sequence.forget(start, count)


def keys_of(sequence, used):
    """Return the first layer's keys (kv_heads, n, d)."""
    if isinstance(sequence, LayeredSequence):
        return sequence._keys[0, :, :used].clone()
    cache = sequence._cache
    keys = cache.layers[0].keys if hasattr(cache, "layers") else cache.key_cache[0]
    return keys[0, :, :used].clone()


@torch.inference_mode()
def test_what_is_heard_is_bounded_and_what_comes_later_changes_nothing(model):
    loaded = model.loaded
    hearing = StreamingHearing(loaded.model, loaded.processor.audio_processor)
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal(16_000).astype(np.float32) * 0.1 for _ in range(31)]
    first = [hearing.push(sound) for sound in sounds]
    assert {tuple(heard.shape) for heard in first} == {(10, loaded.model.config.hidden_size)}
    assert len(hearing._mel._sound) < 30 * 16_000 and hearing._used == 2 * 50  # it began anew after 29 s
    hearing.begin()
    again = [hearing.push(sound) for sound in [*sounds[:3], SECOND]]
    assert all(torch.equal(a, b) for a, b in zip(first[:3], again, strict=False))
    assert not torch.allclose(first[3], again[3])


# --- as a commentator


def unit(number, text="", listens=False, ends=False, sound=None):
    return Unit(number, listens, (1,) * bool(text), text, sound, ends, 0.7, 90, StageTimes(decode_s=0.1))


def test_units_become_responses_and_what_the_log_has_of_them():
    responses = Responses()
    sound = np.ones(24_000, np.float32)
    take_unit(responses, unit(1, listens=True), 1.0)
    assert responses.listens == 1 and responses.listen_note == "unit 1, speak 0.70, 90 positions"
    take_unit(responses, unit(2, "a", sound=sound), 2.0)
    take_unit(responses, unit(3, "b", sound=sound, ends=True), 3.0)
    said = responses.current
    assert [text for text, _ in said.parts] == ["a", "b"] and said.ended and said.sound_s == 2
    assert said.note == "unit 2, speak 0.70, 90 positions; to unit 3, 90 positions"
    assert said.take_tokens() == 2 and said.take_tokens() == 0
    assert said.times == StageTimes(decode_s=pytest.approx(0.2))
    take_unit(responses, unit(4, "c"), 4.0)
    assert responses.current is not said and not responses.current.ended
    take_unit(responses, unit(5, listens=True), 5.0)
    assert responses.current.ended


def test_a_turn_that_nobody_takes_is_kept_for_two_minutes_at_most():
    responses = Responses()
    for number in range(1, 200):
        take_unit(responses, unit(number, "a", ends=number == 199), float(number))
    assert len(responses.current.parts) == 120 and responses.current.ended


def test_a_cycle_gets_what_the_model_decides(duplex, model, faster):
    says(model, ("listen",), ("speak", "a dog", "chunk_end"), ("go_on", "!", "turn_end", "chunk_end"))
    comments = [list(duplex.comment(request(k + 1))) for k in range(4)]
    spoken = [chunks for chunks in comments if text_of(chunks) != "..."]
    assert [text_of(chunks) for chunks in spoken] == ["a dog!"]
    assert sound_s(spoken[0]) >= 2 and sum(chunk.output_tokens for chunk in spoken[0]) == 7
    assert "unit 2" in spoken[0][-1].reason and spoken[0][-1].stage_times.talker_s > 0
    silent = [chunks[-1] for chunks in comments if text_of(chunks) == "..."]
    assert silent and all(chunk.reason.startswith("unit ") for chunk in silent)
    assert len(threads()) == 1


def test_a_comment_that_is_cancelled_ends_the_turn(duplex, model, faster):
    says(model, ("speak", "a dog", "chunk_end"), *[("go_on", "on", "chunk_end")] * 500)
    comment = duplex.comment(request())
    while not next(comment).text:
        pass
    comment.close()
    session = duplex._session
    listens = session.responses.listens
    wait_until(lambda: session.responses.listens > listens)  # the model was told
    assert session.responses.current is None


def test_new_instructions_begin_a_new_session(duplex, model, faster):
    says(model)
    list(duplex.comment(request(1)))
    first = duplex._session
    list(duplex.comment(request(2)))
    assert duplex._session is first
    list(duplex.comment(request(3, standing="Watch the cat.")))
    assert duplex._session is not first and len(threads()) == 1


def test_a_failed_second_is_told_and_the_next_comment_begins_anew(duplex, model, faster, monkeypatch):
    says(model)
    list(duplex.comment(request(1)))
    with monkeypatch.context() as patch:
        patch.setattr(model.hearing, "push", lambda _samples: 1 / 0)
        with pytest.raises(RealtimeError, match="division by zero") as caught:
            for k in range(100):
                list(duplex.comment(request(k)))
    assert "\n" not in str(caught.value)
    assert text_of(list(duplex.comment(request(2)))) == "..."


def test_what_fails_while_nobody_asks_is_told_by_the_next_comment(duplex, model, faster, monkeypatch):
    says(model)
    list(duplex.comment(request(1)))
    with monkeypatch.context() as patch:
        patch.setattr(model.hearing, "push", lambda _samples: 1 / 0)
        wait_until(lambda: duplex._session.responses.closed)
    with pytest.raises(RealtimeError, match="division by zero"):
        list(duplex.comment(request(2)))
    assert text_of(list(duplex.comment(request(3)))) == "..."


def test_each_run_has_a_session_of_its_own_and_its_clock_may_begin_anew(duplex, model, faster, monkeypatch):
    says(model)
    seen, unit = [], model.unit
    monkeypatch.setattr(
        model,
        "unit",
        lambda frames, *more: seen.append([f.captured_at_s for f in frames]) or unit(frames, *more),
    )
    late = [Frame(0, 0.0, 100.0, frames(1)[0].image)]
    list(duplex.comment(replace(request(1), frames=late)))
    duplex.warm_up()  # as at the start of each run
    assert threads() == []
    list(duplex.comment(request(1)))
    assert [times for times in seen if times] == [[100.0], [1.0]] and model._number < len(seen)


def test_too_little_memory_is_told_in_words(model, monkeypatch):
    def fail(*_args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "begin", fail)
    session = DuplexSession(model, "Watch.")
    wait_until(lambda: session.responses.closed)
    assert session.responses.closed.startswith("the GPU's memory did not suffice")
    session.close()


def test_it_hears_only_where_asked_and_without_speech_leaves_it_to_the_voice(checkpoints):
    deaf = make_commentator(settings_for(checkpoints["bf16"], speech=False))
    assert isinstance(deaf, MiniCPMODuplexCommentator)
    assert not deaf.hears and not deaf.has_voice and not deaf.answers_questions
    assert make_commentator(settings_for(checkpoints["bf16"], hear=True)).hears


def test_without_speech_words_come_without_sound(checkpoints, faster):
    commentator = MiniCPMODuplexCommentator(settings_for(checkpoints["bf16"], speech=False, hear=True))
    commentator.warm_up()
    assert commentator.hears and not commentator.has_voice
    says(commentator.model, ("speak", "a dog", "turn_end", "chunk_end"))
    sound = AudioChunk(SECOND, 16_000)
    chunks = list(commentator.comment(request(1, speech=False, sound=sound)))
    assert text_of(chunks) == "a dog" and sound_s(chunks) == 0
    # a commentator that is garbage leaves no thread
    del commentator
    wait_until(lambda: gc.collect() >= 0 and not threads())
