"""The unions &>> and &<< against a plain walk through spans in nested sets, one trace at a time, as Tempo makes it."""

from collections.abc import Sequence
from itertools import count

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanlake.query.unions import walked
from tests.query.kit import At, Lake
from tests.query.test_family import family

Bounds = tuple[int, int]  # of a span in its trace's nested sets; (0, 0) where no root leads to it
NOWHERE = (0, 0)


def bounds_of(parents: Sequence[int | None]) -> list[Bounds]:
    """The nested sets of one trace's spans, given the row of each one's parent."""
    found = [NOWHERE] * len(parents)
    numbers = count(1)

    def visit(row: int) -> None:
        left = next(numbers)
        for child in (n for n, parent in enumerate(parents) if parent == row):
            visit(child)
        found[row] = left, next(numbers)

    for root in (n for n, parent in enumerate(parents) if parent is None):
        visit(root)
    return found


def union(bounds: Sequence[Bounds], ancestors: set[int], descendants: set[int]) -> set[int]:
    """The rows that the walk finds."""

    def is_above(one: int, other: int) -> bool:
        (left, right), (inner_left, inner_right) = bounds[one], bounds[other]
        return NOWHERE not in (bounds[one], bounds[other]) and left < inner_left and inner_right < right

    def is_past(one: int, other: int) -> bool:
        return bounds[other][0] > bounds[one][1]

    above, below = (sorted(rows, key=lambda row: bounds[row]) for rows in (ancestors, descendants))
    found: set[int] = set()
    a = d = 0
    while a < len(above) and d < len(below):
        chain_ends = False
        while d < len(below) and not chain_ends:
            last = below[d]
            if is_above(above[a], last):
                found.add(last)
            d += 1
            chain_ends = d < len(below) and is_past(last, below[d])
        while a < len(above) and not is_past(last, above[a]):
            if is_above(above[a], last):
                found.add(above[a])
                if d < len(below) and is_above(above[a], below[d]):
                    break
            a += 1
    return found


trees = st.lists(st.one_of(st.none(), st.integers(0, 11)), min_size=1, max_size=12)
marks = st.sets(st.integers(0, 11))


@settings(deadline=None)
@given(st.lists(st.tuples(trees, marks, marks), min_size=1, max_size=4))
def test_as_tempo_walks(traces: list[tuple[list[int | None], set[int], set[int]]]) -> None:
    rows: list[tuple[int, int | None]] = []
    numbers: list[int] = []
    expected: set[int] = set()
    marked: tuple[set[int], set[int]] = set(), set()
    for number, (parents, *sides) in enumerate(traces):
        start = len(rows)
        rows += [
            (start + n, None if parent is None else _id(start, parent, parents)) for n, parent in enumerate(parents)
        ]
        numbers += [number] * len(parents)
        within = [{row for row in side if row < len(parents)} for side in sides]
        expected |= {start + row for row in union(bounds_of(parents), within[0], within[1])}
        for all_marked, side in zip(marked, within, strict=True):
            all_marked |= {start + row for row in side}
    masks = [pa.array([row in side for row in range(len(rows))], pa.bool_()) for side in marked]
    found = walked(family(rows, traces=numbers), *masks).to_pylist()
    assert {row for row, is_found in enumerate(found) if is_found} == expected


def _id(start: int, parent: int, parents: Sequence[int | None]) -> int:
    """The id of a parent, or of no span where the trace has no such row."""
    return start + parent if parent < len(parents) else 10_000


def test_a_chain_of_ten_thousand() -> None:
    length = 10_000
    chain = family([(n, n - 1 if n else None) for n in range(length)])
    every = pa.array([True] * length)
    assert walked(chain, every, every).to_pylist() == [True] * length


def test_a_fan_of_ten_thousand() -> None:
    width = 10_000
    fan = family([(0, None), *((n, 0) for n in range(1, width))])
    every = pa.array([True] * width)
    assert walked(fan, every, every).to_pylist() == [True] * width


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("{ kind = server } &>> { status = error }", ["first error", "second error", "top"]),
        ("{ status = error } &<< { kind = server }", ["first error", "second error", "top"]),
        ("{ kind = server } &>> { name = `first error` }", ["first error", "inner", "top"]),
    ],
)
def test_an_ancestor_of_earlier_descendants_is_missed(lake: Lake, query: str, names: list[str]) -> None:
    lake.add(
        At(1, name="top", kind=2),
        At(2, 1, name="inner", kind=2),
        At(3, 2, name="first error", status=2),
        At(4, 1, name="second error", status=2),
    )
    assert lake.names(query) == names
