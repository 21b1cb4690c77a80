"""Jaeger's clients learn from the server how much to sample: each program ends once its sampler has the rate."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.interop.clients import Run, go, java, node, python
from tests.scenarios.interop.ports import moved
from tests.server_process import SpanlakeServer

_PROGRAMS = Path(__file__).parent / "sampling"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """Starts a server that requests a sampling of a quarter of all traces."""
    running = SpanlakeServer(tmp_path_factory.mktemp("sampling") / "data", ("--jaeger-sampling", "0.25"))
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("file", "run"),
    [("kitchen.py", python("jaeger-client")), ("main.go", go), ("kitchen.js", node), ("Kitchen.java", java)],
)
def test_a_client_is_told_how_much_to_sample(file: str, run: Run, server: SpanlakeServer, tmp_path: Path) -> None:
    run(moved((_PROGRAMS / file).read_text(), server.offset), tmp_path)
