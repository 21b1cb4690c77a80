"""The example in Python and the commands of docs/command-line.md work as written."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.cli.spans import ID
from tests.cli.test_explore import shop_request
from tests.documents import document, fenced
from tests.server_process import SPANLAKE, SpanlakeServer

_DOCUMENT = document("docs/command-line.md")


@pytest.fixture
def beside_data(tmp_path: Path) -> Path:
    """A directory with `data` in it, which has one trace of a shop."""
    server = SpanlakeServer(tmp_path / "data")
    try:
        server.wait_until_ready()
        assert server.post_traces(shop_request(ID)).status == 200
    finally:
        server.stop()
    return tmp_path


def test_example_in_python_gives_arrow_tables(beside_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(beside_data)
    results: dict[str, Any] = {}
    (program,) = fenced(_DOCUMENT, "python")
    exec(program, results)
    assert {name: results[name].num_rows for name in ("slow", "rate", "trace", "names")} == {
        "slow": 0,  # its longest span takes one second
        "rate": 5,
        "trace": 5,
        "names": 5,
    }
    assert isinstance(results["slow"], pa.Table)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`spanlake (\w+)", _DOCUMENT))))
def test_each_command_of_the_page_exists(command: str) -> None:
    subprocess.run([*SPANLAKE, command, "--help"], capture_output=True, check=True)
