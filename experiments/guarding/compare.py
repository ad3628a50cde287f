"""What the guard decides: whether a figure is worse than its baseline by more than it may be. Nothing is measured here.

A baseline file is one JSON object: figure → its value, and the commit with which that was measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from commentator_lib.files import write_then_replace
from experiments.errors import UserError

LIMIT = 0.1  # a figure may be worse by this share of its baseline
SPEED = "speed"
# Figures of which more is better, by the end of their names; of all others less is.
_MORE_IS_BETTER = (
    "recall_3s",
    "speak_f1",
    "noticed_share",
    "told_share",
    "comments",
    "same_log",
    "cycles_per_min",
    "decided_rightly_share",
    "cuts_found_share",
)
# By the end of a name: the least difference that means anything, also where the baseline is nearly 0. A scoreboard is
# looked at every 0.2 s; other seconds are from virtual time, where nothing is less than a few milliseconds by chance.
_GRAINS = {"delay_median_s": 0.21, "_s": 0.005}


@dataclass(frozen=True, slots=True)
class Baseline:
    """A figure's value, and the commit with which it was measured."""

    value: float
    commit: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure beside its baseline. `worse` is the share by which it is worse, negative where it is better.

    `spread` is what the measurement itself is unsure of, as a share; 0 for what is the same on every run.
    """

    name: str
    value: float
    baseline: Baseline
    worse: float
    spread: float
    fails: bool

    @property
    def group(self) -> str:
        return self.name.split("/")[0]

    def words(self) -> str:
        """Return the figure, its baseline and the difference in words."""
        if math.isnan(self.value):
            return f"{self.name} has no case any more, baseline {_value(self.baseline.value)}"
        unit = " times as long" if self.group == SPEED else ""
        allowed = f"limit {LIMIT:.0%}" + (f" and a spread of {self.spread:.1%}" if self.spread else "")
        by = "without bound" if math.isinf(self.worse) else f"by {abs(self.worse):.1%}"
        how = f"{'worse' if self.worse > 0 else 'better'} {by}"
        return f"{self.name} {_value(self.value)}{unit}, baseline {_value(self.baseline.value)}: {how} ({allowed})"


def _value(number: float) -> str:
    return f"{number:.4g}"


def judge(name: str, value: float, baseline: Baseline, spread: float = 0.0) -> Verdict:
    """Return how a figure compares with its baseline.

    It fails where it is worse by more than LIMIT and the measurement's own spread, and by more than its grain; also
    where it has no case (NaN) any more.
    """
    was = baseline.value
    if math.isnan(value) or math.isnan(was):
        fails = math.isnan(value) and not math.isnan(was)
        return Verdict(name, value, baseline, math.inf if fails else 0.0, spread, fails)
    worse_by = was - value if name.endswith(_MORE_IS_BETTER) else value - was
    grain = next((grain for end, grain in _GRAINS.items() if name.endswith(end)), 0.0)
    share = worse_by / abs(was) if was else math.copysign(math.inf, worse_by) if worse_by else 0.0
    return Verdict(name, value, baseline, share, spread, worse_by > grain and share > LIMIT + spread)


def load_baseline(path: Path) -> dict[str, Baseline]:
    """Read a baseline file. Raise UserError where it cannot be used."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the baseline {path}: {error.strerror}; --write makes one") from None
    except ValueError as error:
        raise UserError(f"the baseline {path} is no JSON: {error}") from None
    if not isinstance(table, dict):
        raise UserError(f"the baseline {path} must be an object: figure → value and commit")
    return {name: _entry(path, name, entry) for name, entry in table.items()}


def _entry(path: Path, name: str, entry: object) -> Baseline:
    value, commit = (entry.get("value"), entry.get("commit")) if isinstance(entry, dict) else (None, None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(commit, str):
        raise UserError(f"the baseline {path}: {name} must have a value, a number, and a commit, a text")
    if not commit.isalnum():
        raise UserError(f"the baseline {path}: {name} has the commit {commit!r}")
    return Baseline(float(value), commit)


def check_names(path: Path, baseline: Iterable[str], measured: Iterable[str]) -> None:
    """Raise UserError where the baseline and what is measured are not the same names."""
    if lacking := sorted({*measured} - {*baseline}):
        raise UserError(f"the baseline {path} lacks {', '.join(lacking)}; --write adds what is measured")
    if unknown := sorted({*baseline} - {*measured}):
        raise UserError(f"the baseline {path} has {', '.join(unknown)}, which nothing measures")


def save_baseline(path: Path, baseline: Mapping[str, Baseline]) -> None:
    """Write a baseline file, one line a figure, so that a change of one is a change of one line."""
    rows = [
        f" {json.dumps(name)}: {json.dumps({'value': entry.value, 'commit': entry.commit})}"
        for name, entry in sorted(baseline.items())
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_then_replace(path, "{\n" + ",\n".join(rows) + "\n}\n")
