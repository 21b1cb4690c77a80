"""What tests of every part share: real servers."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.server import SpanlakeServer

StartServer = Callable[..., SpanlakeServer]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """One server for all tests that can share it, each under a tenant of its own."""
    running = SpanlakeServer(tmp_path_factory.mktemp("server") / "data")
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers of the test's own, ready; takes arguments of `spanlake serve`, ``data`` and ``environment``."""
    running: list[SpanlakeServer] = []

    def start(
        *arguments: str, data: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> SpanlakeServer:
        running.append(SpanlakeServer(data or tmp_path / "data", arguments, environment))
        return running[-1].wait_until_ready()

    yield start
    for process in running:
        process.stop()


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant that no other test has."""
    return f"{abs(hash(request.node.nodeid)):x}"
