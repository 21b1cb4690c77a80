"""What compare() counts of a span that its trace's other spans tell: the trace's root, and how many children it has.

Spans are matched by hashes of their ids, of 64 bits, which takes half the time. Among a hundred million spans two ids
have the same hash once in four thousand times; a root or a child is then counted for the wrong span.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.source import Source
from spanlake.query.tally import ROWS
from spanlake.traceql.fields import Fields
from spanlake.traceql.printer import print_field
from spanlake.traceql.tree import Intrinsic, IntrinsicField, Type
from spanlake.traceql.values import Sql

KEY = "key"

_ROOTS = """
    SELECT HASH(trace_id) AS key, MAX_BY(name, arrival) AS root_name,
      MAX_BY(COALESCE(service_name, ''), arrival) AS root_service
    FROM family WHERE parent_span_id IS NULL GROUP BY key
"""
_ROOT_ROWS = """
    SELECT cell, COALESCE(root_name, '') AS root_name, COALESCE(root_service, '') AS root_service, SUM(n) AS n
    FROM (SELECT cell, key, COUNT(*) AS n FROM cells GROUP BY cell, key) AS traces LEFT JOIN kin USING (key)
    GROUP BY ALL
"""
_PARENTS = """
    SELECT HASH(trace_id, parent_span_id) AS key, COUNT(*) AS children
    FROM family WHERE NOT parent_span_id IS NULL GROUP BY key
"""
_CHILD_ROWS = """
    SELECT cell, COALESCE(children, 0) AS children, COUNT(*) AS n FROM cells LEFT JOIN kin USING (key) GROUP BY ALL
"""


@dataclass(frozen=True)
class Kin:
    """Facets that other spans of the trace tell: ``facets`` by their column, each with its name and type."""

    facets: Mapping[str, tuple[str, Type]]
    key: Callable[[Fields], Sql]
    _columns: frozenset[str]
    _kin: str
    _rows: str

    def with_rows(self, query: exp.Select, source: Source) -> exp.Select:
        """Define the table ``rows`` (see ``tally``), given ``cells`` with the key of each span."""
        family = source.table(self._columns, arrival="name" in self._columns)
        query.with_("family", as_=family, copy=False)
        query.with_("kin", as_=self._kin, dialect=DuckDB, copy=False)
        return query.with_(ROWS, as_=self._rows, dialect=DuckDB, copy=False)


def _hash(fields: Fields, *columns: str) -> Sql:
    return exp.func("hash", *(fields.column(column) for column in columns))


def _named(**facets: tuple[Intrinsic, Type]) -> dict[str, tuple[str, Type]]:
    return {column: (print_field(IntrinsicField(intrinsic)), type_) for column, (intrinsic, type_) in facets.items()}


KINDS = (
    Kin(
        _named(
            root_name=(Intrinsic.TRACE_ROOT_NAME, Type.STRING),
            root_service=(Intrinsic.TRACE_ROOT_SERVICE, Type.STRING),
        ),
        lambda fields: _hash(fields, "trace_id"),
        frozenset(("trace_id", "parent_span_id", "name", "service_name")),
        _ROOTS,
        _ROOT_ROWS,
    ),
    Kin(
        _named(children=(Intrinsic.CHILD_COUNT, Type.INT)),
        lambda fields: _hash(fields, "trace_id", "span_id"),
        frozenset(("trace_id", "parent_span_id")),
        _PARENTS,
        _CHILD_ROWS,
    ),
)
