"""Tests the deadline for the arrival of requests."""

import asyncio

import pytest

from spanlake.ingest.deadline import ArrivalDeadline
from spanlake.ingest.errors import ArrivalTimeout, Draining


async def never() -> None:
    await asyncio.sleep(3600)


def test_request_that_is_slow_is_asked_for_again() -> None:
    async def run() -> None:
        async with ArrivalDeadline().within(0.01):
            await never()

    with pytest.raises(ArrivalTimeout, match=r"within 0\.01 seconds"):
        asyncio.run(run())


def test_requests_that_arrive_at_the_end_have_less_time() -> None:
    async def run() -> None:
        deadline = ArrivalDeadline()
        asyncio.get_running_loop().call_later(0.01, deadline.end_in, 0.01)
        async with deadline.within(3600):
            await never()

    with pytest.raises(Draining):
        asyncio.run(run())


def test_so_do_those_that_come_after() -> None:
    async def run() -> None:
        deadline = ArrivalDeadline()
        deadline.end_in(0.01)
        async with deadline.within(3600):
            await never()

    with pytest.raises(Draining):
        asyncio.run(run())


def test_request_that_arrives_in_time_is_not_disturbed() -> None:
    async def run() -> str:
        deadline = ArrivalDeadline()
        deadline.end_in(3600)
        async with deadline.within(3600):
            await asyncio.sleep(0)
        deadline.end_in(0)
        return "done"

    assert asyncio.run(run()) == "done"


def test_timeout_of_what_is_done_inside_is_its_own() -> None:
    async def run() -> None:
        async with ArrivalDeadline().within(3600):
            raise TimeoutError("of storage")

    with pytest.raises(TimeoutError, match="of storage"):
        asyncio.run(run())
