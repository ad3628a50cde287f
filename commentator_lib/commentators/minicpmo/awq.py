"""AWQ's 4-bit layers in plain PyTorch, for machines without a GPU or without AutoAWQ.

AutoAWQ's own layers are used where they run (on a GPU, with the package). The layer here dequantises its weight in
each call. That is slow, but it needs nothing beyond PyTorch and runs on a CPU, and it is the reference that the faster
kernel is tested against.

Packing, by AutoAWQ's GEMM layout: an int32 holds eight 4-bit numbers of one row, in the order 0 2 4 6 1 3 5 7 from the
lowest bits up. weight = (number − zero) · scale, with one zero and one scale for each group of input features.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

METHOD = "awq_plain"
_SHIFTS = (0, 16, 4, 20, 8, 24, 12, 28)


def unpack(packed: Tensor) -> Tensor:
    """Return the numbers (rows, n) uint8, 0 to 15, of `packed` (rows, n / 8) int32."""
    shifts = torch.tensor(_SHIFTS, dtype=torch.int32, device=packed.device)  # (8,)
    numbers = (packed.unsqueeze(-1) >> shifts) & 15  # (rows, n / 8, 8)
    return numbers.reshape(packed.shape[0], -1).to(torch.uint8)


def dequantise(qweight: Tensor, qzeros: Tensor, scales: Tensor, group_size: int) -> Tensor:
    """Return the weight (in, out) in the dtype of `scales` (in / group, out).

    `qweight` (in, out / 8) and `qzeros` (in / group, out / 8) are int32.
    """
    numbers = unpack(qweight).view(-1, group_size, scales.shape[1])  # (in / group, group, out)
    zeros = unpack(qzeros).unsqueeze(1)  # (in / group, 1, out)
    weight = (numbers.to(scales.dtype) - zeros.to(scales.dtype)) * scales.unsqueeze(
        1
    )  # (in / group, group, out)
    return weight.view(-1, scales.shape[1])


class AwqLinear(nn.Module):
    """A linear layer with the buffers of an AWQ checkpoint: qweight, qzeros, scales, and maybe a bias."""

    qweight: Tensor  # (in, out / 8) int32
    qzeros: Tensor  # (in / group, out / 8) int32
    scales: Tensor  # (in / group, out) float16
    bias: Tensor | None  # (out,) float16

    def __init__(self, inputs: int, outputs: int, bias: bool, group_size: int) -> None:
        super().__init__()
        self.in_features, self.out_features, self.group_size = inputs, outputs, group_size
        self.register_buffer("qweight", torch.zeros(inputs, outputs // 8, dtype=torch.int32))
        self.register_buffer("qzeros", torch.zeros(inputs // group_size, outputs // 8, dtype=torch.int32))
        self.register_buffer("scales", torch.zeros(inputs // group_size, outputs, dtype=torch.float16))
        self.register_buffer("bias", torch.zeros(outputs, dtype=torch.float16) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., out) for x (..., in), in the dtype of x."""
        weight = dequantise(self.qweight, self.qzeros, self.scales.to(x.dtype), self.group_size)
        return F.linear(x, weight.T, self.bias.to(x.dtype) if self.bias is not None else None)


def replace_linears(model: nn.Module, skipped: list[str], group_size: int) -> int:
    """Replace every linear layer that is under none of the `skipped` names by an AwqLinear; return how many."""
    replaced = 0
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and not any(_is_under(name, skip) for skip in skipped):
            new = AwqLinear(layer.in_features, layer.out_features, layer.bias is not None, group_size)
            model.set_submodule(name, new.to(layer.weight.device))
            replaced += 1
    return replaced


def _is_under(name: str, skipped: str) -> bool:
    return name == skipped or name.startswith(f"{skipped}.")


@register_quantization_config(METHOD)
class AwqPlainConfig(QuantizationConfigMixin):
    """The parts of a checkpoint's `quantization_config` that are needed here."""

    def __init__(
        self, group_size: int = 128, modules_to_not_convert: list[str] | None = None, **_kwargs
    ) -> None:
        # transformers declares its own enum's type here, and takes the name of a registered method
        self.quant_method = METHOD  # pyright: ignore[reportAttributeAccessIssue]
        self.group_size = group_size
        self.modules_to_not_convert = modules_to_not_convert or []


@register_quantizer(METHOD)
class AwqPlainQuantizer(HfQuantizer):
    """Tells transformers to load an AWQ checkpoint into AwqLinear layers."""

    requires_calibration = True  # only checkpoints that are quantised already

    def _process_model_before_weight_loading(self, model, **_kwargs):
        config: Any = self.quantization_config  # an AwqPlainConfig; transformers declares its base class
        replace_linears(model, config.modules_to_not_convert, config.group_size)
        return model

    def _process_model_after_weight_loading(self, model, **_kwargs):
        return model

    # transformers declares that these two return nothing.
    def is_serializable(self, safe_serialization=None) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        return False

    @property
    def is_trainable(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        return False
