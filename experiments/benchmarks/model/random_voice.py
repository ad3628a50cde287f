"""MiniCPM-o's voice with random weights: Token2wav's files, a reference recording, and a double of its tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.model.random_config import FLOW

WEIGHT_SPREAD = 0.02
# The content of the file in place of the tokenizer's weights; `is_random` recognises a checkpoint by it.
TOKENIZER_STAND_IN = "stands for weights that are drawn"


class _RandomSpeechTokenizer:
    """Replaces the tokenizer of the reference recording, a separate ONNX model.

    It gives the same number of tokens, at random, and takes the same GPU memory (496 MB in CosyVoice 2).
    """

    def cuda(self) -> _RandomSpeechTokenizer:
        import torch

        self._weights = torch.empty(496_000_000, dtype=torch.uint8, device="cuda")
        return self

    def eval(self) -> _RandomSpeechTokenizer:
        return self

    def quantize(self, mels: Any, lengths: Any) -> tuple[Any, Any]:
        import torch

        count = int(lengths[0]) // 4  # 100 mel frames a second, 25 tokens
        device = mels.device
        return torch.randint(0, 6561, (1, count), device=device), torch.tensor([count], device=device)


def write_token2wav(folder: Path) -> None:
    """Write Token2wav's files for the full architecture with random weights, in the layout of minicpmo-utils 1.0.6.

    Layers that are initialised with zeros, such as the output layers, become random too: zeros may be faster.
    """
    # These packages come with the extra minicpmo and with minicpmo-utils; the type checker does not find them.
    import onnx  # pyright: ignore[reportMissingImports]
    import torch
    from hyperpyyaml import load_hyperpyyaml  # pyright: ignore[reportMissingImports]
    from onnx import TensorProto, helper, numpy_helper  # pyright: ignore[reportMissingImports]
    from stepaudio2 import token2wav  # pyright: ignore[reportMissingImports]

    # 1) the flow model and HiFT
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flow.yaml").write_text(FLOW)
    token2wav._setup_cosyvoice2_alias()
    flow = load_hyperpyyaml(FLOW)["flow"]
    with torch.no_grad():
        for value in flow.parameters():
            if not value.any():
                value.normal_(0, WEIGHT_SPREAD)
    torch.save(flow.state_dict(), folder / "flow.pt")
    torch.save(token2wav.HiFTGenerator().state_dict(), folder / "hift.pt")
    # 2) the speaker's embedding: any small ONNX model with the right shapes
    weight = numpy_helper.from_array(
        np.random.default_rng(0).normal(size=(80, 192)).astype(np.float32), "weight"
    )
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "weight"], ["y"]),
        ],
        "speaker",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "T", 80])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 192])],
        [weight, axes],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9),
        folder / "campplus.onnx",
    )
    # 3) the tokenizer
    (folder / "speech_tokenizer_v2_25hz.onnx").write_text(TOKENIZER_STAND_IN)


def replace_speech_tokenizer() -> None:
    """Make Token2wav use the double of the recording's tokenizer, an ONNX model that cannot get random weights."""
    import s3tokenizer  # pyright: ignore[reportMissingImports]  comes with minicpmo-utils

    s3tokenizer.load_model = lambda *_args, **_options: _RandomSpeechTokenizer()


def recording() -> np.ndarray:
    """Return six seconds of noise, (96000,) float32 at 16 kHz: the recording of the voice to imitate."""
    return np.random.default_rng(0).normal(0, 0.05, 6 * 16_000).astype(np.float32)
