"""Who stands in which relation to whom, in trees of any shape."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.query.compile.structure import DURATION, ID, KEY, KIND, NAME, PARENT_KEY, START, TRACE
from spanlake.query.engine.span_tree import SpanTree
from spanlake.traceql import ast

Row = tuple[int, int | None]  # id, id of the parent


def family(rows: Sequence[Row], kinds: Sequence[ast.Kind] = (), traces: Sequence[int] = ()) -> SpanTree:
    """Spans that start in this order, of one trace unless told."""
    return SpanTree(
        pa.table(
            {
                TRACE: pa.array(traces or [1] * len(rows), pa.uint64()),
                KEY: pa.array([id_ for id_, _ in rows], pa.uint64()),
                PARENT_KEY: pa.array([parent for _, parent in rows], pa.uint64()),
                KIND: pa.array([int(kind) for kind in kinds or [ast.Kind.INTERNAL] * len(rows)], pa.int32()),
                START: pa.array(range(len(rows)), pa.int64()),
                DURATION: pa.array([1] * len(rows), pa.int64()),
                NAME: pa.array(["n"] * len(rows), pa.string()),
                ID: pa.array([b"i"] * len(rows), pa.binary()),
            }
        )
    )


def related(spans: SpanTree, relation: ast.Relation, *others: int) -> list[int]:
    mask = pa.array([row in others for row in range(spans.spans.num_rows)], pa.bool_())
    return [row for row, found in enumerate(spans.related(relation, mask).to_pylist()) if found]


def test_a_chain_of_ten_thousand() -> None:
    length = 10_000
    chain = family([(n, n - 1 if n else None) for n in range(length)])
    assert related(chain, ast.Relation.DESCENDANT, 4) == list(range(5, length))
    assert related(chain, ast.Relation.ANCESTOR, length - 1) == list(range(length - 1))
    assert related(chain, ast.Relation.CHILD, 7) == [8]
    assert related(chain, ast.Relation.PARENT, 7) == [6]
    assert related(chain, ast.Relation.SIBLING, 7) == []


def test_a_server_of_its_clients_id_is_the_clients_child() -> None:
    kinds = [ast.Kind.CLIENT, ast.Kind.SERVER, ast.Kind.INTERNAL, ast.Kind.SERVER]
    spans = family([(1, None), (1, 1), (2, 1), (3, 1)], kinds)
    assert related(spans, ast.Relation.CHILD, 0) == [1, 3]
    assert related(spans, ast.Relation.CHILD, 1) == [2]
    assert related(spans, ast.Relation.DESCENDANT, 0) == [1, 2, 3]


def test_of_equals_the_first_to_start_is_the_parent() -> None:
    spans = family([(1, None), (2, 1), (2, 1), (3, 2)])
    assert related(spans, ast.Relation.CHILD, 1) == [3]
    assert related(spans, ast.Relation.CHILD, 2) == []


def test_relations_without_a_root() -> None:
    spans = family([(1, None), (2, 9), (3, 2), (4, 9), (6, 6)])
    assert related(spans, ast.Relation.CHILD, *range(5)) == [2]
    assert related(spans, ast.Relation.PARENT, *range(5)) == [1]
    assert related(spans, ast.Relation.SIBLING, *range(5)) == [1, 3]


def test_spans_in_a_circle_are_above_each_other() -> None:
    spans = family([(1, 3), (2, 1), (3, 2), (4, 3), (5, 4), (6, 6)])
    assert related(spans, ast.Relation.DESCENDANT, 0) == [1, 2, 3, 4]
    assert related(spans, ast.Relation.DESCENDANT, 0, 1) == [0, 1, 2, 3, 4]
    assert related(spans, ast.Relation.ANCESTOR, 4) == [0, 1, 2, 3]
    assert related(spans, ast.Relation.ANCESTOR, 1) == [0, 2]


def test_roots_are_no_siblings() -> None:
    spans = family([(1, None), (2, None), (3, None)], traces=[7, 7, 8])
    assert related(spans, ast.Relation.SIBLING, 0, 1, 2) == []


def test_unions_take_both_sides() -> None:
    spans = family([(1, None), (2, 1), (3, 2), (4, 1)])
    left, right = pa.array([True, False, True, False]), pa.array([False, False, True, True])
    assert spans.matching(ast.SpansetOperator.UNION_DESCENDANT, left, right).to_pylist() == [True, False, True, True]
    assert spans.matching(ast.SpansetOperator.NOT_DESCENDANT, left, right).to_pylist() == [False, False, False, False]


def test_places_of_a_chain_of_ten_thousand() -> None:
    length = 10_000
    left, right, parent = family([(n, n - 1 if n else None) for n in range(length)]).nested_sets
    assert left.to_pylist() == list(range(1, length + 1))
    assert right.to_pylist() == list(range(2 * length, length, -1))
    assert parent.to_pylist() == [-1, *range(1, length)]


def test_siblings_are_numbered_as_they_start() -> None:
    spans = family([(3, 1), (1, None), (2, 1), (4, 3), (5, None), (6, None)], traces=[1, 1, 1, 1, 1, 2])
    left, right, parent = spans.nested_sets
    assert list(zip(left.to_pylist(), right.to_pylist(), parent.to_pylist(), strict=True)) == [
        (2, 5, 1),
        (1, 8, -1),
        (6, 7, 1),
        (3, 4, 2),
        (9, 10, -1),
        (1, 2, -1),
    ]


def test_no_spans_have_no_places() -> None:
    assert [numbers.to_pylist() for numbers in family([]).nested_sets] == [[], [], []]


rows = st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=10)


@given(rows, st.sets(st.integers(0, 9)), st.sampled_from(list(ast.Relation)))
def test_as_a_walk_from_span_to_span_finds_it(
    parents: list[int | None], marked: set[int], relation: ast.Relation
) -> None:
    spans = family(list(enumerate(parents)))
    others = {row for row in marked if row < len(parents)}
    assert related(spans, relation, *others) == [
        row for row in range(len(parents)) if _is_related(parents, row, others, relation)
    ]


def _parent(parents: list[int | None], row: int) -> int | None:
    above = parents[row]
    return above if above is not None and above < len(parents) and above != row else None


def _above(parents: list[int | None], row: int) -> Iterator[int]:
    seen = {row}
    above = _parent(parents, row)
    while above is not None and above not in seen:
        yield above
        seen.add(above)
        above = _parent(parents, above)


def _is_related(parents: list[int | None], row: int, others: set[int], relation: ast.Relation) -> bool:
    match relation:
        case ast.Relation.CHILD:
            return _parent(parents, row) in others
        case ast.Relation.PARENT:
            return any(_parent(parents, other) == row for other in others)
        case ast.Relation.DESCENDANT:
            return any(above in others for above in _above(parents, row))
        case ast.Relation.ANCESTOR:
            return any(row in _above(parents, other) for other in others)
        case ast.Relation.SIBLING:
            return parents[row] is not None and any(other != row and _beside(parents, other, row) for other in others)
    pytest.fail(f"no relation: {relation}")


def _beside(parents: list[int | None], one: int, other: int) -> bool:
    return parents[one] == parents[other] and _parent(parents, one) == _parent(parents, other)


@given(rows)
def test_places_are_those_of_a_walk_down_the_trees(parents: list[int | None]) -> None:
    places = {row: (0, 0, -1 if parent is None else 0) for row, parent in enumerate(parents)}
    number = 0

    def walk(row: int, above: int) -> None:
        nonlocal number
        number += 1
        left = number
        for child, parent in enumerate(parents):
            if parent == row and child != row:
                walk(child, left)
        number += 1
        places[row] = left, number, above

    for row, parent in enumerate(parents):
        if parent is None:
            walk(row, -1)
    found = family(list(enumerate(parents))).nested_sets
    assert list(zip(*(numbers.to_pylist() for numbers in found), strict=True)) == list(places.values())
