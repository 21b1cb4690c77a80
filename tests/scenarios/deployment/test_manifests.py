"""The base for Kustomize, rendered as kubectl renders it, and read strictly as the types of Kubernetes."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.documents import document
from tests.scenarios.image.dockerfile import ROOT
from tests.toolchain import missing, skip_where_left_out

KUBERNETES = ROOT / "infra" / "kubernetes"
BASE = {"Namespace tracing", "Service spanlake", "StatefulSet spanlake", "ConfigMap spanlake-grafana-datasource"}
COLLECTOR = {"Deployment spanlake-collector", "Service spanlake-collector", "ConfigMap spanlake-collector"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the program that renders and reads; skips the test on a machine without Go, unless CI is true."""
    skip_where_left_out("Go")
    go = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
    if go is None:
        missing("go is missing: it takes Go to render and to read manifests", is_tool=True)
    program = tmp_path_factory.mktemp("program") / "manifests"
    command: list[str | Path] = [go, "build", "-mod=readonly", "-ldflags=-s -w", "-o", program, "."]
    done = subprocess.run(command, cwd=Path(__file__).parent / "manifests", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def read(program: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([program, folder], capture_output=True, text=True, check=False)


def objects(program: Path, folder: Path) -> set[str]:
    """Kinds and names of the objects in a folder, without the hash of what is in them."""
    done = read(program, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return {re.sub(r"-[bcdfghkmt2456789]{10}$", "", line) for line in done.stdout.splitlines()}


def test_base_has_valid_objects(program: Path) -> None:
    assert objects(program, KUBERNETES) == BASE


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the base, where docs/install.md expects it from beside."""
    shutil.copytree(KUBERNETES, tmp_path / "spanlake" / "infra" / "kubernetes")
    return tmp_path


def test_overlay_of_the_document_has_valid_objects(program: Path, repository: Path) -> None:
    (overlay,) = re.findall(r"```yaml\n(apiVersion: kustomize\.config.*?)```", document("docs/install.md"), re.DOTALL)
    (repository / "overlay").mkdir()
    (repository / "overlay" / "kustomization.yaml").write_text(overlay)
    assert objects(program, repository / "overlay") == BASE | COLLECTOR


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("serviceName:", "serviceNames:", 'unknown field "spec.serviceNames"'),
        ("replicas: 1", "replicas: one", "cannot unmarshal string into Go struct field"),
        ("kind: StatefulSet", "kind: StatefulSets", "no kind"),
    ],
)
def test_object_of_another_shape_is_refused(
    program: Path, repository: Path, right: str, wrong: str, complaint: str
) -> None:
    file = repository / "spanlake" / "infra" / "kubernetes" / "statefulset.yaml"
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))
    done = read(program, file.parent)
    assert done.returncode == 1
    assert complaint in done.stderr
