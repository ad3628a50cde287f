"""Make a 4-bit model as small as it can be on a GPU, without making it slower.

The language layers move to PyTorch's int4 kernel (int4.py) and the embedding tables to the host's memory
(host_table.py). Of the output head 8 bits stay on the GPU; its exact rows are kept in the host's memory (shortlist.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from commentator_lib.commentators.minicpmo.int4 import find_awq_layers, replace_awq_layers
from commentator_lib.commentators.minicpmo.memory_budget import can_shrink
from commentator_lib.commentators.minicpmo.shortlist import ShortlistHead


def shrink_awq_model(model: Any) -> bool:
    """Shrink an AWQ model in place, and convert the rest of it from float16 to bfloat16. Return whether it was done.

    `model` is the checkpoint's own class (MiniCPMO). It is left alone where the GPU cannot do it, and where one of its
    layers does not fit the int4 kernel.
    """
    if not can_shrink(torch.cuda.get_device_capability()) or not (names := find_awq_layers(model.llm)):
        return False
    from commentator_lib.commentators.minicpmo.host_table import HostTable

    llm = model.llm
    llm.model.embed_tokens = HostTable(llm.model.embed_tokens.weight)
    if hasattr(model, "tts"):
        model.tts.emb_text = HostTable(model.tts.emb_text.weight)
        model.tts.model.embed_tokens = nn.Identity()  # never used: the talker is given embeddings
    llm.lm_head = ShortlistHead(llm.lm_head.weight)
    torch.cuda.empty_cache()
    replace_awq_layers(llm, names)
    to_bfloat16(model)
    torch.cuda.empty_cache()
    return True


def to_bfloat16(model: nn.Module) -> None:
    """Turn every float16 parameter and buffer into bfloat16, in its own memory.

    Other dtypes stay, above all the rotary embedding's float32 frequencies: rounded to bfloat16, their angles would be
    half a radian wrong after some hundred positions.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.dtype == torch.float16:
            # written over itself: a new tensor would leave a hole in the GPU's memory
            tensor.data = tensor.data.view(torch.bfloat16).copy_(tensor.data)
