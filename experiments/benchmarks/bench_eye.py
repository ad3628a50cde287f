"""The name that `bench_baseline` had in version 0.1; it works for one more version."""

from __future__ import annotations

import sys

from experiments.benchmarks.bench_baseline import main

if __name__ == "__main__":
    print("bench_eye is now bench_baseline; the old name goes with the next version", file=sys.stderr)
    main()
