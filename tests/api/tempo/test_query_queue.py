"""Queries wait their turn, and no tenant waits for all queries of another."""

import asyncio

import pytest

from spanlake.api.tempo.query_queue import QueryQueue, TooManyQueries
from spanlake.ingest.tenant_work import TenantWork


async def ask(queue: QueryQueue, tenant: str, order: list[str], seconds: float = 0.01) -> None:
    async with queue.place(tenant):
        order.append(tenant)
        await asyncio.sleep(seconds)


def test_queue_serves_tenants_in_turn() -> None:
    async def run() -> list[str]:
        queue, order = QueryQueue(at_once=1), list[str]()
        await asyncio.gather(*(ask(queue, tenant, order) for tenant in "aaaaabab"))
        return order

    assert "".join(asyncio.run(run())) == "aabababa"[:1] + "ababaaa"


def test_place_goes_to_the_tenant_with_the_fewest() -> None:
    async def run() -> list[str]:
        queue, order = QueryQueue(at_once=2), list[str]()
        held = [asyncio.Event(), asyncio.Event()]

        async def hold(until: asyncio.Event) -> None:
            async with queue.place("a"):
                await until.wait()

        holding = [asyncio.create_task(hold(until)) for until in held]
        waiting = [asyncio.create_task(ask(queue, tenant, order, 0)) for tenant in "aab"]
        await asyncio.sleep(0)
        held[0].set()
        await waiting[2]
        held[1].set()
        await asyncio.gather(*waiting, *holding)
        return order

    assert "".join(asyncio.run(run())) == "baa"


def test_queue_refuses_more_waiting_queries_than_allowed() -> None:
    async def run() -> list[object]:
        queue = QueryQueue(at_once=1, waiting=2)
        return await asyncio.gather(*(ask(queue, "a", []) for _ in range(5)), return_exceptions=True)

    assert [type(each) for each in asyncio.run(run())].count(TooManyQueries) == 2


def test_queue_gives_up_query_that_waits_too_long() -> None:
    async def run() -> None:
        queue = QueryQueue(at_once=1, seconds=0.01)
        async with queue.place("a"):
            with pytest.raises(TooManyQueries, match="waited"):
                async with queue.place("a"):
                    pass
        async with queue.place("b"):
            pass

    asyncio.run(run())


def test_queue_returns_place_of_cancelled_query() -> None:
    async def run() -> None:
        queue = QueryQueue(at_once=1)
        running = asyncio.create_task(ask(queue, "a", [], 60))
        waiting = asyncio.create_task(ask(queue, "a", [], 60))
        await asyncio.sleep(0)
        waiting.cancel()
        running.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
        async with asyncio.timeout(5), queue.place("b"):
            pass

    asyncio.run(run())


def test_tenant_that_asks_all_the_time_leaves_a_place_to_others() -> None:
    async def run() -> list[str]:
        now, order = 0.0, list[str]()
        queue = QueryQueue(at_once=2, clock=lambda: now)
        async with queue.place("b"):
            pass
        until = asyncio.Event()

        async def hold() -> None:
            async with queue.place("a"):
                order.append("a")
                await until.wait()

        holding = [asyncio.create_task(hold()) for _ in range(3)]
        await asyncio.sleep(0)
        async with asyncio.timeout(5), queue.place("b"):
            order.append("b")
        now = 60.0  # by then the other has not asked for a while
        until.set()
        await asyncio.gather(*holding)
        return order

    assert "".join(asyncio.run(run())) == "abaa"


def test_tenant_alone_has_all_places() -> None:
    async def run() -> None:
        queue = QueryQueue(at_once=2)
        async with asyncio.timeout(5), queue.place("a"), queue.place("a"):
            pass

    asyncio.run(run())


def test_full_queue_refuses_the_tenant_that_has_most_in_it() -> None:
    async def run() -> list[object]:
        queue, order = QueryQueue(at_once=1, waiting=3), list[str]()
        return await asyncio.gather(*(ask(queue, tenant, order) for tenant in "aaaab"), return_exceptions=True)

    assert [type(each) for each in asyncio.run(run())] == [type(None)] * 3 + [TooManyQueries, type(None)]


@pytest.mark.parametrize(
    ("seconds", "is_alone"),
    [
        ({"a": 60, "b": 1}, True),
        ({"a": 60, "b": 40}, False),
        ({"a": 10.0, "b": 0.5} | {f"b{number}": 0.5 for number in range(1, 20)}, True),
    ],
    ids=["beside one that asks little", "beside one that asks as much", "beside many that ask little"],
)
def test_queries_run_beside_those_of_a_tenant_that_took_no_more_time(
    seconds: dict[str, float], *, is_alone: bool
) -> None:
    async def run() -> list[str]:
        now, order = 0.0, list[str]()
        queue = QueryQueue(at_once=3, clock=lambda: now)
        for tenant, taken in seconds.items():
            async with queue.place(tenant):
                now += taken
        async with queue.place("b"):
            waiting = asyncio.create_task(ask(queue, "a", order, 0))
            await asyncio.sleep(0.01)
            order.append("b")
        await waiting
        return order

    assert asyncio.run(run()) == (["b", "a"] if is_alone else ["a", "b"])


@pytest.mark.parametrize(("seconds", "rests"), [(60.0, True), (1.0, False)])
def test_tenant_that_asked_for_long_rests_while_others_send(seconds: float, *, rests: bool) -> None:
    async def run() -> list[str]:
        now, order = 0.0, list[str]()
        work = TenantWork(lambda: now)
        queue = QueryQueue(at_once=2, clock=lambda: now, work=work)
        async with queue.place("a"):
            now += seconds
            work.note("sender")
        waiting = asyncio.create_task(ask(queue, "a", order, 0))
        await asyncio.sleep(0.01)
        order.append("rested")
        now += 10
        async with queue.place("b"):
            pass  # its end hands places on
        await waiting
        return order

    assert asyncio.run(run()) == (["rested", "a"] if rests else ["a", "rested"])


def test_tenant_that_asked_for_long_does_not_rest_alone() -> None:
    async def run() -> None:
        now = 0.0
        queue = QueryQueue(at_once=2, clock=lambda: now)
        for _ in range(3):
            async with asyncio.timeout(5), queue.place("a"), queue.place("a"):
                now += 60

    asyncio.run(run())
