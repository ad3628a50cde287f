"""Loading MiniCPM-o's checkpoints and its voice: faults that are fixed in memory, and messages about the others."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.checkpoint import inspect_checkpoint
from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator
from commentator_lib.settings import load_settings
from tests.commentators.minicpmo import tiny_minicpmo
from tests.commentators.minicpmo.conftest import only_own_code, request, settings_for, sound_s
from tests.commentators.minicpmo.tiny_minicpmo import make_assets

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo import awq, loading, token2wav, vocoder  # noqa: E402

pytestmark = pytest.mark.usefixtures("real_vocoder_on_a_cpu")


@pytest.mark.slow
def test_awq_is_found_out_and_takes_its_voice_from_the_checkpoint_beside_it(checkpoints):
    commentator = MiniCPMOCommentator(settings_for(checkpoints["awq"], temperature=0.0))
    commentator.warm_up()
    model = commentator.engine.loaded.model
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
    checkpoint = inspect_checkpoint(checkpoints["awq"])

    class Config:
        quantization_config = {"quant_method": "awq", "modules_to_not_convert": ["tts"]}

    loading.fix_quantisation(Config, checkpoint, torch.device("cuda"))
    assert Config.quantization_config["modules_to_not_convert"] == ["tts"]
    Config.quantization_config = {"quant_method": "awq", "modules_to_not_convert": None}
    loading.fix_quantisation(Config, checkpoint, torch.device("cpu"))
    assert "vpm" in Config.quantization_config["modules_to_not_convert"]
    stored = json.loads((checkpoints["awq"] / "config.json").read_text())
    assert stored["quantization_config"]["modules_to_not_convert"] is None  # no file is touched


def test_the_position_table_is_rebuilt_only_where_it_is_empty(loaded, monkeypatch):
    model = loaded.engine.loaded.model
    before = model.resampler.pos_embed.clone()
    assert before.any()
    with monkeypatch.context() as patch:
        patch.setattr(model.resampler, "_set_2d_pos_cache", lambda *_a, **_k: pytest.fail("was rebuilt"))
        loading.fix_position_table(model)
    model.resampler.pos_embed.zero_()
    loading.fix_position_table(model)
    assert torch.allclose(model.resampler.pos_embed, before)
    model.resampler.pos_embed.zero_()
    with (
        monkeypatch.context() as patch,
        pytest.raises(CommentatorError, match="would not see where things are"),
    ):
        patch.setattr(model.resampler, "_set_2d_pos_cache", lambda *_a, **_k: None)
        loading.fix_position_table(model)
    loading.fix_position_table(model)


def test_the_import_gate_drops_only_what_is_missing_and_only_while_open(tmp_path):
    import transformers.dynamic_module_utils as remote_code

    code = tmp_path / "code.py"
    code.write_text("import a_package_that_is_not_there\nimport json\n")
    assert set(remote_code.get_imports(code)) == {"a_package_that_is_not_there", "json"}
    with loading.import_gate():
        assert remote_code.get_imports(code) == ["json"]
    assert "a_package_that_is_not_there" in remote_code.get_imports(code)


@pytest.mark.slow
@only_own_code
def test_half_precision_is_fixed_where_the_recording_meets_halved_layers(checkpoints):
    """The nerdpudding project crashed here: set_stream_cache runs outside the autocast that `stream` runs under."""
    settings = settings_for(checkpoints["bf16"], vocoder_float16=True)
    commentator = MiniCPMOCommentator(settings)
    commentator.warm_up()
    tokenizer = commentator.engine.loaded.model.tts.audio_tokenizer
    assert tokenizer.float16
    with pytest.raises(RuntimeError, match="dtype"), tempfile.TemporaryDirectory() as folder:
        path = token2wav.write_wav(Path(folder) / "a.wav", np.zeros(16_000, np.float32))
        tokenizer.set_stream_cache(str(path))  # as it is, it fails
    assert sound_s(commentator.comment(request(10))) > 0.1
    commentator.close()


@only_own_code
def test_the_vocoders_buffers_are_cut_to_what_a_comment_can_use(loaded):
    decoder = loaded.engine.loaded.model.tts.audio_tokenizer.flow.decoder
    assert decoder.att_cache_buffer.shape == (10, 1, 2, 1, 100 + 100 + 2 * 56, 2)
    assert decoder.cnn_cache_buffer.shape == (10, 1, 2, 4, 2)
    other = torch.nn.Module()
    other.register_buffer("att_cache_buffer", torch.zeros(16, 1, 2, 1, 1000, 2))
    assert other.att_cache_buffer.shape == (16, 1, 2, 1, 1000, 2)  # only while a vocoder is made


def test_torchaudio_reads_wav_files_without_torchcodec(tmp_path, monkeypatch):

    def cannot(*_args, **_options):
        raise ImportError("TorchCodec is required")

    fake = types.SimpleNamespace(load=cannot)
    reads = types.SimpleNamespace(read=lambda path, **_options: (np.ones((8, 1), np.float32), 16_000))
    monkeypatch.setitem(sys.modules, "torchaudio", fake)
    monkeypatch.setitem(sys.modules, "soundfile", reads)
    token2wav.let_torchaudio_read_wav()
    samples, rate_hz = fake.load("any.wav")
    assert samples.shape == (1, 8) and rate_hz == 16_000
    works = types.SimpleNamespace(load=lambda *_args: "its own")
    monkeypatch.setitem(sys.modules, "torchaudio", works)
    token2wav.let_torchaudio_read_wav()
    assert works.load() == "its own"


def test_a_torchaudio_that_does_not_load_is_named_and_not_the_voices_files(monkeypatch):
    def cannot():
        raise OSError("Could not load this library: _torchaudio.abi3.so")

    monkeypatch.setattr(loading, "let_torchaudio_read_wav", cannot)
    with pytest.raises(CommentatorError, match="torchaudio does not load beside PyTorch"):
        loading._fix_torchaudio()


def test_a_first_chunk_is_short_and_without_the_silence_of_its_overlap(loaded):
    speaker = loaded.engine.speaker.vocoder
    speaker.begin()
    lengths = [sound for sound in (speaker.push(5) for _ in range(60)) if sound is not None]
    assert speaker.spoken_tokens == vocoder.FIRST_TOKENS + 2 * vocoder.CHUNK_TOKENS - vocoder.LOOKAHEAD_TOKENS
    assert len(lengths) == 3 and len(lengths[0]) < len(lengths[1]) == len(lengths[2]) == 24_000
    silence = np.zeros(3840, np.float32)
    assert vocoder._trim_padding(np.concatenate([silence, np.ones(5, np.float32)])).tolist() == [1.0] * 5
    assert len(vocoder._trim_padding(np.concatenate([silence, silence, np.ones(5, np.float32)]))) == 3845
    assert len(vocoder._trim_padding(silence)) == 3840


def test_a_checkpoint_that_lacks_weights_is_named(checkpoints, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "lacking"

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
