"""Settings, requirements and machines without a package, for the tests of `commentator check`."""

from __future__ import annotations

import builtins

from commentator_lib.checks.packages import parse_requirement
from commentator_lib.settings import load_settings

GB = 1_000_000_000


def settings(**changes):
    return load_settings(environment={}, **changes)


def requirements(*texts):
    return [parse_requirement(text)[1] for text in texts]


def without(monkeypatch, name):
    """Make a package look as if it were not installed."""
    real = builtins.__import__

    def refuse(wanted, *arguments, **more):
        if wanted.split(".")[0] == name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(wanted, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
