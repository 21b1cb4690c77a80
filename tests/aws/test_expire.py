"""Tests the daily run: retention, merging of past days, and collection of garbage."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from spanlake.aws import compact, expire
from spanlake.aws.compaction import Compaction
from spanlake.aws.environment import LambdaStore
from spanlake.aws.glue_columns import Columns
from spanlake.aws.settings import settings
from spanlake.aws.telemetry import Telemetry
from spanlake.aws.tenants import Tenants
from spanlake.store.blocks.entry import open_block
from spanlake.store.blocks.paths import TRASH
from spanlake.store.deletions import record_deletion
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.maintenance.garbage import collect_garbage
from spanlake.store.objects.base import ObjectInfo
from spanlake.store.objects.s3 import S3Objects
from tests.aws.events import Context
from tests.aws.test_compact import AT_ONCE, levels, store_blocks, woken_by
from tests.payloads import DAY_NS


def paths(store: LambdaStore) -> list[str]:
    return [info.path for info in store.objects.list() if info.path != "store.json"]


def trace_ids(store: LambdaStore, path: str) -> list[bytes]:
    """The trace ids in an object."""
    table = open_block(store.objects.get(path)).read(columns=["trace_id"])
    return [trace_id.as_py() for trace_id in table["trace_id"]]


def aged(monkeypatch: pytest.MonkeyPatch, age: timedelta) -> None:
    """Let every object be as old as that."""
    listed = S3Objects.list

    def older(objects: S3Objects, prefix: str = "") -> list[ObjectInfo]:
        return [replace(info, modified=datetime.now(UTC) - age) for info in listed(objects, prefix)]

    monkeypatch.setattr(S3Objects, "list", older)


def test_days_past_their_retention_go(store: LambdaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store_blocks(store, "shop", 2, start_ns=time.time_ns() - 15 * DAY_NS)
    kept = store_blocks(store, "shop", 1)
    expire.handler()({}, Context())
    assert levels(store, "shop") == [0]
    assert len(paths(store)) == 3, "the objects stay a day"
    later = int(time.time()) + 86_401
    monkeypatch.setattr(DynamoIndex, "service_time", lambda _: later)
    expire.handler()({}, Context())
    assert paths(store) == [block.path for block in kept]


def test_a_day_that_is_over_is_merged_though_nothing_comes_any_more(store: LambdaStore) -> None:
    store_blocks(store, "shop", 3, start_ns=time.time_ns() - 3 * DAY_NS)
    expire.handler(AT_ONCE)({}, Context())
    assert levels(store, "shop") == [1]


def test_garbage_goes_in_two_steps(
    store: LambdaStore, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = store_blocks(store, "shop", 1)
    nobody = block.path.replace(block.id, "ab" * 16)
    store.objects.put(nobody, b"x")
    aged(monkeypatch, timedelta(hours=2))
    config, waited = settings(environment | {"SPANLAKE_GARBAGE_SHARE": "50%"}), list[float]()
    compaction = Compaction(store, config, Telemetry("tests"))
    tenants = Tenants(store, config.retention, compaction, None)
    columns = Columns(store, config.athena)
    maintenance = expire.DailyMaintenance(store, config, compaction, tenants, columns, waited.append)
    maintenance.run()
    assert sorted(paths(store)) == [block.path, TRASH + nobody]
    maintenance.run()
    assert paths(store) == [block.path]
    assert waited == [180.0]  # for the first only: whoever stores it again then gets it back


def test_deleted_trace_leaves_the_bucket_in_one_run(
    store: LambdaStore, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the blocks that were merged before the trace was deleted, whose time of grace is not over."""
    monkeypatch.setattr(Compaction, "_wait", lambda *_: None)
    fresh = store_blocks(store, "shop")
    compact.handler()(woken_by(fresh), Context())
    (merged,) = store.index.find("shop", 0, 2**63 - 1)
    other = store_blocks(store, "bank", 2)
    trace_id = trace_ids(store, merged.path)[0]
    record_deletion(store.objects, [merged], trace_id)
    store.index.mark_deleted([merged], trace_id)
    expire.handler()({}, Context())
    blocks = [path for path in paths(store) if path.startswith("spans/")]
    assert blocks == sorted(block.path for block in other)
    assert levels(store, "shop") == []


def test_replaced_blocks_of_days_without_deletions_stay_a_day(store: LambdaStore) -> None:
    fresh = store_blocks(store, "shop")
    compact.handler()(woken_by(fresh), Context())
    expire.handler()({}, Context())
    assert {block.path for block in fresh} < set(paths(store))


def test_what_queries_may_still_read_waits_as_long_as_they_can_last(
    store: LambdaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(Compaction, "_wait", lambda _, seconds: waited.append(seconds))
    (block,) = store_blocks(store, "shop", 1)
    trace_id = trace_ids(store, block.path)[0]
    record_deletion(store.objects, [block], trace_id)
    store.index.mark_deleted([block], trace_id)
    expire.handler()({}, Context())
    assert waited == [50.0]
    assert not [path for path in paths(store) if path.startswith("spans/")]


def test_collection_of_garbage_goes_on_where_time_was_over(store: LambdaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.time_ns()
    for tenant in "abc":
        for day in range(2):
            (block,) = store_blocks(store, tenant, 1, start_ns=start - day * DAY_NS)
            store.objects.put(block.path.replace(block.id, "ab" * 16), b"x")
    aged(monkeypatch, timedelta(hours=2))
    left = []
    for _ in range(6):
        time_left = iter([True, False])
        collect_garbage(store.objects, store.index, share=0.5, has_time=partial(next, time_left))
        left.append(sum(path.startswith("spans/") and "abab" in path for path in paths(store)))
    assert left == [5, 4, 3, 2, 1, 0], "one day in each run"


def test_retention_of_a_tenant_removes_its_days_alone(store: LambdaStore) -> None:
    store.index.set_property("limits", "[tenants.brief]\nretention = '2d'\n")
    old = time.time_ns() - 5 * DAY_NS
    for tenant in ("brief", "other"):
        store_blocks(store, tenant, 1, start_ns=old)
        store_blocks(store, tenant, 1, start_ns=time.time_ns())
    expire.handler()({}, Context())
    assert [len(store.index.find(tenant, 0, 2**63 - 1)) for tenant in ("brief", "other")] == [1, 2]
