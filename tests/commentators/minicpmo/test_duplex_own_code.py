"""In duplex, each second is what the model's own code makes of it: `streaming_prefill` and `streaming_generate`.

Runs where MINICPMO_CODE_DIR names the model's own code. Its language model is drawn so that all decisions occur; the
vocoder is a stand-in for both.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.commentators.minicpmo.duplex_parts import settings_for
from tests.commentators.minicpmo.tiny_minicpmo import REAL, VOICE_FILES, make_checkpoint

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
if not REAL:
    pytest.skip("needs the model's own code: MINICPMO_CODE_DIR", allow_module_level=True)

from commentator_lib.commentators.minicpmo.hearing import Hearing  # noqa: E402
from commentator_lib.commentators.minicpmo.token2wav import write_wav  # noqa: E402
from commentator_lib.commentators.minicpmo.vocoder import Vocoder, clone  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.build import build_model  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.commentator import MiniCPMODuplexCommentator  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.decoder import UnitDecoder, Window  # noqa: E402
from commentator_lib.commentators.minicpmo_duplex.tokens import duplex_tokens  # noqa: E402
from commentator_lib.media import AudioChunk, Frame  # noqa: E402

INSTRUCTIONS = "Watch the dog."
PREFIX, SUFFIX = f"<|im_start|>system\n{INSTRUCTIONS}\n<|audio_start|>", "<|audio_end|><|im_end|>"
WINDOW = Window(600, 400)
# How loud the deciding tokens are, in spreads of a word's row.
LOUDNESS = {"listen": 16, "speak": 16, "chunk_end": 12, "turn_end": 16, "go_on": 8}
SEED = 5


def seconds(count):
    """Return (picture or None, samples) of so many seconds; each third has no picture, each seventh is loud."""
    rng = np.random.default_rng(0)
    out = []
    for k in range(count):
        image = rng.integers(0, 256, (36, 64, 3), dtype=np.uint8)
        level = 0.3 if k % 7 == 3 else 0.02
        out.append((None if k % 3 == 2 else image, rng.standard_normal(16_000).astype(np.float32) * level))
    return out


def make_decisive(model, tokens):
    """Make the deciding tokens as loud as the words, and what comes next hang on more than the token before."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        weight = model.llm.lm_head.weight
        weight *= 2
        for matrix in model.llm.model.layers.parameters():
            if matrix.ndim == 2:
                matrix *= 6
        for token, spreads in LOUDNESS.items():
            row = torch.randn(weight.shape[1], generator=generator)
            weight[getattr(tokens, token)] = row * weight.std() * spreads


def load_real(folder, **changes):
    """Return the loaded model of a checkpoint of the real code, made decisive."""
    loaded = MiniCPMODuplexCommentator(settings_for(folder, **changes))._load()
    make_decisive(loaded.model, duplex_tokens(loaded.processor.tokenizer))
    return loaded


def own_duplex(folder, loaded, monkeypatch, audio, window):
    """Return the own code's MiniCPMODuplex around this very model, with its instructions taken in."""
    model = loaded.model
    module = sys.modules[type(model).__module__]
    monkeypatch.setattr(module.MiniCPMO, "from_pretrained", lambda *_args, **_options: model)
    monkeypatch.setattr(model, "to", lambda *_args, **_options: model, raising=False)
    monkeypatch.setattr(model, "init_tts", lambda **_options: None, raising=False)
    own = module.MiniCPMODuplex(
        str(folder),
        generate_audio=audio,
        device="cpu",
        attn_implementation="sdpa",
        sliding_window_mode="basic",
        basic_window_high_tokens=window.high,
        basic_window_low_tokens=window.low,
    )
    model.reset_session()
    own.prepare(PREFIX, SUFFIX, ref_audio=loaded.reference)
    if audio:
        own.flow_cache_base, own.hift_cache_base = clone(loaded.vocoder._caches)
        own.pre_lookahead, own.token2wav_initialized = 3, True
        own._reset_token2wav_for_new_turn()
    return own


def draw_as_we_do(own, monkeypatch):
    """Let the own code draw by the noise that our loops draw, in their order, from generators of the same seeds."""
    words, sounds = torch.Generator().manual_seed(SEED), torch.Generator().manual_seed(SEED + 1)
    vocabulary, noise = own.model.llm.lm_head.out_features, []

    def multinomial(probabilities, num_samples):
        if probabilities.shape[-1] != vocabulary:  # an audio token
            drawn = torch.ones(probabilities.shape[-1]).exponential_(generator=sounds)
            return (probabilities / drawn).argmax(dim=-1, keepdim=True)
        if probabilities.ndim == 1:  # the first draw of a word: only whether the second ends
            noise[:] = [torch.ones(21).exponential_(generator=words)]
            ends = (-noise[0][0]).exp() < probabilities[own.chunk_eos_token_id]
            return torch.tensor([own.chunk_eos_token_id if ends else 0])
        values, ids = probabilities[0].topk(20)
        return ids[(values / noise[0][1:]).argmax()].view(1, 1)

    monkeypatch.setattr(torch, "multinomial", multinomial)


def own_units(own, given, monkeypatch, mode):
    """Return what the own code makes of the seconds: (listens, tokens of words, ends the turn, sound, positions)."""
    from PIL import Image

    said = []
    note_end = own.decoder.register_unit_end

    def note(**options):
        said.append(options["generated_tokens"])
        note_end(**options)

    monkeypatch.setattr(own.decoder, "register_unit_end", note)
    out = []
    for image, samples in given:
        assert own.streaming_prefill(samples, [] if image is None else [Image.fromarray(image)])["success"]
        got = own.streaming_generate(decode_mode=mode)
        sound = None if got["is_listen"] else got["audio_waveform"]
        out.append((got["is_listen"], said[-1], got["end_of_turn"], sound, own.decoder.get_cache_length()))
    return out


def our_units(loaded, given, window, temperature):
    model = build_model(loaded, settings_for("none", temperature=temperature, seed=SEED), True, window=window)
    if model.voice is None:  # the own code is told the voice all the same
        heard = Hearing(loaded.model, loaded.processor.audio_processor)
        model._reference = heard.encode(AudioChunk(loaded.reference, 16_000))
    model.begin(INSTRUCTIONS)
    return [
        model.unit([] if image is None else [Frame(k, k, k, image)], samples)
        for k, (image, samples) in enumerate(given)
    ]


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """Return (folder, loaded model) of the real code at tiny size, without its voice."""
    folder = make_checkpoint(tmp_path_factory.mktemp("duplex") / "tiny", assets=False, seed=1)
    loaded = load_real(folder, speech=False)
    loaded.reference = (0.3 * np.sin(np.arange(32_000) / 12)).astype(np.float32)
    return folder, loaded


@pytest.mark.parametrize(("mode", "temperature"), [("greedy", 0.0), ("sampling", 0.7)])
def test_decisions_and_words_are_those_of_the_own_code(silent, monkeypatch, mode, temperature):
    folder, loaded = silent
    given = seconds(36)  # the encoder begins anew after 29, and the window slides several times
    with monkeypatch.context() as patch:
        own = own_duplex(folder, loaded, patch, False, WINDOW)
        draw_as_we_do(own, patch)
        theirs = own_units(own, given, patch, mode)
    ours = our_units(loaded, given, WINDOW, temperature)
    kinds = set()
    for (listens, ids, ends, _sound, used), unit in zip(theirs, ours, strict=True):
        assert (unit.listens, list(unit.ids), unit.ends_turn, unit.used) == (listens, ids, ends, used), (
            unit.number
        )
        kinds |= {"listens" if listens else "speaks", "ends" if ends else "", "words" if ids else ""}
    assert kinds >= {"listens", "speaks", "ends", "words"}
    assert own.decoder._sliding_event_count > 1


class SameSound:
    """A Token2wav of which each audio token becomes 40 ms of its number; notes the pieces that it is given."""

    def __init__(self):
        self.pieces, self.stream_cache, self.hift_cache_dict = [], None, {}

    def set_stream_cache(self, _path):
        return {"flow": torch.zeros(1)}, {"hift": torch.zeros(1)}

    def stream(self, tokens, _prompt=None, last_chunk=False, return_waveform=False, prompt_wav=None):
        self.pieces.append((list(tokens), last_chunk))
        samples = np.repeat(np.float32(tokens if last_chunk else tokens[:-3]) / 8192, 960)
        return samples[None] if return_waveform else (samples * 32768).astype("<i2").tobytes()


def test_audio_tokens_and_their_pieces_are_those_of_the_own_code(tmp_path, monkeypatch):
    folder = make_checkpoint(tmp_path / "tiny", assets=False, seed=1)
    write_wav(tmp_path / "voice.wav", (0.3 * np.sin(np.arange(32_000) / 12)).astype(np.float32))
    for name in VOICE_FILES:
        (folder / "assets" / "token2wav").mkdir(parents=True, exist_ok=True)
        (folder / "assets" / "token2wav" / name).write_text("not read here")
    loaded = load_real(folder, reference_audio_path=str(tmp_path / "voice.wav"))
    sound = loaded.model.tts.audio_tokenizer = SameSound()
    loaded.vocoder = Vocoder(sound, loaded.reference)
    tokens = duplex_tokens(loaded.processor.tokenizer)
    # a turn of three seconds: its start, its middle, its end
    turn = [tokens.speak, 101, 102, 103, tokens.chunk_end, tokens.go_on, 104, tokens.chunk_end]
    turn += [tokens.go_on, 105, tokens.turn_end, tokens.chunk_end]
    given = seconds(3)
    with monkeypatch.context() as patch:
        own = own_duplex(folder, loaded, patch, True, WINDOW)
        draw_as_we_do(own, patch)
        left = iter(turn)
        patch.setattr(own.decoder, "decode", lambda **_options: torch.tensor([next(left)]))
        theirs = own_units(own, given, patch, "greedy")
    their_pieces = list(sound.pieces)
    sound.pieces.clear()
    again = iter(turn)

    def take(decoder, _in_turn):
        token = next(again)
        decoder.force(token)
        return token

    monkeypatch.setattr(UnitDecoder, "pick", take)
    ours = our_units(loaded, given, WINDOW, 0.0)
    assert sound.pieces == their_pieces and [last for _, last in their_pieces] == [False, False, False, True]
    for (listens, ids, ends, heard, used), unit in zip(theirs, ours, strict=True):
        assert (listens, ids, ends, used) == (unit.listens, list(unit.ids), unit.ends_turn, unit.used)
        # theirs went through 16 bits
        assert len(heard) == len(unit.sound) and np.abs(heard - unit.sound).max() < 1e-3
