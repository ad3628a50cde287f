"""The old name of bench_baseline; it works for one more version."""

import warnings

from experiments.benchmarks.bench_baseline import app
from experiments.tools.command_line import run_app

if __name__ == "__main__":
    warnings.warn(
        "experiments.bench_eye is now experiments.bench_baseline; the old name goes with the next version",
        DeprecationWarning,
        stacklevel=1,
    )
    run_app(app, "bench_eye")
