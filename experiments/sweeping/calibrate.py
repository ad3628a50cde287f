"""Fit the costs of what-if runs to the logs of real runs, and report the error on runs that the fit has not seen.

Why these quantities: a sweep in what-if mode is as good as its costs. Settings change the number of image tokens of
the input (frames) and of output tokens (token cap, length hints), so the times are fitted to these two:

  first sound  a + b · image tokens                        from the start of inference to the first sound
  end          a + b · image tokens + c · output tokens    from the start of inference to the end of generation
  speech       s · output tokens                           length of the voice

The fit is least squares without negative coefficients (scipy's nnls), since a token cannot make anything faster. A fit
always looks good on its own data, so the reported error is on runs left out: each run is predicted from a fit to the
others, and the median and 95th percentile of |predicted − measured| are over all these predictions. This needs at
least two runs, preferably with different numbers of frames.

If the commentator does not count image tokens, times are fitted to the number of frames, and the file says so.

    python -m experiments.calibrate runs/A runs/B experiments/results/NAME --out costs.toml --plot costs.png

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from commentator_lib.runs.reader import SavedRun, load_run
from experiments.sweeping.costs import TokenCost, save_cost
from experiments.sweeping.sweep_file import SweepError
from experiments.tools.command_line import help_text, new_app, run_app

_LEAST_COMMENTS = 5


@dataclass(frozen=True)
class Timings:
    """The completely generated comments of one run: arrays (N,); times are seconds from the start of inference."""

    name: str
    image_tokens: np.ndarray
    output_tokens: np.ndarray
    first_sound_s: np.ndarray
    generated_s: np.ndarray
    speech_s: np.ndarray

    def __len__(self) -> int:
        return len(self.first_sound_s)


def timings(run: SavedRun, by_frames: bool) -> Timings:
    """Return the timings of a run's comments. `by_frames`: count a frame as one image token."""
    rows = run.cycles[
        (run.cycles.outcome == "spoken") & run.cycles.first_sound_s.notna() & run.cycles.generated_s.notna()
    ]
    image = rows.frames if by_frames else rows.image_tokens
    return Timings(
        run.folder.name,
        image.to_numpy(float),
        rows.output_tokens.to_numpy(float),
        (rows.first_sound_s - rows.infer_s).to_numpy(float),
        (rows.generated_s - rows.infer_s).to_numpy(float),
        rows.speech_s.to_numpy(float),
    )


def fit(columns: Sequence[np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """Return the coefficients ≥ 0 of the least squares fit of `columns` (N,) to `wanted` (N,): (1 + columns,).

    The first one is the intercept. A constant column gets 0: its effect cannot be separated from the intercept.
    """
    from scipy.optimize import nnls

    varies = [np.ptp(column) > 0 for column in columns]
    used = [column for column, v in zip(columns, varies, strict=True) if v]
    scale = [max(1.0, float(np.abs(column).max())) for column in used]
    matrix = np.stack([np.ones_like(wanted), *(c / s for c, s in zip(used, scale, strict=True))], axis=1)
    found, _ = nnls(matrix, wanted)
    coefficients = np.zeros(1 + len(columns))
    coefficients[0] = found[0]
    coefficients[1:][varies] = found[1:] / np.asarray(scale)
    return coefficients


def predict(coefficients: np.ndarray, columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return the values (N,) that the coefficients of `fit` give for `columns` (N,)."""
    return coefficients[0] + sum(c * column for c, column in zip(coefficients[1:], columns, strict=True))


def fitted(some: Sequence[Timings], source: str, image_tokens_per_frame: float) -> TokenCost:
    """Return the cost that fits these runs best. `source` is stored in it."""
    image, output, first_s, end_s, speech_s = (
        np.concatenate([getattr(t, name) for t in some])
        for name in ("image_tokens", "output_tokens", "first_sound_s", "generated_s", "speech_s")
    )
    first = fit([image], first_s)
    end = fit([image, output], end_s)
    return TokenCost(
        source=source,
        image_tokens_per_frame=image_tokens_per_frame,
        first_sound_s=float(first[0]),
        first_sound_per_image_token_s=float(first[1]),
        first_sound_spread_s=float(np.std(first_s - predict(first, [image]))),
        generated_s=float(end[0]),
        generated_per_image_token_s=float(end[1]),
        generated_per_output_token_s=float(end[2]),
        generated_spread_s=float(np.std(end_s - predict(end, [image, output]))),
        speech_per_output_token_s=float(speech_s.sum() / output.sum()),
    )


def unseen_errors(some: Sequence[Timings]) -> dict[str, np.ndarray]:
    """Return predicted − measured in seconds of every comment, each run predicted from a fit to the others.

    Keys: first_sound_s, generated_s.
    """
    errors: dict[str, list[np.ndarray]] = {"first_sound_s": [], "generated_s": []}
    for k, left_out in enumerate(some):
        cost = fitted([t for j, t in enumerate(some) if j != k], "", 1.0)
        errors["first_sound_s"].append(
            cost.first_sound_mean_s(left_out.image_tokens) - left_out.first_sound_s
        )
        end_s = cost.generated_mean_s(left_out.image_tokens, left_out.output_tokens)
        errors["generated_s"].append(end_s - left_out.generated_s)
    return {name: np.concatenate(parts) for name, parts in errors.items()}


def find_runs(paths: Sequence[Path]) -> list[SavedRun]:
    """Load run folders, and all run folders in results folders.

    Raise RunLogError for a path that is neither, SweepError for a results folder without run folders.
    """
    runs = []
    for path in paths:
        if (path / "sweep.json").exists():
            inside = sorted(p.parent for p in path.glob("*/run.json") if "-killed-" not in p.parent.name)
            if not inside:
                raise SweepError(f"{path} holds no run folders: its runs were what-if")
            runs += [load_run(folder) for folder in inside]
        else:
            runs.append(load_run(path))
    return runs


def calibrate(runs: Sequence[SavedRun]) -> tuple[TokenCost, dict, list[Timings]]:
    """Return (cost, the result for the JSON line, the timings). Raise SweepError where the runs do not fit together."""
    # 1) check that the runs are of one kind
    names = sorted({run.header["commentator"] for run in runs})
    if len(names) > 1:
        raise SweepError(f"the runs are of different commentators: {', '.join(names)}")
    counted = {bool(run.cycles.image_tokens.notna().any()) for run in runs}
    if len(counted) > 1:
        raise SweepError("some runs count image tokens and some do not: calibrate them apart")
    by_frames = not counted.pop()
    some = [timings(run, by_frames) for run in runs]
    for run, t in zip(runs, some, strict=True):
        if len(t) < _LEAST_COMMENTS:
            raise SweepError(
                f"{run.folder} has {len(t)} whole comments; {_LEAST_COMMENTS} are needed of each run"
            )
    if len(some) < 2:
        raise SweepError("the error on unseen runs needs two runs or more: give another one")
    # 2) the error on unseen runs
    errors = unseen_errors(some)
    measured = {name: np.concatenate([getattr(t, name) for t in some]) for name in errors}
    unseen = {
        name: {
            "median_s": round(float(np.median(np.abs(e))), 4),
            "p95_s": round(float(np.quantile(np.abs(e), 0.95)), 4),
            "median_relative": round(float(np.median(np.abs(e) / measured[name])), 4),
        }
        for name, e in errors.items()
    }
    # 3) the cost, fitted to all runs
    per_frame = 1.0
    if not by_frames:
        frames = sum(float(run.cycles.frames[run.cycles.image_tokens.notna()].sum()) for run in runs)
        per_frame = sum(float(run.cycles.image_tokens.sum()) for run in runs) / frames
    source = _describe_source(runs, some, by_frames, unseen)
    cost = fitted(some, source, per_frame)
    result = {
        "runs": len(runs),
        "comments": sum(len(t) for t in some),
        "against": "frames" if by_frames else "image tokens",
        "error_on_unseen_runs": unseen,
        "cost": {k: getattr(cost, k) for k in TokenCost.__slots__ if k != "source"},
    }
    return cost, result, some


def _describe_source(runs: Sequence[SavedRun], some: Sequence[Timings], by_frames: bool, unseen: dict) -> str:
    first = runs[0].header
    processors = sorted({run.header["hardware"]["processor"] for run in runs})
    gpus = sorted({run.header["hardware"]["gpu"] for run in runs} - {None})
    modes = sorted({run.header["mode"] for run in runs})
    what = "scripted costs, nothing measured" if "what-if" in modes else "measured"
    return (
        f"{first['commentator']} with {first['voice'] or 'its own voice or none'}, {what}: {len(runs)} runs "
        f"({', '.join(modes)}), {sum(len(t) for t in some)} comments, on {'; '.join(processors)}"
        f"{'; ' + '; '.join(gpus) if gpus else ''}. "
        + ("An image token stands for one frame here: the commentator counts none. " if by_frames else "")
        + f"On runs left out of the fit the first sound is off by {unseen['first_sound_s']['median_s']:.3f} s "
        f"(median; p95 {unseen['first_sound_s']['p95_s']:.3f}), the end by {unseen['generated_s']['median_s']:.3f} s "
        f"(p95 {unseen['generated_s']['p95_s']:.3f})."
    )


def plot(cost: TokenCost, some: Sequence[Timings], path: Path) -> None:
    """Write a PNG that plots measured against fitted times, one colour per run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    for axes, title, key in zip(
        figure.subplots(1, 2),
        ("first sound", "end of generation"),
        ("first_sound_s", "generated_s"),
        strict=True,
    ):
        top = 0.0
        for t in some:
            mean_s = (
                cost.first_sound_mean_s(t.image_tokens)
                if key == "first_sound_s"
                else cost.generated_mean_s(t.image_tokens, t.output_tokens)
            )
            axes.plot(mean_s, getattr(t, key), "o", ms=4, alpha=0.6, label=t.name)
            top = max(top, float(np.max(getattr(t, key))), float(np.max(mean_s)))
        axes.plot([0, top], [0, top], color="black", lw=0.8)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("fitted, s from the start of inference")
        axes.set_ylabel("measured, s")
        axes.grid(alpha=0.3)
    if len(some) <= 8:
        figure.axes[-1].legend(fontsize=7)
    figure.savefig(path, dpi=120)


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, or results folders of replay or live sweeps.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write the cost to this TOML file.")] = None,
    plot_to: Annotated[
        Path | None, typer.Option("--plot", help="Draw measured against fitted to this PNG.")
    ] = None,
) -> None:
    cost, result, some = calibrate(find_runs(runs))
    if out is not None:
        save_cost(cost, out)
    if plot_to is not None:
        plot(cost, some, plot_to)
    print(cost.source)
    for name, value in result["cost"].items():
        print(f"  {name:32} {value:.5g}")
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "calibrate")
