"""The servers of tests: that none is taken for another."""

import fcntl
import os
import tempfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests import server_process as server
from tests.server_process import SpanlakeServer, free_offset


def test_an_offset_that_another_process_has_taken_is_not_free() -> None:
    offset = free_offset()
    with (Path(tempfile.gettempdir()) / f"spanlake-tests-{os.getuid()}-ports-{offset}").open("wb") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert not server._is_reserved(offset)


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def test_another_server_that_is_ready_is_not_taken_for_one_that_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = free_offset()
    monkeypatch.setattr(server, "free_offset", lambda: offset)
    with HTTPServer(("127.0.0.1", 3200 + offset), _Ready) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        started = SpanlakeServer(tmp_path / "data")
        try:
            with pytest.raises(RuntimeError, match="cannot listen"):
                started.wait_until_ready()
        finally:
            other.shutdown()
