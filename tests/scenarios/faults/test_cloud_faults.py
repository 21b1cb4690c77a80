"""Calls to S3 and DynamoDB fail: in bounded time, nothing is lost, and the next attempt succeeds."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cached_property

import pytest

from spanlake.query.open import open_querier
from spanlake.query.querier import Querier
from spanlake.settings.model import QueryLimits
from spanlake.store.aws_client import Session
from spanlake.store.deadline import limited
from spanlake.store.errors import StoreError
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.garbage import collect_garbage
from spanlake.store.maintenance.retention import expire_by_age, purge_replaced
from spanlake.store.objects.s3 import S3Location, S3Objects
from spanlake.store.write import write
from tests.cloud import Cloud
from tests.scenarios.faults.cloud import HANG_SECONDS, Fault, FaultyCalls
from tests.store.maintenance.day_of_blocks import TENANT
from tests.store.maintenance.test_cloud_maintenance import CloudLake
from tests.store.tables import HOUR, NOON, span_table

SECONDS = 0.5  # of the storage calls of one operation
_LONGEST = 60.0  # seconds of an operation; one that waits for a call without an end never ends
_NUMBERS = (1, 2, 3, 4, 5, 6, 8, 11, 15, 20, 30)  # of the call that fails; operations make 2 to 20
_DAY = timedelta(days=1)


class FaultyLake(CloudLake):
    """Blocks of two days, one of which is old, some of them merged; and what must be found in the end."""

    def __init__(self, cloud: Cloud, session: Session) -> None:
        self.objects = S3Objects(S3Location(cloud.bucket(), "lake"), session)
        self.index = DynamoIndex(cloud.table(), session=session)
        self.compactor = Compactor(self.objects, self.index, lambda: NOON)
        self.names: set[str] = set()  # of spans that were acknowledged
        for name in ("merged 1", "merged 2"):
            self.store(name)
        self.settle()
        for name in ("fresh 1", "fresh 2"):
            self.store(name)
        self.store("old", NOON - 48 * HOUR)

    @cached_property
    def querier(self) -> Querier:
        """Answers queries of the blocks."""
        return open_querier(self.objects, self.index, QueryLimits(), None)

    def store(self, name: str, start_ns: int = NOON) -> None:
        """Store a span; it counts as acknowledged."""
        table = span_table([{"name": name, "trace_id": name.encode().rjust(16), "start_time_unix_nano": start_ns}])
        write(self.objects, self.index, TENANT, table, name.encode())
        self.names.add(name)

    def found(self) -> list[str]:
        """Names of the spans in live blocks that are not hidden; raises when one of the blocks has no object."""
        return [
            row["name"]
            for block in self.live()
            for row in self.table(block).to_pylist()
            if row["trace_id"] not in block.hidden
        ]


def ingest(lake: FaultyLake) -> None:
    lake.store("new")


def query(lake: FaultyLake) -> None:
    assert lake.querier.trace(TENANT, b"fresh 2".rjust(16)) is not None


def delete(lake: FaultyLake) -> None:
    lake.names.discard("fresh 1")
    lake.querier.delete(TENANT, b"fresh 1".rjust(16))


def compact(lake: FaultyLake) -> None:
    lake.settle()


def remove(lake: FaultyLake) -> None:
    purge_replaced(lake.objects, lake.index, grace_seconds=-9)


def expire(lake: FaultyLake) -> None:
    lake.names.discard("old")
    expire_by_age(lake.objects, lake.index, _DAY, NOON)


def collect(lake: FaultyLake) -> None:
    collect_garbage(lake.objects, lake.index)


OPERATIONS = (ingest, query, delete, compact, remove, expire, collect)
_QUERYING = {query, delete}


@pytest.fixture
def new_lake(cloud: Cloud) -> Iterator[Callable[[], FaultyLake]]:
    lakes: list[FaultyLake] = []
    session = Session()

    def new() -> FaultyLake:
        lakes.append(FaultyLake(cloud, session))
        return lakes[-1]

    yield new
    for lake in lakes:
        lake.index.close()


def survives(lake: FaultyLake, operation: Callable[[FaultyLake], None], calls: FaultyCalls) -> bool:
    """Do it with faults and then without, and look at what is there after each; True when it was done with them."""
    if operation in _QUERYING:
        _ = lake.querier  # made now: that takes longer than the calls may
    start = time.monotonic()
    is_done = False
    with suppress(StoreError), calls.of(lake.objects.client, lake.index.client), limited(SECONDS):
        operation(lake)
        is_done = True
    assert time.monotonic() - start < _LONGEST
    assert set(lake.found()) >= lake.names
    operation(lake)
    assert sorted(lake.found()) == sorted(lake.names)
    return is_done


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.THROTTLED, Fault.SLOW])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_survives_a_passing_fault_of_all_calls(
    new_lake: Callable[[], FaultyLake], operation: Callable[[FaultyLake], None], fault: Fault
) -> None:
    survives(new_lake(), operation, FaultyCalls(fault, None))


@pytest.mark.parametrize("fault", [Fault.HANGS, Fault.LOST, Fault.DENIED, Fault.CONFLICT])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_survives_a_fault_of_one_call(
    new_lake: Callable[[], FaultyLake], operation: Callable[[FaultyLake], None], fault: Fault
) -> None:
    lakes: list[FaultyLake] = []
    for number in _NUMBERS:
        lakes.append(new_lake())
        calls = FaultyCalls(fault, number)
        is_done = survives(lakes[-1], operation, calls)
        if is_done and not calls.was_reached:
            break
    assert len(lakes) > 2
    if fault is Fault.HANGS:
        time.sleep(HANG_SECONDS)  # the hanging call is carried out by now
    for lake in lakes:
        assert sorted(lake.found()) == sorted(lake.names)
