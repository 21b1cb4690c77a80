"""Tests the deadline for the arrival of requests."""

import asyncio

import pytest

from spanlake.ingest.deadline import ArrivalDeadline
from spanlake.ingest.errors import ArrivalTimeout, Draining


async def never() -> None:
    await asyncio.sleep(3600)


def test_deadline_asks_slow_request_to_retry() -> None:
    async def run() -> None:
        async with ArrivalDeadline().within(0.01):
            await never()

    with pytest.raises(ArrivalTimeout, match=r"within 0\.01 seconds"):
        asyncio.run(run())


def test_deadline_is_shorter_during_shutdown() -> None:
    async def run() -> None:
        deadline = ArrivalDeadline()
        asyncio.get_running_loop().call_later(0.01, deadline.end_in, 0.01)
        async with deadline.within(3600):
            await never()

    with pytest.raises(Draining):
        asyncio.run(run())


def test_deadline_is_shorter_for_requests_after_shutdown_begins() -> None:
    async def run() -> None:
        deadline = ArrivalDeadline()
        deadline.end_in(0.01)
        async with deadline.within(3600):
            await never()

    with pytest.raises(Draining):
        asyncio.run(run())


def test_deadline_leaves_timely_request_alone() -> None:
    async def run() -> str:
        deadline = ArrivalDeadline()
        deadline.end_in(3600)
        async with deadline.within(3600):
            await asyncio.sleep(0)
        deadline.end_in(0)
        return "done"

    assert asyncio.run(run()) == "done"


def test_deadline_passes_on_timeout_raised_inside() -> None:
    async def run() -> None:
        async with ArrivalDeadline().within(3600):
            raise TimeoutError("of storage")

    with pytest.raises(TimeoutError, match="of storage"):
        asyncio.run(run())
