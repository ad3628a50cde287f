"""Make the README's moving picture: part of a run's exported video, with its captions, as an animated WebP.

The demo's run begins with a match that this project draws. The clips after it have origins that must be named with a
picture of them (data/README.md). Look at the picture before you keep it.

    python -m experiments.moving_picture runs/<id> --from-s 27.5 --seconds 12 --out docs/live.webp

The last line on stdout is one JSON object: file, frames, bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from commentator_lib.sources.base import SourceError
from experiments.tools.command_line import help_text, new_app, run_app

ROOT = Path(__file__).resolve().parents[2]


def read_pictures(
    video: Path, from_s: float, seconds: float, fps: float, width_px: int
) -> Iterator[Image.Image]:
    """Yield the pictures of a part of a video, `fps` a second, scaled to `width_px` with the same aspect ratio.

    Raise SourceError where the file cannot be read, or ends before `from_s`.
    """
    import av
    from av.error import FFmpegError

    try:
        container = av.open(str(video))
    except (OSError, FFmpegError) as error:
        raise SourceError(f"cannot read {video}: {error}") from None
    taken = 0
    with container:
        for frame in container.decode(video=0):
            time_s = float(frame.time or 0.0)
            if time_s >= from_s + seconds:
                break
            if time_s < from_s + taken / fps - 1e-6:
                continue
            taken += 1
            picture = frame.to_image()
            height_px = round(picture.height * width_px / picture.width)
            yield picture.resize((width_px, height_px), Image.Resampling.LANCZOS)
    if not taken:
        raise SourceError(f"{video} ends before {from_s:g} s")


def write_webp(pictures: list[Image.Image], path: Path, fps: float, quality: int) -> None:
    """Write pictures as an animated WebP that repeats for ever. `quality`: 0 to 100."""
    first, *others = pictures
    first.save(
        path,
        format="WEBP",
        save_all=True,
        append_images=others,
        duration=round(1000 / fps),
        loop=0,
        quality=quality,
        method=6,
    )


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    run: Annotated[Path, typer.Argument(help="A run's folder, or a video.")],
    out: Annotated[Path, typer.Option(help="The picture to write.")] = ROOT / "docs" / "live.webp",
    from_s: Annotated[float, typer.Option(min=0, help="Where the stretch begins, s.")] = 0.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="Its length, s.")] = 12.0,
    fps: Annotated[float, typer.Option(min=1, max=50, help="Pictures a second.")] = 8.0,
    width_px: Annotated[int, typer.Option(min=16, help="Width, pixels.")] = 480,
    quality: Annotated[int, typer.Option(min=0, max=100, help="WebP's quality.")] = 50,
) -> None:
    video = run / "commentary.mp4" if run.is_dir() else run
    pictures = list(read_pictures(video, from_s, seconds, fps, width_px))
    write_webp(pictures, out, fps, quality)
    print(json.dumps({"file": str(out), "frames": len(pictures), "bytes": out.stat().st_size}))


if __name__ == "__main__":
    run_app(app, "moving_picture")
