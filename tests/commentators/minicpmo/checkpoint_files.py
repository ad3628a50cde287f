"""Files that look like a checkpoint of MiniCPM-o: names, JSON and weight headers are right, the weights are zeros.

Enough for everything that is checked before a model is loaded; tiny_minicpmo.py makes checkpoints that can be loaded.
"""

from __future__ import annotations

import json
import math
import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.minicpmo.assets import TOKEN2WAV_FILES

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
    """Write a weight file of zeros: the header's length, the header, the bytes. Return its path."""
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


def tone(seconds, rate_hz, level=0.3, hz=220.0):
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def write_wav(path: Path, channels: list[np.ndarray], rate_hz: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.stack(channels, axis=1) * 32767).astype("<i2").tobytes())
    return path


def the_only_line(call, *arguments):
    """Return the text of the CommentatorError that the call raises; it must be one line."""
    with pytest.raises(CommentatorError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text and text == text.strip()
    return text
