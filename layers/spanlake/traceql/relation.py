"""The relation that compiled fields refer to: spans, joined with what else a query needs to judge them.

It stands on a table named ``spans`` with the physical columns of ``columns_needed`` and ``arrival``, a number that
grows in the order in which spans arrived. Numbering a trace's tree follows Tempo's nested sets: spans that no root
leads to have 0 everywhere, a root's parent is -1, and siblings are numbered as they arrived.
"""

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.traceql.fields import CHILDREN, PARENT, SPAN, TRACE, TREE, Needs

SPANS = "spans"
ARRIVAL = "arrival"

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
_ORDERED = """
    SELECT trace_id, span_id, parent_span_id, arrival,
      ROW_NUMBER() OVER (PARTITION BY trace_id ORDER BY arrival) AS place
    FROM spans
"""
# Where spans share an id, the first to arrive is the parent: with one parent each, a walk from the roots meets every
# span at most once, whatever circles there are.
_OWNERS = """
    SELECT trace_id, span_id, MIN(place) AS place FROM ordered GROUP BY trace_id, span_id
"""
_LINKED = """
    SELECT o.*, p.place AS parent_place
    FROM ordered AS o LEFT JOIN owners AS p ON p.trace_id = o.trace_id AND p.span_id = o.parent_span_id
"""
_WALK = """
    SELECT trace_id, place, 0 AS depth, LIST_VALUE(place) AS path FROM ordered WHERE parent_span_id IS NULL
    UNION ALL
    SELECT child.trace_id, child.place, walk.depth + 1, LIST_APPEND(walk.path, child.place)
    FROM walk JOIN linked AS child ON child.trace_id = walk.trace_id AND child.parent_place = walk.place
    WHERE walk.depth < 4096 -- bounds the paths' lengths; what lies deeper has no place
"""
_NUMBERED = """
    SELECT trace_id, place, depth,
      ROW_NUMBER() OVER (PARTITION BY trace_id ORDER BY path) AS entered,
      ROW_NUMBER() OVER (PARTITION BY trace_id ORDER BY LIST_APPEND(path, 9223372036854775807)) AS left_at
    FROM walk
"""
_TREE = """
    SELECT trace_id, place,
      2 * entered - 1 - depth AS nested_left,
      2 * entered - 1 - depth + 2 * (left_at - entered + depth) + 1 AS nested_right
    FROM numbered
"""
_PLACED = """
    SELECT o.trace_id, o.arrival,
      COALESCE(t.nested_left, 0) AS nested_left,
      COALESCE(t.nested_right, 0) AS nested_right,
      CASE WHEN o.parent_span_id IS NULL THEN -1 ELSE COALESCE(p.nested_left, 0) END AS nested_parent
    FROM linked AS o
    LEFT JOIN tree AS t ON t.trace_id = o.trace_id AND t.place = o.place
    LEFT JOIN tree AS p ON p.trace_id = o.trace_id AND p.place = o.parent_place
"""

# As in a tree, the first to arrive of several spans with one id is the parent.
_FIRST = """
    SELECT DISTINCT ON (trace_id, span_id) * FROM spans ORDER BY trace_id, span_id, arrival
"""

_TREE_COLUMNS = {"trace_id", "span_id", "parent_span_id"}
_TRACE_COLUMNS = {"trace_id", "parent_span_id", "start_time_unix_nano", "duration_nano", "name", "service_name"}


def columns_needed(needs: Needs) -> set[str]:
    """The physical columns that the table ``spans`` must have, ``arrival`` aside."""
    columns = {"trace_id"} | needs.columns
    if needs.parents:
        columns |= {"span_id", "parent_span_id"} | needs.parents
    if needs.trace:
        columns |= _TRACE_COLUMNS
    if needs.children or needs.tree:
        columns |= _TREE_COLUMNS
    return columns


def needs_arrival(needs: Needs) -> bool:
    """Whether the table ``spans`` must have the column ``arrival``."""
    return needs.arrival or needs.trace or needs.tree or bool(needs.parents)


def relation(needs: Needs, select: list[exp.Expr], spans: exp.Query | None = None) -> exp.Select:
    """``SELECT select FROM spans AS s`` with the joins that are needed; a query may define the table ``spans``."""
    query = exp.select(*select).from_(exp.alias_(exp.to_table(SPANS), SPAN, table=True), copy=False)
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
    return _with_tree(query) if needs.tree else query


def _with_tree(query: exp.Select) -> exp.Select:
    for name, text in (
        ("ordered", _ORDERED),
        ("owners", _OWNERS),
        ("linked", _LINKED),
        ("walk", _WALK),
        ("numbered", _NUMBERED),
        ("tree", _TREE),
        ("placed", _PLACED),
    ):
        query.with_(name, as_=text, dialect=DuckDB, copy=False)
    query.args["with_"].set("recursive", True)
    return _join(query, "placed", TREE, {"trace_id": "trace_id", ARRIVAL: ARRIVAL})


def _join(query: exp.Select, table: str, alias: str, keys: dict[str, str], kind: str = "INNER") -> exp.Select:
    tests = [
        exp.EQ(this=exp.column(theirs, table=alias), expression=exp.column(ours, table=SPAN))
        for theirs, ours in keys.items()
    ]
    return query.join(
        exp.alias_(exp.to_table(table), alias, table=True), on=exp.and_(*tests), join_type=kind, copy=False
    )
