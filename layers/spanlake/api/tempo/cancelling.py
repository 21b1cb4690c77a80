"""Runs a blocking question off the event loop, and stops it when whoever asked hangs up."""

from collections.abc import Callable
from typing import TypeVar

import anyio
from starlette.requests import Request

from spanlake.query.engine.session import Cancellation

T = TypeVar("T")


async def run(request: Request, question: Callable[[Cancellation], T]) -> T:
    """The answer of a question that takes a while; raises what it raises."""
    cancellation = Cancellation()
    answers: list[T] = []
    failures: list[Exception] = []

    def ask() -> None:
        try:
            answers.append(question(cancellation))
        except Exception as error:  # noqa: BLE001 - told to the caller below
            failures.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(_watch, request, cancellation)
        await anyio.to_thread.run_sync(ask)
        group.cancel_scope.cancel()
    if failures:
        raise failures[0]
    return answers[0]


async def _watch(request: Request, cancellation: Cancellation) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    cancellation.cancel()
