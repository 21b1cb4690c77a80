"""The image's contents, installed and run without a container, on S3 and DynamoDB."""

import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from spanlake.store.tenant import DEFAULT_TENANT
from tests.cloud import Cloud
from tests.edge.test_span_streams import census, channel_to, export, post_spans
from tests.edge_process import lost, sending
from tests.receivers import jaeger_spans
from tests.receivers.jaeger.test_protobuf import posted, span
from tests.receivers.opencensus.test_translate import NODE
from tests.scenarios.image.container import PYTHON, ImageEdge, Installed
from tests.server_process import SpanlakeServer

EVER = "start=1000000000&end=4000000000"


@pytest.fixture
def lake(cloud: Cloud) -> tuple[str, ...]:
    """Where spans are kept: as the edge's options have it."""
    return "--objects", f"s3://{cloud.bucket()}/lake", "--index", f"dynamodb://{cloud.table()}"


@pytest.fixture
def edge(installed: Installed, cloud: Cloud, lake: tuple[str, ...], tmp_path: Path) -> Iterator[ImageEdge]:
    """A container of the image, as far as it can be had without one."""
    options = (*lake, "--listen", "127.0.0.1", "--drain-seconds", "20", "--unready-seconds", "2")
    running = ImageEdge(installed, tmp_path / "nowhere", options, cloud.environment)
    try:
        running.wait_until_ready()
        yield running
    finally:
        if running.status is None:
            running.stop()


@pytest.fixture
def server(cloud: Cloud, lake: tuple[str, ...], tmp_path: Path) -> Iterator[SpanlakeServer]:
    """Who answers for what the edge has stored."""
    running = SpanlakeServer(tmp_path / "data", lake).wait_until_ready()
    yield running
    running.stop()


def test_what_is_sent_to_the_container_is_found(edge: ImageEdge, server: SpanlakeServer) -> None:
    with channel_to(edge, 14250) as channel:
        post_spans(channel, posted(span()), DEFAULT_TENANT)
    with channel_to(edge, 55678) as channel:
        assert export(channel, [census("of a stream", node=NODE)], DEFAULT_TENANT) == []
    for port, written in ((6831, jaeger_spans.compact_call), (6832, jaeger_spans.binary_call)):
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            service = jaeger_spans.batch(jaeger_spans.span(), service=f"udp-{port}")
            sender.sendto(written(service), ("127.0.0.1", port + edge.offset))
    with sending(edge, 4) as clients:
        edge.wait_for(partial(clients.have_heard_of, 40))
    edge.wait_for(lambda: {"udp-6831", "udp-6832"} <= values(server, "service.name"))
    assert {"get", "of a stream", "operation"} <= values(server, "name")
    assert lost(clients.acknowledged, list(values(server, "name"))) == set()
    assert edge.stop() == 0
    assert not edge.data.exists()


def test_stopped_under_load_it_loses_nothing_that_it_has_acknowledged(edge: ImageEdge, server: SpanlakeServer) -> None:
    with sending(edge, 8) as clients:
        edge.wait_for(partial(clients.have_heard_of, 60))
        edge.ask_to_stop()
        edge.wait_for(lambda: edge.get("/ready").status == 503)
        edge.wait_for(partial(clients.have_heard_of, len(clients.acknowledged) + 20))
        assert clients.refused == 0
        assert edge.exit_status() == 0
    assert clients.surprises == []
    assert "drain time exceeded" not in edge.log()
    assert lost(clients.acknowledged, list(values(server, "name"))) == set()


def test_it_is_as_the_image_says(edge: ImageEdge, installed: Installed) -> None:
    (uid,) = {line.split()[1] for line in status(edge.pid) if line.startswith("Uid:")}
    if running_as_root():
        assert uid == installed.dockerfile.one("USER").partition(":")[0]
    where = {"SPANLAKE_LISTEN": "127.0.0.1", "SPANLAKE_PORT_OFFSET": str(edge.offset)}
    assert installed.probe(where) == 0
    edge.stop()
    assert installed.probe(where) == 1


def test_nothing_is_in_it_that_no_edge_needs(installed: Installed) -> None:
    there = {path.name for path in installed.packages.iterdir()}
    assert {"grpc", "pyarrow", "spanlake", "boto3"} <= there
    assert not there & {"duckdb", "sqlglot", "re2", "numpy", "pip", "setuptools", "hatchling", "spanlake_layers"}
    services = {path.name for path in (installed.packages / "botocore" / "data").iterdir() if path.is_dir()}
    assert {"s3", "dynamodb"} <= services <= {"athena", "dynamodb", "glue", "s3", "secretsmanager", "sts"}
    assert size(installed.folder) < 250e6


def test_every_module_is_compiled(installed: Installed) -> None:
    missing = [source for source in installed.packages.rglob("*.py") if not compiled(source)]
    assert missing == []


def compiled(source: Path) -> bool:
    return any((source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc"))


def test_the_images_python_is_used_if_it_is_here(installed: Installed) -> None:
    version = installed.packages.parent.name.removeprefix("python")
    if version != PYTHON:
        pytest.skip(f"there is no Python {PYTHON} here: the image's contents ran on {version}")


def values(server: SpanlakeServer, tag: str) -> set[str]:
    """All values of a tag."""
    answer = server.get(f"/api/search/tag/{tag}/values?{EVER}")
    assert answer.status == 200, answer.body
    return set(answer.json["tagValues"])  # type: ignore[index]


def status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/status").read_text().splitlines()


def running_as_root() -> bool:
    return any(line.startswith("Uid:\t0\t") for line in Path("/proc/self/status").read_text().splitlines())


def size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))
