"""Compaction, woken by records of the table's stream."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import boto3
import pytest
from moto import mock_aws

from spanlake.aws import compact, expire
from spanlake.aws.compaction import CompactionPolicy
from spanlake.aws.environment import LambdaStore
from spanlake.receivers import otlp
from spanlake.store.blocks.block import Block
from spanlake.store.errors import StorageUnavailable
from spanlake.store.glue import GlueColumns
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.index.dynamodb.table import block_key, partition
from spanlake.store.maintenance.compaction_plan import FAN_IN, PlanPolicy
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.write import write
from tests.aws.events import Context, stream_event
from tests.payloads import DAY_NS, export_request

Handler = Callable[[dict[str, Any], Context], dict[str, Any]]


@pytest.fixture
def handler(environment: dict[str, str]) -> Handler:
    return compact.handler()


AT_ONCE = CompactionPolicy(plan=PlanPolicy(quiet_ns=0))
"""Merges a day that is over also while blocks have just come in."""


def store_blocks(store: LambdaStore, tenant: str, count: int = FAN_IN, start_ns: int | None = None) -> list[Block]:
    start = time.time_ns() if start_ns is None else start_ns
    add = partial(write, store.objects, store.index, tenant)
    requests = [export_request(f"{tenant} {number}", start_ns=start).SerializeToString() for number in range(count)]
    return [block for number, body in enumerate(requests) for block in add(otlp.read([body]).table, bytes([number]))]


def woken_by(blocks: Sequence[Block]) -> dict[str, Any]:
    return stream_event(map(block_key, blocks))


def levels(store: LambdaStore, tenant: str) -> list[int]:
    return [block.level for block in store.index.find(tenant, 0, 2**63 - 1)]


def test_blocks_become_one(handler: Handler, store: LambdaStore) -> None:
    blocks = store_blocks(store, "shop")
    assert handler(woken_by(blocks), Context()) == {"batchItemFailures": []}
    assert levels(store, "shop") == [1]
    assert sum(block.spans for block in store.index.find("shop", 0, 2**63 - 1)) == FAN_IN


def test_a_day_is_planned_for_once_in_a_batch(
    handler: Handler, store: LambdaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = store_blocks(store, "shop", 3)
    planned: list[Any] = []

    def plan(_: Compactor, *day: Any) -> list[Any]:
        planned.append(day)
        return []

    monkeypatch.setattr(Compactor, "plan", plan)
    handler(woken_by(blocks), Context())
    today = blocks[0].date
    assert planned == [("shop", today), ("shop", today - timedelta(1))]


def test_the_day_before_is_finished(environment: dict[str, str], store: LambdaStore) -> None:
    now = time.time_ns()
    old = store_blocks(store, "shop", 2, start_ns=now - 2 * DAY_NS)
    compact.handler(AT_ONCE)(stream_event([(partition("shop", old[0].date + timedelta(1)), "00#ab")]), Context())
    assert levels(store, "shop") == [1]


def test_records_of_days_that_fail_are_reported(
    handler: Handler, store: LambdaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Compactor.plan

    def failing(compactor: Compactor, tenant: str, *day: Any) -> Any:
        if tenant == "bank":
            raise StorageUnavailable("throttled")
        return plan(compactor, tenant, *day)

    monkeypatch.setattr(Compactor, "plan", failing)
    bank, shop = store_blocks(store, "bank", 2), store_blocks(store, "shop")
    answer = handler(woken_by([*bank, *shop]), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}, {"itemIdentifier": "1"}]}
    assert levels(store, "shop") == [1]


def test_a_batch_that_runs_out_of_time_is_handed_in_again(handler: Handler, store: LambdaStore) -> None:
    blocks = store_blocks(store, "shop")
    assert len(handler(woken_by(blocks), Context(left_ms=1000))["batchItemFailures"]) == FAN_IN
    assert levels(store, "shop") == [0] * FAN_IN


@pytest.mark.parametrize("key", [("#tenants", "shop"), ("shop#2026-11-22", "@"), ("shop#2026-11-22", "~00#ab")])
def test_other_items_are_none_of_its_business(handler: Handler, key: tuple[str, str]) -> None:
    assert handler(stream_event([key]), Context()) == {"batchItemFailures": []}


def test_what_was_merged_a_while_ago_is_deleted(
    handler: Handler, store: LambdaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = store_blocks(store, "shop")
    handler(woken_by(blocks), Context())
    assert len(list(store.objects.list("spans/"))) == FAN_IN + 1
    later = int(time.time()) + 86_401
    monkeypatch.setattr(DynamoIndex, "service_time", lambda _: later)
    handler(stream_event([("#tenants", "shop")]), Context())
    assert len(list(store.objects.list("spans/"))) == 1


@pytest.fixture
def columns(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Glue table without columns, which the environment names."""
    monkeypatch.setenv("SPANLAKE_GLUE_TABLE", "lake.spans")
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", "https://glue.us-east-1.amazonaws.com")
    with mock_aws(config={"core": {"mock_credentials": False, "passthrough": {"services": ["dynamodb", "s3"]}}}):
        client = boto3.client("glue")
        client.create_database(DatabaseInput={"Name": "lake"})
        table: Any = {"Name": "spans", "StorageDescriptor": {"Columns": []}}
        client.create_table(DatabaseName="lake", TableInput=table)
        yield lambda: {
            column["Name"]
            for column in client.get_table(DatabaseName="lake", Name="spans")["Table"]["StorageDescriptor"]["Columns"]
        }


def entries_of(store: LambdaStore, block: Block) -> list[tuple[str, str]]:
    """Where the catalog of a block's day is."""
    items = store.index._requests.query(partition(block.tenant, block.date), begins="@")
    return [(item["pk"], item["sk"]) for item in items]


def test_columns_follow_new_attributes(columns: Callable[[], set[str]], handler: Handler, store: LambdaStore) -> None:
    blocks = store_blocks(store, "shop", 1)
    keys = entries_of(store, blocks[0])
    assert handler(stream_event([*map(block_key, blocks), *keys]), Context()) == {"batchItemFailures": []}
    assert {"trace_id", "resource_service_name"} <= columns()


def test_the_nightly_run_gives_the_table_the_columns_of_all_days(
    columns: Callable[[], set[str]], store: LambdaStore
) -> None:
    """An update of the stack leaves only those that the template has."""
    for tenant in ("shop", "bank"):
        store_blocks(store, tenant, 1, start_ns=time.time_ns() - DAY_NS)
    assert columns() == set()
    expire.handler()({}, Context())
    assert {"trace_id", "resource_service_name"} <= columns()


def test_attributes_whose_columns_fail_are_reported(
    columns: Callable[[], set[str]], handler: Handler, store: LambdaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(*_: object) -> int:
        raise StorageUnavailable("Glue is away")

    blocks = store_blocks(store, "shop", FAN_IN)
    keys = entries_of(store, blocks[0])
    monkeypatch.setattr(GlueColumns, "follow", follow)
    answer = handler(stream_event([*map(block_key, blocks), *keys]), Context())
    failed = [str(FAN_IN + n) for n, (_, name) in enumerate(keys) if name != "@"]
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == failed
    assert levels(store, "shop") == [1]


def test_a_table_that_is_missing_holds_nothing_up(
    columns: Callable[[], set[str]],
    environment: dict[str, str],
    store: LambdaStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SPANLAKE_GLUE_TABLE", "lake.gone")
    keys = entries_of(store, store_blocks(store, "shop", 1)[0])
    assert compact.handler()(stream_event(keys), Context()) == {"batchItemFailures": []}
