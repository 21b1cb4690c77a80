"""The portions of blocks that a search reads one after the other."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from spanlake.query.engine.session import SearchPolicy
from spanlake.query.trace_search import in_parts
from spanlake.store.blocks.block import Block

POLICY = SearchPolicy()


def parts(blocks: list[Block]) -> list[tuple[Block, ...]]:
    return list(in_parts(blocks, POLICY.part_spans, POLICY.part_blocks))


def block(end: int, spans: int = 1) -> Block:
    return Block("t", date(1970, 1, 1), "b", 0, 0, end, spans, 1, 0, b"")


def test_portions_grow_from_the_newest_block() -> None:
    blocks = [block(end, POLICY.part_spans) for end in (2, 7, 1, 6, 3, 5, 4)]
    assert [[one.end_ns for one in portion] for portion in parts(blocks)] == [[7], [6, 5, 4, 3], [2, 1]]
    assert parts([]) == []


@given(st.lists(st.integers(1, 200 * POLICY.part_spans), max_size=8))
def test_portions_hold_every_block_once(sizes: list[int]) -> None:
    blocks = [block(n, spans) for n, spans in enumerate(sizes)]
    assert [one for portion in parts(blocks) for one in portion] == blocks[::-1]
