"""The filter never denies a trace that is there, and seldom admits one that is not."""

import random
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.store.blocks.bloom import build, may_contain
from spanlake.store.errors import StorageCorrupt

IDS = st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=200)
CHANCE = random.Random(7)

KINDS: dict[str, Callable[[int], bytes]] = {
    "random": lambda _: CHANCE.randbytes(16),
    "of 64 bits": lambda _: bytes(8) + CHANCE.randbytes(8),
    "counted": lambda number: number.to_bytes(16, "big"),
    "counted in the upper half": lambda number: number.to_bytes(8, "big") + bytes(8),
    "the same halves": lambda number: number.to_bytes(8, "little") * 2,
    "beginning with a time": lambda number: (1_795_348_800 + number).to_bytes(4, "big") + CHANCE.randbytes(12),
}


@given(IDS)
def test_every_trace_of_the_block_may_be_in_it(ids: list[bytes]) -> None:
    trace_filter = build(pa.array(ids, pa.binary()))
    assert all(may_contain(trace_filter, trace_id) for trace_id in ids)


@given(IDS, st.integers(0, 5))
def test_it_depends_on_the_ids_alone(ids: list[bytes], cut: int) -> None:
    """Not on their order, how often they occur, how Arrow holds them, or the process."""
    plain = pa.array(ids, pa.binary())
    chunked = pa.chunked_array([plain.slice(cut), plain.slice(0, cut), plain])
    assert build(plain) == build(chunked) == build(chunked.cast(pa.binary(16)).combine_chunks().slice(0))


def test_it_is_the_same_everywhere() -> None:
    ids = pa.array([bytes(range(16)), bytes(range(16, 32))], pa.binary())
    assert build(ids).hex() == "01060242100884101108"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("traces", [1, 50, 5000])
def test_few_foreign_traces_pass(kind: str, traces: int) -> None:
    ids = [KINDS[kind](number) for number in range(1, traces + 10_001)]
    trace_filter = build(pa.array(ids[:traces], pa.binary()))
    passed = sum(may_contain(trace_filter, trace_id) for trace_id in ids[traces:])
    assert passed / 10_000 < 0.002


def test_it_takes_sixteen_bits_a_trace_and_no_more_than_an_index_item_holds() -> None:
    def size(traces: int) -> int:
        return len(build(pa.array([number.to_bytes(16, "big") for number in range(traces)], pa.binary())))

    assert size(1) == 2 + 8
    assert 10_000 * 2 <= size(10_000) <= 10_000 * 2 + 10
    assert size(200_000) == 2 + 256 * 1024


@pytest.mark.parametrize("unknown", [b"", b"\x01", b"\x01\x06", b"\x02\x06abcdefgh"])
def test_an_unknown_format_is_reported(unknown: bytes) -> None:
    with pytest.raises(StorageCorrupt, match="unknown trace filter"):
        may_contain(unknown, bytes(16))
