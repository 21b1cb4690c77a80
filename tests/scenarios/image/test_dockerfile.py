"""The Dockerfile, and what is chosen to go into the image."""

import json
import re

import pytest

from spanlake.server import ports
from spanlake_layers.image import files
from tests.scenarios.image.dockerfile import IMAGES, PATH, ROOT, Dockerfile

DOCKERFILES = [Dockerfile.read(image) for image in IMAGES]
each_image = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=IMAGES)


def test_installed_packages_are_the_locked_ones() -> None:
    for file, text in files().items():
        assert file.read_text() == text, f"{file.name} is not of this requirements.lock: make lock"


def test_every_package_has_a_hash() -> None:
    for text in files().values():
        packages = re.findall(r"^[a-z0-9.-]+==\S+", text, re.MULTILINE)
        assert len(packages) == len(re.findall(r"^\S.*\\\n    --hash=sha256:", text, re.MULTILINE))


@each_image
def test_user_is_a_number_and_not_root(dockerfile: Dockerfile) -> None:
    uid, gid = map(int, dockerfile.one("USER").split(":"))
    assert min(uid, gid) > 0


@each_image
def test_no_shell_runs_between(dockerfile: Dockerfile) -> None:
    assert dockerfile.command("RUN", dockerfile.build)
    assert dockerfile.command("ENTRYPOINT")
    assert dockerfile.command("CMD") == [dockerfile.image]


@each_image
def test_health_check_runs_what_is_installed(dockerfile: Dockerfile) -> None:
    options, _, command = dockerfile.one("HEALTHCHECK").partition("CMD ")
    assert "--timeout" in options
    assert json.loads(command)[0].startswith("/opt/spanlake/bin/")


@pytest.mark.parametrize(
    ("image", "listening", "more"),
    [("edge", (*ports.GRPC, *ports.UDP), {"8080/tcp"}), ("serve", ports.ALL, set())],
)
def test_listening_ports_are_exposed(image: str, listening: tuple[ports.Port, ...], more: set[str]) -> None:
    kinds = {"grpc": "tcp", "udp": "udp", "http": "tcp"}
    listened = {f"{port.port}/{kinds[port.scheme]}" for port in listening} | more
    assert set(Dockerfile.read(image).one("EXPOSE").split()) == listened - {"3100/tcp"}


@each_image
def test_container_is_stopped_by_sigterm(dockerfile: Dockerfile) -> None:
    assert dockerfile.one("STOPSIGNAL") == "SIGTERM"


@each_image
def test_stages_have_the_same_python_since_one_compiles_for_the_other(dockerfile: Dockerfile) -> None:
    base = dockerfile.one("FROM", "sources").removesuffix(" AS sources")
    assert dockerfile.one("FROM", dockerfile.build) == f"sources AS {dockerfile.build}"
    assert dockerfile.one("FROM") == f"{base} AS {dockerfile.image}"
    assert dockerfile.one("ARG", "").startswith("PYTHON=3.13")


def test_copied_files_exist_and_are_not_ignored() -> None:
    allowed = {line[1:] for line in PATH.with_suffix(".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = DOCKERFILES[0].all("COPY", "sources")
    copied = {source for argument in copies for source in argument.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
