"""A tiny model of the tests' own with MiniCPM-o 4.5's interface, as far as the library uses it.

It understands nothing: its weights are random. It has the same parts under the same names (llm, vpm, resampler,
apm, tts), so that every line that drives the real one can be tested on a CPU: a Qwen3 of two layers, a Llama
of two layers as talker, and a "vocoder" that gives each audio token a short tone.
"""

import os
import wave

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from transformers import LlamaConfig, LlamaModel, Qwen3ForCausalLM, Qwen3PreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from .configuration_minicpmo import MiniCPMOConfig

if os.getenv("A_SWITCH_THAT_NOBODY_SETS") == "1":
    import a_package_that_is_not_there  # noqa: F401  the import gate must ignore it

_PATCH = 14


class Resampler(nn.Module):
    """Turns patches into a fixed number of queries; has a position table that is in no checkpoint."""

    def __init__(self, queries, width, vision_width):
        super().__init__()
        self.query = nn.Parameter(torch.zeros(queries, width))
        self.kv_proj = nn.Linear(vision_width, width, bias=False)
        self.max_size = (8, 8)
        self._set_2d_pos_cache(self.max_size)

    def _set_2d_pos_cache(self, max_size, device="cpu"):
        rows, columns = max_size
        width = self.query.shape[1]
        angle = torch.arange(rows * columns, dtype=torch.float32)[:, None] / 10000 ** (
            torch.arange(width) / width
        )
        table = angle.sin().view(rows, columns, width).to(device)
        self.register_buffer("pos_embed", table, persistent=False)

    def forward(self, x, sizes):
        height, width = (int(n) for n in sizes[0])
        table = self.pos_embed[:height, :width].reshape(height * width, -1).to(x.dtype)
        keys = self.kv_proj(x) + table
        weights = (self.query @ keys.transpose(1, 2) / keys.shape[-1] ** 0.5).softmax(-1)
        return weights @ keys


class Projector(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(inputs, outputs), nn.Linear(outputs, outputs)

    def forward(self, x):
        return self.linear2(self.linear1(x).relu())


class MiniCPMTTS(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.audio_bos_token_id = config.audio_bos_token_id
        self.attention_type = config.attention_type
        width = config.hidden_size
        llama = LlamaConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            vocab_size=8,
            max_position_embeddings=4096,
        )
        self.emb_text = nn.Embedding(config.num_text_tokens, width)
        self.model = LlamaModel(llama)
        self.projector_semantic = Projector(config.llm_dim, width)
        self.emb_code = nn.ModuleList([nn.Embedding(config.num_audio_tokens, width)])
        self.head_code = nn.ModuleList([weight_norm(nn.Linear(width, config.num_audio_tokens, bias=False))])
        self.audio_tokenizer = None


class MiniCPMO(Qwen3PreTrainedModel):
    config_class = MiniCPMOConfig

    def __init__(self, config):
        super().__init__(config)
        self.llm = Qwen3ForCausalLM(config)
        self.vpm = nn.Linear(3 * _PATCH * _PATCH, config.vision_config.hidden_size)
        self.resampler = Resampler(config.query_num, config.hidden_size, config.vision_config.hidden_size)
        if config.init_audio:
            self.apm = WhisperEncoder(config.audio_config)
            self.audio_avg_pooler = nn.AvgPool1d(config.audio_pool_step)
            self.audio_projection_layer = Projector(config.audio_config.d_model, config.hidden_size)
        if config.init_tts:
            self.tts = MiniCPMTTS(config.tts_config)

    def get_vllm_embedding(self, data):
        embeds = self.llm.model.embed_tokens(data["input_ids"])
        pictures = []
        for pixels, sizes in zip(data["pixel_values"], data["tgt_sizes"], strict=True):
            for picture in pixels:
                patches = picture.reshape(3, _PATCH, -1, _PATCH).permute(2, 0, 1, 3).flatten(1)
                seen = self.vpm(patches.to(embeds.dtype))[None]
                pictures.append(self.resampler(seen, sizes)[0])
        for picture, (start, end) in zip(pictures, data["image_bound"][0].tolist(), strict=True):
            embeds[0, start:end] = picture
        return embeds, [pictures]

    def get_vision_embedding(self, data):
        weight = self.llm.model.embed_tokens.weight
        tiles = []
        for picture, sizes in zip(data["pixel_values"][0], data["tgt_sizes"][0], strict=True):
            patches = picture.reshape(3, _PATCH, -1, _PATCH).permute(2, 0, 1, 3).flatten(1)
            tiles.append(self.resampler(self.vpm(patches.to(weight.dtype))[None], sizes[None])[0])
        return [torch.stack(tiles)]

    def init_tts(self, streaming=False, model_dir=None, enable_float16=False, n_timesteps=10):
        if not streaming:
            raise ImportError("please install another vocoder")
        self.tts.audio_tokenizer = TinyToken2wav(model_dir, enable_float16, n_timesteps)
        return self.tts.audio_tokenizer


class _Flow(nn.Module):
    """One layer, so that there is a dtype, and buffers with the number of dimensions of the real ones."""

    def __init__(self):
        super().__init__()
        self.spk_embed_affine_layer = nn.Linear(4, 4)
        for value in self.parameters():  # the real one reads its weights from files
            value.data.fill_(0.5)
        self.decoder = nn.Module()
        self.decoder.register_buffer("att_cache_buffer", torch.zeros(16, 1, 2, 1, 1000, 2), persistent=False)
        self.decoder.register_buffer("cnn_cache_buffer", torch.zeros(16, 1, 2, 4, 2), persistent=False)


class TinyToken2wav:
    """Each audio token becomes 40 ms of a tone; the pitch is the token's, the loudness the reference's."""

    def __init__(self, model_path, float16=False, n_timesteps=10):
        with open(f"{model_path}/flow.yaml", encoding="utf-8") as file:
            if "flow:" not in file.read():
                raise ValueError("flow.yaml has no flow")
        self.float16, self.n_timesteps = float16, n_timesteps
        self.flow = _Flow()
        if float16:
            self.flow.half()
        self.stream_cache, self.hift_cache_dict = None, {}

    def set_stream_cache(self, prompt_wav):
        with wave.open(prompt_wav) as file:
            assert file.getframerate() == 16_000 and file.getnchannels() == 1
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768
        print("prompt", len(samples))
        level = self.flow.spk_embed_affine_layer(torch.ones(1, 4)) * 0 + float(np.abs(samples).mean())
        return {"level": level.float()}, {"position": torch.zeros(1, dtype=torch.long)}

    def stream(self, tokens, prompt_wav, last_chunk=False, return_waveform=False):
        if self.stream_cache is None:
            raise ValueError("stream_cache is not set")
        used = tokens if last_chunk else tokens[:-3]
        at = int(self.hift_cache_dict["position"])
        self.hift_cache_dict["position"] += 960 * len(used)
        times = torch.arange(at, at + 960 * len(used)) / 24_000
        pitch = torch.tensor(used).repeat_interleave(960) % 500 + 200
        level = self.stream_cache["level"].mean()
        return (level * (2 * torch.pi * pitch * times).sin())[None].numpy()
