"""The command line, each command in a process of its own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pandas as pd
import pytest

from commentator_lib.runs.reader import load_run, read_journal, read_shown
from commentator_lib.settings import Settings, env_name, load_settings
from commentator_lib.sources.open import demo_clips
from tests.conftest import small_disk

COMMAND = [sys.executable, "-m", "commentator_lib"]
SCRIPTED = ["-s", "commentator=scripted", "-s", "change_threshold=0"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in {env_name(f) for f in Settings.model_fields}}


def commentator(*arguments, cwd, **more):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env=ENVIRONMENT,
        **more,
    )


@pytest.fixture(autouse=True)
def checkout_is_importable(monkeypatch):
    root = str(Path(__file__).resolve().parents[1])
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", os.pathsep.join([root, ENVIRONMENT.get("PYTHONPATH", "")]))


def only_run(folder):
    runs = list((folder / "runs").iterdir())
    assert len(runs) == 1
    return runs[0]


@pytest.mark.realtime
def test_run_leaves_everything_the_readme_names(tmp_path):
    done = commentator("run", "demo", "-d", 6, "--mode", "what-if", *SCRIPTED, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = only_run(tmp_path)
    for name in (
        "commentary.mp4",
        "commentary.vtt",
        "cycles.parquet",
        "samples.parquet",
        "run.json",
        "latency.png",
    ):
        assert (folder / name).stat().st_size > 0, name
    assert len(pd.read_parquet(folder / "cycles.parquet")) >= 1
    header = json.loads((folder / "run.json").read_text())
    assert header["finished"] and header["settings"]["change_threshold"] == 0
    assert header["versions"]["av"] and header["hardware"]["cores"] and header["clip_sha256"]
    assert "[scripted]" in done.stdout and "first sound after the frame" in done.stdout
    assert "picture shown" in done.stderr  # the progress bar


BAD = {
    "missing file": (["run", "nowhere.mp4"], "no such file: nowhere.mp4"),
    "folder without clips": (["run", "nothing"], "is a folder without pictures and clips"),
    "empty file": (["run", "empty.mp4"], "is empty"),
    "text named mp4": (["run", "text.mp4"], "not a video"),
    "stream that is not there": (["run", "rtsp://127.0.0.1:1/x"], "cannot be opened"),
    "camera that is not there": (["run", "/dev/video99"], "no such camera"),
    "misspelt setting": (["run", "-s", "pause=1"], "did you mean pause_s"),
    "setting without value": (["run", "-s", "pause_s"], "name=value"),
    "out of range": (["run", "-s", "capture_fps=50"], "less than or equal to 5"),
    "wrong type": (["run", "-s", "frame_stride=two"], "valid integer"),
    "unknown preset": (["run", "--preset", "sentri"], "did you mean sentry"),
    "unknown profile": (["run", "--profile", "sport"], "did you mean sports"),
    "what-if without costs": (["run", "--mode", "what-if"], "cost model"),
    "unknown mode": (["run", "--mode", "dream"], "unknown mode"),
    "duration": (["run", "-d", "-3"], "-3"),
    "duration that is no number": (["run", "-d", "long"], "--duration"),
    "settings file missing": (["run", "--settings", "no.toml"], "no.toml"),
    "settings file broken": (["run", "--settings", "text.mp4"], "TOML"),
    "unwritable output": (["run", "synthetic:1", "--out", "text.mp4/x"], "cannot write the run folder"),
    "unknown option": (["run", "--colour"], "colour"),
    "unknown command": (["runn"], "runn"),
    "export of nothing": (["export", "nowhere"], "no run folder"),
    "export of another folder": (["export", "."], "no run.json"),
    "log file that cannot be written": (
        ["sources", "--log-file", "no/where.log"],
        "cannot write the log file",
    ),
    "save to nowhere": (["settings", "--save", "no/where.toml"], "cannot write"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case, tmp_path):
    (tmp_path / "nothing").mkdir()
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("this is no film\n" * 50)
    arguments, words = BAD[case]
    done = commentator(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and words in lines[0], done.stderr
    assert not (tmp_path / "runs").exists()


def started(tmp_path, *arguments):
    return subprocess.Popen(
        [*COMMAND, "run", *map(str, arguments)],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process, timeout_s=60):
    """Wait until a condition is true; the limit only ends a test that has failed."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None and time.monotonic() < end, "the run never got that far"
        time.sleep(0.05)


def cycles_on_disk(tmp_path):
    return [row for path in tmp_path.glob("runs/*/cycles.jsonl") for row in read_journal(path)]


@pytest.mark.realtime
def test_ctrl_c_leaves_everything_written(tmp_path):
    process = started(tmp_path, demo_clips()[0], "-d", 60, *SCRIPTED, "-s", "picture_max_px=160")
    wait_for(lambda: cycles_on_disk(tmp_path), process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    folder = only_run(tmp_path)
    header = load_run(folder).header
    assert header["finished"] and header["stopped_early"]
    assert (folder / "commentary.mp4").exists() and (folder / "cycles.parquet").exists()
    assert "everything up to here is written" in err and "cycles" in out


def handles_signals(process):
    """Return whether the library's own code has begun: before that, Python itself handles an interrupt."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


@pytest.mark.realtime
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay_s", [0.0, 0.2, 0.4, 0.6, 0.9, 1.3, 2.0])
def test_ctrl_c_at_any_moment_ends_without_a_traceback(tmp_path, delay_s, number):
    process = started(tmp_path, demo_clips()[0], "-d", 60, *SCRIPTED, "-s", "picture_max_px=160")
    wait_for(lambda: handles_signals(process), process)
    time.sleep(delay_s)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err, err


@pytest.mark.realtime
def test_second_ctrl_c_skips_the_video(tmp_path):
    process = started(tmp_path, demo_clips()[0], "-d", 60, *SCRIPTED)
    wait_for(lambda: cycles_on_disk(tmp_path), process)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: list(tmp_path.glob("runs/*/commentary.part")), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err and "commentator export" in err
    folder = only_run(tmp_path)
    assert (folder / "cycles.parquet").exists() and not (folder / "commentary.mp4").exists()
    assert not list(folder.glob("*.part"))


@pytest.mark.realtime
def test_kill_9_leaves_every_finished_cycle_and_export_finishes_the_run(tmp_path):
    process = started(tmp_path, demo_clips()[0], "-d", 60, *SCRIPTED, "-s", "picture_max_px=160")
    wait_for(lambda: len(cycles_on_disk(tmp_path)) >= 2, process)
    process.kill()
    process.communicate(timeout=60)
    folder = only_run(tmp_path)
    before = cycles_on_disk(tmp_path)
    assert len(before) >= 2 and not (folder / "cycles.parquet").exists()
    done = commentator("export", folder, "--wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "recovered" in done.stdout
    for name in (
        "commentary.mp4",
        "commentary.vtt",
        "commentary.srt",
        "commentary.wav",
        "cycles.parquet",
        "latency.png",
    ):
        assert (folder / name).stat().st_size > 0
    assert len(pd.read_parquet(folder / "cycles.parquet")) == len(before)


@pytest.mark.realtime
@pytest.mark.parametrize("delay_s", [0.6, 0.9, 1.2, 1.6, 2.2])
def test_kill_9_at_any_moment_leaves_a_folder_that_can_be_read(tmp_path, delay_s):
    process = started(tmp_path, demo_clips()[0], "-d", 60, *SCRIPTED, "-s", "picture_max_px=160")
    time.sleep(delay_s)
    process.kill()
    process.communicate(timeout=60)
    for folder in tmp_path.glob("runs/*"):
        if not (folder / "run.json").exists():  # killed while the folder was being made
            continue
        assert load_run(folder).header["finished"] is False
        done = commentator("export", folder, cwd=tmp_path)
        assert done.returncode in (0, 2) and "Traceback" not in done.stderr
        if done.returncode == 2:
            assert "nothing was shown or heard" in done.stderr
        else:
            assert (folder / "commentary.mp4").exists()


@pytest.mark.realtime
def test_full_disk_ends_the_run_with_one_line(tmp_path):
    with small_disk(tmp_path / "disk", 256) as disk:
        done = commentator("run", "synthetic:60", *SCRIPTED, "--out", disk, "--no-video", cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        last = done.stderr.strip().splitlines()[-1]
        assert "No space left" in last and "Traceback" not in done.stderr
        assert list(read_journal(next(disk.glob("*/cycles.jsonl")))) is not None
        assert next(disk.glob("*/run.json")).stat().st_size > 0


@pytest.mark.realtime
def test_disk_that_fills_up_at_the_end_is_one_line_too(tmp_path):
    with small_disk(tmp_path / "disk", 90) as disk:
        arguments = [*SCRIPTED, "--mode", "what-if", "--text-only", "--out", disk, "--no-video"]
        done = commentator("run", "synthetic:20", *arguments, cwd=tmp_path)
        assert done.returncode == 1, done.stdout
        assert "No space left" in done.stderr.strip().splitlines()[-1] and "Traceback" not in done.stderr


def test_settings_names_unit_range_and_default_of_every_setting(tmp_path):
    done = commentator("settings", "-s", "pause_s=0.5", cwd=tmp_path)
    for name in Settings.model_fields:
        assert f"\n{name} = " in "\n" + done.stdout and env_name(name) in done.stdout
    assert "pause_s = 0.5 (default 1.0)" in done.stdout and "≥ 0 and ≤ 5, s; TTS_PAUSE_AFTER" in done.stdout


@pytest.mark.slow
def test_log_is_shown_and_written_when_asked_for(tmp_path):
    run = ["run", "synthetic:2", *SCRIPTED, "--mode", "what-if", "--text-only", "--no-video"]
    quiet = commentator(*run, cwd=tmp_path)
    assert quiet.returncode == 0 and "commentator_lib" not in quiet.stdout + quiet.stderr
    done = commentator(*run, "-v", "--log-file", "log.txt", cwd=tmp_path)
    assert done.returncode == 0
    folder = max((tmp_path / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    for log in (done.stderr, (tmp_path / "log.txt").read_text()):
        assert "INFO commentator_lib.session: source synthetic:2 opened: 64 × 36 pixels" in log
        assert f"run begins: mode what-if, commentator scripted, log runs/{folder.name}" in log
        assert "source ended after 50 frames: its end" in log
        assert re.search(rf"run ends: cycles \d+ spoken, .*log runs/{folder.name}", log)
        assert "DEBUG" not in log


def test_settings_file_round_trip(tmp_path):
    assert commentator("settings", "--preset", "owl", "--save", "my.toml", cwd=tmp_path).returncode == 0
    assert load_settings(tmp_path / "my.toml", environment={}).capture_fps == 4.0


@pytest.mark.slow
def test_sources_and_help(tmp_path):
    assert "big_buck_bunny.mp4" in commentator("sources", cwd=tmp_path).stdout
    assert "--text-only" in commentator("run", "--help", cwd=tmp_path).stdout
    assert "export" in commentator("--help", cwd=tmp_path).stdout


# --- the terminal is a guest


WHAT_IF = ["run", "synthetic:4", "--mode", "what-if", *SCRIPTED]
WHOLE = {
    "commentary.mp4", "commentary.vtt", "commentary.srt", "commentary.ttml", "cycles.parquet", "samples.parquet",
    "events.jsonl", "run.json", "shown.csv", "voice.pcm", "latency.png", "report.html",
}  # fmt: skip
TERMINALS = {
    "a reader that leaves": ("{} | head -n 1", {}),
    "both streams to a reader that leaves": ("{} 2>&1 | head -n 1", {}),
    "no stdout": ("{} >&-", {}),
    "no stderr": ("{} 2>&-", {}),
    "no stream at all": ("{} >&- 2>&- <&-", {}),
    "ascii": ("{}", {"PYTHONIOENCODING": "ascii"}),
    "cp1252": ("{}", {"PYTHONIOENCODING": "cp1252"}),
    "a language without a coding": ("{}", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
}


def in_shell(line, arguments, folder, **environment):
    """Run `commentator` within a line of bash; return what it printed, and its exit code."""
    command = " ".join(map(shlex.quote, [*COMMAND, *map(str, arguments)]))
    line = line.format(f"({command}; echo $? >&3)") if "|" in line else line.format(command) + "; echo $? >&3"
    rc = folder / "rc.txt"
    done = subprocess.run(
        ["bash", "-c", line.replace(">&3", f">{shlex.quote(str(rc))}")],
        cwd=folder,
        capture_output=True,
        timeout=240,
        env={**ENVIRONMENT, **environment},
    )
    return done.stdout + done.stderr, int(rc.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("terminal", TERMINALS)
def test_run_is_whole_whatever_becomes_of_its_output(terminal, tmp_path):
    line, environment = TERMINALS[terminal]
    printed, code = in_shell(line, WHAT_IF, tmp_path, **environment)
    assert code == 0 and b"Traceback" not in printed and b"Error" not in printed, printed.decode()
    run = load_run(only_run(tmp_path))
    assert {path.name for path in run.folder.iterdir() if path.stat().st_size} >= WHOLE
    assert run.header["finished"] and run.header["error"] is None and run.header["notes"] == []
    assert (
        run.header["outcomes"]["spoken"] >= 1
        and len(read_shown(run.folder)) == run.header["frames_shown"] == 100
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", [["settings"], ["sources"], ["check"], ["--help"], ["export", "nowhere"]])
def test_every_command_holds_where_nobody_reads_and_nothing_can_be_shown(command, tmp_path):
    wanted = commentator(*command, cwd=tmp_path).returncode
    for terminal in ("a reader that leaves", "no stream at all", "ascii"):
        line, environment = TERMINALS[terminal]
        printed, code = in_shell(line, command, tmp_path, **environment)
        assert code == wanted and b"Traceback" not in printed and b"Exception ignored" not in printed, (
            terminal
        )


@pytest.mark.slow
def test_full_disk_behind_stdout_is_named_and_the_run_is_whole(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("a system without /dev/full")
    printed, code = in_shell("{} >/dev/full", [*WHAT_IF, "--no-video"], tmp_path)
    assert code == 1 and b"stdout cannot be written: No space left" in printed
    assert load_run(only_run(tmp_path)).header["finished"]


@pytest.mark.slow
def test_narrow_terminal_without_any_abilities(tmp_path):
    """On a terminal of 20 columns that can do nothing, no line is longer, and nothing but text is sent."""
    for command in (["settings"], ["sources"], [*WHAT_IF, "--no-video"]):
        sees, shows = os.openpty()
        fcntl.ioctl(shows, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
        environment = {k: v for k, v in ENVIRONMENT.items() if k not in ("COLUMNS", "LINES")} | {
            "TERM": "dumb"
        }
        process = subprocess.Popen(
            [*COMMAND, *command], cwd=tmp_path, stdin=shows, stdout=shows, stderr=shows, env=environment
        )
        os.close(shows)
        read = b""
        with contextlib.suppress(OSError):  # EIO: the process has ended
            while part := os.read(sees, 65536):
                read += part
        os.close(sees)
        assert process.wait(60) == 0, read.decode()
        assert b"\x1b[" not in read and b"Traceback" not in read
        lines = re.split(r"[\r\n]+", read.decode())
        if command[0] != "run":  # comments and paths are printed as they are
            assert max(map(len, lines)) <= 20
        assert any(line.strip() for line in lines)


@pytest.mark.slow
def test_comments_are_printed_at_the_times_of_the_video(tmp_path):
    done = commentator(
        "run", demo_clips()[0], "--start", 3, "--mode", "what-if", "--no-video", *SCRIPTED, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    times = [60 * int(m) + float(s) for m, s in re.findall(r"^(\d\d):(\d\d\.\d)  \[", done.stdout, re.M)]
    run = load_run(only_run(tmp_path))
    shown = read_shown(run.folder)
    wanted, seen = [], {}
    for event in run.events:
        if event["kind"] == "caption" and event["text"] != seen.get(event["cycle"]):
            seen[event["cycle"]] = event["text"]
            frames = shown[shown[:, 3] < event["at_s"] + 1e-6]
            wanted.append(3.0 + (frames[-1, 0] / 25 if len(frames) else 0.0))
    assert len(times) == len(wanted) > 2
    assert times == pytest.approx(wanted, abs=0.15)
    assert (
        times[0] < 3.5 < run.events[0]["at_s"] + 3.5
    )  # the delay before the first picture is no time of the video
