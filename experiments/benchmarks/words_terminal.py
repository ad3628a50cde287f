"""Cases of `bench_words`: terminals and pipes of every kind, and what becomes of a run whose output they take."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.runs.reader import SavedRun, load_run, read_shown
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.open import demo_clips
from commentator_lib.watching.base import Watcher

_ROOT = Path(__file__).parents[2]
_COMMAND = [sys.executable, "-m", "commentator_lib"]
_WHAT_IF = [
    "run",
    "synthetic:4",
    "--mode",
    "what-if",
    "-s",
    "commentator=scripted",
    "-s",
    "change_threshold=0",
]
_WHOLE = (
    *(f"commentary.{end}" for end in ("mp4", "vtt", "srt", "ttml")),
    *(
        "cycles.parquet",
        "samples.parquet",
        "events.jsonl",
        "run.json",
        "shown.csv",
        "voice.pcm",
        "latency.png",
    ),
    "report.html",
)
_FRAMES = 100  # of four seconds
_LIMIT_S = 240.0

# How a command is called, and its environment; {} is the command.
TERMINALS: dict[str, tuple[str, Mapping[str, str]]] = {
    "| head -n 1": ("{} | head -n 1", {}),
    "| true": ("{} | true", {}),
    "2>&1 | head -c 1": ("{} 2>&1 | head -c 1", {}),
    "no stdout": ("{} >&-", {}),
    "no stderr": ("{} 2>&-", {}),
    "nothing open": ("{} >&- 2>&- <&-", {}),
    "ascii": ("{}", {"PYTHONIOENCODING": "ascii"}),
    "cp1252": ("{}", {"PYTHONIOENCODING": "cp1252"}),
    "gbk": ("{}", {"PYTHONIOENCODING": "gbk"}),
    "LC_ALL=C": ("{}", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "TERM=dumb, 20 columns": ("{}", {"TERM": "dumb", "COLUMNS": "20"}),
    "no TERM": ("env -u TERM {}", {}),
}
_COMMANDS = {
    "settings": ["settings"],
    "sources": ["sources"],
    "check": ["check", "--json"],
    "help": ["run", "--help"],
    "bad input": ["run", "nowhere.mp4"],
}


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT), **more}


def in_shell(
    line: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[str, int]:
    """Run `commentator` in a line of bash, with {} for the command; return all that was seen, and its exit code."""
    code = folder / "code.txt"
    command = shlex.join([*_COMMAND, *arguments])
    noting = f"bash -c {shlex.quote(f'{command}; echo $? >{shlex.quote(str(code))}')}"
    done = subprocess.run(
        ["bash", "-c", line.format(noting)],
        cwd=folder,
        capture_output=True,
        timeout=_LIMIT_S,
        env=_environment(**environment),
    )
    return (done.stdout + done.stderr).decode("utf-8", "replace"), int(code.read_text())


def _fault_of_output(printed: str) -> str:
    found = re.search(r"Traceback|Exception ignored|UnicodeEncodeError|BrokenPipe", printed)
    return f"printed {found[0]}" if found else ""


def _fault_of_folder(folder: Path) -> str:
    """Return what a run's folder lacks, "" for nothing."""
    (run_folder,) = (folder / "runs").iterdir()
    missing = [name for name in _WHOLE if not (run_folder / name).exists()]
    run = load_run(run_folder)
    if missing:
        return f"without {', '.join(missing)}"
    if run.header["error"] or run.header["notes"]:
        return f"the log says {run.header['error']} {run.header['notes']}"
    if len(read_shown(run_folder)) != _FRAMES or not run.header["outcomes"]["spoken"]:
        return f"{len(read_shown(run_folder))} of {_FRAMES} pictures, outcomes {run.header['outcomes']}"
    return ""


def run_into(line: str, environment: Mapping[str, str]) -> Callable[[Path], str]:
    """Return a case: a run with this output leaves a whole folder and exit code 0."""

    def check(folder: Path) -> str:
        printed, code = in_shell(line, _WHAT_IF, folder, environment)
        fault = _fault_of_output(printed) or _fault_of_folder(folder)
        return fault or (f"exit code {code}" if code else "")

    return check


class SpeaksManyLanguages(ScriptedCommentator):
    """A commentator whose letters few terminals have; the command line finds it by its dotted name."""

    def __init__(self, _settings: object = None) -> None:
        lines = ["球进了！ Łukasz trifft — 2:1.", "שער! ⚽ Гол!"]
        super().__init__(lines, CostModel(0.5, 0.0, 1.5, 0.0, 0.2), "tone")


def letters_into(encoding: str) -> Callable[[Path], str]:
    """Return a case: comments in letters that a terminal has not are whole in the files, and printed readably."""

    def check(folder: Path) -> str:
        chosen = f"commentator={__name__}:{SpeaksManyLanguages.__name__}"
        arguments = [*_WHAT_IF[:4], "-s", chosen, *_WHAT_IF[6:]]
        printed, code = in_shell("{}", arguments, folder, {"PYTHONIOENCODING": encoding})
        if (
            fault := _fault_of_output(printed)
            or _fault_of_folder(folder)
            or (f"exit code {code}" if code else "")
        ):
            return fault
        (run_folder,) = (folder / "runs").iterdir()
        captions = (run_folder / "commentary.vtt").read_text("utf-8")
        if "球进了" not in captions or "שער" not in captions:
            return "the captions lack letters"
        return (
            "" if re.search(r"Lukasz\b.*\btrifft . 2:1", printed, re.DOTALL) else f"printed {printed[:200]!r}"
        )

    return check


def command_into(arguments: Sequence[str]) -> Callable[[Path], str]:
    """Return a case: a command ends as it does anywhere, whatever its output goes to."""

    def check(folder: Path) -> str:
        _, wanted = in_shell("{}", arguments, folder, {})
        for name in ("| true", "nothing open", "ascii", "TERM=dumb, 20 columns"):
            line, environment = TERMINALS[name]
            printed, code = in_shell(line, arguments, folder, environment)
            if fault := _fault_of_output(printed) or (f"exit code {code}" if code != wanted else ""):
                return f"{name}: {fault}"
        return ""

    return check


def watch_into(line: str, environment: Mapping[str, str]) -> Callable[[Path], str]:
    """Return a case: `commentator watch --json` holds too."""

    def check(folder: Path) -> str:
        arguments = ["watch", demo_clips()[0], "--json", "-d", "3"]
        printed, code = in_shell(line, arguments, folder, environment)
        return _fault_of_output(printed) or (f"exit code {code}" if code else "")

    return check


def _export(folder: Path) -> str:
    """Check that `commentator export` makes the same files again where nobody reads."""
    in_shell("{}", [*_WHAT_IF, "--no-video"], folder, {})
    (run_folder,) = (folder / "runs").iterdir()
    printed, code = in_shell("{} 2>&1 | true", ["export", str(run_folder)], folder, {})
    return _fault_of_output(printed) or _fault_of_folder(folder) or (f"exit code {code}" if code else "")


def _full_disk(folder: Path) -> str:
    """Check that a full disk behind stdout is named, with exit code 1, and that the run is whole."""
    if not os.path.exists("/dev/full"):
        return ""
    printed, code = in_shell("{} >/dev/full", _WHAT_IF, folder, {})
    if code != 1 or "stdout cannot be written" not in printed:
        return f"exit code {code}, printed {printed[-200:]!r}"
    return _fault_of_folder(folder)


def _narrow_terminal(folder: Path) -> str:
    """Check that on a real terminal of 20 columns no table is wider, and nothing but text is sent to a dumb one."""
    for name in ("settings", "sources"):
        sees, shows = os.openpty()
        fcntl.ioctl(shows, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
        environment = {k: v for k, v in _environment(TERM="dumb").items() if k not in ("COLUMNS", "LINES")}
        process = subprocess.Popen(
            [*_COMMAND, *_COMMANDS[name]],
            cwd=folder,
            stdin=shows,
            stdout=shows,
            stderr=shows,
            env=environment,
        )
        os.close(shows)
        read = bytearray()
        try:
            while part := os.read(sees, 65536):
                read += part
        except OSError:  # the process has ended
            os.close(sees)
        code = process.wait(_LIMIT_S)
        widest = max(map(len, re.split(r"[\r\n]+", read.decode("utf-8", "replace"))))
        escapes = read.count(b"\x1b")
        if code or widest > 20 or escapes:
            return f"{name}: exit code {code}, {widest} columns, {escapes} escapes"
    return ""


def _times_of_the_video(folder: Path) -> str:
    """Check that what is printed has the times of the clip, from --start on."""
    arguments = ["run", demo_clips()[0], "--start", "2", *_WHAT_IF[2:], "--no-video"]
    printed, _ = in_shell("{}", arguments, folder, {})
    (run_folder,) = (folder / "runs").iterdir()
    run = load_run(run_folder)
    shown, grown, wanted = read_shown(run_folder), dict[int, str](), list[float]()
    for event in run.events:
        if event["kind"] == "caption" and grown.get(event["cycle"]) != event["text"]:
            grown[event["cycle"]] = event["text"]
            before = shown[shown[:, 3] <= event["at_s"] + 1e-6]
            wanted.append(2.0 + (before[-1, 0] / 25 if len(before) else 0.0))
    times = [60 * int(m) + float(s) for m, s in re.findall(r"^(\d\d):(\d\d\.\d)  \[", printed, re.M)]
    if len(times) != len(wanted) or not times:
        return f"{len(times)} lines, and {len(wanted)} captions"
    apart = max(abs(a - b) for a, b in zip(times, wanted, strict=True))
    return f"up to {apart:.2f} s from the clip's time" if apart > 0.15 else ""


def _fails(*_given: object) -> None:
    raise RuntimeError("somebody's own fault")


class _Nonsense(Watcher):
    """A watcher that reports what is no event."""

    name = "nonsense"

    def look(self, frame: object) -> list:
        return ["a goal"]


def _callbacks(folder: Path) -> str:
    """Check that callbacks and watchers that fail are named once each, and that the run is as without them."""
    runs: list[SavedRun] = []
    for name, fails in (("plain", None), ("failing", _fails)):
        LiveSession(
            "synthetic:4",
            Settings(change_threshold=0.0, commentator="scripted"),
            commentator=ScriptedCommentator(["It moves."], CostModel(0.5, 0.0, 1.5, 0.0, 0.2), "tone"),
            watchers=[_Nonsense()] if fails else [],
            mode="what-if",
            run_dir=folder / name,
            on_caption=fails,
            on_drawn=fails,
        ).run()
        runs.append(load_run(folder / name))
    plain, failing = runs
    notes = sorted(note.split(" ")[0] for note in failing.header["notes"])
    if notes != ["on_caption", "on_drawn", "watcher"]:
        return f"the notes are {failing.header['notes']}"
    if plain.events != failing.events or (read_shown(plain.folder) != read_shown(failing.folder)).any():
        return "the recording is another"
    return ""


CASES: dict[str, Callable[[Path], str]] = {
    **{f"run, {name}": run_into(*terminal) for name, terminal in TERMINALS.items()},
    **{f"{name} anywhere": command_into(arguments) for name, arguments in _COMMANDS.items()},
    **{f"comments of other letters, {name}": letters_into(name) for name in ("ascii", "cp1252", "koi8-r")},
    "watch, | true": watch_into(*TERMINALS["| true"]),
    "watch, ascii": watch_into(*TERMINALS["ascii"]),
    "watch, nothing open": watch_into(*TERMINALS["nothing open"]),
    "export, nobody reads": _export,
    "run, full disk": _full_disk,
    "a real terminal of 20 columns": _narrow_terminal,
    "times of the video": _times_of_the_video,
    "callbacks that fail": _callbacks,
}
