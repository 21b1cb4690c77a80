"""Layers fit into Lambda, and hold all that functions need."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spanlake_layers.bytecode import interpreter
from spanlake_layers.contents import COMMON, LAYERS, SERVICES
from spanlake_layers.requirements import locked, packages
from spanlake_layers.target import Target
from spanlake_layers.trim import size_by_package
from tests.aws.events import body_of, http_event, stream_event
from tests.cloud import Cloud
from tests.layers import endpoints
from tests.payloads import export_request

ROOT = Path(__file__).parents[2]
LAMBDA = Target()
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
MOST_BYTES = 250 * 10**6  # of all layers of a function, unzipped: Lambda quotas, deployment package size
TRACE = (b"t" * 16).hex()
SHOP = {"lambda": {"tenant": "shop"}}
"""Found out by the authorizer of the API, without which functions answer nobody."""


@dataclass(frozen=True)
class Built:
    """Layers of a target, and a Python that can run them unless they are another machine's."""

    target: Target
    out: Path

    @property
    def folders(self) -> list[Path]:
        return [self.out / layer.name / "python" for layer in LAYERS]

    @property
    def opt(self) -> Path:
        """All layers in one folder, as Lambda unpacks them over each other into /opt/python."""
        return self.out / "opt" / "python"

    def files(self) -> dict[str, int]:
        """The sizes of all files that a function sees in /opt/python."""
        found = (path for path in self.opt.rglob("*") if path.is_file())
        return {str(path.relative_to(self.opt)): path.stat().st_size for path in found}

    def answers(self, function: str, environment: dict[str, str], events: Sequence[dict[str, Any]]) -> list[Any]:
        """Hand events to a function that has its layers, the standard library and nothing else."""
        layer = self.opt if function == "query" else self.folders[0]
        arguments = (str(ROOT / "functions" / function), str(layer))
        lines = self.run("probe.py", arguments, environment, json.dumps(events).encode())
        found: list[Any] = json.loads(lines[-1])
        return found

    def run(self, program: str, arguments: Sequence[str], environment: dict[str, str], given: bytes = b"") -> list[str]:
        """The lines that a program beside this file writes; raises AssertionError when it fails."""
        python = interpreter(self.target.python)
        assert python
        command = [python, "-I", "-S", str(Path(__file__).with_name(program)), *arguments]
        done = subprocess.run(command, input=given, env=environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().splitlines()


def build(target: Target, out: Path) -> Built:
    options = ("--machine", target.machine, "--python", target.python, "--out", str(out))
    subprocess.run([sys.executable, ROOT / "layers" / "build.py", *options], check=True, timeout=600)
    built = Built(target, out)
    for folder in built.folders:
        shutil.copytree(folder, built.opt, dirs_exist_ok=True, copy_function=os.link)  # not over a file of another
    return built


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Layers for this machine, for the Python that Lambda has if it is there."""
    python = LAMBDA.python if interpreter(LAMBDA.python) else RUNNING
    return build(Target(platform.machine(), python), tmp_path_factory.mktemp("here"))


@pytest.fixture(scope="module")
def on_lambda(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(LAMBDA, tmp_path_factory.mktemp("lambda"))


@pytest.fixture
def environment(cloud: Cloud) -> dict[str, str]:
    return {
        **cloud.environment,
        "SPANLAKE_OBJECTS": f"s3://{cloud.bucket()}",
        "SPANLAKE_INDEX": f"dynamodb://{cloud.table()}",
        "SPANLAKE_TOKENS_SECRET": "tokens",
    }


@pytest.mark.parametrize("which", ["here", "on_lambda"])
def test_there_is_room_for_them(which: str, request: pytest.FixtureRequest) -> None:
    built: Built = request.getfixturevalue(which)
    sizes = [sum(size_by_package(folder).values()) for folder in built.folders]
    assert sum(sizes) < MOST_BYTES, [size_by_package(folder) for folder in built.folders]


def test_they_are_for_arm64(on_lambda: Built) -> None:
    libraries = [path.name for folder in on_lambda.folders for path in folder.rglob("*.so")]
    assert any(name.endswith("-aarch64-linux-gnu.so") for name in libraries)
    assert not any("x86_64" in name for name in libraries)


def test_all_that_is_in_them_can_be_imported(here: Built, environment: dict[str, str]) -> None:
    imported = here.run("import_all.py", [str(here.opt)], environment)
    assert {"pyarrow", "duckdb", "duckdb_extension_httpfs", "spanlake.api.tempo.routes"} <= set(imported)


def test_every_module_is_compiled_for_where_it_will_be(here: Built) -> None:
    cached = {name for name in here.files() if name.endswith(".pyc")}
    tag = f"cpython-{here.target.python.replace('.', '')}"
    modules = [Path(name) for name in here.files() if name.endswith(".py")]
    assert modules
    assert {str(name.parent / "__pycache__" / f"{name.stem}.{tag}.pyc") for name in modules} == cached
    assert (
        b"/opt/python/spanlake/store/tenant.py"
        in next(here.opt.glob("spanlake/store/__pycache__/tenant.*.pyc")).read_bytes()
    )


def from_shop(method: str, path: str, **about: Any) -> dict[str, Any]:
    return http_event(method, path, authorizer=SHOP, **about)


def test_spans_come_in_and_are_found(here: Built, environment: dict[str, str]) -> None:
    protobuf, as_json = {"content-type": "application/x-protobuf"}, {"content-type": "application/json"}
    sent = [
        from_shop("POST", "/v1/traces", headers=protobuf, body=export_request("one", "two").SerializeToString()),
        from_shop("POST", "/v1/traces", headers=protobuf, body=b"\xff"),
        from_shop("POST", "/v1/traces", headers=as_json, body=b"{}"),
        from_shop("POST", "/api/v2/spans", headers=as_json, body=b"[]"),
        from_shop("POST", "/api/traces", headers={"content-type": "application/x-thrift"}, body=b"\x00"),
    ]
    before = here.files()
    answers = here.answers("ingest", environment, sent)
    assert [answer["statusCode"] for answer in answers] == [200, 400, 200, 202, 400]
    asked = [
        from_shop("GET", f"/api/traces/{TRACE}"),
        from_shop("GET", "/api/search", query={"q": '{ name =~ "on.*" }'}),
        from_shop("GET", "/api/metrics/query_range", query={"q": "{} | quantile_over_time(duration, .9)"}),
        from_shop("GET", "/api/v2/search/tag/resource.service.name/values"),
        from_shop("GET", "/api/status/buildinfo"),
    ]
    trace, search, metrics, values, about = (body_of(each) for each in here.answers("query", environment, asked))
    assert len(json.loads(trace)["batches"][0]["scopeSpans"][0]["spans"]) == 2
    assert [found["traceID"] for found in json.loads(search)["traces"]] == [TRACE.lstrip("0")]
    assert len(json.loads(metrics)["series"]) == 1
    assert json.loads(values)["tagValues"] == [{"type": "string", "value": "tests"}]
    assert "spanlake" in json.loads(about)["version"]
    assert here.files() == before  # in Lambda nobody may write there


@pytest.mark.parametrize(
    ("function", "event", "answer"),
    [
        ("compact", stream_event([("shop#2026-11-22", "00#ab")]), {"batchItemFailures": []}),
        ("expire", {}, None),
    ],
)
def test_maintenance(
    here: Built, environment: dict[str, str], function: str, event: dict[str, Any], answer: Any
) -> None:
    assert here.answers(function, environment, [event]) == [answer]


def test_the_authorizer_loads(here: Built, environment: dict[str, str]) -> None:
    assert here.answers("authorize", environment, []) == []


def test_botocore_knows_the_services_that_are_called(here: Built) -> None:
    assert set(SERVICES) == set(endpoints.SERVICES)
    data = here.folders[0] / "botocore" / "data"
    assert sorted(path.name for path in data.iterdir() if path.is_dir()) == sorted(SERVICES)


def test_botocore_finds_them_where_they_are(here: Built) -> None:
    program = Path(__file__).with_name("endpoints.py")
    whole = subprocess.run([sys.executable, program], env={}, capture_output=True, text=True, check=True)
    assert here.run("endpoints.py", [str(here.folders[0])], {}) == whole.stdout.splitlines()


def test_what_is_locked_is_taken_whole() -> None:
    lock = ROOT / "requirements.lock"
    text = locked(["six", "boto3"], lock)
    assert [line.split("==")[0] for line in text.splitlines() if "==" in line] == ["boto3", "six"]
    assert text.count("--hash=sha256:") == 4
    with pytest.raises(KeyError):
        locked(["no-such-package"], lock)


def test_packages_are_in_one_layer_only() -> None:
    both = [packages(layer, LAMBDA) for layer in LAYERS]
    assert not both[0] & both[1]
    assert {"pyarrow", "botocore", "urllib3"} <= packages(COMMON, LAMBDA)
    assert "numpy" not in both[0] | both[1]
