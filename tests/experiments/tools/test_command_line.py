"""Command lines: each kind of error has its exit code and its number of lines on stderr."""

import subprocess
import sys

import pytest

from commentator_lib.settings import SettingsError
from experiments.tools.command_line import help_text, new_app, run_app


def run(monkeypatch, capsys, error=None, arguments=()) -> tuple[int, str]:
    """Run an app whose only command raises `error`; return (exit code, stderr)."""
    app = new_app()

    @app.command()
    def main(number: int = 0) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(sys, "argv", ["it", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_app(app, "it")
    return int(ended.value.code), capsys.readouterr().err


def test_bad_input_is_one_line_and_code_2(monkeypatch, capsys):
    assert run(monkeypatch, capsys, SettingsError("pause_s is odd")) == (2, "it: pause_s is odd\n")


def test_wrong_usage_is_one_line_and_code_2(monkeypatch, capsys):
    code, line = run(monkeypatch, capsys, arguments=["--number", "many"])
    assert code == 2 and line.count("\n") == 1 and "--number" in line and "'many'" in line


def test_ctrl_c_is_code_130_with_a_line(monkeypatch, capsys):
    code, line = run(monkeypatch, capsys, KeyboardInterrupt())
    assert code == 130 and line.startswith("it: stopped")


def test_a_full_disk_is_code_1_and_names_the_file(monkeypatch, capsys):
    full = OSError(28, "No space left on device", "runs.jsonl")
    assert run(monkeypatch, capsys, full) == (1, "it: runs.jsonl: No space left on device\n")


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["it"])
    app = new_app()

    @app.command()
    def main() -> None:
        raise ZeroDivisionError("a fault")

    with pytest.raises(ZeroDivisionError):
        run_app(app, "it")


def test_help_keeps_indented_lines_and_wraps_prose():
    text = help_text("One\nsentence.\n\n  name   what\n")
    assert text == "One sentence.\n\n\b\n  name   what"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sweep", "calibrate", "track", "bench_match", "doc_pictures", "screenshot"])
def test_every_command_has_its_name_and_help(name):
    ended = subprocess.run([sys.executable, "-m", f"experiments.{name}", "--help"], capture_output=True)
    assert ended.returncode == 0 and b"Usage" in ended.stdout
