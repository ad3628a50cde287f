"""The command line: `commentator run | serve | watch | export | settings | check | sources`.

It turns arguments into settings, and errors into one line. `terminal` prints tables and progress.
Long because it lists the options of all commands.

Exit codes: 0 done; 1 a fault during the run (a full disk, a live source that was lost and given up), or `check` found
that something needed is missing; 2 bad input; 3 all comments of the run failed; 130 Ctrl-C or SIGTERM, after everything
that was finished has been written. A reader of stdout that goes away, as `head` does, changes neither the run nor its
exit code.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from commentator_lib.clock import MODES
from commentator_lib.commentators.base import CommentatorError
from commentator_lib.errors import named_first_line
from commentator_lib.logs import show_log
from commentator_lib.runs.faults import lasting_failure
from commentator_lib.runs.record import RunLogError
from commentator_lib.runs.timeline import ExportError
from commentator_lib.settings import (
    PRESETS,
    Settings,
    SettingsError,
    load_settings,
    parse_assignment,
    save_settings,
)
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.open import open_source
from commentator_lib.standard_streams import output_problem
from commentator_lib.terminal import (
    CommentPrinter,
    complain,
    export_with_progress,
    is_terminal,
    print_checks,
    print_settings,
    print_sources,
    print_summary,
    print_table,
    run_with_progress,
    watch_with_progress,
    write_report_or_complain,
)
from commentator_lib.truth.base import TruthError

logger = logging.getLogger(__name__)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Live AI video commentary: run it, hear it, measure it.",
    epilog="Exit codes: 0 done; 1 a fault during the run, such as a full disk or a camera that did not come back, or "
    "`check` found that something needed is missing; 2 bad input; 3 all comments of the run failed; 130 stopped by "
    "Ctrl-C or SIGTERM.",
)

_DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO}
_INTERRUPTED = 130  # the shells' code for a command that Ctrl-C has ended
_ALL_FAILED = 3
_USER_ERRORS = (SettingsError, SourceError, CommentatorError, RunLogError, ExportError, TruthError)


def main() -> None:
    """Run the command line and exit; see `commentator_lib.__main__`."""
    try:
        _exit_with(app(standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        complain("stopped")
        _exit_with(_INTERRUPTED)
    except _USER_ERRORS as error:
        complain(str(error))
        sys.exit(2)
    except OSError as error:
        if error.errno not in _DISK_FAULTS:
            raise
        complain(
            f"cannot write {error.filename or 'the results'}: {error.strerror}; what was written before is readable"
        )
        sys.exit(1)
    except Exception as error:  # wrong usage; typer's own click has no public name for its errors
        format_message, exit_code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
        if format_message is None or exit_code is None:
            raise
        complain(format_message())
        sys.exit(exit_code)


def _exit_with(code: int) -> NoReturn:
    """End the process. After a Ctrl-C, end it without any clean-up: everything is written by then, and a library that
    was interrupted while loading may abort in its destructors, which would turn the exit code into -6."""
    sys.stdout.flush()
    if (problem := output_problem()) and code == 0:
        complain(f"stdout cannot be written: {problem}")
        code = 1
    sys.stderr.flush()
    if code == _INTERRUPTED:
        os._exit(code)
    sys.exit(code)


def _raise_on_ctrl_c() -> None:
    """Let Ctrl-C and SIGTERM raise KeyboardInterrupt from now on, so that the run is ended properly."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


_Verbose = Annotated[
    int,
    typer.Option("--verbose", "-v", count=True, help="Show the library's log on stderr; -vv with details."),
]
_LogFile = Annotated[Path | None, typer.Option("--log-file", help="Append the library's log to this file.")]
_SettingsFile = Annotated[Path | None, typer.Option("--settings", help="TOML file with settings.")]
_Preset = Annotated[str | None, typer.Option(help=f"Start from a preset: {', '.join(PRESETS)}.")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="A setting, name=value; repeatable. See `commentator settings`."),
]

_Profile = Annotated[
    str | None, typer.Option(help="Prompt profile: general (the default), sports, security, …")
]
_Instruction = Annotated[
    str | None, typer.Option("--instruction", "-i", help="What to watch for. Default: the profile's own.")
]
_Speech = Annotated[
    bool | None, typer.Option("--speech/--text-only", help="Speak (the default), or captions only.")
]


def _gather_settings(
    file: Path | None, preset: str | None, assignments: list[str] | None, **more: object
) -> Settings:
    """Return the settings of all layers; `more` are the options for single settings, None where not given."""
    given: dict[str, Any] = dict(parse_assignment(text) for text in assignments or [])
    given |= {name: value for name, value in more.items() if value is not None}
    return load_settings(file, preset, **given)


@app.command()
def run(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="Clips or pictures, a folder, a pattern or a list of them; a URL; a camera; screen; - for a pipe; "
            "or demo. `commentator sources` lists them all."
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            "--duration",
            "-d",
            help="How long to play, s; clips are repeated as needed, streams end. Default: the clips' own length.",
        ),
    ] = None,
    start: Annotated[float, typer.Option(help="Where clips begin, s.")] = 0.0,
    loop: Annotated[
        bool, typer.Option("--loop", help="Repeat clips until --duration, else until Ctrl-C.")
    ] = False,
    settings: _SettingsFile = None,
    preset: _Preset = None,
    assignments: _Set = None,
    profile: _Profile = None,
    instruction: _Instruction = None,
    speech: _Speech = None,
    mode: Annotated[
        str, typer.Option(help="live (real time), replay (virtual time), what-if (nothing computed).")
    ] = "live",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder in which the run's own folder is made.")
    ] = Path("runs"),
    video: Annotated[bool, typer.Option("--video/--no-video", help="Make commentary.mp4 at the end.")] = True,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Measure the run against this file: captions or events of the clip, docs/convert.md."
        ),
    ] = None,
    truth_format: Annotated[
        str | None, typer.Option("--truth-format", help="Its format. Default: told by its content.")
    ] = None,
    verbose: _Verbose = 0,
    log_file: _LogFile = None,
) -> None:
    """Comment on a clip, a stream or a camera, live, and leave a folder with the recording, the log and a report."""
    show_log(verbose, log_file)
    # 1) Check the mode and gather the settings.
    from commentator_lib.runs.provenance import new_run_id
    from commentator_lib.session import LiveSession
    from commentator_lib.truth.against import check_truth

    if mode not in MODES:
        raise SettingsError(f"unknown mode {mode!r}; known are {', '.join(MODES)}")
    chosen = _gather_settings(
        settings, preset, assignments, profile=profile, instruction=instruction, speech=speech
    )
    if truth is not None:
        check_truth(truth, truth_format, source or [], loop)
    # 2) Prepare the session; bad input is refused here.
    folder = out / new_run_id()
    printer = CommentPrinter()
    session = LiveSession(
        list(source or ["demo"]),
        chosen,
        mode=mode,
        duration_s=duration,
        start_s=start,
        loop=loop,
        run_dir=folder,
        on_caption=printer.print_caption,
        on_drawn=printer.note_picture,
    )
    printer.name = session.log.header["commentator"]
    printer.start_s = 0.0 if session.source.info.live else start
    # 3) Run it. Until it has started, an interrupt may end the process at once: nothing has been said or shown.
    try:
        interrupted = run_with_progress(session, on_start=_raise_on_ctrl_c)
    except Exception:
        write_report_or_complain(folder)
        raise
    if session.log.problem:
        write_report_or_complain(folder)
        kept = "; what was written before is readable" if (folder / "run.json").exists() else ""
        complain(f"{session.log.problem}; the run was ended{kept}")
        raise typer.Exit(1)
    # 4) Write plot, report, captions and video.
    is_measured = truth is None or _measure(folder, truth, truth_format)
    _write_results(folder, video, interrupted)
    if interrupted:
        raise typer.Exit(_INTERRUPTED)
    if not is_measured:
        raise typer.Exit(2)
    # 5) A camera or stream that did not come to its own end is a fault.
    if session.source.info.live and (problem := session.log.header["source_problem"]):
        complain(f"the source was given up: {problem}")
        raise typer.Exit(1)
    # 6) So is a run whose comments all failed.
    if failure := lasting_failure(session.log.cycle_rows):
        complain(f"every comment failed: {failure}")
        raise typer.Exit(_ALL_FAILED)


def _measure(folder: Path, truth: Path, truth_format: str | None) -> bool:
    """Measure a run against a truth, and print what was found; return False where it could not be measured."""
    from commentator_lib.runs.report import format_table
    from commentator_lib.truth.against import measure_folder

    try:
        rows = measure_folder(folder, truth, truth_format)
    except TruthError as error:
        complain(str(error))
        return False
    print(f"\nmeasured against {truth}")
    if is_terminal():
        print_table(rows, styles=("bold",))
    else:
        print(format_table(rows))
    return True


def _write_results(folder: Path, video: bool, interrupted: bool) -> None:
    """Write plot, report, captions and video from the run's log; print its summary even if the video fails."""
    from commentator_lib.runs.figures import plot_run
    from commentator_lib.runs.reader import load_run

    run = load_run(folder)
    plot_run(run, folder / "latency.png")
    try:
        write_report_or_complain(folder)
        if video:
            export_with_progress(run)
    except ExportError as error:
        if not interrupted:
            raise
        complain(str(error))
    except KeyboardInterrupt:
        complain(f"no video; `commentator export {folder}` makes it later")
        raise typer.Exit(_INTERRUPTED) from None
    finally:
        print()
        print_summary(run)


@app.command()
def serve(
    source: Annotated[
        str, typer.Argument(help="A clip, a URL, a camera, or demo; it can be changed on the page.")
    ] = "demo",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8765,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. 0.0.0.0, or any other beyond this machine, lets in who has the token."
        ),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further name by which browsers reach this machine; repeatable."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token, 16 characters or more; or set COMMENTATOR_TOKEN. "
            "Default: beyond this machine one is made and printed, on it none is needed."
        ),
    ] = None,
    https: Annotated[
        bool, typer.Option("--https", help="Serve HTTPS with a self-made certificate; cameras need it.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="Serve HTTPS with this certificate, PEM; with --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key, PEM.")] = None,
    publish: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TARGET",
            help="Also send picture, mix and captions to rtmp://, rtmps://, rtsp://, rtsps:// or srt://, "
            "or into a new file NAME.ts; repeatable.",
        ),
    ] = None,
    start: Annotated[bool, typer.Option("--start", help="Start the commentary at once.")] = False,
    browser: Annotated[bool, typer.Option("--browser", help="Open the page.")] = False,
    duration: Annotated[
        float | None,
        typer.Option("--duration", "-d", help="How long a run lasts, s. Default: until its end."),
    ] = None,
    runs_dir: Annotated[
        Path, typer.Option("--runs-dir", help="Folder in which each run's own folder is made.")
    ] = Path("runs"),
    settings: _SettingsFile = None,
    preset: _Preset = None,
    assignments: _Set = None,
    profile: _Profile = None,
    instruction: _Instruction = None,
    speech: _Speech = None,
    verbose: _Verbose = 0,
    log_file: _LogFile = None,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Write the log as JSON, one object a line, to stderr too.")
    ] = False,
) -> None:
    """Serve the commentary to browsers and programs: a page, a REST interface, streams. Ctrl-C ends it."""
    show_log(verbose, log_file, log_json)
    try:
        from commentator_lib.serve import running
        from commentator_lib.serve.broadcast import Broadcast
        from commentator_lib.serve.publish import parse_target
    except ModuleNotFoundError as error:
        if str(error.name).startswith("commentator_lib"):
            raise
        raise SettingsError(f"{error.name} is missing: pip install 'commentator-lib[serve]'") from None

    # 1) What can be wrong with the input is found before anything is served.
    chosen = _gather_settings(
        settings, preset, assignments, profile=profile, instruction=instruction, speech=speech
    )
    token = running.find_token(token_file, os.environ)
    targets = [parse_target(text) for text in publish or ()]
    with (
        running.listen(host, port) as listener,
        Broadcast(source, chosen, runs_dir=runs_dir, duration_s=duration) as broadcast,
    ):
        broadcast.panel.use(source)
        if targets:
            broadcast.publish(targets)
        # 2) Serve, until a signal.
        is_written = running.serve(
            broadcast,
            listener,
            address=host,
            token=token,
            allowed_hosts=tuple(allow_host or ()),
            is_https=https,
            certificate=certificate,
            key=key,
            start=start,
            browser=browser,
        )
    if not is_written:
        tell = logger.warning if log_json else complain
        tell(
            "the run did not end in time; what was written before is readable, `commentator export` makes the rest"
        )
    raise typer.Exit(_INTERRUPTED)


@app.command()
def watch(
    source: Annotated[list[str], typer.Argument(help="Clips, played one after another; a URL; or a camera.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
    duration: Annotated[
        float | None, typer.Option("--duration", "-d", help="How long to watch, s of the source.")
    ] = None,
    settings: _SettingsFile = None,
    preset: _Preset = None,
    assignments: _Set = None,
    verbose: _Verbose = 0,
    log_file: _LogFile = None,
) -> None:
    """Print what the watchers notice, without commentary, as fast as it goes: scores, captions, cuts, replays."""
    show_log(verbose, log_file)
    from commentator_lib.watching.factory import make_watchers

    chosen = _gather_settings(settings, preset, assignments)
    watchers = make_watchers(chosen)
    opened = open_source(
        list(source),
        duration,
        chosen.picture_max_px,
        reconnect_for_s=chosen.reconnect_for_s,
        stream_options=chosen.stream_options,
        image_fps=chosen.image_fps,
        login_file=chosen.stream_login_file,
    )
    _raise_on_ctrl_c()
    try:
        watch_with_progress(opened, watchers, chosen.watch_fps, duration, as_json)
    finally:
        opened.close()
        for watcher in watchers:
            watcher.close()
    if opened.problem:
        complain(f"the source ended early: {opened.problem}")
        raise typer.Exit(1)


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(help="A run's folder, finished or killed.")],
    wav: Annotated[bool, typer.Option("--wav", help="Also write voice, programme and mix as WAV.")] = False,
    clip: Annotated[
        list[str] | None,
        typer.Option(
            help="Open this clip, wherever it lies; repeatable, in the order in which they were played."
        ),
    ] = None,
    verbose: _Verbose = 0,
    log_file: _LogFile = None,
) -> None:
    """Make the MP4 and the captions of a run from its log, even if the run was killed.

    Of a folder from somebody else no link is followed. Outside it only a video file is opened whose content is the one
    that the run was made from, or what --clip names.
    """
    show_log(verbose, log_file)
    from commentator_lib.runs.export_video import write_wav
    from commentator_lib.runs.figures import plot_run
    from commentator_lib.runs.log import finish_run
    from commentator_lib.runs.reader import load_run

    _raise_on_ctrl_c()
    clips = clip or []
    try:
        recovered = finish_run(run_folder)
        loaded = load_run(run_folder)
        export_with_progress(loaded, clips)
        plot_run(loaded, run_folder / "latency.png")
        write_report_or_complain(run_folder)
        if wav:
            write_wav(loaded, run_folder / "commentary.wav", clips=clips)
            for track in ("programme", "mix") if loaded.header.get("has_sound") else ():
                write_wav(loaded, run_folder / f"{track}.wav", track, clips)
        print_summary(loaded, " (recovered from its journals)" if recovered else "")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # What somebody else has written into the folder may be of any shape.
        logger.debug("the export failed", exc_info=True)
        raise RunLogError(
            f"{run_folder} is damaged, or no folder of this program: {named_first_line(error)}"
        ) from None


@app.command()
def settings(
    file: _SettingsFile = None,
    preset: _Preset = None,
    assignments: _Set = None,
    save: Annotated[Path | None, typer.Option(help="Write the settings to this TOML file.")] = None,
    verbose: _Verbose = 0,
    log_file: _LogFile = None,
) -> None:
    """Show every setting: its value here, default, range with unit, environment name and meaning."""
    show_log(verbose, log_file)
    current = _gather_settings(file, preset, assignments)
    if save is not None:
        save_settings(current, save)
        print(save)
        return
    print_settings(current)


@app.command()
def check(
    file: _SettingsFile = None,
    preset: _Preset = None,
    assignments: _Set = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Check only this checkpoint, in seconds: a folder, or a hub id that is cached.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    verbose: _Verbose = 0,
    log_file: _LogFile = None,
) -> None:
    """Check what this machine can run: packages, GPU, checkpoint, voices, servers.

    Each fault is shown with its fix. Exit code 1 if the commentator, or the checkpoint of --model, cannot run.
    """
    show_log(verbose, log_file)
    from commentator_lib.checks.run_checks import can_run, run_checks

    current = _gather_settings(file, preset, assignments)
    if model is not None:
        from commentator_lib.checks.model import check_model, would_run

        lines = check_model(model, current)
        runs = would_run(lines)
    else:
        lines = run_checks(current)
        runs = can_run(lines)
    if as_json:
        rows = [{**asdict(line), "mend": line.fix} for line in lines]  # "mend": the name of version 0.1
        print(json.dumps({"can_run": runs, "lines": rows}, indent=1))
    else:
        print_checks(lines)
    if not runs:
        raise typer.Exit(1)


@app.command()
def sources(
    tried: Annotated[
        str | None,
        typer.Option(
            "--try", metavar="SOURCE", help="Open this source, and say what comes from it, and how."
        ),
    ] = None,
    settings: _SettingsFile = None,
    assignments: _Set = None,
    verbose: _Verbose = 0,
    log_file: _LogFile = None,
) -> None:
    """List what `commentator run` can open, and the clips that are installed; or try one source."""
    show_log(verbose, log_file)
    if tried is None:
        print_sources()
        return
    from commentator_lib.sources.trying import try_source

    chosen = _gather_settings(settings, None, assignments)
    for name, value in try_source(tried, chosen).lines():
        print(f"{name:<14} {value}")
