"""The relation that compiled fields refer to: spans, joined with what else a query needs to judge them.

It stands on a table named ``spans`` with the physical columns of ``columns_needed`` and ``arrival``, a number that
grows in the order in which spans arrived. Where a place in a trace's tree is asked for it stands on PLACED, too, which
is made of what ``structure.tree_query`` tells of the spans: a walk through a tree is no matter for SQL.
"""

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.traceql.fields import CHILDREN, PARENT, SPAN, TRACE, TREE, Needs

SPANS = "spans"
ARRIVAL = "arrival"
PLACED = "placed"
"""The table of the spans' places: ``arrival``, ``nested_left``, ``nested_right`` and ``nested_parent``.

They are those of Tempo's nested sets: spans that no root leads to have 0 everywhere, a root's parent is -1, and
siblings are numbered as they arrived.
"""

_TRACES = """
    SELECT trace_id,
      MIN(start_time_unix_nano) AS trace_start,
      MAX(span_end) AS trace_end,
      MAX(span_end) - MIN(start_time_unix_nano) AS trace_duration,
      MAX_BY(name, arrival) FILTER (WHERE parent_span_id IS NULL) AS root_name,
      MAX_BY(COALESCE(service_name, ''), arrival) FILTER (WHERE parent_span_id IS NULL) AS root_service
    FROM (
      SELECT *, start_time_unix_nano
        + LEAST(GREATEST(duration_nano, 0), 9223372036854775807 - start_time_unix_nano) AS span_end
      FROM spans
    ) GROUP BY trace_id
"""
_CHILDREN = """
    SELECT trace_id, parent_span_id, COUNT(*) AS child_count
    FROM spans WHERE NOT parent_span_id IS NULL GROUP BY trace_id, parent_span_id
"""
# Of several spans with one id, the first to arrive is the parent.
_FIRST = """
    SELECT DISTINCT ON (trace_id, span_id) * FROM spans ORDER BY trace_id, span_id, arrival
"""

_CHILDREN_COLUMNS = {"trace_id", "span_id", "parent_span_id"}
_TREE_COLUMNS = _CHILDREN_COLUMNS | {"kind"}
_TRACE_COLUMNS = {"trace_id", "parent_span_id", "start_time_unix_nano", "duration_nano", "name", "service_name"}


def columns_needed(needs: Needs) -> set[str]:
    """The physical columns that the table ``spans`` must have, ``arrival`` aside."""
    columns = {"trace_id"} | needs.columns
    if needs.parents:
        columns |= {"span_id", "parent_span_id"} | needs.parents
    if needs.trace:
        columns |= _TRACE_COLUMNS
    if needs.children:
        columns |= _CHILDREN_COLUMNS
    if needs.tree:
        columns |= _TREE_COLUMNS
    return columns


def needs_arrival(needs: Needs) -> bool:
    """Whether the table ``spans`` must have the column ``arrival``."""
    return needs.arrival or needs.trace or needs.tree or bool(needs.parents)


def relation(needs: Needs, select: list[exp.Expr], spans: exp.Query | None = None) -> exp.Select:
    """``SELECT select FROM spans AS s`` with the joins that are needed; a query may define the table ``spans``."""
    query = exp.select(*select).from_(exp.table_(SPANS, alias=SPAN), copy=False)
    if spans is not None:
        query.with_(SPANS, as_=spans, copy=False)
    if needs.parents:
        query.with_("parents", as_=_FIRST, dialect=DuckDB, copy=False)
        query = _join(query, "parents", PARENT, {"trace_id": "trace_id", "span_id": "parent_span_id"}, kind="LEFT")
    if needs.trace:
        query = _join(
            query.with_("traces", as_=_TRACES, dialect=DuckDB, copy=False), "traces", TRACE, {"trace_id": "trace_id"}
        )
    if needs.children:
        query.with_("children", as_=_CHILDREN, dialect=DuckDB, copy=False)
        keys = {"trace_id": "trace_id", "parent_span_id": "span_id"}
        query = _join(query, "children", CHILDREN, keys, kind="LEFT")
    return _join(query, PLACED, TREE, {ARRIVAL: ARRIVAL}) if needs.tree else query


def _join(query: exp.Select, table: str, alias: str, keys: dict[str, str], kind: str = "INNER") -> exp.Select:
    tests = [
        exp.EQ(this=exp.column(theirs, table=alias), expression=exp.column(ours, table=SPAN))
        for theirs, ours in keys.items()
    ]
    return query.join(exp.table_(table, alias=alias), on=exp.and_(*tests), join_type=kind, copy=False)
