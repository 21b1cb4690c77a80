"""The rate at which tenants may send."""

import asyncio

import pytest

from spanlake.ingest.errors import Overloaded, RateLimited
from spanlake.ingest.rates import HeldRefusals, IngestRates
from spanlake.settings.tenant_limits import TenantLimits


class Clock:
    """Time that passes when it is told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    """The clock of the buckets."""
    return Clock()


def rates(clock: Clock, ingest_rate: int, ingest_burst: int) -> IngestRates:
    limits = TenantLimits(ingest_rate=ingest_rate, ingest_burst=ingest_burst)
    return IngestRates(lambda tenant: TenantLimits() if tenant == "free" else limits, clock)


def test_burst_is_taken_and_then_the_rate(clock: Clock) -> None:
    bucket = rates(clock, ingest_rate=10, ingest_burst=100)
    bucket.take("a", 60)
    bucket.take("a", 40)
    with pytest.raises(RateLimited) as refused:
        bucket.take("a", 30)
    assert refused.value.retry_seconds == 3
    clock.seconds = 3
    bucket.take("a", 30)
    with pytest.raises(RateLimited):
        bucket.take("a", 1)


def test_tenants_have_buckets_of_their_own(clock: Clock) -> None:
    bucket = rates(clock, ingest_rate=1, ingest_burst=1)
    for tenant in ("a", "b", "free", "free"):
        bucket.take(tenant, 1)


def test_large_request_leaves_a_debt(clock: Clock) -> None:
    bucket = rates(clock, ingest_rate=10, ingest_burst=10)
    bucket.take("a", 100)
    clock.seconds = 9
    with pytest.raises(RateLimited) as refused:
        bucket.take("a", 1)
    assert refused.value.retry_seconds == 1
    clock.seconds = 10
    bucket.take("a", 1)


def test_retry_hint_is_a_minute_at_most(clock: Clock) -> None:
    bucket = rates(clock, ingest_rate=1, ingest_burst=10**6)
    bucket.take("a", 10**6)
    with pytest.raises(RateLimited) as refused:
        bucket.take("a", 10**5)
    assert refused.value.retry_seconds == 60


def test_tenants_with_a_full_bucket_are_forgotten(clock: Clock) -> None:
    bucket = rates(clock, ingest_rate=1, ingest_burst=1)
    for number in range(10_000):
        bucket.take(str(number), 1)
    clock.seconds = 5
    bucket.take("another", 1)
    assert len(bucket._buckets) == 1


def test_refusals_of_a_process_are_held_back_and_others_told_at_once(clock: Clock) -> None:
    held: list[float] = []

    async def sleep(seconds: float) -> None:
        held.append(seconds)

    bucket = rates(clock, ingest_rate=1, ingest_burst=1)
    bucket.take("a", 1)
    with pytest.raises(RateLimited) as refused:
        bucket.take("a", 1)
    for error in (refused.value, RateLimited("by functions", 1), Overloaded("full")):
        asyncio.run(HeldRefusals(sleep).hold_back(error))
    assert held == [0.5]
    assert refused.value.__traceback__ is None  # so that nothing keeps the request


def test_number_of_refusals_that_are_held_back_is_bounded() -> None:
    async def run() -> int:
        held = HeldRefusals()
        error = RateLimited("too fast", 1, 3600.0)
        waiting = [asyncio.create_task(held.hold_back(error)) for _ in range(2000)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        told = sum(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        return told

    assert asyncio.run(run()) == 2000 - 1024
