"""Counts of compare() that depend on a trace's other spans: the trace's root, and the number of children.

Blocks that are not small say it of the spans that they have (``blocks.trace_columns``). What they say is not all there
is for traces that lie in several; those, and the spans of small blocks, are put together here. Traces are matched by
hashes of their ids, of 64 bits, which takes half the time. Among a hundred million spans two ids have the same hash
once in four thousand times; a root is then counted for the wrong trace.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from spanlake.query.blocks_of_traces import shared_traces
from spanlake.query.compile.fields import span_column
from spanlake.query.compile.spans import ROW_ID, TIE_COLUMNS, with_children
from spanlake.query.compile.sql import Sql, is_in, memory_table, parsed
from spanlake.query.engine.session import Session
from spanlake.query.metrics.tally import CELLS, ROWS
from spanlake.query.scan.blocks import BlockScan, block_number
from spanlake.query.scan.trace_columns import have_trace_columns
from spanlake.store.blocks.trace_columns import (
    CHILD_COUNT,
    ROOT_NAME,
    ROOT_SERVICE,
    TRACE_COLUMNS,
    may_have_trace_columns,
)
from spanlake.traceql import ast
from spanlake.traceql.printer import print_field

_INTRINSICS = (
    (ROOT_NAME, ast.Intrinsic.TRACE_ROOT_NAME, ast.Type.STRING),
    (ROOT_SERVICE, ast.Intrinsic.TRACE_ROOT_SERVICE, ast.Type.STRING),
    (CHILD_COUNT, ast.Intrinsic.CHILD_COUNT, ast.Type.INT),
)
FACETS: Mapping[str, tuple[str, ast.Type]] = {
    column: (print_field(ast.IntrinsicField(intrinsic)), type_) for column, intrinsic, type_ in _INTRINSICS
}
"""The facets by their columns, each with its name and type."""

_GLANCE = 8  # blocks, and spans
_KEYS, _SHARED = "scattered", "shared"

_SCATTERED = """
    SELECT trace_key FROM family GROUP BY trace_key
    HAVING MIN(block) < MAX(block) OR COUNT(child_span_count) < COUNT(*)
"""
_FEW = "SELECT * FROM some"
_RELATIVES = "SELECT * FROM family"
_ROOTS = """
    SELECT trace_key, MIN_BY(name, ROW(start_time_unix_nano, span_id)) AS root_name,
      MIN_BY(COALESCE(service_name, ''), ROW(start_time_unix_nano, span_id)) AS root_service
    FROM relatives WHERE parent_span_id IS NULL GROUP BY trace_key
"""
_TOGETHER = """
    SELECT cell, COALESCE(root_name, '') AS trace_root_span_name, COALESCE(root_service, '') AS trace_root_service_name,
      CAST(COALESCE(children.child_count, 0) AS INTEGER) AS child_span_count, COUNT(*) AS n
    FROM few LEFT JOIN roots USING (trace_key) LEFT JOIN children ON children.parent = few.arrival GROUP BY ALL
"""
_NOTED = """
    SELECT cell, trace_root_span_name, trace_root_service_name, child_span_count, COUNT(*) AS n
    FROM some WHERE NOT child_span_count IS NULL GROUP BY ALL
"""
_CORRECTED = """
    SELECT cell, trace_root_span_name, trace_root_service_name, child_span_count, CAST(SUM(n) AS BIGINT) AS n FROM (
      SELECT * FROM noted
      UNION ALL
      SELECT cell, trace_root_span_name, trace_root_service_name, child_span_count, -COUNT(*)
      FROM few WHERE NOT child_span_count IS NULL GROUP BY ALL
      UNION ALL
      SELECT cell, trace_root_span_name, trace_root_service_name, child_span_count, n FROM together
    ) GROUP BY cell, trace_root_span_name, trace_root_service_name, child_span_count HAVING SUM(n) > 0
"""


@dataclass(frozen=True)
class TraceIntrinsics:
    """Counts the facets over spans whose traces lie in the blocks of a source, which say something of them or not."""

    session: Session
    source: BlockScan
    has_facts: bool

    @classmethod
    def of(cls, session: Session, source: BlockScan) -> "TraceIntrinsics":
        """Decide from a sample of the blocks whether their trace columns are used: not where few blocks have them."""
        fewest = session.policy.compare.noted_spans
        if not any(may_have_trace_columns(block, fewest) for block in source.blocks):
            return cls(session, source, has_facts=False)
        some = session.run(source.sampled(_GLANCE, _GLANCE).table([CHILD_COUNT]))
        return cls(session, source, has_facts=2 * some[CHILD_COUNT].null_count < some.num_rows)

    @property
    def portions(self) -> int:
        """In how many portions of the traces they are counted: where traces are put together that takes memory."""
        return -(-self.source.spans // self.session.policy.compare.spans)

    @property
    def columns(self) -> Mapping[str, Sql]:
        """Columns that the table ``cells`` must have for each span."""
        names = (*(TRACE_COLUMNS.names if self.has_facts else ()), ROW_ID)
        return {name: span_column(name) for name in names} | {"trace_key": exp.func("hash", span_column("trace_id"))}

    def with_rows(self, query: exp.Select, portion: int = 0) -> exp.Select:
        """Define the table ``rows`` (see ``tally``) of a portion of the traces, given ``cells``."""
        some, family = (
            table.where(*self._in(portion), copy=False)
            for table in (exp.select(exp.Star()).from_(CELLS), self._family())
        )
        query.with_("some", as_=some, materialized=False, copy=False)
        if not self.has_facts:
            return _define(_with_together(query, family), ROWS, "SELECT * FROM together")
        scattered = self._scattered(family)
        if not len(scattered):
            return _define(query, ROWS, _NOTED)
        _define(query, "noted", _NOTED)
        return _define(_with_together(query, family, self._is_one_of(scattered)), ROWS, _CORRECTED)

    def _scattered(self, family: exp.Select) -> pa.Table:
        """Read the keys of traces that lie in several blocks, or in a block without trace columns.

        A block has trace columns of all its spans, or of none.
        """
        if len(self.source.blocks) == 1:
            return pa.table({})
        if (shared := self._shared()) is None:
            return self.session.run(parsed(_SCATTERED).with_("family", as_=family, materialized=False, copy=False))
        key = exp.alias_(exp.func("hash", exp.column("trace_id")), "trace_key")
        rows = pa.table({"trace_id": pa.array(shared, pa.binary())})
        return self.session.run(exp.select(key).from_(memory_table(_SHARED, rows)))

    def _shared(self) -> list[bytes] | None:
        """Return the ids of traces that lie in several blocks, if it is known without reading spans."""
        if self.source.others is not None or self.source.is_far or not have_trace_columns(self.session, self.source):
            return None
        return shared_traces(self.session, self.source, self.source)

    def _is_one_of(self, scattered: pa.Table) -> exp.Expr:
        key = exp.column("trace_key")
        if len(scattered) <= self.session.policy.compare.few_traces:
            return exp.In(this=key, expressions=[exp.Literal.number(one) for one in scattered["trace_key"].to_pylist()])
        return is_in(key, _KEYS, scattered)

    def _in(self, portion: int) -> Iterator[exp.Expr]:
        if self.portions > 1:
            number = exp.Mod(this=exp.column("trace_key"), expression=exp.Literal.number(self.portions))
            yield exp.EQ(this=number, expression=exp.Literal.number(portion))

    def _family(self) -> exp.Select:
        names = TIE_COLUMNS | {"service_name"} | ({CHILD_COUNT} if self.has_facts else set())
        key = exp.alias_(exp.func("hash", exp.column("trace_id")), "trace_key")
        block = exp.alias_(block_number(exp.column(ROW_ID)), "block")
        stored = self.source.table(names, row_id=True).subquery("stored", copy=False)
        return exp.select(exp.Star(), key, block).from_(stored, copy=False)


def _with_together(query: exp.Select, family: exp.Select, *where: exp.Expr) -> exp.Select:
    """Define the table ``together``: rows of the spans of ``some`` that pass a test, with the spans of their traces.

    With a test they are few, and kept; without one they are all spans.
    """
    query.with_("family", as_=family, materialized=False, copy=False)
    for name, text in (("few", _FEW), ("relatives", _RELATIVES)):
        query.with_(name, as_=parsed(text).where(*where, copy=False), materialized=bool(where), copy=False)
    with_children(query, "relatives")
    for name, text in (("roots", _ROOTS), ("together", _TOGETHER)):
        _define(query, name, text)
    return query


def _define(query: exp.Select, name: str, text: str) -> exp.Select:
    return query.with_(name, as_=parsed(text), copy=False)
