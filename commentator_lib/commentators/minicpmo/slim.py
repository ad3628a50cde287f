"""A 4-bit model as small as it can be made on a GPU, and as fast.

Who takes 4 bits wants the memory. So the language layers move to the int4 kernel (int4.py), the embeddings' tables to
the host's memory (host_table.py), and of the output head 8 bits stay, and its exact rows go there too (shortlist.py).
"""

from __future__ import annotations

import torch
from torch import nn

from commentator_lib.commentators.minicpmo.checkpoint import can_slim
from commentator_lib.commentators.minicpmo.int4 import awq_layers, replace_awq_layers
from commentator_lib.commentators.minicpmo.shortlist import ShortlistHead


def slim(model) -> bool:
    """Do so with an AWQ model, where that can be; all else then is bfloat16 too. Whether it was done."""
    if not can_slim(torch.cuda.get_device_capability()) or not (names := awq_layers(model.llm)):
        return False
    from commentator_lib.commentators.minicpmo.host_table import HostTable

    llm = model.llm
    llm.model.embed_tokens = HostTable(llm.model.embed_tokens.weight)
    if hasattr(model, "tts"):
        model.tts.emb_text = HostTable(model.tts.emb_text.weight)
        model.tts.model.embed_tokens = nn.Identity()  # it is given embeddings
    llm.lm_head = ShortlistHead(llm.lm_head.weight)
    torch.cuda.empty_cache()
    replace_awq_layers(llm, names)
    to_bfloat16(model)
    torch.cuda.empty_cache()
    return True


def to_bfloat16(model: nn.Module) -> None:
    """What is float16. The rest stays: the rotary embedding's frequencies, rounded, would be half a radian off after
    some hundred positions."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.dtype == torch.float16:  # in its own memory, or it would leave a hole
            tensor.data = tensor.data.view(torch.bfloat16).copy_(tensor.data)
