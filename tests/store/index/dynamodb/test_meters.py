"""Meters of tenants in DynamoDB: a bucket that several processes share, and what Athena has read on a day."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from spanlake.ingest.errors import RateLimited
from spanlake.ingest.rates import SharedRates
from spanlake.settings.tenant_limits import TenantLimits
from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.index.dynamodb.meters import DynamoMeters
from tests.cloud import Cloud

SECOND = 10**9


@pytest.fixture
def open_meters(cloud: Cloud) -> Callable[[], DynamoMeters]:
    """Opens the meters of one new table, as another process does."""
    client = cloud.session.client("dynamodb")
    table = cloud.table()
    return lambda: DynamoMeters(client, table)


def rates(meters: DynamoMeters, now: Callable[[], int], rate: int = 10, burst: int = 100) -> SharedRates:
    limits = TenantLimits(ingest_rate=rate, ingest_burst=burst)
    return SharedRates(lambda tenant: TenantLimits() if tenant == "free" else limits, meters, now)


def test_processes_share_one_bucket(open_meters: Callable[[], DynamoMeters]) -> None:
    now = [1_000 * SECOND]
    one, other = (rates(open_meters(), lambda: now[0]) for _ in range(2))
    one.take("t", 60)
    other.take("t", 40)
    for each in (one, other):
        with pytest.raises(RateLimited) as refused:
            each.take("t", 30)
        assert refused.value.retry_seconds == 3
    now[0] += 3 * SECOND
    other.take("t", 30)
    with pytest.raises(RateLimited):
        one.take("t", 1)
    for tenant in ("free", "another"):
        one.take(tenant, 60)
        other.take(tenant, 40)


def test_large_request_leaves_a_debt(open_meters: Callable[[], DynamoMeters]) -> None:
    now = [1_000 * SECOND]
    bucket = rates(open_meters(), lambda: now[0], burst=10)
    bucket.take("t", 100)
    now[0] += 9 * SECOND
    with pytest.raises(RateLimited) as refused:
        bucket.take("t", 1)
    assert refused.value.retry_seconds == 1
    now[0] += SECOND
    bucket.take("t", 1)


def test_concurrent_requests_take_no_more_than_there_is(open_meters: Callable[[], DynamoMeters]) -> None:
    buckets = [rates(open_meters(), lambda: 1_000 * SECOND) for _ in range(8)]

    def is_taken(bucket: SharedRates) -> bool:
        try:
            bucket.take("t", 10)
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(is_taken, buckets * 3)) == 10


def test_requests_pass_while_the_store_does_not_answer() -> None:
    class Silent:
        def take(self, tenant: str, cost_ns: int, room_ns: int, now_ns: int) -> int:
            raise StorageUnavailable(f"{tenant}: {cost_ns} of {room_ns} at {now_ns}")

    SharedRates(lambda _: TenantLimits(ingest_rate=1), Silent()).take("t", 10**9)


def test_bytes_of_athena_add_up_by_tenant_and_day(open_meters: Callable[[], DynamoMeters]) -> None:
    one, other = open_meters(), open_meters()
    first, second = date(2026, 11, 30), date(2026, 12, 1)
    one.add_scanned("t", first, 5)
    other.add_scanned("t", first, 7)
    other.add_scanned("t", second, 1)
    other.add_scanned("u", first, 2)
    assert [one.scanned(*each) for each in (("t", first), ("t", second), ("u", first), ("v", first))] == [12, 1, 2, 0]


def test_meters_are_no_part_of_the_index(cloud: Cloud) -> None:
    client, table = cloud.session.client("dynamodb"), cloud.table()
    DynamoMeters(client, table).take("t", 1, 10, 1_000 * SECOND)
    index = DynamoIndex(table)
    assert (index.tenants(), index.summary()) == ([], [])
    index.close()
