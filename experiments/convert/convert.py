"""Convert one file into another."""

from __future__ import annotations

from pathlib import Path

from commentator_lib.sources.video import FileSource
from commentator_lib.truth.base import Timeline, TruthError, check_times
from commentator_lib.truth.files import find_format, read_truth, write_truth
from commentator_lib.truth.formats.parsing import names_of
from experiments.convert.from_run import read_run


def convert(
    source: Path,
    out: Path,
    to: str,
    name: str | None = None,
    video: str = "",
    clip: Path | None = None,
    force: bool = False,
) -> str:
    """Convert a file, or a run's folder; return one line that says what was written.

    `name`: the format of `source`, told by its content where it is None. `video`: only this one. `clip`: a video file
    within whose length all times must lie. Raise TruthError, or another error of one line for users, for bad input.
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
            f"{source} does not speak of the video {video!r}; it has {names_of(timeline.videos)}"
        )
    return timeline.of_video(video)
