"""The guard: figures of this project in short form, compared with docs/baseline.json; `python -m experiments.guard`."""
