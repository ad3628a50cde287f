"""Bad input to MiniCPM-o's commentator on the command line gives one line and exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo import token2wav  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]


def commentator_run(*assignments, **environment):
    command = [sys.executable, "-m", "commentator_lib", "run", "synthetic:5", "--mode", "live", "--no-video"]
    for assignment in ("commentator=minicpmo", *assignments):
        command += ["--set", assignment]
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [*command, "--out", out],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            env={**os.environ, **environment},
        )
        left = list(Path(out).iterdir())
    lines = [line for line in done.stderr.splitlines() if line.startswith("commentator:")]
    return done.returncode, lines, left


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_path": ""}, "set model_path"),
        ({"model_path": "/no/such/folder"}, "is not there"),
        ({"model_path": "EMPTY"}, "config.json"),
        ({"model_path": "CHECKPOINT"}, "needs a GPU"),
        ({"model_path": "CHECKPOINT", "device": "cpu", "reference_audio_path": "NOISE"}, "silent"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(checkpoints, tmp_path, changes, words):
    if "needs a GPU" in words and torch.cuda.is_available():
        pytest.skip("there is one")
    (tmp_path / "empty").mkdir()
    silent = token2wav.write_wav(tmp_path / "silent.wav", np.zeros(3 * 16_000, np.float32))
    places = {"EMPTY": tmp_path / "empty", "CHECKPOINT": checkpoints["bf16"], "NOISE": silent}
    code, lines, left = commentator_run(
        *(f"{name}={places.get(value, value)}" for name, value in changes.items())
    )
    assert code == 2 and len(lines) == 1 and words in lines[0], lines
    assert left == []
