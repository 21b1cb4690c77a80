"""Whoever closes the connection stops the question that was asked over it, whatever it is."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
import pytest
import uvicorn
from starlette.types import ASGIApp

from spanlake.api.app import create_app
from spanlake.api.tempo.dependencies import ALL_ERRORS
from spanlake.api.tempo.routes import tempo_routes
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.limits import Cancelled
from tests.query.kit import NOON, SECOND, At, Lake
from tests.query.test_limits import ENDLESS
from tests.server_process import patiently

TIMES = {"start": str(NOON // SECOND - 60), "end": str(NOON // SECOND + 60)}


class Endless:
    """Makes every statement one that never ends, and notes what becomes of it."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.cancelled = threading.Event()

    def instead_of_execute(self) -> Callable[..., pa.Table]:
        """Returns a replacement for DuckDB.execute."""
        run = DuckDB.execute

        def execute(duck: DuckDB, _: str, check: Callable[[], None], *__: object, **___: object) -> pa.Table:
            self.running.set()
            try:
                return run(duck, ENDLESS, check)
            except Cancelled:
                self.cancelled.set()
                raise

        return execute


@contextmanager
def listening(app: ASGIApp) -> Iterator[int]:
    """The port at which an app is served while the context lasts."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=30))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert any(server.started for _ in patiently())
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/api/search", {"q": "{}"}),
        ("/api/search", {"q": "{} >> {} | count() > 1"}),
        ("/api/metrics/query_range", {"q": "{} | rate() by (name)"}),
        ("/api/metrics/query_range", {"q": "{} >> {} | rate()"}),
        ("/api/metrics/query_range", {"q": "{} | compare({ status = error })"}),
        ("/api/metrics/query", {"q": "{} | quantile_over_time(duration, .9)"}),
        ("/api/v2/search/tags", {"q": "{ span.k = 1 }", "scope": "span"}),
        ("/api/v2/search/tag/span.k/values", {}),
        ("/api/v2/search/tag/name/values", {"q": "{ span.k = 1 }"}),
        ("/api/traces/1", {}),
    ],
)
def test_the_query_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, parameters: dict[str, str]
) -> None:
    lake, endless = Lake(tmp_path), Endless()
    lake.add(At(1, attributes={"k": 1}), tenant="single-tenant")
    monkeypatch.setattr(DuckDB, "execute", endless.instead_of_execute())
    with listening(create_app(tempo_routes(lake.querier), ALL_ERRORS)) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"GET {path}?{urlencode(parameters | TIMES)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert endless.running.wait(30)
        assert endless.cancelled.wait(30)
    lake.close()
