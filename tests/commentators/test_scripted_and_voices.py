"""The embedded voice, the scripted commentator, and the meters."""

from __future__ import annotations

import random
import sys
import types

import numpy as np
import pytest

from commentator_lib.commentators.base import Commentator, CommentRequest
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.runs import meters
from commentator_lib.voices.base import Voice
from commentator_lib.voices.hibari import HibariVoice, readable


@pytest.fixture(scope="module")
def voice():
    made = HibariVoice()
    made.warm_up()
    return made


def said(voice, text):
    return np.concatenate([c.samples for c in voice.speak(text)] or [np.zeros(0, np.float32)])


def test_it_speaks(voice):
    assert isinstance(voice, Voice)
    sound = said(voice, "A person on the right is moving left.")
    assert sound.dtype == np.float32 and 1.2 < len(sound) / 24_000 < 3.0
    assert 0.05 < np.abs(sound).max() <= 1.0


def test_no_padding_is_left_at_either_end(voice):
    sound = np.abs(said(voice, "Two cars."))
    loud = np.flatnonzero(sound > 0.01) / 24_000
    assert loud[0] < 0.06 and len(sound) / 24_000 - loud[-1] < 0.06


def test_same_text_same_sound(voice):
    assert np.array_equal(said(voice, "A red car."), said(voice, "A red car."))


@pytest.mark.parametrize("text", ["Goal!", "Two cars. A bicycle.", "B.", "67:12 BRA 2-1. " * 4])
def test_every_piece_is_float32_in_range_and_trimmed(voice, text):
    pieces = [p for p in voice.speak(text) if p.samples.any()]
    assert pieces
    for piece in pieces:
        assert piece.sample_rate_hz == voice.sample_rate_hz == 24_000 and piece.samples.dtype == np.float32
        assert np.isfinite(piece.samples).all() and np.abs(piece.samples).max() <= 1.0
        loud = np.flatnonzero(np.abs(piece.samples) > 0.005) / 24_000
        assert loud[0] < 0.06 and piece.duration_s - loud[-1] < 0.06


def test_it_loads_itself_when_it_is_not_warmed_up(voice):
    assert np.array_equal(said(HibariVoice(), "Goal!"), said(voice, "Goal!"))


def test_each_sentence_comes_by_itself(voice):
    assert len(list(voice.speak("Two cars. A bicycle. One person."))) == 5  # with a breath between


@pytest.mark.parametrize("text", ["", "   ", "你好", "\x00", "...", "!!!", "-"])
def test_nothing_readable_gives_nothing(voice, text):
    assert len(said(voice, text)) == 0


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("BRA lead GER 2-1", "B R A lead G E R 2-1"),
        ("67:12 gone", "67 minutes 12 gone"),
        ("45:00", "45 minutes"),
        ("It says TAXI", "It says TAXI"),
        ("A car", "A car"),
    ],
)
def test_codes_are_spelled_and_clocks_read(text, read):
    assert readable(text) == read


REQUEST = CommentRequest([], "", 150)


def drawn(count=400, **more):
    commentator = ScriptedCommentator(cost=CostModel(1.3, 0.2, 6.0, 1.5, 0.75), **more)
    return [list(commentator.comment(REQUEST)) for _ in range(count)]


def test_costs_have_the_means_and_spreads_asked_for():
    assert isinstance(ScriptedCommentator(), Commentator)
    comments = drawn()
    first = [c[0].cost_s for c in comments]
    speech = [sum(x.audio.duration_s for x in c if x.audio) for c in comments]
    assert np.mean(first) == pytest.approx(1.3, abs=0.05) and np.std(first) == pytest.approx(0.2, abs=0.03)
    assert np.mean(speech) == pytest.approx(6.0, abs=0.25) and np.std(speech) == pytest.approx(1.5, abs=0.2)
    whole = [sum(x.cost_s for x in c) for c in comments]
    assert np.allclose(whole, np.array(first) + 0.75 * np.array(speech), atol=0.02)


def test_seed_decides():
    def costs(seed):
        return [[x.cost_s for x in c] for c in drawn(5, seed=seed)]

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


def test_draws_are_never_below_a_tenth_of_the_mean():
    rng = random.Random(0)
    draws = [CostModel(1.0, 5.0, 4.0, 20.0).draw(rng) for _ in range(500)]
    assert min(f for f, _ in draws) == 0.1 and min(s for _, s in draws) == 0.4


def test_text_only_has_no_sound():
    chunks = list(ScriptedCommentator(["Goal!"], sound=None).comment(REQUEST))
    assert all(x.audio is None for x in chunks) and "".join(x.text for x in chunks) == "Goal!"


def test_nothing_to_say_has_no_sound():
    (chunk,) = ScriptedCommentator(["..."], CostModel(0.4)).comment(REQUEST)
    assert (chunk.text, chunk.audio, chunk.cost_s) == ("...", None, 0.4)


def test_lines_may_depend_on_what_is_seen():
    commentator = ScriptedCommentator(lambda request: request.prompt.upper())
    assert "".join(x.text for x in commentator.comment(CommentRequest([], "goal", 9))) == "GOAL"


def test_process_meter_reads():
    share, rss = meters.ProcessMeter().read()
    assert share >= 0 and 1e7 < rss < 1e11
    machine = meters.hardware()
    assert machine["cores"] >= 1 and machine["memory_bytes"] > 1e8


@pytest.fixture
def fresh_meter():
    meters._nvml_device.cache_clear()
    yield
    meters._nvml_device.cache_clear()


def nvml(monkeypatch, fails=False, old=False):
    """A double of the driver's binding, with its names and types; `old`: of a driver before 510."""

    class NVMLError(Exception):
        pass

    def init():
        if fails:
            raise NVMLError("driver not loaded")

    def memory(_handle, version=None):
        if version is not None and old:
            raise NVMLError("Function Not Found")
        return types.SimpleNamespace(used=8_600_000_000 if version is None else 8_000_000_000)

    fake = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=init,
        nvmlDeviceGetHandleByIndex=lambda k: k,
        nvmlMemory_v2=2,
        nvmlDeviceGetMemoryInfo=memory,
        nvmlDeviceGetName=lambda handle: "Some GPU",
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)


@pytest.mark.parametrize(("old", "used"), [(False, 8_000_000_000), (True, 8_600_000_000)])
def test_gpu_memory_by_the_drivers_count(fresh_meter, monkeypatch, old, used):
    nvml(monkeypatch, old=old)
    assert meters.vram_used_bytes() == used and meters.hardware()["gpu"] == "Some GPU"


def test_no_driver_or_no_binding_is_no_gpu(fresh_meter, monkeypatch):
    nvml(monkeypatch, fails=True)
    assert meters.vram_used_bytes() is None
    meters._nvml_device.cache_clear()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert meters.vram_used_bytes() is None


def test_torchs_own_count_of_memory_is_read_only_where_it_holds_a_gpu(monkeypatch):
    import types

    resets = []
    cuda = types.SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        reset_peak_memory_stats=lambda: resets.append(1),
        memory_allocated=lambda: 11,
        max_memory_allocated=lambda: 17,
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    assert meters.torch_vram_bytes() == (11, 17) and not resets
    assert meters.torch_vram_bytes(reset_peak=True) == (11, 17) and resets
    cuda.is_initialized = lambda: False
    assert meters.torch_vram_bytes() is None
    monkeypatch.delitem(sys.modules, "torch")
    assert meters.torch_vram_bytes() is None
