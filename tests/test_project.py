"""Rules of the project: one list of packages, imports of heavy packages, texts without private paths."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_EXTRAS = ("notebooks", "serve", "openai", "cluster", "docs", "test")


def requirement_name(requirement):
    return re.split(r"[\[<>=!~ ;]", requirement)[0].lower().replace("_", "-")


def test_environment_holds_the_packages_of_pyproject():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    conda = [
        entry
        for entry in listed
        if isinstance(entry, str) and entry != "pip" and not entry.startswith("python>")
    ]
    wanted = [
        *PROJECT["dependencies"],
        *(r for extra in CONDA_EXTRAS for r in PROJECT["optional-dependencies"][extra]),
    ]
    assert sorted([*conda, *(p for p in pip if not p.startswith("-"))]) == sorted(set(wanted))


def test_extras_are_all_there():
    assert set(PROJECT["optional-dependencies"]) == {
        "notebooks",
        "serve",
        "ocr",
        "minicpmo",
        "vlm",
        "openai",
        "fonts",
        "listen",
        "piper",
        "cluster",
        "docs",
        "test",
    }


def test_constraints_pin_every_package_that_is_installed_for_tests():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {requirement_name(line) for line in lines if "==" in line}
    for group in (
        PROJECT["dependencies"],
        *(PROJECT["optional-dependencies"][e] for e in ("test", "notebooks", "serve", "cluster", "docs")),
    ):
        assert {requirement_name(r) for r in group} <= pinned


def test_base_install_needs_no_torch():
    assert not {"torch", "transformers"} & {requirement_name(r) for r in PROJECT["dependencies"]}


def modules():
    for path in sorted((ROOT / "commentator_lib").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "commentator_lib").with_suffix("").parts)
        if not name.endswith("__init__"):
            yield name, ast.parse(path.read_text())


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


HEAVY = {
    "torch",
    "transformers",
    "onnxruntime",
    "av",
    "cv2",
    "pandas",
    "matplotlib",
    "hibari",
    "scipy",
    "skvideo",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "banned"),
    [
        ("import commentator_lib", HEAVY | {"numpy", "pydantic"}),
        ("import commentator_lib.commentary.loop", HEAVY),
        ("import commentator_lib.session", HEAVY),
        ("import commentator_lib.cli", HEAVY),
    ],
)
def test_heavy_packages_are_imported_where_they_are_used(statement, banned):
    assert loaded_by(statement) & banned == set()


def test_skvideo_is_never_imported():
    for name, tree in modules():
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert "skvideo" not in {n.split(".")[0] for n in names}, name


def tracked_texts():
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    ).stdout
    for name in listed.split():
        if Path(name).suffix in {".md", ".py", ".toml", ".yml", ".txt", ".ipynb"} or name in (
            "Makefile",
            ".ci/run",
        ):
            yield name, (ROOT / name).read_text(encoding="utf-8")


def test_data_page_names_every_file_with_its_licence():
    page = (ROOT / "data" / "README.md").read_text()
    for folder in ("clips", "models"):
        for path in (ROOT / "commentator_lib" / "data" / folder).iterdir():
            assert path.name in page, path.name


def test_no_file_names_a_host_of_packages_or_a_path_of_a_machine():
    for name, text in tracked_texts():
        for word in ("py" + "pi.org", "npm" + "js", "/work" + "/main", "deb" + "ian.org/debian"):
            assert word not in text, f"{name} holds {word}"


def test_lab_notes_are_dated():
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "lab_notes.md").read_text(), re.M)
    assert headings and all(re.match(r"\d{4}-\d{2}-\d{2}\b", h) for h in headings)
