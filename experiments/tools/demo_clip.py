"""Draw the match that `make demo` plays: a minute of a scripted broadcast with a corner, a goal and a card,
with its sound.

It is encoded small, since it ships inside the package. Two runs give the same bytes with the same x264.

    python -m experiments.demo_clip
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commentator_lib.files import package_data
from commentator_lib.video_writer import H264Writer
from experiments.match_clip.match import FPS, PROGRAMME, width_px, write_broadcast, write_script
from experiments.tools.command_line import help_text, new_app, run_app

SECONDS, SEED, HEIGHT_PX = 60.0, 3, 360
_ENCODER = {"crf": "31.5", "preset": "veryslow", "x264-params": f"keyint={4 * FPS}:min-keyint={FPS}"}

app = new_app()


@app.command(help=help_text(__doc__))
def main(
    out: Annotated[Path | None, typer.Option(help="File to write (default: the package's own clip).")] = None,
) -> None:
    path = out or package_data("clips") / "match.mp4"
    script = write_script(SECONDS, SEED)
    with H264Writer(
        path,
        width_px(HEIGHT_PX),
        HEIGHT_PX,
        FPS,
        encoder=_ENCODER,
        container="mp4",
        bit_exact=True,
        sound_tracks=(PROGRAMME,),
    ) as video:
        write_broadcast(video, script, path.name, progress=True)
    print(path)


if __name__ == "__main__":
    run_app(app, "demo_clip")
