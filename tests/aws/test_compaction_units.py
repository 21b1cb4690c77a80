"""Compaction in units of work, each for an invocation of its own."""

import json
import subprocess
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from spanlake.aws import compact, compaction, expire
from spanlake.aws.compaction import CompactionPolicy, DeadlineExceeded, TenantsUnit, Unit, Units
from spanlake.aws.environment import LambdaStore
from spanlake.store.days import utc_day
from spanlake.store.deletions import record_deletion
from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.base import MergeKey
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import TENANTS
from spanlake.store.maintenance.compaction_plan import FAN_IN, PlanPolicy
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import merged_id
from tests.aws.events import Context
from tests.aws.test_compact import AT_ONCE, Handler, levels, store_blocks, woken_by
from tests.aws.test_expire import trace_ids
from tests.cloud import Reply, answering
from tests.documents import commands, document, section
from tests.patches import patch_here
from tests.payloads import DAY_NS

DAY = date(2026, 11, 22)


@pytest.fixture
def sent(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[Unit]:
    """Units that are handed to other invocations."""
    monkeypatch.setenv("SPANLAKE_COMPACT_FUNCTION", "spanlake-compact:live")
    sent: list[Any] = []
    monkeypatch.setattr(Units, "send", lambda _, unit: sent.append(unit))
    return sent


@pytest.fixture
def handler(sent: list[Any]) -> Handler:
    return compact.handler()


MANY_MERGES = CompactionPolicy(own_merges=2, plan=PlanPolicy(most_inputs=4))
"""Merges with few inputs, two of them in an invocation."""


@pytest.mark.parametrize(
    "unit", [Unit("shop", DAY), Unit("shop", DAY, deleted=True), Unit("shop", DAY, (("a", "b"), ("c",)), 3)]
)
def test_unit_is_read_from_its_event(unit: Unit) -> None:
    assert Unit.of(json.loads(json.dumps(unit.event))) == unit
    assert Unit.of({"Records": []}) is None


def test_unit_is_handed_on_a_limited_number_of_times() -> None:
    turns, unit = 0, Unit("shop", DAY)
    while (following := unit.next_turn) is not None:
        turns, unit = turns + 1, following
    assert turns == 10


def test_send_invokes_the_function_without_waiting(store: LambdaStore) -> None:
    units = Units(store.objects.session, "spanlake-compact:live")
    asked: list[Any] = []
    units._client.meta.events.register("before-call", lambda params, **_: asked.append(params))
    with answering(units._client, "Invoke", Reply(202, b"")):
        units.send(Unit("shop", DAY))
    (request,) = asked
    assert request["url_path"] == "/2015-03-31/functions/spanlake-compact%3Alive/invocations"
    assert request["headers"]["X-Amz-Invocation-Type"] == "Event"
    assert Unit.of(json.loads(request["body"])) == Unit("shop", DAY)


def test_merges_that_are_too_many_are_shared_with_other_invocations(store: LambdaStore, sent: list[Any]) -> None:
    handler = compact.handler(MANY_MERGES)
    blocks = store_blocks(store, "shop", FAN_IN + 1)
    handler(woken_by(blocks), Context())
    assert levels(store, "shop").count(1) == 2
    assert {len(unit.merges) for unit in sent} <= {1, 2}
    for unit in sent:
        handler(dict(unit.event), Context())
    named = [id_ for unit in sent for ids in unit.merges for id_ in ids]
    assert len(named) == len(set(named)) == FAN_IN - 8, "no block twice; those merged first, and the last run, apart"
    assert sum(block.spans for block in store.index.find("shop", 0, 2**63 - 1)) == FAN_IN + 1
    assert levels(store, "shop").count(0) == 1


def test_merges_that_another_invocation_is_doing_are_not_planned_again(
    store: LambdaStore, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = compact.handler(MANY_MERGES)
    blocks = store_blocks(store, "shop", FAN_IN + 1)
    compactor = Compactor(store.objects, store.index, plan_policy=MANY_MERGES.plan)
    *under_way, last = compactor.plan("shop", blocks[0].date)
    for merge in under_way:
        store.index.begin_merge(MergeKey("shop", blocks[0].date, merged_id(merge)))
    assert len(under_way) >= 5
    handler(woken_by(blocks), Context())
    merged = {block.id for block in blocks} - {block.id for block in store.index.find("shop", 0, 2**63 - 1)}
    assert merged == {block.id for block in last.inputs}
    assert sent == []
    later = time.time() + 61
    patch_here(monkeypatch, time, "time", lambda: later)
    handler(woken_by(blocks), Context())
    assert levels(store, "shop").count(1) > 1, "whoever began them has ended"


def test_merge_whose_blocks_are_gone_is_left_out(handler: Handler, store: LambdaStore) -> None:
    blocks = store_blocks(store, "shop", 2)
    unit = Unit("shop", blocks[0].date, ((blocks[0].id, "gone"), tuple(block.id for block in blocks)))
    for _ in range(2):
        handler(dict(unit.event), Context())
        assert levels(store, "shop") == [1]


def test_unit_that_runs_out_of_time_is_handed_on(handler: Handler, store: LambdaStore, sent: list[Any]) -> None:
    blocks = store_blocks(store, "shop")
    unit = Unit("shop", blocks[0].date)
    handler(dict(unit.event), Context(left_ms=1000))
    assert sent == [Unit("shop", blocks[0].date, turn=1)]
    assert levels(store, "shop") == [0] * FAN_IN


def test_each_day_that_has_something_to_merge_is_a_unit_of_the_nightly_run(store: LambdaStore, sent: list[Any]) -> None:
    old = time.time_ns() - 3 * DAY_NS
    days = [store_blocks(store, tenant, 3, start_ns=old)[0].date for tenant in ("bank", "shop")]
    store_blocks(store, "today", 1)
    expire.handler()({}, Context())
    (look,) = sent
    sent.clear()
    compact.handler(AT_ONCE)(dict(look.event), Context())
    assert sorted((unit.tenant, unit.date) for unit in sent) == list(zip(("bank", "shop"), days, strict=True))
    assert levels(store, "bank") == [0] * 3


def test_day_that_is_quarantined_is_counted_and_the_others_go_on(
    store: LambdaStore, sent: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Compactor._run

    def failing(compactor: Compactor, merge: Any) -> Any:
        if merge.inputs[0].tenant == "bank":
            raise MemoryError
        return run(compactor, merge)

    monkeypatch.setattr(Compactor, "_run", failing)
    bank, shop = store_blocks(store, "bank"), store_blocks(store, "shop")
    for _ in range(3):
        assert compact.handler()(woken_by([*bank, *shop]), Context()) == {"batchItemFailures": []}
    assert levels(store, "shop") == [1]
    capsys.readouterr()
    compact.handler()(woken_by(bank), Context())
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "DaysQuarantined" in line]
    assert logged[0]["DaysQuarantined"] == [1.0]
    assert levels(store, "bank") == [0] * FAN_IN


def test_blocks_that_wait_are_counted(
    handler: Callable[..., Any],
    store: LambdaStore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blocks = store_blocks(store, "shop", 5)
    handler(woken_by(blocks), Context())
    assert "BlocksWaiting" not in capsys.readouterr().out
    compact.handler(CompactionPolicy(few_waiting=4))(woken_by(blocks), Context())
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "BlocksWaiting" in line]
    assert max(json.loads(line)["BlocksWaiting"]) == 5


def test_unit_of_tenants_is_read_from_its_event() -> None:
    unit = TenantsUnit(("bank", "shop"), removes=True, turn=3)
    assert TenantsUnit.of(json.loads(json.dumps(unit.event))) == unit
    assert TenantsUnit.of({"Records": []}) is None
    assert Unit.of(unit.event) is None


def test_tenants_are_shared_out_by_the_nightly_run(store: LambdaStore, sent: list[Any]) -> None:
    names = [f"t{number:04d}" for number in range(3000)]
    requests = Requests(store.index.client, store.index.table)
    requests.put([{"pk": TENANTS, "sk": name} for name in names])
    expire.handler()({}, Context())
    assert [name for unit in sent for name in unit.tenants] == names
    assert max(len(unit.tenants) for unit in sent) == 50
    assert max(len(json.dumps(unit.event)) for unit in sent) < 256_000


def test_look_at_tenants_that_runs_out_of_time_is_handed_on(
    handler: Handler, store: LambdaStore, sent: list[Any]
) -> None:
    store_blocks(store, "bank", 1)
    unit = TenantsUnit(("bank", "shop"))
    handler(dict(unit.event), Context(left_ms=1000))
    assert sent == [TenantsUnit(("bank", "shop"), turn=1)]
    with pytest.raises(DeadlineExceeded):
        handler(dict(TenantsUnit(("bank",), turn=10).event), Context(left_ms=1000))


def test_day_that_cannot_be_planned_holds_up_no_other(
    store: LambdaStore, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = compact.handler(AT_ONCE)
    old = time.time_ns() - 3 * DAY_NS
    for tenant in ("bank", "shop"):
        store_blocks(store, tenant, 3, start_ns=old)
        store_blocks(store, tenant, 3, start_ns=old - DAY_NS)
    plan = Compactor.plan

    def failing(compactor: Compactor, tenant: str, day: date) -> Any:
        if (tenant, day) == ("bank", utc_day(old)):
            raise StorageUnavailable("this day never answers")
        return plan(compactor, tenant, day)

    monkeypatch.setattr(Compactor, "plan", failing)
    with pytest.raises(StorageUnavailable, match="this day"):
        handler(dict(TenantsUnit(("bank", "shop")).event), Context())
    assert sorted((unit.tenant, unit.date) for unit in sent) == [
        ("bank", utc_day(old - DAY_NS)),
        ("shop", utc_day(old - DAY_NS)),
        ("shop", utc_day(old)),
    ]


def test_what_was_deleted_is_a_unit_of_its_own(
    handler: Handler, store: LambdaStore, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction.Compaction, "_wait", lambda *_: None)
    (block,) = store_blocks(store, "shop", 1)
    store_blocks(store, "bank", 1)
    (trace_id,) = trace_ids(store, block.path)
    record_deletion(store.objects, [block], trace_id)
    store.index.mark_deleted([block], trace_id)
    expire.handler()({}, Context())
    unit = Unit("shop", block.date, deleted=True)
    assert sent[1:] == [unit]
    handler(dict(unit.event), Context())
    assert not list(store.objects.list(block.path))


def test_wait_for_queries_ends_with_the_time_of_the_invocation(
    handler: Handler, store: LambdaStore, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = store_blocks(store, "shop", 1)
    store.index.mark_deleted([block], (1).to_bytes(16))
    left = iter([900_000] * 3)
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(left, 1000))
    unit = Unit("shop", block.date, deleted=True)
    handler(dict(unit.event), Context())
    assert sent == [Unit("shop", block.date, turn=1, deleted=True)]


def test_unit_in_the_queue_of_undone_work_can_be_done_again(
    handler: Handler, store: LambdaStore, sent: list[Any], tmp_path: Path
) -> None:
    """As docs/operations.md has it: the message of Lambda's destination holds the event."""
    blocks = store_blocks(store, "shop")
    event = dict(Unit("shop", blocks[0].date).event)
    message = {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event, "responsePayload": {}}
    (tmp_path / "message.json").write_text(json.dumps(message))
    text = section(document("docs/operations.md"), "The queue of undone work")
    receive, extract, invoke = commands(text)
    assert receive.startswith("aws sqs receive-message")
    assert "--payload file://event.json" in invoke
    subprocess.run(["bash", "-ec", extract], cwd=tmp_path, check=True)
    again = json.loads((tmp_path / "event.json").read_text())
    for _ in range(2):
        handler(again, Context())
        assert levels(store, "shop") == [1]


def test_times_to_live_follow_the_retention_tenant_by_tenant(
    store: LambdaStore, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One invocation could not renew those of thousands of tenants."""
    for tenant in ("bank", "shop"):
        store_blocks(store, tenant, 1)
    before = expiries(store)
    handled = compact.handler()
    for tenants in (("bank", "shop"), ("bank",)):
        handled(dict(TenantsUnit(tenants).event), Context())
    assert expiries(store) == before
    monkeypatch.setenv("SPANLAKE_RETENTION", "30d")
    handled = compact.handler()
    for _ in range(2):
        handled(dict(TenantsUnit(("bank",)).event), Context())
    later = {tenant: seconds + (16 * 86_400 if tenant == "bank" else 0) for tenant, seconds in before.items()}
    assert expiries(store) == later
    expire.handler()({}, Context())
    handled(dict(sent[0].event), Context())
    assert expiries(store) == {tenant: seconds + 16 * 86_400 for tenant, seconds in before.items()}


def expiries(store: LambdaStore) -> dict[str, int]:
    """When the entry of each tenant's block expires."""
    items = store.index.client.scan(TableName=store.index.table)["Items"]
    blocks = [item for item in items if "start_ns" in item]
    return {item["pk"]["S"].partition("#")[0]: int(item["expires"]["N"]) for item in blocks}
