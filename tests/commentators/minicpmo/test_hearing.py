"""MiniCPM-o hears: mel frames, embeddings, their places in the prompt, and what a faulty sound costs, on a CPU.

Whisper's encoder is written here again, step by step. Where MINICPMO_CODE_DIR names the model's own code, its numbers
are compared too.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentatorError, CommentRequest
from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator
from commentator_lib.media import AudioChunk
from tests.commentators.minicpmo.conftest import frames, settings_for, text_of
from tests.commentators.minicpmo.tiny_minicpmo import REAL, make_checkpoint

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo import hearing, loading  # noqa: E402
from commentator_lib.commentators.minicpmo.checkpoint import inspect_checkpoint  # noqa: E402
from commentator_lib.commentators.minicpmo.prompt import embed_request  # noqa: E402
from commentator_lib.commentators.minicpmo.stage_clock import StageClock  # noqa: E402

RATE_HZ = hearing.RATE_HZ


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Return a tiny checkpoint that needs no files of a voice."""
    return make_checkpoint(tmp_path_factory.mktemp("hearing") / "tiny", assets=False)


@pytest.fixture(scope="module")
def hears(checkpoint):
    """Return a commentator that hears and does not speak."""
    commentator = MiniCPMOCommentator(settings_for(checkpoint, hear=True, speech=False, temperature=0.0))
    commentator.warm_up()
    yield commentator
    commentator.close()


def noise(seconds, seed=0, level=0.1):
    samples = np.random.default_rng(seed).standard_normal((round(seconds * RATE_HZ),), np.float32)
    return AudioChunk(samples * np.float32(level), RATE_HZ)


def heard(sound, words="What happens?", count=2):
    return CommentRequest(frames(count), words, 12, False, sound=sound)


def embed(commentator, request):
    clock = StageClock(torch.device("cpu"))
    return embed_request(commentator.engine, request, False, commentator._settings.max_slice_nums, clock)


def full_mel(extractor, samples):
    """Return the mel frames (80, n) as the model's own code makes them: padded to 30 s, then cut."""
    out = extractor(
        [samples],
        sampling_rate=RATE_HZ,
        return_attention_mask=True,
        padding="max_length",
        return_tensors="pt",
    )
    return out["input_features"][0, :, : int(out["attention_mask"].sum())]


def encode_plainly(model, mel):
    """Return the embeddings (n, H) of mel frames (80, n), one step after the other and one second after the other."""
    apm = model.apm
    x = torch.nn.functional.gelu(apm.conv1(mel[None]))
    x = torch.nn.functional.gelu(apm.conv2(x))[0].T  # (states, D)
    x = x + apm.embed_positions.weight[: len(x)]
    for layer in apm.layers:
        own, normed, rows = layer.self_attn, layer.self_attn_layer_norm(x), []
        for row in range(len(x)):
            seen = normed[: (row // 50 + 1) * 50]  # its own second and those before
            query, key, value = own.q_proj(normed[row]), own.k_proj(seen), own.v_proj(seen)
            parts = []
            for q, k, v in zip(*(part.chunk(own.num_heads, -1) for part in (query, key, value)), strict=True):
                parts.append((k @ q * len(q) ** -0.5).softmax(0) @ v)
            rows.append(torch.cat(parts))
        x = x + own.out_proj(torch.stack(rows))
        x = x + layer.fc2(torch.nn.functional.gelu(layer.fc1(layer.final_layer_norm(x))))
    x = model.audio_projection_layer(apm.layer_norm(x))
    count = len(x) // 5
    return x[: 5 * count].view(count, 5, -1).mean(1)


@pytest.mark.parametrize("samples", [1281, 1600, 16_000, 16_001, 63_999, 64_000, 5 * 16_000 + 77])
def test_mel_frames_are_those_of_thirty_padded_seconds(hears, samples):
    extractor = hears.engine.loaded.processor.audio_processor
    sound = noise(samples / RATE_HZ).samples
    theirs = full_mel(extractor, sound)
    padded = torch.zeros((theirs.shape[1] + 3) * 160)
    padded[:samples] = torch.from_numpy(sound)
    ours = hearing.LogMel(extractor, torch.device("cpu"))(padded)[:, :-3]
    assert ours.shape == theirs.shape == (80, -(-samples // 160))
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_fixed_floor_of_the_extractor_is_kept(hears):
    extractor = hears.engine.loaded.processor.audio_processor
    fixed = SimpleNamespace(
        n_fft=400, mel_filters=extractor.mel_filters, dynamic_log_norm=False, log_floor_db=-3.0
    )
    found = hearing.LogMel(fixed, torch.device("cpu"))(torch.zeros(1600))
    assert torch.allclose(found, torch.full((80, 10), 0.25))


@pytest.mark.parametrize("seconds", [0.1, 0.99, 2.0, 3.37])
@torch.inference_mode()
def test_embeddings_are_those_of_the_plain_steps(hears, seconds):
    loaded, sound = hears.engine.loaded, noise(seconds)
    mel = full_mel(loaded.processor.audio_processor, sound.samples)
    found = hears.engine.hearing.encode(sound)
    assert len(found) == hearing.count_embeddings(round(seconds * RATE_HZ))
    assert torch.allclose(found, encode_plainly(loaded.model, mel), atol=1e-4)


@pytest.mark.skipif(not REAL, reason="compares with the model's own code: set MINICPMO_CODE_DIR")
@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0, 4.0, 7.77, 30.0])
@torch.inference_mode()
def test_embeddings_and_their_places_are_those_of_the_models_own_code(hears, seconds):
    from PIL import Image

    loaded, sound = hears.engine.loaded, noise(seconds)
    request = heard(sound)
    model, processor = loaded.model, loaded.processor
    pictures = [Image.fromarray(frame.image) for frame in request.frames]
    content = "\n".join(["<image>./</image>"] * len(pictures) + ["<audio>./</audio>", request.prompt])
    text = processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=False,
        add_generation_prompt=True,
        use_tts_template=True,
        enable_thinking=False,
    )
    inputs = processor(
        [text],
        [pictures],
        [[sound.samples]],
        [[0]],
        max_slice_nums=1,
        use_image_id=False,
        return_tensors="pt",
        max_length=8192,
    )
    chunk_s = model.config.audio_chunk_length
    (theirs,) = model.get_audio_embedding(inputs, chunk_length=chunk_s)[0]
    ours = hears.engine.hearing.encode(sound)
    assert ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=1e-4)
    seen, _ = model.get_vllm_embedding(inputs)
    whole = model.get_omni_embedding(inputs, input_embeddings=seen, chunk_length=chunk_s)
    prompt = embed(hears, request)
    assert prompt.embeds.shape == whole.shape and torch.allclose(prompt.embeds, whole, atol=1e-4)


@pytest.mark.parametrize("own_code", [False, True])
def test_the_prompt_has_a_place_for_each_embedding_between_pictures_and_words(hears, own_code, monkeypatch):
    if own_code:
        monkeypatch.setattr(hears.engine, "vision", None)
    sound = noise(3.1)
    ours = hears.engine.hearing.encode(sound)
    deaf, full = embed(hears, heard(None)), embed(hears, heard(sound))
    assert len(ours) == hearing.count_embeddings(len(sound.samples)) == 31
    # the two marks and a line break are words like others; the spoken form adds one more
    extra = full.tokens - deaf.tokens - len(ours)
    assert extra == 2 + 1 + 1 and full.image_tokens == deaf.image_tokens
    tokenizer = hears.engine.loaded.processor.tokenizer
    mark = hears.engine.loaded.model.llm.model.embed_tokens(
        torch.tensor(
            [tokenizer.convert_tokens_to_ids(mark) for mark in (hearing.AUDIO_START, hearing.AUDIO_END)]
        )
    )
    at = next(k for k in range(full.tokens) if torch.equal(full.embeds[0, k], mark[0]))
    assert at > full.image_tokens and torch.equal(full.embeds[0, at + 1 + len(ours)], mark[1])
    assert torch.allclose(full.embeds[0, at + 1 : at + 1 + len(ours)], ours)
    count = hearing.audio_placeholder(31, tokenizer.unk_token).count(tokenizer.unk_token)
    assert count == 31


def test_a_comment_counts_its_sound_among_its_prompt(hears):
    deaf, full = (list(hears.comment(heard(sound))) for sound in (None, noise(4)))
    assert full[0].prompt_tokens - deaf[0].prompt_tokens == 40 + 4
    assert sum(chunk.output_tokens for chunk in full) == 12 and hears.hears
    assert full[0].image_tokens == deaf[0].image_tokens


def test_what_is_heard_changes_what_is_said(hears):
    def first_logits(sound):
        return hears.engine.writer.last_logits(embed(hears, heard(sound)).embeds, 1)

    assert not torch.allclose(first_logits(noise(2, 1)), first_logits(noise(2, 2)))


def test_a_model_that_is_not_to_hear_leaves_its_audio_encoder_out(checkpoint):
    commentator = MiniCPMOCommentator(settings_for(checkpoint, speech=False, temperature=0.0))
    assert not commentator.hears
    commentator.warm_up()
    engine = commentator.engine
    assert engine.hearing is None and not commentator.hears
    assert not [name for name, _ in engine.loaded.model.named_parameters() if name.startswith("a")]
    plain, sounding = (embed(commentator, heard(sound)) for sound in (None, noise(2)))
    assert torch.equal(plain.embeds, sounding.embeds)
    commentator.close()


def test_hearing_changes_nothing_where_there_is_no_sound(hears, checkpoint):
    deaf = MiniCPMOCommentator(settings_for(checkpoint, speech=False, temperature=0.0))
    deaf.warm_up()
    assert torch.equal(embed(deaf, heard(None)).embeds, embed(hears, heard(None)).embeds)
    assert text_of(deaf.comment(heard(None))) == text_of(hears.comment(heard(None)))
    deaf.close()


def test_a_model_that_can_hear_says_so_before_it_is_loaded(checkpoint):
    assert MiniCPMOCommentator(settings_for(checkpoint, hear=True, speech=False)).hears


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.0, 0), (0.08, 0), (0.081, 1), (1.0, 10), (30.0, 300), (75.0, 300)]
)
def test_sound_of_any_length(hears, seconds, count, caplog):
    deaf, full = embed(hears, heard(None)), embed(hears, heard(noise(seconds)))
    assert full.tokens - deaf.tokens == (count + 4 if count else 0) and not caplog.records
    assert bool(torch.isfinite(full.embeds).all())


def test_of_a_long_sound_the_end_is_heard(hears):
    long = noise(40)
    end = AudioChunk(long.samples[-30 * RATE_HZ :], RATE_HZ)
    assert torch.equal(embed(hears, heard(long)).embeds, embed(hears, heard(end)).embeds)


def test_silence_and_numbers_that_are_none_are_heard_as_silence(hears, caplog):
    silence = AudioChunk(np.zeros(2 * RATE_HZ, np.float32), RATE_HZ)
    broken = AudioChunk(np.full(2 * RATE_HZ, np.nan, np.float32), RATE_HZ)
    whole = AudioChunk(np.zeros(2 * RATE_HZ, np.int16), RATE_HZ)
    found = [embed(hears, heard(sound)).embeds for sound in (silence, broken, whole)]
    assert bool(torch.isfinite(found[0]).all()) and not caplog.records
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.mark.parametrize(
    ("sound", "words"),
    [
        (AudioChunk(np.zeros(48_000, np.float32), 48_000), "at 48000 Hz, and the model hears 16000 Hz"),
        (
            AudioChunk(np.zeros((16_000, 2), np.float32), RATE_HZ),
            "shape (16000, 2), and the model hears mono",
        ),
    ],
)
def test_another_rate_or_stereo_is_a_clear_error_and_costs_only_the_sound(hears, sound, words, caplog):
    with pytest.raises(ValueError) as caught:
        hears.engine.hearing.encode(sound)
    assert words in str(caught.value)
    assert text_of(hears.comment(heard(sound))) == text_of(hears.comment(heard(None)))
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert words in warning.getMessage() and "without its sound" in warning.getMessage()


def test_an_encoder_that_fails_costs_the_sound_and_not_the_comment(hears, monkeypatch, caplog):
    def fail(_sound):
        raise RuntimeError("CUDA out of memory\nand more")

    monkeypatch.setattr(hears.engine.hearing, "encode", fail)
    assert text_of(hears.comment(heard(noise(1)))) == text_of(hears.comment(heard(None)))
    assert "without its sound: RuntimeError: CUDA out of memory" in caplog.text


def test_a_judge_hears_too(hears):
    without, with_sound = (hears.judge(heard(sound), "first-token", "") for sound in (None, noise(2)))
    assert 0 <= without <= 1 and 0 <= with_sound <= 1 and without != with_sound


def test_words_that_look_like_a_sound_come_behind_it(hears):
    """Prompts are cleaned before they come here; were one not, the sound still finds its own place."""
    words = f"Look {hearing.AUDIO_START}{hearing.AUDIO_END}"
    plain, marked = embed(hears, heard(noise(1), "Look")), embed(hears, heard(noise(1), words))
    at = next(k for k in range(plain.tokens) if not torch.equal(plain.embeds[0, k], marked.embeds[0, k]))
    tokenizer = hears.engine.loaded.processor.tokenizer
    assert plain.tokens - at < len(tokenizer.encode("<|im_end|>\n<|im_start|>assistant\n")) + 10


def test_a_model_without_an_encoder_that_is_known_hears_nothing(checkpoint, caplog):
    settings = settings_for(checkpoint, hear=True, speech=False)

    def load():
        return loading.load(inspect_checkpoint(checkpoint), "cpu", False)

    commentator = MiniCPMOCommentator(settings, load)
    commentator.warm_up()
    assert not commentator.hears and "it hears nothing" in caplog.text
    assert text_of(commentator.comment(heard(noise(1))))
    commentator.close()


def test_a_checkpoint_without_an_audio_encoder_is_named_before_it_is_loaded(checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "deaf"
    folder.mkdir()
    for path in checkpoint.iterdir():
        if path.is_file() and path.suffix != ".safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    tensors = load_file(checkpoint / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if not name.startswith(("apm", "audio"))}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert MiniCPMOCommentator(settings_for(folder, speech=False)).name
    with pytest.raises(CommentatorError, match=r"no audio encoder \(apm\): set hear=false"):
        MiniCPMOCommentator(settings_for(folder, speech=False, hear=True))
    some = {**kept, "apm.conv1.weight": tensors["apm.conv1.weight"]}
    save_file(some, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CommentatorError, match="weights that the model needs, apm"):
        MiniCPMOCommentator(settings_for(folder, speech=False, hear=True)).warm_up()
    assert json.loads((folder / "config.json").read_text())["version"] == "4.5"


def test_a_request_is_not_changed(hears):
    sound = noise(1)
    before = sound.samples.copy()
    list(hears.comment(dataclasses.replace(heard(sound), max_new_tokens=3)))
    assert np.array_equal(sound.samples, before)
