"""Answers without missing blocks say so in a header; by default there are none."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.payloads import export_request


def missing_block(data: Path) -> str:
    """Remove the file of a live block; its id."""
    block = max((data / "spans").rglob("*.parquet"), key=lambda path: path.stat().st_mtime)
    block.unlink()
    return block.stem


@pytest.mark.parametrize("allowed", [False, True])
def test_an_answer_without_a_missing_block_is_allowed_by_a_setting(start_server: StartServer, allowed: bool) -> None:
    server = start_server("--no-compaction", *(["--partial-answers"] if allowed else []))
    for name in ("kept", "lost"):
        assert server.post_traces(export_request(name).SerializeToString()).status == 200
    whole = server.get("/api/search?q=%7B%7D")
    assert "x-spanlake-partial" not in {name.lower() for name in whole.headers}
    block = missing_block(server.data)
    answer = server.get("/api/search?q=%7B%7D")
    if not allowed:
        assert (answer.status, block in answer.body.decode()) == (503, True)
    else:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert (answer.status, block in headers["x-spanlake-partial"]) == (200, True)
    assert server.metric("spanlake_missing_blocks_total") == 1
