"""Checkpoints of MiniCPM-o and the files of its voice: whole, half, of another kind; and which memory they need."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo import checkpoint as module
from commentator_lib.commentators.minicpmo.checkpoint import (
    AWQ_HUB_ID,
    BF16_HUB_ID,
    LONGEST_REFERENCE_S,
    PUBLISHED_AWQ,
    PUBLISHED_BF16,
    TOKEN2WAV_FILES,
    find_assets,
    find_reference_audio,
    inspect_checkpoint,
    memory_problem,
    needed_bytes,
    part_of,
    read_reference_audio,
    unquantised_neighbours,
)
from tests.conftest import make_clip

CONFIG = {
    "architectures": ["MiniCPMO"],
    "model_type": "minicpmo",
    "version": "4.5",
    "auto_map": {
        "AutoConfig": "configuration_minicpmo.MiniCPMOConfig",
        "AutoModel": "modeling_minicpmo.MiniCPMO",
    },
}
TOKENIZER = {"auto_map": {"AutoTokenizer": ["tokenization_minicpmo_fast.MiniCPMOTokenizerFast", None]}}
PREPROCESSOR = {"auto_map": {"AutoProcessor": "processing_minicpmo.MiniCPMOProcessor"}}
CODE = {
    "configuration_minicpmo.py": "from .modeling_navit_siglip import SiglipVisionConfig\n",
    "modeling_minicpmo.py": "import torch\nfrom .configuration_minicpmo import MiniCPMOConfig\nfrom .utils import a\n",
    "modeling_navit_siglip.py": "import math\n",
    "processing_minicpmo.py": "import re\n",
    "tokenization_minicpmo_fast.py": "",
    "utils.py": "",
}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "modules_to_not_convert": None}
TENSORS = {
    "llm.model.embed_tokens.weight": ("BF16", [10, 4]),
    "llm.lm_head.weight": ("BF16", [10, 4]),
    "vpm.encoder.layers.0.mlp.fc1.weight": ("BF16", [8, 4]),
    "resampler.query": ("BF16", [3, 4]),
    "tts.emb_text.weight": ("BF16", [5, 4]),
    "apm.conv1.weight": ("BF16", [2, 4]),
    "audio_projection_layer.linear1.weight": ("BF16", [1, 4]),
    "something.new": ("F32", [1]),
}
ITEM_BYTES = {"BF16": 2, "F32": 4, "I32": 4}


def write_safetensors(path: Path, tensors: dict) -> Path:
    """A weight file of zeros: the header's length, the header, the bytes."""
    header, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = ITEM_BYTES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    return path


def make_checkpoint(folder: Path, quantization: object = None, **changes: object) -> Path:
    folder.mkdir(parents=True)
    config = {**CONFIG, **({"quantization_config": quantization} if quantization else {}), **changes}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").write_text("")
    for name, code in CODE.items():
        (folder / name).write_text(code)
    write_safetensors(folder / "model.safetensors", TENSORS)
    return folder


def make_assets(folder: Path) -> Path:
    (folder / "token2wav").mkdir(parents=True)
    for name in TOKEN2WAV_FILES:
        (folder / "token2wav" / name).write_bytes(b"x")
    return folder


def the_only_line(call, *arguments):
    """The error's text, which must be one line."""
    with pytest.raises(CommentatorError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text and text == text.strip()
    return text


def test_neither_pytorch_nor_transformers_is_imported():
    code = (
        "import sys, commentator_lib.commentators.minicpmo.checkpoint; "
        "print({'torch', 'transformers', 'av', 'soxr'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "set()"


# What a checkpoint is


def test_bf16_checkpoint(tmp_path):
    found = inspect_checkpoint(make_checkpoint(tmp_path / "model"))
    assert (found.quantization, found.bits, found.group_size) == ("", 16, 0)
    assert (found.dtype, found.label) == ("bfloat16", "BF16")
    assert found.part_bytes == {
        "llm": 160,
        "vision": 64,
        "resampler": 24,
        "talker": 40,
        "audio_encoder": 24,
        "other": 4,
    }
    assert found.folder == tmp_path / "model"


def test_awq_checkpoint(tmp_path):
    found = inspect_checkpoint(make_checkpoint(tmp_path / "model", AWQ))
    assert (found.quantization, found.bits, found.group_size) == ("awq", 4, 128)
    assert (found.dtype, found.label) == ("float16", "AWQ INT4")


def test_awq_by_its_older_names(tmp_path):
    older = {"quant_method": "AWQ", "w_bit": 4, "q_group_size": 64}
    found = inspect_checkpoint(make_checkpoint(tmp_path / "model", older))
    assert (found.bits, found.group_size) == (4, 64)


def test_weights_in_shards_are_added_up(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    names = list(TENSORS)
    shards = {"model-00001-of-00002.safetensors": names[:3], "model-00002-of-00002.safetensors": names[3:]}
    for shard, inside in shards.items():
        write_safetensors(folder / shard, {name: TENSORS[name] for name in inside})
    index = {"weight_map": {name: shard for shard, inside in shards.items() for name in inside}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert inspect_checkpoint(folder).part_bytes["llm"] == 160
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors" in the_only_line(inspect_checkpoint, folder)


def test_parts_by_the_names_of_tensors():
    assert part_of("tts.head_code.0.parametrizations.weight.original0") == "talker"
    assert part_of("audio_avg_pooler.x") == part_of("apm.layers.0.fc1.bias") == "audio_encoder"
    assert part_of("llmx.weight") == "other"


def test_code_of_another_repository_is_not_looked_for(tmp_path):
    mapped = {**CONFIG["auto_map"], "AutoModelForVision2Seq": "someone/other--modeling_far.Far"}
    inspect_checkpoint(make_checkpoint(tmp_path / "model", auto_map=mapped))


def test_tokenizer_json_stands_for_vocabulary_and_merges(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    (folder / "vocab.json").unlink()
    (folder / "tokenizer.json").write_text("{}")
    assert inspect_checkpoint(folder).label == "BF16"


@pytest.mark.parametrize(
    "name",
    ["tokenizer_config.json", "preprocessor_config.json", "vocab.json", "merges.txt", *CODE],
)
def test_half_a_download_names_what_is_missing(tmp_path, name):
    folder = make_checkpoint(tmp_path / "model")
    (folder / name).unlink()
    line = the_only_line(inspect_checkpoint, folder)
    assert name in line and "half a download" in line and "download the checkpoint again" in line


def test_no_checkpoint_says_what_one_holds(tmp_path):
    line = the_only_line(inspect_checkpoint, tmp_path)
    for word in ("no config.json", "tokenizer_config.json", "preprocessor_config.json", "safetensors", ".py"):
        assert word in line


def test_gguf_files_are_for_a_server(tmp_path):
    (tmp_path / "model-Q4_K_M.gguf").write_bytes(b"GGUF")
    assert "commentator=openai" in the_only_line(inspect_checkpoint, tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{}", b"", b"[1]"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_broken_json_is_named(tmp_path, content, name):
    folder = make_checkpoint(tmp_path / "model")
    (folder / name).write_bytes(content)
    line = the_only_line(inspect_checkpoint, folder)
    assert name in line and "JSON" in line and "again" in line


OTHERS = {
    "image-text": (
        {"architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl"},
        "commentator=vlm",
    ),
    "image-text by its parts": (
        {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "vision_config": {}},
        "commentator=vlm",
    ),
    "MiniCPM-V": ({"architectures": ["MiniCPMV"], "model_type": "minicpmv"}, "commentator=vlm"),
    "text": ({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}, BF16_HUB_ID),
    "nothing": ({"architectures": None, "model_type": None}, "without a name"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_model_is_named_with_what_runs_it(tmp_path, kind):
    changes, words = OTHERS[kind]
    line = the_only_line(inspect_checkpoint, make_checkpoint(tmp_path / "model", **changes))
    assert words in line and "not MiniCPM-o 4.5" in line
    assert ("commentator=vlm" in line) == (words == "commentator=vlm")
    for name in changes["architectures"] or []:
        assert name in line


def test_the_model_before_is_refused(tmp_path):
    line = the_only_line(inspect_checkpoint, make_checkpoint(tmp_path / "model", version="2.6"))
    assert "MiniCPM-o 2.6" in line and BF16_HUB_ID in line


@pytest.mark.parametrize("auto_map", [None, {}, {"AutoConfig": "configuration_minicpmo.MiniCPMOConfig"}])
def test_config_without_code(tmp_path, auto_map):
    line = the_only_line(inspect_checkpoint, make_checkpoint(tmp_path / "model", auto_map=auto_map))
    assert "auto_map" in line


QUANTISED_OTHERWISE = {
    "gptq": ({"quant_method": "gptq", "bits": 4}, "gptq"),
    "bitsandbytes": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
    "no method": ({"bits": 4}, "unnamed"),
    "a word": ("fp8", "fp8"),
    "eight bits": ({**AWQ, "bits": 8}, "8 bits"),
    "no bits": ({"quant_method": "awq"}, "unknown number"),
    "no group size": ({**AWQ, "group_size": "all"}, "group_size"),
}


@pytest.mark.parametrize("kind", QUANTISED_OTHERWISE)
def test_other_quantizations_are_refused(tmp_path, kind):
    stated, words = QUANTISED_OTHERWISE[kind]
    assert words in the_only_line(inspect_checkpoint, make_checkpoint(tmp_path / "model", stated))


def test_weights_that_are_missing_or_cut_off(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "model.safetensors" in the_only_line(inspect_checkpoint, folder)
    weights.unlink()
    the_only_line(inspect_checkpoint, folder)


def test_weights_of_another_format(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "safetensors" in the_only_line(inspect_checkpoint, folder)


# The voice's files


def test_assets_of_the_checkpoint_come_before_its_neighbours(tmp_path):
    folder = make_checkpoint(tmp_path / "MiniCPM-o-4_5-awq", AWQ)
    checkpoint = inspect_checkpoint(folder)
    neighbour = make_assets(tmp_path / "MiniCPM-o-4_5" / "assets")
    assert find_assets(checkpoint) == neighbour
    own = make_assets(folder / "assets")
    assert find_assets(checkpoint) == own
    given = make_assets(tmp_path / "elsewhere")
    assert find_assets(checkpoint, str(given)) == given


def test_assets_path_may_be_a_checkpoint(tmp_path):
    checkpoint = inspect_checkpoint(make_checkpoint(tmp_path / "model"))
    assets = make_assets(tmp_path / "other" / "assets")
    assert find_assets(checkpoint, str(tmp_path / "other")) == assets


@pytest.mark.parametrize(
    "name", ["m-awq", "m_awq", "m-AWQ", "m-int4", "m-awq-int4", "m.awq", "m-4bit", "m_AWQ-INT4"]
)
def test_the_neighbour_has_the_name_without_its_ending(tmp_path, name):
    assert unquantised_neighbours(tmp_path / name) == [tmp_path / "m"]


@pytest.mark.parametrize("name", ["m", "awq", "m-awq-tuned", "mawq"])
def test_other_names_have_no_neighbour(tmp_path, name):
    assert unquantised_neighbours(tmp_path / name) == []


def test_assets_in_a_hub_cache(tmp_path):
    folder = make_checkpoint(tmp_path / "models--openbmb--MiniCPM-o-4_5-awq" / "snapshots" / "0a1b", AWQ)
    snapshots = tmp_path / "models--openbmb--MiniCPM-o-4_5" / "snapshots"
    (snapshots / "0000").mkdir(parents=True)  # an older one, without assets
    assets = make_assets(snapshots / "ffff" / "assets")
    assert find_assets(inspect_checkpoint(folder)) == assets


@pytest.mark.parametrize("name", TOKEN2WAV_FILES)
@pytest.mark.parametrize("fault", ["missing", "empty", "pointer"])
def test_a_file_of_the_voice_that_lacks_is_named(tmp_path, name, fault):
    folder = make_checkpoint(tmp_path / "model")
    path = make_assets(folder / "assets") / "token2wav" / name
    path.unlink()
    if fault != "missing":
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
        path.write_bytes(pointer if fault == "pointer" else b"")
    line = the_only_line(find_assets, inspect_checkpoint(folder))
    assert name in line and not any(other in line for other in TOKEN2WAV_FILES if other != name)
    assert "speech=false" in line


def test_half_assets_of_its_own_give_way_to_a_whole_neighbour(tmp_path):
    folder = make_checkpoint(tmp_path / "m-awq", AWQ)
    (make_assets(folder / "assets") / "token2wav" / "flow.pt").unlink()
    neighbour = make_assets(tmp_path / "m" / "assets")
    assert find_assets(inspect_checkpoint(folder)) == neighbour


def test_no_assets_says_where_was_looked_and_three_ways_out(tmp_path):
    folder = make_checkpoint(tmp_path / "m-awq", AWQ)
    line = the_only_line(find_assets, inspect_checkpoint(folder))
    for word in (*TOKEN2WAV_FILES, str(folder / "assets"), str(tmp_path / "m" / "assets"), BF16_HUB_ID):
        assert word in line
    assert "assets_path" in line and "speech=false" in line


def test_given_assets_are_not_replaced_by_others_in_silence(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    make_assets(folder / "assets")
    assert "nowhere" in the_only_line(find_assets, inspect_checkpoint(folder), str(tmp_path / "nowhere"))


# The recording to imitate


def test_reference_recording_is_chosen_by_its_name(tmp_path):
    for name in ("a.wav", "b/system_ref_audio.wav", "HT_ref_audio.wav", "0_ref_audio.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert find_reference_audio(tmp_path).name == "HT_ref_audio.wav"
    (tmp_path / "HT_ref_audio.wav").unlink()
    assert find_reference_audio(tmp_path).name == "system_ref_audio.wav"
    (tmp_path / "b/system_ref_audio.wav").unlink()
    assert find_reference_audio(tmp_path).name == "a.wav"
    assert find_reference_audio(tmp_path, "mine.wav") == Path("mine.wav")
    (tmp_path / "a.wav").unlink()
    assert "reference_audio_path" in the_only_line(find_reference_audio, tmp_path)


def tone(seconds, rate_hz, level=0.3, hz=220.0):
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def write_wav(path: Path, channels: list[np.ndarray], rate_hz: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.stack(channels, axis=1) * 32767).astype("<i2").tobytes())
    return path


def encode(path: Path, codec: str, sample_format: str, samples: np.ndarray, rate_hz: int) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate_hz, layout="mono")
        stream.format = sample_format
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


def strongest_hz(samples, rate_hz=16_000):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.fft.rfftfreq(len(samples), 1 / rate_hz)[int(spectrum.argmax())]


def test_recording_at_16_khz_comes_back_as_it_is(tmp_path):
    made = tone(3, 16_000)
    found = read_reference_audio(write_wav(tmp_path / "a.wav", [made], 16_000))
    assert found.dtype == np.float32 and found.shape == (48_000,) and found.flags.c_contiguous
    assert np.abs(found - made).max() < 1e-3


def test_stereo_at_44_1_khz_is_mixed_and_resampled(tmp_path):
    left, right = tone(2, 44_100, 0.4, 300.0), tone(2, 44_100, 0.2, 1000.0)
    found = read_reference_audio(write_wav(tmp_path / "a.wav", [left, right], 44_100))
    assert found.dtype == np.float32 and found.ndim == 1 and abs(len(found) - 32_000) <= 2
    spectrum = np.abs(np.fft.rfft(found[:32_000] * np.hanning(len(found[:32_000]))))
    strengths = [spectrum[2 * hz - 4 : 2 * hz + 5].max() for hz in (300, 1000)]  # bins of half a hertz
    assert strengths[0] / strengths[1] == pytest.approx(2, rel=0.05)
    both = (tone(2, 16_000, 0.2, 300.0) + tone(2, 16_000, 0.1, 1000.0))[4000:28_000]
    assert np.abs(found[4000:28_000] - both).max() < 0.01


@pytest.mark.parametrize(
    ("name", "codec", "sample_format"), [("a.flac", "flac", "s16"), ("a.mp3", "libmp3lame", "fltp")]
)
def test_other_formats(tmp_path, name, codec, sample_format):
    path = encode(tmp_path / name, codec, sample_format, tone(4, 24_000), 24_000)
    found = read_reference_audio(path)
    assert abs(len(found) / 16_000 - 4) < 0.15
    assert strongest_hz(found) == pytest.approx(220, abs=2)
    assert np.abs(found).max() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("seconds", [1.0, LONGEST_REFERENCE_S])
def test_lengths_at_the_limits_are_taken(tmp_path, seconds):
    found = read_reference_audio(write_wav(tmp_path / "a.wav", [tone(seconds, 16_000)], 16_000))
    assert len(found) == seconds * 16_000


@pytest.mark.parametrize("seconds", [0.3, 15.2, 40.0, 300.0])
def test_too_short_and_too_long_say_how_long(tmp_path, seconds):
    line = the_only_line(read_reference_audio, write_wav(tmp_path / "a.wav", [tone(seconds, 16_000)], 16_000))
    assert f"{seconds:.1f} s long" in line and "3 to 10 s" in line
    assert ("cut it" in line) == (seconds > 15)


def test_silence_is_refused_and_a_quiet_voice_is_not(tmp_path):
    assert "silent" in the_only_line(
        read_reference_audio, write_wav(tmp_path / "a.wav", [np.zeros(32_000)], 16_000)
    )
    hiss = tone(2, 16_000, 0.001)  # −63 dBFS
    assert "silent (-63 dBFS)" in the_only_line(
        read_reference_audio, write_wav(tmp_path / "b.wav", [hiss], 16_000)
    )
    quiet = read_reference_audio(write_wav(tmp_path / "c.wav", [tone(2, 16_000, 0.01)], 16_000))  # −43 dBFS
    assert len(quiet) == 32_000


def test_what_is_no_sound(tmp_path):
    assert "no reference recording" in the_only_line(read_reference_audio, tmp_path / "none.wav")
    assert "no reference recording" in the_only_line(read_reference_audio, tmp_path)
    text = tmp_path / "text.wav"
    text.write_text("this is no sound\n" * 100)
    assert "cannot be decoded as sound" in the_only_line(read_reference_audio, text)
    (tmp_path / "empty.wav").write_bytes(b"")
    assert "cannot be decoded as sound" in the_only_line(read_reference_audio, tmp_path / "empty.wav")
    film = make_clip(tmp_path / "film.mp4", frames=3)
    assert "no sound in it" in the_only_line(read_reference_audio, film)


def test_a_wav_without_samples_is_too_short(tmp_path):
    assert "0.0 s long" in the_only_line(
        read_reference_audio, write_wav(tmp_path / "a.wav", [np.zeros(0)], 16_000)
    )


# Memory


def test_needed_memory_leaves_out_what_is_not_loaded(tmp_path):
    checkpoint = inspect_checkpoint(make_checkpoint(tmp_path / "model"))
    silent, speaking = needed_bytes(checkpoint, False), needed_bytes(checkpoint, True)
    assert silent == 160 + 64 + 24 + 4 + 1_500_000_000
    assert speaking - silent == 40 + 2_800_000_000


def test_published_checkpoints_come_near_what_was_measured():
    assert needed_bytes(PUBLISHED_BF16, True) == pytest.approx(20.7 * 2**30, rel=0.02)  # peak on an H100
    weights = sum(size for part, size in PUBLISHED_BF16.part_bytes.items() if part != "audio_encoder")
    assert weights == pytest.approx(17.0 * 2**30, rel=0.02)
    assert needed_bytes(PUBLISHED_AWQ, False) == pytest.approx(8.6e9, rel=0.01)
    assert 8.5e9 < needed_bytes(PUBLISHED_AWQ, True, slim=True) < 9.5e9 < needed_bytes(PUBLISHED_AWQ, True)
    assert needed_bytes(PUBLISHED_BF16, True, slim=True) == needed_bytes(PUBLISHED_BF16, True)


GB = 1_000_000_000
MEMORY = {  # checkpoint, speech, free and total GB: what the line holds, what it does not
    "fits": (PUBLISHED_BF16, True, 80, 80, None, ()),
    "another program": (PUBLISHED_BF16, True, 15, 80, ("end what else holds 65.0 GB", AWQ_HUB_ID), ("vlm",)),
    "without speech": (PUBLISHED_BF16, True, 20, 20, ("speech=false", AWQ_HUB_ID), ("end what",)),
    "awq with speech": (PUBLISHED_BF16, True, 15, 16, (AWQ_HUB_ID, "with"), ("speech=false", "end what")),
    "awq without": (PUBLISHED_BF16, True, 10, 10, (AWQ_HUB_ID,), ("GB with)", "speech=false")),
    "no speech at all": (
        PUBLISHED_BF16,
        False,
        16,
        16,
        (AWQ_HUB_ID, "without speech needs"),
        ("speech=false",),
    ),
    "awq, no speech": (PUBLISHED_AWQ, True, 11, 11, ("speech=false",), (AWQ_HUB_ID, "vlm")),
    "nothing": (PUBLISHED_AWQ, True, 4, 4, ("commentator=vlm", "openai", "baseline"), ("speech=false",)),
}


@pytest.mark.parametrize("case", MEMORY)
def test_too_little_memory_says_what_would_fit(case):
    checkpoint, speech, free, total, words, others = MEMORY[case]
    line = memory_problem(checkpoint, speech, free * GB, total * GB)
    if words is None:
        assert line == ""
        return
    assert "\n" not in line and f"{free}.0 GB of {total}.0 GB is free" in line
    assert all(word in line for word in words), line
    assert not any(word in line for word in others), line


@pytest.mark.parametrize(
    ("capability", "triton", "compiler", "can"),
    [
        ((8, 0), True, True, True),
        ((7, 5), True, True, False),
        ((9, 0), False, True, False),
        ((9, 0), True, False, False),
    ],
)
def test_four_bits_are_made_smaller_where_all_is_there_that_the_kernels_need(
    monkeypatch, capability, triton, compiler, can
):
    monkeypatch.setattr(module, "find_spec", lambda name: object() if triton and name == "triton" else None)
    monkeypatch.setattr(
        module.shutil, "which", lambda name: "/usr/bin/gcc" if compiler and name == "gcc" else None
    )
    assert module.can_slim(capability) is can


def test_four_bits_with_speech_fit_where_they_are_made_smaller():
    assert memory_problem(PUBLISHED_AWQ, True, 10 * GB, 10 * GB, slim=True) == ""
    line = memory_problem(PUBLISHED_BF16, True, 10 * GB, 10 * GB, slim=True)
    assert "about 8.6 GB without speech, 9.3 GB with" in line


def test_memory_that_just_fits_and_just_does_not(tmp_path):
    tiny = replace(PUBLISHED_AWQ, part_bytes={"llm": 5})
    needed = needed_bytes(tiny, True)
    assert memory_problem(tiny, True, needed, needed) == ""
    assert memory_problem(tiny, True, needed - 1, needed - 1) != ""
