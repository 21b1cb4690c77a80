"""Deleted traces: in no answer from then on, while everything else stays."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from spanlake.query.scan.blocks import BlockScan
from spanlake.query.scan.unread_blocks import LEFT_OUT, MissingBlocks
from spanlake.store.blocks.block import Block
from spanlake.store.errors import BlockMissing, IndexConflict, StorageUnavailable
from spanlake.store.maintenance.compactor import Compactor
from spanlake.traceql.parser import parse_identifier
from tests.query.kit import NOON, SECOND, TENANT, At, Lake, trace_id

SPANS = (
    At(1, trace=1, name="gone", attributes={"n": 1}),
    At(2, 1, trace=1, name="gone too", attributes={"n": 2}),
    At(3, trace=2, name="kept", attributes={"n": 3}),
)


@pytest.fixture
def stored(lake: Lake) -> Lake:
    """Two traces, one of them in two blocks, and another one of the same id under another tenant."""
    lake.add(*SPANS[:1], SPANS[2])
    lake.add(SPANS[1])
    lake.add(SPANS[0], tenant="other")
    return lake


def everything(lake: Lake, tenant: str = TENANT) -> dict[str, object]:
    return {
        "trace": [number for number in (1, 2) if lake.querier.trace(tenant, trace_id(number)) is not None],
        "search": sorted(lake.traces("{}", tenant=tenant)),
        "structure": sorted(lake.traces("{ name = `gone` } >> {}", tenant=tenant)),
        "values": sorted(value.value for value in lake.querier.tag_values(tenant, [parse_identifier("span.n")], "")),
        "narrowed": sorted(
            value.value for value in lake.querier.tag_values(tenant, [parse_identifier("span.n")], "{ span.n > 0 }")
        ),
    }


def test_a_deleted_trace_is_in_no_answer(stored: Lake) -> None:
    before = everything(stored)
    assert before == {
        "trace": [1, 2],
        "search": [1, 2],
        "structure": [1],
        "values": ["1", "2", "3"],
        "narrowed": ["1", "2", "3"],
    }
    assert stored.querier.delete(TENANT, trace_id(1)) is True
    assert everything(stored) == {"trace": [2], "search": [2], "structure": [], "values": ["3"], "narrowed": ["3"]}
    assert everything(stored, "other")["trace"] == [1]


def test_a_trace_can_be_deleted_once(stored: Lake) -> None:
    assert stored.querier.delete(TENANT, trace_id(1)) is True
    assert stored.querier.delete(TENANT, trace_id(1)) is False
    assert stored.querier.delete(TENANT, trace_id(3)) is False
    assert stored.querier.delete("nobody", trace_id(2)) is False


def test_spans_that_arrive_later_are_shown(stored: Lake) -> None:
    stored.querier.delete(TENANT, trace_id(1))
    stored.add(At(4, trace=1, name="late", start=SECOND))
    table = stored.querier.trace(TENANT, trace_id(1))
    assert table is not None
    assert table["name"].to_pylist() == ["late"]


def test_compaction_removes_it_for_good(stored: Lake) -> None:
    stored.querier.delete(TENANT, trace_id(1))
    compactor = Compactor(stored.objects, stored.index)
    for tenant, day in compactor.days():
        for merge in compactor.plan(tenant, day):
            assert compactor.run(merge)
    live = stored.index.find(TENANT, 0, 2**63 - 1)
    assert [(block.spans, block.hidden) for block in live] == [(1, frozenset())]
    assert everything(stored)["search"] == [2]


def test_a_column_alone_is_read_without_hidden_spans(stored: Lake) -> None:
    stored.querier.delete(TENANT, trace_id(1))
    found = BlockScan.find(stored.index, stored.objects, TENANT, 0, 2**63 - 1)
    assert stored.duck.session().run(found.table(["name"]))["name"].to_pylist() == ["kept"]


def test_compaction_in_between_is_no_obstacle(stored: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks that were found are replaced before they can hide anything, twice."""
    compactor = Compactor(stored.objects, stored.index)
    hide = stored.index.mark_deleted
    interruptions = iter([True, True])

    def interrupted(blocks: list[Block], id_: bytes) -> None:
        if next(interruptions, False):
            for merge in [merge for day in compactor.days() for merge in compactor.plan(*day, settle=True)]:
                compactor.run(merge)
            raise IndexConflict("replaced")
        hide(blocks, id_)

    monkeypatch.setattr(stored.index, "mark_deleted", interrupted)
    assert stored.querier.delete(TENANT, trace_id(1)) is True
    assert everything(stored)["trace"] == [2]


def test_without_an_end_of_it_the_client_is_told_to_try_again(stored: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def conflict(blocks: list[Block], id_: bytes) -> None:
        raise IndexConflict("replaced")

    monkeypatch.setattr(stored.index, "mark_deleted", conflict)
    with pytest.raises(StorageUnavailable, match="try again"):
        stored.querier.delete(TENANT, trace_id(1))


def test_an_object_that_goes_while_a_query_runs_is_looked_up_again(
    stored: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compaction replaces the blocks, and their objects go, between the query's look at the index and its reading."""
    compactor = Compactor(stored.objects, stored.index)
    find = BlockScan.find.__func__  # type: ignore[attr-defined]
    first = iter([True])

    def late(*arguments: object) -> BlockScan:
        source: BlockScan = find(BlockScan, *arguments)
        if next(first, False):
            for merge in [merge for day in compactor.days() for merge in compactor.plan(*day, settle=True)]:
                compactor.run(merge)
                for block in merge.inputs:
                    stored.objects.delete(block.path)
        return source

    monkeypatch.setattr(BlockScan, "find", late)
    assert sorted(stored.traces("{}")) == [1, 2]


def test_an_entry_without_its_object_is_an_error_that_names_it(stored: Lake) -> None:
    (stray,) = stored.add(At(9, trace=9))
    stored.objects.delete(stray.path)
    with pytest.raises(BlockMissing, match=stray.path):
        stored.traces("{}")


def test_an_entry_whose_object_retention_has_removed_is_passed_over(stored: Lake) -> None:
    stray, querier = stored.add(At(9, trace=9))[0], stored.querier
    stored.objects.delete(stray.path)
    now = time.time_ns()
    stored.index.set_property("clock seen", str(now // SECOND))  # as maintenance notes
    age = timedelta(microseconds=(now - NOON) // 1000)
    missing = MissingBlocks(age - timedelta(days=2))
    assert replace(querier, missing=missing).trace(TENANT, trace_id(9)) is None
    with pytest.raises(BlockMissing):
        replace(querier, missing=MissingBlocks(age + timedelta(days=2))).trace(TENANT, trace_id(9))


def test_answers_may_be_partial_and_say_so(stored: Lake) -> None:
    (stray,) = stored.add(At(9, trace=9))
    stored.objects.delete(stray.path)
    counted: list[int] = []
    querier = replace(stored.querier, missing=MissingBlocks(left_out=True, count=counted.append))
    token = LEFT_OUT.set([])
    try:
        assert querier.trace(TENANT, trace_id(9)) is None
        assert LEFT_OUT.get() == [stray.path]
    finally:
        LEFT_OUT.reset(token)
    assert counted == [1]
