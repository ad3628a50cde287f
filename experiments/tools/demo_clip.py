"""Draw the match that `make demo` plays: a minute of a scripted broadcast with a corner, a goal and a card.

It is encoded small, since it ships inside the package. Two runs give the same bytes with the same x264.

    python -m experiments.demo_clip
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commentator_lib.files import package_data
from commentator_lib.video_writer import H264Writer
from experiments.match_clip.draw import draw
from experiments.match_clip.match import FPS, width_px, write_script
from experiments.tools.command_line import help_text, new_app, run_app

SECONDS, SEED, HEIGHT_PX = 60.0, 3, 360
_ENCODER = {"crf": "31", "preset": "veryslow", "x264-params": f"keyint={4 * FPS}:min-keyint={FPS}"}

app = new_app()


@app.command(help=help_text(__doc__))
def main(
    out: Annotated[Path | None, typer.Option(help="File to write (default: the package's own clip).")] = None,
) -> None:
    from tqdm import tqdm

    path = out or package_data("clips") / "match.mp4"
    script = write_script(SECONDS, SEED)
    width = width_px(HEIGHT_PX)
    with H264Writer(path, width, HEIGHT_PX, FPS, encoder=_ENCODER, container="mp4", bit_exact=True) as video:
        for k in tqdm(range(script.frames), desc=path.name, unit="frame"):
            video.write(draw(script, k, width, HEIGHT_PX))
    print(path)


if __name__ == "__main__":
    run_app(app, "demo_clip")
