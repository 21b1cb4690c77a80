"""What compare() counts of a span that its trace's other spans tell: the trace's root, and how many children it has.

A compacted block says it of the spans that it has (``store.trace_facts``). What it says is not all there is for traces
that lie in several blocks; those, and the spans of blocks that were not compacted, are put together here. They are
matched by hashes of their ids, of 64 bits, which takes half the time. Among a hundred million spans two ids have the
same hash once in four thousand times; a root or a child is then counted for the wrong span.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.source import BLOCK, Source
from spanlake.query.tally import CELL, CELLS, ROWS
from spanlake.store.trace_facts import CHILD_COUNT, ROOT_NAME, ROOT_SERVICE
from spanlake.traceql.fields import Fields
from spanlake.traceql.printer import print_field
from spanlake.traceql.relation import ARRIVAL
from spanlake.traceql.tree import Intrinsic, IntrinsicField, Type
from spanlake.traceql.values import Sql

_INTRINSICS = (
    (ROOT_NAME, Intrinsic.TRACE_ROOT_NAME, Type.STRING),
    (ROOT_SERVICE, Intrinsic.TRACE_ROOT_SERVICE, Type.STRING),
    (CHILD_COUNT, Intrinsic.CHILD_COUNT, Type.INT),
)
FACETS: Mapping[str, tuple[str, Type]] = {
    column: (print_field(IntrinsicField(intrinsic)), type_) for column, intrinsic, type_ in _INTRINSICS
}
"""The facets by their columns, each with its name and type."""

_FACTS = ", ".join(FACETS)
_TRACE, _TRACE_KEY, _SPAN_KEY = "trace_id", "trace_key", "span_key"

_SCATTERED = f"""
    SELECT {_TRACE_KEY} FROM family GROUP BY {_TRACE_KEY}
    HAVING MIN({BLOCK}) < MAX({BLOCK}) OR COUNT({CHILD_COUNT}) < COUNT(*)
"""
_FEW = f"SELECT *, HASH({_TRACE}, span_id) AS {_SPAN_KEY} FROM {CELLS}"
_FAMILY = f"SELECT *, HASH({_TRACE}) AS {_TRACE_KEY} FROM stored"
_OF_SCATTERED = f"WHERE {_TRACE_KEY} IN (SELECT {_TRACE_KEY} FROM scattered)"
_ROOTS = f"""
    SELECT {_TRACE_KEY}, MAX_BY(name, {ARRIVAL}) AS root_name,
      MAX_BY(COALESCE(service_name, ''), {ARRIVAL}) AS root_service
    FROM relatives WHERE parent_span_id IS NULL GROUP BY {_TRACE_KEY}
"""
_PARENTS = f"""
    SELECT HASH({_TRACE}, parent_span_id) AS {_SPAN_KEY}, COUNT(*) AS children
    FROM relatives WHERE NOT parent_span_id IS NULL GROUP BY {_SPAN_KEY}
"""
_PUT_TOGETHER = f"""
    SELECT {CELL}, COALESCE(root_name, '') AS {ROOT_NAME}, COALESCE(root_service, '') AS {ROOT_SERVICE},
      COALESCE(children, 0) AS {CHILD_COUNT}, COUNT(*) AS n
    FROM few LEFT JOIN roots USING ({_TRACE_KEY}) LEFT JOIN parents USING ({_SPAN_KEY}) GROUP BY ALL
"""
_CORRECTED = f"""
    SELECT {CELL}, {_FACTS}, SUM(n) AS n FROM (
      SELECT {CELL}, {_FACTS}, COUNT(*) AS n FROM {CELLS} WHERE NOT {CHILD_COUNT} IS NULL GROUP BY ALL
      UNION ALL
      SELECT {CELL}, {_FACTS}, -COUNT(*) FROM few WHERE NOT {CHILD_COUNT} IS NULL GROUP BY ALL
      UNION ALL
      SELECT * FROM together
    ) GROUP BY {CELL}, {_FACTS} HAVING SUM(n) > 0
"""


@dataclass(frozen=True)
class Kin:
    """Counts the facets over spans whose traces lie in the blocks of a source."""

    source: Source

    @property
    def _has_facts(self) -> bool:
        return any(block.level for block in self.source.blocks)

    @property
    def columns(self) -> Mapping[str, Callable[[Fields], Sql]]:
        """What the table ``cells`` must have of each span."""
        names = (_TRACE, "span_id", *(FACETS if self._has_facts else ()))
        return {name: _column(name) for name in names} | {_TRACE_KEY: lambda fields: _hash(fields.column(_TRACE))}

    def with_rows(self, query: exp.Select) -> exp.Select:
        """Define the table ``rows`` (see ``tally``), given ``cells``."""
        columns = {_TRACE, "parent_span_id", "name", "service_name"} | ({CHILD_COUNT} if self._has_facts else set())
        query.with_("stored", as_=self.source.table(columns, arrival=True), copy=False)
        query.with_("family", as_=_FAMILY, dialect=DuckDB, copy=False)
        for table in query.args["with_"].expressions:
            table.set("materialized", False)
        which = _OF_SCATTERED if self._has_facts else ""
        if self._has_facts:
            query.with_("scattered", as_=_SCATTERED, dialect=DuckDB, copy=False, materialized=True)
        query.with_("few", as_=f"{_FEW} {which}", dialect=DuckDB, materialized=self._has_facts, copy=False)
        query.with_(
            "relatives", as_=f"SELECT * FROM family {which}", dialect=DuckDB, materialized=self._has_facts, copy=False
        )
        query.with_("roots", as_=_ROOTS, dialect=DuckDB, copy=False)
        query.with_("parents", as_=_PARENTS, dialect=DuckDB, copy=False)
        query.with_("together", as_=_PUT_TOGETHER, dialect=DuckDB, copy=False)
        rows = _CORRECTED if self._has_facts else "SELECT * FROM together"
        return query.with_(ROWS, as_=rows, dialect=DuckDB, copy=False)


def _hash(value: Sql) -> Sql:
    return exp.func("hash", value)


def _column(name: str) -> Callable[[Fields], Sql]:
    return lambda fields: fields.column(name)
