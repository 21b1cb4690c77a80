"""The blocks of many traces are known without reading them again."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from spanlake.query.scan.trace_ids import TraceIds
from spanlake.store.blocks.block import Block
from tests.query.kit import TENANT, At, Lake, trace_id


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    made = Lake(tmp_path)
    yield made
    made.close()


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts of the blocks whose ids are read, by each time that any are."""
    counts: list[int] = []
    add = TraceIds.add

    def counted(known: TraceIds, blocks: Sequence[Block], found: pa.Table) -> None:
        counts.append(len(blocks))
        add(known, blocks, found)

    monkeypatch.setattr(TraceIds, "add", counted)
    return counts


def _ids(*numbers: int) -> pa.Array:  # type: ignore[type-arg]
    return pa.array(map(trace_id, numbers), pa.binary())


def _found(*traces: Sequence[int]) -> pa.Table:
    lists = pa.array([[trace_id(one) for one in some] for some in traces], pa.list_(pa.binary()))
    return pa.table({"block": pa.array(range(len(traces)), pa.int64()), "ids": lists})


def test_holding_tells_blocks_that_hold_a_trace_from_those_not_known(lake: Lake) -> None:
    blocks = [lake.add(At(1, trace=number))[0] for number in range(1, 6)]
    known = TraceIds()
    known.add(blocks[:4], _found([1, 7], [], [2], [7, 8, 9]))
    assert known.holding(blocks, _ids(7, 8)) == ([blocks[0], blocks[3]], [blocks[4]])
    assert known.holding(blocks[:4], _ids(2)) == ([blocks[2]], [])
    assert known.holding([], _ids(2)) == ([], [])
    assert known.holding(blocks[:3], _ids()) == ([], [])


def test_shared_tells_traces_of_several_blocks(lake: Lake) -> None:
    blocks = [lake.add(At(1, trace=number))[0] for number in range(1, 6)]
    known = TraceIds()
    known.add(blocks[:4], _found([1, 7, 8], [2, 8], [2, 3, 9], []))
    assert known.shared(blocks[:1], blocks[1:4]) == _ids(8).cast(pa.binary(16))
    assert known.shared(blocks[:2], []) == _ids(8).cast(pa.binary(16))
    assert known.shared(blocks[:2], blocks[2:4]) == _ids(8, 2).cast(pa.binary(16))
    known.add(blocks[:1], _found([1, 5, 7]))
    assert known.shared(blocks[:1], blocks[1:]) == _ids(5).cast(pa.binary(16))
    assert known.shared(blocks[3:], blocks[:3]) is None
    known.most_filters = 0
    assert known.shared(blocks[:2], blocks[2:]) is None


def test_trace_ids_are_bounded_in_bytes_and_blocks(lake: Lake) -> None:
    blocks = [lake.add(At(1, trace=number))[0] for number in range(1, 6)]
    known = TraceIds(most_bytes=4 * 16, most_blocks=3)
    known.add(blocks[:3], _found([1, 2], [3], [4]))
    known.holding(blocks[:1], _ids(1))
    known.add(blocks[3:4], _found([5]))
    assert known.holding(blocks, _ids(1, 3, 4, 5)) == ([blocks[0], blocks[2], blocks[3]], [blocks[1], blocks[4]])
    known.add(blocks[4:], _found([6, 7, 8]))
    assert known.holding(blocks, _ids(6)) == ([blocks[4]], blocks[:3])


def test_ids_of_blocks_are_read_once(lake: Lake, learned: list[int]) -> None:
    for part in range(5):
        lake.add(*(At(part + 1, trace=trace) for trace in range(1 + part, 40, 5 if part else 1)))
    every = lake.traces("{ } | count() > 1")
    assert len(every) > 24
    assert learned == [5]
    assert lake.traces("{ } | count() > 1") == every
    lake.add(At(9, trace=1))
    assert sorted(lake.traces("{ } | count() > 1")) == sorted({*every, 1})
    assert learned == [5]


def test_ids_of_large_blocks_are_not_remembered(lake: Lake, learned: list[int]) -> None:
    lake.use(trace_ids=TraceIds(small_spans=3))
    for part in range(5):
        lake.add(*(At(part + 1, trace=trace) for trace in range(1, 30)))
    assert len(lake.traces("{ } | count() = 5")) == 29
    assert not learned


def test_a_deleted_trace_stays_deleted_where_ids_are_known(lake: Lake, learned: list[int]) -> None:
    for part in range(5):
        lake.add(*(At(part + 1, trace=trace) for trace in range(1, 30)))
    assert len(lake.traces("{ } | count() = 5")) == 29
    lake.querier.delete(TENANT, trace_id(3))
    assert len(lake.traces("{ } | count() = 5")) == 28
    assert learned == [5]


def test_ids_of_a_block_are_known_once_its_filter_was_wrong_twice(lake: Lake) -> None:
    blocks = [lake.add(At(1, trace=number))[0] for number in range(1, 4)]
    known = TraceIds(large_spans=1)
    known.note_wrong(blocks[:2])
    assert known.often_wrong(blocks) == []
    known.note_wrong(blocks[1:])
    assert known.often_wrong(blocks) == [blocks[1]]
    known.add(blocks[1:2], _found([2]))
    assert known.often_wrong(blocks) == []
    assert TraceIds(large_spans=0, often=0).often_wrong(blocks) == []


def test_a_block_is_not_read_in_vain_again_and_again(lake: Lake, learned: list[int]) -> None:
    lake.add(At(1, trace=1), At(2, trace=2))
    lake.querier.delete(TENANT, trace_id(1))  # the filter of its block lets it pass
    for _ in range(4):
        assert lake.querier.trace(TENANT, trace_id(1)) is None
    assert learned == [1]
    assert lake.querier.trace(TENANT, trace_id(2)) is not None
    lake.add(At(3, trace=1))
    assert lake.querier.trace(TENANT, trace_id(1)) is not None
