"""Spans that share an id: what a trace that is read makes of them."""

import pyarrow as pa
import pytest

from spanlake.query.trace_by_id import split_shared_ids

UNSET, SERVER, CLIENT = 0, 2, 3
Row = tuple[int, int | None, int]  # id, parent and kind


def table(*rows: Row) -> pa.Table:
    ids, parents, kinds = zip(*rows, strict=True)
    return pa.table(
        {
            "span_id": pa.array([_bytes(each) for each in ids], pa.binary()),
            "parent_span_id": pa.array([_bytes(each) for each in parents], pa.binary()),
            "kind": pa.array(kinds, pa.int32()),
        }
    )


def _bytes(number: int | None) -> bytes | None:
    return None if number is None else number.to_bytes(8)


CASES: dict[str, tuple[list[Row], list[Row]]] = {
    "one span": ([(7, None, SERVER)], [(7, None, SERVER)]),
    "both sides of a call": (
        [(7, 5, CLIENT), (7, 5, SERVER), (9, 7, UNSET)],
        [(7, 5, CLIENT), (1, 7, SERVER), (9, 1, UNSET)],
    ),
    "the server's side first": ([(7, None, SERVER), (7, 5, CLIENT)], [(1, 7, SERVER), (7, 5, CLIENT)]),
    "ids that are taken": (
        [(7, 1, CLIENT), (7, 1, SERVER), (1, None, UNSET)],
        [(7, 1, CLIENT), (2, 7, SERVER), (1, None, UNSET)],
    ),
    "two calls": (
        [(7, None, CLIENT), (7, None, SERVER), (8, 7, CLIENT), (8, 7, SERVER)],
        [(7, None, CLIENT), (1, 7, SERVER), (8, 1, CLIENT), (2, 8, SERVER)],
    ),
    "no client": ([(7, None, SERVER), (7, None, SERVER)], [(7, None, SERVER), (7, None, SERVER)]),
    "no server": ([(7, None, CLIENT), (7, None, UNSET)], [(7, None, CLIENT), (7, None, UNSET)]),
}


@pytest.mark.parametrize(("rows", "expected"), CASES.values(), ids=CASES)
def test_spans_that_share_an_id(rows: list[Row], expected: list[Row]) -> None:
    assert split_shared_ids(table(*rows)) == table(*expected)
