"""The Dockerfile, and what is chosen to go into the image."""

import json
import re

import pytest

from spanlake.server import ports
from spanlake_layers.image import files
from tests.scenarios.image.dockerfile import PATH, ROOT, Dockerfile

DOCKERFILE = Dockerfile.read()


def test_what_is_installed_is_what_is_locked() -> None:
    for file, text in files().items():
        assert file.read_text() == text, f"{file.name} is not of this requirements.lock: make lock"


def test_every_package_is_known_by_its_hash() -> None:
    for text in files().values():
        packages = re.findall(r"^[a-z0-9.-]+==\S+", text, re.MULTILINE)
        assert len(packages) == len(re.findall(r"^\S.*\\\n    --hash=sha256:", text, re.MULTILINE))


def test_it_runs_as_somebody_who_is_known_by_number_and_not_root() -> None:
    uid, gid = map(int, DOCKERFILE.one("USER").split(":"))
    assert min(uid, gid) > 0


@pytest.mark.parametrize(("name", "stage"), [("RUN", 1), ("ENTRYPOINT", 2), ("CMD", 2)])
def test_no_shell_comes_between(name: str, stage: int) -> None:
    assert DOCKERFILE.command(name, stage)


def test_the_health_check_needs_nothing_but_python() -> None:
    options, _, command = DOCKERFILE.one("HEALTHCHECK").partition("CMD ")
    assert "--timeout" in options
    assert json.loads(command)[0] == "/opt/spanlake/bin/python"


def test_ports() -> None:
    kinds = {"grpc": "tcp", "udp": "udp"}
    listened = {f"{face.port}/{kinds[face.scheme]}" for face in (*ports.GRPC, *ports.UDP)} | {"8080/tcp"}
    assert set(DOCKERFILE.one("EXPOSE").split()) == listened


def test_it_is_stopped_as_the_edge_expects() -> None:
    assert DOCKERFILE.one("STOPSIGNAL") == "SIGTERM"
    assert DOCKERFILE.command("CMD") == ["edge"]


def test_both_stages_have_the_same_python_since_one_compiles_for_the_other() -> None:
    (build, run) = (DOCKERFILE.one("FROM", stage) for stage in (1, 2))
    assert build == f"{run} AS build"
    assert DOCKERFILE.one("ARG", 0).startswith("PYTHON=3.13")


def test_what_is_copied_is_there_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in PATH.with_suffix(".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for argument in DOCKERFILE.all("COPY", 1) for source in argument.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
