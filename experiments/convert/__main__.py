"""Convert timed text or timed events of a clip from one format to another: captions, data sets, benchmarks' results.

IN may also be the folder of a run: then what its commentator said, and what its watchers noticed, is written in the
form in which the scripts of a benchmark read it. docs/convert.md lists the formats and what is lost between them.

    python -m experiments.convert --from livesports --to webvtt LiveSports-3K-CC.csv match.vtt --video VIDEO_ID
    python -m experiments.convert --to soccernet-caption runs/20261201-… results_dense_captioning.json
    python -m experiments.convert --formats

An existing OUT is replaced with --force only. Bad input is one line and exit code 2, and nothing is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commentator_lib.truth.base import TruthError
from commentator_lib.truth.files import FORMATS
from experiments.convert.convert import convert
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

app = new_app()


def _print_formats(wanted: bool) -> None:
    if wanted:
        for form in FORMATS.values():
            print(f"{form.name:<20} {'read, write' if form.write else 'read':<12} {form.what}")
        raise typer.Exit


@app.command(help=help_text(__doc__))
def main(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file, or a run's folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    to: Annotated[str, typer.Option("--to", help="Format to write.")],
    name: Annotated[
        str | None, typer.Option("--from", help="Format of IN. Default: told by its content.")
    ] = None,
    video: Annotated[str, typer.Option(help="Only this video, of a file that speaks of several.")] = "",
    clip: Annotated[Path | None, typer.Option(help="A video file: times beyond its end are refused.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
    formats: Annotated[
        bool, typer.Option("--formats", help="List the formats.", is_eager=True, callback=_print_formats)
    ] = False,
) -> None:
    try:
        print(convert(source, out, to, name, video, clip, force))
    except TruthError as error:
        raise UserError(str(error)) from None


if __name__ == "__main__":
    run_app(app, "convert")
