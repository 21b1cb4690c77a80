"""Statistics of the spans of a trace, by the value of a field."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.fields import SCOPES, AttributeSchema, FieldCompiler, element_scope
from spanlake.query.compile.spans import Needs
from spanlake.query.compile.sql import Sql, bind_rows
from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.trace_analysis.tree import TraceTree
from spanlake.spans.columns import Scope, attribute_columns
from spanlake.traceql import ast
from spanlake.traceql.errors import Unsupported

_SPANS, _TREE = "trace_spans", "trace_tree"
# A span's own time is its duration without the parts in which a child of it runs, children cut off at its ends.
_CHILDREN = """
    SELECT c.parent, GREATEST(c.start, p.start) AS start, LEAST(c."end", p."end") AS "end"
    FROM trace_tree AS c JOIN trace_tree AS p ON c.parent = p.row
"""
_REACHED = """
    SELECT parent, start, "end", MAX("end") OVER (
      PARTITION BY parent ORDER BY start, "end" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS reached FROM children WHERE start < "end"
"""
_COVERED = """
    SELECT parent, SUM(GREATEST("end" - GREATEST(start, COALESCE(reached, start)), 0)) AS covered
    FROM reached GROUP BY parent
"""
_GROUPS = """
    SELECT v.value, COUNT(*) AS spans, COUNT(*) FILTER (WHERE t.is_error) AS errors,
      CAST(SUM(t."end" - t.start) AS DOUBLE) / 1e6 AS total_ms,
      CAST(SUM(t."end" - t.start - COALESCE(c.covered, 0)) AS DOUBLE) / 1e6 AS self_ms,
      AVG(t."end" - t.start) / 1e6 AS average_ms,
      QUANTILE_CONT(CAST(t."end" - t.start AS DOUBLE), 0.95) / 1e6 AS p95_ms,
      MAX(t."end" - t.start) / 1e6 AS max_ms
    FROM trace_tree AS t JOIN found AS v ON t.row = v.row LEFT JOIN covered AS c ON c.parent = t.row
    GROUP BY v.value ORDER BY self_ms DESC, v.value
"""
_CONTENTS = (("children", _CHILDREN), ("reached", _REACHED), ("covered", _COVERED))
_WORDS: dict[ast.Type, type[ast.Status] | type[ast.Kind]] = {ast.Type.STATUS: ast.Status, ast.Type.KIND: ast.Kind}


@dataclass(frozen=True)
class Group:
    """The spans with one value, None for those without the field; times in milliseconds.

    ``self_ms`` is the time in which no child of a span runs.
    """

    value: str | None
    spans: int
    errors: int
    total_ms: float
    self_ms: float
    average_ms: float
    p95_ms: float
    max_ms: float


def statistics(session: Session, trace: pa.Table, by: ast.Field) -> list[Group]:
    """Return the groups of a trace's spans, those with the most time of their own first.

    Raises Unsupported for a field that is not the span's own, and LimitExceeded for more groups than values.
    """
    query = sql.parsed(_GROUPS)
    found, words = _values(trace, by)
    query.with_("found", as_=found, copy=False)
    for name, content in _CONTENTS:
        query.with_(name, as_=sql.parsed(content), copy=False)
    rows = pa.array(range(trace.num_rows), pa.int64())
    bind_rows(query, {_SPANS: trace.append_column("row", rows), _TREE: _tree(TraceTree(trace), rows)})
    limit = session.limits.values
    groups = session.run(query.limit(limit + 1, copy=False)).to_pylist()
    if len(groups) > limit:
        raise LimitExceeded(f"the field has more than {limit} values in the trace")
    return [Group(**{**group, "value": words.get(group["value"], group["value"])}) for group in groups]


def _tree(tree: TraceTree, rows: "pa.Array[pa.Int64Scalar]") -> pa.Table:
    columns = {"row": rows, "parent": tree.parent, "start": tree.start, "end": tree.end, "is_error": tree.is_error}
    return pa.table(columns)


def _values(trace: pa.Table, by: ast.Field) -> tuple[exp.Select, dict[str | None, str]]:
    """Compile ``SELECT row, value`` of the spans, values as text; also returns words for numbers that have words."""
    fields = FieldCompiler(AttributeSchema.of(attribute_columns(trace.schema), _rest(trace, by)))
    parts = () if by.parent or element_scope(by) else fields.whole(by)
    if by.parent or element_scope(by) or Needs.of(*(part.sql for part in parts)).whole_traces:
        raise Unsupported("statistics are by a field that a span has by itself, such as name or an attribute", "")
    texts = [exp.cast(part.sql, "VARCHAR") for part in parts]
    value: Sql = sql.first_of(texts) if texts else exp.cast(exp.Null(), "VARCHAR")
    select = [exp.column("row", table="s"), exp.alias_(value, "value")]
    words: dict[str | None, str] = {
        str(word.value): word.name.lower() for part in parts if part.type in _WORDS for word in _WORDS[part.type]
    }
    return exp.select(*select).from_(exp.table_(_SPANS, alias="s"), copy=False), words


def _rest(trace: pa.Table, by: ast.Field) -> Iterator[tuple[Scope, str]]:
    """Yield the scopes in which the attribute may be among the values that have no column."""
    if isinstance(by, ast.Attribute):
        for scope in SCOPES.get(by.scope, ()):
            if f"{scope.value}_rest" in trace.column_names:
                yield scope, by.key
