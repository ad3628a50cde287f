"""What the workbench itself costs: processor, memory and import time, without a model.

Why these quantities: the loop shares the processor with the commentator, on a laptop as on a GPU machine whose
processor feeds a model. So the loop is measured with a commentator that says nothing and costs nothing (capture,
decoding, display, window, scene measures and log remain), and again with the baseline commentator and the embedded
voice. Memory that grows shows only in long sessions: it is compared between minute 2 and minute 10. Import time is
what a notebook's first cell waits for.

How: live runs in real time of `--seconds` each, on Big Buck Bunny re-encoded at the size and rate named;
processor time of the whole process (all threads, user and system) over wall time, from second 3 on, as a
share of one core. Memory: a 10-minute replay in virtual time over the same clip. Import: the median of five
fresh interpreters.

    python -m experiments.bench_overhead --seconds 20

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.runs.meters import hardware
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.open import demo_clips
from experiments.benchmarks.session_cost import MemoryMarks, core_share_of
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

SIZES = ((640, 360, 25), (1280, 720, 30))


def make_clip(path: Path, width: int, height: int, fps: int) -> None:
    """Write Big Buck Bunny to `path`: H.264, `width` × `height` pixels, `fps` frames a second."""
    import av

    with av.open(demo_clips()[0]) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps, options={"preset": "fast", "crf": "21"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for k, frame in enumerate(source.decode(video=0)):
            picture = frame.reformat(width=width, height=height, format="yuv420p")
            picture.pts, picture.time_base = k, Fraction(1, fps)
            for packet in stream.encode(picture):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)


def core_share(clip: Path, seconds: float, baseline: bool, folder: Path) -> tuple[float, float]:
    """Run live for `seconds`, with the baseline commentator or a silent one.

    Return (processor time as a share of one core, share of the source's frames that were shown).
    """
    quiet = ScriptedCommentator(["..."], CostModel(0.0, 0, 0, 0, 0))
    settings = Settings() if baseline else Settings(commentator="scripted")
    session = LiveSession(
        [str(clip)], settings, commentator=None if baseline else quiet, duration_s=seconds, run_dir=folder
    )
    share = core_share_of(session, seconds)
    header = session.log.header
    return share, header["frames_shown"] / (header["frames_shown"] + header["frames_dropped"])


def rss_growth_mb(clip: Path, folder: Path) -> float:
    """Return by how many MB resident memory grows from minute 2 to minute 10 of a session in virtual time."""
    marks = MemoryMarks()
    LiveSession(
        [str(clip)],
        Settings(commentator="scripted", change_threshold=0.0),
        commentator=ScriptedCommentator(cost=CostModel(1.0, 0.15, 5.0, 1.0, 0.5)),
        mode="replay",
        duration_s=600.0,
        run_dir=folder,
        on_drawn=marks.drawn,
    ).run()
    return marks.growth_mb()


def import_s(statement: str) -> float:
    """Return the median seconds that an import statement takes in five fresh interpreters."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    return statistics.median(times)


app = new_app()


@app.command(help=help_text(__doc__))
def main(seconds: Annotated[float, typer.Option(help="Length of each live run, s.")] = 20.0) -> None:
    if seconds < 8:
        raise UserError("give 8 seconds or more: the first 3 of each run do not count")
    # `core_share_with_eye` is an old key ("basic eye" was the baseline's first name); results have it.
    result: dict = {}
    with tempfile.TemporaryDirectory() as temporary, tqdm(total=2 * len(SIZES) + 2, disable=None) as bar:
        folder = Path(temporary)
        # 1) processor time at each size, without and with the baseline
        clips = []
        for width, height, fps in SIZES:
            clip = folder / f"{width}x{height}.mp4"
            make_clip(clip, width, height, fps)
            clips.append(clip)
            row, shown = {}, {}
            for key, baseline in (("core_share", False), ("core_share_with_eye", True)):
                bar.set_description(f"{width}×{height} {'with' if baseline else 'without'} the baseline")
                row[key], shown[key] = core_share(clip, seconds, baseline, folder / f"{width}-{baseline}")
                bar.update()
            result[f"{width}x{height}@{fps}"] = {k: round(v, 4) for k, v in row.items()}
            print(
                f"{width}×{height} at {fps} fps: {row['core_share']:.1%} of one core without the baseline"
                f" ({shown['core_share']:.2%} of frames shown), {row['core_share_with_eye']:.1%} with it"
                f" ({shown['core_share_with_eye']:.2%} shown)"
            )
        # 2) memory
        bar.set_description("10 virtual minutes")
        result["rss_growth_mb"] = round(rss_growth_mb(clips[0], folder / "memory"), 2)
        bar.update()
        # 3)         bar.set_description("import")
        result["import_s"] = round(import_s("import commentator_lib"), 3)
        # the package imports a name's module when the name is first used; this includes that time
        result["import_session_s"] = round(import_s("from commentator_lib import LiveSession"), 3)
        bar.update()
    machine = hardware()
    print(f"memory grew by {result['rss_growth_mb']:.1f} MB from minute 2 to minute 10")
    print(f"import takes {result['import_s']:.3f} s, with LiveSession {result['import_session_s']:.2f} s")
    print(f"on {machine['processor']}, {machine['cores']} cores, load {os.getloadavg()[0]:.1f}")
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_overhead")
