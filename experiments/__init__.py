"""Experiments on the library: clips with known events, sweeps, measures, benchmarks and tools.

Run every command as `python -m experiments.NAME`, without the name of its folder: `experiments.sweep` runs
sweeping/sweep.py, `experiments.bench_pacing` runs benchmarks/bench_pacing.py. Code imports the full name.
"""

from pathlib import Path

_ROOMS = ("match_clip", "sweeping", "measuring", "benchmarks", "benchmarks/model", "guarding", "tools")
__path__ += [str(Path(__file__).parent / room) for room in _ROOMS]
