"""Configuration of the tests' own tiny model; see modeling_minicpmo.py."""

from transformers import PretrainedConfig, Qwen3Config, WhisperConfig


class MiniCPMOConfig(Qwen3Config):
    model_type = "minicpmo"

    def __init__(
        self,
        vision_config=None,
        tts_config=None,
        audio_config=None,
        audio_pool_step=5,
        audio_chunk_length=1.0,
        query_num=4,
        init_vision=True,
        init_audio=True,
        init_tts=True,
        **kwargs,
    ):
        self.vision_config = PretrainedConfig(**(vision_config or {}))
        self.tts_config = PretrainedConfig(**(tts_config or {}))
        self.audio_config = WhisperConfig(**(audio_config or {}))
        self.audio_pool_step, self.audio_chunk_length = audio_pool_step, audio_chunk_length
        self.query_num = query_num
        self.init_vision, self.init_audio, self.init_tts = init_vision, init_audio, init_tts
        super().__init__(**kwargs)
