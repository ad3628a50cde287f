"""What MiniCPM-o 4.5 costs on this machine, stage by stage: in our loop, and in the model's own code.

Why these quantities: a live commentary starts to speak after preprocessing, vision, prefill, ten tokens, a second of
audio tokens and a second of vocoder. Each stage has its own limit, but the viewer waits for their sum. Our loop must
not be slower than the model's own in any stage, and it must produce the same tokens, or the comparison means nothing.

  preprocess_ms, vision_ms, prefill_ms    frames to embeddings, embeddings to the first token; look_ms is their sum
  decode_ms                               a token, after the first; tokens_per_s is its inverse
  talker_ms, vocoder_ms                   an audio token (25 a second); a second of sound
  first_text_ms, first_sound_ms           from the frames
  speech_compute_s                        wall time of the comment for a second of its sound
  greedy_equal                            greedy decoding: how many tokens agree with the model's own, of how many
  vram_idle_bytes, vram_peak_bytes        the driver's count; by PyTorch's count: torch_* are tensors, torch_reserved_*
                                          what its allocator holds
  start                                   from a process's start, weights on the disk, to the first comment's sound:
    imports_s, load_s, first_sound_s        import packages; load, convert, capture graphs, warm up; the first comment,
                                            to its first sound. to_first_sound_s is their sum
    weights_s                               part of load_s: reading the checkpoint, before it is converted
    read_bytes, disk_bytes                  the checkpoint's size; the bytes read from a disk, by the kernel's count:
                                            if far fewer, the files were still in the system's cache
  hear                                    with its audio encoder and 4 s of sound against without: the ratios of
                                          first_text and first_sound, and more_* bytes

    python -m experiments.bench_model --checkpoint random --dtype bf16 --frames 4 --new-tokens 150 --json
    python -m experiments.bench_model --checkpoint random --dtype awq --compare seed --live 120
    python -m experiments.bench_model --checkpoint /models/MiniCPM-o-4_5-awq --live 120
    python -m experiments.bench_model --checkpoint /models/MiniCPM-o-4_5-awq --steps start speech
    python -m experiments.bench_model --checkpoint random --dtype awq --steps hear

To measure a start without published weights:

    python -m experiments.random_minicpmo /tmp/random-awq --dtype awq
    python -m experiments.bench_model --checkpoint /tmp/random-awq --steps start

`random` is a model of the full published size with random weights: its times and memory are real, its words make no
sense, and its talker never ends by itself (so each text token gets eight audio tokens, 0.3 s, in both loops). It
needs the model's own code: see MINICPMO_CODE_DIR in experiments/benchmarks/model/random_minicpmo.py. The last line on
stdout is one JSON object; with --json it is the only line.
"""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.runs.meters import hardware
from experiments.benchmarks.model.comparison import comparison
from experiments.benchmarks.model.greedy import measure_greedy_equality
from experiments.benchmarks.model.hearing_cost import measure_hearing
from experiments.benchmarks.model.live_run import measure_live_run
from experiments.benchmarks.model.loaded_model import LoadedModel, Options
from experiments.benchmarks.model.our_loop import measure_comments, measure_start, measure_voice
from experiments.benchmarks.model.own_loop import measure_own_stream, measure_own_text
from experiments.benchmarks.model.vocoder_errors import (
    measure_half_precision,
    measure_vocoder_error,
    record_mels,
)
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

# In this order: the model's own code first, because our loop then fuses weights and replaces parts of the vocoder;
# greedy equality last, because it may convert the model to float32.
OWN_STEPS = ("own_chat", "own_stream_text", "own_stream_speech")
STEPS: dict[str, Callable[[LoadedModel, Options], dict[str, Any]]] = {
    "start": lambda bench, _given: measure_start(bench),
    "hear": lambda bench, _given: measure_hearing(bench),
    "own_chat": lambda bench, given: measure_own_text(bench, given.own_tokens),
    "own_stream_text": lambda bench, given: measure_own_stream(bench, False, given.own_tokens),
    "own_stream_speech": lambda bench, given: measure_own_stream(bench, True, given.own_tokens),
    "text": lambda bench, given: measure_comments(bench, False, given.new_tokens),
    "speech": lambda bench, given: measure_comments(bench, True, given.speech_tokens),
    "voice": lambda bench, _given: measure_voice(bench),
    "vocoder_error": lambda bench, _given: measure_vocoder_error(bench),
    "live": lambda bench, given: measure_live_run(bench, given.live, given.live_tokens, given.live_clip),
    "vocoder_float16": lambda bench, _given: measure_half_precision(bench),
    "greedy_equal": lambda bench, given: measure_greedy_equality(bench, given.own_tokens),
}
# These load the model themselves and are measured only when named; "hear" with no other step.
ALONE = {"start", "hear"}
# What `--compare seed` measures: the model's own code, which the nerdpudding project calls, and our loop.
COMPARED = (*OWN_STEPS, "text", "speech", "voice", "vocoder_error", "live")

app = new_app()


def complete(given: Options) -> Options:
    """Fill in the steps that `given` asks for and return it. Raise UserError for options that exclude each other."""
    unknown = given.steps - STEPS.keys()
    if unknown:
        raise UserError(f"--steps takes {', '.join(STEPS)}, and {min(unknown)} is none of them")
    compared = COMPARED if given.compare else ()
    given.steps = {*compared, *given.steps} or {*STEPS} - ALONE
    if "start" in given.steps and ({*OWN_STEPS, "vocoder_error"} & given.steps or given.plain):
        raise UserError(
            "start measures our loop with CUDA graphs alone: without --compare, --plain and the model's own steps"
        )
    if "hear" in given.steps and given.steps != {"hear"}:
        raise UserError("hear loads the model twice: name no other step, and no --compare")
    if given.live_clip and not Path(given.live_clip).is_file():
        raise UserError(f"--live-clip wants a video file, and {given.live_clip} is none")
    if "start" in given.steps and not Path(given.checkpoint).is_dir():
        raise UserError(f"start wants a checkpoint folder, and {given.checkpoint} is none")
    return given


def measure(given: Options) -> dict[str, Any]:
    """Measure the steps of `given` and print them; the last line on stdout is the result as JSON. Return the result.

    Raise UserError for wrong options, CommentatorError where there is no GPU or the model cannot be loaded.
    """
    given = complete(given)
    import torch
    import transformers

    if given.device == "cuda" and not torch.cuda.is_available():
        raise CommentatorError(
            "this benchmark needs a GPU, and PyTorch sees none; --device cpu for a tiny checkpoint"
        )
    # 1) load the model, without CUDA graphs until its own code has been measured
    bench = LoadedModel(given)
    if not bench.quick and bench.speaks and "vocoder_error" in given.steps:
        bench.own_mels = record_mels(bench)
    result: dict[str, Any] = {
        "checkpoint": given.checkpoint,
        "weights": "random" if bench.random else "as loaded",
        "dtype": bench.dtype,
        "gpu": torch.cuda.get_device_name() if given.device == "cuda" else None,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "hardware": hardware(),
        "frames": given.frames,
        "size": list(given.size),
    }
    # 2) measure the steps in their order
    for name, step in STEPS.items():
        if not _is_measured(name, given):
            continue
        if name not in OWN_STEPS and not given.plain and not bench.quick:
            bench.enable_cuda_graphs()
        started_s = time.perf_counter()
        result[name] = step(bench, given)
        print(f"{name}: {time.perf_counter() - started_s:.1f} s", file=sys.stderr, flush=True)
        if not given.json:
            print(f"{name}: {json_module.dumps(result[name], indent=1)}", flush=True)
    # 3) add what loading took, and print everything as one line
    result |= bench.result
    if given.compare and not given.json:
        print(comparison(result), flush=True)
    print(json_module.dumps(result), flush=True)
    return result


def _is_measured(name: str, given: Options) -> bool:
    speaks = name.endswith("speech") or name.startswith("vo")
    if name not in given.steps or (given.text_only and speaks) or (name == "live" and not given.live):
        return False
    return name != "vocoder_float16" or (given.checkpoint == "random" and given.device != "cpu")


def repeat_option(arguments: Sequence[str], option: str) -> list[str]:
    """Return `--steps a b` as `--steps a --steps b`, the form that typer takes.

    >>> repeat_option(["--steps", "text", "live", "--json"], "--steps")
    ['--steps', 'text', '--steps', 'live', '--json']
    """
    out: list[str] = []
    values = -1  # values of the option so far; −1 outside of it
    for argument in arguments:
        if argument == option:
            values = 0
            out.append(argument)
            continue
        if argument.startswith("-"):
            values = -1
        elif values >= 0:
            values += 1
            out += [option] * (values > 1)
        out.append(argument)
    return out


@app.command(help=help_text(__doc__))
def main(
    checkpoint: Annotated[str, typer.Option(help="random, a checkpoint folder or a hub id")] = "random",
    code: Annotated[str, typer.Option(help="random: the folder with the model's own code")] = "",
    dtype: Annotated[Literal["bf16", "awq"], typer.Option(help="random: which weights to make")] = "bf16",
    device: Annotated[Literal["cuda", "cpu"], typer.Option()] = "cuda",
    frames: Annotated[int, typer.Option(help="pictures a comment sees")] = 4,
    size: Annotated[tuple[int, int], typer.Option(metavar="WIDTH HEIGHT", help="pixels")] = (448, 448),
    new_tokens: Annotated[int, typer.Option(help="tokens of a comment that is only written")] = 150,
    speech_tokens: Annotated[int, typer.Option(help="tokens of a comment that is spoken")] = 50,
    own_tokens: Annotated[int, typer.Option(help="tokens of a comment by the model's own code")] = 40,
    repeats: Annotated[int, typer.Option(help="rounds that count, after one that warms up")] = 3,
    text_only: Annotated[bool, typer.Option("--text-only", help="without talker and vocoder")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="our loop without CUDA graphs")] = False,
    vocoder_float16: Annotated[
        bool, typer.Option("--vocoder-float16", help="Token2wav in half precision")
    ] = False,
    live: Annotated[float, typer.Option(metavar="SECONDS", help="and a live run of this length")] = 0.0,
    live_clip: Annotated[
        str, typer.Option(metavar="FILE", help="the video of that run; else a moving square")
    ] = "",
    live_tokens: Annotated[int, typer.Option(help="token cap of that run")] = 20,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STEP ...",
            help=f"which measures, of all: {', '.join(STEPS)}; live needs --live too, start a checkpoint folder and "
            "none of the model's own, hear no other",
        ),
    ] = None,
    compare: Annotated[
        Literal["seed"] | None,
        typer.Option(
            help="beside the nerdpudding project's way, which is the model's own code: what it takes, and a table"
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the JSON line alone")] = False,
) -> None:
    measure(
        Options(
            checkpoint=checkpoint,
            code=code,
            dtype=dtype,
            device=device,
            frames=frames,
            size=size,
            new_tokens=new_tokens,
            speech_tokens=speech_tokens,
            own_tokens=own_tokens,
            repeats=repeats,
            text_only=text_only,
            plain=plain,
            vocoder_float16=vocoder_float16,
            live=live,
            live_clip=live_clip,
            live_tokens=live_tokens,
            steps=set(steps or ()),
            compare=compare or "",
            json=json,
        )
    )


if __name__ == "__main__":
    sys.argv[1:] = repeat_option(sys.argv[1:], "--steps")
    run_app(app, "bench_model")
