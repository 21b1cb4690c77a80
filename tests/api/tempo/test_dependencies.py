"""A question whose asker hangs up is stopped, and its thread is free for the next."""

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from starlette.requests import Request

from spanlake.api.authentication import ACCESS
from spanlake.api.tempo.dependencies import accepts_protobuf, run
from spanlake.api.tempo.query_queue import QueryQueue
from spanlake.auth.access import ANYONE
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.session import Cancellation
from spanlake.query.limits import Cancelled
from tests.query.test_limits import ENDLESS


def request(*messages: str) -> Request:
    """A request whose connection says these things, then nothing more."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if not left:
            await anyio.sleep_forever()
        return {"type": left.pop(0)}

    return Request({"type": "http", "headers": [], ACCESS: ANYONE}, receive)


def answer(asked: Request, question: Callable[[Cancellation], Any]) -> Any:
    return asyncio.run(run(asked, "tenant", question, QueryQueue()))


def test_an_answer() -> None:
    assert answer(request("http.request"), lambda _: 5) == 5


def test_a_failure_is_the_callers() -> None:
    def fail(_: Cancellation) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        answer(request("http.request"), fail)


def test_hanging_up_stops_the_query() -> None:
    duck = DuckDB([])

    def ask(cancellation: Cancellation) -> object:
        return duck.execute(ENDLESS, duck.session(cancellation).check)

    for _ in range(3):
        with pytest.raises(Cancelled):
            answer(request("http.request", "http.disconnect"), ask)
    duck.close()


@pytest.mark.parametrize(
    ("accept", "is_protobuf"),
    [
        ("application/protobuf", True),
        ("Application/Protobuf", True),
        ("application/protobuf; q=0.9, application/json;q=0.5", True),
        ("application/json, application/protobuf", True),
        ("application/protobuf, */*;q=0.8", True),
        ("application/json;q=0.9, application/protobuf;q=0.1", False),
        ("application/protobuf;q=0", False),
        ("application/protobuf+x", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_accepts_protobuf_reads_media_types_and_weights(accept: str, is_protobuf: bool) -> None:
    asked = Request({"type": "http", "headers": [(b"accept", accept.encode())]})
    assert accepts_protobuf(asked) == is_protobuf
