"""The wheel: built without network, unpacked into a folder, and run from elsewhere with only that on the path."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of the tracked files, so that other files of the checkout do not get into it."""
    source = tmp_path_factory.mktemp("source")
    names = subprocess.run(
        [
            "git",
            "-C",
            str(ROOT),
            "ls-files",
            "-z",
            "commentator_lib",
            "pyproject.toml",
            "README.md",
            "LICENSE",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--quiet",
    ]
    done = subprocess.run([*build, "--wheel-dir", str(out), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        "--target",
        str(target),
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return target


def commentator(installed, folder, *arguments):
    """Run the command line of the installed wheel in `folder`, with this environment's dependencies."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "COMMENTATOR")}
    environment["PYTHONPATH"] = str(installed)
    code = (
        "import commentator_lib, sys; "
        f"assert commentator_lib.__file__.startswith({str(installed)!r}), commentator_lib.__file__; "
        "from commentator_lib.__main__ import main; sys.argv[0] = 'commentator'; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_wheel_holds_what_the_library_needs_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "commentator_lib"
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "commentator_lib"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {name for name in names if name.startswith("commentator_lib/")} == set(tracked)
    assert {"commentator_lib/py.typed", "commentator_lib/players/browser.js"} <= names
    assert {f"commentator_lib/data/clips/{p.name}" for p in (package / "data/clips").iterdir()} <= names
    assert {f"commentator_lib/data/models/{p.name}" for p in (package / "data/models").iterdir()} <= names
    others = {name for name in names if not name.startswith(("commentator_lib/", "commentator_lib-"))}
    assert others == {name for name in others if ".dist-info/" in name}
    (entry_points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    assert "commentator = commentator_lib.__main__:main" in zipfile.ZipFile(wheel).read(entry_points).decode()


def test_every_command_runs_from_any_folder(installed, tmp_path):
    sources = commentator(installed, tmp_path, "sources")
    assert sources.returncode == 0 and "big_buck_bunny.mp4" in sources.stdout, sources.stderr
    settings = commentator(installed, tmp_path, "settings", "--save", "mine.toml")
    assert settings.returncode == 0 and (tmp_path / "mine.toml").exists(), settings.stderr
    check = commentator(installed, tmp_path, "check", "--settings", "mine.toml")
    assert check.returncode == 0, check.stdout + check.stderr


def test_demo_runs_from_any_folder_and_is_exported(installed, tmp_path):
    run = commentator(installed, tmp_path, "run", "demo", "--duration", "6", "--mode", "replay")
    assert run.returncode == 0, run.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    made = {path.name for path in folder.iterdir()}
    assert {"commentary.mp4", "commentary.vtt", "latency.png", "cycles.jsonl"} <= made
    again = commentator(installed, tmp_path, "export", str(folder), "--wav")
    assert again.returncode == 0 and (folder / "commentary.wav").exists(), again.stderr
    assert "spoken" in (folder / "cycles.jsonl").read_text(encoding="utf-8")


IMPORT_ALL = """
import importlib, pkgutil, sys
import commentator_lib

count = 0
for module in pkgutil.walk_packages(commentator_lib.__path__, "commentator_lib."):
    if module.name != "commentator_lib.__main__":
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            assert error.name == "triton", module.name  # comes with PyTorch for a GPU only
        count += 1
assert not [name for name in sys.modules if name.split(".")[0] in ("experiments", "tests")]
print(count)
"""


def test_no_module_needs_the_experiments(installed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and int(done.stdout) > 60, done.stderr
