"""Compaction, deletion and retention on S3 and DynamoDB: what they do on embedded storage they do here."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from spanlake.store.days import utc_day
from spanlake.store.deletions import record_deletion
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.garbage import collect_garbage
from spanlake.store.maintenance.reindex import reindex
from spanlake.store.maintenance.retention import DeletedRemoval, expire_by_age, expire_by_size, purge_replaced
from spanlake.store.maintenance.verify import verify
from spanlake.store.objects.s3 import S3Location, S3Objects
from tests.cloud import Cloud, calls
from tests.store.maintenance.day_of_blocks import TENANT, Lake
from tests.store.tables import NOON, busy_table, span_table

TRACE = (1).to_bytes(16)


class CloudLake(Lake):
    """Blocks in S3, indexed in DynamoDB."""

    objects: S3Objects  # type: ignore[assignment]
    index: DynamoIndex  # type: ignore[assignment]

    def __init__(self, cloud: Cloud) -> None:
        self.objects = S3Objects(S3Location(cloud.bucket(), "lake"))
        self.index = DynamoIndex(cloud.table())
        self.now_ns = NOON
        self.compactor = Compactor(self.objects, self.index, lambda: self.now_ns)
        self._writes = 0

    def paths(self) -> set[str]:
        """The objects that there are."""
        return {info.path for info in self.objects.list("spans/")}


@pytest.fixture
def lake(cloud: Cloud) -> Iterator[CloudLake]:
    lake = CloudLake(cloud)
    with lake:
        yield lake


def test_many_blocks_become_one_and_their_objects_go(lake: CloudLake) -> None:
    for seed in range(20):
        lake.add(busy_table(300, seed))
    before = lake.rows()
    assert lake.settle() == 1
    (merged,) = lake.live()
    assert (merged.level, merged.spans) == (1, 6_000)
    assert lake.rows() == before
    assert len(lake.paths()) == 21
    assert purge_replaced(lake.objects, lake.index, grace_seconds=-9).blocks == 20
    assert lake.paths() == {merged.path}
    assert lake.index.replaced_before(int(time.time()) + 9) == []


def test_replaced_blocks_leave_queries_after_ten_minutes_and_storage_after_a_day(lake: CloudLake) -> None:
    for seed in range(3):
        lake.add(busy_table(50, seed))
    lake.settle()
    (merged,) = lake.live()
    day, before = (TENANT, merged.date), lake.paths()
    for minutes, removed in ((9, 0), (11, 0), (1439, 0), (1441, 3)):
        then_ns = time.time_ns() + minutes * 60 * 10**9
        done = purge_replaced(lake.objects, lake.index, then_ns, grace_seconds=86_400)
        assert done.blocks == removed
        if not removed:
            collect_garbage(lake.objects, lake.index, then_ns, share=1)
            assert lake.paths() == before == {block.path for block in lake.index.entries(*day)}
            assert verify(lake.objects, lake.index).without_entry == 0
            assert reindex(lake.objects, lake.index).added == ()
    assert lake.live() == [merged]
    assert lake.paths() == {merged.path}


def test_a_late_retry_after_compaction_adds_nothing(lake: CloudLake) -> None:
    for seed in range(2):
        lake.add(busy_table(50, seed))
    lake.settle()
    purge_replaced(lake.objects, lake.index, grace_seconds=-9)
    before = lake.rows()
    lake._writes = 0
    lake.add(busy_table(50, 0))
    assert lake.rows() == before


def test_a_hidden_trace_is_gone_after_compaction(lake: CloudLake) -> None:
    lake.add(span_table([{"trace_id": TRACE}, {"trace_id": TRACE[::-1]}]))
    lake.add(span_table([{"trace_id": TRACE}]))
    lake.index.mark_deleted(lake.live(), TRACE)
    lake.settle()
    assert [lake.table(block)["trace_id"].to_pylist() for block in lake.live()] == [[TRACE[::-1]]]


def test_replaced_blocks_of_a_day_with_a_deletion_go_soon_where_others_stay(lake: CloudLake) -> None:
    for seed in range(3):
        lake.add(busy_table(50, seed))
    lake.settle()
    (merged,) = lake.live()
    now = [0.0]
    removal = DeletedRemoval(lake.objects, lake.index, 600, lambda: now[0])
    assert removal.remove().blocks == 0
    now[0] = 700.0
    assert removal.remove().blocks == 0, "nothing was deleted"
    trace_id = lake.table(merged)["trace_id"][0].as_py()
    record_deletion(lake.objects, [merged], trace_id)
    lake.index.mark_deleted([merged], trace_id)
    lake.settle()
    assert removal.remove().blocks == 0, "queries may read them"
    now[0] = 1300.0
    assert removal.remove().blocks == 4
    assert lake.paths() == {block.path for block in lake.live()}


def test_days_that_are_too_old_go_of_named_tenants(lake: CloudLake) -> None:
    lake.add(span_table([{"start_time_unix_nano": NOON - 5 * 86_400 * 10**9}]))
    for expired, tenants in ((0, ["others"]), (1, [TENANT])):
        assert expire_by_age(lake.objects, lake.index, timedelta(days=1), NOON, tenants).blocks == expired
    purge_replaced(lake.objects, lake.index, grace_seconds=-9)
    assert lake.index.expire(utc_day(NOON), ["others"]) == []
    assert lake.index.days(TENANT)
    lake.index.expire(utc_day(NOON), [TENANT])
    assert lake.index.entries(TENANT, utc_day(NOON - 5 * 86_400 * 10**9)) == []


def test_days_that_are_too_old_go(lake: CloudLake) -> None:
    lake.add(span_table([{"start_time_unix_nano": NOON - day * 86_400 * 10**9} for day in range(3)]))
    assert expire_by_age(lake.objects, lake.index, timedelta(days=1), NOON).blocks == 1
    assert (len(lake.live()), len(lake.paths())) == (2, 3)
    purge_replaced(lake.objects, lake.index, grace_seconds=-9)
    assert len(lake.live()) == len(lake.paths()) == 2
    expire_by_size(lake.objects, lake.index, 1)
    assert lake.live() == []


def test_an_object_that_a_writer_left_behind_is_collected_and_others_stay(lake: CloudLake) -> None:
    lake.add(busy_table(50))
    with calls(lake.index.client) as made:
        collect_garbage(lake.objects, lake.index)
    assert set(made) <= {"Query"}
    assert lake.paths() == {block.path for block in lake.live()}
    assert {block.tenant for block in lake.live()} == {TENANT}
