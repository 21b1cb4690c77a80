"""Drills of docs/operations.md with the functions themselves, an S3 server and DynamoDB Local."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from spanlake.aws import compact, expire, ingest, query
from spanlake.aws.compaction import Compaction, CompactionPolicy
from spanlake.aws.environment import LambdaStore
from spanlake.store.blocks import schema
from spanlake.store.blocks.block import Block
from spanlake.store.errors import StorageCorrupt, StoreMismatch
from spanlake.store.identity import adopt
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.maintenance.compaction_plan import PlanPolicy
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.reindex import reindex
from spanlake.store.maintenance.verify import verify
from tests.aws.events import Context, body_of, http_event
from tests.aws.test_compact import levels, woken_by
from tests.cloud import Cloud
from tests.payloads import export_request

TENANT = "single-tenant"
FEW = 4  # blocks of a merge
SMALL_MERGES = CompactionPolicy(plan=PlanPolicy(fan_in=FEW))
NAMES = [f"request {number:02}" for number in range(FEW + 3)]
MINUTE = 60
DAY = 86_400

UseTable = Callable[[str], DynamoIndex]


def send(names: Sequence[str]) -> None:
    """Send a request for each name to a new function, which must take them."""
    handler = ingest.handler()
    for name in names:
        body = export_request(name).SerializeToString()
        event = http_event("POST", "/v1/traces", headers={"content-type": "application/x-protobuf"}, body=body)
        assert handler(event, Context())["statusCode"] == 200


def asked() -> list[str]:
    """The names of all spans by a new function, each as often as it tells of it; or the status of its error."""
    event = http_event("GET", "/api/search", query={"q": "{ }", "limit": "500", "spss": "0"})
    answer = query.handler()(event, Context())
    if answer["statusCode"] != 200:
        return [str(answer["statusCode"])]
    traces = json.loads(body_of(answer))["traces"]
    return sorted(span["name"] for trace in traces for found in trace["spanSets"] for span in found["spans"])


def merge(store: LambdaStore) -> None:
    """Have a new function compact what has come in."""
    blocks = store.index.find(TENANT, 0, 2**63 - 1)
    assert compact.handler(SMALL_MERGES)(woken_by(blocks), Context()) == {"batchItemFailures": []}


@contextmanager
def later(seconds: int) -> Iterator[None]:
    """Let it be so much later by DynamoDB's clock."""
    now = int(time.time()) + seconds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DynamoIndex, "service_time", lambda _: now)
        yield


@pytest.fixture
def use_table(store: LambdaStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[UseTable]:
    """Has functions that start from now on use another table."""
    opened: list[DynamoIndex] = []

    def use(table: str) -> DynamoIndex:
        monkeypatch.setenv("SPANLAKE_INDEX", f"dynamodb://{table}")
        opened.append(DynamoIndex(table, store.index._retention))
        return opened[-1]

    yield use
    for index in opened:
        index.close()


def copy_of(cloud: Cloud, index: DynamoIndex) -> str:
    """The table as a restoration to this moment makes it."""
    client, target = cloud.session.client("dynamodb"), cloud.table()
    for page in client.get_paginator("scan").paginate(TableName=index.table):
        for item in page["Items"]:
            client.put_item(TableName=target, Item=item)
    return target


def test_functions_of_a_new_stack_adopt_a_kept_bucket_and_table(store: LambdaStore) -> None:
    send(NAMES[:-2])
    merge(store)
    send(NAMES[-2:])
    assert asked() == NAMES
    merge(store)
    expire.handler(SMALL_MERGES)({}, Context())
    assert asked() == NAMES
    assert 1 in levels(store, TENANT)


def test_functions_of_a_new_stack_take_a_kept_bucket_once_it_is_reindexed(
    store: LambdaStore, cloud: Cloud, use_table: UseTable
) -> None:
    send(NAMES)
    merge(store)
    before = {info.path for info in store.objects.list()}
    index = use_table(cloud.table())
    assert asked() == ["503"]
    for handler in (compact.handler(SMALL_MERGES), expire.handler(SMALL_MERGES)):
        with pytest.raises(StoreMismatch, match="spanlake reindex"):
            handler({}, Context())
    assert {info.path for info in store.objects.list()} == before
    adopt(store.objects, index)
    reindex(store.objects, index)
    assert asked() == NAMES
    send(["afterwards"])
    assert asked() == ["afterwards", *NAMES]


@pytest.mark.parametrize("moment", ["before the merge", "after the merge", "archived"])
@pytest.mark.parametrize("age", [20 * MINUTE, DAY + 20 * MINUTE])
def test_table_restored_to_a_moment_has_every_span_once(
    store: LambdaStore, cloud: Cloud, use_table: UseTable, moment: str, age: int
) -> None:
    """Within a day it finds all its objects by itself; later, and for what was stored since, it is reindexed."""
    send(NAMES[:-2])
    copies = {"before the merge": copy_of(cloud, store.index)}
    merge(store)
    copies["after the merge"] = copy_of(cloud, store.index)
    with later(11 * MINUTE):
        merge(store)
    copies["archived"] = copy_of(cloud, store.index)
    with later(age):
        merge(store)
        restored = use_table(copies[moment])
        if age < DAY or moment != "before the merge":
            assert asked() == NAMES[:-2]
        assert reindex(store.objects, restored).added == () or moment == "before the merge"
        assert asked() == NAMES[:-2]
        expire.handler(SMALL_MERGES)({}, Context())
    assert verify(store.objects, restored).faults == ()
    send(NAMES[-2:])
    assert asked() == NAMES


def test_compaction_goes_on_after_a_restoration_to_before_a_merge(
    store: LambdaStore, cloud: Cloud, use_table: UseTable
) -> None:
    """The blocks are merged a second time; the merge of before is the same object."""
    send(NAMES)
    before = copy_of(cloud, store.index)
    merge(store)
    restored = use_table(before)
    blocks = restored.find(TENANT, 0, 2**63 - 1)
    for seconds in (0, 11 * MINUTE, DAY + 20 * MINUTE):
        with later(seconds):
            compact.handler(SMALL_MERGES)(woken_by(blocks), Context())
            assert asked() == NAMES
    assert [block.level for block in restored.find(TENANT, 0, 2**63 - 1)] == [1]


def test_functions_of_the_version_before_read_what_the_next_one_writes(
    store: LambdaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade that is taken back: blocks and table are one format ahead. A table that is two ahead is refused."""
    send(NAMES[:3])
    with monkeypatch.context() as next_version:
        next_version.setattr(schema, "FORMAT", schema.FORMAT + 1)
        send(NAMES[3:])
    store.index.set_property("version", "2")
    assert asked() == NAMES
    merge(store)
    assert asked() == NAMES
    store.index.set_property("version", "3")
    assert asked() == ["503"]
    for make in (compact.handler, expire.handler):
        with pytest.raises(StorageCorrupt, match="newer spanlake"):
            make()({}, Context())


def test_records_in_the_dead_letter_queue_are_merged_by_the_nightly_run(
    store: LambdaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda puts no more of a failed batch of a stream into the queue than where it was in the stream."""
    send(NAMES)
    blocks = store.index.find(TENANT, 0, 2**63 - 1)
    with monkeypatch.context() as broken:

        def fail(*_: object) -> list[Block]:
            raise OSError("no space left on /tmp")

        broken.setattr(Compactor, "plan", fail)
        for _ in range(5):
            assert len(compact.handler(SMALL_MERGES)(woken_by(blocks), Context())["batchItemFailures"]) == len(blocks)
    assert levels(store, TENANT) == [0] * len(blocks)
    monkeypatch.setattr(Compaction, "_wait", lambda *_: None)
    expire.handler(SMALL_MERGES)({}, Context())
    assert 1 in levels(store, TENANT)
    assert asked() == NAMES
