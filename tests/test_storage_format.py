"""The examples of docs/storage-format.md work as written."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.documents import document, fenced, section
from tests.payloads import export_request

_READING = section(document("docs/storage-format.md"), "Read it with DuckDB")


@pytest.fixture
def beside_data(start_server: StartServer) -> Path:
    """A directory with `data` in it, which holds the spans `plain` and `failed`, the second one with an exception."""
    request = export_request("plain", "failed")
    event = request.resource_spans[0].scope_spans[1].spans[0].events.add(name="exception")
    event.attributes.add(key="exception.type").value.string_value = "OutOfEggs"
    server = start_server()
    assert server.post_traces(request.SerializeToString()).status == 200
    return server.data.parent


def test_examples(beside_data: Path) -> None:
    (program,), (query,) = fenced(_READING, "python"), fenced(_READING, "sql")
    script = f"{program}\nprint(duckdb.sql({query!r}))"
    output = subprocess.run(
        [sys.executable, "-c", script], cwd=beside_data, check=True, capture_output=True, text=True
    ).stdout
    assert all(word in output for word in ("plain", "failed", "exception.type", "OutOfEggs"))
