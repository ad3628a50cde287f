"""Configuration of the tests' own tiny model; see modeling_minicpmo.py."""

from transformers import PretrainedConfig, Qwen3Config


class MiniCPMOConfig(Qwen3Config):
    model_type = "minicpmo"

    def __init__(
        self,
        vision_config=None,
        tts_config=None,
        query_num=4,
        init_vision=True,
        init_audio=True,
        init_tts=True,
        **kwargs,
    ):
        self.vision_config = PretrainedConfig(**(vision_config or {}))
        self.tts_config = PretrainedConfig(**(tts_config or {}))
        self.query_num = query_num
        self.init_vision, self.init_audio, self.init_tts = init_vision, init_audio, init_tts
        super().__init__(**kwargs)
