"""The content of the image of `spanlake serve`, installed and run without a container."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli.spans import ID
from tests.cli.test_explore import shop_request
from tests.scenarios.image.container import ImageServer, Installed


@pytest.fixture(scope="module")
def installed_server(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The image's content in a folder."""
    return Installed.into(Path(tmp_path_factory.mktemp("image")) / "spanlake", "serve")


@pytest.fixture
def server(installed_server: Installed) -> Iterator[ImageServer]:
    """A container of the image, as far as it can be had without one; pytest's folders are for their owner alone."""
    with TemporaryDirectory(prefix="volume-") as folder:
        Path(folder).chmod(0o755)
        running = ImageServer(installed_server, Path(folder) / "data", ("--listen", "127.0.0.1"))
        try:
            running.wait_until_ready()
            yield running
        finally:
            if running.status is None:
                running.stop()


def test_container_answers_for_what_it_stored_before_a_restart(
    server: ImageServer, installed_server: Installed
) -> None:
    assert server.post_traces(shop_request(ID)).status == 200
    assert server.get(f"/api/v2/traces/{ID}").json != {}
    assert server.stop() == 0
    assert (server.data / "index.sqlite").exists()
    assert installed_server.probe({"SPANLAKE_URL": server.tempo}) != 0


def test_health_check_says_whether_it_is_ready(server: ImageServer, installed_server: Installed) -> None:
    assert installed_server.probe({"SPANLAKE_URL": server.tempo}) == 0


def test_content_has_what_queries_need_and_no_tools(installed_server: Installed) -> None:
    there = {path.name for path in installed_server.packages.iterdir()}
    assert {"duckdb", "grpc", "pyarrow", "fastapi", "rich", "boto3", "duckdb_extension_httpfs"} <= there
    assert not there & {"pip", "setuptools", "hatchling", "spanlake_layers", "mypy", "pytest"}
