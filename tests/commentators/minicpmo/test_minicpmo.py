"""MiniCPM-o's commentator on a CPU, with a tiny model of the tests' own or, where MINICPMO_CODE_DIR names it, with
the model's real code at tiny size. What only a GPU can show is measured by experiments.bench_model."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentatorError, CommentRequest
from commentator_lib.commentators.minicpmo import commentator as commentator_module
from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator, text_reached
from commentator_lib.media import Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import load_settings
from commentator_lib.sources.synthetic import SyntheticSource
from tests.commentators.minicpmo import tiny_minicpmo
from tests.commentators.minicpmo.tiny_minicpmo import REAL, make_assets, make_checkpoint
from tests.conftest import make_clip

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo import awq, decode, loading, memory, sampling, talker, vocoder  # noqa: E402
from commentator_lib.commentators.minicpmo.sequence import LayeredSequence, PlainSequence  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
# The real vocoder takes seconds for a second of sound on a CPU.
TOKENS = 12 if REAL else 24
only_own_code = pytest.mark.skipif(REAL, reason="acts on the tests' own tiny code")


@pytest.fixture(scope="module", autouse=True)
def real_vocoder_on_a_cpu():
    """minicpmo-utils puts everything on "cuda" by name; for these tests that is the CPU."""
    if not REAL:
        yield
        return
    from torch.overrides import TorchFunctionMode

    from experiments.benchmarks.model.random_minicpmo import draw_speech_tokenizer

    token2wav = pytest.importorskip("stepaudio2.token2wav").Token2wav

    class OnCpu(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = dict(kwargs or {})
            if "cuda" in str(kwargs.get("device", "")):
                kwargs["device"] = "cpu"
            return args[0] if function is torch.Tensor.cuda else function(*args, **kwargs)

    patch = pytest.MonkeyPatch()
    draw_speech_tokenizer()
    # a talker with drawn weights does not end by itself: a short bound
    patch.setattr(talker.Talker.__init__, "__defaults__", (None, None, 4, False))
    patch.setattr(torch.nn.Module, "cuda", lambda self, *_args: self)
    for name in ("__init__", "set_stream_cache", "stream"):
        original = getattr(token2wav, name)

        def on_cpu(self, *args, _original=original, **options):
            with OnCpu():
                return _original(self, *args, **options)

        patch.setattr(token2wav, name, on_cpu)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    plain = make_checkpoint(folder / "tiny")
    quantised = make_checkpoint(folder / "tiny-awq", awq=True, assets=False)
    return {"bf16": plain, "awq": quantised}


def settings_for(folder, **changes):
    return load_settings(
        environment={}, commentator="minicpmo", model_path=str(folder), device="cpu", **changes
    )


@pytest.fixture(scope="module")
def loaded(checkpoints):
    """One commentator for the tests that do not harm it."""
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"], temperature=0.0))
    commentator.warm_up()
    yield commentator
    commentator.close()


def frames(count=4, seed=0):
    rng = np.random.default_rng(seed)
    return [Frame(k, k, k, rng.integers(0, 256, (36, 64, 3), dtype=np.uint8)) for k in range(count)]


def request(tokens=TOKENS, speech=True, seed=0):
    return CommentRequest(frames(seed=seed), "What happens?", tokens, speech)


def sound_s(chunks):
    return sum(chunk.audio.duration_s for chunk in chunks if chunk.audio is not None)


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks)


def speech_threads():
    return [thread for thread in threading.enumerate() if thread.name == "speech"]


def says(monkeypatch, tokenizer, text):
    """Make the language model say this, whatever its weights want, and then stop."""
    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.convert_tokens_to_ids("<|im_end|>")]
    queue = list(ids)

    def pick(logits, _sampling, noise):
        return torch.tensor([queue.pop(0) if queue else ids[-1]], device=logits.device)

    monkeypatch.setattr(sampling, "pick", pick)
    return len(ids) - 1


# --- what it says


def test_text_comes_with_its_sound_token_by_token(loaded):
    chunks = list(loaded.comment(request()))
    assert sum(chunk.output_tokens for chunk in chunks) == TOKENS
    assert sound_s(chunks) > 1 and all(
        c.audio.sample_rate_hz == 24_000 for c in chunks if c.audio is not None
    )
    tiles = 64 if REAL else 4
    assert chunks[0].image_tokens == 4 * (tiles + 2) and chunks[0].prompt_tokens > chunks[0].image_tokens
    assert all(seconds > 0 for seconds in dataclasses.asdict(chunks[-1].stage_times).values())
    assert not any(chunk.problem for chunk in chunks)
    first_text = next(k for k, chunk in enumerate(chunks) if chunk.text)
    assert chunks[first_text].audio is not None  # words are shown with the sound that says them


def test_text_only_gives_each_token_at_once_and_uses_no_voice(loaded):
    chunks = list(loaded.comment(request(speech=False)))
    assert sound_s(chunks) == 0 and not speech_threads()
    assert sum(chunk.output_tokens for chunk in chunks) == TOKENS
    assert sum(1 for chunk in chunks if chunk.text) > TOKENS / 4
    assert chunks[-1].stage_times.talker_s == 0


def test_the_whole_text_is_the_same_spoken_and_written(loaded):
    ids = loaded._loaded.processor.tokenizer
    for chunks in (list(loaded.comment(request())), list(loaded.comment(request()))):
        assert text_of(chunks) == text_of(list(loaded.comment(request())))
    assert ids.decode([], skip_special_tokens=True) == ""


@pytest.mark.parametrize("way", ["plain", "written out"])
def test_greedy_tokens_are_those_of_generate(loaded, way):
    model = loaded._loaded.model
    llm = model.llm
    sequence = PlainSequence(llm.model) if way == "plain" else LayeredSequence(llm.model, 600)
    writer = decode.Writer(llm, sequence, sampling.Sampling(temperature=0), most=40)
    clock = commentator_module._StageClock(torch.device("cpu"))
    _, embeds = loaded._look(request(speech=False), False, clock)
    tokens = writer.generate([embeds], max_new_tokens=40, stops=loaded._stops, suppressed=[])
    ours = [token for token, _hidden in tokens if token is not None]
    with torch.inference_mode():
        theirs = model.llm.generate(
            inputs_embeds=embeds,
            attention_mask=torch.ones(embeds.shape[:2], dtype=torch.bool),
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.02,
            max_new_tokens=40,
            eos_token_id=loaded._stops,
            pad_token_id=0,
        )[0].tolist()
    assert ours == theirs[: len(ours)] and len(ours) >= 39


@pytest.mark.skipif(not REAL, reason="only the model's own code has a streaming loop of its own")
def test_greedy_tokens_are_those_of_the_models_own_streaming_loop(checkpoints):
    from experiments.benchmarks.model import bench_model

    bench = bench_model.Bench(
        bench_model.parse(["--checkpoint", str(checkpoints["bf16"]), "--device", "cpu", "--text-only"])
    )
    equal = bench.greedy_equal(150)  # past the penalty's window
    for way in ("plain", "written out"):
        for counts in equal[way].values():
            assert counts["equal"] == counts["of"] > 100
    assert equal["logits"]["plain"] == 0.0


def test_the_same_seed_draws_the_same_words_and_sounds(checkpoints):
    texts, sounds = set(), set()
    for seed in (3, 3, 4):
        commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"], seed=seed))
        chunks = list(commentator.comment(request(10)))
        texts.add(text_of(chunks))
        sounds.add(b"".join(c.audio.samples.tobytes() for c in chunks if c.audio is not None))
        commentator.close()
    assert len(texts) == 2 and (
        len(sounds) == 2 or REAL
    )  # the real vocoder draws its breath from no seed of ours


def test_an_empty_reply_and_nothing_to_say_are_not_spoken(loaded, monkeypatch):
    tokenizer = loaded._loaded.processor.tokenizer
    for reply in ("", "..."):
        with monkeypatch.context() as patch:
            says(patch, tokenizer, reply)
            patch.setattr(loaded._speaker._talker, "say", lambda *_args: pytest.fail("was spoken"))
            chunks = list(loaded.comment(request()))
        assert text_of(chunks) == reply and sound_s(chunks) == 0


def test_words_and_letters_of_several_bytes_come_whole(loaded, monkeypatch):
    tokenizer = loaded._loaded.processor.tokenizer
    text = "Sí, 进球了 – gol!"
    for speech in (False, True):
        with monkeypatch.context() as patch:
            says(patch, tokenizer, text)
            pieces = [chunk.text for chunk in loaded.comment(request(60, speech))]
        assert "".join(pieces) == text and not any("\ufffd" in piece for piece in pieces)


def test_what_cannot_be_spoken_is_suppressed_in_speech_only(loaded, monkeypatch):
    tokenizer = loaded._loaded.processor.tokenizer
    banned = set(decode.suppressed_ids(tokenizer))
    assert banned >= set(tokenizer.convert_tokens_to_ids(list("(:*")))
    wants = torch.full((loaded._loaded.model.config.vocab_size,), -1.0)
    wants[sorted(banned)[0]] = 5.0
    llm = loaded._loaded.model.llm
    writer = decode.Writer(llm, PlainSequence(llm.model), sampling.Sampling(temperature=0), most=3)
    monkeypatch.setattr(llm.lm_head, "forward", lambda _hidden: wants[None])
    seen = []
    for suppressed in ([], sorted(banned)):
        tokens = writer.generate(
            [torch.zeros(1, 2, llm.config.hidden_size)], max_new_tokens=3, stops=[], suppressed=suppressed
        )
        seen.append({token for token, _hidden in tokens if token is not None} & banned)
    assert seen[0] and not seen[1]


# --- cancelling, failing


def test_closing_the_iterator_cancels_between_tokens_and_ends_the_voice(loaded):
    for speech in (True, False):
        chunks = loaded.comment(request(400, speech))
        taken = 0
        for chunk in chunks:
            taken += chunk.output_tokens
            if taken >= 12:
                break
        assert bool(speech_threads()) == speech
        chunks.close()
        assert not speech_threads()
        assert sum(c.output_tokens for c in loaded.comment(request(5, speech))) == 5  # and it goes on


@pytest.mark.parametrize("part", ["talker", "vocoder"])
def test_a_voice_that_fails_leaves_the_text(loaded, monkeypatch, part):
    whole = text_of(list(loaded.comment(request(speech=True))))

    def breaks(*_args, **_options):
        raise RuntimeError("the voice is broken")

    target = loaded._speaker._talker._loop if part == "talker" else loaded._speaker._vocoder
    monkeypatch.setattr(target, "take" if part == "talker" else "_sound", breaks)
    chunks = list(loaded.comment(request(speech=True)))
    assert text_of(chunks) == whole
    problems = [chunk.problem for chunk in chunks if chunk.problem]
    assert problems == ["voice: RuntimeError: the voice is broken"] and not speech_threads()


def test_out_of_memory_is_one_failed_comment_and_frees_what_it_held(loaded, monkeypatch):
    freed = []
    monkeypatch.setattr(memory, "free_gpu", lambda: freed.append(True))
    with monkeypatch.context() as patch:

        def too_much(_data):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        patch.setattr(loaded._loaded.model, "get_vllm_embedding", too_much)
        with pytest.raises(MemoryError, match="did not suffice"):
            list(loaded.comment(request()))
    assert freed and sum(c.output_tokens for c in loaded.comment(request(5))) == 5


def test_memory_that_suffices_for_no_comment_at_all_is_told_at_the_start(checkpoints, monkeypatch):
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"]))

    def too_much(*_args):
        raise torch.OutOfMemoryError("CUDA out of memory")
        yield

    monkeypatch.setattr(commentator, "_comment", too_much)
    with pytest.raises(CommentatorError, match="speech=false"):
        commentator.warm_up()
    assert commentator._loaded is None


def test_closing_frees_the_model_and_warming_up_loads_it_again(checkpoints):
    import weakref

    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"]))
    commentator.warm_up()
    model = weakref.ref(commentator._loaded.model)
    commentator.close()
    gc.collect()
    assert model() is None
    assert sum(c.output_tokens for c in commentator.comment(request(5))) == 5
    commentator.close()


def test_no_temporary_file_is_left_behind(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"]))
    list(commentator.comment(request(5)))
    commentator.close()
    assert [path.name for path in tmp_path.iterdir() if path.suffix in {".wav", ".tmp"}] == []
    monkeypatch.setattr(tempfile, "tempdir", None)


# --- a whole session


class Moves(SyntheticSource):
    """Pictures that change all the time."""

    def _schedule(self, rng, duration_s):
        return np.arange(int(duration_s) + 1) % len(self._pictures)


def run(commentator, settings, seconds=20, mode="replay"):
    session = LiveSession(Moves(seconds), settings, commentator=commentator, mode=mode)
    session.run()
    return session


def test_a_whole_session_speaks_with_the_models_voice(checkpoints):
    settings = settings_for(checkpoints["bf16"], speech_max_new_tokens=64, change_threshold=0.0)
    commentator = Short(MiniCPMOCommentator(settings), 10)
    session = run(commentator, settings, 12)
    cycles = session.log.cycles
    spoken = cycles[cycles.outcome == "spoken"]
    assert len(spoken) >= 2 and not (cycles.outcome == "failed").any()
    assert (
        spoken.speech_s > 0.5
    ).sum() >= 2  # a talker with drawn weights may end a chunk before its first sound
    assert (spoken.image_tokens > 0).all() and (spoken.prefill_s > 0).all()
    assert commentator.inner._loaded is None  # the session has closed it


class Short:
    """A commentator held to a few tokens a comment: the settings' least is 64."""

    def __init__(self, inner, most):
        self.inner, self.most = inner, most
        self.name, self.warm_up, self.close = inner.name, inner.warm_up, inner.close

    @property
    def has_voice(self):
        return self.inner.has_voice

    def comment(self, wanted):
        return self.inner.comment(dataclasses.replace(wanted, max_new_tokens=self.most))


def test_a_session_goes_on_after_a_cycle_without_memory(checkpoints, monkeypatch):
    settings = settings_for(checkpoints["bf16"], change_threshold=0.0)
    inner = MiniCPMOCommentator(settings)
    inner.warm_up()
    whole, calls = inner._loaded.model.get_vllm_embedding, []

    def sometimes(data):
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(data)

    monkeypatch.setattr(inner._loaded.model, "get_vllm_embedding", sometimes)
    cycles = run(Short(inner, 10), settings, 15).log.cycles
    failed = cycles[cycles.outcome == "failed"]
    assert len(failed) == 1 and "memory did not suffice" in failed.iloc[0].reason
    assert (cycles.outcome == "spoken").sum() >= 2


def test_without_its_voice_the_embedded_one_speaks(checkpoints):
    settings = settings_for(checkpoints["bf16"], speech=False)
    commentator = MiniCPMOCommentator(settings)
    commentator.warm_up()
    assert not commentator.has_voice and not hasattr(commentator._loaded.model, "tts")
    assert sound_s(commentator.comment(request(8))) == 0
    commentator.close()


# --- loading


def test_awq_is_found_out_and_takes_its_voice_from_the_checkpoint_beside_it(checkpoints):
    commentator = MiniCPMOCommentator(settings_for(checkpoints["awq"], temperature=0.0))
    commentator.warm_up()
    model = commentator._loaded.model
    layer = model.llm.model.layers[0].mlp.up_proj
    assert isinstance(layer, awq.AwqLinear) and isinstance(model.llm.lm_head, torch.nn.Linear)
    assert not any(isinstance(m, awq.AwqLinear) for m in model.resampler.modules())
    assert sound_s(commentator.comment(request(10))) > 0.1
    commentator.close()


def test_awq_layers_compute_what_their_packed_numbers_say(checkpoints):
    from safetensors.torch import load_file

    name = "llm.model.layers.1.self_attn.q_proj."
    packed = load_file(checkpoints["awq"] / "model.safetensors")
    plain = load_file(checkpoints["bf16"] / "model.safetensors")[name + "weight"].float()
    parts = {part: packed[name + part] for part in ("qweight", "qzeros", "scales")}
    # by hand, one number at a time
    order, row, column = (0, 2, 4, 6, 1, 3, 5, 7), 5, 11
    place = order.index(column % 8)
    number = (int(parts["qweight"][row, column // 8]) >> (4 * place)) & 15
    group = row // tiny_minicpmo.GROUP
    zero = (int(parts["qzeros"][group, column // 8]) >> (4 * place)) & 15
    scale = float(parts["scales"][group, column])
    weight = awq.dequantise(parts["qweight"], parts["qzeros"], parts["scales"].float(), tiny_minicpmo.GROUP)
    assert float(weight[row, column]) == pytest.approx((number - zero) * scale, rel=1e-6)
    # rounding to 4 bits is off by half a step at most
    step = parts["scales"].float().repeat_interleave(tiny_minicpmo.GROUP, 0)
    assert bool(((weight - plain.T).abs() <= 0.51 * step + 1e-6).all())
    layer = awq.AwqLinear(*weight.shape, False, tiny_minicpmo.GROUP)
    layer.load_state_dict(parts)
    x = torch.randn(2, 3, weight.shape[0])
    assert torch.allclose(layer(x), x @ weight, atol=1e-6)
    assert torch.equal(tiny_minicpmo.pack(awq.unpack(parts["qweight"]).to(torch.int32)), parts["qweight"])


def test_what_is_not_quantised_is_stated_only_where_the_checkpoint_is_silent(checkpoints):
    checkpoint = commentator_module.inspect_checkpoint(checkpoints["awq"])

    class Config:
        quantization_config = {"quant_method": "awq", "modules_to_not_convert": ["tts"]}

    loading.mend_quantisation(Config, checkpoint, torch.device("cuda"))
    assert Config.quantization_config["modules_to_not_convert"] == ["tts"]
    Config.quantization_config = {"quant_method": "awq", "modules_to_not_convert": None}
    loading.mend_quantisation(Config, checkpoint, torch.device("cpu"))
    assert "vpm" in Config.quantization_config["modules_to_not_convert"]
    stored = json.loads((checkpoints["awq"] / "config.json").read_text())
    assert stored["quantization_config"]["modules_to_not_convert"] is None  # no file is touched


def test_the_position_table_is_rebuilt_only_where_it_is_empty(loaded, monkeypatch):
    model = loaded._loaded.model
    before = model.resampler.pos_embed.clone()
    assert before.any()
    with monkeypatch.context() as patch:
        patch.setattr(model.resampler, "_set_2d_pos_cache", lambda *_a, **_k: pytest.fail("was rebuilt"))
        loading.check_position_table(model)
    model.resampler.pos_embed.zero_()
    loading.check_position_table(model)
    assert torch.allclose(model.resampler.pos_embed, before)
    model.resampler.pos_embed.zero_()
    with monkeypatch.context() as patch, pytest.raises(CommentatorError, match="vision would be blind"):
        patch.setattr(model.resampler, "_set_2d_pos_cache", lambda *_a, **_k: None)
        loading.check_position_table(model)
    loading.check_position_table(model)


def test_the_import_gate_drops_only_what_is_missing_and_only_while_open(tmp_path):
    import transformers.dynamic_module_utils as remote_code

    code = tmp_path / "code.py"
    code.write_text("import a_package_that_is_not_there\nimport json\n")
    assert set(remote_code.get_imports(code)) == {"a_package_that_is_not_there", "json"}
    with loading.import_gate():
        assert remote_code.get_imports(code) == ["json"]
    assert "a_package_that_is_not_there" in remote_code.get_imports(code)


@only_own_code
def test_half_precision_is_mended_where_the_recording_meets_halved_layers(checkpoints):
    """The nerdpudding project's crash: set_stream_cache runs outside the autocast that `stream` runs under."""
    settings = settings_for(checkpoints["bf16"], vocoder_float16=True)
    commentator = MiniCPMOCommentator(settings)
    commentator.warm_up()
    token2wav = commentator._loaded.model.tts.audio_tokenizer
    assert token2wav.float16
    with pytest.raises(RuntimeError, match="dtype"), tempfile.TemporaryDirectory() as folder:
        path = vocoder.write_wav(Path(folder) / "a.wav", np.zeros(16_000, np.float32))
        token2wav.set_stream_cache(str(path))  # as it is, it fails
    assert sound_s(commentator.comment(request(10))) > 0.1
    commentator.close()


@only_own_code
def test_the_vocoders_buffers_are_cut_to_what_a_comment_can_use(loaded):
    decoder = loaded._loaded.model.tts.audio_tokenizer.flow.decoder
    assert decoder.att_cache_buffer.shape == (10, 1, 2, 1, 100 + 100 + 2 * 56, 2)
    assert decoder.cnn_cache_buffer.shape == (10, 1, 2, 4, 2)
    other = torch.nn.Module()
    other.register_buffer("att_cache_buffer", torch.zeros(16, 1, 2, 1, 1000, 2))
    assert other.att_cache_buffer.shape == (16, 1, 2, 1, 1000, 2)  # only while a vocoder is made


def test_torchaudio_reads_wav_files_without_torchcodec(tmp_path, monkeypatch):
    import types

    def cannot(*_args, **_options):
        raise ImportError("TorchCodec is required")

    fake = types.SimpleNamespace(load=cannot)
    reads = types.SimpleNamespace(read=lambda path, **_options: (np.ones((8, 1), np.float32), 16_000))
    monkeypatch.setitem(sys.modules, "torchaudio", fake)
    monkeypatch.setitem(sys.modules, "soundfile", reads)
    vocoder.soundfile_reads_for_torchaudio()
    samples, rate_hz = fake.load("any.wav")
    assert samples.shape == (1, 8) and rate_hz == 16_000
    works = types.SimpleNamespace(load=lambda *_args: "its own")
    monkeypatch.setitem(sys.modules, "torchaudio", works)
    vocoder.soundfile_reads_for_torchaudio()
    assert works.load() == "its own"


def test_a_torchaudio_that_does_not_load_is_named_and_not_the_voices_files(monkeypatch):
    def cannot():
        raise OSError("Could not load this library: _torchaudio.abi3.so")

    monkeypatch.setattr(loading, "soundfile_reads_for_torchaudio", cannot)
    with pytest.raises(CommentatorError, match="torchaudio does not load beside PyTorch"):
        loading._mend_torchaudio()


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


@pytest.mark.parametrize("where", ["_load_all", "_comment"])
def test_too_little_memory_for_a_first_word_is_one_line_and_leaves_nothing_behind(
    checkpoints, monkeypatch, where
):
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"], speech=False))

    def too_large(*_request):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(commentator, where, too_large)
        with pytest.raises(
            CommentatorError, match="not even a short comment does beside it: .* speech=false"
        ):
            commentator.warm_up()
    assert commentator._loaded is None
    commentator.warm_up()
    assert text_of(list(commentator.comment(request(speech=False))))
    commentator.close()


def test_what_cannot_be_recorded_after_a_comment_costs_no_comment(loaded, monkeypatch):
    tries = []

    def cannot():
        tries.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loaded, "_settles", True)
    monkeypatch.setattr(loaded._writer, "settle", cannot)
    with pytest.warns(UserWarning, match="no CUDA graphs for what was new in a comment.*out of memory"):
        assert text_of(list(loaded.comment(request(speech=False))))
    assert text_of(list(loaded.comment(request(speech=False)))) and len(tries) == 1


def test_a_first_chunk_is_short_and_without_the_silence_of_its_overlap(loaded):
    speaker = loaded._speaker._vocoder
    speaker.begin()
    lengths = [sound for sound in (speaker.push(5) for _ in range(60)) if sound is not None]
    assert speaker.spoken_tokens == vocoder.FIRST_TOKENS + 2 * vocoder.CHUNK_TOKENS - vocoder.LOOKAHEAD_TOKENS
    assert len(lengths) == 3 and len(lengths[0]) < len(lengths[1]) == len(lengths[2]) == 24_000
    silence = np.zeros(3840, np.float32)
    assert vocoder._without_padding(np.concatenate([silence, np.ones(5, np.float32)])).tolist() == [1.0] * 5
    assert len(vocoder._without_padding(np.concatenate([silence, silence, np.ones(5, np.float32)]))) == 3845
    assert len(vocoder._without_padding(silence)) == 3840


# --- small functions


def test_the_penalty_looks_back_as_the_models_loop_does():
    counts = (0, 11, 128, 139, 140, 141, 151)
    assert [sampling.penalty_start(n) for n in counts] == [0, 0, 0, 3, 3, 13, 23]
    assert [int(sampling.penalty_start(torch.tensor([n]))) for n in counts] == [0, 0, 0, 3, 3, 13, 23]
    logits = torch.tensor([2.0, -2.0, 1.0])
    said = torch.tensor([0, 1, 0, 2, 2])  # the last two are left from another comment
    assert sampling.penalise(logits, said, torch.tensor([3]), 2.0).tolist() == [1.0, -4.0, 1.0]
    assert sampling.penalise(logits, said, torch.tensor([0]), 2.0).tolist() == logits.tolist()
    said = torch.zeros(300, dtype=torch.long)
    said[200:] = 1
    assert sampling.penalise(logits, said, torch.tensor([290]), 2.0).tolist() == [1.0, -4.0, 1.0]
    said[:170] = 2  # before the window of 280 − 128
    assert sampling.penalise(logits, said, torch.tensor([290]), 2.0).tolist() == [1.0, -4.0, 0.5]
    said[:150] = 2
    said[150:] = 1
    assert sampling.penalise(logits, said, torch.tensor([290]), 2.0).tolist() == [2.0, -4.0, 1.0]


def noise(width, count, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return [torch.empty(width).exponential_(generator=rng) for _ in range(count)]


def test_sampling_keeps_to_top_k_and_top_p():
    logits = torch.tensor([3.0, 2.9, 0.0, -9.0])
    drawn = {int(sampling.pick(logits, sampling.Sampling(1.0, top_p=0.6), n)) for n in noise(4, 200)}
    assert drawn == {0, 1}  # the second begins at 0.52, the third at 0.97
    drawn = {int(sampling.pick(logits, sampling.Sampling(1.0, top_p=1.0), n)) for n in noise(1, 20)}
    assert drawn == {0}


def test_what_is_drawn_is_as_frequent_as_it_is_likely():
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    drawn = [int(sampling.pick(logits, sampling.Sampling(1.0, top_p=1.0), n)) for n in noise(3, 4000)]
    shares = [drawn.count(k) / len(drawn) for k in range(3)]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    likeliest = talker.TalkerSampling(top_p=1.0, at_least=3)
    drawn = [int(talker.pick(logits, likeliest, n)) for n in noise(3, 4000)]
    assert [drawn.count(k) / len(drawn) for k in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_the_talkers_sampling_is_that_of_transformers_warpers():
    from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

    rng = torch.Generator().manual_seed(1)
    for spread in (0.1, 1.0, 3.0, 9.0):
        logits = torch.randn(200, generator=rng) * spread
        kept = TopPLogitsWarper(0.85, min_tokens_to_keep=3)(None, logits[None])
        kept = TopKLogitsWarper(25, min_tokens_to_keep=3)(None, kept)
        ranked = logits.argsort(descending=True)[:25]
        possible = set()
        for place in range(25):  # noise that would draw this rank if it may be drawn at all
            wanted = torch.full((25,), 1e30)
            wanted[place] = 1e-30
            possible.add(int(talker.pick(logits, talker.TalkerSampling(), wanted)))
        allowed = set(torch.isfinite(kept[0]).nonzero().flatten().tolist())
        assert possible == allowed and allowed <= set(ranked.tolist())
    logits = torch.tensor([2.0, -2.0, 2.0])
    said = torch.tensor([0, 0, 1, 2, 2])
    assert talker.penalise(logits, said, torch.tensor([3]), 2.0).tolist() == [0.5, -4.0, 2.0]
    said = torch.cat([torch.tensor([2]), torch.zeros(16, dtype=torch.long)])
    assert talker.penalise(logits, said, torch.tensor([17]), 2.0).tolist() == [2.0 / 2**16, -2.0, 2.0]


def test_a_talker_with_another_kind_of_attention_is_refused(loaded):
    class Other:
        attention_type = "sliding_recompute"

    with pytest.raises(CommentatorError, match="speech=false"):
        talker.Talker(Other(), PlainSequence(loaded._loaded.model.tts.model))


@pytest.mark.parametrize(
    ("spans", "position", "reached"),
    [
        ([], 10, 0),
        ([(10, 5)], 0, 0),
        ([(10, 5)], 40, 5),  # still growing: taken for 80
        ([(10, 100), (4, 0)], 50, 5),
        ([(10, 100), (4, 0)], 100, 10),
        ([(10, 100), (4, 40)], 120, 12),
        ([(10, 0), (4, 40)], 20, 12),  # a chunk that was not said at all
        ([(10, 100)], -3, 0),
    ],
)
def test_words_are_reached_as_their_sound_is(spans, position, reached):
    assert text_reached(spans, position) == max(0, reached)


# --- bad input, by the command line: one line, exit code 2


def commentator_run(*assignments, **environment):
    command = [sys.executable, "-m", "commentator_lib", "run", "synthetic:5", "--mode", "live", "--no-video"]
    for assignment in ("commentator=minicpmo", *assignments):
        command += ["--set", assignment]
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [*command, "--out", out],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            env={**os.environ, **environment},
        )
        left = list(Path(out).iterdir())
    lines = [line for line in done.stderr.splitlines() if line.startswith("commentator:")]
    return done.returncode, lines, left


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_path": ""}, "set model_path"),
        ({"model_path": "/no/such/folder"}, "is not there"),
        ({"model_path": "EMPTY"}, "config.json"),
        ({"model_path": "CHECKPOINT"}, "needs a GPU"),
        ({"model_path": "CHECKPOINT", "device": "cpu", "reference_audio_path": "NOISE"}, "silent"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(checkpoints, tmp_path, changes, words):
    if "needs a GPU" in words and torch.cuda.is_available():
        pytest.skip("there is one")
    (tmp_path / "empty").mkdir()
    silent = vocoder.write_wav(tmp_path / "silent.wav", np.zeros(3 * 16_000, np.float32))
    places = {"EMPTY": tmp_path / "empty", "CHECKPOINT": checkpoints["bf16"], "NOISE": silent}
    code, lines, left = commentator_run(
        *(f"{name}={places.get(value, value)}" for name, value in changes.items())
    )
    assert code == 2 and len(lines) == 1 and words in lines[0], lines
    assert left == []


def test_a_checkpoint_that_lacks_weights_is_named(checkpoints, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "lacking"
    import shutil

    shutil.copytree(checkpoints["bf16"], folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["llm.model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    commentator = MiniCPMOCommentator(settings_for(folder))
    with pytest.raises(CommentatorError, match="lacks 1 weights.*llm.model.norm.weight"):
        commentator.warm_up()


@only_own_code
def test_a_voice_that_cannot_be_loaded_says_what_to_set(checkpoints, tmp_path):
    assets = make_assets(tmp_path / "assets")
    (assets / "token2wav" / "flow.yaml").write_text("nothing of the kind\n")
    commentator = MiniCPMOCommentator(settings_for(checkpoints["bf16"], assets_path=str(assets)))
    with pytest.raises(CommentatorError, match="set speech=false"):
        commentator.warm_up()


def test_code_that_does_not_load_names_the_version_it_is_written_for(checkpoints, tmp_path):
    import shutil

    folder = tmp_path / "broken"
    shutil.copytree(checkpoints["bf16"], folder)
    (folder / "modeling_minicpmo.py").write_text("from transformers import NoSuchThing\n")
    with pytest.raises(CommentatorError) as caught:
        MiniCPMOCommentator(settings_for(folder)).warm_up()
    assert "\n" not in str(caught.value)


def test_too_little_memory_says_how_much_is_needed(checkpoints, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1_000_000_000, 8_000_000_000))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    with pytest.raises(CommentatorError, match=r"needs .* GB.* 1\.0 GB"):
        MiniCPMOCommentator(
            load_settings(environment={}, commentator="minicpmo", model_path=str(checkpoints["bf16"]))
        )


def test_the_benchmark_runs_on_a_tiny_checkpoint(checkpoints, capsys):
    from experiments.benchmarks.model import bench_model

    steps = ["text", "speech", "voice", "vocoder_error", "live"]
    result = bench_model.main(
        [
            "--checkpoint",
            str(checkpoints["bf16"]),
            "--device",
            "cpu",
            "--new-tokens",
            "12",
            "--speech-tokens",
            "10",
            "--repeats",
            "1",
            "--live",
            "2",
            "--live-tokens",
            "10",
            "--json",
            "--steps",
            *steps,
        ]
    )
    printed = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert printed == json.loads(json.dumps(result)) and set(steps) <= set(printed)
    assert printed["text"]["tokens"]["median"] == 12 and printed["live"]["failed"] == 0
    assert printed["speech"]["sound_s"]["median"] > 0
    assert printed["plain_layers"] == printed["our_layers"] == "Linear"


def test_the_benchmark_measures_a_start_from_the_disk_and_a_live_run_of_a_clip(checkpoints, tmp_path):
    from experiments.benchmarks.model import bench_model, random_minicpmo

    folder, clip = checkpoints["awq"], make_clip(tmp_path / "clip.mp4", frames=50)
    result = bench_model.main(
        [
            "--checkpoint",
            str(folder),
            "--device",
            "cpu",
            "--speech-tokens",
            "12",
            "--repeats",
            "1",
            "--json",
            "--steps",
            "start",
            "speech",
            "live",
            "--live",
            "1",
            "--live-tokens",
            "10",
            "--live-clip",
            str(clip),
        ]
    )
    start = result["start"]
    assert start["read_bytes"] == random_minicpmo.folder_bytes(folder) > 100_000
    assert 0 <= start["weights_s"] <= start["load_s"] and 0 < start["to_first_text_s"]
    whole_s = start["imports_s"] + start["load_s"] + start["first_sound_s"]
    assert start["to_first_sound_s"] == pytest.approx(whole_s, abs=0.2)
    assert start["from"] == "disk" and result["speech"]["sound_s"]["median"] > 0
    assert result["weights"] == "as loaded" and result["dtype"] == "awq"
    assert result["live"]["source"] == "clip.mp4" and result["live"]["failed"] == 0
    for wrong in (
        ["--steps", "start"],
        ["--checkpoint", str(folder), "--steps", "start", "own_chat"],
        ["--live", "1", "--live-clip", str(tmp_path)],
    ):
        with pytest.raises(SystemExit, match="2"):
            bench_model.parse(wrong)


def test_random_weights_are_written_in_several_files(tmp_path, monkeypatch):
    from safetensors.torch import load_file

    from commentator_lib.commentators.weights import tensor_bytes
    from experiments.benchmarks.model import random_minicpmo

    monkeypatch.setattr(random_minicpmo, "_SHARD_BYTES", 500)
    model = torch.nn.Sequential(*(torch.nn.Linear(10, 10) for _ in range(3)))
    random_minicpmo._save_weights(model, tmp_path)
    random_minicpmo.forget_files(tmp_path)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert [file.name for file in files][0] == "model-00001-of-00003.safetensors" and len(files) == 3
    found = {name: tensor for file in files for name, tensor in load_file(file).items()}
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())
    assert sum(tensor_bytes(tmp_path).values()) == 3 * 440
    assert not random_minicpmo.is_random(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        random_minicpmo.main([str(tmp_path)])


def test_every_step_of_the_benchmark_has_a_measure():
    from experiments.benchmarks.model import bench_model

    given = bench_model.parse(["--compare", "seed", "--steps", "greedy_equal"])
    assert set(
        bench_model.Bench.measures(
            SimpleNamespace(arguments=given, start=0, voice=0, vocoder_error=0, vocoder_float16=0)
        )
    ) == set(bench_model._STEPS)
    assert given.steps == {*bench_model._COMPARED, "greedy_equal"}
    row = {"median": 1.5, "min": 1.0, "max": 2.0}
    table = bench_model.comparison(
        {"dtype": "bf16", "own_chat": {"decode_ms": row}, "text": {"decode_ms": row}}
    )
    assert "1.5 (1–2)  1.5 (1–2)  5.4" in table and len(table.splitlines()) == 8


def test_the_benchmark_without_the_models_code_or_a_gpu_is_one_line():
    for arguments, words in (([], "GPU"), (["--device", "cpu"], "MINICPMO_CODE_DIR")):
        if words == "GPU" and torch.cuda.is_available():
            continue
        environment = {k: v for k, v in os.environ.items() if k != "MINICPMO_CODE_DIR"}
        done = subprocess.run(
            [sys.executable, "-m", "experiments.bench_model", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            env=environment,
        )
        with contextlib.suppress(IndexError):
            assert words in done.stderr.splitlines()[-1]
        assert done.returncode == 2


def test_a_process_knows_how_long_it_has_run_and_what_it_read():
    code = (
        "import time; began = time.time(); from experiments import bench_model as b; "
        "spent = time.time() - began; lived = b.process_s(); "
        "assert spent < lived < spent + 30, (spent, lived); "
        "time.sleep(1); assert 1 <= b.process_s() - lived < 10; "
        "assert (b.disk_bytes() or 0) >= 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_random_weights_without_a_gpu_the_models_code_or_an_empty_folder_are_one_line(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "MINICPMO_CODE_DIR"}
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "modeling_minicpmo.py").touch()
    for arguments, words in (
        ([str(tmp_path)], "not empty"),
        ([str(tmp_path / "new")], "MINICPMO_CODE_DIR"),
        ([str(tmp_path / "new"), "--code", str(tmp_path / "code")], "no GPU"),
    ):
        if words == "no GPU" and torch.cuda.is_available():
            continue
        done = subprocess.run(
            [sys.executable, "-m", "experiments.random_minicpmo", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            env=environment,
        )
        assert done.returncode == 2 and words in done.stderr.splitlines()[-1], done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(not REAL, reason="needs the model's own code")
@pytest.mark.parametrize("kind", ["awq", "bf16"])
def test_a_start_on_random_weights_from_the_disk(tmp_path, monkeypatch, kind):
    from experiments.benchmarks.model import bench_model, random_minicpmo

    (tmp_path / "code").mkdir()
    tiny = {**random_minicpmo._FULL, **tiny_minicpmo._copy_real_code(tmp_path / "code")}
    monkeypatch.setattr(random_minicpmo, "_FULL", tiny)
    monkeypatch.setattr(random_minicpmo, "_SHARD_BYTES", 30_000_000)
    folder = tmp_path / kind
    random_minicpmo.main([str(folder), "--dtype", kind, "--device", "cpu", "--code", tiny_minicpmo.CODE_DIR])
    assert random_minicpmo.is_random(folder) and len(list(folder.glob("*.safetensors"))) > 2
    result = bench_model.main(
        [
            "--checkpoint",
            str(folder),
            "--device",
            "cpu",
            "--new-tokens",
            "12",
            "--speech-tokens",
            "12",
            "--repeats",
            "1",
            "--json",
            "--steps",
            "start",
            "text",
            "speech",
        ]
    )
    assert result["weights"] == "random" and result["dtype"] == kind
    assert result["our_layers"] == ("AwqLinear" if kind == "awq" else "Linear")
    assert result["start"]["first_sound_s"] > 0 and result["speech"]["tokens"]["median"] == 12
    assert result["start"]["read_bytes"] == random_minicpmo.folder_bytes(folder)
