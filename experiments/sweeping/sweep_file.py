"""The sweep file: what the TOML file of a sweep may contain, as a pydantic model with errors of one line."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic import model_validator as validate_model
from pydantic_core import ErrorDetails

from commentator_lib.clock import Mode
from experiments.errors import UserError
from experiments.match_clip.events import load_events
from experiments.sweeping.whatif import SpotterTraits

MODES = ("what-if", "replay", "live")
SHORTEST_S, LONGEST_S = 20, 36_000
LARGEST_SEED = 2**31 - 1
_SHARES = ("recognise", "misread", "quiet")


class SweepError(UserError):
    """A sweep file or a results folder that cannot be used."""


def _seed(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SEED:
        raise ValueError(
            f"seeds = {str(value)[:30]} must be whole numbers that are not negative, up to {LARGEST_SEED}"
        )
    return value


def _height(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 36 <= value <= 2160 or value % 2:
        raise ValueError(f"height = {str(value)[:30]} must be an even number of pixels: 36 to 2160")
    return value


def _name(value: object) -> str:
    if (
        not isinstance(value, str)
        or not re.fullmatch(r"[^\W_][\w .+=-]{0,99}", value)
        or value.endswith((" ", "."))
    ):
        raise ValueError(
            f"name = {str(value)[:60]!r} must be the name of a folder: a letter or digit, then letters, digits, "
            "spaces and any of _ . + = -, at most 100"
        )
    return value


def _duration_s(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"duration_s = {value!r} must be a number of seconds")
    if not SHORTEST_S <= value <= LONGEST_S:
        raise ValueError(f"duration_s = {value:g} is out of range: {SHORTEST_S} to {LONGEST_S} s")
    return value


class Sweep(BaseModel):
    """A sweep: every combination of a grid's values × clips × seeds × costs. `name`: that of its results folder.

    `grid`: setting → values. `settings`: setting → one value for all runs. `clips`: "match:SEED" for a scripted match
    of `duration_s` seconds and `height` pixels, or a video whose .events.json is in the same folder. Raises
    pydantic.ValidationError, which `first_problem` turns into one line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, BeforeValidator(_name)]
    mode: Mode
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    clips: list[str] = ["match:0"]
    seeds: list[Annotated[int, BeforeValidator(_seed)]] = [0]
    costs: list[str] = []
    duration_s: Annotated[float, BeforeValidator(_duration_s)] = 120.0
    height: Annotated[int, BeforeValidator(_height)] = 360
    spotter: dict[str, Any] = Field(default_factory=dict)  # not converted: 1 and 1.0 give different job keys

    @field_validator("grid", "settings", "spotter", mode="before")
    @classmethod
    def _is_a_table(cls, table: object, info) -> object:
        if not isinstance(table, dict):
            raise ValueError(f"{info.field_name} must be a table: [{info.field_name}]")
        if info.field_name != "spotter" and "seed" in table:
            raise ValueError("the seed is not swept by the grid: write seeds = [0, 1, …] above the tables")
        return table

    @field_validator("clips", "seeds", "costs", mode="before")
    @classmethod
    def _is_a_list(cls, values: object, info) -> object:
        if not isinstance(values, list) or not (values or info.field_name == "costs"):
            raise ValueError(f"{info.field_name} must be a list with something in it")
        if again := _twice(values):
            raise ValueError(f"{info.field_name} has {again} twice")
        return values

    @field_validator("grid", mode="before")
    @classmethod
    def _grid_has_values(cls, grid: dict[str, object]) -> object:
        for name, values in grid.items():
            if not isinstance(values, list) or not values:
                raise ValueError(f"the grid of {name} is empty: give a list of values")
            if again := _twice(values):
                raise ValueError(f"the grid of {name} has {again} twice")
        return grid

    @field_validator("spotter")
    @classmethod
    def _spotter_has_traits(cls, spotter: dict[str, Any]) -> dict[str, Any]:
        known = [field.name for field in dataclasses.fields(SpotterTraits)]
        for name, value in spotter.items():
            if name not in known:
                raise ValueError(f"[spotter] has no {name!r}; known are {', '.join(known)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
                raise ValueError(f"[spotter] {name} = {value!r} must be a number that is not negative")
            if name in _SHARES and value > 1:
                raise ValueError(f"[spotter] {name} = {value!r} is a share: 0 to 1")
        return spotter

    @validate_model(mode="after")
    def _fits_together(self) -> Sweep:
        if self.mode == "what-if" and not self.costs:
            raise ValueError('what-if needs a cost: costs = ["minicpmo_h100"], or a file that calibrate made')
        if self.mode != "what-if" and (self.costs or self.spotter):
            raise ValueError(f"costs and [spotter] belong to mode what-if, not to {self.mode}")
        if both := sorted(self.grid.keys() & self.settings.keys()):
            raise ValueError(f"{both[0]} is in [grid] and in [settings]: give it once")
        if self.mode == "what-if" and "commentator" in self.grid.keys() | self.settings.keys():
            raise ValueError("what-if runs have the spotter for a commentator: leave commentator out")
        for clip in self.clips:
            _validate_clip(clip, self.mode)
        return self


def _twice(values: Sequence[object]) -> str:
    """Return the first value that is in a list twice, as it may be shown; "" without one."""
    shown = [repr(value)[:40] for value in values]
    return next((value for k, value in enumerate(shown) if value in shown[:k]), "")


def _validate_clip(clip: str, mode: str) -> None:
    """Raise ValueError where a clip cannot be played in this mode, EventsError where its events cannot be used."""
    if clip.startswith("match:"):
        if not re.fullmatch(r"[0-9]{1,9}", clip[6:]):
            raise ValueError(f"clip {clip!r}: write match:SEED, for example match:0")
    elif mode == "what-if":
        raise ValueError(f"clip {clip!r}: what-if runs play scripted matches only, match:SEED")
    elif not Path(clip).exists():
        raise ValueError(f"clip {clip!r}: no such file")
    else:
        load_events(Path(clip).with_suffix(".events.json"), clip)


def make_sweep(table: dict[str, Any]) -> Sweep:
    """Return the sweep that a TOML table describes. Raise SweepError, or EventsError for the events of a clip."""
    try:
        return Sweep(**table)
    except ValidationError as error:
        raise SweepError(first_problem(error)) from None


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a sweep as one line; prefer unknown entries, which may be typing errors."""
    problems = error.errors()
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    return _one_line((unknown or problems)[0])


def _one_line(problem: ErrorDetails) -> str:
    entry = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        fields = list(Sweep.model_fields)
        near = difflib.get_close_matches(entry, fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(fields)}"
        return f"unknown entry {entry!r}: {hint}"
    if problem["type"] == "value_error":
        return str(problem.get("ctx", {})["error"])
    given = None if problem["type"] == "missing" else problem["input"]
    if entry == "mode":
        return f"mode = {given!r} must be one of {', '.join(MODES)}"
    return f"{entry} = {given!r} cannot be used: {problem['msg']}"
