"""How much GPU memory MiniCPM-o 4.5 needs, and what to do where there is less.

Computed from the bytes of the weights, so it is known before anything is loaded, and without PyTorch.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec

from commentator_lib.commentators.minicpmo.checkpoint import AWQ_HUB_ID, PUBLISHED_AWQ, Checkpoint
from commentator_lib.commentators.weights import bytes_text

# Activations of vision and prefill, the KV cache of a prompt with ten frames, and the allocator's slack.
TEXT_WORKING_BYTES = 1_500_000_000
# Token2wav: 0.7 GB of weights in fp32, the rest its caches and the convolutions' workspace. With the weights and
# the above this comes to 22.4 GB in BF16, where 20.7 GiB (22.2 GB) was the peak measured.
TOKEN2WAV_BYTES = 2_800_000_000


def kernel_tools() -> tuple[bool, bool]:
    """Return whether Triton is installed, and whether the C compiler that it needs is."""
    return find_spec("triton") is not None, any(map(shutil.which, ("cc", "gcc", "clang")))


def can_shrink(capability: tuple[int, int]) -> bool:
    """Return whether shrink.py can make a 4-bit model smaller on an NVIDIA GPU of this compute capability."""
    return capability >= (8, 0) and all(kernel_tools())


def needed_bytes(checkpoint: Checkpoint, speech: bool, shrink: bool = False, hear: bool = False) -> int:
    """Return the bytes of GPU memory that the checkpoint needs: its loaded weights and its working memory.

    The audio encoder is loaded only with `hear`, the talker only with `speech`.

    `shrink`: the GPU is one on which shrink.py makes a 4-bit model smaller (`can_shrink`). There the embedding tables
    have left the GPU before the vocoder is loaded, and it fits into their room: at most 8.5 GB were measured, without
    the empty CUDA context.
    """
    left_out = {part for part, used in (("audio_encoder", hear), ("talker", speech)) if not used}
    weights = sum(size for part, size in checkpoint.part_bytes.items() if part not in left_out)
    vocoder_is_extra = speech and not (shrink and checkpoint.quantization)
    return weights + TEXT_WORKING_BYTES + (TOKEN2WAV_BYTES if vocoder_is_extra else 0)


def explain_missing_memory(
    checkpoint: Checkpoint,
    speech: bool,
    free_bytes: int,
    total_bytes: int,
    shrink: bool = False,
    hear: bool = False,
) -> str:
    """Return one line: what the checkpoint needs, what the GPU has, and what would fit; "" where it fits."""
    needed = needed_bytes(checkpoint, speech, shrink, hear)
    if needed <= free_bytes:
        return ""
    ways = []
    if needed <= total_bytes:
        ways.append(f"end what else holds {bytes_text(total_bytes - free_bytes)} of it (nvidia-smi names it)")
    deaf = needed_bytes(checkpoint, speech, shrink)
    if hear and deaf <= free_bytes:
        ways.append(f"set hear=false ({bytes_text(deaf)})")
    silent = needed_bytes(checkpoint, False, shrink)
    if speech and silent <= free_bytes:
        ways.append(f"set speech=false ({bytes_text(silent)})")
    awq_silent, awq_speaking = (needed_bytes(PUBLISHED_AWQ, spoken, shrink) for spoken in (False, True))
    if not checkpoint.quantization and awq_silent <= free_bytes:
        and_with = f", {bytes_text(awq_speaking)} with" if speech and awq_speaking <= free_bytes else ""
        ways.append(
            f"take the AWQ INT4 checkpoint, {AWQ_HUB_ID} (about {bytes_text(awq_silent)} without speech{and_with})"
        )
    ways = ways or [
        "set commentator=vlm with a smaller model, commentator=openai with a server elsewhere, or commentator=baseline"
    ]
    return (
        f"MiniCPM-o in {checkpoint.label} {'with' if speech else 'without'} speech needs {bytes_text(needed)} of GPU "
        f"memory, and {bytes_text(free_bytes)} of {bytes_text(total_bytes)} is free: {'; or '.join(ways)}"
    )
