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

from commentator_lib.sources.video import FileSource
from commentator_lib.truth.base import Timeline, TruthError, check_times
from commentator_lib.truth.files import FORMATS, find_format, read_truth, write_truth
from experiments.convert.from_run import read_run
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

app = new_app()


def convert(
    source: Path,
    out: Path,
    to: str,
    name: str | None = None,
    video: str = "",
    clip: Path | None = None,
    force: bool = False,
) -> str:
    """Convert a file, or a run's folder; return one line that says what was written. Raise TruthError for bad input.

    `name`: the format of `source`, told by its content where it is None. `video`: only this one. `clip`: a video file
    within whose length all times must lie.
    """
    target = find_format(to)
    if target.write is not None and out.exists() and not force:  # before a long file is read
        raise TruthError(f"{out} exists already; --force replaces it")
    if source.is_dir():
        timeline, form = read_run(source), "run"
        check_times(timeline, False)
    else:
        timeline, read_as = read_truth(source, name)
        form = read_as.name
    timeline = _only(timeline, video, source)
    if clip is not None:
        opened = FileSource(str(clip))
        clip_s = opened.info.duration_s
        opened.close()
        try:
            check_times(timeline, False, clip_s)
        except TruthError as error:
            raise TruthError(f"{source} cannot be used: {error}") from None
    try:
        write_truth(timeline, out, target, force)
    except TruthError as error:
        raise TruthError(f"{source} cannot be written as {to}: {error}") from None
    return f"{out}: {to} from {form}, {len(timeline.texts)} texts and {len(timeline.events)} events"


def _only(timeline: Timeline, video: str, source: Path) -> Timeline:
    if not video:
        return timeline
    if video not in timeline.videos:
        raise TruthError(
            f"{source} does not speak of the video {video!r}; it has {', '.join(timeline.videos[:5])}"
        )
    return timeline.of_video(video)


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
