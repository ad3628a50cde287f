"""How fast MiniCPM-o 4.5 in duplex makes its seconds, and whether it stays so: seconds one behind the other, unpaced.

Each second has a picture and sound. Seconds of three kinds take turns in blocks: the model listens; it speaks with few
words (as many tokens as English speech has in a second); it speaks with as many as a second may have. What it decides
is prescribed, since random weights decide nothing: tokens are picked as ever, and then others are taken in their place.
Minutes are those of the session, 60 seconds each. A second must take less than one: the limit here is 150 ms.

    python -m experiments.bench_duplex --checkpoint random --code MiniCPMO45
"""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer

from commentator_lib.commentators.base import MODEL_STAGES, CommentatorError
from commentator_lib.media import Frame
from commentator_lib.runs.meters import hardware
from commentator_lib.settings import load_settings
from experiments.benchmarks.model.doubles import random_frames, random_sound
from experiments.benchmarks.model.gauges import driver_bytes, memory, spread, synchronised_s
from experiments.benchmarks.model.random_minicpmo import (
    code_folder,
    is_random,
    load_random,
    replace_speech_tokenizer,
)
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

if TYPE_CHECKING:
    from commentator_lib.commentators.minicpmo.loading import Loaded
    from commentator_lib.commentators.minicpmo_duplex.decoder import UnitDecoder
    from commentator_lib.commentators.minicpmo_duplex.model import DuplexModel
    from commentator_lib.commentators.minicpmo_duplex.tokens import DuplexTokens

LIMIT_MS = 150.0
MINUTE_UNITS = 60
# Kinds of seconds, and the tokens of words that one has. English is spoken with about 3 to 4 tokens a second.
KINDS = {"listens": 0, "speaks": 4, "speaks_most": 18}
# Each minute: so many seconds of each kind, one kind after the other; a turn ends with its block.
_BLOCKS = (("listens", 20), ("speaks", 20), ("listens", 5), ("speaks_most", 10), ("listens", 5))
# So many different pictures and seconds of sound take turns.
_DIFFERENT = 8

app = new_app()


@dataclass(frozen=True, slots=True)
class Measured:
    """One second: its kind, how long it took, its stages (s), and the memory at its end (bytes, None on a CPU).

    The driver's count is taken at the end of each minute, and is None elsewhere.
    """

    kind: str
    took_ms: float
    stages_s: dict[str, float | None]
    used: int
    torch_bytes: int | None
    vram_bytes: int | None


def plan(units: int) -> list[str]:
    """Return the kinds of so many seconds.

    >>> kinds = plan(61)
    >>> kinds.count("speaks"), kinds.count("speaks_most"), kinds[20], kinds[60]
    (20, 10, 'speaks', 'listens')
    """
    minute = [kind for kind, count in _BLOCKS for _ in range(count)]
    return [minute[k % MINUTE_UNITS] for k in range(units)]


def prescribed(kind: str, starts: bool, ends: bool, tokens: DuplexTokens) -> Iterator[int]:
    """Yield the tokens of which a second of this kind consists; `starts` and `ends` say whether its turn does."""
    if kind == "listens":
        yield tokens.listen
        return
    yield tokens.speak if starts else tokens.go_on
    yield from range(1, 1 + KINDS[kind] - ends)
    if ends:
        yield tokens.turn_end
    yield tokens.chunk_end


class Prescription:
    """Makes a decoder take `tokens` in place of those that it picks; those are picked all the same, on its graph."""

    def __init__(self, decoder: UnitDecoder) -> None:
        self.tokens: Iterator[int] = iter(())
        self._decoder = decoder
        vars(decoder)["pick"] = self._pick

    def _pick(self, in_turn: bool) -> int:
        self._decoder.draw(in_turn)
        synchronised_s()  # the host waits for each token
        token = next(self.tokens)
        self._decoder.force(token)
        return token


def run_units(model: DuplexModel, kinds: list[str], size: tuple[int, int]) -> list[Measured]:
    """Return what seconds of these kinds took, one behind the other, with pictures of `size` (width, height)."""
    import torch

    from commentator_lib.commentators.minicpmo_duplex.tokens import duplex_tokens

    tokens = duplex_tokens(model.loaded.processor.tokenizer)
    prescription = Prescription(model.decoder)
    frames = random_frames(_DIFFERENT, *size, seed=1)
    sounds = [random_sound(1.0, seed).samples for seed in range(_DIFFERENT)]
    on_gpu = model.loaded.device.type == "cuda"
    model.begin("Describe what happens, in short sentences.")
    out: list[Measured] = []
    for k, kind in enumerate(kinds):
        starts = k == 0 or kinds[k - 1] != kind
        ends = k + 1 == len(kinds) or kinds[k + 1] != kind
        prescription.tokens = prescribed(kind, starts, ends, tokens)
        frame: Frame = frames[k % _DIFFERENT]
        began_s = synchronised_s()
        unit = model.unit([frame], sounds[k % _DIFFERENT])
        took_ms = 1000 * (synchronised_s() - began_s)
        if unit.listens != (kind == "listens"):
            raise RuntimeError(f"second {k} was prescribed as {kind}, and listens: {unit.listens}")
        out.append(
            Measured(
                kind,
                took_ms,
                {stage: getattr(unit.times, f"{stage}_s") for stage in MODEL_STAGES},
                unit.used,
                torch.cuda.memory_allocated() if on_gpu else None,
                driver_bytes() if on_gpu and k % MINUTE_UNITS == MINUTE_UNITS - 1 else None,
            )
        )
        if k % MINUTE_UNITS == MINUTE_UNITS - 1:
            print(f"{k + 1} seconds", file=sys.stderr, flush=True)
    return out


def summarise(measured: list[Measured]) -> dict[str, Any]:
    """Return the times by kind, the times and memory by minute, and how the last whole minute is to the first."""
    out: dict[str, Any] = {"units": len(measured), "limit_ms": LIMIT_MS}
    # 1) by kind
    for kind in KINDS:
        some = [m for m in measured if m.kind == kind]
        if not some:
            continue
        took = [m.took_ms for m in some]
        out[kind] = {
            "n": len(some),
            "word_tokens": KINDS[kind],
            "unit_ms": spread(took),
            "unit_ms_p95": round(float(np.quantile(took, 0.95)), 2),
            "share_within_limit": round(float(np.mean([t <= LIMIT_MS for t in took])), 4),
            "stages_ms": {
                stage: round(1000 * float(np.median([m.stages_s[stage] or 0.0 for m in some])), 2)
                for stage in MODEL_STAGES
            },
        }
    # 2) by minute
    whole = [
        measured[start : start + MINUTE_UNITS]
        for start in range(0, len(measured) - MINUTE_UNITS + 1, MINUTE_UNITS)
    ]
    minutes: list[dict[str, Any]] = [
        {
            "mean_unit_ms": round(float(np.mean([m.took_ms for m in minute])), 2),
            "positions": minute[-1].used,
            "torch_bytes": minute[-1].torch_bytes,
            "vram_bytes": minute[-1].vram_bytes,
        }
        for minute in whole
    ]
    out["minutes"] = minutes
    # 3) the last against the first
    if len(minutes) > 1:
        first, last = minutes[0], minutes[-1]
        out["last_to_first_minute"] = round(last["mean_unit_ms"] / first["mean_unit_ms"], 3)
        for count in ("torch_bytes", "vram_bytes"):
            if first[count] is not None:
                out[f"more_{count}"] = last[count] - first[count]
    return out


def load_model(
    checkpoint: str, code: str, awq: bool, device: str, plain: bool
) -> tuple[DuplexModel, dict[str, Any]]:
    """Return the model, warmed up, and what its loading took."""
    from commentator_lib.commentators.minicpmo_duplex.commentator import MiniCPMODuplexCommentator

    settings = load_settings(
        environment={},
        commentator="minicpmo-duplex",
        model_path="" if checkpoint == "random" else checkpoint,
        device=device,
    )
    load: Callable[[], Loaded] | None = None
    if checkpoint == "random":
        load = partial(load_random, code_folder(code), device, awq, hear=True)
    elif is_random(Path(checkpoint)):
        replace_speech_tokenizer()
    commentator = MiniCPMODuplexCommentator(settings, load, graphs=not plain)
    result: dict[str, Any] = {}
    with memory(result, "load"):
        started_s = time.perf_counter()
        commentator.warm_up()
        result["load_s"] = round(synchronised_s() - started_s, 1)
    model = commentator.model
    result["steps"] = type(model.decoder.sequence).__name__
    return model, result


def measure(
    checkpoint: str, code: str, awq: bool, device: str, units: int, size: tuple[int, int], plain: bool
) -> dict[str, Any]:
    """Return what so many seconds take. Raise UserError and CommentatorError for what cannot be measured here."""
    import torch
    import transformers

    if units < 1 or min(size) < 1:
        raise UserError("--units and --size take whole numbers from 1 on")
    if device == "cuda" and not torch.cuda.is_available():
        raise CommentatorError(
            "this benchmark needs a GPU, and PyTorch sees none; --device cpu for a tiny checkpoint"
        )
    model, loading = load_model(checkpoint, code, awq, device, plain)
    result: dict[str, Any] = {
        "checkpoint": checkpoint,
        "weights": "random" if checkpoint == "random" or is_random(Path(checkpoint)) else "as loaded",
        "dtype": "awq" if awq else str(model.dtype).removeprefix("torch."),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "hardware": hardware(),
        "size": list(size),
        **loading,
    }
    with memory(result, "run"):
        measured = run_units(model, plan(units), size)
    return result | summarise(measured)


@app.command(help=help_text(__doc__))
def main(
    checkpoint: Annotated[str, typer.Option(help="random, or a checkpoint folder")] = "random",
    code: Annotated[str, typer.Option(help="random: the folder with the model's own code")] = "",
    dtype: Annotated[Literal["bf16", "awq"], typer.Option(help="random: which weights to make")] = "bf16",
    device: Annotated[Literal["cuda", "cpu"], typer.Option(help="where it runs")] = "cuda",
    units: Annotated[int, typer.Option(help="seconds of the session")] = 600,
    size: Annotated[tuple[int, int], typer.Option(metavar="WIDTH HEIGHT", help="pixels")] = (448, 448),
    plain: Annotated[bool, typer.Option("--plain", help="without CUDA graphs")] = False,
) -> None:
    print(
        json_module.dumps(measure(checkpoint, code, dtype == "awq", device, units, size, plain)), flush=True
    )


if __name__ == "__main__":
    run_app(app, "bench_duplex")
