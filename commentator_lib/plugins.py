"""Find a commentator, voice, source or watcher of another package by its name.

Besides the built-in names there are two kinds of names: entry points that an installed package declares,

    [project.entry-points."commentator_lib.commentators"]
    haiku = "my_package.haiku:HaikuCommentator"

and dotted names of a class, `my_package.haiku:HaikuCommentator` or `my_package.haiku.HaikuCommentator`.
The groups are `commentator_lib.commentators`, `.voices`, `.sources` and `.watchers`.
"""

from __future__ import annotations

import importlib
import re
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, TypeVar

from commentator_lib.errors import named_first_line

Kind = Literal["commentators", "voices", "sources", "watchers"]

T = TypeVar("T")

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*")


class PluginError(Exception):
    """A class cannot be found, imported or used; one line that says why."""


@cache
def entry_point_names(kind: Kind) -> dict[str, EntryPoint]:
    """Return the entry points of all installed packages for one kind, by name, sorted."""
    found = entry_points(group=f"commentator_lib.{kind}")
    return {point.name: point for point in sorted(found, key=lambda point: point.name)}


def origin_of(point: EntryPoint) -> str:
    """Return where an entry point comes from, for people: `haiku-commentary 1.2 (my_package.haiku:Haiku)`."""
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an installed package"
    return f"{package} ({point.value})"


def known_names(kind: Kind, built_in: dict[str, str]) -> dict[str, str]:
    """Return every name of one kind → where it comes from: `built_in` first, then the entry points."""
    installed = {name: origin_of(point) for name, point in entry_point_names(kind).items()}
    return {**built_in, **{name: origin for name, origin in installed.items() if name not in built_in}}


def is_dotted(name: str) -> bool:
    """Return whether a name has the form of a class in a module.

    >>> is_dotted("my_package.haiku:Haiku"), is_dotted("my_package.Haiku"), is_dotted("hibari")
    (True, True, False)
    """
    return _DOTTED.fullmatch(name) is not None


def load_class(name: str, kind: Kind, base: type[T]) -> type[T]:
    """Return the class that an entry point or a dotted name stands for, a subclass of `base`.

    Raise PluginError where there is no such name, where the import fails, or where it is no such class.
    """
    point = entry_point_names(kind).get(name)
    try:
        found = point.load() if point is not None else _import(name)
    except PluginError:
        raise
    except Exception as error:  # the import runs code of others, which may fail in any way
        raise PluginError(f"{name} cannot be imported: {named_first_line(error)}") from None
    if not isinstance(found, type):
        raise PluginError(f"{name} is no class: name a class")
    if not issubclass(found, base):
        raise PluginError(f"{name} is no {base.__name__}: derive it from {base.__module__}.{base.__name__}")
    return found


def _import(name: str) -> object:
    if not is_dotted(name):
        raise PluginError(f"{name!r} is not known")
    module_name, _, class_name = name.partition(":") if ":" in name else name.rpartition(".")
    module = importlib.import_module(module_name)
    if not hasattr(module, class_name):
        raise PluginError(f"{name} cannot be imported: {module_name} has no {class_name}")
    return getattr(module, class_name)
