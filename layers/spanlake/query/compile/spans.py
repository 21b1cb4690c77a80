"""Builds the relation that compiled fields refer to: spans, joined with the other data that a query needs.

It reads a table named ``spans`` with the physical columns of ``columns_needed`` and ``arrival``, a number that grows in
the order of arrival. For nested set numbers it also reads the table PLACED, which is computed outside SQL from the
result of ``structure.tree_query``, as SQL is not suited to walking a tree.
"""

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.compile.fields import CHILDREN, PARENT, SPAN, TRACE, TREE, Needs

SPANS = "spans"
ROW_ID = "arrival"
TIES = "ties"
"""The table of parents: the ``arrival`` of each ``child``, and of its ``parent``."""
PLACED = "placed"
"""The table of nested set numbers: ``arrival``, ``nested_left``, ``nested_right`` and ``nested_parent``.

A root's parent is -1. Roots and siblings are numbered in the order of their starts, then of their ids. Spans without a
root have 0 in all columns.
"""

_TRACES = """
    SELECT trace_id,
      MIN(start_time_unix_nano) AS trace_start,
      MAX(span_end) AS trace_end,
      MAX(span_end) - MIN(start_time_unix_nano) AS trace_duration,
      MIN_BY(name, ROW(start_time_unix_nano, span_id)) FILTER (WHERE parent_span_id IS NULL) AS root_name,
      MIN_BY(COALESCE(service_name, ''), ROW(start_time_unix_nano, span_id))
        FILTER (WHERE parent_span_id IS NULL) AS root_service
    FROM (
      SELECT *, start_time_unix_nano
        + LEAST(GREATEST(duration_nano, 0), 9223372036854775807 - start_time_unix_nano) AS span_end
      FROM spans
    ) GROUP BY trace_id
"""
# Hardly any two spans of a trace share an id. Of those that do, a server span's parent is the client and any other
# span's is the server. Where that does not decide, it is the span that starts first, then ends first, then by name. No
# span is its own parent.
_TWINS = """
    SELECT trace_id, span_id FROM {spans} GROUP BY trace_id, span_id HAVING COUNT(*) > 1
"""
_CHOSEN = """
    SELECT c.arrival AS child, MIN_BY(p.arrival, ROW(
      CASE WHEN p.kind = CASE WHEN c.kind = 2 THEN 3 ELSE 2 END THEN 0 ELSE 1 END,
      p.start_time_unix_nano, GREATEST(p.duration_nano, 0), p.name
    )) AS parent
    FROM twins AS t
    JOIN {spans} AS c ON c.trace_id = t.trace_id AND c.parent_span_id = t.span_id
    JOIN {spans} AS p ON p.trace_id = t.trace_id AND p.span_id = t.span_id
    WHERE p.arrival <> c.arrival GROUP BY c.arrival
"""
_TIES = """
    SELECT c.arrival AS child, p.arrival AS parent
    FROM {spans} AS c JOIN {spans} AS p ON p.trace_id = c.trace_id AND p.span_id = c.parent_span_id
    LEFT JOIN twins AS t ON t.trace_id = p.trace_id AND t.span_id = p.span_id
    WHERE t.span_id IS NULL AND p.arrival <> c.arrival
    UNION ALL
    SELECT child, parent FROM chosen
"""
_CHILDREN = """
    SELECT parent, COUNT(*) AS child_count FROM ties GROUP BY parent
"""

TIE_COLUMNS = {"trace_id", "span_id", "parent_span_id", "kind", "start_time_unix_nano", "duration_nano", "name"}
_TRACE_COLUMNS = {
    "trace_id",
    "span_id",
    "parent_span_id",
    "start_time_unix_nano",
    "duration_nano",
    "name",
    "service_name",
}


def columns_needed(needs: Needs) -> set[str]:
    """Return the physical columns that the table ``spans`` must have, in addition to ``arrival``."""
    columns = {"trace_id"} | needs.columns | needs.parents
    if needs.trace:
        columns |= _TRACE_COLUMNS
    if needs.parents or needs.children or needs.tree:
        columns |= TIE_COLUMNS
    return columns


def needs_row_id(needs: Needs) -> bool:
    """Return True if the table ``spans`` must have the column ``arrival``."""
    return needs.row_id or needs.children or needs.tree or bool(needs.parents)


def relation(needs: Needs, select: list[exp.Expr], spans: exp.Query | None = None) -> exp.Select:
    """Build ``SELECT select FROM spans AS s`` with the needed joins; a query may define the table ``spans``."""
    query = exp.select(*select).from_(exp.table_(SPANS, alias=SPAN), copy=False)
    if spans is not None:
        query.with_(SPANS, as_=spans, copy=False)
    if needs.children:
        with_children(query)
    elif needs.parents:
        _with_ties(query)
    if needs.parents:
        query = _join(query, TIES, "tie", (ROW_ID, SPAN), "child", kind="LEFT")
        query = _join(query, SPANS, PARENT, ("parent", "tie"), ROW_ID, kind="LEFT")
    if needs.trace:
        query.with_("traces", as_=_TRACES, dialect=DuckDB, copy=False)
        query = _join(query, "traces", TRACE, ("trace_id", SPAN), "trace_id")
    if needs.children:
        query = _join(query, "children", CHILDREN, (ROW_ID, SPAN), "parent", kind="LEFT")
    return _join(query, PLACED, TREE, (ROW_ID, SPAN), ROW_ID) if needs.tree else query


def with_children(query: exp.Select, spans: str = SPANS) -> exp.Select:
    """Define the table ``children``: the ``arrival`` of each ``parent`` in a table of spans, and its child_count."""
    return _with_ties(query, spans).with_("children", as_=_CHILDREN, dialect=DuckDB, copy=False)


def _with_ties(query: exp.Select, spans: str = SPANS) -> exp.Select:
    """Define the table ``ties``: the ``arrival`` of each ``child`` in a table of spans, and of its ``parent``."""
    for name, text in (("twins", _TWINS), ("chosen", _CHOSEN), (TIES, _TIES)):
        query.with_(name, as_=text.format(spans=spans), dialect=DuckDB, copy=False)
    return query


def _join(
    query: exp.Select, table: str, alias: str, ours: tuple[str, str], theirs: str, kind: str = "INNER"
) -> exp.Select:
    """Join a query with a table on a column of one of its own tables: ``ours`` is the column and its table."""
    name, owner = ours
    test = exp.EQ(this=exp.column(theirs, table=alias), expression=exp.column(name, table=owner))
    return query.join(exp.table_(table, alias=alias), on=test, join_type=kind, copy=False)
