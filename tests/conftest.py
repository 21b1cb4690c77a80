"""Defines the fixtures of all tests: real servers."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import settings
from pytest_rerunfailures import StatusDB

from tests.cloud import Cloud, running
from tests.distribution import SharedParts, put_longest_first
from tests.server_process import SpanlakeServer
from tests.trino import Trino
from tests.trino import running as trino_running

StartServer = Callable[..., SpanlakeServer]

# No test fails on a clock: a busy machine takes its time for what is drawn, too.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


_LONGEST_ID = 24  # bytes


def pytest_make_parametrize_id(val: object) -> str | None:
    """Names long bytes alike: they may hold a time, and all processes of a run must have the same names of tests."""
    return "bytes" if isinstance(val, bytes) and len(val) > _LONGEST_ID else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SharedParts | None:
    """Distributes files with regard to what they share, where files are distributed."""
    return SharedParts(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keeps what is known of tests run once more in each process: asking the first one costs each test 40 ms."""
    if hasattr(config, "workerinput"):
        config.failures_db = StatusDB()  # type: ignore[attr-defined]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows why tests failed that are run once more: each is a race to be mended, though it passes."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"failed, then run once more: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts long files first."""
    put_longest_first(items)


@pytest.fixture(scope="session", autouse=True)
def _models_of_aws_are_read_once() -> Iterator[None]:
    """Keeps what botocore's sessions read of a service, which takes each of them longer than most tests."""
    read = JSONFileLoader.load_file
    kept = cache(lambda path: read(JSONFileLoader(), path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: kept(path))
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """Starts a server for all tests that can share it, each under a tenant of its own."""
    yield from _running(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """Starts a server that takes requests of at most 1 MiB."""
    yield from _running(tmp_path_factory.mktemp("strict"), "--max-request-bytes", "1MiB")


def _running(directory: Path, *arguments: str) -> Iterator[SpanlakeServer]:
    running = SpanlakeServer(directory / "data", arguments)
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An S3 server and DynamoDB Local, which this process and those it starts take for AWS."""
    with running(tmp_path_factory.mktemp("cloud")) as cloud, pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.environment.items():
            patch.setenv(name, value)
        yield cloud


@pytest.fixture(scope="session")
def trino(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trino]:
    """A Trino, which is what Athena runs on, over tables in a directory."""
    with trino_running(tmp_path_factory.mktemp("trino")) as trino:
        yield trino


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
