"""Python and its packages: what the project requires, what is installed, and whether the two fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging import requirements
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from commentator_lib.checks.line import DISTRIBUTION, CheckLine, state

EXTRAS = ("notebooks", "serve", "minicpmo", "vlm", "openai", "piper", "listen", "cluster")
LIBRARIES = ("torch", "transformers", "huggingface-hub", "tokenizers")
_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package by its normal name, and the versions that fit."""

    name: str
    versions: SpecifierSet


def parse_requirement(text: str) -> tuple[str, Requirement]:
    """Return (its extra or "", the requirement) of a line of package metadata.

    >>> parse_requirement('Voila[all]>=0.5.7,<1; extra == "notebooks"')[0]
    'notebooks'
    """
    wanted = requirements.Requirement(text)
    extra = re.search(r"""extra\s*==\s*['"]([^'"]+)['"]""", str(wanted.marker or ""))
    return extra[1] if extra else "", Requirement(canonicalize_name(wanted.name), wanted.specifier)


def release(version: str) -> tuple[int, ...]:
    """Return a version's numbers, without what comes after them and without zeros at the end; () for none.

    >>> release("2.13.0+cpu")
    (2, 13)
    """
    try:
        numbers = list(Version(version).release)
    except InvalidVersion:
        return ()
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def fits(version: str, requirement: Requirement) -> bool:
    """Return whether an installed version meets the requirement; a text that is no version never does."""
    try:
        return requirement.versions.contains(version, prereleases=True)
    except InvalidVersion:
        return False


def lacking(required: Iterable[Requirement], installed: Mapping[str, str]) -> list[str]:
    """Return the packages that are missing or of the wrong version, in words."""
    words = []
    for r in required:
        if r.name not in installed:
            words.append(f"{r.name} (not installed)")
        elif not fits(installed[r.name], r):
            words.append(f"{r.name} {installed[r.name]} (needs {','.join(map(str, r.versions))})")
    return words


def read_requirements() -> dict[str, list[Requirement]]:
    """Return requirements by extra, "" for the base; empty where the project is not installed as a package."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[Requirement]] = {}
    for line in lines:
        extra, requirement = parse_requirement(line)
        found.setdefault(extra, []).append(requirement)
    return found


def read_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed, by normal name."""
    found = {}
    for name in names:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if version:  # None where an interrupted pip has left an empty folder
            found[canonicalize_name(name)] = version
    return found


def python_line(version: tuple[int, ...], system: str) -> CheckLine:
    """Check whether this version of Python is new enough; `system` names the operating system."""
    ok = tuple(version[:2]) >= _OLDEST_PYTHON
    fix = "" if ok else "install Python 3.11 or newer and make a new environment with it"
    return CheckLine(ok, "Python", f"{'.'.join(map(str, version))} on {system}", fix)


def packages_line(
    requirements: Mapping[str, Sequence[Requirement]], installed: Mapping[str, str]
) -> CheckLine:
    """Check whether the packages that every installation needs are there."""
    base = requirements.get("", [])
    if not base:
        return CheckLine(
            False, "packages", f"{DISTRIBUTION} is not installed as a package", f"pip install {DISTRIBUTION}"
        )
    if faults := lacking(base, installed):
        return CheckLine(False, "packages", f"lacks {', '.join(faults)}", f"pip install {DISTRIBUTION}")
    return CheckLine(True, "packages", _versions((r.name for r in base), installed))


def _versions(names: Iterable[str], installed: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {installed[name]}" for name in names if name in installed)


def extra_line(
    name: str, requirements: Mapping[str, Sequence[Requirement]], installed: Mapping[str, str], needed: bool
) -> CheckLine:
    """Check whether the packages of the extra `name` are there; `needed` with these settings."""
    wanted = requirements.get(name, [])
    what, fix = f"extra {name}", f"pip install '{DISTRIBUTION}[{name}]'"
    if not wanted:
        return CheckLine(state(False, needed), what, "not known to the installed package", fix)
    if faults := lacking(wanted, installed):
        return CheckLine(state(False, needed), what, f"lacks {', '.join(faults)}", fix)
    return CheckLine(True, what, _versions((r.name for r in wanted), installed))


def libraries_line(installed: Mapping[str, str], needed: bool) -> CheckLine:
    """Check whether the model libraries are those that MiniCPM-o's code is written for."""
    faults = [f"{name} is missing" for name in LIBRARIES if name not in installed]
    for name, fine, wanted in (
        ("torch", lambda v: v >= (2, 4), "2.4 or newer"),
        ("transformers", lambda v: v[:2] == (4, 51), "4.51"),
        ("huggingface-hub", lambda v: v < (1,), "below 1"),
    ):
        if name in installed and not fine(release(installed[name])):
            faults.append(f"MiniCPM-o needs {name} {wanted}")
    found = "; ".join(filter(None, [_versions(LIBRARIES, installed), *faults]))
    fix = f"pip install '{DISTRIBUTION}[minicpmo]'" if faults else ""
    return CheckLine(state(not faults, needed), "model libraries", found, fix)
