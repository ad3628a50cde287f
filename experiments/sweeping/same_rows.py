"""Compare the rows of some runs of what-if sweeps between this checkout and another one, column by column.

Why: a change that makes runs faster must not change what they measure. So the same jobs run with the code of both
checkouts (for the other one, `git worktree add FOLDER COMMIT`), and every column of every row must be equal to the last
bit, but for the wall time. With `--cycles` the rows of the runs' logs are compared too, which are to the microsecond.

    python -m experiments.same_rows ../before experiments/sweeps/*.toml --runs 12

The last line on stdout is one JSON object; the exit status is 1 where a column differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

ROOT = Path(__file__).resolve().parents[2]

# Runs in either checkout, so it uses only what both have. It prints a line for each job: its row, and its log's cycles.
_WORKER = """
import json, sys
from pathlib import Path
from experiments.sweeping import run_job as room
from experiments.sweeping.jobs import load_sweep, plan_jobs
kept, plain = [], room.what_if_session
def keep(job):
    session, truth = plain(job)
    kept[:] = list(session.log.cycle_rows)
    return session, truth
room.what_if_session = keep
for path in sys.argv[2:]:
    jobs = plan_jobs(load_sweep(Path(path)))
    count = min(int(sys.argv[1]), len(jobs))
    for k in range(count):
        row = room.run_job(jobs[k * len(jobs) // count], ".")
        print(json.dumps([path, row, kept]), flush=True)
"""


def rows_of(checkout: Path, files: list[Path], runs: int) -> list[tuple[str, dict[str, Any], list[dict]]]:
    """Run up to `runs` jobs, evenly spread, of each sweep file with a checkout's code.

    Return (sweep file, row, cycles of the log) of each. Raise UserError where that code fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", _WORKER, str(runs), *(str(file.resolve()) for file in files)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UserError(f"the code of {checkout} fails: {done.stderr.strip().splitlines()[-1]}")
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def different(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the columns in which two rows differ, but for the wall time; two missing values (NaN) are equal."""

    def same(a: Any, b: Any) -> bool:
        return a == b or (a != a and b != b)

    return [
        name
        for name in sorted(one.keys() | other.keys())
        if name != "wall_s" and not (name in one and name in other and same(one[name], other[name]))
    ]


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    checkout: Annotated[Path, typer.Argument(help="The other checkout of this project.")],
    files: Annotated[list[Path], typer.Argument(help="Sweep files in mode what-if.")],
    runs: Annotated[int, typer.Option(min=1, help="Runs of each sweep file, evenly spread over it.")] = 12,
    cycles: Annotated[bool, typer.Option(help="Compare the cycles of the logs too.")] = False,
) -> None:
    if not (checkout / "experiments").is_dir():
        raise UserError(f"{checkout} is no checkout of this project")
    # 1) run the same jobs with both
    theirs, ours = (rows_of(place, files, runs) for place in (checkout, ROOT))
    # 2) compare
    failed, columns, unequal = 0, set(), 0
    for (file, old, old_cycles), (_, new, new_cycles) in zip(theirs, ours, strict=True):
        failed += bool(old["error"] or new["error"])
        found = different(old, new)
        if cycles:
            pairs = zip(old_cycles, new_cycles, strict=False)
            found += sorted({f"cycles.{name}" for a, b in pairs for name in different(a, b)})
            found += ["cycles"] if len(old_cycles) != len(new_cycles) else []
        if found:
            unequal += 1
            columns |= set(found)
            print(f"{Path(file).stem} {new['key']}: {', '.join(found)}")
    # 3) report
    result = {"runs": len(ours), "failed": failed, "unequal": unequal, "columns": sorted(columns)}
    print(f"{len(ours)} runs, {unequal} of them differ, {failed} failed")
    print(json.dumps(result))
    if unequal or failed or not ours:
        raise typer.Exit(1)


if __name__ == "__main__":
    run_app(app, "same_rows")
