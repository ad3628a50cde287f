"""The folder of a run from somebody else: it may hold and name anything, and opens nothing that was not told."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from commentator_lib import cli
from commentator_lib.files import file_sha256
from commentator_lib.runs.export_video import clips_of, is_local, write_mp4
from commentator_lib.runs.reader import load_run
from commentator_lib.runs.record import RunLogError
from commentator_lib.runs.report import summary
from commentator_lib.runs.timeline import ExportError
from tests.conftest import make_clip


@pytest.fixture
def foreign(run, tmp_path) -> Path:
    """Return a copy of a run's folder, which tests may spoil."""
    return Path(shutil.copytree(run.folder, tmp_path / "foreign"))


def rewrite(folder: Path, **changes) -> None:
    header = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**header, **changes}))


def export(folder: Path, *options: str, capsys) -> tuple[int, str]:
    """Return exit code and stderr of `commentator export`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["commentator", "export", str(folder), *options])
        patch.setattr(cli, "_raise_on_ctrl_c", lambda: None)
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return code, capsys.readouterr().err


@pytest.mark.parametrize("name", ["run.json", "shown.csv", "voice.pcm", "source.mkv", "commentary.srt", "x"])
def test_links_are_not_followed(foreign, tmp_path, capsys, name):
    outside = tmp_path / "outside"
    outside.write_bytes((foreign / name).read_bytes() if (foreign / name).exists() else b"mine")
    before = outside.read_bytes()
    (foreign / name).unlink(missing_ok=True)
    (foreign / name).symlink_to(outside)
    code, error = export(foreign, capsys=capsys)
    assert code == 2 and error.count("\n") == 1 and f"{name} is a link" in error
    assert outside.read_bytes() == before


def test_a_pipe_is_no_file_and_does_not_hang(foreign, capsys):
    (foreign / "watch.jsonl").unlink()
    os.mkfifo(foreign / "watch.jsonl")
    assert export(foreign, capsys=capsys) == (
        2,
        f"commentator: {foreign}/watch.jsonl is no file: a run's folder holds nothing else\n",
    )


@pytest.mark.parametrize("name", ["run.json", "events.jsonl", "shown.csv"])
def test_files_larger_than_sensible_are_refused(foreign, capsys, name):
    os.truncate(foreign / name, 600_000_000)
    code, error = export(foreign, capsys=capsys)
    assert code == 2 and error.count("\n") == 1 and "is larger than" in error


@pytest.mark.parametrize(
    "source",
    [
        *("http://127.0.0.1:9/x.mp4", "rtsp://127.0.0.1:9/x", "os:system:touch opened", "subprocess:Popen:x"),
        *("/dev/video0", "0", "/etc/hostname", "//host/share/x.mp4", "\\\\host\\share\\x.mp4", "screen", "-"),
        *("demo:x", "file:///etc/hostname", "synthetic:x"),
    ],
)
@pytest.mark.parametrize("hashed", [False, True])
def test_nothing_outside_is_opened_without_being_told(foreign, capsys, monkeypatch, source, hashed):
    def opened(*_args, **_more):
        raise AssertionError(f"{source} was opened")

    if not source.startswith("synthetic"):
        monkeypatch.setattr("commentator_lib.runs.export_video.open_source", opened)
    digest = file_sha256(source) if os.path.isfile(source) else "0" * 64
    rewrite(foreign, source=[source], clip_sha256={source: digest} if hashed else {})
    code, error = export(foreign, capsys=capsys)
    assert code == 2 and error.count("\n") == 1, error
    assert not (foreign / "commentary.mp4").exists()


def test_a_list_of_files_with_the_right_content_is_not_opened(foreign, tmp_path, capsys):
    secret = make_clip(tmp_path / "secret.ts", container="mpegts")
    playlist = tmp_path / "clip.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    rewrite(foreign, source=[str(playlist)], clip_sha256={str(playlist): file_sha256(playlist)})
    code, error = export(foreign, capsys=capsys)
    assert code == 2 and "a list of others" in error and error.count("\n") == 1


def test_a_clip_that_is_told_is_opened_where_it_is_the_one(foreign, run, tmp_path, capsys):
    clip = Path(next(iter(run.header["clip_sha256"])))
    digest = run.header["clip_sha256"][str(clip)]
    moved = Path(shutil.copy(clip, tmp_path / "moved.mp4"))
    rewrite(foreign, source=["/elsewhere/a.mp4"], clip_sha256={"/elsewhere/a.mp4": digest})
    code, error = export(foreign, capsys=capsys)
    assert code == 2 and "the clip /elsewhere/a.mp4 is gone" in error and "--clip" in error
    other = make_clip(tmp_path / "other.mp4")
    assert "is not the one" in export(foreign, "--clip", str(other), capsys=capsys)[1]
    assert "1 clips" in export(foreign, "--clip", str(other), "--clip", str(moved), capsys=capsys)[1]
    assert export(foreign, "--clip", str(moved), capsys=capsys)[0] == 0
    assert (foreign / "commentary.mp4").stat().st_size > 10_000


def test_the_own_clip_is_found_by_its_content(run):
    assert clips_of(run) == run.header["source"]
    assert is_local("a/b.mp4") and is_local("/a/b.mp4") and not is_local("//host/b.mp4")


MALFORMED = {
    "no JSON": "{",
    "nothing": "",
    "a list": "[1]",
    "deep": "[" * 100_000,
    "no text": b"\xff\xfe\x00",
    "another version": '{"format_version": 99}',
    "no version": "{}",
    "only the version": '{"format_version": 1}',
    "settings": '{"format_version": 1, "settings": 5}',
    "source": '{"format_version": 1, "source": [5]}',
    "hashes": '{"format_version": 1, "clip_sha256": {"a": 5}}',
    "numbers": '{"format_version": 1, "frames_shown": "x"}',
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_header_is_one_line(foreign, capsys, what):
    text = MALFORMED[what]
    (foreign / "run.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    code, error = export(foreign, capsys=capsys)
    assert code == 2 and error.count("\n") == 1 and error.startswith("commentator: "), error


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("events.jsonl", '{"kind": "sound"}'),
        ("events.jsonl", '{"kind": "sound", "cycle": 1, "at_s": 1e300, "samples": 1, "at_sample": 0}'),
        ("events.jsonl", '{"kind": "sound", "cycle": 1, "at_s": NaN, "samples": 1, "at_sample": 0}'),
        (
            "events.jsonl",
            '{"kind": "sound", "cycle": 1, "at_s": 1, "samples": 1000000000000, "at_sample": 0}',
        ),
        ("events.jsonl", '{"kind": "caption", "cycle": 1, "at_s": 1, "text": [1]}'),
        ("events.jsonl", "[]"),
        ("cycles.jsonl", '{"cycle": "x", "heard_to_s": "y"}'),
        ("cycles.jsonl", "5"),
        ("watch.jsonl", '{"kind": 1}'),
        ("watch.jsonl", '{"event": [], "cycle": 1}'),
        ("shown.csv", "1,x,2,3"),
        ("shown.csv", "1,2,nan,3"),
        ("shown.csv", "1,2,3,1e9"),
        ("shown.csv", "-1,2,3,4"),
    ],
)
def test_malformed_rows_are_one_line(foreign, capsys, name, line):
    with open(foreign / name, "a") as file:
        file.write(line + "\n")
    code, error = export(foreign, capsys=capsys)
    assert code == 2 and error.count("\n") == 1, error
    with pytest.raises((RunLogError, ExportError)):
        write_mp4(load_run(foreign), foreign / "out.mp4")


def test_what_a_header_says_steers_no_terminal(foreign):
    rewrite(foreign, notes=["\x1b[2Jgone\nx"], source_problem="\x1b]0;title\x07")
    rows = summary(load_run(foreign))
    assert all(value.isprintable() for _, value in rows) and any("gone" in value for _, value in rows)
