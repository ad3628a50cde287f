"""Experiments on the library: clips with known events, sweeps, measures, benchmarks and tools.

Every command is run as `python -m experiments.NAME`, whichever room its file lives in: `experiments.sweep` is
sweeping/sweep.py, `experiments.bench_pacing` is benchmarks/bench_pacing.py. Code imports the full name.
"""

from pathlib import Path

_ROOMS = ("match_clip", "sweeping", "measuring", "benchmarks", "benchmarks/model", "tools")
__path__ += [str(Path(__file__).parent / room) for room in _ROOMS]
