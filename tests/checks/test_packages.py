"""Checks of Python and its packages: required, installed and missing ones."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from commentator_lib.checks.packages import (
    EXTRAS,
    extra_line,
    fits,
    lacking,
    libraries_line,
    packages_line,
    parse_requirement,
    python_line,
    read_requirements,
    read_versions,
    release,
)
from tests.checks.conftest import requirements

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RIGHT = {
    "torch": "2.11.0+cu128",
    "transformers": "4.51.3",
    "huggingface-hub": "0.36.2",
    "tokenizers": "0.21.4",
}


def test_python_must_be_new_enough():
    assert python_line((3, 11, 0), "Linux-6").ok and python_line((3, 14, 1), "x").ok
    old = python_line((3, 10, 14), "Linux-6")
    assert old.ok is False and "3.11" in old.fix and "3.10.14 on Linux-6" in old.found


def test_requirements_are_read_as_they_are_written():
    assert parse_requirement("av>=15") == ("", requirements("av >= 15")[0])
    extra, wanted = parse_requirement("huggingface_hub<1; extra == 'minicpmo'")
    assert (extra, wanted.name, wanted.versions) == ("minicpmo", "huggingface-hub", SpecifierSet("<1"))
    assert parse_requirement("hibari-tts[fast]==0.2.1")[1].versions == SpecifierSet("==0.2.1")
    extra, wanted = parse_requirement('torch (>=2.4,!=2.5.0) ; extra == "vlm"')
    assert (extra, wanted.versions) == ("vlm", SpecifierSet(">=2.4,!=2.5.0"))


def test_every_bound_of_the_project_is_understood():
    texts = [
        *PROJECT["dependencies"],
        *(t for group in PROJECT["optional-dependencies"].values() for t in group),
    ]
    for text in texts:
        wanted = parse_requirement(text)[1]
        first, *_ = wanted.versions
        assert fits(first.version, wanted) == (first.operator != "<")


@pytest.mark.parametrize(
    ("version", "wanted", "right"),
    [
        ("15.0", "av>=15", True),
        ("15", "av>=15.0.0", True),
        ("14.9.9", "av>=15", False),
        ("9.1", "av>=15", False),
        ("4.51.3", "t==4.51.3", True),
        ("4.51.30", "t==4.51.3", False),
        ("0.99", "h<1", True),
        ("1.0.0", "h<1", False),
        ("2.13.0+cpu", "torch>=2.4", True),
        ("1.0.0rc1", "h<1", False),
        ("1!2.0", "x>=3", True),  # a new epoch is newer than all before it
    ],
)
def test_versions_are_compared_by_their_numbers(version, wanted, right):
    assert fits(version, requirements(wanted)[0]) is right


def test_what_has_no_number_is_older_than_everything():
    assert release("unknown") == () and lacking(requirements("a>=0.1"), {"a": "unknown"})


def test_packages_that_are_missing_or_old_are_named():
    wanted = {"": requirements("av>=15", "numpy>=1.26", "typer>=0.12")}
    line = packages_line(wanted, {"av": "14.2", "typer": "0.20"})
    assert line.ok is False and line.fix == "pip install commentator-lib"
    assert "av 14.2 (needs >=15)" in line.found and "numpy (not installed)" in line.found
    assert "typer" not in line.found
    right = packages_line(wanted, {"av": "18.1.0", "numpy": "2.4", "typer": "0.20"})
    assert right.ok is True and right.fix == "" and "av 18.1.0, numpy 2.4" in right.found


def test_a_project_that_is_not_installed_says_so(monkeypatch):
    def nothing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", nothing)
    monkeypatch.setattr(metadata, "version", nothing)
    assert read_requirements() == {} and read_versions(["av"]) == {}
    line = packages_line({}, {})
    assert line.ok is False and "not installed" in line.found and line.fix


@pytest.mark.parametrize("name", EXTRAS)
def test_extras_complete_and_not(name):
    wanted = {name: requirements("one>=2", "two<1")}
    assert extra_line(name, wanted, {"one": "2.1", "two": "0.9"}, False).ok is True
    for needed in (True, False):
        line = extra_line(name, wanted, {"one": "2.1", "two": "1.0"}, needed)
        assert line.ok is (False if needed else None)
        assert line.fix == f"pip install 'commentator-lib[{name}]'" and "two 1.0 (needs <1)" in line.found
    assert extra_line(name, {}, {}, True).ok is False


def test_this_project_s_own_requirements_are_found():
    found = read_requirements()
    assert set(EXTRAS) <= set(found) and {"av", "typer"} <= {r.name for r in found[""]}
    versions = read_versions(["av", "pydantic_settings", "no-such-package-here"])
    assert set(versions) == {"av", "pydantic-settings"} and versions["av"] == metadata.version("av")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"transformers": "5.2.0"}, "needs transformers 4.51"),
        ({"transformers": "4.50.0"}, "needs transformers 4.51"),
        ({"huggingface-hub": "1.2"}, "needs huggingface-hub below 1"),
        ({"torch": "2.3.1"}, "needs torch 2.4"),
        ({"torch": None}, "torch is missing"),
        ({"tokenizers": None}, "tokenizers is missing"),
    ],
)
def test_model_libraries(changes, words):
    installed = {name: version for name, version in {**RIGHT, **changes}.items() if version}
    for needed in (True, False):
        line = libraries_line(installed, needed)
        assert words in line.found and bool(line.fix) == bool(words)
        assert line.ok is (True if not words else False if needed else None)
    assert "minicpmo" in line.fix or not words
