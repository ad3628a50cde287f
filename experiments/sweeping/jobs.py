"""The jobs of a sweep file: one for every combination of settings, clips, seeds and costs.

A job's key is a hash of all that its result depends on (settings, clip, seed, cost, assumptions). So after a change
of the sweep file, an old row is never taken for a new job.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commentator_lib.clock import Mode
from commentator_lib.files import file_sha256
from commentator_lib.settings import Settings, SettingsError
from experiments.match_clip.events import EventsError
from experiments.match_clip.match import RENDER_VERSION
from experiments.sweeping.costs import CostError, load_cost
from experiments.sweeping.sweep_file import Sweep, SweepError, make_sweep
from experiments.sweeping.whatif import SpotterTraits


@dataclass(frozen=True)
class Job:
    """One run of a sweep, with all that a worker on any machine needs to do it.

    `key` is a hash of the other fields. `content` is the clip's SHA-256, or the version of the scripted match, so that
    the key changes with the pictures.
    """

    key: str
    mode: Mode
    clip: str
    content: str
    seed: int
    duration_s: float
    height: int
    settings: dict[str, Any]
    cost: str = ""
    cost_values: dict[str, Any] = field(default_factory=dict)
    spotter: dict[str, float] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """Return the columns of a result's row that say which run it is."""
        return {
            "key": self.key,
            "mode": self.mode,
            "clip": self.clip,
            "seed": self.seed,
            "duration_s": self.duration_s,
            "cost": self.cost,
            **self.settings,
        }


def load_sweep(path: Path) -> Sweep:
    """Read a sweep file and validate every combination of it. Raise SweepError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SweepError(f"cannot read the sweep file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SweepError(f"{path} is not valid TOML: {error}") from None
    table.setdefault("name", path.stem)
    try:
        sweep = make_sweep(table)
        plan_jobs(sweep)
    except (SweepError, SettingsError, CostError, EventsError) as error:
        raise SweepError(f"{path}: {error}") from None
    return sweep


def plan_jobs(sweep: Sweep) -> list[Job]:
    """Return every run of a sweep, in the order of the file.

    Raise SettingsError for the first bad setting, CostError for a cost that cannot be used.
    """
    names = list(sweep.grid)
    base = {"commentator": "scripted"} if sweep.mode == "what-if" else {}
    costs = {name: load_cost(name) for name in sweep.costs}
    spotter = dataclasses.asdict(SpotterTraits(**sweep.spotter)) if sweep.mode == "what-if" else {}
    contents = {clip: _clip_content(clip) for clip in sweep.clips}
    found = []
    for values in itertools.product(*sweep.grid.values()):
        settings = {**base, **sweep.settings, **dict(zip(names, values, strict=True))}
        Settings().changed(**settings)
        for clip, seed, cost in itertools.product(sweep.clips, sweep.seeds, sweep.costs or [""]):
            what: dict[str, Any] = {
                "mode": sweep.mode,
                "clip": clip,
                "content": contents[clip],
                "seed": seed,
                "duration_s": float(sweep.duration_s),
                "height": sweep.height,
                "settings": settings,
                "cost": cost,
                "cost_values": dataclasses.asdict(costs[cost]) if cost else {},
                "spotter": spotter,
            }
            found.append(Job(_hash_of(what), **what))
    return found


def _clip_content(clip: str) -> str:
    return f"match version {RENDER_VERSION}" if clip.startswith("match:") else file_sha256(clip)


def _hash_of(what: dict[str, Any]) -> str:
    canonical = json.dumps(what, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
