"""Tests the trace columns that compaction adds, against a plain reading of the rows."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.store.blocks.trace_columns import (
    CHILD_COUNT,
    ROOT_NAME,
    ROOT_SERVICE,
    TRACE_COLUMNS,
    add_trace_columns,
    drop_trace_columns,
)
from tests.store.tables import SERVICE, span_table

SERVER, CLIENT = 2, 3
IDS = st.integers(0, 3).map(
    lambda number: bytes([number]) * 8
)  # few: spans share ids, within a trace and across traces
SPANS = st.fixed_dictionaries(
    {
        "trace_id": st.integers(0, 2).map(lambda number: bytes([number]) * 16),
        "span_id": IDS,
        "parent_span_id": st.none() | IDS,
        "name": st.sampled_from(["", "GET /cart", "select"]),
        "kind": st.integers(1, 3),
        "start_time_unix_nano": st.integers(1, 2),
        "service_name": st.none() | st.sampled_from(["cart", "shop"]),
    }
)


def facts(table: pa.Table) -> list[tuple[Any, ...]]:
    """The facts of each row."""
    found = add_trace_columns(table)
    return list(zip(*(found[name].to_pylist() for name in TRACE_COLUMNS.names), strict=True))


def expected(spans: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Computes the columns span by span."""
    parents = [_parent(spans, row) for row in range(len(spans))]
    return [(parents.count(row), *_root(spans, span["trace_id"])) for row, span in enumerate(spans)]


def _parent(spans: list[dict[str, Any]], row: int) -> int | None:
    span = spans[row]
    wanted = CLIENT if span["kind"] == SERVER else SERVER
    found = [
        (other["kind"] != wanted, other["start_time_unix_nano"], other["name"], number)
        for number, other in enumerate(spans)
        if number != row and (other["trace_id"], other["span_id"]) == (span["trace_id"], span["parent_span_id"])
    ]
    return min(found)[-1] if found else None


def _root(spans: list[dict[str, Any]], trace_id: bytes) -> tuple[str, str]:
    roots = [span for span in spans if span["trace_id"] == trace_id and span["parent_span_id"] is None]
    first = min(roots, key=lambda span: (span["start_time_unix_nano"], span["span_id"]), default=None)
    return ("", "") if first is None else (first["name"], first["service_name"] or "")


@given(st.lists(SPANS, min_size=1, max_size=12))
def test_facts_are_those_of_the_rows(spans: list[dict[str, Any]]) -> None:
    table = span_table(spans)
    assert facts(table) == expected(spans)
    cut = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert facts(cut) == expected(spans)


@given(st.lists(SPANS, min_size=1, max_size=6))
def test_strings_may_have_a_dictionary(spans: list[dict[str, Any]]) -> None:
    table = span_table(spans)
    for name in ("name", "service_name"):
        coded = table[name].dictionary_encode()
        table = table.set_column(table.schema.get_field_index(name), name, coded)
    assert facts(table) == expected(spans)


def test_no_rows_have_no_facts() -> None:
    assert facts(span_table([{}]).slice(1)) == []


@pytest.mark.parametrize("attributes", [{}, {SERVICE: ["cart"]}])
def test_they_are_taken_off_again(attributes: dict[Any, Any]) -> None:
    table = span_table([{}], attributes)
    noted = add_trace_columns(table)
    assert noted.column_names == [*table.column_names, CHILD_COUNT, ROOT_NAME, ROOT_SERVICE]
    assert drop_trace_columns(noted).equals(table)
    assert drop_trace_columns(table).equals(table)
