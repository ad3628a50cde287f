"""`commentator check` as a whole: on a simulated machine with nothing, and once on this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import commentator_lib.checks.run_checks as module
from commentator_lib import cli
from commentator_lib.checks import parts
from commentator_lib.checks.gpu import Gpu
from commentator_lib.checks.line import CheckLine, format_lines
from commentator_lib.checks.packages import (
    EXTRAS,
)
from commentator_lib.checks.run_checks import BASE, can_run, run_checks
from commentator_lib.settings import Settings, env_name
from tests.checks.conftest import settings

ROOT = Path(__file__).resolve().parents[2]


def test_only_what_the_baseline_needs_decides():
    lines = [CheckLine(True, what, "") for what in BASE] + [
        CheckLine(False, "GPU", ""),
        CheckLine(None, "OCR", ""),
    ]
    assert can_run(lines)
    for k in range(len(BASE)):
        assert not can_run([*lines[:k], CheckLine(False, BASE[k], ""), *lines[k + 1 :]])


def test_table_wraps_and_keeps_its_columns():
    long = "one two three four five six seven eight nine ten " * 3
    lines = [
        CheckLine(True, "GPU", long),
        CheckLine(False, "embedded voice", "silent", long),
        CheckLine(None, "x", ""),
    ]
    table = format_lines(lines, width=60).splitlines()
    assert all(len(row) <= 60 and row == row.rstrip() for row in table)
    assert table[0].startswith("✓ GPU             one two") and table[1].startswith(" " * 18 + "nine")
    start = next(k for k, row in enumerate(table) if row.startswith("✗"))
    assert table[start] == "✗ embedded voice  silent" and table[start + 1].startswith(" " * 18 + "→ one")
    assert table[-1] == "– x"
    assert " ".join(table).count("ten") == 6


FAKED = {
    "read_requirements": dict,
    "read_versions": lambda names: {},
    "read_machine": lambda: (None, None, 0),
    "read_gpu": Gpu,
    "find_browser": lambda: None,
    "ask_server": lambda url: (None, "does not answer (Test)"),
    "commentator_states": lambda settings: [],
}


def broken():
    raise ImportError("not here")


@pytest.mark.parametrize("commentator", ["baseline", "minicpmo", "vlm", "openai"])
def test_a_machine_with_nothing_is_told_how_to_fix_each_thing(monkeypatch, commentator):
    for name, fake in FAKED.items():
        monkeypatch.setattr(module, name, fake)
    for name in ("try_ffmpeg", "try_baseline", "try_voice"):
        monkeypatch.setattr(module, name, broken)
    monkeypatch.setattr(parts, "try_ocr", broken)
    lines = run_checks(settings(commentator=commentator))
    assert not can_run(lines)
    assert all(line.fix for line in lines if line.ok is False)
    false = {line.what for line in lines if line.ok is False}
    assert {"packages", "memory", "disk", "video and sound", "baseline", "embedded voice"} <= false
    assert ("GPU" in false) == ("model libraries" in false) == (commentator == "minicpmo")
    assert ("checkpoint" in false) == (commentator in ("minicpmo", "vlm"))
    assert {f"extra {name}" for name in EXTRAS} & false == ({f"extra {commentator}"} - {"extra baseline"})


def cli_check(monkeypatch, lines, *arguments):
    monkeypatch.setattr(module, "run_checks", lambda current: lines)
    for name in Settings.model_fields:
        monkeypatch.delenv(env_name(name), raising=False)
    return CliRunner().invoke(cli.app, ["check", *arguments])


def test_command_s_exit_code_and_table(monkeypatch):
    good = [CheckLine(True, "Python", "3.11"), CheckLine(False, "GPU", "none", "buy one")]
    done = cli_check(monkeypatch, good)
    assert done.exit_code == 0 and "✗ GPU     none" in done.stdout and "→ buy one" in done.stdout
    done = cli_check(monkeypatch, [CheckLine(False, "embedded voice", "silent", "repair it")], "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "can_run": False,
        "lines": [
            {
                "ok": False,
                "what": "embedded voice",
                "found": "silent",
                "fix": "repair it",
                "mend": "repair it",
            }
        ],
    }


ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in {env_name(f) for f in Settings.model_fields}}


def commentator(*arguments, cwd):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "commentator_lib", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**ENVIRONMENT, "PYTHONPATH": path, "OPENAI_API_KEY": "sk-secret-of-mine"},
    )


@pytest.mark.slow
def test_this_machine_runs_the_baseline(tmp_path):
    done = commentator("check", "--json", "-s", "api_base_url=http://127.0.0.1:1/v1", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    lines = {line["what"]: line for line in found["lines"]}
    assert found["can_run"] is True and all(lines[what]["ok"] is True for what in BASE)
    assert {f"extra {name}" for name in EXTRAS} <= set(lines)
    assert {"GPU", "GPU memory", "memory", "disk", "checkpoint", "voice files", "OCR", "model server"} <= set(
        lines
    )
    assert "FFmpeg" in lines["video and sound"]["found"] and " s" in lines["embedded voice"]["found"]
    assert lines["checkpoint"]["ok"] is None and lines["commentator baseline"]["ok"] is True
    assert "no server answers at http://127.0.0.1:1/v1" in lines["commentator openai"]["found"]
    assert "sk-secret-of-mine" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_bad_settings_end_with_2(tmp_path):
    done = commentator("check", "-s", "pause=1", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean pause_s" in done.stderr and not done.stdout
    done = commentator("check", "--settings", "no.toml", cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
