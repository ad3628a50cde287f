"""experiments.bench_model and experiments.random_minicpmo on tiny checkpoints."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.errors import UserError
from tests.commentators.minicpmo import tiny_minicpmo
from tests.commentators.minicpmo.tiny_minicpmo import REAL
from tests.conftest import make_clip

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = pytest.mark.usefixtures("real_vocoder_on_a_cpu")

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not REAL, reason="only the model's own code has a streaming loop of its own")
def test_greedy_tokens_are_those_of_the_models_own_streaming_loop(checkpoints):
    from experiments.benchmarks.model import bench_model

    given = bench_model.Options(checkpoint=str(checkpoints["bf16"]), device="cpu", text_only=True)
    bench = bench_model.LoadedModel(bench_model.complete(given))
    equal = bench_model.measure_greedy_equality(bench, 150)  # past the penalty's window
    for way in ("plain", "written out"):
        for counts in equal[way].values():
            assert counts["equal"] == counts["of"] > 100
    assert equal["logits"]["plain"] == 0.0


@pytest.mark.slow
def test_the_benchmark_runs_on_a_tiny_checkpoint(checkpoints, capsys):
    from experiments.benchmarks.model import bench_model

    steps = {"text", "speech", "voice", "vocoder_error", "live"}
    result = bench_model.measure(
        bench_model.Options(
            checkpoint=str(checkpoints["bf16"]),
            device="cpu",
            new_tokens=12,
            speech_tokens=10,
            repeats=1,
            live=2,
            live_tokens=10,
            json=True,
            steps=set(steps),
        )
    )
    printed = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert printed == json.loads(json.dumps(result)) and steps <= set(printed)
    assert printed["text"]["tokens"]["median"] == 12 and printed["live"]["failed"] == 0
    assert printed["speech"]["sound_s"]["median"] > 0
    assert printed["plain_layers"] == printed["our_layers"] == "Linear"


@pytest.mark.slow
def test_the_benchmark_measures_a_start_from_the_disk_and_a_live_run_of_a_clip(checkpoints, tmp_path):
    from experiments.benchmarks.model import bench_model, random_minicpmo

    folder, clip = checkpoints["awq"], make_clip(tmp_path / "clip.mp4", frames=50)
    result = bench_model.measure(
        bench_model.Options(
            checkpoint=str(folder),
            device="cpu",
            speech_tokens=12,
            repeats=1,
            json=True,
            steps={"start", "speech", "live"},
            live=1,
            live_tokens=10,
            live_clip=str(clip),
        )
    )
    start = result["start"]
    assert start["read_bytes"] == random_minicpmo.folder_bytes(folder) > 100_000
    assert 0 <= start["weights_s"] <= start["load_s"] and start["to_first_text_s"] > 0
    whole_s = start["imports_s"] + start["load_s"] + start["first_sound_s"]
    assert start["to_first_sound_s"] == pytest.approx(whole_s, abs=0.2)
    assert start["from"] == "disk" and result["speech"]["sound_s"]["median"] > 0
    assert result["weights"] == "as loaded" and result["dtype"] == "awq"
    assert result["live"]["source"] == "clip.mp4" and result["live"]["failed"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("text_only", [False, True])
def test_the_benchmark_compares_a_model_that_hears_with_one_that_does_not(checkpoints, text_only):
    from experiments.benchmarks.model import bench_model

    result = bench_model.measure(
        bench_model.Options(
            checkpoint=str(checkpoints["bf16"]),
            device="cpu",
            new_tokens=12,
            speech_tokens=10,
            repeats=1,
            text_only=text_only,
            json=True,
            steps={"hear"},
        )
    )
    heard = result["hear"]
    assert heard["first_text_ratio"] > 0 and ("first_sound_ratio" in heard) != text_only
    tokens = [heard[name]["prompt_tokens"] for name in ("deaf", "hearing_without_sound", "hearing")]
    assert tokens[0] == tokens[1] and tokens[2] - tokens[0] >= 40


def test_wrong_options_of_the_benchmark_are_one_line(checkpoints, tmp_path):
    from experiments.benchmarks.model import bench_model

    folder = str(checkpoints["awq"])
    for wrong, words in (
        (["--steps", "start"], "wants a checkpoint folder"),
        (["--checkpoint", folder, "--steps", "start", "own_chat"], "without --compare"),
        (["--checkpoint", folder, "--steps", "start", "--plain"], "without --compare"),
        (["--live", "1", "--live-clip", str(tmp_path)], "wants a video file"),
        (["--checkpoint", folder, "--steps", "hear", "text"], "no other step"),
        (["--steps", "text", "nothing"], "nothing is none of them"),
    ):
        with pytest.raises(UserError, match=words):
            bench_model.app(bench_model.repeat_option(wrong, "--steps"), standalone_mode=False)


def test_the_command_line_gives_all_its_options_to_the_benchmark(monkeypatch):
    from experiments.benchmarks.model import bench_model

    seen = []
    monkeypatch.setattr(bench_model, "measure", seen.append)
    line = (
        "--checkpoint random --code c --dtype awq --device cpu --frames 2 --size 64 36 --new-tokens 3 --json"
    )
    line += " --speech-tokens 4 --own-tokens 5 --repeats 6 --text-only --plain --vocoder-float16 --live 7"
    line += " --live-clip f --live-tokens 8 --compare seed --steps start speech text"
    bench_model.app(bench_model.repeat_option(line.split(), "--steps"), standalone_mode=False)
    steps = {"start", "speech", "text"}
    assert seen == [
        bench_model.Options(
            "random",
            "c",
            "awq",
            "cpu",
            2,
            (64, 36),
            3,
            4,
            5,
            6,
            True,
            True,
            True,
            7,
            "f",
            8,
            steps,
            "seed",
            True,
        )
    ]


def test_random_weights_are_written_in_several_files(tmp_path, monkeypatch):
    from safetensors.torch import load_file

    from commentator_lib.commentators.weights import tensor_bytes
    from experiments.benchmarks.model import random_minicpmo

    monkeypatch.setattr(random_minicpmo, "_SHARD_BYTES", 500)
    model = torch.nn.Sequential(*(torch.nn.Linear(10, 10) for _ in range(3)))
    random_minicpmo._save_weights(model, tmp_path)
    random_minicpmo.forget_files(tmp_path)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert files[0].name == "model-00001-of-00003.safetensors" and len(files) == 3
    found = {name: tensor for file in files for name, tensor in load_file(file).items()}
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())
    assert sum(tensor_bytes(tmp_path).values()) == 3 * 440
    assert not random_minicpmo.is_random(tmp_path)
    with pytest.raises(UserError, match="not empty"):
        random_minicpmo.app([str(tmp_path)], standalone_mode=False)


def test_every_step_of_the_benchmark_has_a_measure():
    from experiments.benchmarks.model import bench_model

    given = bench_model.complete(bench_model.Options(compare="seed", steps={"greedy_equal"}))
    assert given.steps == {*bench_model.COMPARED, "greedy_equal"} < set(bench_model.STEPS)
    assert bench_model.complete(bench_model.Options()).steps == set(bench_model.STEPS) - {"start", "hear"}
    row = {"median": 1.5, "min": 1.0, "max": 2.0}
    table = bench_model.comparison(
        {"dtype": "bf16", "own_chat": {"decode_ms": row}, "text": {"decode_ms": row}}
    )
    assert "1.5 (1–2)  1.5 (1–2)  5.4" in table and len(table.splitlines()) == 8


@pytest.mark.slow
def test_the_benchmark_without_the_models_code_or_a_gpu_is_one_line():
    for arguments, words in (([], "GPU"), (["--device", "cpu"], "MINICPMO_CODE_DIR")):
        if words == "GPU" and torch.cuda.is_available():
            continue
        environment = {k: v for k, v in os.environ.items() if k != "MINICPMO_CODE_DIR"}
        done = subprocess.run(
            [sys.executable, "-m", "experiments.bench_model", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            env=environment,
        )
        with contextlib.suppress(IndexError):
            assert words in done.stderr.splitlines()[-1]
        assert done.returncode == 2


def test_a_process_knows_how_long_it_has_run_and_what_it_read():
    code = (
        "import time; began = time.time(); from experiments import gauges as b; "
        "spent = time.time() - began; lived = b.process_s(); "
        "assert spent < lived < spent + 30, (spent, lived); "
        "time.sleep(1); assert 1 <= b.process_s() - lived < 10; "
        "assert (b.disk_bytes() or 0) >= 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


@pytest.mark.slow
def test_random_weights_without_a_gpu_the_models_code_or_an_empty_folder_are_one_line(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "MINICPMO_CODE_DIR"}
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "modeling_minicpmo.py").touch()
    for arguments, words in (
        ([str(tmp_path)], "not empty"),
        ([str(tmp_path / "new")], "MINICPMO_CODE_DIR"),
        ([str(tmp_path / "new"), "--code", str(tmp_path / "code")], "no GPU"),
    ):
        if words == "no GPU" and torch.cuda.is_available():
            continue
        done = subprocess.run(
            [sys.executable, "-m", "experiments.random_minicpmo", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            env=environment,
        )
        assert done.returncode == 2 and words in done.stderr.splitlines()[-1], done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(not REAL, reason="needs the model's own code")
@pytest.mark.parametrize("kind", ["awq", "bf16"])
def test_a_start_on_random_weights_from_the_disk(tmp_path, monkeypatch, kind):
    from experiments.benchmarks.model import bench_model, random_minicpmo

    (tmp_path / "code").mkdir()
    tiny = {**random_minicpmo.FULL, **tiny_minicpmo._copy_real_code(tmp_path / "code")}
    monkeypatch.setattr(random_minicpmo, "FULL", tiny)
    monkeypatch.setattr(random_minicpmo, "_SHARD_BYTES", 30_000_000)
    folder = tmp_path / kind
    code = ["--code", tiny_minicpmo.CODE_DIR]
    random_minicpmo.app([str(folder), "--dtype", kind, "--device", "cpu", *code], standalone_mode=False)
    assert random_minicpmo.is_random(folder) and len(list(folder.glob("*.safetensors"))) > 2
    result = bench_model.measure(
        bench_model.Options(
            checkpoint=str(folder),
            device="cpu",
            new_tokens=12,
            speech_tokens=12,
            repeats=1,
            json=True,
            steps={"start", "text", "speech"},
        )
    )
    assert result["weights"] == "random" and result["dtype"] == kind
    assert result["our_layers"] == ("AwqLinear" if kind == "awq" else "Linear")
    assert result["start"]["first_sound_s"] > 0 and result["speech"]["tokens"]["median"] == 12
    assert result["start"]["read_bytes"] == random_minicpmo.folder_bytes(folder)
